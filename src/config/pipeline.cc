// How a tree comes into force.
#include "config/pipeline.h"

#include <algorithm>
#include <utility>

namespace impulse::config {

ScopePtr empty_root() { return std::make_shared<const Scope>(scope_def(ScopeKind::global), "", Origin{}); }

Report refused(Report report, Errc code, std::string error) {
  report.ok = false;
  report.code = code;
  report.error = std::move(error);
  if (report.error.empty() && !has_errors(report.diagnostics)) report.error = "refused";
  return report;
}

std::vector<Change> waiting_for_restart(const Snapshot& snapshot) {
  std::vector<Change> waiting;
  for (const OptionDef& option : options()) {
    if (option.effect != Effect::restart) continue;
    const std::optional<Value> then = snapshot.pending(option);
    if (!then) continue;
    ScopePath path;
    if (option.scopes & in(ScopeKind::security)) path.push_back({ScopeKind::security, ""});
    waiting.push_back({Change::Kind::changed, path, &option, to_text(snapshot.eval(path, option), option),
                       to_text(*then, option), Effect::restart, nullptr});
  }
  return waiting;
}

SnapshotPtr Pipeline::current() const {
  const std::lock_guard lock(current_mutex_);
  return current_;
}

void Pipeline::run(const ScopePtr& root, Report& report, const Intent& intent) {
  const SnapshotPtr now = current();
  report.check_only = intent.check_only;
  report.ok = false;
  report.generation = now ? now->generation() : 0;
  report.changes = diff(now ? now->root() : empty_root(), root);
  const bool unchanged = now && report.changes.empty();
  const auto refuse = [&](Errc code, std::string error = {}) {
    report.code = code;
    report.error = std::move(error);
    report.changes.clear();
    report.waiting.clear();
    leave_out_standing(report, intent);
  };

  const uint64_t generation = !now ? 1 : unchanged ? now->generation() : now->generation() + 1;
  const SnapshotPtr next = compile(root, generation, report.diagnostics, now);
  if (!next) return refuse(Errc::invalid);
  for (Participant* participant : participants_) participant->check(*next, report.diagnostics);
  if (has_errors(report.diagnostics)) return refuse(Errc::invalid);
  report.waiting = waiting_for_restart(*next);
  if (intent.check_only || (unchanged && !intent.refresh)) {
    report.ok = true;
    leave_out_standing(report, intent);
    return;
  }
  Diagnostics standing = report.diagnostics;
  leave_out_standing(report, intent);
  // Nobody has to follow, but `explain` shall name the new lines.
  if (unchanged) {
    publish(next);
    history_.refresh(root);
    standing_ = std::move(standing);
    for (Participant* participant : participants_) participant->refreshed();
    report.ok = true;
    return;
  }

  if (const Result<> prepared = prepare(now, next); !prepared)
    return refuse(prepared.error().code, prepared.error().message);
  publish(next);
  standing_ = std::move(standing);
  history_.add({generation, now_(), intent.author, intent.what, report.changes.size(), root});
  report.ok = true;
  report.generation = generation;
  for (Participant* participant : participants_) participant->apply(next);
  for (Participant* participant : participants_) participant->finish();
}

bool Pipeline::republish(const ScopePtr& root) {
  const SnapshotPtr now = current();
  if (!now || !diff(now->root(), root).empty()) return false;
  Diagnostics diagnostics;
  const SnapshotPtr next = compile(root, now->generation(), diagnostics, now);
  if (!next) return false;
  publish(next);
  history_.refresh(root);
  return true;
}

Result<> Pipeline::prepare(const SnapshotPtr& now, const SnapshotPtr& next) {
  for (size_t i = 0; i < participants_.size(); ++i) {
    Result<> prepared = participants_[i]->prepare(now, next);
    if (prepared) continue;
    while (i-- > 0) participants_[i]->abort();
    return prepared;
  }
  return {};
}

void Pipeline::publish(const SnapshotPtr& next) {
  // The old one goes outside the lock: taking apart a large tree takes a while.
  SnapshotPtr old = next;
  const std::lock_guard lock(current_mutex_);
  current_.swap(old);
}

void Pipeline::leave_out_standing(Report& report, const Intent& intent) const {
  if (!intent.edits || report.diagnostics.empty()) return;
  std::set<std::pair<std::string_view, std::string_view>> known;
  for (const Diagnostic& standing : standing_) known.insert({standing.id, standing.message});
  std::erase_if(report.diagnostics, [&](const Diagnostic& found) {
    return found.severity != Diagnostic::Severity::error && !intent.sources.contains(found.origin.source.get()) &&
           known.contains({found.id, found.message});
  });
}

}  // namespace impulse::config
