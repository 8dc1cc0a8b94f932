#include "http/error.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace impulse::http {

namespace {

// Bytes of the well-formed UTF-8 character at the front; 0: there is none.
size_t character(std::string_view text) {
  for (size_t size = 2; size <= std::min<size_t>(4, text.size()); ++size)
    if (is_utf8(text.substr(0, size))) return size;
  return 0;
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  if (out.back() != '{') out += ',';
  append_json_string(out, name);
  out += ':';
  append_json_string(out, value);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const char c = text.front();
    size_t taken = 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else if (is_ascii(text.substr(0, 1))) {
      out += c;
    } else if (const size_t size = character(text); size > 0) {
      out += text.substr(0, size);
      taken = size;
    } else {
      out += "\\ufffd";
    }
    text.remove_prefix(taken);
  }
  out += '"';
}

std::string errors_json(std::span<const ErrorItem> errors) {
  std::string out = R"({"errors":[)";
  for (const ErrorItem& error : errors) {
    if (out.back() == '}') out += ',';
    out += '{';
    append_member(out, "message", error.message);
    append_member(out, "code", error.code);
    if (!error.description.empty()) append_member(out, "description", error.description);
    if (!error.field.empty()) append_member(out, "field", error.field);
    out += '}';
  }
  out += "]}";
  return out;
}

Response error_response(int status, std::span<const ErrorItem> errors) {
  Response response;
  response.status = status;
  response.with("Content-Type", "application/json");
  response.body = errors_json(errors);
  return response;
}

Response error_response(int status, ErrorItem error) {
  const ErrorItem only = std::move(error);
  return error_response(status, std::span(&only, 1));
}

}  // namespace impulse::http
