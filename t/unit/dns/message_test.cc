// DNS messages: what is understood, and that nothing that lies does harm.
#include "dns/message.h"
#include "dns/resolv_conf.h"

#include "dns/hosts_file.h"
#include "wire.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace impulse::dns {
namespace {

using test::Bytes;
using test::Wire;
using Kind = Message::Kind;

class MessageTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(MessageTest);
  CPPUNIT_TEST(reads_addresses);
  CPPUNIT_TEST(reads_exchanges_by_preference);
  CPPUNIT_TEST(reads_null_mx);
  CPPUNIT_TEST(follows_aliases);
  CPPUNIT_TEST(tells_what_is_not_there);
  CPPUNIT_TEST(tells_what_nobody_knows);
  CPPUNIT_TEST(takes_no_foreign_records);
  CPPUNIT_TEST(takes_no_strange_names);
  CPPUNIT_TEST(bounds_what_is_enormous);
  CPPUNIT_TEST(stands_compression_that_lies);
  CPPUNIT_TEST(stands_every_cut_and_every_flip);
  CPPUNIT_TEST(reads_resolv_conf);
  CPPUNIT_TEST(refuses_a_wrong_name_server);
  CPPUNIT_TEST(reads_hosts);
  CPPUNIT_TEST_SUITE_END();

  static Message good(const Wire& wire, std::string_view name, Type type) {
    auto message = parse(wire.bytes(), name, type);
    CPPUNIT_ASSERT_MESSAGE(message ? "" : message.error().message, message.has_value());
    return *message;
  }
  static Error bad(const Wire& wire, std::string_view name, Type type) {
    const auto message = parse(wire.bytes(), name, type);
    CPPUNIT_ASSERT(!message.has_value());
    return message.error();
  }

