// Keys for session tickets (RFC 5077, RFC 8446 §4.6.1), made here, replaced in
// turns, and wiped when they have had their time. net/ only.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <mutex>

namespace impulse::net {

// Any thread.
class TicketKeys {
 public:
  // Tickets are made with a key for so long; for as long again they are taken,
  // and replaced by one under the new key.
  static constexpr Duration turn = std::chrono::hours(2);

  static Result<std::unique_ptr<TicketKeys>> create();
  ~TicketKeys();
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;

  // The two halves of OpenSSL's ticket key callback, with its results: -1 an
  // error, 0 no such key, 1 good, 2 good and to be replaced.
  int seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, SteadyTime now);
  int open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
           SteadyTime now);

 private:
  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> encryption;
    std::array<unsigned char, 32> authentication;
    SteadyTime made;
  };
  explicit TicketKeys(EVP_CIPHER* cipher) : cipher_(cipher) {}
  bool turn_over(SteadyTime now);
  int prepare(Key& key, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool sealing) const;

  EVP_CIPHER* cipher_;  // fetched once: a look-up a handshake costs more than the work
  std::mutex mutex_;
  bool made_ = false;
  Key current_{}, previous_{};
  bool had_previous_ = false;
};

}  // namespace impulse::net
