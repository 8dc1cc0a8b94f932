// config begin, commit, confirm, rollback, replay, rebase, check, attach,
// detach: many edits that come into force as one, or not at all.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/render.h"

#include <algorithm>

namespace impulse::control {

namespace {

std::expected<Duration, Answer> read_duration(const config::RawValue& word, std::string_view what) {
  config::OptionDef definition{};
  definition.name = what;
  definition.type = config::Type::duration;
  definition.min = 1;
  definition.max = 365LL * 86400;
  auto value = config::convert(word, definition);
  if (value && std::get<Duration>(*value) >= std::chrono::seconds(definition.min) &&
      std::get<Duration>(*value) <= std::chrono::seconds(definition.max))
    return std::get<Duration>(*value);
  return std::unexpected(placed_error(
      Code::usage, "config-bad-value", word,
      fmt::format("{}: {}", what,
                  value ? std::string("expected at least 1s and at most a year") : value.error().message)));
}

bool is_transaction_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '.' || c == '_' || c == '-';
  });
}

std::expected<std::string, Answer> read_name(const config::RawValue& word) {
  if (is_plain(word) && is_transaction_name(word.text)) return word.text;
  return std::unexpected(placed_error(Code::usage, "control-usage", word,
                                      "a transaction's name is 1 to 64 letters, digits, '.', '_' or '-'"));
}

// "name=deploy" is two words to the language, and one when it was quoted, as
// ec_console does with its arguments.
std::vector<config::RawValue> split_assignments(std::span<const config::RawValue> words) {
  std::vector<config::RawValue> split;
  for (const config::RawValue& word : words) {
    const size_t equals = is_plain(word) ? word.text.find('=') : std::string::npos;
    split.push_back(word);
    if (equals == std::string::npos || equals == 0) continue;
    split.back().text.resize(equals);
    split.push_back(word);
    split.back().text.erase(0, equals + 1);
  }
  return split;
}

std::expected<config::BeginOptions, Answer> read_begin(const Invocation& call) {
  config::BeginOptions options;
  const auto words = split_assignments(call.words);
  for (size_t i = 0; i < words.size(); ++i) {
    const config::RawValue& word = words[i];
    const bool more = i + 1 < words.size();
    if (is_plain(word) && iequals(word.text, "from") && more && iequals(words[i + 1].text, "scratch")) {
      options.from_scratch = true;
      ++i;
    } else if (is_plain(word) && iequals(word.text, "name") && more && options.name.empty()) {
      auto name = read_name(words[++i]);
      if (!name) return std::unexpected(std::move(name.error()));
      options.name = std::move(*name);
    } else if (is_plain(word) && iequals(word.text, "ttl") && more && !options.ttl) {
      auto ttl = read_duration(words[++i], "ttl");
      if (!ttl) return std::unexpected(std::move(ttl.error()));
      options.ttl = *ttl;
    } else {
      return std::unexpected(
          placed_error(Code::usage, "control-usage", word, "'from scratch', name=NAME or ttl=DURATION is expected"));
    }
  }
  if (options.ttl && options.name.empty())
    return std::unexpected(usage("config begin", "ttl is for a transaction with a name"));
  return options;
}

Answer open_already(const Invocation& call) {
  const std::string& name = call.workspace.name();
  return Answer::error(Code::busy, "config-in-transaction",
                       name.empty() ? std::string("this session has a transaction open: "
                                                  "commit it or roll it back first")
                                    : fmt::format("this session is attached to the "
                                                  "transaction '{}': commit it, roll it "
                                                  "back or detach from it first",
                                                  name));
}

// The open transaction, or why there is none.
std::expected<View, Answer> need_transaction(const Invocation& call, std::string_view what) {
  auto view = look(call);
  if (!view) return std::unexpected(std::move(view.error()));
  if (!view->transaction) return std::unexpected(no_transaction(what));
  return view;
}

// A named one may have ended while this answer is read: it is held.
Step say_operations(std::shared_ptr<config::Transaction> transaction) {
  return [transaction = std::move(transaction), next = size_t{0}](Writer& writer) mutable {
    if (next >= transaction->operations().size()) return false;
    const config::Operation& operation = transaction->operations()[next++];
    if (writer.json()) {
      Json document{{"operation", operation.kind == config::Operation::Kind::set ? "set" : "unset"},
                    {"scope", path_text(operation.path)}};
      if (!operation.option.empty()) document["option"] = operation.option;
      document["command"] = operation.to_string();
      writer.document(document);
    } else {
      writer.text(operation.to_string());
    }
    return true;
  };
}

// It stays open: what can be done with it.
Step say_still_open() {
  return each(1, [](Writer& writer, size_t) {
    writer.remark("config-transaction-open",
                  "the transaction stays open: 'config replay' shows its "
                  "edits, 'config rebase' does them anew on what "
                  "runs now, 'config rollback' drops them");
  });
}

}  // namespace

