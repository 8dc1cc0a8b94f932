// config set and config unset on a tree, and their spelling.
#include "config/tree_edit.h"

#include "base/text.h"
#include "config/checks.h"
#include "config/diagnostic_ids.h"
#include "config/setting.h"

#include <algorithm>

namespace impulse::config {
namespace {

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

Edited refused(Errc code, std::string error) {
  Edited result;
  result.code = code;
  result.error = std::move(error);
  return result;
}

// Never shows a secret: neither a value of that type nor the text of a private key.
bool hidden(const OptionDef* option, const RawValue& value) {
  return (option && option->type == Type::secret && !value.text.empty()) || is_private(value.text);
}

std::shared_ptr<const Source> named(std::shared_ptr<const Source> source) {
  return source ? std::move(source) : std::make_shared<const Source>();
}

}  // namespace

Edited edit_set(const ScopePtr& root, const ScopePath& path, const std::string& option, const RawValue& value,
                std::shared_ptr<const Source> source) {
  source = named(std::move(source));
  auto where = canonical_path(path);
  if (!where) return refused(where.error().code, std::move(where.error().message));
  const ScopeKind kind = where->empty() ? ScopeKind::global : where->back().kind;
  const Place place = place_of(*source, option, value.span.begin > 0 ? value.span.begin : source->text.size());
  CheckedSetting checked = check_setting(kind, option, place, value, source, true);
  Edited result;
  result.diagnostics = std::move(checked.diagnostics);
  if (!checked.setting) return result;
  result.root = edit_scope(root, *where, {source, place},
                           [&](const ScopePtr& scope) { return scope->with_setting(checked.setting); });
  result.operation = {Operation::Kind::set, std::move(*where), std::string(checked.setting->option->name), value,
                      std::move(source)};
  return result;
}

Edited edit_unset(const ScopePtr& root, const ScopePath& path, const std::string& option,
                  std::shared_ptr<const Source> source) {
  source = named(std::move(source));
  auto where = canonical_path(path);
  if (!where) return refused(where.error().code, std::move(where.error().message));
  const ScopePtr scope = find_scope(root, *where);
  if (!scope) return refused(Errc::not_found, fmt::format("there is no {}", shown_path(*where)));
  Edited result;
  if (option.empty()) {
    if (where->empty()) return refused(Errc::invalid, "the global scope cannot be taken away");
    result.root = edit_scope(root, *where, {}, [](const ScopePtr&) { return nullptr; });
    result.operation = {Operation::Kind::unset, std::move(*where), {}, {}, std::move(source)};
    return result;
  }
  const OptionDef* def = find_option(option);
  if (!def) {
    const std::string_view near = suggest_option(option, scope->def().kind);
    result.diagnostics.push_back({Diagnostic::Severity::error,
                                  std::string(id::unknown_option),
                                  {source, place_of(*source, option, source->text.size())},
                                  static_cast<uint32_t>(option.size()),
                                  fmt::format("unknown option '{}'", escape_line(option, 80)),
                                  near.empty() ? std::string{} : fmt::format("did you mean '{}'?", near),
                                  {}});
    return result;
  }
  if (!scope->find(*def))
    return refused(Errc::not_found, fmt::format("{} is not set in {}", def->name, shown_path(*where)));
  result.root = edit_scope(root, *where, {}, [&](const ScopePtr& found) { return found->without_setting(*def); });
  result.operation = {Operation::Kind::unset, std::move(*where), std::string(def->name), {}, std::move(source)};
  return result;
}

Edited edit_again(const ScopePtr& root, const Operation& operation) {
  if (operation.kind == Operation::Kind::set)
    return edit_set(root, operation.path, operation.option, operation.value, operation.source);
  return edit_unset(root, operation.path, operation.option, operation.source);
}

std::string Operation::to_string() const {
  std::string line = kind == Kind::set ? "config set" : "config unset";
  for (const PathStep& step : path) {
    line += ' ' + lower(scope_def(step.kind).name);
    if (!step.instance.empty()) line += ' ' + quote_if_needed(step.instance);
  }
  if (!option.empty()) line += ' ' + option;
  if (kind == Kind::set)
    line += " = " + (hidden(find_option(option), value) ? std::string("(redacted)") : value.to_string());
  return line;
}

}  // namespace impulse::config
