// The checks every single `option = value` goes through.
#include "config/setting.h"

#include "base/text.h"
#include "config/checks.h"
#include "config/diagnostic_ids.h"
#include "config/keys.h"

#include <algorithm>

namespace impulse::config {
namespace {

std::string in_scope(ScopeKind kind) {
  return kind == ScopeKind::global ? "the global scope" : std::string(scope_def(kind).name);
}

uint32_t length_of(const RawValue& value) {
  const size_t length = value.span.end > value.span.begin ? value.span.end - value.span.begin : 1;
  return static_cast<uint32_t>(std::min<size_t>(length, 1000));
}

std::string option_hint(std::string_view name, ScopeKind scope) {
  if (find_scope(name)) return std::string(find_scope(name)->name) + " is a scope: " + std::string(name) + " … { … }";
  std::string_view near = suggest_option(name, scope);
  if (near.empty()) near = suggest_scope(name);
  return near.empty() ? std::string{} : fmt::format("did you mean '{}'?", near);
}

}  // namespace

RawValue Setting::written() const {
  if (spelled || !origin.source) return spelled ? *spelled : RawValue{};
  Source text{origin.source->name, origin.source->text.substr(value_begin, value_end - value_begin)};
  return parse_value(std::make_shared<const Source>(std::move(text))).value.value_or(RawValue{});
}

CheckedSetting check_setting(ScopeKind scope, std::string_view name, Place place, const RawValue& value,
                             const std::shared_ptr<const Source>& source, bool edited) {
  using Severity = Diagnostic::Severity;
  CheckedSetting result;
  const auto say = [&](Severity severity, std::string_view id, Place where, uint32_t length, std::string message,
                       std::string hint = {}) {
    result.diagnostics.push_back(
        {severity, std::string(id), {source, where}, length, std::move(message), std::move(hint), {}});
  };
  const auto name_length = static_cast<uint32_t>(name.size());

  const OptionDef* option = find_option(name);
  if (!option) {
    say(Severity::error, id::unknown_option, place, name_length,
        fmt::format("unknown option '{}'", escape_line(name, 80)), option_hint(name, scope));
    return result;
  }
  if (std::string text = unavailable_text(*option, scope); !text.empty()) {
    say(Severity::error, id::not_available, place, name_length, std::move(text));
    return result;
  }
  if (!(option->scopes & in(scope))) {
    say(Severity::error, id::wrong_scope, place, name_length,
        fmt::format("{} may not stand in {}", option->name, in_scope(scope)),
        fmt::format("it may stand in {}", scope_names(option->scopes)));
    return result;
  }
  Result<Value> converted = convert(value, *option);
  if (!converted) {
    const bool unavailable = converted.error().code == Errc::unavailable;
    say(Severity::error, unavailable ? id::not_available : id::bad_value, value.place, length_of(value),
        fmt::format("{}: {}", option->name, converted.error().message));
    return result;
  }
  if (option->availability == Availability::retired)
    say(Severity::notice, id::retired, place, name_length,
        fmt::format("{} has no effect here: {}", option->name, option->help));
  if (const auto* text = std::get_if<std::string>(&*converted); text && is_private(*text))
    say(Severity::warning, id::inline_key, value.place, 1,
        fmt::format("{}: a private key in the configuration itself; better file:///path", option->name));

  auto setting = std::make_shared<Setting>();
  setting->option = option;
  setting->value = std::move(*converted);
  if (source && value.span.end > value.span.begin &&
      value.span.end <= std::min<size_t>(source->text.size(), UINT32_MAX)) {
    setting->value_begin = static_cast<uint32_t>(value.span.begin);
    setting->value_end = static_cast<uint32_t>(value.span.end);
  } else {
    setting->spelled = std::make_shared<const RawValue>(value);
  }
  setting->origin = {source, place};
  setting->edited = edited;
  result.setting = std::move(setting);
  return result;
}

}  // namespace impulse::config
