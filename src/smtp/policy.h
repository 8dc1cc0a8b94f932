// Policy: everything a server session has to know about its configuration,
// compiled once per commit and Peer chain, shared by all sessions under it.
#pragma once

#include "auth/login.h"
#include "base/clock.h"
#include "base/ip.h"
#include "config/value.h"
#include "intake/message_rules.h"
#include "intake/relay.h"
#include "intake/sender_match.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace impulse::config {
class Options;
}

namespace impulse::smtp {

// Of LoginPolicy (AUTH, RFC 4954) auth_sources is what is configured and what
// SMTP_Extensions names of it.
struct Policy : intake::MessageRules, intake::RelayRules, auth::LoginPolicy {
  bool lmtp = false;     // RFC 2033: LHLO, and a reply for each recipient
  std::string hostname;  // EHLO reply's first word (Banner_Hostname)
  std::string banner;    // text after "220 "; whole line (Static_Banner or made)

  // SMTP_Protocols: which greetings are taken.
  bool helo = true;
  bool ehlo = true;

  // SMTP_Extensions
  bool pipelining = true;
  bool size = true;
  bool eight_bit_mime = true;
  bool enhanced_status_codes = true;
  bool starttls = false;        // a certificate is there, and not Use_SSL
  bool chunking = false;        // RFC 3030
  bool binary_mime = false;     // RFC 3030; only with chunking
  bool smtputf8 = false;        // RFC 6531; only with 8BITMIME
  bool dsn = false;             // RFC 3461
  bool deliver_by = false;      // RFC 2852
  bool future_release = false;  // RFC 4865
  bool mt_priority = false;     // RFC 6710
  bool require_tls = false;     // RFC 8689; only under TLS
  bool limits = false;          // RFC 9422
  bool xclient = false;         // these four only for xclient_hosts
  bool xremoteip = false;
  bool xsetcontext = false;
  bool xdumpcontext = false;
  NetworkList xclient_hosts;

  using SenderMatch = intake::SenderMatch;
  SenderMatch sender_match = SenderMatch::off;  // Sender_Must_Match_User
  bool verified_peer_can_relay = false;

  bool tls_required = false;  // 530 5.7.0 until TLS is on (RFC 3207 §4)
  bool starttls_reject_injection = true;
  bool deny = false;  // 554 5.7.1 instead of the banner

  bool require_ehlo = false;
  bool allow_trailing_whitespace = false;
  bool allow_whitespace_in_envelope = false;
  std::string unqualified_recipient_domain;
  std::string unqualified_sender_domain;

  uint32_t max_recipients_connection = 0;
  uint32_t max_receptions_connection = 0;
  uint32_t max_command_length = 4096;  // bytes with CRLF
  uint32_t max_errors = 20;            // answered with 5xx since the last accepted message; 0 no limit

  // 0: no limit.
  Duration greeting_timeout = std::chrono::seconds(300);
  Duration command_timeout = std::chrono::seconds(300);
  Duration idle_timeout = std::chrono::seconds(300);
  Duration data_timeout = std::chrono::seconds(600);
  Duration error_delay{0};  // tarpit: for each error after half of max_errors

  std::string reconfig_message = "4.3.2 Reconfiguration in progress";
  bool reconfig_always = false;  // Reconfig_Policy = always

  friend bool operator==(const Policy&, const Policy&) = default;
};

// The policy of a Peer chain, for ESMTP or LMTP. `tls_usable`: there is a TLS
// context for it. Names that are not set are the system's host name.
std::shared_ptr<const Policy> make_policy(const config::Options& options, bool tls_usable, bool lmtp = false);

}  // namespace impulse::smtp
