#include "config/lexer.h"

#include "base/text.h"
#include "config/diagnostic_ids.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace impulse::config {

namespace {

constexpr std::array<bool, 256> make_breaks() {
  std::array<bool, 256> breaks{};
  for (const char c : std::string_view(" \t\n\v\f\r#\"'={}[](),;")) breaks[static_cast<unsigned char>(c)] = true;
  return breaks;
}
constexpr std::array<bool, 256> breaks_word = make_breaks();

// Some editors put it in front of a text, and joining files carries it into the middle.
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

bool ends_word(char c) { return breaks_word[static_cast<unsigned char>(c)]; }
bool is_name(char c) { return is_alpha(c) || is_digit(c) || c == '_'; }

// Behind the "}" when the "{" at `brace` belongs to a %name{pattern} of the
// word that started at `begin`, else 0.
size_t pattern_end(std::string_view text, size_t begin, size_t brace) {
  size_t sign = brace;
  while (sign > begin && is_name(text[sign - 1])) --sign;
  if (sign == begin || (text[sign - 1] != '%' && text[sign - 1] != '$')) return 0;
  for (size_t i = brace + 1; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '}') return i > brace + 1 ? i + 1 : 0;
    if (is_space(c) || c == '{' || c == '"' || c == '\'' || c == '#' || c == '=') return 0;
  }
  return 0;
}

// Behind the "]" when an address in brackets starts at `begin`, else 0.
size_t bracketed_end(std::string_view text, size_t begin, LexMode mode) {
  bool address = false;
  size_t i = begin + 1;
  for (; i < text.size() && text[i] != ']'; ++i) {
    const char c = text[i];
    if (c == ':' || c == '.' || c == '*')
      address = true;
    else if (!is_name(c) && c != '%' && c != '-')
      return 0;
  }
  if (!address || i == text.size()) return 0;
  const size_t end = i + 1;
  if (end + 1 < text.size() && text[end] == ':' && is_digit(text[end + 1])) return end;
  if (mode == LexMode::plain) return 0;
  return end == text.size() || is_space(text[end]) || text[end] == '{' || text[end] == '/' ? end : 0;
}

// Behind the closing slash when a regular expression starts at `begin`, else 0.
size_t regex_end(std::string_view text, size_t begin) {
  for (size_t i = begin + 1; i < text.size(); ++i) {
    const char c = text[i];
    if (is_space(c) || c == '#' || c == '"' || c == '\'') return 0;
    if (c == '\\') {
      if (i + 1 < text.size() && is_space(text[i + 1])) return 0;
      ++i;
    } else if (c == '{') {
      // Only a quantifier or \x{…}: any other brace opens the scope.
      size_t close = i + 1;
      while (close < text.size() && (is_name(text[close]) || text[close] == ',' || text[close] == '^')) ++close;
      if (close == i + 1 || close == text.size() || text[close] != '}') return 0;
      i = close;
    } else if (c == '/' && i > begin + 1 && (i + 1 == text.size() || is_space(text[i + 1]) || text[i + 1] == '{')) {
      return i + 1;
    }
  }
  return 0;
}

TokenKind punctuation(char c) {
  switch (c) {
    case '{':
      return TokenKind::open_brace;
    case '}':
      return TokenKind::close_brace;
    case '[':
      return TokenKind::open_bracket;
    case ']':
      return TokenKind::close_bracket;
    case '(':
      return TokenKind::open_paren;
    case ')':
      return TokenKind::close_paren;
    case '=':
      return TokenKind::equals;
    case ',':
      return TokenKind::comma;
    default:
      return TokenKind::semicolon;
  }
}

}  // namespace

size_t scan_word(std::string_view text, size_t begin, LexMode mode) {
  size_t i = begin;
  if (i == text.size()) return i;
  if (text[i] == '[') {
    i = bracketed_end(text, begin, mode);
    if (i == 0) return begin;
  } else if (text[i] == '/' && mode != LexMode::plain) {
    if (const size_t end = regex_end(text, begin)) return end;
  }
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (!ends_word(c)) continue;
    if (mode == LexMode::line && (c == ',' || c == ';')) continue;
    const size_t pattern = c == '{' ? pattern_end(text, begin, i) : 0;
    if (pattern == 0) break;
    i = pattern - 1;
  }
  return i;
}

