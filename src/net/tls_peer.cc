#include "net/tls_peer.h"

#include "base/text.h"
#include "net/tls_pem.h"
#include "net/tls_rules.h"
#include "net/tls_x509.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <array>

namespace impulse::net {

namespace {

constexpr size_t most_names = 100;

// The hash of the server's certificate by the hash of its signature, and
// SHA-256 where that is MD5 or SHA-1, RFC 5929 §4.1.
std::optional<std::string> end_point(const X509* certificate) {
  if (certificate == nullptr) return std::nullopt;
  int hash = NID_undef;
  if (X509_get_signature_info(const_cast<X509*>(certificate), &hash, nullptr, nullptr, nullptr) != 1 ||
      hash == NID_undef)
    return std::nullopt;  // Ed25519 has none, and the RFC no rule for it
  const EVP_MD* digest = hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned length = 0;
  if (digest == nullptr || X509_digest(certificate, digest, bytes.data(), &length) != 1) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(bytes.data()), length);
}

// The first Finished message of the handshake: the client's, or the server's
// when a session is resumed, RFC 5929 §3.1.
std::optional<std::string> first_finished(const SSL* ssl, bool server) {
  if (SSL_version(ssl) != TLS1_2_VERSION) return std::nullopt;
  const bool clients = SSL_session_reused(ssl) == 0;
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  const size_t length = clients == server ? SSL_get_peer_finished(ssl, bytes.data(), bytes.size())
                                          : SSL_get_finished(ssl, bytes.data(), bytes.size());
  if (length == 0 || length > bytes.size()) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(bytes.data()), length);
}

std::optional<std::string> exporter(SSL* ssl) {
  constexpr std::string_view label = "EXPORTER-Channel-Binding";
  std::array<unsigned char, 32> bytes{};
  if (SSL_export_keying_material(ssl, bytes.data(), bytes.size(), label.data(), label.size(), nullptr, 0, 1) != 1)
    return std::nullopt;
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

std::shared_ptr<const TlsPeer> peer_of(const SSL* ssl) {
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr) return nullptr;
  auto peer = std::make_shared<TlsPeer>();
  const long verdict = SSL_get_verify_result(ssl);
  // Without a request to verify, OpenSSL's verdict is "good".
  const bool looked_at = SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE;
  peer->verified = looked_at && verdict == X509_V_OK;
  if (!peer->verified)
    peer->trouble = looked_at ? X509_verify_cert_error_string(verdict) : "certificates are not verified here";
  peer->subject = name_text(X509_get_subject_name(certificate));
  peer->issuer = name_text(X509_get_issuer_name(certificate));
  peer->common_name = common_name(X509_get_subject_name(certificate));
  for (AlternativeName& name : alternative_names(certificate)) {
    if (!is_plain_text(name.text) || peer->emails.size() + peer->dns_names.size() >= most_names) continue;
    if (name.kind == AlternativeName::Kind::email)
      peer->emails.push_back(std::move(name.text));
    else if (name.kind == AlternativeName::Kind::dns)
      peer->dns_names.push_back(std::move(name.text));
  }
  peer->serial = serial_text(certificate);
  peer->fingerprint = fingerprint_text(certificate);
  return peer;
}

std::optional<std::string> channel_binding_of(SSL* ssl, std::string_view type, bool server) {
  ERR_clear_error();
  std::optional<std::string> found;
  if (type == "tls-server-end-point")
    found = end_point(server ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl));
  else if (SSL_version(ssl) == TLS1_2_VERSION && SSL_get_extms_support(ssl) != 1)
    found = std::nullopt;
  else if (type == "tls-unique")
    found = first_finished(ssl, server);
  else if (type == "tls-exporter")
    found = exporter(ssl);
  ERR_clear_error();
  return found;
}

}  // namespace impulse::net
