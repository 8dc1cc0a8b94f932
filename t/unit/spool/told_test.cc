// Reports with what they tell of other messages: both are there after a crash,
// or neither is.
#include "fake_disk.h"
#include "kit.h"

#include <algorithm>

using namespace impulse;
using namespace impulse::spool;
using kit::Call;
using kit::FakeDisk;

namespace {

class ToldTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ToldTest);
  CPPUNIT_TEST(counts_when_it_is_durable);
  CPPUNIT_TEST(a_refused_report_tells_nothing);
  CPPUNIT_TEST(torn_at_every_byte);
  CPPUNIT_TEST(no_crash_parts_them);
  CPPUNIT_TEST(any_sectors_of_the_batch);
  CPPUNIT_TEST(the_later_word_counts);
  CPPUNIT_TEST(what_waits_for_the_footer_is_bounded);
  CPPUNIT_TEST(outlives_the_report);
  CPPUNIT_TEST(undone_by_no_checkpoint);
  CPPUNIT_TEST(takes_the_file_of_a_large_body_along);
  CPPUNIT_TEST_SUITE_END();

  Settings settings_{.base = "/spool", .segment_size = 100000, .min_free_percent = 0};
  Tuning tuning_ = kit::small_tuning();
  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>(1);

  kit::Opened open() { return kit::open(disk_, settings_, tuning_); }
  static std::shared_ptr<Incoming> report(std::vector<Told> told) {
    auto incoming = kit::message("a report");
    incoming->told = std::move(told);
    return incoming;
  }
  // As of the last start.
  static const Summary* find(const kit::Opened& spool, std::string_view what) {
    for (const Summary& summary : spool.live)
      if (const auto stored = spool->read(summary.id); stored && stored->body == what) return &summary;
    return nullptr;
  }

  void counts_when_it_is_durable() {
    auto spool = open();
    const MessageId one = kit::accept(*spool, kit::message("one", 2));
    const MessageId two = kit::accept(*spool, kit::message("two"));
    const MessageId id = kit::accept(*spool, report({{one, 0, kit::outcome(State::delivered)},
                                                     {one, 1, kit::later(3, 4000, "421 later")},
                                                     {two, 0, kit::outcome(State::failed, 2, "550 no")},
                                                     {two, 7, kit::outcome(State::failed)},            // nobody
                                                     {{1, 64}, 0, kit::outcome(State::delivered)}}));  // nothing
    const auto check = [&] {
      CPPUNIT_ASSERT(spool->read(id).has_value());
      CPPUNIT_ASSERT(spool->read(two).error().code == Errc::not_found);
      const auto states = spool->read(one).value().states;
      CPPUNIT_ASSERT(states[0].state == State::delivered);
      CPPUNIT_ASSERT(states[1] == kit::later(3, 4000, "421 later"));
      CPPUNIT_ASSERT_EQUAL(uint64_t{2}, spool->status().messages);
    };
    check();
    for (int i = 0; i < 2; ++i) {
      spool.spool.reset();
      spool = open();
      check();
    }
  }

  void a_refused_report_tells_nothing() {
    auto spool = open();
    const MessageId one = kit::accept(*spool, kit::message("one"));
    disk_->set_fault([](Call call, uint64_t) { return call == Call::sync ? EIO : 0; });
    CPPUNIT_ASSERT(!kit::commit(*spool, report({{one, 0, kit::outcome(State::delivered)}})));
    disk_->set_fault(nullptr);
    CPPUNIT_ASSERT(spool->read(one).value().states[0].state == State::pending);
    spool.spool.reset();
    spool = open();
    CPPUNIT_ASSERT(find(spool, "one") != nullptr && find(spool, "a report") == nullptr);
  }

  // Wherever the batch ends that holds them; and when it is read by the footer
  // that the start gave it.
  void torn_at_every_byte() {
    tuning_.zero_ahead = 0;
    MessageId older;
    {
      auto spool = open();
      older = kit::accept(*spool, kit::message("older"));
      kit::accept(*spool, kit::message("keeps the segment"));
    }
    {
      auto spool = open();
      const MessageId same = kit::accept(*spool, kit::message("same segment", 2));
      kit::accept(*spool, report({{older, 0, kit::outcome(State::delivered)}, {same, 1, kit::outcome(State::failed)}}));
      disk_->die_now();
    }
    disk_->restart(false);
    std::vector<std::string> names;
    for (const std::string& name : disk_->names("/spool"))
      if (name.ends_with(".seg")) names.push_back("/spool/" + name);
    std::sort(names.begin(), names.end());
    CPPUNIT_ASSERT_EQUAL(size_t{2}, names.size());
    const std::string first = disk_->content(names[0]);
    const std::string second = disk_->content(names[1]);
    size_t with = 0;
    for (size_t size = 0; size <= second.size(); ++size) {
      disk_ = std::make_shared<FakeDisk>(7);
      disk_->set_content(names[0], first);
      disk_->set_content(names[1], second.substr(0, size));
      for (int starts = 0; starts < 3; ++starts) {
        auto spool = open();
        const bool there = find(spool, "a report") != nullptr;
        with += there ? 1 : 0;
        CPPUNIT_ASSERT_EQUAL(!there, find(spool, "older") != nullptr);
        if (const Summary* same = find(spool, "same segment"))
          CPPUNIT_ASSERT(same->states[1].state == (there ? State::failed : State::pending));
      }
    }
    CPPUNIT_ASSERT(with > 0 && with < 3 * second.size());
  }

  // At every call of the commit, and at every call of the start after it.
  void no_crash_parts_them() {
    size_t with = 0, without = 0;
    const auto tell = [&](uint64_t n, bool power) {
      disk_ = std::make_shared<FakeDisk>(static_cast<unsigned>(n));
      MessageId older;
      {
        auto spool = open();
        older = kit::accept(*spool, kit::message("older"));
      }
      auto spool = open();
      const MessageId same = kit::accept(*spool, kit::message("same segment", 2));
      disk_->die_at(disk_->calls() + n);
      const auto answer = kit::commit(
          *spool, report({{older, 0, kit::outcome(State::delivered)}, {same, 1, kit::outcome(State::failed)}}));
      CPPUNIT_ASSERT(answer.has_value() || disk_->dead());
      const bool survived = !disk_->dead();
      disk_->die_now();
      spool.spool.reset();
      disk_->restart(power);
      return survived;
    };
    const auto check = [&] {
      auto spool = open();
      const bool there = find(spool, "a report") != nullptr;
      CPPUNIT_ASSERT_EQUAL(!there, find(spool, "older") != nullptr);
      const Summary* same = find(spool, "same segment");
      CPPUNIT_ASSERT(same != nullptr && same->states[0].state == State::pending);
      CPPUNIT_ASSERT(same->states[1].state == (there ? State::failed : State::pending));
      ++(there ? with : without);
    };
    bool survived = false;
    for (uint64_t n = 1; !survived; ++n) {
      for (const bool power : {false, true}) {
        bool started = false;
        for (uint64_t m = 1; !started; ++m) {
          survived = tell(n, power);
          disk_->die_at(disk_->calls() + m);
          if (auto spool = kit::try_open(disk_, settings_, tuning_)) spool->spool.reset();
          started = !disk_->dead();
          disk_->restart(m % 2 == 0);
          check();
          check();  // by its footer
        }
      }
    }
    CPPUNIT_ASSERT(with > 0 && without > 0);
  }

  // A report of some pages, of which a power cut leaves any; also while its segment is closed.
  void any_sectors_of_the_batch() {
    size_t with = 0, without = 0;
    for (unsigned seed = 1; seed <= 80; ++seed) {
      for (uint64_t n = 1; n <= 5; ++n) {
        disk_ = std::make_shared<FakeDisk>(seed);
        const std::string body = kit::noise(2000 + seed * 37, seed);
        MessageId older;
        {
          auto spool = open();
          older = kit::accept(*spool, kit::message("older"));
        }
        auto spool = open();
        const MessageId same = kit::accept(*spool, kit::message("same segment", 2));
        auto incoming = kit::message(body);
        incoming->told = {{older, 0, kit::outcome(State::delivered)}, {same, 1, kit::outcome(State::failed)}};
        disk_->die_at(disk_->calls() + n);
        const bool accepted = kit::commit(*spool, std::move(incoming)).has_value();
        spool.spool.reset();
        disk_->restart(true);
        for (int starts = 0; starts < 2; ++starts) {
          spool = open();
          const bool there = find(spool, body) != nullptr;
          CPPUNIT_ASSERT(there || !accepted);
          CPPUNIT_ASSERT_EQUAL(!there, find(spool, "older") != nullptr);
          const Summary* other = find(spool, "same segment");
          CPPUNIT_ASSERT(other != nullptr && other->states[0].state == State::pending);
          CPPUNIT_ASSERT(other->states[1].state == (there ? State::failed : State::pending));
          ++(there ? with : without);
          spool.spool.reset();
        }
      }
    }
    CPPUNIT_ASSERT(with > 0 && without > 0);
  }

  // Of two that are not final; as it was written, by the footer, and after a start that was stopped anywhere.
  void the_later_word_counts() {
    for (const bool sealed : {true, false}) {
      bool started = false;
      for (uint64_t m = 1; !started; ++m) {
        disk_ = std::make_shared<FakeDisk>(static_cast<unsigned>(m));
        {
          auto spool = open();
          const MessageId one = kit::accept(*spool, kit::message("one", 3));
          CPPUNIT_ASSERT(kit::record(*spool, one, 1, kit::later(2, 2000, "421 two")));
          kit::accept(*spool, report({{one, 0, kit::later(3, 3000, "421 three")}}));
          CPPUNIT_ASSERT(kit::record(*spool, one, 0, kit::later(10, 4000, "421 ten")));
          kit::accept(*spool, report({{one, 1, kit::later(3, 3000, "421 three")}}));
          kit::accept(*spool, report({{one, 2, kit::later(1, 1000, "421 one")}}));
          kit::accept(*spool, report({{one, 2, kit::later(2, 2000, "421 two")}}));
          if (!sealed) disk_->die_now();
        }
        disk_->restart(false);
        disk_->die_at(disk_->calls() + m);
        if (auto spool = kit::try_open(disk_, settings_, tuning_)) spool->spool.reset();
        started = !disk_->dead();
        disk_->restart(m % 2 == 0);
        for (int i = 0; i < 2; ++i) {
          auto spool = open();
          const auto states = find(spool, "one")->states;
          CPPUNIT_ASSERT_EQUAL(uint32_t{10}, states[0].attempts);
          CPPUNIT_ASSERT_EQUAL(uint32_t{3}, states[1].attempts);
          CPPUNIT_ASSERT_EQUAL(uint32_t{2}, states[2].attempts);
        }
      }
    }
  }

  // A segment of which reports tell much is closed before it is full.
  void what_waits_for_the_footer_is_bounded() {
    tuning_.max_told = 1000;
    auto spool = open();
    const MessageId one = kit::accept(*spool, kit::message("one", 41));
    for (uint32_t i = 0; i < 40; ++i)
      kit::accept(*spool, report({{one, i, kit::outcome(State::failed, 1, std::string(200, 'x'))}}));
    CPPUNIT_ASSERT(spool->status().segments >= 8);
    for (int starts = 0; starts < 2; ++starts) {
      const auto states = spool->read(one).value().states;
      for (uint32_t i = 0; i <= 40; ++i) CPPUNIT_ASSERT((states[i].state == State::failed) == (i < 40));
      spool.spool.reset();
      spool = open();
      CPPUNIT_ASSERT(spool.report.footers_used >= 8);
      CPPUNIT_ASSERT_EQUAL(size_t{41}, spool.live.size());
    }
  }

  // Its record does not count any more when it is found by the footer.
  void outlives_the_report() {
    MessageId older;
    {
      auto spool = open();
      older = kit::accept(*spool, kit::message("older"));
    }
    {
      auto spool = open();
      const MessageId id = kit::accept(*spool, report({{older, 0, kit::outcome(State::delivered)}}));
      kit::accept(*spool, kit::message("another"));
      CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::outcome(State::delivered)));
      disk_->die_now();
    }
    disk_->restart(true);
    for (int i = 0; i < 3; ++i) {
      auto spool = open();
      CPPUNIT_ASSERT_EQUAL(size_t{1}, spool.live.size());
      CPPUNIT_ASSERT(find(spool, "another") != nullptr);
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.damaged);
    }
  }

  // Small segments, which come and go, with checkpoints of those that stay.
  void undone_by_no_checkpoint() {
    settings_.segment_size = 3000;
    std::vector<MessageId> finished;
    auto spool = open();
    const MessageId stays = kit::accept(*spool, kit::message("stays", 200));
    for (uint32_t i = 0; i + 1 < 200; ++i) {
      const MessageId other = kit::accept(*spool, kit::message(kit::noise(400, i)));
      const MessageId id = kit::accept(
          *spool, report({{stays, i, kit::outcome(State::delivered)}, {other, 0, kit::outcome(State::failed)}}));
      if (i % 3 != 0) CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::outcome(State::delivered)));
      if (i % 50 == 49) {
        disk_->die_now();
        spool.spool.reset();
        disk_->restart(i % 100 == 99);
        spool = open();
        const auto states = spool->read(stays).value().states;
        for (uint32_t k = 0; k < 200; ++k) CPPUNIT_ASSERT((states[k].state == State::delivered) == (k <= i));
      }
    }
  }

  void takes_the_file_of_a_large_body_along() {
    auto spool = open();
    auto large = kit::message("head");
    large->rest = std::move(*spool->stream());
    CPPUNIT_ASSERT(large->rest->append(kit::noise(2000, 1)).has_value());
    const MessageId id = kit::accept(*spool, large);
    large.reset();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, disk_->names("/spool/large").size());
    kit::accept(*spool, report({{id, 0, kit::outcome(State::failed)}}));
    spool.spool.reset();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, disk_->names("/spool/large").size());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ToldTest);

}  // namespace
