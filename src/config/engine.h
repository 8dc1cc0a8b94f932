// Engine: how one snapshot follows another. One pipeline for start-up,
// `config set`, `config reload` and SIGHUP (DESIGN §3):
// edit, base, compile, diff, prepare, apply, finish, report.
#pragma once

#include "config/snapshot.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace impulse::config {

// One difference between two trees.
struct Change {
  enum class Kind : uint8_t { added, removed, changed };
  Kind kind = Kind::changed;
  ScopePath path;
  const OptionDef* option = nullptr;  // null: a whole scope was added or removed
  std::string before;                 // text of the values, secrets redacted
  std::string after;
  Effect effect = Effect::live;
  ScopePtr scope{};               // the whole scope that was added or removed; null with an option
  std::string to_string() const;  // "esmtp_listener listen *:25: Enable true -> false (live)"
};
std::vector<Change> diff(const ScopePtr& before, const ScopePtr& after);

// A part of the daemon that has to follow the configuration. The engine calls
// check on all, then prepare on all in order; when one fails, abort on those
// that had prepared, in reverse order, and nothing has happened. Else apply on
// all, then finish on all. All on the thread that commits.
class Participant {
 public:
  virtual ~Participant() = default;
  // Looks without touching anything: certificates that load, files that can
  // be read. All mistakes at once.
  virtual void check(const Snapshot& next, Diagnostics& diagnostics) { (void)next, (void)diagnostics; }
  // Acquires what `next` needs (binds, listens, opens). `current` is null at start-up.
  virtual Result<> prepare(const SnapshotPtr& current, const SnapshotPtr& next) {
    (void)current, (void)next;
    return {};
  }
  virtual void abort() noexcept {}
  virtual void apply(const SnapshotPtr& next) noexcept = 0;
  virtual void finish() noexcept {}
  // Instead of all these, behind check: a reload found every value as it was.
  // Files behind values may have changed (a renewed certificate).
  virtual void refreshed() noexcept {}
};

struct Report {
  bool ok = false;
  Errc code = Errc::invalid;  // when not ok
  Diagnostics diagnostics;    // errors when not ok; warnings and notices
  std::string error;          // one line, when not ok and no diagnostic says it
  uint64_t generation = 0;
  std::vector<Change> changes;             // empty: "unchanged"
  std::vector<std::string> dropped_edits;  // by reload: console edits that are gone
  bool check_only = false;
};

struct EngineSettings {
  std::string file;
  LoadOptions load;
};

class Engine {
 public:
  static std::unique_ptr<Engine> create(EngineSettings settings);
  virtual ~Engine() = default;
  // Before load(); borrowed, in the order of prepare and apply.
  virtual void add_participant(Participant& participant) = 0;

  // Reads the file and commits it; `check_only` stops before prepare.
  virtual Report load(bool check_only = false) = 0;    // start-up
  virtual Report reload(bool check_only = false) = 0;  // drops console edits, says which

  // `config set PATH option value`, as one commit. `source` names who says so
  // ("console: alice") and holds the line, for diagnostics. A missing Peer or
  // Domain scope on the path is created; a missing Listen or listener too.
  virtual Report set(const ScopePath& path, const std::string& option, const RawValue& value,
                     std::shared_ptr<const Source> source) = 0;
  // Takes an option away (the value falls back), or with an empty option a whole scope.
  virtual Report unset(const ScopePath& path, const std::string& option, std::shared_ptr<const Source> source) = 0;

  // The published snapshot; any thread.
  virtual SnapshotPtr current() const = 0;
  virtual const std::string& file() const = 0;
};

}  // namespace impulse::config
