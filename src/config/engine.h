// Engine: how one snapshot follows another. One pipeline for start-up,
// `config set`, `config reload` and SIGHUP (DESIGN §3):
// edit, base, compile, diff, prepare, apply, finish, report.
#pragma once

#include "base/clock.h"
#include "config/snapshot.h"

#include <functional>
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
  // Null: a whole scope was added or removed, or the order of its Domain patterns has changed.
  const OptionDef* option = nullptr;
  std::string before;  // text of the values, secrets redacted
  std::string after;
  Effect effect = Effect::live;
  ScopePtr scope{};  // the whole scope that was added or removed; null with an option
  bool reorders() const { return !option && kind == Kind::changed; }
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

// Who did it, for conflicts, history, audit.
struct Author {
  std::string name;  // "console: alice", "SIGHUP", "start-up"
};

// What a conflict was with: a commit since the base that touched the same scopes.
struct Conflict {
  uint64_t generation = 0;
  Author by;
  WallTime at{};
  std::vector<std::string> paths;  // the scopes both touched
};

struct Report {
  bool ok = false;
  Errc code = Errc::invalid;  // when not ok; conflict: see `conflicts`
  Diagnostics diagnostics;    // errors when not ok; warnings and notices
  std::string error;          // one line, when not ok and no diagnostic says it
  uint64_t generation = 0;
  std::vector<Change> changes;             // empty: "unchanged"
  std::vector<std::string> dropped_edits;  // by reload: console edits that are gone
  std::vector<Change> waiting;             // restart-class options whose configured value does not run yet
  std::vector<Conflict> conflicts;
  std::optional<Duration> confirm_within;  // the commit reverts by itself unless confirmed
  bool check_only = false;
};

// One edit, kept for `replay` and `rebase`.
struct Operation {
  enum class Kind : uint8_t { set, unset };
  Kind kind = Kind::set;
  ScopePath path;
  std::string option;  // empty: unset of the whole scope
  RawValue value;
  std::shared_ptr<const Source> source;
  // As a command that can be typed: "config set esmtp_listener listen *:25 Enable = false"; secrets redacted.
  std::string to_string() const;
};

// A candidate that gathers edits and is committed as one (DESIGN §3). Whoever
// holds it may drop it: that is a rollback. Same thread as the engine.
class Transaction {
 public:
  virtual ~Transaction() = default;
  virtual const std::string& name() const = 0;  // empty: of one console session
  virtual uint64_t base() const = 0;            // the generation it began from (or was rebased to)
  virtual bool from_scratch() const = 0;        // began from nothing: a commit replaces everything
  virtual const ScopePtr& candidate() const = 0;
  virtual const std::vector<Operation>& operations() const = 0;
  // One edit of the candidate. Refused alone: the candidate stays as it was.
  // The report's changes are against the candidate before. What names need
  // each other is looked at by check and commit, so their order is free.
  virtual Report set(const ScopePath& path, const std::string& option, const RawValue& value,
                     std::shared_ptr<const Source> source) = 0;
  virtual Report unset(const ScopePath& path, const std::string& option, std::shared_ptr<const Source> source) = 0;
  virtual std::vector<Change> diff() const = 0;  // against its base
  // Everything commit does before prepare; changes nothing.
  virtual Report check() = 0;
  // Against what runs now: with scopes that somebody else committed since,
  // conflict (overlap.h says what touches what), and it stays open; with other
  // scopes its operations are done anew on what runs. From scratch, any commit
  // since is a conflict. busy: another commit waits to be confirmed. When ok
  // it is empty and ended. Of one that has ended: not_found, for all calls.
  virtual Report commit(const Author& author, std::optional<Duration> confirm_within = std::nullopt) = 0;
  // Its operations anew on what runs now, all or none (then the old candidate stays).
  virtual Report rebase() = 0;
  virtual bool ended() const = 0;
};

// A generation that was in force: the last 16 are kept.
struct Generation {
  uint64_t number = 0;
  WallTime at{};
  Author by;
  std::string what;    // "set", "commit", "reload", "revert to 12", "start-up"
  size_t changes = 0;  // against the one before
  ScopePtr root;
};

