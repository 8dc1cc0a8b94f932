// What a message has to pass, and what is made of it.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace ecstream_test;

namespace {

class MessageTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(MessageTest);
  CPPUNIT_TEST(refusals);
  CPPUNIT_TEST(fields_that_cannot_be);
  CPPUNIT_TEST(every_field);
  CPPUNIT_TEST(policies);
  CPPUNIT_TEST(relaying);
  CPPUNIT_TEST(admission);
  CPPUNIT_TEST(context);
  CPPUNIT_TEST(fix_ups);
  CPPUNIT_TEST(chunks_of_a_session);
  CPPUNIT_TEST_SUITE_END();

  Store store;

  // The answer to one message.
  std::string answer(const std::string& frames, const Policy& policy = {}) {
    Server server(store, policy);
    server.feed(hello() + open("") + frames);
    const std::string lines = server.said();
    const size_t second = lines.find('\n', lines.find('\n') + 1) + 1;
    const std::string rest = lines.substr(second);
    return rest.substr(0, rest.find('\n'));
  }
  std::string answer(const MessageHead& with, const Policy& policy = {}) { return answer(msg(1, with), policy); }
  std::string of_sender(std::string sender, bool utf8 = false) {
    MessageHead with = head();
    with.sender = std::move(sender);
    with.smtputf8 = utf8;
    return answer(with);
  }
  std::string of_recipient(std::string_view recipient, bool utf8 = false) {
    MessageHead with = head(recipient);
    with.smtputf8 = utf8;
    return answer(with);
  }
  template <class Change>
  std::string changed(Change change, const Policy& policy = {}) {
    MessageHead with = head();
    change(with);
    return answer(with, policy);
  }

