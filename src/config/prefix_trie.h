// PeerTrie: the Peer scopes of one parent by their networks, for longest-match
// look-up. Persistent like the tree: a change copies the nodes on its way and
// shares the rest with the old one.
#pragma once

#include "base/ip.h"
#include "config/children.h"
#include "config/prefix_node.h"
#include "config/tree.h"

#include <vector>

namespace impulse::config {

class PeerTrie {
 public:
  PeerTrie() = default;
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
  PrefixNode<Bits4>::Pointer v4_;
  PrefixNode<Bits6>::Pointer v6_;
};

}  // namespace impulse::config
