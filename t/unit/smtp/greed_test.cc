// Clients that want too much: more replies than they read, more time than they
// need, a session although they are denied one.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_test;
using namespace std::string_literals;

namespace {

constexpr size_t limit = ServerSession::reply_limit;

std::string repeat(std::string_view text, size_t count) {
  std::string out;
  while (count-- > 0) out += text;
  return out;
}

class GreedTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(GreedTest);
  CPPUNIT_TEST(replies_of_one_call_are_bounded);
  CPPUNIT_TEST(nothing_is_taken_while_much_is_unsent);
  CPPUNIT_TEST(starttls_behind_many_replies_is_still_watched);
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
};
CPPUNIT_TEST_SUITE_REGISTRATION(GreedTest);

}  // namespace
