// ByteBuffer: a queue of bytes in one contiguous block, for a connection's
// input and output. Chunks (chunks.h) are for message bodies.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace impulse {

class ByteBuffer {
 public:
  bool empty() const { return start_ == data_.size(); }
  size_t size() const { return data_.size() - start_; }
  std::string_view view() const { return std::string_view(data_).substr(start_); }
  void append(std::string_view bytes);
  void consume(size_t count);  // count <= size()
  void clear();                // also gives the memory back

 private:
  std::string data_;
  size_t start_ = 0;
};

}  // namespace impulse