std::string unquote(std::string_view token, bool unterminated) {
  token.remove_prefix(1);
  if (!unterminated) token.remove_suffix(1);
  std::string text;
  text.reserve(token.size());
  for (size_t at = 0;;) {
    const size_t backslash = token.find('\\', at);
    text += token.substr(at, backslash - at);
    if (backslash == std::string_view::npos) return text;
    at = backslash + 2;
    const char c = backslash + 1 < token.size() ? token[backslash + 1] : '\0';
    switch (c) {
      case '\\':
      case '"':
      case '\'':
        text += c;
        break;
      case 'n':
        text += '\n';
        break;
      case 'r':
        text += '\r';
        break;
      case 't':
        text += '\t';
        break;
      case '\n':
        break;
      case '\r':
        if (token.substr(at).starts_with('\n')) {
          ++at;
          break;
        }
        [[fallthrough]];
      default:
        text += '\\', --at;
    }
  }
}

Lexer::Lexer(std::string_view text, DiagnosticSink& sink) : text_(text), sink_(sink) {}

Place Lexer::place_of(size_t offset) const { return {line_, static_cast<uint32_t>(offset - line_start_ + 1)}; }

Token Lexer::next(LexMode mode) {
  Token token;
  token.trivia = position_;
  skip_trivia(token);
  token.begin = token.end = position_;
  token.place = place_of(position_);
  if (position_ == text_.size()) return token;

  const char c = text_[position_];
  if (c == '"' || c == '\'') {
    token.kind = TokenKind::string;
    scan_string(token);
    return token;
  }
  position_ = scan_word(text_, token.begin, mode);
  if (position_ > token.begin) {
    token.kind = TokenKind::word;
    token.end = position_;
    if (position_ < text_.size() && text_[position_] == '#' && position_ >= reported_) {
      reported_ = position_ + 1;
      sink_.report(Diagnostic::Severity::warning, id::comment_in_word, place_of(position_), 1,
                   fmt::format("a comment starts right behind {}", shown(text(token))),
                   "quote the word when the '#' belongs to it, else put a space before the comment");
    }
    return token;
  }
  token.kind = punctuation(c);
  token.end = ++position_;
  return token;
}

void Lexer::resume_at(const Token& token) {
  position_ = token.begin;
  line_ = token.place.line;
  line_start_ = token.begin - (token.place.column - 1);
}

void Lexer::skip_trivia(Token& token) {
  if (position_ == 0) token.first_on_line = true;
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (c == '\n') {
      token.first_on_line = true;
      ++line_;
      line_start_ = ++position_;
    } else if (is_space(c)) {
      ++position_;
    } else if (c == byte_order_mark[0] && text_.substr(position_).starts_with(byte_order_mark)) {
      position_ += byte_order_mark.size();
      if (position_ == byte_order_mark.size()) line_start_ = position_;  // columns count behind it
    } else if (c == '#') {
      position_ = std::min(text_.find('\n', position_), text_.size());
    } else if (c == '/' && text_.substr(position_).starts_with("/*")) {
      const size_t begin = position_;
      const Place place = place_of(begin);
      const size_t close = text_.find("*/", begin + 2);
      const size_t end = close == std::string_view::npos ? text_.size() : close + 2;
      if (close == std::string_view::npos && begin >= reported_) {
        reported_ = begin + 1;
        sink_.error(id::unterminated_comment, place, 2, "expected '*/' at the end of this comment, found end of text");
      }
      const std::string_view comment = text_.substr(0, end);
      while ((position_ = comment.find('\n', position_)) != std::string_view::npos) {
        token.first_on_line = true;
        ++line_;
        line_start_ = ++position_;
      }
      position_ = end;
    } else {
      return;
    }
  }
}

// Without a closing quote the string ends with its first line, so that what
// follows is still looked at. That there is no such quote is remembered, else
// a file full of escaped quotes would be read to its end again and again.
void Lexer::scan_string(Token& token) {
  const char quote = text_[token.begin];
  bool& none_left = quote == '"' ? no_double_quote_ : no_single_quote_;
  const uint32_t line = line_;
  const size_t line_start = line_start_;
  for (size_t i = token.begin + 1; i < text_.size() && !none_left; ++i) {
    if (text_[i] == quote) {
      token.end = position_ = i + 1;
      return;
    }
    if (text_[i] == '\\' && i + 1 < text_.size()) ++i;
    if (text_[i] == '\n') {
      ++line_;
      line_start_ = i + 1;
    }
  }
  none_left = true;
  line_ = line;
  line_start_ = line_start;
  token.unterminated = true;
  token.end = position_ = std::min(text_.find('\n', token.begin), text_.size());
  if (token.begin >= reported_) {
    reported_ = token.begin + 1;
    sink_.error(id::unterminated_string, token.place, token.end - token.begin,
                fmt::format("expected a closing {} at the end of this string, found end of text", quote));
  }
}

}  // namespace impulse::config
