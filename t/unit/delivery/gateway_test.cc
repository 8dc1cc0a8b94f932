// The Dispatcher with a Gateway that behaves: what goes over which connection.
#include "house.h"
#include "sink.h"

#include <map>
#include <set>

namespace impulse::delivery {
namespace {

using namespace test;
using telemetry::Counter;

class GatewayTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(GatewayTest);
  CPPUNIT_TEST(delivers_byte_by_byte);
  CPPUNIT_TEST(one_connection_serves_many);
  CPPUNIT_TEST(domains_share_a_smart_host);
  CPPUNIT_TEST(recipients_go_in_batches);
  CPPUNIT_TEST(connections_keep_their_limits);
  CPPUNIT_TEST(deliveries_a_connection_keep_their_limit);
  CPPUNIT_TEST(the_least_limit_of_those_who_share_counts);
  CPPUNIT_TEST(idle_connections_quit);
  CPPUNIT_TEST(many_messages_over_many_connections_once_each);
  CPPUNIT_TEST(suspended_and_resumed);
  CPPUNIT_TEST(a_new_gateway_is_taken_up);
  CPPUNIT_TEST_SUITE_END();

  void delivers_byte_by_byte() {
    Sink sink;
    House house(gateway(sink));
    house.dispatcher->start();
    const std::string body = "Subject: x\r\n\r\n.\r\n..\r\n.dot\r\n\r\n" + std::string(900, 'l') + "\r\nend\r\n";
    const MessageId id = house.submit("s@x.example", {"Bob@Y.example"}, body);
    house.run_until_empty();
    const auto letters = sink.letters();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, letters.size());
    CPPUNIT_ASSERT_EQUAL(std::string("s@x.example"), letters[0].sender);
    CPPUNIT_ASSERT((std::vector<std::string>{"Bob@Y.example"}) == letters[0].recipients);
    CPPUNIT_ASSERT_EQUAL("Received: by mx1.example with ESMTP id " + id.to_string("mx1") + ";\r\n\tnow\r\n" + body,
                         letters[0].data);
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    CPPUNIT_ASSERT(holds(house.mails(), "2.0.0 taken"));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, house.counter(Counter::outbound_connections));
  }

  void one_connection_serves_many() {
    Sink sink;
    House house(gateway(sink, "Max_Outbound_Connections = 1\nIdle_Timeout = 60"));
    house.dispatcher->start();
    for (int i = 0; i < 10; ++i) {
      house.submit("s@x.example", {"a@y.example"});
      house.run_until_empty();
    }
    CPPUNIT_ASSERT_EQUAL(size_t{10}, sink.count());
    CPPUNIT_ASSERT_EQUAL(1, sink.connections());
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, house.counter(Counter::outbound_open));
  }

  void domains_share_a_smart_host() {
    Sink sink;
    House house(gateway(sink, "Max_Outbound_Connections = 1\nIdle_Timeout = 60"));
    for (int i = 0; i < 30; ++i) house.submit("s@x.example", {fmt::format("a@d{}.example", i % 10)});
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, sink.connections());
    // In turn: nobody's third comes before everybody's first.
    std::set<std::string> first;
    const auto letters = sink.letters();
    for (size_t i = 0; i < 20; ++i) first.insert(letters[i].recipients[0]);
    CPPUNIT_ASSERT_EQUAL(size_t{10}, first.size());
  }

  void recipients_go_in_batches() {
    Sink sink;
    House house(gateway(sink, "Max_Recipients_Per_Batch = 4\nMax_Outbound_Connections = 1"));
    house.dispatcher->start();
    std::vector<std::string> recipients;
    for (int i = 0; i < 10; ++i) recipients.push_back(fmt::format("r{}@y.example", i));
    house.submit("s@x.example", recipients);
    house.run_until_empty();
    std::vector<std::string> got;
    for (const Letter& letter : sink.letters()) {
      CPPUNIT_ASSERT(letter.recipients.size() <= 4);
      got.insert(got.end(), letter.recipients.begin(), letter.recipients.end());
    }
    CPPUNIT_ASSERT(recipients == got);
    CPPUNIT_ASSERT_EQUAL(size_t{3}, sink.count());
    CPPUNIT_ASSERT_EQUAL(10, house.lines('D'));
  }

  void connections_keep_their_limits() {
    for (const char* limit : {"Max_Outbound_Connections = 3", "Server_Max_Outbound_Connections = 3"}) {
      Sink sink;
      House house(gateway(sink, limit));
      for (int i = 0; i < 60; ++i) house.submit("s@x.example", {fmt::format("a@d{}.example", i % 3)});
      house.dispatcher->start();
      house.run_until_empty();
      CPPUNIT_ASSERT_EQUAL(size_t{60}, sink.count());
      CPPUNIT_ASSERT(sink.most_open() <= 3);
    }
  }

  void deliveries_a_connection_keep_their_limit() {
    Sink sink;
    House house(gateway(sink, "Max_Deliveries_Per_Connection = 2\nMax_Outbound_Connections = 1"));
    for (int i = 0; i < 5; ++i) house.submit("s@x.example", {"a@y.example"});
    house.dispatcher->start();
    house.run_until_empty();
    std::map<int, int> uses;
    for (const Letter& letter : sink.letters()) CPPUNIT_ASSERT(++uses[letter.connection] <= 2);
    CPPUNIT_ASSERT_EQUAL(size_t{5}, sink.count());
  }

  void the_least_limit_of_those_who_share_counts() {
    std::promise<void> reached, go;
    std::atomic<int> count{0};
    Script script;
    script.data = [&, may = go.get_future().share()](const Letter&) {
      if (++count == 1) reached.set_value();
      may.wait();
      return "";
    };
    Sink sink(script);
    House house(gateway(sink,
                        "Idle_Timeout = 60\nDomain \"a.example\" { Max_Outbound_Connections = 1 "
                        "Max_Deliveries_Per_Connection = 2 }\n"));
    house.dispatcher->start();
    for (int i = 0; i < 4; ++i) house.submit("s@x.example", {"one@a.example"});
    auto first = reached.get_future();
    house.run_until([&] { return first.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }, "a letter");
    for (int i = 0; i < 4; ++i) house.submit("s@x.example", {"one@b.example"});
    house.run_until([&] { return house.dispatcher->size() == 8; });
    net::test::spin(*house.loop);
    go.set_value();
    house.run_until_empty();
    std::map<int, int> carried;
    int left = 4;
    for (const Letter& letter : sink.letters()) {
      if (left == 0) break;
      CPPUNIT_ASSERT(++carried[letter.connection] <= 2);
      if (holds(letter.recipients[0], "a.example")) --left;
    }
    CPPUNIT_ASSERT_EQUAL(0, left);
    CPPUNIT_ASSERT_EQUAL(1, sink.letters()[0].connection);
    CPPUNIT_ASSERT_EQUAL(1, sink.letters()[1].connection);  // alone, until it may have no more
  }

  void idle_connections_quit() {
    Sink sink;
    House house(gateway(sink, "Idle_Timeout = 0"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until([&] { return sink.quits() == 1 && house.counter(Counter::outbound_open) == 0; });
    house.reconfigure(gateway(sink, "Idle_Timeout = 50ms"));
    house.submit("s@x.example", {"a@y.example"});
    house.run_until([&] { return sink.quits() == 2 && house.counter(Counter::outbound_open) == 0; });
    CPPUNIT_ASSERT_EQUAL(size_t{2}, sink.count());
  }

  void many_messages_over_many_connections_once_each() {
    Sink sink;
    House house(gateway(sink, "Max_Outbound_Connections = 10"));
    house.dispatcher->start();
    for (int i = 0; i < 300; ++i) house.submit("s@x.example", {"a@y.example"}, fmt::format("N: {}\r\n\r\n", i));
    house.run_until_empty();
    std::set<std::string> texts;
    for (const Letter& letter : sink.letters()) texts.insert(letter.data.substr(letter.data.find("N: ")));
    CPPUNIT_ASSERT_EQUAL(size_t{300}, texts.size());
    CPPUNIT_ASSERT_EQUAL(size_t{300}, sink.count());
    CPPUNIT_ASSERT_EQUAL(300, house.lines('D'));
  }

  void suspended_and_resumed() {
    Sink sink;
    House house(gateway(sink, "Suspend_Delivery = true"));
    house.dispatcher->start();
    for (int i = 0; i < 3; ++i) house.submit("s@x.example", {"a@y.example"});
    house.run_until([&] { return house.dispatcher->size() == 3; });
    net::test::spin(*house.loop, 50);
    CPPUNIT_ASSERT_EQUAL(0, sink.connections());
    house.reconfigure(gateway(sink));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{3}, sink.count());
  }

  void a_new_gateway_is_taken_up() {
    Sink first;
    Sink second;
    House house(gateway(first));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    house.reconfigure(gateway(second));
    house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, first.count());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, second.count());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GatewayTest);

}  // namespace
}  // namespace impulse::delivery
