#include "smtp/reply_parser.h"

#include "base/text.h"

#include <utility>

namespace impulse::smtp {
namespace {

// Leaves room up to 512 for escape_line's last escape and ellipsis, and for
// ClientSession's "nonsense in reply to …: " in front.
constexpr size_t text_limit = 460;

// "5.1.1 " at the front: its length, 0 when there is none (RFC 3463 §2).
size_t enhanced_code_length(std::string_view line) {
  size_t at = 0;
  for (int part = 0; part < 3; ++part) {
    const size_t start = at;
    while (at < line.size() && is_digit(line[at])) ++at;
    if (at == start || at - start > 3) return 0;
    if (part < 2 && (at == line.size() || line[at++] != '.')) return 0;
  }
  return at < line.size() && line[at] == ' ' ? at + 1 : 0;
}

}  // namespace

std::optional<ParsedReply> ReplyParser::take(std::string_view& bytes) {
  while (!bytes.empty() && error_.empty()) {
    const size_t newline = bytes.find('\n');
    const size_t piece = newline == std::string_view::npos ? bytes.size() : newline + 1;
    if (line_.size() + piece > max_line_) {
      error_ = "a reply line is too long";
      return std::nullopt;
    }
    line_.append(bytes.substr(0, piece));
    bytes.remove_prefix(piece);
    if (newline == std::string_view::npos) return std::nullopt;
    bool last = false;
    const bool accepted = accept_line(line_, last);
    line_.clear();
    if (accepted && last) return std::exchange(reply_, {});
  }
  return std::nullopt;
}

bool ReplyParser::accept_line(std::string_view line, bool& last) {
  if (!line.ends_with("\r\n")) {
    error_ = "a reply line does not end in CRLF";
    return false;
  }
  line.remove_suffix(2);
  if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2]) ||
      (line.size() > 3 && line[3] != ' ' && line[3] != '-')) {
    error_ = "a line is not an SMTP reply";
    return false;
  }
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (!reply_.lines.empty() && code != reply_.code) {
    error_ = "the lines of a reply have different codes";
    return false;
  }
  if (reply_.lines.size() >= max_lines_) {
    error_ = "a reply has too many lines";
    return false;
  }
  reply_.code = code;
  reply_.lines.emplace_back(line.size() > 4 ? line.substr(4) : std::string_view());
  last = line.size() == 3 || line[3] == ' ';
  return true;
}

std::string reply_text(const ParsedReply& reply) {
  std::string text;
  std::string_view enhanced;
  for (std::string_view line : reply.lines) {
    if (text.size() > text_limit) break;  // more is cut anyway
    if (!enhanced.empty() && line.starts_with(enhanced)) line.remove_prefix(enhanced.size());
    if (text.empty()) {
      enhanced = line.substr(0, enhanced_code_length(line));
    } else if (!line.empty()) {
      text += ' ';
    }
    text += line;
  }
  return escape_line(text, text_limit);
}

}  // namespace impulse::smtp
