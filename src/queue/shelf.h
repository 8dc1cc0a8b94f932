// Shelf: items in order, in blocks of some hundred. The first one goes at once,
// any other in the time that it takes to find its block; whoever reads on from
// where he was needs no copy of the rest. One thread.
#pragma once

#include "queue/queue.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace impulse::queue {

// Before(a, b): a stands in front of b; it tells any two items of different
// message or recipient apart.
template <class Before>
class Shelf {
 public:
  static constexpr size_t block_size = 256;  // items

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  const Item& first() const { return blocks_.front()[head_]; }  // of one that is not empty

  void insert(const Item& item) {
    ++size_;
    auto block = block_of(item);
    if (block == blocks_.end()) {
      // Most come in order: then blocks are full.
      if (blocks_.empty() || blocks_.back().size() == block_size) blocks_.emplace_back();
      make_room(blocks_.back());
      blocks_.back().push_back(item);
      return;
    }
    if (block->size() == block_size) block = split(block, item);
    make_room(*block);
    block->insert(place_in(block, item), item);
  }

  Item pop_first() {
    Block& block = blocks_.front();
    const Item item = block[head_++];
    --size_;
    if (head_ == block.size()) {
      blocks_.erase(blocks_.begin());
      head_ = 0;
      if (blocks_.capacity() > 64 && blocks_.size() < blocks_.capacity() / 4) blocks_.shrink_to_fit();
    } else if (head_ >= 64 && head_ * 2 >= block.size()) {
      trim();
    }
    return item;
  }

  // As it stands on the shelf, by its place in the order.
  std::optional<Item> take(const Item& like) {
    const auto block = block_of(like);
    if (block == blocks_.end()) return std::nullopt;
    const auto place = place_in(block, like);
    if (place == block->end() || Before()(like, *place)) return std::nullopt;
    return take_from(block, place);
  }

  // Calls each(item) for up to `count` of them in order, behind `after`; null: from the first on.
  template <class Each>
  void read(const Item* after, size_t count, Each each) const {
    auto block = blocks_.begin();
    if (after != nullptr)
      block = std::partition_point(block, blocks_.end(), [&](const Block& b) { return !Before()(*after, b.back()); });
    if (block == blocks_.end()) return;
    auto place = begin_of(block);
    if (after != nullptr) place = std::upper_bound(place, block->end(), *after, Before());
    for (; count > 0; --count, ++place) {
      if (place == block->end()) {
        if (++block == blocks_.end()) return;
        place = block->begin();
      }
      each(*place);
    }
  }

 private:
  using Block = std::vector<Item>;

  template <class Iterator>
  auto begin_of(Iterator block) const {
    return block->begin() + static_cast<std::ptrdiff_t>(block == blocks_.begin() ? head_ : 0);
  }
  // The first whose last item is not before this one: it is there, or belongs there.
  auto block_of(const Item& item) {
    return std::partition_point(blocks_.begin(), blocks_.end(),
                                [&](const Block& block) { return Before()(block.back(), item); });
  }
  auto place_in(typename std::vector<Block>::iterator block, const Item& item) {
    return std::lower_bound(begin_of(block), block->end(), item, Before());
  }
  // A quarter more, not twice as much: most blocks of what is delayed are never full.
  static void make_room(Block& block) {
    if (block.size() == block.capacity()) block.reserve(std::min(block_size, block.size() + block.size() / 4 + 1));
  }
  static void give_back(Block& block) {
    if (block.capacity() > block.size() + block.size() / 2 + 8) block.shrink_to_fit();
  }
  // What is gone of the first block.
  void trim() {
    Block& block = blocks_.front();
    block.erase(block.begin(), block.begin() + static_cast<std::ptrdiff_t>(std::exchange(head_, 0)));
    give_back(block);
  }
  // Makes two of a full block; the one of them in which `item` belongs.
  auto split(typename std::vector<Block>::iterator block, const Item& item) {
    if (block == blocks_.begin() && head_ > 0) {
      trim();
      return block;
    }
    const auto middle = block->begin() + block_size / 2;
    Block upper(middle, block->end());
    block->erase(middle, block->end());
    block->shrink_to_fit();
    const auto next = blocks_.insert(block + 1, std::move(upper));
    return Before()((next - 1)->back(), item) ? next : next - 1;
  }
  Item take_from(typename std::vector<Block>::iterator block, typename Block::iterator place) {
    const Item item = *place;
    --size_;
    block->erase(place);
    const size_t left = block->size() - (block == blocks_.begin() ? head_ : 0);
    if (left == 0) {
      if (block == blocks_.begin()) head_ = 0;
      blocks_.erase(block);
      return item;
    }
    // Small neighbours become one.
    if (block != blocks_.begin() && block - 1 != blocks_.begin() &&
        block->size() + (block - 1)->size() <= block_size / 2) {
      (block - 1)->reserve(block->size() + (block - 1)->size());
      (block - 1)->insert((block - 1)->end(), block->begin(), block->end());
      blocks_.erase(block);
    } else {
      give_back(*block);
    }
    return item;
  }

  std::vector<Block> blocks_;  // none of them empty
  size_t head_ = 0;            // so many of the first block have gone
  size_t size_ = 0;
};

}  // namespace impulse::queue
