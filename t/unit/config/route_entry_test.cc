// Entries of Routes, right and wrong.
#include "config/route_entry.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <string>

namespace impulse::config {
namespace {

using Kind = RouteEntry::Kind;

class RouteEntryTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RouteEntryTest);
  CPPUNIT_TEST(reads_hosts);
  CPPUNIT_TEST(reads_parameters);
  CPPUNIT_TEST(says_what_is_wrong);
  CPPUNIT_TEST_SUITE_END();

  void reads_hosts() {
    const auto host = [](std::string_view text) {
      const RouteEntry entry = parse_route_entry(text).value();
      CPPUNIT_ASSERT(entry.kind == Kind::host && !entry.preference && !entry.ttl);
      return fmt::format("{} {} {}", entry.host, entry.port, entry.address.has_value());
    };
    CPPUNIT_ASSERT_EQUAL(std::string("hub.example 0 false"), host("Hub.Example"));
    CPPUNIT_ASSERT_EQUAL(std::string("hub.example 26 false"), host("hub.example:26"));
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1 0 true"), host("192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(std::string("2001:db8::1 0 true"), host("[2001:DB8:0::1]"));
    CPPUNIT_ASSERT_EQUAL(std::string("2001:db8::1 26 true"), host("smtp://[2001:db8::1]:26"));
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1 27 true"), host("SMTP://192.0.2.1?port=27"));
    CPPUNIT_ASSERT(parse_route_entry("__MX__").value().kind == Kind::domain);
  }

  void reads_parameters() {
    const RouteEntry entry = parse_route_entry("smtp://h.example:26?Pref=0&ttl=300&port=26&type=MX").value();
    CPPUNIT_ASSERT(entry.kind == Kind::exchanges && entry.preference == uint16_t{0} && entry.port == 26);
    CPPUNIT_ASSERT(entry.ttl == Duration(std::chrono::seconds(300)));
    CPPUNIT_ASSERT(parse_route_entry("smtp://h.example?type=a").value().kind == Kind::host);
  }

  void says_what_is_wrong() {
    for (const char* text : {"",
                             "a b",
                             "smtp://",
                             "smtp://h.example?",
                             "smtp://h.example?pref",
                             "smtp://h.example?pref=65536",
                             "smtp://h.example?pref=-1",
                             "smtp://h.example?ttl=0",
                             "smtp://h.example?ttl=1s",
                             "smtp://h.example?port=0",
                             "smtp://h.example:25?port=26",
                             "h.example:",
                             "h.example:x",
                             "[192.0.2.1",
                             "[h.example]",
                             "[2001:db8::1]x",
                             "2001:db8::1",
                             "smtp://192.0.2.1?type=mx",
                             "smtp://h.example?type=ns",
                             "smtp://h.example?pref=1&weight=2",
                             "smtp://h.example/path"}) {
      const auto entry = parse_route_entry(text);
      CPPUNIT_ASSERT_MESSAGE(text, !entry.has_value());
      CPPUNIT_ASSERT_EQUAL(fmt::format("the route '{}' is wrong: ", text),
                           entry.error().message.substr(0, fmt::format("the route '{}' is wrong: ", text).size()));
    }
    CPPUNIT_ASSERT(parse_route_entry("apn://h.example").error().code == Errc::unavailable);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RouteEntryTest);

}  // namespace
}  // namespace impulse::config
