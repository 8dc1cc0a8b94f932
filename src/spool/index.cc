#include "spool/index.h"

#include "base/varint.h"
#include "spool/wire.h"

#include <algorithm>
#include <utility>

namespace impulse::spool {

template <class Each>
void Index::each_live(uint32_t number, Each each) const {
  const std::lock_guard lock(mutex_);
  for (std::optional<PackedMap::Key> next = PackedMap::Key{}; next; mutex_.give_way()) {
    const auto segment = segments_.find(number);
    if (segment == segments_.end()) return;
    size_t work = 0;
    const PackedMap::Key from = *next;
    next.reset();
    segment->second.live.each(from, [&](PackedMap::Key key, std::string_view value) {
      if (work >= at_once) {
        next = key;
        return false;
      }
      ++work;
      if (key.minor == 0) work += each(segment->second, static_cast<uint32_t>(key.major), unpack_entry(value));
      return true;
    });
  }
}

void Index::add_segment(uint32_t number, uint32_t nonce) {
  const std::lock_guard lock(mutex_);
  segments_[number].nonce = nonce;
}

void Index::add_messages(uint32_t segment, const std::vector<Message>& messages) {
  const std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const Message& message : messages) {
    if (++count % at_once == 0) mutex_.give_way();
    // A start may learn only behind a copy that what was copied counts.
    if (place_of({segment, message.offset}) != MessageId{segment, message.offset}) continue;
    insert(segments_[segment], message.offset,
           {{message.meta_length, message.body_length, message.recipients, message.recipients, false}, {}});
  }
}

uint64_t Index::bytes_of(const Entry& entry) {
  return aligned(record_header_size + uint64_t{entry.meta_length} + entry.body_length);
}

Index::Entry Index::unpack_entry(std::string_view value) {
  PackedReader reader(value);
  Entry entry;
  entry.meta_length = static_cast<uint32_t>(reader.number());
  entry.body_length = static_cast<uint32_t>(reader.number());
  const uint64_t recipients = reader.number();
  entry.recipients = static_cast<uint32_t>(recipients >> 1);
  entry.noted = (recipients & 1) != 0;
  entry.left = entry.recipients == 1 ? 1 : load<uint32_t>(reader.bytes(sizeof entry.left).data());
  return entry;
}

std::optional<Index::Entry> Index::entry_at(const Segment& segment, uint32_t offset) {
  const auto value = segment.live.find({offset, 0});
  if (!value) return std::nullopt;
  return unpack_entry(*value);
}

// Always of the same length for the same message.
void Index::put_entry(Segment& segment, uint32_t offset, const Entry& entry) {
  std::string value;
  put_varint(value, entry.meta_length);
  put_varint(value, entry.body_length);
  put_varint(value, uint64_t{entry.recipients} << 1 | (entry.noted ? 1 : 0));
  if (entry.recipients != 1) put(value, entry.left);  // of one: it would not be here without
  segment.live.assign({offset, 0}, value);
}

void Index::insert(Segment& segment, uint32_t offset, const Taken& taken) {
  if (auto before = extract(segment, offset)) drop_states(*before);
  put_entry(segment, offset, taken.entry);
  for (uint32_t part = 0; part < taken.states.size(); ++part)
    if (!taken.states[part].empty()) segment.live.insert({offset, part + 1}, taken.states[part]);
  ++segment.count;
  if (taken.entry.noted) segment.noted += taken.entry.recipients;
  segment.live_bytes += bytes_of(taken.entry);
  ++messages_;
}

std::optional<Index::Taken> Index::extract(Segment& segment, uint32_t offset) {
  const auto entry = entry_at(segment, offset);
  if (!entry) return std::nullopt;
  Taken taken{*entry, {}};
  segment.live.erase({offset, 0});
  if (entry->noted) {
    segment.noted -= entry->recipients;
    taken.states.resize(part_of(entry->recipients - 1));
    segment.live.each({offset, 1}, [&](PackedMap::Key key, std::string_view value) {
      if (key.major == offset) taken.states[key.minor - 1] = value;
      return key.major == offset;
    });
    for (uint32_t part = 0; part < taken.states.size(); ++part)
      if (!taken.states[part].empty()) segment.live.erase({offset, part + 1});
  }
  segment.live_bytes -= bytes_of(taken.entry);
  --messages_;
  if (--segment.count == 0) changed_ = true;
  return taken;
}

