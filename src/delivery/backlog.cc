// Messages packed into records.
#include "delivery/backlog.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace impulse::delivery {

namespace {

constexpr uint32_t together = 16;  // recipients of a part
constexpr size_t shortest = 4;     // texts below this are not worth a name

// The first byte of a record.
constexpr uint8_t has_deadline = 1;
constexpr uint8_t is_must_return = 2;
constexpr uint8_t is_traced = 4;
constexpr uint8_t has_many = 8;  // recipients; else it has one
constexpr uint8_t has_protocol = 16;

// In the low bits of the length of a recipient's local part.
constexpr uint64_t has_report = 1;
constexpr uint64_t has_notify = 2;
constexpr unsigned flag_bits = 2;

// A text in a record, or the name that it has in the pool.
struct Text {
  std::optional<TextPool::Handle> handle;
  std::string_view bytes;

  static Text read(PackedReader& reader) {
    const uint64_t number = reader.number();
    if ((number & 1) != 0) return {static_cast<TextPool::Handle>(number >> 1), {}};
    return {std::nullopt, reader.bytes(number >> 1)};
  }
  std::string_view in(const TextPool& pool) const { return handle ? pool.text(*handle) : bytes; }
};

void put_name(std::string& out, TextPool::Handle handle) { put_varint(out, uint64_t{handle} << 1 | 1); }

// From the last '@' on; of an address without one nothing.
std::string_view domain_part(std::string_view address) {
  return address.substr(std::min(address.rfind('@'), address.size()));
}

}  // namespace

struct Backlog::Person {
  uint8_t notify = 0;
  std::optional<int64_t> reported;
  std::string_view local;
  Text domain;
  std::string_view raw_domain;  // the same, as it is in the record
  size_t begin = 0;             // of it in its record
  size_t end = 0;

  static Person read(PackedReader& reader, std::string_view record) {
    Person one;
    one.begin = record.size() - reader.rest().size();
    const uint64_t number = reader.number();
    if ((number & has_notify) != 0) one.notify = reader.byte();
    if ((number & has_report) != 0) one.reported = reader.signed_number();
    one.local = reader.bytes(number >> flag_bits);
    const std::string_view rest = reader.rest();
    one.domain = Text::read(reader);
    one.raw_domain = rest.substr(0, rest.size() - reader.rest().size());
    one.end = record.size() - reader.rest().size();
    return one;
  }
  // All but the domain, which follows.
  void write(std::string& out) const {
    put_varint(out, uint64_t{local.size()} << flag_bits | (notify != 0 ? has_notify : 0) | (reported ? has_report : 0));
    if (notify != 0) out.push_back(static_cast<char>(notify));
    if (reported) put_varint(out, zigzag(*reported));
    out += local;
  }
};

struct Backlog::Head {
  static constexpr size_t pending_at = 1;  // where the number of many stands, as 32 bits

  uint8_t flags = 0;
  uint32_t pending = 1;
  uint32_t count = 1;
  int64_t received = 0;
  uint64_t size = 0;
  int64_t deadline = 0;  // from `received` on
  Text protocol;         // by its name
  Text sender;           // the whole of it, by its name; or its local part
  Text sender_domain;

  static Head read(PackedReader& reader) {
    Head head;
    head.flags = reader.byte();
    if ((head.flags & has_many) != 0) {
      std::memcpy(&head.pending, reader.bytes(sizeof head.pending).data(), sizeof head.pending);
      head.count = static_cast<uint32_t>(reader.number());
    }
    head.received = reader.signed_number();
    head.size = reader.number();
    if ((head.flags & has_deadline) != 0) head.deadline = reader.signed_number();
    if ((head.flags & has_protocol) != 0) head.protocol = Text::read(reader);
    head.sender = Text::read(reader);
    if (!head.sender.handle) head.sender_domain = Text::read(reader);
    return head;
  }
};

PackedMap::Key Backlog::key_of(MessageId id, uint32_t recipient) {
  return {uint64_t{id.segment} << 32 | id.offset, recipient / together};
}

// What is met twice within a while gets a name; so what comes once needs no place in the pool.
std::optional<TextPool::Handle> Backlog::shared(std::string_view text, Seen& seen_texts) {
  if (text.size() < shortest) return std::nullopt;
  if (const auto known = texts_.find(text)) {
    texts_.share(*known);
    return known;
  }
  const size_t hash = std::hash<std::string_view>()(text);
  uint32_t& seen = seen_texts[hash % seen_texts.size()];
  const auto mark = static_cast<uint32_t>(hash >> 32);
  if (seen == mark) return texts_.add(text);
  seen = mark;
  return std::nullopt;
}

void Backlog::put_domain(std::string& out, std::string_view domain) {
  if (const auto handle = shared(domain, seen_domains_)) return put_name(out, *handle);
  put_varint(out, uint64_t{domain.size()} << 1);
  out += domain;
}

void Backlog::put_sender(std::string& out, std::string_view address) {
  if (const auto handle = shared(address, seen_senders_)) return put_name(out, *handle);
  const std::string_view domain = domain_part(address);
  const std::string_view local = address.substr(0, address.size() - domain.size());
  put_varint(out, uint64_t{local.size()} << 1);
  out += local;
  put_domain(out, domain);
}

