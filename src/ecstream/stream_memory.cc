#include "ecstream/stream_memory.h"

#include "ecstream/wire.h"

namespace impulse::ecstream {

namespace {

constexpr uint8_t layout = 1;

}  // namespace

// 1: layout · 8: done · 4: how many refusals, then each 4: how far below done ·
// 2: code · 4: recipient · 1: length, enhanced code. Network byte order.
std::string StreamMemory::encode() const {
  std::string value;
  put(value, layout);
  put(value, done);
  put(value, static_cast<uint32_t>(refused.size()));
  for (const Refused& each : refused) {
    put(value, static_cast<uint32_t>(done - each.sequence));
    put(value, each.code);
    put(value, each.recipient);
    put_short_text(value, each.enhanced);
  }
  return value;
}

Result<StreamMemory> StreamMemory::decode(std::string_view value) {
  Reader reader(value);
  if (reader.number<uint8_t>() != layout) return fail(Errc::invalid, "memory of a stream has an unknown layout");
  StreamMemory memory;
  memory.known = true;
  memory.done = reader.number<uint64_t>();
  const auto count = reader.number<uint32_t>();
  uint64_t above = 0;
  for (uint32_t n = 0; n < count && !reader.bad(); ++n) {
    Refused each;
    const auto below = reader.number<uint32_t>();
    each.sequence = memory.done - below;
    each.code = reader.number<uint16_t>();
    each.recipient = reader.number<uint32_t>();
    each.enhanced = reader.short_text();
    if (reader.bad() || below >= memory.done || each.sequence <= above || each.code < 400 || each.code > 599)
      return fail(Errc::invalid, "memory of a stream is damaged");
    above = each.sequence;
    memory.refused.push_back(std::move(each));
  }
  if (reader.bad() || !reader.empty()) return fail(Errc::invalid, "memory of a stream is damaged");
  return memory;
}

}  // namespace impulse::ecstream
