// A Gateway that is down, full, silent, or breaks off.
#include "house.h"
#include "sink.h"

namespace impulse::delivery {
namespace {

using namespace test;
using telemetry::Counter;

class GatewayTroubleTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(GatewayTroubleTest);
  CPPUNIT_TEST(gateway_down_then_up);
  CPPUNIT_TEST(a_dead_gateway_is_not_hammered);
  CPPUNIT_TEST(a_gateway_that_takes_no_more_connections_is_not_down);
  CPPUNIT_TEST(unresolved_gateway_waits);
  CPPUNIT_TEST(second_gateway_serves_when_the_first_is_down);
  CPPUNIT_TEST(greeting_refused_is_no_bounce);
  CPPUNIT_TEST(a_stale_connection_costs_no_attempt);
  CPPUNIT_TEST(dropped_in_the_data_is_tried_again);
  CPPUNIT_TEST(silence_times_out);
  CPPUNIT_TEST(a_time_out_is_not_given_twice);
  CPPUNIT_TEST(endless_replies_end);
  CPPUNIT_TEST_SUITE_END();

  void gateway_down_then_up() {
    Sink sink;
    House house(gateway(sink));
    sink.stop();
    house.dispatcher->start();
    for (int i = 0; i < 5; ++i) house.submit("s@x.example", {fmt::format("a@d{}.example", i)});
    house.run_until([&] { return house.counter(Counter::transient_failures) >= 5; });
    CPPUNIT_ASSERT_EQUAL(0, house.lines('P'));
    const auto waiting = house.dispatcher->waiting("", 10);
    CPPUNIT_ASSERT_EQUAL(size_t{5}, waiting.size());
    CPPUNIT_ASSERT(holds(waiting[0].last_error, "127.0.0.1"));
    sink.resume();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{5}, sink.count());
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, house.counter(Counter::queued_recipients));
  }

  void a_dead_gateway_is_not_hammered() {
    Script script;
    script.banner = [](int) { return "421 4.3.2 down for the day"; };
    Sink sink(script);
    House house(gateway(sink, "Retry_Interval = 1h"));
    for (int i = 0; i < 40; ++i) house.submit("s@x.example", {fmt::format("a@d{}.example", i % 4)});
    const message::Envelope late = envelope("s@x.example", {"a@y.example"});
    std::vector<MessageId> ids;
    for (int i = 0; i < 20; ++i) ids.push_back(house.store(late));
    house.dispatcher->start();
    house.run_until([&] { return house.counter(Counter::transient_failures) == 40; });
    CPPUNIT_ASSERT_EQUAL(1, sink.connections());
    // What comes now waits for the next look at it, and costs it no attempt yet.
    for (const MessageId id : ids) house.give(id, late);
    house.run_until([&] { return house.dispatcher->size() == 60; });
    net::test::spin(*house.loop, 20);
    CPPUNIT_ASSERT_EQUAL(1, sink.connections());
    house.run_until([&] { return house.counter(Counter::transient_failures) == 60; });
    CPPUNIT_ASSERT_EQUAL(2, sink.connections());
  }

  void a_gateway_that_takes_no_more_connections_is_not_down() {
    Script script;
    Sink* self = nullptr;
    script.banner = [&](int) { return self->open() > 2 ? "421 4.7.0 too many connections" : ""; };
    Sink sink(script);
    self = &sink;
    House house(gateway(sink, "Retry_Interval = 1h\nMax_Outbound_Connections = 10"));
    for (int i = 0; i < 60; ++i) house.submit("s@x.example", {"a@y.example"});
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{60}, sink.count());
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
  }

  void unresolved_gateway_waits() {
    House house("Gateway = \"no-such-host.invalid\"\nRetry_Interval = 1\nTLS = no\n");
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until([&] { return house.counter(Counter::transient_failures) == 1; });
    CPPUNIT_ASSERT(holds(house.dispatcher->waiting("", 1).at(0).last_error, "no-such-host.invalid"));
  }

  void second_gateway_serves_when_the_first_is_down() {
    Sink down;
    down.stop();
    Sink sink;
    House house(fmt::format("Gateway = ( \"127.0.0.1:{}\" \"localhost:{}\" )\nTLS = no\n", down.port(), sink.port()));
    house.dispatcher->start();
    for (int i = 0; i < 5; ++i) house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{5}, sink.count());
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
  }

  void greeting_refused_is_no_bounce() {
    Script script;
    std::atomic<int> tries = 0;
    script.banner = [&](int) { return ++tries == 1 ? "554 5.3.2 go away" : ""; };
    Sink sink(script);
    House house(gateway(sink));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until([&] { return house.counter(Counter::transient_failures) == 1; });
    CPPUNIT_ASSERT(holds(house.dispatcher->waiting("", 1).at(0).last_error, "go away"));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.count());
    CPPUNIT_ASSERT_EQUAL(0, house.lines('P'));
  }

  // The other side closes a connection after each message, in two ways.
  void a_stale_connection_costs_no_attempt() {
    for (const char* way : {"drop", "421 4.7.0 enough of you"}) {
      Script script;
      std::atomic<int> mails = 0;
      script.mail = [&](const std::string&) { return ++mails % 2 == 0 ? way : ""; };
      Sink sink(script);
      House house(gateway(sink, "Max_Outbound_Connections = 1\nRetry_Interval = 1h"));
      for (int i = 0; i < 4; ++i) house.submit("s@x.example", {"a@y.example"});
      house.dispatcher->start();
      house.run_until_empty();
      CPPUNIT_ASSERT_EQUAL(size_t{4}, sink.count());
      CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
    }
  }

  void dropped_in_the_data_is_tried_again() {
    Script script;
    std::atomic<int> tries = 0;
    script.data = [&](const Letter&) { return ++tries == 1 ? "drop" : ""; };
    Sink sink(script);
    House house(gateway(sink));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.count());
    CPPUNIT_ASSERT_EQUAL(1, house.lines('T'));
  }

  void silence_times_out() {
    for (const char* where : {"banner", "mail", "rcpt", "data"}) {
      Script script;
      std::atomic<int> tries = 0;
      const auto once = [&, where](const char* here) -> std::string {
        return where == std::string_view(here) && ++tries == 1 ? "mute" : "";
      };
      script.banner = [once](int) { return once("banner"); };
      script.mail = [once](const std::string&) { return once("mail"); };
      script.rcpt = [once](const std::string&) { return once("rcpt"); };
      script.data = [once](const Letter&) { return once("data"); };
      Sink sink(script);
      House house(gateway(sink,
                          "Connect_Timeout = 100ms\nMailfrom_Timeout = 100ms\nRcptto_Timeout = 100ms\n"
                          "Body_Timeout = 100ms\nEHLO_Timeout = 5"));
      house.dispatcher->start();
      house.submit("s@x.example", {"a@y.example"});
      house.run_until([&] { return house.counter(Counter::transient_failures) >= 1; }, where);
      CPPUNIT_ASSERT(holds(house.mails(), "timed out"));
    }
  }

  // Timers of one loop end in their order, however late it comes to them.
  void a_time_out_is_not_given_twice() {
    std::atomic<House*> home = nullptr;
    net::Timer* later = nullptr;
    Script script;
    script.mail = [&](const std::string&) {
      home.load()->loop->post([&] { later->start(std::chrono::milliseconds(1700)); });
      return "mute";
    };
    Sink sink(script);
    House house(gateway(sink, "Mailfrom_Timeout = 1 Retry_Interval = 1h"));
    home = &house;
    int64_t failed_by_then = -1;
    net::Timer timer(*house.loop, [&] { failed_by_then = house.counter(Counter::transient_failures); });
    later = &timer;
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until([&] { return failed_by_then >= 0; });
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, failed_by_then);
  }

  void endless_replies_end() {
    Script script;
    std::atomic<bool> once = false;
    script.mail = [&](const std::string&) -> std::string {
      if (once.exchange(true)) return "";
      std::string reply;
      for (int i = 0; i < 100000; ++i) reply += "250-and on\r\n";
      return reply + "250 ok";
    };
    Sink sink(script);
    House house(gateway(sink));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.count());
    CPPUNIT_ASSERT_EQUAL(1, house.lines('T'));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GatewayTroubleTest);

}  // namespace
}  // namespace impulse::delivery
