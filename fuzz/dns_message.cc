// Feeds the reader of DNS answers anything. What comes out has to be fit for
// mail: names of hosts only, no more of them than there may be.
//
// The first byte picks the type that is asked for; the rest is the message. The
// name asked for is the one in its question, so that mutations reach the records.
#include "dns/message.h"

#include "kit.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace {

using namespace impulse;
using fuzz::check;

std::string question(std::span<const uint8_t> bytes) {
  std::string name;
  for (size_t at = 12; at < bytes.size() && bytes[at] != 0 && bytes[at] < 64; at += bytes[at] + size_t{1}) {
    if (bytes[at] > bytes.size() - at - 1) break;
    if (!name.empty()) name += '.';
    for (size_t i = 1; i <= bytes[at]; ++i) {
      const char c = static_cast<char>(bytes[at + i]);
      name += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
  }
  return dns::is_host_name(name) ? name : "a.example";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const dns::Type type = data[0] % 3 == 0 ? dns::Type::mx : data[0] % 3 == 1 ? dns::Type::a : dns::Type::aaaa;
  const std::span<const uint8_t> bytes(data + 1, size - 1);
  const auto message = dns::parse(bytes, question(bytes), type);
  if (!message) {
    check(!message.error().message.empty(), "refused without a reason");
    return 0;
  }
  using Kind = dns::Message::Kind;
  check(dns::is_host_name(message->name), "a strange name");
  check(message->addresses.size() <= dns::max_addresses && message->exchanges.size() <= dns::max_exchanges, "too many");
  check((message->kind == Kind::records) == (!message->addresses.empty() || !message->exchanges.empty()),
        "records that are none");
  check(type == dns::Type::mx ? message->addresses.empty() : message->exchanges.empty(), "of another type");
  for (const IpAddress& each : message->addresses)
    check(type == dns::Type::aaaa || each.is_v4(), "an address of the wrong family");
  uint16_t last = 0;
  for (const dns::Exchange& each : message->exchanges) {
    check(each.host.empty() || dns::is_host_name(each.host), "an exchange with a strange name");
    check(each.preference >= last, "not by preference");
    last = each.preference;
  }
  return 0;
}
