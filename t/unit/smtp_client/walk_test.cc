// Servers that answer at random: whatever they say, each job ends exactly
// once, with one reply a recipient, a positive one only for what was taken,
// and the wire stays well-formed.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

#include <random>

using namespace smtp_client_test;

namespace {

class RandomServer : public ClientHost {
 public:
  RandomServer(unsigned seed, TlsUse tls, size_t cut, bool lmtp)
      : random_(seed), cut_(cut), session_(with(tls, lmtp, seed), ClientTimeouts{}, *this) {
    session_.start(out_);
  }

  void run() {
    for (int step = 0; step < 60 && out_.next != ClientNext::close; ++step) {
      if (out_.next == ClientNext::start_tls) {
        if (pick(4) == 0) {
          session_.tls_failed("no", out_);
        } else {
          session_.tls_started(out_, pick(2) == 0);
        }
        continue;
      }
      if (out_.next == ClientNext::idle && in_job_) CPPUNIT_FAIL("idle with a job in progress");
      if (out_.more && pick(3) != 0) {
        const size_t piece = 1 + pick(rest_.size());
        session_.more(rest_.substr(0, piece), out_);
        rest_.remove_prefix(piece);
        continue;
      }
      CPPUNIT_ASSERT(!out_.more || !rest_.empty());
      say(reply());
    }
    if (pick(2) == 0) session_.lost("the end");
    check_wire();
    if (out_.next == ClientNext::close) CPPUNIT_ASSERT(!in_job_);
  }

  void ready() override {
    CPPUNIT_ASSERT(!in_job_);
    if (pick(5) == 0) return session_.quit(out_);
    Job job = smtp_client_test::job({}, bodies_[pick(bodies_.size())]);
    for (size_t i = pick(4); i > 0; --i) job.recipients.push_back({pick(6) == 0 ? "bad >@x" : "r@x"});
    job.body_type = static_cast<message::BodyType>(pick(3));
    job.smtputf8 = pick(3) == 0;
    job.require_tls = pick(8) == 0;
    job.client = {std::string(pick(2) * 300, 'n'), {}, {}, {}, "h" + std::to_string(pick(3)), std::string(250, 'u')};
    job.deliver_by = {pick(3) == 0 ? job.now + std::chrono::seconds(pick(100)) : WallTime{}, pick(2) == 0 ? 'R' : 'N',
                      false};
    binary_ = job.body_type == message::BodyType::binary_mime;
    if (binary_) job.body = "Subject: x\r\n\r\nclean\r\n";  // no lone line end of its own, for check_wire()
    rest_ = {};
    if (pick(2) == 0) {
      rest_ = job.body.substr(pick(job.body.size() + 1));
      job.measured = measure({}, job.body);
      job.rest = rest_.size();
      job.body.remove_suffix(rest_.size());
    }
    expected_replies_ = job.recipients.size();
    in_job_ = true;
    session_.send(job, out_);
  }
  void job_done(std::vector<Reply> replies) override {
    CPPUNIT_ASSERT(in_job_);
    in_job_ = false;
    CPPUNIT_ASSERT_EQUAL(expected_replies_, replies.size());
    for (const auto& reply : replies) {
      CPPUNIT_ASSERT(reply.code == 0 || reply.code == Reply::not_tried || (reply.code >= 200 && reply.code < 600));
      CPPUNIT_ASSERT(reply.code / 100 != 3);
      // Taken: only by the answer behind a message's end.
      if (reply.positive())
        CPPUNIT_ASSERT(rest_.empty() && session_.state() != "mail" &&
                       out_.bytes.ends_with(binary_ ? "clean\r\n" : "\r\n.\r\n"));
    }
  }
  void failed(const Reply&) override {
    CPPUNIT_ASSERT(!in_job_);
    CPPUNIT_ASSERT_EQUAL(0, failures_++);
  }

