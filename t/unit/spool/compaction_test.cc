// Segments of which most is dead go, and what lives in them goes on elsewhere:
// under its id, as it was, once.
#include "spool/record.h"
#include "spool/view.h"

#include "every_call.h"

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

using namespace impulse;
using namespace impulse::spool;
using kit::Call;
using kit::FakeDisk;

namespace {

class CompactionTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(CompactionTest);
  CPPUNIT_TEST(ids_stay_and_segments_go);
  CPPUNIT_TEST(copies_are_copied_again);
  CPPUNIT_TEST(without_footers_it_is_the_same);
  CPPUNIT_TEST(what_cannot_be_read_stays);
  CPPUNIT_TEST(large_bodies_come_along);
  CPPUNIT_TEST(what_reports_tell_is_kept);
  CPPUNIT_TEST(batches_and_receipts);
  CPPUNIT_TEST(readers_meanwhile);
  CPPUNIT_TEST(copied_while_it_is_closed);
  CPPUNIT_TEST(a_stop_ends_a_long_copy);
  CPPUNIT_TEST(older_versions_are_stopped);
  CPPUNIT_TEST(half_full_segments_stay);
  CPPUNIT_TEST(the_rate_is_kept_and_may_change);
  CPPUNIT_TEST(random_operations_and_restarts);
  CPPUNIT_TEST(death_at_every_call);
  CPPUNIT_TEST(failure_at_every_call);
  CPPUNIT_TEST_SUITE_END();

  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>(1);
  Settings settings_{.base = "/spool", .segment_size = 10000, .min_free_percent = 0, .compaction_rate = 0};
  Tuning tuning_ = kit::small_tuning();

  kit::Opened open(kit::Log* log = nullptr) {
    return kit::open(disk_, settings_, tuning_, log != nullptr ? log->sink() : nullptr);
  }
  void restart(kit::Opened& spool, int how) {
    if (how > 0) disk_->die_now();
    spool.spool.reset();
    disk_->restart(how == 2);
    spool = open();
  }
  bool there(uint32_t segment) const {
    const auto names = disk_->names("/spool");
    return std::ranges::find(names, segment_name(segment)) != names.end();
  }
  // Rounds of the committer, until that is so.
  template <class Condition>
  static void rounds_until(Spool& spool, Condition condition) {
    const auto end = steady_now() + std::chrono::seconds(120);
    while (!condition() && steady_now() < end) kit::settle(spool);
    const Status status = spool.status();
    CPPUNIT_ASSERT_MESSAGE(fmt::format("{} segments, {} copied", status.segments, status.copied), condition());
  }
  static void finish(Spool& spool, MessageId id) {
    const auto summary = spool.summary(id);
    CPPUNIT_ASSERT(summary);
    for (uint32_t i = 0; i < summary->states.size(); ++i)
      if (summary->states[i].state == State::pending)
        CPPUNIT_ASSERT(kit::record(spool, id, i, kit::outcome(State::delivered)));
  }
  static std::string body(int number) { return fmt::format("body {} ", number) + kit::noise(800, 7u); }
  // Messages in segments of ten; all but each eighth is finished.
  std::map<MessageId, std::string> mostly_dead(Spool& spool, int count = 48) {
    std::map<MessageId, std::string> all, kept;
    int number = 0;
    for (; number < count; ++number) all[kit::accept(spool, kit::message(body(number), 2))] = body(number);
    number = 0;
    for (const auto& [id, text] : all) {
      if (number++ % 8 == 3)
        kept[id] = text;
      else
        finish(spool, id);
    }
    return kept;
  }
  static void check(const std::map<MessageId, std::string>& kept, const kit::Opened& spool, bool opened) {
    if (opened) {
      const auto ids = spool.ids();
      CPPUNIT_ASSERT(std::ranges::equal(ids, kept, {}, {}, [](const auto& each) { return each.first; }));
    }
    CPPUNIT_ASSERT_EQUAL(static_cast<uint64_t>(kept.size()), spool->status().messages);
    for (const auto& [id, text] : kept) {
      const auto stored = spool->read(id);
      CPPUNIT_ASSERT_MESSAGE(stored ? "" : stored.error().message, stored);
      CPPUNIT_ASSERT(stored->id == id && stored->body == text);
      CPPUNIT_ASSERT(stored->trace.find(id.to_string("mx1")) != std::string::npos);
      CPPUNIT_ASSERT_EQUAL(std::string("sender@example.com"), spool->summary(id)->envelope.sender);
    }
  }

