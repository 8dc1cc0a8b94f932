// The Dispatcher with a Gateway: an SMTP server that behaves, or does not.
#include "house.h"
#include "sink.h"

#include <set>

namespace impulse::delivery {
namespace {

using telemetry::Counter;
using test::holds;
using test::House;
using test::Letter;
using test::Script;
using test::Sink;

std::string gateway(const Sink& sink, const std::string& more = "") {
  return fmt::format("Gateway = \"127.0.0.1:{}\"\nRetry_Interval = 1\nTLS = no\n{}\n", sink.port(), more);
}
// Reports to x.example come into a Maildir.
std::string senders(const House& house) {
  return fmt::format("Domain \"x.example\" {{ Delivery_Method = maildir Maildir_Path = \"{}/%{{localpart}}\" }}\n",
                     house.dir / "senders");
}

class GatewayTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(GatewayTest);
  CPPUNIT_TEST(delivers_byte_by_byte);
  CPPUNIT_TEST(one_connection_serves_many);
  CPPUNIT_TEST(domains_share_a_smart_host);
  CPPUNIT_TEST(recipients_go_in_batches);
  CPPUNIT_TEST(connections_keep_their_limits);
  CPPUNIT_TEST(deliveries_a_connection_keep_their_limit);
  CPPUNIT_TEST(idle_connections_quit);
  CPPUNIT_TEST(many_messages_over_many_connections_once_each);
  CPPUNIT_TEST(each_recipient_has_its_own_outcome);
  CPPUNIT_TEST(refused_now_taken_later);
  CPPUNIT_TEST(refused_for_good_comes_back);
  CPPUNIT_TEST(expires_into_a_bounce);
  CPPUNIT_TEST(never_retry_and_max_retries);
  CPPUNIT_TEST(too_many_recipients_go_at_once_again);
  CPPUNIT_TEST(gateway_down_then_up);
  CPPUNIT_TEST(a_dead_gateway_is_not_hammered);
  CPPUNIT_TEST(a_gateway_that_takes_no_more_connections_is_not_down);
  CPPUNIT_TEST(unresolved_gateway_waits);
  CPPUNIT_TEST(second_gateway_serves_when_the_first_is_down);
  CPPUNIT_TEST(greeting_refused_is_no_bounce);
  CPPUNIT_TEST(a_stale_connection_costs_no_attempt);
  CPPUNIT_TEST(dropped_in_the_data_is_tried_again);
  CPPUNIT_TEST(silence_times_out);
  CPPUNIT_TEST(endless_replies_end);
  CPPUNIT_TEST(suspended_and_resumed);
  CPPUNIT_TEST(a_new_gateway_is_taken_up);
  CPPUNIT_TEST(stop_waits_for_what_is_under_way);
  CPPUNIT_TEST(stop_loses_patience);
  CPPUNIT_TEST(destroyed_in_mid_flight);
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

