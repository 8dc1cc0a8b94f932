// What is known of recipients, as it is kept: packed, error texts and bindings once.
#include "base/varint.h"
#include "spool/index.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace impulse::spool {

namespace {

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

}  // namespace

void Index::drop_states(const Taken& taken) {
  for (const std::string& part : taken.states)
    for (const Note& note : unpack(part))
      for (const auto& text : {note.error, note.binding})
        if (text) texts_.drop(*text);
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

std::string Index::last_error(MessageId id, uint32_t recipient) const {
  const std::lock_guard lock(mutex_);
  const MessageId place = place_of(id);
  const auto segment = segments_.find(place.segment);
  if (segment == segments_.end()) return {};
  auto state = state_at(segment->second, place.offset, recipient);
  return state ? std::move(state->last_error) : std::string();
}

}  // namespace impulse::spool
