// PeerTrie: the Peer scopes of one parent by their networks, for longest-match
// look-up. A path-compressed binary trie (Patricia), persistent like the tree:
// a change copies the nodes on its way and shares the rest with the old one.
#pragma once

#include "base/ip.h"
#include "base/ref.h"
#include "config/children.h"
#include "config/tree.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace impulse::config {

class PeerTrie {
 public:
  PeerTrie();
  ~PeerTrie();
  PeerTrie(const PeerTrie&);
  PeerTrie(PeerTrie&&) noexcept;
  PeerTrie& operator=(const PeerTrie&);
  PeerTrie& operator=(PeerTrie&&) noexcept;
  explicit PeerTrie(const ChildMap& peers);
  // What `before` became: costs what differs, when that is little.
  static PeerTrie updated(const PeerTrie& trie, const ChildMap& before, const ChildMap& after);

  // The scope with the longest prefix that holds the address; null: none does.
  const Scope* longest(const IpAddress& address) const;
  // All that hold the whole of `network`, shortest prefix first.
  std::vector<ScopePtr> holding(const IpPrefix& network) const;

  PeerTrie with(const IpPrefix& network, ScopePtr peer) const;
  PeerTrie without(const IpPrefix& network) const;
  bool empty() const { return !v4_ && !v6_; }

 private:
  struct Node;
  using NodePtr = Ref<Node>;
  struct Algorithms;  // prefix_trie.cc

  // A large IPv4 trie is entered by the first 12 bits of the address: where the
  // walk has come to by then. Points into v4_.
  struct Jump {
    const Node* at = nullptr;     // the first node of 12 bits or more, if any
    const Scope* best = nullptr;  // of the Peers above it
  };
  static constexpr unsigned jump_bits = 12;
  using Jumps = std::array<Jump, 1U << jump_bits>;
  Jump jump_of(uint32_t bucket) const;
  // After changes at these networks; `old` is the table from before.
  void patch_jumps(const std::shared_ptr<const Jumps>& old, const std::vector<IpPrefix>& changed);

  NodePtr v4_;
  NodePtr v6_;
  std::shared_ptr<const Jumps> jumps_;
};

}  // namespace impulse::config
