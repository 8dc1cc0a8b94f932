// Batches that say how the recipients of their messages stand: with the batch
// that is so, or neither is.
#include "fake_disk.h"
#include "kit.h"
#include "spool/record.h"

#include <algorithm>

using namespace impulse;
using namespace impulse::spool;
using kit::FakeDisk;

namespace {

const RecipientState held{State::pending, 2, WallTime::max(), "421 not now"};

class StatesTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(StatesTest);
  CPPUNIT_TEST(count_with_the_commit);
  CPPUNIT_TEST(the_later_word_counts);
  CPPUNIT_TEST(over_several_segments);
  CPPUNIT_TEST(their_segment_stays_as_long_as_they_are_needed);
  CPPUNIT_TEST(torn_at_every_byte);
  CPPUNIT_TEST(a_damaged_member_harms_no_other);
  CPPUNIT_TEST(what_makes_no_sense_is_refused);
  CPPUNIT_TEST(no_more_than_a_record_should_hold);
  CPPUNIT_TEST(older_versions_do_not_read_it);
  CPPUNIT_TEST_SUITE_END();

  Settings settings_{.base = "/spool", .segment_size = 100000, .min_free_percent = 0};
  Tuning tuning_ = kit::small_tuning();
  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>(1);

  kit::Opened open() { return kit::open(disk_, settings_, tuning_); }
  static std::shared_ptr<Incoming> message(std::string_view body) {
    auto incoming = kit::message(body, 3);
    incoming->states = {kit::outcome(State::delivered), held, {}};
    return incoming;
  }
  static void check(const Spool& spool, MessageId id) {
    const auto stored = spool.read(id);
    CPPUNIT_ASSERT_MESSAGE(stored ? "" : stored.error().message, stored.has_value());
    CPPUNIT_ASSERT(stored->states[0].state == State::delivered);
    CPPUNIT_ASSERT(stored->states[1] == held);
    CPPUNIT_ASSERT(stored->states[2] == RecipientState{});
  }

  void count_with_the_commit() {
    for (const bool clean : {true, false}) {
      disk_ = std::make_shared<FakeDisk>(3);
      std::vector<MessageId> ids;
      {
        auto spool = open();
        auto batch = kit::begin(*spool);
        CPPUNIT_ASSERT(batch->add(kit::message("fresh")));
        for (int i = 0; i < 20; ++i) CPPUNIT_ASSERT(batch->add(message(std::string(300, 'x'))));
        ids = kit::accept(*batch);
        for (size_t i = 1; i < ids.size(); ++i) check(*spool, ids[i]);
        if (!clean) disk_->die_now();
      }
      disk_->restart(!clean);
      for (int again = 0; again < 3; ++again) {
        auto spool = open();
        CPPUNIT_ASSERT(spool.ids() == ids);
        CPPUNIT_ASSERT(spool.live[0].states[0] == RecipientState{});
        for (size_t i = 1; i < ids.size(); ++i) check(*spool, ids[i]);
      }
    }
  }

  void the_later_word_counts() {
    for (const bool clean : {true, false}) {
      disk_ = std::make_shared<FakeDisk>(3);
      MessageId id;
      {
        auto spool = open();
        auto batch = kit::begin(*spool);
        CPPUNIT_ASSERT(batch->add(message("x")));
        id = kit::accept(*batch)[0];
        CPPUNIT_ASSERT(kit::record(*spool, id, 1, kit::later(3, 4000, "")));
        CPPUNIT_ASSERT(kit::record(*spool, id, 2, kit::outcome(State::failed)));
        if (!clean) disk_->die_now();
      }
      disk_->restart(!clean);
      for (int again = 0; again < 2; ++again) {
        auto spool = open();
        const auto states = spool->summary(id).value().states;
        CPPUNIT_ASSERT(states[0].state == State::delivered);
        CPPUNIT_ASSERT(states[1] == kit::later(3, 4000, ""));
        CPPUNIT_ASSERT(states[2].state == State::failed);
      }
      auto spool = open();
      CPPUNIT_ASSERT(kit::record(*spool, id, 1, kit::outcome(State::delivered)));
      CPPUNIT_ASSERT(spool->read(id).error().code == Errc::not_found);
    }
  }

