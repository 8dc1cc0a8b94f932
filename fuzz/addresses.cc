// Paths of MAIL and RCPT. The first byte chooses the rules, the rest is what
// stands behind the colon. Whatever is taken must be safe to store, to send
// on, to put into a header field, and to be read again.
#include "base/text.h"
#include "message/address.h"
#include "message/envelope.h"
#include "message/received.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace impulse;
using namespace impulse::message;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

size_t count(std::string_view text, char c) { return static_cast<size_t>(std::count(text.begin(), text.end(), c)); }

// Nothing a client says breaks out of its field.
void check_trace(std::string_view text, std::string_view address, bool utf8) {
  ReceivedInfo info;
  info.helo = info.name = info.user = text;
  info.by = "mx.example";
  info.protocol = "ESMTP";
  info.recipient = address;
  info.utf8 = utf8;
  const TraceField field = received_field(info);
  require(count(field.text, '\n') == 4 + (text.empty() ? 0U : 1U) - (address.empty() ? 1U : 0U));
  require(count(field.text, '\r') == count(field.text, '\n'));
  require(utf8 ? is_utf8(field.text) : is_ascii(field.text));
  require(field.text.find('\0') == std::string::npos);
}

void check_path(std::string_view text, const Path& path, const AddressRules& rules) {
  require(path.used >= 2 && path.used <= text.size() && path.used <= max_path);
  require(text.front() == '<' && text[path.used - 1] == '>');
  require(text.substr(0, path.used).contains(path.address));  // byte by byte as written
  for (const char c : path.address) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  require(rules.smtputf8 ? is_utf8(path.address) : is_ascii(path.address));
  const std::string_view local = local_part_of(path.address);
  require(local.size() <= max_local_part);
  require(path.has_domain == (local.size() < path.address.size()));
  const std::string domain = domain_of(path.address);
  require(is_ascii(domain) && lower(domain) == domain && domain.size() <= max_domain);
  require(is_domain(domain, rules.pedantic) || is_address_literal(domain));
  require(rules.ip_literals || !is_address_literal(domain));
  (void)names_a_route(local);
  (void)is_postmaster(path.address);

  // What was taken is taken again, by these rules and by wider ones.
  AddressRules wide = rules;
  wide.pedantic = false;
  wide.smtputf8 = wide.ip_literals = true;
  for (const AddressRules& again : {rules, wide}) {
    const auto second = parse_path("<" + path.address + ">", again);
    require(second && second->address == path.address && !second->source_route);
  }
  check_trace({}, path.address, rules.smtputf8);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t shape = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const AddressRules rules{(shape & 1) != 0, (shape & 2) != 0, (shape & 4) != 0, (shape & 8) != 0};
  const auto path = parse_path(text, rules);
  if (path)
    check_path(text, *path, rules);
  else if (path.error() == AddressFault::not_ascii)
    require(!rules.smtputf8 && !is_ascii(text));
  else
    require(path.error() != AddressFault::ip_literal || !rules.ip_literals);

  if (const auto ascii = ascii_domain(text); ascii && !is_ascii(text)) {
    require(is_domain(*ascii, false) && lower(*ascii) == *ascii);
    require(ascii_domain(*ascii) == ascii);
  }
  check_trace(text, {}, (shape & 8) != 0);
  return 0;
}
