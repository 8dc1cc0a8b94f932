#include "api/error.h"

#include <nlohmann/json.hpp>

#include <array>

namespace impulse::api {

namespace {

struct Row {
  Fault fault;
  int status;
  std::string_view code;
  std::string_view sparkpost;  // empty: it has none
  std::string_view message;
};

constexpr std::array<Row, 11> rows{{
    {Fault::bad_json, 400, "bad_json", "", "invalid JSON"},
    {Fault::bad_message, 400, "bad_message", "", "invalid message"},
    {Fault::unsafe, 400, "unsafe_value", "", "a value must not hold control characters"},
    {Fault::no_recipients, 400, "no_recipients", "5002", "At least one valid recipient is required"},
    {Fault::missing, 422, "missing_field", "1400", "required field is missing"},
    {Fault::invalid, 422, "invalid_value", "1300", "invalid data format/type"},
    {Fault::unsupported, 422, "unsupported", "", "not supported"},
    {Fault::template_syntax, 422, "template_syntax", "3000", "substitution language syntax error in template content"},
    {Fault::too_large, 413, "too_large", "", "too large"},
    {Fault::media_type, 415, "media_type", "", "unsupported media type"},
    {Fault::refused, 403, "refused", "", "not allowed"},
}};

const Row& row_of(Fault fault) { return rows.at(static_cast<size_t>(fault)); }

}  // namespace

int status_of(Fault fault) { return row_of(fault).status; }
std::string_view code_of(Fault fault) { return row_of(fault).code; }

std::string error_object(const Error& error, Style style) {
  const Row& row = row_of(error.fault);
  nlohmann::ordered_json out;
  out["message"] = row.message;
  out["code"] = style == Style::transmissions && !row.sparkpost.empty() ? row.sparkpost : row.code;
  if (!error.field.empty()) out["field"] = error.field;
  out["description"] = error.reason;
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string error_body(const Error& error, Style style) { return "{\"errors\":[" + error_object(error, style) + "]}"; }

}  // namespace impulse::api
