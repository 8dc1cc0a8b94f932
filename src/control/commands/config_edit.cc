// config set, unset: one edit, of what runs or of the open transaction.
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/render.h"

namespace impulse::control {

namespace {

// The value of `config set`: one word, string, array or dictionary, from the
// line or from the payload.
std::expected<config::RawValue, Answer> read_value(const Invocation& call, std::span<const config::RawValue> words,
                                                   std::shared_ptr<const config::Source>& source) {
  static constexpr std::string_view one = "one value expected; quote it or use ( ) for an array";
  if (call.payload == nullptr) {
    if (words.empty()) return std::unexpected(usage("config set", "a value is expected"));
    if (words.size() > 1)
      return std::unexpected(placed_error(Code::usage, "config-one-value", words[1], std::string(one)));
    return words.front();
  }
  if (!words.empty())
    return std::unexpected(placed_error(Code::usage, "config-one-value", words.front(),
                                        "the value is in the payload; none is expected here"));
  config::Source text;
  text.name = source->name;
  text.text = *call.payload;
  source = std::make_shared<const config::Source>(std::move(text));
  config::ParsedValue parsed = config::parse_value(source);
  if (config::has_errors(parsed.diagnostics) || !parsed.value)
    return std::unexpected(
        Answer::once({Code::usage, {}, {}}, [source, diagnostics = std::move(parsed.diagnostics)](Writer& writer) {
          if (diagnostics.empty()) writer.error("config-one-value", "the payload holds no value");
          for (const auto& diagnostic : diagnostics) writer.diagnostic(diagnostic, source.get());
        }));
  return std::move(*parsed.value);
}

// An edit of a transaction's candidate. Nothing of it runs yet, which has to be
// said: to whoever reads, and in a word of the status to programs.
Answer staged(config::Report report, const Invocation& call, const View& view, const config::ScopePtr& before) {
  if (report.ok && report.changes.empty()) report.changes = config::diff(before, view.transaction->candidate());
  report.generation = view.running->generation();
  const bool ok = report.ok;
  const size_t edits = view.transaction->operations().size();
  Step remark = each(1, [edits](Writer& writer, size_t) {
    writer.remark("config-staged",
                  fmt::format("not in force: {} in the transaction; 'config commit' puts {} into force",
                              counted(edits, "edit"), edits == 1 ? "it" : "them"));
  });
  Answer answer = report_answer(std::move(report), call, std::move(remark), Waiting::unknown);
  const Code code = answer.status.code;
  answer.status = view.status();
  answer.status.code = code;
  if (ok && code == Code::ok) answer.status.word = "staged";
  return answer;
}

Answer staged_set(const Invocation& call, const View& view, const config::ScopePath& path,
                  const config::OptionDef& option, const config::RawValue& value) {
  const config::ScopePtr before = view.root;
  return staged(view.transaction->set(path, std::string(option.name), value, call.source), call, view, before);
}

Answer staged_unset(const Invocation& call, const View& view, const config::ScopePath& path,
                    const std::string& option) {
  const config::ScopePtr before = view.root;
  return staged(view.transaction->unset(path, option, call.source), call, view, before);
}

// A Certificate's parts fit together or are refused: one at a time, they
// cannot.
Step certificate_hint(const config::ScopePath& path) {
  if (path.empty() || path.back().kind != config::ScopeKind::certificate) return {};
  return each(1, [](Writer& writer, size_t) {
    writer.remark("config-use-transaction",
                  "a certificate and its key are made and exchanged together: "
                  "'config begin', 'config set' each of "
                  "them, 'config commit'");
  });
}

// Behind an unset: what the option falls back to.
Step now_effective(const Invocation& call, config::ScopePath path, const config::OptionDef& option) {
  return each(1, [&system = call.system, path = std::move(path), &option](Writer& writer, size_t) {
    const config::SnapshotPtr snapshot = system.engine().current();
    for (const config::Rung& rung : snapshot->explain(path, option)) {
      if (!rung.won) continue;
      writer.remark("config-falls-back",
                    fmt::format("{} = {}, from {}", option.name, rung.text.empty() ? "\"\"" : rung.text, rung.scope));
    }
  });
}

}  // namespace

Answer config_set(const Invocation& call) {
  auto target = read_target(call);
  if (!target) return std::move(target.error());
  if (target->rest.empty()) return usage("config set", "an option and a value are expected");
  auto option = read_option(*target, target->rest.front());
  if (!option) return std::move(option.error());
  std::shared_ptr<const config::Source> source = call.source;
  auto value = read_value(call, target->rest.subspan(1), source);
  if (!value) return std::move(value.error());
  Invocation told = call;
  told.source = source;  // diagnostics are about the payload when the value came in one
  auto view = look(call);
  if (!view) return std::move(view.error());
  if (view->transaction) return staged_set(told, *view, target->path, **option, *value);
  config::Report report = call.system.engine().set(target->path, std::string((*option)->name), *value, source);
  const bool refused = !report.ok;
  Answer answer = report_answer(std::move(report), told, {}, Waiting::changed);
  if (refused) answer.lines = then(std::move(answer.lines), certificate_hint(target->path));
  return answer;
}

Answer config_unset(const Invocation& call) {
  auto view = look(call);
  if (!view) return std::move(view.error());
  auto target = read_target(call);
  if (!target) return std::move(target.error());
  if (target->rest.size() > 1)
    return placed_error(Code::usage, "control-usage", target->rest[1], "nothing is expected behind the option");
  config::Engine& engine = call.system.engine();
  const config::ScopePtr scope = config::find_scope(view->root, target->path);
  if (target->rest.empty()) {
    if (target->path.empty()) return usage("config unset", "an option or a scope is expected");
    if (!scope)
      return Answer::error(Code::not_found, "config-no-such-scope",
                           fmt::format("there is no {}", path_text(target->path)));
    if (view->transaction) return staged_unset(call, *view, target->path, {});
    return report_answer(engine.unset(target->path, {}, call.source), call, {}, Waiting::changed);
  }
  auto option = read_option(*target, target->rest.front());
  if (!option) return std::move(option.error());
  if (!scope || scope->find(**option) == nullptr)
    return Answer::error(Code::not_found, "config-not-set",
                         fmt::format("{} is not set in {}", (*option)->name, path_text(target->path)));
  const std::string name((*option)->name);
  if (view->transaction) return staged_unset(call, *view, target->path, name);
  config::Report report = engine.unset(target->path, name, call.source);
  const bool refused = !report.ok;
  Answer answer = report_answer(std::move(report), call, now_effective(call, target->path, **option), Waiting::changed);
  if (refused) answer.lines = then(std::move(answer.lines), certificate_hint(target->path));
  return answer;
}

}  // namespace impulse::control
