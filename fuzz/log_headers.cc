// What the JSON log takes out of a header section. The first byte says how it is cut, the
// line behind it holds the names, with a space between them; the rest is a message.
#include "base/text.h"
#include "message/limits.h"
#include "telemetry/note.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

using namespace impulse;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

telemetry::Note::Pairs found(const telemetry::Choice& choice, std::string_view text, size_t piece) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at < text.size(); at += piece) parts.push_back(text.substr(at, piece));
  return telemetry::chosen_headers(choice, {}, parts);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t piece = size_t{1} + data[0];
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string_view names = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(names.size() + 1, text.size()));

  telemetry::Choice choice;
  for (const std::string_view name : words(names.substr(0, 100))) choice.headers.emplace_back(name);
  const auto pairs = found(choice, text, SIZE_MAX);
  require(pairs == found(choice, text, piece));
  require(pairs.size() <= message::most_chosen_headers);
  size_t bytes = 0;
  for (const auto& [name, value] : pairs) {
    require(!name.empty() && name.find_first_of(": \r\n") == std::string::npos);
    require(value.find('\n') == std::string::npos && (value.empty() || !is_space(value.front())));
    bytes += name.size() + value.size();
  }
  require(bytes <= message::most_chosen_header_bytes);

  // What was chosen is chosen again, and nothing of it by other names.
  message::Envelope envelope;
  envelope.headers = pairs;
  const auto note = telemetry::note_of(choice, envelope);
  require(choice.headers.empty() ? !note->headers : note->headers->size() == pairs.size());
  return 0;
}
