// Greetings (RFC 5321 §4.1.1.1), STARTTLS (RFC 3207) and the small commands.
#include "smtp/server_impl.h"

#include "base/text.h"

#include <fmt/format.h>

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
  if (!safe_point()) return;
  // No reply to a greeting has an enhanced code (RFC 2034 §4).
  const auto bare = [](ServerReply reply) { return ServerReply{reply.code, "", reply.text}; };
  const bool extended = greeting == Greeting::ehlo;
  if (!(extended ? policy_->ehlo : policy_->helo)) return refuse(bare(reply::not_available), "syntax");
  if (!extended && policy_->tls_required && !tls_) return refuse(bare(reply::tls_first), "tls_required");
  std::string_view name = command.arguments;
  if (policy_->allow_trailing_whitespace) name = without_trailing_whitespace(name);
  if (!is_helo_name(name)) return refuse(reply::bad_helo, "syntax");

  transaction_ = {};
  greeting_ = greeting;
  helo_ = name;
  std::vector<std::string> lines{policy_->hostname};
  if (extended) {
    if (policy_->pipelining) lines.emplace_back("PIPELINING");
    if (policy_->size) lines.push_back(fmt::format("SIZE {}", policy_->max_message_size));
    if (policy_->eight_bit_mime) lines.emplace_back("8BITMIME");
    if (policy_->enhanced_status_codes) lines.emplace_back("ENHANCEDSTATUSCODES");
    if (policy_->starttls && !tls_) lines.emplace_back("STARTTLS");
  }
  for (const std::string& line : lines) append_reply_line(out_->reply, 250, "", line, &line == &lines.back());
  out_->restart_deadline = true;
}

void ServerSession::Impl::on_rset(const Command& command) {
  if (tls_missing() || !plain(command)) return;
  transaction_ = {};
  if (safe_point()) say(reply::ok);
}

void ServerSession::Impl::on_noop() { say(reply::ok); }

void ServerSession::Impl::on_vrfy(const Command& command) {
  if (tls_missing()) return;
  if (trim(command.arguments).empty()) return refuse(reply::needs_argument, "syntax");
  say(reply::cannot_verify);
}

void ServerSession::Impl::on_help() {
  if (tls_missing()) return;
  say(policy_->starttls && !tls_ ? reply::help_tls : reply::help);
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
