// The operator's orders: one message, all of a queue, suspension; and what a
// restart makes of them.
#include "house.h"

#include <set>

namespace impulse::delivery {
namespace {

using telemetry::Counter;
using test::holds;
using test::House;

class ClerkTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ClerkTest);
  CPPUNIT_TEST(hold_and_release);
  CPPUNIT_TEST(hold_outlives_a_restart);
  CPPUNIT_TEST(a_sender_s_own_hold_is_kept);
  CPPUNIT_TEST(fail_tells_the_sender_once);
  CPPUNIT_TEST(fail_quiet_tells_nobody);
  CPPUNIT_TEST(a_queue_by_its_selection);
  CPPUNIT_TEST(what_comes_later_is_not_meant);
  CPPUNIT_TEST(a_dry_run_does_nothing);
  CPPUNIT_TEST(reports_do_not_pile_up);
  CPPUNIT_TEST(others_do_not_wait_for_reports);
  CPPUNIT_TEST(nobody_waits_for_it_any_more);
  CPPUNIT_TEST(rerouted_mail_is_found);
  CPPUNIT_TEST(suspended_by_both);
  CPPUNIT_TEST_SUITE_END();

  // Nothing leaves the house, and nothing comes back by itself.
  static constexpr const char* closed = "Suspend_Delivery = true\nMessage_Expiration = 1000000\n";

  static MessageOrder about(Act act, MessageId id, const std::vector<std::string>& recipients) {
    MessageOrder order{act, id, {}, false, "554 5.0.0 no more"};
    uint32_t number = 0;
    for (const std::string& recipient : recipients)
      order.recipients.emplace_back(number++, message::domain_of(recipient));
    return order;
  }
  static QueueOrder about_all(Act act, std::string queue = {}) {
    QueueOrder order;
    order.act = act;
    order.queue = std::move(queue);
    order.response = "554 5.0.0 no more";
    return order;
  }
  static Progress carry_out(House& house, QueueOrder order) {
    const auto errand = house.dispatcher->begin(std::move(order));
    house.run_until([&] { return errand->progress().ended; }, "the errand's end");
    return errand->progress();
  }
  static uint64_t count(House& house, uint64_t queue::Totals::* what) { return house.dispatcher->totals().*what; }

