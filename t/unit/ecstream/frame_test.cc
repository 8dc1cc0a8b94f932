// Frames: cut anywhere they are the same; what is none is refused at its header.
#include "support.h"

#include "base/crc32c.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace ecstream_test;

namespace {

struct Outcome {
  std::string frames;
  std::optional<GoAway> fault;
};

Outcome read_all(std::string_view bytes, size_t piece, Side from = Side::client, bool checksums = false) {
  FrameReader reader(from, smallest_max_frame);
  Outcome outcome;
  while (!bytes.empty() && !outcome.fault) {
    // A piece of its own, so that a view into what is gone would show.
    const std::string part(bytes.substr(0, piece == 0 ? bytes.size() : piece));
    std::string_view rest = part;
    while (!rest.empty() && !outcome.fault) {
      const auto read = reader.feed(rest);
      if (read.event == FrameReader::Event::fault) {
        outcome.fault = read.fault;
        break;
      }
      rest.remove_prefix(read.used);
      if (read.event == FrameReader::Event::need_more) CPPUNIT_ASSERT(rest.empty());
      if (read.event == FrameReader::Event::frame) {
        outcome.frames +=
            fmt::format("{} {} {} {}\n", static_cast<int>(read.frame.type), read.frame.flags, read.frame.sequence,
                        read.frame.payload.size() > 20 ? std::to_string(crc32c(0, read.frame.payload))
                                                       : std::string(read.frame.payload));
        if (read.frame.type == FrameType::hello) reader.expect_checksums(checksums);
      }
    }
    bytes.remove_prefix(part.size());
  }
  return outcome;
}

std::optional<GoAway> fault_of(std::string_view bytes, Side from = Side::client) {
  const Outcome whole = read_all(bytes, 0, from);
  for (const size_t piece : {1, 3, 17}) CPPUNIT_ASSERT(read_all(bytes, piece, from).fault == whole.fault);
  return whole.fault;
}

std::string raw(uint32_t length, uint8_t type, uint8_t flags, uint16_t reserved, uint64_t sequence) {
  std::string bytes;
  put(bytes, length);
  put(bytes, type);
  put(bytes, flags);
  put(bytes, reserved);
  put(bytes, sequence);
  return bytes;
}

class FrameTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(FrameTest);
  CPPUNIT_TEST(any_cut);
  CPPUNIT_TEST(checksums);
  CPPUNIT_TEST(ignorable);
  CPPUNIT_TEST(faults);
  CPPUNIT_TEST(limits);
  CPPUNIT_TEST(memory_grows_with_what_came);
  CPPUNIT_TEST(goaway_table);
  CPPUNIT_TEST_SUITE_END();

  void any_cut() {
    const std::string bytes = hello() + open("s", 7) + msg(8, head(), std::string(9000, 'x')) +
                              frame(FrameType::ping, 0, 0, "") + chunk(9, std::string(16384, 'y')) + flush();
    const Outcome whole = read_all(bytes, 0);
    CPPUNIT_ASSERT(!whole.fault);
    CPPUNIT_ASSERT_EQUAL(ptrdiff_t{6}, std::count(whole.frames.begin(), whole.frames.end(), '\n'));
    for (const size_t piece : {1, 2, 3, 15, 16, 17, 31, 1000})
      CPPUNIT_ASSERT_EQUAL(whole.frames, read_all(bytes, piece).frames);
  }

  void checksums() {
    const std::string one = frame(FrameType::ping, 0, 0, "abc", true);
    CPPUNIT_ASSERT_EQUAL(frame_header + 3 + checksum_size, one.size());
    for (const size_t piece : {0, 1, 7}) {
      const Outcome good = read_all(hello() + one + one, piece, Side::client, true);
      CPPUNIT_ASSERT(!good.fault);
      CPPUNIT_ASSERT(good.frames.ends_with("32 0 0 abc\n32 0 0 abc\n"));
      // Whatever octet behind the length is another: it shows.
      for (size_t at = 8; at < one.size(); ++at) {
        std::string bad = one;
        bad[at] = static_cast<char>(bad[at] ^ 4);
        CPPUNIT_ASSERT(read_all(hello() + bad, piece, Side::client, true).fault);
      }
    }
    // No room for it.
    CPPUNIT_ASSERT(read_all(hello() + raw(3, 0x20, 0, 0, 0), 0, Side::client, true).fault == GoAway::malformed);
  }

