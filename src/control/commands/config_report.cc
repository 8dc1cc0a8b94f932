// What the engine reports, as an answer.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/config_target.h"
#include "control/render.h"

#include <algorithm>

namespace impulse::control {

namespace {

Json change_document(const config::Change& change) {
  Json document{{"scope", path_text(change.path)}};
  switch (change.kind) {
    case config::Change::Kind::added:
      document["change"] = "added";
      break;
    case config::Change::Kind::removed:
      document["change"] = "removed";
      break;
    case config::Change::Kind::changed:
      document["change"] = "changed";
      break;
  }
  if (change.option != nullptr) {
    document["option"] = change.option->name;
    document["before"] = change.before;
    document["after"] = change.after;
  }
  document["effect"] = config::to_string(change.effect);
  return document;
}

// What a conflict was with; a program gets it as a document, too.
void say_conflict(Writer& writer, const config::Conflict& conflict) {
  const std::string paths = fmt::format("{}", fmt::join(conflict.paths, ", "));
  if (writer.json())
    writer.document({{"conflict",
                      {{"generation", conflict.generation},
                       {"by", conflict.by.name},
                       {"at", time_text(conflict.at)},
                       {"scopes", conflict.paths}}}});
  writer.error("config-conflict",
               fmt::format("generation {} ({}, {}) changed the same: {}", conflict.generation,
                           escape_line(conflict.by.name, 100), time_text(conflict.at), escape_line(paths, 1000)));
}

bool same_place(const config::Change& a, const config::Change& b) {
  return a.option == b.option && config::to_string(a.path) == config::to_string(b.path);
}

// How many of the changes wait for a restart: not those that go back to what runs.
size_t waiting_changes(const config::Report& report, Waiting known) {
  return static_cast<size_t>(std::ranges::count_if(report.changes, [&](const config::Change& change) {
    if (change.effect != config::Effect::restart) return false;
    if (known == Waiting::unknown || change.option == nullptr || !change.path.empty()) return true;
    return std::ranges::any_of(report.waiting, [&](const auto& other) { return same_place(other, change); });
  }));
}

// What has been waiting since before.
std::vector<const config::Change*> still_waiting(const config::Report& report) {
  std::vector<const config::Change*> waiting;
  for (const config::Change& change : report.waiting)
    if (std::ranges::none_of(report.changes, [&](const auto& other) { return same_place(other, change); }))
      waiting.push_back(&change);
  return waiting;
}

// Sessions go over to a new generation when they are between two messages.
void say_older_sessions(Writer& writer, System& system, uint64_t generation) {
  uint64_t sessions = 0;
  uint64_t oldest = generation;
  for (const GenerationSessions& some : system.sessions_by_generation()) {
    if (some.generation >= generation) continue;
    sessions += some.sessions;
    oldest = std::min(oldest, some.generation);
  }
  if (sessions == 0) return;
  writer.remark("config-older-sessions",
                fmt::format("{} session{} under an older generation, from {} on; 'show inbound' tells which", sessions,
                            sessions == 1 ? " works" : "s work", oldest));
}

}  // namespace

// Its cause may be that a file or a user is not there, or that the daemon may
// not bind; it is not a look-up that found nothing, nor a client without the
// right to ask.
Code refusal_code(Errc cause) {
  const Code code = code_of(cause);
  return code == Code::conflict || code == Code::busy ? code : Code::failed;
}

// Of whole scopes their content, too: that one came or went is half the news,
// above all when its name was mistyped.
Step say_changes(std::shared_ptr<const std::vector<config::Change>> changes) {
  return [changes = std::move(changes), next = size_t{0}, content = Step()](Writer& writer) mutable {
    if (content && content(writer)) return true;
    content = nullptr;
    if (next == changes->size()) return false;
    const config::Change& change = (*changes)[next++];
    if (writer.json())
      writer.document(change_document(change));
    else
      writer.text(change.to_string());
    if (change.scope) content = say_content(change);
    return true;
  };
}

Answer report_answer(config::Report report, const Invocation& call, Step extra, Waiting known) {
  Answer answer;
  const bool degraded = report.ok && config::has_errors(report.diagnostics);
  if (!report.ok) answer.status.code = report.conflicts.empty() ? refusal_code(report.code) : Code::conflict;
  if (degraded) answer.status.code = Code::degraded;
  const uint64_t generation = report.generation != 0 ? report.generation : call.system.engine().current()->generation();
  answer.status.with("gen", generation);
  if (report.ok && !degraded && report.changes.empty())
    answer.status.word = "unchanged";
  else if (report.ok)
    answer.status.with("changes", report.changes.size());
  if (report.check_only) answer.status.with("checked", uint64_t{1});
  if (report.ok && report.confirm_within)
    answer.status.with("confirm",
                       static_cast<uint64_t>(std::chrono::ceil<std::chrono::seconds>(*report.confirm_within).count()));

  const size_t waiting = waiting_changes(report, known);
  const auto held = std::make_shared<const config::Report>(std::move(report));
  answer.lines = then(each(held->diagnostics.size(),
                           [held, source = call.source](Writer& writer, size_t i) {
                             writer.diagnostic(held->diagnostics[i], source.get());
                           }),
                      say_changes({held, &held->changes}));
  answer.lines = then(std::move(answer.lines), each(held->conflicts.size(), [held](Writer& writer, size_t i) {
                        say_conflict(writer, held->conflicts[i]);
                      }));
  answer.lines = then(
      std::move(answer.lines), each(held->dropped_edits.size(), [held](Writer& writer, size_t i) {
        writer.remark("config-edit-dropped",
                      fmt::format("{}: {}", held->check_only ? "would be dropped" : "dropped", held->dropped_edits[i]));
      }));
  if (held->ok && extra) answer.lines = then(std::move(answer.lines), std::move(extra));
  answer.lines = then(
      std::move(answer.lines),
      each(1, [held, waiting, known, generation, &system = call.system](Writer& writer, size_t) {
        if (!held->ok && held->conflicts.empty() && (!held->error.empty() || !config::has_errors(held->diagnostics)))
          writer.error("config-refused", held->error.empty() ? "refused" : held->error);
        if (!held->ok) return;
        if (waiting > 0)
          writer.remark("config-restart-needed",
                        fmt::format("{} of these changes wait{} for a restart", waiting, waiting == 1 ? "s" : ""));
        if (known == Waiting::all)
          for (const config::Change* change : still_waiting(*held))
            writer.remark("config-restart-needed", "still waits for a restart: " + change->to_string());
        if (known == Waiting::all && !held->check_only && !held->changes.empty())
          say_older_sessions(writer, system, generation);
        if (held->confirm_within)
          writer.warning("config-confirm-within", fmt::format("goes back by itself in {} unless 'config confirm' comes",
                                                              age_text(*held->confirm_within)));
      }));
  return answer;
}

}  // namespace impulse::control
