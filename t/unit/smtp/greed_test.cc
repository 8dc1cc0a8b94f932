// Clients that want too much: more replies than they read, more time than they
// need, a session although they are denied one.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_test;
using namespace std::string_literals;

namespace {

constexpr size_t limit = ServerSession::reply_limit;

class GreedTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(GreedTest);
  CPPUNIT_TEST(replies_of_one_call_are_bounded);
  CPPUNIT_TEST(nothing_is_taken_while_much_is_unsent);
  CPPUNIT_TEST(starttls_behind_many_replies_is_still_watched);
  CPPUNIT_TEST(slow_data_gains_no_time);
  CPPUNIT_TEST(a_denied_client_has_one_deadline);
  CPPUNIT_TEST(tarpit_of_one_call_is_bounded);
  CPPUNIT_TEST_SUITE_END();

  void replies_of_one_call_are_bounded() {
    const std::string one = "EHLO a\r\n";
    const std::string all = repeat(one, 8192);
    Dialogue dialogue;
    const size_t reply = dialogue.say(one).size();
    std::string_view input = all;
    std::string replies;
    size_t calls = 0;
    while (!input.empty()) {
      Output out;
      const size_t used = dialogue.session->feed(input, out);
      CPPUNIT_ASSERT(out.next == Next::read && used > 0 && used % one.size() == 0);
      CPPUNIT_ASSERT(out.reply.size() <= limit + reply);
      CPPUNIT_ASSERT_EQUAL(used / one.size() * reply, out.reply.size());  // each command its answer
      replies += out.reply;
      input.remove_prefix(used);
      ++calls;
    }
    CPPUNIT_ASSERT_EQUAL(8192 * reply, replies.size());
    CPPUNIT_ASSERT_EQUAL(replies.size() / (limit + reply) + 1, calls);  // and no more calls than that takes
  }

