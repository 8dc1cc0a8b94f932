// What a next host by ECStream answers, and what becomes of each recipient; what
// a message says there, and what the logs say of it.
#include "house.h"
#include "stream_sink.h"

#include "base/text.h"
#include "delivery/parcel.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <vector>

namespace impulse::delivery {
namespace {

using namespace test;
using namespace std::chrono_literals;
using telemetry::Counter;
using Talk = StreamSink::Talk;

class StreamOutcomeTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(StreamOutcomeTest);
  CPPUNIT_TEST(each_recipient_has_its_own);
  CPPUNIT_TEST(refused_for_now);
  CPPUNIT_TEST(fewer_recipients_than_it_said);
  CPPUNIT_TEST(too_many_for_it_whatever_comes);
  CPPUNIT_TEST(a_refusal_outlives_its_connection);
  CPPUNIT_TEST(what_it_has_does_not_go_again);
  CPPUNIT_TEST(a_stream_that_another_writes_to);
  CPPUNIT_TEST(answers_behind_goaway_count);
  CPPUNIT_TEST(answers_of_many_at_once);
  CPPUNIT_TEST(the_window_is_kept_to);
  CPPUNIT_TEST(what_the_client_said_goes_along);
  CPPUNIT_TEST(lines_end_as_they_have_to);
  CPPUNIT_TEST(bytes_and_stage);
  CPPUNIT_TEST(message_throttle);
  CPPUNIT_TEST(connection_throttle);
  CPPUNIT_TEST(source_address);
  CPPUNIT_TEST(routes_that_make_no_sense);
  CPPUNIT_TEST_SUITE_END();

  static std::vector<std::string> names(const StreamSink::Message& message) {
    std::vector<std::string> found;
    for (const auto& each : message.head.recipients) found.push_back(each.address.substr(0, each.address.find('@')));
    return found;
  }
  // All fields of the log's line that belong to that recipient.
  static std::string line_of(House& house, char kind, const std::string& text) {
    std::istringstream lines(house.mails());
    for (std::string line; std::getline(lines, line);)
      if (holds(line, fmt::format("@{}@", kind)) && holds(line, text)) return line;
    CPPUNIT_FAIL(fmt::format("no {} of {} in {}", kind, text, house.mails()));
    return {};
  }