  void refusals() {
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), of_sender(""));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 501 5.1.7"), of_sender("a b@example.org"));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 501 5.1.7"), of_sender("<a@example.org>"));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 501 5.1.7"), of_sender("a@example.org> SIZE=1 <"));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 501 5.1.7"), of_sender("@relay.example:a@example.org"));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 501 5.1.7"), of_sender(std::string(65, 'x') + "@example.org"));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 501 5.1.7"), of_sender(std::string(60000, 'x')));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 501 5.1.7"), of_sender(std::string("a\0@b.c", 6)));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 501 5.1.7"), of_sender("a@example.org\r\nRCPT TO:<x@y>"));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 550 5.1.7"), of_sender("a"));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 553 5.6.7"), of_sender("ä@example.org"));
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), of_sender("ä@example.org", true));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 501 5.1.7"), of_sender("\xE4@example.org", true));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 501 5.1.3 r0"), of_recipient(""));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 501 5.1.3 r0"), of_recipient("b@"));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 550 5.1.3 r0"), of_recipient("b"));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 553 5.6.7 r0"), of_recipient("b@bücher.example"));
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), of_recipient("PostMaster"));
    CPPUNIT_ASSERT_EQUAL(std::string("postmaster"), store.kept.back().envelope.recipients.front().address);
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), of_recipient("b@[192.0.2.1]"));
    // The one that is meant.
    MessageHead three = head();
    three.recipients.push_back({"c@example.com"});
    three.recipients.push_back({"wrong"});
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 550 5.1.3 r2"), answer(three));
    MessageHead nobody = head();
    nobody.recipients.clear();
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 554 5.5.1"), answer(nobody));
  }

  // What encode() would never write.
  void fields_that_cannot_be() {
    const auto with = [&](uint8_t tag, std::string_view value, bool behind_recipient = true) {
      std::string fields;
      put_field(fields, 0x01, std::string_view("a@example.org"));
      if (!behind_recipient) put_field(fields, tag, value);
      put_field(fields, 0x02, std::string_view("b@example.com"));
      if (behind_recipient) put_field(fields, tag, value);
      std::string payload;
      put(payload, static_cast<uint32_t>(fields.size()));
      return answer(frame(FrameType::message, 0, 1, payload + fields + std::string(small_body)));
    };
    const std::string syntax = "NAK 1 501 5.5.4";
    using namespace std::literals;
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x01, "a@example.org"));  // twice
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x03, "\x01", false));    // of no recipient
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x04, "rfc822;x", false));
    for (const std::string_view value : {""sv, "\0"sv, "\x03"sv, "\x10"sv, "\x02\x02"sv})
      CPPUNIT_ASSERT_EQUAL(syntax, with(0x03, value));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x04, ""));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x10, "\x03"));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x10, ""));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x11, "1"));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x12, "\0"sv));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x13, ""));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x14, ""));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x15, "\0\0\0\1X\0"sv));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x15, "\0\0\0\1N\2"sv));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x15, "\0\0\0\1N"sv));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x16, "\0\0\1"sv));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x17, "\0\0\0\1"sv));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x18, "\x0A"));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x18, "\x80"));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x19, "x"));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x1A, "x"));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x20, ""));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x20, "\0value"sv));
    CPPUNIT_ASSERT_EQUAL(syntax, with(0x20, "\x09short"sv));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 555 5.5.4"), with(0x21, ""));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 555 5.5.4"), with(0x00, ""));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 555 5.5.4"), with(0x7F, "x"));
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), with(0x80, "whatever"));
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), with(0xFF, ""));
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), with(0x18, "\xF7"));  // -9
    // No sender first.
    std::string fields;
    put_field(fields, 0x02, std::string_view("b@example.com"));
    std::string payload;
    put(payload, static_cast<uint32_t>(fields.size()));
    CPPUNIT_ASSERT_EQUAL(syntax, answer(frame(FrameType::message, 0, 1, payload + fields)));
    CPPUNIT_ASSERT_EQUAL(syntax, answer(frame(FrameType::message, 0, 1, std::string(4, '\0'))));
  }

  void every_field() {
    MessageHead with = head();
    with.recipients.front().notify = message::notify::success | message::notify::delay;
    with.recipients.front().orcpt = "rfc822;b+2Bx@example.com";
    with.recipients.push_back({"c@example.com", message::notify::never, ""});
    with.body_type = message::BodyType::eight_bit_mime;
    with.smtputf8 = true;
    with.ret = message::Ret::hdrs;
    with.envid = "QQ+2B1";
    with.auth = "<>";
    with.deliver_by = MessageHead::By{-30, 'N', true};
    with.hold_for = 60;
    with.priority = -4;
    with.require_tls = true;
    with.size = small_body.size();
    with.context = {{"job", "nightly"}, {"empty", ""}};
    Server server(store, {}, TlsState{"TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, false, ""});
    server.feed(start() + msg(1, with));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nACK 1\n"), server.said());
    const message::Envelope& envelope = store.kept.back().envelope;
    CPPUNIT_ASSERT(envelope.recipients == with.recipients);
    CPPUNIT_ASSERT(envelope.body_type == with.body_type && envelope.ret == with.ret);
    CPPUNIT_ASSERT(!envelope.smtputf8);  // said, but not needed
    CPPUNIT_ASSERT(envelope.envid == with.envid && envelope.auth == "<>" && envelope.priority == -4);
    CPPUNIT_ASSERT(envelope.require_tls && envelope.context == with.context);
    CPPUNIT_ASSERT(envelope.deliver_by.deadline == server.now() - std::chrono::seconds(30));
    CPPUNIT_ASSERT(envelope.deliver_by.mode == 'N' && envelope.deliver_by.trace);
    CPPUNIT_ASSERT(envelope.hold_until == server.now() + std::chrono::seconds(60));

    const std::string syntax = "NAK 1 501 5.5.4";
    CPPUNIT_ASSERT_EQUAL(syntax, changed([](auto& h) { h.require_tls = true; }));
    CPPUNIT_ASSERT_EQUAL(syntax, changed([](auto& h) { h.envid = "a b"; }));
    CPPUNIT_ASSERT_EQUAL(syntax, changed([](auto& h) { h.envid = "a+0A"; }));
    CPPUNIT_ASSERT_EQUAL(syntax, changed([](auto& h) { h.envid = std::string(101, 'x'); }));
    CPPUNIT_ASSERT_EQUAL(syntax + " r0", changed([](auto& h) { h.recipients[0].orcpt = "no type"; }));
    CPPUNIT_ASSERT_EQUAL(syntax + " r0", changed([](auto& h) { h.recipients[0].orcpt = "rfc822;a\nb"; }));
    CPPUNIT_ASSERT_EQUAL(syntax, changed([](auto& h) { h.auth = "nobody"; }));
    CPPUNIT_ASSERT_EQUAL(syntax, changed([](auto& h) { h.deliver_by = {0, 'R', false}; }));
    CPPUNIT_ASSERT_EQUAL(syntax, changed([](auto& h) { h.hold_for = 0; }));
    CPPUNIT_ASSERT_EQUAL(syntax, changed([](auto& h) { h.hold_for = 7 * 86400 + 1; }));
    CPPUNIT_ASSERT_EQUAL(syntax, changed([](auto& h) { h.hold_until = 1700557500; }));
    CPPUNIT_ASSERT_EQUAL(syntax, changed([](auto& h) { h.hold_until = UINT64_MAX; }));
    CPPUNIT_ASSERT_EQUAL(syntax, changed([](auto& h) {
                           h.hold_for = 5;
                           h.hold_until = 1700557600;
                         }));
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), changed([](auto& h) { h.hold_until = 1700557501; }));
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), changed([](auto& h) { h.auth = "x@example.org"; }));
    CPPUNIT_ASSERT_EQUAL(std::string("<>"), store.kept.back().envelope.auth);  // nobody we know
    CPPUNIT_ASSERT_EQUAL(syntax, changed([](auto& h) { h.size = 1; }));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 552 5.3.4"), changed([](auto& h) { h.size = UINT64_MAX; }));
  }

  void policies() {
    Policy policy;
    policy.max_recipients = 1;
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 552 5.5.3 r1"),
                         changed([](auto& h) { h.recipients.push_back({"c@example.com"}); }, policy));
    policy = {};
    policy.allow_null_sender = false;
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 550 5.1.7"), changed([](auto& h) { h.sender = ""; }, policy));
    policy = {};
    policy.allow_ip_literal = false;
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 550 5.1.7"), changed([](auto& h) { h.sender = "a@[192.0.2.1]"; }, policy));
    policy = {};
    policy.pedantic_addresses = false;
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), changed([](auto& h) { h.sender = "a..b@example.org"; }, policy));
    policy.trace_headers = false;
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), changed([](auto&) {}, policy));
    CPPUNIT_ASSERT(store.kept.back().trace.empty());
  }

  void relaying() {
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 550 5.7.1 r0"), of_recipient("x@relay.example"));
    // By a certificate that is good.
    Policy policy;
    policy.verified_peer_can_relay = true;
    const auto under = [&](bool verified) {
      Server server(store, policy, TlsState{"TLSv1.3", "X", 256, verified, ""});
      server.feed(start("r") + msg(1, head("x@relay.example")));
      return server.said();
    };
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nNAK 1 550 5.7.1 r0\nACK 1\n"), under(false));
    store.receipts.clear();
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nACK 1\n"), under(true));
  }

  void admission() {
    Server server(store);
    server.not_admitted = HostRefusal{452, "4.3.1", "admission", "No room"};
    server.feed(start() + msg(1));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nNAK 1 452 4.3.1\nACK 1\n"), server.said());
    server.not_admitted.reset();
    server.feed(msg(2));
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 2\n"), server.said());
    CPPUNIT_ASSERT_EQUAL(size_t{0}, server.abandoned_);
    server.not_admitted = HostRefusal{421, "4.3.2", "rate", "Slower"};
    server.feed(msg(3));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY limits 2\n"), server.said());
    CPPUNIT_ASSERT(server.closed);
  }

  void context() {
    Policy policy;
    policy.context = {{"site", "a"}, {"job", "none"}};
    MessageHead with = head();
    with.context = {{"job", "nightly"}, {"x", std::string("\0\r\n", 3)}};
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), answer(with, policy));
    const std::vector<std::pair<std::string, std::string>> both = {
        {"site", "a"}, {"job", "nightly"}, {"x", std::string("\0\r\n", 3)}};
    CPPUNIT_ASSERT(store.kept.back().envelope.context == both);
    with.context.emplace_back("job", "twice");
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 501 5.5.4"), answer(with));
    with.context.clear();
    for (size_t n = 0; n <= max_context; ++n) with.context.emplace_back(std::to_string(n), "");
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 501 5.5.4"), answer(with));
    with.context.pop_back();
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), answer(with));
  }

  void fix_ups() {
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), answer(msg(1, head(), "Subject: x\r\n\r\nHi")));
    const Store::Kept& kept = store.kept.back();
    CPPUNIT_ASSERT_EQUAL(std::string("Subject: x\r\n\r\nHi\r\n"), kept.body);
    for (const std::string_view field : {"\r\nDate: ", "\r\nMessage-ID: <", "\r\nFrom: <a@example.org>"})
      CPPUNIT_ASSERT_MESSAGE(kept.trace, kept.trace.find(field) != std::string::npos);
    Policy policy;
    policy.fixups.missing = message::MissingHeaders::reject;
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 550 5.6.0"), answer(msg(1, head(), "no header\r\n"), policy));
    policy = {};
    policy.fixups.long_lines = message::LongLines::reject;
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 550 5.6.0"),
                         answer(msg(1, head(), "A: b\r\n\r\n" + std::string(999, 'x')), policy));
    policy.fixups.long_lines = message::LongLines::wrap;
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1"), answer(msg(1, head(), "A: b\r\n\r\n" + std::string(999, 'x')), policy));
    CPPUNIT_ASSERT(store.kept.back().body.find(std::string(998, 'x') + "\r\nx\r\n") != std::string::npos);
    policy = {};
    policy.max_received_headers = 2;
    const std::string loop = "Received: x\r\nReceived: y\r\nReceived: z\r\n\r\n";
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 1 554 5.4.6"), answer(msg(1, head(), loop), policy));
  }

  // 20 MB through a session that holds a few hundred KB.
  void chunks_of_a_session() {
    Store store;
    Server server(store);
    server.feed(start() + msg(1, head(), "A: b\r\n\r\n", flag::more));
    const std::string line = std::string(998, 'x') + "\r\n";
    std::string part;
    for (int n = 0; n < 200; ++n) part += line;
    for (int n = 0; n < 100; ++n) {
      server.feed(chunk(1, part, flag::more));
      CPPUNIT_ASSERT(server.session->held() < 700000);
    }
    server.feed(chunk(1, ""));
    CPPUNIT_ASSERT(server.said().ends_with("ACK 1\n"));
    CPPUNIT_ASSERT(store.kept.back().body.ends_with(" more]"));
    // A refusal comes at once, and what is left is read and thrown away.
    server.disk_failure = Errc::no_space;
    server.feed(msg(2, head(), "A: b\r\n\r\n", flag::more) + chunk(2, part, flag::more));
    CPPUNIT_ASSERT_EQUAL(std::string("NAK 2 452 4.3.1\n"), server.said());
    server.feed(chunk(2, part, flag::more) + chunk(2, part) + msg(3));
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 3\n"), server.said());
    CPPUNIT_ASSERT_EQUAL(0, server.sinks);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, server.abandoned_);
    // Without a disk it is memory.
    server.no_disk = true;
    server.feed(msg(4, head(), "A: b\r\n\r\n", flag::more) + chunk(4, part));
    CPPUNIT_ASSERT_EQUAL(part.size() + 8, store.kept.back().body.size());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MessageTest);

}  // namespace
