// Random walks over all verbs, under all kinds of policies, against the model:
// they find the sequences that nobody thought of listing. And each walk again,
// as one stream in pieces of 1, 3 and 17 bytes: the same replies, the same
// messages.
#include "walk_model.h"

#include <cppunit/extensions/HelperMacros.h>

#include <array>
#include <map>

using namespace smtp_test;

namespace {

using Random = std::mt19937;

template <typename T>
const T& any_of(const std::vector<T>& all, Random& random) {
  return all[random() % all.size()];
}

Policy random_policy(Random& random) {
  Policy policy = generous_policy();
  const auto one_in = [&](unsigned count) { return random() % count == 0; };
  policy.max_recipients = 3;
  policy.max_message_size = 100;
  policy.max_received_headers = 2;
  policy.max_command_length = 512;
  policy.error_delay = std::chrono::seconds(0);
  policy.tls_required = one_in(4);
  policy.require_ehlo = one_in(2);
  policy.auth_required = one_in(4);
  policy.lmtp = one_in(3);
  policy.chunking = !one_in(4);
  policy.binary_mime = policy.chunking && !one_in(3);
  policy.smtputf8 = !one_in(3);
  policy.dsn = !one_in(3);
  policy.deliver_by = !one_in(3);
  policy.future_release = !one_in(3);
  policy.mt_priority = !one_in(3);
  policy.xclient = !one_in(3);
  policy.xremoteip = !one_in(3);
  policy.xsetcontext = policy.xdumpcontext = !one_in(3);
  policy.starttls = policy.tls_required || !one_in(4);
  if (!policy.auth_required && one_in(4)) policy.auth_sources.clear();
  return policy;
}

std::string command_of(std::string_view verb, std::string_view arguments) {
  return std::string(verb) + std::string(arguments) + "\r\n";
}

Exchange small_command(Model& model, Random& random) {
  const auto behind_tls = [&](std::string code) {
    return model.policy.tls_required && !model.tls ? std::string("530") : code;
  };
  switch (random() % 16) {
    case 0:
      return {"RSET x\r\n", behind_tls("501")};
    case 1:
      return {"NOOP\r\n", "250"};
    case 2: {
      const std::string missing = model.missing();
      return {"VRFY a\r\n", missing.empty() ? "252" : missing};
    }
    case 3:
      return {"HELP\r\n", behind_tls("214")};
    case 4:
      return {"EXPN a\r\n", "502"};
    case 5:
      return {"FOO\r\n", "500"};
    case 6:
      return {"\r\n", "500"};
    case 7:
      return {"QUIT x\r\n", "501"};
    case 8:
      return {std::string(600, 'x') + "\r\n", "500"};
    case 9:
      return {std::string("NO\0OP\r\n", 7), "500"};
    case 10:
      return {"XREMOTEIP 127.0.0.9\r\n", gateway(model, model.policy.xremoteip, "250")};
    case 11:
      return {"XSETCONTEXT a=b\r\n", gateway(model, model.policy.xsetcontext, "250")};
    case 12:
      return {"XDUMPCONTEXT\r\n", gateway(model, model.policy.xdumpcontext, "250")};
    case 13:
      return {"XCLIENT FOO=1\r\n", gateway(model, model.policy.xclient, "501")};
    case 14:
      return {"XCLIENT ADDR=127.0.0.9 NAME=x\r\n", gateway(model, model.policy.xclient, "220")};
    default:
      if (model.policy.tls_required && !model.tls) return {"RSET\r\n", "530"};
      model.reset();
      return {"RSET\r\n", "250"};
  }
}

Exchange random_auth(Model& model, Random& random) {
  switch (random() % 6) {
    case 0:
      return authenticate(model, "AUTH PLAIN AGFsaWNlAHNlc2FtZQ==", "", "235");
    case 1:
      return authenticate(model, "AUTH PLAIN", "AGFsaWNlAHNlc2FtZQ==", "235");
    case 2:
      return authenticate(model, "AUTH PLAIN AGFsaWNlAG9wZW4=", "", "535");
    case 3:
      return authenticate(model, "AUTH LOGIN", "*", "501");
    case 4:
      return authenticate(model, "AUTH LOGIN", "!", "501");
    default:
      return authenticate(model, "AUTH FOO", "", "504");
  }
}

Exchange random_exchange(Model& model, Random& random) {
  switch (random() % 12) {
    case 0:
    case 1: {
      const std::string_view verb = std::array{"EHLO", "HELO", "LHLO"}[random() % 3];
      const std::string_view name = std::array{" a", " [127.0.0.1]"}[random() % 2];
      return {command_of(verb, name), greeting(model, verb)};
    }
    case 2:
    case 3: {
      const Sender& sender = any_of(senders(), random);
      return {command_of("mail FROM:", sender.text), mail(model, sender)};
    }
    case 4:
    case 5:
    case 6: {
      constexpr std::array recipients{
          std::pair{"<c@d>", "250"},
          std::pair{"<\"x y\"@d>", "250"},
          std::pair{"<c@d>", "250"},
          std::pair{"<postmaster>", "250"},
          std::pair{"<>", "501"},
          std::pair{"<nodomain>", "550"},
          std::pair{"<c@d> SIZE=1", "555"},
          std::pair{"<c@d> NOTIFY=NEVER", "dsn"},
          std::pair{"<c@d> NOTIFY=NEVER,DELAY", "bad dsn"},
          std::pair{"<c@\xC3\xBC.example>", "utf8"},
      };
      const auto& [text, code] = recipients[random() % recipients.size()];
      return {command_of("Rcpt To:", text), rcpt(model, code)};
    }
    case 7:
      return data(model, any_of(bodies(), random));
    case 8:
    case 9: {
      constexpr std::array<std::string_view, 7> octets{"",
                                                       "x\r\n",
                                                       "S: x\r\n\r\n.\r\n",
                                                       "MAIL FROM:<x@y>\r\nQUIT\r\n",
                                                       "no end",
                                                       "01234567890123456789012345678901234567890123456789",
                                                       "lone\nlf\r\n"};
      const std::string_view chosen = octets[random() % octets.size()];
      const bool last = random() % 2 == 0;
      return {"BDAT " + std::to_string(chosen.size()) + (last ? " LAST\r\n" : "\r\n") + std::string(chosen),
              bdat(model, chosen, last)};
    }
    case 10:
      return random() % 3 == 0 ? starttls(model) : random_auth(model, random);
    default:
      return small_command(model, random);
  }
}

struct Told {
  std::string replies;
  std::vector<std::string> bodies;
  bool operator==(const Told&) const = default;
};

// What was sent before the first STARTTLS, between it and the next thing, … as one stream each.
Told replay(const Policy& policy, const std::vector<std::string>& stretches, Cutting cutting) {
  Dialogue dialogue(policy, std::move(cutting));
  Told told;
  for (const std::string& stretch : stretches) {
    if (dialogue.wants_tls) dialogue.tls();
    told.replies += dialogue.say(stretch);
  }
  for (const Message& message : dialogue.messages) told.bodies.push_back(message.trace + message.body);
  return told;
}

class WalkTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(WalkTest);
  CPPUNIT_TEST(random_walks);
  CPPUNIT_TEST_SUITE_END();

