// Mail that is dropped: logged, counted, gone for good, and nobody is told.
#include "house.h"
#include "sink.h"

namespace impulse::delivery {
namespace {

using namespace test;
using telemetry::Counter;

class BlackholeTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(BlackholeTest);
  CPPUNIT_TEST(drops_and_says_so);
  CPPUNIT_TEST(only_where_it_is_set);
  CPPUNIT_TEST(many_at_once_and_gone_for_good);
  CPPUNIT_TEST(suspended_mail_waits);
  CPPUNIT_TEST(what_is_delayed_is_dropped_when_it_is_switched_on);
  CPPUNIT_TEST(nobody_is_told);
  CPPUNIT_TEST(stop_leaves_the_rest_in_the_spool);
  CPPUNIT_TEST_SUITE_END();

  void drops_and_says_so() {
    for (const char* option : {"Blackhole = true", "Delivery_Method = blackhole"}) {
      House house(option);
      house.dispatcher->start();
      house.submit("s@x.example", {"one@a.example", "two@b.example", "three@a.example"});
      house.run_until_empty();
      CPPUNIT_ASSERT_EQUAL(3, house.lines('D'));
      CPPUNIT_ASSERT(holds(house.mails(), "@blackhole@one@blackhole@@dropped (blackhole)@\n"));
      CPPUNIT_ASSERT_EQUAL(int64_t{3}, house.counter(Counter::deliveries));
      CPPUNIT_ASSERT_EQUAL(int64_t{3}, house.counter(Counter::blackholed));
      CPPUNIT_ASSERT_EQUAL(int64_t{0}, house.counter(Counter::queued_recipients));
      CPPUNIT_ASSERT_EQUAL(int64_t{0}, house.counter(Counter::outbound_connections));
    }
  }

  void only_where_it_is_set() {
    Sink sink;
    House house(gateway(sink, "Domain \"hole.example\" { Blackhole = true }\nDomain \"/^h/\" { Blackhole = true }"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@hole.example", "b@y.example", "c@h2.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.count());
    CPPUNIT_ASSERT((std::vector<std::string>{"b@y.example"}) == sink.letters()[0].recipients);
    CPPUNIT_ASSERT_EQUAL(3, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, house.counter(Counter::blackholed));
  }

  // More recipients than may be on their way to the disk at once.
  void many_at_once_and_gone_for_good() {
    House house("Blackhole = true");
    constexpr int messages = 30;
    constexpr int each = 1000;
    for (int i = 0; i < messages; ++i) {
      std::vector<std::string> recipients;
      for (int n = 0; n < each; ++n) recipients.push_back(fmt::format("r{}@d{}.example", n, n % 7));
      house.submit("s@x.example", recipients);
    }
    house.run_until([&] { return house.dispatcher->size() == size_t{messages} * each; });
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(messages * each, house.lines('D'));
    house.close();
    house.open("Blackhole = true");
    net::test::spin(*house.loop);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, house.dispatcher->size());
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, house.spool->status().messages);
  }

  void suspended_mail_waits() {
    House house("Blackhole = true\nSuspend_Delivery = true");
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.submit("s@x.example", {"a@z.example"});
    house.run_until([&] { return house.dispatcher->size() == 2; });
    net::test::spin(*house.loop, 50);
    CPPUNIT_ASSERT_EQUAL(0, house.lines('D'));
    house.reconfigure("Blackhole = true");
    house.dispatcher->suspend("z.example", true);
    house.run_until([&] { return house.dispatcher->size() == 1; });
    net::test::spin(*house.loop, 50);
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    house.dispatcher->suspend("z.example", false);
    house.run_until_empty();
  }

  void what_is_delayed_is_dropped_when_it_is_switched_on() {
    House house("Retry_Interval = 1h\nGateway = 127.0.0.1:1");
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until([&] { return house.counter(Counter::transient_failures) == 1; });
    house.reconfigure("Retry_Interval = 1h\nGateway = 127.0.0.1:1\nBlackhole = true");
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
  }

  // It did not arrive anywhere, and it has not failed.
  void nobody_is_told() {
    House house("Blackhole = true");
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"}, "\r\n", Duration{0}, [](message::Envelope& envelope) {
      envelope.recipients[0].notify = message::notify::success | message::notify::failure | message::notify::delay;
    });
    house.submit("s@x.example", {"a@y.example"}, "\r\n", Duration{0}, [](message::Envelope& envelope) {
      envelope.deliver_by = {wall_now() - std::chrono::seconds(5), 'R', true};
    });
    house.submit("s@x.example", {"a@y.example"}, "\r\n", std::chrono::hours(24 * 30));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(0, house.bounces);
    CPPUNIT_ASSERT_EQUAL(3, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('P'));
  }

  void stop_leaves_the_rest_in_the_spool() {
    House house("Blackhole = true");
    for (int i = 0; i < 50; ++i) house.submit("s@x.example", std::vector<std::string>(100, "a@y.example"));
    house.run_until([&] { return house.dispatcher->size() == 5000; });
    house.dispatcher->start();
    house.run_until([&] { return house.counter(Counter::deliveries) > 0; });
    bool idle = false;
    house.dispatcher->stop(std::chrono::seconds(20), [&] { idle = true; });
    house.run_until([&] { return idle; }, "idle");
    const auto dropped = static_cast<uint64_t>(house.counter(Counter::deliveries));
    CPPUNIT_ASSERT_EQUAL(5000 - dropped, house.dispatcher->size());
    house.close();
    house.open("Blackhole = true");
    house.run_until([&] { return house.dispatcher->size() == 5000 - dropped; });
    house.dispatcher->start();
    house.run_until_empty();
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BlackholeTest);

}  // namespace
}  // namespace impulse::delivery
