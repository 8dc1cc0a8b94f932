#include "config/prefix_node.h"

#include <iterator>

namespace impulse::config {
namespace {

template <class Bits>
using Entries = std::vector<typename PrefixNode<Bits>::Entry>;

// How many leading bits are the same.
template <class Bits>
unsigned common(Bits a, Bits b) {
  const Bits differ = a ^ b;
  if constexpr (sizeof(Bits) == 4) {
    return static_cast<unsigned>(std::countl_zero(differ));
  } else {
    const auto high = static_cast<uint64_t>(differ >> 64), low = static_cast<uint64_t>(differ);
    return static_cast<unsigned>(high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(low));
  }
}

template <class Bits>
size_t size_of(const Ref<const PrefixNode<Bits>>& node) {
  if (!node) return 0;
  return node->is_branch ? node->branch().size : node->bucket().entries.size();
}

// In its place, or instead of the one of that network.
template <class Bits>
void add(Entries<Bits>& sorted, typename PrefixNode<Bits>::Entry entry) {
  const auto place = std::ranges::lower_bound(sorted, entry, std::less<>{});
  if (place != sorted.end() && place->same(entry))
    *place = std::move(entry);
  else
    sorted.insert(place, std::move(entry));
}

// Whether it was there.
template <class Bits>
bool take(Entries<Bits>& entries, Bits bits, unsigned length) {
  return std::erase_if(entries, [&](const auto& entry) { return entry.bits == bits && entry.length == length; }) > 0;
}

template <class Bits>
void collect(const PrefixNode<Bits>& node, Entries<Bits>& entries) {
  const auto append = [&](const Entries<Bits>& more) { entries.insert(entries.end(), more.begin(), more.end()); };
  if (!node.is_branch) return append(node.bucket().entries);
  append(node.branch().inside);
  for (const auto& below : node.branch().below) collect(*below, entries);
}

}  // namespace

template <class Bits>
void PrefixNode<Bits>::Branch::put(unsigned slot, Pointer node) {
  const auto place = below.begin() + static_cast<std::ptrdiff_t>(rank(slot));
  const uint64_t bit = uint64_t{1} << slot % 64;
  size += size_of(node);
  if (!has(slot)) {
    if (!node) return;
    below.insert(place, std::move(node));
    taken[slot / 64] |= bit;
    return;
  }
  size -= size_of(*place);
  if (node) {
    *place = std::move(node);
  } else {
    below.erase(place);
    taken[slot / 64] &= ~bit;
  }
}

template <class Bits>
void PrefixNode<Bits>::Branch::set_inside(std::vector<Entry> sorted) {
  size = size - inside.size() + sorted.size();
  inside = std::move(sorted);
  innermost = inside.empty() ? nullptr : std::make_unique<Innermost>();
  // The shorter ones come first, so that the longest is what stays.
  for (size_t i = 0; i < inside.size(); ++i) {
    const unsigned first = slot(inside[i].bits);
    std::fill_n(innermost->begin() + first, 1U << (at + stride - inside[i].length), static_cast<uint8_t>(i + 1));
  }
}

template <class Bits>
void PrefixNode<Bits>::Branch::put(Entry entry) {
  if (keeps(entry.length)) {
    std::vector<Entry> now = inside;
    add<Bits>(now, std::move(entry));
    set_inside(std::move(now));
  } else {
    const unsigned where = slot(entry.bits);
    put(where, insert(child(where), std::move(entry)));
  }
}

template <class Bits>
auto PrefixNode<Bits>::build(std::span<Entry> entries) -> Pointer {
  if (entries.empty()) return nullptr;
  if (entries.size() <= Bucket::most)
    return Ref<const Bucket>::make(
        std::vector<Entry>(std::move_iterator(entries.begin()), std::move_iterator(entries.end())));
  // In sorted order, what the first and the last have in common, all have; and
  // no network is shorter than both that and the first.
  const Entry& first = entries.front();
  auto branch =
      Ref<Branch>::make(first.bits, std::min<unsigned>(first.length, common(first.bits, entries.back().bits)));
  std::vector<Entry> inside;
  for (size_t i = 0; i < entries.size();) {
    if (branch->keeps(entries[i].length)) {
      inside.push_back(std::move(entries[i++]));
      continue;
    }
    const unsigned slot = branch->slot(entries[i].bits);
    const size_t begin = i;
    while (i < entries.size() && branch->slot(entries[i].bits) == slot) ++i;
    branch->put(slot, build(entries.subspan(begin, i - begin)));
  }
  branch->below.shrink_to_fit();
  inside.shrink_to_fit();
  branch->set_inside(std::move(inside));
  return branch;
}

template <class Bits>
auto PrefixNode<Bits>::insert(const Pointer& at, Entry entry) -> Pointer {
  if (!at || !at->is_branch) {
    std::vector<Entry> entries;
    if (at) {
      entries.reserve(at->bucket().entries.size() + 1);
      entries = at->bucket().entries;
    }
    add<Bits>(entries, std::move(entry));
    return build(entries);
  }
  const Branch& old = at->branch();
  const unsigned same = std::min<unsigned>(common(old.bits, entry.bits), entry.length);
  const bool within = same >= old.at;
  const auto branch = within ? Ref<Branch>::make(old) : Ref<Branch>::make(entry.bits, same);
  if (!within) branch->put(branch->slot(old.bits), at);
  branch->put(std::move(entry));
  return branch;
}

template <class Bits>
auto PrefixNode<Bits>::erase(const Pointer& at, Bits bits, unsigned length) -> Pointer {
  if (!at) return at;
  if (!at->is_branch) {
    std::vector<Entry> entries = at->bucket().entries;
    return take<Bits>(entries, bits, length) ? build(entries) : at;
  }
  const Branch& old = at->branch();
  if (length < old.at || !old.covers(bits)) return at;
  const auto branch = Ref<Branch>::make(old);
  if (old.keeps(length)) {
    std::vector<Entry> inside = old.inside;
    if (!take<Bits>(inside, bits, length)) return at;
    branch->set_inside(std::move(inside));
  } else {
    const unsigned slot = old.slot(bits);
    const Pointer was = old.child(slot);
    Pointer is = erase(was, bits, length);
    if (is == was) return at;
    branch->put(slot, std::move(is));
  }
  // Well below where a Bucket becomes a Branch, lest it goes back and forth.
  if (branch->size <= Bucket::most / 2) {
    std::vector<Entry> entries;
    collect<Bits>(*branch, entries);
    std::ranges::sort(entries, std::less<>{});
    return build(entries);
  }
  if (branch->inside.empty() && branch->below.size() == 1) return branch->below.front();
  return branch;
}

template <class Bits>
const Scope* PrefixNode<Bits>::longest(const PrefixNode* at, Bits address) {
  const Scope* best = nullptr;
  while (at && at->is_branch) {
    const Branch& branch = at->branch();
    if (!branch.covers(address)) return best;
    const unsigned slot = branch.slot(address);
    if (branch.innermost)
      if (const size_t found = (*branch.innermost)[slot]; found > 0) best = branch.inside[found - 1].peer.get();
    at = branch.has(slot) ? branch.below[branch.rank(slot)].get() : nullptr;
  }
  if (!at) return best;
  const std::vector<Entry>& entries = at->bucket().entries;
  for (auto behind = std::ranges::upper_bound(entries, address, std::less<>{}, &Entry::bits);
       behind != entries.begin();) {
    --behind;
    if (behind->holds(address, width)) return behind->peer.get();
  }
  return best;
}

template <class Bits>
std::vector<ScopePtr> PrefixNode<Bits>::holding(const PrefixNode* at, Bits bits, unsigned length) {
  std::vector<ScopePtr> found;
  const auto look = [&](const std::vector<Entry>& entries) {
    for (const Entry& entry : entries)
      if (entry.holds(bits, length)) found.push_back(entry.peer);
  };
  while (at && at->is_branch) {
    const Branch& branch = at->branch();
    if (length < branch.at || !branch.covers(bits)) return found;
    look(branch.inside);
    const unsigned slot = branch.slot(bits);
    at = !branch.keeps(length) && branch.has(slot) ? branch.below[branch.rank(slot)].get() : nullptr;
  }
  if (at) look(at->bucket().entries);
  return found;
}

template struct PrefixNode<Bits4>;
template struct PrefixNode<Bits6>;

}  // namespace impulse::config
