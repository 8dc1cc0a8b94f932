// Mail of several tenants to the same domain, by the same Gateway: what one has
// to wait for is nothing to the others.
#include "house.h"
#include "sink.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <set>

namespace impulse::delivery {
namespace {

using namespace test;
using telemetry::Counter;

class TenantTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TenantTest);
  CPPUNIT_TEST(a_queue_each);
  CPPUNIT_TEST(a_gateway_that_is_down_for_one);
  CPPUNIT_TEST(no_connection_is_shared);
  CPPUNIT_TEST(connections_that_are_short_are_had_in_turn);
  CPPUNIT_TEST(a_connection_that_never_ends_is_had_in_turn);
  CPPUNIT_TEST(who_has_several_makes_room_for_who_has_none);
  CPPUNIT_TEST(who_rests_makes_room);
  CPPUNIT_TEST(reports_are_the_tenants_own);
  CPPUNIT_TEST(a_route_is_the_domains);
  CPPUNIT_TEST(the_same_queue_after_a_restart);
  CPPUNIT_TEST_SUITE_END();

  static MessageId submit(House& house, const std::string& tenant, const std::string& recipient) {
    return house.submit(tenant + "@x.example", {recipient}, "Subject: hello\r\n\r\nbody\r\n", Duration{0},
                        [&](message::Envelope& envelope) { envelope.tenant = tenant; });
  }
  static std::vector<std::string> queues(House& house) {
    std::vector<std::string> names;
    for (const auto& status : house.dispatcher->domains()) names.push_back(status.domain);
    return names;
  }
  static int64_t of(House& house, const std::string& tenant, Counter counter) {
    return house.counters.tenant(tenant)->value(counter);
  }
  // Everything of that sender is deferred.
  static Script deferring(const std::string& who) {
    Script script;
    script.mail = [who](const std::string& path) { return path == who ? "451 4.7.1 not now" : ""; };
    return script;
  }

