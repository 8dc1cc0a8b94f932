// Greetings (RFC 5321 §4.1.1.1), STARTTLS (RFC 3207) and the small commands.
#include "smtp/server_impl.h"

#include "base/text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace impulse::smtp {

namespace {

// One word: a domain or address literal in spirit. Clients call themselves by
// many names that are neither, and refusing those gains nobody anything
// (RFC 5321 §4.1.4); what is shown of it later is made harmless there.
bool is_helo_name(std::string_view text) {
  return !text.empty() && text.size() <= message::max_domain &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace

void ServerSession::Impl::on_greeting(const Command& command, Greeting greeting) {
  // RFC 2033 §4.1: LHLO, and nothing else, where LMTP is spoken; nowhere else.
  const bool lhlo = command.verb == Verb::lhlo;
  if (lhlo != policy_->lmtp) return refuse(policy_->lmtp ? reply::lhlo_only : reply::unknown_command, "syntax");
  if (!safe_point()) return;
  // No reply to a greeting has an enhanced code (RFC 2034 §4).
  const auto bare = [](ServerReply reply) { return ServerReply{reply.code, "", reply.text}; };
  const bool extended = greeting == Greeting::ehlo;
  if (!lhlo && !(extended ? policy_->ehlo : policy_->helo)) return refuse(bare(reply::not_available), "syntax");
  if (!extended && policy_->tls_required && !tls_) return refuse(bare(reply::tls_first), "tls_required");
  std::string_view name = command.arguments;
  if (policy_->allow_trailing_whitespace) name = without_trailing_whitespace(name);
  if (!is_helo_name(name)) return refuse(reply::bad_helo, "syntax");

  drop_transaction();
  greeting_ = greeting;
  helo_ = name;
  std::vector<std::string> lines{policy_->hostname};
  if (extended)
    for (std::string& line : extensions()) lines.push_back(std::move(line));
  for (const std::string& line : lines) append_reply_line(out_->reply, 250, "", line, &line == &lines.back());
  out_->restart_deadline = true;
}

// What EHLO and LHLO offer to this client at this moment.
std::vector<std::string> ServerSession::Impl::extensions() const {
  const Policy& policy = *policy_;
  std::vector<std::string> lines;
  const auto offer = [&](bool offered, std::string_view line) {
    if (offered) lines.emplace_back(line);
  };
  offer(policy.pipelining, "PIPELINING");
  offer(policy.size, fmt::format("SIZE {}", policy.max_message_size));
  offer(policy.eight_bit_mime, "8BITMIME");
  offer(policy.smtputf8, "SMTPUTF8");
  offer(policy.enhanced_status_codes, "ENHANCEDSTATUSCODES");
  offer(policy.chunking, "CHUNKING");
  offer(policy.binary_mime, "BINARYMIME");
  offer(policy.dsn, "DSN");
  offer(policy.deliver_by, "DELIVERBY");
  if (policy.future_release) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(policy.max_hold);
    const auto latest = std::chrono::floor<std::chrono::seconds>(host_.now() + seconds);
    lines.push_back(fmt::format("FUTURERELEASE {} {:%Y-%m-%dT%H:%M:%S}Z", seconds.count(), latest));
  }
  offer(policy.mt_priority, "MT-PRIORITY");
  offer(policy.require_tls && tls_, "REQUIRETLS");
  if (policy.limits) {
    std::string limits;
    if (policy.max_receptions_connection != 0) limits += fmt::format(" MAILMAX={}", policy.max_receptions_connection);
    if (policy.max_recipients != 0) limits += fmt::format(" RCPTMAX={}", policy.max_recipients);
    offer(!limits.empty(), "LIMITS" + limits);
  }
  offer(policy.starttls && !tls_, "STARTTLS");
  if (const std::vector<std::string_view> names = login_.mechanisms(scene()); !names.empty() && !login_.settled())
    lines.push_back(fmt::format("AUTH {}", fmt::join(names, " ")));
  if (trusted_ || policy.xclient_hosts.contains(client_.address)) {
    offer(policy.xclient, "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
    offer(policy.xremoteip, "XREMOTEIP");
    offer(policy.xsetcontext, "XSETCONTEXT");
    offer(policy.xdumpcontext, "XDUMPCONTEXT");
  }
  return lines;
}

void ServerSession::Impl::on_rset(const Command& command) {
  if (tls_missing() || !plain(command)) return;
  drop_transaction();
  if (safe_point()) say(reply::ok);
}

void ServerSession::Impl::on_noop() { say(reply::ok); }

void ServerSession::Impl::on_vrfy(const Command& command) {
  if (not_ready()) return;
  if (trim(command.arguments).empty()) return refuse(reply::needs_argument, "syntax");
  say(reply::cannot_verify);
}

void ServerSession::Impl::on_help() {
  if (tls_missing()) return;
  std::string verbs = policy_->lmtp ? "LHLO" : "HELO EHLO";
  verbs += " MAIL RCPT DATA";
  if (policy_->chunking) verbs += " BDAT";
  verbs += " RSET NOOP VRFY HELP";
  if (!login_.mechanisms(scene()).empty()) verbs += " AUTH";
  if (policy_->starttls && !tls_) verbs += " STARTTLS";
  say(reply::help, verbs + " QUIT");
}

void ServerSession::Impl::on_quit(const Command& command) {
  if (!plain(command)) return;
  say(reply::bye);
  close();
}

void ServerSession::Impl::on_starttls(const Command& command, std::string_view behind) {
  if (tls_) return refuse(reply::tls_active, "bad_sequence");
  if (!policy_->starttls) return refuse(reply::not_available, "syntax");
  if (!plain(command)) return;
  if (transaction_.open) return refuse(reply::bad_sequence, "bad_sequence");
  // Bytes in plain text must not become commands inside TLS (RFC 3207 §6).
  if (!behind.empty() && policy_->starttls_reject_injection) {
    note(reply::tls_injection, "injection", reply::tls_injection.text);
    say(reply::tls_injection);
    return close();
  }
  say(reply::ready_for_tls);
  phase_ = Phase::tls;
}

}  // namespace impulse::smtp
