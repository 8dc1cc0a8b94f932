// What becomes of a connection, and of a body, behind a refusal.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

namespace {

using namespace http_test;

class RepliesTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RepliesTest);
  CPPUNIT_TEST(refused_after_continue);
  CPPUNIT_TEST_SUITE_END();

  // A body that we have asked for is on its way: what comes of it is taken, or
  // the response would be lost with the connection.
  void refused_after_continue() {
    Policy policy;
    policy.max_request_size = 10;
    Dialogue client(policy);
    client.say("POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    CPPUNIT_ASSERT_EQUAL(std::string("HTTP/1.1 100 Continue\r\n\r\n"), client.replies);
    client.say("ff\r\nxxxx");
    CPPUNIT_ASSERT_EQUAL(std::string("413 size"), client.events());
    CPPUNIT_ASSERT(!client.closed && client.out.waiting == Waiting::drain);
    client.say(repeat("x", 251) + "\r\n0\r\n\r\n");
    CPPUNIT_ASSERT(client.closed);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(RepliesTest);

}  // namespace
