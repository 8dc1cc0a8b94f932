// Keys and certificates made on the spot, with OpenSSL's own functions, and
// OpenSSL as a TLS client without code of ours.
#pragma once

#include "kit.h"
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <fstream>
#include <initializer_list>
#include <memory>
#include <string>

namespace impulse::net::test {

class Identity {
 public:
  struct Options {
    std::string common_name = "localhost";
    std::string alt_names = "DNS:localhost,DNS:*.example.com,IP:127.0.0.1";
    long valid_from = -3600;  // seconds from now
    long valid_to = 86400;
    bool authority = false;
    std::string usage = {};  // extended key usage: "clientAuth"
    bool rsa = false;
  };

  // Signed by `issuer`, or by itself.
  explicit Identity(const Options& options, const Identity* issuer = nullptr)
      : key_(options.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"), &EVP_PKEY_free),
        certificate_(X509_new(), &X509_free) {
    X509* x = certificate_.get();
    X509_set_version(x, 2);
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), options.valid_from);
    X509_gmtime_adj(X509_getm_notAfter(x), options.valid_to);
    X509_set_pubkey(x, key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(options.common_name.c_str()), -1, -1, 0);
    const Identity& signer = issuer != nullptr ? *issuer : *this;
    X509_set_issuer_name(x, X509_get_subject_name(signer.certificate_.get()));
    extension(signer.certificate_.get(), NID_basic_constraints, options.authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (options.authority) extension(signer.certificate_.get(), NID_key_usage, "keyCertSign,cRLSign");
    if (!options.usage.empty()) extension(signer.certificate_.get(), NID_ext_key_usage, options.usage);
    if (!options.alt_names.empty()) extension(signer.certificate_.get(), NID_subject_alt_name, options.alt_names);
    CPPUNIT_ASSERT(X509_sign(x, signer.key_.get(), EVP_sha256()) > 0);
  }
  Identity() : Identity(Options()) {}

  std::string certificate() const {
    return pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate_.get()); });
  }
  // PKCS #8, encrypted when a password is given.
  std::string key(const std::string& password = "") const {
    return pem([&](BIO* bio) {
      return PEM_write_bio_PKCS8PrivateKey(bio, key_.get(), password.empty() ? nullptr : EVP_aes_128_cbc(),
                                           password.empty() ? nullptr : password.data(),
                                           static_cast<int>(password.size()), nullptr, nullptr);
    });
  }
  // A list of what this authority has revoked, as PEM; times in seconds from now.
  std::string crl(std::initializer_list<const Identity*> revoked, long from = -3600, long to = 86400) const {
    const std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> list(X509_CRL_new(), &X509_CRL_free);
    X509_CRL_set_version(list.get(), 1);
    X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(certificate_.get()));
    const std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> begins(X509_gmtime_adj(nullptr, from), &ASN1_TIME_free);
    const std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> ends(X509_gmtime_adj(nullptr, to), &ASN1_TIME_free);
    X509_CRL_set1_lastUpdate(list.get(), begins.get());
    X509_CRL_set1_nextUpdate(list.get(), ends.get());
    for (const Identity* one : revoked) {
      X509_REVOKED* entry = X509_REVOKED_new();
      X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(one->certificate_.get()));
      X509_REVOKED_set_revocationDate(entry, begins.get());
      X509_CRL_add0_revoked(list.get(), entry);
    }
    CPPUNIT_ASSERT(X509_CRL_sign(list.get(), key_.get(), EVP_sha256()) > 0);
    return pem([&](BIO* bio) { return PEM_write_bio_X509_CRL(bio, list.get()); });
  }
  X509* x509() const { return certificate_.get(); }
  EVP_PKEY* private_key() const { return key_.get(); }
  // The older form, "BEGIN EC PRIVATE KEY" with its encryption in a header.
  std::string traditional_key(const std::string& password) const {
    return pem([&](BIO* bio) {
      return PEM_write_bio_PrivateKey_traditional(
          bio, key_.get(), password.empty() ? nullptr : EVP_aes_128_cbc(),
          password.empty() ? nullptr : reinterpret_cast<unsigned char*>(const_cast<char*>(password.data())),
          static_cast<int>(password.size()), nullptr, nullptr);
    });
  }

 private:
  void extension(X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate_.get(), nullptr, nullptr, 0);
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    CPPUNIT_ASSERT(e != nullptr);
    X509_add_ext(certificate_.get(), e, -1);
    X509_EXTENSION_free(e);
  }
  static std::string pem(const std::function<int(BIO*)>& write) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
    CPPUNIT_ASSERT(write(bio.get()) == 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<size_t>(size));
  }

  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
  std::unique_ptr<X509, decltype(&X509_free)> certificate_;
};

inline std::string write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

// A server's identity and the authority that signed it, with contexts for both sides.
struct TlsFixture : CppUnit::TestFixture {
  Identity ca{{.common_name = "Test CA", .alt_names = "", .authority = true}};
  Identity server_identity{{}, &ca};

  TlsSettings server_settings() const {
    TlsSettings settings;
    settings.certificate = server_identity.certificate() + server_identity.key();
    return settings;
  }
  TlsContextPtr server_context() const { return TlsContext::server(server_settings()).value(); }
  TlsSettings client_settings() const {
    TlsSettings settings;
    settings.ca = ca.certificate();
    settings.verify = TlsVerify::require;
    return settings;
  }
  TlsContextPtr client_context() const { return TlsContext::client(client_settings()).value(); }
};

// OpenSSL itself as the client on the raw socket.
struct RawTls {
  SSL_CTX* context;
  SSL* ssl;
  explicit RawTls(int fd, int version = 0) : context(SSL_CTX_new(TLS_client_method())), ssl(nullptr) {
    if (version != 0) {
      SSL_CTX_set_min_proto_version(context, version);
      SSL_CTX_set_max_proto_version(context, version);
      SSL_CTX_set_security_level(context, 0);
    }
    ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    SSL_set_connect_state(ssl);
  }
  ~RawTls() {
    SSL_free(ssl);
    SSL_CTX_free(context);
    ERR_clear_error();
  }
  RawTls(const RawTls&) = delete;
  RawTls& operator=(const RawTls&) = delete;
  int handshake() {
    ERR_clear_error();
    return SSL_do_handshake(ssl);
  }
  std::string received;
  int last_error = SSL_ERROR_NONE;
  void receive() {
    char buffer[16384];
    int got = 0;
    ERR_clear_error();
    while ((got = SSL_read(ssl, buffer, sizeof buffer)) > 0) received.append(buffer, static_cast<size_t>(got));
    last_error = SSL_get_error(ssl, got);
  }
  size_t send(std::string_view bytes) {
    ERR_clear_error();
    const int put = SSL_write(ssl, bytes.data(), static_cast<int>(bytes.size()));
    return put > 0 ? static_cast<size_t>(put) : 0;
  }
};

}  // namespace impulse::net::test
