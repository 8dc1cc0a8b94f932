// Batches: all of it or nothing, whatever happens; and nothing before.
#include "fake_disk.h"
#include "kit.h"
#include "spool/record.h"

#include <algorithm>
#include <atomic>
#include <latch>

using namespace impulse;
using namespace impulse::spool;
using kit::Call;
using kit::FakeDisk;

namespace {

class BatchTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(BatchTest);
  CPPUNIT_TEST(becomes_live_with_its_commit);
  CPPUNIT_TEST(small_ones_cost_one_sync);
  CPPUNIT_TEST(over_several_segments);
  CPPUNIT_TEST(gone_when_the_process_dies);
  CPPUNIT_TEST(given_up_frees_its_place);
  CPPUNIT_TEST(two_at_once);
  CPPUNIT_TEST(large_bodies);
  CPPUNIT_TEST(a_failing_disk_refuses_all_of_it);
  CPPUNIT_TEST(bad_input_spoils_it);
  CPPUNIT_TEST(ids_before_the_commit);
  CPPUNIT_TEST(memory_is_bounded);
  CPPUNIT_TEST(checkpoints_know_of_them);
  CPPUNIT_TEST(the_format_changes_with_the_first_one);
  CPPUNIT_TEST_SUITE_END();

  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>(1);
  kit::Log log_;
  Settings settings_{.base = "/spool", .segment_size = 20000, .min_free_percent = 0};
  Tuning tuning_ = kit::small_tuning();

  kit::Opened open() { return kit::open(disk_, settings_, tuning_, log_.sink()); }
  static void add(Batch& batch, std::string_view body, size_t recipients = 1) {
    const auto added = batch.add(kit::message(body, recipients));
    CPPUNIT_ASSERT_MESSAGE(added ? "" : added.error().message, added.has_value());
  }
  static std::string body_of(const Spool& spool, MessageId id) {
    const auto stored = spool.read(id);
    return stored ? stored->body : "!" + stored.error().message;
  }
  static void finish(Spool& spool, MessageId id) {
    CPPUNIT_ASSERT(kit::record(spool, id, 0, kit::outcome(State::delivered)));
  }

