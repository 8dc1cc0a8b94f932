// Chunks: a message body as it came from the wire, copied once into blocks
// that never move, and written from there with writev.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse {

class Chunks {
 public:
  // Blocks start at 2 KiB and grow to `block` bytes (Growbuf_Size), so that
  // small messages stay small.
  explicit Chunks(size_t block = 16384) : block_(block) {}
  Chunks(Chunks&& other) noexcept
      : block_(other.block_), size_(std::exchange(other.size_, 0)), blocks_(std::move(other.blocks_)) {}
  Chunks& operator=(Chunks&& other) noexcept {
    block_ = other.block_;
    size_ = std::exchange(other.size_, 0);
    blocks_ = std::exchange(other.blocks_, {});
    return *this;
  }

  void append(std::string_view bytes);
  void clear();
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // The parts in order, each non-empty; valid until the next append or clear.
  std::vector<std::string_view> parts() const;
  std::string to_string() const;

 private:
  struct Block {
    std::unique_ptr<char[]> data;
    size_t used = 0;
    size_t capacity = 0;
  };
  size_t block_;
  size_t size_ = 0;
  std::vector<Block> blocks_;
};

}  // namespace impulse
