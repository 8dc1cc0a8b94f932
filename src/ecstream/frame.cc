#include "ecstream/frame.h"

#include "base/crc32c.h"
#include "ecstream/wire.h"

#include <algorithm>
#include <array>

namespace impulse::ecstream {

namespace {

// What is known of a type (doc/ecstream.md §3).
struct Row {
  FrameType type;
  bool client;       // may send it
  bool server;       // may send it
  uint8_t flags;     // those that are defined
  bool sequence;     // it has one
  uint32_t longest;  // payload; 0: the receiver's max frame
};

constexpr std::array rows{
    Row{FrameType::hello, true, true, 0, false, max_hello},
    Row{FrameType::auth, true, false, 7, false, max_control},
    Row{FrameType::auth_reply, false, true, 0, false, max_control},
    Row{FrameType::open, true, false, 1, true, max_control},
    Row{FrameType::opened, false, true, 1, true, max_control},
    Row{FrameType::message, true, false, 3, true, 0},
    Row{FrameType::chunk, true, false, 3, true, 0},
    Row{FrameType::flush, true, false, 0, false, max_control},
    Row{FrameType::skip, true, false, 0, true, max_control},
    Row{FrameType::ack, false, true, 3, true, max_ack},
    Row{FrameType::nak, false, true, 1, true, max_control},
    Row{FrameType::window, false, true, 0, false, max_control},
    Row{FrameType::ping, true, true, 0, false, max_control},
    Row{FrameType::pong, true, true, 0, false, max_control},
    Row{FrameType::goaway, true, true, 0, true, max_control},
};

const Row* find(uint8_t type) {
  for (const Row& row : rows)
    if (static_cast<uint8_t>(row.type) == type) return &row;
  return nullptr;
}

constexpr uint8_t first_ignorable = 0x80;
// What is kept for the next frame to come.
constexpr size_t keep_memory = size_t{64} << 10;

}  // namespace

struct FrameReader::Header {
  uint32_t length;
  uint8_t type;
  uint8_t flags;
  uint16_t reserved;
  uint64_t sequence;
  bool ignorable() const { return type >= first_ignorable; }
};

void append_frame_header(std::string& out, const Frame& frame, uint32_t length) {
  put(out, length);
  put(out, static_cast<uint8_t>(frame.type));
  put(out, frame.flags);
  put(out, uint16_t{0});
  put(out, frame.sequence);
}

void append_frame(std::string& out, const Frame& frame, bool checksummed) {
  const size_t from = out.size();
  append_frame_header(out, frame, static_cast<uint32_t>(frame.payload.size() + (checksummed ? checksum_size : 0)));
  out += frame.payload;
  if (checksummed) put(out, crc32c(0, std::string_view(out).substr(from)));
}

FrameReader::Header FrameReader::read(std::string_view bytes) {
  Reader reader(bytes);
  Header header{};
  header.length = reader.number<uint32_t>();
  header.type = reader.number<uint8_t>();
  header.flags = reader.number<uint8_t>();
  header.reserved = reader.number<uint16_t>();
  header.sequence = reader.number<uint64_t>();
  return header;
}

std::optional<GoAway> FrameReader::check(const Header& header) const {
  const uint32_t overhead = checksums_ ? checksum_size : 0;
  const Row* const row = find(header.type);
  if (first_ && (row == nullptr || (row->type != FrameType::hello && row->type != FrameType::goaway)))
    return GoAway::malformed;
  if (header.reserved != 0 || (row == nullptr && !header.ignorable())) return GoAway::malformed;
  if (header.length < overhead) return GoAway::malformed;
  const uint32_t longest = row == nullptr ? max_control : row->longest == 0 ? max_frame_ : row->longest;
  if (header.length - overhead > longest) return GoAway::too_large;
  if (row == nullptr) return std::nullopt;
  if (!(from_ == Side::client ? row->client : row->server)) return GoAway::unexpected;
  if ((header.flags & ~row->flags) != 0 || (!row->sequence && header.sequence != 0)) return GoAway::malformed;
  return std::nullopt;
}

FrameReader::Result FrameReader::fault(GoAway code) {
  broken_ = code;
  held_ = {};
  skipping_ = 0;
  Result result;
  result.event = Event::fault;
  result.fault = code;
  return result;
}

void FrameReader::drop_held() {
  complete_ = false;
  if (held_.capacity() > keep_memory)
    held_ = {};
  else
    held_.clear();
}

FrameReader::Result FrameReader::feed(std::string_view bytes) {
  if (broken_) return fault(*broken_);
  if (complete_) drop_held();
  Result result;
  const auto advance = [&](size_t count) {
    bytes.remove_prefix(count);
    result.used += count;
  };
  while (true) {
    if (skipping_ > 0) {
      const auto skipped = static_cast<size_t>(std::min<uint64_t>(skipping_, bytes.size()));
      skipping_ -= skipped;
      advance(skipped);
      if (skipping_ > 0) return result;
    }
    if (held_.size() < frame_header && held_.size() + bytes.size() < frame_header) {
      held_ += bytes;
      advance(bytes.size());
      return result;
    }
    if (!held_.empty() && held_.size() < frame_header) {
      const size_t missing = frame_header - held_.size();
      held_ += bytes.substr(0, missing);
      advance(missing);
    }
    const Header header = read(held_.empty() ? bytes : std::string_view(held_));
    if (const auto wrong = check(header)) return fault(*wrong);
    if (header.ignorable()) {
      if (held_.empty()) advance(frame_header);
      held_.clear();
      skipping_ = header.length;
      continue;
    }
    const size_t whole = frame_header + header.length;
    const size_t here = std::min(whole - held_.size(), bytes.size());
    std::string_view frame = bytes.substr(0, here);
    if (!held_.empty() || here < whole) {
      held_ += frame;
      advance(here);
      if (held_.size() < whole) return result;
      frame = held_;
      complete_ = true;
    } else {
      advance(here);
    }
    if (checksums_) {
      const std::string_view covered = frame.substr(0, whole - checksum_size);
      if (crc32c(0, covered) != get<uint32_t>(frame.substr(covered.size()))) return fault(GoAway::checksum);
      frame = covered;
    }
    first_ = false;
    result.event = Event::frame;
    result.frame = {static_cast<FrameType>(header.type), header.flags, header.sequence, frame.substr(frame_header)};
    return result;
  }
}

}  // namespace impulse::ecstream