  void each_recipient_has_its_own() {
    StreamSink sink([](Talk& talk) {
      talk.open();
      for (;;) {
        const auto message = talk.message();
        const auto found = names(message);
        const auto bad = std::ranges::find_if(found, [](const std::string& name) { return name.starts_with("bad"); });
        if (bad == found.end()) {
          talk.take(message);
          continue;
        }
        talk.nak(message.sequence, 550, "5.1.1", *bad + " unknown", static_cast<uint32_t>(bad - found.begin()));
        talk.ack(message.sequence);
      }
    });
    House house(by_stream(sink, "Generate_Bounces = false"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example", "bad1@y.example", "b@y.example", "bad2@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.taken().size());
    CPPUNIT_ASSERT((std::vector<std::string>{"a", "b"}) == names(sink.taken()[0]));
    CPPUNIT_ASSERT_EQUAL(2, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(2, house.lines('P'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
    CPPUNIT_ASSERT(holds(line_of(house, 'P', "@bad1@"), "550 5.1.1 bad1 unknown"));
    CPPUNIT_ASSERT(holds(line_of(house, 'P', "@bad2@"), "550 5.1.1 bad2 unknown"));
  }

  // Of the message itself, and of a recipient that there is not: all of them.
  void refused_for_now() {
    for (const uint32_t whom : {UINT32_MAX, 7U}) {
      StreamSink sink([&](Talk& talk) {
        talk.open();
        const auto first = talk.message();
        talk.nak(first.sequence, 452, "4.3.1", "full", whom);
        talk.nak(first.sequence, 550, "5.0.0", "and never");  // the first one counts
        talk.ack(first.sequence);
        talk.take_all();
      });
      House house(by_stream(sink));
      house.dispatcher->start();
      house.submit("s@x.example", {"a@y.example", "b@y.example"});
      house.run_until_empty();
      CPPUNIT_ASSERT_EQUAL(2, house.lines('T'));
      CPPUNIT_ASSERT_EQUAL(2, house.lines('D'));
      CPPUNIT_ASSERT_EQUAL(0, house.lines('P'));
      CPPUNIT_ASSERT(holds(house.mails(), "452 4.3.1 full"));
    }
  }

  // Its configuration changed since HELLO: no attempt fails for it.
  void fewer_recipients_than_it_said() {
    StreamSink sink(takes_three_recipients);
    House house(by_stream(sink, "Retry_Interval = 1h"));
    house.dispatcher->start();
    house.submit("s@x.example", many(10));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(10, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
    CPPUNIT_ASSERT_EQUAL(size_t{4}, sink.taken().size());
  }

  // A lie, which ends as a failure for now.
  void too_many_for_it_whatever_comes() {
    StreamSink sink([](Talk& talk) {
      talk.open();
      for (;;) {
        const auto message = talk.message();
        const auto count = static_cast<uint32_t>(message.head.recipients.size());
        talk.nak(message.sequence, 552, "5.5.3", "Too many recipients", count > 1 ? count - 1 : 0);
        talk.ack(message.sequence);
      }
    });
    House house(by_stream(sink, "Retry_Interval = 1h"));
    house.dispatcher->start();
    house.submit("s@x.example", many(4));
    house.run_until([&] { return house.lines('T') == 4; }, "failures");
    CPPUNIT_ASSERT_EQUAL(0, house.lines('P'));
  }

  // SKIP stands in its place on the next one.
  void a_refusal_outlives_its_connection() {
    StreamSink sink([](Talk& talk) {
      talk.open();
      const auto message = talk.message();
      if (talk.connection > 1) {
        talk.ack(message.sequence);
        return talk.take_all();
      }
      talk.nak(message.sequence, 550, "5.7.1", "never");
      talk.next();  // the second message
    });
    House house(by_stream(sink, "Generate_Bounces = false"));
    house.submit("s@x.example", {"a@y.example"});
    house.submit("s@x.example", {"b@y.example"});
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.frames(FrameType::skip).size());
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
  }

  // Ten go, the connection breaks, and the stream has had seven of them.
  void what_it_has_does_not_go_again() {
    StreamSink sink([](Talk& talk) {
      if (talk.connection > 1) {
        talk.open(Talk::hello(), 7);
        return talk.take_all();
      }
      talk.open();
      for (int i = 0; i < 10; ++i) talk.message();
    });
    House house(by_stream(sink, "Max_Outbound_Connections = 1"));
    for (int i = 0; i < 10; ++i) house.submit("s@x.example", {fmt::format("u{}@y.example", i)});
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(10, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
    CPPUNIT_ASSERT_EQUAL(size_t{3}, sink.taken().size());
    const auto opens = sink.frames(FrameType::open);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, opens.size());
    CPPUNIT_ASSERT_EQUAL(int{ecstream::flag::open_new}, int{opens[0].flags});
    CPPUNIT_ASSERT_EQUAL(0, int{opens[1].flags});
    CPPUNIT_ASSERT_EQUAL(opens[0].payload, opens[1].payload);
  }

  // It has more of the stream than was sent, or less than it has acknowledged.
  void a_stream_that_another_writes_to() {
    for (const int64_t has : {5, 0}) {
      StreamSink sink([&](Talk& talk) {
        if (talk.connection == 2) {
          talk.open(Talk::hello(), has);
          return talk.mute();
        }
        talk.open();
        if (talk.connection > 2) return talk.take_all();
        talk.take(talk.message());
        talk.message();
      });
      House house(by_stream(sink, "Retry_Interval = 1h"));
      house.submit("s@x.example", {"a@y.example"});
      house.submit("s@x.example", {"b@y.example"});
      house.dispatcher->start();
      house.run_until([&] { return house.lines('T') + house.lines('D') == 2; }, "outcomes");
      CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
      CPPUNIT_ASSERT_EQUAL(2, sink.connections());
    }
  }

  void answers_behind_goaway_count() {
    StreamSink sink([&](Talk& talk) {
      talk.open();
      if (talk.connection > 1) return talk.take_all();
      const auto first = talk.message();
      const auto second = talk.message();
      talk.message();  // is not answered here
      talk.goaway(GoAway::reconfigured);
      talk.take(first);
      talk.take(second);
    });
    House house(by_stream(sink, "Max_Outbound_Connections = 1"));
    for (int i = 0; i < 3; ++i) house.submit("s@x.example", {fmt::format("u{}@y.example", i)});
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{3}, sink.taken().size());
    CPPUNIT_ASSERT_EQUAL(3, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
    CPPUNIT_ASSERT_EQUAL(2, sink.connections());
  }

  // One ACK for all, which names ids of none of them, and a NAK in their middle.
  void answers_of_many_at_once() {
    StreamSink sink([](Talk& talk) {
      talk.open();
      std::vector<StreamSink::Message> all;
      while (all.size() < 50) all.push_back(talk.message());
      talk.nak(25, 554, "5.6.0", "not this one");
      std::string ids;
      ecstream::append_id(ids, {1000, "no such"});
      ecstream::append_id(ids, {0, "nor this"});
      ecstream::append_id(ids, {7, "seventh\r\n250 ok"});
      talk.send(FrameType::ack, 50, ids, ecstream::flag::ack_ids);
      talk.ack(50);  // and once more
      talk.take_all();
    });
    House house(by_stream(sink, "Max_Outbound_Connections = 1\nGenerate_Bounces = false"));
    for (int i = 1; i <= 51; ++i) house.submit("s@x.example", {fmt::format("u{}@y.example", i)});
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(50, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    CPPUNIT_ASSERT(holds(house.mails(), R"(250 2.0.0 taken as seventh\)"));
    CPPUNIT_ASSERT(!holds(house.mails(), "no such") && !holds(house.mails(), "nor this"));
  }

  void the_window_is_kept_to() {
    StreamSink sink([&](Talk& talk) {
      ecstream::Hello hello = Talk::hello();
      hello.window = 0;
      talk.open(hello);
      std::string window;
      ecstream::put(window, uint32_t{2});
      talk.send(FrameType::window, 0, window);
      uint64_t done = 0;
      for (;;) {
        const auto first = talk.message();
        const auto second = talk.message();
        CPPUNIT_ASSERT(second.sequence <= done + 2);
        done = second.sequence;
        talk.take(first);
        talk.take(second);
      }
    });
    House house(by_stream(sink, "Max_Outbound_Connections = 1"));
    for (int i = 0; i < 20; ++i) house.submit("s@x.example", {"a@y.example"});
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{20}, sink.taken().size());
  }

  void what_the_client_said_goes_along() {
    StreamSink sink;
    House house(by_stream(sink));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example", "b@y.example"}, "Subject: hello\r\n\r\nbody\r\n", Duration{0},
                 [](message::Envelope& envelope) {
                   envelope.recipients[0].notify = message::notify::success | message::notify::delay;
                   envelope.recipients[0].orcpt = "rfc822;first+2Bhand@z.example";
                   envelope.recipients[1].notify = message::notify::never;
                   envelope.ret = message::Ret::hdrs;
                   envelope.envid = "QQ314159";
                   envelope.auth = "who@x.example";
                   envelope.priority = 3;  // it goes first
                   envelope.deliver_by = {wall_now() + 1h, 'N', false};
                 });
    house.submit("s\xC3\xBC@x.example", {"\xC3\xA4@y.example"}, "Subject: h\xC3\xB6\r\n\r\nb\xC3\xB6\r\n", Duration{0},
                 [](message::Envelope& envelope) {
                   envelope.smtputf8 = true;
                   envelope.body_type = message::BodyType::eight_bit_mime;
                   envelope.recipients[0].orcpt = "utf-8;\xC3\xA4@y.example";
                 });
    std::string binary = "Subject: binary\r\n\r\na\nb\rc";
    binary += '\0';
    binary += "d without an end";
    house.submit("s@x.example", {"c@y.example"}, binary, Duration{0},
                 [](message::Envelope& envelope) { envelope.body_type = message::BodyType::binary_mime; });
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(0, house.bounces);  // of success tells who has it now
    const auto taken = sink.taken();
    CPPUNIT_ASSERT_EQUAL(size_t{3}, taken.size());
    const auto& plain = taken[0].head;
    CPPUNIT_ASSERT_EQUAL(std::string("s@x.example"), plain.sender);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, plain.recipients.size());
    CPPUNIT_ASSERT_EQUAL(int{message::notify::success | message::notify::delay}, int{plain.recipients[0].notify});
    CPPUNIT_ASSERT_EQUAL(std::string("rfc822;first+2Bhand@z.example"), plain.recipients[0].orcpt);
    CPPUNIT_ASSERT_EQUAL(int{message::notify::never}, int{plain.recipients[1].notify});
    CPPUNIT_ASSERT(plain.ret == message::Ret::hdrs && plain.envid == "QQ314159" && plain.auth == "who@x.example");
    CPPUNIT_ASSERT(plain.priority == 3 && !plain.smtputf8 && !plain.require_tls);
    CPPUNIT_ASSERT(plain.body_type == message::BodyType::seven_bit);
    CPPUNIT_ASSERT(plain.deliver_by && plain.deliver_by->mode == 'N' && !plain.deliver_by->trace);
    CPPUNIT_ASSERT(plain.deliver_by->seconds > 3000 && plain.deliver_by->seconds <= 3600);
    CPPUNIT_ASSERT(plain.size == taken[0].body.size());
    const auto& utf8 = taken[1].head;
    CPPUNIT_ASSERT(utf8.smtputf8 && utf8.sender == "s\xC3\xBC@x.example");
    CPPUNIT_ASSERT_EQUAL(std::string("utf-8;\xC3\xA4@y.example"), utf8.recipients.at(0).orcpt);
    CPPUNIT_ASSERT(utf8.body_type == message::BodyType::eight_bit_mime);
    CPPUNIT_ASSERT(taken[2].head.body_type == message::BodyType::binary_mime);
    CPPUNIT_ASSERT(taken[2].body.ends_with(binary));
  }

  // However a body comes in parts, it is what it is in one.
  void lines_end_as_they_have_to() {
    for (const std::string text :
         {"a\r\nb\r\n", "a\nb\n", "a\rb\r", "\r\r\n\n", "a\r\n\rb", "", "\n", "\r", "no end"}) {
      std::string expected;
      smtp::DataEncoder encoder;
      encoder.add(text, expected);
      encoder.finish(expected);
      expected.resize(expected.size() - 3);  // the dot
      for (size_t at = 0; at <= text.size(); ++at) {
        BodyLines lines(false);
        std::string out;
        lines.add(text.substr(0, at), out);
        lines.add(text.substr(at), out);
        lines.finish(out);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(text, 50), expected, out);
      }
      BodyLines same;
      std::string out;
      same.add(text, out);
      same.finish(out);
      CPPUNIT_ASSERT_EQUAL(text, out);
    }
  }

  // Fields 6 and 9 of T and P: the octets of its frames, and how far they came.
  void bytes_and_stage() {
    std::atomic<uint64_t> octets = 0;
    StreamSink sink([&](Talk& talk) {
      talk.open();
      for (;;) {
        const auto message = talk.message();
        octets = message.octets;
        talk.nak(message.sequence, 550, "5.7.1", "no");
        talk.ack(message.sequence);
      }
    });
    House house(by_stream(sink, "Generate_Bounces = false"));
    house.dispatcher->start();
    for (const size_t size : {10U, 3000000U}) {
      house.submit("s@x.example", {fmt::format("u{}@y.example", size)},
                   "Subject: size\r\n\r\n" + std::string(size, 'x') + "\r\n");
      house.run_until_empty();
      const std::string line = line_of(house, 'P', fmt::format("@u{}@", size));
      const auto fields = split(line, '@');
      CPPUNIT_ASSERT_EQUAL(std::to_string(octets), std::string(fields.at(6)));
      CPPUNIT_ASSERT_EQUAL(std::string("9"), std::string(fields.at(9)));
    }
    for (const std::string& record : house.records("Bounce"))
      CPPUNIT_ASSERT_MESSAGE(record, holds(record, "\"stage\":9") && !holds(record, "\"command\""));
    // Nothing of it goes where it cannot.
    house.submit("s@x.example", {"tls@y.example"}, "Subject: tls\r\n\r\n", Duration{0},
                 [](message::Envelope& envelope) { envelope.require_tls = true; });
    house.run_until_empty();
    const std::string line = line_of(house, 'P', "@tls@");
    const auto fields = split(line, '@');
    CPPUNIT_ASSERT_EQUAL(std::string("0 1"), fmt::format("{} {}", fields.at(6), fields.at(9)));

    // In the middle of a body, and before HELLO was answered.
    StreamSink reads_nothing([](Talk& talk) {
      if (talk.connection == 1) talk.open();
      while (!talk.gone()) {
      }
    });
    House other(by_stream(reads_nothing, "Body_Timeout = 300ms\nRetry_Interval = 1h"));
    other.dispatcher->start();
    other.submit("s@x.example", {"a@y.example"}, "Subject: large\r\n\r\n" + std::string(24 << 20, 'x') + "\r\n");
    other.run_until([&] { return other.lines('T') == 1; }, "a failure");
    const std::string body_line = line_of(other, 'T', "@a@");
    const auto body = split(body_line, '@');
    CPPUNIT_ASSERT_EQUAL(std::string("8"), std::string(body.at(9)));
    const uint64_t left = parse_unsigned(body.at(6)).value_or(0);
    CPPUNIT_ASSERT_MESSAGE(std::to_string(left), left > 1000 && left < (24 << 20));
    other.reconfigure(by_stream(reads_nothing, "EHLO_Timeout = 300ms\nRetry_Interval = 1h"));
    other.submit("s@x.example", {"b@z.example"});
    other.run_until([&] { return other.lines('T') == 2; }, "another");
    const std::string hello_line = line_of(other, 'T', "@b@");
    const auto hello = split(hello_line, '@');
    CPPUNIT_ASSERT_EQUAL(std::string("11"), std::string(hello.at(9)));
    CPPUNIT_ASSERT(parse_unsigned(hello.at(6)).value_or(0) > 16);
  }

  void message_throttle() {
    StreamSink sink;
    House house(by_stream(sink, "Outbound_Throttle_Messages = \"3/1d\""));
    for (int i = 0; i < 10; ++i) house.submit("s@x.example", {"a@y.example"});
    house.dispatcher->start();
    house.run_until([&] { return sink.taken().size() >= 3; }, "three");
    net::test::spin(*house.loop, 60);
    CPPUNIT_ASSERT_EQUAL(size_t{3}, sink.taken().size());
  }

  // One in which a stream goes on is not waited for, but it counts.
  void connection_throttle() {
    StreamSink sink([](Talk& talk) {
      talk.open();
      const auto message = talk.message();
      if (talk.connection == 1) return;
      talk.take(message);
      talk.take_all();
    });
    House house(by_stream(sink, "Outbound_Throttle_Connections = \"2/1d\"\nMax_Deliveries_Per_Connection = 1"));
    for (int i = 0; i < 3; ++i) house.submit("s@x.example", {"a@y.example"});
    house.dispatcher->start();
    house.run_until([&] { return house.lines('D') == 1; }, "one of them");
    net::test::spin(*house.loop, 60);
    CPPUNIT_ASSERT_EQUAL(2, sink.connections());
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
  }

  void source_address() {
    StreamSink sink;
    House house(by_stream(sink, "Bind_Address = 127.0.0.3"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_MESSAGE(house.mails(), holds(house.mails(), "@127.0.0.3:"));
  }

  void routes_that_make_no_sense() {
    const std::map<std::string, std::string> cases = {
        {"Delivery_Method = ecstream", "named: a Gateway"},
        {"Delivery_Method = ecstream Routes = __mx__", "named: a Gateway"},
        {"Delivery_Method = ecstream Routes = \"smtp://h.example?type=mx\"", "named: a Gateway"},
        {"Delivery_Method = ecstream Gateway = h.example XCLIENT = required", "XCLIENT is SMTP's and LMTP's"},
        {"Delivery_Method = ecstream Gateway = h.example:25", "port 25"},
        {"Delivery_Method = ecstream Gateway = h.example ECStream_Port = 25", "port 25"},
    };
    for (const auto& [options, text] : cases) {
      const auto conf =
          config::test::snapshot("Hostname = h.example\nTLS = no\nDomain \"y.example\" { " + options + " }\n");
      const RoutePtr route = route_to(*conf, "y.example");
      CPPUNIT_ASSERT_MESSAGE(options, route->method == Route::Method::none);
      CPPUNIT_ASSERT_MESSAGE(options + ": " + route->problem, holds(route->problem, text));
      config::Diagnostics found;
      RouteCheck().check(*conf, found);
      CPPUNIT_ASSERT_EQUAL(size_t{1}, found.size());
      CPPUNIT_ASSERT_EQUAL(3U, static_cast<unsigned>(found[0].origin.place.line));
    }
    const auto good = config::test::snapshot(
        "Hostname = h.example\nTLS = no\nDelivery_Method = ecstream\nGateway = \"/run/stream\"\nECStream_Port = 25\n");
    CPPUNIT_ASSERT(route_to(*good, "y.example")->method == Route::Method::smtp);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StreamOutcomeTest);

}  // namespace
}  // namespace impulse::delivery
