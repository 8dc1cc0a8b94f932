// A random walk over all verbs against a small model of the state machine,
// written from RFC 5321 and not from the engine: it finds the sequences that
// nobody thought of listing.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

#include <map>

using namespace smtp_test;

namespace {

struct Model {
  bool greeted = false;
  bool tls = false;
  bool transaction = false;
  size_t recipients = 0;
  bool tried = false;  // a RCPT was refused in this transaction
  size_t messages = 0;

  void reset() {
    transaction = tried = false;
    recipients = 0;
  }
};

// One move: what is sent, and what the model says must come back.
struct Move {
  std::string input;
  std::function<std::string(Model&)> expected;
};

std::vector<Move> moves(const Policy& policy) {
  const auto always = [](std::string codes) { return [codes](Model&) { return codes; }; };
  const auto after_tls = [&policy](std::function<std::string(Model&)> then) {
    return [&policy, then](Model& model) { return policy.tls_required && !model.tls ? "530" : then(model); };
  };
  const auto greet = [](Model& model) {
    model.greeted = true;
    model.reset();
    return std::string("250");
  };
  const auto from = [&policy](std::string accepted) {
    return [&policy, accepted](Model& model) -> std::string {
      if (model.transaction) return "503";
      if (policy.tls_required && !model.tls) return "530";
      if (policy.require_ehlo && !model.greeted) return "503";
      model.transaction = accepted == "250";
      return accepted;
    };
  };
  const auto to = [&](std::string accepted) {
    return after_tls([&policy, accepted](Model& model) -> std::string {
      if (!model.transaction) return "503";
      if (accepted == "250" && model.recipients < policy.max_recipients) {
        ++model.recipients;
        return "250";
      }
      model.tried = true;
      return accepted == "250" ? "452" : accepted;
    });
  };
  // `end`: the reply to the data; what follows must be commands again.
  const auto data = [&](std::string end) {
    return after_tls([end](Model& model) -> std::string {
      if (!model.transaction) return "503";
      if (model.recipients == 0) return model.tried ? "554" : "503";
      if (end == "250") ++model.messages;
      model.reset();
      return "354 " + end;
    });
  };
  const auto reset = after_tls([](Model& model) -> std::string {
    model.reset();
    return "250";
  });
  return {
      {"EHLO a\r\n", greet},
      {"ehlo [127.0.0.1]\r\n", greet},
      {"HELO a\r\n", after_tls(greet)},
      {"EHLO\r\n", always("501")},
      {"MAIL FROM:<a@b>\r\n", from("250")},
      {"mail from:<> SIZE=10 BODY=8BITMIME\r\n", from("250")},
      {"MAIL FROM:<a@b> SIZE=101\r\n", from("552")},
      {"MAIL FROM:<a@b> FOO\r\n", from("555")},
      {"MAIL FROM:a@b\r\n", from("501")},
      {"RCPT TO:<c@d>\r\n", to("250")},
      {"Rcpt To:<\"x y\"@d>\r\n", to("250")},
      {"RCPT TO:<c@d>\r\n", to("250")},
      {"RCPT TO:<>\r\n", to("501")},
      {"RCPT TO:<c@d> NOTIFY=NEVER\r\n", to("555")},
      {"RCPT TO:<nodomain>\r\n", to("550")},
      {"DATA\r\n", data("")},  // completed by the walk
      {"DATA x\r\n", after_tls(always("501"))},
      {"RSET\r\n", reset},
      {"RSET x\r\n", after_tls(always("501"))},
      {"NOOP\r\n", always("250")},
      {"VRFY a\r\n", after_tls(always("252"))},
      {"HELP\r\n", after_tls(always("214"))},
      {"EXPN a\r\n", always("502")},
      {"AUTH PLAIN\r\n", always("502")},
      {"BDAT 3 LAST\r\n\r\n.", always("502")},
      {"FOO\r\n", always("500")},
      {"\r\n", always("500")},
      {"QUIT x\r\n", always("501")},
      {std::string(600, 'x') + "\r\n", always("500")},
      {"STARTTLS x\r\n", [](Model& model) { return std::string(model.tls ? "503" : "501"); }},
      {"STARTTLS\r\n",
       [](Model& model) -> std::string {
         if (model.tls || model.transaction) return "503";
         model = Model{.tls = true, .messages = model.messages};
         return "220";
       }},
  };
}

struct Body {
  std::string input;
  std::string code;
};
const Body bodies[] = {
    {".\r\n", "250"},
    {"S: x\r\n\r\nMAIL FROM:<x@y>\r\n..\r\n.\r\n", "250"},
    {"lone\nlf\r\n.\r\n", "550"},
    {std::string(200, 'b') + "\r\n.\r\n", "552"},
    {"Received:\r\nReceived:\r\nReceived:\r\n.\r\n", "554"},
};

class WalkTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(WalkTest);
  CPPUNIT_TEST(random_walks);
  CPPUNIT_TEST_SUITE_END();

  void random_walks() {
    std::mt19937 random(5321);
    std::map<std::string, int> seen;
    constexpr int commands = 20000;
    Policy policy = usual_policy();
    policy.max_errors = 0;
    policy.max_recipients = 3;
    policy.max_message_size = 100;
    policy.max_received_headers = 2;
    policy.max_command_length = 512;
    policy.starttls = true;
    for (int done = 0; done < commands;) {
      policy.tls_required = random() % 4 == 0;
      policy.require_ehlo = random() % 2 == 0;
      const std::vector<Move> all = moves(policy);
      Dialogue dialogue(policy, random() % 2 == 0 ? whole() : random_cuts(random()));
      Model model;
      for (size_t length = 20 + random() % 200; length > 0; --length, ++done) {
        const Move& move = all[random() % all.size()];
        std::string input = move.input;
        std::string expected = move.expected(model);
        if (expected == "354 ") {
          const Body& body = bodies[random() % std::size(bodies)];
          input += body.input;
          expected += body.code;
          if (body.code == "250") ++model.messages;
        }
        const std::string codes = dialogue.codes(input);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input, 60), expected, codes);
        if (codes == "220") dialogue.tls();
        ++seen[codes];
        CPPUNIT_ASSERT(!dialogue.closed);
        CPPUNIT_ASSERT_EQUAL(model.transaction, dialogue.session->in_transaction());
        CPPUNIT_ASSERT_EQUAL(model.messages, dialogue.messages.size());
      }
      CPPUNIT_ASSERT_EQUAL(std::string("221"), dialogue.codes("QUIT\r\n"));
    }
    // The walk came everywhere.
    for (const auto* codes : {"250", "503", "530", "501", "452", "552", "555", "354 250", "354 550", "354 552",
                              "354 554", "554", "220", "550", "502", "500"})
      CPPUNIT_ASSERT_MESSAGE(codes, seen[codes] > 0);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(WalkTest);

}  // namespace
