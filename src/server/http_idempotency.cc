#include "server/http_idempotency.h"

#include "base/text.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

namespace impulse::server {

namespace {

constexpr Duration remembered_for = std::chrono::hours(24);
constexpr size_t digest_size = 32;
constexpr size_t header_size = digest_size + 16;

void append_number(std::string& out, uint64_t number) {
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(number >> 8 * i));
}

uint64_t number_at(std::string_view bytes) {
  uint64_t number = 0;
  for (size_t i = 8; i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) {
    ok_ = context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1;
  }
  // With its length in front: no two lists of parts are the same bytes.
  void part(std::string_view text) {
    std::string length;
    append_number(length, text.size());
    bytes(length);
    bytes(text);
  }
  std::string end() {
    std::string digest(digest_size, '\0');
    ok_ = ok_ && EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr) == 1;
    return ok_ ? digest : std::string();
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  void bytes(std::string_view text) { ok_ = ok_ && EVP_DigestUpdate(context_.get(), text.data(), text.size()) == 1; }
  std::unique_ptr<EVP_MD_CTX, Free> context_;
  bool ok_ = false;
};

}  // namespace

std::string idempotency_owner(const HttpCaller& caller, const IpAddress& client) {
  const bool named = caller.known && !caller.user.empty();
  return fmt::format("http{0}{1}{0}{2}{0}{3}", '\0', lower(caller.tenant), named ? "user" : "from",
                     named ? caller.user : client.to_string())
      .substr(0, spool::Receipt::max_name);
}

bool is_idempotency_key(std::string_view key) {
  return !key.empty() && key.size() <= 255 && std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7F; });
}

std::string request_digest(api::Style style, const http::Request& request) {
  Sha256 hash;
  hash.part(std::to_string(static_cast<int>(style)));
  for (const auto& [name, value] : request.head.query) {
    hash.part(name);
    hash.part(value);
  }
  for (const http::Field& field : request.head.fields) {
    if (!iequals(field.name, "Content-Type") && !istarts_with(field.name, "X-Envelope-")) continue;
    hash.part(lower(field.name));
    hash.part(field.value);
  }
  hash.part(request.body);
  return hash.end();
}

bool has_room_for(std::string_view answer) { return header_size + answer.size() <= spool::Receipt::max_value; }

std::string shortened(const std::string& answer) {
  auto document = nlohmann::ordered_json::parse(answer, nullptr, false);
  const auto strip = [](auto& object) {
    for (auto it = object.begin(); it != object.end();) it = it->is_array() ? object.erase(it) : std::next(it);
  };
  if (!document.is_object()) return {};
  strip(document);
  for (auto& inner : document)
    if (inner.is_object()) strip(inner);
  return document.dump();
}

std::string to_value(const Remembered& remembered) {
  std::string value = remembered.digest;
  append_number(value, remembered.number);
  append_number(value, remembered.messages);
  if (has_room_for(remembered.answer)) value += remembered.answer;
  return value;
}

std::optional<Remembered> from_value(std::string_view value) {
  if (value.size() < header_size) return std::nullopt;
  Remembered remembered;
  remembered.digest = value.substr(0, digest_size);
  remembered.number = number_at(value.substr(digest_size));
  remembered.messages = number_at(value.substr(digest_size + 8));
  remembered.answer = value.substr(header_size);
  return remembered;
}

spool::Receipt make_receipt(std::string owner, std::string key, const Remembered& remembered, WallTime now) {
  return {std::move(owner), std::move(key), to_value(remembered), now + remembered_for};
}

}  // namespace impulse::server
