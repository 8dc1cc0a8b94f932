// The digest is a sum of well-mixed numbers, one for each thing that is said
// and its place, so that the order in which it was said does not count.
#include "config/digest.h"

#include "config/writeback_order.h"

#include <cstdint>
#include <string_view>
#include <variant>

namespace impulse::config {
namespace {

// FNV-1a over the bytes, and a finalizer (of MurmurHash3) that spreads them.
class Hash {
 public:
  explicit Hash(uint64_t seed = 0xcbf29ce484222325) : state_(seed) {}

  Hash& add(uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) byte(static_cast<uint8_t>(number >> shift));
    return *this;
  }
  // With its length: "ab", "c" is not "a", "bc".
  Hash& add(std::string_view text) {
    add(uint64_t{text.size()});
    for (const char c : text) byte(static_cast<uint8_t>(c));
    return *this;
  }
  uint64_t value() const {
    uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 33)) * 0xff51afd7ed558ccd;
    mixed = (mixed ^ (mixed >> 33)) * 0xc4ceb9fe1a85ec53;
    return mixed ^ (mixed >> 33);
  }

 private:
  void byte(uint8_t one) { state_ = (state_ ^ one) * 0x100000001b3; }
  uint64_t state_;
};

// As it counts; a secret is not redacted here.
void add_value(Hash& hash, const Value& value, const OptionDef& option) {
  hash.add(value.index());
  if (const auto* text = std::get_if<std::string>(&value))
    hash.add(*text);
  else
    hash.add(to_text(value, option));
}

void add_setting(uint64_t& sum, uint64_t place, const OptionDef& option, const Value& value) {
  Hash hash(place);
  hash.add(option.name);
  add_value(hash, value, option);
  sum += hash.value();
}

void add_scope(uint64_t& sum, uint64_t outside, const Scope& scope) {
  const uint64_t place =
      Hash(outside).add(uint64_t{static_cast<uint8_t>(scope.def().kind)}).add(scope.instance()).value();
  sum += place;
  for (const auto& setting : scope.settings()) add_setting(sum, place, *setting->option, setting->value);
  scope.each_child([&](const ScopePtr& child) { add_scope(sum, place, *child); });
}

}  // namespace

std::string digest(const Snapshot& snapshot) {
  uint64_t sum = 0;
  add_scope(sum, 0, *snapshot.root());
  for (const auto& [where, patterns] : pattern_order(snapshot.root())) {
    Hash order;
    order.add("order").add(where);
    for (const std::string& instance : patterns.instances) order.add(instance);
    sum += order.value();
  }
  const uint64_t running = Hash().add("running").value();
  for (const OptionDef& option : options()) {
    if (!snapshot.pending(option)) continue;
    ScopePath path;
    if (option.scopes & in(ScopeKind::security)) path.push_back({ScopeKind::security, ""});
    add_setting(sum, running, option, snapshot.eval(path, option));
  }
  return fmt::format("{:016x}", Hash().add(sum).value());
}

}  // namespace impulse::config