  void reads_addresses() {
    const Message v4 = good(Wire("H.example", Type::a).a("h.EXAMPLE", "192.0.2.1", 60).a("h.example", "192.0.2.2", 30),
                            "h.example", Type::a);
    CPPUNIT_ASSERT(v4.kind == Kind::records && v4.name == "h.example" && v4.ttl == 30U);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, v4.addresses.size());
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1"), v4.addresses[0].to_string());
    const Message v6 = good(Wire("h.example", Type::aaaa).a("h.example", "2001:db8::1"), "h.example", Type::aaaa);
    CPPUNIT_ASSERT_EQUAL(std::string("2001:db8::1"), v6.addresses.at(0).to_string());
  }

  void reads_exchanges_by_preference() {
    const Message found =
        good(Wire("d.example", Type::mx).mx("d.example", 20, "b.example").mx("d.example", 10, "A.example", 5),
             "d.example", Type::mx);
    CPPUNIT_ASSERT(found.exchanges == (std::vector<Exchange>{{10, "a.example"}, {20, "b.example"}}));
    CPPUNIT_ASSERT(found.ttl == 5U);
  }

  void reads_null_mx() {
    const Message found = good(Wire("d.example", Type::mx).mx("d.example", 0, ""), "d.example", Type::mx);
    CPPUNIT_ASSERT(found.exchanges == (std::vector<Exchange>{{0, ""}}));
  }

  void follows_aliases() {
    const Message whole = good(Wire("w.example", Type::a)
                                   .a("h.example", "192.0.2.1", 60)
                                   .cname("v.example", "h.example", 7)
                                   .cname("w.example", "v.example"),
                               "w.example", Type::a);
    CPPUNIT_ASSERT(whole.kind == Kind::records && whole.name == "h.example" && whole.ttl == 7U);
    const Message half = good(Wire("w.example", Type::a).cname("w.example", "h.example", 9), "w.example", Type::a);
    CPPUNIT_ASSERT(half.kind == Kind::alias && half.name == "h.example" && half.ttl == 9U);
    // The server followed it, and there is nothing.
    const Message none =
        good(Wire("w.example", Type::a).cname("w.example", "h.example").soa("example", 50, 40), "w.example", Type::a);
    CPPUNIT_ASSERT(none.kind == Kind::no_data && none.ttl == 40U);
    CPPUNIT_ASSERT(bad(Wire("w.example", Type::a).cname("w.example", "v.example").cname("v.example", "w.example"),
                       "w.example", Type::a)
                       .message.starts_with("a loop of aliases"));
    Wire chain("0.example", Type::a);
    for (int i = 0; i < 40; ++i) chain.cname(std::to_string(i) + ".example", std::to_string(i + 1) + ".example");
    CPPUNIT_ASSERT(bad(chain, "0.example", Type::a).message.starts_with("a loop of aliases"));
  }

  void tells_what_is_not_there() {
    const Message name = good(Wire("d.example", Type::mx, 3).soa("example", 100, 900), "d.example", Type::mx);
    CPPUNIT_ASSERT(name.kind == Kind::no_name && name.ttl == 100U);
    const Message data = good(Wire("d.example", Type::mx).soa("example", 900, 100), "d.example", Type::mx);
    CPPUNIT_ASSERT(data.kind == Kind::no_data && data.ttl == 100U);
    const Message bare = good(Wire("d.example", Type::mx), "d.example", Type::mx);
    CPPUNIT_ASSERT(bare.kind == Kind::no_data && !bare.ttl);
  }

  void tells_what_nobody_knows() {
    CPPUNIT_ASSERT_EQUAL(std::string("SERVFAIL"), bad(Wire("d.example", Type::mx, 2), "d.example", Type::mx).message);
    CPPUNIT_ASSERT_EQUAL(std::string("REFUSED"), bad(Wire("d.example", Type::mx, 5), "d.example", Type::mx).message);
    Wire referral("d.example", Type::mx);
    Bytes ns;
    test::put_name(ns, "ns.example");
    referral.record("example", 2, 60, ns, 8).flags(0x8000);
    CPPUNIT_ASSERT(bad(referral, "d.example", Type::mx).message.contains("referral"));
    CPPUNIT_ASSERT(bad(Wire("d.example", Type::mx).flags(0x0100), "d.example", Type::mx).code ==
                   Errc::invalid);  // a question
  }

  void takes_no_foreign_records() {
    const Message found = good(Wire("d.example", Type::a).a("d.example", "192.0.2.1").a("other.example", "192.0.2.66"),
                               "d.example", Type::a);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, found.addresses.size());
    // Who answers with nothing but such has not said that there is none; whatever they are.
    for (const Type type : {Type::a, Type::mx})
      CPPUNIT_ASSERT(bad(Wire("d.example", type).a("other.example", "192.0.2.66"), "d.example", type).code ==
                     Errc::invalid);
    CPPUNIT_ASSERT(bad(Wire("d.example", Type::mx).cname("other.example", "d.example"), "d.example", Type::mx).code ==
                   Errc::invalid);
    // But who says so besides has.
    const Message none = good(Wire("d.example", Type::mx).a("other.example", "192.0.2.66").soa("example", 900, 100),
                              "d.example", Type::mx);
    CPPUNIT_ASSERT(none.kind == Kind::no_data);
    CPPUNIT_ASSERT(good(Wire("d.example", Type::mx, 3).a("other.example", "192.0.2.66"), "d.example", Type::mx).kind ==
                   Kind::no_name);
    // Records of the name that were not asked for are no lie.
    CPPUNIT_ASSERT(good(Wire("d.example", Type::mx).a("d.example", "192.0.2.1"), "d.example", Type::mx).kind ==
                   Kind::no_data);
  }

  void takes_no_strange_names() {
    const Message found = good(Wire("d.example", Type::mx)
                                   .mx("d.example", 1, "evil\r\n550.example")
                                   .mx("d.example", 2, "a b.example")
                                   .mx("d.example", 3, "good.example"),
                               "d.example", Type::mx);
    CPPUNIT_ASSERT(found.exchanges == (std::vector<Exchange>{{3, "good.example"}}));
    CPPUNIT_ASSERT(bad(Wire("d.example", Type::mx).mx("d.example", 1, "evil\n.example"), "d.example", Type::mx).code ==
                   Errc::invalid);
    CPPUNIT_ASSERT(bad(Wire("d.example", Type::a).cname("d.example", "a b"), "d.example", Type::a).code ==
                   Errc::invalid);
    CPPUNIT_ASSERT(bad(Wire("d.example", Type::a).record("d.example", 1, 60, {192, 0, 2}), "d.example", Type::a).code ==
                   Errc::invalid);  // three bytes are no address
    CPPUNIT_ASSERT(is_host_name("a-b_c.d1") && !is_host_name("") && !is_host_name("a..b") && !is_host_name("a b"));
    CPPUNIT_ASSERT(!is_host_name(std::string(64, 'a')) && is_host_name(std::string(63, 'a')));
  }

  void bounds_what_is_enormous() {
    Wire exchanges("d.example", Type::mx);
    for (unsigned i = 0; i < 500; ++i) exchanges.mx("d.example", 1000 - i, std::to_string(i) + ".example");
    const Message found = good(exchanges, "d.example", Type::mx);
    CPPUNIT_ASSERT_EQUAL(max_exchanges, found.exchanges.size());
    CPPUNIT_ASSERT_EQUAL(uint16_t{501}, found.exchanges[0].preference);  // the best ones stay
    Wire addresses("d.example", Type::a);
    for (int i = 0; i < 200; ++i) addresses.a("d.example", "192.0.2." + std::to_string(i));
    CPPUNIT_ASSERT_EQUAL(max_addresses, good(addresses, "d.example", Type::a).addresses.size());
    Wire many("d.example", Type::a);
    for (int i = 0; i < 1001; ++i) many.a("d.example", "192.0.2.1");
    CPPUNIT_ASSERT(bad(many, "d.example", Type::a).code == Errc::invalid);
  }

  void stands_compression_that_lies() {
    for (const unsigned target : {12U, 29U, 40U, 0x3FFFU}) {  // forwards, to itself, beyond the end
      Wire wire("d.example", Type::a);
      Bytes bytes = wire.bytes();
      bytes[7] = 1;
      bytes.push_back(static_cast<uint8_t>(0xC0 | target >> 8));
      bytes.push_back(static_cast<uint8_t>(target));
      for (const unsigned each : {1U, 1U, 0U, 60U, 4U, 0U, 1U}) test::put16(bytes, each);
      const auto message = parse(bytes, "d.example", Type::a);
      CPPUNIT_ASSERT_EQUAL(target == 12, message.has_value());
    }
  }

  void stands_every_cut_and_every_flip() {
    Wire wire("w.example", Type::mx);
    wire.cname("w.example", "d.example").mx("d.example", 10, "mx.d.example").soa("example", 60, 60);
    const Bytes& whole = wire.bytes();
    for (size_t size = 0; size < whole.size(); ++size) (void)parse(std::span(whole).first(size), "w.example", Type::mx);
    for (size_t i = 0; i < whole.size() * 8; ++i) {
      Bytes bytes = whole;
      bytes[i / 8] ^= static_cast<uint8_t>(1U << i % 8);
      if (const auto message = parse(bytes, "w.example", Type::mx))
        for (const Exchange& each : message->exchanges) CPPUNIT_ASSERT(each.host.empty() || is_host_name(each.host));
    }
  }

  void reads_resolv_conf() {
    const auto conf =
        parse_resolv_conf(
            "# comment\nnameserver 192.0.2.1\nnameserver 192.0.2.2:5353 ; other\nnameserver [2001:db8::1]:54\n"
            "nameserver 2001:db8::2\nsearch A.example b.example.\noptions ndots:2 timeout:3 attempts:4 rotate edns0\n"
            "sortlist 130.155.160.0\nlookup bf\n")
            .value();
    CPPUNIT_ASSERT_EQUAL(size_t{4}, conf.servers.size());
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1:53"), conf.servers[0].to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.2:5353"), conf.servers[1].to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("[2001:db8::1]:54"), conf.servers[2].to_string());
    CPPUNIT_ASSERT(conf.search == (std::vector<std::string>{"a.example", "b.example"}));
    CPPUNIT_ASSERT(conf.ndots == 2 && conf.timeout == std::chrono::seconds(3) && conf.attempts == 4 && conf.rotate);
    CPPUNIT_ASSERT(conf.hosts && !conf.hosts_first);
    const ResolvConf none = parse_resolv_conf("").value();
    CPPUNIT_ASSERT_EQUAL(std::string("127.0.0.1:53"), none.servers.at(0).to_string());
    CPPUNIT_ASSERT(none.hosts && none.hosts_first);
    const ResolvConf most = parse_resolv_conf("options timeout:9999 attempts:0 retry:99 retrans:0\nlookup b\n").value();
    CPPUNIT_ASSERT(most.timeout == std::chrono::seconds(1) && most.attempts == 5 && !most.hosts);
  }

  void refuses_a_wrong_name_server() {
    for (const char* text :
         {"nameserver dns.example", "nameserver 192.0.2.1:0", "nameserver /run/dns", "nameserver *:53"}) {
      const auto conf = parse_resolv_conf(std::string("search x\n") + text);
      CPPUNIT_ASSERT_MESSAGE(text, !conf.has_value() && conf.error().message.starts_with("line 2: "));
    }
    CPPUNIT_ASSERT(!read_resolv_conf("/nowhere/resolv.conf").has_value());
  }

  void reads_hosts() {
    const auto names = HostsFile::parse(
        "127.0.0.1 localhost\n# 192.0.2.9 no\n192.0.2.1\tRelay.example relay # x\n"
        "2001:db8::1 relay\nnonsense relay\nfe80::1%lo0 relay\n");
    CPPUNIT_ASSERT_EQUAL(size_t{2}, names.at("relay").size());
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1"), names.at("relay.example").at(0).to_string());
    HostsFile missing("/nowhere/hosts");
    CPPUNIT_ASSERT(missing.find("localhost", steady_now()).at(0).is_loopback());
    CPPUNIT_ASSERT(missing.find("relay", steady_now()).empty());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MessageTest);

}  // namespace
}  // namespace impulse::dns
