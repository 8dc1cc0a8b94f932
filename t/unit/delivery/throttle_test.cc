// Outbound_Throttle_Messages and _Connections: how many go, whose turn it is,
// and what a change of the configuration does. Rates are so low that what is
// held back stays so as long as the test lasts.
#include "delivery/throttles.h"
#include "house.h"
#include "sink.h"

#include <algorithm>
#include <map>
#include <set>

namespace impulse::delivery {
namespace {

using namespace test;
using namespace std::chrono_literals;
using telemetry::Counter;
using Of = Throttles::Of;

class ThrottleTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ThrottleTest);
  CPPUNIT_TEST(so_many_messages_go);
  CPPUNIT_TEST(a_higher_rate_counts_at_once);
  CPPUNIT_TEST(who_falls_back_on_a_scope_shares_it);
  CPPUNIT_TEST(a_domain_of_its_own_and_others_on_the_same_connections);
  CPPUNIT_TEST(tenants_have_their_own);
  CPPUNIT_TEST(bindings_have_their_own);
  CPPUNIT_TEST(a_binding_in_another_case_has_its_own);
  CPPUNIT_TEST(a_transaction_counts_once);
  CPPUNIT_TEST(into_maildirs);
  CPPUNIT_TEST(so_many_connections_are_made);
  CPPUNIT_TEST(connections_that_are_there_carry_on);
  CPPUNIT_TEST(each_address_counts);
  CPPUNIT_TEST(all_of_it_goes_in_the_end);
  CPPUNIT_TEST(in_line);
  CPPUNIT_TEST(who_does_not_come_loses_its_turn);
  CPPUNIT_TEST(a_turn_that_passed_is_made_up_for);
  CPPUNIT_TEST(who_has_nothing_more_is_forgotten);
  CPPUNIT_TEST(nobody_is_called_in_vain);
  CPPUNIT_TEST(what_is_full_and_not_waited_for_is_forgotten);
  CPPUNIT_TEST_SUITE_END();

  static void submit(House& house, int count, const std::string& domain, const std::string& tenant = "",
                     const std::string& binding = "") {
    for (int i = 0; i < count; ++i)
      house.submit("s@x.example", {"a@" + domain}, fmt::format("N: {}\r\n\r\n", i), Duration{0},
                   [&](message::Envelope& envelope) {
                     envelope.tenant = tenant;
                     envelope.binding = binding;
                   });
  }
  // So many have come, and no more are coming.
  static void arrived(House& house, const Sink& sink, size_t count) {
    house.run_until([&] { return sink.count() >= count && house.dispatcher->totals().in_flight == 0; },
                    fmt::format("{} letters", count));
    net::test::spin(*house.loop, 60);
    CPPUNIT_ASSERT_EQUAL(count, sink.count());
  }
  static std::map<std::string, int> by_recipient(const Sink& sink) {
    std::map<std::string, int> count;
    for (const Letter& letter : sink.letters()) ++count[letter.recipients.at(0)];
    return count;
  }

