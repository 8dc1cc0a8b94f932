// Typed values: what an option can be.
#pragma once

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/ip.h"
#include "base/result.h"
#include "config/syntax.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace impulse::config {

enum class Type : uint8_t {
  boolean,          // bool               on/off, true/false, enabled/disabled, yes/no, 1/0
  integer,          // int64_t
  size,             // uint64_t, bytes    10M; k, M, G with or without B, powers of 1024
  duration,         // Duration           seconds, or 30s, 5m, 1h, 7d, 250ms, 100us
  rate,             // Rate               "3" a second, "3/60" in 60 seconds
  octal,            // uint32_t           0660
  string,           // std::string
  secret,           // std::string, shown as "(redacted)"
  path,             // std::string
  enumeration,      // Enum               one of OptionDef::choices
  strings,          // Strings            array (one word counts as an array of one)
  networks,         // NetworkList
  globs,            // GlobList           domains: example.com, *.example.com (below it, not itself), *
  dictionary,       // Dictionary
  size_or_percent,  // SizeOrPercent
};

struct Rate {
  uint64_t count = 0;  // 0: no limit
  Duration per{std::chrono::seconds(1)};
  friend bool operator==(const Rate&, const Rate&) = default;
};

// Index into OptionDef::choices.
struct Enum {
  uint16_t index = 0;
  friend bool operator==(const Enum&, const Enum&) = default;
};

struct SizeOrPercent {
  uint64_t amount = 0;
  bool percent = false;
  friend bool operator==(const SizeOrPercent&, const SizeOrPercent&) = default;
};

using Strings = std::vector<std::string>;
using Dictionary = std::vector<std::pair<std::string, std::string>>;  // in order; nested values as text

// Domain patterns, matched without case. Immutable once built.
class GlobList {
 public:
  GlobList();
  explicit GlobList(Strings patterns);
  // O(labels): exact names and suffixes are looked up, not walked.
  bool matches(std::string_view domain) const;
  const Strings& patterns() const { return parts_->patterns; }
  bool empty() const { return parts_->patterns.empty(); }
  friend bool operator==(const GlobList& a, const GlobList& b) {
    return a.parts_ == b.parts_ || a.patterns() == b.patterns();
  }

 private:
  struct Parts {
    Strings patterns;
    std::vector<std::string> exact;     // sorted, lower case
    std::vector<std::string> suffixes;  // ".example.com", sorted, lower case
    bool any = false;
  };
  // Behind a pointer: a Value is no larger for the few that are lists.
  std::shared_ptr<const Parts> parts_;
};

using Value = std::variant<bool, int64_t, uint64_t, Duration, Rate, uint32_t, std::string, Enum, Strings, NetworkList,
                           GlobList, Dictionary, SizeOrPercent>;

struct OptionDef;

// Errors say what was expected ("expected a duration such as 30s or 5m, got 'soon'").
Result<Value> convert(const RawValue& raw, const OptionDef& option);
// As the language writes it, canonical: durations as 5m, sizes as 10M. Secrets are redacted.
std::string to_text(const Value& value, const OptionDef& option);

}  // namespace impulse::config
