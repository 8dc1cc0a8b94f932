// The engine: files in, edits in, transactions kept; all through one pipeline.
#include "config/engine.h"

#include "config/committer.h"
#include "config/dropped.h"
#include "config/keys.h"
#include "config/save.h"
#include "config/transaction.h"
#include "config/tree_edit.h"

#include <algorithm>
#include <utility>

namespace impulse::config {
namespace {

constexpr size_t max_name = 64;

bool is_name(std::string_view name) {
  return name.size() <= max_name && std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                  c == '-';
         });
}

class EngineImpl final : public Engine {
 public:
  explicit EngineImpl(EngineSettings settings)
      : settings_(std::move(settings)), committer_(settings_.now, settings_.notice) {}

  void add_participant(Participant& participant) override { committer_.pipeline().add(participant); }

  Report load(bool check_only) override {
    return read_and_commit(settings_.file, {{"start-up"}, "start-up", check_only, true});
  }

  Report reload(const ReloadOptions& options, const Author& author) override {
    const std::string& file = options.file.empty() ? settings_.file : options.file;
    return read_and_commit(file, {author, current() ? "reload" : "start-up", options.check_only, true});
  }

  Report set(const ScopePath& path, const std::string& option, const RawValue& value,
             std::shared_ptr<const Source> source) override {
    Report report = start();
    if (!report.ok) return report;
    return commit_edit(edit_set(current()->root(), path, option, value, std::move(source)), "set", std::move(report));
  }

  Report unset(const ScopePath& path, const std::string& option, std::shared_ptr<const Source> source) override {
    Report report = start();
    if (!report.ok) return report;
    return commit_edit(edit_unset(current()->root(), path, option, std::move(source)), "unset", std::move(report));
  }

  Result<std::shared_ptr<Transaction>> begin(const BeginOptions& options, const Author& author) override {
    if (!current()) return fail(Errc::busy, "no configuration is loaded yet");
    if (!is_name(options.name))
      return fail(Errc::invalid, "a transaction's name has up to {} letters, digits, '.', '_' and '-'", max_name);
    if (options.ttl && *options.ttl <= Duration{0}) return fail(Errc::invalid, "ttl has to be above zero");
    if (options.ttl && options.name.empty())
      return fail(Errc::invalid, "only a named transaction has a ttl; any other ends with its session");
    expire();
    if (const auto taken = held_as(options.name))
      return fail(Errc::exists, "there is a transaction {} already, begun by {}", options.name, taken->author().name);
    auto made = std::make_shared<Candidate>(committer_, options, author);
    if (!options.name.empty()) named_.push_back(made);
    return made;
  }

  std::shared_ptr<Transaction> find(std::string_view name) override {
    expire();
    const auto found = held_as(name);
    if (found) found->used();
    return found;
  }

  void rollback(std::string_view name) override {
    if (const auto found = held_as(name)) found->end();
    expire();
  }

  std::vector<std::shared_ptr<Transaction>> named() const override {
    std::vector<std::shared_ptr<Transaction>> open;
    for (const auto& one : named_)
      if (!one->ended()) open.push_back(one);
    return open;
  }

  std::optional<WallTime> unconfirmed() const override { return committer_.unconfirmed(); }
  Report confirm(const Author&) override { return committer_.confirm(); }

  std::optional<WallTime> tick() override {
    std::optional<WallTime> next = committer_.tick(file_root_);
    expire();
    for (const auto& one : named_) next = std::min(next.value_or(one->expires()), one->expires());
    return next;
  }

  std::vector<Generation> history() const override { return committer_.pipeline().history().all(); }

  Report revert(uint64_t generation, const Author& author) override {
    return committer_.revert(generation, author, file_root_);
  }

  Result<std::vector<Change>> diff(uint64_t before, uint64_t after) const override {
    const History& history = committer_.pipeline().history();
    for (const uint64_t number : {before, after})
      if (!history.find(number))
        return fail(Errc::not_found, "generation {} is not in the history, which holds the last {}", number,
                    History::kept);
    return config::diff(history.find(before)->root, history.find(after)->root);
  }

  Report drift() override {
    Report report = start(true);
    if (!report.ok) return report;
    report.check_only = true;
    Built built = read(settings_.file).built;
    report.diagnostics = std::move(built.diagnostics);
    if (has_errors(report.diagnostics)) return refused(std::move(report), Errc::invalid);
    report.changes = config::diff(built.root, current()->root());
    return report;
  }

