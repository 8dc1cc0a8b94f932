// What was acknowledged as a batch is not lost: whatever becomes of the
// segments of its messages, of its commit, and of the start after a crash.
#include "begun.h"
#include "fake_disk.h"
#include "kit.h"
#include "spool/record.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <latch>
#include <map>
#include <thread>
#include <utility>

using namespace impulse;
using namespace impulse::spool;
using kit::Begun;
using kit::Call;
using kit::FakeDisk;

namespace {

class BatchLossTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(BatchLossTest);
  CPPUNIT_TEST(segments_removed_while_the_disk_is_full);
  CPPUNIT_TEST(segments_removed_in_the_round_of_the_commit);
  CPPUNIT_TEST(an_unsynced_proof_is_said_again);
  CPPUNIT_TEST(what_cannot_be_read_for_once);
  CPPUNIT_TEST(death_at_every_call_of_the_second_start);
  CPPUNIT_TEST(failure_at_every_call_of_the_second_start);
  CPPUNIT_TEST(any_bit_wrong);
  CPPUNIT_TEST(kept_aside_when_the_commit_may_be_damaged);
  CPPUNIT_TEST(a_stop_while_they_are_kept_aside);
  CPPUNIT_TEST_SUITE_END();

  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>(1);
  Settings settings_{.base = "/spool", .segment_size = 3000, .min_free_percent = 0};
  Tuning tuning_ = kit::small_tuning();

  kit::Opened open() { return kit::open(disk_, settings_, tuning_); }
  static Receipt receipt() { return {"owner", "k", "v", wall_now() + std::chrono::hours(1)}; }
  static void add(Batch& batch, size_t size) {
    const auto added = batch.add(kit::message("m" + std::string(size, 'x')));
    CPPUNIT_ASSERT_MESSAGE(added ? "" : added.error().message, added.has_value());
  }
  // Commits, and calls `at_once` on the committer's thread, in the middle of its round.
  static std::vector<MessageId> commit(Batch& batch,
                                       const std::function<void(const std::vector<MessageId>&)>& at_once) {
    std::vector<MessageId> ids;
    std::latch done(1);
    batch.commit(receipt(), [&](Result<std::vector<MessageId>> committed) {
      if (committed) ids = std::move(*committed);
      at_once(ids);
      done.count_down();
    });
    done.wait();
    CPPUNIT_ASSERT(!ids.empty());
    return ids;
  }
  static std::vector<MessageId> in_last_segment(std::vector<MessageId> ids) {
    std::erase_if(ids, [last = ids.back().segment](MessageId id) { return id.segment != last; });
    return ids;
  }
  static std::string said(const kit::Opened& opened) {
    std::string all = fmt::format("{} live", opened.live.size());
    for (const std::string& note : opened.report.notes) all += "\n" + note;
    return all;
  }
  void expect(const std::vector<MessageId>& ids, const std::string& value = "v", std::string where = "") {
    for (int again = 0; again < 2; ++again) {
      auto spool = open();
      CPPUNIT_ASSERT_MESSAGE(where + " " + said(spool), spool.ids() == ids);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(where, value, kit::remembered(*spool, "k"));
    }
  }

  // The group behind the commit fails; what the segments before it hold is
  // delivered meanwhile, and they go.
  void segments_removed_while_the_disk_is_full() {
    std::vector<MessageId> ids;
    kit::Log log;
    {
      auto spool = kit::open(disk_, settings_, tuning_, log.sink());
      auto batch = kit::begin(*spool);
      for (int i = 0; i < 4; ++i) add(*batch, 900);
      kit::settle(*spool);
      add(*batch, 100);
      const uint64_t segments = spool->status().segments;
      ids = commit(*batch, [&](const auto&) {
        disk_->set_fault([](Call call, uint64_t) { return call == Call::write ? ENOSPC : 0; });
      });
      CPPUNIT_ASSERT(ids.front().segment != ids.back().segment);
      for (const MessageId id : ids)
        if (id.segment != ids.back().segment) spool->record(id, 0, kit::outcome(State::delivered));
      log.wait_for("the disk fails");
      kit::settle(*spool);
      CPPUNIT_ASSERT(spool->status().segments < segments);
    }
    disk_->restart(false);
    disk_->set_fault(nullptr);
    expect(in_last_segment(ids));
  }

