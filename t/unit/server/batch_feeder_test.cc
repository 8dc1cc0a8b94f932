// A batch on its way into a queue that is too full for it.
#include "server/batch_feeder.h"
#include "../config/kit.h"
#include "../net/kit.h"
#include "server/admission.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <vector>

using namespace impulse;
using namespace impulse::server;

namespace {

// A spool whose queue is too full so often, or that has no room.
class FullSpool final : public spool::Spool {
 public:
  explicit FullSpool(std::unique_ptr<spool::Spool> real) : real_(std::move(real)) {}
  Result<> refusal() const {
    if (why) return fail(*why, "refused");
    if (busy > 0) return fail(Errc::busy, "too much is waiting");
    return {};
  }
  Result<std::unique_ptr<spool::Batch>> begin_batch() override {
    ++asked;
    if (auto refused = refusal(); !refused) {
      --busy;
      return std::unexpected(refused.error());
    }
    return real_->begin_batch();
  }
  Result<> admission() const override { return refusal(); }
  void commit(std::shared_ptr<const spool::Incoming> message, std::function<void(Result<MessageId>)> done) override {
    real_->commit(std::move(message), std::move(done));
  }
  void record(MessageId id, uint32_t recipient, const spool::RecipientState& state,
              std::function<void(Result<>)> done) override {
    real_->record(id, recipient, state, std::move(done));
  }
  Result<spool::Stored> read(MessageId id) const override { return real_->read(id); }
  Result<spool::Summary> summary(MessageId id) const override { return real_->summary(id); }
  spool::Status status() const override { return real_->status(); }
  void set_live_settings(const spool::Settings& settings) override { real_->set_live_settings(settings); }
  const std::string& node() const override { return real_->node(); }

  int busy = 0;
  int asked = 0;
  std::optional<Errc> why;

 private:
  std::unique_ptr<spool::Spool> real_;
};

class BatchFeederTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(BatchFeederTest);
  CPPUNIT_TEST(waits_for_the_queue);
  CPPUNIT_TEST(only_who_waits_waits);
  CPPUNIT_TEST(what_cannot_pass_is_not_waited_for);
  CPPUNIT_TEST(who_waits_is_admitted);
  CPPUNIT_TEST(gone_while_it_waits);
  CPPUNIT_TEST(what_it_asked_for_is_let_go_of);
  CPPUNIT_TEST_SUITE_END();

  net::test::TempDir dir_;
  std::unique_ptr<net::Loop> loop_ = std::move(*net::Loop::create("test"));
  telemetry::Counters counters_;
  std::unique_ptr<telemetry::MailLogs> mainlog_ = std::move(*telemetry::MailLogs::open({.mainlog = dir_ / "mainlog"}));
  std::unique_ptr<FullSpool> spool_;
  std::unique_ptr<inject::Injector> injector_;
  std::optional<Result<std::vector<MessageId>>> outcome_;

 public:
  void setUp() override {
    spool::Settings settings;
    settings.base = dir_ / "spool";
    settings.min_free_percent = 0;
    spool_ =
        std::make_unique<FullSpool>(std::move(*spool::Spool::open(settings, "mx1", nullptr, [](std::string_view) {})));
    injector_ = std::make_unique<inject::Injector>(*spool_, *mainlog_, counters_, [](inject::Accepted) {});
  }
  void tearDown() override { spool_.reset(); }

 private:
  std::unique_ptr<BatchFeeder> feeder(const std::shared_ptr<int>& left) {
    auto next = [left]() -> Result<std::optional<spool::Incoming>> {
      if (--*left < 0) return std::nullopt;
      spool::Incoming incoming;
      incoming.envelope.sender = "sender@example.com";
      incoming.envelope.recipients.push_back({"user@example.net"});
      incoming.envelope.received = wall_now();
      incoming.trace = "Received: by mx1 id ;\r\n";
      incoming.id_offset = 20;
      incoming.body.append("hello");
      return incoming;
    };
    return std::make_unique<BatchFeeder>(*injector_, *loop_, "ECSTREAM", std::move(next), std::nullopt,
                                         [this](Result<std::vector<MessageId>> ids) { outcome_ = std::move(ids); });
  }
  Result<std::vector<MessageId>> outcome() {
    net::test::run_until(*loop_, [&] { return outcome_.has_value(); }, "an outcome");
    return std::move(*outcome_);
  }

  void waits_for_the_queue() {
    spool_->busy = 3;
    const auto batch = feeder(std::make_shared<int>(5));
    batch->wait_while_busy();
    batch->start();
    const auto ids = outcome();
    CPPUNIT_ASSERT(ids.has_value());
    CPPUNIT_ASSERT_EQUAL(size_t{5}, ids->size());
    CPPUNIT_ASSERT_EQUAL(4, spool_->asked);
  }

  void only_who_waits_waits() {
    spool_->busy = 3;
    const auto batch = feeder(std::make_shared<int>(5));
    batch->start();
    const auto ids = outcome();
    CPPUNIT_ASSERT(!ids && ids.error().code == Errc::busy);
  }

  void what_cannot_pass_is_not_waited_for() {
    for (const Errc why : {Errc::no_space, Errc::io}) {
      spool_->why = why;
      outcome_.reset();
      const auto batch = feeder(std::make_shared<int>(5));
      batch->wait_while_busy();
      batch->start();
      const auto ids = outcome();
      CPPUNIT_ASSERT(!ids && ids.error().code == why);
    }
  }

  void who_waits_is_admitted() {
    const auto log = std::move(*telemetry::Log::open(dir_ / "log"));
    Admission admission(*injector_, *log, *loop_);
    const config::SnapshotPtr snapshot = config::test::snapshot("Memory_HWM = 100\nMemory_Goal = 100\n");
    const auto closed = [&](bool waits) {
      const auto refusal = admission.closed(snapshot->global(), loop_->now(), waits);
      return refusal ? refusal->code : 0;
    };
    spool_->busy = 1;
    CPPUNIT_ASSERT_EQUAL(451, closed(false));
    CPPUNIT_ASSERT_EQUAL(0, closed(true));
    spool_->why = Errc::no_space;
    CPPUNIT_ASSERT_EQUAL(452, closed(true));
    spool_->why = Errc::io;
    CPPUNIT_ASSERT_EQUAL(451, closed(true));
  }

  void gone_while_it_waits() {
    spool_->busy = 1000000;
    auto batch = feeder(std::make_shared<int>(5));
    batch->wait_while_busy();
    batch->start();
    net::test::run_until(*loop_, [&] { return spool_->asked > 1; }, "another try");
    batch.reset();
    const int asked = spool_->asked;
    spool_->busy = 0;
    net::Timer later(*loop_, [this] { outcome_ = fail(Errc::timeout, "nothing"); });
    later.start(std::chrono::milliseconds(60));
    CPPUNIT_ASSERT(outcome().error().code == Errc::timeout);
    CPPUNIT_ASSERT_EQUAL(asked, spool_->asked);
  }

  void what_it_asked_for_is_let_go_of() {
    auto left = std::make_shared<int>(5);
    const std::weak_ptr<int> held = left;
    const auto batch = feeder(left);
    left.reset();
    batch->start();
    CPPUNIT_ASSERT(outcome().has_value());
    CPPUNIT_ASSERT(held.expired());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BatchFeederTest);

}  // namespace
