// config history, diff, revert, drift: generations, compared and taken back.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

#include <algorithm>

namespace impulse::control {

namespace {

std::expected<uint64_t, Answer> read_generation(const config::RawValue& word) {
  if (is_plain(word))
    if (auto number = parse_unsigned(word.text)) return *number;
  return std::unexpected(placed_error(Code::usage, "control-usage", word, "the number of a generation is expected"));
}

Answer no_generation(const config::Engine& engine, uint64_t number) {
  const auto history = engine.history();
  return Answer::error(Code::not_found, "config-no-generation",
                       history.empty() ? fmt::format("generation {} is not in the history", number)
                                       : fmt::format("generation {} is not in the history, which holds {} to {}",
                                                     number, history.front().number, history.back().number));
}

bool in_history(const config::Engine& engine, uint64_t number) {
  return std::ranges::any_of(engine.history(), [&](const auto& generation) { return generation.number == number; });
}

Answer changes_answer(Status status, std::vector<config::Change> changes) {
  if (changes.empty())
    status.word = "unchanged";
  else
    status.with("changes", changes.size());
  return {std::move(status), say_changes(std::make_shared<const std::vector<config::Change>>(std::move(changes))),
          false};
}

void say_generation(Writer& writer, const config::Generation& generation, bool running) {
  if (writer.json()) {
    writer.document({{"generation", generation.number},
                     {"at", time_text(generation.at)},
                     {"by", generation.by.name},
                     {"what", generation.what},
                     {"changes", generation.changes},
                     {"running", running}});
    return;
  }
  writer.text(fmt::format("{} {:>5}  {}  {}: {}, {}", running ? "->" : "  ", generation.number,
                          time_text(generation.at), field(generation.by.name), field(generation.what),
                          counted(generation.changes, "change")));
}

}  // namespace

Answer config_history(const Invocation& call) {
  if (!call.words.empty()) return usage("config history", "nothing is expected behind it");
  const config::Engine& engine = call.system.engine();
  const uint64_t running = engine.current()->generation();
  auto history = std::make_shared<const std::vector<config::Generation>>(engine.history());
  Answer answer{Status{}.with("gen", running),
                each(history->size(),
                     [history, running](Writer& writer, size_t i) {
                       const config::Generation& generation = (*history)[i];
                       say_generation(writer, generation, generation.number == running);
                     }),
                false};
  if (const auto deadline = engine.unconfirmed()) {
    answer.status.with("unconfirmed", time_text(*deadline));
    answer.lines = then(std::move(answer.lines), each(1, [deadline](Writer& writer, size_t) {
                          writer.warning("config-confirm-within", fmt::format("the last commit goes back by itself at "
                                                                              "{} unless 'config confirm' "
                                                                              "comes",
                                                                              time_text(*deadline)));
                        }));
  }
  return answer;
}

Answer config_diff(const Invocation& call) {
  if (call.words.size() > 2)
    return placed_error(Code::usage, "control-usage", call.words[2], "two generations at most are expected");
  config::Engine& engine = call.system.engine();
  if (call.words.empty()) {
    auto view = look(call);
    if (!view) return std::move(view.error());
    if (!view->transaction)
      return Answer::error(Code::not_found, "config-no-transaction",
                           "no transaction is open: nothing to compare; "
                           "'config diff A [B]' compares generations, 'config "
                           "drift' files with what runs");
    return changes_answer(view->status(), view->transaction->diff());
  }
  uint64_t numbers[2] = {0, engine.current()->generation()};
  for (size_t i = 0; i < call.words.size(); ++i) {
    auto number = read_generation(call.words[i]);
    if (!number) return std::move(number.error());
    if (!in_history(engine, *number)) return no_generation(engine, *number);
    numbers[i] = *number;
  }
  auto changes = engine.diff(numbers[0], numbers[1]);
  if (!changes) return Answer::error(code_of(changes.error().code), "config-no-generation", changes.error().message);
  return changes_answer(Status{}.with("gen", engine.current()->generation()), std::move(*changes));
}

Answer config_revert(const Invocation& call) {
  if (call.words.size() != 1) return usage("config revert", "the number of one generation is expected");
  auto number = read_generation(call.words.front());
  if (!number) return std::move(number.error());
  config::Engine& engine = call.system.engine();
  if (!in_history(engine, *number)) return no_generation(engine, *number);
  if (call.workspace.open()) return busy_in_transaction("revert");
  return report_answer(engine.revert(*number, author_of(call)), call);
}

Answer config_drift(const Invocation& call) {
  if (!call.words.empty()) return usage("config drift", "nothing is expected behind it");
  config::Report report = call.system.engine().drift();
  if (!report.ok) return report_answer(std::move(report), call);
  // No remarks about these changes: they are not about to happen, they have.
  Answer answer =
      changes_answer(Status{}.with("gen", call.system.engine().current()->generation()), std::move(report.changes));
  auto diagnostics = std::make_shared<const config::Diagnostics>(std::move(report.diagnostics));
  answer.lines = then(
      each(diagnostics->size(), [diagnostics, source = call.source](
                                    Writer& writer, size_t i) { writer.diagnostic((*diagnostics)[i], source.get()); }),
      std::move(answer.lines));
  return answer;
}

}  // namespace impulse::control
