// Reads records one after the other, by their lengths, and never beyond the end.
#include "dns/message.h"

#include "base/text.h"

#include <algorithm>
#include <array>

namespace impulse::dns {
namespace {

constexpr unsigned max_jumps = 32;       // of one compressed name
constexpr unsigned max_aliases = 12;     // in a chain
constexpr size_t max_records = 1000;     // looked at in one message
constexpr uint32_t ttl_sign = 1U << 31;  // RFC 2181 §8: a TTL with it is 0
constexpr uint16_t class_in = 1;
constexpr uint16_t type_ns = 2;
constexpr uint16_t type_cname = 5;
constexpr uint16_t type_soa = 6;

bool is_name_char(char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; }

struct Record {
  std::string owner;
  uint16_t type = 0;
  uint32_t ttl = 0;
  size_t data = 0;  // where its data begin
  size_t size = 0;
};

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool good() const { return good_; }
  size_t at() const { return at_; }
  void skip(size_t count) {
    if (count > bytes_.size() - at_) good_ = false;
    if (good_) at_ += count;
  }
  uint16_t u16() {
    const size_t from = at_;
    skip(2);
    return good_ ? static_cast<uint16_t>(bytes_[from] << 8 | bytes_[from + 1]) : uint16_t{0};
  }
  uint32_t u32() {
    const uint32_t high = u16();
    return high << 16 | u16();
  }

  // In lower case, without a dot at its end. What cannot be a host's name comes
  // out as one that is none ("?"), so that it equals no name anybody asks for.
  std::string name() {
    std::string text;
    bool fit = true;
    size_t next = at_;
    size_t end = 0;  // behind the name where it stands; 0: not known yet
    unsigned jumps = 0;
    for (;;) {
      if (next >= bytes_.size()) return bad();
      const uint8_t length = bytes_[next];
      if (length >= 0xC0) {
        if (next + 1 >= bytes_.size() || ++jumps > max_jumps) return bad();
        const size_t to = static_cast<size_t>(length & 0x3F) << 8 | bytes_[next + 1];
        if (end == 0) end = next + 2;
        if (to >= next) return bad();  // backwards only
        next = to;
        continue;
      }
      if (length > 63) return bad();
      if (length == 0) break;
      if (length > bytes_.size() - next - 1 || text.size() + length + 1 > 255) return bad();
      if (!text.empty()) text += '.';
      for (size_t i = 1; i <= length; ++i) {
        const char c = static_cast<char>(bytes_[next + i]);
        fit = fit && is_name_char(c);
        text += to_lower(c);
      }
      next += size_t{1} + length;
    }
    at_ = end == 0 ? next + 1 : end;
    return fit ? text : "?";
  }

  Record record(bool& internet) {
    Record one;
    one.owner = name();
    one.type = u16();
    internet = u16() == class_in;
    one.ttl = u32();
    if ((one.ttl & ttl_sign) != 0) one.ttl = 0;
    one.size = u16();
    one.data = at_;
    skip(one.size);
    return one;
  }
  Reader inside(const Record& record) const {
    Reader reader(bytes_.first(record.data + record.size));
    reader.at_ = record.data;
    return reader;
  }

 private:
  std::string bad() {
    good_ = false;
    return {};
  }

  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  bool good_ = true;
};

void least(std::optional<uint32_t>& ttl, uint32_t other) { ttl = ttl ? std::min(*ttl, other) : other; }

void read_address(Message& message, Reader reader, const Record& record) {
  if (record.size != (record.type == static_cast<uint16_t>(Type::a) ? 4U : 16U)) return;
  IpAddress address;
  if (record.size == 4) {
    address = IpAddress::v4(reader.u32());
  } else {
    std::array<uint8_t, 16> bytes{};
    for (size_t i = 0; i < bytes.size(); i += 2) {
      const uint16_t pair = reader.u16();
      bytes[i] = static_cast<uint8_t>(pair >> 8);
      bytes[i + 1] = static_cast<uint8_t>(pair);
    }
    address = IpAddress::v6(bytes);
  }
  if (message.addresses.size() < max_addresses &&
      std::ranges::find(message.addresses, address) == message.addresses.end())
    message.addresses.push_back(address);
}

void read_exchange(Message& message, Reader reader) {
  Exchange exchange;
  exchange.preference = reader.u16();
  exchange.host = reader.name();
  if (!reader.good() || (!exchange.host.empty() && !is_host_name(exchange.host))) return;
  if (std::ranges::find(message.exchanges, exchange) == message.exchanges.end())
    message.exchanges.push_back(std::move(exchange));
}

std::string_view rcode_name(unsigned code) {
  switch (code) {
    case 1:
      return "FORMERR";
    case 2:
      return "SERVFAIL";
    case 4:
      return "NOTIMP";
    case 5:
      return "REFUSED";
    default:
      return "an error of the name server";
  }
}

// What the authority section says of that which is not there.
struct Authority {
  std::optional<uint32_t> ttl;
  bool referral = false;
};

Authority read_authority(Reader& reader, size_t count) {
  Authority found;
  for (size_t i = 0; i < count && reader.good(); ++i) {
    bool internet = false;
    const Record record = reader.record(internet);
    if (!reader.good() || !internet) continue;
    if (record.type == type_ns) found.referral = true;
    if (record.type != type_soa) continue;
    Reader soa = reader.inside(record);
    soa.name();
    soa.name();
    soa.skip(16);
    const uint32_t minimum = soa.u32();
    if (soa.good()) least(found.ttl, std::min(record.ttl, minimum));
  }
  return found;
}

}  // namespace

