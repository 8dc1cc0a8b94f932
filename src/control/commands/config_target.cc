#include "control/commands/config_target.h"

#include "base/text.h"
#include "control/render.h"

#include <algorithm>

namespace impulse::control {

namespace {

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

Status View::status() const {
  Status status;
  status.with("gen", running->generation());
  if (!transaction) return status;
  if (!transaction->name().empty()) status.with("transaction", transaction->name());
  return status.with("edits", transaction->operations().size());
}

std::expected<View, Answer> look(const Invocation& call) {
  config::Engine& engine = call.system.engine();
  auto transaction = call.workspace.transaction(engine);
  if (!transaction)
    return std::unexpected(Answer::error(Code::not_found, "config-transaction-ended",
                                         transaction.error().message + "; 'config detach' to go back to what runs"));
  View view{engine.current(), std::move(*transaction), nullptr};
  view.root = view.transaction ? view.transaction->candidate() : view.running->root();
  return view;
}

Answer no_transaction(std::string_view what) {
  return Answer::error(Code::not_found, "config-no-transaction",
                       fmt::format("no transaction is open: nothing to {}; 'config begin' opens one", what));
}

Answer busy_in_transaction(std::string_view what) {
  return Answer::error(Code::busy, "config-in-transaction",
                       fmt::format("not inside a transaction: 'config commit' "
                                   "or 'config rollback' it first, then {}",
                                   what));
}

bool is_plain(const config::RawValue& word) {
  return word.kind == config::RawValue::Kind::word || word.kind == config::RawValue::Kind::string;
}

std::expected<std::string, Answer> read_file_path(const config::RawValue& word) {
  if (is_plain(word) && word.text.starts_with('/')) return word.text;
  return std::unexpected(placed_error(Code::usage, "control-usage", word, "a path that begins with / is expected"));
}

config::Author author_of(const Invocation& call) { return {"console: " + call.peer.to_string()}; }

std::expected<Target, Answer> read_target(const Invocation& call) {
  auto view = look(call);
  if (!view) return std::unexpected(std::move(view.error()));
  std::vector<std::string> words;
  for (const config::RawValue& word : call.words) {
    if (!is_plain(word)) break;
    words.push_back(word.text);
  }
  Result<config::FoundPath> found = config::read_path(words, view->root);
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

}  // namespace impulse::control
