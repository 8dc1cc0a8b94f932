// ReplyParser: a server's replies (RFC 5321 §4.2), one at a time, strict and
// bounded. Lines end in CRLF, each starts with the same three digits, '-'
// continues and a space (or nothing) ends.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::smtp {

struct ParsedReply {
  int code = 0;                    // 200 to 599
  std::vector<std::string> lines;  // what stands behind code and '-' or ' ', raw
};

class ReplyParser {
 public:
  ReplyParser(size_t max_line, size_t max_lines) : max_line_(max_line), max_lines_(max_lines) {}

  // Takes bytes from the front of `bytes`, until one reply is complete or all
  // are taken. Not to be called again once error() is set.
  std::optional<ParsedReply> take(std::string_view& bytes);
  // Why what came cannot be a reply; empty while it can.
  std::string_view error() const { return error_; }
  // A reply has begun and not ended.
  bool midway() const { return !line_.empty() || !reply_.lines.empty(); }

 private:
  bool accept_line(std::string_view line, bool& last);

  size_t max_line_;
  size_t max_lines_;
  std::string line_;  // unfinished
  ParsedReply reply_;
  std::string_view error_;
};

// One line of text out of a reply's lines: joined by ' ', an enhanced status
// code (RFC 2034) that each line repeats kept once, escaped, at most 512 bytes.
std::string reply_text(const ParsedReply& reply);

}  // namespace impulse::smtp
