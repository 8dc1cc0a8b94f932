// Bodies: line ends, limits, and what goes to the disk, in any pieces.
#include "message/body_receiver.h"

#include "sink.h"

#include <cppunit/extensions/HelperMacros.h>

#include <iterator>
#include <optional>
#include <random>
#include <string>

using namespace impulse;
using namespace impulse::message;
using message_test::CountingSink;

namespace {

using Verdict = BodyReceiver::Verdict;

class BodyTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(BodyTest);
  CPPUNIT_TEST(line_ends);
  CPPUNIT_TEST(any_pieces);
  CPPUNIT_TEST(limits);
  CPPUNIT_TEST(large_bodies);
  CPPUNIT_TEST(what_is_kept);
  CPPUNIT_TEST_SUITE_END();

  struct Outcome {
    Verdict verdict = Verdict::good;
    std::string body;
    uint64_t rest = 0;
    uint64_t longest = 0;
  };

  int sinks = 0;

  Outcome receive(std::string_view bytes, const BodyRules& rules, bool binary, size_t piece,
                  std::optional<Errc> failure = std::nullopt) {
    BodyReceiver body(rules, binary, [&]() -> Result<std::unique_ptr<BodySink>> {
      return std::make_unique<CountingSink>(sinks, failure);
    });
    for (size_t at = 0; at < bytes.size(); at += piece) body.feed(bytes.substr(at, piece));
    body.finish();
    CPPUNIT_ASSERT_EQUAL(uint64_t{bytes.size()}, body.came());
    BodyKeeper& kept = body.kept();
    Outcome outcome{kept.verdict(), {}, 0, kept.longest_line()};
    if (auto rest = kept.take_rest()) outcome.rest = rest->size();
    outcome.body = kept.take_body().to_string();
    return outcome;
  }

  void line_ends() {
    BodyRules rules;
    const auto text = [&](std::string_view bytes) { return receive(bytes, rules, false, 1000); };
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\n"), text("a").body);
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\n"), text("a\r\n").body);
    CPPUNIT_ASSERT_EQUAL(std::string("\r\n"), text("").body);
    CPPUNIT_ASSERT_EQUAL(std::string("A: b\r\n\r\n.\r\n..\r\n"), text("A: b\r\n\r\n.\r\n..").body);  // dots are dots
    CPPUNIT_ASSERT(text("a\nb\r\n").verdict == Verdict::lone_lf);
    CPPUNIT_ASSERT(text("a\rb\r\n").verdict == Verdict::lone_lf);
    CPPUNIT_ASSERT(text("a\r").verdict == Verdict::lone_lf);
    CPPUNIT_ASSERT(text("a\r\r\n").verdict == Verdict::lone_lf);
    rules.lone_lf_body = rules.lone_lf_headers = LoneLf::fix;
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\nb\r\n\r\nc\r\n"), text("a\nb\r\r\nc\n").body);
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\n"), text("a\r").body);
    rules.lone_lf_body = rules.lone_lf_headers = LoneLf::ignore;
    CPPUNIT_ASSERT_EQUAL(std::string("a\nb\r\r\n"), text("a\nb\r").body);
    CPPUNIT_ASSERT_EQUAL(std::string("a\n\r\n"), text("a\n").body);
    rules = {};
    rules.lone_lf_body = LoneLf::fix;  // the header is judged by itself
    CPPUNIT_ASSERT(text("A: b\nC: d\r\n\r\nx\ny").verdict == Verdict::lone_lf);
    CPPUNIT_ASSERT_EQUAL(std::string("A: b\r\n\r\nx\r\ny\r\n"), text("A: b\r\n\r\nx\ny").body);
    CPPUNIT_ASSERT_EQUAL(std::string("a\n\r"), receive("a\n\r", rules, true, 1000).body);  // binary
  }