  // The disk is well, and the power goes before anything else is written.
  void segments_removed_in_the_round_of_the_commit() {
    for (unsigned seed = 1; seed <= 20; ++seed) {
      disk_ = std::make_shared<FakeDisk>(seed);
      std::vector<MessageId> ids;
      {
        auto spool = open();
        auto batch = kit::begin(*spool);
        for (int i = 0; i < 4; ++i) add(*batch, 900);
        kit::settle(*spool);
        add(*batch, 100);
        std::latch removed(1);
        disk_->set_fault([&, seen = false](Call call, uint64_t) mutable {
          if (call == Call::unlink && !std::exchange(seen, true)) removed.count_down();
          return seen && call == Call::write ? EIO : 0;
        });
        ids = commit(*batch, [&](const auto& all) {
          for (const MessageId id : all)
            if (id.segment != all.back().segment) spool->record(id, 0, kit::outcome(State::delivered));
        });
        removed.wait();
        disk_->die_now();
        disk_->set_fault(nullptr);
      }
      disk_->restart(true);
      auto spool = open();
      // Those whose removal the disk did not take are there still.
      const auto found = spool.ids();
      for (const MessageId id : in_last_segment(ids))
        CPPUNIT_ASSERT_MESSAGE(said(spool), std::find(found.begin(), found.end(), id) != found.end());
      CPPUNIT_ASSERT_EQUAL(std::string("v"), kit::remembered(*spool, "k"));
    }
  }

  // A record that was written without a sync is forgotten by the disk when the next sync fails.
  void an_unsynced_proof_is_said_again() {
    settings_.segment_size = 20000;
    tuning_.zero_ahead = 0;
    for (unsigned seed = 1; seed <= 20; ++seed) {
      disk_ = std::make_shared<FakeDisk>(seed);
      std::vector<MessageId> ids;
      kit::Log log;
      {
        auto spool = kit::open(disk_, settings_, tuning_, log.sink());
        auto batch = kit::begin(*spool);
        for (int i = 0; i < 4; ++i) add(*batch, 900);
        ids = commit(*batch, [](const auto&) {});
        while (!has_settled("/spool/" + segment_name(ids[0].segment))) std::this_thread::yield();
        disk_->set_fault(
            [left = 2](Call call, uint64_t) mutable { return call == Call::sync && left-- > 0 ? EIO : 0; });
        CPPUNIT_ASSERT(!kit::commit(*spool, kit::message("refused")));
        log.wait_for("works again after");
        ids.push_back(kit::accept(*spool, kit::message("single")));
        disk_->die_now();
        disk_->set_fault(nullptr);
      }
      disk_->restart(true);
      const std::string path = "/spool/" + segment_name(ids[0].segment);
      std::string content = disk_->content(path);
      content[ids[1].offset + record_header_size + 3] ^= 1;
      disk_->set_content(path, content);
      ids.erase(ids.begin() + 1);
      expect(ids, "v", fmt::format("seed {}", seed));
    }
  }
  // Where its commit record lies; 0: not there.
  static uint64_t commit_in(const std::string& content) {
    for (size_t at = segment_header_size; at + record_header_size <= content.size();) {
      const auto header = RecordHeader::decode(std::string_view(content).substr(at, record_header_size));
      if (!header) return 0;
      if (header->type == RecordType::commit) return at;
      at += header->size();
    }
    return 0;
  }
  // A batch over several segments, its commit in the last one.
  std::vector<MessageId> over_segments(bool clean, bool with_receipt) {
    auto spool = open();
    auto batch = kit::begin(*spool);
    for (int i = 0; i < 6; ++i) add(*batch, 900);
    kit::settle(*spool);
    const auto ids = kit::accept(*batch, with_receipt ? std::optional(receipt()) : std::nullopt);
    kit::settle(*spool);
    if (!clean) disk_->die_now();
    return ids;
  }