  void over_several_segments() {
    settings_.segment_size = 3000;
    for (unsigned seed = 1; seed <= 8; ++seed) {
      disk_ = std::make_shared<FakeDisk>(seed);
      std::vector<MessageId> ids;
      {
        auto spool = open();
        auto batch = kit::begin(*spool);
        for (int i = 0; i < 12; ++i) {
          CPPUNIT_ASSERT(batch->add(message(std::string(900, 'x'))));
          kit::settle(*spool);
        }
        ids = kit::accept(*batch);
        CPPUNIT_ASSERT(ids.front().segment + 2 < ids.back().segment);
        if (seed % 2 == 0) disk_->die_now();
      }
      disk_->restart(seed % 4 == 0);
      for (int again = 0; again < 3; ++again) {
        auto spool = open();
        CPPUNIT_ASSERT(spool.ids() == ids);
        for (const MessageId id : ids) check(*spool, id);
      }
      // Checkpoints, removals and copies go on with what was said.
      auto spool = open();
      for (size_t i = 0; i < ids.size(); ++i) {
        if (i % 5 == 0) continue;
        CPPUNIT_ASSERT(kit::record(*spool, ids[i], 1, kit::outcome(State::delivered)));
        CPPUNIT_ASSERT(kit::record(*spool, ids[i], 2, kit::outcome(State::delivered)));
      }
      for (int i = 0; i < 20; ++i) kit::accept(*spool, kit::message(std::string(900, 'y')));
      spool.spool.reset();
      spool = open();
      for (size_t i = 0; i < ids.size(); i += 5) check(*spool, ids[i]);
    }
  }

  // Also when a start has sealed them all: its footers do not say which messages were of the batch.
  void their_segment_stays_as_long_as_they_are_needed() {
    settings_.segment_size = 3000;
    tuning_.compact_gain = UINT64_MAX;
    std::vector<MessageId> ids;
    {
      auto spool = open();
      auto batch = kit::begin(*spool);
      for (int i = 0; i < 6; ++i) {
        CPPUNIT_ASSERT(batch->add(message(std::string(900, 'x'))));
        kit::settle(*spool);
      }
      std::promise<std::vector<MessageId>> told;
      batch->commit(std::nullopt, [&](Result<std::vector<MessageId>> done) {
        disk_->die_now();  // before the log says by itself that all is durable
        told.set_value(done.value_or(std::vector<MessageId>{}));
      });
      ids = told.get_future().get();
      CPPUNIT_ASSERT(!ids.empty() && ids.front().segment < ids.back().segment);
    }
    disk_->restart(false);
    // As when no footer could be written.
    for (const std::string& name : disk_->names("/spool")) {
      if (!name.ends_with(".seg")) continue;
      const std::string content = disk_->content("/spool/" + name);
      disk_->set_content("/spool/" + name, content.substr(0, content.size() - 8));
    }
    open();
    {
      auto spool = open();
      CPPUNIT_ASSERT_EQUAL(spool.report.segments, spool.report.footers_used);
      for (const MessageId id : ids)
        for (uint32_t i = 1; id != ids.front() && i < 3; ++i)
          CPPUNIT_ASSERT(kit::record(*spool, id, i, kit::outcome(State::delivered)));
      for (int i = 0; i < 4; ++i) kit::settle(*spool);
    }
    auto spool = open();
    CPPUNIT_ASSERT(spool.ids() == std::vector{ids.front()});
    check(*spool, ids.front());
  }

