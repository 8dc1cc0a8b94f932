#include "compose/value.h"

#include <algorithm>

namespace impulse::compose {

namespace {

// As many are gone through faster than they are sorted.
constexpr size_t few = 16;

}  // namespace

Value::Value(Object members) {
  if (members.size() > few) std::ranges::sort(members, {}, &Member::name);
  data_ = std::move(members);
}

double Value::number() const {
  if (const auto* value = get<int64_t>()) return static_cast<double>(*value);
  if (const auto* value = get<uint64_t>()) return static_cast<double>(*value);
  if (const auto* value = get<double>()) return *value;
  return 0;
}

const Value* Value::member(std::string_view name) const {
  const Object* members = object();
  if (members == nullptr) return nullptr;
  const auto found = members->size() > few ? std::ranges::lower_bound(*members, name, {}, &Member::name)
                                           : std::ranges::find(*members, name, &Member::name);
  return found != members->end() && found->name == name ? &found->value : nullptr;
}

}  // namespace impulse::compose