Answer config_begin(const Invocation& call) {
  auto options = read_begin(call);
  if (!options) return std::move(options.error());
  if (call.workspace.open()) return open_already(call);
  config::Engine& engine = call.system.engine();
  auto begun = engine.begin(*options, author_of(call));
  if (!begun) {
    if (begun.error().code == Errc::exists)
      return Answer::error(Code::busy, "config-transaction-exists",
                           fmt::format("there is a transaction '{}' already; "
                                       "'config attach {}' joins it",
                                       options->name, options->name));
    return Answer::error(refusal_code(begun.error().code), "config-refused", begun.error().message);
  }
  if (options->name.empty())
    call.workspace.take(std::move(*begun));
  else
    call.workspace.attach(options->name);
  auto view = look(call);
  if (!view) return std::move(view.error());
  return {view->status(), {}, false};
}

Answer config_attach(const Invocation& call) {
  if (call.words.size() != 1) return usage("config attach", "the name of a transaction is expected");
  auto name = read_name(call.words.front());
  if (!name) return std::move(name.error());
  if (call.workspace.open() && call.workspace.name() != *name) return open_already(call);
  config::Engine& engine = call.system.engine();
  if (!engine.find(*name)) {
    std::string known;
    for (const auto& transaction : engine.named())
      known += fmt::format("{}{}", known.empty() ? "" : ", ", transaction->name());
    return Answer::error(
        Code::not_found, "config-no-transaction",
        fmt::format("there is no transaction '{}'{}{}", *name, known.empty() ? "" : "; there is ", known));
  }
  call.workspace.attach(std::move(*name));
  auto view = look(call);
  if (!view) return std::move(view.error());
  return {view->status(), {}, false};
}

Answer config_detach(const Invocation& call) {
  if (!call.words.empty()) return usage("config detach", "nothing is expected behind it");
  if (call.workspace.name().empty()) {
    if (!call.workspace.open()) return no_transaction("detach from");
    return Answer::error(Code::failed, "config-refused",
                         "the open transaction has no name and belongs to this "
                         "session: commit it or roll it back");
  }
  call.workspace.leave();
  return {Status{}.with("gen", call.system.engine().current()->generation()), {}, false};
}

Answer config_commit(const Invocation& call) {
  std::optional<Duration> confirm;
  if (!call.words.empty()) {
    if (!is_plain(call.words[0]) || !iequals(call.words[0].text, "confirm"))
      return placed_error(Code::usage, "control-usage", call.words[0], "only 'confirm DURATION' may follow");
    if (call.words.size() != 2) return usage("config commit", "how long a confirmation may take is expected");
    auto seconds = read_duration(call.words[1], "confirm");
    if (!seconds) return std::move(seconds.error());
    confirm = *seconds;
  }
  auto view = need_transaction(call, "commit");
  if (!view) return std::move(view.error());
  config::Report report = view->transaction->commit(author_of(call), confirm);
  if (report.ok) call.workspace.leave();
  const bool refused = !report.ok;
  Answer answer = report_answer(std::move(report), call);
  if (refused) answer.lines = then(std::move(answer.lines), say_still_open());
  return answer;
}

Answer config_confirm(const Invocation& call) {
  if (!call.words.empty()) return usage("config confirm", "nothing is expected behind it");
  config::Engine& engine = call.system.engine();
  if (!engine.unconfirmed())
    return Answer::error(Code::not_found, "config-nothing-to-confirm", "no commit waits to be confirmed");
  config::Report report = engine.confirm(author_of(call));
  const bool ok = report.ok;
  Answer answer = report_answer(std::move(report), call);
  if (ok) answer.status.word = "confirmed";
  return answer;
}

Answer config_rollback(const Invocation& call) {
  if (!call.words.empty()) return usage("config rollback", "nothing is expected behind it");
  auto view = need_transaction(call, "roll back");
  if (!view) return std::move(view.error());
  const size_t edits = view->transaction->operations().size();
  if (!call.workspace.name().empty()) call.system.engine().rollback(call.workspace.name());
  call.workspace.leave();
  return {Status{}.with("gen", view->running->generation()).with("dropped", edits), {}, false};
}

Answer config_replay(const Invocation& call) {
  if (!call.words.empty()) return usage("config replay", "nothing is expected behind it");
  auto view = need_transaction(call, "show");
  if (!view) return std::move(view.error());
  return {view->status(), say_operations(view->transaction), false};
}

Answer config_rebase(const Invocation& call) {
  if (!call.words.empty()) return usage("config rebase", "nothing is expected behind it");
  auto view = need_transaction(call, "rebase");
  if (!view) return std::move(view.error());
  const uint64_t before = view->transaction->base();
  config::Report report = view->transaction->rebase();
  if (!report.ok) {
    Answer answer = report_answer(std::move(report), call);
    answer.lines = then(std::move(answer.lines), say_still_open());
    return answer;
  }
  Status status = view->status();
  status.with("base", view->transaction->base());
  if (before == view->transaction->base()) status.word = "unchanged";
  auto changes = std::make_shared<const std::vector<config::Change>>(view->transaction->diff());
  return {std::move(status), say_changes(std::move(changes)), false};
}

Answer config_check(const Invocation& call) {
  if (!call.words.empty()) return usage("config check", "nothing is expected behind it");
  auto view = look(call);
  if (!view) return std::move(view.error());
  config::Report report =
      view->transaction ? view->transaction->check() : call.system.engine().reload({true, {}}, author_of(call));
  report.check_only = true;
  return report_answer(std::move(report), call);
}

}  // namespace impulse::control
