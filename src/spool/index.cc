#include "spool/index.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace impulse::spool {

namespace {

// Messages that are taken in before others have their turn at the lock.
constexpr size_t at_once = 1000;
// Recipients whose states are kept together.
constexpr uint32_t together = 16;
uint32_t part_of(uint32_t recipient) { return 1 + recipient / together; }

// A recipient's state as it is kept. The first byte: what state it is in; and
// whether more follows, since it was tried, and a binding, since it was given one.
struct Note {
  State state = State::pending;
  uint64_t attempts = 0;
  WallTime next_attempt{};
  std::optional<TextPool::Handle> error;
  std::optional<TextPool::Handle> binding;
};
constexpr uint8_t state_bits = 3;
constexpr uint8_t tried = 4;
constexpr uint8_t bound = 8;

std::vector<Note> unpack(std::string_view part) {
  std::vector<Note> notes;
  for (PackedReader reader(part); !reader.rest().empty();) {
    Note& note = notes.emplace_back();
    const uint8_t first = reader.byte();
    note.state = static_cast<State>(first & state_bits);
    if ((first & tried) != 0) {
      note.attempts = reader.number();
      note.next_attempt = WallTime(Duration(reader.signed_number()));
      if (const uint64_t error = reader.number(); error > 0) note.error = static_cast<TextPool::Handle>(error - 1);
    }
    if ((first & bound) != 0) note.binding = static_cast<TextPool::Handle>(reader.number());
  }
  return notes;
}

std::string pack(const std::vector<Note>& notes) {
  std::string part;
  for (const Note& note : notes) {
    const bool more = note.attempts > 0 || note.next_attempt != WallTime{} || note.error;
    part.push_back(
        static_cast<char>(static_cast<uint8_t>(note.state) | (more ? tried : 0) | (note.binding ? bound : 0)));
    if (more) {
      put_varint(part, note.attempts);
      put_varint(part, zigzag(note.next_attempt.time_since_epoch().count()));
      put_varint(part, note.error ? uint64_t{*note.error} + 1 : 0);
    }
    if (note.binding) put_varint(part, *note.binding);
  }
  return part;
}

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
void Index::each_live(const Segment& segment, Each each) {
  segment.live.each({}, [&](PackedMap::Key key, std::string_view value) {
    if (key.minor == 0) each(static_cast<uint32_t>(key.major), unpack_entry(value));
    return true;
  });
}

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

void Index::drop_states(const Taken& taken) {
  for (const std::string& part : taken.states)
    for (const Note& note : unpack(part))
      for (const auto& text : {note.error, note.binding})
        if (text) texts_.drop(*text);
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

std::optional<RecipientState> Index::state_at(const Segment& segment, uint32_t offset, uint32_t recipient) const {
  const auto part = segment.live.find({offset, part_of(recipient)});
  if (!part) return std::nullopt;
  std::vector<RecipientState> states = read_states(*part);
  return std::move(states[recipient % together]);
}

std::vector<RecipientState> Index::read_states(std::string_view part) const {
  std::vector<RecipientState> states;
  for (const Note& note : unpack(part))
    states.push_back({note.state, static_cast<uint32_t>(note.attempts), note.next_attempt,
                      note.error ? std::string(texts_.text(*note.error)) : std::string(),
                      note.binding ? std::string(texts_.text(*note.binding)) : std::string()});
  return states;
}

void Index::set_state(Segment& segment, uint32_t offset, uint32_t recipient, const RecipientState& state) {
  Entry entry = *entry_at(segment, offset);
  const PackedMap::Key key{offset, part_of(recipient)};
  std::vector<Note> notes;
  if (const auto part = segment.live.find(key))
    notes = unpack(*part);
  else
    notes.resize(std::min(together, entry.recipients - recipient / together * together));
  Note& note = notes[recipient % together];
  const auto error_before = note.error, binding_before = note.binding;
  if (note.state == State::pending && state.state != State::pending) --entry.left;
  note = {state.state, state.attempts, state.next_attempt, std::nullopt, binding_before};
  if (const std::string_view error = cut_error(state.last_error); !error.empty()) note.error = texts_.add(error);
  if (error_before) texts_.drop(*error_before);
  // Who does not say a binding leaves the one that was said before.
  if (!state.binding.empty()) {
    note.binding = texts_.add(std::string_view(state.binding).substr(0, max_binding_name));
    if (binding_before) texts_.drop(*binding_before);
  }
  if (!entry.noted) segment.noted += entry.recipients;
  entry.noted = true;
  put_entry(segment, offset, entry);
  segment.live.assign(key, pack(notes));
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
  const std::lock_guard lock(mutex_);
  note_target(holder, checkpoint.segment);
  const auto found = segments_.find(checkpoint.segment);
  if (found == segments_.end()) return;
  Segment& segment = found->second;
  segment.checkpoint = std::max(segment.checkpoint, holder);
  changed_ = true;
  if (!restore) return;
  std::vector<std::pair<uint32_t, Entry>> all;
  each_live(segment, [&](uint32_t offset, const Entry& entry) { all.emplace_back(offset, entry); });
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

void Index::add_rest(MessageId id, const Rest& rest) {
  const std::lock_guard lock(mutex_);
  const MessageId place = place_of(id);
  segments_[place.segment].rests[place.offset] = rest;
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

std::vector<RecipientState> Index::states_of(const Segment& segment, uint32_t offset, const Entry& entry,
                                             bool short_form) const {
  std::vector<RecipientState> states;
  if (!entry.noted && short_form) return states;
  states.resize(entry.recipients);
  if (!entry.noted) return states;
  segment.live.each({offset, 1}, [&](PackedMap::Key key, std::string_view value) {
    if (key.major != offset) return false;
    std::ranges::move(read_states(value), states.begin() + std::ptrdiff_t{key.minor - 1} * together);
    return true;
  });
  return states;
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

std::string Index::last_error(MessageId id, uint32_t recipient) const {
  const std::lock_guard lock(mutex_);
  const MessageId place = place_of(id);
  const auto segment = segments_.find(place.segment);
  if (segment == segments_.end()) return {};
  auto state = state_at(segment->second, place.offset, recipient);
  return state ? std::move(state->last_error) : std::string();
}

std::vector<Index::Message> Index::live_in(uint32_t number) const {
  std::vector<Message> messages;
  const std::lock_guard lock(mutex_);
  const auto segment = segments_.find(number);
  if (segment == segments_.end()) return messages;
  messages.reserve(segment->second.count);
  each_live(segment->second, [&](uint32_t offset, const Entry& entry) {
    messages.push_back({offset, entry.meta_length, entry.body_length, entry.recipients});
  });
  return messages;
}

std::vector<MessageId> Index::ids_in(uint32_t number) const {
  std::vector<MessageId> ids;
  for (const Message& message : live_in(number)) ids.push_back({number, message.offset});
  const std::lock_guard lock(mutex_);
  const auto segment = segments_.find(number);
  if (segment == segments_.end()) return {};
  for (MessageId& id : ids) id = id_at(number, segment->second, id.offset);
  return ids;
}

std::vector<MessageId> Index::live() const {
  std::vector<MessageId> ids;
  {
    const std::lock_guard lock(mutex_);
    ids.reserve(messages_);
    for (const auto& [number, segment] : segments_)
      each_live(segment, [&](uint32_t offset, const Entry&) { ids.push_back(id_at(number, segment, offset)); });
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

uint64_t Index::messages(uint32_t segment) const {
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(segment);
  return found == segments_.end() ? 0 : found->second.count;
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

void Index::totals(uint64_t& segments, uint64_t& bytes) const {
  const std::lock_guard lock(mutex_);
  segments = segments_.size();
  bytes = 0;
  for (const auto& [number, segment] : segments_) {
    bytes += segment.bytes;
    for (const auto& [offset, rest] : segment.rests) bytes += rest.length;
  }
}

Checkpoint Index::checkpoint_of(uint32_t number, const Segment& segment) const {
  Checkpoint checkpoint;
  checkpoint.segment = number;
  each_live(segment, [&](uint32_t offset, const Entry& entry) {
    checkpoint.messages.push_back({offset, states_of(segment, offset, entry, true)});
  });
  return checkpoint;
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
