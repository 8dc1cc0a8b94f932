#include "smtp/policy.h"

#include "base/text.h"
#include "config/keys.h"
#include "config/snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>

namespace impulse::smtp {

namespace {

namespace key = config::key;

bool offers(const config::Strings& words, std::string_view word) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& each) { return iequals(each, word); });
}

// What SMTP_Extensions has behind a keyword: "AUTH PLAIN LOGIN". Null: not offered.
std::optional<std::vector<std::string_view>> extension(const config::Strings& extensions, std::string_view keyword) {
  for (const std::string& each : extensions) {
    std::vector<std::string_view> found = words(each);
    if (found.empty() || !iequals(found.front(), keyword)) continue;
    found.erase(found.begin());
    return found;
  }
  return std::nullopt;
}

// Those of the configured sources that "AUTH …" names; of a bare "AUTH" all.
std::vector<auth::Source> offered_sources(std::vector<auth::Source> sources,
                                          const std::vector<std::string_view>& named) {
  if (named.empty()) return sources;
  std::erase_if(sources, [&](const auth::Source& source) {
    return std::none_of(named.begin(), named.end(),
                        [&](std::string_view word) { return iequals(word, auth::name(source.mechanism)); });
  });
  return sources;
}

// Momentum's Static_Banner is the whole line, its code included.
std::string_view without_code(std::string_view banner) {
  if (banner.starts_with("220 ") || banner.starts_with("220-")) banner.remove_prefix(4);
  return trim(banner);
}

}  // namespace

std::shared_ptr<const Policy> make_policy(const config::Options& options, bool tls_usable, bool lmtp) {
  Policy policy;
  policy.lmtp = lmtp;
  intake::read_message_rules(options, policy);
  intake::read_relay_rules(options, policy);
  policy.hostname = options[key::banner_hostname];
  if (policy.hostname.empty()) policy.hostname = intake::host_name(options);
  policy.banner = without_code(options[key::static_banner]);
  if (policy.banner.empty()) policy.banner = policy.hostname + (lmtp ? " LMTP Impulse" : " ESMTP Impulse");

  const config::Strings& protocols = options[key::smtp_protocols];
  policy.helo = offers(protocols, "HELO");
  policy.ehlo = offers(protocols, "EHLO");
  const config::Strings& extensions = options[key::smtp_extensions];
  const auto offered = [&](std::string_view keyword) { return extension(extensions, keyword).has_value(); };
  // RFC 2033 §5: LMTP has these two, always.
  policy.pipelining = lmtp || offered("PIPELINING");
  policy.enhanced_status_codes = lmtp || offered("ENHANCEDSTATUSCODES");
  policy.size = offered("SIZE");
  policy.eight_bit_mime = offered("8BITMIME");
  policy.chunking = offered("CHUNKING");
  policy.binary_mime = policy.chunking && offered("BINARYMIME");   // RFC 3030 §3
  policy.smtputf8 = policy.eight_bit_mime && offered("SMTPUTF8");  // RFC 6531 §3.1
  policy.dsn = offered("DSN");
  policy.deliver_by = offered("DELIVERBY");
  policy.mt_priority = offered("MT-PRIORITY");
  policy.require_tls = offered("REQUIRETLS");
  policy.limits = offered("LIMITS");
  if (const auto hold = extension(extensions, "FUTURERELEASE")) {
    policy.future_release = true;
    if (!hold->empty())
      if (const auto seconds = parse_unsigned(hold->front())) policy.max_hold = std::chrono::seconds(*seconds);
  }
  policy.xclient = offered("XCLIENT");
  policy.xremoteip = offered("XREMOTEIP");
  policy.xsetcontext = offered("XSETCONTEXT");
  policy.xdumpcontext = offered("XDUMPCONTEXT");
  policy.xclient_hosts = options[key::xclient_hosts];

  if (const auto mechanisms = extension(extensions, "AUTH")) {
    policy.auth_sources = offered_sources(auth::mail_sources(options), *mechanisms);
    policy.auth_external =
        mechanisms->empty() || std::any_of(mechanisms->begin(), mechanisms->end(),
                                           [](std::string_view word) { return iequals(word, "EXTERNAL"); });
  }
  auth::read_login_policy(options, policy);
  policy.sender_match = static_cast<Policy::SenderMatch>(options[key::sender_must_match_user].index);
  policy.verified_peer_can_relay = options[key::tls_verified_peer_can_relay];

  policy.starttls = tls_usable && !options[key::use_ssl];

  policy.tls_required = options[key::tls_required];
  policy.starttls_reject_injection = options[key::starttls_injection_policy].index == 0;
  policy.deny = options[key::deny];

  policy.require_ehlo = options[key::require_ehlo];
  policy.allow_trailing_whitespace = options[key::allow_trailing_whitespace_in_commands];
  policy.allow_whitespace_in_envelope = options[key::rfc2821_allow_whitespace_in_envelope];
  policy.unqualified_recipient_domain = options[key::domain_for_unqualified_recipient_addresses];
  policy.unqualified_sender_domain = options[key::domain_for_unqualified_sender_address];

  policy.max_recipients_connection = intake::to_count(options[key::max_recipients_per_connection]);
  policy.max_receptions_connection = intake::to_count(options[key::max_receptions_per_connection]);
  policy.max_command_length =
      static_cast<uint32_t>(std::clamp<uint64_t>(options[key::max_command_length], 512, 1U << 20));
  policy.max_errors = intake::to_count(options[key::max_errors]);

  policy.greeting_timeout = options[key::greeting_timeout];
  policy.command_timeout = options[key::command_timeout];
  policy.idle_timeout = options[key::idle_time];
  policy.data_timeout = options[key::data_timeout];
  policy.error_delay = options[key::error_delay];

  policy.reconfig_message = options[key::reconfig_message];
  policy.reconfig_always = options[key::reconfig_policy].index == 1;
  return std::make_shared<const Policy>(std::move(policy));
}

}  // namespace impulse::smtp
