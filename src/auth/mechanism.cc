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
#define MECHANISM(mechanism, name, client_first, sends_password) \
  {Mechanism::mechanism, name, client_first, sends_password},
#include "config/mechanisms.def"
#undef MECHANISM
};

constexpr Mechanism in_order[] = {
#define MECHANISM(mechanism, name, client_first, sends_password) Mechanism::mechanism,
#include "config/mechanisms.def"
#undef MECHANISM
};
static_assert([] {
  for (size_t i = 0; i < std::size(rows); ++i)
    if (static_cast<size_t>(rows[i].mechanism) != i) return false;
  return true;
}());

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
