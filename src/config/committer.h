// Committer: the pipeline, and the safety net around it: a commit that has to
// be confirmed, and the way back to an older generation.
#pragma once

#include "config/pipeline.h"

#include <optional>
#include <string>
#include <string_view>

namespace impulse::config {

class Committer {
 public:
  Committer(std::function<WallTime()> now, std::function<void(std::string_view)> notice)
      : pipeline_(std::move(now)), notice_(std::move(notice)) {}

  Pipeline& pipeline() { return pipeline_; }
  const Pipeline& pipeline() const { return pipeline_; }
  SnapshotPtr current() const { return pipeline_.current(); }
  WallTime now() const { return pipeline_.now(); }
  void notice(std::string_view line) const {
    if (notice_) notice_(line);
  }

  // Why nothing may be committed now, and what to do about it; empty: it may.
  std::string held() const;
  // Busy when held (but a check). With `confirm_within`, it reverts unless confirmed.
  void commit(const ScopePtr& root, Report& report, const Intent& intent,
              std::optional<Duration> confirm_within = std::nullopt);
  Report confirm();
  std::optional<WallTime> unconfirmed() const;
  // A new generation of an old one's values. `file`: what the files say.
  Report revert(uint64_t generation, const Author& author, const ScopePtr& file);
  // Reverts what was not confirmed in time. Returns when to call again.
  std::optional<WallTime> tick(const ScopePtr& file);

 private:
  struct Unconfirmed {
    Generation before;
    uint64_t generation = 0;
    Author by;
    WallTime deadline{};
  };
  Report go_back(const Generation& target, const Author& author, const ScopePtr& file);

  Pipeline pipeline_;
  std::function<void(std::string_view)> notice_;
  std::optional<Unconfirmed> unconfirmed_;
};

}  // namespace impulse::config
