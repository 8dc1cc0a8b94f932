// Session tickets: keys and their turns, and who may resume what. Channel
// bindings, which resumption must not weaken.
#include "net/tls_tickets.h"

#include "visit.h"

#include <array>
#include <memory>

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;

namespace {

class TlsTicketTest : public TlsFixture {
  CPPUNIT_TEST_SUITE(TlsTicketTest);
  CPPUNIT_TEST(keys_take_turns);
  CPPUNIT_TEST(damaged_tickets_are_not_taken);
  CPPUNIT_TEST(nothing_is_resumed_across_rules);
  CPPUNIT_TEST(a_renewed_certificate_begins_anew);
  CPPUNIT_TEST(exporter_binds_both_sides);
  CPPUNIT_TEST(unique_and_end_point);
  CPPUNIT_TEST(dh_parameters);
  CPPUNIT_TEST_SUITE_END();

  static constexpr int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

  struct Ticket {
    std::array<unsigned char, 16> name{}, iv{};
  };
  struct Tools {
    std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> cipher{EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
    std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> kind{EVP_MAC_fetch(nullptr, "HMAC", nullptr), &EVP_MAC_free};
    std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> mac{EVP_MAC_CTX_new(kind.get()), &EVP_MAC_CTX_free};
  };
  static Ticket sealed(TicketKeys& keys, SteadyTime now) {
    Tools tools;
    Ticket ticket;
    CPPUNIT_ASSERT_EQUAL(1, keys.seal(ticket.name.data(), ticket.iv.data(), tools.cipher.get(), tools.mac.get(), now));
    return ticket;
  }
  static int opened(TicketKeys& keys, const Ticket& ticket, SteadyTime now) {
    Tools tools;
    return keys.open(ticket.name.data(), ticket.iv.data(), tools.cipher.get(), tools.mac.get(), now);
  }

  void keys_take_turns() {
    const auto keys = TicketKeys::create().value();
    const SteadyTime begin = steady_now();
    const auto turn = TicketKeys::turn;
    const Ticket first = sealed(*keys, begin);
    CPPUNIT_ASSERT_EQUAL(1, opened(*keys, first, begin));
    CPPUNIT_ASSERT_EQUAL(1, opened(*keys, first, begin + turn / 2));
    CPPUNIT_ASSERT(first.name == sealed(*keys, begin + turn / 2).name);
    const Ticket second = sealed(*keys, begin + turn + turn / 10);
    CPPUNIT_ASSERT(first.name != second.name);
    CPPUNIT_ASSERT_EQUAL(2, opened(*keys, first, begin + turn + turn / 5));  // good, and to be replaced
    CPPUNIT_ASSERT_EQUAL(1, opened(*keys, second, begin + turn + turn / 5));
    CPPUNIT_ASSERT_EQUAL(0, opened(*keys, first, begin + 2 * turn + turn / 5));
    CPPUNIT_ASSERT_EQUAL(2, opened(*keys, second, begin + 2 * turn + turn / 5));
    // A long silence ends both.
    CPPUNIT_ASSERT_EQUAL(0, opened(*keys, second, begin + 9 * turn));
    CPPUNIT_ASSERT_EQUAL(0, opened(*keys, Ticket{}, begin + 9 * turn));
    const auto others = TicketKeys::create().value();
    CPPUNIT_ASSERT_EQUAL(0, opened(*others, first, begin));
  }

