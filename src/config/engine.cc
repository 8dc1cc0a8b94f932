// The pipeline: check, compile, diff, prepare, apply, finish. Until apply,
// nothing that is published has been touched.
#include "config/engine.h"

#include "base/text.h"
#include "config/semantic_ids.h"
#include "config/setting.h"

#include <algorithm>
#include <functional>
#include <mutex>
#include <set>

namespace impulse::config {
namespace {

ScopePtr empty_root() { return std::make_shared<const Scope>(scope_def(ScopeKind::global), "", Origin{}); }

// The place of a word in what was typed; its start when it is not in it.
Place place_of(const Source& source, std::string_view word, size_t before) {
  const std::string_view text = std::string_view(source.text).substr(0, before);
  size_t found = std::string_view::npos;
  for (size_t at = 0; !word.empty() && at + word.size() <= text.size(); ++at)
    if (iequals(text.substr(at, word.size()), word)) found = at;
  if (found == std::string_view::npos) return {1, 1};
  const size_t line_begin = text.rfind('\n', found) + 1;  // npos + 1 is 0
  const auto line = static_cast<uint32_t>(std::ranges::count(text.substr(0, found), '\n') + 1);
  return {line, static_cast<uint32_t>(found - line_begin + 1)};
}

std::string shown_path(const ScopePath& path) { return path.empty() ? "the global scope" : to_string(path); }

// Of a scope and of all below it.
void each_setting(const Scope& scope, const ScopePath& path,
                  const std::function<void(const ScopePath&, const Setting&)>& visit) {
  for (const auto& setting : scope.settings()) visit(path, *setting);
  scope.each_child([&](const ScopePtr& child) {
    ScopePath below = path;
    below.push_back({child->def().kind, child->instance()});
    each_setting(*child, below, visit);
  });
}

class EngineImpl final : public Engine {
 public:
  explicit EngineImpl(EngineSettings settings) : settings_(std::move(settings)) {}

  void add_participant(Participant& participant) override { participants_.push_back(&participant); }

  Report load(bool check_only) override {
    Report report;
    const ScopePtr root = read(report, settings_.file);
    if (!root) return report;
    commit(root, report, check_only);
    if (report.ok && !check_only) file_root_ = root;
    return report;
  }

  Report reload(const ReloadOptions& options, const Author&) override {
    const bool check_only = options.check_only;
    const SnapshotPtr now = current();
    if (!now) return load(check_only);
    Report report;
    const std::string file = options.file.empty() ? settings_.file : options.file;
    const ScopePtr root = read(report, file);
    if (!root) return report;
    report.dropped_edits = dropped_by(*now, root);
    commit(root, report, check_only);
    if (!report.ok) report.dropped_edits.clear();  // nothing was dropped
    if (report.ok && !check_only) {
      file_root_ = root;
      settings_.file = file;
    }
    return report;
  }

  Report set(const ScopePath& path, const std::string& option, const RawValue& value,
             std::shared_ptr<const Source> source) override {
    Report report;
    const auto where = start_edit(path, report);
    if (!where) return report;
    const ScopeKind kind = where->empty() ? ScopeKind::global : where->back().kind;
    const Place place = place_of(*source, option, value.span.begin > 0 ? value.span.begin : source->text.size());
    CheckedSetting checked = check_setting(kind, option, place, value, source, true);
    report.diagnostics = std::move(checked.diagnostics);
    if (!checked.setting) return failed(std::move(report), Errc::invalid);
    const ScopePtr root = edit_scope(current()->root(), *where, {source, place},
                                     [&](const ScopePtr& scope) { return scope->with_setting(checked.setting); });
    commit_edit(root, report, source);
    return report;
  }

  Report unset(const ScopePath& path, const std::string& option, std::shared_ptr<const Source> source) override {
    Report report;
    const auto where = start_edit(path, report);
    if (!where) return report;
    const ScopePtr scope = find_scope(current()->root(), *where);
    if (!scope) return failed(std::move(report), Errc::not_found, fmt::format("there is no {}", shown_path(*where)));
    ScopePtr root;
    if (option.empty()) {
      if (where->empty()) return failed(std::move(report), Errc::invalid, "the global scope cannot be taken away");
      root = edit_scope(current()->root(), *where, {}, [](const ScopePtr&) { return nullptr; });
    } else {
      const OptionDef* def = find_option(option);
      if (!def) {
        const std::string_view near = suggest_option(option, scope->def().kind);
        report.diagnostics.push_back({Diagnostic::Severity::error,
                                      std::string(id::unknown_option),
                                      {source, place_of(*source, option, source->text.size())},
                                      static_cast<uint32_t>(option.size()),
                                      fmt::format("unknown option '{}'", escape_line(option, 80)),
                                      near.empty() ? std::string{} : fmt::format("did you mean '{}'?", near),
                                      {}});
        return failed(std::move(report), Errc::invalid);
      }
      if (!scope->find(*def))
        return failed(std::move(report), Errc::not_found,
                      fmt::format("{} is not set in {}", def->name, shown_path(*where)));
      root = edit_scope(current()->root(), *where, {},
                        [&](const ScopePtr& found) { return found->without_setting(*def); });
    }
    commit_edit(root, report, source);
    return report;
  }

  SnapshotPtr current() const override {
    const std::lock_guard lock(current_mutex_);
    return current_;
  }

  const std::string& file() const override { return settings_.file; }

