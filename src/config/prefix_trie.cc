// The persistent Patricia trie over Peer networks.
#include "config/prefix_trie.h"

#include <algorithm>
#include <bit>

namespace impulse::config {
namespace {

// Address bits from the top: bit 0 is the first of the network. IPv4 has 32.
struct Bits {
  uint64_t high = 0;
  uint64_t low = 0;

  bool operator[](unsigned i) const { return i < 64 ? high >> (63 - i) & 1 : low >> (127 - i) & 1; }
  friend auto operator<=>(const Bits&, const Bits&) = default;
};

Bits bits_of(const IpAddress& address) {
  Bits bits;
  const auto& bytes = address.bytes();
  const size_t used = address.bits() / 8;
  for (size_t i = 0; i < 8; ++i) bits.high = bits.high << 8 | (i < used ? bytes[i] : 0);
  for (size_t i = 8; i < 16; ++i) bits.low = bits.low << 8 | (i < used ? bytes[i] : 0);
  return bits;
}

// How many leading bits are the same.
unsigned common(const Bits& a, const Bits& b) {
  if (a.high != b.high) return static_cast<unsigned>(std::countl_zero(a.high ^ b.high));
  if (a.low != b.low) return 64 + static_cast<unsigned>(std::countl_zero(a.low ^ b.low));
  return 128;
}

struct Item {
  Bits bits;
  unsigned length = 0;
  bool v4 = true;
  ScopePtr peer;
};

Item item_of(const ScopePtr& peer) {
  // The instance is canonical, so it parses.
  const IpPrefix network = IpPrefix::parse(peer->instance()).value_or(IpPrefix{});
  return {bits_of(network.address()), network.length(), network.address().is_v4(), peer};
}

}  // namespace

struct PeerTrie::Node : RefCounted {
  unsigned length = 0;
  Bits bits;
  ScopePtr peer;  // null: only branches
  NodePtr sides[2];

  bool holds(const Bits& address, unsigned bits_given) const {
    return length <= bits_given && common(bits, address) >= length;
  }
};

struct PeerTrie::Algorithms {
  static NodePtr make(const Bits& bits, unsigned length, ScopePtr peer, NodePtr zero, NodePtr one) {
    auto node = NodePtr::make();
    node->bits = bits;
    node->length = length;
    node->peer = std::move(peer);
    node->sides[0] = std::move(zero);
    node->sides[1] = std::move(one);
    return node;
  }

  // `items` sorted by bits, then length: a prefix stands before what it holds.
  static NodePtr build(std::span<Item> items) {
    if (items.empty()) return nullptr;
    // In sorted order, what the first and the last have in common, all have.
    unsigned length = std::min(items.front().length, items.back().length);
    length = std::min(length, common(items.front().bits, items.back().bits));
    ScopePtr peer;
    const Bits bits = items.front().bits;
    if (items.front().length == length) {
      peer = std::move(items.front().peer);
      items = items.subspan(1);
    }
    const auto split = std::ranges::partition_point(items, [&](const Item& item) { return !item.bits[length]; });
    const auto zeros = static_cast<size_t>(split - items.begin());
    return make(masked(bits, length), length, std::move(peer), build(items.first(zeros)), build(items.subspan(zeros)));
  }

  static Bits masked(Bits bits, unsigned length) {
    if (length < 64) bits.high &= length == 0 ? 0 : ~uint64_t{0} << (64 - length);
    if (length < 128) bits.low &= length <= 64 ? 0 : ~uint64_t{0} << (128 - length);
    return bits;
  }

  static NodePtr insert(const NodePtr& at, const Item& item) {
    if (!at) return make(item.bits, item.length, item.peer, nullptr, nullptr);
    const unsigned same = std::min({common(at->bits, item.bits), at->length, item.length});
    if (same == at->length && same == item.length) return make(at->bits, same, item.peer, at->sides[0], at->sides[1]);
    if (same == at->length) {  // below this node
      const bool side = item.bits[same];
      NodePtr below = insert(at->sides[side], item);
      return side ? make(at->bits, same, at->peer, at->sides[0], std::move(below))
                  : make(at->bits, same, at->peer, std::move(below), at->sides[1]);
    }
    if (same == item.length) {  // above it
      const bool side = at->bits[same];
      return make(item.bits, same, item.peer, side ? nullptr : at, side ? at : nullptr);
    }
    NodePtr leaf = make(item.bits, item.length, item.peer, nullptr, nullptr);  // beside it
    const bool side = item.bits[same];
    return make(masked(item.bits, same), same, nullptr, side ? at : leaf, side ? leaf : at);
  }

