// A start takes new mail at once, and reads what was there beside it: nothing
// is said of old messages, nor of receipts, before it is known; nothing is lost
// or told twice, whenever it is stopped or killed.
#include "begun.h"
#include "model.h"

#include "spool/range_reader.h"
#include "spool/record.h"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <future>
#include <random>

using namespace impulse;
using namespace impulse::spool;
using kit::Begun;
using kit::FakeDisk;

namespace {

class IndexingTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(IndexingTest);
  CPPUNIT_TEST(new_mail_waits_for_nothing);
  CPPUNIT_TEST(what_is_not_known_yet_is_busy);
  CPPUNIT_TEST(a_repeated_batch_is_not_taken_twice);
  CPPUNIT_TEST(what_is_told_may_be_done_before_the_others_are);
  CPPUNIT_TEST(nothing_goes_before_the_end);
  CPPUNIT_TEST(stopped_anywhere_it_begins_anew);
  CPPUNIT_TEST(a_scan_can_be_stopped);
  CPPUNIT_TEST(it_has_not_ended_before_all_is_taken_in);
  CPPUNIT_TEST(death_at_every_call);
  CPPUNIT_TEST(killed_again_and_again);
  CPPUNIT_TEST(waits_for_descriptors);
  CPPUNIT_TEST(what_cannot_be_opened_ends_it);
  CPPUNIT_TEST(progress_is_told);
  CPPUNIT_TEST(ranges_are_read_together);
  CPPUNIT_TEST_SUITE_END();

  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>(5);
  Settings settings_{.base = "/spool", .segment_size = 3000, .min_free_percent = 0};
  Tuning tuning_ = [] {
    Tuning tuning = kit::small_tuning();
    tuning.index_slice = 2;
    tuning.index_again = Duration(1000);
    return tuning;
  }();

  // So many messages over some segments; the process was killed.
  std::vector<MessageId> fill(unsigned messages) {
    std::vector<MessageId> ids;
    {
      auto spool = kit::open(disk_, settings_, tuning_);
      for (unsigned i = 0; i < messages; ++i)
        ids.push_back(kit::accept(*spool, kit::message(kit::noise(200 + i * 37 % 400, i), 1 + i % 2)));
      disk_->die_now();
    }
    disk_->restart(false);
    return ids;
  }
  static std::vector<MessageId> ids_of(const std::vector<Summary>& live) {
    std::vector<MessageId> ids;
    for (const Summary& summary : live) ids.push_back(summary.id);
    return ids;
  }
  static void finish(Spool& spool, const Summary& summary) {
    for (uint32_t i = 0; i < summary.envelope.recipients.size(); ++i)
      spool.record(summary.id, i, kit::outcome(State::delivered));
  }

  void new_mail_waits_for_nothing() {
    const auto before = fill(20);
    Begun begun(disk_, settings_, tuning_);
    std::vector<MessageId> now;
    for (unsigned i = 0; i < 20; ++i) now.push_back(kit::accept(*begun.spool, kit::message(kit::noise(300, 100 + i))));
    auto batch = kit::begin(*begun.spool);
    CPPUNIT_ASSERT(batch->add(kit::message("of a batch")));
    now.push_back(kit::accept(*batch).front());
    for (const MessageId id : now) {
      CPPUNIT_ASSERT(id > before.back());
      CPPUNIT_ASSERT(begun.spool->read(id).has_value());
      CPPUNIT_ASSERT(begun.spool->indexed(id));
    }
    CPPUNIT_ASSERT(kit::record(*begun.spool, now.front(), 0, kit::outcome(State::delivered)));
    CPPUNIT_ASSERT(begun.spool->status().indexing.phase == Indexing::Phase::reading);
    begun.index();
    CPPUNIT_ASSERT(begun.wait());
    CPPUNIT_ASSERT(ids_of(begun.live) == before);  // and nothing of the new ones
    CPPUNIT_ASSERT_EQUAL(uint64_t{before.size() + now.size() - 1}, begun.spool->status().messages);
    begun.spool.reset();
    const auto again = kit::open(disk_, settings_, tuning_);
    std::vector<MessageId> all = before;
    all.insert(all.end(), now.begin() + 1, now.end());
    CPPUNIT_ASSERT(again.ids() == all);
  }

