#include "control/completion.h"

#include "base/text.h"
#include "control/limits.h"
#include "control/selectors.h"
#include "queue/binding.h"
#include "queue/name.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"

#include <algorithm>
#include <map>

namespace impulse::control {

namespace {

// The line in words, quotes taken off; the last one may be unfinished.
struct Typed {
  std::vector<std::string> words;  // finished
  std::string last;                // what is being typed, "" behind a blank
};

Typed read_typed(std::string_view line) {
  Typed typed;
  std::string word;
  bool inside = false;
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == '\\' && i + 1 < line.size())
        word += line[++i];
      else if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '"' || c == '\'') {
      quote = c;
      inside = true;
    } else if (c == ' ' || c == '\t') {
      if (inside && word != "=") typed.words.push_back(word);
      word.clear();
      inside = false;
    } else {
      word += c;
      inside = true;
    }
  }
  typed.last = word == "=" ? std::string() : word;
  return typed;
}

class Collector {
 public:
  explicit Collector(std::string_view prefix) : prefix_(prefix) {}

  void offer(std::string_view word, std::string_view help = {}) {
    if (istarts_with(word, prefix_)) take(word, help);
  }
  // A name that may need quotes. ":25" is another spelling of "*:25".
  void offer_instance(const std::string& instance, std::string_view help = {}) {
    if (istarts_with(instance, prefix_))
      take(config::quote_if_needed(instance), help);
    else if (prefix_.starts_with(':') && instance.starts_with("*:") && instance.substr(1).starts_with(prefix_))
      take(config::quote_if_needed(instance.substr(1)), help);
  }
  bool full() const { return cut_; }
  // "--flags" are worth a line when nothing else fits, or when they are asked for.
  bool wants_flags() const { return words_.empty() || prefix_.starts_with('-'); }
  void cut() { cut_ = true; }  // there is more than was looked at
  Candidates result() && {
    Candidates candidates;
    for (auto& [word, help] : words_) candidates.found.push_back({word, std::move(help)});
    candidates.cut = cut_;
    return candidates;
  }

 private:
  void take(std::string_view word, std::string_view help) {
    if (words_.size() == max_candidates && !words_.contains(word)) {
      cut_ = true;
      return;
    }
    words_.try_emplace(std::string(word), help);
  }

  std::string_view prefix_;
  std::map<std::string, std::string, ILess> words_;
  bool cut_ = false;
};

// A path as far as it was typed.
struct Position {
  config::ScopePath path;
  config::ScopeKind kind = config::ScopeKind::global;
  const config::ScopeDef* wants_instance = nullptr;  // its name is typed, its instance is not
  bool lost = false;                                 // an instance that is none
  size_t used = 0;                                   // words
};

Position follow(std::span<const std::string> words) {
  Position at;
  while (at.used < words.size()) {
    const config::ScopeDef* scope = config::find_scope(words[at.used]);
    if (scope == nullptr || !(scope->parents & config::in(at.kind))) return at;
    ++at.used;
    std::string instance;
    if (scope->instance != config::Instance::none) {
      if (at.used == words.size()) {
        at.wants_instance = scope;
        if (scope->instance != config::Instance::optional) return at;
      } else {
        auto canonical = config::canonical_instance(*scope, words[at.used]);
        const bool next_is_scope = scope->instance == config::Instance::optional &&
                                   (config::find_scope(words[at.used]) || config::find_option(words[at.used]));
        if (!next_is_scope) {
          if (!canonical) {
            at.lost = true;
            return at;
          }
          instance = std::move(*canonical);
          ++at.used;
        }
      }
    }
    at.path.push_back({scope->kind, instance});
    at.kind = scope->kind;
  }
  return at;
}

void offer_scopes(Collector& collector, config::ScopeKind in) {
  for (const config::ScopeDef& scope : config::scopes())
    if (scope.parents & config::in(in)) collector.offer(scope.name, scope.help);
}

void offer_options(Collector& collector, config::ScopeKind in, bool anywhere) {
  for (const config::OptionDef& option : config::options())
    if (option.availability == config::Availability::available && (anywhere || (option.scopes & config::in(in))))
      collector.offer(option.name, option.help);
}