  void ids_stay_and_segments_go() {
    for (const int how : {0, 1, 2}) {
      disk_ = std::make_shared<FakeDisk>(static_cast<unsigned>(how));
      auto spool = open();
      auto kept = mostly_dead(*spool);
      const MessageId first = kept.begin()->first;
      CPPUNIT_ASSERT(kit::record(*spool, first, 1, kit::later(2, 99, "wait")));
      rounds_until(*spool, [&] { return spool->status().segments <= 3; });
      CPPUNIT_ASSERT(spool->status().copied > 0);  // how many depends on when the first round came
      CPPUNIT_ASSERT(!there(first.segment));
      check(kept, spool, false);
      CPPUNIT_ASSERT(spool->summary(first)->states[1] == kit::later(2, 99, "wait"));
      // What comes behind a copy counts, and so does what came before.
      const MessageId second = std::next(kept.begin())->first;
      CPPUNIT_ASSERT(kit::record(*spool, second, 0, kit::outcome(State::failed)));
      restart(spool, how);
      check(kept, spool, true);
      CPPUNIT_ASSERT(spool->summary(first)->states[1] == kit::later(2, 99, "wait"));
      CPPUNIT_ASSERT(spool->summary(second)->states[0].state == State::failed);
      CPPUNIT_ASSERT(!kit::record(*spool, second, 7, kit::outcome(State::failed)));
      for (const auto& [id, text] : kept) finish(*spool, id);
      rounds_until(*spool, [&] { return spool->status().segments <= 2; });
      restart(spool, how);
      CPPUNIT_ASSERT(spool.live.empty());
    }
  }

  void copies_are_copied_again() {
    for (const int how : {0, 1, 2}) {
      disk_ = std::make_shared<FakeDisk>(static_cast<unsigned>(how + 3));
      auto spool = open();
      auto kept = mostly_dead(*spool);
      uint64_t copied = 0;
      for (int i = 0; i < 4; ++i) {
        rounds_until(*spool, [&] { return spool->status().segments <= 5; });
        CPPUNIT_ASSERT(
            kit::record(*spool, kept.begin()->first, 0, kit::later(static_cast<uint32_t>(i + 1), i, "again")));
        for (const auto& [id, text] : mostly_dead(*spool)) kept[id] = text;
        for (int j = 0; kept.size() > 8; ++j) {
          const auto one = std::next(kept.begin(), j % 5 + 1);
          finish(*spool, one->first);
          kept.erase(one);
        }
        copied += i % 2 == 1 ? spool->status().copied : 0;
        if (i == 1) restart(spool, how);
        check(kept, spool, i == 1);
      }
      CPPUNIT_ASSERT(copied >= 4);
      restart(spool, how);
      check(kept, spool, true);
      CPPUNIT_ASSERT_EQUAL(uint32_t{4}, spool->summary(kept.begin()->first)->states[0].attempts);
    }
  }

  // The index of a segment is what a scan of it finds.
  void without_footers_it_is_the_same() {
    std::map<MessageId, std::string> kept;
    {
      auto spool = open();
      kept = mostly_dead(*spool);
      rounds_until(*spool, [&] { return spool->status().segments <= 3; });
      for (int i = 0; i < 3; ++i) {  // finished copies in the midst of live ones
        finish(*spool, kept.begin()->first);
        kept.erase(kept.begin());
      }
    }
    disk_->restart(false);
    for (const std::string& name : disk_->names("/spool")) {
      if (!name.ends_with(".seg")) continue;
      std::string content = disk_->content("/spool/" + name);
      if (content.size() > trailer_size) content[content.size() - 10] ^= 1;
      disk_->set_content("/spool/" + name, content);
    }
    for (int i = 0; i < 2; ++i) {
      auto spool = open();
      CPPUNIT_ASSERT(i == 0 || spool.report.footers_used > 0);
      check(kept, spool, true);
    }
  }