  void so_many_messages_go() {
    Sink sink;
    House house(gateway(sink, "Outbound_Throttle_Messages = \"5/3600\""));
    house.dispatcher->start();
    submit(house, 12, "y.example");
    arrived(house, sink, 5);
    const auto status = house.dispatcher->domain("y.example");
    CPPUNIT_ASSERT(status && status->active == 7 && status->in_flight == 0);
    const auto throttled = house.dispatcher->throttled("y.example");
    CPPUNIT_ASSERT(throttled.has_value());
    CPPUNIT_ASSERT_EQUAL(std::string("Outbound_Throttle_Messages"), throttled->option);
    CPPUNIT_ASSERT_EQUAL(std::string("5/3600"), throttled->rate);
    CPPUNIT_ASSERT_EQUAL(std::string("global"), throttled->scope);
    CPPUNIT_ASSERT(throttled->wait > 600s && throttled->wait <= 720s);
    house.reconfigure(gateway(sink));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{12}, sink.count());
    CPPUNIT_ASSERT(!house.dispatcher->throttled("y.example"));
  }

  void a_higher_rate_counts_at_once() {
    Sink sink;
    House house(gateway(sink, "Outbound_Throttle_Messages = \"5/3600\""));
    house.dispatcher->start();
    submit(house, 12, "y.example");
    arrived(house, sink, 5);
    house.reconfigure(gateway(sink, "Outbound_Throttle_Messages = \"8/3600\""));
    arrived(house, sink, 8);
    house.reconfigure(gateway(sink, "Outbound_Throttle_Messages = \"2/3600\""));
    net::test::spin(*house.loop, 60);
    CPPUNIT_ASSERT_EQUAL(size_t{8}, sink.count());
    house.reconfigure(gateway(sink, "Outbound_Throttle_Messages = 1000"));
    house.run_until_empty();
  }

  void who_falls_back_on_a_scope_shares_it() {
    Sink sink;
    const std::string conf =
        "Domain \"/^big/\" { Outbound_Throttle_Messages = \"4/3600\" }\nOutbound_Throttle_Messages = \"6/3600\"\n";
    House house(gateway(sink, conf + "Max_Outbound_Connections = 1"));
    for (const char* domain : {"a.example", "b.example", "c.example", "big1.example", "big2.example"})
      submit(house, 10, domain);
    house.dispatcher->start();
    arrived(house, sink, 10);
    auto count = by_recipient(sink);
    for (const char* domain : {"a@a.example", "a@b.example", "a@c.example", "a@big1.example", "a@big2.example"})
      CPPUNIT_ASSERT_EQUAL(2, count[domain]);  // in turn
    CPPUNIT_ASSERT_EQUAL(std::string("Domain /^big/"), house.dispatcher->throttled("big1.example")->scope);
    house.reconfigure(gateway(sink));
    house.run_until_empty();
  }

  void a_domain_of_its_own_and_others_on_the_same_connections() {
    Sink sink;
    House house(gateway(sink,
                        "Domain \"slow.example\" { Outbound_Throttle_Messages = \"2/3600\" }\n"
                        "Max_Outbound_Connections = 1"));
    submit(house, 10, "slow.example");
    submit(house, 30, "fast.example");
    house.dispatcher->start();
    arrived(house, sink, 32);
    CPPUNIT_ASSERT_EQUAL(2, by_recipient(sink)["a@slow.example"]);
    CPPUNIT_ASSERT(!house.dispatcher->throttled("fast.example"));
    house.reconfigure(gateway(sink));
    house.run_until_empty();
  }

  void tenants_have_their_own() {
    Sink sink;
    House house(gateway(sink, "Outbound_Throttle_Messages = \"3/3600\""));
    house.dispatcher->start();
    submit(house, 5, "y.example", "blue");
    submit(house, 5, "y.example", "green");
    arrived(house, sink, 6);
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, house.dispatcher->domain("blue/y.example")->active);
    house.reconfigure(gateway(sink));
    house.run_until_empty();
  }

  void bindings_have_their_own() {
    Sink sink;
    House house(gateway(sink,
                        "Outbound_Throttle_Messages = \"3/3600\"\n"
                        "Binding b1 { Outbound_Throttle_Messages = \"2/3600\" } Binding b2 { }"));
    house.dispatcher->start();
    for (const char* binding : {"", "b1", "b2"}) submit(house, 4, "y.example", "", binding);
    arrived(house, sink, 5);  // b2 has none, and shares what is global with those of no binding
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, house.dispatcher->domain("y.example%b1")->active);
    house.reconfigure(gateway(sink, "Binding b1 { } Binding b2 { }"));
    house.run_until_empty();
  }

  void a_binding_in_another_case_has_its_own() {
    Sink sink;
    House house(gateway(
        sink, "Outbound_Throttle_Messages = \"3/3600\"\nBinding B1 { Outbound_Throttle_Messages = \"2/3600\" }"));
    house.dispatcher->start();
    for (const char* binding : {"", "b1"}) submit(house, 4, "y.example", "", binding);
    arrived(house, sink, 5);
    CPPUNIT_ASSERT_EQUAL(std::string("Binding B1"), house.dispatcher->throttled("y.example%b1")->scope);
    house.reconfigure(gateway(sink, "Binding B1 { }"));
    house.run_until_empty();
  }

  void a_transaction_counts_once() {
    Sink sink;
    House house(gateway(sink, "Outbound_Throttle_Messages = \"3/3600\"\nMax_Recipients_Per_Batch = 4"));
    house.dispatcher->start();
    std::vector<std::string> recipients;
    for (int i = 0; i < 20; ++i) recipients.push_back(fmt::format("r{}@y.example", i));
    house.submit("s@x.example", recipients);
    arrived(house, sink, 3);
    CPPUNIT_ASSERT_EQUAL(uint64_t{8}, house.dispatcher->domain("y.example")->active);
    house.reconfigure(gateway(sink));
    house.run_until_empty();
  }

  void into_maildirs() {
    const std::string conf = "Delivery_Method = maildir\nMaildir_Path = \"./%{domain}\"\n";
    House house(conf + "Outbound_Throttle_Messages = \"3/3600\"");
    const There there(house);
    house.dispatcher->start();
    submit(house, 8, "y.example");
    house.run_until([&] { return house.counter(Counter::deliveries) == 3; });
    net::test::spin(*house.loop, 60);
    CPPUNIT_ASSERT_EQUAL(size_t{3}, house.maildir("y.example").size());
    house.reconfigure(conf);
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{8}, house.maildir("y.example").size());
  }

  void so_many_connections_are_made() {
    Sink sink;
    const std::string conf = "Max_Deliveries_Per_Connection = 1\nMax_Outbound_Connections = 5\n";
    House house(gateway(sink, conf + "Outbound_Throttle_Connections = \"3/3600\""));
    submit(house, 8, "y.example");
    house.dispatcher->start();
    arrived(house, sink, 3);
    CPPUNIT_ASSERT_EQUAL(3, sink.connections());
    CPPUNIT_ASSERT_EQUAL(std::string("Outbound_Throttle_Connections"),
                         house.dispatcher->throttled("y.example")->option);
    house.reconfigure(gateway(sink, conf));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(8, sink.connections());
  }

  void connections_that_are_there_carry_on() {
    Sink sink;
    House house(gateway(sink,
                        "Idle_Timeout = 60\nMax_Outbound_Connections = 5\n"
                        "Domain \"slow.example\" { Outbound_Throttle_Connections = \"1/3600\" }"));
    submit(house, 40, "slow.example");
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, sink.connections());
    CPPUNIT_ASSERT_EQUAL(size_t{40}, sink.count());
    // What the one may not open the other may.
    submit(house, 40, "fast.example");
    submit(house, 10, "slow.example");
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{90}, sink.count());
  }

  // The second address is tried at once, and owed.
  void each_address_counts() {
    Sink sink;
    House house(
        fmt::format("Gateway = ( \"127.0.0.1:1\" \"127.0.0.1:{}\" )\nTLS = no\nRetry_Interval = 1\n"
                    "Max_Deliveries_Per_Connection = 1\nMax_Outbound_Connections = 1\n"
                    "Outbound_Throttle_Connections = \"4/3600\"",
                    sink.port()));
    submit(house, 5, "y.example");
    house.dispatcher->start();
    arrived(house, sink, 2);
    house.reconfigure(gateway(sink));
    house.run_until_empty();
  }

  void all_of_it_goes_in_the_end() {
    Sink sink;
    House house(gateway(sink, "Outbound_Throttle_Messages = \"100/1\"\nOutbound_Throttle_Connections = \"50/1\""));
    house.dispatcher->start();
    for (int i = 0; i < 15; ++i) submit(house, 10, fmt::format("d{}.example", i));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{150}, sink.count());
  }

  // Throttles alone, with a clock of the test's.
  struct Lines {
    explicit Lines(const std::string& rate)
        : snapshot(config::test::snapshot("Outbound_Throttle_Messages = \"" + rate + "\"")),
          route(route_to(*snapshot, "a.example")) {}

    bool take(const std::string& domain) { return throttles.take(Of::messages, domain, route); }
    // `standing` sets the timer anew; then so many are called in all.
    void pass(Duration time, const std::string& standing, size_t count) {
      now += time;
      CPPUNIT_ASSERT(!throttles.ready(Of::messages, standing, route));
      net::test::run_until(*loop, [&] { return called.size() >= count; }, "who is called");
      net::test::spin(*loop);
      CPPUNIT_ASSERT_EQUAL(count, called.size());
    }

    std::unique_ptr<net::Loop> loop = net::test::make_loop();
    config::SnapshotPtr snapshot;
    RoutePtr route;
    SteadyTime now{SteadyTime(1000h)};
    std::vector<std::string> called;
    uint64_t asked = 0;  // for the time
    Throttles throttles{*loop, [this] { return snapshot; },
                        [this](const std::string& domain) { called.push_back(domain); },
                        [this](const std::string& domain) { return !done.contains(domain); },
                        [this] {
                          ++asked;
                          return now;
                        }};
    std::set<std::string> done;
  };

  void in_line() {
    Lines lines("2/10");
    CPPUNIT_ASSERT(lines.take("a.example") && lines.take("b.example"));
    for (const char* domain : {"c.example", "d.example", "e.example", "c.example"}) CPPUNIT_ASSERT(!lines.take(domain));
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, lines.throttles.room(Of::messages, "c.example", lines.route, 9));
    lines.pass(5s, "e.example", 1);
    CPPUNIT_ASSERT(lines.called == std::vector<std::string>{"c.example"});
    CPPUNIT_ASSERT(!lines.take("f.example"));  // it is not its turn
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, lines.throttles.room(Of::messages, "c.example", lines.route, 9));
    CPPUNIT_ASSERT(lines.take("c.example"));
    CPPUNIT_ASSERT(!lines.take("c.example"));  // behind the others
    lines.called.clear();
    lines.pass(10s, "c.example", 2);
    CPPUNIT_ASSERT((lines.called == std::vector<std::string>{"d.example", "e.example"}));
    CPPUNIT_ASSERT(lines.take("e.example") && lines.take("d.example"));
    CPPUNIT_ASSERT(!lines.take("d.example"));
  }

  void who_does_not_come_loses_its_turn() {
    Lines lines("1/10");
    CPPUNIT_ASSERT(lines.take("a.example"));
    for (const char* domain : {"b.example", "c.example"}) CPPUNIT_ASSERT(!lines.take(domain));
    lines.pass(10s, "c.example", 1);
    CPPUNIT_ASSERT(lines.called == std::vector<std::string>{"b.example"});
    lines.pass(500ms, "c.example", 1);
    lines.pass(500ms, "c.example", 2);
    CPPUNIT_ASSERT_EQUAL(std::string("c.example"), lines.called.back());
    CPPUNIT_ASSERT(lines.take("c.example"));
    CPPUNIT_ASSERT(!lines.take("d.example"));
  }

  // Its host greets after its turn, when another one has the token.
  void a_turn_that_passed_is_made_up_for() {
    Lines lines("1/10");
    CPPUNIT_ASSERT(lines.take("a.example"));
    for (const char* domain : {"slow.example", "c.example"}) CPPUNIT_ASSERT(!lines.take(domain));
    lines.pass(10s, "c.example", 1);
    CPPUNIT_ASSERT(lines.called == std::vector<std::string>{"slow.example"});
    lines.pass(1s, "c.example", 2);
    CPPUNIT_ASSERT(lines.take("c.example"));
    CPPUNIT_ASSERT(!lines.take("d.example"));
    CPPUNIT_ASSERT(lines.take("slow.example"));
    CPPUNIT_ASSERT(!lines.take("slow.example"));  // once
    // What it owes is made up for first.
    lines.called.clear();
    lines.pass(9s, "slow.example", 0);
    lines.pass(11s, "slow.example", 1);
    CPPUNIT_ASSERT(lines.called == std::vector<std::string>{"d.example"});
  }

  void who_has_nothing_more_is_forgotten() {
    Lines lines("1000/10");
    for (int i = 0; i < 1000; ++i) CPPUNIT_ASSERT(lines.take("a.example"));
    for (int i = 0; i < 1000; ++i) {
      CPPUNIT_ASSERT(!lines.take(fmt::format("d{}.example", i)));
      lines.done.insert(fmt::format("d{}.example", i));
    }
    lines.pass(10s, "d0.example", 1000);
    CPPUNIT_ASSERT(!lines.take("b.example"));
    lines.pass(1s, "b.example", 1001);
    CPPUNIT_ASSERT(lines.take("b.example"));
    while (lines.take("b.example")) {
    }
    CPPUNIT_ASSERT(!lines.take("d1.example"));  // it would have credit
  }

  // All that the bucket holds are called: nothing is to be done until their time is over.
  void nobody_is_called_in_vain() {
    Lines lines("2/10");
    CPPUNIT_ASSERT(lines.take("a.example") && lines.take("a.example"));
    for (const char* domain : {"b.example", "c.example", "d.example"}) CPPUNIT_ASSERT(!lines.take(domain));
    lines.pass(10s, "d.example", 2);
    const uint64_t before = lines.asked;
    CPPUNIT_ASSERT(!lines.take("d.example"));
    bool over = false;
    net::Timer timer(*lines.loop, [&] { over = true; });
    timer.start(50ms);
    net::test::run_until(*lines.loop, [&] { return over; }, "some time");
    CPPUNIT_ASSERT(lines.asked < before + 10);
  }

  void what_is_full_and_not_waited_for_is_forgotten() {
    Lines lines("1/10");
    CPPUNIT_ASSERT(lines.take("a.example"));
    lines.throttles.tidy();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, lines.throttles.size());
    lines.now += 10s;
    lines.throttles.tidy();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, lines.throttles.size());
    CPPUNIT_ASSERT(lines.take("a.example"));
    CPPUNIT_ASSERT(!lines.take("b.example"));
    lines.now += 10s;
    lines.throttles.tidy();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, lines.throttles.size());  // somebody waits
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ThrottleTest);

}  // namespace
}  // namespace impulse::delivery
