// One visit of OpenSSL's own client to a server's context: what came of the
// handshake on both sides.
#pragma once

#include "certs.h"
#include "net/connection.h"
#include "recorder.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace impulse::net::test {

using SessionPtr = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;
inline SessionPtr no_session() { return {nullptr, &SSL_SESSION_free}; }

struct Visit {
  std::optional<TlsInfo> info;  // the server's; none: refused
  std::string detail;           // why, in the server's words
  int alert = 0;                // why, as the client is told: SSL_R_…
  std::string shown;            // common name of the server's certificate
  bool acknowledged = false;    // the server name
  bool reused = false;
  std::optional<std::string> binding, client_binding;  // tls-exporter, both sides
  SessionPtr session = no_session();

  const TlsInfo& told() const {
    CPPUNIT_ASSERT_MESSAGE("refused: " + detail, info.has_value());
    return *info;
  }
};

using Prepare = std::function<void(RawTls&)>;

inline Visit visit(const TlsContextPtr& context, const Prepare& prepare, int version = TLS1_3_VERSION) {
  Visit result;
  Server s(context);
  s.handler.echo = true;
  RawTls tls(s.peer.fd());
  SSL_set_min_proto_version(tls.ssl, version);
  SSL_set_max_proto_version(tls.ssl, version);
  if (prepare) prepare(tls);
  bool done = false;
  const auto note_alert = [&](int outcome) {
    if (SSL_get_error(tls.ssl, outcome) == SSL_ERROR_SSL) result.alert = ERR_GET_REASON(ERR_peek_error());
  };
  s.until(
      [&] {
        if (!done && result.alert == 0) {
          const int outcome = tls.handshake();
          done = outcome == 1;
          if (!done) note_alert(outcome);
        }
        return s.handler.closed ? done || result.alert != 0 : done && s.handler.tls;
      },
      "both sides of the handshake");
  result.info = s.handler.tls;
  result.detail = s.handler.detail;
  if (!result.info) {
    if (result.alert == 0) {  // TLS 1.3: the client was content before the server looked at its certificate
      char byte = 0;
      ERR_clear_error();
      note_alert(SSL_read(tls.ssl, &byte, 1));
    }
    return result;
  }
  tls.send("x");
  s.until([&] {
    tls.receive();
    return tls.received == "x";
  });
  if (const X509* shown = SSL_get0_peer_certificate(tls.ssl)) {
    char name[256] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof name);
    result.shown = name;
  }
  result.reused = SSL_session_reused(tls.ssl) == 1;
  result.acknowledged = SSL_SESSION_get0_hostname(SSL_get_session(tls.ssl)) != nullptr;
  result.binding = s.handler.connection->channel_binding("tls-exporter");
  std::string exported(32, '\0');
  constexpr std::string_view label = "EXPORTER-Channel-Binding";
  if (SSL_export_keying_material(tls.ssl, reinterpret_cast<unsigned char*>(exported.data()), exported.size(),
                                 label.data(), label.size(), nullptr, 0, 1) == 1)
    result.client_binding = exported;
  result.session.reset(SSL_get1_session(tls.ssl));
  SSL_set_shutdown(tls.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);  // keeps the session good
  return result;
}

inline Prepare asking_for(const std::string& name) {
  return [name](RawTls& tls) { SSL_set_tlsext_host_name(tls.ssl, name.c_str()); };
}
inline Prepare showing(const Identity& identity, std::initializer_list<const Identity*> chain = {}) {
  return [&identity, issuers = std::vector<const Identity*>(chain)](RawTls& tls) {
    CPPUNIT_ASSERT_EQUAL(1, SSL_use_certificate(tls.ssl, identity.x509()));
    CPPUNIT_ASSERT_EQUAL(1, SSL_use_PrivateKey(tls.ssl, identity.private_key()));
    for (const Identity* issuer : issuers) SSL_add1_chain_cert(tls.ssl, issuer->x509());
  };
}
inline Prepare resuming(const SessionPtr& session, const Prepare& before = {}) {
  return [&session, before](RawTls& tls) {
    if (before) before(tls);
    CPPUNIT_ASSERT_EQUAL(1, SSL_set_session(tls.ssl, session.get()));
  };
}

// A client's pre-shared key, for both versions.
struct ClientKey {
  std::string identity;
  std::string key;  // bytes
  std::string hint;

  Prepare prepare(const Prepare& also = {}) {
    return [this, also](RawTls& tls) {
      SSL_set_app_data(tls.ssl, this);
      SSL_set_psk_client_callback(
          tls.ssl,
          [](SSL* ssl, const char* hint, char* name, unsigned size, unsigned char* key, unsigned space) -> unsigned {
            auto& mine = *static_cast<ClientKey*>(SSL_get_app_data(ssl));
            if (SSL_version(ssl) == TLS1_3_VERSION) return 0;
            mine.hint = hint != nullptr ? hint : "";
            if (mine.identity.size() >= size || mine.key.size() > space) return 0;
            std::copy_n(mine.identity.c_str(), mine.identity.size() + 1, name);
            std::copy(mine.key.begin(), mine.key.end(), key);
            return static_cast<unsigned>(mine.key.size());
          });
      SSL_set_psk_use_session_callback(
          tls.ssl, [](SSL* ssl, const EVP_MD* digest, const unsigned char** id, size_t* size, SSL_SESSION** session) {
            auto& mine = *static_cast<ClientKey*>(SSL_get_app_data(ssl));
            *session = nullptr;
            if (digest != nullptr && EVP_MD_is_a(digest, "SHA256") != 1) return 1;
            constexpr unsigned char suite[] = {0x13, 0x01};
            SSL_SESSION* made = SSL_SESSION_new();
            SSL_SESSION_set1_master_key(made, reinterpret_cast<const unsigned char*>(mine.key.data()), mine.key.size());
            SSL_SESSION_set_cipher(made, SSL_CIPHER_find(ssl, suite));
            SSL_SESSION_set_protocol_version(made, TLS1_3_VERSION);
            *id = reinterpret_cast<const unsigned char*>(mine.identity.data());
            *size = mine.identity.size();
            *session = made;
            return 1;
          });
      if (also) also(tls);
    };
  }
};

}  // namespace impulse::net::test
