#include "http/response_writer.h"

#include "base/text.h"
#include "http/syntax.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace impulse::http {

namespace {

constexpr std::string_view ours[] = {"Connection", "Content-Length",    "Date",        "Keep-Alive",
                                     "Server",     "Transfer-Encoding", "X-Request-Id"};

bool is_ours(std::string_view name) {
  return std::ranges::any_of(ours, [name](std::string_view own) { return iequals(own, name); });
}

// Whatever the value holds, it stays one line.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  std::ranges::transform(value, std::back_inserter(out), [](char c) { return is_control(c) ? ' ' : c; });
  out += "\r\n";
}

}  // namespace

void append_response(std::string& out, const Response& response, const ResponseFrame& frame) {
  const int status = response.status >= 200 && response.status <= 599 ? response.status : 500;
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
  append_field(out, "Date", http_date(frame.now));
  if (!frame.server.empty()) append_field(out, "Server", frame.server);
  for (const Field& field : response.fields)
    if (is_token(field.name) && !is_ours(field.name)) append_field(out, field.name, field.value);
  // RFC 9110 §8.6: 204 has none; that of 304 would be another response's.
  const bool bodiless = status == 204 || status == 304;
  if (!bodiless) fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", response.body.size());
  append_field(out, "X-Request-Id", frame.id);
  if (!frame.connection.empty()) append_field(out, "Connection", frame.connection);
  out += "\r\n";
  if (!bodiless && !frame.without_body) out += response.body;
}

}  // namespace impulse::http
