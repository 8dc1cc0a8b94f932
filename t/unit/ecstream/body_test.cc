// Bodies: line ends, limits, and what goes to the disk, in any pieces.
#include "support.h"

#include "ecstream/body_receiver.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace ecstream_test;

namespace {

using Verdict = BodyReceiver::Verdict;

class BodyTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(BodyTest);
  CPPUNIT_TEST(line_ends);
  CPPUNIT_TEST(any_pieces);
  CPPUNIT_TEST(limits);
  CPPUNIT_TEST(large_bodies);
  CPPUNIT_TEST(chunks_of_a_session);
  CPPUNIT_TEST_SUITE_END();

  struct Outcome {
    Verdict verdict = Verdict::good;
    std::string body;
    uint64_t rest = 0;
    uint64_t longest = 0;
  };

  int sinks = 0;

  Outcome receive(std::string_view bytes, const Policy& policy, bool binary, size_t piece,
                  std::optional<Errc> failure = std::nullopt) {
    BodyReceiver body(policy, binary, [&]() -> Result<std::unique_ptr<message::BodySink>> {
      return std::make_unique<CountingSink>(sinks, failure);
    });
    for (size_t at = 0; at < bytes.size(); at += piece) body.feed(bytes.substr(at, piece));
    body.finish();
    CPPUNIT_ASSERT_EQUAL(uint64_t{bytes.size()}, body.came());
    Outcome outcome{body.verdict(), {}, 0, body.longest_line()};
    if (auto rest = body.take_rest()) outcome.rest = rest->size();
    outcome.body = body.take_body().to_string();
    return outcome;
  }

  void line_ends() {
    Policy policy;
    const auto text = [&](std::string_view bytes) { return receive(bytes, policy, false, 1000); };
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\n"), text("a").body);
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\n"), text("a\r\n").body);
    CPPUNIT_ASSERT_EQUAL(std::string("\r\n"), text("").body);
    CPPUNIT_ASSERT_EQUAL(std::string("A: b\r\n\r\n.\r\n..\r\n"), text("A: b\r\n\r\n.\r\n..").body);  // dots are dots
    CPPUNIT_ASSERT(text("a\nb\r\n").verdict == Verdict::lone_lf);
    CPPUNIT_ASSERT(text("a\rb\r\n").verdict == Verdict::lone_lf);
    CPPUNIT_ASSERT(text("a\r").verdict == Verdict::lone_lf);
    CPPUNIT_ASSERT(text("a\r\r\n").verdict == Verdict::lone_lf);
    policy.lone_lf_body = policy.lone_lf_headers = Policy::LoneLf::fix;
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\nb\r\n\r\nc\r\n"), text("a\nb\r\r\nc\n").body);
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\n"), text("a\r").body);
    policy.lone_lf_body = policy.lone_lf_headers = Policy::LoneLf::ignore;
    CPPUNIT_ASSERT_EQUAL(std::string("a\nb\r\r\n"), text("a\nb\r").body);
    CPPUNIT_ASSERT_EQUAL(std::string("a\n\r\n"), text("a\n").body);
    policy = {};
    policy.lone_lf_body = Policy::LoneLf::fix;  // the header is judged by itself
    CPPUNIT_ASSERT(text("A: b\nC: d\r\n\r\nx\ny").verdict == Verdict::lone_lf);
    CPPUNIT_ASSERT_EQUAL(std::string("A: b\r\n\r\nx\r\ny\r\n"), text("A: b\r\n\r\nx\ny").body);
    CPPUNIT_ASSERT_EQUAL(std::string("a\n\r"), receive("a\n\r", policy, true, 1000).body);  // binary
  }

