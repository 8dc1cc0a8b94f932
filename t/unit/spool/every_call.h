// A script on a disk that dies, or fails, at its first call, at its second, and so
// on until there are no more; and what is found behind it (model.h).
#pragma once

#include "model.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>

namespace impulse::spool::kit {

// A message of before, so that there is something to start from.
inline void begin(Model& model, const std::shared_ptr<FakeDisk>& disk, const Settings& settings, const Tuning& tuning) {
  auto first = open(disk, settings, tuning);
  model.commit(*first, 100, 1);
}

// With the process, and with the power, so that what was not synced is gone: run(model, spool) from where the
// spool is opened. Twice what is there is as it has to be.
template <class Run>
void die_at_every_call(const Settings& settings, const Tuning& tuning, Run run) {
  bool survived = false;
  for (uint64_t n = 1; !survived; ++n) {
    for (const bool power : {false, true}) {
      auto disk = std::make_shared<FakeDisk>(static_cast<unsigned>(n));
      Model model(disk);
      begin(model, disk, settings, tuning);
      disk->die_at(disk->calls() + n);
      if (auto spool = try_open(disk, settings, tuning)) run(model, **spool);
      survived = !disk->dead();
      disk->restart(power);
      for (int again = 0; again < 2; ++again) {
        auto spool = open(disk, settings, tuning);
        model.check(spool);
      }
    }
  }
}

// That one call fails. `begun`: it starts from something; else from an empty disk.
template <class Run>
void fail_at_every_call(const Settings& settings, const Tuning& tuning, bool begun, Run run) {
  for (const int err : {EIO, ENOSPC}) {
    bool all = false;
    for (uint64_t n = 1; !all; ++n) {
      auto disk = std::make_shared<FakeDisk>(static_cast<unsigned>(n));
      Model model(disk);
      if (begun) begin(model, disk, settings, tuning);
      const uint64_t at = begun ? disk->calls() + n : n;
      std::atomic<bool> hit = false;
      disk->set_fault([&](Call, uint64_t number) { return number == at ? hit = true, err : 0; });
      if (auto spool = try_open(disk, settings, tuning)) {
        run(model, **spool);
        if (n % 2 == 0) disk->die_now();
      }
      all = !hit;
      disk->set_fault(nullptr);
      disk->restart(n % 4 == 0);
      auto spool = open(disk, settings, tuning);
      model.check(spool);
    }
  }
}

}  // namespace impulse::spool::kit
