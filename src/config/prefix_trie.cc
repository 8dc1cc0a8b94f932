#include "config/prefix_trie.h"

#include <algorithm>

namespace impulse::config {
namespace {

using Trie4 = PrefixNode<Bits4>;
using Trie6 = PrefixNode<Bits6>;

template <class Bits>
Bits bits_of(const IpAddress& address) {
  Bits bits = 0;
  for (size_t i = 0; i < sizeof bits; ++i) bits = bits << 8 | address.bytes()[i];
  return bits;
}

template <class Bits>
typename PrefixNode<Bits>::Entry entry(const IpPrefix& network, ScopePtr peer) {
  return {bits_of<Bits>(network.address()), static_cast<uint8_t>(network.length()), std::move(peer)};
}

// The instance is canonical, so it parses.
IpPrefix network_of(const ScopePtr& peer) { return IpPrefix::parse(peer->instance()).value_or(IpPrefix{}); }

}  // namespace

PeerTrie::PeerTrie(const ChildMap& peers) {
  std::vector<Trie4::Entry> v4;
  std::vector<Trie6::Entry> v6;
  peers.each([&](const ChildMap::Entry& each) {
    const IpPrefix network = network_of(each.scope);
    if (network.address().is_v4())
      v4.push_back(entry<Bits4>(network, each.scope));
    else
      v6.push_back(entry<Bits6>(network, each.scope));
  });
  std::ranges::sort(v4, std::less<>{});
  std::ranges::sort(v6, std::less<>{});
  v4_ = Trie4::build(v4);
  v6_ = Trie6::build(v6);
}

PeerTrie PeerTrie::updated(const PeerTrie& trie, const ChildMap& before, const ChildMap& after) {
  constexpr size_t few = 4096;  // above that, building anew is not worse
  size_t changed = 0;
  PeerTrie next = trie;
  const bool complete = ChildMap::difference(before, after, [&](const ScopePtr& was, const ScopePtr& is) {
    const IpPrefix network = network_of(is ? is : was);
    next = is ? next.with(network, is) : next.without(network);
    return ++changed < few;
  });
  return complete ? next : PeerTrie(after);
}

const Scope* PeerTrie::longest(const IpAddress& address) const {
  return address.is_v4() ? Trie4::longest(v4_.get(), bits_of<Bits4>(address))
                         : Trie6::longest(v6_.get(), bits_of<Bits6>(address));
}

std::vector<ScopePtr> PeerTrie::holding(const IpPrefix& network) const {
  const IpAddress& address = network.address();
  return address.is_v4() ? Trie4::holding(v4_.get(), bits_of<Bits4>(address), network.length())
                         : Trie6::holding(v6_.get(), bits_of<Bits6>(address), network.length());
}

PeerTrie PeerTrie::with(const IpPrefix& network, ScopePtr peer) const {
  PeerTrie next = *this;
  if (network.address().is_v4())
    next.v4_ = Trie4::insert(v4_, entry<Bits4>(network, std::move(peer)));
  else
    next.v6_ = Trie6::insert(v6_, entry<Bits6>(network, std::move(peer)));
  return next;
}

PeerTrie PeerTrie::without(const IpPrefix& network) const {
  PeerTrie next = *this;
  if (network.address().is_v4())
    next.v4_ = Trie4::erase(v4_, bits_of<Bits4>(network.address()), network.length());
  else
    next.v6_ = Trie6::erase(v6_, bits_of<Bits6>(network.address()), network.length());
  return next;
}

}  // namespace impulse::config
