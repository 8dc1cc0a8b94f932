#include "api/policy.h"

#include "config/keys.h"
#include "config/snapshot.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace impulse::api {

namespace {

std::string name_or_host(const std::string& name) {
  if (!name.empty()) return name;
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0') return "localhost";
  return host.data();
}

uint32_t count(int64_t value) { return static_cast<uint32_t>(std::clamp<int64_t>(value, 0, UINT32_MAX)); }

}  // namespace

std::shared_ptr<const Policy> make_policy(const config::Options& options) {
  namespace key = config::key;
  Policy policy;
  policy.hostname = name_or_host(options[key::received_hostname]);
  policy.tenant = options[key::tenant];
  for (const auto& [name, value] : options[key::context]) policy.context.emplace_back(name, value);
  policy.trace_headers = options[key::rfc2822_trace_headers];
  // Their values stand in the order of the catalogue's.
  policy.fixups.date = static_cast<message::AddField>(options[key::rfc2822_date_header].index);
  policy.fixups.message_id = static_cast<message::AddField>(options[key::rfc2822_messageid_header].index);
  policy.fixups.missing = static_cast<message::MissingHeaders>(options[key::rfc2822_missing_headers].index);
  constexpr std::array long_lines{message::LongLines::none, message::LongLines::reject, message::LongLines::wrap};
  policy.fixups.long_lines = long_lines.at(options[key::rfc2822_max_line_length_policy].index);
  policy.fixups.max_line_length = options[key::rfc2822_max_line_length];
  policy.max_message_size = options[key::max_message_size];
  policy.max_recipients = count(options[key::max_recipients_per_message]);
  policy.max_received_headers = count(options[key::max_received_headers]);
  policy.allow_null_sender = options[key::allow_null_envelope_sender];
  policy.allow_ip_literal = options[key::allow_ip_literal];
  policy.pedantic_addresses = options[key::rfc2821_pedantic_address_rules];
  policy.body_block = static_cast<size_t>(std::clamp<uint64_t>(options[key::growbuf_size], 512, 1U << 24));
  return std::make_shared<const Policy>(std::move(policy));
}

}  // namespace impulse::api
