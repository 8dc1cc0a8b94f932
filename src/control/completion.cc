#include "control/completion.h"

#include "base/text.h"
#include "control/limits.h"

#include <algorithm>
#include <set>

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

  void offer(std::string_view word) {
    if (istarts_with(word, prefix_)) take(word);
  }
  // ":25" is another spelling of "*:25".
  void offer_instance(const std::string& instance) {
    if (istarts_with(instance, prefix_))
      take(config::quote_if_needed(instance));
    else if (prefix_.starts_with(':') && instance.starts_with("*:") && instance.substr(1).starts_with(prefix_))
      take(config::quote_if_needed(instance.substr(1)));
  }
  bool full() const { return cut_; }
  Candidates result() && {
    Candidates candidates{{words_.begin(), words_.end()}, cut_};
    return candidates;
  }

 private:
  void take(std::string_view word) {
    if (words_.size() == max_candidates && !words_.contains(word)) {
      cut_ = true;
      return;
    }
    words_.emplace(word);
  }

  std::string_view prefix_;
  std::set<std::string, ILess> words_;
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
    if (scope.parents & config::in(in)) collector.offer(scope.name);
}

void offer_options(Collector& collector, config::ScopeKind in, bool anywhere) {
  for (const config::OptionDef& option : config::options())
    if (option.availability == config::Availability::available && (anywhere || (option.scopes & config::in(in))))
      collector.offer(option.name);
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
  if (option.type == config::Type::boolean) {
    collector.offer("true");
    collector.offer("false");
  } else if (option.type == config::Type::enumeration) {
    for (const std::string_view choice : split(option.choices, ',')) collector.offer(choice);
  } else if (option.type != config::Type::secret) {
    // The value in force, to be changed: short ones only.
    const config::SnapshotPtr snapshot = system.engine().current();
    const std::string text = config::to_text(snapshot->eval(path, option), option);
    if (text.size() <= 256) collector.offer(text);
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

void offer_command_words(Collector& collector, const CommandTable& table, const std::vector<std::string>& words) {
  const std::vector<std::string_view> views(words.begin(), words.end());
  for (const std::string_view word : table.next_words(views)) collector.offer(word);
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
  switch (found.command->argument) {
    case Argument::command:
      offer_command_words(collector, table, rest);
      if (rest.empty()) {
        offer_options(collector, config::ScopeKind::global, true);
        for (const config::ScopeDef& scope : config::scopes())
          if (scope.kind != config::ScopeKind::global) collector.offer(scope.name);
      }
      break;
    case Argument::scope:
    case Argument::scope_option:
    case Argument::setting:
      offer_path(collector, system, found.command->argument, rest);
      break;
    case Argument::check:
      if (rest.empty()) collector.offer("--check");
      break;
    case Argument::domain:
      if (rest.empty())
        for (const QueuedDomain& row : system.queue_domains()) collector.offer_instance(row.domain);
      break;
    case Argument::nothing:
    case Argument::message:
    case Argument::transaction:
    case Argument::generation:
    case Argument::kind:
    case Argument::line:
      break;
  }
  return std::move(collector).result();
}

}  // namespace impulse::control
