// PairJson: a JSON document (RFC 8259) whose values know where they stand, so
// that what is wrong in a file can be told by line and column. For the files
// beside exported messages; strict. It is read piece by piece, and whatever it
// says, no more of it is in memory than `json_most` allows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::spool {

// Both from 1, columns in bytes.
struct JsonPlace {
  uint64_t line = 1;
  uint64_t column = 1;
};

// What is wrong, and where.
struct JsonFault {
  uint64_t line = 1;
  uint64_t column = 1;
  std::string what;
};

struct JsonValue {
  enum class Kind : uint8_t { null, boolean, integer, string, array, object };
  Kind kind = Kind::null;
  JsonPlace at;  // of its first byte
  bool truth = false;
  int64_t number = 0;
  std::string text;
  std::vector<JsonValue> items;     // of an array; of an object the values of its members
  std::vector<std::string> names;   // of these, in order; none is there twice
  std::vector<JsonPlace> names_at;  // where they stand

  const JsonValue* find(std::string_view name) const;  // null: not there
};

// What may be in memory at once of a document, and of one of its items (JsonItems).
struct JsonMost {
  size_t values;
  size_t text;  // bytes, of strings and names
};
inline constexpr JsonMost json_most{100000, size_t{16} << 20};
inline constexpr JsonMost json_item_most{64, size_t{8} << 10};
inline constexpr int json_levels = 16;
inline constexpr size_t json_members = 64;  // of an object

// The next bytes of a document, which stay until the next call; none: it ends here.
using JsonInput = std::function<std::string_view()>;

// The member `name` of the root is an array of many: each is given to `take` when
// it is read, with what was read of the root before it, and is not kept. A fault
// of `take` ends the reading.
struct JsonItems {
  std::string_view name;
  std::function<std::optional<JsonFault>(const JsonValue& root, const JsonValue& item)> take;
};

// A whole document. Faults: what RFC 8259 does not have, a byte order mark,
// bytes that are no UTF-8, a lone surrogate, a name twice in an object, a
// number that is none of 64 bits (or has a fraction), and more of anything than
// the limits above.
std::expected<JsonValue, JsonFault> parse_pair_json(const JsonInput& input, const JsonItems& items);

// `text`, which is UTF-8, with quotes around it.
std::string json_quoted(std::string_view text);

}  // namespace impulse::spool
