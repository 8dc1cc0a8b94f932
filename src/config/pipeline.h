// Pipeline: compile, check, diff, prepare, apply, finish. Until apply, nothing
// that is published has been touched. Keeps what is published, and the history.
#pragma once

#include "config/engine.h"
#include "config/history.h"

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace impulse::config {

// What a run is for.
struct Intent {
  Author author;
  std::string what;         // as in Generation
  bool check_only = false;  // stops before prepare
  // The files were read: when every value is as it was, the new lines are
  // published all the same, and the participants told.
  bool refresh = false;
  // Edits: a warning that stood before is not said again, but about these sources.
  bool edits = false;
  std::set<const Source*> sources{};
};

class Pipeline {
 public:
  explicit Pipeline(std::function<WallTime()> now) : now_(std::move(now)) {}

  void add(Participant& participant) { participants_.push_back(&participant); }
  // Makes `root` what runs. The report holds what was found on the way here.
  void run(const ScopePtr& root, Report& report, const Intent& intent);

  // What runs, read anew from other lines: publishes those, and nobody hears
  // of it. False, and nothing done, when the values are not the same.
  bool republish(const ScopePtr& root);

  SnapshotPtr current() const;  // any thread
  const History& history() const { return history_; }
  WallTime now() const { return now_(); }

 private:
  Result<> prepare(const SnapshotPtr& now, const SnapshotPtr& next);
  void publish(const SnapshotPtr& next);
  void leave_out_standing(Report& report, const Intent& intent) const;

  std::function<WallTime()> now_;
  std::vector<Participant*> participants_;  // borrowed
  Diagnostics standing_;                    // warnings and notices of what is in force
  History history_;
  mutable std::mutex current_mutex_;
  SnapshotPtr current_;
};

// Restart-class options whose configured value does not run yet.
std::vector<Change> waiting_for_restart(const Snapshot& snapshot);
ScopePtr empty_root();
// A refusal; `error` may be empty when a diagnostic says it.
Report refused(Report report, Errc code, std::string error = {});

}  // namespace impulse::config
