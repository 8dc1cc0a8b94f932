#include "spool/message_codec.h"

#include "spool/journal.h"
#include "spool/wire.h"

#include <algorithm>
#include <array>

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
  tag_dsn = 12,  // NOTIFY and ORCPT of the recipient before it: bits, text
  tag_ret = 13,
  tag_envid = 14,
  tag_auth = 15,
  tag_priority = 16,
  tag_hold_until = 17,
  tag_deliver_by = 18,  // deadline, mode, trace
  tag_tls_optional = 19,
  tag_user = 20,
  tag_tenant = 21,
  tag_client_port = 22,
  tag_client_name = 23,
  tag_context = 24,  // one for each: length of the key, key, value
  tag_told = 25,     // of a report: journal entries that count since it is there
  tag_binding = 26,
  tag_protocol = 27,
  tag_header = 28,        // one for each that is kept for the logs: length of the name, name, value
  tag_require_tls = 128,  // a version that knew nothing of it would send the message in the clear
  tag_rest = 129,         // number, length, checksum of the file where the body goes on
  tag_batch = 130,        // number of the batch it is a part of
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

bool get_flag(std::string_view value, bool& flag) {
  uint8_t small = 0;
  if (!get_number(value, small) || small > 1) return false;
  flag = small == 1;
  return true;
}

bool get_time(std::string_view value, WallTime& time) {
  int64_t microseconds = 0;
  if (!get_number(value, microseconds)) return false;
  time = WallTime(Duration(microseconds));
  return true;
}

template <typename Enum>
bool get_enum(std::string_view value, Enum& number, Enum last) {
  uint8_t small = 0;
  if (!get_number(value, small) || small > static_cast<uint8_t>(last)) return false;
  number = static_cast<Enum>(small);
  return true;
}

bool get_dsn(std::string_view value, message::Envelope& envelope) {
  if (envelope.recipients.empty() || value.empty() || static_cast<uint8_t>(value.front()) > 15) return false;
  message::Recipient& recipient = envelope.recipients.back();
  recipient.notify = static_cast<uint8_t>(value.front());
  recipient.orcpt = value.substr(1);
  return true;
}

bool get_deliver_by(std::string_view value, message::DeliverBy& by) {
  if (value.size() != 10 || (value[8] != 'R' && value[8] != 'N')) return false;
  by.mode = value[8];
  return get_time(value.substr(0, 8), by.deadline) && get_flag(value.substr(9), by.trace);
}

bool get_rest(std::string_view value, std::optional<Rest>& rest) {
  WireReader reader(value);
  Rest read;
  read.number = reader.get<uint64_t>();
  read.length = reader.get<uint64_t>();
  read.crc = reader.get<uint32_t>();
  if (rest || reader.failed() || reader.left() > 0) return false;
  rest = read;
  return true;
}