 private:
  static ClientSettings with(TlsUse tls, bool lmtp, unsigned seed) {
    ClientSettings made = settings(tls);
    made.lmtp = lmtp;
    if (seed % 7 == 0) made.login = ClientLogin{{"PLAIN", "LOGIN"}, "alice", "secret", seed % 2 == 0};
    made.xclient = static_cast<XclientUse>(seed % 11 % 3);
    return made;
  }
  size_t pick(size_t below) { return random_() % below; }

  std::string reply() {
    static const std::string odd[] = {"250",       "421 bye\r\n", "\r\n",         "250 a\r\n250 b\r\n",
                                      "354 x\r\n", "250-x\r\n",   "999 what\r\n", "250 no cr\n",
                                      "220 x\r\n", "550 no\r\n",  "221 x\r\n",    "250-x\r\n251 y\r\n"};
    if (pick(8) == 0) return odd[pick(std::size(odd))];
    const std::string_view state = session_.state();
    if (state == "banner" || state == "starttls") return "220 x\r\n";
    if (state == "ehlo") {
      std::vector<std::string> keywords = {"SIZE"};
      if (pick(2) == 0) keywords.push_back("PIPELINING");
      if (pick(2) == 0) keywords.push_back("8BITMIME");
      if (pick(3) == 0) keywords.push_back("STARTTLS");
      for (const char* other : {"SMTPUTF8", "DSN", "CHUNKING", "BINARYMIME", "REQUIRETLS", "DELIVERBY 20",
                                "AUTH PLAIN LOGIN", "XCLIENT NAME HELO LOGIN"})
        if (pick(2) == 0) keywords.push_back(other);
      return Dialogue::ehlo(keywords);
    }
    if (state == "auth" && pick(4) != 0) return pick(2) == 0 ? "235 yes\r\n" : "334 YQ==\r\n";
    if (state == "xclient" && pick(4) != 0) return "220 again\r\n";
    if (state == "data") return pick(4) == 0 ? "451 no\r\n" : "354 go\r\n";
    return pick(4) == 0 ? "550 no\r\n" : "250 ok\r\n";
  }

  void say(std::string_view bytes) {
    while (!bytes.empty()) {
      const size_t piece = cut_ == 0 ? bytes.size() : std::min(cut_, bytes.size());
      CPPUNIT_ASSERT(session_.feed(bytes.substr(0, piece), out_) <= piece);
      bytes.remove_prefix(piece);
    }
  }

  void check_wire() const {
    const std::string& wire = out_.bytes;
    // A message that never came to its end stops anywhere.
    const bool open = !rest_.empty();
    for (size_t i = 0; i < wire.size(); ++i) {
      if (open && i + 1 == wire.size()) break;
      if (wire[i] == '\r') CPPUNIT_ASSERT(i + 1 < wire.size() && wire[i + 1] == '\n');
      if (wire[i] == '\n') CPPUNIT_ASSERT(i > 0 && wire[i - 1] == '\r');
    }
    CPPUNIT_ASSERT(wire.empty() || open || wire.ends_with("\r\n"));
  }

  std::mt19937 random_;
  size_t cut_;
  ClientOutput out_;
  ClientSession session_;
  bool in_job_ = false;
  bool binary_ = false;
  std::string_view rest_;
  int failures_ = 0;
  size_t expected_replies_ = 0;
  const std::vector<std::string_view> bodies_ = {"", ".", "a\n.\nb\r", "Subject: x\r\n\r\n.\r\n\xC3\xA4\r\n",
                                                 "\r\r\n\n"};
};

}  // namespace

class ClientWalkTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ClientWalkTest);
  CPPUNIT_TEST(random_servers);
  CPPUNIT_TEST_SUITE_END();

  void random_servers() {
    for (unsigned seed = 0; seed < 6000; ++seed) {
      RandomServer server(seed, static_cast<TlsUse>(seed % 3), seed % 4 == 3 ? 1 : 0, seed % 5 == 4);
      server.run();
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ClientWalkTest);