  // Of the batch that came last: all of it, with the states, or nothing.
  void torn_at_every_byte() {
    {
      auto spool = open();
      auto batch = kit::begin(*spool);
      for (int i = 0; i < 2; ++i) CPPUNIT_ASSERT(batch->add(message("x")));
      kit::accept(*batch);
      disk_->die_now();
    }
    disk_->restart(false);
    std::vector<std::string> names;
    for (const std::string& name : disk_->names("/spool"))
      if (name.ends_with(".seg")) names.push_back("/spool/" + name);
    std::sort(names.begin(), names.end());
    const std::string whole = disk_->content(names.back());
    size_t with = 0, without = 0;
    for (size_t size = 0; size <= whole.size(); ++size) {
      disk_ = std::make_shared<FakeDisk>(7);
      disk_->set_content(names.back(), whole.substr(0, size));
      for (int starts = 0; starts < 2; ++starts) {
        auto spool = open();
        CPPUNIT_ASSERT(spool.live.empty() || spool.live.size() == 2);
        ++(spool.live.empty() ? without : with);
        for (const Summary& each : spool.live) check(*spool, each.id);
      }
    }
    CPPUNIT_ASSERT(with > 0 && without > 0);
  }

  // The commit counts without it, because of what the log says later.
  void a_damaged_member_harms_no_other() {
    std::vector<MessageId> ids;
    {
      auto spool = open();
      auto batch = kit::begin(*spool);
      CPPUNIT_ASSERT(batch->add(message("damaged" + std::string(300, 'd'))));
      CPPUNIT_ASSERT(batch->add(message("good")));
      ids = kit::accept(*batch);
      kit::accept(*spool, kit::message("in the next group"));
      disk_->die_now();
    }
    disk_->restart(false);
    const std::string path = "/spool/" + segment_name(ids[0].segment);
    std::string bytes = disk_->content(path);
    bytes[bytes.find("dddd")] ^= 1;
    disk_->set_content(path, bytes);
    for (int again = 0; again < 2; ++again) {
      auto spool = open();
      check(*spool, ids[1]);
      CPPUNIT_ASSERT(!spool->read(ids[0]));
    }
  }

  void what_makes_no_sense_is_refused() {
    auto spool = open();
    const auto refused = [&](std::vector<RecipientState> states) {
      auto incoming = kit::message("x", 2);
      incoming->states = std::move(states);
      auto batch = kit::begin(*spool);
      const auto added = batch->add(incoming);
      return !added && added.error().code == Errc::invalid && !kit::commit(*batch);
    };
    CPPUNIT_ASSERT(refused({held}));
    CPPUNIT_ASSERT(refused({kit::outcome(State::delivered), kit::outcome(State::failed)}));
    const auto alone = kit::commit(*spool, message("x"));
    CPPUNIT_ASSERT(!alone && alone.error().code == Errc::invalid);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool->status().messages);
  }

  void no_more_than_a_record_should_hold() {
    tuning_.batch_states = 100000;
    std::vector<MessageId> ids;
    {
      auto spool = open();
      auto batch = kit::begin(*spool);
      while (batch->waiting() < 90000) CPPUNIT_ASSERT(batch->add(message("x")));
      ids = kit::accept(*batch);
      batch = kit::begin(*spool);
      auto added = batch->add(message("x"));
      for (int i = 0; added && i < 10000; ++i) added = batch->add(message("x"));
      CPPUNIT_ASSERT(!added && added.error().code == Errc::invalid);
      CPPUNIT_ASSERT(!kit::commit(*batch));
    }
    auto spool = open();
    CPPUNIT_ASSERT(spool.ids() == ids);
    for (const MessageId id : ids) check(*spool, id);
  }

  void older_versions_do_not_read_it() {
    auto spool = open();
    auto batch = kit::begin(*spool);
    CPPUNIT_ASSERT(batch->add(kit::message("none")));
    const MessageId before = kit::accept(*batch)[0];
    batch = kit::begin(*spool);
    CPPUNIT_ASSERT(batch->add(message("some")));
    const MessageId after = kit::accept(*batch)[0];
    const auto format = [&](MessageId id) {
      return SegmentHeader::decode(disk_->content("/spool/" + segment_name(id.segment)))->version;
    };
    CPPUNIT_ASSERT_EQUAL(batch_format, format(before));
    CPPUNIT_ASSERT_EQUAL(states_format, format(after));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(StatesTest);

}  // namespace