  static std::vector<std::string> walk(const Policy& policy, Random& random, size_t length,
                                       std::map<std::string, int>& seen) {
    Dialogue dialogue(policy);
    Model model{.policy = policy};
    std::vector<std::string> stretches{""};
    for (; length > 0; --length) {
      const Exchange exchange = random_exchange(model, random);
      const std::string codes = dialogue.codes(exchange.input);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(exchange.input, 80) + " in\n" + escape_line(stretches.back(), 4000),
                                   exchange.expected, codes);
      stretches.back() += exchange.input;
      if (dialogue.wants_tls) {
        dialogue.tls();
        stretches.emplace_back();
      }
      ++seen[codes];
      CPPUNIT_ASSERT(!dialogue.closed);
      CPPUNIT_ASSERT_EQUAL(model.transaction, dialogue.session->in_transaction());
      CPPUNIT_ASSERT_EQUAL(model.user, !dialogue.session->user().empty());
      CPPUNIT_ASSERT_EQUAL(model.bodies.size(), dialogue.messages.size());
      if (!model.bodies.empty()) CPPUNIT_ASSERT_EQUAL(model.bodies.back(), dialogue.messages.back().body);
    }
    CPPUNIT_ASSERT_EQUAL(std::string("221"), dialogue.codes("QUIT\r\n"));
    stretches.back() += "QUIT\r\n";
    return stretches;
  }

  void random_walks() {
    Random random(5321);
    std::map<std::string, int> seen;
    constexpr size_t commands = 100000;
    for (size_t done = 0; done < commands;) {
      const Policy policy = random_policy(random);
      const size_t length = 20 + random() % 200;
      const std::vector<std::string> stretches = walk(policy, random, length, seen);
      done += length;
      if (random() % 4 != 0) continue;  // every byte alone takes its time
      const Told at_once = replay(policy, stretches, whole());
      for (const size_t size : {1, 3, 17})
        CPPUNIT_ASSERT_MESSAGE("pieces of " + std::to_string(size),
                               at_once == replay(policy, stretches, pieces_of(size)));
    }
    // The walks came everywhere.
    for (const auto* codes :
         {"",        "250",     "250 250", "250 250 250", "252",     "214",         "220",        "235",
          "334 235", "535",     "334 501", "504",         "452",     "500",         "501",        "502",
          "503",     "503 503", "530",     "530 500",     "550",     "552",         "553",        "554",
          "555",     "354 250", "354 550", "354 552",     "354 554", "354 250 250", "354 552 552"})
      CPPUNIT_ASSERT_MESSAGE(codes, seen[codes] > 0);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(WalkTest);

}  // namespace