void Index::set_bytes(uint32_t segment, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  segments_[segment].bytes = bytes;
}

void Index::seal(uint32_t segment) {
  const std::lock_guard lock(mutex_);
  segments_[segment].sealed = true;
  changed_ = true;
}

void Index::keep(uint32_t segment) {
  const std::lock_guard lock(mutex_);
  // At run time it may just have been removed.
  if (const auto found = segments_.find(segment); found != segments_.end()) found->second.kept = true;
}

void Index::pin(uint32_t segment) {
  const std::lock_guard lock(mutex_);
  ++segments_[segment].pins;
}

void Index::unpin(uint32_t segment) {
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(segment);
  if (found != segments_.end() && --found->second.pins == 0) changed_ = true;
}

void Index::add_receipt(uint32_t segment, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  segments_[segment].receipt_bytes += bytes;
}

void Index::drop_receipt(uint32_t segment, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(segment);
  if (found == segments_.end()) return;
  found->second.receipt_bytes -= bytes;
  if (found->second.finished()) changed_ = true;
}

Index::Applied Index::apply(const JournalEntry& entry, std::optional<Rest>* rest) {
  const std::lock_guard lock(mutex_);
  const MessageId place = place_of(entry.target);
  const auto segment = segments_.find(place.segment);
  if (segment == segments_.end()) return Applied::unknown;
  const auto message = entry_at(segment->second, place.offset);
  if (!message) return Applied::unknown;
  if (entry.recipient != JournalEntry::whole_message) {
    if (entry.recipient >= message->recipients) return Applied::unknown;
    if (message->noted) {
      const auto known = state_at(segment->second, place.offset, entry.recipient);
      if (known && known->state != State::pending) return Applied::already;
    }
    // The last one: no need to note it.
    if (message->left > 1 || entry.state.state == State::pending) {
      set_state(segment->second, place.offset, entry.recipient, entry.state);
      return Applied::pending;
    }
  }
  drop_states(*extract(segment->second, place.offset));
  if (rest != nullptr) *rest = take_rest(segment->second, place.offset);
  return Applied::finished;
}

void Index::add_target(uint32_t holder, uint32_t target) {
  const std::lock_guard lock(mutex_);
  note_target(holder, target);
}

void Index::add_target(uint32_t holder, MessageId id) {
  const std::lock_guard lock(mutex_);
  note_target(holder, place_of(id).segment);
}

void Index::note_target(uint32_t holder, uint32_t target) {
  if (holder == target || !segments_.contains(target)) return;
  auto& targets = segments_[holder].targets;
  const auto place = std::lower_bound(targets.begin(), targets.end(), target);
  if (place == targets.end() || *place != target) targets.insert(place, target);
}

void Index::add_checkpoint(uint32_t holder, const Checkpoint& checkpoint, bool restore) {
  std::map<uint32_t, const CheckpointMessage*> listed;
  if (restore)
    for (const CheckpointMessage& message : checkpoint.messages) listed[message.offset] = &message;
  {
    const std::lock_guard lock(mutex_);
    note_target(holder, checkpoint.segment);
    const auto found = segments_.find(checkpoint.segment);
    if (found == segments_.end()) return;
    found->second.checkpoint = std::max(found->second.checkpoint, holder);
    changed_ = true;
  }
  if (!restore) return;
  std::vector<std::pair<uint32_t, Entry>> all;
  each_live(checkpoint.segment, [&](const Segment&, uint32_t offset, const Entry& entry) {
    all.emplace_back(offset, entry);
    return size_t{0};
  });
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(checkpoint.segment);
  if (found == segments_.end()) return;
  Segment& segment = found->second;
  size_t count = 0;
  for (const auto& [offset, entry] : all) {
    if (++count % at_once == 0) mutex_.give_way();  // a start restores it: the segment stays
    const auto said = listed.find(offset);
    const bool states =
        said != listed.end() && !said->second->states.empty() && said->second->states.size() == entry.recipients;
    if (said != listed.end() && !states) continue;
    drop_states(*extract(segment, offset));
    if (states) put_restored(segment, offset, entry, said->second->states);
  }
}

// As a message that is not there, with these states: none when they say that it is finished.
void Index::put_restored(Segment& segment, uint32_t offset, Entry entry, const std::vector<RecipientState>& states) {
  if (std::ranges::none_of(states, [](const auto& state) { return state.state == State::pending; })) return;
  entry.left = entry.recipients;
  entry.noted = false;
  insert(segment, offset, {entry, {}});
  for (uint32_t i = 0; i < entry.recipients; ++i)
    if (states[i] != RecipientState{}) set_state(segment, offset, i, states[i]);
}

