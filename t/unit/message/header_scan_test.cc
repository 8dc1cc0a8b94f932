#include "message/header_scan.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <random>
#include <string>

using impulse::message::HeaderScan;

namespace {

struct Case {
  std::string text;
  uint32_t received;
  bool done;
  size_t header;  // bytes up to and including the empty line
};

constexpr size_t all = SIZE_MAX;

const Case cases[] = {
    {"", 0, false, all},
    {"\r\n", 0, true, 2},
    {"\r\nReceived: x\r\n", 0, true, 2},
    {"\n", 0, true, 1},
    {"Received: a\r\n\r\nReceived: b\r\n", 1, true, 15},
    {"Received: a\r\nRECEIVED: b\r\nreceived:c\r\n", 3, false, all},
    {"Received : a\r\nReceived\t:b\r\n", 2, false, all},
    {"Received-SPF: a\r\nReceive: b\r\nReceivedx: c\r\nX-Received: d\r\n", 0, false, all},
    {" Received: folded\r\n\tReceived: too\r\n", 0, false, all},
    {"Subject: Received: x\r\n", 0, false, all},
    {"Received\r\n: x\r\n", 0, false, all},
    {"Received x: y\r\n", 0, false, all},
    {"Received: a\nReceived: b\n\nReceived: c\n", 2, true, 25},
    {"a: b\r\n\r\r\n\r\n", 0, true, 11},
    {"a: b\r\n \r\nReceived: x\r\n", 1, false, all},
    {"\rReceived: x\r\n", 0, false, all},
    {"Received: no end", 1, false, all},
    {"Receive", 0, false, all},
};

class HeaderScanTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(HeaderScanTest);
  CPPUNIT_TEST(whole);
  CPPUNIT_TEST(any_cutting);
  CPPUNIT_TEST(many_fields);
  CPPUNIT_TEST_SUITE_END();

  static void check(const Case& one, const HeaderScan& scan, size_t header) {
    CPPUNIT_ASSERT_EQUAL_MESSAGE(one.text, one.received, scan.received());
    CPPUNIT_ASSERT_EQUAL_MESSAGE(one.text, one.done, scan.done());
    CPPUNIT_ASSERT_EQUAL_MESSAGE(one.text, one.header == all ? one.text.size() : one.header, header);
  }
  void whole() {
    for (const Case& one : cases) {
      HeaderScan scan;
      const size_t header = scan.feed(one.text);
      check(one, scan, header);
    }
  }
  void any_cutting() {
    std::mt19937 random(7);
    for (const Case& one : cases) {
      for (int round = 0; round < 50; ++round) {
        HeaderScan scan;
        size_t header = 0;
        std::string_view rest = one.text;
        while (!rest.empty()) {
          const size_t count = round == 0 ? 1 : std::min<size_t>(rest.size(), 1 + random() % 6);
          header += scan.feed(rest.substr(0, count));
          rest.remove_prefix(count);
        }
        check(one, scan, header);
      }
    }
  }
  void many_fields() {
    HeaderScan scan;
    for (int i = 0; i < 100000; ++i) scan.feed("Received: x\r\n\tby y\r\nTo: z\r\n");
    CPPUNIT_ASSERT_EQUAL(100000U, scan.received());
    CPPUNIT_ASSERT(!scan.done());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(HeaderScanTest);

}  // namespace
