// Copies of messages: they keep their ids, and lie elsewhere. Each segment knows
// the copies in it; together with it they are forgotten.
#include "spool/index.h"
#include "spool/wire.h"

#include <algorithm>
#include <utility>

namespace impulse::spool {

namespace {

uint64_t number_of(MessageId id) { return uint64_t{id.segment} << 32 | id.offset; }
std::string pack(MessageId id) {
  std::string value;
  put(value, number_of(id));
  return value;
}
MessageId unpack_id(std::string_view value) {
  const auto number = load<uint64_t>(value.data());
  return {static_cast<uint32_t>(number >> 32), static_cast<uint32_t>(number)};
}

}  // namespace

template <class Each>
std::optional<PackedMap::Key> Index::each_home(const Segment& segment, PackedMap::Key from, Each each) {
  std::optional<PackedMap::Key> next;
  size_t count = 0;
  segment.homes.each(from, [&](PackedMap::Key key, std::string_view id) {
    if (count++ == at_once) next = key;
    if (!next) each(static_cast<uint32_t>(key.major), unpack_id(id));
    return !next;
  });
  return next;
}

MessageId Index::place_of(MessageId id) const {
  if (moved_.empty()) return id;
  const auto found = moved_.find({number_of(id), 0});
  return found ? unpack_id(*found) : id;
}

MessageId Index::id_at(uint32_t number, const Segment& segment, uint32_t offset) {
  if (!segment.homes.empty())
    if (const auto found = segment.homes.find({offset, 0})) return unpack_id(*found);
  return {number, offset};
}

// A copy says of its message what lies elsewhere does not: so it stays as long as that does.
void Index::put_copy(MessageId id, uint32_t number, uint32_t offset) {
  note_target(number, place_of(id).segment);
  moved_.assign({number_of(id), 0}, pack(MessageId{number, offset}));
  segments_[number].homes.assign({offset, 0}, pack(id));
}

void Index::move(MessageId id, uint32_t segment, const Message& record) {
  const std::lock_guard lock(mutex_);
  const MessageId from = place_of(id);
  put_copy(id, segment, record.offset);
  Segment& to = segments_[segment];
  const auto old = segments_.find(from.segment);
  if (old == segments_.end()) return;
  auto taken = extract(old->second, from.offset);
  if (!taken) return;  // finished meanwhile
  taken->entry.meta_length = record.meta_length;
  taken->entry.body_length = record.body_length;
  insert(to, record.offset, *taken);
  if (const auto rest = old->second.rests.extract(from.offset); !rest.empty()) {
    to.rests[record.offset] = rest.mapped();
    changed_ = true;
  }
}

void Index::restore_copy(MessageId id, uint32_t segment, const Message& record,
                         const std::vector<RecipientState>& states, bool live) {
  const std::lock_guard lock(mutex_);
  const MessageId from = place_of(id);
  put_copy(id, segment, record.offset);
  std::vector<RecipientState> known;
  if (const auto old = segments_.find(from.segment); old != segments_.end()) {
    if (const auto before = entry_at(old->second, from.offset)) {
      known = states_of(old->second, from.offset, *before, true);
      drop_states(*extract(old->second, from.offset));
    }
  }
  if (!live) return;
  std::vector<RecipientState> now(record.recipients);
  for (uint32_t i = 0; i < record.recipients; ++i) {
    if (i < known.size() && known[i].state != State::pending)
      now[i] = {known[i].state, known[i].attempts, {}, {}};
    else if (i < states.size())
      now[i] = states[i];
  }
  put_restored(segments_[segment], record.offset, {record.meta_length, record.body_length, record.recipients, 0, false},
               now);
}

std::vector<MessageId> Index::copies() const {
  std::vector<MessageId> ids;
  {
    const std::lock_guard lock(mutex_);
    for (auto segment = segments_.begin(); segment != segments_.end();) {
      const uint32_t number = segment->first;
      for (std::optional<PackedMap::Key> next = PackedMap::Key{}; next && segment != segments_.end();) {
        next = each_home(segment->second, *next, [&](uint32_t offset, MessageId id) {
          if (entry_at(segment->second, offset)) ids.push_back(id);
        });
        mutex_.give_way();
        segment = segments_.find(number);  // it may have gone meanwhile
      }
      segment = segments_.upper_bound(number);
    }
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

uint64_t Index::remove(uint32_t segment) {
  decltype(segments_)::node_type gone;  // what it held is given back without the lock
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(segment);
  if (found == segments_.end()) return 0;
  for (std::optional<PackedMap::Key> next = PackedMap::Key{}; next;) {
    next = each_home(found->second, *next, [&](uint32_t offset, MessageId id) {
      if (place_of(id) == MessageId{segment, offset}) moved_.erase({number_of(id), 0});
    });
    mutex_.give_way();  // nobody else removes any
  }
  const uint64_t bytes = found->second.bytes;
  gone = segments_.extract(found);
  changed_ = true;
  return bytes;
}

}  // namespace impulse::spool
