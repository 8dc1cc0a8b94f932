#include "auth/mechanism.h"

#include "base/text.h"

#include <iterator>

namespace impulse::auth {

namespace {

struct Row {
  Mechanism mechanism;
  std::string_view name;
  bool client_first;
  bool sends_password;
};

constexpr Row rows[] = {
    {Mechanism::scram_sha_256_plus, "SCRAM-SHA-256-PLUS", true, false},
    {Mechanism::scram_sha_1_plus, "SCRAM-SHA-1-PLUS", true, false},
    {Mechanism::scram_sha_256, "SCRAM-SHA-256", true, false},
    {Mechanism::scram_sha_1, "SCRAM-SHA-1", true, false},
    {Mechanism::digest_md5, "DIGEST-MD5", false, false},
    {Mechanism::cram_md5, "CRAM-MD5", false, false},
    {Mechanism::plain, "PLAIN", true, true},
    {Mechanism::login, "LOGIN", false, true},
};

constexpr Mechanism in_order[] = {
    Mechanism::scram_sha_256_plus, Mechanism::scram_sha_1_plus, Mechanism::scram_sha_256, Mechanism::scram_sha_1,
    Mechanism::digest_md5,         Mechanism::cram_md5,         Mechanism::plain,         Mechanism::login};
static_assert(std::size(rows) == std::size(in_order));

const Row& row(Mechanism mechanism) { return rows[static_cast<size_t>(mechanism)]; }

}  // namespace

std::span<const Mechanism> all_mechanisms() { return in_order; }
std::string_view name(Mechanism mechanism) { return row(mechanism).name; }
bool is_client_first(Mechanism mechanism) { return row(mechanism).client_first; }
bool sends_password(Mechanism mechanism) { return row(mechanism).sends_password; }
bool binds_channel(Mechanism mechanism) { return without_binding(mechanism) != mechanism; }
bool is_scram(Mechanism mechanism) { return mechanism <= Mechanism::scram_sha_1; }

Mechanism without_binding(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::scram_sha_256_plus:
      return Mechanism::scram_sha_256;
    case Mechanism::scram_sha_1_plus:
      return Mechanism::scram_sha_1;
    default:
      return mechanism;
  }
}

std::optional<Mechanism> find_mechanism(std::string_view name) {
  for (const Row& candidate : rows)
    if (iequals(candidate.name, name)) return candidate.mechanism;
  return std::nullopt;
}

}  // namespace impulse::auth
