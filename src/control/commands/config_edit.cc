// config set, unset, reload: the commands that change something.
#include "base/text.h"
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
  return report_answer(call.system.engine().set(target->path, std::string((*option)->name), *value, source), told);
}

Answer config_unset(const Invocation& call) {
  auto target = read_target(call);
  if (!target) return std::move(target.error());
  if (target->rest.size() > 1)
    return placed_error(Code::usage, "control-usage", target->rest[1], "nothing is expected behind the option");
  if (target->rest.empty()) {
    if (target->path.empty()) return usage("config unset", "an option or a scope is expected");
    if (!config::find_scope(call.system.engine().current()->root(), target->path))
      return Answer::error(Code::not_found, "config-no-such-scope",
                           fmt::format("there is no {}", path_text(target->path)));
    return report_answer(call.system.engine().unset(target->path, {}, call.source), call);
  }
  auto option = read_option(*target, target->rest.front());
  if (!option) return std::move(option.error());
  const config::ScopePtr scope = config::find_scope(call.system.engine().current()->root(), target->path);
  if (!scope || scope->find(**option) == nullptr)
    return Answer::error(Code::not_found, "config-not-set",
                         fmt::format("{} is not set in {}", (*option)->name, path_text(target->path)));
  return report_answer(call.system.engine().unset(target->path, std::string((*option)->name), call.source), call,
                       now_effective(call, target->path, **option));
}

Answer config_reload(const Invocation& call) {
  bool check = false;
  for (const config::RawValue& word : call.words) {
    if (!iequals(word.text, "--check") || check)
      return placed_error(Code::usage, "control-usage", word,
                          fmt::format("only --check may follow; the file is always {}", call.system.engine().file()));
    check = true;
  }
  config::Report report = call.system.engine().reload({check, {}}, {call.source->name});
  report.check_only = check;  // also of one that failed before it came to that
  return report_answer(std::move(report), call);
}

}  // namespace impulse::control
