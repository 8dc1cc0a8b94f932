#include "base/chunks.h"

#include <algorithm>
#include <cstring>

namespace impulse {

void Chunks::append(std::string_view bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (blocks_.empty() || blocks_.back().used == blocks_.back().capacity) {
      const size_t grown = blocks_.empty() ? std::min<size_t>(2048, block_) : blocks_.back().capacity * 4;
      const size_t capacity = std::max(std::min(grown, block_), std::min(bytes.size(), block_));
      blocks_.push_back({std::make_unique_for_overwrite<char[]>(capacity), 0, capacity});
    }
    Block& block = blocks_.back();
    const size_t count = std::min(bytes.size(), block.capacity - block.used);
    std::memcpy(block.data.get() + block.used, bytes.data(), count);
    block.used += count;
    bytes.remove_prefix(count);
  }
}

void Chunks::clear() {
  blocks_.clear();
  size_ = 0;
}

std::vector<std::string_view> Chunks::parts() const {
  std::vector<std::string_view> parts;
  parts.reserve(blocks_.size());
  for (const Block& block : blocks_) parts.emplace_back(block.data.get(), block.used);
  return parts;
}

std::string Chunks::to_string() const {
  std::string out;
  out.reserve(size_);
  for (const Block& block : blocks_) out.append(block.data.get(), block.used);
  return out;
}

}  // namespace impulse
