// PairJson: a JSON document (RFC 8259) whose values know where they stand, so
// that what is wrong in a file can be told by line and column. For the small
// files beside exported messages; strict, and not fast.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::spool {

// What is wrong, and where: both from 1, columns in bytes.
struct JsonFault {
  uint64_t line = 1;
  uint64_t column = 1;
  std::string what;
};

struct JsonValue {
  enum class Kind : uint8_t { null, boolean, integer, string, array, object };
  Kind kind = Kind::null;
  size_t at = 0;  // offset of its first byte
  bool truth = false;
  int64_t number = 0;
  std::string text;
  std::vector<JsonValue> items;    // of an array; of an object the values of its members
  std::vector<std::string> names;  // of these, in order; none is there twice
  std::vector<size_t> names_at;    // where they stand

  const JsonValue* find(std::string_view name) const;  // null: not there
};

// A whole document. Faults: what RFC 8259 does not have, a byte order mark,
// bytes that are no UTF-8, a lone surrogate, a name twice in an object, a
// number that is none of 64 bits (or has a fraction), more than 16 levels.
std::expected<JsonValue, JsonFault> parse_pair_json(std::string_view text);

// The fault at offset `at` of it.
JsonFault json_fault(std::string_view text, size_t at, std::string what);

// `text`, which is UTF-8, with quotes around it.
std::string json_quoted(std::string_view text);

}  // namespace impulse::spool
