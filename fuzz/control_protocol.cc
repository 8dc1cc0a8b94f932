// Feeds a control session anything, cut into pieces that the first byte
// chooses. Every request gets exactly one status line; every line of a reply
// begins as the protocol says, is whole, short enough, and harmless on a
// terminal; how the input was cut makes no difference to how many requests it
// held; what an unfinished request takes is bounded.
#include "../t/unit/control/fake_system.h"

#include "control/limits.h"
#include "control/safe_text.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace impulse;
using namespace impulse::control;

void check(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "control_protocol: %s\n", what);
  std::abort();
}

// Requests that were answered.
uint64_t run(test::FakeSystem& system, std::string_view input, size_t piece) {
  const CommandTable table(all_commands());
  Session session(system, table, {}, About{"1.2.3", test::test_now});
  std::string out;
  while (session.produce(out, piece)) continue;
  out.clear();
  while (!input.empty() && !session.finished()) {
    input.remove_prefix(session.feed(input.substr(0, piece)));
    check(session.held() < 4 * (max_line + max_payload), "an unfinished request takes too much memory");
    while (session.produce(out, piece)) continue;
  }
  uint64_t statuses = 0;
  std::string_view rest = out;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    check(end != std::string_view::npos, "a reply ends in the middle of a line");
    const std::string_view line = rest.substr(0, end);
    check(!line.empty() && line.size() < max_line, "an empty or an overlong line");
    check(line.front() == ' ' || line.front() == '!' || line.front() == '=', "a line begins as none may");
    check(is_safe_text(line), "a line could harm a terminal");
    if (line.front() == '=') ++statuses;
    rest.remove_prefix(end + 1);
  }
  check(statuses == session.requests(), "requests and statuses differ");
  return statuses;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static test::FakeSystem system;
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const uint64_t whole = run(system, input, size_t{1} << 20);
  if (system.engine().current()->generation() != 1) system.engine().reload({}, {"fuzzer"});  // forgets what was set
  const uint64_t cut = run(system, input, size_t{data[0]} + 1);
  check(whole == cut, "cutting the input elsewhere makes other requests of it");
  system.engine().reload({}, {"fuzzer"});
  return 0;
}
