#include "net/proxy_header.h"

#include "proxy_bytes.h"

#include <cppunit/extensions/HelperMacros.h>

#include <random>
#include <vector>

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;

namespace {

struct Outcome {
  Result<ProxyHeader> header = fail(Errc::busy, "incomplete");
  size_t taken = 0;
};

// Feeds pieces that end at `cut` and at the end.
Outcome parse(std::string_view bytes, size_t cut, size_t limit = ProxyParser::default_limit) {
  ProxyParser parser(limit);
  Outcome outcome;
  for (const std::string_view piece : {bytes.substr(0, cut), bytes.substr(cut)}) {
    if (parser.complete()) break;
    const auto taken = parser.feed(piece);
    if (!taken) {
      outcome.header = std::unexpected(taken.error());
      return outcome;
    }
    outcome.taken += *taken;
  }
  if (parser.complete()) outcome.header = parser.header();
  CPPUNIT_ASSERT_EQUAL(outcome.taken, parser.size());
  return outcome;
}

// The header must be found whole, whatever way it is cut and whatever follows.
ProxyHeader good(const std::string& bytes) {
  const Outcome whole = parse(bytes, 0);
  CPPUNIT_ASSERT_MESSAGE(whole.header ? "" : whole.header.error().message, whole.header.has_value());
  CPPUNIT_ASSERT_EQUAL(bytes.size(), whole.taken);
  const std::string more = bytes + "EHLO client\r\n";
  for (size_t cut = 0; cut <= more.size(); ++cut) {
    const Outcome again = parse(more, cut);
    CPPUNIT_ASSERT(again.header.has_value());
    CPPUNIT_ASSERT(*again.header == *whole.header);
    CPPUNIT_ASSERT_EQUAL(bytes.size(), again.taken);
  }
  for (size_t length = 0; length < bytes.size(); ++length)
    CPPUNIT_ASSERT_MESSAGE("complete too early",
                           parse(bytes.substr(0, length), length / 2).header.error().code == Errc::busy);
  return *whole.header;
}

// The reason for which it is refused, the same for each way to cut it.
std::string bad(const std::string& bytes, size_t limit = ProxyParser::default_limit) {
  const Outcome whole = parse(bytes, 0, limit);
  CPPUNIT_ASSERT_MESSAGE("taken: " + bytes, !whole.header.has_value());
  CPPUNIT_ASSERT_MESSAGE("waits for more: " + bytes, whole.header.error().code == Errc::invalid);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    const Outcome again = parse(bytes, cut, limit);
    CPPUNIT_ASSERT(!again.header.has_value());
    CPPUNIT_ASSERT_EQUAL(whole.header.error().message, again.header.error().message);
  }
  return whole.header.error().message;
}

void assert_holds(const std::string& text, std::string_view part) {
  CPPUNIT_ASSERT_MESSAGE("\"" + std::string(part) + "\" is not in: " + text, text.contains(part));
}

class ProxyHeaderTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ProxyHeaderTest);
  CPPUNIT_TEST(test_C68_text);
  CPPUNIT_TEST(test_C68_unknown_keeps_the_peer);
  CPPUNIT_TEST(test_C68_text_refused);
  CPPUNIT_TEST(longest_lines);
  CPPUNIT_TEST(test_C69_binary);
  CPPUNIT_TEST(test_C69_local_keeps_the_peer);
  CPPUNIT_TEST(unspecified_keeps_the_peer);
  CPPUNIT_TEST(unix_sockets);
  CPPUNIT_TEST(binary_refused);
  CPPUNIT_TEST(test_C69_vectors_are_skipped);
  CPPUNIT_TEST(vectors_refused);
  CPPUNIT_TEST(checksum);
  CPPUNIT_TEST(test_V27_client_certificate);
  CPPUNIT_TEST(common_name_of_nobody);
  CPPUNIT_TEST(limit);
  CPPUNIT_TEST(refused_at_the_first_wrong_byte);
  CPPUNIT_TEST(random_damage);
  CPPUNIT_TEST_SUITE_END();

  void test_C68_text() {
    const ProxyHeader v4 = good("PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\r\n");
    CPPUNIT_ASSERT(!v4.local);
    CPPUNIT_ASSERT_EQUAL(1, v4.version);
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1:56324"), v4.source.to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("198.51.100.7:25"), v4.destination.to_string());
    CPPUNIT_ASSERT(!v4.tls);
    const ProxyHeader v6 = good("PROXY TCP6 2001:DB8::1 2001:db8:0:0:0:0:0:2 65535 0\r\n");
    CPPUNIT_ASSERT_EQUAL(std::string("[2001:db8::1]:65535"), v6.source.to_string());
    CPPUNIT_ASSERT_EQUAL(IpAddress::parse("2001:db8::2")->to_string(), v6.destination.address().to_string());
    CPPUNIT_ASSERT_EQUAL(uint16_t{0}, v6.destination.port());
    // One client has one address however it came.
    CPPUNIT_ASSERT(good("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n").source == v4.source.tcp(v4.source.address(), 1));
  }

  void test_C68_unknown_keeps_the_peer() {
    for (const char* line : {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN \r\n", "PROXY UNKNOWN 1.2.3.4 5.6.7.8 9 10\r\n",
                             "PROXY UNKNOWN what\tever \xFF it is\r\n"}) {
      const ProxyHeader header = good(line);
      CPPUNIT_ASSERT(header.local);
      CPPUNIT_ASSERT(header.source == Endpoint());
    }
  }

  void test_C68_text_refused() {
    for (const char* line : {
             "PROXY TCP4 192.0.2.1 198.51.100.7 65536 25\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.7 25 65536\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.7 025 25\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.7 25 00\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.7 +25 25\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.7 -1 25\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.7 0x19 25\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.7 18446744073709551617 25\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.7  25 25\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.7 25 25 \r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.7 25 25 7\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.7 25\r\n",
             "PROXY TCP4 192.0.2.1 198.51.100.7 25 \r\n",
             "PROXY TCP4  192.0.2.1 198.51.100.7 25 25\r\n",
             "PROXY TCP4\t192.0.2.1 198.51.100.7 25 25\r\n",
             "PROXY TCP4 192.0.02.1 198.51.100.7 25 25\r\n",
             "PROXY TCP4 192.0.2.256 198.51.100.7 25 25\r\n",
             "PROXY TCP4 192.0.2 198.51.100.7 25 25\r\n",
             "PROXY TCP4 2001:db8::1 2001:db8::2 25 25\r\n",
             "PROXY TCP4 192.0.2.1 2001:db8::2 25 25\r\n",
             "PROXY TCP4 ::ffff:192.0.2.1 198.51.100.7 25 25\r\n",
             "PROXY TCP6 192.0.2.1 198.51.100.7 25 25\r\n",
             "PROXY TCP6 2001:db8::1%eth0 2001:db8::2 25 25\r\n",
             "PROXY TCP6 [2001:db8::1] [2001:db8::2] 25 25\r\n",
             "PROXY TCP6 2001:db8::1::2 2001:db8::2 25 25\r\n",
             "PROXY TCP4 client.example server.example 25 25\r\n",
             "PROXY UDP4 192.0.2.1 198.51.100.7 25 25\r\n",
             "PROXY tcp4 192.0.2.1 198.51.100.7 25 25\r\n",
             "PROXY UNKNOWNS\r\n",
             "PROXY \r\n",
             "PROXY TCP4\r\n",
             "proxy TCP4 192.0.2.1 198.51.100.7 25 25\r\n",
             " PROXY TCP4 192.0.2.1 198.51.100.7 25 25\r\n",
             "PROXY\r\n",
             "PROXYTCP4",
             "EHLO client\r\n",
             "GET / HTTP/1.0\r\n",
             "\x16\x03\x01\x02",
             "PROXY TCP4 192.0.2.1 198.51.100.7 25 25\n",
             "PROXY TCP4 192.0.2.1 198.51.100.7 25 25\r \n",
             "PROXY TCP4 192.0.2.1 198.51.100.7 25 25\r\r\n",
             "PROXY UNKNOWN\n",
         })
      bad(line);
    bad(std::string("PROXY TCP4 192.0.2.1\0 198.51.100.7 25 25\r\n", 43));
    assert_holds(bad("PROXY TCP4 192.0.2.1 198.51.100.7 65536 25\r\n"), "'65536' is no port");
    assert_holds(bad("PROXY TCP6 192.0.2.1 ::1 1 1\r\n"), "'192.0.2.1' is no IPv6 address");
  }

  void longest_lines() {
    const std::string start = "PROXY UNKNOWN ";
    good(start + std::string(107 - 2 - start.size(), 'x') + "\r\n");
    assert_holds(bad(start + std::string(108 - 2 - start.size(), 'x') + "\r\n"), "107 bytes");
    bad("PROXY " + std::string(200, 'A'));
    const std::string longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    good("PROXY TCP6 " + longest + " " + longest + " 65535 65535\r\n");
  }

  void test_C69_binary() {
    const ProxyHeader v4 = good(proxy_v2(0x21, 0x11, proxy_ipv4));
    CPPUNIT_ASSERT(!v4.local);
    CPPUNIT_ASSERT_EQUAL(2, v4.version);
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1:1025"), v4.source.to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("198.51.100.7:25"), v4.destination.to_string());
    const ProxyHeader v6 = good(proxy_v2(0x21, 0x21, proxy_ipv6));
    CPPUNIT_ASSERT_EQUAL(std::string("[2001:db8::1]:1025"), v6.source.to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("[2001:db8::2]:25"), v6.destination.to_string());
  }

  void test_C69_local_keeps_the_peer() {
    for (const std::string& header :
         {proxy_v2(0x20, 0x00, ""), proxy_v2(0x20, 0x11, proxy_ipv4), proxy_v2(0x20, 0x21, "no addresses"),
          proxy_v2(0x20, 0xFF, "\x01\xFF\xFF"), proxy_v2(0x20, 0x11, std::string(3000, 'x'))}) {
      const ProxyHeader found = good(header);
      CPPUNIT_ASSERT(found.local);
      CPPUNIT_ASSERT(found.source == Endpoint());
    }
  }

  void unspecified_keeps_the_peer() {
    for (const uint8_t family : {0x00, 0x01, 0x02, 0x10, 0x20, 0x30})
      CPPUNIT_ASSERT(good(proxy_v2(0x21, family, proxy_ipv4)).local);
  }

  void unix_sockets() {
    std::string names(216, '\0');
    names.replace(0, 9, "/run/smtp");
    names.replace(108, 8, std::string("\0hidden!", 8));
    const ProxyHeader header = good(proxy_v2(0x21, 0x31, names));
    CPPUNIT_ASSERT(!header.local);
    CPPUNIT_ASSERT_EQUAL(std::string("/run/smtp"), header.source.path());
    CPPUNIT_ASSERT_EQUAL(std::string("\0hidden!", 8), header.destination.path());
    CPPUNIT_ASSERT(good(proxy_v2(0x21, 0x31, std::string(216, '\0'))).source.path().empty());
    CPPUNIT_ASSERT_EQUAL(size_t{108}, good(proxy_v2(0x21, 0x31, std::string(216, 'x'))).source.path().size());
  }

  void binary_refused() {
    assert_holds(bad(proxy_v2(0x11, 0x11, proxy_ipv4)), "version 1");
    assert_holds(bad(proxy_v2(0x31, 0x11, proxy_ipv4)), "version 3");
    assert_holds(bad(proxy_v2(0x22, 0x11, proxy_ipv4)), "command 2");
    assert_holds(bad(proxy_v2(0x21, 0x41, proxy_ipv4)), "0x41");
    assert_holds(bad(proxy_v2(0x21, 0x13, proxy_ipv4)), "0x13");
    assert_holds(bad(proxy_v2(0x21, 0x12, proxy_ipv4)), "datagrams");
    assert_holds(bad(proxy_v2(0x21, 0x11, proxy_ipv4.substr(0, 11))), "11 bytes of addresses");
    bad(proxy_v2(0x21, 0x11, ""));
    bad(proxy_v2(0x21, 0x21, proxy_ipv6.substr(1)));
    bad(proxy_v2(0x21, 0x31, std::string(215, '\0')));
    bad("\r\n\r\nhelo");
    bad(std::string("\r\n\r\n\0\r\nQUIT\r", 12));
  }

  void test_C69_vectors_are_skipped() {
    const std::string vectors = tlv(0x04, "padding") + tlv(0x04, "") + tlv(0xEE, std::string(600, '\xFF')) +
                                tlv(0x01, "smtp") + tlv(0x02, "mx.example.com") +
                                tlv(0x05, std::string_view("id\0\xFF", 4)) + tlv(0x30, "blue");
    for (const bool v6 : {false, true}) {
      const ProxyHeader header = good(proxy_v2(0x21, v6 ? 0x21 : 0x11, (v6 ? proxy_ipv6 : proxy_ipv4) + vectors));
      CPPUNIT_ASSERT_EQUAL(std::string("mx.example.com"), header.authority);
      CPPUNIT_ASSERT_EQUAL(std::string("id\0\xFF", 4), header.unique_id);
      CPPUNIT_ASSERT_EQUAL(std::string("smtp"), header.alpn);
      CPPUNIT_ASSERT_EQUAL(std::string("blue"), header.network_namespace);
      CPPUNIT_ASSERT_EQUAL(uint16_t{1025}, header.source.port());
    }
  }

  void vectors_refused() {
    const auto with = [](const std::string& vectors) { return bad(proxy_v2(0x21, 0x11, proxy_ipv4 + vectors)); };
    assert_holds(with("\x04"), "cut off");
    assert_holds(with(std::string("\x04\0", 2)), "cut off");
    assert_holds(with(std::string("\x04\0\1", 3)), "longer than");
    assert_holds(with(tlv(0x04, "x") + std::string("\xEE\xFF\xFF", 3)), "longer than");
    assert_holds(with(tlv(0x05, std::string(129, 'x'))), "129 bytes");
    assert_holds(with(tlv(0x02, "a\nb")), "name asked for");
    assert_holds(with(tlv(0x02, std::string_view("a\0b", 3))), "name asked for");
    assert_holds(with(tlv(0x02, "\xC3")), "name asked for");
    assert_holds(with(tlv(0x02, std::string(256, 'x'))), "name asked for");
    assert_holds(with(tlv(0x30, "\x7F")), "namespace");
    assert_holds(with(tlv(0x20, "\1\0\0")), "TLS is cut off");
    assert_holds(with(proxy_tls(1, 0, "\x21")), "cut off");
    assert_holds(with(proxy_tls(1, 0, std::string("\x21\0\xFFTLS", 6))), "longer than");
    assert_holds(with(proxy_tls(1, 0) + proxy_tls(1, 0)), "twice");
    assert_holds(with(proxy_tls(5, 0, tlv(0x22, "alice") + tlv(0x22, "bob"))), "two common names");
    assert_holds(with(proxy_tls(5, 0, tlv(0x22, std::string_view("alice\0.example", 14)))), "common name");
    assert_holds(with(proxy_tls(1, 0, tlv(0x21, "TLS\r\n"))), "version of TLS");
    assert_holds(with(proxy_tls(1, 0, tlv(0x23, "\x1B[31m"))), "cipher");
  }

  void checksum() {
    const std::string right = with_checksum(0x21, 0x11, proxy_ipv4 + tlv(0x02, "mx.example.com"));
    CPPUNIT_ASSERT_EQUAL(std::string("mx.example.com"), good(right).authority);
    for (size_t at = proxy_signature.size() + 4; at < right.size(); ++at) {
      std::string wrong = right;
      wrong[at] = static_cast<char>(wrong[at] ^ 1);
      CPPUNIT_ASSERT_MESSAGE("damage was not seen", !parse(wrong, 0).header.has_value());
    }
    assert_holds(bad(proxy_v2(0x21, 0x11, proxy_ipv4 + tlv(0x03, "abc"))), "3 bytes");
    assert_holds(bad(proxy_v2(0x21, 0x11, proxy_ipv4 + tlv(0x03, std::string(4, '\0')))), "does not match");
    assert_holds(bad(with_checksum(0x21, 0x11, proxy_ipv4 + tlv(0x03, std::string(4, '\0')))), "match");
  }

  void test_V27_client_certificate() {
    const std::string texts = tlv(0x21, "TLSv1.3") + tlv(0x23, "TLS_AES_256_GCM_SHA384") + tlv(0x22, "alice") +
                              tlv(0x24, "RSA-SHA256") + tlv(0x25, "RSA2048");
    const auto read = [&](uint8_t client, uint32_t verify) {
      return good(proxy_v2(0x21, 0x11, proxy_ipv4 + proxy_tls(client, verify, texts))).tls;
    };
    const auto now = read(0x03, 0);
    CPPUNIT_ASSERT(now.has_value());
    CPPUNIT_ASSERT(now->certificate && now->verified);
    CPPUNIT_ASSERT_EQUAL(std::string("alice"), now->common_name);
    CPPUNIT_ASSERT_EQUAL(std::string("TLSv1.3"), now->version);
    CPPUNIT_ASSERT_EQUAL(std::string("TLS_AES_256_GCM_SHA384"), now->cipher);
    CPPUNIT_ASSERT(read(0x05, 0)->verified);   // in the session that was resumed
    CPPUNIT_ASSERT(!read(0x03, 1)->verified);  // shown, but not good
    CPPUNIT_ASSERT(read(0x03, 0x01000000)->certificate);
    CPPUNIT_ASSERT(!read(0x03, 0x01000000)->verified);
    CPPUNIT_ASSERT(!read(0x01, 0)->verified);  // none was shown: nothing to verify
    CPPUNIT_ASSERT(!read(0x01, 0)->certificate);
  }

  // A common name beside a client that did not use TLS proves nothing.
  void common_name_of_nobody() {
    for (const uint8_t client : {0x00, 0x02, 0x06, 0xFE})
      CPPUNIT_ASSERT(!good(proxy_v2(0x21, 0x11, proxy_ipv4 + proxy_tls(client, 0, tlv(0x22, "alice")))).tls);
  }

  void limit() {
    const auto padded = [](size_t size) {
      return proxy_v2(0x21, 0x11, proxy_ipv4 + tlv(0x04, std::string(size, 'x')));
    };
    good(padded(4096 - 16 - 12 - 3));
    assert_holds(bad(padded(4097 - 16 - 12 - 3)), "4097 bytes (at most 4096)");
    // It is refused by its length, before it is there.
    bad(padded(60000).substr(0, 16));
    bad(proxy_v2(0x20, 0, std::string(100, 'x')), 64);
  }

  // So that the sender learns of it while it still writes.
  void refused_at_the_first_wrong_byte() {
    for (const std::string& start : {std::string("E"), std::string("PROXX"), std::string("\n"), std::string("\r\r"),
                                     proxy_signature.substr(0, 11) + "x"}) {
      ProxyParser parser;
      CPPUNIT_ASSERT(parser.feed(start.substr(0, start.size() - 1)).has_value());
      CPPUNIT_ASSERT(!parser.feed(start.substr(start.size() - 1)).has_value());
    }
  }

  void random_damage() {
    std::mt19937 random(20);
    const std::vector<std::string> seeds = {
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\r\n", "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n",
        proxy_v2(0x21, 0x11, proxy_ipv4 + tlv(0x02, "mx.example") + proxy_tls(3, 0, tlv(0x22, "alice"))),
        with_checksum(0x21, 0x21, proxy_ipv6 + tlv(0x05, "id")), proxy_v2(0x21, 0x31, std::string(216, 'x'))};
    for (int round = 0; round < 20000; ++round) {
      std::string bytes = seeds[random() % seeds.size()];
      for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
        const size_t at = random() % bytes.size();
        switch (random() % 3) {
          case 0:
            bytes[at] = static_cast<char>(random());
            break;
          case 1:
            bytes.erase(at, 1);
            break;
          default:
            bytes.insert(at, 1, static_cast<char>(random()));
        }
      }
      const Outcome whole = parse(bytes, 0);
      const Outcome cut = parse(bytes, random() % (bytes.size() + 1));
      CPPUNIT_ASSERT_EQUAL(whole.header.has_value(), cut.header.has_value());
      if (whole.header) {
        CPPUNIT_ASSERT(*whole.header == *cut.header);
        CPPUNIT_ASSERT_EQUAL(whole.taken, cut.taken);
      } else {
        CPPUNIT_ASSERT_EQUAL(whole.header.error().message, cut.header.error().message);
      }
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ProxyHeaderTest);

}  // namespace