  void what_cannot_be_read_stays() {
    kit::Log log;
    auto spool = open(&log);
    tuning_.compact_gain = UINT64_MAX;  // not yet
    restart(spool, 0);
    auto kept = mostly_dead(*spool);
    const MessageId bad = std::next(kept.begin())->first;
    spool.spool.reset();
    disk_->restart(false);
    const std::string path = "/spool/" + segment_name(bad.segment);
    std::string content = disk_->content(path);
    content[content.find("body", bad.offset) + 100] ^= 1;
    disk_->set_content(path, content);
    tuning_.compact_gain = 500;
    spool = open(&log);
    log.wait_for("is not compacted");
    rounds_until(*spool, [&] { return spool->status().segments <= 4; });
    CPPUNIT_ASSERT(there(bad.segment));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, log.count("is not compacted"));
    CPPUNIT_ASSERT(spool->read(bad).error().code == Errc::invalid);
    kept.erase(bad);
    for (const auto& [id, text] : kept) CPPUNIT_ASSERT(spool->read(id)->body == text);
    finish(*spool, bad);
    for (const auto& [id, text] : kept)
      if (id.segment == bad.segment) finish(*spool, id);
    rounds_until(*spool, [&] { return !there(bad.segment); });
  }

  void large_bodies_come_along() {
    for (const int how : {0, 1}) {
      disk_ = std::make_shared<FakeDisk>(5);
      auto spool = open();
      auto incoming = kit::message("first ");
      incoming->rest = std::move(*spool->stream());
      CPPUNIT_ASSERT(incoming->rest->append("and the rest"));
      const MessageId id = kit::accept(*spool, std::move(incoming));
      auto kept = mostly_dead(*spool);
      rounds_until(*spool, [&] { return !there(id.segment); });
      CPPUNIT_ASSERT_EQUAL(std::string("first and the rest"), spool->read(id)->body);
      restart(spool, how);
      CPPUNIT_ASSERT_EQUAL(std::string("first and the rest"), spool->read(id)->body);
      CPPUNIT_ASSERT_EQUAL(size_t{1}, disk_->names("/spool/large").size());
      finish(*spool, id);
      spool.spool.reset();
      CPPUNIT_ASSERT(disk_->names("/spool/large").empty());
      disk_->restart(false);
      check(kept, open(), true);
    }
  }

  // A report may be durable in front of a copy of what it tells of, or behind it.
  void what_reports_tell_is_kept() {
    for (const int how : {0, 1, 2}) {
      for (const bool behind : {false, true}) {
        disk_ = std::make_shared<FakeDisk>(static_cast<unsigned>(how));
        auto spool = open();
        auto kept = mostly_dead(*spool);
        const MessageId id = kept.begin()->first;
        const auto tell = [&] {
          auto report = kit::message("a report");
          report->told.push_back({id, 1, kit::outcome(State::failed, 1, "no")});
          kept[kit::accept(*spool, report)] = "a report";
        };
        if (!behind) tell();
        rounds_until(*spool, [&] { return !there(id.segment); });
        if (behind) tell();
        restart(spool, how);
        check(kept, spool, true);
        CPPUNIT_ASSERT(spool->summary(id)->states[1].state == State::failed);
        CPPUNIT_ASSERT(spool->summary(id)->states[0].state == State::pending);
      }
    }
  }

  void batches_and_receipts() {
    const WallTime later = wall_now() + std::chrono::hours(1);
    for (const int how : {0, 1, 2}) {
      disk_ = std::make_shared<FakeDisk>(static_cast<unsigned>(how + 9));
      auto spool = open();
      auto batch = kit::begin(*spool);
      for (int i = 0; i < 20; ++i) CPPUNIT_ASSERT(batch->add(kit::message(body(i))));
      const auto ids = kit::accept(*batch, Receipt{"owner", "key", "value", later});
      std::map<MessageId, std::string> kept{{ids[2], body(2)}, {ids[15], body(15)}};
      for (const MessageId id : ids)
        if (!kept.contains(id)) finish(*spool, id);
      for (const auto& [id, text] : mostly_dead(*spool)) kept[id] = text;
      rounds_until(*spool, [&] { return !there(ids[0].segment) && !there(ids[19].segment); });
      restart(spool, how);
      check(kept, spool, true);
      CPPUNIT_ASSERT_EQUAL(std::string("value"), kit::remembered(*spool, "key"));
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.uncommitted);
    }
  }

  void readers_meanwhile() {
    auto spool = open();
    std::mutex mutex;
    std::map<MessageId, std::string> kept;
    std::jthread reader([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        std::map<MessageId, std::string> now;
        {
          const std::lock_guard lock(mutex);
          now = kept;
        }
        for (const auto& [id, text] : now)
          if (spool->read(id).value().body != text || spool->summary(id).value().id != id) std::abort();
        auto view = View::open(disk_, "/spool");
        for (const auto& [id, text] : now)
          if ((*view)->read(id).value().body != text) std::abort();
      }
    });
    for (int i = 0; i < 6; ++i) {
      const auto more = mostly_dead(*spool);
      const std::lock_guard lock(mutex);
      kept.insert(more.begin(), more.end());
    }
    rounds_until(*spool, [&] { return spool->status().copied >= 15; });
    reader = {};
    check(kept, spool, false);
  }

  // A range that is kept aside may be all of a segment.
  void a_stop_ends_a_long_copy() {
    SegmentFiles files(disk_, "/spool", 0640);
    CPPUNIT_ASSERT(disk_->make_directories("/spool", 0750) >= 0);
    const std::string content = kit::noise(4 << 20, 4);
    const auto file = files.create(1).value();
    CPPUNIT_ASSERT(file->write(content, 0) >= 0);
    std::atomic<bool> stop = false;
    disk_->set_read_fault([&](const std::string&, uint64_t, uint64_t) {
      stop = true;
      return 0;
    });
    const auto kept = files.keep_aside(*file, 1, 0, content.size(), "torn", &stop);
    CPPUNIT_ASSERT(!kept && kept.error().code == Errc::busy);
    const std::string name = "/spool/quarantine/00000001-00000000.torn";
    CPPUNIT_ASSERT_EQUAL(size_t{1} << 20, disk_->content(name).size());
    // The next start begins anew.
    stop = false;
    disk_->set_read_fault(nullptr);
    CPPUNIT_ASSERT(files.keep_aside(*file, 1, 0, content.size(), "torn", &stop));
    CPPUNIT_ASSERT(disk_->content(name) == content);
  }

  // Who reads a segment has it, though others close and remove it meanwhile.
  void copied_while_it_is_closed() {
    SegmentFiles files(disk_, "/spool", 0640, 1);
    CPPUNIT_ASSERT(disk_->make_directories("/spool", 0750) >= 0);
    const std::string content = kit::noise(3 << 20, 4);
    for (const uint32_t number : {1U, 2U}) CPPUNIT_ASSERT(files.create(number).value()->write(content, 0) >= 0);
    std::atomic<bool> ended = false;
    std::thread other([&] {
      while (!ended) {
        files.forget(1);
        (void)files.get(2);  // which closes the other
        (void)files.get(1);
      }
    });
    const auto copy = [&](const File& file) {
      const auto kept = files.keep_aside(file, 1, 0, content.size(), "bad");
      return kept ? disk_->content("/spool/quarantine/00000001-00000000.bad") == content : false;
    };
    bool same = true;
    for (int i = 0; i < 20; ++i) same &= copy(**files.get(1));
    ended = true;
    other.join();
    CPPUNIT_ASSERT(same);
    const auto file = files.get(1).value();
    CPPUNIT_ASSERT(files.remove(1));
    CPPUNIT_ASSERT(files.get(2));
    CPPUNIT_ASSERT(copy(*file));
    CPPUNIT_ASSERT(!files.get(1));
  }

  void older_versions_are_stopped() {
    auto spool = open();
    const auto version = [&] {
      const auto names = disk_->names("/spool");
      uint32_t highest = 0;
      for (const std::string& name : names) {
        if (!name.ends_with(".seg")) continue;
        const auto header = SegmentHeader::decode(disk_->content("/spool/" + name));
        if (header) highest = std::max(highest, header->version);  // else it comes or goes just now
      }
      return highest;
    };
    kit::accept(*spool, kit::message("plain"));
    CPPUNIT_ASSERT_EQUAL(plain_format, version());
    mostly_dead(*spool);
    rounds_until(*spool, [&] { return spool->status().copied > 0; });
    CPPUNIT_ASSERT_EQUAL(copy_format, version());
    // And stay so, whatever comes next.
    kit::remember(*spool, {"owner", "key", "value", wall_now() + std::chrono::hours(1)});
    for (int i = 0; i < 20; ++i) kit::accept(*spool, kit::message(body(i)));
    const auto names = disk_->names("/spool");
    CPPUNIT_ASSERT_EQUAL(copy_format, SegmentHeader::decode(disk_->content("/spool/" + names.back()))
                                          .value_or(SegmentHeader{.version = copy_format})
                                          .version);
  }

  void half_full_segments_stay() {
    auto spool = open();
    std::vector<MessageId> ids;
    for (int i = 0; i < 40; ++i) ids.push_back(kit::accept(*spool, kit::message(body(i))));
    for (size_t i = 0; i < ids.size(); i += 2) finish(*spool, ids[i]);
    for (int i = 0; i < 50; ++i) kit::settle(*spool);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool->status().copied);
  }

  // At a byte a second the second message's turn comes in a quarter of an hour; or, when the operator wants it, now.
  void the_rate_is_kept_and_may_change() {
    settings_.compaction_rate = 1;
    auto spool = open();
    const auto kept = mostly_dead(*spool);
    rounds_until(*spool, [&] { return spool->status().copied > 0; });
    for (int i = 0; i < 50; ++i) kit::settle(*spool);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool->status().copied);
    check(kept, spool, false);
    settings_.compaction_rate = 0;
    spool->set_live_settings(settings_);
    rounds_until(*spool, [&] { return spool->status().segments <= 3; });
    CPPUNIT_ASSERT(spool->status().copied > 1);
    check(kept, spool, false);
  }

  void random_operations_and_restarts() {
    uint64_t copied = 0;
    for (unsigned seed = 1; seed <= 25; ++seed) {
      std::mt19937 random(seed);
      auto disk = std::make_shared<FakeDisk>(seed);
      disk->short_writes = seed % 3 == 0;
      kit::Model model(disk);
      settings_.segment_size = seed % 2 == 0 ? 5000 : 12000;
      for (int session = 0; session < 6; ++session) {
        auto spool = kit::open(disk, settings_, tuning_);
        model.check(spool);
        for (unsigned i = 0; i < 160; ++i) {
          const unsigned what = random() % 20;
          if (what == 19)
            model.batch(*spool, static_cast<unsigned>(random()));
          else if (what < 5)
            model.commit(*spool, random() % 900, 1 + random() % 2);
          else if (what < 17)
            model.record(*spool, static_cast<unsigned>(random()));
          else
            kit::settle(*spool);
        }
        copied += spool->status().copied;
        const unsigned end = random() % 3;
        if (end != 0) disk->die_now();
        model.give_up_all();
        spool.spool.reset();
        disk->restart(end == 2);
      }
      auto spool = kit::open(disk, settings_, tuning_);
      model.check(spool);
    }
    CPPUNIT_ASSERT(copied > 0);
  }

  // Segments with few survivors, compacted, and news about these.
  static void script(kit::Model& model, Spool& spool) {
    for (unsigned round = 0; round < 3; ++round) {
      for (unsigned i = 0; i < 16; ++i) model.commit(spool, 300 + i * 37 % 300, 1 + i % 2);
      kit::settle(spool);
      for (unsigned i = 0; i < 60; ++i) model.record(spool, round * 1000 + i * 31);
      for (unsigned i = 0; i < 4; ++i) kit::settle(spool);
    }
  }

  void death_at_every_call() {
    settings_.segment_size = 5000;
    uint64_t copied = 0;
    kit::die_at_every_call(settings_, tuning_, [&](kit::Model& model, Spool& spool) {
      script(model, spool);
      copied += spool.status().copied;
    });
    CPPUNIT_ASSERT(copied > 0);
  }

  void failure_at_every_call() {
    settings_.segment_size = 5000;
    kit::fail_at_every_call(settings_, tuning_, false, script);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(CompactionTest);

}  // namespace
