// The fields of a message record: what goes in comes out, records of the
// first version stay readable, and damaged bytes are an error, never a crash.
#include "spool/message_codec.h"

#include "full_envelope.h"

#include <cppunit/extensions/HelperMacros.h>

#include <random>

using namespace impulse;
using namespace impulse::spool;
using message::Envelope;

namespace {

WallTime at(int64_t microseconds) { return WallTime(Duration(microseconds)); }

// Everything an envelope can hold, each with a value of its own.
Incoming everything() {
  Incoming incoming;
  Envelope& envelope = incoming.envelope;
  envelope = kit::full_envelope();
  envelope.protocol = "ESMTPSA";
  envelope.headers = {{"Subject", "hello"}, {"X-Job", std::string("\0\xFF", 2)}, {"X-Job", ""}};
  incoming.trace = "Received: by mx with ESMTP id ;\r\n";
  incoming.id_offset = 30;
  return incoming;
}

std::string encoded(const Incoming& incoming) {
  std::string bytes;
  encode_message(incoming, "node", bytes);
  return bytes;
}

// An envelope in which each field is there with a chance of a half.
Incoming any(std::mt19937& random) {
  const auto pick = [&](uint64_t below) { return random() % below; };
  const auto text = [&] {
    std::string bytes(pick(2) == 0 ? 0 : pick(300), '\0');
    for (char& c : bytes) c = static_cast<char>(pick(256));
    return bytes;
  };
  const auto when = [&] { return pick(2) == 0 ? WallTime{} : at(static_cast<int64_t>(pick(UINT32_MAX)) - 1000000); };
  Incoming incoming;
  Envelope& envelope = incoming.envelope;
  envelope.sender = text();
  for (uint64_t i = pick(5) + 1; i > 0; --i)
    envelope.recipients.push_back({text(), static_cast<uint8_t>(pick(16)), text()});
  envelope.body_type = static_cast<message::BodyType>(pick(3));
  envelope.smtputf8 = pick(2) == 1;
  envelope.ret = static_cast<message::Ret>(pick(3));
  envelope.require_tls = pick(2) == 1;
  envelope.tls_optional = pick(2) == 1;
  envelope.priority = static_cast<int8_t>(static_cast<int>(pick(19)) - 9);
  envelope.envid = text();
  envelope.auth = text();
  envelope.hold_until = when();
  if (const WallTime deadline = when(); deadline != WallTime{})
    envelope.deliver_by = {deadline, pick(2) == 0 ? 'R' : 'N', pick(2) == 0};
  envelope.received = when();
  envelope.client = *IpAddress::parse(pick(2) == 0 ? "192.0.2.1" : "2001:db8::1");
  envelope.client_port = static_cast<uint16_t>(pick(65536));
  envelope.client_name = text();
  envelope.client_helo = text();
  envelope.listener = text();
  envelope.user = text();
  envelope.tenant = text();
  envelope.binding = text();
  for (uint64_t i = pick(4); i > 0; --i) envelope.context.emplace_back(text(), text());
  envelope.protocol = text();
  for (uint64_t i = pick(4); i > 0; --i) envelope.headers.emplace_back(text(), text());
  incoming.trace = text();
  if (pick(2) == 0) incoming.id_offset = static_cast<uint32_t>(pick(incoming.trace.size() + 1));
  return incoming;
}

class CodecTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(CodecTest);
  CPPUNIT_TEST(everything_comes_back);
  CPPUNIT_TEST(nothing_costs_nothing);
  CPPUNIT_TEST(first_version_stays_readable);
  CPPUNIT_TEST(random_messages_come_back);
  CPPUNIT_TEST(out_of_range_is_written_readable);
  CPPUNIT_TEST(fields_of_newer_versions);
  CPPUNIT_TEST(rest_of_the_body);
  CPPUNIT_TEST(malformed_values);
  CPPUNIT_TEST(damage_is_never_a_crash);
  CPPUNIT_TEST_SUITE_END();