  void what_is_not_known_yet_is_busy() {
    const auto before = fill(9);
    Begun begun(disk_, settings_, tuning_);
    Spool& spool = *begun.spool;
    const auto code = [](const auto& result) { return result.error().code; };
    CPPUNIT_ASSERT(code(spool.read(before[0])) == Errc::busy);
    CPPUNIT_ASSERT(code(spool.summary(before[0])) == Errc::busy);
    CPPUNIT_ASSERT(code(spool.indexed(before[0])) == Errc::busy);
    CPPUNIT_ASSERT(code(kit::record(spool, before[0], 0, kit::outcome(State::failed))) == Errc::busy);
    CPPUNIT_ASSERT(code(spool.receipt("owner", "key")) == Errc::busy);
    std::promise<void> middle;
    std::promise<void> go_on;
    begun.index([&](const Summary&, size_t told) {
      if (told != 4) return;
      middle.set_value();
      go_on.get_future().wait();
    });
    middle.get_future().wait();
    // All is known now; some of it is in nobody's queue yet.
    const bool some = std::ranges::any_of(before, [&](MessageId id) { return !spool.indexed(id); });
    for (const MessageId id : before) CPPUNIT_ASSERT(spool.summary(id).has_value());
    const auto receipt = spool.receipt("owner", "key");
    const Indexing now = spool.status().indexing;
    go_on.set_value();
    CPPUNIT_ASSERT(some);
    CPPUNIT_ASSERT(receipt && !*receipt);
    CPPUNIT_ASSERT(now.phase == Indexing::Phase::queueing);
    CPPUNIT_ASSERT_EQUAL(uint64_t{9}, now.messages);
    CPPUNIT_ASSERT_EQUAL(now.segments, now.segments_read);
    CPPUNIT_ASSERT(now.queued >= 4 && now.queued < 9 && now.percent() < 100);
    CPPUNIT_ASSERT(begun.wait());
    for (const MessageId id : before) CPPUNIT_ASSERT(spool.indexed(id).has_value());
    CPPUNIT_ASSERT(spool.status().indexing.phase == Indexing::Phase::done);
    CPPUNIT_ASSERT_EQUAL(100U, spool.status().indexing.percent());
  }

  void a_repeated_batch_is_not_taken_twice() {
    const Receipt receipt{"owner", "key", "done", WallTime::max()};
    {
      auto spool = kit::open(disk_, settings_, tuning_);
      auto batch = kit::begin(*spool);
      CPPUNIT_ASSERT(batch->add(kit::message("once")));
      kit::accept(*batch, receipt);
      disk_->die_now();
    }
    disk_->restart(false);
    Begun begun(disk_, settings_, tuning_);
    auto again = kit::begin(*begun.spool);
    CPPUNIT_ASSERT(again->add(kit::message("once")));
    const auto refused = kit::commit(*again, receipt);
    CPPUNIT_ASSERT(!refused && refused.error().code == Errc::busy);
    begun.index();
    CPPUNIT_ASSERT(begun.wait());
    CPPUNIT_ASSERT_EQUAL(std::string("done"), kit::remembered(*begun.spool, "key"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, begun.spool->status().messages);
    kit::remember(*begun.spool, {"owner", "key", "newer", WallTime::max()});
    begun.spool.reset();
    const auto last = kit::open(disk_, settings_, tuning_);
    CPPUNIT_ASSERT_EQUAL(std::string("newer"), kit::remembered(*last, "key"));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, last.live.size());
  }

  void what_is_told_may_be_done_before_the_others_are() {
    const auto before = fill(30);
    {
      Begun begun(disk_, settings_, tuning_);
      begun.index([&](const Summary& summary, size_t told) {
        if (told % 3 != 0) finish(*begun.spool, summary);
        if (told % 5 == 0) kit::settle(*begun.spool);
      });
      CPPUNIT_ASSERT(begun.wait());
      CPPUNIT_ASSERT(ids_of(begun.live) == before);
    }
    const auto again = kit::open(disk_, settings_, tuning_);
    CPPUNIT_ASSERT_EQUAL(size_t{10}, again.live.size());
  }

