// Receipts: remembered until they expire, whatever becomes of the segments
// they were written to; and none that was replaced comes back.
#include "fake_disk.h"
#include "kit.h"

#include <atomic>
#include <random>
#include <thread>

using namespace impulse;
using namespace impulse::spool;
using kit::Call;
using kit::FakeDisk;

namespace {

class ReceiptTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ReceiptTest);
  CPPUNIT_TEST(remembered_and_replaced);
  CPPUNIT_TEST(expire);
  CPPUNIT_TEST(a_replaced_one_keeps_its_time);
  CPPUNIT_TEST(outlive_their_segments);
  CPPUNIT_TEST(expired_ones_free_their_segments);
  CPPUNIT_TEST(replaced_ones_do_not_come_back);
  CPPUNIT_TEST(long_values_survive_removal_while_read);
  CPPUNIT_TEST(the_oldest_are_forgotten_beyond_the_limit);
  CPPUNIT_TEST(a_damaged_value_is_an_error);
  CPPUNIT_TEST_SUITE_END();

  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>(1);
  Settings settings_{.base = "/spool", .segment_size = 20000, .min_free_percent = 0};
  std::atomic<int64_t> hours_ = 400000;
  Tuning tuning_ = kit::small_tuning();

  WallTime in(int hours) const { return WallTime(std::chrono::hours(hours_ + hours)); }
  kit::Opened open() {
    tuning_.now = [this] { return in(0); };
    return kit::open(disk_, settings_, tuning_);
  }
  kit::Opened reopen(kit::Opened& spool, bool crash) {
    if (crash) disk_->die_now();
    spool.spool.reset();
    disk_->restart(crash);
    return open();
  }
  static void pass(Spool& spool, int count) {
    for (int i = 0; i < count; ++i) {
      const MessageId id = kit::accept(spool, kit::message(std::string(1500, 'p')));
      CPPUNIT_ASSERT(kit::record(spool, id, 0, kit::outcome(State::delivered)));
    }
    kit::settle(spool);
  }

  void remembered_and_replaced() {
    const std::string zeros("k\0\0", 3), large = kit::noise(100000, 1);
    auto spool = open();
    CPPUNIT_ASSERT_EQUAL(std::string("-"), kit::remembered(*spool, "k"));
    kit::remember(*spool, {"owner", "k", "1", in(1)});
    kit::remember(*spool, {"owner", zeros, "", in(1)});
    kit::remember(*spool, {"owne", "rk", "other", in(1)});
    kit::remember(*spool, {"owner", "", large, in(1)});
    for (int i = 0; i < 3; ++i) {
      CPPUNIT_ASSERT_EQUAL(std::string("1"), kit::remembered(*spool, "k"));
      CPPUNIT_ASSERT_EQUAL(std::string(""), kit::remembered(*spool, zeros));
      CPPUNIT_ASSERT_EQUAL(std::string("other"), kit::remembered(*spool, "rk", "owne"));
      CPPUNIT_ASSERT(kit::remembered(*spool, "") == large);
      CPPUNIT_ASSERT(((*spool->receipt("owner", "k")) == Receipt{"owner", "k", "1", in(1)}));
      CPPUNIT_ASSERT_EQUAL(uint64_t{4}, spool->status().receipts);
      spool = reopen(spool, i == 0);
      CPPUNIT_ASSERT_EQUAL(uint64_t{4}, spool.report.receipts);
    }
    kit::remember(*spool, {"owner", "k", "2", in(2)});
    kit::remember(*spool, {"owner", "", "small now", in(2)});
    for (int i = 0; i < 3; ++i) {
      CPPUNIT_ASSERT_EQUAL(std::string("2"), kit::remembered(*spool, "k"));
      CPPUNIT_ASSERT_EQUAL(std::string("small now"), kit::remembered(*spool, ""));
      spool = reopen(spool, i == 0);
    }
  }

  void expire() {
    auto spool = open();
    kit::remember(*spool, {"owner", "soon", "1", in(1)});
    kit::remember(*spool, {"owner", "later", "2", in(3)});
    hours_ += 2;
    CPPUNIT_ASSERT_EQUAL(std::string("-"), kit::remembered(*spool, "soon"));
    CPPUNIT_ASSERT_EQUAL(std::string("2"), kit::remembered(*spool, "later"));
    spool = reopen(spool, true);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.receipts);
    CPPUNIT_ASSERT_EQUAL(std::string("-"), kit::remembered(*spool, "soon"));
    hours_ += 2;
    kit::settle(*spool);
    kit::settle(*spool);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool->status().receipts);
  }

  // Else the older one would be there again when the newer one has expired.
  void a_replaced_one_keeps_its_time() {
    auto spool = open();
    kit::remember(*spool, {"owner", "k", "1", in(9)});
    kit::remember(*spool, {"owner", "k", "2", in(1)});
    hours_ += 2;
    CPPUNIT_ASSERT_EQUAL(std::string("2"), kit::remembered(*spool, "k"));
    spool = reopen(spool, false);
    CPPUNIT_ASSERT_EQUAL(std::string("2"), kit::remembered(*spool, "k"));
    // Also when they are written in one go.
    for (int round = 0; round < 20; ++round) {
      auto first = kit::begin(*spool), second = kit::begin(*spool);
      const std::string key = fmt::format("round {}", round);
      std::promise<void> done;
      first->commit(Receipt{"owner", key, "1", in(9)}, [](auto) {});
      second->commit(Receipt{"owner", key, "2", in(1)}, [&](auto) { done.set_value(); });
      done.get_future().wait();
    }
    hours_ += 2;
    for (int round = 0; round < 20; ++round)
      CPPUNIT_ASSERT_EQUAL(std::string("2"), kit::remembered(*spool, fmt::format("round {}", round)));
  }

  void outlive_their_segments() {
    settings_.segment_size = 8192;
    const std::string large = kit::noise(900, 5);
    for (unsigned seed = 1; seed <= 6; ++seed) {
      disk_ = std::make_shared<FakeDisk>(seed);
      auto spool = open();
      for (int i = 0; i < 5; ++i) kit::remember(*spool, {"owner", fmt::format("k{}", i), i == 2 ? large : "v", in(5)});
      for (int round = 0; round < 3; ++round) {
        pass(*spool, 60);
        CPPUNIT_ASSERT(spool->status().segments <= 4);
        spool = reopen(spool, seed % 2 == 0);
        for (int i = 0; i < 5; ++i)
          CPPUNIT_ASSERT(kit::remembered(*spool, fmt::format("k{}", i)) == (i == 2 ? large : "v"));
      }
    }
  }

  void expired_ones_free_their_segments() {
    settings_.segment_size = 8192;
    auto spool = open();
    // Segments full of nothing else are not copied again and again.
    for (int i = 0; i < 60; ++i) kit::remember(*spool, {"owner", fmt::format("k{}", i), kit::noise(500, 1), in(1)});
    pass(*spool, 20);
    const uint64_t many = spool->status().segments;
    CPPUNIT_ASSERT(many >= 4 && many < 12);
    hours_ += 2;
    kit::settle(*spool);
    kit::settle(*spool);
    CPPUNIT_ASSERT(spool->status().segments <= 2);
  }

  void replaced_ones_do_not_come_back() {
    settings_.segment_size = 8192;
    for (unsigned seed = 1; seed <= 20; ++seed) {
      disk_ = std::make_shared<FakeDisk>(seed);
      std::mt19937 random(seed);
      std::map<std::string, std::string> expected;
      auto spool = open();
      std::vector<MessageId> pinning;
      for (int i = 0; i < 120; ++i) {
        const std::string key = fmt::format("k{}", random() % 8);
        kit::remember(*spool,
                      {"owner", key, expected[key] = fmt::format("{}", i) + std::string(random() % 130, 'v'), in(5)});
        if (i % 13 == 0) pinning.push_back(kit::accept(*spool, kit::message("pinning")));
        if (i % 3 == 0) pass(*spool, 1 + static_cast<int>(random() % 9));
        if (random() % 30 == 0) spool = reopen(spool, random() % 2 == 0);
        for (const auto& [each, value] : expected) CPPUNIT_ASSERT_EQUAL(value, kit::remembered(*spool, each));
      }
    }
  }

  void long_values_survive_removal_while_read() {
    settings_.segment_size = 8192;
    auto spool = open();
    const std::string large = kit::noise(800, 5);
    kit::remember(*spool, {"owner", "k", large, in(5)});
    std::atomic<bool> stop = false;
    std::atomic<int> bad = 0;
    std::thread reader([&] {
      while (!stop) bad += kit::remembered(*spool, "k") == large ? 0 : 1;
    });
    pass(*spool, 200);
    stop = true;
    reader.join();
    CPPUNIT_ASSERT_EQUAL(0, bad.load());
  }

  void the_oldest_are_forgotten_beyond_the_limit() {
    tuning_.max_receipts = 10;
    settings_.segment_size = 8192;
    auto spool = open();
    kit::remember(*spool, {"owner", "old", "1", in(5)});
    const MessageId pin = kit::accept(*spool, kit::message("pin"));
    kit::remember(*spool, {"owner", "old", "2", in(5)});
    for (int i = 0; i < 25; ++i) {
      kit::remember(*spool, {"owner", fmt::format("k{}", i), "v", in(5)});
      pass(*spool, 5);
      kit::remember(*spool, {"owner", "used", fmt::format("{}", i), in(5)});
    }
    for (int i = 0; i < 3; ++i) {
      CPPUNIT_ASSERT_EQUAL(uint64_t{10}, spool->status().receipts);
      CPPUNIT_ASSERT_EQUAL(std::string("24"), kit::remembered(*spool, "used"));
      CPPUNIT_ASSERT_EQUAL(std::string("v"), kit::remembered(*spool, "k24"));
      CPPUNIT_ASSERT_EQUAL(std::string("-"), kit::remembered(*spool, "k3"));
      // Not the one before it either, which still lies there.
      CPPUNIT_ASSERT_EQUAL(std::string("-"), kit::remembered(*spool, "old"));
      CPPUNIT_ASSERT(spool->read(pin).has_value());
      spool = reopen(spool, i == 0);
    }
  }

  void a_damaged_value_is_an_error() {
    auto spool = open();
    kit::remember(*spool, {"owner", "k", std::string(1000, 'v'), in(5)});
    spool.spool.reset();
    for (const std::string& name : disk_->names("/spool")) {
      std::string content = disk_->content("/spool/" + name);
      if (const size_t at = content.find("vvvv"); at != content.npos) {
        content[at] = 'w';
        disk_->set_content("/spool/" + name, content);
      }
    }
    spool = open();
    CPPUNIT_ASSERT(spool->receipt("owner", "k").error().code == Errc::invalid);
    kit::remember(*spool, {"owner", "k", "new", in(5)});
    CPPUNIT_ASSERT_EQUAL(std::string("new"), kit::remembered(*spool, "k"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ReceiptTest);

}  // namespace
