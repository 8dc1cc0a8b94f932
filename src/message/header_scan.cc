#include "message/header_scan.h"

#include "base/text.h"

#include <algorithm>
#include <cstring>

namespace impulse::message {

namespace {

// RFC 5322 §3.6.8 ftext: printable ASCII but the colon.
constexpr std::array<bool, 256> name_bytes = [] {
  std::array<bool, 256> table{};
  for (size_t c = 33; c <= 126; ++c) table[c] = c != ':';
  return table;
}();

// Rewriter leaves lines of 78 octets alone; where it cuts, it may go back by a
// UTF-8 character and a CR.
constexpr uint64_t never_wrapped = 72;

// Eight bytes at a time: this looks at every byte of every header section.
bool has_eight_bit(std::string_view bytes) {
  uint64_t found = 0;
  size_t i = 0;
  for (uint64_t block = 0; i + sizeof block <= bytes.size(); i += sizeof block) {
    std::memcpy(&block, bytes.data() + i, sizeof block);
    found |= block;
  }
  for (; i < bytes.size(); ++i) found |= static_cast<unsigned char>(bytes[i]);
  return (found & 0x8080808080808080) != 0;
}

// Neighbours become one, so that many fields cost little.
void add(std::vector<Stretch>& stretches, uint64_t from, uint64_t to) {
  const Stretch next{static_cast<uint32_t>(from), static_cast<uint32_t>(to - from)};
  if (!stretches.empty() && stretches.back().at + stretches.back().size == next.at)
    stretches.back().size += next.size;
  else
    stretches.push_back(next);
}

}  // namespace

HeaderScan::Kind HeaderScan::kind_of(std::string_view name) {
  switch (name.size()) {
    case 4:
      if (iequals(name, "date")) return Kind::date;
      if (iequals(name, "from")) return Kind::from;
      break;
    case 8:
      if (iequals(name, "received")) return Kind::received;
      break;
    case 10:
      if (iequals(name, "message-id")) return Kind::message_id;
      break;
    case 12:
      if (iequals(name, "tls-required")) return Kind::tls_required;
      break;
    case 22:
      if (iequals(name, "authentication-results")) return Kind::results;
      break;
    default:
      break;
  }
  return Kind::other;
}

size_t HeaderScan::feed(std::string_view bytes) {
  if (done_ || finished_ || bytes.empty()) return 0;
  base_ = bytes.data();
  const char* at = base_;
  const char* const end = base_ + bytes.size();
  while (at != end && !done_) at = step(at, end);
  const auto used = static_cast<size_t>(at - base_);
  last_cr_ = bytes[used - 1] == '\r';
  facts_.eight_bit = facts_.eight_bit || has_eight_bit(bytes.substr(0, used));
  total_ += used;
  if (done_) facts_.size = total_;
  return used;
}

void HeaderScan::finish() {
  if (done_ || finished_) return;
  finished_ = true;
  if (at_ == At::name || at_ == At::space || at_ == At::cr) bad_line();
  end_field(total_);
  if (at_ != At::line_start) end_line(total_, last_cr_ ? 1 : 0);
  facts_.size = total_;
}

const char* HeaderScan::step(const char* at, const char* end) {
  const auto position = [&] { return total_ + static_cast<uint64_t>(at - base_); };
  switch (at_) {
    case At::line_start:
      at = start_line(at, position());
      if (at_ == At::name) at = read_name(at, end);
      if (at == end || at_ != At::rest) return at;
      break;  // on to the line's end
    case At::cr:
      if (*at == '\n') {
        done_ = true;
        return at + 1;
      }
      bad_line();  // a lone CR opened the line
      at_ = At::rest;
      return at;
    case At::name:
      return read_name(at, end);
    case At::space:
      while (at != end && (*at == ' ' || *at == '\t')) ++at;
      if (at == end) return at;
      if (*at == ':') {
        start_field({name_.data(), name_size_});
        return at + 1;
      }
      bad_line();
      at_ = At::rest;
      return at;
    case At::value:
      if (!name_is_read()) {
        while (at != end && *at != '\n' && !name_is_read()) watch_.take(*at++);
        distant_ = distant_ || position() - line_at_ > never_wrapped;
      }
      if (at == end) return at;
      if (*at == '\n') watch_.take('\n');
      break;
    case At::rest:
      break;
  }
  const auto* const line_end = static_cast<const char*>(std::memchr(at, '\n', static_cast<size_t>(end - at)));
  if (line_end == nullptr) return end;
  const bool cr = line_end == base_ ? last_cr_ : line_end[-1] == '\r';
  at = line_end + 1;
  end_line(position(), cr ? 2 : 1);
  return at;
}

const char* HeaderScan::start_line(const char* at, uint64_t position) {
  line_at_ = position;
  if (*at == ' ' || *at == '\t') {
    if (!in_field_ && first_) bad_line();
    const bool watching = in_field_ && (kind_ == Kind::tls_required || kind_ == Kind::results) && !name_is_read();
    at_ = watching ? At::value : At::rest;
    return at;
  }
  end_field(position);
  if (*at == '\r') {
    at_ = At::cr;
    return at + 1;
  }
  if (*at == '\n') {
    done_ = true;
    return at + 1;
  }
  field_at_ = position;
  name_size_ = 0;
  at_ = At::name;
  return at;
}

const char* HeaderScan::read_name(const char* at, const char* end) {
  const char* const from = at;
  while (at != end && name_bytes[static_cast<unsigned char>(*at)]) ++at;
  if (at != end && *at == ':' && name_size_ == 0 && at != from) {  // the usual case: nothing to put together
    start_field({from, static_cast<size_t>(at - from)});
    return at + 1;
  }
  const size_t room = name_.size() - name_size_;
  const size_t length = std::min(static_cast<size_t>(at - from), room);
  if (length > 0) std::memcpy(name_.data() + name_size_, from, length);
  name_size_ = static_cast<uint8_t>(name_size_ + length);
  if (at == end) return at;
  const std::string_view name(name_.data(), name_size_);
  if (*at == ':' && !name.empty()) {
    start_field(name);
    return at + 1;
  }
  if ((*at == ' ' || *at == '\t') && !name.empty()) {
    mbox_ = line_at_ == 0 && (name == "From" || name == ">From");  // should no colon follow
    at_ = At::space;
    return at + 1;
  }
  bad_line();
  at_ = At::rest;
  return at;
}

void HeaderScan::start_field(std::string_view name) {
  in_field_ = true;
  mbox_ = false;
  facts_.starts_with_field |= first_;
  ++facts_.fields;
  at_ = At::rest;
  kind_ = kind_of(name);
  switch (kind_) {
    case Kind::received:
      ++facts_.received;
      break;
    case Kind::date:
      ++facts_.named.date;
      break;
    case Kind::message_id:
      ++facts_.named.message_id;
      break;
    case Kind::from:
      ++facts_.named.from;
      break;
    case Kind::results:
      if (!watch_.wanted()) break;
      [[fallthrough]];
    case Kind::tls_required:
      distant_ = false;
      watch_.begin();
      at_ = At::value;
      break;
    case Kind::other:
      break;
  }
}

void HeaderScan::end_field(uint64_t position) {
  if (!in_field_) return;
  in_field_ = false;
  if (kind_ == Kind::tls_required) {
    watch_.finish();
    facts_.tls_optional = watch_.says_no() && (tls_fields_ == 0 || facts_.tls_optional);
    ++tls_fields_;
  } else if (kind_ == Kind::results && watch_.wanted()) {
    watch_.finish();
    if (watch_.is_ours())
      add(facts_.results, field_at_, position);
    else if (distant_)
      add(facts_.distant, field_at_, position);
  } else if (locate_dates_ && (kind_ == Kind::date || kind_ == Kind::message_id)) {
    const Stretch where{static_cast<uint32_t>(field_at_), static_cast<uint32_t>(position - field_at_)};
    facts_.dates.push_back({where, kind_ == Kind::date});
  }
}

// The line from line_at_ to `to`, of which `terminator` octets end it.
void HeaderScan::end_line(uint64_t to, unsigned terminator) {
  facts_.longest_line = std::max(facts_.longest_line, to - line_at_ - terminator);
  if (mbox_) facts_.mbox_line = static_cast<uint32_t>(to - line_at_);
  first_ = mbox_;
  mbox_ = false;
  line_at_ = to;
  at_ = At::line_start;
}

void HeaderScan::bad_line() {
  ++facts_.malformed;
  in_field_ = false;
  if (mbox_ || facts_.first_malformed != HeaderFacts::nowhere) return;
  facts_.first_malformed = static_cast<uint32_t>(line_at_);
  facts_.before_malformed = facts_.named;
}

}  // namespace impulse::message
