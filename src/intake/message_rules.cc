#include "intake/message_rules.h"

#include "base/host_name.h"
#include "config/keys.h"
#include "config/snapshot.h"
#include "message/limits.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace impulse::intake {

namespace {

namespace key = config::key;

// Values of ours stand in the order of the catalogue's, unless it says otherwise here.
message::LoneLf lone_lf(config::Enum choice) {
  constexpr std::array order{message::LoneLf::ignore, message::LoneLf::pedantic, message::LoneLf::fix};
  return order.at(choice.index);
}

message::FixupPolicy fixups(const config::Options& options) {
  constexpr std::array long_lines{message::LongLines::none, message::LongLines::reject, message::LongLines::wrap};
  message::FixupPolicy policy;
  policy.date = static_cast<message::AddField>(options[key::rfc2822_date_header].index);
  policy.message_id = static_cast<message::AddField>(options[key::rfc2822_messageid_header].index);
  policy.missing = static_cast<message::MissingHeaders>(options[key::rfc2822_missing_headers].index);
  policy.long_lines = long_lines.at(options[key::rfc2822_max_line_length_policy].index);
  policy.max_line_length = options[key::rfc2822_max_line_length];
  return policy;
}

}  // namespace

uint32_t to_count(int64_t value, int64_t least) {
  return static_cast<uint32_t>(std::clamp<int64_t>(value, least, UINT32_MAX));
}

std::string host_name(const config::Options& options) {
  const std::string& name = options[key::hostname];
  return name.empty() ? impulse::host_name() : name;
}

void read_message_rules(const config::Options& options, MessageRules& rules) {
  rules.received_hostname = options[key::received_hostname];
  if (rules.received_hostname.empty()) rules.received_hostname = host_name(options);
  rules.max_message_size = options[key::max_message_size];
  rules.max_received_headers = to_count(options[key::max_received_headers]);
  rules.large_message = options[key::large_message_threshold];
  rules.body_block = static_cast<size_t>(std::clamp<uint64_t>(options[key::growbuf_size], 512, 1U << 24));
  rules.lone_lf_body = lone_lf(options[key::rfc2822_lone_lf_in_body]);
  rules.lone_lf_headers = lone_lf(options[key::rfc2822_lone_lf_in_headers]);
  rules.fixups = fixups(options);
  rules.allow_null_sender = options[key::allow_null_envelope_sender];
  rules.allow_ip_literal = options[key::allow_ip_literal];
  rules.pedantic_addresses = options[key::rfc2821_pedantic_address_rules];
  const uint32_t recipients = to_count(options[key::max_recipients_per_message]);
  rules.max_recipients = static_cast<uint32_t>(
      recipients == 0 ? message::most_recipients : std::min<size_t>(recipients, message::most_recipients));
  rules.trace_headers = options[key::rfc2822_trace_headers];
  rules.context.clear();
  for (const auto& [name, value] : options[key::context]) rules.context.emplace_back(name, value);
  rules.tenant = options[key::tenant];
}

}  // namespace impulse::intake
