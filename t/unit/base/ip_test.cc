#include "base/ip.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;

namespace {

class IpTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(IpTest);
  CPPUNIT_TEST(M30_spellings_of_one_address_are_one);
  CPPUNIT_TEST(M31_two_double_colons_are_an_error);
  CPPUNIT_TEST(refuses_what_is_no_address);
  CPPUNIT_TEST(mapped_is_v4);
  CPPUNIT_TEST(prefixes_are_masked);
  CPPUNIT_TEST(prefix_contains);
  CPPUNIT_TEST(bad_prefixes);
  CPPUNIT_TEST(network_list);
  CPPUNIT_TEST_SUITE_END();

  void M30_spellings_of_one_address_are_one() {
    for (const char* text : {"2001:db8:0:0:1:0:0:1", "2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1",
                             "2001:db8::0:1:0:0:1", "2001:0db8::1:0:0:1", "2001:db8:0:0:1::1", "2001:db8:0000:0:1::1",
                             "2001:DB8:0:0:1::1", "2001:0db8:0000:0000:0001:0000:0000:0001"}) {
      const auto address = IpAddress::parse(text);
      CPPUNIT_ASSERT_MESSAGE(text, address.has_value());
      CPPUNIT_ASSERT_EQUAL(std::string("2001:db8::1:0:0:1"), address->to_string());
    }
  }
  void M31_two_double_colons_are_an_error() { CPPUNIT_ASSERT(!IpAddress::parse("2001::db8::1")); }
  void refuses_what_is_no_address() {
    for (const char* text : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "::g", "[::1]", "::1%lo",
                             "1.2.3.4/8", "example.com"})
      CPPUNIT_ASSERT_MESSAGE(text, !IpAddress::parse(text));
    CPPUNIT_ASSERT(!IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
  }
  void mapped_is_v4() {
    const auto mapped = IpAddress::parse("::ffff:192.0.2.1");
    CPPUNIT_ASSERT(mapped && mapped->is_v4());
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1"), mapped->to_string());
  }
  void prefixes_are_masked() {
    CPPUNIT_ASSERT_EQUAL(std::string("10.0.0.0/8"), IpPrefix::parse("10.1.2.3/8")->to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("10.1.2.0/23"), IpPrefix::parse("10.1.3.3/23")->to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("0.0.0.0/0"), IpPrefix::parse("10.1.2.3/0")->to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("10.1.2.3"), IpPrefix::parse("10.1.2.3/32")->to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("2001:db8::/33"), IpPrefix::parse("2001:db8:7fff::1/33")->to_string());
  }
  void prefix_contains() {
    const auto net = *IpPrefix::parse("10.0.0.0/15");
    CPPUNIT_ASSERT(net.contains(*IpAddress::parse("10.1.255.255")));
    CPPUNIT_ASSERT(!net.contains(*IpAddress::parse("10.2.0.0")));
    CPPUNIT_ASSERT(!IpPrefix::parse("::/0")->contains(*IpAddress::parse("10.2.0.0")));
  }
  void bad_prefixes() {
    for (const char* text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::/129", "10/8", "10.0.0.0/8/8"})
      CPPUNIT_ASSERT_MESSAGE(text, !IpPrefix::parse(text));
  }
  void network_list() {
    const NetworkList list(
        {*IpPrefix::parse("10.0.0.0/8"), *IpPrefix::parse("192.0.2.7"), *IpPrefix::parse("fd00::/8")});
    for (const char* text : {"10.255.0.1", "192.0.2.7", "fd12::1"})
      CPPUNIT_ASSERT_MESSAGE(text, list.contains(*IpAddress::parse(text)));
    for (const char* text : {"11.0.0.1", "192.0.2.8", "fe80::1", "::1"})
      CPPUNIT_ASSERT_MESSAGE(text, !list.contains(*IpAddress::parse(text)));
    CPPUNIT_ASSERT(!NetworkList().contains(*IpAddress::parse("127.0.0.1")));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(IpTest);

}  // namespace
