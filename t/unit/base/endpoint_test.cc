#include "base/endpoint.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;

namespace {

class EndpointTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(EndpointTest);
  CPPUNIT_TEST(canonical_text);
  CPPUNIT_TEST(refusals);
  CPPUNIT_TEST(through_sockaddr_and_back);
  CPPUNIT_TEST_SUITE_END();

  static void same(const char* canonical, const char* text) {
    const auto endpoint = Endpoint::parse(text);
    CPPUNIT_ASSERT_MESSAGE(text, endpoint.has_value());
    CPPUNIT_ASSERT_EQUAL(std::string(canonical), endpoint->to_string());
  }
  void canonical_text() {
    same("*:25", "*:25");
    same("*:25", ":25");
    same("*:25", "0.0.0.0:25");
    same("127.0.0.1:2525", "127.0.0.1:2525");
    same("[*]:25", "[*]:25");
    same("[*]:25", "[::]:25");  // M33
    same("[*]:25", "[0:0:0:0:0:0:0:0]:25");
    same("[::1]:25", "[0::0:1]:25");
    same("[fd82:7796:815b:af9d:230:48ff:fef2:aa4a]:587", "[fd82:7796:815b:af9d:230:48ff:fef2:aa4a]:587");  // M34
    same("/tmp/2025", "/tmp/2025");                                                                        // M27
    same("./var/control.sock", "./var/control.sock");
  }
  void refusals() {
    for (const char* text : {"", "25", "*", "localhost:25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:0",
                             "127.0.0.1:+25", "::1:25", "[::1]", "[127.0.0.1]:25", "[::1:25", "tmp/x"})
      CPPUNIT_ASSERT_MESSAGE(text, !Endpoint::parse(text));
    CPPUNIT_ASSERT(Endpoint::parse("127.0.0.1:0", true));
    CPPUNIT_ASSERT(!Endpoint::parse("/" + std::string(107, 'x')));
    CPPUNIT_ASSERT(Endpoint::parse("/" + std::string(106, 'x')));
  }
  void through_sockaddr_and_back() {
    for (const char* text : {"127.0.0.1:25", "[2001:db8::1]:65535", "/tmp/a b"}) {
      const auto endpoint = *Endpoint::parse(text);
      sockaddr_storage storage{};
      const socklen_t length = endpoint.to_sockaddr(storage);
      const auto back = Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), length);
      CPPUNIT_ASSERT(back && *back == endpoint);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(EndpointTest);

}  // namespace
