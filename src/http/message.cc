#include "http/message.h"

#include "base/text.h"

#include <algorithm>
#include <array>

namespace impulse::http {

namespace {

constexpr std::array<std::string_view, 7> methods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

}  // namespace

std::optional<std::string_view> Fields::find(std::string_view name) const {
  const auto found = std::ranges::find_if(list_, [name](const Field& field) { return iequals(field.name, name); });
  return found == list_.end() ? std::nullopt : std::optional<std::string_view>(found->value);
}

size_t Fields::count(std::string_view name) const {
  return static_cast<size_t>(
      std::ranges::count_if(list_, [name](const Field& field) { return iequals(field.name, name); }));
}

std::string_view method_name(Method method) { return methods[static_cast<size_t>(method)]; }

std::optional<Method> parse_method(std::string_view name) {
  const auto found = std::ranges::find(methods, name);
  if (found == methods.end()) return std::nullopt;
  return static_cast<Method>(found - methods.begin());
}

std::optional<std::string_view> RequestHead::parameter(std::string_view name) const {
  const auto found = std::ranges::find(query, name, [](const auto& pair) { return std::string_view(pair.first); });
  return found == query.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

std::string path_parameter(std::string_view segment) {
  std::string out;
  while (!segment.empty()) {
    const bool slash = segment.starts_with("%2F");
    const bool percent = segment.starts_with("%25");
    out += slash ? '/' : segment.front();
    segment.remove_prefix(slash || percent ? 3 : 1);
  }
  return out;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 205:
      return "Reset Content";
    case 206:
      return "Partial Content";
    case 207:
      return "Multi-Status";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 420:
      return "Exceed Sending Limit";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 424:
      return "Failed Dependency";
    case 425:
      return "Too Early";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

}  // namespace impulse::http
