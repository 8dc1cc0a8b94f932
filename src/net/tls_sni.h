// Server names: which certificate a client is shown that asks for one. net/ only.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

typedef struct ssl_st SSL;

namespace impulse::net {

// Patterns are host names, or "*.example.com" for all names below that one, at
// any depth, or "*" for any. The whole name wins, then the longest pattern.
class SniTable {
 public:
  // The same pattern twice is an error.
  Result<> add(std::string_view pattern, size_t certificate);
  // `name` in lower case, without the root's dot. Takes a look-up a label.
  std::optional<size_t> find(std::string_view name) const;
  bool empty() const { return exact_.empty() && below_.empty() && !any_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Names = std::unordered_map<std::string, size_t, Hash, std::equal_to<>>;
  Names exact_;
  Names below_;  // "example.com" for "*.example.com"
  std::optional<size_t> any_;
};

// The server name in a ClientHello that is being read, in lower case and
// without the root's dot; empty: none, or none that could be a host's.
std::string asked_server_name(SSL* ssl);

}  // namespace impulse::net
