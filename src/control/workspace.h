// Workspace: what a console session edits. As a rule that is what runs, and an
// edit is in force at once; between `config begin` and its end it is the
// candidate of a transaction: the session's own, which vanishes with it, or a
// named one that the session is attached to.
#pragma once

#include "config/engine.h"

#include <memory>
#include <string>

namespace impulse::control {

class Workspace {
 public:
  // The open transaction; null: there is none. Error not_found: the session is
  // attached to a named one that has ended meanwhile. That stays so until
  // leave(): what a script had meant for a transaction must never go live.
  Result<std::shared_ptr<config::Transaction>> transaction(config::Engine& engine) const;

  // Begins to work in one; open() must be false.
  void take(std::shared_ptr<config::Transaction> own);
  void attach(std::string name);
  // Back to what runs. An own transaction that was not committed is rolled back
  // by it.
  void leave();

  bool open() const { return own_ != nullptr || !name_.empty(); }
  const std::string& name() const { return name_; }  // of the named one; else empty
  // Edits that would be lost if the session ended now: those of its own
  // transaction.
  size_t unsaved() const;

  // The transaction's candidate, compiled, for looks at its effective values.
  // Kept until the candidate changes. Null, with the reasons: it does not
  // compile yet.
  config::SnapshotPtr compiled(const config::Engine& engine, const config::Transaction& transaction,
                               config::Diagnostics& diagnostics);

 private:
  std::shared_ptr<config::Transaction> own_;
  std::string name_;
  config::ScopePtr compiled_root_;      // what compiled_ and reasons_ are about
  config::SnapshotPtr compiled_under_;  // what ran then
  config::SnapshotPtr compiled_;
  config::Diagnostics reasons_;
};

}  // namespace impulse::control
