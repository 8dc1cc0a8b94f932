// Edits gathered, and committed as one: the first committer wins.
#include "config/transaction.h"

#include "config/overlap.h"

#include <utility>

namespace impulse::config {
namespace {

std::string conflict_text(const std::vector<Conflict>& conflicts) {
  const Conflict& last = conflicts.back();
  std::string text = fmt::format("{} was first, with generation {}: {}", last.by.name, last.generation,
                                 last.paths.empty() ? std::string("everything") : last.paths.front());
  size_t more = last.paths.empty() ? 0 : last.paths.size() - 1;
  for (size_t i = 0; i + 1 < conflicts.size(); ++i) more += conflicts[i].paths.size();
  if (more > 0) text += fmt::format(", and {} more", more);
  return text;
}

}  // namespace

Candidate::Candidate(Committer& committer, const BeginOptions& options, Author author)
    : committer_(committer),
      name_(options.name),
      ttl_(options.ttl.value_or(default_ttl)),
      author_(std::move(author)),
      from_scratch_(options.from_scratch) {
  const SnapshotPtr running = committer_.current();
  base_ = running->generation();
  base_root_ = running->root();
  candidate_ = from_scratch_ ? empty_root() : base_root_;
  used();
}

void Candidate::end() {
  ended_ = true;
  operations_.clear();
  base_root_ = candidate_ = empty_root();
}

// The report of what can be done to it at all; ok until something is wrong.
Report Candidate::start() const {
  used();
  Report report;
  report.generation = committer_.current()->generation();
  if (ended_) return refused(std::move(report), Errc::not_found, "the transaction has ended");
  report.ok = true;
  return report;
}

Report Candidate::set(const ScopePath& path, const std::string& option, const RawValue& value,
                      std::shared_ptr<const Source> source) {
  return edit(edit_set(candidate_, path, option, value, std::move(source)));
}

Report Candidate::unset(const ScopePath& path, const std::string& option, std::shared_ptr<const Source> source) {
  return edit(edit_unset(candidate_, path, option, std::move(source)));
}

Report Candidate::edit(Edited edited) {
  Report report = start();
  if (!report.ok) return report;
  report.diagnostics = std::move(edited.diagnostics);
  if (!edited.root) return refused(std::move(report), edited.code, std::move(edited.error));
  report.changes = config::diff(candidate_, edited.root);
  // Also one that changes nothing: it says what shall be so, whatever others commit meanwhile.
  candidate_ = std::move(edited.root);
  operations_.push_back(std::move(edited.operation));
  return report;
}

std::vector<Change> Candidate::diff() const {
  used();
  return config::diff(base_root_, candidate_);
}

ScopePtr Candidate::merged(Report& report) const {
  const ScopePtr running = committer_.current()->root();
  if (running == base_root_) return candidate_;
  TouchedScopes ours;
  ours.add(operations_, base_root_);
  // From scratch it replaces everything, whoever made it.
  report.conflicts =
      committer_.pipeline().history().conflicts(base_, base_root_, running, from_scratch_ ? nullptr : &ours);
  if (!report.conflicts.empty()) {
    std::string text = conflict_text(report.conflicts);
    report = refused(std::move(report), Errc::conflict, std::move(text));
    return nullptr;
  }
  return from_scratch_ ? candidate_ : replayed(running, report);
}

ScopePtr Candidate::replayed(ScopePtr root, Report& report) const {
  for (size_t i = 0; i < operations_.size(); ++i) {
    Edited edited = edit_again(root, operations_[i]);
    if (edited.root) {
      root = std::move(edited.root);
      continue;
    }
    report.diagnostics = std::move(edited.diagnostics);
    const std::string why = edited.error.empty() ? std::string("refused") : edited.error;
    report = refused(std::move(report), edited.code,
                     fmt::format("operation {}, {}: {}", i + 1, operations_[i].to_string(), why));
    return nullptr;
  }
  return root;
}

Intent Candidate::intent(const Author& author) const {
  Intent intent{author, "commit"};
  intent.edits = true;
  for (const Operation& operation : operations_) intent.sources.insert(operation.source.get());
  return intent;
}

Report Candidate::check() {
  Report report = start();
  report.check_only = true;
  if (!report.ok) return report;
  const ScopePtr root = merged(report);
  if (!root) return report;
  Intent what = intent(author_);
  what.check_only = true;
  committer_.commit(root, report, what);
  return report;
}

Report Candidate::commit(const Author& author, std::optional<Duration> confirm_within) {
  Report report = start();
  if (!report.ok) return report;
  if (confirm_within && *confirm_within <= Duration{0})
    return refused(std::move(report), Errc::invalid, "the time to confirm in has to be above zero");
  if (std::string why = committer_.held(); !why.empty()) return refused(std::move(report), Errc::busy, std::move(why));
  const ScopePtr root = merged(report);
  if (!root) return report;
  committer_.commit(root, report, intent(author), confirm_within);
  if (report.ok) end();
  return report;
}

Report Candidate::rebase() {
  Report report = start();
  if (!report.ok) return report;
  const SnapshotPtr running = committer_.current();
  const ScopePtr root = from_scratch_ ? candidate_ : replayed(running->root(), report);
  if (!root) return report;
  base_ = running->generation();
  base_root_ = running->root();
  candidate_ = root;
  report.changes = config::diff(base_root_, candidate_);
  return report;
}

}  // namespace impulse::config
