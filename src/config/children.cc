// The persistent treap behind a scope's children.
#include "config/children.h"

#include <algorithm>
#include <functional>

namespace impulse::config {

struct ChildMap::Node : RefCounted {
  uint32_t priority = 0;
  Entry entry;
  NodePtr left;
  NodePtr right;

  const std::string& key() const { return entry.scope->instance(); }
};

struct ChildMap::Split {
  NodePtr less;
  NodePtr equal;  // the node itself
  NodePtr greater;
};

struct ChildMap::Algorithms {
  static uint32_t priority_of(std::string_view key) {
    const uint64_t hash = std::hash<std::string_view>{}(key);
    return static_cast<uint32_t>(hash ^ (hash >> 32));
  }

  // The heap's order, total: it alone decides the shape.
  static bool above(const Node& a, const Node& b) {
    return a.priority != b.priority ? a.priority > b.priority : a.key() < b.key();
  }

  static NodePtr node(const Entry& entry, uint32_t priority, NodePtr left, NodePtr right) {
    auto made = NodePtr::make();
    made->priority = priority;
    made->entry = entry;
    made->left = std::move(left);
    made->right = std::move(right);
    return made;
  }
  static NodePtr with_sides(const Node& old, NodePtr left, NodePtr right) {
    return node(old.entry, old.priority, std::move(left), std::move(right));
  }

  static NodePtr insert(const NodePtr& at, const Entry& entry) {
    const std::string& key = entry.scope->instance();
    if (!at) return node(entry, priority_of(key), nullptr, nullptr);
    const int order = key.compare(at->key());
    if (order == 0) return node(entry, at->priority, at->left, at->right);
    if (order < 0) {
      NodePtr left = insert(at->left, entry);
      if (!above(*left, *at)) return with_sides(*at, std::move(left), at->right);
      NodePtr lowered = with_sides(*at, left->right, at->right);
      return with_sides(*left, left->left, std::move(lowered));
    }
    NodePtr right = insert(at->right, entry);
    if (!above(*right, *at)) return with_sides(*at, at->left, std::move(right));
    NodePtr lowered = with_sides(*at, at->left, right->left);
    return with_sides(*right, std::move(lowered), right->right);
  }

  // All keys of `less` are below those of `greater`.
  static NodePtr merge(const NodePtr& less, const NodePtr& greater) {
    if (!less) return greater;
    if (!greater) return less;
    if (above(*less, *greater)) return with_sides(*less, less->left, merge(less->right, greater));
    return with_sides(*greater, merge(less, greater->left), greater->right);
  }

  static NodePtr erase(const NodePtr& at, std::string_view key) {
    if (!at) return at;
    const int order = key.compare(at->key());
    if (order == 0) return merge(at->left, at->right);
    if (order < 0) {
      NodePtr left = erase(at->left, key);
      return left == at->left ? at : with_sides(*at, std::move(left), at->right);
    }
    NodePtr right = erase(at->right, key);
    return right == at->right ? at : with_sides(*at, at->left, std::move(right));
  }

  static Split split(const NodePtr& at, std::string_view key) {
    if (!at) return {};
    const int order = key.compare(at->key());
    if (order == 0) return {at->left, at, at->right};
    if (order < 0) {
      Split below = split(at->left, key);
      return {std::move(below.less), std::move(below.equal), with_sides(*at, std::move(below.greater), at->right)};
    }
    Split below = split(at->right, key);
    return {with_sides(*at, at->left, std::move(below.less)), std::move(below.equal), std::move(below.greater)};
  }

  static void each(const NodePtr& at, const std::function<void(const Entry&)>& visit) {
    if (!at) return;
    // Scopes lie anywhere in memory: they are on their way while others are visited.
    for (const NodePtr* side : {&at->left, &at->right})
      if (*side) __builtin_prefetch((*side)->entry.scope.get());
    each(at->left, visit);
    visit(at->entry);
    each(at->right, visit);
  }

  static bool all(const NodePtr& at, const Visit& visit, bool added) {
    static const ScopePtr none;
    if (!at) return true;
    return all(at->left, visit, added) && (added ? visit(none, at->entry.scope) : visit(at->entry.scope, none)) &&
           all(at->right, visit, added);
  }

  static bool difference(const NodePtr& a, const NodePtr& b, const Visit& visit) {
    if (a == b) return true;
    if (!a) return all(b, visit, true);
    if (!b) return all(a, visit, false);
    // Split the one whose root is lower by the other's root; with equal roots, which is the rule, nothing is split.
    const Node& top = above(*b, *a) ? *b : *a;
    const Split before = a->key() == top.key() ? Split{a->left, a, a->right} : split(a, top.key());
    const Split after = b->key() == top.key() ? Split{b->left, b, b->right} : split(b, top.key());
    if (!difference(before.less, after.less, visit)) return false;
    const Entry was = before.equal ? before.equal->entry : Entry{};
    const Entry is = after.equal ? after.equal->entry : Entry{};
    const bool same = was.scope == is.scope && was.sequence == is.sequence;
    if (!same && !visit(was.scope, is.scope)) return false;
    return difference(before.greater, after.greater, visit);
  }
};

ChildMap::ChildMap() = default;
ChildMap::ChildMap(NodePtr root) : root_(std::move(root)) {}
ChildMap::~ChildMap() = default;
ChildMap::ChildMap(const ChildMap&) = default;
ChildMap::ChildMap(ChildMap&&) noexcept = default;
ChildMap& ChildMap::operator=(const ChildMap&) = default;
ChildMap& ChildMap::operator=(ChildMap&&) noexcept = default;

// Sorted once, then built along the right spine: each node is pushed and
// popped once.
ChildMap::ChildMap(std::vector<Entry> entries) {
  constexpr auto name = [](const Entry& e) -> const std::string& { return e.scope->instance(); };
  if (!std::ranges::is_sorted(entries, {}, name)) std::ranges::sort(entries, {}, name);
  std::vector<NodePtr> spine;
  for (Entry& entry : entries) {
    auto node = NodePtr::make();
    node->priority = Algorithms::priority_of(entry.scope->instance());
    node->entry = std::move(entry);
    while (!spine.empty() && Algorithms::above(*node, *spine.back())) {
      node->left = spine.back();
      spine.pop_back();
    }
    if (!spine.empty()) spine.back()->right = node;
    spine.push_back(std::move(node));
  }
  if (!spine.empty()) root_ = spine.front();
}

const ChildMap::Entry* ChildMap::find(std::string_view instance) const {
  for (const Node* at = root_.get(); at;) {
    const int order = instance.compare(at->key());
    if (order == 0) return &at->entry;
    at = order < 0 ? at->left.get() : at->right.get();
  }
  return nullptr;
}

ChildMap ChildMap::with(Entry entry) const { return ChildMap(Algorithms::insert(root_, entry)); }

ChildMap ChildMap::without(std::string_view instance) const { return ChildMap(Algorithms::erase(root_, instance)); }

void ChildMap::each(const std::function<void(const Entry&)>& visit) const { Algorithms::each(root_, visit); }

bool ChildMap::difference(const ChildMap& before, const ChildMap& after, const Visit& visit) {
  return Algorithms::difference(before.root_, after.root_, visit);
}

}  // namespace impulse::config
