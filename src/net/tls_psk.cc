#include "net/tls_psk.h"

#include "base/files.h"
#include "base/text.h"
#include "net/tls_rules.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

namespace impulse::net {

namespace {

constexpr size_t largest_file = 64 << 20;

std::optional<PskTable::Key> from_hex(std::string_view text) {
  const auto digit = [](char c) -> int {
    if (is_digit(c)) return c - '0';
    const char folded = to_lower(c);
    return folded >= 'a' && folded <= 'f' ? folded - 'a' + 10 : -1;
  };
  if (text.empty() || text.size() % 2 != 0) return std::nullopt;
  PskTable::Key key;
  key.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    key.push_back(static_cast<unsigned char>(high << 4 | low));
  }
  return key;
}

// TLS 1.2, and what older clients of TLS 1.3 would be answered by as well:
// these have their own callback.
unsigned key_for_tls12(SSL* ssl, const char* identity, unsigned char* into, unsigned space) {
  if (identity == nullptr || SSL_version(ssl) != TLS1_2_VERSION) return 0;
  PskTable::Found found = TlsRules::of(ssl)->psk.find(identity);
  TlsNotes& state = TlsNotes::of(ssl);
  state.psk_identity = identity;
  state.psk_unknown = !found.known;
  const size_t size = std::min<size_t>(found.key.size(), space);
  std::memcpy(into, found.key.data(), size);
  OPENSSL_cleanse(found.key.data(), found.key.size());
  return static_cast<unsigned>(size);
}

// TLS 1.3: a session made of the key, by SHA-256 as RFC 8446 §4.2.11 has it for
// keys that come without a word about the hash.
int session_for_tls13(SSL* ssl, const unsigned char* bytes, size_t length, SSL_SESSION** session) {
  *session = nullptr;
  const std::string_view identity(reinterpret_cast<const char*>(bytes), length);
  TlsNotes& state = TlsNotes::of(ssl);
  state.psk_used = false;
  if (!is_psk_identity(identity)) return 1;  // a ticket
  PskTable::Found found = TlsRules::of(ssl)->psk.find(identity);
  state.psk_identity = identity;
  state.psk_unknown = !found.known;
  state.psk_used = true;
  constexpr unsigned char aes_128_gcm_sha256[] = {0x13, 0x01};
  const SSL_CIPHER* cipher = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
  SSL_SESSION* made = SSL_SESSION_new();
  const bool good = made != nullptr && cipher != nullptr &&
                    SSL_SESSION_set1_master_key(made, found.key.data(), found.key.size()) == 1 &&
                    SSL_SESSION_set_cipher(made, cipher) == 1 &&
                    SSL_SESSION_set_protocol_version(made, TLS1_3_VERSION) == 1 &&
                    // Goes along in tickets: who resumes is who proved the key.
                    SSL_SESSION_set1_ticket_appdata(made, identity.data(), identity.size()) == 1;
  OPENSSL_cleanse(found.key.data(), found.key.size());
  if (!good) {
    SSL_SESSION_free(made);
    return 0;
  }
  *session = made;
  return 1;
}

}  // namespace

PskTable::~PskTable() { wipe(); }

PskTable& PskTable::operator=(PskTable&& other) noexcept {
  wipe();
  keys_ = std::move(other.keys_);
  secret_ = other.secret_;
  digest_ = other.digest_;
  return *this;
}

void PskTable::wipe() {
  for (auto& [name, key] : keys_) OPENSSL_cleanse(key.data(), key.size());
  keys_.clear();
}

Result<PskTable> PskTable::load(const std::string& source) {
  const std::string path = source.starts_with("file://") ? source.substr(7) : source;
  auto text = read_file(path, largest_file);
  if (!text) return fail(text.error().code, "pre-shared keys: {}", text.error().message);
  auto table = parse(*text, path);
  OPENSSL_cleanse(text->data(), text->size());
  return table;
}

Result<PskTable> PskTable::parse(std::string_view text, std::string_view name) {
  PskTable table;
  if (RAND_bytes(table.secret_.data(), static_cast<int>(table.secret_.size())) != 1)
    return fail(Errc::io, "TLS: no random numbers");
  size_t number = 0;
  for (const std::string_view raw : split(text, '\n')) {
    ++number;
    const std::string_view line = trim(raw);
    if (line.empty() || line.starts_with('#')) continue;
    const auto wrong = [&](std::string_view what) {
      return fail(Errc::invalid, "{}: line {}: {}", name, number, what);
    };
    const size_t colon = line.rfind(':');
    if (colon == std::string_view::npos) return wrong("expected identity:hexkey, and there is no colon");
    const std::string_view identity = trim(line.substr(0, colon));
    if (!is_psk_identity(identity) || identity.size() > longest_identity)
      return wrong(fmt::format("expected an identity of 1 to {} bytes of text before the colon", longest_identity));
    auto key = from_hex(trim(line.substr(colon + 1)));
    if (!key) return wrong("expected a key in hexadecimal behind the last colon");
    if (key->size() < least_key || key->size() > largest_key) {
      const size_t size = key->size();
      OPENSSL_cleanse(key->data(), size);
      return wrong(fmt::format("the key has {} bytes; {} to {} are possible", size, least_key, largest_key));
    }
    if (!table.keys_.emplace(table.keyed(identity, 0), std::move(*key)).second)
      return wrong("this identity has a key already, further up");
  }
  if (table.keys_.empty()) return fail(Errc::invalid, "{}: no key in it; expected identity:hexkey lines", name);
  EVP_Digest(text.data(), text.size(), table.digest_.data(), nullptr, EVP_sha256(), nullptr);
  return table;
}

PskTable::Digest PskTable::keyed(std::string_view identity, unsigned char what) const {
  std::string message(1, static_cast<char>(what));
  message += identity;
  Digest digest{};
  unsigned length = 0;
  HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
       reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(), &length);
  return digest;
}

PskTable::Found PskTable::find(std::string_view identity) const {
  const Digest nobodys = keyed(identity, 1);
  const auto found = keys_.find(keyed(identity, 0));
  if (found == keys_.end()) return {Key(nobodys.begin(), nobodys.end()), false};
  return {found->second, true};
}

bool is_psk_identity(std::string_view bytes) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return !bytes.empty() && is_utf8(bytes) && std::ranges::none_of(bytes, control);
}

Result<> use_psk(SSL_CTX* context, const std::string& hint) {
  SSL_CTX_set_psk_server_callback(context, key_for_tls12);
  SSL_CTX_set_psk_find_session_callback(context, session_for_tls13);
  if (hint.empty()) return {};
  if (hint.size() <= longest_psk_hint && SSL_CTX_use_psk_identity_hint(context, hint.c_str()) == 1) return {};
  ERR_clear_error();
  return fail(Errc::invalid, "the hint for pre-shared keys is too long: {} bytes are possible", longest_psk_hint);
}

}  // namespace impulse::net
