// Segments go when nothing in them is needed any more, neither by themselves
// nor by others; and what is finished never comes back.
#include "fake_disk.h"
#include "kit.h"

#include <atomic>
#include <thread>

using namespace impulse;
using namespace impulse::spool;
using kit::FakeDisk;

namespace {

class RemovalTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RemovalTest);
  CPPUNIT_TEST(a_delayed_message_pins_only_its_own_segment);
  CPPUNIT_TEST(a_checkpoint_covers_only_what_was_before_it);
  CPPUNIT_TEST(what_is_removed_stays_removed);
  CPPUNIT_TEST(large_targets_are_not_copied_again_and_again);
  CPPUNIT_TEST(footers_are_used_and_equal_a_scan);
  CPPUNIT_TEST(crashed_segments_get_footers);
  CPPUNIT_TEST(readers_and_removal);
  CPPUNIT_TEST(index_entries_are_lean);
  CPPUNIT_TEST_SUITE_END();

  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>(1);
  Settings settings_{.base = "/spool", .segment_size = 8192, .min_free_percent = 0};
  Tuning tuning_{.zero_ahead = 0, .probe_every = Duration(1000), .space_every = Duration(1000), .seconds = nullptr};

  kit::Opened open() { return kit::open(disk_, settings_, tuning_); }
  // Through the spool and out again.
  static MessageId pass(Spool& spool) {
    const MessageId id = kit::accept(spool, kit::message(std::string(1500, 'p')));
    CPPUNIT_ASSERT(kit::record(spool, id, 0, kit::outcome(State::delivered)));
    return id;
  }

  void a_delayed_message_pins_only_its_own_segment() {
    for (const bool clean : {true, false}) {
      disk_ = std::make_shared<FakeDisk>(7);
      std::vector<MessageId> delayed;
      {
        auto spool = open();
        const MessageId passing = kit::accept(*spool, kit::message("other"));
        for (int i = 0; i < 3; ++i) delayed.push_back(kit::accept(*spool, kit::message("delayed", 2)));
        for (int i = 0; i < 8; ++i) pass(*spool);
        // The news about the old segment are in younger ones.
        CPPUNIT_ASSERT(kit::record(*spool, passing, 0, kit::outcome(State::delivered)));
        CPPUNIT_ASSERT(kit::record(*spool, delayed[0], 1, kit::outcome(State::failed, 3, "no")));
        RecipientState rebound = kit::later(4, 77, "wait");
        rebound.binding = "b1";
        CPPUNIT_ASSERT(kit::record(*spool, delayed[1], 0, rebound));
        for (int i = 0; i < 200; ++i) pass(*spool);
        kit::settle(*spool);
        CPPUNIT_ASSERT(spool->status().segments <= 4);
        if (!clean) disk_->die_now();
      }
      disk_->restart(!clean);
      auto spool = open();
      CPPUNIT_ASSERT(spool.ids() == delayed);
      CPPUNIT_ASSERT(spool.live[0].states[1] == kit::outcome(State::failed, 3, "no"));
      CPPUNIT_ASSERT(spool.live[1].states[0].attempts == 4 && spool.live[1].states[0].last_error == "wait");
      CPPUNIT_ASSERT_EQUAL(std::string("b1"), spool.live[1].states[0].binding);
      CPPUNIT_ASSERT(spool.live[2].states == std::vector<RecipientState>(2));
      for (const MessageId id : delayed)
        for (uint32_t i = 0; i < 2; ++i) kit::record(*spool, id, i, kit::outcome(State::expired));
      kit::settle(*spool);
      kit::settle(*spool);
      CPPUNIT_ASSERT(spool->status().segments <= 2);
    }
  }

  void a_checkpoint_covers_only_what_was_before_it() {
    std::vector<MessageId> old;
    auto spool = open();
    for (int i = 0; i < 4; ++i) old.push_back(kit::accept(*spool, kit::message("old")));
    // Each round: news about the old segment, then enough passing mail that
    // the segment with the news wants to go.
    while (old.size() > 1) {
      for (int i = 0; i < 8; ++i) pass(*spool);
      CPPUNIT_ASSERT(kit::record(*spool, old.front(), 0, kit::outcome(State::delivered)));
      old.erase(old.begin());
      for (int i = 0; i < 20; ++i) pass(*spool);
      kit::settle(*spool);
      disk_->die_now();
      spool.spool.reset();
      disk_->restart(true);
      spool = open();
      CPPUNIT_ASSERT(spool.ids() == old);
    }
  }

  void what_is_removed_stays_removed() {
    settings_.segment_size = 4096;
    for (unsigned seed = 1; seed <= 30; ++seed) {
      disk_ = std::make_shared<FakeDisk>(seed);
      auto spool = open();
      std::vector<MessageId> ids;
      for (int i = 0; i < 6; ++i) ids.push_back(kit::accept(*spool, kit::message(std::string(1200, 'x'))));
      for (const MessageId id : ids) CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::outcome(State::delivered)));
      for (unsigned i = 0; i < 2 + seed % 5; ++i) pass(*spool);
      disk_->die_now();
      spool.spool.reset();
      disk_->restart(true);
      CPPUNIT_ASSERT(open().live.empty());
    }
  }

  void large_targets_are_not_copied_again_and_again() {
    auto spool = open();
    std::vector<MessageId> old;
    for (int i = 0; i < 30; ++i) old.push_back(kit::accept(*spool, kit::message("old")));
    const uint32_t number = old[5].segment;
    for (int i = 0; i < 30; ++i) {
      pass(*spool);
      kit::record(*spool, old[5], 0, kit::later(static_cast<uint32_t>(i), 5, "wait"));
    }
    // Thirty live ones would cost more than removing a segment of 8 KiB gains:
    // the younger segments stay, and nothing is written in circles.
    const uint64_t commits = spool->status().commits;
    for (int i = 0; i < 5; ++i) kit::settle(*spool);
    CPPUNIT_ASSERT_EQUAL(commits, spool->status().commits);
    CPPUNIT_ASSERT(spool->status().segments > 4);
    for (const MessageId id : old)
      if (id != old[5]) kit::record(*spool, id, 0, kit::outcome(State::delivered));
    for (int i = 0; i < 10; ++i) pass(*spool);
    kit::settle(*spool);
    CPPUNIT_ASSERT(spool->status().segments <= 4);
    disk_->die_now();
    spool.spool.reset();
    disk_->restart(true);
    spool = open();
    CPPUNIT_ASSERT(spool.ids() == std::vector{old[5]});
    CPPUNIT_ASSERT_EQUAL(number, spool.live[0].id.segment);
    CPPUNIT_ASSERT(spool.live[0].states[0] == kit::later(29, 5, "wait"));
  }

  void footers_are_used_and_equal_a_scan() {
    std::vector<Summary> by_footer;
    {
      auto spool = open();
      std::vector<MessageId> ids;
      for (int i = 0; i < 60; ++i) ids.push_back(kit::accept(*spool, kit::message(std::string(i * 20U, 'x'), 2)));
      for (size_t i = 0; i < ids.size(); i += 3) {
        kit::record(*spool, ids[i], 0, kit::outcome(State::delivered));
        kit::record(*spool, ids[i], 1, i % 2 == 0 ? kit::outcome(State::failed) : kit::later(2, 9, "later"));
      }
    }
    {
      auto spool = open();
      CPPUNIT_ASSERT_EQUAL(spool.report.segments, spool.report.footers_used);
      CPPUNIT_ASSERT(spool.report.segments > 4);
      by_footer = std::move(spool.live);
    }
    for (const std::string& name : disk_->names("/spool")) {
      if (!name.ends_with(".seg")) continue;
      std::string content = disk_->content("/spool/" + name);
      content.back() = static_cast<char>(content.back() ^ 1);
      disk_->set_content("/spool/" + name, content);
    }
    auto spool = open();
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.footers_used);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.damaged);
    CPPUNIT_ASSERT_EQUAL(by_footer.size(), spool.live.size());
    for (size_t i = 0; i < by_footer.size(); ++i) {
      CPPUNIT_ASSERT(by_footer[i].id == spool.live[i].id);
      CPPUNIT_ASSERT(by_footer[i].states == spool.live[i].states);
      CPPUNIT_ASSERT(by_footer[i].envelope == spool.live[i].envelope);
      CPPUNIT_ASSERT_EQUAL(by_footer[i].size, spool.live[i].size);
    }
  }

  void crashed_segments_get_footers() {
    tuning_.zero_ahead = 65536;
    MessageId id;
    {
      auto spool = open();
      id = kit::accept(*spool, kit::message("x"));
      disk_->die_now();
    }
    disk_->restart(false);
    const std::string path = "/spool/" + segment_name(id.segment);
    CPPUNIT_ASSERT(disk_->content(path).size() > 60000);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, open().report.footers_used);
    CPPUNIT_ASSERT(disk_->content(path).size() < 1000);
    auto spool = open();
    CPPUNIT_ASSERT(spool.report.footers_used >= 1);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.torn_bytes);
    CPPUNIT_ASSERT(spool->read(id)->body == "x");
  }

  void readers_and_removal() {
    kit::Folder folder;
    settings_.base = folder.path();
    auto spool = kit::open(system_files(), settings_, tuning_);
    std::atomic<uint64_t> latest{0};
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> readers;
    for (int t = 0; t < 2; ++t) {
      readers.emplace_back([&] {
        while (!stop) {
          const uint64_t packed = latest;
          const auto stored = spool->read({static_cast<uint32_t>(packed >> 32), static_cast<uint32_t>(packed)});
          if (stored ? stored->body != std::string(1500, 'r') : stored.error().code != Errc::not_found) ++wrong;
        }
      });
    }
    for (int i = 0; i < 400; ++i) {
      const MessageId id = kit::accept(*spool, kit::message(std::string(1500, 'r')));
      latest = uint64_t{id.segment} << 32 | id.offset;
      spool->record(id, 0, kit::outcome(State::delivered));
    }
    stop = true;
    for (auto& reader : readers) reader.join();
    CPPUNIT_ASSERT_EQUAL(0, wrong.load());
    kit::settle(*spool);
    CPPUNIT_ASSERT(spool->status().segments <= 2);
  }

  void index_entries_are_lean() {
    // A message with one recipient that was not tried, and one that was.
    Index index;
    index.add_segment(1, 0);
    index.add_messages(1, {{64, 100, 1000, 1}, {4096, 100, 1000, 2}});
    const MessageId id{1, 4096};
    CPPUNIT_ASSERT(index.apply({id, 0, kit::later(1, 5, "e")}) == Index::Applied::pending);
    CPPUNIT_ASSERT(index.apply({id, 0, kit::outcome(State::failed)}) == Index::Applied::pending);
    CPPUNIT_ASSERT(index.apply({id, 0, kit::outcome(State::failed)}) == Index::Applied::already);
    CPPUNIT_ASSERT(index.apply({id, 2, {}}) == Index::Applied::unknown);
    CPPUNIT_ASSERT(index.apply({{2, 64}, 0, {}}) == Index::Applied::unknown);
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, index.messages());
    CPPUNIT_ASSERT(index.apply({id, 1, kit::outcome(State::failed)}) == Index::Applied::finished);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, index.messages());
    CPPUNIT_ASSERT(!index.find(id));
    CPPUNIT_ASSERT((index.live() == std::vector{MessageId{1, 64}}));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(RemovalTest);

}  // namespace