 private:
  static Report failed(Report report, Errc code, std::string error = {}) {
    report.ok = false;
    report.code = code;
    report.error = std::move(error);
    if (!report.error.empty()) return report;
    for (const Diagnostic& diagnostic : report.diagnostics)
      if (diagnostic.severity == Diagnostic::Severity::error) return report;
    report.error = "refused";
    return report;
  }

  // The file as a tree; null when there are errors.
  ScopePtr read(Report& report, const std::string& file) {
    Built built = build(config::load(file, settings_.load));
    report.diagnostics = std::move(built.diagnostics);
    if (const SnapshotPtr now = current()) report.generation = now->generation();
    if (!has_errors(report.diagnostics)) return built.root;
    report.code = Errc::invalid;
    return nullptr;
  }

  std::optional<ScopePath> start_edit(const ScopePath& path, Report& report) {
    const SnapshotPtr now = current();
    if (!now) {
      report = failed(std::move(report), Errc::busy, "no configuration is loaded yet");
      return std::nullopt;
    }
    report.generation = now->generation();
    auto canonical = canonical_path(path);
    if (canonical) return std::move(*canonical);
    report = failed(std::move(report), canonical.error().code, canonical.error().message);
    return std::nullopt;
  }

  // Which console edits the file does not say too.
  std::vector<std::string> dropped_by(const Snapshot& now, const ScopePtr& root) const {
    std::vector<std::string> dropped;
    if (!file_root_) return dropped;
    const std::vector<Change> edits = diff(file_root_, now.root());
    if (edits.empty()) return dropped;
    std::set<std::pair<std::string, const OptionDef*>> lost;
    for (const Change& change : diff(now.root(), root)) lost.insert({to_string(change.path), change.option});
    // With its scope, all that is in it is lost.
    const auto is_lost = [&](const ScopePath& path, const OptionDef* option) {
      if (lost.contains({to_string(path), option})) return true;
      for (size_t steps = 1; steps <= path.size(); ++steps)
        if (lost.contains({to_string(ScopePath(path.begin(), path.begin() + static_cast<ptrdiff_t>(steps))), nullptr}))
          return true;
      return false;
    };
    for (const Change& edit : edits) {
      if (is_lost(edit.path, edit.option)) dropped.push_back(edit.to_string());
      if (edit.kind != Change::Kind::added || !edit.scope) continue;
      each_setting(*edit.scope, edit.path, [&](const ScopePath& path, const Setting& setting) {
        if (is_lost(path, setting.option))
          dropped.push_back(Change{Change::Kind::added,
                                   path,
                                   setting.option,
                                   {},
                                   to_text(setting.value, *setting.option),
                                   setting.option->effect,
                                   nullptr}
                                .to_string());
      });
    }
    return dropped;
  }

  // A change from the console. What was warned of before it is not said again.
  void commit_edit(const ScopePtr& root, Report& report, const std::shared_ptr<const Source>& source) {
    std::set<std::pair<std::string, std::string>> known;
    for (const Diagnostic& standing : standing_) known.insert({standing.id, standing.message});
    commit(root, report, false);
    std::erase_if(report.diagnostics, [&](const Diagnostic& found) {
      return found.severity != Diagnostic::Severity::error && found.origin.source != source &&
             known.contains({found.id, found.message});
    });
  }

  void commit(const ScopePtr& root, Report& report, bool check_only) {
    const SnapshotPtr now = current();
    report.check_only = check_only;
    report.changes = diff(now ? now->root() : empty_root(), root);
    const bool unchanged = now && report.changes.empty();
    const uint64_t generation = !now ? 1 : unchanged ? now->generation() : now->generation() + 1;

    const SnapshotPtr next = compile(root, generation, report.diagnostics, now);
    if (!next) return refuse(report, Errc::invalid);
    for (Participant* participant : participants_) participant->check(*next, report.diagnostics);
    if (has_errors(report.diagnostics)) return refuse(report, Errc::invalid);
    report.ok = true;
    if (check_only) return;
    Diagnostics standing = report.diagnostics;
    // The same values, perhaps on other lines: nobody has to follow, but
    // `explain` shall name the new lines.
    if (unchanged) {
      publish(next);
      standing_ = std::move(standing);
      for (Participant* participant : participants_) participant->refreshed();
      return;
    }

    for (size_t i = 0; i < participants_.size(); ++i) {
      const Result<> prepared = participants_[i]->prepare(now, next);
      if (prepared) continue;
      while (i-- > 0) participants_[i]->abort();
      report.error = prepared.error().message;
      return refuse(report, prepared.error().code);
    }
    publish(next);
    standing_ = std::move(standing);
    report.generation = generation;
    for (Participant* participant : participants_) participant->apply(next);
    for (Participant* participant : participants_) participant->finish();
  }

  static void refuse(Report& report, Errc code) {
    report.ok = false;
    report.code = code;
    report.changes.clear();
  }

  void publish(const SnapshotPtr& next) {
    // The old one goes outside the lock: taking apart a large tree takes a while.
    SnapshotPtr old = next;
    const std::lock_guard lock(current_mutex_);
    current_.swap(old);
  }

  EngineSettings settings_;
  std::vector<Participant*> participants_;  // borrowed
  ScopePtr file_root_;                      // as the files said it last
  Diagnostics standing_;                    // warnings and notices of what is in force
  mutable std::mutex current_mutex_;
  SnapshotPtr current_;
};

}  // namespace

std::unique_ptr<Engine> Engine::create(EngineSettings settings) {
  return std::make_unique<EngineImpl>(std::move(settings));
}

}  // namespace impulse::config
