// What a PeerTrie is made of, for addresses of one family: a persistent trie so
// shallow that the walk to a Peer touches few lines of memory, however many
// Peers there are.
//
// A Bucket holds a few networks in a row. More are told apart by a Branch, by
// eight bits of the address behind those that all of them share; networks that
// end within these eight bits stand in the Branch itself.
#pragma once

#include "base/ref.h"
#include "config/tree.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace impulse::config {

// The bits of an address, its first one on top.
using Bits4 = uint32_t;
__extension__ typedef unsigned __int128 Bits6;

template <class Bits>
struct PrefixNode : RefCounted {
  static constexpr unsigned width = sizeof(Bits) * 8;
  static constexpr unsigned stride = 8;  // bits that a Branch looks at

  using Pointer = Ref<const PrefixNode>;  // null: no networks
  struct Entry;
  struct Bucket;
  struct Branch;

  explicit PrefixNode(bool branch) : is_branch(branch) {}
  virtual ~PrefixNode() = default;
  const Bucket& bucket() const { return static_cast<const Bucket&>(*this); }
  const Branch& branch() const { return static_cast<const Branch&>(*this); }

  static Bits masked(Bits bits, unsigned length) { return length == 0 ? Bits{} : bits & ~Bits{} << (width - length); }

  // `entries` sorted and distinct; they are moved from.
  static Pointer build(std::span<Entry> entries);
  // Adds, or replaces the Peer of that very network.
  static Pointer insert(const Pointer& at, Entry entry);
  static Pointer erase(const Pointer& at, Bits bits, unsigned length);
  // The Peer of the longest network that holds the address; null: none does.
  static const Scope* longest(const PrefixNode* at, Bits address);
  // Those that hold all of a network, shortest first.
  static std::vector<ScopePtr> holding(const PrefixNode* at, Bits bits, unsigned length);

  const bool is_branch;
};

template <class Bits>
struct PrefixNode<Bits>::Entry {
  Bits bits{};  // zeros behind the first `length`
  uint8_t length = 0;
  ScopePtr peer;

  // All of a network whose first `given` bits these are.
  bool holds(Bits network, unsigned given) const { return length <= given && masked(network, length) == bits; }
  bool same(const Entry& other) const { return bits == other.bits && length == other.length; }
  // A network stands before those it holds.
  friend bool operator<(const Entry& a, const Entry& b) {
    return a.bits != b.bits ? a.bits < b.bits : a.length < b.length;
  }
};

template <class Bits>
struct PrefixNode<Bits>::Bucket final : PrefixNode {
  static constexpr size_t most = 32;

  explicit Bucket(std::vector<Entry> sorted) : PrefixNode(false), entries(std::move(sorted)) {}

  // Of the networks in it that hold an address the last one is the longest.
  std::vector<Entry> entries;
};

template <class Bits>
struct PrefixNode<Bits>::Branch final : PrefixNode {
  static constexpr unsigned slots = 1U << stride;
  // By slot, the longest of `inside` that holds all of it, counted from 1; 0: none.
  using Innermost = std::array<uint8_t, slots>;

  // Tells apart networks of that many bits at least, which they share with `shared`.
  Branch(Bits shared, unsigned bits_shared)
      : PrefixNode(true), at(std::min(bits_shared, width - 1) / stride * stride), bits(masked(shared, at)) {}
  Branch(const Branch& other)
      : PrefixNode(true),
        at(other.at),
        bits(other.bits),
        size(other.size),
        taken(other.taken),
        below(other.below),
        inside(other.inside),
        innermost(other.innermost ? std::make_unique<Innermost>(*other.innermost) : nullptr) {}
  Branch& operator=(const Branch&) = delete;

  bool covers(Bits address) const { return masked(address, at) == bits; }
  bool keeps(unsigned length) const { return length < at + stride; }  // among `inside`
  unsigned slot(Bits address) const { return static_cast<unsigned>(address >> (width - stride - at)) % slots; }
  bool has(unsigned slot) const { return taken[slot / 64] >> slot % 64 & 1; }
  // Where in `below` that slot is, or would be.
  size_t rank(unsigned slot) const {
    auto before = static_cast<size_t>(std::popcount(taken[slot / 64] & ((uint64_t{1} << slot % 64) - 1)));
    for (unsigned word = 0; word < slot / 64; ++word) before += static_cast<size_t>(std::popcount(taken[word]));
    return before;
  }
  Pointer child(unsigned slot) const { return has(slot) ? below[rank(slot)] : nullptr; }
  void put(unsigned slot, Pointer node);  // null: takes it away
  void put(Entry entry);
  void set_inside(std::vector<Entry> sorted);

  const unsigned at;                         // the first bit it looks at
  const Bits bits;                           // those before it
  size_t size = 0;                           // networks, all together
  std::array<uint64_t, slots / 64> taken{};  // which slots have something below
  std::vector<Pointer> below;                // by slot
  std::vector<Entry> inside;                 // of `at` to `at` + 7 bits, sorted: there can be 255
  std::unique_ptr<Innermost> innermost;      // null: nothing is inside
};

extern template struct PrefixNode<Bits4>;
extern template struct PrefixNode<Bits6>;

}  // namespace impulse::config
