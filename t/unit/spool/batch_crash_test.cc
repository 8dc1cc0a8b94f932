// Batches and crashes: all or nothing at each instant, and what is wrong with
// one message is nothing to the others.
#include "model.h"
#include "spool/record.h"

#include <atomic>
#include <latch>
#include <random>

using namespace impulse;
using namespace impulse::spool;
using kit::Call;
using kit::FakeDisk;

namespace {

class BatchCrashTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(BatchCrashTest);
  CPPUNIT_TEST(torn_by_a_power_cut);
  CPPUNIT_TEST(torn_behind_durable_messages);
  CPPUNIT_TEST(each_byte_flipped);
  CPPUNIT_TEST(what_cannot_be_read_now_is_not_judged);
  CPPUNIT_TEST(death_at_every_call);
  CPPUNIT_TEST(failure_at_every_call);
  CPPUNIT_TEST_SUITE_END();

  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>(1);
  Settings settings_{.base = "/spool", .segment_size = 20000, .min_free_percent = 0};
  Tuning tuning_ = kit::small_tuning();

  kit::Opened open() { return kit::open(disk_, settings_, tuning_); }
  static void add(Batch& batch, std::string_view body) { CPPUNIT_ASSERT(batch.add(kit::message(body))); }
  static std::string body_of(const Spool& spool, MessageId id) {
    const auto stored = spool.read(id);
    return stored ? stored->body : "!" + stored.error().message;
  }

  // Of one group some sectors reach the disk, in any order.
  void torn_by_a_power_cut() { torn("x"); }

  // Those that came before are durable; the last one and the commit are one group.
  void torn_behind_durable_messages() { torn(std::string(600, 'x')); }

  void torn(const std::string& body) {
    tuning_.zero_ahead = 0;
    size_t whole = 0, none = 0;
    uint64_t found = 0;
    for (unsigned seed = 1; seed <= 150; ++seed) {
      disk_ = std::make_shared<FakeDisk>(seed);
      MessageId single;
      {
        auto spool = open();
        kit::remember(*spool, {"owner", "before", "v", wall_now() + std::chrono::hours(1)});
        single = kit::accept(*spool, kit::message("single"));
        auto batch = kit::begin(*spool);
        for (int i = 0; i < 2; ++i) add(*batch, body);
        // What fills a piece is handed on at once.
        while (2 * body.size() > tuning_.batch_piece && batch->waiting() > 0) std::this_thread::yield();
        add(*batch, "x");
        disk_->die_at(disk_->calls() + 2);  // written, and being synced
        CPPUNIT_ASSERT(!kit::commit(*batch, Receipt{"owner", "k", "v", wall_now() + std::chrono::hours(1)}));
      }
      disk_->restart(true);
      for (int again = 0; again < 2; ++again) {
        auto spool = open();
        const bool all = spool.live.size() == 4;
        CPPUNIT_ASSERT(all || spool.ids() == std::vector{single});
        CPPUNIT_ASSERT_EQUAL(std::string(all ? "v" : "-"), kit::remembered(*spool, "k"));
        CPPUNIT_ASSERT_EQUAL(std::string("v"), kit::remembered(*spool, "before"));
        if (again == 0) found += spool.report.uncommitted;
        ++(all ? whole : none);
      }
    }
    CPPUNIT_ASSERT(whole > 0 && none > 0 && found > 0);
  }

