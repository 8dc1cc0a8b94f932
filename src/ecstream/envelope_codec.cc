#include "ecstream/envelope_codec.h"

#include "ecstream/wire.h"

#include <algorithm>
#include <bitset>

namespace impulse::ecstream {

namespace {

enum Tag : uint8_t {
  tag_sender = 0x01,
  tag_recipient = 0x02,
  tag_notify = 0x03,
  tag_orcpt = 0x04,
  tag_body_type = 0x10,
  tag_smtputf8 = 0x11,
  tag_ret = 0x12,
  tag_envid = 0x13,
  tag_auth = 0x14,
  tag_deliver_by = 0x15,
  tag_hold_for = 0x16,
  tag_hold_until = 0x17,
  tag_priority = 0x18,
  tag_require_tls = 0x19,
  tag_size = 0x1A,
  tag_context = 0x20,
};
constexpr uint8_t first_ignorable = 0x80;

uint8_t octet(std::string_view value) { return static_cast<uint8_t>(value.front()); }

class Decoder {
 public:
  DecodedHead run(std::string_view fields);

 private:
  void take(const Field& field);
  void fault(EnvelopeFault fault, uint8_t tag) {
    if (found_.fault != EnvelopeFault::none) return;
    found_.fault = fault;
    found_.tag = tag;
  }
  void context(const Field& field);
  void of_recipient(const Field& field);

