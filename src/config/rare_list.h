// RareList: a list that nearly always is empty: one pointer then, not three
// words. A large configuration is millions of values, few of which are arrays.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

namespace impulse::config {

// As a std::vector, as far as it goes. T may be incomplete where it is a member.
template <class T>
class RareList {
 public:
  RareList() = default;
  RareList(std::initializer_list<T> items) : items_(std::make_unique<std::vector<T>>(items)) {}
  RareList(const RareList& other) : items_(other.items_ ? std::make_unique<std::vector<T>>(*other.items_) : nullptr) {}
  RareList(RareList&&) noexcept = default;
  RareList& operator=(RareList other) noexcept {
    items_.swap(other.items_);
    return *this;
  }
  ~RareList() = default;

  bool empty() const { return size() == 0; }
  size_t size() const { return items_ ? items_->size() : 0; }
  const T* begin() const { return items_ ? items_->data() : nullptr; }
  const T* end() const { return begin() + size(); }
  const T& operator[](size_t i) const { return (*items_)[i]; }
  const T& at(size_t i) const { return all().at(i); }

  T& back() { return all().back(); }
  void push_back(T item) { all().push_back(std::move(item)); }
  template <class... Args>
  T& emplace_back(Args&&... args) {
    return all().emplace_back(std::forward<Args>(args)...);
  }

 private:
  std::vector<T>& all() {
    if (!items_) items_ = std::make_unique<std::vector<T>>();
    return *items_;
  }
  const std::vector<T>& all() const {
    static const std::vector<T> none;
    return items_ ? *items_ : none;
  }

  std::unique_ptr<std::vector<T>> items_;
};

}  // namespace impulse::config
