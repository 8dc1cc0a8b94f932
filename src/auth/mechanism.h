// The SASL mechanisms that a server of ours can offer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace impulse::auth {

enum class Mechanism : uint8_t {
  scram_sha_256_plus,
  scram_sha_1_plus,
  scram_sha_256,
  scram_sha_1,
  digest_md5,
  cram_md5,
  plain,
  login
};

// All of them, the one to prefer first.
std::span<const Mechanism> all_mechanisms();
std::string_view name(Mechanism mechanism);                      // "SCRAM-SHA-256"
std::optional<Mechanism> find_mechanism(std::string_view name);  // case folded
// The client has the first word, and may send it along with its request.
bool is_client_first(Mechanism mechanism);
// The password itself crosses the wire: only for what nobody can listen to.
bool sends_password(Mechanism mechanism);
// It proves the TLS connection, too (SCRAM-…-PLUS, RFC 5802 §6).
bool binds_channel(Mechanism mechanism);
bool is_scram(Mechanism mechanism);
// The one that a SCRAM-…-PLUS has its keys from; any other itself.
Mechanism without_binding(Mechanism mechanism);

}  // namespace impulse::auth
