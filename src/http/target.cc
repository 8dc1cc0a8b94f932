#include "http/target.h"

#include "base/text.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace impulse::http {

namespace {

Fault bad(std::string message) { return {.status = 400, .cause = "target", .message = std::move(message)}; }

// pchar of RFC 3986 and the slash.
constexpr bool fits_path(char c) {
  return is_alpha(c) || is_digit(c) || std::string_view("-._~%!$&'()*+,;=:@/").contains(c);
}

// Wider than RFC 3986: what browsers (URL standard) leave as it is.
constexpr bool fits_query(char c) { return c > ' ' && c < 0x7F && !std::string_view("\"<>#").contains(c); }

std::optional<char> unescape(std::string_view text) {
  if (text.size() < 3) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(1, 2)) {
    const char folded = to_lower(c);
    if (is_digit(c))
      value = value * 16 + (c - '0');
    else if (folded >= 'a' && folded <= 'f')
      value = value * 16 + (folded - 'a' + 10);
    else
      return std::nullopt;
  }
  return static_cast<char>(value);
}

enum class Part { segment, form };

// None: an escape that is none, a control character, or no UTF-8.
std::optional<std::string> decode(std::string_view text, Part part) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    size_t taken = 1;
    if (text.front() == '%') {
      const std::optional<char> c = unescape(text);
      if (!c || is_control(*c)) return std::nullopt;
      if (part == Part::segment && *c == '/')
        out += "%2F";
      else if (part == Part::segment && *c == '%')
        out += "%25";
      else
        out += *c;
      taken = 3;
    } else {
      out += part == Part::form && text.front() == '+' ? ' ' : text.front();
    }
    text.remove_prefix(taken);
  }
  return is_utf8(out) ? std::optional(std::move(out)) : std::nullopt;
}

std::optional<Fault> read_path(std::string_view text, RequestHead& head) {
  if (!std::ranges::all_of(text, fits_path)) return bad("The path has a character that must be escaped");
  text.remove_prefix(1);
  for (const std::string_view piece : split(text, '/')) {
    const std::optional<std::string> segment = decode(piece, Part::segment);
    if (!segment) return bad("The path has an escape that does not stand for text");
    if (*segment == "." || *segment == ".." || segment->contains('\\')) return bad("The path has a dot segment");
    head.path += '/';
    head.path += *segment;
  }
  return std::nullopt;
}

std::optional<Fault> read_query(std::string_view text, RequestHead& head) {
  if (!std::ranges::all_of(text, fits_query)) return bad("The query has a character that must be escaped");
  for (const std::string_view piece : split(text, '&')) {
    if (piece.empty()) continue;
    const size_t equals = piece.find('=');
    std::optional<std::string> name = decode(piece.substr(0, equals), Part::form);
    std::optional<std::string> value =
        decode(equals == std::string_view::npos ? std::string_view() : piece.substr(equals + 1), Part::form);
    if (!name || !value) return bad("The query has an escape that does not stand for text");
    head.query.emplace_back(std::move(*name), std::move(*value));
  }
  return std::nullopt;
}

// Takes scheme and authority off; none: there are none. An empty one: they are not for us.
std::optional<std::string_view> take_authority(std::string_view& target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!istarts_with(target, scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::string_view authority = target.substr(0, target.find_first_of("/?"));
    target.remove_prefix(authority.size());
    return authority;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Fault> read_target(RequestHead& head) {
  std::string_view rest = head.target;
  if (const std::optional<std::string_view> host = head.fields.find("Host")) {
    if (!is_host(*host)) return Fault{.status = 400, .cause = "host", .message = "Host names no host"};
    head.host = *host;
  } else if (head.minor >= 1) {
    return Fault{.status = 400, .cause = "host", .message = "Host is missing"};
  }
  if (rest == "*" && head.method == Method::options) {
    head.path = "*";
    return std::nullopt;
  }
  std::string whole;  // of a target whose path is empty
  if (const std::optional<std::string_view> authority = take_authority(rest)) {
    if (!is_host(*authority)) return bad("The target names no host");
    if (head.host.empty()) head.host = *authority;
    if (!iequals(head.host, *authority)) return bad("The target and Host name different hosts");
    if (!rest.starts_with('/')) rest = whole = "/" + std::string(rest);
  }
  if (!rest.starts_with('/')) return bad("The target is no path");
  const size_t mark = rest.find('?');
  if (std::optional<Fault> fault = read_path(rest.substr(0, mark), head)) return fault;
  if (mark == std::string_view::npos) return std::nullopt;
  return read_query(rest.substr(mark + 1), head);
}

}  // namespace impulse::http
