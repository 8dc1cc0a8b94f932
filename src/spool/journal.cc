#include "spool/journal.h"

namespace impulse::spool {

namespace {

constexpr size_t message_size = 16;
constexpr size_t other_size = 12;
constexpr size_t member_size = message_size + 8;

void put_message(const Footer::Message& message, std::string& out) {
  put(out, message.offset);
  put(out, message.meta_length);
  put(out, message.body_length);
  put(out, message.recipients);
}

void get_message(WireReader& reader, Footer::Message& message) {
  message.offset = reader.get<uint32_t>();
  message.meta_length = reader.get<uint32_t>();
  message.body_length = reader.get<uint32_t>();
  message.recipients = reader.get<uint32_t>();
}

}  // namespace

std::string_view cut_error(std::string_view text) {
  if (text.size() <= max_error_text) return text;
  size_t size = max_error_text;
  while (size > max_error_text - 4 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

void encode_state(const RecipientState& state, std::string& out) {
  const std::string_view error = cut_error(state.last_error);
  put(out, static_cast<uint8_t>(state.state));
  const std::string_view binding = std::string_view(state.binding).substr(0, max_binding_name);
  put(out, static_cast<uint8_t>(binding.size()));
  put(out, static_cast<uint16_t>(error.size() + binding.size()));
  put(out, state.attempts);
  put(out, int64_t{state.next_attempt.time_since_epoch().count()});
  out.append(error);
  out.append(binding);
}

bool decode_state(WireReader& reader, RecipientState& state) {
  const auto number = reader.get<uint8_t>();
  const auto binding = reader.get<uint8_t>();
  const auto length = reader.get<uint16_t>();
  state.state = static_cast<State>(number);
  state.attempts = reader.get<uint32_t>();
  state.next_attempt = WallTime(Duration(reader.get<int64_t>()));
  if (binding > length) return false;
  state.last_error = reader.take(length - size_t{binding});
  state.binding = reader.take(binding);
  return !reader.failed() && number <= static_cast<uint8_t>(State::expired);
}

void encode_entry(const JournalEntry& entry, std::string& out) {
  put(out, entry.target.segment);
  put(out, entry.target.offset);
  put(out, entry.recipient);
  encode_state(entry.state, out);
}

bool decode_entries(std::string_view payload, const std::function<void(const JournalEntry&)>& each) {
  WireReader reader(payload);
  JournalEntry entry;
  while (reader.left() > 0) {
    entry.target.segment = reader.get<uint32_t>();
    entry.target.offset = reader.get<uint32_t>();
    entry.recipient = reader.get<uint32_t>();
    if (!decode_state(reader, entry.state)) return false;
    each(entry);
  }
  return !reader.failed();
}

std::string Checkpoint::encode() const {
  std::string out;
  put(out, segment);
  put(out, static_cast<uint32_t>(messages.size()));
  for (const CheckpointMessage& message : messages) {
    put(out, message.offset);
    put(out, static_cast<uint32_t>(message.states.size()));
    for (const RecipientState& state : message.states) encode_state(state, out);
  }
  return out;
}

std::optional<Checkpoint> Checkpoint::decode(std::string_view payload) {
  WireReader reader(payload);
  Checkpoint checkpoint;
  checkpoint.segment = reader.get<uint32_t>();
  for (auto count = reader.get<uint32_t>(); count > 0; --count) {
    CheckpointMessage message;
    message.offset = reader.get<uint32_t>();
    for (auto states = reader.get<uint32_t>(); states > 0; --states)
      if (!decode_state(reader, message.states.emplace_back())) return std::nullopt;
    if (reader.failed()) return std::nullopt;
    checkpoint.messages.push_back(std::move(message));
  }
  if (reader.failed() || reader.left() > 0) return std::nullopt;
  return checkpoint;
}

std::string VoidRange::encode() const {
  std::string out;
  put(out, segment);
  put(out, offset);
  return out;
}

std::optional<VoidRange> VoidRange::decode(std::string_view payload) {
  WireReader reader(payload);
  VoidRange range;
  range.segment = reader.get<uint32_t>();
  range.offset = reader.get<uint32_t>();
  if (reader.failed() || reader.left() > 0) return std::nullopt;
  return range;
}

std::string encode_settled(const std::vector<uint64_t>& batches) {
  std::string out;
  for (const uint64_t batch : batches) put(out, batch);
  return out;
}

std::optional<std::vector<uint64_t>> decode_settled(std::string_view payload) {
  WireReader reader(payload);
  std::vector<uint64_t> batches;
  while (reader.left() > 0) batches.push_back(reader.get<uint64_t>());
  if (reader.failed()) return std::nullopt;
  return batches;
}

std::string Footer::encode() const {
  std::string out;
  out.reserve(12 + messages.size() * message_size + others.size() * other_size + members.size() * member_size);
  put(out, static_cast<uint32_t>(messages.size()));
  put(out, static_cast<uint32_t>(others.size()));
  for (const Message& message : messages) put_message(message, out);
  for (const Other& other : others) {
    put(out, static_cast<uint32_t>(other.type));
    put(out, other.offset);
    put(out, other.meta_length);
  }
  if (members.empty()) return out;
  put(out, static_cast<uint32_t>(members.size()));
  for (const Member& member : members) {
    put_message(member.message, out);
    put(out, member.batch);
  }
  return out;
}

std::optional<Footer> Footer::decode(std::string_view payload) {
  WireReader reader(payload);
  const auto messages = reader.get<uint32_t>();
  const auto others = reader.get<uint32_t>();
  if (reader.left() < uint64_t{messages} * message_size + uint64_t{others} * other_size) return std::nullopt;
  Footer footer;
  footer.messages.resize(messages);
  for (Message& message : footer.messages) get_message(reader, message);
  footer.others.resize(others);
  for (Other& other : footer.others) {
    other.type = static_cast<RecordType>(reader.get<uint32_t>());
    other.offset = reader.get<uint32_t>();
    other.meta_length = reader.get<uint32_t>();
  }
  if (reader.left() > 0) {
    const auto members = reader.get<uint32_t>();
    if (reader.left() != uint64_t{members} * member_size) return std::nullopt;
    footer.members.resize(members);
    for (Member& member : footer.members) {
      get_message(reader, member.message);
      member.batch = reader.get<uint64_t>();
    }
  }
  if (reader.failed()) return std::nullopt;
  return footer;
}

}  // namespace impulse::spool
