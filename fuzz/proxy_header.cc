// Feeds the PROXY parser anything, at once and in pieces. Both must say the
// same, and take the same bytes; what is accepted has to hold together.
//
// The first byte seeds the pieces; the rest is what the proxy sends.
#include "net/proxy_header.h"

#include "kit.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace impulse;
using namespace impulse::net;
using fuzz::check;

struct Outcome {
  ProxyHeader header;
  std::string error;
  size_t taken = 0;
  bool complete = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// `seed` 0: all at once.
Outcome run(std::string_view input, uint32_t seed) {
  ProxyParser parser;
  Outcome outcome;
  fuzz::Cuts cuts(seed);
  while (!input.empty() && !parser.complete()) {
    const size_t count = cuts.next(input.size());
    const auto taken = parser.feed(input.substr(0, count));
    if (!taken) {
      // How much was taken before a mistake is nobody's business: the connection ends.
      outcome.error = taken.error().message;
      outcome.taken = 0;
      return outcome;
    }
    check(*taken == count || parser.complete(), "bytes left before the end");
    input.remove_prefix(*taken);
    outcome.taken += *taken;
  }
  check(parser.size() == outcome.taken && outcome.taken <= ProxyParser::default_limit, "took too many");
  outcome.complete = parser.complete();
  if (outcome.complete) outcome.header = parser.header();
  return outcome;
}

void check_header(const ProxyHeader& header, std::string_view bytes) {
  check(header.version == 1 || header.version == 2, "an unknown version");
  check(bytes.size() >= 15, "a header too short to be one");
  if (header.version == 1) check(bytes.size() <= 107 && bytes.ends_with("\r\n"), "a line of a wrong length");
  if (header.local) {
    check(!header.tls && header.authority.empty() && header.unique_id.empty(), "a client where none was named");
    return;
  }
  check(header.source.is_unix() == header.destination.is_unix(), "addresses of two families");
  check(header.unique_id.size() <= 128 && header.authority.size() <= 255, "a text too long");
  if (!header.tls) return;
  check(header.tls->certificate || !header.tls->verified, "verified what was not shown");
  check(header.tls->common_name.find_first_of(std::string_view("\0\r\n", 3)) == std::string::npos, "a strange name");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view input = fuzz::text_of(data + 1, size - 1);
  const Outcome at_once = run(input, 0);
  if (at_once.complete) check_header(at_once.header, input.substr(0, at_once.taken));
  check(at_once == run(input, 1 + data[0]), "the cutting shows");
  return 0;
}
