// Payloads: what is written is read again; what is damaged is refused.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace ecstream_test;

namespace {

class CodecTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(CodecTest);
  CPPUNIT_TEST(hellos);
  CPPUNIT_TEST(envelopes);
  CPPUNIT_TEST(another_time);
  CPPUNIT_TEST(answers);
  CPPUNIT_TEST(memories);
  CPPUNIT_TEST_SUITE_END();

  void hellos() {
    Hello all{1, 1, 1, 65536, 1000, 7, 4096, "PLAIN", "agent", "host", 300, true};
    CPPUNIT_ASSERT(decode_hello(encode(all, From::server)) == all);
    const std::string good = encode(all, From::server);
    for (size_t size = 0; size < good.size(); ++size) {
      const auto cut = decode_hello(good.substr(0, size));
      if (cut) CPPUNIT_ASSERT(*cut != all);  // between two fields
    }
    const auto with = [&](const std::string& more) { return decode_hello(good + more).has_value(); };
    CPPUNIT_ASSERT(with(std::string("\x63\0\1x", 4)));            // unknown
    CPPUNIT_ASSERT(!with(std::string("\x04\0\4\0\0\0\1", 7)));    // twice
    CPPUNIT_ASSERT(!with(std::string("\x63\0\1x\x63\0\1x", 8)));  // also of the unknown
    CPPUNIT_ASSERT(!with("x"));
    Hello small = all;
    small.max_frame = smallest_max_frame - 1;
    CPPUNIT_ASSERT(!decode_hello(encode(small, From::client)));
    Hello none = all;
    none.lowest_version = 0;
    CPPUNIT_ASSERT(!decode_hello(encode(none, From::client)));
    none.lowest_version = 2;  // above the highest
    CPPUNIT_ASSERT(!decode_hello(encode(none, From::client)));
    CPPUNIT_ASSERT(decode_hello(encode(Hello{}, From::client))->mechanisms.empty());
  }

  void envelopes() {
    MessageHead all = head();
    all.recipients.push_back({"c@d", message::notify::never, "rfc822;c@d"});
    all.body_type = message::BodyType::binary_mime;
    all.smtputf8 = all.require_tls = true;
    all.ret = message::Ret::full;
    all.envid = "e";
    all.auth = "a@b";
    all.deliver_by = MessageHead::By{-5, 'N', false};
    all.hold_for = 1;
    all.hold_until = 2;
    all.priority = -9;
    all.size = 3;
    all.context = {{"k", "v"}, {"l", ""}};
    const std::string bytes = *encode(all);
    const DecodedHead decoded = decode_envelope(bytes);
    CPPUNIT_ASSERT(decoded.fault == EnvelopeFault::none && decoded.head == all);
    // Cut within a field: no layout; between two it is another envelope.
    size_t broken = 0;
    for (size_t size = 0; size < bytes.size(); ++size) {
      const DecodedHead cut = decode_envelope(std::string_view(bytes).substr(0, size));
      CPPUNIT_ASSERT(!(cut.head == all) || cut.fault != EnvelopeFault::none);
      broken += cut.fault == EnvelopeFault::layout ? 1 : 0;
    }
    CPPUNIT_ASSERT_EQUAL(bytes.size() - 18, broken);  // 18 fields begin somewhere
    MessageHead long_one = head();
    long_one.sender = std::string(65536, 'x');
    CPPUNIT_ASSERT(!encode(long_one));
    long_one = head();
    long_one.context = {{std::string(256, 'k'), ""}};
    CPPUNIT_ASSERT(!encode(long_one));
    long_one.context = {{"k", std::string(65535, 'v')}};
    CPPUNIT_ASSERT(!encode(long_one));
    // What breaks the layout counts before what breaks a value.
    CPPUNIT_ASSERT(decode_envelope(std::string("\x02\0\1x\x01\0\x09y", 8)).fault == EnvelopeFault::layout);
    CPPUNIT_ASSERT(decode_envelope(std::string("\x02\0\1x", 4)).fault == EnvelopeFault::no_sender);
  }

  void another_time() {
    MessageHead one = head();
    one.envid = "\x15\x15\x15";
    std::string bytes = *encode(one);
    CPPUNIT_ASSERT(!set_deliver_by(bytes, 7) && bytes == *encode(one));
    one.deliver_by = MessageHead::By{3600, 'R', true};
    one.priority = 3;  // behind it
    bytes = *encode(one);
    for (const int32_t seconds : {7, -1, -999999999}) {
      one.deliver_by->seconds = seconds;
      CPPUNIT_ASSERT(set_deliver_by(bytes, seconds) && decode_envelope(bytes).head == one);
    }
  }

  void answers() {
    const std::string nak = encode(Nak{550, 3, "5.7.1", "no\r\nway " + std::string(2000, 'x')});
    const auto read = decode_nak(nak);
    CPPUNIT_ASSERT(read && read->code == 550 && read->recipient == 3 && read->enhanced == "5.7.1");
    CPPUNIT_ASSERT(read->text.starts_with("no\\r\\nway x") && read->text.size() <= 512);
    CPPUNIT_ASSERT(!decode_nak(encode(Nak{250, 3, "", ""})) && !decode_nak("x"));
    std::string ids;
    append_id(ids, {7, "one"});
    append_id(ids, {9, ""});
    const auto list = decode_ids(ids);
    CPPUNIT_ASSERT(list && list->size() == 2 && (*list)[0].id == "one" && (*list)[1].sequence == 9);
    CPPUNIT_ASSERT(!decode_ids(ids + "x"));
    CPPUNIT_ASSERT(!decode_auth_reply("") && !decode_auth_reply("\x03") && !decode_auth_reply("\x01x"));
    CPPUNIT_ASSERT(decode_auth_reply(std::string("\0\1\2", 3))->challenge == "\1\2");
    CPPUNIT_ASSERT(!decode_farewell("x") && decode_farewell(std::string("\0\3idle", 6))->code == 3);
  }

  void memories() {
    StreamMemory memory{true, 100, {{3, 550, "5.7.1", 0}, {99, 451, "", UINT32_MAX}, {100, 501, "5.1.3", 7}}};
    const std::string value = memory.encode();
    CPPUNIT_ASSERT(*StreamMemory::decode(value) == memory);
    CPPUNIT_ASSERT(value.size() <= 64);
    for (size_t size = 0; size < value.size(); ++size) CPPUNIT_ASSERT(!StreamMemory::decode(value.substr(0, size)));
    CPPUNIT_ASSERT(!StreamMemory::decode(value + "x"));
    CPPUNIT_ASSERT(!StreamMemory::decode("\x02" + value.substr(1)));
    std::swap(memory.refused[0], memory.refused[1]);
    CPPUNIT_ASSERT(!StreamMemory::decode(memory.encode()));
    memory.refused = {{101, 550, "", 0}};  // above `done`
    CPPUNIT_ASSERT(!StreamMemory::decode(memory.encode()));
    // The worst there can be fits a receipt.
    memory = {true, uint64_t{1} << 60, {}};
    for (uint64_t n = 0; n < Policy::largest_window; ++n)
      memory.refused.push_back({memory.done - Policy::largest_window + 1 + n, 550, "5.7.1", 0});
    CPPUNIT_ASSERT(memory.encode().size() < (size_t{1} << 20));
    CPPUNIT_ASSERT(*StreamMemory::decode(memory.encode()) == memory);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(CodecTest);

}  // namespace
