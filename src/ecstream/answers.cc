#include "ecstream/answers.h"

#include "base/text.h"
#include "ecstream/wire.h"

namespace impulse::ecstream {

namespace {

constexpr size_t longest_text = 512;

std::string one_line(std::string_view text) {
  std::string line = escape_line(text, longest_text - 3);  // what is cut ends in "…"
  return line;
}

}  // namespace

std::string encode(const Nak& nak) {
  std::string payload;
  put(payload, nak.code);
  put(payload, nak.recipient);
  put_short_text(payload, nak.enhanced);
  return payload + one_line(nak.text);
}

std::optional<Nak> decode_nak(std::string_view payload) {
  Reader reader(payload);
  Nak nak;
  nak.code = reader.number<uint16_t>();
  nak.recipient = reader.number<uint32_t>();
  nak.enhanced = reader.short_text();
  nak.text = reader.rest();
  if (reader.bad() || nak.code < 400 || nak.code > 599) return std::nullopt;
  return nak;
}

void append_id(std::string& payload, const IdOf& id) {
  put(payload, id.sequence);
  put_short_text(payload, id.id);
}

std::optional<std::vector<IdOf>> decode_ids(std::string_view payload) {
  Reader reader(payload);
  std::vector<IdOf> ids;
  while (!reader.empty()) {
    IdOf id;
    id.sequence = reader.number<uint64_t>();
    id.id = reader.short_text();
    if (reader.bad()) return std::nullopt;
    ids.push_back(id);
  }
  return ids;
}

std::string encode(const AuthReply& reply) {
  std::string payload;
  put(payload, static_cast<uint8_t>(reply.state));
  if (reply.state == AuthState::challenge) {
    payload += reply.challenge;
    return payload;
  }
  put(payload, reply.code);
  put_short_text(payload, reply.enhanced);
  return payload + one_line(reply.text);
}

std::optional<AuthReply> decode_auth_reply(std::string_view payload) {
  Reader reader(payload);
  const auto state = reader.number<uint8_t>();
  if (reader.bad() || state > static_cast<uint8_t>(AuthState::failure)) return std::nullopt;
  AuthReply reply;
  reply.state = static_cast<AuthState>(state);
  if (reply.state == AuthState::challenge) {
    reply.challenge = reader.rest();
    return reply;
  }
  reply.code = reader.number<uint16_t>();
  reply.enhanced = reader.short_text();
  reply.text = reader.rest();
  if (reader.bad()) return std::nullopt;
  return reply;
}

std::string encode_farewell(GoAway code, std::string_view text) {
  std::string payload;
  put(payload, static_cast<uint16_t>(code));
  return payload + one_line(text);
}

std::optional<Farewell> decode_farewell(std::string_view payload) {
  Reader reader(payload);
  Farewell farewell;
  farewell.code = reader.number<uint16_t>();
  farewell.text = reader.rest();
  if (reader.bad()) return std::nullopt;
  return farewell;
}

}  // namespace impulse::ecstream
