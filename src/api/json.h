// Json: a request's document, parsed and checked as a whole before anything
// of it is believed; and the readers of its values, which know where they are.
#pragma once

#include "api/error.h"
#include "compose/value.h"

#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <expected>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::api {

using Element = simdjson::dom::element;

class Json {
 public:
  static constexpr size_t max_depth = 64;

  // bad_json: not what RFC 8259 has, a byte order mark, depth over max_depth,
  // a number that no 64 bits hold, a lone surrogate, a name twice in an object.
  // too_large: more than max_json_values.
  // `body` is not needed any more afterwards; see json_padding (job.h).
  static std::expected<std::unique_ptr<Json>, Error> parse(const std::string& body);
  Element root() const { return root_; }

 private:
  simdjson::dom::parser parser_;
  Element root_;
};

// Where a value stands: "recipients[3].address". On the stack, while reading.
struct Where {
  const Where* up = nullptr;
  std::string_view name{};
  std::optional<size_t> index{};

  Where member(std::string_view member_name) const { return {.up = this, .name = member_name}; }
  Where item(size_t number) const { return {.up = this, .index = number}; }
  std::string to_string() const;
};

// Reads members of expected types; the first that is wrong is kept, and what
// is read from then on means nothing.
class Reader {
 public:
  bool good() const { return !error_; }
  const std::optional<Error>& error() const { return error_; }
  void fail(Fault fault, const Where& where, std::string reason);
  void fail(Error error);

  std::string_view text(Element element, const Where& where);
  // … which may become part of a header field or an envelope: no control characters.
  std::string_view line(Element element, const Where& where);
  bool boolean(Element element, const Where& where);
  int64_t integer(Element element, const Where& where, int64_t least, int64_t most);
  // An object of any members.
  std::optional<Element> any_object(Element element, const Where& where);

  // member(name, element, where) for each; it returns false for a name that
  // it does not know, which is refused.
  template <class F>
  void object(Element element, const Where& where, F member) {
    simdjson::dom::object members;
    if (element.get(members) != simdjson::SUCCESS) return fail(Fault::invalid, where, "an object is expected");
    for (const auto& [name, value] : members) {
      if (!good()) return;
      const Where at = where.member(name);
      if (!member(name, Element(value), at)) unknown(at);
    }
  }
  // The same; null is as good as no member, where the name is one of those that are known.
  template <class F>
  void object(Element element, const Where& where, std::initializer_list<std::string_view> known, F member) {
    object(element, where, [&](std::string_view name, Element value, const Where& at) {
      if (value.is_null() && std::ranges::find(known, name) != known.end()) return true;
      return member(name, value, at);
    });
  }
  template <class F>
  void array(Element element, const Where& where, F item) {
    simdjson::dom::array items;
    if (element.get(items) != simdjson::SUCCESS) return fail(Fault::invalid, where, "an array is expected");
    size_t number = 0;
    for (const Element value : items) {
      if (!good()) return;
      item(value, where.item(number++));
    }
  }

 private:
  void unknown(const Where& where);
  std::optional<Error> error_;
};

// For templates; borrows its strings from the document.
compose::Value to_value(Element element);
// A value as JSON; a string as it is.
std::string plain_text(Element element);

}  // namespace impulse::api