  void hold_and_release() {
    House house(closed);
    house.dispatcher->start();
    const MessageId id = house.submit("s@x.example", {"a@d.example", "b@d.example"});
    house.run_until([&] { return house.dispatcher->size() == 2; });
    Acted acted = house.dispatcher->act(about(Act::hold, id, {"a@d.example"}));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, count(house, &queue::Totals::held));
    acted = house.dispatcher->act(about(Act::hold, id, {"a@d.example", "b@d.example"}));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, acted.left);
    acted = house.dispatcher->act(about(Act::retry, id, {"a@d.example"}));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, acted.left);
    acted = house.dispatcher->act(about(Act::release, id, {"a@d.example", "b@d.example", "c@e.example"}));
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, acted.missing);
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, count(house, &queue::Totals::active));
    acted = house.dispatcher->act(about(Act::release, id, {"a@d.example"}));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, acted.left);
  }

  void hold_outlives_a_restart() {
    House house(closed);
    house.dispatcher->start();
    house.submit("s@x.example", {"a@d.example"});
    house.submit("s@x.example", {"b@e.example"});
    house.run_until([&] { return house.dispatcher->size() == 2; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, carry_out(house, about_all(Act::hold, "D.example")).acted.done);
    for (int i = 0; i < 2; ++i) {
      house.close();
      house.open(closed);
      house.run_until([&] { return house.dispatcher->size() == 2; });
      CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->domain("d.example")->held);
    }
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, carry_out(house, about_all(Act::release)).acted.done);
    house.close();
    house.open(closed);
    house.run_until([&] { return house.dispatcher->size() == 2; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, count(house, &queue::Totals::held));
  }

  void a_sender_s_own_hold_is_kept() {
    House house(closed);
    house.dispatcher->start();
    const WallTime until = wall_now() + std::chrono::hours(5);
    const MessageId id = house.submit("s@x.example", {"a@d.example"}, "x\r\n", Duration{0},
                                      [&](message::Envelope& envelope) { envelope.hold_until = until; });
    house.run_until([&] { return house.dispatcher->size() == 1; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->act(about(Act::retry, id, {"a@d.example"})).left);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, carry_out(house, about_all(Act::retry)).acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->act(about(Act::hold, id, {"a@d.example"})).done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->act(about(Act::release, id, {"a@d.example"})).done);
    CPPUNIT_ASSERT(until == house.dispatcher->waiting("d.example", 1).at(0).next_attempt);
  }

  void fail_tells_the_sender_once() {
    House house(closed);
    house.dispatcher->start();
    const MessageId id = house.submit("s@x.example", {"a@d.example", "b@d.example", "c@e.example"});
    house.run_until([&] { return house.dispatcher->size() == 3; });
    house.hold_bounces = true;
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, house.dispatcher->act(about(Act::fail, id, {"a@d.example", "b@d.example"})).done);
    // It is on its way to the report.
    CPPUNIT_ASSERT_EQUAL(uint64_t{2},
                         house.dispatcher->act(about(Act::fail, id, {"a@d.example", "b@d.example"})).in_flight);
    house.run_until([&] { return house.bounces == 1; });
    house.release();
    house.run_until([&] { return house.counter(Counter::permanent_failures) == 2; });
    CPPUNIT_ASSERT_EQUAL(1, house.bounces);
    CPPUNIT_ASSERT_EQUAL(2, house.lines('P'));
    CPPUNIT_ASSERT(holds(house.mails(), "554 5.0.0 no more"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->domain("e.example")->active);
  }

  void fail_quiet_tells_nobody() {
    House house(closed);
    house.dispatcher->start();
    for (int i = 0; i < 300; ++i) house.submit("s@x.example", {"a@d.example"});
    house.run_until([&] { return house.dispatcher->size() == 300; });
    QueueOrder order = about_all(Act::fail);
    order.quiet = true;
    CPPUNIT_ASSERT_EQUAL(uint64_t{300}, carry_out(house, order).acted.done);
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(0, house.bounces);
    CPPUNIT_ASSERT_EQUAL(int64_t{300}, house.counter(Counter::permanent_failures));
  }

  void a_queue_by_its_selection() {
    House house(closed);
    house.dispatcher->start();
    for (int i = 0; i < 100; ++i) {
      house.submit(i % 2 == 0 ? "news@x.example" : "s@x.example", {i % 5 == 0 ? "five@d.example" : "a@d.example"});
      house.submit("news@x.example", {"five@e.example"}, "x\r\n", std::chrono::hours(2));
    }
    house.run_until([&] { return house.dispatcher->size() == 200; });
    QueueOrder order = about_all(Act::hold, "d.example");
    order.sender = *Pattern::compile("^NEWS@", true);
    order.recipient = *Pattern::compile("^five", true);
    CPPUNIT_ASSERT_EQUAL(uint64_t{10}, carry_out(house, order).acted.done);
    QueueOrder old = about_all(Act::hold);
    old.age = std::chrono::hours(1);
    CPPUNIT_ASSERT_EQUAL(uint64_t{100}, carry_out(house, old).acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{110}, count(house, &queue::Totals::held));
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, carry_out(house, old).acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, carry_out(house, about_all(Act::hold, "nowhere.example")).acted.done);
  }

  void what_comes_later_is_not_meant() {
    House house(closed);
    house.dispatcher->start();
    house.submit("s@x.example", {"a@d.example"});
    house.run_until([&] { return house.dispatcher->size() == 1; });
    const auto errand = house.dispatcher->begin(about_all(Act::hold));
    house.submit("s@x.example", {"b@d.example"});
    house.run_until([&] { return errand->progress().ended && house.dispatcher->size() == 2; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, count(house, &queue::Totals::held));
  }

  void a_dry_run_does_nothing() {
    House house(closed);
    house.dispatcher->start();
    for (int i = 0; i < 40; ++i) house.submit("s@x.example", {"a@d.example"});
    house.run_until([&] { return house.dispatcher->size() == 40; });
    QueueOrder order = about_all(Act::fail);
    order.dry_run = true;
    const Progress progress = carry_out(house, order);
    CPPUNIT_ASSERT_EQUAL(uint64_t{40}, progress.acted.done);
    CPPUNIT_ASSERT_EQUAL(size_t{25}, progress.first.size());
    CPPUNIT_ASSERT_EQUAL(std::string("a@d.example"), progress.first.front().recipient);
    CPPUNIT_ASSERT_EQUAL(uint64_t{40}, count(house, &queue::Totals::active));
  }

  // Each report has its message in memory.
  void reports_do_not_pile_up() {
    House house(closed);
    house.dispatcher->start();
    for (int i = 0; i < 500; ++i) house.submit("s@x.example", {"a@d.example"});
    house.run_until([&] { return house.dispatcher->size() == 500; });
    house.hold_bounces = true;
    const auto errand = house.dispatcher->begin(about_all(Act::fail, "d.example"));
    house.run_until([&] { return house.bounces >= 64; });
    net::test::spin(*house.loop, 50);
    CPPUNIT_ASSERT(!errand->progress().ended);
    CPPUNIT_ASSERT(house.bounces < 200);
    house.release();
    house.run_until([&] { return errand->progress().ended && house.counter(Counter::permanent_failures) == 500; });
    CPPUNIT_ASSERT_EQUAL(500, house.bounces);
  }

  // Of a spool that takes none just now.
  void others_do_not_wait_for_reports() {
    House house(closed);
    house.dispatcher->start();
    for (int i = 0; i < 300; ++i) house.submit("s@x.example", {"a@d.example"});
    for (int i = 0; i < 200; ++i) house.submit("s@x.example", {"a@e.example"});
    house.run_until([&] { return house.dispatcher->size() == 500; });
    house.hold_bounces = true;
    const auto first = house.dispatcher->begin(about_all(Act::fail, "d.example"));
    const auto second = house.dispatcher->begin(about_all(Act::fail, "d.example"));
    house.run_until([&] { return house.bounces >= 64; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{200}, carry_out(house, about_all(Act::hold, "e.example")).acted.done);
    CPPUNIT_ASSERT(!first->progress().ended && !second->progress().ended);
    house.release();
    house.run_until([&] { return first->progress().ended && second->progress().ended; });
    house.run_until([&] { return house.counter(Counter::permanent_failures) == 300; });
  }

  void nobody_waits_for_it_any_more() {
    House house(closed);
    house.dispatcher->start();
    for (int i = 0; i < 500; ++i) house.submit("s@x.example", {"a@d.example"});
    house.run_until([&] { return house.dispatcher->size() == 500; });
    house.hold_bounces = true;
    auto errand = house.dispatcher->begin(about_all(Act::fail, "d.example"));
    house.run_until([&] { return house.bounces >= 64; });
    errand.reset();
    house.release();
    net::test::spin(*house.loop, 50);
    CPPUNIT_ASSERT(house.bounces < 200);
    CPPUNIT_ASSERT(count(house, &queue::Totals::active) > 300);
    // It goes on from there.
    CPPUNIT_ASSERT(carry_out(house, about_all(Act::fail, "d.example")).ended);
    house.run_until([&] { return house.counter(Counter::permanent_failures) == 500; });
  }

  void rerouted_mail_is_found() {
    House house(closed);
    house.dispatcher->start();
    const MessageId id = house.submit("s@x.example", {"a@old.example", "b@other.example"});
    house.run_until([&] { return house.dispatcher->size() == 2; });
    QueueOrder order = about_all(Act::reroute, "old.example");
    order.to = "new.example";
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, carry_out(house, order).acted.done);
    CPPUNIT_ASSERT(!house.dispatcher->domain("old.example"));
    CPPUNIT_ASSERT_EQUAL(std::string("a@old.example"), house.dispatcher->waiting("new.example", 5).at(0).recipient);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->act(about(Act::hold, id, {"a@old.example"})).done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->domain("new.example")->held);
    // A restart forgets where it was sent, and nothing else.
    house.close();
    house.open(closed);
    house.run_until([&] { return house.dispatcher->size() == 2; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->domain("old.example")->held);
  }

  void suspended_by_both() {
    const std::string open = "Delivery_Method = maildir\nMaildir_Path = \"mail/%{localpart}\"\n";
    House house("Suspend_Delivery = true\n" + open);
    const test::There there(house);
    house.dispatcher->start();
    CPPUNIT_ASSERT(house.dispatcher->suspend("d.example", true));
    CPPUNIT_ASSERT(!house.dispatcher->suspend("D.example", true));
    house.submit("s@x.example", {"a@d.example"});
    house.submit("s@x.example", {"b@e.example"});
    house.run_until([&] { return house.dispatcher->size() == 2; });
    house.reconfigure(open);
    house.run_until([&] { return house.lines('D') == 1; });
    net::test::spin(*house.loop, 20);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->domain("d.example")->active);
    CPPUNIT_ASSERT(std::vector<std::string>{"d.example"} == house.dispatcher->suspended());
    CPPUNIT_ASSERT(house.dispatcher->suspend("d.example", false));
    CPPUNIT_ASSERT(!house.dispatcher->suspend("d.example", false));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(2, house.lines('D'));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClerkTest);

}  // namespace
}  // namespace impulse::delivery
