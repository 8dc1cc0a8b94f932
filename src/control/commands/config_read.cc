// config get, eval, explain: one option, looked at.
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/render.h"

namespace impulse::control {

namespace {

struct Question {
  Target target;
  const config::OptionDef* option = nullptr;
};

// [SCOPE...] OPTION and nothing else.
std::expected<Question, Answer> read_question(const Invocation& call, std::string_view name) {
  auto target = read_target(call);
  if (!target) return std::unexpected(std::move(target.error()));
  if (target->rest.empty()) return std::unexpected(usage(name, "an option is expected"));
  auto option = read_option(*target, target->rest.front());
  if (!option) return std::unexpected(std::move(option.error()));
  if (target->rest.size() > 1)
    return std::unexpected(
        placed_error(Code::usage, "control-usage", target->rest[1], "nothing is expected behind the option"));
  return Question{std::move(*target), *option};
}

Json question_head(const Question& question) {
  return {{"scope", path_text(question.target.path)}, {"option", question.option->name}};
}

// The value in force, and of an option that waits for a restart the one that
// will be.
struct Effective {
  std::shared_ptr<const config::Value> running;
  std::shared_ptr<const config::Value> pending;  // null: nothing waits
};

Effective effective(const config::Snapshot& snapshot, const Question& question) {
  Effective found;
  found.running = std::make_shared<const config::Value>(snapshot.eval(question.target.path, *question.option));
  if (auto pending = snapshot.pending(*question.option))
    found.pending = std::make_shared<const config::Value>(std::move(*pending));
  return found;
}

// What eval and explain look at: what runs or, in a transaction, what its
// candidate would mean. Of one that does not compile (a certificate whose key
// is still to come), they say why and tell what runs.
struct Meaning {
  View view;
  config::SnapshotPtr snapshot;
  Answer answer;  // begun: status and first remarks
};

std::expected<Meaning, Answer> meaning(const Invocation& call, const config::ScopePath& path) {
  auto view = look(call);
  if (!view) return std::unexpected(std::move(view.error()));
  Meaning found{*view, view->running, {view->status(), {}, false}};
  if (view->transaction) {
    config::Diagnostics reasons;
    if (auto compiled = call.workspace.compiled(call.system.engine(), *view->transaction, reasons)) {
      found.snapshot = std::move(compiled);
    } else {
      std::erase_if(reasons, [](const auto& reason) { return reason.severity != config::Diagnostic::Severity::error; });
      found.answer.lines = each(reasons.size() + 1, [reasons](Writer& writer, size_t i) {
        if (i == 0)
          writer.warning("config-candidate-incomplete",
                         "the transaction cannot be committed as it is; "
                         "this is what runs");
        else
          writer.remark("config-candidate-incomplete", reasons[i - 1].headline());
      });
    }
  }
  if (!config::find_scope(found.snapshot->root(), path))
    found.answer.lines =
        then(std::move(found.answer.lines), each(1, [text = path_text(path)](Writer& writer, size_t) {
               writer.remark("config-no-such-scope", fmt::format("there is no {}; this is what it would have", text));
             }));
  return found;
}

}  // namespace

Answer config_get(const Invocation& call) {
  auto question = read_question(call, "config get");
  if (!question) return std::move(question.error());
  const config::OptionDef& option = *question->option;
  auto view = look(call);
  if (!view) return std::move(view.error());
  const config::ScopePtr scope = config::find_scope(view->root, question->target.path);
  if (!scope)
    return Answer::error(Code::not_found, "config-no-such-scope",
                         fmt::format("there is no {}", path_text(question->target.path)));
  const config::Setting* setting = scope->find(option);
  if (setting == nullptr)
    return Answer::error(Code::not_found, "config-not-set",
                         fmt::format("{} is not set in {}", option.name, path_text(question->target.path)));
  Json head = question_head(*question);
  head["text"] = config::to_text(setting->value, option);
  head["origin"] = setting->origin.to_string();
  head["edited"] = setting->edited;
  if (head["text"].get_ref<const std::string&>().size() > max_line / 4) head.erase("text");
  std::shared_ptr<const config::Value> value(scope, &setting->value);
  return {view->status(), say_setting(std::move(value), option, {}, std::move(head)), false};
}

Answer config_eval(const Invocation& call) {
  auto question = read_question(call, "config eval");
  if (!question) return std::move(question.error());
  const config::OptionDef& option = *question->option;
  auto looked = meaning(call, question->target.path);
  if (!looked) return std::move(looked.error());
  const Effective found = effective(*looked->snapshot, *question);
  Answer answer = std::move(looked->answer);
  Json head = question_head(*question);
  head["effect"] = config::to_string(option.effect);
  if (found.pending) head["pending"] = json_value(*found.pending, option);
  answer.lines = then(std::move(answer.lines), say_setting(found.running, option, {}, std::move(head)));
  if (found.pending) {
    answer.status.with("pending", "restart");
    answer.lines = then(std::move(answer.lines), each(1, [found, &option](Writer& writer, size_t) {
                          if (!writer.json())
                            writer.text(fmt::format("# after a restart: {} = {}", option.name,
                                                    config::to_text(*found.pending, option)));
                        }));
  }
  return answer;
}

Answer config_explain(const Invocation& call) {
  auto question = read_question(call, "config explain");
  if (!question) return std::move(question.error());
  const config::OptionDef& option = *question->option;
  auto looked = meaning(call, question->target.path);
  if (!looked) return std::move(looked.error());
  const Effective found = effective(*looked->snapshot, *question);
  auto ladder =
      std::make_shared<const std::vector<config::Rung>>(looked->snapshot->explain(question->target.path, option));
  Answer answer = std::move(looked->answer);
  Json head = question_head(*question);
  head["effect"] = config::to_string(option.effect);
  answer.lines = then(
      std::move(answer.lines), each(1, [head, found, &option](Writer& writer, size_t) {
        if (writer.json()) return;
        writer.text(fmt::format("{} = {}", option.name, config::to_text(*found.running, option)));
        if (found.pending)
          writer.text(fmt::format("# after a restart: {} = {}", option.name, config::to_text(*found.pending, option)));
      }));
  answer.lines = then(std::move(answer.lines), each(ladder->size(), [ladder, head](Writer& writer, size_t i) {
                        const config::Rung& rung = (*ladder)[i];
                        if (writer.json()) {
                          Json document = head;
                          document["rung"] = rung.scope;
                          document["set"] = rung.set;
                          if (rung.set) document["text"] = rung.text;
                          if (rung.origin.source) document["origin"] = rung.origin.to_string();
                          document["won"] = rung.won;
                          writer.document(document);
                          return;
                        }
                        std::string line = fmt::format("{} {}", rung.won ? "->" : "  ", rung.scope);
                        line += rung.set ? fmt::format(" = {}", rung.text) : ": not set";
                        if (rung.origin.source) line += fmt::format("  ({})", rung.origin.to_string());
                        writer.text(line);
                      }));
  return answer;
}

}  // namespace impulse::control
