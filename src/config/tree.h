// Tree: what was said, immutable. A change makes a new root that shares all
// it did not touch (path copy), so that a single `config set` costs what it
// changes, not the size of the configuration.
#pragma once

#include "config/catalogue.h"
#include "config/loader.h"
#include "config/source.h"
#include "config/value.h"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::config {

// One option, set in one scope.
struct Setting {
  const OptionDef* option = nullptr;
  Value value;
  Origin origin;  // of its name
  // Where its value stands in origin.source, bytes: what `written` reads again.
  uint32_t value_begin = 0;
  uint32_t value_end = 0;
  bool edited = false;                        // by the console, not yet in a file
  std::shared_ptr<const RawValue> spelled{};  // a value that stands in no text

  // As it was written. Takes a parse: a million Peers would pay for keeping it.
  RawValue written() const;
};

class Scope;
class ChildMap;  // children.h
using ScopePtr = std::shared_ptr<const Scope>;

// One scope and what is in it. Repeated scopes of the same kind and canonical
// instance are one.
class Scope {
 public:
  Scope(const ScopeDef& def, std::string instance, Origin origin);

  const ScopeDef& def() const { return *def_; }
  const std::string& instance() const { return instance_; }  // canonical; empty when it has none
  const Origin& origin() const { return origin_; }           // where it was first opened
  std::string title() const;                                 // ESMTP_Listener, Listen "*:25"

  const Setting* find(const OptionDef& option) const;                                        // nullptr: not set here
  const std::vector<std::shared_ptr<const Setting>>& settings() const { return settings_; }  // by option index

  ScopePtr child(ScopeKind kind, std::string_view canonical_instance) const;
  // All children in order of declaration.
  void each_child(const std::function<void(const ScopePtr&)>& visit) const;
  size_t child_count() const;
  const ChildMap& children(ScopeKind kind) const;  // of one kind, by instance

  // Path copying: new scopes that share everything else.
  ScopePtr with_setting(std::shared_ptr<const Setting> setting) const;
  ScopePtr without_setting(const OptionDef& option) const;
  ScopePtr with_child(ScopePtr child) const;  // adds, or replaces the one of the same name
  ScopePtr without_child(ScopeKind kind, std::string_view canonical_instance) const;

 private:
  friend class TreeBuilder;  // tree_builder.cc: fills a scope before it is published
  struct Children;           // a persistent map for each kind
  const ScopeDef* def_;
  std::string instance_;
  Origin origin_;
  std::vector<std::shared_ptr<const Setting>> settings_;
  std::shared_ptr<const Children> children_;
};

// Turns what was loaded into a tree: names resolved, values typed, instances
// canonical, scopes reopened. All mistakes at once, in `diagnostics`; the tree
// is usable only when there are no errors.
struct Built {
  ScopePtr root;
  Diagnostics diagnostics;
};
Built build(const Loaded& loaded);
Built build(Loaded&& loaded);  // frees the syntax while it reads it

// A scope's address: the names on the way to it, canonical.
struct PathStep {
  ScopeKind kind;
  std::string instance;
};
using ScopePath = std::vector<PathStep>;
std::string to_string(const ScopePath& path);  // "esmtp_listener listen *:25"; "" for global

// Reads "esmtp_listener listen :25 peer 10.0.0.1" from a console line's words,
// as far as they name scopes; `used` says how many words that were. A word
// that could be a scope only in another place is an error with a suggestion.
// With the running `root`, ":25" names the Listen *:25 where there is one, and
// else the only TCP Listen of that listener with that port: who types it means
// the one that is there.
struct FoundPath {
  ScopePath path;
  size_t used = 0;
};
Result<FoundPath> read_path(std::span<const std::string> words, const ScopePtr& root = nullptr);

ScopePtr find_scope(const ScopePtr& root, const ScopePath& path);  // nullptr
// A root with the scope at `path` replaced by what `edit` makes of it, its
// ancestors copied, everything else shared. Scopes missing on the way are
// opened, with that origin. `edit` returning null takes the scope away.
ScopePtr edit_scope(const ScopePtr& root, const ScopePath& path, const Origin& origin,
                    const std::function<ScopePtr(const ScopePtr&)>& edit);
// The path with instances canonical; errors when a step may not stand where it
// does, or its name is of the wrong form.
Result<ScopePath> canonical_path(const ScopePath& path);

}  // namespace impulse::config
