// help: the commands, one command, an option or a scope of the configuration.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

#include <algorithm>

namespace impulse::control {

namespace {

std::string call_text(const Command& command) {
  return command.synopsis.empty() ? std::string(command.name) : fmt::format("{} {}", command.name, command.synopsis);
}

Json command_document(const Command& command) {
  return {{"command", command.name}, {"synopsis", command.synopsis}, {"help", command.help}};
}

// A paragraph in lines of a terminal's width.
void say_paragraph(Writer& writer, std::string_view text) {
  constexpr size_t width = 76;
  std::string line;
  for (const std::string_view word : words(text)) {
    if (!line.empty() && line.size() + 1 + word.size() > width) {
      writer.text("  " + line);
      line.clear();
    }
    if (!line.empty()) line += ' ';
    line += word;
  }
  if (!line.empty()) writer.text("  " + line);
}

Answer list_commands(std::vector<const Command*> commands) {
  size_t width = 0;
  for (const Command* command : commands) width = std::max(width, std::min<size_t>(call_text(*command).size(), 44));
  const size_t count = commands.size();
  return {{},
          each(count,
               [commands = std::move(commands), width](Writer& writer, size_t i) {
                 if (writer.json())
                   writer.document(command_document(*commands[i]));
                 else
                   writer.text(fmt::format("{:<{}}  {}", call_text(*commands[i]), width, commands[i]->help));
               }),
          false};
}

Answer one_command(const Command& command) {
  return Answer::once({}, [&command](Writer& writer) {
    if (writer.json()) {
      Json document = command_document(command);
      document["text"] = command.text;
      writer.document(document);
      return;
    }
    writer.text(call_text(command));
    writer.text(fmt::format("  {}", command.help));
    if (command.text.empty()) return;
    writer.text("");
    say_paragraph(writer, command.text);
  });
}

std::vector<std::string_view> scope_names(config::ScopeSet set) {
  std::vector<std::string_view> names;
  for (const config::ScopeDef& scope : config::scopes())
    if (set & config::in(scope.kind)) names.push_back(scope.name);
  return names;
}

std::string_view availability_text(config::Availability availability) {
  switch (availability) {
    case config::Availability::available:
      return "available";
    case config::Availability::retired:
      return "retired: accepted, without meaning here";
    case config::Availability::unavailable:
      break;
  }
  return "not in this version";
}

Answer one_option(const config::OptionDef& option) {
  return Answer::once({}, [&option](Writer& writer) {
    const auto scopes = scope_names(option.scopes);
    if (writer.json()) {
      writer.document({{"option", option.name},
                       {"type", config::to_string(option.type)},
                       {"default", option.default_text},
                       {"choices", option.choices},
                       {"scopes", scopes},
                       {"effect", config::to_string(option.effect)},
                       {"availability", availability_text(option.availability)},
                       {"help", option.help}});
      return;
    }
    writer.text(fmt::format("{}  {}", option.name, option.help));
    writer.text(fmt::format("  type     {}{}", config::to_string(option.type),
                            option.choices.empty() ? std::string() : fmt::format(": {}", option.choices)));
    if (!option.default_text.empty()) writer.text(fmt::format("  default  {}", option.default_text));
    writer.text(fmt::format("  scopes   {}", fmt::join(scopes, ", ")));
    writer.text(fmt::format("  changes  {}", config::to_string(option.effect)));
    if (option.availability != config::Availability::available)
      writer.text(fmt::format("  {}", availability_text(option.availability)));
  });
}

// A scope, and what may stand in it: an option a line.
Answer one_scope(const config::ScopeDef& scope) {
  return Answer::once({}, [&scope](Writer& writer) {
    std::vector<const config::OptionDef*> options;
    size_t width = 0;
    for (const config::OptionDef& option : config::options()) {
      if (!(option.scopes & config::in(scope.kind)) || option.availability != config::Availability::available) continue;
      options.push_back(&option);
      width = std::max(width, option.name.size());
    }
    const auto parents = scope_names(scope.parents);
    if (writer.json()) {
      std::vector<std::string_view> names;
      for (const config::OptionDef* option : options) names.push_back(option->name);
      writer.document({{"scope", scope.name}, {"parents", parents}, {"help", scope.help}, {"options", names}});
      return;
    }
    writer.text(fmt::format("{}  {}", scope.name, scope.help));
    if (!parents.empty()) writer.text(fmt::format("  stands in  {}", fmt::join(parents, ", ")));
    writer.text("  options");
    for (const config::OptionDef* option : options)
      writer.text(fmt::format("    {:<{}}  {}", option->name, width, option->help));
  });
}

}  // namespace

Answer help(const Invocation& call) {
  std::vector<std::string_view> names;
  for (const config::RawValue& word : call.words) names.push_back(word.text);
  std::vector<const Command*> found;
  for (const Command& command : call.table.commands()) {
    const auto name = words(command.name);
    if (name.size() < names.size()) continue;
    if (std::equal(names.begin(), names.end(), name.begin(), iequals)) {
      if (name.size() == names.size() && !names.empty()) return one_command(command);
      found.push_back(&command);
    }
  }
  if (!found.empty()) return list_commands(std::move(found));
  if (names.size() == 1) {
    if (const config::OptionDef* option = config::find_option(names.front())) return one_option(*option);
    if (const config::ScopeDef* scope = config::find_scope(names.front())) return one_scope(*scope);
    if (iequals(names.front(), "global")) return one_scope(config::scope_def(config::ScopeKind::global));
  }
  std::string asked = fmt::format("{}", fmt::join(names, " "));
  std::vector<std::string_view> known;
  for (const Command& command : call.table.commands()) known.push_back(command.name);
  for (const config::OptionDef& option : config::options()) known.push_back(option.name);
  const std::string_view near = nearest(asked, known);
  return Answer::error(Code::not_found, "control-no-help",
                       fmt::format("no command, option or scope is called '{}'{}", escape_line(asked, 64),
                                   near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near)));
}

}  // namespace impulse::control