  void everything_comes_back() {
    const Incoming incoming = everything();
    const std::string bytes = encoded(incoming);
    const auto meta = decode_message(bytes);
    CPPUNIT_ASSERT(meta.has_value());
    CPPUNIT_ASSERT(incoming.envelope == meta->envelope);
    CPPUNIT_ASSERT_EQUAL(incoming.trace, meta->trace);
    CPPUNIT_ASSERT_EQUAL(incoming.id_offset, meta->id_offset);
    CPPUNIT_ASSERT_EQUAL(std::string("node"), meta->node);
    CPPUNIT_ASSERT_EQUAL(static_cast<uint32_t>(incoming.envelope.recipients.size()), *count_recipients(bytes));
  }
  // A plain message is as long as before there were the other fields.
  void nothing_costs_nothing() {
    Incoming incoming;
    incoming.envelope.recipients = {{"r"}};
    incoming.envelope.client = *IpAddress::parse("192.0.2.7");
    CPPUNIT_ASSERT_EQUAL(std::string("\2\1r"
                                     "\5\10\0\0\0\0\0\0\0\0"
                                     "\6\4\300\0\2\7",
                                     3 + 10 + 6),
                         encoded(incoming));
  }
  void first_version_stays_readable() {
    const std::string bytes(
        "\1\3s@x"
        "\2\3a@y"
        "\2\3b@z"
        "\3\1\1"
        "\4\1\1"
        "\5\10\1\0\0\0\0\0\0\0"
        "\6\4\300\0\2\7"
        "\7\4helo"
        "\10\4*:25"
        "\11\4R: \n"
        "\12\4\3\0\0\0"
        "\13\1n",
        5 + 5 + 5 + 3 + 3 + 10 + 6 + 6 + 6 + 6 + 6 + 3);
    const auto meta = decode_message(bytes);
    CPPUNIT_ASSERT(meta.has_value());
    Envelope expected;
    expected.sender = "s@x";
    expected.recipients = {{"a@y"}, {"b@z"}};
    expected.body_type = message::BodyType::eight_bit_mime;
    expected.smtputf8 = true;
    expected.received = at(1);
    expected.client = *IpAddress::parse("192.0.2.7");
    expected.client_helo = "helo";
    expected.listener = "*:25";
    CPPUNIT_ASSERT(expected == meta->envelope);
    CPPUNIT_ASSERT_EQUAL(std::string("R: \n"), meta->trace);
    CPPUNIT_ASSERT_EQUAL(uint32_t{3}, meta->id_offset);
  }
  void random_messages_come_back() {
    std::mt19937 random(4);  // NOLINT: the same messages each time
    for (int i = 0; i < 500; ++i) {
      const Incoming incoming = any(random);
      const auto meta = decode_message(encoded(incoming));
      CPPUNIT_ASSERT(meta.has_value());
      CPPUNIT_ASSERT(incoming.envelope == meta->envelope);
      CPPUNIT_ASSERT_EQUAL(incoming.trace, meta->trace);
    }
  }
  void out_of_range_is_written_readable() {
    Incoming incoming = everything();
    incoming.envelope.priority = 100;
    incoming.envelope.deliver_by.mode = '?';
    incoming.envelope.recipients[0].notify = 0xFF;
    const auto meta = decode_message(encoded(incoming));
    CPPUNIT_ASSERT(meta.has_value());
    CPPUNIT_ASSERT_EQUAL(9, int{meta->envelope.priority});
    CPPUNIT_ASSERT_EQUAL('N', meta->envelope.deliver_by.mode);
  }
  void fields_of_newer_versions() {
    const std::string bytes = encoded(everything());
    const auto skipped = decode_message(bytes + std::string("\177\2ab"));
    CPPUNIT_ASSERT(skipped.has_value());
    CPPUNIT_ASSERT(skipped->envelope == everything().envelope);
    const auto refused = decode_message(bytes + std::string("\203\1\1"));
    CPPUNIT_ASSERT(!refused && refused.error().code == Errc::unavailable);
  }
  void rest_of_the_body() {
    std::string bytes = encoded(everything());
    CPPUNIT_ASSERT(!decode_message(bytes)->rest);
    encode_rest({0xFEDCBA9876543210, uint64_t{5} << 32, 0x89ABCDEF}, bytes);
    const auto meta = decode_message(bytes);
    CPPUNIT_ASSERT(meta && meta->rest);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0xFEDCBA9876543210}, meta->rest->number);
    CPPUNIT_ASSERT_EQUAL(uint64_t{5} << 32, meta->rest->length);
    CPPUNIT_ASSERT_EQUAL(uint32_t{0x89ABCDEF}, meta->rest->crc);
    CPPUNIT_ASSERT(meta->envelope == everything().envelope);
    std::string twice = bytes;
    encode_rest({}, twice);
    CPPUNIT_ASSERT(!decode_message(twice));
    CPPUNIT_ASSERT(!decode_message(encoded(everything()) + std::string("\201\1\1")));
  }
  void malformed_values() {
    const std::string good("\2\1r");
    const std::string values[] = {
        {"\3\1\3", 3},                      // no such body type
        {"\4\1\2", 3},                      // neither yes nor no
        {"\5\7\0\0\0\0\0\0\0", 9},          // a time too short
        {"\6\5\0\0\0\0\0", 7},              // an address of five bytes
        {"\14\0", 2},                       // DSN without its bits
        {"\14\1\20", 3},                    // no such bit
        {"\15\1\3", 3},                     // no such RET
        {"\20\1\12", 3},                    // priority 10
        {"\22\12\0\0\0\0\0\0\0\1X\0", 12},  // mode X
        {"\22\11\0\0\0\0\0\0\0\1R", 11},    // without trace
        {"\26\1\1", 3},                     // half a port
        {"\30\3\0\0\0", 5},                 // half a length
        {"\30\5\5\0\0\0k", 7},              // a key longer than the field
        {"\200\1\2", 3},                    // REQUIRETLS 2
        {"\1\5abc", 5},                     // longer than the record
        {"\1\377\377\377\377\377\377", 7},  // a length without end
        {"\1", 1},                          // no length
    };
    CPPUNIT_ASSERT(decode_message(good).has_value());
    for (const std::string& value : values) {
      const auto meta = decode_message(good + value);
      CPPUNIT_ASSERT_MESSAGE(std::to_string(value[0]), !meta && meta.error().code == Errc::invalid);
    }
    CPPUNIT_ASSERT(!decode_message(std::string("\14\1\1\2\1r", 6)));  // DSN before any recipient
    CPPUNIT_ASSERT(!decode_message("") && !count_recipients(""));
  }
  void damage_is_never_a_crash() {
    const std::string bytes = encoded(everything());
    for (size_t i = 0; i < bytes.size(); ++i) {
      (void)decode_message(std::string_view(bytes).substr(0, i));
      for (unsigned bit = 0; bit < 8; ++bit) {
        std::string damaged = bytes;
        damaged[i] = static_cast<char>(damaged[i] ^ (1U << bit));
        const auto meta = decode_message(damaged);
        const auto count = count_recipients(damaged);
        // Whoever reads the whole and whoever only counts agree on how many there are.
        if (meta) CPPUNIT_ASSERT(count && *count == meta->envelope.recipients.size());
      }
    }
    std::mt19937 random(5);  // NOLINT: the same bytes each time
    for (int i = 0; i < 20000; ++i) {
      std::string noise(random() % 64, '\0');
      for (char& c : noise) c = static_cast<char>(random() % 4 == 0 ? random() : random() % 26);
      const auto meta = decode_message(noise);
      CPPUNIT_ASSERT(!meta || !meta->envelope.recipients.empty());
    }
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(CodecTest);

}  // namespace