  DecodedHead found_;
  std::bitset<256> seen_;
  bool notify_ = false;  // of the last recipient
};

void Decoder::of_recipient(const Field& field) {
  std::vector<message::Recipient>& recipients = found_.head.recipients;
  if (recipients.empty()) return fault(EnvelopeFault::value, field.tag);
  message::Recipient& recipient = recipients.back();
  if (field.tag == tag_notify) {
    if (notify_) return fault(EnvelopeFault::twice, field.tag);
    notify_ = true;
    if (field.value.size() != 1) return fault(EnvelopeFault::value, field.tag);
    const uint8_t bits = octet(field.value);
    if (bits == 0 || bits > 15 || ((bits & message::notify::never) != 0 && bits != message::notify::never))
      return fault(EnvelopeFault::value, field.tag);
    recipient.notify = bits;
    return;
  }
  if (!recipient.orcpt.empty()) return fault(EnvelopeFault::twice, field.tag);
  if (field.value.empty()) return fault(EnvelopeFault::value, field.tag);
  recipient.orcpt = field.value;
}

void Decoder::context(const Field& field) {
  Reader reader(field.value);
  const std::string_view key = reader.short_text();
  auto& context = found_.head.context;
  if (reader.bad() || key.empty() || context.size() >= max_context) return fault(EnvelopeFault::value, field.tag);
  if (std::any_of(context.begin(), context.end(), [&](const auto& each) { return each.first == key; }))
    return fault(EnvelopeFault::twice, field.tag);
  context.emplace_back(key, reader.rest());
}

void Decoder::take(const Field& field) {
  MessageHead& head = found_.head;
  const std::string_view value = field.value;
  const bool repeats = field.tag == tag_recipient || field.tag == tag_notify || field.tag == tag_orcpt ||
                       field.tag == tag_context || field.tag >= first_ignorable;
  if (seen_.test(field.tag) && !repeats) return fault(EnvelopeFault::twice, field.tag);
  seen_.set(field.tag);
  const auto size_is = [&](size_t size) {
    if (value.size() != size) fault(EnvelopeFault::value, field.tag);
    return value.size() == size;
  };
  const auto within = [&](bool good) {
    if (!good) fault(EnvelopeFault::value, field.tag);
    return good;
  };
  switch (field.tag) {
    case tag_sender:
      head.sender = value;
      break;
    case tag_recipient:
      head.recipients.push_back({std::string(value)});
      notify_ = false;
      break;
    case tag_notify:
    case tag_orcpt:
      of_recipient(field);
      break;
    case tag_body_type:
      if (size_is(1) && within(octet(value) <= 2)) head.body_type = static_cast<message::BodyType>(octet(value));
      break;
    case tag_smtputf8:
      head.smtputf8 = size_is(0);
      break;
    case tag_ret:
      if (size_is(1) && within(octet(value) == 1 || octet(value) == 2))
        head.ret = static_cast<message::Ret>(octet(value));
      break;
    case tag_envid:
      if (within(!value.empty())) head.envid = value;
      break;
    case tag_auth:
      if (within(!value.empty())) head.auth = value;
      break;
    case tag_deliver_by:
      if (size_is(6) && within((value[4] == 'R' || value[4] == 'N') && static_cast<uint8_t>(value[5]) <= 1))
        head.deliver_by = {static_cast<int32_t>(get<uint32_t>(value)), value[4], value[5] == 1};
      break;
    case tag_hold_for:
      if (size_is(4)) head.hold_for = get<uint32_t>(value);
      break;
    case tag_hold_until:
      if (size_is(8)) head.hold_until = get<uint64_t>(value);
      break;
    case tag_priority:
      if (size_is(1)) {
        const auto priority = static_cast<int8_t>(octet(value));
        if (within(priority >= -9 && priority <= 9)) head.priority = priority;
      }
      break;
    case tag_require_tls:
      head.require_tls = size_is(0);
      break;
    case tag_size:
      if (size_is(8)) head.size = get<uint64_t>(value);
      break;
    case tag_context:
      context(field);
      break;
    default:
      if (field.tag < first_ignorable) fault(EnvelopeFault::unknown_field, field.tag);
      break;
  }
}

DecodedHead Decoder::run(std::string_view fields) {
  Reader reader(fields);
  bool first = true;
  while (const std::optional<Field> field = next_field(reader)) {
    if (first && field->tag != tag_sender) fault(EnvelopeFault::no_sender, tag_sender);
    first = false;
    take(*field);
  }
  if (reader.bad()) {
    found_.fault = EnvelopeFault::layout;
    found_.tag = 0;
  } else if (first) {
    fault(EnvelopeFault::no_sender, tag_sender);
  }
  return std::move(found_);
}

}  // namespace

DecodedHead decode_envelope(std::string_view fields) { return Decoder().run(fields); }

Result<std::string> encode(const MessageHead& head) {
  std::string fields;
  bool fits = true;
  const auto text = [&](uint8_t tag, std::string_view value) {
    fits = fits && value.size() <= UINT16_MAX;
    if (fits) put_field(fields, tag, value);
  };
  text(tag_sender, head.sender);
  for (const message::Recipient& recipient : head.recipients) {
    text(tag_recipient, recipient.address);
    if (recipient.notify != 0) put_field(fields, tag_notify, recipient.notify);
    if (!recipient.orcpt.empty()) text(tag_orcpt, recipient.orcpt);
  }
  if (head.body_type != message::BodyType::seven_bit)
    put_field(fields, tag_body_type, static_cast<uint8_t>(head.body_type));
  if (head.smtputf8) text(tag_smtputf8, "");
  if (head.ret != message::Ret::not_given) put_field(fields, tag_ret, static_cast<uint8_t>(head.ret));
  if (!head.envid.empty()) text(tag_envid, head.envid);
  if (!head.auth.empty()) text(tag_auth, head.auth);
  if (head.deliver_by) {
    std::string value;
    put(value, static_cast<uint32_t>(head.deliver_by->seconds));
    value += head.deliver_by->mode;
    value += head.deliver_by->trace ? '\1' : '\0';
    text(tag_deliver_by, value);
  }
  if (head.hold_for) put_field(fields, tag_hold_for, *head.hold_for);
  if (head.hold_until) put_field(fields, tag_hold_until, *head.hold_until);
  if (head.priority != 0) put_field(fields, tag_priority, static_cast<uint8_t>(head.priority));
  if (head.require_tls) text(tag_require_tls, "");
  if (head.size) put_field(fields, tag_size, *head.size);
  for (const auto& [key, value] : head.context) {
    fits = fits && !key.empty() && key.size() <= UINT8_MAX && value.size() < UINT16_MAX - key.size();
    if (!fits) break;
    std::string both;
    put_short_text(both, key);
    text(tag_context, both + value);
  }
  if (!fits) return fail(Errc::invalid, "a part of the envelope is too long");
  return fields;
}

bool set_deliver_by(std::string& fields, int32_t seconds) {
  Reader reader(fields);
  while (const std::optional<Field> field = next_field(reader)) {
    if (field->tag != tag_deliver_by) continue;
    std::string octets;
    put(octets, static_cast<uint32_t>(seconds));
    fields.replace(static_cast<size_t>(field->value.data() - fields.data()), octets.size(), octets);
    return true;
  }
  return false;
}

}  // namespace impulse::ecstream
