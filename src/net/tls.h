// TLS settings compiled once (per configuration commit) into an OpenSSL context.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

typedef struct ssl_ctx_st SSL_CTX;

namespace impulse::net {

enum class TlsVerify { none, optional, require };

// A certificate for clients that ask for a server by name (SNI).
struct TlsSni {
  std::string pattern;      // "mx.example.com"; "*.example.com": all names below it; "*": any name
  std::string certificate;  // as in TlsSettings
  std::string key;
  std::string key_password;
  std::string name;  // for people: of its Certificate scope

  friend bool operator==(const TlsSni&, const TlsSni&) = default;
};

struct TlsSettings {
  // A path, "file:///path", or inline PEM; the chain may hold the key.
  std::string certificate;                      // empty: only with pre-shared keys, and for clients
  std::string key;                              // empty: the key is in `certificate`
  std::string key_password;                     // literal, or "file:/path"
  std::string protocols = "+TLSv1.2:+TLSv1.3";  // Momentum's +/- list, or names with commas or spaces
  std::string ciphers;                          // TLS 1.2; empty: the library's
  std::string ciphersuites;                     // TLS 1.3
  std::string groups;
  bool prefer_server_ciphers = false;
  std::string ca;  // file or folder of trusted issuers; client contexts: empty means the system's
  TlsVerify verify = TlsVerify::none;
  int verify_depth = 4;  // certificates between the peer's and the trusted issuer's, at most
  bool session_tickets = true;

  // Servers only.
  std::vector<TlsSni> sni;  // of patterns that match, the longest wins; no match: `certificate`
  std::string crl_file;     // revoked certificates of clients: PEM, one list or several
  bool psk = false;         // pre-shared keys, beside the certificate or without one
  std::string psk_file;     // "identity:hexkey" lines
  std::string psk_hint;     // told to clients of TLS 1.2
  std::string dh_params;    // PEM; empty: the library's own groups, by the strength of the certificate
  bool ktls = true;         // the kernel encrypts, where it and the library can

  friend bool operator==(const TlsSettings&, const TlsSettings&) = default;
};

struct TlsRules;  // what the callbacks of a server's context look at; net/ only

// Immutable and shared by all connections of a snapshot. TLS 1.2 and 1.3 only,
// no compression, no renegotiation. A server's context has keys for session
// tickets of its own: a session is resumed by the same context only, and only
// under the certificate that it began with. Keys are replaced every two hours,
// and the last one is taken once more; no session is resumed after two hours.
//
// With TlsVerify::require a client that has no certificate, or one that does
// not verify, is refused in the handshake; a pre-shared key stands for a
// certificate. Optional: who has none, or a bad one, is let in, and TlsInfo
// tells. Where there is a CRL, the certificate of a client whose issuer has
// none in it is not verified; issuers further up need none.
class TlsContext {
 public:
  // Errors name the file and say what is wrong: unreadable, no certificate in
  // it, key missing, key does not match, unknown cipher or protocol, a CRL
  // that is over, a line of the PSK file (by number).
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

  // The certificates of a server: the first, if there is one, and those by
  // server name, each once. Their indexes are those of certificate.h.
  struct Served {
    std::string name;                   // TlsSni::name; empty: the first
    std::vector<std::string> patterns;  // of server names that lead to it; empty: the first
  };
  std::vector<Served> served() const;
  size_t psk_identities() const;               // 0: no pre-shared keys
  std::optional<WallTime> crl_expiry() const;  // of the CRL that ends first

  SSL_CTX* native() const { return context_; }            // for net/ only
  const TlsRules* rules() const { return rules_.get(); }  // for net/ only; null: a client's

 private:
  TlsContext(SSL_CTX* context, std::unique_ptr<TlsRules> rules);
  SSL_CTX* context_;
  std::unique_ptr<TlsRules> rules_;
};
using TlsContextPtr = std::shared_ptr<const TlsContext>;

// The certificate that the other side has shown. Names that hold control
// characters or NUL are left out.
struct TlsPeer {
  bool verified = false;  // the chain leads to a trusted issuer, in time, not revoked
  std::string trouble;    // why not: "certificate has expired"
  std::string subject;    // RFC 2253
  std::string issuer;
  std::string common_name;          // empty with none, or with several
  std::vector<std::string> emails;  // of the alternative names
  std::vector<std::string> dns_names;
  std::string serial;       // hexadecimal
  std::string fingerprint;  // SHA-256, hexadecimal in lower case
};

// What was agreed, for Received fields, logs, and the rights that it brings.
struct TlsInfo {
  std::string version;  // "TLSv1.3"
  std::string cipher;   // "TLS_AES_256_GCM_SHA384"
  int bits = 0;
  // A client's: certificate and name of the server are good, whether or not the
  // session depends on it. Never for a server that is known by its address only.
  bool name_verified = false;
  // What follows is a server's to know.
  std::string server_name;                // that the client asked for (SNI), in lower case; empty: none
  bool resumed = false;                   // by a session ticket
  std::string psk_identity;               // that the client has proved to hold the key of; empty: no PSK
  bool ktls = false;                      // the kernel encrypts what we send
  std::shared_ptr<const TlsPeer> peer{};  // null: no certificate was shown
};

}  // namespace impulse::net
