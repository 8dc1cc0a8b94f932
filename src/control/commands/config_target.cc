#include "control/commands/config_target.h"

#include "base/text.h"
#include "control/render.h"

#include <algorithm>

namespace impulse::control {

namespace {

bool is_plain(const config::RawValue& word) {
  return word.kind == config::RawValue::Kind::word || word.kind == config::RawValue::Kind::string;
}

// "; did you mean 'X'?" for a word that is neither an option nor a scope.
std::string suggestion(std::string_view word, const config::ScopePath& path) {
  const config::ScopeSet here = config::in(path.empty() ? config::ScopeKind::global : path.back().kind);
  std::vector<std::string_view> near;
  std::vector<std::string_view> all;
  for (const config::ScopeDef& scope : config::scopes()) {
    if (scope.kind == config::ScopeKind::global) continue;
    if (scope.parents & here) near.push_back(scope.name);
    all.push_back(scope.name);
  }
  for (const config::OptionDef& option : config::options()) {
    if (option.availability == config::Availability::unavailable) continue;
    if (option.scopes & here) near.push_back(option.name);
    all.push_back(option.name);
  }
  std::string_view found = nearest(word, near);
  if (found.empty()) found = nearest(word, all);
  return found.empty() ? std::string() : fmt::format("; did you mean '{}'?", found);
}

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

// Of a change that was refused. Its cause may be that a file or a user is not
// there, or that the daemon may not bind; it is not a look-up that found
// nothing, nor a client without the right to ask.
Code refusal_code(Errc cause) {
  const Code code = code_of(cause);
  return code == Code::conflict || code == Code::busy ? code : Code::failed;
}

// Each change; of whole scopes their content, too: that one came or went is
// half the news, above all when its name was mistyped.
Step say_changes(std::shared_ptr<const config::Report> held) {
  return [held = std::move(held), next = size_t{0}, content = Step()](Writer& writer) mutable {
    if (content && content(writer)) return true;
    content = nullptr;
    if (next == held->changes.size()) return false;
    const config::Change& change = held->changes[next++];
    if (writer.json())
      writer.document(change_document(change));
    else
      writer.text(change.to_string());
    if (change.scope) content = say_content(change);
    return true;
  };
}

}  // namespace

std::string place_of(const config::RawValue& word) {
  return fmt::format("console:{}:{}", word.place.line, word.place.column);
}

Answer usage(std::string_view name, std::string text) {
  std::string line = std::move(text);
  for (const Command& command : all_commands())
    if (command.name == name)
      line += fmt::format("; usage: {}{}{}", name, command.synopsis.empty() ? "" : " ", command.synopsis);
  return Answer::error(Code::usage, "control-usage", std::move(line));
}

Answer placed_error(Code code, std::string id, const config::RawValue& word, std::string text) {
  return Answer::once({code, {}, {}},
                      [id = std::move(id), place = place_of(word), text = std::move(text)](Writer& writer) {
                        writer.notice(config::Diagnostic::Severity::error, id, place, text);
                      });
}

std::expected<Target, Answer> read_target(const Invocation& call) {
  std::vector<std::string> words;
  for (const config::RawValue& word : call.words) {
    if (!is_plain(word)) break;
    words.push_back(word.text);
  }
  Result<config::FoundPath> found = config::read_path(words, call.system.engine().current()->root());
  if (!found) {
    const std::string& message = found.error().message;
    const std::string id = found.error().code == Errc::unavailable ? "config-not-available" : "config-bad-path";
    if (call.words.empty()) return std::unexpected(Answer::error(Code::failed, id, message));
    return std::unexpected(placed_error(Code::failed, id, call.words.front(), message));
  }
  return Target{std::move(found->path), call.words.subspan(found->used)};
}

std::expected<const config::OptionDef*, Answer> read_option(const Target& target, const config::RawValue& word) {
  if (!is_plain(word))
    return std::unexpected(placed_error(Code::usage, "control-usage", word, "the name of an option is expected"));
  const config::OptionDef* option = config::find_option(word.text);
  if (option != nullptr) return option;
  return std::unexpected(placed_error(Code::failed, "config-unknown-option", word,
                                      fmt::format("no option and no scope is called '{}'{}", escape_line(word.text, 64),
                                                  suggestion(word.text, target.path))));
}

Answer report_answer(config::Report report, const Invocation& call, Step extra) {
  Answer answer;
  if (!report.ok) answer.status.code = refusal_code(report.code);
  const uint64_t generation = report.generation != 0 ? report.generation : call.system.engine().current()->generation();
  answer.status.with("gen", generation);
  if (report.ok && report.changes.empty())
    answer.status.word = "unchanged";
  else if (report.ok)
    answer.status.with("changes", report.changes.size());
  if (report.check_only) answer.status.with("checked", uint64_t{1});

  const auto waiting = std::count_if(report.changes.begin(), report.changes.end(), [](const config::Change& change) {
    return change.effect == config::Effect::restart;
  });
  const auto held = std::make_shared<const config::Report>(std::move(report));
  answer.lines = then(each(held->diagnostics.size(),
                           [held, source = call.source](Writer& writer, size_t i) {
                             writer.diagnostic(held->diagnostics[i], source.get());
                           }),
                      say_changes(held));
  answer.lines = then(
      std::move(answer.lines), each(held->dropped_edits.size(), [held](Writer& writer, size_t i) {
        writer.remark("config-edit-dropped",
                      fmt::format("{}: {}", held->check_only ? "would be dropped" : "dropped", held->dropped_edits[i]));
      }));
  if (held->ok && extra) answer.lines = then(std::move(answer.lines), std::move(extra));
  answer.lines = then(std::move(answer.lines), each(1, [held, waiting](Writer& writer, size_t) {
                        if (!held->ok && (!held->error.empty() || !config::has_errors(held->diagnostics)))
                          writer.error("config-refused", held->error.empty() ? "refused" : held->error);
                        if (held->ok && waiting > 0)
                          writer.remark("config-restart-needed", fmt::format("{} of these changes wait{} for a restart",
                                                                             waiting, waiting == 1 ? "s" : ""));
                      }));
  return answer;
}

}  // namespace impulse::control
