// A scripted server and an owner for ClientSession in tests.
#pragma once

#include "smtp/client_session.h"

#include <cppunit/TestAssert.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace smtp_client_test {

using namespace impulse;
using namespace impulse::smtp;

inline ClientSettings settings(TlsUse tls = TlsUse::if_available) {
  ClientSettings made;
  made.ehlo_name = "me.example";
  made.tls = tls;
  return made;
}

// One session, its owner and the server's lines. `cut`: how many bytes are fed
// at a time; 0 is all at once.
class Dialogue : public ClientHost {
 public:
  explicit Dialogue(size_t cut = 0, ClientSettings with = settings())
      : cut_(cut), session_(std::move(with), ClientTimeouts{}, *this) {
    session_.start(out_);
  }

  // The server says; the engine takes all of it, unless it wants TLS or is at its end.
  Dialogue& server(std::string_view bytes) {
    while (!bytes.empty()) {
      const size_t piece = cut_ == 0 ? bytes.size() : std::min(cut_, bytes.size());
      session_.feed(bytes.substr(0, piece), out_);
      bytes.remove_prefix(piece);
    }
    return *this;
  }
  // What the client has said since the last call.
  Dialogue& client(std::string_view expected) {
    CPPUNIT_ASSERT_EQUAL(std::string(expected), std::exchange(out_.bytes, {}));
    return *this;
  }
  Dialogue& next(ClientNext expected) {
    CPPUNIT_ASSERT_EQUAL(static_cast<int>(expected), static_cast<int>(out_.next));
    return *this;
  }
  Dialogue& state(std::string_view expected) {
    CPPUNIT_ASSERT_EQUAL(std::string(expected), std::string(session_.state()));
    return *this;
  }
  Dialogue& secured() {
    session_.tls_started(out_);
    return *this;
  }
  Dialogue& send(const Job& job) {
    session_.send(job, out_);
    return *this;
  }
  // A piece of the job's rest, which has to be asked for.
  Dialogue& more(std::string_view piece) {
    CPPUNIT_ASSERT(out_.more);
    session_.more(piece, out_);
    return *this;
  }
  Dialogue& wants_more(bool expected) {
    CPPUNIT_ASSERT_EQUAL(expected, out_.more);
    return *this;
  }
  // Given to the session inside the next ready().
  Dialogue& on_ready(Job job) {
    waiting_.push_back(std::move(job));
    return *this;
  }
  // Up to readiness, with these EHLO keywords.
  Dialogue& greeted(const std::vector<std::string>& keywords = {}) {
    server("220 mx.example ESMTP\r\n").client("EHLO me.example\r\n");
    return server(ehlo(keywords));
  }
  static std::string ehlo(const std::vector<std::string>& keywords) {
    std::string reply = keywords.empty() ? "250 mx.example\r\n" : "250-mx.example\r\n";
    for (size_t i = 0; i < keywords.size(); ++i) {
      reply += (i + 1 == keywords.size() ? "250 " : "250-") + keywords[i] + "\r\n";
    }
    return reply;
  }

  // The replies of the only job that is done and not asked about yet: "code text" each.
  std::vector<std::string> done() {
    CPPUNIT_ASSERT_EQUAL(size_t{1}, jobs_done_.size());
    std::vector<std::string> texts;
    for (const auto& reply : jobs_done_.front()) texts.push_back(std::to_string(reply.code) + " " + reply.text);
    jobs_done_.clear();
    return texts;
  }
  Dialogue& result(const std::vector<std::string>& expected) {
    const auto actual = done();
    CPPUNIT_ASSERT_EQUAL(expected.size(), actual.size());
    for (size_t i = 0; i < expected.size(); ++i) CPPUNIT_ASSERT_EQUAL(expected[i], actual[i]);
    return *this;
  }
  const std::vector<Reply>& replies(size_t job = 0) const { return jobs_done_.at(job); }
  const Reply& failed_with() const { return failures_.at(0); }
  Dialogue& failure(const std::string& expected) {
    CPPUNIT_ASSERT_EQUAL(size_t{1}, failures_.size());
    CPPUNIT_ASSERT_EQUAL(expected, std::to_string(failures_[0].code) + " " + failures_[0].text);
    failures_.clear();
    return *this;
  }

  void ready() override {
    ++readies;
    if (waiting_.empty()) return;
    const Job job = std::move(waiting_.front());
    waiting_.pop_front();
    session_.send(job, out_);
  }
  void job_done(std::vector<Reply> replies) override {
    jobs_done_.push_back(std::move(replies));
    if (quit_when_done) session_.quit(out_);
  }
  void failed(const Reply& reason) override { failures_.push_back(reason); }

  ClientSession& session() { return session_; }
  ClientOutput& out() { return out_; }
  size_t jobs_done() const { return jobs_done_.size(); }
  size_t failures() const { return failures_.size(); }

  int readies = 0;
  bool quit_when_done = false;

 private:
  size_t cut_;
  ClientOutput out_;
  ClientSession session_;
  std::deque<Job> waiting_;
  std::vector<std::vector<Reply>> jobs_done_;
  std::vector<Reply> failures_;
};

inline Job job(std::vector<std::string> recipients = {"bob@example.net"},
               std::string_view body = "Subject: x\r\n\r\nhi\r\n") {
  Job made;
  made.sender = "alice@example.org";
  for (std::string& address : recipients) made.recipients.push_back({std::move(address)});
  made.trace = "Received: here\r\n";
  made.body = body;
  return made;
}

// The same, of which only the first `kept` bytes come with the job.
inline Job job_with_rest(std::string_view body, size_t kept,
                         std::vector<std::string> recipients = {"bob@example.net"}) {
  Job made = job(std::move(recipients), body.substr(0, kept));
  made.rest = body.size() - kept;
  made.measured = measure({}, body);
  return made;
}

}  // namespace smtp_client_test
