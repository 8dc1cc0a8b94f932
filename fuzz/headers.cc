// Header sections, and what the RFC2822_* options make of messages. The first
// byte chooses the policy, the second how the rest, a message, is cut.
#include "message/fixups.h"
#include "message/rewriter.h"

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

constexpr std::string_view our_name = "mx.example";

HeaderFacts scan(std::string_view text, size_t piece) {
  HeaderScan scan(our_name, true);
  for (size_t at = 0; at < text.size(); at += piece) {
    const std::string_view part = text.substr(at, piece);
    const size_t used = scan.feed(part);
    require(used == part.size() || scan.done());
    if (used < part.size()) break;
  }
  scan.finish();
  return scan.facts();
}

bool same(const HeaderFacts& a, const HeaderFacts& b) {
  return a.fields == b.fields && a.received == b.received && a.named == b.named &&
         a.before_malformed == b.before_malformed && a.malformed == b.malformed &&
         a.first_malformed == b.first_malformed && a.mbox_line == b.mbox_line &&
         a.starts_with_field == b.starts_with_field && a.tls_optional == b.tls_optional &&
         a.longest_line == b.longest_line && a.size == b.size && a.results == b.results && a.distant == b.distant &&
         a.dates == b.dates;
}

std::string rewritten(const Fixups& fixups, std::string_view text, size_t piece) {
  std::string out;
  Rewriter rewriter(fixups, [&](std::string_view bytes) { out += bytes; });
  for (size_t at = 0; at < text.size(); at += piece) rewriter.feed(text.substr(at, piece));
  rewriter.finish();
  return out;
}

// No line of `text` is longer than the limit.
bool fits(std::string_view text, size_t limit) {
  size_t length = 0;
  for (const char c : text) {
    length = c == '\n' ? 0 : length + 1;
    if (length > limit + 2) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint8_t shape = data[0];
  const size_t piece = size_t{1} + data[1];
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);

  const HeaderFacts facts = scan(text, SIZE_MAX);
  require(same(facts, scan(text, piece)) && facts.size <= text.size());

  FixupPolicy policy;
  policy.date = static_cast<AddField>(shape % 3);
  policy.message_id = static_cast<AddField>(shape / 3 % 3);
  policy.missing = static_cast<MissingHeaders>(shape / 9 % 3);
  policy.long_lines = static_cast<LongLines>(shape / 27 % 3);
  policy.max_line_length = 80;
  const auto fixups = fix_up(policy, {.header = facts,
                                      .longest_body_line = FixupInput::not_known,
                                      .unique = "u",
                                      .hostname = our_name,
                                      .sender = "s@client.example"});
  if (!fixups) return 0;
  for (size_t i = 0; i < fixups->fields.size(); ++i)
    require((fixups->fields[i] == '\n') == (i > 0 && fixups->fields[i - 1] == '\r'));
  const std::string whole = rewritten(*fixups, text, SIZE_MAX);
  require(whole == rewritten(*fixups, text, piece));
  if (!fixups->rewrites()) require(whole == text);
  if (fixups->max_line_length != 0) require(fits(whole, 80));

  // What is stored: by `fix` every reader finds one section, without results in our name.
  if (policy.missing == MissingHeaders::fix) {
    const HeaderFacts stored = scan("X: y\r\n" + fixups->fields + whole, SIZE_MAX);
    require(stored.starts_with_field && stored.results.empty() && stored.named.from > 0);
    if (policy.long_lines != LongLines::wrap) require(stored.malformed == 0);
    if (policy.date == AddField::always) require(stored.named.date == 1);
  }
  return 0;
}
