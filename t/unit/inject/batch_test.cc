// A batch through the one door: logged, counted and queued message by message
// when it is durable, answered on its loop; or nothing of it at all.
#include "../net/kit.h"
#include "inject/injector.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace impulse;
using telemetry::Counter;

namespace {

class InjectBatchTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(InjectBatchTest);
  CPPUNIT_TEST(each_message_is_accepted);
  CPPUNIT_TEST(what_the_logs_want);
  CPPUNIT_TEST(reports_of_a_batch_are_bounded);
  CPPUNIT_TEST(nothing_of_a_bad_batch);
  CPPUNIT_TEST(given_up);
  CPPUNIT_TEST(room_is_told_on_the_loop);
  CPPUNIT_TEST_SUITE_END();

  std::string dir_;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<spool::Spool> spool_;
  std::unique_ptr<telemetry::MailLogs> mainlog_;
  telemetry::Counters counters_;
  std::mutex mutex_;
  std::vector<inject::Accepted> queued_;
  std::function<void()> queueing_;  // called first, on the committer's thread
  std::unique_ptr<inject::Injector> injector_;

 public:
  void setUp() override {
    char name[] = "/tmp/impulse-inject-XXXXXX";
    CPPUNIT_ASSERT(::mkdtemp(name));
    dir_ = name;
    loop_ = std::move(*net::Loop::create("test"));
    spool::Settings settings;
    settings.base = dir_ + "/spool";
    settings.min_free_percent = 0;
    spool_ = std::move(*spool::Spool::open(settings, "mx1", nullptr, [](std::string_view) {}));
    mainlog_ = std::move(*telemetry::MailLogs::open({.mainlog = dir_ + "/mainlog", .jsonlog = dir_ + "/jsonlog"}));
    injector_ = std::make_unique<inject::Injector>(*spool_, *mainlog_, counters_, [this](inject::Accepted accepted) {
      if (queueing_) queueing_();
      const std::lock_guard lock(mutex_);
      queued_.push_back(std::move(accepted));
    });
  }
  void tearDown() override {
    spool_.reset();
    injector_.reset();
    mainlog_.reset();
    loop_.reset();
    std::filesystem::remove_all(dir_);
  }

 private:
  static spool::Incoming message(const std::string& body, size_t recipients = 1) {
    spool::Incoming incoming;
    incoming.envelope.sender = "sender@example.com";
    for (size_t i = 0; i < recipients; ++i)
      incoming.envelope.recipients.push_back({"user" + std::to_string(i) + "@example.net"});
    incoming.envelope.received = wall_now();
    incoming.trace = "Received: by mx1 id ;\r\n";
    incoming.id_offset = 20;
    incoming.body.append(body);
    return incoming;
  }
  std::unique_ptr<inject::Batch> begin() {
    auto batch = injector_->begin_batch("ECSTREAM", *loop_);
    CPPUNIT_ASSERT(batch.has_value());
    return std::move(*batch);
  }
  Result<std::vector<MessageId>> commit(inject::Batch& batch, std::optional<spool::Receipt> receipt = std::nullopt) {
    std::optional<Result<std::vector<MessageId>>> answer;
    batch.commit(std::move(receipt), [&](auto ids) { answer = std::move(ids); });
    net::test::run_until(*loop_, [&] { return answer.has_value(); }, "an answer");
    return std::move(*answer);
  }
  // Receptions in the log.
  size_t logged() {
    mainlog_.reset();  // all is written then
    std::ifstream file(dir_ + "/mainlog");
    size_t lines = 0;
    for (std::string line; std::getline(file, line);) lines += line.find("ecstream") != line.npos ? 1 : 0;
    return lines;
  }
  int64_t count(Counter counter) const { return counters_.value(counter); }