std::string_view type_name(Type type) { return type == Type::a ? "A" : type == Type::mx ? "MX" : "AAAA"; }

std::optional<Type> type_of(std::string_view name) {
  for (const Type type : {Type::a, Type::mx, Type::aaaa})
    if (iequals(name, type_name(type))) return type;
  return std::nullopt;
}

bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  for (const std::string_view label : split(name, '.'))
    if (label.empty() || label.size() > 63 || !std::ranges::all_of(label, is_name_char)) return false;
  return true;
}

Result<Message> parse(std::span<const uint8_t> bytes, std::string_view name, Type type) {
  Reader reader(bytes);
  reader.skip(2);
  const uint16_t flags = reader.u16();
  const size_t questions = reader.u16();
  const size_t answers = reader.u16();
  const size_t authorities = reader.u16();
  reader.skip(2);
  if (!reader.good() || (flags & 0x8000) == 0 || questions > 1 || answers > max_records || authorities > max_records)
    return fail(Errc::invalid, "a malformed answer");
  if (const unsigned code = flags & 0xF; code != 0 && code != 3) return fail(Errc::busy, "{}", rcode_name(code));
  if (questions == 1) {
    reader.name();
    reader.skip(4);
  }
  std::vector<Record> aliases;
  std::vector<Record> records;
  bool own = false;
  bool foreign = false;
  for (size_t i = 0; i < answers && reader.good(); ++i) {
    bool internet = false;
    Record record = reader.record(internet);
    if (!reader.good() || !internet) continue;
    (record.owner == name ? own : foreign) = true;
    if (record.type == static_cast<uint16_t>(type))
      records.push_back(std::move(record));
    else if (record.type == type_cname)
      aliases.push_back(std::move(record));
  }
  if (!reader.good()) return fail(Errc::invalid, "a malformed answer");

  Message message;
  message.name = name;
  const auto alias_of = [&](std::string_view owner) { return std::ranges::find(aliases, owner, &Record::owner); };
  unsigned steps = 0;
  for (auto alias = alias_of(message.name); alias != aliases.end(); alias = alias_of(message.name)) {
    if (++steps > max_aliases) return fail(Errc::busy, "a loop of aliases (CNAME), or too many of them");
    Reader target = reader.inside(*alias);
    message.name = target.name();
    if (!target.good() || !is_host_name(message.name)) return fail(Errc::invalid, "a malformed alias (CNAME)");
    least(message.ttl, alias->ttl);
  }
  for (const Record& record : records) {
    if (record.owner != message.name) continue;
    if (type == Type::mx)
      read_exchange(message, reader.inside(record));
    else
      read_address(message, reader.inside(record), record);
    least(message.ttl, record.ttl);
    message.kind = Message::Kind::records;
  }
  if (message.kind == Message::Kind::records && message.addresses.empty() && message.exchanges.empty())
    return fail(Errc::invalid, "no proper {} record among those of {}", type_name(type), message.name);
  if (message.kind == Message::Kind::records) {
    std::ranges::sort(message.exchanges);
    if (message.exchanges.size() > max_exchanges) message.exchanges.resize(max_exchanges);
    return message;
  }
  const Authority authority = read_authority(reader, authorities);
  if (!reader.good()) return fail(Errc::invalid, "a malformed answer");
  if ((flags & 0xF) == 3) {
    message.kind = Message::Kind::no_name;
  } else if (steps > 0 && !authority.ttl) {
    message.kind = Message::Kind::alias;
    return message;
  } else if (authority.referral && !authority.ttl && (flags & 0x80) == 0) {
    return fail(Errc::busy, "the name server does not look up names for others (a referral)");
  } else if (foreign && !own && !authority.ttl) {
    // That there is nothing would be a guess, and mail would be returned for it.
    return fail(Errc::invalid, "an answer with records of other names only");
  }
  if (authority.ttl)
    least(message.ttl, *authority.ttl);
  else
    message.ttl.reset();
  return message;
}

}  // namespace impulse::dns
