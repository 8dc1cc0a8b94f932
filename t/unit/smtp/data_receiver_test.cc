// Message data: framing, dots, lone CRs and LFs, limits; against a slow model
// that works on the whole input at once.
#include "smtp/data_receiver.h"

#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

#include <map>
#include <random>

using namespace smtp_test;
using namespace std::string_literals;

namespace {

using Verdict = DataReceiver::Verdict;
using LoneLf = Policy::LoneLf;

struct Outcome {
  Verdict verdict = Verdict::good;
  std::string body;
  size_t used = 0;
  bool done = false;
};

std::string show(const Outcome& outcome) {
  return std::to_string(static_cast<int>(outcome.verdict)) + (outcome.done ? " done " : " open ") +
         std::to_string(outcome.used) + " " + escape_line(outcome.body);
}

Outcome receive(const Policy& policy, std::string_view input, Cutting cutting) {
  DataReceiver receiver;
  receiver.begin(policy);
  Outcome outcome;
  while (!input.empty() && !receiver.done()) {
    const std::string_view piece = input.substr(0, std::min(cutting(input.size()), input.size()));
    const size_t used = receiver.feed(piece);
    CPPUNIT_ASSERT(used == piece.size() || receiver.done());
    outcome.used += used;
    input.remove_prefix(used);
  }
  outcome.verdict = receiver.verdict();
  outcome.done = receiver.done();
  outcome.body = receiver.take_body().to_string();
  return outcome;
}

// The model: what is kept so far decides about everything.
class Model {
 public:
  explicit Model(const Policy& policy) : policy_(policy) {}

  Outcome run(std::string_view input) {
    Outcome outcome;
    size_t end = input.starts_with(".\r\n") ? 0 : input.find("\r\n.\r\n");
    outcome.done = end != std::string_view::npos;
    if (outcome.done) {
      if (end != 0 || !input.starts_with(".\r\n")) end += 2;
      outcome.used = end + 3;
      input = input.substr(0, end);
    } else {
      outcome.used = input.size();
    }
    while (!input.empty()) {
      const size_t crlf = input.find("\r\n");
      CPPUNIT_ASSERT(crlf != std::string_view::npos);
      std::string_view line = input.substr(0, crlf);
      input.remove_prefix(crlf + 2);
      if (line.starts_with('.')) line.remove_prefix(1);
      for (const char c : line) {
        if (c != '\r' && c != '\n') {
          keep(c);
          continue;
        }
        const LoneLf lone = in_header() ? policy_.lone_lf_headers : policy_.lone_lf_body;
        if (lone == LoneLf::pedantic) refuse(Verdict::lone_lf);
        if (lone == LoneLf::ignore) keep(c);
        if (lone == LoneLf::fix) crlf_();
      }
      crlf_();
    }
    outcome.verdict = verdict_;
    outcome.body = verdict_ == Verdict::good ? kept_ : "";
    return outcome;
  }

 private:
  bool in_header() const {
    return !kept_.starts_with("\r\n") && !kept_.starts_with("\n") && !kept_.contains("\n\r\n") &&
           !kept_.contains("\n\n");
  }
  void crlf_() {
    keep('\r');
    keep('\n');
  }
  void keep(char c) {
    if (verdict_ != Verdict::good) return;
    const bool header = in_header();
    kept_ += c;
    if (policy_.max_message_size != 0 && kept_.size() > policy_.max_message_size) return refuse(Verdict::too_big);
    if (header && c == ':') {
      const size_t start = kept_.rfind('\n') + 1;
      std::string name = lower(kept_.substr(start, kept_.size() - start - 1));
      while (name.size() > 8 && (name.back() == ' ' || name.back() == '\t')) name.pop_back();
      if (name == "received" && ++received_ > policy_.max_received_headers) refuse(Verdict::loop);
    }
  }
  void refuse(Verdict verdict) {
    if (verdict_ == Verdict::good) verdict_ = verdict;
  }

