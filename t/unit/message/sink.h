// A place for large bodies in tests.
#pragma once

#include "message/body_sink.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace message_test {

using namespace impulse;

// Counts the octets that are appended.
class CountingSink final : public message::BodySink {
 public:
  explicit CountingSink(int& open, std::optional<Errc> failure) : open_(open), failure_(failure) { ++open_; }
  ~CountingSink() override { --open_; }
  Result<> append(std::string_view bytes) override {
    if (failure_) return fail(*failure_, "no");
    size_ += bytes.size();
    return {};
  }
  uint64_t size() const override { return size_; }

 private:
  int& open_;
  std::optional<Errc> failure_;
  uint64_t size_ = 0;
};

}  // namespace message_test
