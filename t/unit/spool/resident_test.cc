// Messages that stay in memory for a while: what is read is the same, and how
// many there are, and for how long, is bounded.
#include "spool/resident.h"

#include "kit.h"

#include <fstream>

namespace impulse::spool {
namespace {

using namespace kit;

class ResidentTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ResidentTest);
  CPPUNIT_TEST(fresh_mail_is_read_from_memory);
  CPPUNIT_TEST(it_is_the_same_as_on_the_disk);
  CPPUNIT_TEST(of_batches_too);
  CPPUNIT_TEST(gone_when_it_is_finished);
  CPPUNIT_TEST(the_oldest_go_first);
  CPPUNIT_TEST(large_ones_stay_out);
  CPPUNIT_TEST(bounded_in_bytes);
  CPPUNIT_TEST(the_limit_changes_while_it_runs);
  CPPUNIT_TEST(none_after_a_restart);
  CPPUNIT_TEST_SUITE_END();

  Folder folder;

  std::unique_ptr<Spool> open(uint64_t resident) {
    auto opened = Spool::open(settings(resident), "mx1", [](const Summary&) {}, [](std::string_view) {});
    CPPUNIT_ASSERT_MESSAGE(opened ? "" : opened.error().message, opened.has_value());
    return std::move(*opened);
  }
  Settings settings(uint64_t resident) const {
    Settings settings;
    settings.base = folder.path();
    settings.min_free_percent = 0;
    settings.max_resident = resident;
    return settings;
  }
  // Everything but the file headers becomes zeros.
  void wipe() const {
    for (const auto& each : std::filesystem::recursive_directory_iterator(folder.path())) {
      if (!each.is_regular_file() || each.path().filename() == "lock") continue;
      // A segment that a batch made useless is removed meanwhile.
      std::error_code gone;
      const auto size = std::filesystem::file_size(each.path(), gone);
      if (gone) continue;
      std::fstream file(each.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(64);
      file << std::string(size > 64 ? size - 64 : 0, '\0');
    }
  }
  static void same(const Result<Stored>& a, const Result<Stored>& b) {
    CPPUNIT_ASSERT(a && b);
    CPPUNIT_ASSERT(a->id == b->id && a->trace == b->trace && a->body == b->body && a->node == b->node);
    CPPUNIT_ASSERT(a->states == b->states);
    CPPUNIT_ASSERT(a->envelope == b->envelope);
  }

  void fresh_mail_is_read_from_memory() {
    const auto spool = open(10);
    const std::string body = noise(5000, 1);
    const MessageId id = accept(*spool, message(body, 2));
    wipe();
    const auto stored = spool->read(id);
    CPPUNIT_ASSERT_MESSAGE(stored ? "" : stored.error().message, stored.has_value());
    CPPUNIT_ASSERT(stored->body == body);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, stored->states.size());
    const Status status = spool->status();
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, status.resident_hits);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, status.resident_misses);
    CPPUNIT_ASSERT(status.resident_bytes > 5000);
    spool->set_live_settings(settings(0));
    CPPUNIT_ASSERT(!spool->read(id));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool->status().resident_misses);
  }

  void it_is_the_same_as_on_the_disk() {
    const auto spool = open(10);
    auto incoming = message("Subject: x\r\n\r\nhello\r\n", 3);
    incoming->envelope.envid = "id-1";
    incoming->envelope.context.emplace_back("job", "nightly");
    incoming->envelope.recipients[1].notify = message::notify::never;
    incoming->envelope.recipients[2].orcpt = "rfc822;x@example.org";
    const MessageId id = accept(*spool, incoming);
    CPPUNIT_ASSERT(record(*spool, id, 1, later(2, 1800000000000000, "450 later")));
    const auto from_memory = spool->read(id);
    spool->set_live_settings(settings(0));
    same(from_memory, spool->read(id));
    CPPUNIT_ASSERT(from_memory->trace.find(id.to_string("mx1")) != std::string::npos);
    CPPUNIT_ASSERT_EQUAL(uint32_t{2}, from_memory->states[1].attempts);
  }

  void of_batches_too() {
    const auto spool = open(10);
    auto batch = begin(*spool);
    for (int i = 0; i < 3; ++i) CPPUNIT_ASSERT(batch->add(message(noise(100, static_cast<unsigned>(i)))));
    const auto ids = accept(*batch);
    wipe();
    for (unsigned i = 0; i < 3; ++i) CPPUNIT_ASSERT(spool->read(ids[i])->body == noise(100, i));
    CPPUNIT_ASSERT_EQUAL(uint64_t{3}, spool->status().resident_hits);
  }

  void gone_when_it_is_finished() {
    const auto spool = open(10);
    const MessageId one = accept(*spool, message("one", 2));
    const MessageId two = accept(*spool, message("two"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, spool->status().resident);
    CPPUNIT_ASSERT(record(*spool, one, 0, outcome(State::delivered)));
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, spool->status().resident);
    CPPUNIT_ASSERT(record(*spool, one, 1, outcome(State::delivered)));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool->status().resident);
    CPPUNIT_ASSERT(!spool->read(one));
    // By a report that tells of it.
    auto report = message("report");
    report->told.push_back({two, 0, outcome(State::failed)});
    accept(*spool, report);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool->status().resident);
    CPPUNIT_ASSERT(!spool->read(two));
  }

  void the_oldest_go_first() {
    const auto spool = open(3);
    std::vector<MessageId> ids;
    for (unsigned i = 0; i < 5; ++i) ids.push_back(accept(*spool, message(noise(50, i))));
    CPPUNIT_ASSERT_EQUAL(uint64_t{3}, spool->status().resident);
    wipe();
    for (unsigned i = 0; i < 5; ++i) CPPUNIT_ASSERT_EQUAL(i >= 2, spool->read(ids[i]).has_value());
  }

  void large_ones_stay_out() {
    const auto spool = open(1000);
    accept(*spool, message(noise(Resident::largest, 1)));
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool->status().resident);
    accept(*spool, message(noise(Resident::largest - 1000, 1)));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool->status().resident);
  }

  void bounded_in_bytes() {
    Resident resident;
    resident.set_limit(20);
    const std::string body(10000, 'x');
    for (uint32_t i = 1; i <= 100; ++i) {
      resident.add({1, i}, "meta", {body}, body.size());
      CPPUNIT_ASSERT(resident.figures().bytes <= 20 * Resident::share);
    }
    const auto figures = resident.figures();
    CPPUNIT_ASSERT_EQUAL(uint64_t{8}, figures.messages);
    CPPUNIT_ASSERT_EQUAL(8 * (10004 + Resident::overhead), figures.bytes);
    CPPUNIT_ASSERT(resident.find({1, 100}) && !resident.find({1, 92}));
    for (uint32_t i = 1; i <= 100; ++i) resident.erase({1, i});
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, resident.figures().bytes);
  }

  void the_limit_changes_while_it_runs() {
    const auto spool = open(0);
    accept(*spool, message("none"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool->status().resident);
    spool->set_live_settings(settings(10));
    for (int i = 0; i < 10; ++i) accept(*spool, message("some"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{10}, spool->status().resident);
    spool->set_live_settings(settings(4));
    CPPUNIT_ASSERT_EQUAL(uint64_t{4}, spool->status().resident);
  }

  void none_after_a_restart() {
    auto spool = open(10);
    const MessageId id = accept(*spool, message("body"));
    spool.reset();
    spool = open(10);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool->status().resident);
    CPPUNIT_ASSERT(spool->read(id)->body == "body");
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool->status().resident_misses);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ResidentTest);

}  // namespace
}  // namespace impulse::spool