void offer_instances(Collector& collector, System& system, const Position& at) {
  const config::SnapshotPtr snapshot = system.engine().current();
  config::ScopePath parent = at.path;
  if (!parent.empty() && parent.back().kind == at.wants_instance->kind && parent.back().instance.empty())
    parent.pop_back();
  const config::ScopePtr scope = config::find_scope(snapshot->root(), parent);
  if (!scope) return;
  scope->each_child([&](const config::ScopePtr& child) {
    if (child->def().kind == at.wants_instance->kind && !child->instance().empty() && !collector.full())
      collector.offer_instance(child->instance());
  });
}

void offer_values(Collector& collector, System& system, const config::ScopePath& path,
                  const config::OptionDef& option) {
  if (option.type == config::Type::secret) return;
  const config::SnapshotPtr snapshot = system.engine().current();
  const std::string now = config::to_text(snapshot->eval(path, option), option);
  const auto about = [&](std::string_view value) -> std::string_view {
    if (iequals(value, now)) return "in force now";
    return iequals(value, option.default_text) ? "the default" : std::string_view();
  };
  if (option.type == config::Type::boolean) {
    collector.offer("true", about("true"));
    collector.offer("false", about("false"));
  } else if (option.type == config::Type::enumeration) {
    for (const std::string_view choice : split(option.choices, ',')) collector.offer(choice, about(choice));
  } else if (now.size() <= 256) {
    collector.offer(now, "in force now");  // to be changed: short ones only
  }
}

void offer_path(Collector& collector, System& system, Argument argument, std::span<const std::string> words) {
  const Position at = follow(words);
  if (at.lost) return;
  if (at.wants_instance != nullptr) {
    offer_instances(collector, system, at);
    if (at.wants_instance->instance != config::Instance::optional) return;
  }
  const auto rest = words.subspan(at.used);
  if (rest.empty()) {
    offer_scopes(collector, at.kind);
    if (argument != Argument::scope) offer_options(collector, at.kind, false);
  } else if (rest.size() == 1 && argument == Argument::setting) {
    if (const config::OptionDef* option = config::find_option(rest.front()))
      offer_values(collector, system, at.path, *option);
  }
}

// A word of a command's name: with the command's help, or with what can
// follow when it begins several.
void offer_command_words(Collector& collector, const CommandTable& table, const std::vector<std::string>& words) {
  std::vector<std::string_view> views(words.begin(), words.end());
  for (const std::string_view word : table.next_words(views)) {
    views.push_back(word);
    const auto following = table.next_words(views);
    const CommandTable::Found found = table.find(views);
    const bool whole = found.command != nullptr && found.used == views.size();
    collector.offer(word, whole ? std::string(found.command->help) : fmt::format("{} …", fmt::join(following, ", ")));
    views.pop_back();
  }
}

// "check", "--check", "name": not the capitals that stand for something else.
bool is_literal(std::string_view token) {
  return token.size() > 1 &&
         std::all_of(token.begin(), token.end(), [](char c) { return c == '-' || c == '_' || (c >= 'a' && c <= 'z'); });
}

// "[domain] DOMAIN" in words.
std::string flattened(std::string_view synopsis) {
  std::string flat(synopsis);
  std::replace_if(
      flat.begin(), flat.end(), [](char c) { return c == '[' || c == ']' || c == '(' || c == ')' || c == '|'; }, ' ');
  return flat;
}

// Behind "--limit" of "--limit N" its value is wanted, and nothing else can stand.
bool awaits_value(std::span<const std::string_view> tokens, std::span<const std::string> typed) {
  if (typed.empty()) return false;
  for (size_t i = 0; i + 1 < tokens.size(); ++i)
    if (tokens[i].starts_with("--") && iequals(tokens[i], typed.back()))
      return tokens[i + 1].front() >= 'A' && tokens[i + 1].front() <= 'Z';
  return false;
}

// The literal words of a synopsis that were not typed yet: "--check", "scratch",
// "name=".
void offer_synopsis(Collector& collector, std::string_view synopsis, std::span<const std::string> typed) {
  const std::string flat = flattened(synopsis);
  const auto tokens = words(flat);
  if (awaits_value(tokens, typed)) return;
  // A queue is named by either.
  const auto has = [&](std::string_view word) {
    return std::ranges::any_of(typed, [&](std::string_view each) { return iequals(each, word); });
  };
  const bool named = has("domain") || has("binding");
  for (const bool flags : {false, true}) {
    if (flags && !collector.wants_flags()) return;
    // Which a synopsis does not list.
    if (flags && synopsis.contains("SELECTOR"))
      for (const std::string_view selector : selector_flags) collector.offer(selector);
    for (const std::string_view token : tokens) {
      const size_t equals = token.find('=');
      const std::string_view name = token.substr(0, equals);
      if (!is_literal(name) || name.starts_with('-') != flags) continue;
      if (named && (name == "domain" || name == "binding")) continue;
      const bool there = std::any_of(typed.begin(), typed.end(), [&](std::string_view word) {
        return iequals(word.substr(0, word.find('=')), name);
      });
      if (!there) collector.offer(token.substr(0, equals == std::string_view::npos ? equals : equals + 1));
    }
  }
}

