// Targets: what path and which parameters they mean, and which mean nothing we
// want to guess.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <string_view>

namespace {

using namespace http_test;

// "path | name=value | …"; "400 target" and the like when it is refused.
std::string read(std::string_view target, std::string_view method = "GET", std::string_view host = "a") {
  Dialogue client;
  client.say(std::string(method) + ' ' + std::string(target) + " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n");
  if (client.requests.empty()) return client.events();
  const RequestHead& head = client.requests.front().head;
  CPPUNIT_ASSERT_EQUAL(std::string(target), head.target);
  std::string text = head.path;
  for (const auto& [name, value] : head.query) {
    text += " | ";
    text += name;
    text += '=';
    text += value;
  }
  return text;
}

class TargetTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TargetTest);
  CPPUNIT_TEST(paths);
  CPPUNIT_TEST(tricks);
  CPPUNIT_TEST(escapes_that_stay);
  CPPUNIT_TEST(queries);
  CPPUNIT_TEST(other_forms);
  CPPUNIT_TEST(hosts);
  CPPUNIT_TEST_SUITE_END();

  void paths() {
    CPPUNIT_ASSERT_EQUAL(std::string("/"), read("/"));
    CPPUNIT_ASSERT_EQUAL(std::string("/api/v1/transmissions"), read("/api/v1/transmissions"));
    CPPUNIT_ASSERT_EQUAL(std::string("/api/"), read("/api/"));
    CPPUNIT_ASSERT_EQUAL(std::string("//api//v1"), read("//api//v1"));
    CPPUNIT_ASSERT_EQUAL(std::string("/a b"), read("/a%20b"));
    CPPUNIT_ASSERT_EQUAL(std::string("/a+b"), read("/a+b"));
    CPPUNIT_ASSERT_EQUAL(std::string("/api"), read("/%61%70i"));
    CPPUNIT_ASSERT_EQUAL(std::string("/\xC3\xA4"), read("/%C3%a4"));
    CPPUNIT_ASSERT_EQUAL(std::string("/...;/a..b/.c"), read("/...;/a..b/.c"));
    CPPUNIT_ASSERT_EQUAL(std::string("/a:b@c,d;e=f&g!$'()*~"), read("/a:b@c,d;e=f&g!$'()*~"));
  }

  void tricks() {
    for (const std::string_view target :
         {"/.",      "/..",     "/a/../b", "/a/./b",    "/a/..", "/%2e",       "/%2e%2E", "/a/.%2e/b", "/a\\b",
          "/a%5Cb",  "/%00",    "/a%0a",   "/a%0D%0Ab", "/%7f",  "/%1B",       "/%",      "/%2",       "/%zz",
          "/%2g",    "/%-1",    "/%u0041", "/%C0%AF",   "/%C3",  "/%ED%A0%80", "/%FF",    "/a#b",      "/a\"b",
          "/a<b",    "/a>b",    "/a^b",    "/a`b",      "/a{b}", "/a|b",       "/a[b]",   "/?%00",     "/?a=%0d",
          "/?%0a=b", "/?a=%FF", "/?a=%",   "/?a=%4",    "/?a#b", "/?a\"",      "/?<"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(target), std::string("400 target"), read(target));
  }

  // Routing sees the difference to a real slash, and to what would be decoded twice.
  void escapes_that_stay() {
    CPPUNIT_ASSERT_EQUAL(std::string("/a%2Fb"), read("/a%2fb"));
    CPPUNIT_ASSERT_EQUAL(std::string("/a%252Fb"), read("/a%252Fb"));
    CPPUNIT_ASSERT_EQUAL(std::string("/%252e%252e"), read("/%252e%252e"));
    CPPUNIT_ASSERT_EQUAL(std::string("/100%25"), read("/100%25"));
    CPPUNIT_ASSERT_EQUAL(std::string("00000001/00000040-n"), path_parameter("00000001%2F00000040-n"));
    CPPUNIT_ASSERT_EQUAL(std::string("%2F"), path_parameter("%252F"));
    CPPUNIT_ASSERT_EQUAL(std::string("100% a"), path_parameter("100%25 a"));
    CPPUNIT_ASSERT_EQUAL(std::string(), path_parameter(""));
  }

  void queries() {
    CPPUNIT_ASSERT_EQUAL(std::string("/"), read("/?"));
    CPPUNIT_ASSERT_EQUAL(std::string("/ | a=b | c=d"), read("/?a=b&c=d"));
    CPPUNIT_ASSERT_EQUAL(std::string("/ | a=b | a=c"), read("/?a=b&a=c"));
    CPPUNIT_ASSERT_EQUAL(std::string("/ | a= | b="), read("/?a&b="));
    CPPUNIT_ASSERT_EQUAL(std::string("/ | a=b | c=d"), read("/?&a=b&&c=d&"));
    CPPUNIT_ASSERT_EQUAL(std::string("/ | =b"), read("/?=b"));
    CPPUNIT_ASSERT_EQUAL(std::string("/ | a=b=c"), read("/?a=b=c"));
    CPPUNIT_ASSERT_EQUAL(std::string("/ | a=b?c/d"), read("/?a=b?c/d"));
    CPPUNIT_ASSERT_EQUAL(std::string("/ | a b=c d"), read("/?a+b=c+d"));
    CPPUNIT_ASSERT_EQUAL(std::string("/ | a=b+c@d"), read("/?a=b%2Bc%40d"));
    CPPUNIT_ASSERT_EQUAL(std::string("/ | a=&=%/"), read("/?a=%26%3d%25%2f"));
    CPPUNIT_ASSERT_EQUAL(std::string("/ | a[]={|}"), read("/?a[]={|}"));
    CPPUNIT_ASSERT_EQUAL(std::string("/ | a=../.."), read("/?a=../.."));
    Dialogue client;
    client.say("GET /?a=1&b=2&a=3 HTTP/1.1\r\nHost: a\r\n\r\n");
    const RequestHead& head = client.requests.at(0).head;
    CPPUNIT_ASSERT_EQUAL(std::string("1"), std::string(head.parameter("a").value_or("none")));
    CPPUNIT_ASSERT(!head.parameter("A").has_value());
  }

  void other_forms() {
    CPPUNIT_ASSERT_EQUAL(std::string("/b | c=d"), read("http://a/b?c=d"));
    CPPUNIT_ASSERT_EQUAL(std::string("/b"), read("HTTPS://A:80/b", "GET", "a:80"));
    CPPUNIT_ASSERT_EQUAL(std::string("/"), read("http://a"));
    CPPUNIT_ASSERT_EQUAL(std::string("/ | b="), read("http://a?b"));
    CPPUNIT_ASSERT_EQUAL(std::string("400 target"), read("http://b/"));
    CPPUNIT_ASSERT_EQUAL(std::string("400 target"), read("http://a:80/"));
    CPPUNIT_ASSERT_EQUAL(std::string("400 target"), read("http://user@a/"));
    CPPUNIT_ASSERT_EQUAL(std::string("400 target"), read("http:///a"));
    CPPUNIT_ASSERT_EQUAL(std::string("400 target"), read("http:a"));
    CPPUNIT_ASSERT_EQUAL(std::string("400 target"), read("ftp://a/"));
    CPPUNIT_ASSERT_EQUAL(std::string("400 target"), read("a"));
    CPPUNIT_ASSERT_EQUAL(std::string("400 target"), read("a:443"));
    CPPUNIT_ASSERT_EQUAL(std::string("400 target"), read("?a"));
    CPPUNIT_ASSERT_EQUAL(std::string("400 target"), read("*"));
    CPPUNIT_ASSERT_EQUAL(std::string("400 target"), read("**", "OPTIONS"));
    CPPUNIT_ASSERT_EQUAL(std::string("/x"), read("/x", "OPTIONS"));
  }

  void hosts() {
    const auto host = [](std::string_view text) {
      Dialogue client;
      client.say(std::string(text) + "\r\n\r\n");
      return client.requests.empty() ? client.events() : client.requests.front().head.host;
    };
    CPPUNIT_ASSERT_EQUAL(std::string("a.example:80"), host("GET / HTTP/1.1\r\nHost: a.example:80"));
    CPPUNIT_ASSERT_EQUAL(std::string("A"), host("GET http://a/ HTTP/1.1\r\nHost: A"));
    CPPUNIT_ASSERT_EQUAL(std::string("a"), host("GET http://a/ HTTP/1.0"));
    CPPUNIT_ASSERT_EQUAL(std::string(), host("GET / HTTP/1.0"));
    CPPUNIT_ASSERT_EQUAL(std::string("400 host"), host("GET http://a/ HTTP/1.1"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TargetTest);

}  // namespace
