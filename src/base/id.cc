#include "base/id.h"

#include "base/concat.h"
#include "base/text.h"

#include <array>
#include <charconv>

namespace impulse {

namespace {

bool parse_hex8(std::string_view text, uint32_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return text.size() == 8 && error == std::errc() && end == text.data() + text.size() && text.front() != '-';
}

}  // namespace

std::string MessageId::to_string(std::string_view node) const {
  const auto hex8 = [](uint32_t number) {
    std::array<char, 8> digits;
    for (size_t i = digits.size(); i-- > 0; number >>= 4) digits[i] = "0123456789ABCDEF"[number & 15];
    return digits;
  };
  const auto first = hex8(segment), second = hex8(offset);
  return concat(std::string_view(first.data(), 8), "/", std::string_view(second.data(), 8), "-", node);
}

Result<MessageId> MessageId::parse(std::string_view text) {
  MessageId id;
  if (text.size() < 17 || text[8] != '/' || !parse_hex8(text.substr(0, 8), id.segment) ||
      !parse_hex8(text.substr(9, 8), id.offset) || (text.size() > 17 && text[17] != '-'))
    return fail(Errc::invalid, "not a message id: '{}'", escape_line(text, 64));
  return id;
}

}  // namespace impulse