  void any_pieces() {
    std::minstd_rand random(7);
    const std::string_view alphabet[] = {"\r", "\n", "\r\n", "a", ": ", "Received: x", ".", "\r\n\r\n", "long text "};
    for (int round = 0; round < 400; ++round) {
      Policy policy;
      policy.lone_lf_body = static_cast<Policy::LoneLf>(random() % 3);
      policy.lone_lf_headers = static_cast<Policy::LoneLf>(random() % 3);
      policy.max_message_size = random() % 3 == 0 ? 40 : 0;
      policy.max_received_headers = 2;
      policy.large_message = random() % 2 == 0 ? 20 : 1000;
      policy.fixups.long_lines = static_cast<message::LongLines>(random() % 3);
      std::string bytes;
      for (unsigned n = random() % 20; n > 0; --n) bytes += alphabet[random() % std::size(alphabet)];
      const bool binary = random() % 5 == 0;
      const Outcome whole = receive(bytes, policy, binary, 1000);
      for (const size_t piece : {1, 2, 3, 17}) {
        Outcome other = receive(bytes, policy, binary, piece);
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
    Policy policy;
    policy.max_message_size = 10;
    CPPUNIT_ASSERT(receive("A: 45678\r\n", policy, false, 3).verdict == Verdict::good);
    CPPUNIT_ASSERT(receive("A: 456789\r\n", policy, false, 3).verdict == Verdict::too_big);
    CPPUNIT_ASSERT(receive("A: 4567890", policy, false, 3).verdict == Verdict::too_big);  // with its CRLF
    policy = {};
    std::string header;
    while (header.size() < (size_t{1} << 20)) header += "X: " + std::string(900, 'x') + "\r\n";
    CPPUNIT_ASSERT(receive(header, policy, false, 5000).verdict == Verdict::header_too_big);
    policy.max_received_headers = 0;
    std::string loop;
    for (int n = 0; n < 500; ++n) loop += "Received: x\r\n";
    CPPUNIT_ASSERT(receive(loop, policy, false, 5000).verdict == Verdict::good);
  }

  void large_bodies() {
    Policy policy;
    policy.large_message = 1000;
    const std::string bytes = "A: b\r\n\r\n" + std::string(5000, 'x') + "\r\n";
    const Outcome outcome = receive(bytes, policy, false, 100);
    CPPUNIT_ASSERT(outcome.body.size() <= 1000 && outcome.body.size() + outcome.rest == bytes.size());
    CPPUNIT_ASSERT(receive(bytes, policy, false, 100, Errc::no_space).verdict == Verdict::no_space);
    CPPUNIT_ASSERT(receive(bytes, policy, false, 100, Errc::io).verdict == Verdict::trouble);
    policy.fixups.long_lines = message::LongLines::wrap;  // that needs memory
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, receive(bytes, policy, false, 100).rest);
    CPPUNIT_ASSERT_EQUAL(0, sinks);
  }

  // 20 MB through a session that holds a few hundred KB.
  void chunks_of_a_session() {
    Store store;
    Server server(store);
    server.feed(start() + msg(1, head(), "A: b\r\n\r\n", flag::more));
    const std::string line = std::string(998, 'x') + "\r\n";
    std::string part;
    for (int n = 0; n < 200; ++n) part += line;
    for (int n = 0; n < 100; ++n) {
      server.feed(chunk(1, part, flag::more));
      CPPUNIT_ASSERT(server.session->held() < 700000);
    }
    server.feed(chunk(1, ""));
    CPPUNIT_ASSERT(server.said().ends_with("ACK 1\n"));
    CPPUNIT_ASSERT(store.kept.back().body.ends_with(" more]"));
    // A refusal comes at once, and what is left is read and thrown away.
    server.disk_failure = Errc::no_space;
    server.feed(msg(2, head(), "A: b\r\n\r\n", flag::more) + chunk(2, part, flag::more));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 2 452 4.3.1\n"), server.said());
    server.feed(chunk(2, part, flag::more) + chunk(2, part) + msg(3));
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 3\n"), server.said());
    CPPUNIT_ASSERT_EQUAL(0, server.sinks);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, server.abandoned_);
    // Without a disk it is memory.
    server.no_disk = true;
    server.feed(msg(4, head(), "A: b\r\n\r\n", flag::more) + chunk(4, part));
    CPPUNIT_ASSERT_EQUAL(part.size() + 8, store.kept.back().body.size());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BodyTest);

}  // namespace
