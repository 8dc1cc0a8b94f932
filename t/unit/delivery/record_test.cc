// What the JSON log says of a message itself, whatever became of it: also where the
// message was not at hand when that was told.
#include "house.h"
#include "sink.h"

namespace impulse::delivery {
namespace {

using namespace test;
using std::chrono::hours;
using std::chrono::seconds;
using telemetry::Counter;

constexpr const char* said =
    R"("meta":{"job":"7"},"headers":{"Subject":"hello"},)";  // of every message that comes here

class RecordTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RecordTest);
  CPPUNIT_TEST(deliveries);
  CPPUNIT_TEST(refusals);
  CPPUNIT_TEST(nobody_there);
  CPPUNIT_TEST(expirations);
  CPPUNIT_TEST(by_order);
  CPPUNIT_TEST(a_delay_that_is_told);
  CPPUNIT_TEST(many_recipients_ask_once);
  CPPUNIT_TEST(more_than_are_read_at_once);
  CPPUNIT_TEST(an_end_while_they_are_read);
  CPPUNIT_TEST(nothing_is_read_when_nothing_is_chosen);
  CPPUNIT_TEST(how_it_came_outlives_a_restart);
  CPPUNIT_TEST_SUITE_END();

  static MessageId submit(House& house, const std::vector<std::string>& recipients, Duration age = Duration{0}) {
    return house.submit("sender@a.example", recipients, "Subject: hello\r\n\r\n\r\n", age, [](auto& envelope) {
      envelope.protocol = "ESMTPA";
      envelope.context = {{"campaign", "spring"}, {"job", "7"}};
      envelope.headers = {{"subject", "hello"}, {"X-Other", "1"}};
    });
  }
  static void choose(House& house) { house.mainlog->choose({{"Subject"}, {"job"}}); }
  static void expect(House& house, std::string_view type, size_t count) {
    const auto records = house.records(type);
    CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(type), count, records.size());
    for (const std::string& each : records) {
      CPPUNIT_ASSERT_MESSAGE(each, holds(each, said));
      CPPUNIT_ASSERT_MESSAGE(each, holds(each, R"("reception_protocol":"ESMTPA",)"));
    }
  }

  void deliveries() {
    Sink sink;
    House house(gateway(sink,
                        "Domain \"a.example\" { Delivery_Method = maildir Maildir_Path = \"./%{localpart}\" }\n"
                        "Domain \"hole.example\" { Blackhole = true }"));
    const There there(house);
    choose(house);
    house.dispatcher->start();
    submit(house, {"a@y.example", "b@y.example", "c@a.example", "d@hole.example", "e@hole.example"});
    submit(house, {"a@hole.example"});
    house.run_until_empty();
    expect(house, "Delivery", 6);
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, house.counter(Counter::blackholed));
  }

  void refusals() {
    Script script;
    script.rcpt = [](const std::string& path) { return holds(path, "y.example") ? "550 5.1.1 nobody" : ""; };
    Sink sink(script);
    House house(gateway(sink));
    choose(house);
    house.dispatcher->start();
    submit(house, {"a@y.example"});
    house.run_until_empty();
    expect(house, "Bounce", 1);
  }

  void nobody_there() {
    House house("Gateway = 127.0.0.1:1\nRetry_Interval = 1h");
    choose(house);
    house.dispatcher->start();
    submit(house, {"a@y.example", "b@z.example"});
    submit(house, {"a@y.example"});
    house.run_until([&] { return house.records("TransientFailure").size() == 3; }, "records");
    expect(house, "TransientFailure", 3);
  }

  void expirations() {
    House house("Gateway = 127.0.0.1:1\nMax_Retries = 1\nRetry_Interval = 1\nGenerate_Bounces = false");
    choose(house);
    house.dispatcher->start();
    submit(house, {"a@y.example"});
    house.run_until_empty();
    expect(house, "TransientFailure", 1);
    expect(house, "Expiration", 1);
  }

  void by_order() {
    for (const bool quiet : {true, false}) {
      House house("Suspend_Delivery = true");
      choose(house);
      house.dispatcher->start();
      submit(house, {"a@y.example", "b@y.example"});
      submit(house, {"a@y.example"});
      house.run_until([&] { return house.dispatcher->size() == 3; });
      QueueOrder order;
      order.act = Act::fail;
      order.queue = "y.example";
      order.response = "554 5.0.0 no more";
      order.quiet = quiet;
      const auto errand = house.dispatcher->begin(std::move(order));
      house.run_until([&] { return house.records("AdminBounce").size() == 3; }, "records");
      expect(house, "AdminBounce", 3);
      CPPUNIT_ASSERT_EQUAL(quiet ? 0 : 2, house.bounces);
    }
  }

  void a_delay_that_is_told() {
    House house(
        "Gateway = 127.0.0.1:1\nRetry_Interval = 1h\nGenerate_Delay_DSN = true\nDelay_DSN_Retry_Interval = 1\n"
        "Domain \"a.example\" { Blackhole = true }");
    choose(house);
    house.dispatcher->start();
    submit(house, {"a@y.example"}, hours(2));
    house.run_until([&] { return house.records("Delivery").size() == 1; }, "the report's record");
    house.run_until([&] { return house.records("TransientFailure").size() == 1; }, "a record");
    expect(house, "TransientFailure", 1);
  }

  // They are told in their order, each once.
  void many_recipients_ask_once() {
    House house("Gateway = 127.0.0.1:1\nRetry_Interval = 1h");
    choose(house);
    house.dispatcher->start();
    std::vector<std::string> recipients;
    for (int i = 0; i < 200; ++i) recipients.push_back(fmt::format("u{}@y.example", i));
    submit(house, recipients);
    house.run_until([&] { return house.records("TransientFailure").size() == 200; }, "records");
    expect(house, "TransientFailure", 200);
  }

  void more_than_are_read_at_once() {
    House house("Gateway = 127.0.0.1:1\nRetry_Interval = 1h");
    choose(house);
    std::vector<std::string> recipients;
    for (int i = 0; i < 100; ++i) recipients.push_back(fmt::format("u{}@y.example", i));
    for (int i = 0; i < 60; ++i) submit(house, recipients);
    house.run_until([&] { return house.dispatcher->size() == 6000; });
    house.dispatcher->start();
    house.run_until([&] { return house.counter(Counter::transient_failures) == 6000; }, "failures");
    house.run_until([&] { return house.records("TransientFailure").size() == 6000; }, "records");
    expect(house, "TransientFailure", 6000);
  }

  // Transient failures are told without it; who was to be given up, or dropped, waits for the next start.
  void an_end_while_they_are_read() {
    House house("Gateway = 127.0.0.1:1\nRetry_Interval = 1h\nDomain \"hole.example\" { Blackhole = true }");
    choose(house);
    std::vector<std::string> recipients;
    for (int i = 0; i < 50; ++i) recipients.push_back(fmt::format("u{}@{}.example", i, i % 2 == 0 ? "y" : "hole"));
    for (int i = 0; i < 20; ++i) submit(house, recipients);
    house.run_until([&] { return house.dispatcher->size() == 1000; });
    house.dispatcher->start();
    house.run_until([&] { return house.counter(Counter::transient_failures) > 0; }, "a failure");
    bool idle = false;
    house.dispatcher->stop(Duration{1}, [&] { idle = true; });
    house.run_until([&] { return idle; }, "idle");
    const auto failed = static_cast<size_t>(house.counter(Counter::transient_failures));
    CPPUNIT_ASSERT_EQUAL(failed, house.records("TransientFailure").size());
    const auto dropped = house.records("Delivery").size();
    CPPUNIT_ASSERT_EQUAL(dropped, static_cast<size_t>(house.counter(Counter::blackholed)));
    house.close();
    house.open("Suspend_Delivery = true");
    house.run_until([&] { return house.dispatcher->size() == 1000 - dropped; }, "all the others");
  }

  void nothing_is_read_when_nothing_is_chosen() {
    House house("Gateway = 127.0.0.1:1\nRetry_Interval = 1h");
    house.dispatcher->start();
    submit(house, {"a@y.example"});
    house.run_until([&] { return house.records("TransientFailure").size() == 1; }, "a record");
    const std::string record = house.records("TransientFailure").front();
    CPPUNIT_ASSERT_MESSAGE(record, holds(record, R"("meta":{},"headers":{},)"));
    CPPUNIT_ASSERT_MESSAGE(record, holds(record, R"("reception_protocol":"ESMTPA",)"));
  }

  void how_it_came_outlives_a_restart() {
    House house("Suspend_Delivery = true");
    submit(house, {"a@y.example"});
    house.close();
    house.open("Blackhole = true");
    choose(house);
    house.dispatcher->start();
    house.run_until_empty();
    expect(house, "Delivery", 1);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RecordTest);

}  // namespace
}  // namespace impulse::delivery
