// The parts a snapshot is compiled of: blocks of effective values, and what a
// Listen needs to give one to each of its clients. For snapshot.cc.
#pragma once

#include "config/chain_cache.h"
#include "config/pathways.h"
#include "config/prefix_trie.h"
#include "config/snapshot.h"

#include <map>
#include <memory>
#include <vector>

namespace impulse::config {

using Settings = std::vector<std::shared_ptr<const Setting>>;
using SettingsPtr = std::shared_ptr<const Settings>;

// Lays scopes over each other, the least specific first. The caller keeps the
// settings alive as long as the block.
class Compiler {
 public:
  // Defaults of that kind of listener, then the global scope.
  static void start(Options& options, ScopeKind listener, const Settings& global);
  // What another block says so far.
  static void start(Options& options, const Options& from);
  static void lay(Options& options, const Settings& settings);
  // A scope of that kind, over the Pathway that extends it.
  static void lay(Options& options, ScopeKind kind, const Settings& settings, const Pathways& pathways);
  // What the global scope says under another name: Control_Client_Timeout is
  // the fallback of a Control_Listener's Timeout.
  static const OptionDef* synonym(ScopeKind listener, const OptionDef& option);
};

// A block that keeps alive what it points to.
struct Block {
  SettingsPtr global;
  ScopePtr scope;
  Options options;

  Block(ScopeKind listener, SettingsPtr effective_global, ScopePtr over);
};

// Same options, same values; where they were written does not matter.
bool same_values(const Settings& a, const Settings& b);
// Same scopes with the same values, all the way down. Gives up (false) after
// `budget` differing pointers, so that a huge tree that was read anew is not
// kept in memory twice.
bool same_children(const ChildMap& a, const ChildMap& b, size_t& budget);
bool same_scope(const Scope& a, const Scope& b, size_t& budget);
constexpr size_t compare_budget = 10000;
// The very same scopes: pointers alone are compared.
bool very_same(const ChildMap& a, const ChildMap& b);

// What all Listens of one listener share: a global `config set` makes one of
// these anew, and not the values of a thousand Listens.
struct ListenerBase {
  ScopeKind listener;
  SettingsPtr global;
  PathwaysPtr pathways;
  SettingsPtr settings;  // the listener's
  PeerTrie peers;        // directly in the listener
  Options values;        // of the listener, without any Listen or Peer

  ListenerBase(ScopeKind kind, SettingsPtr effective_global, PathwaysPtr extensions, SettingsPtr said, PeerTrie trie);
};
using ListenerBasePtr = std::shared_ptr<const ListenerBase>;

struct ListenerPart {
  ScopePtr scope;
  PeerTrie peers;
  ListenerBasePtr base;
};

// The values of one Listen, for every client. Immutable but for its cache.
class ListenCore {
 public:
  ListenCore(ListenerBasePtr base, ScopePtr listen, PeerTrie peers);

  const Options& base() const { return chain(nullptr, nullptr); }
  const Options& for_peer(const IpAddress& address) const {
    return chain(inner_.longest(address), base_->peers.longest(address));
  }
  const PeerTrie& peers() const { return inner_; }
  const ScopePtr& scope() const { return listen_; }
  bool enabled() const;  // by its Enable and its listener's; makes no block

 private:
  const Options& chain(const Scope* inner, const Scope* outer) const {
    return cache_.get({inner, outer}, [&](Options& options) { fill(options, inner, outer); });
  }
  void fill(Options& options, const Scope* inner, const Scope* outer) const;

  ListenerBasePtr base_;
  ScopePtr listen_;
  PeerTrie inner_;  // Peers in the Listen
  ChainCache cache_;
};

class CompiledListen final : public ListenConf {
 public:
  CompiledListen(ScopeKind listener, Endpoint endpoint, Origin origin, std::shared_ptr<const ListenCore> core);

  ScopeKind listener() const override { return listener_; }
  const Endpoint& endpoint() const override { return endpoint_; }
  const Origin& origin() const override { return origin_; }
  bool enabled() const override { return enabled_; }
  const Options& options() const override { return core_->base(); }
  const Options& for_peer(const IpAddress& address) const override { return core_->for_peer(address); }
  const std::shared_ptr<const ListenCore>& core() const { return core_; }

 private:
  ScopeKind listener_;
  Endpoint endpoint_;
  Origin origin_;
  bool enabled_;
  std::shared_ptr<const ListenCore> core_;
};

class DeliveryScopes;  // delivery_scopes.h

class CompiledSnapshot final : public Snapshot {
 public:
  CompiledSnapshot(ScopePtr root, uint64_t generation, const CompiledSnapshot* previous);

