// A spool looked at from outside: what a start would find, nothing changed,
// whatever its daemon does meanwhile.
#include "spool/view.h"

#include "fake_disk.h"
#include "kit.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <thread>

using namespace impulse;
using namespace impulse::spool;
using kit::FakeDisk;

namespace {

class ViewTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ViewTest);
  CPPUNIT_TEST(sees_what_a_start_sees);
  CPPUNIT_TEST(changes_nothing);
  CPPUNIT_TEST(holds_still_while_the_spool_moves);
  CPPUNIT_TEST(never_sees_what_was_over_nor_misses_what_was_there);
  CPPUNIT_TEST(damage_is_told);
  CPPUNIT_TEST(what_is_no_spool);
  CPPUNIT_TEST_SUITE_END();

  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>(1);
  Settings settings_{.base = "/spool", .segment_size = 8192, .min_free_percent = 0};
  Tuning tuning_{.zero_ahead = 4096, .probe_every = Duration(1000), .space_every = Duration(1000), .seconds = nullptr};

  std::unique_ptr<View> look() {
    auto view = View::open(disk_, "/spool");
    CPPUNIT_ASSERT_MESSAGE(view ? "" : view.error().message, view.has_value());
    return std::move(*view);
  }
  static std::shared_ptr<Incoming> large(Spool& spool) {
    auto incoming = kit::message("first ");
    incoming->rest = std::move(*spool.stream());
    CPPUNIT_ASSERT(incoming->rest->append("and the rest"));
    return incoming;
  }

  void sees_what_a_start_sees() {
    std::vector<MessageId> ids;
    {
      auto spool = kit::open(disk_, settings_, tuning_);
      for (int i = 0; i < 12; ++i) ids.push_back(kit::accept(*spool, kit::message(std::string(1500, 'm'), 2)));
      ids.push_back(kit::accept(*spool, large(*spool)));
      CPPUNIT_ASSERT(kit::record(*spool, ids[0], 0, kit::outcome(State::delivered)));
      CPPUNIT_ASSERT(kit::record(*spool, ids[1], 1, kit::later(3, 77, "wait")));
      for (const uint32_t recipient : {0, 1})
        CPPUNIT_ASSERT(kit::record(*spool, ids[2], recipient, kit::outcome(State::failed)));
      auto batch = kit::begin(*spool);
      CPPUNIT_ASSERT(batch->add(kit::message("never committed")));
      kit::settle(*spool);
      const auto running = look();
      CPPUNIT_ASSERT_EQUAL(size_t{12}, running->live().size());
      CPPUNIT_ASSERT_EQUAL(std::string("first and the rest"), running->read(ids.back())->body);
      batch.reset();
      disk_->die_now();
    }
    disk_->restart(false);
    const auto view = look();
    uint64_t messages = 0;
    for (const View::Segment& segment : view->segments()) messages += segment.messages;
    CPPUNIT_ASSERT_EQUAL(uint64_t{12}, messages);
    CPPUNIT_ASSERT(!view->segments().back().sealed && view->segments().front().sealed);
    const auto spool = kit::open(disk_, settings_, tuning_);
    CPPUNIT_ASSERT(spool.ids() == view->live());
    for (const Summary& summary : spool.live) {
      const auto seen = view->summary(summary.id);
      CPPUNIT_ASSERT(seen && seen->states == summary.states && seen->envelope == summary.envelope);
      CPPUNIT_ASSERT(seen->size == summary.size && seen->node == "mx1");
      const auto whole = view->read(summary.id), own = spool->read(summary.id);
      CPPUNIT_ASSERT(whole && own && whole->trace == own->trace && whole->body == own->body);
    }
    CPPUNIT_ASSERT(view->read(ids[2]).error().code == Errc::not_found);
  }

  void changes_nothing() {
    {
      auto spool = kit::open(disk_, settings_, tuning_);
      for (int i = 0; i < 9; ++i) kit::accept(*spool, kit::message(std::string(1500, 'm')));
      disk_->die_now();
    }
    disk_->restart(false);
    // A torn end, and damage: a start would mend them.
    const auto names = disk_->names("/spool");
    std::string& last = const_cast<std::string&>(*std::ranges::max_element(names));
    disk_->set_content("/spool/" + last, disk_->content("/spool/" + last) + "torn");
    const uint64_t calls = disk_->calls();
    CPPUNIT_ASSERT_EQUAL(size_t{9}, look()->live().size());
    CPPUNIT_ASSERT_EQUAL(calls, disk_->calls());
    CPPUNIT_ASSERT(disk_->names("/spool") == names);
    // Nor is its daemon in the way, or in its way.
    auto spool = kit::open(disk_, settings_, tuning_);
    CPPUNIT_ASSERT_EQUAL(size_t{9}, look()->live().size());
  }

  void holds_still_while_the_spool_moves() {
    auto spool = kit::open(disk_, settings_, tuning_);
    std::vector<MessageId> ids;
    for (int i = 0; i < 12; ++i) ids.push_back(kit::accept(*spool, kit::message(std::string(1500, 'm'))));
    const auto view = look();
    for (const MessageId id : ids) CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::outcome(State::delivered)));
    for (int i = 0; i < 12; ++i) kit::accept(*spool, kit::message("new"));
    kit::settle(*spool);
    // Its segments are gone, and so are the zeros at the end of one that was open.
    CPPUNIT_ASSERT(disk_->content("/spool/" + segment_name(ids[0].segment)).empty());
    CPPUNIT_ASSERT(view->live() == ids);
    for (const MessageId id : ids) CPPUNIT_ASSERT(view->read(id)->body == std::string(1500, 'm'));
  }

  void never_sees_what_was_over_nor_misses_what_was_there() {
    auto spool = kit::open(disk_, settings_, tuning_);
    std::mutex mutex;
    std::set<MessageId> there, over;
    std::jthread worker([&](const std::stop_token& stop) {
      std::vector<MessageId> waiting;
      for (int i = 0; !stop.stop_requested(); ++i) {
        waiting.push_back(kit::accept(*spool, kit::message(std::string(static_cast<size_t>(i % 7) * 300, 'w'))));
        {
          const std::lock_guard lock(mutex);
          there.insert(waiting.back());
        }
        if (waiting.size() < 8) continue;
        const MessageId id = waiting[static_cast<size_t>(i) % waiting.size()];
        std::erase(waiting, id);
        {
          const std::lock_guard lock(mutex);
          there.erase(id);
        }
        if (!kit::record(*spool, id, 0, kit::outcome(State::delivered))) std::abort();
        const std::lock_guard lock(mutex);
        over.insert(id);
      }
    });
    for (int i = 0; i < 100; ++i) {
      std::set<MessageId> before, over_before;
      {
        const std::lock_guard lock(mutex);
        before = there;
        over_before = over;
      }
      const auto view = look();
      const auto live = view->live();
      const std::set<MessageId> seen(live.begin(), live.end());
      const std::lock_guard lock(mutex);
      for (const MessageId id : before)
        CPPUNIT_ASSERT_MESSAGE("a message was missed", seen.contains(id) || !there.contains(id));
      for (const MessageId id : over_before) CPPUNIT_ASSERT_MESSAGE("what was over was seen", !seen.contains(id));
      for (const MessageId id : live) CPPUNIT_ASSERT(view->read(id).has_value());
    }
  }

  void damage_is_told() {
    MessageId id, other;
    {
      auto spool = kit::open(disk_, settings_, tuning_);
      id = kit::accept(*spool, kit::message("to be damaged"));
      other = kit::accept(*spool, kit::message("as it was"));
      disk_->die_now();
    }
    disk_->restart(false);
    const std::string path = "/spool/" + segment_name(id.segment);
    std::string content = disk_->content(path);
    content[content.find("to be damaged")] ^= 1;
    disk_->set_content(path, content);
    const auto view = look();
    CPPUNIT_ASSERT(view->live() == std::vector<MessageId>{other});
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, view->report().damaged);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, view->segments().front().damaged);
  }

  void what_is_no_spool() {
    CPPUNIT_ASSERT(View::open(disk_, "/nowhere").error().code == Errc::not_found);
    disk_->make_directories("/spool", 0700);
    CPPUNIT_ASSERT(View::open(disk_, "/spool").error().code == Errc::not_found);
    {
      auto spool = kit::open(disk_, settings_, tuning_);
    }
    CPPUNIT_ASSERT(look()->live().empty());
    const auto names = disk_->names("/spool");
    const auto segment = std::ranges::find_if(names, [](const auto& name) { return name.ends_with(".seg"); });
    CPPUNIT_ASSERT(segment != names.end());
    const std::string path = "/spool/" + *segment;
    SegmentHeader header = *SegmentHeader::decode(disk_->content(path));
    header.version = newest_format + 1;
    disk_->set_content(path, header.encode() + disk_->content(path).substr(segment_header_size));
    CPPUNIT_ASSERT(View::open(disk_, "/spool").error().code == Errc::unavailable);
    disk_->set_open_fault([](const std::string&) { return EACCES; });
    CPPUNIT_ASSERT(View::open(disk_, "/spool").error().code == Errc::denied);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ViewTest);

}  // namespace
