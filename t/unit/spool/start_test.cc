// A start bears what it meets: large mail, no descriptors, a quarantine that
// takes nothing, a disk that does not read.
#include "begun.h"
#include "fake_disk.h"

#include "spool/record.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <future>

using namespace impulse;
using namespace impulse::spool;
using kit::Begun;
using kit::Call;
using kit::FakeDisk;

namespace {

class StartTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(StartTest);
  CPPUNIT_TEST(waits_for_a_descriptor_of_a_body);
  CPPUNIT_TEST(stops_in_the_middle_of_a_body);
  CPPUNIT_TEST(stops_in_the_middle_of_bad_sectors);
  CPPUNIT_TEST(told_by_recipients_too);
  CPPUNIT_TEST(a_segment_is_looked_at_in_parts);
  CPPUNIT_TEST(quarantine_that_takes_nothing);
  CPPUNIT_TEST_SUITE_END();

  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>(5);
  Settings settings_{.base = "/spool", .segment_size = 64 << 20, .min_free_percent = 0};
  Tuning tuning_ = [] {
    Tuning tuning = kit::small_tuning();
    tuning.index_again = Duration(1000);
    return tuning;
  }();

  std::vector<MessageId> fill(unsigned messages, size_t recipients) {
    auto spool = kit::open(disk_, settings_, tuning_);
    std::vector<MessageId> ids;
    for (unsigned i = 0; i < messages; ++i)
      ids.push_back(kit::accept(*spool, kit::message(kit::noise(100, i), recipients)));
    return ids;
  }
  static std::vector<MessageId> ids_of(const Begun& begun) {
    std::vector<MessageId> ids;
    for (const Summary& summary : begun.live) ids.push_back(summary.id);
    return ids;
  }

  void waits_for_a_descriptor_of_a_body() {
    MessageId id;
    {
      auto spool = kit::open(disk_, settings_, tuning_);
      auto large = kit::message("head");
      large->rest = std::move(*spool->stream());
      CPPUNIT_ASSERT(large->rest->append("rest").has_value());
      id = kit::accept(*spool, large);
    }
    kit::Log log;
    Begun begun(disk_, settings_, tuning_, log.sink());
    disk_->set_open_fault([](const std::string& path) { return path.ends_with(".body") ? EMFILE : 0; });
    begun.index();
    log.wait_for("waits until a file can be opened");
    CPPUNIT_ASSERT(!begun.ended());
    disk_->set_open_fault(nullptr);
    CPPUNIT_ASSERT(begun.wait());
    CPPUNIT_ASSERT(ids_of(begun) == std::vector{id});
    CPPUNIT_ASSERT_EQUAL(std::string("headrest"), begun.spool->read(id)->body);
  }

  void stops_in_the_middle_of_a_body() {
    MessageId id;
    {
      auto spool = kit::open(disk_, settings_, tuning_);
      auto large = kit::message("head");
      large->rest = std::move(*spool->stream());
      CPPUNIT_ASSERT(large->rest->append(std::string(4 << 20, 'x')).has_value());
      id = kit::accept(*spool, large);
      disk_->die_now();
    }
    disk_->restart(false);
    stop_at_first_read([](const std::string& path, uint64_t, uint64_t) { return path.ends_with(".body"); }, 0);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, reads_);
    CPPUNIT_ASSERT(kit::open(disk_, settings_, tuning_).ids() == std::vector{id});
  }

  // Each of them may cost seconds.
  void stops_in_the_middle_of_bad_sectors() {
    const auto before = fill(2000, 1);
    const std::string path = "/spool/" + segment_name(before.front().segment);
    std::string content = disk_->content(path);
    disk_->set_content(path, content.substr(0, content.size() - 8));
    stop_at_first_read([&](const std::string& file, uint64_t from,
                           uint64_t to) { return file == path && from >= 4096 && from < 300000 && to - from == 4096; },
                       EIO);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, reads_);
    CPPUNIT_ASSERT(kit::open(disk_, settings_, tuning_).ids() == before);
  }

  // Those of `which`, in a start that is told to stop at the first one.
  uint64_t reads_ = 0;
  void stop_at_first_read(const std::function<bool(const std::string&, uint64_t, uint64_t)>& which, int error) {
    std::promise<void> reached;
    {
      Begun begun(disk_, settings_, tuning_);
      disk_->set_read_fault([&](const std::string& path, uint64_t from, uint64_t to) {
        if (!which(path, from, to)) return error == 0 || to - from <= 4096 || from > 300000 ? 0 : error;
        if (reads_++ > 0) return error;
        begun.spool->stop_indexing();
        reached.set_value();
        return error;
      });
      begun.index();
      reached.get_future().wait();
      begun.spool.reset();
      CPPUNIT_ASSERT(!begun.ended());
    }
    disk_->set_read_fault(nullptr);
  }

  // As many in one go as one message has, and some more: not all that a list of messages has.
  void told_by_recipients_too() {
    const size_t each = 500;
    const auto before = fill(300, each);
    Begun begun(disk_, settings_, tuning_);
    begun.index();
    CPPUNIT_ASSERT(begun.wait());
    CPPUNIT_ASSERT(ids_of(begun) == before);
    for (const size_t messages : begun.slices) CPPUNIT_ASSERT(messages * each < tuning_.index_recipients + each);
  }

  // What is finished while the first of a segment are told was not looked up with them.
  void a_segment_is_looked_at_in_parts() {
    const size_t each = 500;
    const auto before = fill(100, each);
    CPPUNIT_ASSERT_EQUAL(before.front().segment, before.back().segment);
    Begun begun(disk_, settings_, tuning_);
    begun.index([&](const Summary&, size_t told) {
      for (uint32_t i = 0; told == 0 && i < each; ++i)
        begun.spool->record(before.back(), i, kit::outcome(State::delivered));
    });
    CPPUNIT_ASSERT(begun.wait());
    CPPUNIT_ASSERT_EQUAL(before.size() - 1, begun.live.size());
  }

  void quarantine_that_takes_nothing() {
    const auto before = fill(3, 1);
    const std::string foreign = "/spool/" + segment_name(before.front().segment - 1);
    for (const Call failing : {Call::rename, Call::sync_names}) {
      const std::string content = kit::noise(3000, 1);
      disk_->set_content(foreign, content);
      {
        Begun begun(disk_, settings_, tuning_);
        disk_->set_fault([&](Call call, uint64_t) { return call == failing ? ENOSPC : 0; });
        begun.index();
        const auto ended = begun.wait();
        disk_->set_fault(nullptr);
        CPPUNIT_ASSERT_MESSAGE(ended ? "" : ended.error().message, ended.has_value());
        CPPUNIT_ASSERT(ids_of(begun) == before);
        CPPUNIT_ASSERT_EQUAL(uint64_t{1}, begun.report.damaged);
        CPPUNIT_ASSERT(begun.notes.front().find("could not be moved to quarantine") != std::string::npos);
        kit::accept(*begun.spool, kit::message("new"));
        kit::settle(*begun.spool);
        if (failing == Call::rename) CPPUNIT_ASSERT(disk_->content(foreign) == content);
      }
      auto again = kit::open(disk_, settings_, tuning_);
      CPPUNIT_ASSERT(disk_->content(foreign).empty());
      CPPUNIT_ASSERT(disk_->content("/spool/quarantine/" + foreign.substr(7) + ".bad") == content);
      for (const Summary& summary : again.live)
        if (summary.id > before.back()) kit::record(*again, summary.id, 0, kit::outcome(State::delivered));
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(StartTest);

}  // namespace
