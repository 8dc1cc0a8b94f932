#include "spool/pair_json.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace impulse::spool {

namespace {

class Parser {
 public:
  Parser(const JsonInput& input, const JsonItems& items) : input_(input), items_(items) {}

  std::expected<JsonValue, JsonFault> parse() {
    JsonValue root;
    root_ = &root;
    if (value(root, 0)) {
      blanks();
      if (more()) fail(here_, "nothing more is expected");
    }
    if (fault_) return std::unexpected(std::move(*fault_));
    return root;
  }

 private:
  // Whether there is a byte to look at.
  bool more() {
    if (used_ == piece_.size() && !ended_) {
      piece_ = input_();
      used_ = 0;
      ended_ = piece_.empty();
    }
    return used_ < piece_.size();
  }
  char peek() { return more() ? piece_[used_] : '\0'; }
  char next() {
    const char c = piece_[used_++];
    if (c == '\n') {
      ++here_.line;
      here_.column = 1;
    } else {
      ++here_.column;
    }
    return c;
  }

  bool fail(JsonPlace at, std::string what) {
    if (!fault_) fault_ = {at.line, at.column, std::move(what)};
    return false;
  }
  void blanks() {
    while (more() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) next();
  }
  bool take(char c) {
    blanks();
    if (!more() || peek() != c) return false;
    next();
    return true;
  }
  bool word(std::string_view name) {
    const JsonPlace begin = here_;
    for (const char c : name) {
      if (!more() || peek() != c) return fail(begin, "a value is expected");
      next();
    }
    return true;
  }
  // A place for one more, while there is room for it.
  bool room(JsonValue& of, JsonPlace at) {
    if (++kept_.values > most_.values) return fail(at, fmt::format("more than {} values", most_.values));
    of.items.emplace_back();
    return true;
  }

  bool value(JsonValue& to, int depth) {
    blanks();
    to.at = here_;
    if (!more()) return fail(here_, "the document ends too early");
    if (depth > json_levels) return fail(here_, "too many levels");
    switch (peek()) {
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
    next();
    if (take('}')) return true;
    do {
      blanks();
      const JsonPlace name_at = here_;
      std::string name;
      if (peek() != '"') return fail(here_, "a name in quotes is expected");
      if (!string(name)) return false;
      if (to.find(name) != nullptr) return fail(name_at, fmt::format("{} is there twice", json_quoted(name)));
      if (to.names.size() == json_members) return fail(name_at, fmt::format("more than {} names", json_members));
      if (!take(':')) return fail(here_, "a colon is expected");
      if (!room(to, name_at)) return false;
      to.names_at.push_back(name_at);
      to.names.push_back(name);
      const bool many = &to == root_ && name == items_.name;
      blanks();
      member_ = name;
      if (!(many && peek() == '[' ? items(to.items.back()) : value(to.items.back(), depth + 1))) return false;
    } while (take(','));
    return take('}') || fail(here_, "a comma or '}' is expected");
  }

  bool array(JsonValue& to, int depth) {
    to.kind = JsonValue::Kind::array;
    next();
    if (take(']')) return true;
    do {
      blanks();
      if (!room(to, here_) || !value(to.items.back(), depth + 1)) return false;
    } while (take(','));
    return take(']') || fail(here_, "a comma or ']' is expected");
  }

  // The array of which nothing is kept.
  bool items(JsonValue& to) {
    to.kind = JsonValue::Kind::array;
    to.at = here_;
    next();
    if (take(']')) return true;
    const JsonMost kept = std::exchange(kept_, {});
    most_ = json_item_most;
    do {
      JsonValue item;
      kept_ = {};
      if (!value(item, 2)) return false;
      if (auto fault = items_.take(*root_, item)) {
        fault_ = std::move(fault);
        return false;
      }
    } while (take(','));
    kept_ = kept;
    most_ = json_most;
    return take(']') || fail(here_, "a comma or ']' is expected");
  }

  bool number(int64_t& to) {
    constexpr size_t longest = 20;  // of 64 bits, with its sign
    const JsonPlace begin = here_;
    std::string digits;
    // Which number it is nobody can tell by its place alone.
    const auto bad = [&](std::string_view what) {
      return fail(begin, member_.empty() ? std::string(what) : fmt::format("{}: {}", json_quoted(member_), what));
    };
    while (is_digit(peek()) || (digits.empty() && peek() == '-')) {
      digits += next();
      if (digits.size() > longest) return bad("the number is too large");
    }
    if (digits.empty() || digits == "-") return fail(begin, "a value is expected");
    const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), to);
    if (error != std::errc{}) return bad("the number is too large");
    if ((digits.starts_with('0') && digits.size() > 1) || digits.starts_with("-0"))
      return bad("a number does not begin with a 0");
    if (peek() == '.' || peek() == 'e' || peek() == 'E') return bad("a whole number is expected");
    return true;
  }

  bool string(std::string& to) {
    const JsonPlace begin = here_;
    next();
    while (more()) {
      const JsonPlace at = here_;
      const char c = peek();
      if (static_cast<unsigned char>(c) < 0x20) return fail(at, "a control character stands in a string as \\u00XX");
      if (++kept_.text > most_.text) return fail(begin, fmt::format("more than {} bytes of text", most_.text));
      next();
      if (c == '"') return true;
      if (c == '\\' ? !escape(at, to) : !character(at, c, to)) return false;
    }
    return fail(begin, "the string does not end");
  }

  // With what follows its first byte in UTF-8.
  bool character(JsonPlace at, char first, std::string& to) {
    const auto lead = static_cast<unsigned char>(first);
    to += first;
    if (lead < 0x80) return true;
    const size_t before = to.size() - 1;
    for (int left = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3; left > 0 && more() && peek() != '"'; --left) to += next();
    kept_.text += to.size() - before - 1;
    return is_utf8(std::string_view(to).substr(before)) || fail(at, "this is no UTF-8");
  }

  bool escape(JsonPlace begin, std::string& to) {
    constexpr std::string_view letters = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    const char c = more() ? next() : '\0';
    if (c == 'u') return code_point(begin, to);
    const size_t which = letters.find(c);
    if (which == std::string_view::npos) return fail(begin, "there is no such escape");
    to += meanings[which];
    return true;
  }

  // Four hexadecimal digits; false: they are none.
  bool unit(uint32_t& to) {
    to = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = to_lower(peek());
      if (!is_digit(c) && (c < 'a' || c > 'f')) return false;
      next();
      to = to * 16 + static_cast<uint32_t>(is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    return true;
  }

  bool code_point(JsonPlace begin, std::string& to) {
    uint32_t code = 0;
    if (!unit(code)) return fail(begin, "four hexadecimal digits are expected behind \\u");
    if (code >= 0xD800 && code < 0xE000) {
      uint32_t low = 0;
      bool pair = code < 0xDC00;
      for (const char c : std::string_view("\\u")) {
        pair = pair && peek() == c;
        if (pair) next();
      }
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

  const JsonInput& input_;
  const JsonItems& items_;
  const JsonValue* root_ = nullptr;
  std::string_view piece_;
  size_t used_ = 0;
  bool ended_ = false;
  JsonPlace here_;
  JsonMost kept_{0, 0};
  JsonMost most_ = json_most;
  std::string member_;  // whose value is being read
  std::optional<JsonFault> fault_;
};

}  // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
  const auto found = std::ranges::find(names, name);
  return found == names.end() ? nullptr : &items[static_cast<size_t>(found - names.begin())];
}

std::expected<JsonValue, JsonFault> parse_pair_json(const JsonInput& input, const JsonItems& items) {
  return Parser(input, items).parse();
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
