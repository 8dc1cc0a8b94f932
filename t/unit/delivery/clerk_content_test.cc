// Orders for which messages have to be read: by their context and header fields,
// away from the loop, whatever becomes of the messages meanwhile. And delays.
#include "house.h"
#include "spool_before.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace impulse::delivery {
namespace {

using telemetry::Counter;
using test::House;

// What a test sees of readings, and has to say about them.
class Desk {
 public:
  // false: it cannot be read.
  bool pass(MessageId id) {
    std::unique_lock lock(mutex_);
    if (std::this_thread::get_id() == loop_) ++by_loop_;
    ++inside_;
    changed_.wait(lock, [this] { return open_; });
    --inside_;
    ++readings_[id];
    return !bad_.contains(id);
  }
  void close() { set(false); }
  void open() { set(true); }
  void spoil(MessageId id) {
    const std::lock_guard lock(mutex_);
    bad_.insert(id);
  }
  int inside() const { return with(inside_); }
  int by_loop() const { return with(by_loop_); }
  int readings(MessageId id) {
    const std::lock_guard lock(mutex_);
    return readings_[id];
  }

 private:
  void set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  int with(const int& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  const std::thread::id loop_ = std::this_thread::get_id();
  bool open_ = true;
  int inside_ = 0;
  int by_loop_ = 0;
  std::set<MessageId> bad_;
  std::map<MessageId, int> readings_;
};

class Watched final : public test::SpoolBefore {
 public:
  Watched(std::unique_ptr<spool::Spool> real, Desk& desk) : SpoolBefore(std::move(real)), desk_(desk) {}
  Result<spool::Stored> read(MessageId id) const override { return through(id, SpoolBefore::read(id)); }
  Result<spool::Stored> open(MessageId id) const override { return through(id, SpoolBefore::open(id)); }
  Result<spool::Summary> summary(MessageId id) const override { return through(id, SpoolBefore::summary(id)); }

 private:
  template <class T>
  Result<T> through(MessageId id, Result<T> read) const {
    if (!desk_.pass(id)) return fail(Errc::io, "the disk is gone");
    return read;
  }
  Desk& desk_;
};

class ClerkContentTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ClerkContentTest);
  CPPUNIT_TEST(each_act_by_context);
  CPPUNIT_TEST(by_a_header_field);
  CPPUNIT_TEST(a_flush_of_some);
  CPPUNIT_TEST(each_message_is_read_once);
  CPPUNIT_TEST(unreadable_ones_are_left_alone);
  CPPUNIT_TEST(a_rebind_tells_of_unreadable_ones);
  CPPUNIT_TEST(what_becomes_of_them_while_they_are_read);
  CPPUNIT_TEST(nobody_waits_for_it_any_more);
  CPPUNIT_TEST(stopped_in_the_middle);
  CPPUNIT_TEST(ended_in_the_middle);
  CPPUNIT_TEST(a_delay_is_for_what_is_due);
  CPPUNIT_TEST(a_delay_outlives_a_restart);
  CPPUNIT_TEST_SUITE_END();

  // Nothing leaves the house, and nothing comes back by itself.
  static constexpr const char* closed =
      "Suspend_Delivery = true\nMessage_Expiration = 1000000\nBinding b1 { }\nBinding b2 { }\n";

  static House::Wrap watched(Desk& desk) {
    return [&desk](std::unique_ptr<spool::Spool> real) { return std::make_unique<Watched>(std::move(real), desk); };
  }
  static MessageId submit(House& house, const std::string& campaign, const std::vector<std::string>& recipients,
                          const std::string& header = "Subject: hello") {
    return house.submit("s@x.example", recipients, header + "\r\n\r\nbody\r\n", Duration{0},
                        [&](message::Envelope& envelope) { envelope.context.emplace_back("campaign", campaign); });
  }
  static QueueOrder about(Act act, const std::string& campaign, std::string queue = {}) {
    QueueOrder order;
    order.act = act;
    order.queue = std::move(queue);
    order.response = "554 5.0.0 no more";
    CPPUNIT_ASSERT(order.content.add_meta("campaign", campaign));
    return order;
  }
  static Progress carry_out(House& house, QueueOrder order) {
    const auto errand = house.dispatcher->begin(std::move(order));
    house.run_until([&] { return errand->progress().ended; }, "the errand's end");
    return errand->progress();
  }
  static MessageOrder about_one(Act act, MessageId id, const std::string& queue) {
    return {act, id, {{0, queue}}, true, "554 5.0.0 no more"};
  }

