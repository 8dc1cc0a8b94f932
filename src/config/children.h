// ChildMap: the children of one kind in one scope, by instance. Persistent: a
// change makes a new map in O(log n) that shares all else with the old one.
//
// It is a treap whose priorities are hashes of the instance names, so that
// equal sets of names have equal shapes, whatever happened before, and the
// difference of two maps costs what differs.
#pragma once

#include "base/ref.h"
#include "config/tree.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace impulse::config {

class ChildMap {
 public:
  // A child and its place in the order of declaration.
  struct Entry {
    ScopePtr scope;
    uint32_t sequence = 0;
  };

  ChildMap();
  ~ChildMap();
  ChildMap(const ChildMap&);
  ChildMap(ChildMap&&) noexcept;
  ChildMap& operator=(const ChildMap&);
  ChildMap& operator=(ChildMap&&) noexcept;
  explicit ChildMap(std::vector<Entry> entries);  // distinct instances, any order

  const Entry* find(std::string_view instance) const;
  ChildMap with(Entry entry) const;  // adds, or replaces the one of that instance
  ChildMap without(std::string_view instance) const;
  bool empty() const { return !root_; }
  // In order of instance names.
  void each(const std::function<void(const Entry&)>& visit) const;

  // Visits what differs: the child before (null: added) and after (null:
  // removed), where the pointers are not the same, or the places in the order
  // of declaration. In order of instances.
  // `visit` returns false to stop; so does difference.
  using Visit = std::function<bool(const ScopePtr& before, const ScopePtr& after)>;
  static bool difference(const ChildMap& before, const ChildMap& after, const Visit& visit);

 private:
  struct Node;
  using NodePtr = Ref<Node>;
  struct Split;
  struct Algorithms;  // children.cc
  explicit ChildMap(NodePtr root);

  NodePtr root_;
};

// All children of a scope; a scope without any has none of these.
struct Scope::Children {
  std::vector<std::pair<ScopeKind, ChildMap>> kinds;
  uint32_t next = 0;  // sequence of the next new child
  size_t count = 0;
};

}  // namespace impulse::config
