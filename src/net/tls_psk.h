// Pre-shared keys: the file they stand in, and the table that handshakes look
// into. net/ only.
#pragma once

#include "base/result.h"

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

typedef struct ssl_ctx_st SSL_CTX;

namespace impulse::net {

// Immutable once loaded; any thread. Keys are wiped at the end.
class PskTable {
 public:
  using Key = std::vector<unsigned char>;
  static constexpr size_t least_key = 16;  // bytes: what fewer bits protect can be guessed
  static constexpr size_t largest_key = 64;
  static constexpr size_t longest_identity = 128;  // bytes, RFC 4279 §5.3

  PskTable() = default;
  ~PskTable();
  PskTable(PskTable&& other) noexcept = default;
  PskTable& operator=(PskTable&& other) noexcept;

  // "identity:hexkey" a line; # begins a comment line; the last colon counts.
  // Errors name the line by its number, and show nothing of it.
  static Result<PskTable> load(const std::string& source);
  static Result<PskTable> parse(std::string_view text, std::string_view name);

  struct Found {
    Key key;     // of an unknown identity: one that nobody has
    bool known;  // said to the log, not to the peer
  };
  // Takes the same steps for all identities, so that neither the answer nor
  // its time tells which there are.
  Found find(std::string_view identity) const;
  size_t size() const { return keys_.size(); }
  const std::array<unsigned char, 32>& digest() const { return digest_; }  // of all that is in it

 private:
  using Digest = std::array<unsigned char, 32>;
  Digest keyed(std::string_view identity, unsigned char what) const;
  void wipe();

  std::map<Digest, Key> keys_;  // by keyed digest: where a comparison ends says nothing about a name
  std::array<unsigned char, 32> secret_{};
  Digest digest_{};
};

constexpr size_t longest_psk_hint = 128;  // bytes

// Whether it could stand in a file of keys: text without control characters.
// What TLS 1.3 sends in the same place when it resumes, tickets, is not text.
bool is_psk_identity(std::string_view bytes);

// The server's callbacks, for TLS 1.2 and 1.3. The context's application data
// has to be its TlsRules.
Result<> use_psk(SSL_CTX* context, const std::string& hint);

}  // namespace impulse::net