  void each_recipient_has_its_own_outcome() {
    Script script;
    int tries = 0;
    script.rcpt = [&](const std::string& path) -> std::string {
      if (path == "never@y.example") return "550 5.1.1 unknown";
      if (path == "later@y.example" && ++tries == 1) return "450 4.2.1 come back";
      return "";
    };
    Sink sink(script);
    House house(gateway(sink));
    house.reconfigure(gateway(sink) + senders(house));
    house.dispatcher->start();
    house.submit("s@x.example", {"ok@y.example", "never@y.example", "later@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{2}, sink.count());
    CPPUNIT_ASSERT((std::vector<std::string>{"ok@y.example"}) == sink.letters()[0].recipients);
    CPPUNIT_ASSERT((std::vector<std::string>{"later@y.example"}) == sink.letters()[1].recipients);
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    CPPUNIT_ASSERT_EQUAL(1, house.lines('T'));
    const auto report = house.maildir("senders/s").at(0);
    CPPUNIT_ASSERT(holds(report, "Final-Recipient: rfc822; never@y.example\nAction: failed\nStatus: 5.1.1\n"));
    CPPUNIT_ASSERT(holds(report, "Remote-MTA: dns; 127.0.0.1\nDiagnostic-Code: smtp; 550 5.1.1 unknown\n"));
  }

  void refused_now_taken_later() {
    Script script;
    std::atomic<int> tries = 0;
    script.data = [&](const Letter&) { return ++tries == 1 ? "451 4.3.0 not now" : ""; };
    Sink sink(script);
    House house(gateway(sink));
    house.dispatcher->start();
    const MessageId id = house.submit("s@x.example", {"a@y.example"});
    house.run_until([&] { return house.counter(Counter::transient_failures) == 1; });
    const auto waiting = house.dispatcher->waiting("", 1);
    CPPUNIT_ASSERT(holds(waiting.at(0).last_error, "451 4.3.0 not now"));
    house.run_until([&] { return house.spool->summary(id)->states.at(0).attempts == 1; }, "the journal");
    CPPUNIT_ASSERT(holds(house.spool->summary(id)->states.at(0).last_error, "not now"));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.count());
    CPPUNIT_ASSERT_EQUAL(0, house.bounces);
  }

  void refused_for_good_comes_back() {
    Script script;
    script.data = [](const Letter&) { return "554 5.7.1 we do not want it\r\n"; };
    Sink sink(script);
    House house(gateway(sink));
    house.reconfigure(gateway(sink, "Bounces_Inline_Original = full") + senders(house));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example", "b@y.example"}, "Subject: mine\r\n\r\nmy words\r\n");
    house.run_until_empty();
    const auto reports = house.maildir("senders/s");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, reports.size());  // one for both
    CPPUNIT_ASSERT(holds(reports[0], "a@y.example") && holds(reports[0], "b@y.example"));
    CPPUNIT_ASSERT(holds(reports[0], "Status: 5.7.1"));
    CPPUNIT_ASSERT(holds(reports[0], "Subject: mine\n\nmy words\n"));
    CPPUNIT_ASSERT_EQUAL(2, house.lines('P'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
  }

  void expires_into_a_bounce() {
    Script script;
    script.mail = [](const std::string&) { return "450 4.7.1 later"; };
    Sink sink(script);
    House house(gateway(sink));
    house.reconfigure(gateway(sink, "Message_Expiration = 1h") + senders(house));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"}, "\r\n", std::chrono::hours(1) - std::chrono::milliseconds(500));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    const auto report = house.maildir("senders/s").at(0);
    CPPUNIT_ASSERT(holds(report, "Status: 5.4.7\n") && holds(report, "in time"));
    CPPUNIT_ASSERT(holds(report, "Diagnostic-Code: smtp; 450 4.7.1 later"));
  }

  void never_retry_and_max_retries() {
    Script script;
    std::atomic<int> tries = 0;
    script.mail = [&](const std::string&) {
      ++tries;
      return "450 4.7.1 later";
    };
    Sink sink(script);
    House house(gateway(sink, "Never_Retry = true"));
    house.dispatcher->start();
    house.submit("", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, tries.load());
    CPPUNIT_ASSERT(holds(house.mails(), "5.4.7 [internal] may be tried only once: 450 4.7.1 later"));
    house.reconfigure(gateway(sink, "Max_Retries = 1"));
    house.submit("", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(3, tries.load());
    CPPUNIT_ASSERT(holds(house.mails(), "gave up after 2 attempts"));
    CPPUNIT_ASSERT_EQUAL(2, house.lines('P'));
    CPPUNIT_ASSERT_EQUAL(1, house.lines('T'));
  }

  void too_many_recipients_go_at_once_again() {
    Script script;
    std::atomic<int> in_transaction = 0;
    script.mail = [&](const std::string&) {
      in_transaction = 0;
      return "";
    };
    script.rcpt = [&](const std::string&) { return ++in_transaction > 3 ? "452 4.5.3 too many" : ""; };
    Sink sink(script);
    House house(gateway(sink, "Retry_Interval = 1h\nMax_Outbound_Connections = 1"));
    house.dispatcher->start();
    std::vector<std::string> recipients;
    for (int i = 0; i < 10; ++i) recipients.push_back(fmt::format("r{}@y.example", i));
    house.submit("s@x.example", recipients);
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{4}, sink.count());
    CPPUNIT_ASSERT_EQUAL(10, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
  }

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
    house.dispatcher->start();
    house.run_until([&] { return house.counter(Counter::transient_failures) == 40; });
    CPPUNIT_ASSERT_EQUAL(1, sink.connections());
    // What comes now waits for the next look at it, and costs it no attempt yet.
    for (int i = 0; i < 20; ++i) house.submit("s@x.example", {"a@y.example"});
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

  // A sink whose answer to the data waits until it is let go.
  struct Held {
    std::promise<void> reached;
    std::promise<void> go;
    std::atomic<int> tries = 0;
    Script script;
    Held() {
      script.data = [this, may = go.get_future().share()](const Letter&) {
        if (++tries == 1) {
          reached.set_value();
          may.wait();
        }
        return "";
      };
    }
  };

  void stop_waits_for_what_is_under_way() {
    Held held;
    Sink sink(held.script);
    House house(gateway(sink, "Max_Outbound_Connections = 1"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.submit("s@x.example", {"b@y.example"});
    auto reached = held.reached.get_future();
    house.run_until([&] { return reached.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    bool idle = false;
    house.dispatcher->stop(std::chrono::seconds(30), [&] { idle = true; });
    net::test::spin(*house.loop, 20);
    CPPUNIT_ASSERT(!idle);
    held.go.set_value();
    house.run_until([&] { return idle; });
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(1, sink.quits());
    // The other one was not begun, and is there after a restart.
    house.close();
    house.open(gateway(sink));
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{2}, sink.count());
  }

  void stop_loses_patience() {
    Held held;
    Sink sink(held.script);
    House house(gateway(sink, "Max_Outbound_Connections = 1"));
    house.dispatcher->start();
    const MessageId id = house.submit("s@x.example", {"a@y.example"});
    auto reached = held.reached.get_future();
    house.run_until([&] { return reached.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    bool idle = false;
    house.dispatcher->stop(std::chrono::milliseconds(20), [&] { idle = true; });
    house.run_until([&] { return idle; });
    CPPUNIT_ASSERT(house.spool->summary(id)->states.at(0).state == spool::State::pending);
    CPPUNIT_ASSERT_EQUAL(uint32_t{0}, house.spool->summary(id)->states.at(0).attempts);
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T') + house.lines('D') + house.lines('P'));
    held.go.set_value();
  }

  void destroyed_in_mid_flight() {
    Held held;
    Sink sink(held.script);
    House house(gateway(sink));
    house.dispatcher->start();
    for (int i = 0; i < 20; ++i) house.submit("s@x.example", {fmt::format("a@d{}.example", i)});
    auto reached = held.reached.get_future();
    house.run_until([&] { return reached.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    house.dispatcher.reset();
    net::test::spin(*house.loop, 50);  // what was posted finds nobody, and does no harm
    held.go.set_value();
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GatewayTest);

class GatewayTlsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(GatewayTlsTest);
  CPPUNIT_TEST(encrypts_when_offered);
  CPPUNIT_TEST(goes_on_in_plain_when_not_offered);
  CPPUNIT_TEST(broken_handshake_falls_back_once);
  CPPUNIT_TEST(required_does_not_fall_back);
  CPPUNIT_TEST(verifies_issuer_and_name);
  CPPUNIT_TEST_SUITE_END();

  net::test::Identity identity_;

  Script tls_script() {
    net::TlsSettings settings;
    settings.certificate = identity_.certificate();
    settings.key = identity_.key();
    auto context = net::TlsContext::server(settings);
    CPPUNIT_ASSERT_MESSAGE(context ? "" : context.error().message, context.has_value());
    Script script;
    script.tls = *context;
    return script;
  }
  static std::string conf(const Sink& sink, const std::string& more, const std::string& host = "127.0.0.1") {
    return fmt::format("Gateway = \"{}:{}\"\nRetry_Interval = 1\n{}\n", host, sink.port(), more);
  }

  void encrypts_when_offered() {
    Sink sink(tls_script());
    House house(conf(sink, "TLS = ifavailable\nIdle_Timeout = 60"));
    house.dispatcher->start();
    for (int i = 0; i < 3; ++i) {
      house.submit("s@x.example", {"a@y.example"}, std::string(200000, 'x') + "\r\n");
      house.run_until_empty();
    }
    CPPUNIT_ASSERT_EQUAL(size_t{3}, sink.count());
    for (const Letter& letter : sink.letters()) CPPUNIT_ASSERT(letter.tls && letter.data.size() > 200000);
    CPPUNIT_ASSERT_EQUAL(1, sink.connections());
    CPPUNIT_ASSERT(holds(house.mails(), "esmtps"));
  }

  void goes_on_in_plain_when_not_offered() {
    Sink sink;
    House house(conf(sink, "TLS = ifavailable"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT(!sink.letters().at(0).tls);
  }

  void broken_handshake_falls_back_once() {
    Script script = tls_script();
    script.break_handshake = true;
    Sink sink(script);
    House house(conf(sink, "TLS = ifavailable\nMax_Deliveries_Per_Connection = 1\nMax_Outbound_Connections = 1"));
    house.dispatcher->start();
    for (int i = 0; i < 3; ++i) house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{3}, sink.count());
    CPPUNIT_ASSERT(!sink.letters().at(0).tls);
    CPPUNIT_ASSERT_EQUAL(4, sink.connections());  // it is remembered
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
  }

  void required_does_not_fall_back() {
    for (const bool offered : {true, false}) {
      Script script = offered ? tls_script() : Script();
      script.break_handshake = true;
      Sink sink(script);
      House house(conf(sink, "TLS = required"));
      house.dispatcher->start();
      house.submit("s@x.example", {"a@y.example"});
      house.run_until([&] { return house.counter(Counter::transient_failures) == 1; });
      CPPUNIT_ASSERT(holds(house.dispatcher->waiting("", 1).at(0).last_error, "TLS"));
      CPPUNIT_ASSERT_EQUAL(size_t{0}, sink.count());
      CPPUNIT_ASSERT_EQUAL(0, house.lines('P'));
    }
  }

  void verifies_issuer_and_name() {
    net::test::TempDir dir;
    const std::string ca = net::test::write_file(dir / "ca.pem", identity_.certificate());
    struct Case {
      const char* verify;
      std::string ca;
      const char* host;
      bool good;
    };
    net::test::Identity stranger;
    const std::string other = net::test::write_file(dir / "other.pem", stranger.certificate());
    for (const Case& each : std::vector<Case>{{"ca", ca, "127.0.0.1", true},
                                              {"ca", other, "127.0.0.1", false},
                                              {"host", ca, "localhost", true},
                                              {"no", other, "127.0.0.1", true}}) {
      Sink sink(tls_script());
      House house(
          conf(sink, fmt::format("TLS = required\nTLS_Verify = {}\nTLS_CA = \"{}\"", each.verify, each.ca), each.host));
      house.dispatcher->start();
      house.submit("s@x.example", {"a@y.example"});
      house.run_until(
          [&] { return house.counter(Counter::transient_failures) + house.counter(Counter::deliveries) >= 1; },
          fmt::format("an outcome of {} with {} to {}", each.verify, each.ca, each.host));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(each.verify, each.good ? size_t{1} : size_t{0}, sink.count());
    }
    // A name that the certificate does not have.
    net::test::Identity::Options options;
    options.alt_names = "DNS:other.example";
    options.common_name = "other.example";
    identity_ = net::test::Identity(options);
    net::test::write_file(dir / "ca.pem", identity_.certificate());
    Sink sink(tls_script());
    House house(conf(sink, fmt::format("TLS = required\nTLS_Verify = host\nTLS_CA = \"{}\"", ca), "localhost"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until([&] { return house.counter(Counter::transient_failures) == 1; }, "a failure over the name");
    CPPUNIT_ASSERT_EQUAL(size_t{0}, sink.count());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GatewayTlsTest);

}  // namespace
}  // namespace impulse::delivery