  void nothing_goes_before_the_end() {
    fill(20);
    {
      auto spool = kit::open(disk_, settings_, tuning_);
      for (const Summary& summary : spool.live) finish(*spool, summary);
      kit::settle(*spool);
      disk_->die_now();
    }
    disk_->restart(false);
    // Its own segments: new mail that is done with at once.
    Begun begun(disk_, settings_, tuning_);
    const auto old = disk_->names("/spool");
    for (unsigned i = 0; i < 20; ++i) {
      const MessageId id = kit::accept(*begun.spool, kit::message(kit::noise(400, i)));
      CPPUNIT_ASSERT(kit::record(*begun.spool, id, 0, kit::outcome(State::delivered)));
    }
    const auto now = disk_->names("/spool");
    for (const std::string& name : old) CPPUNIT_ASSERT(std::ranges::find(now, name) != now.end());
    CPPUNIT_ASSERT(begun.spool->status().segments > 3);
    begun.index();
    CPPUNIT_ASSERT(begun.wait());
    kit::settle(*begun.spool);
    kit::settle(*begun.spool);
    CPPUNIT_ASSERT(begun.live.empty());
    CPPUNIT_ASSERT(begun.spool->status().segments <= 2);
  }

  void stopped_anywhere_it_begins_anew() {
    auto all = fill(25);
    for (size_t stop = 0; stop < 25; ++stop) {
      Begun begun(disk_, settings_, tuning_);
      all.push_back(kit::accept(*begun.spool, kit::message(kit::noise(150, static_cast<unsigned>(1000 + stop)))));
      std::promise<void> reached;
      begun.index([&](const Summary&, size_t told) {
        if (told != stop) return;
        begun.spool->stop_indexing();
        reached.set_value();
      });
      reached.get_future().wait();
      begun.spool.reset();
      CPPUNIT_ASSERT(!begun.ended());
      CPPUNIT_ASSERT(begun.live.size() >= stop && begun.live.size() <= stop + tuning_.index_slice);
      for (size_t i = 0; i < begun.live.size(); ++i) CPPUNIT_ASSERT(begun.live[i].id == all[i]);
    }
    CPPUNIT_ASSERT(kit::open(disk_, settings_, tuning_).ids() == all);
  }

  // Not only between segments.
  void a_scan_can_be_stopped() {
    settings_.segment_size = 64 << 20;
    std::vector<MessageId> ids;
    {
      auto spool = kit::open(disk_, settings_, tuning_);
      for (unsigned i = 0; i < 8; ++i) ids.push_back(kit::accept(*spool, kit::message(std::string(1 << 20, 'x'))));
      disk_->die_now();
    }
    disk_->restart(false);
    {
      Begun begun(disk_, settings_, tuning_);
      const std::string path = "/spool/" + segment_name(ids.front().segment);
      std::atomic<uint64_t> furthest = 0;
      std::promise<void> middle;
      disk_->set_read_fault([&](const std::string& file, uint64_t, uint64_t to) {
        if (file != path || to > 7 << 20) return 0;  // it looks for a footer first
        if (furthest <= 2 << 20 && to > 2 << 20) {
          begun.spool->stop_indexing();
          middle.set_value();
        }
        furthest = std::max<uint64_t>(furthest, to);
        return 0;
      });
      begun.index();
      middle.get_future().wait();
      begun.spool.reset();
      CPPUNIT_ASSERT(!begun.ended());
      CPPUNIT_ASSERT(furthest < 5 << 20);
    }
    disk_->set_read_fault(nullptr);
    CPPUNIT_ASSERT(kit::open(disk_, settings_, tuning_).ids() == ids);
  }

