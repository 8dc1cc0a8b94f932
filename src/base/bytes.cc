#include "base/bytes.h"

namespace impulse {

namespace {
constexpr size_t keep_capacity = 65536;
}

void ByteBuffer::append(std::string_view bytes) {
  if (start_ > 0 && (start_ == data_.size() || start_ >= data_.size() / 2)) {
    data_.erase(0, start_);
    start_ = 0;
  }
  data_.append(bytes);
}

void ByteBuffer::consume(size_t count) {
  start_ += count;
  if (start_ < data_.size()) return;
  if (data_.capacity() > keep_capacity)
    std::string().swap(data_);
  else
    data_.clear();
  start_ = 0;
}

void ByteBuffer::clear() {
  std::string().swap(data_);
  start_ = 0;
}

}  // namespace impulse
