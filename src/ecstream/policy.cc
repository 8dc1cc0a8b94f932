#include "ecstream/policy.h"

#include "config/keys.h"
#include "config/snapshot.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace impulse::ecstream {

namespace {

namespace key = config::key;

std::string system_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

Policy::LoneLf lone_lf(config::Enum choice) {
  constexpr std::array order{Policy::LoneLf::ignore, Policy::LoneLf::pedantic, Policy::LoneLf::fix};
  return order.at(choice.index);  // as the catalogue lists them
}

uint32_t count(int64_t value, int64_t least = 0, int64_t most = UINT32_MAX) {
  return static_cast<uint32_t>(std::clamp<int64_t>(value, least, most));
}

}  // namespace

std::shared_ptr<const Policy> make_policy(const config::Options& options) {
  Policy policy;
  std::string host = options[key::hostname];
  if (host.empty()) host = system_name();
  policy.hostname = host;
  const std::string& received = options[key::received_hostname];
  policy.received_hostname = received.empty() ? host : received;

  policy.window = count(options[key::ecstream_window], 1, Policy::largest_window);
  policy.max_batch = count(options[key::ecstream_max_batch_size], 1);
  policy.idle_time = options[key::ecstream_idle_time];

  policy.auth_sources = auth::mail_sources(options);
  policy.auth_required = options[key::enable_authentication];
  policy.auth_requires_tls = options[key::auth_requires_tls];
  policy.always_allow = options[key::always_allow];
  policy.always_deny = options[key::always_deny];
  policy.auth_failure_limit = count(options[key::auth_failure_limit]);
  policy.sender_match = static_cast<Policy::SenderMatch>(options[key::sender_must_match_user].index);
  policy.verified_peer_can_relay = options[key::tls_verified_peer_can_relay];
  policy.tls_required = options[key::tls_required];
  policy.deny = options[key::deny];

  policy.allow_null_sender = options[key::allow_null_envelope_sender];
  policy.allow_ip_literal = options[key::allow_ip_literal];
  policy.pedantic_addresses = options[key::rfc2821_pedantic_address_rules];
  policy.max_message_size = options[key::max_message_size];
  policy.max_recipients = count(options[key::max_recipients_per_message]);
  policy.max_received_headers = count(options[key::max_received_headers]);
  policy.large_message = options[key::large_message_threshold];
  policy.body_block = static_cast<size_t>(std::clamp<uint64_t>(options[key::growbuf_size], 512, 1U << 24));

  policy.lone_lf_body = lone_lf(options[key::rfc2822_lone_lf_in_body]);
  policy.lone_lf_headers = lone_lf(options[key::rfc2822_lone_lf_in_headers]);
  policy.trace_headers = options[key::rfc2822_trace_headers];
  // Their values stand in the order of the catalogue's.
  policy.fixups.date = static_cast<message::AddField>(options[key::rfc2822_date_header].index);
  policy.fixups.message_id = static_cast<message::AddField>(options[key::rfc2822_messageid_header].index);
  policy.fixups.missing = static_cast<message::MissingHeaders>(options[key::rfc2822_missing_headers].index);
  constexpr std::array long_lines{message::LongLines::none, message::LongLines::reject, message::LongLines::wrap};
  policy.fixups.long_lines = long_lines.at(options[key::rfc2822_max_line_length_policy].index);
  policy.fixups.max_line_length = options[key::rfc2822_max_line_length];
  for (const auto& [name, value] : options[key::context]) policy.context.emplace_back(name, value);
  policy.tenant = options[key::tenant];

  policy.reconfig_message = options[key::reconfig_message];
  policy.reconfig_always = options[key::reconfig_policy].index == 1;
  return std::make_shared<const Policy>(std::move(policy));
}

}  // namespace impulse::ecstream
