// Keys: one file of API keys, and who may do what with each of them. A line a
// key, with '#' comments and empty lines:
//   id:sha256:user:tenant:rights:expires:label
//   sha256   64 hexadecimal digits: SHA-256 of the key as it is presented
//   user     who acts; tenant: whose user that is, may be empty
//   rights   inject, metrics, admin, with commas between them
//   expires  2027-01-31 or 20270131T120000Z, both UTC; empty: never
//   label    for people; may be empty, and may have colons
// What is presented is imp_<id>_<secret>. The secret is 43 random letters and
// digits, 256 bits: nothing to guess, so that one round of a hash protects it.
#pragma once

#include "auth/credentials.h"
#include "auth/key_rights.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/text.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace impulse::auth {

struct KeyEntry {
  std::string id;  // may be shown and logged
  std::string user;
  std::string tenant;  // lower case; empty: of none
  Rights rights;
  std::optional<WallTime> expires;  // from then on it is no key
  std::string label;

  bool expired(WallTime now) const { return expires && now >= *expires; }
  // Whether it counts for clients of that tenant (a Listen's, a Peer's); those
  // of none are of the key's.
  bool serves(std::string_view client_tenant) const { return client_tenant.empty() || iequals(client_tenant, tenant); }
};

constexpr std::string_view key_prefix = "imp_";
constexpr size_t longest_key_id = 32;  // bytes: lower case letters and digits

bool is_key_id(std::string_view id);
// "imp_<id>_<secret>" taken apart, as far as its shape goes: the id; empty: it is no key.
std::string_view key_id_of(std::string_view presented);
// A text for logs: of what looks like a key in it (also a part of one, or one
// with a slip of the pen) only the id is left: "imp_<id>_***". Whoever puts a key
// where a name belongs does not find it in the logs then.
std::string without_keys(std::string_view text);
// The hash that stands in the file, of a whole presented key.
std::string key_hash(std::string_view presented);

// A moment as the file has it. Reads the two forms named above.
std::string format_expiry(WallTime time);
Result<WallTime> parse_expiry(std::string_view text);

// Immutable, shared between threads.
class Keys {
 public:
  // Bad lines are left out, and told: who wants a file to be right refuses it then.
  static std::shared_ptr<const Keys> parse(std::string_view text, std::vector<BadLine>& bad);

  // Whose key that is. Errc::denied: nobody's; an unknown id, a wrong secret and
  // what has not a key's shape are one and the same, in words and in work done.
  // Errc::timeout: it is right, and has expired; its owner may be told. Errors
  // hold nothing of the secret.
  Result<KeyEntry> check(std::string_view presented, WallTime now) const;

  size_t size() const { return keys_.size(); }
  std::vector<KeyEntry> all() const;  // in the order of the file

 private:
  struct Kept {
    KeyEntry entry;
    std::string hash;
    size_t place = 0;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view id) const { return std::hash<std::string_view>()(id); }
  };
  std::unordered_map<std::string, Kept, Hash, std::equal_to<>> keys_;  // by id
};

}  // namespace impulse::auth
