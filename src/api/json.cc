#include "api/json.h"

#include "api/job.h"
#include "api/limits.h"
#include "base/text.h"
#include "compose/escape.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace impulse::api {

static_assert(json_padding >= simdjson::SIMDJSON_PADDING);

std::string Where::to_string() const {
  std::string out = up != nullptr ? up->to_string() : std::string();
  if (index) return fmt::format("{}[{}]", out, *index);
  if (!out.empty() && !name.empty()) out += '.';
  return out + escape_line(name, 100);
}

namespace {

using simdjson::dom::element_type;

std::string not_json(simdjson::error_code code) {
  switch (code) {
    case simdjson::DEPTH_ERROR:
      return fmt::format("the JSON is nested more than {} deep", Json::max_depth);
    case simdjson::EMPTY:
      return "the body is empty; JSON is expected";
    case simdjson::UTF8_ERROR:
      return "the JSON is not well-formed UTF-8";
    case simdjson::NUMBER_ERROR:
      return "a number is not as JSON has it, or out of range";
    case simdjson::STRING_ERROR:
    case simdjson::UNESCAPED_CHARS:
    case simdjson::UNCLOSED_STRING:
      return "a string is not as JSON has it";
    default:
      return fmt::format("this is not JSON: {}", simdjson::error_message(code));
  }
}

// The parser lets a lone low surrogate through, as three bytes that are no UTF-8.
bool well_formed(std::string_view text) { return !text.contains('\xED') || is_utf8(text); }

// `values`: how many have been seen, this one not yet.
std::optional<Error> check(Element element, const Where& where, size_t depth, size_t& values) {
  const auto bad = [&](std::string reason) { return Error{Fault::bad_json, where.to_string(), std::move(reason)}; };
  if (depth > Json::max_depth) return bad(not_json(simdjson::DEPTH_ERROR));
  if (++values > max_json_values)
    return Error{Fault::too_large, "", fmt::format("the JSON has more than {} values", max_json_values)};
  switch (element.type()) {
    case element_type::STRING: {
      std::string_view text;
      if (element.get(text) != simdjson::SUCCESS || !well_formed(text)) return bad("a string has half a character");
      return std::nullopt;
    }
    case element_type::ARRAY: {
      size_t number = 0;
      for (const Element item : simdjson::dom::array(element))
        if (auto error = check(item, where.item(number++), depth + 1, values)) return error;
      return std::nullopt;
    }
    case element_type::OBJECT: {
      std::vector<std::string_view> names;
      for (const auto& [name, value] : simdjson::dom::object(element)) {
        const Where at = where.member(name);
        if (!well_formed(name)) return bad("a name has half a character");
        names.push_back(name);
        if (auto error = check(Element(value), at, depth + 1, values)) return error;
      }
      std::ranges::sort(names);
      if (const auto twice = std::ranges::adjacent_find(names); twice != names.end())
        return Error{Fault::bad_json, where.member(*twice).to_string(), "the name stands twice in its object"};
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

std::expected<std::unique_ptr<Json>, Error> Json::parse(const std::string& body) {
  const auto bad = [](std::string reason) { return std::unexpected(Error{Fault::bad_json, "", std::move(reason)}); };
  if (body.starts_with("\xEF\xBB\xBF")) return bad("the JSON begins with a byte order mark");
  auto out = std::make_unique<Json>();
  if (const auto code = out->parser_.allocate(body.size() + 1, max_depth)) return bad(not_json(code));
  const bool copy = body.capacity() - body.size() < simdjson::SIMDJSON_PADDING;
  if (const auto code = out->parser_.parse(body.data(), body.size(), copy).get(out->root_)) return bad(not_json(code));
  size_t values = 0;
  if (auto error = check(out->root_, Where{}, 1, values)) return std::unexpected(std::move(*error));
  return out;
}

void Reader::fail(Fault fault, const Where& where, std::string reason) {
  if (!error_) error_ = Error{fault, where.to_string(), std::move(reason)};
}

void Reader::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

void Reader::unknown(const Where& where) {
  fail(Fault::unsupported, where, "there is no such field here, or it is not supported");
}

std::string_view Reader::text(Element element, const Where& where) {
  std::string_view out;
  if (element.get(out) != simdjson::SUCCESS) fail(Fault::invalid, where, "a string is expected");
  return out;
}

std::string_view Reader::line(Element element, const Where& where) {
  const std::string_view out = text(element, where);
  if (compose::has_control(out))
    fail(Fault::unsafe, where, "the value holds a line break or another control character");
  return out;
}

bool Reader::boolean(Element element, const Where& where) {
  bool out = false;
  if (element.get(out) != simdjson::SUCCESS) fail(Fault::invalid, where, "true or false is expected");
  return out;
}

int64_t Reader::integer(Element element, const Where& where, int64_t least, int64_t most) {
  int64_t out = least;
  if (element.get(out) != simdjson::SUCCESS || out < least || out > most)
    fail(Fault::invalid, where, fmt::format("a whole number from {} to {} is expected", least, most));
  return out;
}

std::optional<Element> Reader::any_object(Element element, const Where& where) {
  if (element.is_object()) return element;
  fail(Fault::invalid, where, "an object is expected");
  return std::nullopt;
}

compose::Value to_value(Element element) {
  using compose::Value;
  switch (element.type()) {
    case element_type::BOOL:
      return Value(bool(element));
    case element_type::INT64:
      return Value(int64_t(element));
    case element_type::UINT64:
      return Value(uint64_t(element));
    case element_type::DOUBLE:
      return Value(double(element));
    case element_type::STRING:
      return Value(std::string_view(element));
    case element_type::ARRAY: {
      Value::Array items;
      for (const Element item : simdjson::dom::array(element)) items.push_back(to_value(item));
      return Value(std::move(items));
    }
    case element_type::OBJECT: {
      Value::Object members;
      for (const auto& [name, value] : simdjson::dom::object(element))
        members.push_back({name, to_value(Element(value))});
      return Value(std::move(members));
    }
    default:
      return {};
  }
}

std::string plain_text(Element element) {
  std::string_view text;
  if (element.get(text) == simdjson::SUCCESS) return std::string(text);
  return simdjson::minify(element);
}

}  // namespace impulse::api
