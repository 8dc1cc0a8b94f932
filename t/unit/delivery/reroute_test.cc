// What a change of the configuration does to mail that is waiting already.
#include "house.h"
#include "sink.h"

#include <unistd.h>

namespace impulse::delivery {
namespace {

using namespace test;
using telemetry::Counter;

// Nothing here waits for a Retry_Interval: the default is 20 minutes, longer
// than run_until() has patience.
class RerouteTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RerouteTest);
  CPPUNIT_TEST(a_first_route_is_taken_at_once);
  CPPUNIT_TEST(a_route_in_the_middle_of_failing);
  CPPUNIT_TEST(another_maildir_path_is_tried_at_once);
  CPPUNIT_TEST(another_gateway_is_tried_at_once);
  CPPUNIT_TEST(a_lifted_suspension_is_the_end_of_waiting);
  CPPUNIT_TEST(what_is_no_other_route_changes_nothing);
  CPPUNIT_TEST(only_the_domain_that_changed);
  CPPUNIT_TEST(suspending_tries_nothing);
  CPPUNIT_TEST_SUITE_END();

  static std::string local(const std::string& domain, const std::string& path, const std::string& more = "") {
    return "Domain \"" + domain + "\" { Delivery_Method = maildir Maildir_Path = \"" + path + "\" " + more + " }\n";
  }
  // One message to each domain, failed once and delayed.
  static void delay(House& house, const std::vector<std::string>& domains) {
    house.dispatcher->start();
    for (const auto& domain : domains) house.submit("s@x.example", {"box@" + domain});
    const auto count = static_cast<int64_t>(domains.size());
    house.run_until([&] { return house.counter(Counter::transient_failures) == count; }, "delayed");
    uint64_t delayed = 0;
    for (const auto& status : house.dispatcher->domains()) delayed += status.delayed;
    CPPUNIT_ASSERT_EQUAL(static_cast<uint64_t>(count), delayed);
  }
  static void nothing_more_is_tried(House& house) {
    net::test::spin(*house.loop, 50);
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, house.counter(Counter::transient_failures));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->domains().at(0).delayed);
  }

  void a_first_route_is_taken_at_once() {
    House house("");
    delay(house, {"late.example"});
    house.reconfigure(local("late.example", house.dir / "late"));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("late").size());
    house.log->flush();
    CPPUNIT_ASSERT(holds(slurp(house.dir / "log"), "late.example: another route, 1 delayed"));
  }

  // A long queue fails in slices: what is left of it goes the new way.
  void a_route_in_the_middle_of_failing() {
    House house("");
    for (int i = 0; i < 210; ++i) house.submit("s@x.example", {"box@late.example"});
    house.dispatcher->start();
    house.run_until([&] { return house.counter(Counter::transient_failures) > 0; }, "failing");
    house.reconfigure(local("late.example", house.dir / "late"));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(210, house.lines('D'));
  }

  void another_maildir_path_is_tried_at_once() {
    House house("");
    std::ofstream(house.dir / "file") << "in the way";
    house.configure(local("a.example", house.dir / "file/%{localpart}"));
    delay(house, {"a.example"});
    house.reconfigure(local("a.example", house.dir / "good/%{localpart}"));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("good/box").size());
  }

  void another_gateway_is_tried_at_once() {
    House house("Gateway = \"127.0.0.1:1\"\nTLS = no");  // nobody is there
    delay(house, {"a.example"});
    test::Sink sink;
    house.reconfigure(gateway(sink));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
  }

  void a_lifted_suspension_is_the_end_of_waiting() {
    House house("");
    std::ofstream(house.dir / "box") << "in the way";
    const std::string path = house.dir / "box/in";
    house.configure(local("a.example", path));
    delay(house, {"a.example"});
    house.reconfigure(local("a.example", path, "Suspend_Delivery = true"));
    std::filesystem::remove(house.dir / "box");
    nothing_more_is_tried(house);
    house.reconfigure(local("a.example", path));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("box/in").size());
  }

  void what_is_no_other_route_changes_nothing() {
    House house("");
    delay(house, {"a.example"});
    house.reconfigure("Retry_Interval = 30m");
    house.reconfigure(local("b.example", house.dir / "b"));
    nothing_more_is_tried(house);
  }

  void only_the_domain_that_changed() {
    House house("");
    delay(house, {"a.example", "b.example"});
    house.reconfigure(local("b.example", house.dir / "b"));
    house.run_until([&] { return house.dispatcher->size() == 1; }, "one left");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("b").size());
    CPPUNIT_ASSERT_EQUAL(std::string("a.example"), house.dispatcher->domains().at(0).domain);
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, house.counter(Counter::transient_failures));
  }

  void suspending_tries_nothing() {
    House house("");
    std::ofstream(house.dir / "box") << "in the way";
    house.configure(local("a.example", house.dir / "box/in"));
    delay(house, {"a.example"});
    house.reconfigure(local("a.example", house.dir / "other", "Suspend_Delivery = true"));
    nothing_more_is_tried(house);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RerouteTest);

}  // namespace
}  // namespace impulse::delivery
