// What the server answers: the payloads of ACK, NAK, AUTH_REPLY and GOAWAY
// (doc/ecstream.md §5, §8, §9), written and read.
#pragma once

#include "ecstream/goaway.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::ecstream {

struct Nak {
  uint16_t code = 0;
  uint32_t recipient = UINT32_MAX;
  std::string_view enhanced{};
  std::string_view text{};  // cut at 512 octets, made one line of UTF-8 by encode()
};
std::string encode(const Nak& nak);
std::optional<Nak> decode_nak(std::string_view payload);

struct IdOf {
  uint64_t sequence = 0;
  std::string_view id{};  // at most 255 octets
};
void append_id(std::string& payload, const IdOf& id);
std::optional<std::vector<IdOf>> decode_ids(std::string_view payload);

enum class AuthState : uint8_t { challenge = 0, success = 1, failure = 2 };
struct AuthReply {
  AuthState state = AuthState::failure;
  std::string_view challenge{};
  uint16_t code = 0;  // success and failure
  std::string_view enhanced{};
  std::string_view text{};
};
std::string encode(const AuthReply& reply);
std::optional<AuthReply> decode_auth_reply(std::string_view payload);

struct Farewell {
  uint16_t code = 0;  // perhaps none of GoAway's
  std::string_view text{};
};
std::string encode_farewell(GoAway code, std::string_view text);  // as Nak::text
std::optional<Farewell> decode_farewell(std::string_view payload);

}  // namespace impulse::ecstream
