// Values: what templates are filled with. A tree of JSON's kinds, and the
// layers in which a name is looked up.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace impulse::compose {

struct Member;

// Strings and names are borrowed: whoever fills the tree keeps the text.
class Value {
 public:
  using Array = std::vector<Value>;
  using Object = std::vector<Member>;  // names are unique

  Value();  // null
  explicit Value(bool value);
  explicit Value(int64_t value);
  explicit Value(uint64_t value);
  explicit Value(double value);  // finite
  explicit Value(std::string_view text);
  explicit Value(Array items);
  explicit Value(Object members);  // their order is not kept

  template <class T>
  const T* get() const {
    return std::get_if<T>(&data_);
  }
  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  const std::string_view* string() const { return get<std::string_view>(); }
  const Array* array() const { return get<Array>(); }
  const Object* object() const { return get<Object>(); }
  bool is_number() const { return data_.index() >= 2 && data_.index() <= 4; }
  double number() const;  // 0 when it is none

  // The member of that name; nullptr: there is none, or this is no object. In
  // time of the logarithm of their number.
  const Value* member(std::string_view name) const;

 private:
  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string_view, Array, Object> data_;
};

struct Member {
  std::string_view name;
  Value value;
};

inline Value::Value() = default;
inline Value::Value(bool value) : data_(value) {}
inline Value::Value(int64_t value) : data_(value) {}
inline Value::Value(uint64_t value) : data_(value) {}
inline Value::Value(double value) : data_(value) {}
inline Value::Value(std::string_view text) : data_(text) {}
inline Value::Value(Array items) : data_(std::move(items)) {}

// Where names are looked up: objects, the weightiest first. All borrowed. A
// path is taken from the first layer that has all of it, so that a recipient's
// address.city does not hide everybody's address.country.
struct Scope {
  std::vector<const Value*> layers;
  // Where SparkPost's dynamic content is: what the request has for all, no
  // recipient's. Null: there is none.
  const Value* dynamic = nullptr;
};

}  // namespace impulse::compose
