// Lexer: text into tokens, losslessly. Every byte belongs either to a token or
// to the trivia (white space, comments) in front of one, and each token says
// where both begin, so that the text can be put together again from them.
//
// White space, and a byte order mark where a token can start, only separate.
//
// Comments
//   "#" to the end of the line, wherever it stands outside of quotes: also
//   right behind a bare word, as Momentum has it. Since "http://host/#top"
//   would lose its end in silence, that last case gets a warning.
//   "/*" to the next "*/", not nesting, where a token can start. Inside a bare
//   word it is no comment: "text/*" and "/var/log/*" are words.
//
// Bare words
//   Any bytes but white space and # " ' = { } [ ] ( ) , ;
//   So addresses, paths, URIs, networks, durations, "*.example.com", ":25",
//   "digest:///path" and "C:\dir" are words; a backslash is just a byte.
//   Beyond that, because they cannot mean anything else:
//   - a pattern: "%" or "$", letters or digits or none, and a name in braces,
//     as in var/mail/%{domain}/%h{Subject};
//   - an address in brackets with its port: [::1]:25, [*]:25 (without a port
//     it would look like a dictionary, and is a word only as an instance);
//   - as an instance, a regular expression between slashes and without white
//     space, quotes and "#": /google\.(com|es|ru)$/. It ends at the first slash
//     with white space or a "{" behind it. When there is none, the word is a path.
//
// Strings
//   "…" or '…', over several lines. \\ \" \' \n \r \t are one character, a
//   backslash at the end of a line joins it with the next, and any other
//   backslash stands for itself, so that "/example\.com$/" means what it says.
#pragma once

#include "config/diagnostic_sink.h"
#include "config/syntax.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace impulse::config {

enum class TokenKind : uint8_t {
  end,
  word,
  string,
  open_brace,
  close_brace,
  open_bracket,
  close_bracket,
  open_paren,
  close_paren,
  equals,
  comma,
  semicolon,
};

struct Token {
  TokenKind kind = TokenKind::end;
  bool first_on_line = false;  // a line end, or the start of the text, lies in its trivia
  bool unterminated = false;   // a string without its closing quote; it ends with its first line
  Place place;
  size_t trivia = 0;  // where the trivia before it begin
  size_t begin = 0;
  size_t end = 0;
};

// What a token may be, by where it stands.
enum class LexMode : uint8_t {
  plain,     // names and values
  instance,  // behind a scope's name: also regular expressions and [addresses]
  line,      // a console line: as instance; commas and semicolons are parts of words
};

class Lexer {
 public:
  // Both are borrowed.
  Lexer(std::string_view text, DiagnosticSink& sink);

  Token next(LexMode mode = LexMode::plain);

  // Goes back to where that token begins.
  void resume_at(const Token& token);

  // The line that has been reached.
  uint32_t line() const { return line_; }

  std::string_view text(const Token& token) const { return text_.substr(token.begin, token.end - token.begin); }

 private:
  void skip_trivia(Token& token);
  void scan_string(Token& token);
  Place place_of(size_t offset) const;

  std::string_view text_;
  DiagnosticSink& sink_;
  size_t position_ = 0;
  size_t line_start_ = 0;
  uint32_t line_ = 1;
  // Reading can go back a little; what lies before this was reported already.
  size_t reported_ = 0;
  // Set when a string was found to have no end: from there on there is no such quote.
  bool no_double_quote_ = false;
  bool no_single_quote_ = false;
};

// The end of the bare word that starts at `begin`, `begin` itself when none does.
size_t scan_word(std::string_view text, size_t begin, LexMode mode);

// The text that a string token stands for; `token` includes its quotes.
std::string unquote(std::string_view token, bool unterminated);

}  // namespace impulse::config
