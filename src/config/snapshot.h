// Snapshot: the compiled configuration. Immutable; exactly one is published
// at a time, and who works under one pins it by its SnapshotPtr.
#pragma once

#include "base/endpoint.h"
#include "base/pattern.h"
#include "config/catalogue.h"
#include "config/grouped_scopes.h"
#include "config/keys.h"
#include "config/tree.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <typeindex>
#include <vector>

namespace impulse::config {

// The effective values for one chain of scopes (DESIGN §3, fallback): one
// pointer for each option, so that reading is an index, not a search.
// Built once, kept by its snapshot, read by any thread.
class Options {
 public:
  template <class T>
  const T& operator[](Key<T> key) const {
    return std::get<T>(*values_[key.index]);
  }
  // False: neither set nor given a default (the empty default of a string), or
  // set to the empty string, which takes away what stands further out.
  template <class T>
  bool is_set(Key<T> key) const {
    return set_[key.index];
  }
  const Value& raw(const OptionDef& option) const { return *values_[option.index]; }
  // Equal effective values of all options that apply to the next message or the next session.
  bool equivalent(const Options& other) const;
  // … to the next session only.
  bool equivalent_for_session(const Options& other) const;

  // Something made of these values once and kept with them (smtp::Policy, a
  // TLS context): derived<Policy>([](const Options& o) { return std::make_shared<const Policy>(…); }).
  // The first caller makes it; any thread. One object a type.
  template <class T, class Make>
  std::shared_ptr<const T> derived(Make&& make) const {
    const std::lock_guard lock(derived_mutex_);
    for (const auto& [type, object] : derived_)
      if (type == std::type_index(typeid(T))) return std::static_pointer_cast<const T>(object);
    std::shared_ptr<const T> made = make(*this);
    derived_.emplace_back(std::type_index(typeid(T)), made);
    return made;
  }

 private:
  friend class Compiler;  // compiler.h
  bool same(const Options& other, size_t index) const;

  std::vector<const Value*> values_;
  std::vector<bool> set_;
  mutable std::mutex derived_mutex_;
  mutable std::vector<std::pair<std::type_index, std::shared_ptr<const void>>> derived_;
};

// One rung of the ladder that `config explain` shows.
struct Rung {
  std::string scope;  // "ESMTP_Listener Listen *:25 Peer 10.0.0.1", "global", "default"
  bool set = false;
  std::string text;  // value when set
  Origin origin;
  bool won = false;
};

// Role "name" { Allow = ( … ) } of the Authorization scope.
struct RoleConf {
  std::string name;  // a role, or a user
  Origin origin;     // of the scope
  std::vector<Pattern> allow;
};

// One Listen of one listener, compiled.
class ListenConf {
 public:
  virtual ~ListenConf() = default;
  virtual ScopeKind listener() const = 0;  // esmtp_listener, control_listener
  virtual const Endpoint& endpoint() const = 0;
  virtual const Origin& origin() const = 0;
  virtual bool enabled() const = 0;            // Enable of the Listen and of its listener
  virtual const Options& options() const = 0;  // without any Peer
  // The Peer chain of that client: a prefix-trie walk and one pointer. Built
  // at the first client under a chain, valid as long as the snapshot. Any thread.
  virtual const Options& for_peer(const IpAddress& address) const = 0;
};

class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual uint64_t generation() const = 0;
  virtual const ScopePtr& root() const = 0;
  virtual const Options& global() const = 0;
  // Of enabled and disabled Listens, by listener then endpoint. What a commit
  // left as it was is the same object in the next snapshot.
  virtual const std::vector<std::shared_ptr<const ListenConf>>& listens() const = 0;
  virtual const ListenConf* find_listen(ScopeKind listener, const Endpoint& endpoint) const = 0;
  // Delivery through a Binding to a domain, by the ladder of DESIGN §3 (Domain
  // scopes of that name or a matching /regex/, Binding, Binding_Group, global).
  // A name that is no Binding's stands for none. Costs the Domain patterns
  // there are; valid as long as the snapshot. Any thread.
  virtual const Options& for_delivery(std::string_view binding, std::string_view domain) const = 0;
  // The values that hold for mail of which nothing more is known than that
  // scope: a path of [Binding_Group] [Binding] [Domain].
  virtual const Options& for_delivery(const ScopePath& scope) const = 0;
  // Through Default_Binding.
  virtual const Options& for_domain(std::string_view domain) const = 0;
  // Every Binding_Group, Binding and Domain scope, with the values that hold
  // for mail of which nothing more is known than that scope.
  using VisitDelivery = std::function<void(const Scope& scope, const Options& options)>;
  virtual void each_delivery_scope(const VisitDelivery& visit) const = 0;
  // Bindings, in groups and alone; and their names, sorted.
  virtual const GroupedScopes& binding_scopes() const = 0;
  virtual std::vector<std::string> bindings() const = 0;
  // The Security scope's options as they have been running since the start.
  virtual const Options& security() const = 0;
  // The roles of Authorization, in order of declaration.
  virtual const std::vector<RoleConf>& roles() const = 0;
  // Certificate "name" { … }: its options, nullptr when there is none.
  virtual const Options* certificate(std::string_view name) const = 0;
  virtual std::vector<std::string> certificates() const = 0;
  // EventLoop scopes: name -> options; "default" is always there.
  virtual const Options* event_loop(std::string_view name) const = 0;
  virtual std::vector<std::string> event_loops() const = 0;
  // Debug_Flags scope's options (global ones when there is none).
  virtual const Options& debug_flags() const = 0;

  // The ladder of an option as seen from a scope, most specific first, down to the default.
  virtual std::vector<Rung> explain(const ScopePath& path, const OptionDef& option) const = 0;
  // The effective value at a scope (what `config eval` shows). For an option
  // that waits for a restart: the running value.
  virtual Value eval(const ScopePath& path, const OptionDef& option) const = 0;
  // The configured value of an option that waits for a restart; empty when
  // what is configured is what runs.
  virtual std::optional<Value> pending(const OptionDef& option) const = 0;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// Compiles a tree. Mistakes that only show here (a TLS_Certificate naming no
// Certificate scope, two Listens of different listeners on one endpoint) go to
// `diagnostics`; nullptr when one is an error. `previous` is the snapshot that
// runs: what did not change is taken over from it (Listens with their Peer
// chains and derived objects), and so are the values of restart-class options.
SnapshotPtr compile(ScopePtr root, uint64_t generation, Diagnostics& diagnostics,
                    const SnapshotPtr& previous = nullptr);

}  // namespace impulse::config
