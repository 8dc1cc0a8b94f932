// The Dispatcher stopped or destroyed while a Gateway still owes an answer.
#include "house.h"
#include "sink.h"

namespace impulse::delivery {
namespace {

using namespace test;

class GatewayStopTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(GatewayStopTest);
  CPPUNIT_TEST(stop_waits_for_what_is_under_way);
  CPPUNIT_TEST(stop_loses_patience);
  CPPUNIT_TEST(destroyed_in_mid_flight);
  CPPUNIT_TEST_SUITE_END();

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

CPPUNIT_TEST_SUITE_REGISTRATION(GatewayStopTest);

}  // namespace
}  // namespace impulse::delivery
