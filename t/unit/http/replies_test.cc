// What becomes of a connection and of bodies, a request's and a response's, when
// a request is refused.
#include "http/error.h"
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

namespace {

using namespace http_test;

Response refused(int status) { return error_response(status, {.code = "no", .message = "No"}); }

class RepliesTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RepliesTest);
  CPPUNIT_TEST(refused_after_continue);
  CPPUNIT_TEST(head_has_no_body);
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

  void head_has_no_body() {
    Dialogue client;
    client.say("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    CPPUNIT_ASSERT_EQUAL(std::string("4"), reply_field(client.replies, "Content-Length"));
    CPPUNIT_ASSERT(client.replies.ends_with("\r\n\r\n"));
    client.host.refusal = [](const RequestHead&) { return refused(404); };
    client.say("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    CPPUNIT_ASSERT(client.replies.ends_with("\r\n\r\n"));
    // Nor has a refusal, as soon as the method is known.
    const std::pair<std::string_view, std::string_view> table[] = {
        {"/%00 HTTP/1.1\r\nHost: a\r\n\r\n", "400 target"},
        {"/ HTTP/2.0\r\nHost: a\r\n\r\n", "505 version"},
        {"/ HTTP/1.1\r\nHost: a\r\nno field\r\n\r\n", "400 header"},
        {"/ HTTP/1.1\r\nHost: a\rb\r\n\r\n", "400 header"},
        {"/ HTTP/1.1\r\n\r\n", "400 host"},
    };
    for (const auto& [rest, event] : table)
      for (const bool head : {true, false}) {
        Dialogue wrong;
        wrong.say((head ? "HEAD " : "GET ") + std::string(rest));
        CPPUNIT_ASSERT_EQUAL(std::string(event), wrong.events());
        CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(rest), head, wrong.replies.ends_with("\r\n\r\n"));
        CPPUNIT_ASSERT(reply_field(wrong.replies, "Content-Length") > "0");
      }
    Dialogue slow;
    slow.say("HEAD / HTTP/1.1\r\nHost:");
    slow.session->timed_out(slow.out);
    slow.look();
    CPPUNIT_ASSERT_EQUAL(std::string("408 timeout"), slow.events());
    CPPUNIT_ASSERT(slow.replies.ends_with("\r\n\r\n"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(RepliesTest);

}  // namespace
