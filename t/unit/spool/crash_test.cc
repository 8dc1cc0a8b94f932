// The promise: what was acknowledged is there after any crash, whole; what was
// not does not come back by halves; what is finished stays finished.
#include "every_call.h"

#include <random>

using namespace impulse;
using namespace impulse::spool;
using kit::Call;
using kit::FakeDisk;

namespace {

class CrashTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(CrashTest);
  CPPUNIT_TEST(random_operations_and_restarts);
  CPPUNIT_TEST(death_at_every_call);
  CPPUNIT_TEST(failure_at_every_call);
  CPPUNIT_TEST(failures_without_end);
  CPPUNIT_TEST_SUITE_END();

  Settings settings_{.base = "/spool", .segment_size = 20000, .min_free_percent = 0};
  Tuning tuning_ = kit::small_tuning();

  void random_operations_and_restarts() {
    for (unsigned seed = 1; seed <= 20; ++seed) {
      std::mt19937 random(seed);
      auto disk = std::make_shared<FakeDisk>(seed);
      disk->short_writes = seed % 3 == 0;
      kit::Model model(disk);
      const uint64_t sizes[] = {4096, 20000, 100000};
      settings_.segment_size = sizes[seed % 3];
      tuning_.zero_ahead = seed % 4 * 4096;
      uint64_t most = 0;
      for (int session = 0; session < 6; ++session) {
        auto spool = kit::open(disk, settings_, tuning_);
        model.check(spool);
        const unsigned operations = random() % 120;
        for (unsigned i = 0; i < operations; ++i) {
          const unsigned what = random() % 20;
          if (what >= 16)
            model.batch(*spool, static_cast<unsigned>(random()));
          else if (what < 5)
            model.commit(*spool, random() % (what == 0 ? 9000 : 700), 1 + random() % 3);
          else if (what < 15)
            model.record(*spool, static_cast<unsigned>(random()));
          else
            kit::settle(*spool);
        }
        const unsigned end = random() % 3;
        if (end != 0 && random() % 2 == 0) kit::settle(*spool);
        if (end != 0) disk->die_now();
        most = std::max(most, spool->status().segments);
        model.give_up_all();
        spool.spool.reset();
        disk->restart(end == 2);
      }
      auto spool = kit::open(disk, settings_, tuning_);
      model.check(spool);
      if (settings_.segment_size == 4096) CPPUNIT_ASSERT(most > 3);
    }
  }

  // A few messages over several segments, outcomes, checkpoints, removal.
  static void script(kit::Model& model, Spool& spool) {
    for (unsigned i = 0; i < 24; ++i) {
      model.commit(spool, i * 97 % 1900, 1 + i % 2);
      if (i % 3 == 0) kit::settle(spool);
      for (unsigned j = 0; j < 3; ++j) model.record(spool, i * 31 + j * 17);
    }
    kit::settle(spool);
  }

  void death_at_every_call() {
    settings_.segment_size = 5000;
    kit::die_at_every_call(settings_, tuning_, script);
  }

  void failure_at_every_call() {
    settings_.segment_size = 5000;
    kit::fail_at_every_call(settings_, tuning_, true, script);
  }

  void failures_without_end() {
    uint64_t refused = 0;
    for (unsigned seed = 1; seed <= 20; ++seed) {
      std::mt19937 random(seed);
      auto disk = std::make_shared<FakeDisk>(seed);
      disk->short_writes = true;
      kit::Model model(disk);
      model.refused_may_return = true;
      settings_.segment_size = seed % 2 == 0 ? 4096 : 20000;
      std::mt19937 luck(seed + 1000);
      for (int session = 0; session < 5; ++session) {
        disk->set_fault(nullptr);
        auto spool = kit::open(disk, settings_, tuning_);
        model.check(spool);
        disk->set_fault([&](Call, uint64_t) { return luck() % 12 == 0 ? (luck() % 2 == 0 ? EIO : ENOSPC) : 0; });
        for (unsigned i = 0; i < 60; ++i) {
          if (i % 3 == 0) model.commit(*spool, random() % 1500, 1 + random() % 2);
          if (i % 3 == 1) model.batch(*spool, static_cast<unsigned>(random()));
          model.record(*spool, static_cast<unsigned>(random()));
          if (i % 8 == 0) kit::settle(*spool);
        }
        if (session % 2 == 0) disk->die_now();
        model.give_up_all();
        spool.spool.reset();
        disk->restart(session % 4 == 0);
      }
      disk->set_fault(nullptr);
      auto spool = kit::open(disk, settings_, tuning_);
      model.check(spool);
      refused += model.refused();
    }
    CPPUNIT_ASSERT(refused > 0);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(CrashTest);

}  // namespace