  // Any segment, or only the commit record, at one start; in which what can be
  // read may be delivered. At the next all is there that was not.
  void what_cannot_be_read_for_once() {
    for (unsigned variant = 0; variant < 8; ++variant) {
      const bool clean = variant & 1, delivers = variant & 2, with_receipt = variant & 4;
      bool more = true;
      for (size_t which = 0; more; ++which) {
        disk_ = std::make_shared<FakeDisk>(1);
        const std::vector<MessageId> ids = over_segments(clean, with_receipt);
        disk_->restart(false);
        std::vector<std::string> segments;
        for (const std::string& name : disk_->names("/spool"))
          if (name.ends_with(".seg")) segments.push_back("/spool/" + name);
        CPPUNIT_ASSERT(segments.size() >= 3);
        more = which < segments.size();
        const std::string bad = more ? segments[which] : "/spool/" + segment_name(ids.back().segment);
        const uint64_t from = more ? 0 : commit_in(disk_->content(bad)) + record_header_size;
        const uint64_t to = more ? UINT64_MAX : from + 1;
        CPPUNIT_ASSERT(more || from > record_header_size);
        disk_->set_read_fault([=](const std::string& file, uint64_t begin, uint64_t end) {
          return file == bad && begin < to && end > from ? EIO : 0;
        });
        std::vector<MessageId> expected = ids;
        {
          auto spool = open();
          if (delivers)
            for (const MessageId id : spool.ids()) {
              CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::outcome(State::delivered)));
              std::erase(expected, id);
            }
          for (int i = 0; i < 3; ++i) kit::settle(*spool);
        }
        disk_->set_read_fault(nullptr);
        expect(expected, with_receipt ? "v" : "-", fmt::format("variant {}, {}", variant, bad));
      }
    }
  }
  // Two segments without footers: a batch in both, small ones in one each, one
  // that is under way, and singles. Dead before more can be said of it. What has to be there, ascending.
  std::vector<MessageId> without_footers() {
    kit::Log log;
    auto spool = kit::open(disk_, settings_, tuning_, log.sink());
    std::vector<MessageId> all;
    const auto take = [&](const std::vector<MessageId>& ids) { all.insert(all.end(), ids.begin(), ids.end()); };
    kit::remember(*spool, {"owner", "before", "v", wall_now() + std::chrono::hours(1)});
    auto batch = kit::begin(*spool);
    auto under_way = kit::begin(*spool);
    for (int i = 0; i < 2; ++i) add(*batch, 400);
    for (int i = 0; i < 2; ++i) add(*under_way, 300);
    auto small = kit::begin(*spool);
    add(*small, 10);
    take(kit::accept(*small));
    kit::settle(*spool);
    disk_->set_fault([left = 1](Call call, uint64_t) mutable { return call == Call::write && left-- > 0 ? EIO : 0; });
    CPPUNIT_ASSERT(!kit::commit(*spool, kit::message("refused")));
    log.wait_for("works again after");
    disk_->set_fault(nullptr);
    take({kit::accept(*spool, kit::message("single"))});
    add(*batch, 500);
    add(*under_way, 10);
    small = kit::begin(*spool);
    for (int i = 0; i < 2; ++i) add(*small, 20);
    // Both in one round.
    std::latch held(1), go(1), done(2);
    spool->commit(kit::message("", 0), [&](Result<MessageId>) {
      held.count_down();
      go.wait();
    });
    held.wait();
    for (Batch* each : {batch.get(), small.get()})
      each->commit(each == batch.get() ? std::optional(receipt()) : std::nullopt,
                   [&, each](Result<std::vector<MessageId>> ids) {
                     CPPUNIT_ASSERT(ids);
                     take(*ids);
                     if (each == small.get()) disk_->die_now();
                     done.count_down();
                   });
    go.count_down();
    done.wait();
    std::sort(all.begin(), all.end());
    CPPUNIT_ASSERT_EQUAL(size_t{7}, all.size());
    CPPUNIT_ASSERT(all.front().segment != all.back().segment);
    return all;
  }

  void death_at_every_call_of_the_second_start() {
    bool survived = false;
    for (uint64_t n = 1; !survived; ++n)
      for (const bool power : {false, true}) {
        disk_ = std::make_shared<FakeDisk>(static_cast<unsigned>(n));
        const auto ids = without_footers();
        disk_->restart(power);
        disk_->die_at(disk_->calls() + n);
        (void)kit::try_open(disk_, settings_, tuning_);
        survived = !disk_->dead();
        disk_->restart(power);
        expect(ids, "v", fmt::format("dead at call {}", n));
      }
  }

  // Once, or from there on.
  void failure_at_every_call_of_the_second_start() {
    for (const int err : {EIO, ENOSPC})
      for (const bool once : {true, false}) {
        bool all = false;
        for (uint64_t n = 1; !all; ++n) {
          disk_ = std::make_shared<FakeDisk>(static_cast<unsigned>(n));
          const auto ids = without_footers();
          disk_->restart(true);
          const uint64_t at = disk_->calls() + n;
          std::atomic<bool> hit = false;
          disk_->set_fault([&](Call call, uint64_t number) {
            const bool now = call != Call::space && (once ? number == at : number >= at);
            return now ? hit = true, err : 0;
          });
          (void)kit::try_open(disk_, settings_, tuning_);
          all = !hit;
          disk_->set_fault(nullptr);
          disk_->restart(n % 2 == 0);
          expect(ids, "v", fmt::format("failed at call {}", n));
        }
      }
  }
  // In any segment of a batch, behind which the log says that it was durable:
  // never more than one message.
  void any_bit_wrong() {
    settings_.segment_size = 600;
    tuning_.zero_ahead = 0;
    for (unsigned variant = 0; variant < 8; ++variant) {
      const bool clean = variant & 1, large = variant & 2, with_receipt = variant & 4;
      disk_ = std::make_shared<FakeDisk>(1);
      std::vector<MessageId> ids;
      {
        auto spool = open();
        auto batch = kit::begin(*spool);
        for (int i = 0; i < (large ? 4 : 2); ++i) add(*batch, 10);
        if (large) kit::settle(*spool);
        ids = kit::accept(*batch, with_receipt ? std::optional(receipt()) : std::nullopt);
        while (!clean && !has_settled("/spool/" + segment_name(ids.back().segment))) std::this_thread::yield();
        if (!clean) disk_->die_now();
      }
      disk_->restart(false);
      CPPUNIT_ASSERT_EQUAL(large, ids.front().segment != ids.back().segment);
      std::map<std::string, std::string> good;
      for (const std::string& name : disk_->names("/spool"))
        if (name.ends_with(".seg")) good["/spool/" + name] = disk_->content("/spool/" + name);
      for (const auto& [path, content] : good)
        for (size_t at = variant % 3; at < content.size(); at += 3) {
          disk_ = std::make_shared<FakeDisk>(1);
          for (const auto& [other, bytes] : good) disk_->set_content(other, bytes);
          std::string bad = content;
          bad[at] = static_cast<char>(bad[at] ^ (1 << at % 7));
          disk_->set_content(path, bad);
          for (size_t again = at % 8 == 0 ? 0 : 1; again < 2; ++again) {
            auto spool = open();
            const std::string where = fmt::format("variant {}, {} at {}: ", variant, path, at);
            size_t whole = 0;
            for (const MessageId id : ids) whole += spool->read(id) ? 1 : 0;
            CPPUNIT_ASSERT_MESSAGE(where + said(spool), whole + 1 >= ids.size() && whole <= spool->status().messages);
            const std::string value = kit::remembered(*spool, "k");
            CPPUNIT_ASSERT_MESSAGE(where, value == (with_receipt ? "v" : "-") || (value == "-" && whole == ids.size()));
          }
        }
    }
  }

  // Nothing else proves it: whether it was committed nobody knows.
  void kept_aside_when_the_commit_may_be_damaged() {
    tuning_.seconds = [] { return int64_t{1000}; };  // so that segments have numbers without gaps
    for (int variant = 0; variant < 3; ++variant) {
      const bool other = variant == 1;       // the damage lies in front of them, and explains nothing
      const bool unreadable = variant == 2;  // for once, some of the messages
      disk_ = std::make_shared<FakeDisk>(1);
      std::vector<MessageId> ids;
      const std::string body = "m" + std::string(1284, 'x');  // two fill a segment: the commit has one of its own
      {
        auto spool = open();
        kit::remember(*spool, {"owner", "before", "v", wall_now() + std::chrono::hours(1)});
        auto batch = kit::begin(*spool);
        for (int i = 0; i < 5; ++i) add(*batch, 1284);
        kit::settle(*spool);
        ids = commit(*batch, [&](const auto&) { disk_->die_now(); });
      }
      disk_->restart(false);
      const uint32_t last = ids.back().segment + 1;
      for (const uint32_t number : {ids.front().segment, last}) {
        const std::string path = "/spool/" + segment_name(number);
        std::string content = disk_->content(path);
        if (number == last) {
          const size_t at = commit_in(content);
          CPPUNIT_ASSERT(at > 0);
          // Its last record: cut off, or damaged in the middle.
          if (other)
            content.resize(at);
          else
            content[at + record_header_size + 2] ^= 1;
        } else if (other) {
          content[segment_header_size + record_header_size + 2] ^= 1;
        }
        disk_->set_content(path, content);
      }
      if (unreadable) {
        disk_->set_read_fault([path = "/spool/" + segment_name(ids.front().segment)](
                                  const std::string& file, uint64_t, uint64_t) { return file == path ? EIO : 0; });
        CPPUNIT_ASSERT(open().live.empty());
        disk_->set_read_fault(nullptr);
      }
      {
        auto spool = open();
        CPPUNIT_ASSERT(spool.live.empty());
        CPPUNIT_ASSERT_EQUAL_MESSAGE(said(spool), uint64_t{1}, spool.report.damaged);
      }
      std::string kept;
      for (const std::string& name : disk_->names("/spool/quarantine"))
        if (name.ends_with(".batch")) kept += disk_->content("/spool/quarantine/" + name);
      size_t count = 0;
      for (size_t at = 0; (at = kept.find(body, at)) != kept.npos; at += body.size()) ++count;
      CPPUNIT_ASSERT_EQUAL(size_t{other ? 0U : 5U}, count);
    }
  }
  // The next start begins anew with it: nothing of theirs was removed before.
  void a_stop_while_they_are_kept_aside() {
    tuning_.seconds = [] { return int64_t{1000}; };  // so that segments have numbers without gaps
    const std::string body = "m" + std::string(1284, 'x');
    std::vector<MessageId> ids;
    {
      auto spool = open();
      kit::remember(*spool, {"owner", "before", "v", wall_now() + std::chrono::hours(1)});
      auto batch = kit::begin(*spool);
      for (int i = 0; i < 5; ++i) add(*batch, 1284);
      kit::settle(*spool);
      ids = commit(*batch, [](const auto&) {});
    }
    // Nothing of the commit's segment can be recognised any more, and the others have their footers.
    const std::string last = "/spool/" + segment_name(ids.back().segment + 1);
    CPPUNIT_ASSERT(commit_in(disk_->content(last)) > 0);
    disk_->set_content(last, kit::noise(disk_->content(last).size(), 9));
    const auto segments = [&] {
      size_t count = 0;
      for (const std::string& name : disk_->names("/spool")) count += name.ends_with(".seg");
      return count;
    };
    const size_t before = segments();
    {
      Begun begun(disk_, settings_, tuning_);
      std::promise<void> begins;
      disk_->set_open_fault([&, begun_it = false](const std::string& path) mutable {
        if (path.ends_with(".batch") && !std::exchange(begun_it, true)) {
          begun.spool->stop_indexing();
          begins.set_value();
        }
        return 0;
      });
      begun.index();
      begins.get_future().wait();
      begun.spool.reset();
      CPPUNIT_ASSERT(!begun.ended());
      CPPUNIT_ASSERT(segments() + 1 >= before);  // but the one that is no segment
    }
    disk_->set_open_fault(nullptr);
    CPPUNIT_ASSERT(open().live.empty());
    std::string kept;
    for (const std::string& name : disk_->names("/spool/quarantine"))
      if (name.ends_with(".batch")) kept += disk_->content("/spool/quarantine/" + name);
    size_t count = 0;
    for (size_t at = 0; (at = kept.find(body, at)) != kept.npos; at += body.size()) ++count;
    CPPUNIT_ASSERT_EQUAL(size_t{5}, count);
  }
  bool has_settled(const std::string& path) const {
    const std::string content = disk_->content(path);
    for (size_t at = segment_header_size; at + record_header_size <= content.size();) {
      const auto header = RecordHeader::decode(std::string_view(content).substr(at, record_header_size));
      if (!header) return false;
      if (header->type == RecordType::settled) return true;
      at += header->size();
    }
    return false;
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(BatchLossTest);

}  // namespace