  const Policy& policy_;
  std::string kept_;
  Verdict verdict_ = Verdict::good;
  uint32_t received_ = 0;
};

Policy with(LoneLf headers, LoneLf body) {
  Policy policy;
  policy.lone_lf_headers = headers;
  policy.lone_lf_body = body;
  return policy;
}

void expect_everywhere(const Policy& policy, const std::string& input, const Outcome& expected) {
  const Outcome at_once = receive(policy, input, whole());
  CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), show(expected), show(at_once));
  CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), show(expected), show(receive(policy, input, bytes())));
  for (unsigned seed = 1; seed < 6; ++seed)
    CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), show(expected), show(receive(policy, input, random_cuts(seed))));
  // Cut once, at every place.
  if (input.size() > 200) return;
  for (size_t cut = 1; cut < input.size(); ++cut) {
    bool first = true;
    const Outcome outcome =
        receive(policy, input, [&](size_t waiting) { return std::exchange(first, false) ? cut : waiting; });
    CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), show(expected), show(outcome));
  }
}

class DataReceiverTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(DataReceiverTest);
  CPPUNIT_TEST(ends_and_dots);
  CPPUNIT_TEST(nothing_else_ends);
  CPPUNIT_TEST(lone_line_ends);
  CPPUNIT_TEST(a_fixed_line_is_content);
  CPPUNIT_TEST(limits);
  CPPUNIT_TEST(refused_data_is_read_to_its_end);
  CPPUNIT_TEST(any_input_like_the_model);
  CPPUNIT_TEST(nothing_but_lone_bytes);
  CPPUNIT_TEST_SUITE_END();

  void ends_and_dots() {
    const std::pair<std::string, std::string> table[] = {
        {".\r\n", ""},
        {"\r\n.\r\n", "\r\n"},
        {"a\r\n.\r\n", "a\r\n"},
        {"..\r\n.\r\n", ".\r\n"},
        {"...\r\n.\r\n", "..\r\n"},
        {".x\r\n.\r\n", "x\r\n"},
        {"..x\r\n.\r\n", ".x\r\n"},
        {"a\r\n..b\r\n.\r\n", "a\r\n.b\r\n"},
        {"a\r\n...\r\n..\r\n.\r\n", "a\r\n..\r\n.\r\n"},
        {"a.\r\n.\r\n", "a.\r\n"},
        {"a\r\n. \r\n.\r\n", "a\r\n \r\n"},
        {"S: x\r\n\r\nb\0dy\r\n.\r\n"s, "S: x\r\n\r\nb\0dy\r\n"s},
        {"\0\r\n.\r\n"s, "\0\r\n"s},
        {"\xFF\xFE\r\n.\r\n", "\xFF\xFE\r\n"},
    };
    for (const LoneLf lone : {LoneLf::ignore, LoneLf::pedantic, LoneLf::fix})
      for (const auto& [input, body] : table)
        expect_everywhere(with(lone, lone), input, {Verdict::good, body, input.size(), true});
    // What stands behind the end is not taken.
    expect_everywhere(Policy(), "a\r\n.\r\nMAIL FROM:<b@c>\r\n", {Verdict::good, "a\r\n", 6, true});
    expect_everywhere(Policy(), ".\r\n.\r\n", {Verdict::good, "", 3, true});
  }

  // The forms that other servers were fooled by, each followed by a command.
  void nothing_else_ends() {
    const std::string forms[] = {
        "a\n.\n",       "a\n.\r\n",    "a\r\n.\n",   "a\r.\r",        "a\r.\r\n",      "a\r\n.\r",
        "a\r\n.\r\r\n", "a\n\n.\r\n",  "a\r\r\n.\n", "a\r\n\0.\r\n"s, "a\r\n.\0\r\n"s, "a\r\n.\r\0\n"s,
        "a\n\r.\r\n",   "a\r\n..\r\n", "a\r\n \r\n", "a\r\n.\n\r\n",  "a\r.\r\n",      "\n.\r\n",
        "\r.\r\n",      "\n.\n",       ".\n",        ".\r",           "..\r\n",        ".\0\r\n"s,
    };
    for (const LoneLf lone : {LoneLf::ignore, LoneLf::pedantic, LoneLf::fix}) {
      for (const std::string& form : forms) {
        const Policy policy = with(lone, lone);
        const std::string input = form + "MAIL FROM:<evil@x>\r\n.\r\n";
        const Outcome expected = Model(policy).run(input);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), input.size(), expected.used);
        expect_everywhere(policy, input, expected);
      }
    }
    // CR CR LF ends a line in the transfer, with a lone CR before it; what follows is the true end.
    expect_everywhere(with(LoneLf::ignore, LoneLf::ignore), "a\r\r\n.\r\n", {Verdict::good, "a\r\r\n", 7, true});
  }

  void lone_line_ends() {
    const std::string head = "S: x\r\n\r\n";
    struct Row {
      std::string input, ignored, fixed;
    };
    const Row table[] = {
        {head + "a\nb\r\n.\r\n", head + "a\nb\r\n", head + "a\r\nb\r\n"},
        {head + "a\rb\r\n.\r\n", head + "a\rb\r\n", head + "a\r\nb\r\n"},
        {head + "a\n\nb\r\n.\r\n", head + "a\n\nb\r\n", head + "a\r\n\r\nb\r\n"},
        {head + "a\r\r\n.\r\n", head + "a\r\r\n", head + "a\r\n\r\n"},
        {head + "\n.\n\r\n.\r\n", head + "\n.\n\r\n", head + "\r\n.\r\n\r\n"},
        {head + "a\n\rb\r\n.\r\n", head + "a\n\rb\r\n", head + "a\r\n\r\nb\r\n"},
    };
    for (const Row& row : table) {
      expect_everywhere(with(LoneLf::pedantic, LoneLf::ignore), row.input,
                        {Verdict::good, row.ignored, row.input.size(), true});
      expect_everywhere(with(LoneLf::pedantic, LoneLf::fix), row.input,
                        {Verdict::good, row.fixed, row.input.size(), true});
      expect_everywhere(with(LoneLf::ignore, LoneLf::pedantic), row.input,
                        {Verdict::lone_lf, "", row.input.size(), true});
    }
    // The header section has a setting of its own, up to its empty line.
    const std::string header = "A: 1\nB: 2\r\n\r\nbody\r\n.\r\n";
    expect_everywhere(with(LoneLf::pedantic, LoneLf::ignore), header, {Verdict::lone_lf, "", header.size(), true});
    expect_everywhere(with(LoneLf::fix, LoneLf::pedantic), header,
                      {Verdict::good, "A: 1\r\nB: 2\r\n\r\nbody\r\n", header.size(), true});
    const std::string both = "A: 1\n\nbo\ndy\r\n.\r\n";  // a lone LF ends the header for whoever takes it as one
    expect_everywhere(with(LoneLf::ignore, LoneLf::pedantic), both, {Verdict::lone_lf, "", both.size(), true});
    expect_everywhere(with(LoneLf::fix, LoneLf::ignore), both,
                      {Verdict::good, "A: 1\r\n\r\nbo\ndy\r\n", both.size(), true});
  }

  void a_fixed_line_is_content() {
    const Policy fix = with(LoneLf::fix, LoneLf::fix);
    const std::string input = "a\n.\r\nMAIL FROM:<evil@x>\r\n..\n..\r\n.\r\n";
    expect_everywhere(fix, input, {Verdict::good, "a\r\n.\r\nMAIL FROM:<evil@x>\r\n.\r\n..\r\n", input.size(), true});
  }

  void limits() {
    Policy policy = with(LoneLf::fix, LoneLf::pedantic);
    policy.max_message_size = 10;
    expect_everywhere(policy, "12345678\r\n.\r\n", {Verdict::good, "12345678\r\n", 13, true});
    expect_everywhere(policy, "123456789\r\n.\r\n", {Verdict::too_big, "", 14, true});
    expect_everywhere(policy, "..2345678\r\n.\r\n", {Verdict::good, ".2345678\r\n", 14, true});  // RFC 1870: unstuffed
    expect_everywhere(policy, "1\n2\n3\n4\r\n.\r\n", {Verdict::too_big, "", 12, true});          // as it is kept
    policy.max_message_size = 0;
    policy.max_received_headers = 2;
    const std::string two = "Received: a\r\nReceived: b\r\n";
    expect_everywhere(policy, two + "\r\nReceived: c\r\n.\r\n",
                      {Verdict::good, two + "\r\nReceived: c\r\n", two.size() + 18, true});
    expect_everywhere(policy, two + "Received: c\r\n.\r\n", {Verdict::loop, "", two.size() + 16, true});
    policy.max_received_headers = 0;
    expect_everywhere(policy, two + two + ".\r\n", {Verdict::good, two + two, 2 * two.size() + 3, true});
    // The first fault counts, wherever the bytes were cut.
    policy.max_received_headers = 2;
    for (uint64_t size = 20; size < 50; ++size) {
      policy.max_message_size = size;
      const std::string input = two + "Received: c\r\n\r\nlone\nlf\r\n.\r\n";
      const Outcome expected = Model(policy).run(input);
      CPPUNIT_ASSERT(expected.verdict == (size < two.size() + 9 ? Verdict::too_big : Verdict::loop));
      expect_everywhere(policy, input, expected);
    }
  }

  void refused_data_is_read_to_its_end() {
    Policy policy;
    policy.max_message_size = 100;
    DataReceiver receiver;
    receiver.begin(policy);
    const std::string block(65536, 'x');
    for (int i = 0; i < 1000; ++i) CPPUNIT_ASSERT_EQUAL(block.size(), receiver.feed(block));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, receiver.body().size());
    CPPUNIT_ASSERT(receiver.verdict() == Verdict::too_big && !receiver.done());
    for (const std::string& form : {"\n.\n"s, "\n.\r\n"s, "\r\n.\n"s, "\r.\r\n"s}) {
      receiver.feed(form);
      CPPUNIT_ASSERT_MESSAGE(escape_line(form), !receiver.done());
    }
    CPPUNIT_ASSERT_EQUAL(size_t{5}, receiver.feed("\r\n.\r\nQUIT\r\n"));
    CPPUNIT_ASSERT(receiver.done());
  }

  void any_input_like_the_model() {
    std::mt19937 random(20240607);
    const std::string tokens[] = {"\r",        "\n",         "\r\n", ".",   "\r\n.",   "a",
                                  "Received:", "received :", " ",    "\0"s, "b: c\r\n"};
    const LoneLf settings[] = {LoneLf::ignore, LoneLf::pedantic, LoneLf::fix};
    std::map<Verdict, int> seen;
    for (int round = 0; round < 6000; ++round) {
      Policy policy = with(settings[random() % 3], settings[random() % 3]);
      policy.max_message_size = random() % 2 == 0 ? 0 : random() % 60;
      policy.max_received_headers = 1 + random() % 3;
      policy.body_block = 1 + random() % 40;
      std::string input;
      for (size_t count = random() % 30; count > 0; --count) input += tokens[random() % std::size(tokens)];
      input += "\r\n.\r\ntrailing";
      const Outcome expected = Model(policy).run(input);
      ++seen[expected.verdict];
      CPPUNIT_ASSERT_EQUAL(show(expected), show(receive(policy, input, whole())));
      CPPUNIT_ASSERT_EQUAL(show(expected), show(receive(policy, input, bytes())));
      CPPUNIT_ASSERT_EQUAL(show(expected), show(receive(policy, input, random_cuts(random()))));
    }
    CPPUNIT_ASSERT_EQUAL(size_t{4}, seen.size());  // else the tokens have become too tame
  }

  // Looking for the next CR and LF again after each would take minutes here.
  void nothing_but_lone_bytes() {
    const Policy policy = with(LoneLf::ignore, LoneLf::ignore);
    for (const char c : {'\r', '\n'}) {
      const std::string input(1 << 20, c);
      DataReceiver receiver;
      receiver.begin(policy);
      CPPUNIT_ASSERT_EQUAL(input.size(), receiver.feed(input));
      CPPUNIT_ASSERT(!receiver.done());
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(DataReceiverTest);

}  // namespace
