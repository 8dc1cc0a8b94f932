// debug_flags: which area logs how much, shown and set. Setting it is a
// commit of the Debug_Flags scope: it counts at once and can be reverted.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "telemetry/log.h"

#include <array>

namespace impulse::control {

namespace {

using telemetry::Area;
using telemetry::Level;

constexpr size_t areas = static_cast<size_t>(Area::count_);
constexpr size_t levels = 6;
using Flags = std::array<Level, areas>;

template <class Enum>
std::optional<Enum> named(std::string_view name, size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (iequals(to_string(static_cast<Enum>(i)), name)) return static_cast<Enum>(i);
  return std::nullopt;
}

template <class Enum>
std::string names(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i)
    text += (i == 0 ? "" : i + 1 == count ? " or " : ", ") + std::string(to_string(static_cast<Enum>(i)));
  return text;
}

// The areas that one level's option names, so that they log as `flags` says:
// an area that is named nowhere logs at notice.
std::vector<std::string> areas_at(const Flags& flags, Level level) {
  std::vector<std::string> found;
  if (level != Level::notice)
    for (size_t i = 0; i < areas; ++i)
      if (flags[i] == level) found.emplace_back(to_string(static_cast<Area>(i)));
  if (found.size() == areas) found.assign(1, "ALL");
  return found;
}

// Writes `flags` into a Debug_Flags scope, as one commit.
config::Report commit(const Invocation& call, const Flags& flags) {
  auto begun = call.system.engine().begin({}, {"console: " + call.peer.to_string()});
  if (!begun) {
    config::Report report;
    report.code = begun.error().code;
    report.error = begun.error().message;
    return report;
  }
  config::Transaction& transaction = **begun;
  const config::ScopePath path{{config::ScopeKind::debug_flags, ""}};
  for (size_t i = 0; i < levels; ++i) {
    const auto level = static_cast<Level>(i);
    const config::OptionDef* option = config::find_option(to_string(level));
    const std::vector<std::string> wanted = areas_at(flags, level);
    const config::ScopePtr scope = config::find_scope(transaction.candidate(), path);
    const config::Setting* setting = scope ? scope->find(*option) : nullptr;
    if (wanted.empty()) {
      if (setting == nullptr) continue;
      if (config::Report report = transaction.unset(path, std::string(option->name), call.source); !report.ok)
        return report;
      continue;
    }
    config::RawValue value;
    value.kind = config::RawValue::Kind::array;
    value.place = call.words[0].place;
    for (const std::string& area : wanted) {
      config::RawValue item;
      item.text = area;
      item.place = value.place;
      value.items.push_back(std::move(item));
    }
    if (config::Report report = transaction.set(path, std::string(option->name), value, call.source); !report.ok)
      return report;
  }
  return transaction.commit({"console: " + call.peer.to_string()});
}

}  // namespace

Answer debug_flags(const Invocation& call) {
  Flags flags{};
  for (size_t i = 0; i < areas; ++i) flags[i] = call.system.process().log_level(static_cast<Area>(i));
  if (call.words.empty()) {
    return Answer::once({}, [flags](Writer& writer) {
      for (size_t i = 0; i < areas; ++i) {
        const auto area = to_string(static_cast<Area>(i));
        if (writer.json())
          writer.document({{"area", std::string(area)}, {"level", std::string(to_string(flags[i]))}});
        else
          writer.text(fmt::format("{:<10} {}", area, to_string(flags[i])));
      }
    });
  }
  if (call.words.size() != 2) return usage("debug_flags", "an area and a level are expected, or nothing");
  const bool all = iequals(call.words[0].text, "ALL");
  const auto area = named<Area>(call.words[0].text, areas);
  if (!all && !area)
    return placed_error(
        Code::failed, "control-no-area", call.words[0],
        fmt::format("no area is called '{}'; expected {}, or ALL", field(call.words[0].text), names<Area>(areas)));
  const auto level = named<Level>(call.words[1].text, levels);
  if (!level)
    return placed_error(
        Code::failed, "control-no-level", call.words[1],
        fmt::format("no level is called '{}'; expected {}", field(call.words[1].text), names<Level>(levels)));
  if (all)
    flags.fill(*level);
  else
    flags[static_cast<size_t>(*area)] = *level;
  return report_answer(commit(call, flags), call);
}

}  // namespace impulse::control
