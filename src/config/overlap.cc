// Sets of scopes, kept as sorted keys, so that comparing costs their number.
#include "config/overlap.h"

#include <utility>

namespace impulse::config {

std::string TouchedScopes::key_of(const ScopePath& path) {
  std::string key;
  for (const PathStep& step : path) {
    key += static_cast<char>(static_cast<unsigned char>(step.kind) + 1);
    key += step.instance;
    key += '\0';
  }
  return key;
}

void TouchedScopes::add(const ScopePath& path, bool deep) {
  const auto [at, added] = entries_.try_emplace(key_of(path));
  if (added) at->second.shown = path.empty() ? "global" : to_string(path);
  at->second.deep = at->second.deep || deep;
}

void TouchedScopes::add(const std::vector<Change>& changes) {
  for (const Change& change : changes) add(change.path, !change.option && !change.reorders());
}

void TouchedScopes::add(const std::vector<Operation>& operations, const ScopePtr& base) {
  for (const Operation& operation : operations) {
    ScopePath there;
    ScopePtr scope = base;
    for (const PathStep& step : operation.path) {
      scope = scope->child(step.kind, step.instance);
      there.push_back(step);
      if (!scope) break;  // the operation opened this one
    }
    add(there, !scope || operation.option.empty());
  }
}

std::vector<std::string> TouchedScopes::common(const TouchedScopes& other) const {
  std::vector<std::string> both;
  for (const auto& [key, entry] : entries_) {
    // Is it one of the other's, or below one that the other touches wholly?
    bool touched = other.entries_.contains(key);
    for (size_t end = 0; !touched && end < key.size();) {
      end = key.find('\0', end) + 1;
      const auto above = other.entries_.find(key.substr(0, end));
      touched = above != other.entries_.end() && above->second.deep;
    }
    // Or does the other touch something below one that we touch wholly?
    if (!touched && entry.deep) {
      const auto below = other.entries_.upper_bound(key);
      touched = below != other.entries_.end() && below->first.starts_with(key);
    }
    if (touched) both.push_back(entry.shown);
  }
  return both;
}

std::vector<std::string> TouchedScopes::shown() const {
  std::vector<std::string> all;
  for (const auto& [key, entry] : entries_) all.push_back(entry.shown);
  return all;
}

}  // namespace impulse::config
