// Policy: everything a server session has to know about its configuration,
// compiled once per commit and Peer chain, shared by all sessions under it.
#pragma once

#include "base/clock.h"
#include "base/ip.h"
#include "config/value.h"

#include <cstdint>
#include <memory>
#include <string>

namespace impulse::config {
class Options;
}

namespace impulse::smtp {

struct Policy {
  std::string hostname;  // EHLO reply's first word (Banner_Hostname)
  std::string banner;    // text after "220 "; whole line (Static_Banner or made)
  std::string received_hostname;

  // SMTP_Protocols: which greetings are taken.
  bool helo = true;
  bool ehlo = true;

  // SMTP_Extensions
  bool pipelining = true;
  bool size = true;
  bool eight_bit_mime = true;
  bool enhanced_status_codes = true;
  bool starttls = false;  // a certificate is there, and not Use_SSL

  bool tls_required = false;  // 530 5.7.0 until TLS is on (RFC 3207 §4)
  bool starttls_reject_injection = true;
  bool deny = false;  // 554 5.7.1 instead of the banner

  bool require_ehlo = false;
  bool allow_null_sender = true;
  bool allow_ip_literal = true;
  bool allow_trailing_whitespace = false;
  bool pedantic_addresses = true;
  bool allow_whitespace_in_envelope = false;
  std::string unqualified_recipient_domain;
  std::string unqualified_sender_domain;

  uint64_t max_message_size = 52428800;  // bytes; 0 no limit
  uint32_t max_recipients = 0;           // a message; 0 no limit
  uint32_t max_recipients_connection = 0;
  uint32_t max_receptions_connection = 0;
  uint32_t max_command_length = 4096;   // bytes with CRLF
  uint32_t max_errors = 20;             // answered with 5xx since the last accepted message; 0 no limit
  uint32_t max_received_headers = 100;  // 0 no limit
  size_t body_block = 16384;            // Growbuf_Size, bytes

  bool open_relay = false;
  NetworkList relay_hosts;
  config::GlobList relay_domains;
  config::GlobList relay_sending_domains;

  enum class LoneLf : uint8_t { ignore, pedantic, fix };
  LoneLf lone_lf_body = LoneLf::pedantic;
  LoneLf lone_lf_headers = LoneLf::pedantic;
  bool trace_headers = true;  // add Received

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

// The policy of a Peer chain. `tls_usable`: there is a TLS context for it.
// Names that are not set are the system's host name.
std::shared_ptr<const Policy> make_policy(const config::Options& options, bool tls_usable);

}  // namespace impulse::smtp