  // Who takes them in, somewhere else, may be asked to wait for.
  void it_has_not_ended_before_all_is_taken_in() {
    {
      auto spool = kit::open(disk_, settings_, tuning_);
      for (int i = 0; i < 20; ++i) kit::accept(*spool, kit::message("x"));
    }
    for (const bool stopped : {false, true}) {
      Begun begun(disk_, settings_, tuning_);
      std::promise<size_t> told;
      std::promise<void> taken_in;
      begun.behind_all = [&] {
        told.set_value(begun.live.size());
        taken_in.get_future().wait();
      };
      begun.index();
      CPPUNIT_ASSERT_EQUAL(size_t{20}, told.get_future().get());
      CPPUNIT_ASSERT(begun.spool->status().indexing.phase == Indexing::Phase::queueing && !begun.ended());
      if (stopped) begun.spool->stop_indexing();
      taken_in.set_value();
      if (stopped) {
        begun.spool.reset();
        CPPUNIT_ASSERT(!begun.ended());
      } else {
        CPPUNIT_ASSERT(begun.wait());
        CPPUNIT_ASSERT(begun.spool->status().indexing.phase == Indexing::Phase::done);
      }
    }
  }

  // What a process before left: messages over several segments, outcomes, batches, receipts, large bodies.
  static void script(kit::Model& model, Spool& spool, unsigned seed, unsigned steps) {
    std::mt19937 random(seed);
    for (unsigned i = 0; i < steps; ++i) {
      model.commit(spool, random() % 900, 1 + i % 2);
      model.batch(spool, static_cast<unsigned>(random()));
      model.batch(spool, static_cast<unsigned>(random()));
      for (unsigned j = 0; j < 2; ++j) model.record(spool, static_cast<unsigned>(random()));
      if (i % 4 == 3) kit::settle(spool);
    }
  }

  void death_at_every_call() {
    bool survived = false;
    for (uint64_t n = 1; !survived; ++n) {
      for (const bool power : {false, true}) {
        auto disk = std::make_shared<FakeDisk>(static_cast<unsigned>(n));
        kit::Model model(disk);
        {
          auto first = kit::open(disk, settings_, tuning_);
          script(model, *first, 1, 10);
          kit::settle(*first);
          disk->die_now();
          model.give_up_all();
        }
        disk->restart(power);
        disk->die_at(disk->calls() + n);
        {
          Begun begun(disk, settings_, tuning_);
          if (begun.spool) {
            begun.index();
            script(model, *begun.spool, static_cast<unsigned>(n), 4);
            (void)begun.wait();
            kit::settle(*begun.spool);
            model.give_up_all();
          }
        }
        survived = !disk->dead();
        disk->restart(power);
        for (int again = 0; again < 2; ++again) {
          auto spool = kit::open(disk, settings_, tuning_);
          model.check(spool);
        }
      }
    }
  }

  void killed_again_and_again() {
    for (unsigned seed = 1; seed <= 15; ++seed) {
      std::mt19937 random(seed);
      auto disk = std::make_shared<FakeDisk>(seed);
      kit::Model model(disk);
      {
        auto first = kit::open(disk, settings_, tuning_);
        script(model, *first, seed, 12);
        model.give_up_all();
        disk->die_now();
      }
      disk->restart(seed % 2 == 0);
      for (int life = 0; life < 6; ++life) {
        const size_t stop = random() % 30;
        const bool in_order = random() % 3 == 0;
        {
          Begun begun(disk, settings_, tuning_);
          CPPUNIT_ASSERT(begun.spool);
          const auto reached = std::make_shared<std::promise<void>>();
          begun.index([reached, stop](const Summary&, size_t told) {
            if (told == stop) reached->set_value();
          });
          script(model, *begun.spool, static_cast<unsigned>(random()), 3);
          if (random() % 2 == 0 && stop < 5) (void)reached->get_future().wait_for(std::chrono::milliseconds(20));
          model.give_up_all();
          if (!in_order) disk->die_now();
        }
        disk->restart(random() % 2 == 0);
      }
      auto spool = kit::open(disk, settings_, tuning_);
      model.check(spool);
    }
  }

  // More segments than are kept open, a message in each.
  std::vector<MessageId> fill_many() {
    settings_.segment_size = 1000;
    std::vector<MessageId> ids;
    auto spool = kit::open(disk_, settings_, tuning_);
    for (unsigned i = 0; i < 140; ++i) ids.push_back(kit::accept(*spool, kit::message(kit::noise(900, i))));
    return ids;
  }

