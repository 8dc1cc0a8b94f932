#include "spool/message_codec.h"

#include "spool/wire.h"

namespace impulse::spool {

namespace {

// Never renumbered. Tags from `must_understand` on may not be skipped.
enum Tag : uint8_t {
  tag_sender = 1,
  tag_recipient = 2,  // one for each
  tag_body_type = 3,
  tag_smtputf8 = 4,
  tag_received = 5,
  tag_client = 6,  // 4 or 16 bytes
  tag_helo = 7,
  tag_listener = 8,
  tag_trace = 9,
  tag_id_offset = 10,
  tag_node = 11,
};
constexpr uint8_t must_understand = 0x80;

void put_field(std::string& out, Tag tag, std::string_view value) {
  put(out, static_cast<uint8_t>(tag));
  size_t length = value.size();  // seven bits a byte, lowest first
  for (; length >= 0x80; length >>= 7) put(out, static_cast<uint8_t>(length | 0x80));
  put(out, static_cast<uint8_t>(length));
  out.append(value);
}

template <std::integral T>
void put_number(std::string& out, Tag tag, T value) {
  char bytes[sizeof(T)];
  store(bytes, value);
  put_field(out, tag, {bytes, sizeof bytes});
}

// The next field; false at the end or when the bytes are malformed (see reader.failed()).
bool next_field(WireReader& reader, uint8_t& tag, std::string_view& value) {
  if (reader.left() == 0) return false;
  tag = reader.get<uint8_t>();
  size_t length = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    const auto byte = reader.get<uint8_t>();
    length |= size_t{byte & 0x7FU} << shift;
    if ((byte & 0x80) == 0) break;
  }
  value = reader.take(length);
  return !reader.failed();
}

template <std::integral T>
bool get_number(std::string_view value, T& number) {
  if (value.size() != sizeof(T)) return false;
  number = load<T>(value.data());
  return true;
}

bool get_address(std::string_view value, IpAddress& address) {
  if (value.size() == 4) {
    const auto byte = [&](size_t i) { return uint32_t{static_cast<unsigned char>(value[i])}; };
    address = IpAddress::v4(byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3));
    return true;
  }
  std::array<uint8_t, 16> bytes{};
  if (value.size() != bytes.size()) return false;
  std::memcpy(bytes.data(), value.data(), bytes.size());
  address = IpAddress::v6(bytes);
  return true;
}

// False when the value is not one this field can have.
Result<> get_field(uint8_t tag, std::string_view value, MessageMeta& meta) {
  message::Envelope& envelope = meta.envelope;
  bool good = true;
  uint8_t small = 0;
  int64_t time = 0;
  switch (tag) {
    case tag_sender:
      envelope.sender = value;
      break;
    case tag_recipient:
      envelope.recipients.push_back({std::string(value)});
      break;
    case tag_body_type:
      good = get_number(value, small) && small <= static_cast<uint8_t>(message::BodyType::binary_mime);
      envelope.body_type = static_cast<message::BodyType>(small);
      break;
    case tag_smtputf8:
      good = get_number(value, small) && small <= 1;
      envelope.smtputf8 = small == 1;
      break;
    case tag_received:
      good = get_number(value, time);
      envelope.received = WallTime(Duration(time));
      break;
    case tag_client:
      good = get_address(value, envelope.client);
      break;
    case tag_helo:
      envelope.client_helo = value;
      break;
    case tag_listener:
      envelope.listener = value;
      break;
    case tag_trace:
      meta.trace = value;
      break;
    case tag_id_offset:
      good = get_number(value, meta.id_offset);
      break;
    case tag_node:
      meta.node = value;
      break;
    default:
      if (tag >= must_understand) return fail(Errc::unavailable, "message has field {}, of a newer version", tag);
      break;
  }
  if (!good) return fail(Errc::invalid, "message field {} is malformed", tag);
  return {};
}

}  // namespace

void encode_message(const Incoming& message, std::string_view node, std::string& out) {
  const message::Envelope& envelope = message.envelope;
  if (!envelope.sender.empty()) put_field(out, tag_sender, envelope.sender);
  for (const auto& recipient : envelope.recipients) put_field(out, tag_recipient, recipient.address);
  if (envelope.body_type != message::BodyType::seven_bit)
    put_number(out, tag_body_type, static_cast<uint8_t>(envelope.body_type));
  if (envelope.smtputf8) put_number(out, tag_smtputf8, uint8_t{1});
  put_number(out, tag_received, int64_t{envelope.received.time_since_epoch().count()});
  const auto& address = envelope.client.bytes();
  put_field(out, tag_client, {reinterpret_cast<const char*>(address.data()), envelope.client.is_v4() ? 4U : 16U});
  if (!envelope.client_helo.empty()) put_field(out, tag_helo, envelope.client_helo);
  if (!envelope.listener.empty()) put_field(out, tag_listener, envelope.listener);
  if (!message.trace.empty()) put_field(out, tag_trace, message.trace);
  if (message.id_offset != Incoming::no_id) {
    put_number(out, tag_id_offset, message.id_offset);
    put_field(out, tag_node, node);
  }
}

std::string MessageMeta::trace_with(MessageId id) const {
  if (id_offset == Incoming::no_id) return trace;
  std::string whole;
  whole.reserve(trace_size());
  whole.append(trace, 0, id_offset);
  whole += id.to_string(node);
  whole.append(trace, id_offset);
  return whole;
}

Result<MessageMeta> decode_message(std::string_view bytes) {
  MessageMeta meta;
  WireReader reader(bytes);
  uint8_t tag = 0;
  std::string_view value;
  while (next_field(reader, tag, value))
    if (auto got = get_field(tag, value, meta); !got) return std::unexpected(got.error());
  if (reader.failed()) return fail(Errc::invalid, "message fields are cut short");
  if (meta.envelope.recipients.empty()) return fail(Errc::invalid, "message has no recipients");
  if (meta.id_offset != Incoming::no_id && meta.id_offset > meta.trace.size())
    return fail(Errc::invalid, "message has its id outside of its trace");
  return meta;
}

Result<uint32_t> count_recipients(std::string_view bytes) {
  WireReader reader(bytes);
  uint8_t tag = 0;
  std::string_view value;
  uint32_t count = 0;
  while (next_field(reader, tag, value)) count += tag == tag_recipient ? 1 : 0;
  if (reader.failed() || count == 0) return fail(Errc::invalid, "message fields are malformed");
  return count;
}

}  // namespace impulse::spool