struct BeginOptions {
  bool from_scratch = false;
  std::string name;             // empty: not named
  std::optional<Duration> ttl;  // of a named one, from its last use; default 600 s
};

struct ReloadOptions {
  bool check_only = false;
  std::string file;  // another main file, which is then the one; empty: the same
};

struct WritebackReport {
  bool ok = false;
  Errc code = Errc::io;
  std::string error;
  std::vector<std::string> files;  // written
  std::vector<std::string> notes;  // which edit went where when that needs saying
};

struct EngineSettings {
  std::string file;
  LoadOptions load;
  std::function<WallTime()> now = wall_now;
  // What happened by itself (an unconfirmed commit was reverted, a named
  // transaction expired), one line.
  std::function<void(std::string_view)> notice{};
};

class Engine {
 public:
  static std::unique_ptr<Engine> create(EngineSettings settings);
  virtual ~Engine() = default;
  // Before load(); borrowed, in the order of prepare and apply.
  virtual void add_participant(Participant& participant) = 0;

  // Reads the file and commits it; `check_only` stops before prepare.
  virtual Report load(bool check_only = false) = 0;  // start-up
  // Drops console edits and says which.
  virtual Report reload(const ReloadOptions& options, const Author& author) = 0;

  // `config set PATH option value`, as one commit. `source` names who says so
  // ("console: alice") and holds the line, for diagnostics. A missing Peer or
  // Domain scope on the path is created; a missing Listen or listener too.
  // While a commit waits to be confirmed: busy, as for unset, reload and
  // writeback; confirm, revert and all that only looks go through. An edit
  // that leaves every value as it was publishes nothing.
  virtual Report set(const ScopePath& path, const std::string& option, const RawValue& value,
                     std::shared_ptr<const Source> source) = 0;
  // Takes an option away (the value falls back), or with an empty option a whole scope.
  virtual Report unset(const ScopePath& path, const std::string& option, std::shared_ptr<const Source> source) = 0;

  // A transaction of one holder; or a named one, which the engine keeps too
  // until it ends or its ttl is over. exists: the name is taken. invalid: a
  // name is up to 64 letters, digits, '.', '_' and '-'; a ttl is above zero and
  // of a named one. Dropped after the engine it may be, used not.
  virtual Result<std::shared_ptr<Transaction>> begin(const BeginOptions& options, const Author& author) = 0;
  // A named one, used now; nullptr when there is none.
  virtual std::shared_ptr<Transaction> find(std::string_view name) = 0;
  virtual void rollback(std::string_view name) = 0;
  virtual std::vector<std::shared_ptr<Transaction>> named() const = 0;

  // A commit that waits for `config confirm`: its deadline.
  virtual std::optional<WallTime> unconfirmed() const = 0;
  virtual Report confirm(const Author& author) = 0;  // not_found when nothing waits
  // Clock work: reverts what was not confirmed in time (one that cannot be is
  // tried again after 10 s), ends named transactions. Returns when to call
  // again; nothing: not before the next begin or commit.
  virtual std::optional<WallTime> tick() = 0;

  virtual std::vector<Generation> history() const = 0;  // the newest last
  // Its values as a new generation; those that the files do not say are edits.
  // not_found: no longer there. Ends the wait for `confirm`.
  virtual Report revert(uint64_t generation, const Author& author) = 0;
  // Between two generations in history (not_found when one is no longer there).
  virtual Result<std::vector<Change>> diff(uint64_t before, uint64_t after) const = 0;
  // From what the files say now to what runs. Errors of the files are in the report.
  virtual Report drift() = 0;

  // Writes what runs into the files (DESIGN §3), or with `path` all of it into that one file
  // (relative to the main file's folder). Once the files say what runs, origins point to their
  // lines, and nothing counts as edited. busy: a commit waits to be confirmed. conflict: a file
  // changed since it was read.
  virtual WritebackReport writeback(const std::string& path, const Author& author) = 0;

  // The published snapshot; any thread.
  virtual SnapshotPtr current() const = 0;
  virtual const std::string& file() const = 0;
};

}  // namespace impulse::config