  void damaged_tickets_are_not_taken() {
    const auto context = server_context();
    for (const int version : versions) {
      const Visit first = visit(context, {}, version);
      unsigned char* bytes = nullptr;
      const int size = i2d_SSL_SESSION(first.session.get(), &bytes);
      std::string encoded(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
      OPENSSL_free(bytes);
      const unsigned char* ticket = nullptr;
      size_t length = 0;
      SSL_SESSION_get0_ticket(first.session.get(), &ticket, &length);
      const size_t at = encoded.find(std::string(reinterpret_cast<const char*>(ticket), length));
      CPPUNIT_ASSERT(at != std::string::npos);
      for (const size_t where : {size_t{0}, size_t{20}, length / 2, length - 1}) {
        std::string damaged = encoded;
        damaged[at + where] = static_cast<char>(damaged[at + where] ^ 1);
        const auto* from = reinterpret_cast<const unsigned char*>(damaged.data());
        const SessionPtr session(d2i_SSL_SESSION(nullptr, &from, static_cast<long>(damaged.size())), &SSL_SESSION_free);
        CPPUNIT_ASSERT(session != nullptr);
        const Visit v = visit(context, resuming(session), version);
        CPPUNIT_ASSERT(v.info.has_value());
        CPPUNIT_ASSERT(!v.told().resumed);
      }
      CPPUNIT_ASSERT(visit(context, resuming(first.session), version).told().resumed);
    }
  }

  void nothing_is_resumed_across_rules() {
    const auto context = server_context();
    TlsSettings other = server_settings();
    other.prefer_server_ciphers = true;
    const auto elsewhere = TlsContext::server(other).value();
    for (const int version : versions) {
      const Visit first = visit(context, {}, version);
      CPPUNIT_ASSERT(!visit(elsewhere, resuming(first.session), version).told().resumed);
      CPPUNIT_ASSERT(visit(context, resuming(first.session), version).told().resumed);
    }
  }

  void a_renewed_certificate_begins_anew() {
    TempDir dir;
    TlsSettings settings;
    settings.certificate = write_file(dir / "cert.pem", server_identity.certificate() + server_identity.key());
    const auto before = TlsContext::server(settings).value();
    const Identity renewed({}, &ca);
    write_file(settings.certificate, renewed.certificate() + renewed.key());
    const auto after = TlsContext::server(settings).value();
    const Visit first = visit(before, {});
    CPPUNIT_ASSERT(!visit(after, resuming(first.session)).told().resumed);
  }

  void exporter_binds_both_sides() {
    const auto context = server_context();
    for (const int version : versions) {
      const Visit a = visit(context, {}, version), b = visit(context, resuming(a.session), version);
      CPPUNIT_ASSERT(a.binding && a.binding == a.client_binding);
      CPPUNIT_ASSERT(b.binding && b.binding == b.client_binding);
      CPPUNIT_ASSERT(a.binding != b.binding);
    }
    Server plain(nullptr);
    CPPUNIT_ASSERT(!plain.handler.connection->channel_binding("tls-exporter"));
  }

  void unique_and_end_point() {
    for (const char* protocol : {"TLSv1.2", "TLSv1.3"}) {
      TlsSettings settings = client_settings();
      settings.protocols = protocol;
      Both b;
      b.secure(server_context(), TlsContext::client(settings).value());
      const auto both = [&](std::string_view type) {
        const auto ours = b.server.connection->channel_binding(type);
        CPPUNIT_ASSERT_MESSAGE(std::string(type), ours == b.client.connection->channel_binding(type));
        return ours;
      };
      CPPUNIT_ASSERT_EQUAL(std::string(protocol) == "TLSv1.2", both("tls-unique").has_value());
      CPPUNIT_ASSERT_EQUAL(size_t{32}, both("tls-server-end-point").value().size());
      CPPUNIT_ASSERT_EQUAL(size_t{32}, both("tls-exporter").value().size());
      CPPUNIT_ASSERT(!both("tls-something"));
      CPPUNIT_ASSERT(!both(""));
    }
  }

  void dh_parameters() {
    TempDir dir;
    const auto parameters = [&](const char* group) {
      const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> maker(
          EVP_PKEY_CTX_new_from_name(nullptr, "DH", nullptr), &EVP_PKEY_CTX_free);
      EVP_PKEY* made = nullptr;
      EVP_PKEY_paramgen_init(maker.get());
      const OSSL_PARAM chosen[] = {OSSL_PARAM_construct_utf8_string("group", const_cast<char*>(group), 0),
                                   OSSL_PARAM_construct_end()};
      CPPUNIT_ASSERT_EQUAL(1, EVP_PKEY_CTX_set_params(maker.get(), chosen));
      CPPUNIT_ASSERT_EQUAL(1, EVP_PKEY_paramgen(maker.get(), &made));
      const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> owned(made, &EVP_PKEY_free);
      const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
      CPPUNIT_ASSERT_EQUAL(1, PEM_write_bio_Parameters(bio.get(), made));
      char* data = nullptr;
      const long size = BIO_get_mem_data(bio.get(), &data);
      return std::string(data, static_cast<size_t>(size));
    };
    TlsSettings settings = server_settings();
    settings.dh_params = write_file(dir / "dh.pem", parameters("ffdhe3072"));
    settings.ciphers = "DHE";
    auto context = TlsContext::server(settings);
    CPPUNIT_ASSERT_MESSAGE(context ? "" : context.error().message, context.has_value());
    const auto refused = [&](const std::string& source, const std::string& expected) {
      settings.dh_params = source;
      context = TlsContext::server(settings);
      CPPUNIT_ASSERT_MESSAGE(expected, !context);
      CPPUNIT_ASSERT_MESSAGE(context.error().message, context.error().message.find(expected) != std::string::npos);
    };
    refused(dir / "missing.pem", "No such file");
    refused(write_file(dir / "cert.pem", server_identity.certificate()), "no Diffie-Hellman parameters");
    refused(write_file(dir / "weak.pem", parameters("modp_1536")), "1536 bits are too weak");
    // Who has an RSA certificate can use them.
    const Identity rsa({.common_name = "rsa", .rsa = true});
    settings.certificate = rsa.certificate() + rsa.key();
    settings.ciphers = "DHE-RSA-AES128-GCM-SHA256";
    for (const std::string& source : {dir / "dh.pem", std::string()}) {
      settings.dh_params = source;
      const Visit v = visit(TlsContext::server(settings).value(), {}, TLS1_2_VERSION);
      CPPUNIT_ASSERT_MESSAGE(v.detail, v.info.has_value());
      CPPUNIT_ASSERT_EQUAL(std::string("DHE-RSA-AES128-GCM-SHA256"), v.told().cipher);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TlsTicketTest);

}  // namespace