  // Acknowledged, crashed, and then any bit wrong: the others are unharmed.
  void each_byte_flipped() {
    settings_.segment_size = 100000;
    tuning_.zero_ahead = 0;
    std::map<MessageId, std::string> bodies;
    std::string path;
    {
      auto spool = open();
      auto batch = kit::begin(*spool);
      for (int i = 0; i < 4; ++i) add(*batch, fmt::format("batch {}", i));
      const auto ids = kit::accept(*batch, Receipt{"owner", "k", "v", wall_now() + std::chrono::hours(1)});
      for (const MessageId id : ids) bodies[id] = body_of(*spool, id);
      // With what comes next the log says that it was durable.
      const MessageId next = kit::accept(*spool, kit::message("single"));
      bodies[next] = "single";
      path = "/spool/" + segment_name(next.segment);
      disk_->die_now();
    }
    disk_->restart(false);
    const std::string good = disk_->content(path);
    for (size_t at = 0; at < good.size(); ++at) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
      disk_ = std::make_shared<FakeDisk>(1);
      disk_->set_content(path, bad);
      auto spool = open();
      size_t whole = 0;
      for (const auto& [id, body] : bodies) {
        const auto stored = spool->read(id);
        CPPUNIT_ASSERT(!stored || stored->body == body);
        whole += stored ? 1 : 0;
      }
      CPPUNIT_ASSERT_MESSAGE(fmt::format("bit at {}: {}", at, whole), whole + 1 >= bodies.size());
      CPPUNIT_ASSERT_EQUAL(static_cast<uint64_t>(whole), spool->status().messages);
      const std::string receipt = kit::remembered(*spool, "k");
      CPPUNIT_ASSERT(receipt == "v" || (receipt == "-" && whole == bodies.size()));
    }
  }

  // A torn batch and an unreadable one look alike: it waits for a better day.
  void what_cannot_be_read_now_is_not_judged() {
    settings_.segment_size = 100000;
    tuning_.zero_ahead = 0;
    tuning_.batch_piece = 1 << 20;  // one group
    std::vector<MessageId> ids;
    std::string path, content;
    {
      auto spool = open();
      kit::remember(*spool, {"owner", "k", "v", wall_now() + std::chrono::hours(1)});
      std::latch held(1), go(1);
      auto batch = kit::begin(*spool);
      for (int i = 0; i < 4; ++i) add(*batch, fmt::format("batch {} ", i) + kit::noise(5000, 7));
      // Before the log could say that it was durable.
      batch->commit(std::nullopt, [&](Result<std::vector<MessageId>> done) {
        ids = *done;
        disk_->die_now();
        held.count_down();
      });
      held.wait();
      path = "/spool/" + segment_name(ids[0].segment);
      go.count_down();
    }
    disk_->restart(false);
    const uint64_t bad = ids[1].offset + 4500;
    disk_->set_read_fault([=](const std::string& file, uint64_t from, uint64_t to) {
      return file == path && from < bad + 1 && to > bad ? EIO : 0;
    });
    for (int i = 0; i < 2; ++i) CPPUNIT_ASSERT(open().ids().empty());
    disk_->set_read_fault(nullptr);
    CPPUNIT_ASSERT(open().ids() == ids);
  }

  // Batches over several segments, singles and outcomes in between.
  static void script(kit::Model& model, Spool& spool, unsigned n) {
    std::mt19937 random(n);
    for (unsigned i = 0; i < 30; ++i) {
      model.batch(spool, i % 5 == 0 ? i * 4 : static_cast<unsigned>(random()));
      if (i % 4 == 0) model.commit(spool, i * 37 % 900, 1);
      if (i % 5 == 4) kit::settle(spool);
      model.record(spool, static_cast<unsigned>(random()));
    }
    kit::settle(spool);
  }

  void death_at_every_call() {
    settings_.segment_size = 5000;
    bool survived = false;
    for (uint64_t n = 1; !survived; ++n) {
      for (const bool power : {false, true}) {
        disk_ = std::make_shared<FakeDisk>(static_cast<unsigned>(n));
        kit::Model model(disk_);
        {
          auto first = open();
          model.commit(*first, 100, 1);
        }
        disk_->die_at(disk_->calls() + n);
        if (auto spool = kit::try_open(disk_, settings_, tuning_)) {
          script(model, **spool, 1 + static_cast<unsigned>(n % 3));
          model.give_up_all();
        }
        survived = !disk_->dead();
        disk_->restart(power);
        // And of starts behind it.
        for (uint64_t m = 0; m < 4; ++m) {
          disk_->die_at(disk_->calls() + 1 + (n * 7 + m * 5) % 37);
          (void)kit::try_open(disk_, settings_, tuning_);
          disk_->restart(power != (m % 2 == 0));
        }
        for (int again = 0; again < 2; ++again) model.check(open());
      }
    }
  }

  void failure_at_every_call() {
    settings_.segment_size = 5000;
    for (const int err : {EIO, ENOSPC}) {
      bool all = false;
      for (uint64_t n = 1; !all; ++n) {
        disk_ = std::make_shared<FakeDisk>(static_cast<unsigned>(n));
        kit::Model model(disk_);
        const uint64_t at = disk_->calls() + n;
        std::atomic<bool> hit = false;
        disk_->set_fault([&](Call, uint64_t number) { return number == at ? hit = true, err : 0; });
        if (auto spool = kit::try_open(disk_, settings_, tuning_)) {
          script(model, **spool, 1 + static_cast<unsigned>(n % 3));
          if (n % 2 == 0) disk_->die_now();
          model.give_up_all();
        }
        all = !hit;
        disk_->set_fault(nullptr);
        disk_->restart(n % 4 == 0);
        for (int again = 0; again < 2; ++again) model.check(open());
      }
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(BatchCrashTest);

}  // namespace