  void any_pieces() {
    std::minstd_rand random(7);
    const std::string_view alphabet[] = {"\r", "\n", "\r\n", "a", ": ", "Received: x", ".", "\r\n\r\n", "long text "};
    for (int round = 0; round < 400; ++round) {
      BodyRules rules;
      rules.lone_lf_body = static_cast<LoneLf>(random() % 3);
      rules.lone_lf_headers = static_cast<LoneLf>(random() % 3);
      rules.max_message_size = random() % 3 == 0 ? 40 : 0;
      rules.max_received_headers = 2;
      rules.large_message = random() % 2 == 0 ? 20 : 1000;
      rules.fixups.long_lines = static_cast<LongLines>(random() % 3);
      std::string bytes;
      for (unsigned n = random() % 20; n > 0; --n) bytes += alphabet[random() % std::size(alphabet)];
      const bool binary = random() % 5 == 0;
      const Outcome whole = receive(bytes, rules, binary, 1000);
      for (const size_t piece : {1, 2, 3, 17}) {
        Outcome other = receive(bytes, rules, binary, piece);
        CPPUNIT_ASSERT(whole.verdict == other.verdict);
        if (whole.verdict == Verdict::good && !binary) CPPUNIT_ASSERT_EQUAL(whole.longest, other.longest);
        // Where the disk begins is not told.
        CPPUNIT_ASSERT_EQUAL(whole.body.size() + whole.rest, other.body.size() + other.rest);
        if (whole.rest == 0 && other.rest == 0) CPPUNIT_ASSERT_EQUAL(whole.body, other.body);
      }
      if (whole.verdict == Verdict::good && !binary && whole.rest == 0) CPPUNIT_ASSERT(whole.body.ends_with("\r\n"));
    }
    CPPUNIT_ASSERT_EQUAL(0, sinks);
  }

  void limits() {
    BodyRules rules;
    rules.max_message_size = 10;
    CPPUNIT_ASSERT(receive("A: 45678\r\n", rules, false, 3).verdict == Verdict::good);
    CPPUNIT_ASSERT(receive("A: 456789\r\n", rules, false, 3).verdict == Verdict::too_big);
    CPPUNIT_ASSERT(receive("A: 4567890", rules, false, 3).verdict == Verdict::too_big);  // with its CRLF
    rules = {};
    std::string header;
    while (header.size() < (size_t{1} << 20)) header += "X: " + std::string(900, 'x') + "\r\n";
    CPPUNIT_ASSERT(receive(header, rules, false, 5000).verdict == Verdict::header_too_big);
    rules.max_received_headers = 0;
    std::string loop;
    for (int n = 0; n < 500; ++n) loop += "Received: x\r\n";
    CPPUNIT_ASSERT(receive(loop, rules, false, 5000).verdict == Verdict::good);
  }

  void large_bodies() {
    BodyRules rules;
    rules.large_message = 1000;
    const std::string bytes = "A: b\r\n\r\n" + std::string(5000, 'x') + "\r\n";
    const Outcome outcome = receive(bytes, rules, false, 100);
    CPPUNIT_ASSERT(outcome.body.size() <= 1000 && outcome.body.size() + outcome.rest == bytes.size());
    CPPUNIT_ASSERT(receive(bytes, rules, false, 100, Errc::no_space).verdict == Verdict::no_space);
    CPPUNIT_ASSERT(receive(bytes, rules, false, 100, Errc::no_files).verdict == Verdict::no_files);
    CPPUNIT_ASSERT(receive(bytes, rules, false, 100, Errc::io).verdict == Verdict::trouble);
    rules.fixups.long_lines = LongLines::wrap;  // that needs memory
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, receive(bytes, rules, false, 100).rest);
    CPPUNIT_ASSERT_EQUAL(0, sinks);
  }

  // A protocol that finds the ends of lines itself hands them to the keeper.
  void what_is_kept() {
    BodyRules rules;
    rules.lone_lf_headers = LoneLf::fix;
    rules.lone_lf_body = LoneLf::ignore;
    rules.fixups.long_lines = LongLines::reject;
    BodyKeeper keeper(rules, nullptr);
    keeper.keep("A: b\r\nTLS-Required: No");
    CPPUNIT_ASSERT(keeper.lone('\n') == LoneLf::fix);
    keeper.keep("\r\n");
    CPPUNIT_ASSERT(keeper.lone('\n') == LoneLf::ignore);
    keeper.keep("the longest line of all\r\nx");
    keeper.finish();
    CPPUNIT_ASSERT(keeper.header().tls_optional);
    CPPUNIT_ASSERT_EQUAL(uint64_t{23}, keeper.longest_line());
    CPPUNIT_ASSERT_EQUAL(keeper.size(), uint64_t{keeper.body().size()});
    CPPUNIT_ASSERT_EQUAL(std::string("A: b\r\nTLS-Required: No\r\n\r\n\nthe longest line of all\r\nx"),
                         keeper.take_body().to_string());
    CPPUNIT_ASSERT(keeper.body().empty() && keeper.take_rest() == nullptr);
    // Of a message that is refused nothing is kept.
    rules.lone_lf_headers = LoneLf::pedantic;
    BodyKeeper strict(rules, nullptr);
    strict.keep("A: b\r\n");
    CPPUNIT_ASSERT(strict.lone('\r') == LoneLf::pedantic);
    strict.keep("C: d\r\n");
    CPPUNIT_ASSERT(strict.verdict() == Verdict::lone_lf && strict.size() == 0);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BodyTest);

}  // namespace
