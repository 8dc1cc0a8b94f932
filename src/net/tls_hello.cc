// What a server decides by the ClientHello: the certificate by the server
// name, the suites for a pre-shared key, and which tickets are taken.
#include "net/tls_rules.h"

#include "net/tls_pem.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <span>
#include <string_view>

namespace impulse::net {

namespace {

// The pre_shared_key extension, RFC 8446 §4.2.11: whether an identity in it is
// one of people, not a ticket.
bool offers_psk(SSL* ssl) {
  const unsigned char* data = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &data, &size) != 1 || size < 2) return false;
  std::span<const unsigned char> bytes(data, size);
  const auto number = [&] { return static_cast<size_t>(bytes[0]) << 8 | bytes[1]; };
  const size_t list = number();
  bytes = bytes.subspan(2);
  if (list > bytes.size()) return false;
  bytes = bytes.first(list);
  while (bytes.size() >= 2) {
    const size_t length = number();
    bytes = bytes.subspan(2);
    if (length + 4 > bytes.size()) return false;  // the ticket's age is behind it
    if (is_psk_identity({reinterpret_cast<const char*>(bytes.data()), length})) return true;
    bytes = bytes.subspan(length + 4);
  }
  return false;
}

bool present(SSL* ssl, const Credentials& credentials) {
  SSL_certs_clear(ssl);  // a key of another kind would be on offer beside it
  if (SSL_use_certificate(ssl, credentials.leaf.get()) != 1 || SSL_use_PrivateKey(ssl, credentials.key.get()) != 1)
    return false;
  for (const X509Ptr& issuer : credentials.chain)
    if (SSL_add1_chain_cert(ssl, issuer.get()) != 1) return false;
  return true;
}

int on_hello(SSL* ssl, int* alert, void*) {
  const TlsRules& rules = *TlsRules::of(ssl);
  TlsNotes& state = TlsNotes::of(ssl);
  state.server_name = asked_server_name(ssl);
  const auto failed = [&] {
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
  };
  if (const auto index = rules.sni.find(state.server_name)) {
    const TlsRules::Served& served = rules.served[*index];
    state.named = true;
    if (!present(ssl, served.credentials)) return failed();
    if (SSL_set_session_id_context(ssl, served.session_context.data(), served.session_context.size()) != 1)
      return failed();
  }
  // OpenSSL chooses the suite first and then passes over keys that do not go
  // with its hash: a client that prefers AES-256 could never use one.
  if (rules.psk.size() > 0 && !rules.psk_suites.empty() && offers_psk(ssl) &&
      SSL_set_ciphersuites(ssl, rules.psk_suites.c_str()) != 1)
    return failed();
  return SSL_CLIENT_HELLO_SUCCESS;
}

// RFC 6066 §3: a name that we know is acknowledged.
int on_server_name(SSL* ssl, int*, void*) { return TlsNotes::of(ssl).named ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK; }

int on_ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                  int sealing) {
  TicketKeys& keys = *TlsRules::of(ssl)->tickets;
  return sealing != 0 ? keys.seal(name, iv, cipher, mac, steady_now()) : keys.open(name, iv, cipher, mac, steady_now());
}

int any_ticket(SSL*, void*) { return 1; }

// What a client certificate was good for when the session began is not for
// ever: it may have ended, and so may the list that it is not on.
SSL_TICKET_RETURN on_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char*, size_t, SSL_TICKET_STATUS status,
                            void*) {
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) return SSL_TICKET_RETURN_IGNORE_RENEW;
  if (const X509* peer = SSL_SESSION_get0_peer(session)) {
    const TlsRules& rules = *TlsRules::of(ssl);
    if (X509_cmp_current_time(X509_get0_notAfter(peer)) <= 0) return SSL_TICKET_RETURN_IGNORE_RENEW;
    if (rules.crl_expiry && *rules.crl_expiry <= wall_now()) return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  TlsNotes::of(ssl).psk_used = false;
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

}  // namespace

void use_hello(SSL_CTX* context) {
  SSL_CTX_set_client_hello_cb(context, on_hello, nullptr);
  SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
}

Result<> use_sessions(SSL_CTX* context, const TlsRules& rules, bool tickets) {
  if (SSL_CTX_set_session_id_context(context, rules.session_context.data(), rules.session_context.size()) != 1)
    return fail(Errc::no_space, "TLS: {}", openssl_error());
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets need no memory of ours
  SSL_CTX_set_timeout(context, std::chrono::duration_cast<std::chrono::seconds>(TicketKeys::turn).count());
  if (!tickets) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
    return {};
  }
  if (SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket_key) != 1 ||
      SSL_CTX_set_session_ticket_cb(context, any_ticket, on_ticket, nullptr) != 1)
    return fail(Errc::no_space, "TLS: {}", openssl_error());
  return {};
}

}  // namespace impulse::net
