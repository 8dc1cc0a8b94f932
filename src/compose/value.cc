#include "compose/value.h"

namespace impulse::compose {

double Value::number() const {
  if (const auto* value = get<int64_t>()) return static_cast<double>(*value);
  if (const auto* value = get<uint64_t>()) return static_cast<double>(*value);
  if (const auto* value = get<double>()) return *value;
  return 0;
}

const Value* Value::member(std::string_view name) const {
  if (const Object* members = object())
    for (const Member& member : *members)
      if (member.name == name) return &member.value;
  return nullptr;
}

}  // namespace impulse::compose
