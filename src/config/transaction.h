// Candidate: the one Transaction there is: a tree beside the one that runs,
// and the edits that made it (DESIGN §3).
#pragma once

#include "config/committer.h"
#include "config/tree_edit.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace impulse::config {

class Candidate final : public Transaction {
 public:
  static constexpr Duration default_ttl = std::chrono::seconds(600);

  // There must be a configuration that runs. The committer outlives every
  // call but the destructor.
  Candidate(Committer& committer, const BeginOptions& options, Author author);

  const std::string& name() const override { return name_; }
  uint64_t base() const override { return base_; }
  bool from_scratch() const override { return from_scratch_; }
  const ScopePtr& candidate() const override { return candidate_; }
  const std::vector<Operation>& operations() const override { return operations_; }
  Report set(const ScopePath& path, const std::string& option, const RawValue& value,
             std::shared_ptr<const Source> source) override;
  Report unset(const ScopePath& path, const std::string& option, std::shared_ptr<const Source> source) override;
  std::vector<Change> diff() const override;
  Report check() override;
  Report commit(const Author& author, std::optional<Duration> confirm_within) override;
  Report rebase() override;
  bool ended() const override { return ended_; }

  const Author& author() const { return author_; }
  void used() const { last_use_ = committer_.now(); }
  WallTime expires() const { return last_use_ + ttl_; }
  void end();

 private:
  Report start() const;
  Report edit(Edited edited);
  // The candidate on top of what runs now; null: `report` says why not.
  ScopePtr merged(Report& report) const;
  // The operations done on `root`; null: `report` names the one that failed.
  ScopePtr replayed(ScopePtr root, Report& report) const;
  Intent intent(const Author& author) const;

  Committer& committer_;
  std::string name_;
  Duration ttl_;
  Author author_;  // who began it
  bool from_scratch_;
  uint64_t base_ = 0;
  ScopePtr base_root_;
  ScopePtr candidate_;
  std::vector<Operation> operations_;
  mutable WallTime last_use_{};
  bool ended_ = false;
};

}  // namespace impulse::config
