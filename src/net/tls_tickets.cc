#include "net/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <utility>

namespace impulse::net {

Result<std::unique_ptr<TicketKeys>> TicketKeys::create() {
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  if (cipher == nullptr) return fail(Errc::unavailable, "TLS: the library has no AES-256-CBC for session tickets");
  std::unique_ptr<TicketKeys> keys(new TicketKeys(cipher));
  if (!keys->turn_over(steady_now())) return fail(Errc::io, "TLS: no random numbers for session tickets");
  return keys;
}

TicketKeys::~TicketKeys() {
  OPENSSL_cleanse(&current_, sizeof current_);
  OPENSSL_cleanse(&previous_, sizeof previous_);
  EVP_CIPHER_free(cipher_);
}

// With the lock, or before anybody else knows of us. False: no random numbers.
bool TicketKeys::turn_over(SteadyTime now) {
  if (had_previous_ && now - previous_.made >= 2 * turn) {
    OPENSSL_cleanse(&previous_, sizeof previous_);
    had_previous_ = false;
  }
  if (made_ && now - current_.made < turn) return true;
  Key fresh{};
  fresh.made = now;
  const auto random = [](auto& bytes) { return RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1; };
  if (!random(fresh.name) || !random(fresh.encryption) || !random(fresh.authentication)) return false;
  if (made_ && now - current_.made < 2 * turn) {
    previous_ = current_;
    had_previous_ = true;
  }
  current_ = fresh;
  made_ = true;
  OPENSSL_cleanse(&fresh, sizeof fresh);
  return true;
}

int TicketKeys::prepare(Key& key, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                        bool sealing) const {
  char digest[] = "SHA256";
  const std::array<OSSL_PARAM, 3> parameters = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.authentication.data(), key.authentication.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  if (EVP_CipherInit_ex(cipher, cipher_, nullptr, key.encryption.data(), iv, sealing ? 1 : 0) != 1) return -1;
  return EVP_MAC_CTX_set_params(mac, parameters.data()) == 1 ? 1 : -1;
}

int TicketKeys::seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (!turn_over(now) || RAND_bytes(iv, EVP_CIPHER_get_iv_length(cipher_)) != 1) return -1;
  std::copy(current_.name.begin(), current_.name.end(), name);
  return prepare(current_, iv, cipher, mac, true);
}

int TicketKeys::open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                     SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (!turn_over(now)) return -1;
  const auto is = [&](const Key& key) { return std::equal(key.name.begin(), key.name.end(), name); };
  if (is(current_)) return prepare(current_, iv, cipher, mac, false);
  if (!had_previous_ || !is(previous_)) return 0;
  return prepare(previous_, iv, cipher, mac, false) == 1 ? 2 : -1;
}

}  // namespace impulse::net
