// TLS settings compiled once (per configuration commit) into an OpenSSL context.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

typedef struct ssl_ctx_st SSL_CTX;

namespace impulse::net {

enum class TlsVerify { none, optional, require };

struct TlsSettings {
  // A path, "file:///path", or inline PEM; the chain may hold the key.
  std::string certificate;
  std::string key;                              // empty: the key is in `certificate`
  std::string key_password;                     // literal, or "file:/path"
  std::string protocols = "+TLSv1.2:+TLSv1.3";  // Momentum's +/- list, or names with commas or spaces
  std::string ciphers;                          // TLS 1.2; empty: the library's
  std::string ciphersuites;                     // TLS 1.3
  std::string groups;
  bool prefer_server_ciphers = false;
  std::string ca;  // file or folder of trusted issuers; client contexts: empty means the system's
  TlsVerify verify = TlsVerify::none;
  int verify_depth = 4;
  bool session_tickets = true;

  friend bool operator==(const TlsSettings&, const TlsSettings&) = default;
};

// Immutable and shared by all connections of a snapshot. TLS 1.2 and 1.3 only,
// no compression, no renegotiation.
class TlsContext {
 public:
  // Errors name the file and say what is wrong: unreadable, no certificate in
  // it, key missing, key does not match, unknown cipher or protocol.
  static Result<std::shared_ptr<const TlsContext>> server(const TlsSettings& settings);
  static Result<std::shared_ptr<const TlsContext>> client(const TlsSettings& settings);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // When the (first) certificate ends. A past time is no error here: the
  // owner warns. None without a certificate.
  std::optional<WallTime> certificate_expiry() const;

  // "CN=mx.example.com,O=Example" (RFC 2253) of the first certificate; empty without one.
  std::string certificate_subject() const;
  std::string certificate_issuer() const;

  SSL_CTX* native() const { return context_; }  // for net/ only

 private:
  explicit TlsContext(SSL_CTX* context) : context_(context) {}
  SSL_CTX* context_;
};
using TlsContextPtr = std::shared_ptr<const TlsContext>;

// What was agreed, for Received fields and logs.
struct TlsInfo {
  std::string version;  // "TLSv1.3"
  std::string cipher;   // "TLS_AES_256_GCM_SHA384"
  int bits = 0;
};

}  // namespace impulse::net