// Behind "binding" of "binding BINDING", "--binding" or "to" a Binding's name is wanted, and nothing else can stand.
bool awaits_binding(std::span<const std::string_view> tokens, std::span<const std::string> typed) {
  if (typed.empty()) return false;
  for (size_t i = 0; i + 1 < tokens.size(); ++i)
    if ((tokens[i + 1] == "BINDING" || tokens[i] == "--binding") && is_literal(tokens[i]) &&
        iequals(tokens[i], typed.back()))
      return true;
  return false;
}

void offer_bindings(Collector& collector, System& system) {
  const config::SnapshotPtr snapshot = system.engine().current();
  collector.offer(queue::default_binding, "what is assigned to no other one");
  for (const std::string& name : snapshot->bindings()) {
    const std::string_view group = queue::group_of(*snapshot, name);
    collector.offer_instance(name, group == queue::default_binding ? "" : fmt::format("of {}", group));
  }
}

void offer_groups(Collector& collector, System& system) {
  const config::SnapshotPtr snapshot = system.engine().current();
  for (const std::string& name : snapshot->bindings())
    if (const std::string_view group = queue::group_of(*snapshot, name); group != queue::default_binding)
      collector.offer_instance(fmt::format("group:{}", group));
}

// Those that come first, and the one that was typed.
void offer_domains(Collector& collector, System& system, std::string_view typed) {
  const auto offer = [&](const QueuedDomain& row) {
    collector.offer_instance(row.domain,
                             fmt::format("{} due, {} delayed, {} in delivery", row.active, row.delayed, row.in_flight));
  };
  if (const auto row = system.queue_domain(typed)) offer(*row);
  const auto rows = system.queue_domains(typed, max_candidates);
  for (const QueuedDomain& row : rows) offer(row);
  if (rows.size() == max_candidates && istarts_with(rows.back().domain, typed)) collector.cut();
}

// Ids of messages that wait: of the first that the queue names.
void offer_messages(Collector& collector, System& system) {
  size_t offered = 0;
  for (const QueuedDomain& domain : system.queue_domains({}, page))
    for (const QueuedRecipient& row : system.queue_reader(domain.domain)->read(max_candidates)) {
      if (++offered > max_candidates) return collector.cut();
      collector.offer(row.id, fmt::format("{} to {}", row.sender.empty() ? "<>" : row.sender, row.recipient));
    }
}

// How many words stand there beside selectors, their values, and what names a Binding; none when a value is wanted.
std::optional<size_t> plain_words(std::span<const std::string> rest) {
  size_t count = 0;
  for (size_t i = 0; i < rest.size(); ++i) {
    if (iequals(rest[i], "binding"))
      ++i;
    else if (!rest[i].starts_with("--"))
      count += iequals(rest[i], "domain") ? 0 : 1;
    else if (i += words_of_flag(rest[i], i + 1 < rest.size() ? rest[i + 1] : ""); i >= rest.size())
      return std::nullopt;
  }
  return count;
}

void offer_counters(Collector& collector) {
  for (const telemetry::CounterDef& counter : telemetry::counter_defs()) collector.offer(counter.name, counter.help);
}

// An area of the log, then a level.
void offer_debug_flags(Collector& collector, size_t position) {
  using telemetry::Area;
  using telemetry::Level;
  if (position == 0) {
    for (size_t i = 0; i < static_cast<size_t>(Area::count_); ++i) collector.offer(to_string(static_cast<Area>(i)));
    collector.offer("ALL", "each of them");
  } else if (position == 1) {
    for (int i = static_cast<int>(Level::critical); i <= static_cast<int>(Level::debug); ++i)
      collector.offer(to_string(static_cast<Level>(i)));
  }
}

void offer_sessions(Collector& collector, System& system) {
  for (const InboundSession& session : system.inbound())
    collector.offer(std::to_string(session.id),
                    fmt::format("{} at {}, {}", session.peer, session.listener, session.state));
}