  void a_queue_each() {
    Sink sink(deferring("blue@x.example"));
    House house(gateway(sink, "Retry_Interval = 1h"));
    house.dispatcher->start();
    submit(house, "blue", "a@D.example");
    house.run_until([&] { return house.counter(Counter::transient_failures) == 1; });
    submit(house, "green", "a@d.example");
    submit(house, "", "a@d.example");
    house.run_until([&] { return house.counter(Counter::deliveries) == 2; });
    CPPUNIT_ASSERT(queues(house) == std::vector<std::string>{"blue/d.example"});
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.dispatcher->waiting("blue/d.example", 10).size());
    CPPUNIT_ASSERT(house.dispatcher->waiting("d.example", 10).empty());
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, of(house, "blue", Counter::queued_recipients));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, of(house, "blue", Counter::transient_failures));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, of(house, "blue", Counter::deliveries));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, of(house, "green", Counter::queued_recipients));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, of(house, "green", Counter::deliveries));
    const std::string mails = house.mails();
    CPPUNIT_ASSERT(holds(mails, "@T@d.example@"));
    CPPUNIT_ASSERT(holds(mails, "@blue\n") && holds(mails, "@green\n"));
  }

  // As it is when a Gateway turns away by what comes: for one tenant it rests.
  void a_gateway_that_is_down_for_one() {
    Script script;
    script.banner = [](int connection) { return connection == 1 ? "421 4.3.2 not you" : ""; };
    Sink sink(script);
    House house(gateway(sink, "Retry_Interval = 1h"));
    house.dispatcher->start();
    submit(house, "blue", "a@d.example");
    house.run_until([&] { return house.counter(Counter::transient_failures) == 1; });
    submit(house, "green", "a@d.example");
    house.run_until([&] { return of(house, "green", Counter::deliveries) == 1; });
    CPPUNIT_ASSERT(queues(house) == std::vector<std::string>{"blue/d.example"});
  }

  void no_connection_is_shared() {
    Sink sink;
    House house(gateway(sink));
    house.dispatcher->start();
    for (int round = 0; round < 3; ++round)
      for (const char* tenant : {"blue", "green", ""}) {
        submit(house, tenant, "a@d.example");
        submit(house, tenant, "a@e.example");
        house.run_until_empty();
      }
    std::map<int, std::set<std::string>> senders;
    for (const Letter& letter : sink.letters()) senders[letter.connection].insert(letter.sender);
    CPPUNIT_ASSERT_EQUAL(size_t{18}, sink.count());
    for (const auto& [connection, who] : senders) CPPUNIT_ASSERT_EQUAL(size_t{1}, who.size());
  }

  void connections_that_are_short_are_had_in_turn() {
    Sink sink;
    House house(gateway(sink, "Server_Max_Outbound_Connections = 1 Max_Deliveries_Per_Connection = 1"));
    for (int i = 0; i < 8; ++i) submit(house, "alpha", "a@d.example");
    for (const char* tenant : {"beta", "gamma"}) submit(house, tenant, "a@d.example");
    house.run_until([&] { return house.dispatcher->size() == 10; });
    house.dispatcher->start();
    house.run_until_empty();
    std::vector<std::string> order;
    for (const Letter& letter : sink.letters()) order.push_back(letter.sender);
    CPPUNIT_ASSERT_EQUAL(size_t{10}, order.size());
    for (const char* sender : {"beta@x.example", "gamma@x.example"})
      CPPUNIT_ASSERT(std::find(order.begin(), order.end(), sender) - order.begin() < 5);
  }

  static size_t place_of(const Sink& sink, const std::string& tenant) {
    const auto letters = sink.letters();
    const auto found = std::ranges::find(letters, tenant + "@x.example", &Letter::sender);
    CPPUNIT_ASSERT(found != letters.end());
    return static_cast<size_t>(found - letters.begin());
  }

  void a_connection_that_never_ends_is_had_in_turn() {
    Sink sink;
    House house(gateway(sink, "Server_Max_Outbound_Connections = 1 Max_Deliveries_Per_Connection = 0"));
    for (int i = 0; i < 100; ++i) submit(house, "alpha", "a@d.example");
    for (const char* tenant : {"beta", "gamma"}) submit(house, tenant, "a@d.example");
    house.run_until([&] { return house.dispatcher->size() == 102; });
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT(place_of(sink, "beta") < 60 && place_of(sink, "gamma") < 60);
    CPPUNIT_ASSERT_EQUAL(1, sink.most_open());
  }

  void who_has_several_makes_room_for_who_has_none() {
    // Alpha's mail is slow, and the more so until the others have theirs.
    std::promise<void> go, others;
    std::atomic<int> alphas{0}, rest{2}, before{0};
    Script script;
    script.data = [&, may = go.get_future().share(), served = others.get_future().share()](const Letter& letter) {
      may.wait();
      if (letter.sender != "alpha@x.example") {
        before = std::max(before.load(), alphas.load());
        if (--rest == 0) others.set_value();
      } else if (++alphas > 10) {
        served.wait_for(std::chrono::seconds(5));
      }
      return "";
    };
    Sink sink(script);
    House house(gateway(sink, "Server_Max_Outbound_Connections = 3 Max_Deliveries_Per_Connection = 0"));
    for (int i = 0; i < 30; ++i) submit(house, "alpha", "a@d.example");
    house.dispatcher->start();
    house.run_until([&] { return sink.open() == 3; }, "all connections");
    for (const char* tenant : {"beta", "gamma"}) submit(house, tenant, "a@d.example");
    house.run_until([&] { return house.dispatcher->size() == 32; });
    net::test::spin(*house.loop);
    go.set_value();
    house.run_until_empty();
    CPPUNIT_ASSERT(before < 15);
    CPPUNIT_ASSERT_EQUAL(3, sink.most_open());
  }

  void who_rests_makes_room() {
    Sink sink;
    House house(gateway(sink, "Server_Max_Outbound_Connections = 1 Idle_Timeout = 1h"));
    house.dispatcher->start();
    for (const char* tenant : {"beta", "alpha", "gamma", "beta"}) {
      submit(house, tenant, "a@d.example");
      house.run_until_empty();
    }
    CPPUNIT_ASSERT_EQUAL(size_t{4}, sink.count());
    CPPUNIT_ASSERT_EQUAL(4, sink.connections());
  }

  void reports_are_the_tenants_own() {
    Script script;
    script.rcpt = [](const std::string& path) { return path == "nobody@d.example" ? "550 5.1.1 no such user" : ""; };
    Sink sink(script);
    House house(gateway(sink));
    submit(house, "blue", "nobody@d.example");
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.count());
    CPPUNIT_ASSERT(sink.letters()[0].sender.empty());
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, of(house, "blue", Counter::permanent_failures));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, of(house, "blue", Counter::bounces_generated));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, of(house, "blue", Counter::deliveries));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, of(house, "blue", Counter::queued_recipients));
  }

  void a_route_is_the_domains() {
    House house(
        "Domain \"d.example\" { Delivery_Method = maildir Maildir_Path = \"/dev/null/x\" }\nRetry_Interval = 1h\n");
    house.dispatcher->start();
    submit(house, "blue", "a@d.example");
    house.run_until([&] { return house.counter(Counter::transient_failures) == 1; });
    // Another route is taken at once, as it is for mail of no tenant.
    house.reconfigure("Domain \"d.example\" { Delivery_Method = maildir Maildir_Path = \"" +
                      std::string(house.dir / "mail") + "\" }\n");
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("mail").size());
  }

  void the_same_queue_after_a_restart() {
    Sink sink(deferring("blue@x.example"));
    House house(gateway(sink, "Retry_Interval = 1h"));
    house.dispatcher->start();
    submit(house, "blue", "a@d.example");
    house.run_until([&] { return house.counter(Counter::transient_failures) == 1; });
    house.close();
    house.open(gateway(sink, "Retry_Interval = 1h"));
    house.dispatcher->start();
    house.run_until([&] { return house.dispatcher->size() == 1; });
    CPPUNIT_ASSERT(queues(house) == std::vector<std::string>{"blue/d.example"});
    submit(house, "", "a@d.example");
    house.run_until([&] { return house.counter(Counter::deliveries) == 1; });
    CPPUNIT_ASSERT(queues(house) == std::vector<std::string>{"blue/d.example"});
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TenantTest);

}  // namespace
}  // namespace impulse::delivery