void Index::add_rest(MessageId id, const Rest& rest) {
  const std::lock_guard lock(mutex_);
  const MessageId place = place_of(id);
  segments_[place.segment].rests[place.offset] = rest;
}

void Index::add_unread(MessageId id) {
  const std::lock_guard lock(mutex_);
  const MessageId place = place_of(id);
  segments_[place.segment].unread.insert(place.offset);
}

void Index::read_at_last(MessageId id, const std::optional<Rest>& rest) {
  const std::lock_guard lock(mutex_);
  const MessageId place = place_of(id);
  const auto segment = segments_.find(place.segment);
  if (segment == segments_.end() || segment->second.unread.erase(place.offset) == 0) return;
  if (rest && entry_at(segment->second, place.offset)) segment->second.rests[place.offset] = *rest;
}

std::optional<Rest> Index::take_rest(MessageId id) {
  const std::lock_guard lock(mutex_);
  const MessageId place = place_of(id);
  const auto segment = segments_.find(place.segment);
  return segment == segments_.end() ? std::nullopt : take_rest(segment->second, place.offset);
}

std::optional<Rest> Index::take_rest(Segment& segment, uint32_t offset) {
  const auto node = segment.rests.extract(offset);
  if (node.empty()) return std::nullopt;
  changed_ = true;
  return node.mapped();
}

std::optional<Located> Index::find(MessageId id) const {
  const std::lock_guard lock(mutex_);
  const MessageId place = place_of(id);
  const auto segment = segments_.find(place.segment);
  if (segment == segments_.end()) return std::nullopt;
  const auto entry = entry_at(segment->second, place.offset);
  if (!entry) return std::nullopt;
  return Located{place, segment->second.nonce, entry->meta_length, entry->body_length,
                 states_of(segment->second, place.offset, *entry, false)};
}

std::vector<Index::Message> Index::live_in(uint32_t number) const {
  std::vector<Message> live;
  live.reserve(messages(number));
  each_live(number, [&](const Segment&, uint32_t offset, const Entry& entry) {
    live.push_back({offset, entry.meta_length, entry.body_length, entry.recipients});
    return size_t{0};
  });
  return live;
}

std::vector<MessageId> Index::ids_in(uint32_t number) const {
  std::vector<MessageId> ids;
  ids.reserve(messages(number));
  each_live(number, [&](const Segment& segment, uint32_t offset, const Entry&) {
    ids.push_back(id_at(number, segment, offset));
    return size_t{0};
  });
  return ids;
}

std::vector<MessageId> Index::live() const {
  std::vector<MessageId> ids;
  ids.reserve(messages());
  const auto next = [this](std::optional<uint32_t> after) -> std::optional<uint32_t> {
    const std::lock_guard lock(mutex_);
    const auto segment = after ? segments_.upper_bound(*after) : segments_.begin();
    return segment == segments_.end() ? std::nullopt : std::optional(segment->first);
  };
  for (auto number = next(std::nullopt); number; number = next(number))
    each_live(*number, [&](const Segment& segment, uint32_t offset, const Entry&) {
      ids.push_back(id_at(*number, segment, offset));
      return size_t{0};
    });
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());  // one that was copied meanwhile
  return ids;
}

uint64_t Index::messages(uint32_t segment) const {
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(segment);
  return found == segments_.end() ? 0 : found->second.count;
}

void Index::totals(uint64_t& segments, uint64_t& bytes) const {
  const std::lock_guard lock(mutex_);
  segments = segments_.size();
  bytes = 0;
  for (const auto& [number, segment] : segments_) {
    bytes += segment.bytes;
    for (const auto& [offset, rest] : segment.rests) bytes += rest.length;
  }
}

// Who changes a message while others are listed has it journalled behind the checkpoint: by the thread that
// plans it.
Checkpoint Index::checkpoint_of(uint32_t number) const {
  Checkpoint checkpoint;
  checkpoint.segment = number;
  checkpoint.messages.reserve(messages(number));
  each_live(number, [&](const Segment& segment, uint32_t offset, const Entry& entry) {
    checkpoint.messages.push_back({offset, states_of(segment, offset, entry, true)});
    return checkpoint.messages.back().states.size();
  });
  return checkpoint;
}

}  // namespace impulse::spool
