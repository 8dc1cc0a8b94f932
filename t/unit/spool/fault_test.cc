// A disk that is full, fails, or lies: refused, said once, well again by itself.
#include "fake_disk.h"
#include "kit.h"

#include <atomic>
#include <latch>

using namespace impulse;
using namespace impulse::spool;
using kit::Call;
using kit::FakeDisk;

namespace {

class FaultTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(FaultTest);
  CPPUNIT_TEST(full_disk_is_said_once_and_heals);
  CPPUNIT_TEST(failed_sync_abandons_the_segment);
  CPPUNIT_TEST(what_cannot_be_cut_off_is_voided);
  CPPUNIT_TEST(journal_is_kept_for_better_times);
  CPPUNIT_TEST(the_end_gives_the_journal_a_last_try);
  CPPUNIT_TEST(a_void_record_outlives_its_segment);
  CPPUNIT_TEST(finished_segments_go_from_a_full_disk);
  CPPUNIT_TEST(numbers_grow_after_a_sick_end);
  CPPUNIT_TEST(read_only_from_the_start);
  CPPUNIT_TEST(min_free_closes_the_door);
  CPPUNIT_TEST(few_inodes_close_it_too);
  CPPUNIT_TEST(too_much_waiting_is_busy);
  CPPUNIT_TEST(no_sync_when_told_so);
  CPPUNIT_TEST(waits_for_company);
  CPPUNIT_TEST(live_settings);
  CPPUNIT_TEST_SUITE_END();

  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>(1);
  kit::Log log_;
  Settings settings_{.base = "/spool", .min_free_percent = 0};
  Tuning tuning_{.zero_ahead = 4096, .probe_every = Duration(1000), .space_every = Duration(1000), .seconds = nullptr};

  kit::Opened open() { return kit::open(disk_, settings_, tuning_, log_.sink()); }
  void fail(Call which, int err) {
    disk_->set_fault([=](Call call, uint64_t) { return call == which ? err : 0; });
  }
  void fail_once(Call which, int err) {
    disk_->set_fault([=, left = 1](Call call, uint64_t) mutable { return call == which && left-- > 0 ? err : 0; });
  }
  std::vector<MessageId> ids_after(bool power_loss) {
    disk_->restart(power_loss);
    return open().ids();
  }

