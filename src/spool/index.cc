#include "spool/index.h"

#include <algorithm>
#include <cstring>

namespace impulse::spool {

namespace {

// Bytes a message takes in a checkpoint, roughly: planning only.
constexpr uint64_t checkpoint_cost = 64;
constexpr uint64_t no_checkpoint = UINT64_MAX / 8;

}  // namespace

void Index::add_segment(uint32_t number, uint32_t nonce) {
  const std::lock_guard lock(mutex_);
  segments_[number].nonce = nonce;
}

void Index::add_messages(uint32_t segment, const std::vector<Message>& messages) {
  const std::lock_guard lock(mutex_);
  Segment& to = segments_[segment];
  for (const Message& message : messages) {
    // A start may learn only behind a copy that what was copied counts.
    if (place_of({segment, message.offset}) != MessageId{segment, message.offset}) continue;
    insert(to, message.offset,
           {message.meta_length, message.body_length, message.recipients, message.recipients, nullptr});
  }
}

uint64_t Index::bytes_of(const Entry& entry) {
  return aligned(record_header_size + uint64_t{entry.meta_length} + entry.body_length);
}

void Index::insert(Segment& segment, uint32_t offset, Entry entry) {
  const uint64_t bytes = bytes_of(entry);
  if (!segment.live.insert_or_assign(offset, std::move(entry)).second) return;
  segment.live_bytes += bytes;
  ++messages_;
}

Index::Entry Index::extract(Segment& segment, std::unordered_map<uint32_t, Entry>::iterator entry) {
  Entry taken = std::move(entry->second);
  segment.live_bytes -= bytes_of(taken);
  segment.live.erase(entry);
  --messages_;
  if (segment.live.empty()) changed_ = true;
  return taken;
}

MessageId Index::place_of(MessageId id) const {
  if (moved_.empty()) return id;
  const auto found = moved_.find(id);
  return found == moved_.end() ? id : found->second;
}

MessageId Index::id_at(uint32_t number, const Segment& segment, uint32_t offset) {
  if (!segment.homes.empty())
    if (const auto found = segment.homes.find(offset); found != segment.homes.end()) return found->second;
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

void Index::set_note(Entry& entry, uint32_t recipient, const RecipientState& state) {
  if (!entry.notes) entry.notes = std::make_unique<Note[]>(entry.recipients);
  Note& note = entry.notes[recipient];
  if (note.state == State::pending && state.state != State::pending) --entry.left;
  note.state = state.state;
  note.attempts = state.attempts;
  note.next_attempt = state.next_attempt;
  note.error.reset();
  if (const std::string_view error = cut_error(state.last_error); !error.empty()) {
    note.error = std::make_unique<char[]>(error.size() + 1);
    std::memcpy(note.error.get(), error.data(), error.size());
  }
}

Index::Applied Index::apply(const JournalEntry& entry) {
  const std::lock_guard lock(mutex_);
  const MessageId place = place_of(entry.target);
  const auto segment = segments_.find(place.segment);
  if (segment == segments_.end()) return Applied::unknown;
  const auto found = segment->second.live.find(place.offset);
  if (found == segment->second.live.end()) return Applied::unknown;
  Entry& message = found->second;
  if (entry.recipient != JournalEntry::whole_message) {
    if (entry.recipient >= message.recipients) return Applied::unknown;
    if (message.notes && message.notes[entry.recipient].state != State::pending) return Applied::already;
    // The last one: no need to note it.
    if (message.left > 1 || entry.state.state == State::pending) {
      set_note(message, entry.recipient, entry.state);
      return Applied::pending;
    }
  }
  (void)extract(segment->second, found);
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
  add_target(holder, checkpoint.segment);
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(checkpoint.segment);
  if (found == segments_.end()) return;
  Segment& segment = found->second;
  segment.checkpoint = std::max(segment.checkpoint, holder);
  changed_ = true;
  if (!restore) return;
  auto before = std::move(segment.live);
  segment.live.clear();
  segment.live_bytes = 0;
  messages_ -= before.size();
  for (const CheckpointMessage& message : checkpoint.messages) {
    const auto node = before.find(message.offset);
    if (node == before.end()) continue;
    Entry& entry = node->second;
    if (!message.states.empty() && message.states.size() == entry.recipients) {
      entry.notes.reset();
      entry.left = entry.recipients;
      for (uint32_t i = 0; i < entry.recipients; ++i) set_note(entry, i, message.states[i]);
      if (entry.left == 0) continue;
    }
    insert(segment, message.offset, std::move(entry));
  }
}

// A copy says of its message what lies elsewhere does not: so it stays as long as that does.
void Index::put_copy(MessageId id, uint32_t number, uint32_t offset) {
  note_target(number, place_of(id).segment);
  moved_[id] = {number, offset};
  segments_[number].homes[offset] = id;
}

void Index::move(MessageId id, uint32_t segment, const Message& record) {
  const std::lock_guard lock(mutex_);
  const MessageId from = place_of(id);
  put_copy(id, segment, record.offset);
  Segment& to = segments_[segment];
  const auto old = segments_.find(from.segment);
  if (old == segments_.end()) return;
  const auto found = old->second.live.find(from.offset);
  if (found == old->second.live.end()) return;  // finished meanwhile
  Entry entry = extract(old->second, found);
  entry.meta_length = record.meta_length;
  entry.body_length = record.body_length;
  insert(to, record.offset, std::move(entry));
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
  Entry before;
  if (const auto old = segments_.find(from.segment); old != segments_.end())
    if (const auto found = old->second.live.find(from.offset); found != old->second.live.end())
      before = extract(old->second, found);
  if (!live) return;
  Entry entry{record.meta_length, record.body_length, record.recipients, record.recipients, nullptr};
  for (uint32_t i = 0; i < record.recipients; ++i) {
    if (before.notes && i < before.recipients && before.notes[i].state != State::pending)
      set_note(entry, i, {before.notes[i].state, before.notes[i].attempts, {}, {}});
    else if (i < states.size())
      set_note(entry, i, states[i]);
  }
  if (entry.left > 0) insert(segments_[segment], record.offset, std::move(entry));
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
  if (segment == segments_.end()) return std::nullopt;
  const auto node = segment->second.rests.extract(place.offset);
  if (node.empty()) return std::nullopt;
  changed_ = true;
  return node.mapped();
}

std::vector<RecipientState> Index::states_of(const Entry& entry, bool short_form) {
  std::vector<RecipientState> states;
  if (!entry.notes && short_form) return states;
  states.resize(entry.recipients);
  for (uint32_t i = 0; entry.notes && i < entry.recipients; ++i) {
    const Note& note = entry.notes[i];
    states[i] = {note.state, note.attempts, note.next_attempt, note.error ? note.error.get() : ""};
  }
  return states;
}

std::optional<Located> Index::find(MessageId id) const {
  const std::lock_guard lock(mutex_);
  const MessageId place = place_of(id);
  const auto segment = segments_.find(place.segment);
  if (segment == segments_.end()) return std::nullopt;
  const auto entry = segment->second.live.find(place.offset);
  if (entry == segment->second.live.end()) return std::nullopt;
  return Located{place, segment->second.nonce, entry->second.meta_length, entry->second.body_length,
                 states_of(entry->second, false)};
}

std::vector<Index::Message> Index::live_in(uint32_t number) const {
  std::vector<Message> messages;
  {
    const std::lock_guard lock(mutex_);
    const auto segment = segments_.find(number);
    if (segment == segments_.end()) return messages;
    messages.reserve(segment->second.live.size());
    for (const auto& [offset, entry] : segment->second.live)
      messages.push_back({offset, entry.meta_length, entry.body_length, entry.recipients});
  }
  std::sort(messages.begin(), messages.end(), [](const auto& a, const auto& b) { return a.offset < b.offset; });
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
      for (const auto& [offset, entry] : segment.live) ids.push_back(id_at(number, segment, offset));
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
  for (const auto& [offset, entry] : segment.live) checkpoint.messages.push_back({offset, states_of(entry, true)});
  std::sort(checkpoint.messages.begin(), checkpoint.messages.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  return checkpoint;
}

bool Index::worth_removing(uint32_t number, const Segment& segment, std::vector<uint32_t>& needed_by) const {
  if (segment.receipt_bytes * 4 > segment.bytes) return false;
  uint64_t cost = 0;
  for (const uint32_t target : segment.targets) {
    const auto found = segments_.find(target);
    if (found == segments_.end() || found->second.checkpoint > number) continue;
    needed_by.push_back(target);
    cost += checkpoint_cost * (1 + found->second.live.size());
    // There may be messages in it that the index does not know: none may be left out as finished.
    if (found->second.kept) cost = no_checkpoint;
    if (cost * 4 > segment.bytes) break;  // before looking at each of them
    for (const auto& [offset, entry] : found->second.live)
      if (entry.notes) cost += checkpoint_cost * entry.recipients;
  }
  return needed_by.empty() || cost * 4 <= segment.bytes;
}

Index::Removal Index::plan_removal() const {
  const std::lock_guard lock(mutex_);
  Removal removal;
  if (segments_.empty()) return removal;
  // The newest one stays: its number is what keeps numbers growing.
  const uint32_t newest = segments_.rbegin()->first;
  std::vector<uint32_t> wanted;
  for (const auto& [number, segment] : segments_) {
    std::vector<uint32_t> needed_by;
    if (!segment.finished() || number == newest || !worth_removing(number, segment, needed_by)) continue;
    wanted.insert(wanted.end(), needed_by.begin(), needed_by.end());
    if (segment.receipt_bytes > 0)
      removal.receipts.push_back(number);
    else if (needed_by.empty())
      removal.removable.push_back(number);
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  // A segment that goes away by itself needs no checkpoint.
  std::erase_if(wanted, [&](uint32_t number) {
    return std::binary_search(removal.removable.begin(), removal.removable.end(), number);
  });
  for (const uint32_t number : wanted) removal.checkpoints.push_back(checkpoint_of(number, segments_.at(number)));
  return removal;
}

void Index::remove(uint32_t segment) {
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(segment);
  if (found == segments_.end()) return;
  for (const auto& [offset, id] : found->second.homes)
    if (const auto moved = moved_.find(id); moved != moved_.end() && moved->second == MessageId{segment, offset})
      moved_.erase(moved);
  segments_.erase(found);
  changed_ = true;
}

std::optional<uint32_t> Index::plan_compaction(uint64_t gain) const {
  const std::lock_guard lock(mutex_);
  std::optional<uint32_t> best;
  if (segments_.empty()) return best;
  const uint32_t newest = segments_.rbegin()->first;
  for (const auto& [number, segment] : segments_) {
    if (!segment.sealed || segment.kept || segment.left || segment.pins > 0 || segment.live.empty() ||
        number == newest || segment.live_bytes * 4 > segment.bytes || segment.bytes - segment.live_bytes < gain)
      continue;
    std::vector<uint32_t> needed_by;
    if (!worth_removing(number, segment, needed_by)) continue;
    gain = segment.bytes - segment.live_bytes;
    best = number;
  }
  return best;
}

void Index::leave(uint32_t segment) {
  const std::lock_guard lock(mutex_);
  if (const auto found = segments_.find(segment); found != segments_.end()) found->second.left = true;
}

}  // namespace impulse::spool
