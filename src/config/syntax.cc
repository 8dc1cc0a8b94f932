// Values back into text.
#include "config/syntax.h"

#include "config/lexer.h"

namespace impulse::config {

namespace {

bool stands_bare(std::string_view text) {
  // A bracketed address is a word in some places only, and "/*" in none.
  if (text.empty() || text.front() == '[' || text.starts_with("/*") || text.starts_with("\xEF\xBB\xBF")) return false;
  return scan_word(text, 0, LexMode::plain) == text.size();
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  out.reserve(text.size() + 2);
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += c;
    }
  }
  return out += '"';
}

void append(std::string& out, const RawValue& value) {
  switch (value.kind) {
    case RawValue::Kind::word:
      out += quote_if_needed(value.text);
      return;
    case RawValue::Kind::string:
      out += quoted(value.text);
      return;
    case RawValue::Kind::array:
      out += "( ";
      for (const RawValue& item : value.items) {
        append(out, item);
        out += ' ';
      }
      out += ')';
      return;
    case RawValue::Kind::dictionary:
      out += "[ ";
      for (const auto& [key, item] : value.entries) {
        out += quote_if_needed(key);
        out += " = ";
        append(out, item);
        out += ' ';
      }
      out += ']';
      return;
  }
}

}  // namespace

std::string RawValue::to_string() const {
  std::string out;
  append(out, *this);
  return out;
}

std::string quote_if_needed(std::string_view text) { return stands_bare(text) ? std::string(text) : quoted(text); }

}  // namespace impulse::config
