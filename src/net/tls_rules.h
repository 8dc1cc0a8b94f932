// What the callbacks of OpenSSL look at: of a context, and of a session. net/ only.
#pragma once

#include "net/tls.h"
#include "net/tls_pem.h"
#include "net/tls_psk.h"
#include "net/tls_sni.h"
#include "net/tls_tickets.h"

#include <openssl/ssl.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace impulse::net {

using RuleDigest = std::array<unsigned char, 32>;

struct TlsRules {
  struct Served {
    Credentials credentials;
    std::string name;                   // TlsSni::name; empty: the first one
    std::vector<std::string> patterns;  // empty: the first one
    RuleDigest session_context;         // sessions are resumed under the same one only
  };
  std::vector<Served> served;  // the first one, if there is one, and those by server name
  bool has_default = false;    // served.front() is for clients that ask for no name, or an unknown one
  RuleDigest session_context{};
  SniTable sni;
  PskTable psk;
  std::string psk_suites;  // of TLS 1.3, those that an external key can be used with
  std::unique_ptr<TicketKeys> tickets;
  TlsVerify verify = TlsVerify::none;
  std::optional<WallTime> crl_expiry;

  // The context's application data; null: a client's.
  static const TlsRules* of(const SSL* ssl) {
    return static_cast<const TlsRules*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  }
};

// What happened in a handshake, beyond what OpenSSL keeps.
struct TlsNotes {
  std::string server_name;
  std::string psk_identity;  // offered; proved only when the handshake has ended well
  int verify_error = 0;      // the first one, X509_V_…
  bool named = false;        // the certificate was chosen by the server name
  bool psk_unknown = false;
  bool psk_used = false;  // the last key given to OpenSSL was a pre-shared one, and no ticket

  // The session's application data.
  static TlsNotes& of(const SSL* ssl) { return *static_cast<TlsNotes*>(SSL_get_app_data(ssl)); }
};

// Server name and pre-shared keys out of the ClientHello, before OpenSSL
// chooses certificate, cipher and session.
void use_hello(SSL_CTX* context);
// Tickets by our own keys.
Result<> use_sessions(SSL_CTX* context, const TlsRules& rules, bool tickets);

}  // namespace impulse::net
