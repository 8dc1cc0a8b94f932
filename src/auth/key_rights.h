// Rights: what the holder of an API key may do. Each is named in the key file,
// and none includes another: an admin key injects nothing.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::auth {

enum class Right : uint8_t {
  inject,   // hand in mail, and ask what became of it
  metrics,  // read counters
  admin,    // the console's commands, as far as the roles of the key's user allow
};
constexpr Right all_rights[] = {Right::inject, Right::metrics, Right::admin};

std::string_view name(Right right);  // "inject"
std::optional<Right> find_right(std::string_view name);

// A set of them. A value.
class Rights {
 public:
  constexpr Rights() = default;
  // "inject,metrics": at least one, none twice.
  static Result<Rights> parse(std::string_view text);

  constexpr bool has(Right right) const { return (bits_ & bit(right)) != 0; }
  constexpr Rights& add(Right right) {
    bits_ = static_cast<uint8_t>(bits_ | bit(right));
    return *this;
  }
  constexpr bool empty() const { return bits_ == 0; }
  std::string to_string() const;  // as parse() reads it

  friend bool operator==(const Rights&, const Rights&) = default;

 private:
  static constexpr uint8_t bit(Right right) { return static_cast<uint8_t>(1U << static_cast<unsigned>(right)); }
  uint8_t bits_ = 0;
};

}  // namespace impulse::auth