bool get_priority(std::string_view value, int8_t& priority) {
  return get_number(value, priority) && priority >= -9 && priority <= 9;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

bool get_pair(std::string_view value, Pairs& pairs) {
  WireReader reader(value);
  const auto length = reader.get<uint32_t>();
  const std::string_view key = reader.take(length);
  if (reader.failed()) return false;
  pairs.emplace_back(key, reader.take(reader.left()));
  return true;
}

// Fails when the value is not one this field can have.
Result<> get_field(uint8_t tag, std::string_view value, MessageMeta& meta) {
  message::Envelope& envelope = meta.envelope;
  bool good = true;
  switch (tag) {
    case tag_sender:
      envelope.sender = value;
      break;
    case tag_recipient:
      envelope.recipients.push_back({std::string(value)});
      break;
    case tag_dsn:
      good = get_dsn(value, envelope);
      break;
    case tag_body_type:
      good = get_enum(value, envelope.body_type, message::BodyType::binary_mime);
      break;
    case tag_smtputf8:
      good = get_flag(value, envelope.smtputf8);
      break;
    case tag_ret:
      good = get_enum(value, envelope.ret, message::Ret::hdrs);
      break;
    case tag_envid:
      envelope.envid = value;
      break;
    case tag_auth:
      envelope.auth = value;
      break;
    case tag_priority:
      good = get_priority(value, envelope.priority);
      break;
    case tag_hold_until:
      good = get_time(value, envelope.hold_until);
      break;
    case tag_deliver_by:
      good = get_deliver_by(value, envelope.deliver_by);
      break;
    case tag_require_tls:
      good = get_flag(value, envelope.require_tls);
      break;
    case tag_tls_optional:
      good = get_flag(value, envelope.tls_optional);
      break;
    case tag_received:
      good = get_time(value, envelope.received);
      break;
    case tag_client:
      good = get_address(value, envelope.client);
      break;
    case tag_client_port:
      good = get_number(value, envelope.client_port);
      break;
    case tag_client_name:
      envelope.client_name = value;
      break;
    case tag_helo:
      envelope.client_helo = value;
      break;
    case tag_listener:
      envelope.listener = value;
      break;
    case tag_user:
      envelope.user = value;
      break;
    case tag_tenant:
      envelope.tenant = value;
      break;
    case tag_binding:
      envelope.binding = value;
      break;
    case tag_context:
      good = get_pair(value, envelope.context);
      break;
    case tag_protocol:
      envelope.protocol = value;
      break;
    case tag_header:
      good = get_pair(value, envelope.headers);
      break;
    case tag_trace:
      meta.trace = value;
      break;
    case tag_id_offset:
      good = get_number(value, meta.id_offset);
      break;
    case tag_rest:
      good = get_rest(value, meta.rest);
      break;
    case tag_batch: {  // whether it counts was seen to before
      uint64_t batch = 0;
      good = get_number(value, batch);
      break;
    }
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

void put_text(std::string& out, Tag tag, std::string_view value) {
  if (!value.empty()) put_field(out, tag, value);
}
void put_flag(std::string& out, Tag tag, bool flag) {
  if (flag) put_number(out, tag, uint8_t{1});
}
void put_time(std::string& out, Tag tag, WallTime time) {
  put_number(out, tag, int64_t{time.time_since_epoch().count()});
}

void put_pairs(std::string& out, Tag tag, const Pairs& pairs) {
  for (const auto& [key, value] : pairs) {
    std::string pair;
    put(pair, static_cast<uint32_t>(key.size()));
    pair += key;
    pair += value;
    put_field(out, tag, pair);
  }
}

// What was asked for with MAIL. Values out of their range become the nearest
// one within: what is written must be readable.
void put_request(std::string& out, const message::Envelope& envelope) {
  if (envelope.body_type != message::BodyType::seven_bit)
    put_number(out, tag_body_type, static_cast<uint8_t>(envelope.body_type));
  put_flag(out, tag_smtputf8, envelope.smtputf8);
  if (envelope.ret != message::Ret::not_given) put_number(out, tag_ret, static_cast<uint8_t>(envelope.ret));
  put_text(out, tag_envid, envelope.envid);
  put_text(out, tag_auth, envelope.auth);
  if (envelope.priority != 0) put_number(out, tag_priority, std::clamp<int8_t>(envelope.priority, -9, 9));
  if (envelope.hold_until != WallTime{}) put_time(out, tag_hold_until, envelope.hold_until);
  if (const message::DeliverBy& by = envelope.deliver_by; by.given()) {
    std::string value;
    put(value, int64_t{by.deadline.time_since_epoch().count()});
    value += by.mode == 'R' ? 'R' : 'N';
    value += by.trace ? '\1' : '\0';
    put_field(out, tag_deliver_by, value);
  }
  put_flag(out, tag_require_tls, envelope.require_tls);
  put_flag(out, tag_tls_optional, envelope.tls_optional);
}

// Where the message came from.
void put_origin(std::string& out, const message::Envelope& envelope) {
  put_time(out, tag_received, envelope.received);
  const auto& address = envelope.client.bytes();
  put_field(out, tag_client, {reinterpret_cast<const char*>(address.data()), envelope.client.is_v4() ? 4U : 16U});
  if (envelope.client_port != 0) put_number(out, tag_client_port, envelope.client_port);
  put_text(out, tag_client_name, envelope.client_name);
  put_text(out, tag_helo, envelope.client_helo);
  put_text(out, tag_listener, envelope.listener);
  put_text(out, tag_user, envelope.user);
  put_text(out, tag_tenant, envelope.tenant);
  put_text(out, tag_binding, envelope.binding);
  put_pairs(out, tag_context, envelope.context);
  put_text(out, tag_protocol, envelope.protocol);
  put_pairs(out, tag_header, envelope.headers);
}

}  // namespace

void encode_message(const Incoming& message, std::string_view node, std::string& out) {
  const message::Envelope& envelope = message.envelope;
  put_text(out, tag_sender, envelope.sender);
  for (const auto& recipient : envelope.recipients) {
    put_field(out, tag_recipient, recipient.address);
    if (recipient.notify != 0 || !recipient.orcpt.empty())
      put_field(out, tag_dsn, static_cast<char>(recipient.notify & 15) + recipient.orcpt);
  }
  put_request(out, envelope);
  put_origin(out, envelope);
  put_text(out, tag_trace, message.trace);
  if (message.id_offset != Incoming::no_id) {
    put_number(out, tag_id_offset, message.id_offset);
    put_field(out, tag_node, node);
  }
  std::string told;
  for (const Told& each : message.told) encode_entry({each.id, each.recipient, each.state}, told);
  put_text(out, tag_told, told);
}

void encode_rest(const Rest& rest, std::string& out) {
  std::string value;
  put(value, rest.number);
  put(value, rest.length);
  put(value, rest.crc);
  put_field(out, tag_rest, value);
}

void encode_batch(uint64_t batch, std::string& out) { put_number(out, tag_batch, batch); }

uint64_t batch_of(std::string_view bytes) {
  WireReader reader(bytes);
  uint8_t tag = 0;
  std::string_view value;
  uint64_t batch = 0;
  while (next_field(reader, tag, value))
    if (tag == tag_batch) get_number(value, batch);
  return batch;
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

std::string told_in(std::string_view bytes) {
  WireReader reader(bytes);
  uint8_t tag = 0;
  std::string_view value;
  std::string told;
  while (next_field(reader, tag, value))
    if (tag == tag_told) told += value;
  return told;
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
