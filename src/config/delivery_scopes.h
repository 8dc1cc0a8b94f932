// DeliveryScopes: the values for mail on its way out, through a Binding to a
// domain (DESIGN §3 "Fallback"). Most specific first:
//   Domain in the group's Binding, in the Binding, in the group; the group's
//   Binding, the Binding, the group; Domain in the global scope; global.
// In each container the Domain of the very name comes first, then every
// Domain "/regex/" that matches, in order of declaration.
#pragma once

#include "base/pattern.h"
#include "config/children.h"
#include "config/compiler.h"
#include "config/grouped_scopes.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace impulse::config {

class DeliveryScopes {
 public:
  // `base` has the values without any of these scopes. What
  // did not change is taken over from `previous`.
  DeliveryScopes(const Scope& root, std::shared_ptr<const Block> base, const DeliveryScopes* previous);
  DeliveryScopes(const DeliveryScopes&) = delete;
  DeliveryScopes& operator=(const DeliveryScopes&) = delete;

  // Whether these would come out the same: the very same scopes and base.
  bool same(const Scope& root, const std::shared_ptr<const Block>& base) const;

  // Valid as long as this object. There is one block for each set of scopes
  // that have a say, however many domains are asked for. Any thread.
  const Options& options(std::string_view binding, std::string_view domain) const;

  // The rungs of a path of Binding_Group, Binding and Domain; `scope` is null
  // where nothing is said.
  struct Step {
    std::string title;  // "Binding b Domain example.com"
    ScopeKind kind;
    const Scope* scope;
  };
  std::vector<Step> ladder(const ScopePath& path) const;
  const Options& options(const ScopePath& path) const;

  const GroupedScopes& bindings() const { return *bindings_; }
  // Every Binding_Group, Binding and Domain with its path.
  void each(const std::function<void(const ScopePath&, const ScopePtr&)>& visit) const;

 private:
  using Chain = std::vector<const Scope*>;  // most specific first
  struct ChainHash {
    size_t operator()(const Chain& chain) const;
  };
  struct Regex {
    Pattern pattern;
    const Scope* scope;
    uint32_t sequence;  // of declaration
  };
  // The Domains of one container that are patterns, in order of declaration.
  using Patterns = std::vector<Regex>;
  using PatternsPtr = std::shared_ptr<const Patterns>;

  PatternsPtr followed(PatternsPtr old, const ChildMap& before, const ChildMap& after);
  void follow_containers(const ChildMap& before, const ChildMap& after);
  void match(const Scope* container, std::string_view domain, Chain& chain) const;
  const Options& block(Chain chain) const;

  std::shared_ptr<const Block> base_;
  ChildMap domains_, binding_scopes_, groups_;  // keep alive what is pointed to
  std::shared_ptr<const GroupedScopes> bindings_;
  std::map<std::string, std::optional<Pattern>, std::less<>> compiled_;  // while it is made: once each
  std::unordered_map<const Scope*, std::shared_ptr<const Patterns>>
      patterns_;  // by container; nullptr: the global scope
  mutable std::shared_mutex mutex_;
  mutable std::unordered_map<Chain, std::unique_ptr<const Options>, ChainHash> blocks_;
};

}  // namespace impulse::config