  void full_disk_is_said_once_and_heals() {
    auto spool = open();
    const MessageId first = kit::accept(*spool, kit::message("first"));
    fail(Call::write, ENOSPC);
    for (int i = 0; i < 20; ++i) {
      const auto refused = kit::commit(*spool, kit::message("refused"));
      CPPUNIT_ASSERT(!refused && refused.error().code == Errc::no_space);
      CPPUNIT_ASSERT(spool->admission().error().code == Errc::no_space);
    }
    CPPUNIT_ASSERT(!spool->status().accepting);
    CPPUNIT_ASSERT(spool->status().reason.find("No space left") != std::string::npos);
    CPPUNIT_ASSERT(spool->read(first)->body == "first");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, log_.count("refused until it works again"));
    // Room, but less than a commit needs: not tried.
    disk_->free_bytes = 100;
    kit::settle(*spool);  // a probe that saw the room before has failed
    disk_->set_fault(nullptr);
    CPPUNIT_ASSERT(!kit::commit(*spool, kit::message("refused")));
    disk_->free_bytes = 1 << 30;
    log_.wait_for("works again after");
    const MessageId second = kit::accept(*spool, kit::message("second"));
    CPPUNIT_ASSERT(spool->admission());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, log_.count("refused until it works again"));
    disk_->die_now();
    spool.spool.reset();
    CPPUNIT_ASSERT((ids_after(true) == std::vector{first, second}));
  }

  void failed_sync_abandons_the_segment() {
    for (unsigned seed = 1; seed <= 30; ++seed) {
      disk_ = std::make_shared<FakeDisk>(seed);
      kit::Log log;
      auto spool = kit::open(disk_, settings_, tuning_, log.sink());
      const MessageId first = kit::accept(*spool, kit::message("first"));
      fail_once(Call::sync, EIO);
      CPPUNIT_ASSERT(kit::commit(*spool, kit::message("refused")).error().code == Errc::io);
      log.wait_for("works again after");
      const MessageId second = kit::accept(*spool, kit::message("second"));
      CPPUNIT_ASSERT(second.segment > first.segment);
      if (seed % 2 == 0) disk_->die_now();
      spool.spool.reset();
      disk_->set_fault(nullptr);
      disk_->restart(seed % 4 == 0);
      CPPUNIT_ASSERT((kit::open(disk_, settings_, tuning_).ids() == std::vector{first, second}));
    }
  }

  void what_cannot_be_cut_off_is_voided() {
    for (unsigned seed = 1; seed <= 30; ++seed) {
      disk_ = std::make_shared<FakeDisk>(seed);
      kit::Log log;
      auto spool = kit::open(disk_, settings_, tuning_, log.sink());
      const MessageId first = kit::accept(*spool, kit::message("first"));
      std::atomic<bool> bad = true;
      disk_->set_fault(
          [&](Call call, uint64_t) { return bad && (call == Call::sync || call == Call::truncate) ? EIO : 0; });
      CPPUNIT_ASSERT(!kit::commit(*spool, kit::message("refused")));
      bad = false;
      log.wait_for("works again after");
      const MessageId second = kit::accept(*spool, kit::message("second"));
      disk_->die_now();
      spool.spool.reset();
      disk_->set_fault(nullptr);
      disk_->restart(seed % 2 == 0);
      {
        auto again = kit::open(disk_, settings_, tuning_);
        CPPUNIT_ASSERT((again.ids() == std::vector{first, second}));
        CPPUNIT_ASSERT_EQUAL(uint64_t{0}, again.report.damaged);
        kit::record(*again, second, 0, kit::outcome(State::delivered));
      }
      CPPUNIT_ASSERT((kit::open(disk_, settings_, tuning_).ids() == std::vector{first}));
    }
  }

  void journal_is_kept_for_better_times() {
    auto spool = open();
    const MessageId done = kit::accept(*spool, kit::message("done"));
    const MessageId open_one = kit::accept(*spool, kit::message("open", 2));
    fail(Call::sync, EIO);
    std::latch recorded(2);
    std::atomic<int> good = 0;
    const auto count = [&](Result<> result) {
      good += result ? 1 : 0;
      recorded.count_down();
    };
    spool->record(done, 0, kit::outcome(State::delivered), count);
    spool->record(open_one, 1, kit::outcome(State::failed), count);
    kit::settle(*spool);
    CPPUNIT_ASSERT(!recorded.try_wait());
    disk_->set_fault(nullptr);
    recorded.wait();
    CPPUNIT_ASSERT_EQUAL(2, good.load());
    disk_->die_now();
    spool.spool.reset();
    disk_->restart(true);
    spool = open();
    CPPUNIT_ASSERT(spool.ids() == std::vector{open_one});
    CPPUNIT_ASSERT(spool.live[0].states[1].state == State::failed);
    // One that never heals: whoever waits is told at the end.
    fail(Call::sync, EIO);
    std::atomic<int> told = 0;
    spool->record(open_one, 0, kit::later(1, 5, "x"), [&](Result<> result) { told = result ? 1 : 2; });
    spool.spool.reset();
    CPPUNIT_ASSERT_EQUAL(2, told.load());
  }

  void the_end_gives_the_journal_a_last_try() {
    tuning_.probe_every = std::chrono::hours(1);
    auto spool = open();
    const MessageId id = kit::accept(*spool, kit::message("x"));
    fail_once(Call::sync, EIO);
    std::atomic<int> told = 0;
    spool->record(id, 0, kit::outcome(State::delivered), [&](Result<> result) { told = result ? 1 : 2; });
    kit::settle(*spool);
    CPPUNIT_ASSERT(!spool->admission());
    CPPUNIT_ASSERT_EQUAL(0, told.load());
    spool.spool.reset();
    CPPUNIT_ASSERT_EQUAL(1, told.load());
    CPPUNIT_ASSERT(ids_after(true).empty());
  }

  void a_void_record_outlives_its_segment() {
    settings_.segment_size = 4096;
    for (unsigned seed = 1; seed <= 10; ++seed) {
      disk_ = std::make_shared<FakeDisk>(seed);
      kit::Log log;
      auto spool = kit::open(disk_, settings_, tuning_, log.sink());
      const MessageId first = kit::accept(*spool, kit::message("first"));
      std::atomic<bool> bad = true;
      disk_->set_fault(
          [&](Call call, uint64_t) { return bad && (call == Call::sync || call == Call::truncate) ? EIO : 0; });
      CPPUNIT_ASSERT(!kit::commit(*spool, kit::message("refused")));
      bad = false;
      log.wait_for("works again after");
      for (int i = 0; i < 20; ++i) {
        const MessageId id = kit::accept(*spool, kit::message(std::string(1000, 'x')));
        CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::outcome(State::delivered)));
      }
      kit::settle(*spool);
      CPPUNIT_ASSERT(spool->status().segments <= 4);
      disk_->die_now();
      spool.spool.reset();
      disk_->set_fault(nullptr);
      disk_->restart(seed % 2 == 0);
      CPPUNIT_ASSERT(kit::open(disk_, settings_, tuning_).ids() == std::vector{first});
    }
  }

  void finished_segments_go_from_a_full_disk() {
    settings_.segment_size = 4096;
    auto spool = open();
    std::vector<MessageId> ids;
    for (int i = 0; i < 10; ++i) ids.push_back(kit::accept(*spool, kit::message(std::string(3000, 'x'))));
    fail(Call::write, ENOSPC);
    CPPUNIT_ASSERT(!kit::commit(*spool, kit::message("refused")));
    for (const MessageId id : ids) spool->record(id, 0, kit::outcome(State::delivered));
    kit::settle(*spool);
    // Removing needs no room: that is what makes some. The newest stays.
    kit::settle(*spool);
    CPPUNIT_ASSERT(spool->status().segments <= 2);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool->status().messages);
    spool.spool.reset();
    disk_->set_fault(nullptr);
    // Its outcome could not be written down.
    CPPUNIT_ASSERT(ids_after(false) == std::vector{ids.back()});
  }

  void numbers_grow_after_a_sick_end() {
    tuning_.seconds = [] { return int64_t{1000}; };
    auto spool = open();
    MessageId last{};
    for (int i = 0; i < 3; ++i) {
      last = kit::accept(*spool, kit::message("x"));
      fail_once(Call::sync, EIO);
      CPPUNIT_ASSERT(!kit::commit(*spool, kit::message("refused")));
      log_.wait_for("works again after", static_cast<size_t>(i) + 1);
      CPPUNIT_ASSERT(kit::record(*spool, last, 0, kit::outcome(State::delivered)));
    }
    last = kit::accept(*spool, kit::message("x"));
    fail(Call::write, EIO);
    CPPUNIT_ASSERT(!kit::commit(*spool, kit::message("refused")));
    spool->record(last, 0, kit::outcome(State::delivered));
    kit::settle(*spool);
    kit::settle(*spool);
    spool.spool.reset();
    disk_->set_fault(nullptr);
    disk_->restart(true);
    spool = open();
    CPPUNIT_ASSERT(kit::accept(*spool, kit::message("y")).segment > last.segment);
  }

  void read_only_from_the_start() {
    fail(Call::open, EROFS);
    const auto spool = kit::try_open(disk_, settings_, tuning_);
    CPPUNIT_ASSERT(!spool && spool.error().code == Errc::io);
    CPPUNIT_ASSERT(spool.error().message.find("Read-only") != std::string::npos);
  }

  void few_inodes_close_it_too() {
    for (const bool bytes : {false, true}) {
      settings_.min_free_bytes = bytes ? 1000000 : 0;
      settings_.min_free_percent = bytes ? 0 : 5;
      const uint64_t wanted = bytes ? 10 : 50;
      auto spool = open();
      CPPUNIT_ASSERT(spool->admission());
      disk_->free_inodes = wanted - 1;
      log_.wait_for(fmt::format("only {} inodes are free, Spool_Min_Free is {}: new mail", wanted - 1, wanted));
      CPPUNIT_ASSERT(spool->admission().error().code == Errc::no_space);
      CPPUNIT_ASSERT(!spool->stream());
      disk_->free_inodes = wanted + 1;
      log_.wait_for("new mail is accepted", bytes ? 2 : 1);
      CPPUNIT_ASSERT(spool->admission());
    }
  }

  void min_free_closes_the_door() {
    settings_.min_free_bytes = 1000000;
    disk_->free_bytes = 2000000;
    auto spool = open();
    CPPUNIT_ASSERT(spool->admission());
    CPPUNIT_ASSERT_EQUAL(uint64_t{2000000}, spool->status().free_bytes);
    disk_->free_bytes = 999999;
    log_.wait_for("Spool_Min_Free is 1000000: new mail is refused");
    CPPUNIT_ASSERT(spool->admission().error().code == Errc::no_space);
    CPPUNIT_ASSERT(!spool->status().accepting);
    // What is on its way, and what became of it, still has its place.
    const MessageId id = kit::accept(*spool, kit::message("x"));
    CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::outcome(State::delivered)));
    disk_->free_bytes = 2000000;
    log_.wait_for("new mail is accepted");
    CPPUNIT_ASSERT(spool->admission());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, log_.count("new mail is refused"));
  }

  void too_much_waiting_is_busy() {
    tuning_.max_waiting = 10000;
    auto spool = open();
    // The committer is held inside of a completion, so that things pile up.
    std::latch held(1), go(1);
    spool->commit(kit::message("x"), [&](Result<MessageId>) {
      held.count_down();
      go.wait();
    });
    held.wait();
    std::latch done(12);
    std::atomic<int> busy = 0, good = 0;
    for (int i = 0; i < 12; ++i) {
      spool->commit(kit::message(std::string(1500, 'x')), [&](Result<MessageId> id) {
        id ? ++good : busy += id.error().code == Errc::busy ? 1 : 100;
        done.count_down();
      });
    }
    go.count_down();
    done.wait();
    CPPUNIT_ASSERT(good > 2 && busy > 2);
    CPPUNIT_ASSERT_EQUAL(12, good + busy);
    kit::settle(*spool);
    CPPUNIT_ASSERT(spool->admission());
    // One that is larger than all the room may come alone.
    kit::accept(*spool, kit::message(std::string(50000, 'x')));
  }

  void no_sync_when_told_so() {
    settings_.force_fsync = false;
    auto spool = open();
    std::atomic<int> syncs = 0;
    disk_->set_fault([&](Call call, uint64_t) { return syncs += call == Call::sync ? 1 : 0, 0; });
    for (int i = 0; i < 5; ++i) kit::accept(*spool, kit::message("x"));
    CPPUNIT_ASSERT_EQUAL(0, syncs.load());
    settings_.force_fsync = true;
    spool->set_live_settings(settings_);
    for (int i = 0; i < 5; ++i) kit::accept(*spool, kit::message("x"));
    CPPUNIT_ASSERT(syncs.load() >= 4);
    disk_->set_fault(nullptr);
  }

  void waits_for_company() {
    settings_.commit_delay = std::chrono::hours(1);
    auto spool = open();
    // One sync for both, as the second one is company enough.
    const auto both = [&] {
      std::promise<bool> small;
      spool->commit(kit::message("x"), [&](const Result<MessageId>& id) { small.set_value(id.has_value()); });
      kit::accept(*spool, kit::message(std::string(1 << 20, 'x')));
      CPPUNIT_ASSERT(small.get_future().get());
    };
    both();  // begins the segment
    std::atomic<int> syncs = 0;
    disk_->set_fault([&](Call call, uint64_t) { return syncs += call == Call::sync ? 1 : 0, 0; });
    for (int i = 1; i <= 20; ++i) {
      both();
      CPPUNIT_ASSERT_EQUAL(i, syncs.load());
    }
    disk_->set_fault(nullptr);
  }

  void live_settings() {
    auto spool = open();
    const MessageId first = kit::accept(*spool, kit::message(std::string(5000, 'x')));
    CPPUNIT_ASSERT_EQUAL(first.segment, kit::accept(*spool, kit::message("x")).segment);
    settings_.segment_size = 2000;
    settings_.commit_delay = Duration(500);
    spool->set_live_settings(settings_);
    kit::settle(*spool);
    const MessageId second = kit::accept(*spool, kit::message("x"));
    CPPUNIT_ASSERT(second.segment > first.segment);
    CPPUNIT_ASSERT(kit::accept(*spool, kit::message(std::string(9000, 'x'))).segment > second.segment);
    CPPUNIT_ASSERT_EQUAL(uint64_t{4}, spool->status().messages);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(FaultTest);

}  // namespace
