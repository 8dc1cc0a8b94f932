// The mail transaction up to the message: MAIL and RCPT (RFC 5321 §3.3).
#include "smtp/server_impl.h"

#include "base/text.h"
#include "smtp/relay.h"

#include <fmt/format.h>

#include <algorithm>

namespace impulse::smtp {

namespace {

using message::AddressFault;

message::AddressRules rules_of(const Policy& policy) {
  return {policy.pedantic_addresses, policy.allow_ip_literal, policy.allow_whitespace_in_envelope, policy.smtputf8};
}

const ServerReply& reply_for(AddressFault fault, bool sender) {
  switch (fault) {
    case AddressFault::too_long:
      return sender ? reply::long_sender : reply::long_recipient;
    case AddressFault::ip_literal:
      return sender ? reply::literal_sender : reply::literal_recipient;
    case AddressFault::not_ascii:
      return reply::utf8_address;
    case AddressFault::syntax:
      break;
  }
  return sender ? reply::bad_sender : reply::bad_recipient;
}

// What stands behind "FROM:" or "TO:"; nothing when that is not there.
std::optional<std::string_view> behind_keyword(std::string_view arguments, std::string_view keyword,
                                               const Policy& policy) {
  if (!istarts_with(arguments, keyword)) return std::nullopt;
  arguments.remove_prefix(keyword.size());
  if (policy.allow_whitespace_in_envelope)
    while (!arguments.empty() && (arguments.front() == ' ' || arguments.front() == '\t')) arguments.remove_prefix(1);
  return arguments;
}

// What may stand behind the '>': nothing, or parameters each behind a space.
bool ends_path(std::string_view rest) { return rest.empty() || rest.front() == ' ' || rest.front() == '\t'; }

}  // namespace

void ServerSession::Impl::on_mail(const Command& command) {
  if (transaction_.open) return refuse(reply::second_mail, "bad_sequence");
  if (!safe_point() || not_ready()) return;
  if (policy_->require_ehlo && greeting_ == Greeting::none)
    return refuse(policy_->lmtp ? reply::lhlo_first : reply::greet_first, "bad_sequence");
  if (policy_->max_receptions_connection != 0 && messages_ >= policy_->max_receptions_connection) {
    refuse(reply::connection_messages, "receptions");
    return close();
  }
  const auto text = behind_keyword(command.arguments, "FROM:", *policy_);
  if (!text) return refuse(reply::mail_syntax, "syntax");
  auto path = message::parse_path(*text, rules_of(*policy_));
  if (!path) return refuse(reply_for(path.error(), true), "address");
  const std::string_view rest = text->substr(path->used);
  if (!ends_path(rest)) return refuse(reply::bad_sender, "address");
  if (path->address.empty()) {
    if (!policy_->allow_null_sender) return refuse(reply::null_sender, "sender");
  } else if (!path->has_domain) {
    if (policy_->unqualified_sender_domain.empty()) return refuse(reply::unqualified_sender, "address");
    path->address += '@' + policy_->unqualified_sender_domain;
  }
  // Whether AUTH is offered costs a look at files: only where it matters.
  const bool says_auth = upper(rest).find("AUTH=") != std::string::npos;
  auto parameters = mail_parameters(
      rest, *policy_,
      {.tls = tls_.has_value(), .auth_offered = says_auth && !login_.mechanisms(scene()).empty(), .now = host_.now()});
  if (!parameters) return refuse(*parameters.error().reply, parameters.error().cause);
  if (!parameters->smtputf8 && !is_ascii(path->address)) return refuse(reply::utf8_needs_smtputf8, "utf8");
  if (!intake::sender_matches(policy_->sender_match, path->address, login_.user()))
    return refuse(reply::sender_mismatch, "sender_mismatch");
  if (!admitted(ServerHost::Stage::mail)) return;
  if (parameters->size > 0)
    if (const auto refusal = host_.has_room(parameters->size)) return refuse(*refusal);

  transaction_.open = true;
  transaction_.sender = std::move(path->address);
  transaction_.parameters = std::move(*parameters);
  say(reply::sender_ok);
}

void ServerSession::Impl::on_rcpt(const Command& command) {
  if (not_ready()) return;
  if (!transaction_.open) return refuse(reply::mail_first, "bad_sequence");
  if (transaction_.chunked) return refuse(reply::bdat_begun, "bad_sequence");
  // Whatever is refused from here on was an attempt at a recipient (see DATA).
  const auto refused = [&](const ServerReply& reply, std::string_view cause, std::string_view said = {}) {
    transaction_.refused_recipients = true;
    refuse(reply, cause, said.empty() ? reply.text : said);
  };
  const auto text = behind_keyword(command.arguments, "TO:", *policy_);
  if (!text) return refused(reply::rcpt_syntax, "syntax");
  auto path = message::parse_path(*text, rules_of(*policy_));
  if (!path) return refused(reply_for(path.error(), false), "address");
  const std::string_view rest = text->substr(path->used);
  if (!ends_path(rest) || path->address.empty()) return refused(reply::bad_recipient, "address");
  const bool utf8 = transaction_.parameters.smtputf8;
  if (!utf8 && !is_ascii(path->address)) return refused(reply::utf8_needs_smtputf8, "utf8");
  auto parameters = rcpt_parameters(rest, *policy_, utf8);
  if (!parameters) return refused(*parameters.error().reply, parameters.error().cause);

  std::string& address = path->address;
  const bool our_postmaster = !path->has_domain && message::is_postmaster(address);  // RFC 5321 §4.5.1
  if (!path->has_domain) {
    if (!policy_->unqualified_recipient_domain.empty())
      address += '@' + policy_->unqualified_recipient_domain;
    else if (our_postmaster)
      address = "postmaster";
    else
      return refused(reply::unqualified_recipient, "address");
  }
  const bool known = login_.known(*policy_) || (policy_->verified_peer_can_relay && tls_ && tls_->verified);
  if (!our_postmaster && !known && !may_relay(*policy_, client_.address, transaction_.sender, address))
    return refused(reply::relaying_denied, "relay", fmt::format("Relaying denied for <{}>", address));
  if (policy_->max_recipients != 0 && transaction_.recipients.size() >= policy_->max_recipients)
    return refused(reply::too_many_recipients, "recipients");
  if (policy_->max_recipients_connection != 0 && recipients_ >= policy_->max_recipients_connection) {
    refused(reply::connection_recipients, "recipients");
    return close();
  }
  // A transaction that grows and grows is looked at again, as at MAIL.
  if (const size_t had = transaction_.recipients.size(); had != 0 && had % 1024 == 0) {
    if (const auto refusal = host_.admit(ServerHost::Stage::mail)) {
      transaction_.refused_recipients = true;
      return refuse(*refusal);
    }
  }
  transaction_.recipients.push_back({std::move(address), parameters->notify, std::move(parameters->orcpt)});
  ++recipients_;
  say(reply::recipient_ok);
}

bool ServerSession::Impl::admitted(ServerHost::Stage stage) {
  const std::optional<HostRefusal> refusal = host_.admit(stage);
  if (!refusal) return true;
  refuse(*refusal);
  return false;
}

}  // namespace impulse::smtp