  uint64_t generation() const override { return generation_; }
  const ScopePtr& root() const override { return root_; }
  const Options& global() const override { return global_block_->options; }
  const std::vector<std::shared_ptr<const ListenConf>>& listens() const override { return *listens_; }
  const ListenConf* find_listen(ScopeKind listener, const Endpoint& endpoint) const override;
  const Options& for_delivery(std::string_view binding, std::string_view domain) const override;
  const Options& for_delivery(const ScopePath& scope) const override;
  const Options& for_domain(std::string_view domain) const override;
  const GroupedScopes& binding_scopes() const override;
  void each_delivery_scope(const VisitDelivery& visit) const override;
  std::vector<std::string> bindings() const override;
  const Options& security() const override { return security_->options; }
  const std::vector<RoleConf>& roles() const override { return *roles_; }
  const Options* certificate(std::string_view name) const override;
  std::vector<std::string> certificates() const override;
  const Options* event_loop(std::string_view name) const override;
  std::vector<std::string> event_loops() const override;
  const Options& debug_flags() const override { return debug_flags_->options; }
  std::vector<Rung> explain(const ScopePath& path, const OptionDef& option) const override;
  Value eval(const ScopePath& path, const OptionDef& option) const override;
  std::optional<Value> pending(const OptionDef& option) const override;
  const PathwaysPtr& pathways() const { return said_pathways_; }
  const DeliveryScopes& delivery() const { return *delivery_; }
  // nullptr: there is no such listener.
  const ListenerPart* listener(ScopeKind kind) const;
  // Whether the Listens were all taken over as they were.
  bool same_listens(const CompiledSnapshot& other) const { return listens_ == other.listens_; }

 private:
  using Blocks = std::map<std::string, std::shared_ptr<const Block>, std::less<>>;
  using Listens = std::vector<std::shared_ptr<const ListenConf>>;  // all CompiledListen
  struct Step;                                                     // explain.cc

  void compile_global(const CompiledSnapshot* previous);
  void compile_security(const CompiledSnapshot* previous);
  void compile_roles(const CompiledSnapshot* previous);
  void compile_pathways(const CompiledSnapshot* previous);
  std::shared_ptr<const Blocks> blocks_of(ScopeKind kind, const CompiledSnapshot* previous,
                                          const std::shared_ptr<const Blocks>& old) const;
  void compile_listeners(const CompiledSnapshot* previous);
  bool compile_base(ScopeKind kind, const CompiledSnapshot* previous);
  bool compile_listens(ScopeKind kind, bool same_listener, const CompiledSnapshot* previous, Listens& listens) const;
  static std::shared_ptr<const CompiledListen> compile_listen(const ListenerPart& part, bool same_listener,
                                                              const Endpoint& endpoint, const ScopePtr& scope,
                                                              const CompiledListen* old);
  const CompiledListen* listen_at(ScopeKind listener, const Endpoint& endpoint) const;
  std::vector<Step> ladder(const ScopePath& path, const OptionDef& option) const;
  std::vector<Step> listener_ladder(const ScopePath& path, const OptionDef& option) const;
  void add_extended(std::vector<Step>& steps, std::string title, ScopeKind kind, const ScopePtr& scope,
                    const Pathways& pathways, const OptionDef& option) const;

  ScopePtr root_;
  uint64_t generation_;
  SettingsPtr global_;      // the root's, with restart-class options as they run
  bool same_base_ = false;  // global values and certificates are those of the previous snapshot
  std::shared_ptr<const Block> global_block_;
  PathwaysPtr pathways_;       // those of the previous snapshot where all values are the same
  PathwaysPtr said_pathways_;  // the root's own, which know their lines
  std::map<ScopeKind, ListenerPart> listeners_;
  std::shared_ptr<const Listens> listens_;
  std::shared_ptr<const DeliveryScopes> delivery_;
  std::shared_ptr<const Blocks> certificates_;
  std::shared_ptr<const Blocks> event_loops_;  // "default" only when it is said
  std::shared_ptr<const Block> debug_flags_;
  std::shared_ptr<const Block> security_;  // all restart-class: as it runs
  std::shared_ptr<const std::vector<RoleConf>> roles_;
};

// What only shows when all is there (names that refer to scopes, options that
// need others). `before` is what `previous` was compiled of; scopes that did
// not change since are not looked at again.
void cross_check(const CompiledSnapshot& next, const CompiledSnapshot* previous, Diagnostics& diagnostics);

}  // namespace impulse::config