  void nothing_is_taken_while_much_is_unsent() {
    Dialogue dialogue;
    Output out;
    out.reply = std::string(limit, 'x');
    CPPUNIT_ASSERT_EQUAL(size_t{6}, dialogue.session->feed("NOOP\r\nNOOP\r\n", out));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, dialogue.session->feed("NOOP\r\n", out));
    CPPUNIT_ASSERT(out.next == Next::read && !out.restart_deadline);
    out.reply.clear();
    CPPUNIT_ASSERT_EQUAL(size_t{6}, dialogue.session->feed("NOOP\r\n", out));
    // Of message data too.
    dialogue.say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    out.reply = std::string(limit + 1, 'x');
    CPPUNIT_ASSERT_EQUAL(size_t{0}, dialogue.session->feed("x\r\n.\r\n", out));
    CPPUNIT_ASSERT(out.waiting == Waiting::data);
    CPPUNIT_ASSERT_EQUAL("250"s, dialogue.codes("x\r\n.\r\n"));
    CPPUNIT_ASSERT_EQUAL("x\r\n"s, dialogue.messages.at(0).body);
  }

  void starttls_behind_many_replies_is_still_watched() {
    Policy policy = usual_policy();
    policy.starttls = true;
    Dialogue dialogue(policy);
    const std::string input = repeat("EHLO a\r\n", 4096) + "STARTTLS\r\nNOOP\r\n";
    const std::string replies = dialogue.say(input);
    CPPUNIT_ASSERT(dialogue.closed && !dialogue.wants_tls);
    CPPUNIT_ASSERT_EQUAL("554"s, replies.substr(replies.rfind("\r\n", replies.size() - 3) + 2, 3));
    CPPUNIT_ASSERT_EQUAL("554 injection"s, dialogue.host.causes.back());
  }

  void slow_data_gains_no_time() {
    Dialogue dialogue;
    const auto restarts = [&](std::string_view input) {
      dialogue.say(input);
      return dialogue.last.restart_deadline;
    };
    for (int message = 0; message < 2; ++message) {  // counted for each message by itself
      CPPUNIT_ASSERT(restarts("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"));
      CPPUNIT_ASSERT(dialogue.last.waiting == Waiting::data);
      size_t since = 0;
      for (int restart = 0; restart < 3; ++restart) {
        for (since = 0; since < (16 << 10) - 64; since += 64) CPPUNIT_ASSERT(!restarts(repeat("x", 62) + "\r\n"));
        CPPUNIT_ASSERT(restarts(repeat("x", 64)));
        CPPUNIT_ASSERT(!restarts("x"));
        CPPUNIT_ASSERT(restarts(repeat("x", 20 << 10)));
        CPPUNIT_ASSERT(dialogue.last.waiting == Waiting::data);
      }
      CPPUNIT_ASSERT(!restarts(repeat("x", 10 << 10)));
      CPPUNIT_ASSERT(restarts("\r\n.\r\n"));
      CPPUNIT_ASSERT(dialogue.last.waiting == Waiting::command);
    }
    // A message that is refused at its end is a step forward as well.
    CPPUNIT_ASSERT(restarts("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"));
    CPPUNIT_ASSERT(!restarts("lone\nlf"));
    CPPUNIT_ASSERT(restarts("\r\n.\r\n"));
    CPPUNIT_ASSERT_EQUAL("550 lone_lf"s, dialogue.host.causes.back());
    // And where the message is complete, before it is committed.
    dialogue.say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx");
    Output out;
    dialogue.session->feed("\r\n.\r\n", out);
    CPPUNIT_ASSERT(out.next == Next::submit && out.restart_deadline);
  }

  void a_denied_client_has_one_deadline() {
    Policy policy = usual_policy();
    policy.deny = true;
    policy.error_delay = std::chrono::seconds(5);  // no way to more time
    policy.max_errors = 0;
    Dialogue dialogue(policy);
    CPPUNIT_ASSERT(dialogue.banner.starts_with("554 "));
    CPPUNIT_ASSERT(dialogue.last.restart_deadline);
    const Waiting waiting = dialogue.last.waiting;
    CPPUNIT_ASSERT(dialogue.session->deadline(waiting) == std::chrono::seconds(10));
    for (const char* input : {"EHLO a\r\n", "N", "OOP\r\n", "MAIL FROM:<a@b>\r\n", "\r\n", "x\r\ny\r\nz"}) {
      dialogue.say(input);
      CPPUNIT_ASSERT_MESSAGE(input, !dialogue.last.restart_deadline && dialogue.delay == Duration(0));
      CPPUNIT_ASSERT_MESSAGE(input, dialogue.last.waiting == waiting);  // the owner goes on with what it has
      CPPUNIT_ASSERT_MESSAGE(input, dialogue.session->deadline(waiting) == std::chrono::seconds(10));
    }
    CPPUNIT_ASSERT_EQUAL("503 221"s, dialogue.codes("\r\nQUIT\r\n"));
    CPPUNIT_ASSERT(dialogue.closed);
    // Nor has one whom XCLIENT or XREMOTEIP names more than that.
    for (const char* command : {"XCLIENT ADDR=198.51.100.7\r\n", "XREMOTEIP 198.51.100.7\r\n"}) {
      Dialogue behind(generous_policy());
      behind.host.client_policy = std::make_shared<const Policy>(policy);
      CPPUNIT_ASSERT_EQUAL("554"s, behind.codes(command));
      CPPUNIT_ASSERT_MESSAGE(command, behind.last.restart_deadline);  // the gateway's ends
      CPPUNIT_ASSERT_MESSAGE(command, behind.session->deadline(behind.last.waiting) == std::chrono::seconds(10));
      behind.say("NOOP\r\n");
      CPPUNIT_ASSERT_MESSAGE(command, !behind.last.restart_deadline);
    }
    Dialogue late(policy);
    Output out;
    late.session->timed_out(out);
    CPPUNIT_ASSERT(out.reply.starts_with("421 4.4.2 ") && out.next == Next::close);
  }

  void tarpit_of_one_call_is_bounded() {
    Policy policy = usual_policy();
    policy.max_errors = 1000;
    const auto longest = [&](Duration each, size_t errors) {
      policy.error_delay = each;
      Dialogue dialogue(policy);
      dialogue.say(repeat("FOO\r\n", 500));
      Output out;
      dialogue.session->feed(repeat("FOO\r\n", errors), out);
      return out.delay;
    };
    using std::chrono::seconds;
    CPPUNIT_ASSERT(longest(seconds(5), 3) == seconds(15));
    CPPUNIT_ASSERT(longest(seconds(5), 12) == seconds(60));
    CPPUNIT_ASSERT(longest(seconds(5), 400) == seconds(60));
    CPPUNIT_ASSERT(longest(seconds(90), 1) == seconds(90));  // what the operator wants for one is not cut
    CPPUNIT_ASSERT(longest(seconds(90), 400) == seconds(90));
    CPPUNIT_ASSERT(longest(seconds(0), 400) == seconds(0));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(GreedTest);

}  // namespace