// What stands in no synopsis, and is not of one kind.
void offer_words_of(Collector& collector, System& system, const Command& command, std::span<const std::string> rest,
                    std::string_view typed) {
  const auto before = plain_words(rest);
  if (command.name == "session kill" && rest.empty()) offer_sessions(collector, system);
  if (command.name == "binding summary" && rest.empty()) {
    offer_bindings(collector, system);
    offer_groups(collector, system);
  }
  const bool begins_with_one =
      command.name == "rebind" || command.name == "binding active" || command.name == "binding delayed";
  if (begins_with_one && before == 0) offer_bindings(collector, system);
  if ((command.name == "rebind" || command.name == "spool export") && before == 1)
    offer_domains(collector, system, typed);
}

// The domains of a command about queues, behind its Binding where that comes first.
void offer_queues(Collector& collector, System& system, const Command& command, std::span<const std::string> rest,
                  std::string_view typed) {
  const auto before = plain_words(rest);
  const size_t first = command.name.starts_with("binding ") ? 1 : 0;
  const size_t behind = first + (command.name == "reroute queue" ? 2 : 1);
  if (before && *before < first) offer_bindings(collector, system);
  if (before && *before >= first && *before < behind) offer_domains(collector, system, typed);
}

}  // namespace

Candidates completions(const CommandTable& table, System& system, std::string_view line) {
  Typed typed = read_typed(line);
  Collector collector(typed.last);
  if (!typed.words.empty() && iequals(typed.words.front(), "--json")) typed.words.erase(typed.words.begin());
  offer_command_words(collector, table, typed.words);
  const std::vector<std::string_view> views(typed.words.begin(), typed.words.end());
  const CommandTable::Found found = table.find(views);
  if (found.command == nullptr) return std::move(collector).result();
  const std::vector<std::string> rest(typed.words.begin() + static_cast<std::ptrdiff_t>(found.used), typed.words.end());
  const Argument argument = found.command->argument;
  const std::string flat = flattened(found.command->synopsis);
  if (awaits_binding(words(flat), rest)) {
    offer_bindings(collector, system);
    if (found.command->synopsis.contains("binding BINDING|all")) collector.offer("all");
    return std::move(collector).result();
  }
  if (!rest.empty() && iequals(rest.back(), "--domain") && found.command->synopsis.contains("--domain NAME")) {
    offer_domains(collector, system, typed.last);
    return std::move(collector).result();
  }
  switch (argument) {
    case Argument::command:
      offer_command_words(collector, table, rest);
      if (rest.empty()) {
        offer_options(collector, config::ScopeKind::global, true);
        for (const config::ScopeDef& scope : config::scopes())
          if (scope.kind != config::ScopeKind::global) collector.offer(scope.name, scope.help);
      }
      break;
    case Argument::scope:
    case Argument::scope_option:
    case Argument::setting:
      offer_path(collector, system, argument, rest);
      break;
    case Argument::transaction:
      if (rest.empty())
        for (const auto& open : system.engine().named())
          collector.offer(open->name(), fmt::format("{} edits", open->operations().size()));
      break;
    case Argument::generation:
      for (const config::Generation& old : system.engine().history())
        collector.offer(std::to_string(old.number), fmt::format("{}, by {}", old.what, old.by.name));
      break;
    case Argument::kind:
      if (rest.empty())
        for (const config::ScopeDef& scope : config::scopes())
          if (scope.kind != config::ScopeKind::global) collector.offer(scope.name, scope.help);
      break;
    case Argument::domain:
      offer_queues(collector, system, *found.command, rest, typed.last);
      break;
    case Argument::message:
      if (rest.empty() || (rest.size() == 1 && (iequals(rest[0], "body") || iequals(rest[0], "full"))))
        offer_messages(collector, system);
      break;
    case Argument::counter:
      if (rest.empty()) offer_counters(collector);
      break;
    case Argument::debug_flags:
      offer_debug_flags(collector, rest.size());
      break;
    case Argument::nothing:
      offer_words_of(collector, system, *found.command, rest, typed.last);
      break;
    default:  // what can stand there is in the synopsis, if anywhere
      break;
  }
  // Behind a selector its value is wanted.
  if (found.command->synopsis.contains("SELECTOR") && !plain_words(rest)) return std::move(collector).result();
  // What may stand in front of a message's id does not follow it.
  const bool behind = argument == Argument::message && !rest.empty();
  if (argument != Argument::line && argument != Argument::setting && !behind)
    offer_synopsis(collector, found.command->synopsis, rest);
  return std::move(collector).result();
}

}  // namespace impulse::control
