// Frames of ECStream (doc/ecstream.md §3): how they are written, and cut out
// of a stream of bytes.
#pragma once

#include "ecstream/goaway.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::ecstream {

enum class FrameType : uint8_t {
  hello = 0x01,
  auth = 0x02,
  auth_reply = 0x03,
  open = 0x04,
  opened = 0x05,
  message = 0x10,
  chunk = 0x11,
  flush = 0x12,
  skip = 0x13,
  ack = 0x18,
  nak = 0x19,
  window = 0x1A,
  ping = 0x20,
  pong = 0x21,
  goaway = 0x22,
};

// The bits of flags, by type.
namespace flag {
constexpr uint8_t auth_start = 1;
constexpr uint8_t auth_initial = 2;
constexpr uint8_t auth_cancel = 4;
constexpr uint8_t open_new = 1;
constexpr uint8_t opened_known = 1;
constexpr uint8_t more = 1;  // MESSAGE, CHUNK
constexpr uint8_t message_want_id = 2;
constexpr uint8_t chunk_abort = 2;
constexpr uint8_t ack_ids = 1;
constexpr uint8_t ack_flushed = 2;
constexpr uint8_t nak_repeated = 1;
}  // namespace flag

constexpr size_t frame_header = 16;
constexpr size_t checksum_size = 4;
constexpr uint32_t smallest_max_frame = 16384;  // what everybody takes of MESSAGE and CHUNK
constexpr uint32_t max_hello = 4096;            // payloads, octets
constexpr uint32_t max_control = 8192;          // all but MESSAGE, CHUNK and ACK
constexpr uint32_t max_ack = 16384;
constexpr size_t max_ping = 64;

struct Frame {
  FrameType type = FrameType::hello;
  uint8_t flags = 0;
  uint64_t sequence = 0;
  std::string_view payload;  // without checksum
};

// Appends one frame. `checksummed`: CHECKSUMS is in force.
void append_frame(std::string& out, const Frame& frame, bool checksummed);
// The header alone, for a payload of `length` octets that the caller appends.
void append_frame_header(std::string& out, const Frame& frame, uint32_t length);

// Which side's frames are read: what the other one may send is `unexpected`.
enum class Side : uint8_t { client, server };

// Cuts frames out of bytes. What is not a whole frame yet is kept inside,
// bounded by the limits of its type, and grows as it comes.
class FrameReader {
 public:
  // `from`: who sends. Of MESSAGE and CHUNK payloads up to `max_frame` are taken.
  explicit FrameReader(Side from, uint32_t max_frame) : from_(from), max_frame_(max_frame) {}

  enum class Event : uint8_t {
    need_more,  // all bytes are taken, no whole frame
    frame,      // `frame`, whose views last until the next call, or until the fed bytes go
    fault,      // framing is broken: `fault` says how. For ever
  };
  struct Result {
    Event event = Event::need_more;
    size_t used = 0;  // of the bytes fed
    Frame frame{};
    GoAway fault = GoAway::malformed;
  };
  // Takes bytes up to the end of one frame. Ignorable frames (types from 0x80)
  // are skipped inside; they count as need_more when nothing follows.
  Result feed(std::string_view bytes);

  void expect_checksums(bool expected) { checksums_ = expected; }
  bool within_frame() const { return (!held_.empty() && !complete_) || skipping_ > 0; }
  size_t held() const { return held_.capacity(); }  // bytes of memory

 private:
  struct Header;
  std::optional<GoAway> check(const Header& header) const;
  static Header read(std::string_view bytes);
  Result fault(GoAway code);
  void drop_held();

  Side from_;
  uint32_t max_frame_;
  bool checksums_ = false;
  bool first_ = true;             // only HELLO (and GOAWAY) can be the first
  bool complete_ = false;         // held_ is the frame that was given out last
  std::string held_;              // the frame that is coming in
  uint64_t skipping_ = 0;         // of an ignorable one
  std::optional<GoAway> broken_;  // the fault
};

}  // namespace impulse::ecstream
