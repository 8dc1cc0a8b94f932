#include "base/text.h"
#include "certs.h"
#include "net/tls.h"

#include <openssl/ssl.h>
#include <sys/stat.h>

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;

namespace {

class TlsContextTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TlsContextTest);
  CPPUNIT_TEST(certificate_from_path_file_url_and_inline);
  CPPUNIT_TEST(key_elsewhere_and_chain);
  CPPUNIT_TEST(bad_files_are_named);
  CPPUNIT_TEST(passwords);
  CPPUNIT_TEST(expiry_is_shown_and_no_error);
  CPPUNIT_TEST(protocols);
  CPPUNIT_TEST(ciphers_and_groups);
  CPPUNIT_TEST(issuers_and_verification);
  CPPUNIT_TEST(fixed_rules);
  CPPUNIT_TEST_SUITE_END();

  TempDir dir;
  Identity identity;

  TlsSettings good() const {
    TlsSettings settings;
    settings.certificate = identity.certificate() + identity.key();
    return settings;
  }
  static void accepted(const TlsSettings& settings, const std::string& about = "") {
    const auto context = TlsContext::server(settings);
    CPPUNIT_ASSERT_MESSAGE(about + (context ? "" : ": " + context.error().message), context.has_value());
  }
  // The error holds all of `parts`, on one line.
  static void refused(const TlsSettings& settings, std::initializer_list<std::string> parts, bool server = true) {
    const auto context = server ? TlsContext::server(settings) : TlsContext::client(settings);
    CPPUNIT_ASSERT_MESSAGE("accepted, expected an error about " + *parts.begin(), !context);
    for (const auto& part : parts)
      CPPUNIT_ASSERT_MESSAGE("'" + context.error().message + "' does not say '" + part + "'",
                             context.error().message.find(part) != std::string::npos);
    CPPUNIT_ASSERT(context.error().message.find('\n') == std::string::npos);
  }

  void certificate_from_path_file_url_and_inline() {
    TlsSettings settings = good();
    accepted(settings, "inline");
    const std::string path = write_file(dir / "both.pem", settings.certificate);
    settings.certificate = path;
    accepted(settings, "path");
    settings.certificate = "file://" + path;
    accepted(settings, "file:// URL");
    // Key first, certificate behind, with text between: openssl's own tools write such files.
    settings.certificate = identity.key() + "subject=localhost\n" + identity.certificate();
    accepted(settings, "key first");
  }

  void key_elsewhere_and_chain() {
    const Identity ca({.common_name = "CA", .alt_names = "", .authority = true});
    const Identity leaf({}, &ca);
    TlsSettings settings;
    settings.certificate = write_file(dir / "chain.pem", leaf.certificate() + ca.certificate());
    settings.key = write_file(dir / "key.pem", leaf.key());
    const auto context = TlsContext::server(settings);
    CPPUNIT_ASSERT(context.has_value());
    STACK_OF(X509)* chain = nullptr;
    SSL_CTX_get0_chain_certs((*context)->native(), &chain);
    CPPUNIT_ASSERT_EQUAL(1, sk_X509_num(chain));
    settings.key = "file://" + (dir / "key.pem");
    accepted(settings);
    settings.key = leaf.traditional_key("");
    accepted(settings, "traditional key, inline");
  }

  void bad_files_are_named() {
    TlsSettings settings;
    refused(settings, {"certificate", "none is given"});
    settings.certificate = dir / "missing.pem";
    refused(settings, {"certificate", dir / "missing.pem", "No such file"});
    settings.certificate = dir.path();
    refused(settings, {dir.path(), "not a regular file"});
    settings.certificate = write_file(dir / "text.pem", "hello\n");
    refused(settings, {dir / "text.pem", "not a PEM"});
    settings.certificate = write_file(dir / "keyonly.pem", identity.key());
    refused(settings, {dir / "keyonly.pem", "no certificate"});
    settings.certificate = write_file(dir / "nokey.pem", identity.certificate());
    refused(settings, {dir / "nokey.pem", "no private key"});
    settings.key = dir / "missing.key";
    refused(settings, {"private key", dir / "missing.key", "No such file"});
    settings.key = write_file(dir / "cert-as-key.pem", identity.certificate());
    refused(settings, {dir / "cert-as-key.pem", "no private key"});
    const Identity other;
    settings.key = write_file(dir / "other.key", other.key());
    refused(settings, {dir / "other.key", dir / "nokey.pem", "does not belong"});
    std::string damaged = identity.certificate();
    damaged[damaged.size() / 2] = '!';
    settings.certificate = write_file(dir / "damaged.pem", damaged);
    settings.key = write_file(dir / "good.key", identity.key());
    refused(settings, {dir / "damaged.pem", "damaged certificate"});
    settings.certificate = identity.certificate();
    std::string damaged_key = identity.key();
    damaged_key[damaged_key.size() / 2] = '!';
    settings.key = write_file(dir / "damaged.key", damaged_key);
    refused(settings, {dir / "damaged.key", "damaged private key"});
    settings.key = "-----BEGIN PRIVATE KEY-----\n";
    refused(settings, {"inline PEM"});
    if (::geteuid() != 0) {  // root reads everything
      settings.key = write_file(dir / "secret.key", identity.key());
      ::chmod(settings.key.c_str(), 0);
      refused(settings, {dir / "secret.key", "Permission denied"});
    }
  }

  void passwords() {
    for (const bool traditional : {false, true}) {
      TlsSettings settings;
      settings.certificate = identity.certificate();
      settings.key =
          write_file(dir / "enc.key", traditional ? identity.traditional_key("s3cret") : identity.key("s3cret"));
      refused(settings, {dir / "enc.key", "encrypted", "no password"});
      settings.key_password = "wrong";
      refused(settings, {dir / "enc.key", "wrong password"});
      settings.key_password = "s3cret";
      accepted(settings, "literal password");
      settings.key_password = "file:" + write_file(dir / "pw", "s3cret\n");
      accepted(settings, "password in a file");
      settings.key_password = "file:" + (dir / "no-such-pw");
      refused(settings, {"password", dir / "no-such-pw"});
      settings.key_password = std::string(100000, 'x');
      refused(settings, {"wrong password"});
    }
    TlsSettings plain = good();
    plain.key_password = "not needed";
    accepted(plain);
  }

  void expiry_is_shown_and_no_error() {
    const Identity old({.valid_from = -7200, .valid_to = -3600});
    TlsSettings settings;
    settings.certificate = old.certificate() + old.key();
    const auto context = TlsContext::server(settings);
    CPPUNIT_ASSERT(context.has_value());
    const auto expiry = (*context)->certificate_expiry();
    CPPUNIT_ASSERT(expiry.has_value());
    CPPUNIT_ASSERT(*expiry < wall_now());
    CPPUNIT_ASSERT(*expiry > wall_now() - std::chrono::hours(2));
    CPPUNIT_ASSERT(*TlsContext::server(good()).value()->certificate_expiry() > wall_now());
    CPPUNIT_ASSERT(!TlsContext::client({}).value()->certificate_expiry());
  }

  void protocols_are(const std::string& list, int low, int high) const {
    TlsSettings settings = good();
    settings.protocols = list;
    const auto context = TlsContext::server(settings);
    CPPUNIT_ASSERT_MESSAGE(list, context.has_value());
    CPPUNIT_ASSERT_EQUAL_MESSAGE(list, static_cast<long>(low),
                                 static_cast<long>(SSL_CTX_get_min_proto_version((*context)->native())));
    CPPUNIT_ASSERT_EQUAL_MESSAGE(list, static_cast<long>(high),
                                 static_cast<long>(SSL_CTX_get_max_proto_version((*context)->native())));
  }
  void protocols() {
    constexpr int v12 = TLS1_2_VERSION, v13 = TLS1_3_VERSION;
    protocols_are("+TLSv1.2:+TLSv1.3", v12, v13);
    protocols_are("", v12, v13);
    protocols_are("TLSv1.2, TLSv1.3", v12, v13);
    protocols_are("tlsv1.3", v13, v13);
    protocols_are("+TLSv1.2", v12, v12);
    protocols_are("-TLSv1.2", v13, v13);
    protocols_are("+ALL:-SSLv2:-SSLv3:-TLSv1:-TLSv1.1", v12, v13);
    protocols_are("ALL -TLSv1.3", v12, v12);
    TlsSettings settings = good();
    for (const char* old : {"SSLv3", "SSLv2", "TLSv1", "TLSv1.0", "TLSv1.1"}) {
      settings.protocols = std::string("+TLSv1.2:+") + old;
      refused(settings, {old, "not supported"});
      settings.protocols = std::string(old) + ",TLSv1.3";
      refused(settings, {old, "not supported"});
    }
    settings.protocols = "TLSv1.4";
    refused(settings, {"TLSv1.4", "unknown"});
    settings.protocols = "+TLSv1.2:-TLSv1.2";
    refused(settings, {"no TLS protocol"});
    settings.protocols = "+TLSv12";
    refused(settings, {"TLSv12", "did you mean TLSv1"});
  }

  void ciphers_and_groups() {
    TlsSettings settings = good();
    settings.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256,HIGH:!aNULL:!RC4:@STRENGTH";
    settings.ciphersuites = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
    settings.groups = "X25519:P-256";
    accepted(settings);
    // V41's list parses
    settings.ciphers = "PSK-AES256-GCM-SHA384:PSK-AES256-CBC-SHA:PSK-AES128-GCM-SHA256";
    accepted(settings);
    settings.ciphers = "HIGH:NO-SUCH-CIPHER";
    refused(settings, {"TLS 1.2 cipher", "NO-SUCH-CIPHER"});
    settings.ciphers = "";
    settings.ciphersuites = "TLS_AES_128_GCM_SHA256:TLS_NO_SUCH";
    refused(settings, {"TLS 1.3 cipher suite", "TLS_NO_SUCH"});
    settings.ciphersuites = "";
    settings.groups = "X25519:P-1";
    refused(settings, {"group", "P-1"});
    settings.groups = "";
    settings.ciphers = " : , ";
    accepted(settings, "an empty list is the library's");
  }

  void issuers_and_verification() {
    const Identity ca({.common_name = "CA", .alt_names = "", .authority = true});
    TlsSettings settings = good();
    settings.verify = TlsVerify::require;
    refused(settings, {"no issuers"});
    settings.ca = dir / "missing-ca.pem";
    refused(settings, {"trusted issuers", dir / "missing-ca.pem"});
    settings.ca = write_file(dir / "empty-ca.pem", identity.key());
    refused(settings, {dir / "empty-ca.pem", "no certificate"});
    settings.ca = write_file(dir / "ca.pem", ca.certificate() + identity.certificate());
    const auto context = TlsContext::server(settings);
    CPPUNIT_ASSERT(context.has_value());
    CPPUNIT_ASSERT_EQUAL(2, sk_X509_NAME_num(SSL_CTX_get_client_CA_list((*context)->native())));
    CPPUNIT_ASSERT_EQUAL(SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                         SSL_CTX_get_verify_mode((*context)->native()));
    settings.ca = dir.path();  // a folder
    accepted(settings);
    settings.ca = ca.certificate();  // inline
    accepted(settings);
    // Optional without issuers: nobody is asked for what nobody can check.
    settings.ca = "";
    settings.verify = TlsVerify::optional;
    CPPUNIT_ASSERT_EQUAL(SSL_VERIFY_NONE, SSL_CTX_get_verify_mode(TlsContext::server(settings).value()->native()));
    CPPUNIT_ASSERT(TlsContext::client({}).has_value());
    TlsSettings key_without_certificate;
    key_without_certificate.key = identity.key();
    refused(key_without_certificate, {"no certificate"}, false);
  }

  void fixed_rules() {
    const auto context = TlsContext::server(good()).value();
    const auto options = SSL_CTX_get_options(context->native());
    CPPUNIT_ASSERT((options & SSL_OP_NO_RENEGOTIATION) != 0);
    CPPUNIT_ASSERT((options & SSL_OP_NO_COMPRESSION) != 0);
    CPPUNIT_ASSERT_EQUAL(static_cast<long>(SSL_SESS_CACHE_OFF), SSL_CTX_get_session_cache_mode(context->native()));
    TlsSettings settings = good();
    settings.prefer_server_ciphers = true;
    settings.session_tickets = false;
    const auto strict = TlsContext::server(settings).value();
    CPPUNIT_ASSERT((SSL_CTX_get_options(strict->native()) & SSL_OP_CIPHER_SERVER_PREFERENCE) != 0);
    CPPUNIT_ASSERT((SSL_CTX_get_options(strict->native()) & SSL_OP_NO_TICKET) != 0);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, SSL_CTX_get_num_tickets(strict->native()));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TlsContextTest);

}  // namespace