  // A hold of three messages of which the first one is being read.
  static std::shared_ptr<const Errand> in_the_middle(House& house, Desk& desk) {
    house.dispatcher->start();
    for (int i = 0; i < 3; ++i) submit(house, "summer", {"a@d.example"});
    house.run_until([&] { return house.dispatcher->size() == 3; });
    desk.close();
    auto errand = house.dispatcher->begin(about(Act::hold, "summer"));
    house.run_until([&] { return desk.inside() == 1; }, "a reading");
    return errand;
  }

  // More than a page of each, and as many as a dry run has said.
  void each_act_by_context() {
    Desk desk;
    House house(closed, watched(desk));
    house.dispatcher->start();
    for (int i = 0; i < 300; ++i)
      submit(house, i % 3 == 0 ? "summer" : "winter",
             {fmt::format("a{}@d.example", i), fmt::format("b{}@e.example", i)});
    house.run_until([&] { return house.dispatcher->size() == 600; });
    const auto both = [&](QueueOrder order) {
      QueueOrder dry = order;
      dry.dry_run = true;
      const auto before = house.dispatcher->totals();
      const Progress would = carry_out(house, dry);
      CPPUNIT_ASSERT_EQUAL(before.held, house.dispatcher->totals().held);
      CPPUNIT_ASSERT_EQUAL(before.active, house.dispatcher->totals().active);
      const Progress done = carry_out(house, std::move(order));
      CPPUNIT_ASSERT_EQUAL(would.acted.done, done.acted.done);
      CPPUNIT_ASSERT_EQUAL(std::min<size_t>(25, would.acted.done), would.first.size());
      return done.acted.done;
    };
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, both(about(Act::hold, "autumn")));
    CPPUNIT_ASSERT_EQUAL(uint64_t{100}, both(about(Act::hold, "summer", "d.example")));
    CPPUNIT_ASSERT_EQUAL(uint64_t{100}, house.dispatcher->domain("d.example")->held);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, both(about(Act::release, "winter")));
    CPPUNIT_ASSERT_EQUAL(uint64_t{100}, both(about(Act::release, "summer")));
    QueueOrder some = about(Act::hold, "summer");
    some.recipient = *Pattern::compile("^b.*@", true);
    CPPUNIT_ASSERT_EQUAL(uint64_t{100}, both(some));
    QueueOrder reroute = about(Act::reroute, "summer", "d.example");
    reroute.to = "other.example";
    CPPUNIT_ASSERT_EQUAL(uint64_t{100}, both(reroute));
    CPPUNIT_ASSERT_EQUAL(uint64_t{100}, house.dispatcher->domain("other.example")->active);
    QueueOrder rebind = about(Act::rebind, "summer");
    rebind.to = "b1";
    CPPUNIT_ASSERT_EQUAL(uint64_t{200}, both(rebind));
    CPPUNIT_ASSERT_EQUAL(uint64_t{100}, house.dispatcher->domain("e.example%b1")->held);
    house.reconfigure(std::string("Default_Binding = b2\n") + closed);
    CPPUNIT_ASSERT_EQUAL(uint64_t{200}, both(about(Act::rebind, "summer")));
    QueueOrder fail = about(Act::fail, "summer");
    fail.quiet = true;
    CPPUNIT_ASSERT_EQUAL(uint64_t{200}, both(fail));
    house.run_until([&] { return house.counter(Counter::permanent_failures) == 200; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{400}, house.dispatcher->size());
    CPPUNIT_ASSERT_EQUAL(uint64_t{400}, carry_out(house, about(Act::hold, "winter")).acted.done);
    CPPUNIT_ASSERT_EQUAL(0, desk.by_loop());
  }

  void by_a_header_field() {
    House house(closed);
    house.dispatcher->start();
    submit(house, "summer", {"a@d.example"}, "Subject: one\r\n two\r\nX-Pick: alpha");
    submit(house, "summer", {"b@d.example"}, "Subject: one two\r\nX-Pick: beta");
    // No header section at all.
    submit(house, "summer", {"c@d.example"}, "");
    house.run_until([&] { return house.dispatcher->size() == 3; });
    const auto hold = [&](std::string_view name, std::string_view line) {
      QueueOrder order;
      order.act = Act::hold;
      order.dry_run = true;
      CPPUNIT_ASSERT(order.content.add_header_line(name, line));
      const Progress would = carry_out(house, std::move(order));
      std::string found;
      for (const Waiting& each : would.first) found += each.recipient.front();
      return found;
    };
    CPPUNIT_ASSERT_EQUAL(std::string("a"), hold("x-pick", "alpha"));
    CPPUNIT_ASSERT_EQUAL(std::string("a"), hold("Subject", "one"));
    CPPUNIT_ASSERT_EQUAL(std::string("a"), hold("Subject", " two"));
    CPPUNIT_ASSERT_EQUAL(std::string("b"), hold("Subject", "one two"));
    CPPUNIT_ASSERT_EQUAL(std::string(), hold("X-Pick", "Alpha"));
  }

  // All are tried once more that fit, and no other.
  void a_flush_of_some() {
    House house("Gateway = 127.0.0.1:1\nRetry_Interval = 100000\nMax_Retry_Interval = 100000\n");
    house.dispatcher->start();
    for (int i = 0; i < 200; ++i) submit(house, i % 4 == 0 ? "summer" : "winter", {"a@d.example"});
    const auto all_wait = [&](int attempts) {
      return house.lines('T') == attempts && house.dispatcher->totals().delayed == 200;
    };
    house.run_until([&] { return all_wait(200); }, "all of them to be delayed");
    QueueOrder dry = about(Act::retry, "summer", "d.example");
    dry.dry_run = true;
    CPPUNIT_ASSERT_EQUAL(uint64_t{50}, carry_out(house, dry).acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{50}, carry_out(house, about(Act::retry, "summer", "d.example")).acted.done);
    house.run_until([&] { return all_wait(250); }, "50 of them to be tried again");
    uint64_t again = 0;
    for (const Waiting& each : house.dispatcher->waiting("d.example", 1000)) again += each.attempts == 2 ? 1 : 0;
    CPPUNIT_ASSERT_EQUAL(uint64_t{50}, again);
  }

  // However many of its recipients and pages there are, and passes that look for what has moved.
  void each_message_is_read_once() {
    Desk desk;
    House house(closed, watched(desk));
    house.dispatcher->start();
    std::vector<std::string> many;
    for (int i = 0; i < 500; ++i) many.push_back(fmt::format("r{}@d{}.example", i, i % 3));
    const MessageId summer = submit(house, "summer", many);
    const MessageId winter = submit(house, "winter", many);
    house.run_until([&] { return house.dispatcher->size() == 1000; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{500}, carry_out(house, about(Act::hold, "summer")).acted.done);
    CPPUNIT_ASSERT_EQUAL(1, desk.readings(summer));
    CPPUNIT_ASSERT_EQUAL(1, desk.readings(winter));
  }

  void unreadable_ones_are_left_alone() {
    Desk desk;
    House house(closed, watched(desk));
    house.dispatcher->start();
    submit(house, "summer", {"a@d.example"});
    const MessageId bad = submit(house, "summer", {"b@d.example", "c@d.example", "d@e.example"});
    submit(house, "summer", {"e@e.example"});
    submit(house, "winter", {"f@e.example"});
    house.run_until([&] { return house.dispatcher->size() == 6; });
    desk.spoil(bad);
    for (const bool dry_run : {true, false}) {
      QueueOrder order = about(Act::fail, "summer");
      order.quiet = true;
      order.dry_run = dry_run;
      const Progress done = carry_out(house, order);
      CPPUNIT_ASSERT_EQUAL(uint64_t{2}, done.acted.done);
      CPPUNIT_ASSERT_EQUAL(uint64_t{3}, done.unreadable);
      CPPUNIT_ASSERT_EQUAL(bad.to_string("mx1") + ": the disk is gone", done.why_unreadable);
    }
    house.run_until([&] { return house.dispatcher->size() == 4; });
    net::test::spin(*house.loop, 20);
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, house.counter(Counter::permanent_failures));
  }

  void a_rebind_tells_of_unreadable_ones() {
    Desk desk;
    House house(closed, watched(desk));
    house.dispatcher->start();
    const MessageId bad = submit(house, "summer", {"a@d.example"});
    submit(house, "summer", {"b@d.example"});
    house.run_until([&] { return house.dispatcher->size() == 2; });
    desk.spoil(bad);
    house.reconfigure(std::string("Default_Binding = b2\n") + closed);
    QueueOrder order;
    order.act = Act::rebind;
    const Progress done = carry_out(house, order);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, done.acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, done.unreadable);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->domain("d.example")->active);
  }

  void what_becomes_of_them_while_they_are_read() {
    Desk desk;
    House house(closed, watched(desk));
    house.dispatcher->start();
    const MessageId finished = submit(house, "summer", {"a@d.example"});
    const MessageId held = submit(house, "summer", {"b@d.example"});
    submit(house, "summer", {"c@d.example"});
    submit(house, "winter", {"d@e.example"});
    house.run_until([&] { return house.dispatcher->size() == 4; });
    desk.close();
    const auto errand = house.dispatcher->begin(about(Act::fail, "summer", "d.example"));
    house.run_until([&] { return desk.inside() == 1; }, "a reading");
    // Nothing else waits for that disk.
    QueueOrder other;
    other.act = Act::hold;
    other.queue = "e.example";
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, carry_out(house, other).acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->act(about_one(Act::fail, finished, "d.example")).done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->act(about_one(Act::hold, held, "d.example")).done);
    const MessageId later = submit(house, "summer", {"e@d.example"});
    CPPUNIT_ASSERT(!errand->progress().ended);
    desk.open();
    house.run_until([&] { return errand->progress().ended; }, "the errand's end");
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, errand->progress().acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, errand->progress().unreadable);
    house.run_until([&] { return house.counter(Counter::permanent_failures) == 3; });
    house.run_until([&] { return house.dispatcher->totals().in_flight == 0 && house.dispatcher->domain("d.example"); });
    CPPUNIT_ASSERT(later == house.dispatcher->waiting("d.example", 5).at(0).id);
  }

  void nobody_waits_for_it_any_more() {
    Desk desk;
    House house(closed, watched(desk));
    house.dispatcher->start();
    std::vector<MessageId> ids;
    for (int i = 0; i < 3; ++i) ids.push_back(submit(house, "summer", {"a@d.example"}));
    house.run_until([&] { return house.dispatcher->size() == 3; });
    desk.close();
    auto errand = house.dispatcher->begin(about(Act::hold, "summer"));
    house.run_until([&] { return desk.inside() == 1; }, "a reading");
    errand.reset();
    desk.open();
    house.run_until([&] { return desk.inside() == 0; }, "the reading's end");
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, carry_out(house, about(Act::hold, "autumn")).acted.done);
    net::test::spin(*house.loop, 20);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, house.dispatcher->totals().held);
    // Only the one that was on its way, but for the second order's.
    CPPUNIT_ASSERT_EQUAL(2, desk.readings(ids[0]));
    CPPUNIT_ASSERT_EQUAL(1, desk.readings(ids[1]));
    CPPUNIT_ASSERT_EQUAL(1, desk.readings(ids[2]));
    CPPUNIT_ASSERT_EQUAL(uint64_t{3}, carry_out(house, about(Act::hold, "summer")).acted.done);
  }

  void stopped_in_the_middle() {
    Desk desk;
    House house(closed, watched(desk));
    const auto errand = in_the_middle(house, desk);
    bool idle = false;
    house.dispatcher->stop(std::chrono::seconds(60), [&] { idle = true; });
    desk.open();
    house.run_until([&] { return idle; }, "the dispatcher to be idle");
    house.close();
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, errand->progress().acted.done);
    house.open(closed);
    house.run_until([&] { return house.dispatcher->size() == 3; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, house.dispatcher->totals().held);
  }

  // Not even stopped: what reads is waited for, and its page is nobody's any more.
  void ended_in_the_middle() {
    Desk desk;
    House house(closed, watched(desk));
    const auto errand = in_the_middle(house, desk);
    std::thread opener([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      desk.open();
    });
    house.dispatcher.reset();  // in front of close(), which lets the loop go round
    opener.join();
    house.close();
    net::test::spin(*house.loop, 20);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, errand->progress().acted.done);
    house.open(closed);
    house.run_until([&] { return house.dispatcher->size() == 3; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, house.dispatcher->totals().held);
  }

  static QueueOrder delay_of(std::string queue, Duration delay) {
    QueueOrder order;
    order.act = Act::delay;
    order.queue = std::move(queue);
    order.delay = delay;
    return order;
  }

  void a_delay_is_for_what_is_due() {
    House house(closed);
    house.dispatcher->start();
    for (int i = 0; i < 100; ++i) submit(house, i % 2 == 0 ? "summer" : "winter", {"a@d.example"});
    const MessageId held = submit(house, "summer", {"b@d.example"});
    submit(house, "summer", {"c@e.example"});
    house.run_until([&] { return house.dispatcher->size() == 102; });
    house.dispatcher->act(about_one(Act::hold, held, "d.example"));
    QueueOrder some = about(Act::delay, "summer", "d.example");
    some.delay = std::chrono::hours(2);
    const WallTime now = wall_now();
    CPPUNIT_ASSERT_EQUAL(uint64_t{50}, carry_out(house, some).acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{50}, house.dispatcher->domain("d.example")->active);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->domain("d.example")->held);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->domain("e.example")->active);
    CPPUNIT_ASSERT(*house.dispatcher->domain("d.example")->next_attempt >= now + std::chrono::hours(2));
    // Those that wait already wait no longer, or shorter.
    QueueOrder dry = delay_of("d.example", std::chrono::hours(1));
    dry.dry_run = true;
    CPPUNIT_ASSERT_EQUAL(uint64_t{50}, carry_out(house, dry).acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{50}, carry_out(house, delay_of("d.example", std::chrono::hours(3))).acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, carry_out(house, delay_of("d.example", std::chrono::hours(1))).acted.done);
    CPPUNIT_ASSERT(*house.dispatcher->domain("d.example")->next_attempt < now + std::chrono::hours(3));
    QueueOrder flush;
    flush.queue = "d.example";
    CPPUNIT_ASSERT_EQUAL(uint64_t{100}, carry_out(house, flush).acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{100}, house.dispatcher->domain("d.example")->active);
  }

  void a_delay_outlives_a_restart() {
    House house(closed);
    house.dispatcher->start();
    submit(house, "summer", {"a@d.example"});
    submit(house, "summer", {"a@e.example"});
    house.run_until([&] { return house.dispatcher->size() == 2; });
    const WallTime now = wall_now();
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, carry_out(house, delay_of("d.example", std::chrono::hours(2))).acted.done);
    house.close();
    house.open(closed);
    house.run_until([&] { return house.dispatcher->size() == 2; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, house.dispatcher->domain("d.example")->active);
    CPPUNIT_ASSERT(*house.dispatcher->domain("d.example")->next_attempt >= now + std::chrono::hours(2));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->domain("e.example")->active);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClerkContentTest);

}  // namespace
}  // namespace impulse::delivery