  WritebackReport writeback(const std::string& path, const Author&) override {
    WritebackReport report;
    if (const Report can = start(); !can.ok) {
      report.code = can.code;
      report.error = can.error;
      return report;
    }
    const SnapshotPtr now = current();
    SaveRequest request{settings_.file, settings_.load, sources_, now->root(), {}};
    request.rules.local_changes_file = now->global()[key::local_changes_file];
    request.rules.local_changes_only = now->global()[key::local_changes_only];
    request.rules.read_file = settings_.load.read_file;
    report = path.empty() ? save(request) : save_as(request, path);
    if (!report.ok) return report;
    // Another file may say it all now, and the main one as little as before.
    Reading reading = read(settings_.file);
    if (!has_errors(reading.built.diagnostics) && committer_.pipeline().republish(reading.built.root)) {
      file_root_ = reading.built.root;
      sources_ = std::move(reading.sources);
    } else if (path.empty()) {
      report.ok = false;
      report.code = Errc::conflict;
      report.error = "the files were written, and do not say what runs: somebody else writes them too";
    }
    return report;
  }

  SnapshotPtr current() const override { return committer_.current(); }
  const std::string& file() const override { return settings_.file; }

 private:
  struct Reading {
    Built built;
    Sources sources;
  };
  Reading read(const std::string& file) const {
    Loaded loaded = config::load(file, settings_.load);
    Sources sources = sources_of(loaded);
    return {build(std::move(loaded)), std::move(sources)};
  }

  // The report of an edit, ok so far; busy while there is nothing to edit.
  Report start(bool read_only = false) const {
    Report report;
    const SnapshotPtr now = current();
    if (!now) return refused(std::move(report), Errc::busy, "no configuration is loaded yet");
    report.generation = now->generation();
    if (std::string why = committer_.held(); !why.empty() && !read_only)
      return refused(std::move(report), Errc::busy, std::move(why));
    report.ok = true;
    return report;
  }

  Report commit_edit(Edited edited, const char* what, Report report) {
    report.diagnostics = std::move(edited.diagnostics);
    if (!edited.root) return refused(std::move(report), edited.code, std::move(edited.error));
    Intent intent{{edited.operation.source->name}, what};
    intent.edits = true;
    intent.sources.insert(edited.operation.source.get());
    committer_.commit(edited.root, report, intent);
    return report;
  }

  Report read_and_commit(const std::string& from, const Intent& intent) {
    const std::string file = from;  // outlives what it refers to
    Report report;
    const SnapshotPtr now = current();
    if (now) report.generation = now->generation();
    if (std::string why = committer_.held(); !why.empty() && !intent.check_only)
      return refused(std::move(report), Errc::busy, std::move(why));
    auto [built, sources] = read(file);
    report.diagnostics = std::move(built.diagnostics);
    if (has_errors(report.diagnostics)) return refused(std::move(report), Errc::invalid);
    std::vector<std::string> dropped;
    if (now && file_root_) dropped = dropped_edits(file_root_, now->root(), built.root);
    committer_.commit(built.root, report, intent);
    if (!report.ok) return report;
    report.dropped_edits = std::move(dropped);
    if (intent.check_only) return report;
    file_root_ = built.root;
    sources_ = std::move(sources);
    settings_.file = file;
    return report;
  }

  std::shared_ptr<Candidate> held_as(std::string_view name) const {
    if (name.empty()) return nullptr;
    const auto found =
        std::ranges::find_if(named_, [&](const auto& one) { return one->name() == name && !one->ended(); });
    return found == named_.end() ? nullptr : *found;
  }

  // Ends those that nobody used for long, and forgets those that ended.
  void expire() {
    for (const auto& one : named_) {
      if (one->ended() || committer_.now() < one->expires()) continue;
      committer_.notice(
          fmt::format("transaction {}, begun by {}, was not used for too long: its {} operations are gone", one->name(),
                      one->author().name, one->operations().size()));
      one->end();
    }
    std::erase_if(named_, [](const auto& one) { return one->ended(); });
  }

  EngineSettings settings_;
  Committer committer_;
  ScopePtr file_root_;  // as the files said it last
  Sources sources_;     // what they were
  std::vector<std::shared_ptr<Candidate>> named_;
};

}  // namespace

std::unique_ptr<Engine> Engine::create(EngineSettings settings) {
  return std::make_unique<EngineImpl>(std::move(settings));
}

}  // namespace impulse::config
