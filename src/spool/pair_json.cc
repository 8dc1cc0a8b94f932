#include "spool/pair_json.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace impulse::spool {

namespace {

constexpr int max_depth = 16;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::expected<JsonValue, JsonFault> parse() {
    JsonValue root;
    if (const size_t at = well_formed(); at < text_.size())
      return std::unexpected(json_fault(text_, at, "this is no UTF-8"));
    if (!value(root, 0)) return std::unexpected(json_fault(text_, fault_at_, std::move(fault_)));
    blanks();
    if (at_ < text_.size()) return std::unexpected(json_fault(text_, at_, "nothing more is expected"));
    return root;
  }

 private:
  // How much of it, from the beginning, is UTF-8.
  size_t well_formed() const {
    size_t at = 0;
    while (at < text_.size()) {
      const auto lead = static_cast<unsigned char>(text_[at]);
      const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
      if (!is_utf8(text_.substr(at, length))) break;
      at += length;
    }
    return at;
  }

  bool fail(size_t at, std::string what) {
    if (!fault_.empty()) return false;
    fault_at_ = at;
    fault_ = std::move(what);
    return false;
  }
  void blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  bool take(char c) {
    blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view name) {
    if (!text_.substr(at_).starts_with(name)) return fail(at_, "a value is expected");
    at_ += name.size();
    return true;
  }

  bool value(JsonValue& to, int depth) {
    blanks();
    to.at = at_;
    if (at_ >= text_.size()) return fail(at_, "the document ends too early");
    if (depth > max_depth) return fail(at_, "too many levels");
    switch (text_[at_]) {
      case '{':
        return object(to, depth);
      case '[':
        return array(to, depth);
      case '"':
        to.kind = JsonValue::Kind::string;
        return string(to.text);
      case 't':
        to.kind = JsonValue::Kind::boolean;
        to.truth = true;
        return word("true");
      case 'f':
        to.kind = JsonValue::Kind::boolean;
        return word("false");
      case 'n':
        return word("null");
      default:
        to.kind = JsonValue::Kind::integer;
        return number(to.number);
    }
  }

  bool object(JsonValue& to, int depth) {
    to.kind = JsonValue::Kind::object;
    ++at_;
    if (take('}')) return true;
    do {
      blanks();
      const size_t name_at = at_;
      std::string name;
      if (at_ >= text_.size() || text_[at_] != '"') return fail(at_, "a name in quotes is expected");
      if (!string(name)) return false;
      if (to.find(name) != nullptr) return fail(name_at, fmt::format("{} is there twice", json_quoted(name)));
      if (!take(':')) return fail(at_, "a colon is expected");
      to.names_at.push_back(name_at);
      to.names.push_back(std::move(name));
      to.items.emplace_back();
      if (!value(to.items.back(), depth + 1)) return false;
    } while (take(','));
    return take('}') || fail(at_, "a comma or '}' is expected");
  }

  bool array(JsonValue& to, int depth) {
    to.kind = JsonValue::Kind::array;
    ++at_;
    if (take(']')) return true;
    do {
      to.items.emplace_back();
      if (!value(to.items.back(), depth + 1)) return false;
    } while (take(','));
    return take(']') || fail(at_, "a comma or ']' is expected");
  }

  bool number(int64_t& to) {
    const char* begin = text_.data() + at_;
    const char* end = text_.data() + text_.size();
    const auto [rest, error] = std::from_chars(begin, end, to);
    const std::string_view digits(begin, static_cast<size_t>(rest - begin));
    if (digits.empty()) return fail(at_, "a value is expected");
    if (error != std::errc{}) return fail(at_, "the number is too large");
    if (digits == "-0" || (digits.starts_with('0') && digits.size() > 1) || digits.starts_with("-0"))
      return fail(at_, "a number does not begin with a 0");
    if (rest != end && (*rest == '.' || *rest == 'e' || *rest == 'E')) return fail(at_, "a whole number is expected");
    at_ += digits.size();
    return true;
  }

  bool string(std::string& to) {
    const size_t begin = at_++;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) return fail(at_, "a control character stands in a string as \\u00XX");
      ++at_;
      if (c == '"') return true;
      if (c != '\\')
        to += c;
      else if (!escape(to))
        return false;
    }
    return fail(begin, "the string does not end");
  }

  bool escape(std::string& to) {
    const size_t begin = at_ - 1;
    constexpr std::string_view letters = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    if (c == 'u') return code_point(begin, to);
    const size_t which = letters.find(c);
    if (which == std::string_view::npos) return fail(begin, "there is no such escape");
    to += meanings[which];
    return true;
  }

  // Four hexadecimal digits; false: they are none.
  bool unit(uint32_t& to) {
    to = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = at_ < text_.size() ? to_lower(text_[at_]) : '\0';
      if (!is_digit(c) && (c < 'a' || c > 'f')) return false;
      to = to * 16 + static_cast<uint32_t>(is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    return true;
  }

  bool code_point(size_t begin, std::string& to) {
    uint32_t code = 0;
    if (!unit(code)) return fail(begin, "four hexadecimal digits are expected behind \\u");
    if (code >= 0xD800 && code < 0xE000) {
      uint32_t low = 0;
      const bool pair = code < 0xDC00 && text_.substr(at_).starts_with("\\u");
      at_ += pair ? 2 : 0;
      if (!pair || !unit(low) || low < 0xDC00 || low > 0xDFFF) return fail(begin, "half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    const auto put = [&](uint32_t byte) { to += static_cast<char>(byte); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xC0 | code >> 6);
      put(0x80 | (code & 0x3F));
    } else {
      if (code < 0x10000) {
        put(0xE0 | code >> 12);
      } else {
        put(0xF0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3F));
      }
      put(0x80 | (code >> 6 & 0x3F));
      put(0x80 | (code & 0x3F));
    }
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t fault_at_ = 0;
  std::string fault_;
};

}  // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
  const auto found = std::ranges::find(names, name);
  return found == names.end() ? nullptr : &items[static_cast<size_t>(found - names.begin())];
}

std::expected<JsonValue, JsonFault> parse_pair_json(std::string_view text) { return Parser(text).parse(); }

JsonFault json_fault(std::string_view text, size_t at, std::string what) {
  const std::string_view before = text.substr(0, std::min(at, text.size()));
  const size_t line = before.rfind('\n');
  return {1 + static_cast<uint64_t>(std::ranges::count(before, '\n')),
          1 + (line == std::string_view::npos ? before.size() : before.size() - line - 1), std::move(what)};
}

std::string json_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      quoted += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    else
      quoted += c;
  }
  return quoted + '"';
}

}  // namespace impulse::spool
