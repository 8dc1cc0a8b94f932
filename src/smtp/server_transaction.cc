// The mail transaction: MAIL, RCPT, DATA (RFC 5321 §3.3), SIZE (RFC 1870),
// 8BITMIME (RFC 6152), and what becomes of the message.
#include "smtp/server_impl.h"

#include "base/text.h"
#include "message/received.h"
#include "smtp/relay.h"

#include <fmt/format.h>

#include <algorithm>

namespace impulse::smtp {

namespace {

using message::AddressFault;

message::AddressRules rules_of(const Policy& policy) {
  return {policy.pedantic_addresses, policy.allow_ip_literal, policy.allow_whitespace_in_envelope};
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
  if (!safe_point() || tls_missing()) return;
  if (policy_->require_ehlo && greeting_ == Greeting::none) return refuse(reply::greet_first, "bad_sequence");
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
  auto body_type = message::BodyType::seven_bit;
  if (!mail_parameters(rest, body_type) || !admitted()) return;

  transaction_.open = true;
  transaction_.sender = std::move(path->address);
  transaction_.body_type = body_type;
  say(reply::sender_ok);
}

// False: refused, and said so.
bool ServerSession::Impl::mail_parameters(std::string_view text, message::BodyType& body_type) {
  const auto refused = [&](const ServerReply& reply, std::string_view cause) {
    refuse(reply, cause);
    return false;
  };
  const auto parameters = parse_parameters(text, policy_->allow_trailing_whitespace);
  if (!parameters) return refused(reply::bad_parameters, "syntax");
  bool size_seen = false;
  bool body_seen = false;
  bool too_big = false;
  for (const Parameter& parameter : *parameters) {
    if (policy_->size && iequals(parameter.keyword, "SIZE")) {
      if (std::exchange(size_seen, true)) return refused(reply::twice, "syntax");
      // RFC 1870 §4: 1*20DIGIT. A number beyond 64 bits is too big for anybody.
      if (parameter.value.empty() || parameter.value.size() > 20 ||
          !std::all_of(parameter.value.begin(), parameter.value.end(), is_digit))
        return refused(reply::bad_size, "syntax");
      const auto size = parse_unsigned(parameter.value);
      too_big = !size || (policy_->max_message_size != 0 && *size > policy_->max_message_size);
    } else if (policy_->eight_bit_mime && iequals(parameter.keyword, "BODY")) {
      if (std::exchange(body_seen, true)) return refused(reply::twice, "syntax");
      if (iequals(parameter.value, "8BITMIME"))
        body_type = message::BodyType::eight_bit_mime;
      else if (!iequals(parameter.value, "7BIT"))
        return refused(reply::bad_body, "syntax");
    } else {
      return refused(reply::unknown_parameter, "syntax");
    }
  }
  return !too_big || refused(reply::too_big, "size");
}

void ServerSession::Impl::on_rcpt(const Command& command) {
  if (tls_missing()) return;
  if (!transaction_.open) return refuse(reply::mail_first, "bad_sequence");
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
  const auto parameters = parse_parameters(rest, policy_->allow_trailing_whitespace);
  if (!parameters) return refused(reply::bad_parameters, "syntax");
  if (!parameters->empty()) return refused(reply::unknown_parameter, "syntax");

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
  if (!our_postmaster && !may_relay(*policy_, client_.address, transaction_.sender, address))
    return refused(reply::relaying_denied, "relay", fmt::format("Relaying denied for <{}>", address));
  if (policy_->max_recipients != 0 && transaction_.recipients.size() >= policy_->max_recipients)
    return refused(reply::too_many_recipients, "recipients");
  if (policy_->max_recipients_connection != 0 && recipients_ >= policy_->max_recipients_connection) {
    refused(reply::connection_recipients, "recipients");
    return close();
  }
  transaction_.recipients.push_back({std::move(address)});
  ++recipients_;
  say(reply::recipient_ok);
}

void ServerSession::Impl::on_data(const Command& command, bool ended_in_lf) {
  if (tls_missing() || !plain(command)) return;
  if (!transaction_.open) return refuse(reply::mail_first, "bad_sequence");
  if (transaction_.recipients.empty()) {
    if (transaction_.refused_recipients) return refuse(reply::no_recipients, "bad_sequence");
    return refuse(reply::rcpt_first, "bad_sequence");
  }
  // Such a client could never end its message.
  if (ended_in_lf) return refuse(reply::data_needs_crlf, "lone_lf_command");
  if (!admitted()) return;
  data_.begin(*policy_);
  data_progress_ = 0;
  phase_ = Phase::data;
  say(reply::send_data);
}

bool ServerSession::Impl::admitted() {
  const Result<> admission = host_.admit();
  if (admission) return true;
  refuse(admission.error().code == Errc::no_space ? reply::no_space : reply::try_later, "admission");
  return false;
}

void ServerSession::Impl::end_of_data() {
  const auto refused = [&](const ServerReply& reply, std::string_view cause) {
    note(reply, cause, reply.text);
    say(reply);
    phase_ = Phase::command;
    transaction_ = {};
    end_if_asked();
  };
  switch (data_.verdict()) {
    case DataReceiver::Verdict::good:
      phase_ = Phase::submit;
      break;
    case DataReceiver::Verdict::too_big:
      return refused(reply::too_big, "size");
    case DataReceiver::Verdict::lone_lf:
      return refused(reply::lone_lf, "lone_lf");
    case DataReceiver::Verdict::loop:
      return refused(reply::loop, "loop");
  }
}

std::string_view ServerSession::Impl::protocol() const {
  if (tls_) return "ESMTPS";
  return greeting_ == Greeting::ehlo ? "ESMTP" : "SMTP";
}

Submission ServerSession::Impl::take_submission() {
  Submission submission;
  message::Envelope& envelope = submission.envelope;
  envelope.sender = std::move(transaction_.sender);
  envelope.recipients = std::move(transaction_.recipients);
  envelope.body_type = transaction_.body_type;
  envelope.received = host_.now();
  envelope.client = client_.address;
  envelope.client_helo = helo_;
  envelope.listener = client_.listener;
  submission.protocol = protocol();
  submission.body = data_.take_body();
  if (policy_->trace_headers) {
    message::ReceivedInfo info;
    info.helo = helo_;
    info.client = client_.address;
    info.unix_socket = client_.unix_socket;
    info.by = policy_->received_hostname;
    info.protocol = submission.protocol;
    const std::string tls = tls_ ? fmt::format("{} {}", tls_->version, tls_->cipher) : std::string();
    info.tls = tls;
    if (envelope.recipients.size() == 1) info.recipient = envelope.recipients.front().address;
    info.when = envelope.received;
    message::TraceField field = message::received_field(info);
    submission.trace = std::move(field.text);
    submission.id_offset = field.id_offset;
  }
  return submission;
}

void ServerSession::Impl::submitted(const Result<MessageId>& result, std::string_view node) {
  phase_ = Phase::command;
  transaction_ = {};
  data_ = {};
  if (result) {
    ++messages_;
    errors_ = 0;
    say(reply::ok, fmt::format("OK: queued as {}", result->to_string(node)));
  } else if (result.error().code == Errc::no_space) {
    say(reply::no_space);
  } else if (result.error().code == Errc::busy) {
    say(reply::busy);
  } else {
    say(reply::try_later);
  }
  end_if_asked();
}

}  // namespace impulse::smtp
