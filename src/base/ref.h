// Ref: a shared, immutable object that counts its owners itself: half the
// memory of std::shared_ptr, for nodes of persistent trees, of which there are
// millions.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace impulse {

// Base of what a Ref can hold.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

 protected:
  ~RefCounted() = default;

 private:
  template <class T>
  friend class Ref;
  mutable std::atomic<uint32_t> owners_{1};
};

// Counting is thread-safe, as in std::shared_ptr. T is what was made, or const.
template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  template <class... Args>
  static Ref make(Args&&... args) {
    Ref made;
    made.object_ = new T(std::forward<Args>(args)...);
    return made;
  }
  Ref(const Ref& other) : object_(other.object_) {
    if (object_) object_->owners_.fetch_add(1, std::memory_order_relaxed);
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  // To a base, which needs a virtual destructor, or to const.
  template <class U>
    requires std::convertible_to<U*, T*>
  Ref(Ref<U> other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ && object_->owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete object_;
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) { return a.object_ == b.object_; }

 private:
  template <class U>
  friend class Ref;

  T* object_ = nullptr;
};

}  // namespace impulse