  void each_message_is_accepted() {
    auto batch = begin();
    CPPUNIT_ASSERT(batch->add(message("first", 2)));
    CPPUNIT_ASSERT(batch->add(message("the second")));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, batch->size());
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, count(Counter::messages_received));
    const WallTime soon = wall_now() + std::chrono::hours(1);
    const auto ids = commit(*batch, spool::Receipt{"stream", "7", "2", soon});
    CPPUNIT_ASSERT(ids.has_value());
    CPPUNIT_ASSERT_EQUAL(size_t{2}, ids->size());
    CPPUNIT_ASSERT_EQUAL(std::string("2"), (*injector_->receipt("stream", "7"))->value);
    CPPUNIT_ASSERT(!*injector_->receipt("stream", "8"));
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, count(Counter::messages_received));
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, count(Counter::recipients_received));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, queued_.size());
    for (size_t i = 0; i < 2; ++i) {
      CPPUNIT_ASSERT(queued_[i].id == (*ids)[i]);
      const auto stored = spool_->read(queued_[i].id);
      CPPUNIT_ASSERT(stored->envelope == *queued_[i].envelope);
      CPPUNIT_ASSERT_EQUAL(stored->size(), queued_[i].size);
    }
    CPPUNIT_ASSERT_EQUAL(size_t{3}, logged());
  }

  // By both ways in: a batch, and alone.
  void what_the_logs_want() {
    const std::string report =
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\nSubject: it failed\r\n\r\n--b\r\n"
        "Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; x@y.example\r\nAction: failed\r\n";
    mainlog_->choose({{"subject"}, {}});
    mainlog_->read_reports([](std::string_view domain) { return domain == "example.net"; });
    auto batch = begin();
    CPPUNIT_ASSERT(batch->add(message(report)));
    CPPUNIT_ASSERT(batch->add(message("Subject: plain\r\n\r\n")));
    CPPUNIT_ASSERT(commit(*batch));
    for (const char* protocol : {"ESMTP", "INTERNAL", "IMPORT"}) {
      bool answered = false;
      injector_->submit(message(report), protocol, *loop_,
                        [&](const Result<MessageId>& id) { answered = id.has_value(); });
      net::test::run_until(*loop_, [&] { return answered; }, "an answer");
    }
    CPPUNIT_ASSERT_EQUAL(size_t{5}, queued_.size());
    const std::pair<const char*, const char*> expected[] = {{"ECSTREAM", "it failed"},
                                                            {"ECSTREAM", "plain"},
                                                            {"ESMTP", "it failed"},
                                                            {"INTERNAL", "it failed"},
                                                            {"IMPORT", "it failed"}};
    for (size_t i = 0; i < 5; ++i) {
      const message::Envelope envelope = spool_->summary(queued_[i].id)->envelope;
      CPPUNIT_ASSERT_EQUAL(std::string(expected[i].first), envelope.protocol);
      CPPUNIT_ASSERT_EQUAL(size_t{1}, envelope.headers.size());
      CPPUNIT_ASSERT_EQUAL(std::string(expected[i].second), envelope.headers[0].second);
    }
    mainlog_->flush();
    std::ifstream file(dir_ + "/jsonlog");
    size_t told = 0;
    for (std::string line; std::getline(file, line);) told += line.starts_with("{\"type\":\"OOB\"") ? 1 : 0;
    CPPUNIT_ASSERT_EQUAL(size_t{2}, told);  // not what we report ourselves, nor again what is imported
  }

  // A batch is in the spool while it grows, but for what the logs want.
  void reports_of_a_batch_are_bounded() {
    std::string report =
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; x@y.example\r\nAction: failed\r\n"
        "\r\n--b\r\n\r\n";
    report.resize(200000, 'x');  // of which 128 KiB would be read
    mainlog_->read_reports([](std::string_view domain) { return domain == "example.net"; });
    auto batch = begin();
    for (int i = 0; i < 130; ++i) CPPUNIT_ASSERT(batch->add(message(report)));
    CPPUNIT_ASSERT(commit(*batch));
    mainlog_->flush();
    std::ifstream file(dir_ + "/jsonlog");
    size_t told = 0;
    for (std::string line; std::getline(file, line);) told += line.starts_with("{\"type\":\"OOB\"") ? 1 : 0;
    CPPUNIT_ASSERT_EQUAL(size_t{128}, told);
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, mainlog_->writers().at(1).second->status().dropped);
  }

  void nothing_of_a_bad_batch() {
    auto batch = begin();
    CPPUNIT_ASSERT(batch->add(message("good")));
    CPPUNIT_ASSERT(!batch->add(message("to nobody", 0)));
    const auto ids = commit(*batch, spool::Receipt{"stream", "7", "2", wall_now() + std::chrono::hours(1)});
    CPPUNIT_ASSERT(!ids && ids.error().code == Errc::invalid);
    CPPUNIT_ASSERT(!*injector_->receipt("stream", "7"));
    CPPUNIT_ASSERT(queued_.empty());
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, count(Counter::messages_received));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, count(Counter::spool_failures));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, logged());
  }

  void given_up() {
    CPPUNIT_ASSERT(begin()->add(message("x")));
    auto batch = begin();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, commit(*batch)->size());
    CPPUNIT_ASSERT(queued_.empty());
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool_->status().messages);
  }

  // The committer is held with another message, so that nothing is written meanwhile.
  void room_is_told_on_the_loop() {
    std::latch held(1);
    std::latch go(1);
    queueing_ = [&, first = true]() mutable {
      if (!std::exchange(first, false)) return;
      held.count_down();
      go.wait();
    };
    auto other = begin();
    CPPUNIT_ASSERT(other->add(message("x")));
    bool answered = false;
    other->commit(std::nullopt, [&](const auto& ids) { answered = ids.has_value(); });
    held.wait();
    auto batch = begin();
    size_t added = 0;
    for (const std::string body(300000, 'x'); added < 100 && !batch->full(); ++added) (void)batch->add(message(body));
    const bool full = batch->full();
    bool told = false;
    batch->on_room([&] { told = true; });
    const bool within_the_call = told;
    go.count_down();  // before what may throw
    CPPUNIT_ASSERT(full);
    CPPUNIT_ASSERT(!within_the_call);
    net::test::run_until(*loop_, [&] { return told; }, "room");
    CPPUNIT_ASSERT(answered);
    CPPUNIT_ASSERT(!batch->full());
    told = false;
    batch->on_room([&] { told = true; });
    CPPUNIT_ASSERT(!told);  // though there is room: never within the call
    CPPUNIT_ASSERT_EQUAL(added, commit(*batch)->size());
    CPPUNIT_ASSERT(!told);  // it was committed
    CPPUNIT_ASSERT_EQUAL(added + 1, queued_.size());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(InjectBatchTest);

}  // namespace