  void waits_for_descriptors() {
    const auto before = fill_many();
    kit::Log log;
    Begun begun(disk_, settings_, tuning_, log.sink());
    disk_->set_open_fault([](const std::string& path) { return path.ends_with(".seg") ? EMFILE : 0; });
    begun.index();
    log.wait_for("waits until a file can be opened");
    CPPUNIT_ASSERT(!begun.ended());
    CPPUNIT_ASSERT(kit::accept(*begun.spool, kit::message("new")) > before.back());
    disk_->set_open_fault(nullptr);
    CPPUNIT_ASSERT(begun.wait());
    CPPUNIT_ASSERT(ids_of(begun.live) == before);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, log.count("waits until a file can be opened"));
  }

  void what_cannot_be_opened_ends_it() {
    auto all = fill_many();
    {
      Begun begun(disk_, settings_, tuning_);
      disk_->set_open_fault([](const std::string& path) { return path.ends_with(".seg") ? EACCES : 0; });
      begun.index();
      const auto ended = begun.wait();
      CPPUNIT_ASSERT(!ended && ended.error().code == Errc::denied);
      CPPUNIT_ASSERT(begun.live.empty());
      all.push_back(kit::accept(*begun.spool, kit::message("new")));
      CPPUNIT_ASSERT(begun.spool->summary(all.front()).error().code == Errc::busy);
      disk_->set_open_fault(nullptr);
    }
    CPPUNIT_ASSERT(kit::open(disk_, settings_, tuning_).ids() == all);
  }

  void progress_is_told() {
    fill(20);
    tuning_.progress_every = Duration(0);
    Begun begun(disk_, settings_, tuning_);
    begun.index();
    CPPUNIT_ASSERT(begun.wait());
    CPPUNIT_ASSERT(begun.last.phase == Indexing::Phase::queueing);
    CPPUNIT_ASSERT(begun.last.segments > 2);
    CPPUNIT_ASSERT_EQUAL(uint64_t{20}, begun.last.messages);
  }

  void ranges_are_read_together() {
    const std::string content = kit::noise(200000, 9);
    disk_->set_content("/file", content);
    uint64_t reads = 0;
    uint64_t bad = UINT64_MAX;
    disk_->set_read_fault([&](const std::string&, uint64_t from, uint64_t to) {
      ++reads;
      return from <= bad && bad < to ? EIO : 0;
    });
    const int fd = disk_->open("/file", O_RDONLY, 0);
    const File file(disk_, fd);
    std::vector<RangeReader::Range> ranges;
    for (uint64_t at = 0; at < 60000; at += 300) ranges.push_back({at, 100 + at % 70});
    ranges.push_back({150000, 50000});
    ranges.push_back({199999, 2});
    ranges.push_back({40, 30});
    const auto all_good = [&] {
      RangeReader reader(file, ranges);
      for (size_t i = 0; i < ranges.size(); ++i) {
        std::string_view bytes;
        const int result = reader.read(i, bytes);
        const auto& [offset, length] = ranges[i];
        if (offset + length > content.size())
          CPPUNIT_ASSERT_EQUAL(int{RangeReader::file_ends}, result);
        else if (offset <= bad && bad < offset + length)
          CPPUNIT_ASSERT_EQUAL(-EIO, result);
        else
          CPPUNIT_ASSERT(result == 0 && bytes == std::string_view(content).substr(offset, length));
      }
    };
    all_good();
    CPPUNIT_ASSERT(reads <= 3);
    // A sector that cannot be read costs only what is in it.
    bad = 30020;
    all_good();
    bad = 30290;  // between two
    all_good();
    // Where all is bad there is one try in vain, not one for each.
    reads = 0;
    disk_->set_read_fault([&](const std::string&, uint64_t, uint64_t) {
      ++reads;
      return EIO;
    });
    RangeReader reader(file, ranges);
    std::string_view bytes;
    for (size_t i = 0; i < 200; ++i) CPPUNIT_ASSERT_EQUAL(-EIO, reader.read(i, bytes));
    CPPUNIT_ASSERT_EQUAL(uint64_t{201}, reads);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(IndexingTest);

}  // namespace