  void ignorable() {
    const std::string unknown = frame(static_cast<FrameType>(0x9A), 0xFF, 99, std::string(300, 'z'));
    const std::string bytes = hello() + unknown + frame(FrameType::ping, 0, 0, "p") + unknown +
                              frame(static_cast<FrameType>(0xFF), 0, 0, "") + frame(FrameType::ping, 0, 0, "q");
    for (const size_t piece : {0, 1, 3, 17}) {
      const Outcome outcome = read_all(bytes, piece);
      CPPUNIT_ASSERT(!outcome.fault);
      CPPUNIT_ASSERT(outcome.frames.ends_with("32 0 0 p\n32 0 0 q\n"));
    }
    CPPUNIT_ASSERT(fault_of(unknown) == GoAway::malformed);  // HELLO comes first
    CPPUNIT_ASSERT(fault_of(hello() + raw(max_control + 1, 0x80, 0, 0, 0)) == GoAway::too_large);
  }

  void faults() {
    CPPUNIT_ASSERT(fault_of("GET / HTTP/1.1\r\nHost: x\r\n\r\n") == GoAway::malformed);
    CPPUNIT_ASSERT(fault_of("EHLO client.example\r\n") == GoAway::malformed);
    CPPUNIT_ASSERT(fault_of(open("s")) == GoAway::malformed);
    CPPUNIT_ASSERT(fault_of(raw(0, 0x01, 0, 1, 0)) == GoAway::malformed);            // reserved
    CPPUNIT_ASSERT(fault_of(hello() + raw(0, 0x7F, 0, 0, 0)) == GoAway::malformed);  // unknown
    CPPUNIT_ASSERT(fault_of(hello() + raw(0, 0x00, 0, 0, 0)) == GoAway::malformed);
    CPPUNIT_ASSERT(fault_of(hello() + raw(0, 0x20, 1, 0, 0)) == GoAway::malformed);   // flag
    CPPUNIT_ASSERT(fault_of(hello() + raw(0, 0x20, 0, 0, 1)) == GoAway::malformed);   // sequence
    CPPUNIT_ASSERT(fault_of(hello() + raw(0, 0x18, 0, 0, 1)) == GoAway::unexpected);  // the server's
    CPPUNIT_ASSERT(fault_of(hello() + raw(0, 0x10, 0, 0, 1), Side::server) == GoAway::unexpected);
  }

  void limits() {
    CPPUNIT_ASSERT(!fault_of(hello() + raw(smallest_max_frame, 0x10, 0, 0, 1)));
    CPPUNIT_ASSERT(fault_of(hello() + raw(smallest_max_frame + 1, 0x10, 0, 0, 1)) == GoAway::too_large);
    CPPUNIT_ASSERT(fault_of(hello() + raw(UINT32_MAX, 0x11, 0, 0, 1)) == GoAway::too_large);
    CPPUNIT_ASSERT(fault_of(hello() + raw(max_control + 1, 0x02, 0, 0, 0)) == GoAway::too_large);
    CPPUNIT_ASSERT(fault_of(raw(max_hello + 1, 0x01, 0, 0, 0)) == GoAway::too_large);
  }

  // A length that is announced costs nothing.
  void memory_grows_with_what_came() {
    FrameReader reader(Side::client, uint32_t{64} << 20);
    const std::string bytes = hello() + raw(uint32_t{64} << 20, 0x10, 0, 0, 1);
    const size_t used = reader.feed(bytes).used;
    reader.feed(std::string_view(bytes).substr(used));
    CPPUNIT_ASSERT(reader.within_frame());
    CPPUNIT_ASSERT(reader.held() < 1000);
    reader.feed(std::string(100000, 'x'));
    CPPUNIT_ASSERT(reader.held() < 400000);
  }

  void goaway_table() {
    CPPUNIT_ASSERT(name(GoAway::taken_over) == "taken_over" && again(GoAway::taken_over) == Again::no);
    CPPUNIT_ASSERT(name(static_cast<GoAway>(99)) == "unknown" && again(static_cast<GoAway>(99)) == Again::in_a_while);
    CPPUNIT_ASSERT(text(GoAway::idle) == "4.4.2 Idle for too long");
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrameTest);

}  // namespace