  void becomes_live_with_its_commit() {
    for (const bool clean : {true, false}) {
      disk_ = std::make_shared<FakeDisk>(3);
      std::vector<MessageId> ids;
      {
        auto spool = open();
        auto batch = kit::begin(*spool);
        for (int i = 0; i < 30; ++i) add(*batch, fmt::format("body {}", i) + std::string(300, 'x'), 1 + i % 2);
        kit::settle(*spool);
        CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool->status().messages);
        CPPUNIT_ASSERT_EQUAL(std::string("-"), kit::remembered(*spool, "stream"));
        ids = kit::accept(*batch, Receipt{"owner", "stream", "30", wall_now() + std::chrono::hours(1)});
        batch.reset();
        CPPUNIT_ASSERT_EQUAL(size_t{30}, ids.size());
        CPPUNIT_ASSERT_EQUAL(uint64_t{30}, spool->status().messages);
        CPPUNIT_ASSERT_EQUAL(uint64_t{30}, spool->status().committed);
        CPPUNIT_ASSERT(std::is_sorted(ids.begin(), ids.end()));
        for (int i = 0; i < 30; ++i) CPPUNIT_ASSERT(body_of(*spool, ids[i]).starts_with(fmt::format("body {}x", i)));
        if (!clean) disk_->die_now();
      }
      disk_->restart(!clean);
      auto spool = open();
      CPPUNIT_ASSERT(spool.ids() == ids);
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.uncommitted);
      CPPUNIT_ASSERT_EQUAL(std::string("30"), kit::remembered(*spool, "stream"));
      CPPUNIT_ASSERT_EQUAL(size_t{2}, spool.live[1].states.size());
      for (const MessageId id : ids) finish(*spool, id);
    }
    CPPUNIT_ASSERT(kit::accept(*kit::begin(*open())).empty());  // nothing is nothing
  }

  void small_ones_cost_one_sync() {
    tuning_ = {.zero_ahead = 1 << 20, .probe_every = Duration(1000), .space_every = Duration(1000), .seconds = nullptr};
    settings_.segment_size = 10 << 20;
    auto spool = open();
    kit::accept(*kit::begin(*spool), Receipt{"owner", "k", "v", wall_now() + std::chrono::hours(1)});
    std::atomic<int> syncs = 0;
    disk_->set_fault([&](Call call, uint64_t) { return syncs += call == Call::sync ? 1 : 0, 0; });
    auto batch = kit::begin(*spool);
    for (int i = 0; i < 100; ++i) add(*batch, std::string(1000, 'x'));
    CPPUNIT_ASSERT_EQUAL(size_t{100}, kit::accept(*batch).size());
    CPPUNIT_ASSERT_EQUAL(1, syncs.load());
    disk_->set_fault(nullptr);
  }

  // While others go in between; and its beginnings lie in sealed segments.
  void over_several_segments() {
    settings_.segment_size = 3000;
    for (unsigned seed = 1; seed <= 8; ++seed) {
      disk_ = std::make_shared<FakeDisk>(seed);
      std::vector<MessageId> expected;
      const bool clean = seed % 2 == 0;
      {
        auto spool = open();
        auto batch = kit::begin(*spool);
        for (int i = 0; i < 12; ++i) {
          add(*batch, fmt::format("b{} ", i) + std::string(900, 'x'));
          if (i % 3 != 0) continue;
          const MessageId id = kit::accept(*spool, kit::message("single" + std::string(800, 's')));
          if (i == 3)
            expected.push_back(id);
          else
            finish(*spool, id);
        }
        CPPUNIT_ASSERT(spool->status().segments > 3);
        const auto ids = kit::accept(*batch);
        CPPUNIT_ASSERT(ids.front().segment + 2 < ids.back().segment);
        // One in the first segment is finished, the others have to be there.
        finish(*spool, ids[0]);
        expected.insert(expected.end(), ids.begin() + 1, ids.end());
        std::sort(expected.begin(), expected.end());
        if (!clean) disk_->die_now();
      }
      disk_->restart(seed % 4 == 1);
      for (int again = 0; again < 2; ++again) {
        auto spool = open();
        CPPUNIT_ASSERT(spool.ids() == expected);
        CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.damaged);
        if (again == 0) continue;
        for (const MessageId id : expected) finish(*spool, id);
        kit::settle(*spool);
        CPPUNIT_ASSERT(spool->status().segments <= 2);
      }
      CPPUNIT_ASSERT(open().ids().empty());
    }
  }

  void gone_when_the_process_dies() {
    settings_.segment_size = 3000;
    for (const bool power : {false, true}) {
      disk_ = std::make_shared<FakeDisk>(5);
      MessageId single;
      {
        auto spool = open();
        auto batch = kit::begin(*spool);
        for (int i = 0; i < 12; ++i) add(*batch, std::string(900, 'x'));
        single = kit::accept(*spool, kit::message("single"));
        disk_->die_now();
        batch.reset();
      }
      disk_->restart(power);
      auto spool = open();
      CPPUNIT_ASSERT(spool.ids() == std::vector{single});
      CPPUNIT_ASSERT(spool.report.uncommitted > 5);
      finish(*spool, single);
      kit::settle(*spool);
      kit::settle(*spool);
      CPPUNIT_ASSERT(spool->status().segments <= 2);
    }
  }

  void given_up_frees_its_place() {
    settings_.segment_size = 3000;
    auto spool = open();
    {
      auto batch = kit::begin(*spool);
      for (int i = 0; i < 20; ++i) add(*batch, std::string(900, 'x'));
      kit::settle(*spool);
      CPPUNIT_ASSERT(spool->status().segments > 5);
    }
    kit::settle(*spool);
    kit::settle(*spool);
    CPPUNIT_ASSERT(spool->status().segments <= 2);
    spool.spool.reset();
    CPPUNIT_ASSERT(open().ids().empty());
  }

  void two_at_once() {
    settings_.segment_size = 3000;
    auto spool = open();
    auto lost = kit::begin(*spool);
    auto first = kit::begin(*spool);
    auto second = kit::begin(*spool);
    for (int i = 0; i < 9; ++i) {
      add(*first, "first" + std::string(600, 'x'));
      add(*second, "second" + std::string(500, 'x'));
      add(*lost, "lost" + std::string(400, 'x'));
    }
    const auto later = kit::accept(*second);
    CPPUNIT_ASSERT_EQUAL(uint64_t{9}, spool->status().messages);
    const auto sooner = kit::accept(*first);
    CPPUNIT_ASSERT(sooner[0].segment <= later[0].segment);
    disk_->die_now();
    lost.reset();
    spool.spool.reset();
    disk_->restart(true);
    spool = open();
    CPPUNIT_ASSERT_EQUAL(size_t{18}, spool.live.size());
    for (const MessageId id : sooner) CPPUNIT_ASSERT(body_of(*spool, id).starts_with("first"));
    for (const MessageId id : later) CPPUNIT_ASSERT(body_of(*spool, id).starts_with("second"));
  }

  static std::shared_ptr<Incoming> streamed(Spool& spool, std::string_view body) {
    auto incoming = kit::message(body.substr(0, 10));
    incoming->rest = *spool.stream();
    CPPUNIT_ASSERT(incoming->rest->append(body.substr(10)));
    return incoming;
  }
  void large_bodies() {
    const std::string body = kit::noise(5000, 4);
    std::vector<MessageId> ids;
    {
      auto spool = open();
      auto batch = kit::begin(*spool);
      add(*batch, "small");
      CPPUNIT_ASSERT(batch->add(streamed(*spool, body)));
      add(*batch, "small, too");
      auto given_up = kit::begin(*spool);
      CPPUNIT_ASSERT(given_up->add(streamed(*spool, body)));
      kit::settle(*spool);
      given_up.reset();
      ids = kit::accept(*batch);
      CPPUNIT_ASSERT_EQUAL(size_t{3}, ids.size());
      CPPUNIT_ASSERT_EQUAL(std::string("small"), body_of(*spool, ids[0]));
      CPPUNIT_ASSERT(body_of(*spool, ids[1]) == body);
      CPPUNIT_ASSERT_EQUAL(std::string("small, too"), body_of(*spool, ids[2]));
    }
    CPPUNIT_ASSERT_EQUAL(size_t{1}, disk_->names("/spool/large").size());
    disk_->restart(true);
    {
      auto spool = open();
      CPPUNIT_ASSERT_EQUAL(size_t{3}, spool.live.size());
      CPPUNIT_ASSERT(body_of(*spool, ids[1]) == body);
      finish(*spool, ids[1]);
    }
    CPPUNIT_ASSERT(disk_->names("/spool/large").empty());
  }

  void a_failing_disk_refuses_all_of_it() {
    settings_.segment_size = 3000;
    for (const int err : {EIO, ENOSPC}) {
      for (const Call which : {Call::write, Call::sync}) {
        disk_ = std::make_shared<FakeDisk>(9);
        kit::Log log;
        auto spool = kit::open(disk_, settings_, tuning_, log.sink());
        auto batch = kit::begin(*spool);
        for (int i = 0; i < 8; ++i) add(*batch, std::string(900, 'x'));
        kit::settle(*spool);
        disk_->set_fault([=, left = 1](Call call, uint64_t) mutable { return call == which && left-- > 0 ? err : 0; });
        CPPUNIT_ASSERT(!kit::commit(*spool, kit::message("refused")));
        log.wait_for("works again after");
        // What was in good order before may be committed still.
        for (int i = 0; i < 4; ++i) add(*batch, std::string(900, 'x'));
        const size_t there = kit::accept(*batch).size();
        CPPUNIT_ASSERT_EQUAL(size_t{12}, there);
        // One of whose messages the disk did not take, not.
        batch = kit::begin(*spool);
        for (int i = 0; i < 2; ++i) add(*batch, std::string(900, 'x'));
        kit::settle(*spool);
        disk_->set_fault([=](Call call, uint64_t) { return call == which ? err : 0; });
        for (int i = 0; i < 4; ++i)
          if (!batch->add(kit::message(std::string(900, 'y')))) break;
        const auto refused = kit::commit(*batch, Receipt{"owner", "k", "v", wall_now() + std::chrono::hours(1)});
        CPPUNIT_ASSERT(!refused);
        CPPUNIT_ASSERT(refused.error().code == (err == EIO || which == Call::sync ? Errc::io : Errc::no_space));
        disk_->set_fault(nullptr);
        log.wait_for("works again after", 2);
        kit::settle(*spool);
        CPPUNIT_ASSERT_EQUAL(std::string("-"), kit::remembered(*spool, "k"));
        CPPUNIT_ASSERT_EQUAL(uint64_t{12}, spool->status().messages);
        disk_->die_now();
        batch.reset();
        spool.spool.reset();
        disk_->restart(true);
        CPPUNIT_ASSERT_EQUAL(size_t{12}, open().live.size());
      }
    }
  }

  void bad_input_spoils_it() {
    tuning_.batch_piece = 1 << 20;
    auto spool = open();
    auto batch = kit::begin(*spool);
    add(*batch, "good");
    CPPUNIT_ASSERT(batch->add(kit::message("nobody", 0)).error().code == Errc::invalid);
    CPPUNIT_ASSERT(batch->add(kit::message("good")).error().code == Errc::invalid);
    CPPUNIT_ASSERT(kit::commit(*batch).error().code == Errc::invalid);
    CPPUNIT_ASSERT(batch->add(kit::message("late")).error().code == Errc::invalid);
    CPPUNIT_ASSERT(kit::commit(*batch).error().code == Errc::invalid);
    batch = kit::begin(*spool);
    const auto tiny = kit::message("");
    for (size_t i = 0; i < Batch::max_messages; ++i) CPPUNIT_ASSERT(batch->add(tiny));
    CPPUNIT_ASSERT(batch->add(tiny).error().code == Errc::invalid);
    CPPUNIT_ASSERT(kit::commit(*batch).error().code == Errc::invalid);
    auto telling = kit::message("report");
    telling->told.push_back({MessageId{1, 64}, 0, kit::outcome(State::failed)});
    CPPUNIT_ASSERT(!kit::begin(*spool)->add(telling));
    const WallTime soon = wall_now() + std::chrono::hours(1);
    for (const Receipt& bad : {Receipt{"", "k", "v", soon}, Receipt{std::string(5000, 'o'), "k", "v", soon},
                               Receipt{"o", std::string(5000, 'k'), "v", soon},
                               Receipt{"o", "k", std::string(Receipt::max_value + 1, 'v'), soon}}) {
      batch = kit::begin(*spool);
      add(*batch, "good");
      CPPUNIT_ASSERT(kit::commit(*batch, bad).error().code == Errc::invalid);
    }
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool->status().messages);
    batch.reset();
    spool.spool.reset();
    CPPUNIT_ASSERT(open().ids().empty());
    disk_->free_bytes = 100;
    settings_.min_free_bytes = 1000;
    CPPUNIT_ASSERT(open()->begin_batch().error().code == Errc::no_space);
  }

  using Ids = Result<std::vector<MessageId>>;
  static Ids written(Batch& batch) {
    auto told = std::make_shared<std::promise<Ids>>();
    batch.written([told](Ids ids) { told->set_value(std::move(ids)); });
    return told->get_future().get();
  }

  // All is on the disk, and counts only when it is committed.
  void ids_before_the_commit() {
    auto spool = open();
    auto batch = kit::begin(*spool);
    for (int i = 0; i < 12; ++i) add(*batch, fmt::format("m{} ", i) + std::string(500, 'x'));
    const Ids ids = written(*batch);
    CPPUNIT_ASSERT(ids && ids->size() == 12 && batch->waiting() == 0);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool->status().messages);
    CPPUNIT_ASSERT(written(*batch) == *ids);  // at once
    const Receipt receipt{"o", "k", ids->front().to_string("n"), wall_now() + std::chrono::hours(1)};
    CPPUNIT_ASSERT(kit::commit(*batch, receipt) == *ids);
    batch = kit::begin(*spool);
    add(*batch, "given up");
    CPPUNIT_ASSERT(written(*batch));
    batch.reset();
    spool.spool.reset();
    auto again = open();
    CPPUNIT_ASSERT_EQUAL(size_t{12}, again.ids().size());
    CPPUNIT_ASSERT_EQUAL(receipt.value, (*again->receipt("o", "k"))->value);
    // What fails is told.
    batch = kit::begin(*again);
    disk_->set_fault([](Call call, uint64_t) { return call == Call::write ? EIO : 0; });
    add(*batch, "lost");
    CPPUNIT_ASSERT(!written(*batch));
    CPPUNIT_ASSERT(!kit::commit(*batch));
    disk_->set_fault(nullptr);
    batch.reset();
  }

  void memory_is_bounded() {
    auto spool = open();
    std::latch held(1), go(1);
    spool->commit(kit::message("x"), [&](Result<MessageId>) {
      held.count_down();
      go.wait();
    });
    held.wait();
    auto batch = kit::begin(*spool);
    int added = 0;
    for (; !batch->full(); ++added) add(*batch, std::string(500, 'x'));
    CPPUNIT_ASSERT(batch->waiting() >= 4000 && batch->waiting() < 5000);
    auto room = std::make_shared<std::promise<void>>();
    batch->on_room([room] { room->set_value(); });
    auto future = room->get_future();
    CPPUNIT_ASSERT(future.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
    go.count_down();
    future.wait();
    CPPUNIT_ASSERT(!batch->full());
    bool at_once = false;
    batch->on_room([&] { at_once = true; });
    CPPUNIT_ASSERT(at_once);
    CPPUNIT_ASSERT_EQUAL(static_cast<size_t>(added), kit::accept(*batch).size());
    // Who waits for room hears of a failure, too.
    batch = kit::begin(*spool);
    disk_->set_fault([](Call call, uint64_t) { return call == Call::write ? EIO : 0; });
    for (int i = 0; i < 8 && !batch->full(); ++i)
      if (!batch->add(kit::message(std::string(900, 'x')))) break;
    room = std::make_shared<std::promise<void>>();
    batch->on_room([room] { room->set_value(); });
    room->get_future().wait();
    CPPUNIT_ASSERT(!kit::commit(*batch));
    disk_->set_fault(nullptr);
  }

  // A message pins its segment for long; what was committed in between, and is
  // finished, must not come back, and what is not must not go.
  void checkpoints_know_of_them() {
    settings_.segment_size = 3000;
    for (unsigned seed = 1; seed <= 12; ++seed) {
      disk_ = std::make_shared<FakeDisk>(seed);
      std::vector<MessageId> expected;
      {
        auto spool = open();
        auto batch = kit::begin(*spool);
        auto slow = kit::begin(*spool);
        expected.push_back(kit::accept(*spool, kit::message("delayed")));
        for (int i = 0; i < 6; ++i) {
          add(*batch, fmt::format("b{} ", i) + std::string(800, 'x'));
          add(*slow, fmt::format("s{} ", i) + std::string(300, 'x'));
        }
        const auto ids = kit::accept(*batch);
        for (size_t i = 0; i < ids.size(); ++i)
          if (i % 3 != 0)
            finish(*spool, ids[i]);
          else
            expected.push_back(ids[i]);
        // So many that the segments of those records go, for checkpoints.
        const auto pass = [&] {
          for (int i = 0; i < 60; ++i) finish(*spool, kit::accept(*spool, kit::message(std::string(700, 'p'))));
          kit::settle(*spool);
        };
        pass();
        CPPUNIT_ASSERT(spool->status().segments < 14);
        const auto late = kit::accept(*slow);
        if (seed % 3 == 0) pass();
        finish(*spool, late[1]);
        for (size_t i = 0; i < late.size(); ++i)
          if (i != 1) expected.push_back(late[i]);
        if (seed % 3 == 1) pass();
        std::sort(expected.begin(), expected.end());
        if (seed % 2 == 0) disk_->die_now();
      }
      disk_->restart(seed % 4 == 0);
      for (int again = 0; again < 2; ++again) CPPUNIT_ASSERT(open().ids() == expected);
    }
  }

  uint32_t format_of(const std::string& name) {
    return SegmentHeader::decode(disk_->content("/spool/" + name))->version;
  }
  void the_format_changes_with_the_first_one() {
    auto spool = open();
    const MessageId before = kit::accept(*spool, kit::message("x"));
    CPPUNIT_ASSERT_EQUAL(plain_format, format_of(segment_name(before.segment)));
    auto batch = kit::begin(*spool);
    add(*batch, "y");
    const MessageId member = kit::accept(*batch)[0];
    CPPUNIT_ASSERT(member.segment != before.segment);
    CPPUNIT_ASSERT_EQUAL(plain_format, format_of(segment_name(before.segment)));
    CPPUNIT_ASSERT_EQUAL(batch_format, format_of(segment_name(member.segment)));
    CPPUNIT_ASSERT_EQUAL(member.segment, kit::accept(*spool, kit::message("z")).segment);
    spool.spool.reset();
    // Who does not need it does not write it.
    spool = open();
    const MessageId after = kit::accept(*spool, kit::message("x"));
    CPPUNIT_ASSERT_EQUAL(plain_format, format_of(segment_name(after.segment)));
    CPPUNIT_ASSERT_EQUAL(uint64_t{4}, spool->status().messages);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(BatchTest);

}  // namespace
