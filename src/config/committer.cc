// Commits that wait for a word, and those that go back.
#include "config/committer.h"

#include <utility>

namespace impulse::config {
namespace {

// When what has to be taken back cannot be (a port was taken meanwhile).
constexpr Duration retry_after = std::chrono::seconds(10);

}  // namespace

std::string Committer::held() const {
  if (!unconfirmed_) return {};
  return fmt::format(
      "generation {}, committed by {}, waits to be confirmed: 'config confirm' keeps it, 'config revert {}' takes it "
      "back",
      unconfirmed_->generation, unconfirmed_->by.name, unconfirmed_->before.number);
}

void Committer::commit(const ScopePtr& root, Report& report, const Intent& intent,
                       std::optional<Duration> confirm_within) {
  const SnapshotPtr before = current();
  if (std::string why = held(); !why.empty() && !intent.check_only) {
    report.generation = before ? before->generation() : 0;
    report = refused(std::move(report), Errc::busy, std::move(why));
    return;
  }
  const Generation* running = before ? pipeline_.history().find(before->generation()) : nullptr;
  std::optional<Generation> way_back;
  if (running && confirm_within) way_back = *running;
  pipeline_.run(root, report, intent);
  if (!way_back || !report.ok || intent.check_only || report.changes.empty()) return;
  unconfirmed_ = Unconfirmed{std::move(*way_back), report.generation, intent.author, now() + *confirm_within};
  report.confirm_within = confirm_within;
}

Report Committer::confirm() {
  Report report;
  if (const SnapshotPtr running = current()) report.generation = running->generation();
  if (!unconfirmed_) return refused(std::move(report), Errc::not_found, "no commit waits to be confirmed");
  unconfirmed_.reset();
  report.ok = true;
  return report;
}

std::optional<WallTime> Committer::unconfirmed() const {
  if (!unconfirmed_) return std::nullopt;
  return unconfirmed_->deadline;
}

Report Committer::revert(uint64_t generation, const Author& author, const ScopePtr& file) {
  const Generation* found = pipeline_.history().find(generation);
  if (!found) {
    Report report;
    if (const SnapshotPtr running = current()) report.generation = running->generation();
    return refused(
        std::move(report), Errc::not_found,
        fmt::format("generation {} is not in the history, which holds the last {}", generation, History::kept));
  }
  const Generation target = *found;  // the history moves on
  Report report = go_back(target, author, file);
  // Whoever went elsewhere has decided.
  if (report.ok && !report.changes.empty()) unconfirmed_.reset();
  return report;
}

Report Committer::go_back(const Generation& target, const Author& author, const ScopePtr& file) {
  Source said;
  said.name = author.name;
  said.text = fmt::format("config revert {}", target.number);
  const auto source = std::make_shared<const Source>(std::move(said));
  Report report;
  Intent intent{author, fmt::format("revert to {}", target.number)};
  intent.edits = true;
  intent.sources.insert(source.get());
  pipeline_.run(as_edits(target.root, file, source), report, intent);
  return report;
}

std::optional<WallTime> Committer::tick(const ScopePtr& file) {
  if (!unconfirmed_ || now() < unconfirmed_->deadline) return unconfirmed();
  const Unconfirmed late = *unconfirmed_;
  const Report report = go_back(late.before, {"unconfirmed commit"}, file);
  if (report.ok) {
    unconfirmed_.reset();
    notice(fmt::format("generation {}, committed by {}, was not confirmed in time: reverted to {}, as generation {}",
                       late.generation, late.by.name, late.before.number, report.generation));
    return std::nullopt;
  }
  std::string why = report.error;
  for (const Diagnostic& diagnostic : report.diagnostics)
    if (why.empty() && diagnostic.severity == Diagnostic::Severity::error) why = diagnostic.headline();
  unconfirmed_->deadline = now() + retry_after;
  notice(fmt::format(
      "generation {}, committed by {}, was not confirmed in time and cannot be reverted: {}; trying "
      "again in {} s",
      late.generation, late.by.name, why, std::chrono::duration_cast<std::chrono::seconds>(retry_after).count()));
  return unconfirmed();
}

}  // namespace impulse::config
