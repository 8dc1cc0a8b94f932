#include "http/head.h"

#include "base/text.h"
#include "http/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace impulse::http {

namespace {

// A second one of these would be a second reading.
constexpr std::string_view singletons[] = {"Authorization",   "Content-Encoding", "Content-Length",
                                           "Content-Type",    "Expect",           "Host",
                                           "Idempotency-Key", "Transfer-Encoding"};

Fault refusal(int status, std::string_view cause, std::string message) {
  return {.status = status, .cause = cause, .message = std::move(message)};
}

// Fit to be sent back and to be written into logs.
bool is_harmless_id(std::string_view id) {
  const auto fits = [](char c) { return is_alpha(c) || is_digit(c) || std::string_view("-._:/+=@~").contains(c); };
  return !id.empty() && id.size() <= 128 && std::ranges::all_of(id, fits);
}

std::optional<Fault> read_version(const RequestLine& line, const Policy& policy, RequestHead& head) {
  // The method first: whether a refusal has a body depends on it.
  const std::optional<Method> method = parse_method(line.method);
  if (method) head.method = *method;
  head.minor = line.minor;
  const bool known = line.major == 1 && ((line.minor == 0 && policy.http_1_0) || (line.minor == 1 && policy.http_1_1));
  // 505 is about a major version (RFC 9110 §15.6.6), or about one that is turned
  // off. What a later minor one would mean for framing, nobody can know.
  if (line.major == 1 && line.minor > 1)
    return refusal(400, "version", fmt::format("There is no HTTP/1.{}", line.minor));
  if (!known) return refusal(505, "version", fmt::format("HTTP/{}.{} is not spoken here", line.major, line.minor));
  if (!method) return refusal(405, "method", "That method is not known here");
  return std::nullopt;
}

std::optional<Fault> read_transfer_encoding(std::string_view value, RequestHead& head) {
  if (head.minor == 0) return refusal(400, "transfer_coding", "Transfer-Encoding is not of HTTP/1.0");
  const auto codings = token_list(value);
  if (!codings) return refusal(400, "transfer_coding", "Transfer-Encoding is no list of codings");
  const auto chunked = [](std::string_view coding) { return iequals(coding, "chunked"); };
  // Without chunked at the end nobody knows where the body ends (RFC 9112 §6.3).
  if (!chunked(codings->back()) || std::ranges::count_if(*codings, chunked) != 1)
    return refusal(400, "transfer_coding", "Transfer-Encoding does not end in one chunked");
  if (codings->size() > 1) return refusal(400, "transfer_coding", "Only the transfer coding chunked is known here");
  head.has_body = true;
  return std::nullopt;
}

std::optional<Fault> read_framing(RequestHead& head) {
  const std::optional<std::string_view> length = head.fields.find("Content-Length");
  const std::optional<std::string_view> coding = head.fields.find("Transfer-Encoding");
  if (length && coding) return refusal(400, "framing", "Content-Length and Transfer-Encoding exclude each other");
  if (coding) return read_transfer_encoding(*coding, head);
  if (!length) return std::nullopt;
  head.content_length = decimal(*length);
  if (!head.content_length) return refusal(400, "length", "Content-Length is no number");
  head.has_body = *head.content_length > 0;
  return std::nullopt;
}

std::optional<Fault> read_connection(RequestHead& head) {
  head.keep_alive = head.minor >= 1;
  bool close = false;
  for (const Field& field : head.fields) {
    if (!iequals(field.name, "Connection")) continue;
    for (const std::string_view piece : split(field.value, ',')) {
      const std::string_view option = trim_ows(piece);
      if (option.empty()) continue;  // RFC 9110 §5.6.1.2
      if (!is_token(option)) return refusal(400, "header", "Connection is no list of options");
      close = close || iequals(option, "close");
      head.keep_alive = head.keep_alive || iequals(option, "keep-alive");
    }
  }
  head.keep_alive = head.keep_alive && !close;
  return std::nullopt;
}

std::optional<Fault> read_expectation(RequestHead& head) {
  const std::optional<std::string_view> expected = head.fields.find("Expect");
  // RFC 9110 §10.1.1: that of a HTTP/1.0 client is to be ignored.
  if (!expected || head.minor == 0) return std::nullopt;
  if (!iequals(*expected, "100-continue")) return refusal(417, "expectation", "Only 100-continue can be expected here");
  head.expects_continue = head.has_body;
  return std::nullopt;
}

}  // namespace

std::optional<Fault> read_head(const HeadReader& reader, const Policy& policy, RequestHead& head) {
  const RequestLine line = reader.line();
  head.target = line.target;
  for (const FieldLine& field : reader.fields()) head.fields.add(std::string(field.name), std::string(field.value));
  if (const auto id = head.fields.find("X-Request-Id"); id && is_harmless_id(*id)) head.id = *id;
  if (std::optional<Fault> fault = read_version(line, policy, head)) return fault;
  for (const std::string_view name : singletons)
    if (head.fields.count(name) > 1)
      return refusal(400, name == "Host" ? "host" : "header", fmt::format("{} is there more than once", name));
  if (std::optional<Fault> fault = read_framing(head)) return fault;
  if (std::optional<Fault> fault = read_connection(head)) return fault;
  if (std::optional<Fault> fault = read_target(head)) return fault;
  return read_expectation(head);
}

}  // namespace impulse::http