  static NodePtr erase(const NodePtr& at, const Bits& bits, unsigned length) {
    if (!at || at->length > length || common(at->bits, bits) < at->length) return at;
    NodePtr zero = at->sides[0], one = at->sides[1];
    ScopePtr peer = at->peer;
    if (at->length == length) {
      peer = nullptr;
    } else {
      NodePtr& side = bits[at->length] ? one : zero;
      NodePtr below = erase(side, bits, length);
      if (below == side) return at;
      side = std::move(below);
    }
    // A branch with one side is no branch.
    if (!peer && !zero) return one;
    if (!peer && !one) return zero;
    return make(at->bits, at->length, std::move(peer), std::move(zero), std::move(one));
  }
};

PeerTrie::PeerTrie() = default;
PeerTrie::~PeerTrie() = default;
PeerTrie::PeerTrie(const PeerTrie&) = default;
PeerTrie::PeerTrie(PeerTrie&&) noexcept = default;
PeerTrie& PeerTrie::operator=(const PeerTrie&) = default;
PeerTrie& PeerTrie::operator=(PeerTrie&&) noexcept = default;

PeerTrie::PeerTrie(const ChildMap& peers) {
  std::vector<Item> v4, v6;
  peers.each([&](const ChildMap::Entry& entry) {
    Item item = item_of(entry.scope);
    (item.v4 ? v4 : v6).push_back(std::move(item));
  });
  const auto order = [](const Item& item) { return std::pair(item.bits, item.length); };
  std::ranges::sort(v4, {}, order);
  std::ranges::sort(v6, {}, order);
  v4_ = Algorithms::build(v4);
  v6_ = Algorithms::build(v6);
  constexpr size_t large = 2048;
  if (v4.size() < large) return;
  auto jumps = std::make_shared<Jumps>();
  for (uint32_t bucket = 0; bucket < jumps->size(); ++bucket) (*jumps)[bucket] = jump_of(bucket);
  jumps_ = std::move(jumps);
}

PeerTrie::Jump PeerTrie::jump_of(uint32_t bucket) const {
  const Bits bits{uint64_t{bucket} << (64 - jump_bits), 0};
  Jump jump;
  const Node* at = v4_.get();
  // Shorter ones are decided by these bits alone.
  for (; at && at->length < jump_bits; at = at->sides[bits[at->length]].get()) {
    if (!at->holds(bits, jump_bits)) return jump;
    if (at->peer) jump.best = at->peer.get();
  }
  // One that differs from the bucket holds nothing in it, and goes when it likes.
  if (at && at->bits.high >> (64 - jump_bits) == bucket) jump.at = at;
  return jump;
}

void PeerTrie::patch_jumps(const std::shared_ptr<const Jumps>& old, const std::vector<IpPrefix>& changed) {
  if (!old) return;
  auto jumps = std::make_shared<Jumps>(*old);
  for (const IpPrefix& network : changed) {
    if (!network.address().is_v4()) continue;
    const auto first = static_cast<uint32_t>(bits_of(network.address()).high >> (64 - jump_bits));
    const uint32_t count = network.length() >= jump_bits ? 1 : 1U << (jump_bits - network.length());
    for (uint32_t bucket = first; bucket < first + count; ++bucket) (*jumps)[bucket] = jump_of(bucket);
  }
  jumps_ = std::move(jumps);
}

PeerTrie PeerTrie::updated(const PeerTrie& trie, const ChildMap& before, const ChildMap& after) {
  constexpr size_t few = 4096;  // above that, building anew is not worse
  std::vector<IpPrefix> changed;
  PeerTrie next = trie;
  next.jumps_ = nullptr;
  const bool complete = ChildMap::difference(before, after, [&](const ScopePtr& was, const ScopePtr& is) {
    const IpPrefix network = IpPrefix::parse((is ? is : was)->instance()).value_or(IpPrefix{});
    next = is ? next.with(network, is) : next.without(network);
    changed.push_back(network);
    return changed.size() < few;
  });
  if (!complete) return PeerTrie(after);
  next.patch_jumps(trie.jumps_, changed);
  return next;
}

const Scope* PeerTrie::longest(const IpAddress& address) const {
  const Bits bits = bits_of(address);
  const unsigned given = address.bits();
  const Scope* best = nullptr;
  const Node* at = (address.is_v4() ? v4_ : v6_).get();
  if (jumps_ && address.is_v4()) {
    const Jump& jump = (*jumps_)[bits.high >> (64 - jump_bits)];
    at = jump.at;
    best = jump.best;
  }
  for (; at && at->holds(bits, given); at = at->sides[bits[at->length]].get()) {
    if (at->peer) best = at->peer.get();
    if (at->length == given) break;
  }
  return best;
}

std::vector<ScopePtr> PeerTrie::holding(const IpPrefix& network) const {
  const Bits bits = bits_of(network.address());
  std::vector<ScopePtr> chain;
  for (const Node* at = (network.address().is_v4() ? v4_ : v6_).get(); at && at->holds(bits, network.length());
       at = at->sides[bits[at->length]].get()) {
    if (at->peer) chain.push_back(at->peer);
    if (at->length == network.length()) break;
  }
  return chain;
}

PeerTrie PeerTrie::with(const IpPrefix& network, ScopePtr peer) const {
  PeerTrie next = *this;
  NodePtr& root = network.address().is_v4() ? next.v4_ : next.v6_;
  root = Algorithms::insert(root, {bits_of(network.address()), network.length(), true, std::move(peer)});
  next.patch_jumps(jumps_, {network});
  return next;
}

PeerTrie PeerTrie::without(const IpPrefix& network) const {
  PeerTrie next = *this;
  NodePtr& root = network.address().is_v4() ? next.v4_ : next.v6_;
  root = Algorithms::erase(root, bits_of(network.address()), network.length());
  next.patch_jumps(jumps_, {network});
  return next;
}

}  // namespace impulse::config