bool Backlog::add(MessageId id, const message::Envelope& envelope, uint64_t size, uint32_t pending) {
  if (parts_.find(key_of(id))) return false;
  if (messages_ == 0) base_ = envelope.received;
  const auto count = static_cast<uint32_t>(envelope.recipients.size());
  const WallTime deadline = envelope.deliver_by.deadline;
  uint8_t flags = deadline == WallTime{} ? uint8_t{0} : has_deadline;
  if (envelope.deliver_by.mode == 'R') flags |= is_must_return;
  if (envelope.deliver_by.trace) flags |= is_traced;
  if (count != 1 || pending != 1) flags |= has_many;
  if (!envelope.protocol.empty()) flags |= has_protocol;
  std::string record(1, static_cast<char>(flags));
  if ((flags & has_many) != 0) {
    char bytes[sizeof pending];
    std::memcpy(bytes, &pending, sizeof pending);
    record.append(bytes, sizeof bytes);
    put_varint(record, count);
  }
  put_varint(record, zigzag(distance(envelope.received)));
  put_varint(record, size);
  if (deadline != WallTime{}) put_varint(record, zigzag((deadline - envelope.received).count()));
  if (!envelope.protocol.empty()) put_name(record, texts_.add(envelope.protocol));  // there are few of them
  put_sender(record, envelope.sender);
  for (uint32_t number = 0; number < count; ++number) {
    if (number > 0 && number % together == 0) {
      parts_.insert(key_of(id, number - 1), record);
      record.clear();
    }
    const message::Recipient& recipient = envelope.recipients[number];
    const std::string_view domain = domain_part(recipient.address);
    Person person;
    person.notify = recipient.notify;
    person.local = std::string_view(recipient.address).substr(0, recipient.address.size() - domain.size());
    person.write(record);
    put_domain(record, domain);
  }
  parts_.insert(key_of(id, std::max(count, 1U) - 1), record);
  ++messages_;
  return true;
}

std::optional<Backlog::Message> Backlog::find(MessageId id) const {
  const auto record = parts_.find(key_of(id));
  if (!record) return std::nullopt;
  PackedReader reader(*record);
  const Head head = Head::read(reader);
  Message message;
  message.backlog_ = this;
  message.id_ = id;
  message.received_ = base_ + Duration(head.received);
  if ((head.flags & has_deadline) != 0) message.deadline_ = message.received_ + Duration(head.deadline);
  message.size_ = head.size;
  message.count_ = head.count;
  message.must_return_ = (head.flags & is_must_return) != 0;
  message.traced_ = (head.flags & is_traced) != 0;
  return message;
}

std::optional<Backlog::Person> Backlog::person(MessageId id, uint32_t recipient) const {
  const auto record = parts_.find(key_of(id, recipient));
  if (!record) return std::nullopt;
  PackedReader reader(*record);
  if (recipient < together) (void)Head::read(reader);
  for (uint32_t number = recipient % together; !reader.rest().empty(); --number) {
    const Person one = Person::read(reader, *record);
    if (number == 0) return one;
  }
  return std::nullopt;
}

std::string Backlog::protocol(MessageId id) const {
  const auto record = parts_.find(key_of(id));
  if (!record) return {};
  PackedReader reader(*record);
  return std::string(Head::read(reader).protocol.in(texts_));
}

std::string Backlog::sender(MessageId id) const {
  const auto record = parts_.find(key_of(id));
  if (!record) return {};
  PackedReader reader(*record);
  const Head head = Head::read(reader);
  std::string address(head.sender.in(texts_));
  if (!head.sender.handle) address += head.sender_domain.in(texts_);
  return address;
}

std::string Backlog::recipient(MessageId id, uint32_t number) const {
  const auto one = person(id, number);
  if (!one) return {};
  std::string address(one->local);
  address += one->domain.in(texts_);
  return address;
}

uint8_t Backlog::notify(MessageId id, uint32_t number) const {
  const auto one = person(id, number);
  return one ? one->notify : uint8_t{0};
}

void Backlog::done(MessageId id, uint32_t /*recipient*/) {
  const auto record = parts_.find(key_of(id));
  if (!record) return;
  PackedReader reader(*record);
  Head head = Head::read(reader);
  if (--head.pending == 0) return erase(id, head.count);
  std::string changed(*record);
  std::memcpy(changed.data() + Head::pending_at, &head.pending, sizeof head.pending);
  parts_.assign(key_of(id), changed);
}

void Backlog::erase(MessageId id, uint32_t recipients) {
  const auto drop = [this](const Text& text) {
    if (text.handle) texts_.drop(*text.handle);
  };
  for (uint32_t first = 0; first < std::max(recipients, 1U); first += together) {
    const auto record = parts_.find(key_of(id, first));
    if (!record) continue;
    PackedReader reader(*record);
    if (first == 0) {
      const Head head = Head::read(reader);
      drop(head.protocol);
      drop(head.sender);
      drop(head.sender_domain);
    }
    while (!reader.rest().empty()) drop(Person::read(reader, *record).domain);
    parts_.erase(key_of(id, first));
  }
  --messages_;
}

void Backlog::set_reported(MessageId id, uint32_t recipient, WallTime when) {
  auto one = person(id, recipient);
  if (!one) return;
  one->reported = distance(when);
  const std::string_view record = *parts_.find(key_of(id, recipient));
  std::string changed(record.substr(0, one->begin));
  one->write(changed);
  changed += one->raw_domain;
  changed += record.substr(one->end);
  parts_.assign(key_of(id, recipient), changed);
}

WallTime Backlog::reported(MessageId id, uint32_t recipient) const {
  const auto one = person(id, recipient);
  return one && one->reported ? base_ + Duration(*one->reported) : WallTime{};
}

}  // namespace impulse::delivery
