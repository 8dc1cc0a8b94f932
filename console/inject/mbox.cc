#include "console/inject/mbox.h"

#include "base/text.h"

#include <optional>

namespace impulse::ecinject {

namespace {

constexpr std::string_view mark = "From ";

size_t line_end(std::string_view text, size_t from) {
  const size_t newline = text.find('\n', from);
  return newline == std::string_view::npos ? text.size() : newline + 1;
}

bool is_empty_line(std::string_view line) { return line == "\n" || line == "\r\n"; }

// Content-Length of a header section; none: there is none, or it is no number.
std::optional<uint64_t> content_length(std::string_view header) {
  for (size_t at = 0; at < header.size();) {
    const size_t end = line_end(header, at);
    const std::string_view line = header.substr(at, end - at);
    at = end;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !iequals(line.substr(0, colon), "Content-Length")) continue;
    const auto number = parse_unsigned(trim(line.substr(colon + 1)));
    if (number) return *number;
  }
  return std::nullopt;
}

// Where a message's content ends by its Content-Length; none: that leads nowhere.
std::optional<size_t> end_by_length(std::string_view file, size_t from) {
  size_t body = from;
  while (body < file.size()) {
    const size_t end = line_end(file, body);
    const bool empty = is_empty_line(file.substr(body, end - body));
    body = end;
    if (empty) break;
  }
  const auto length = content_length(file.substr(from, body - from));
  if (!length || *length > file.size() - body) return std::nullopt;
  const size_t end = body + static_cast<size_t>(*length);
  size_t next = end;
  while (next < file.size() && (file[next] == '\n' || file[next] == '\r')) ++next;
  if (next != file.size() && !file.substr(next).starts_with(mark)) return std::nullopt;
  return end;
}

// Off a line that was quoted.
bool is_quoted(std::string_view line, Quoting quoting) {
  if (quoting == Quoting::none || !line.starts_with('>')) return false;
  if (quoting == Quoting::mboxo) return line.substr(1).starts_with(mark);
  const size_t at = line.find_first_not_of('>');
  return at != std::string_view::npos && line.substr(at).starts_with(mark);
}

}  // namespace

Result<Quoting> parse_quoting(std::string_view name) {
  if (name == "mboxrd") return Quoting::mboxrd;
  if (name == "mboxo") return Quoting::mboxo;
  if (name == "none") return Quoting::none;
  return fail(Errc::invalid, "mboxrd, mboxo or none is expected, not '{}'", escape_line(name, 64));
}

Result<std::vector<Piece>> split_mbox(std::string_view file, Quoting quoting) {
  size_t at = 0;
  while (at < file.size() && (file[at] == '\n' || file[at] == '\r')) ++at;
  if (at == file.size()) return fail(Errc::invalid, "no message in it");
  if (!file.substr(at).starts_with(mark))
    return fail(Errc::invalid, "no mbox: it does not begin with a \"From \" line");
  std::vector<Piece> pieces;
  while (at < file.size()) {
    const size_t from = line_end(file, at);
    size_t end = from;        // behind its last line
    size_t content = from;    // … that is not the empty one in front of the next
    bool after_empty = true;  // "From " lines one behind the other: an empty message between them
    const auto by_length = quoting == Quoting::none ? end_by_length(file, from) : std::nullopt;
    if (by_length) {
      content = end = *by_length;
      while (end < file.size() && (file[end] == '\n' || file[end] == '\r')) ++end;
    } else {
      while (end < file.size()) {
        const size_t next = line_end(file, end);
        const std::string_view line = file.substr(end, next - end);
        if (after_empty && line.starts_with(mark)) break;
        after_empty = is_empty_line(line);
        content = after_empty ? end : next;
        end = next;
      }
    }
    if (content == from) return fail(Errc::invalid, "message {} is empty (at byte {})", pieces.size() + 1, at);
    pieces.push_back({from, content - from});
    at = end;
  }
  return pieces;
}

std::string unquoted(std::string_view message, Quoting quoting) {
  std::string out;
  out.reserve(message.size() + message.size() / 32 + 2);
  while (!message.empty()) {
    const size_t end = message.find_first_of("\r\n");
    std::string_view line = message.substr(0, end);
    if (is_quoted(line, quoting)) line.remove_prefix(1);
    out += line;
    out += "\r\n";
    if (end == std::string_view::npos) break;
    message.remove_prefix(end + (message.substr(end).starts_with("\r\n") ? 2 : 1));
  }
  return out;
}

}  // namespace impulse::ecinject
