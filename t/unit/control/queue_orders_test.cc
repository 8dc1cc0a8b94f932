// Orders about messages and queues: retry, fail, hold, release, flush, reroute,
// suspend and resume, with selectors, notes and dry runs.
#include "fake_system.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using namespace std::string_literals;

namespace {

class QueueOrdersTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(QueueOrdersTest);
  CPPUNIT_TEST(orders_about_a_message);
  CPPUNIT_TEST(orders_about_a_message_wrong);
  CPPUNIT_TEST(orders_about_a_queue);
  CPPUNIT_TEST(selectors);
  CPPUNIT_TEST(notes);
  CPPUNIT_TEST(a_dry_run);
  CPPUNIT_TEST(a_long_queue_is_waited_for);
  CPPUNIT_TEST(orders_while_the_spool_is_indexed);
  CPPUNIT_TEST(orders_about_a_queue_wrong);
  CPPUNIT_TEST(rerouting);
  CPPUNIT_TEST(suspending);
  CPPUNIT_TEST_SUITE_END();

  Console console;

  void fill() { fill_queue(console); }

  void orders_about_a_message() {
    console.system.acted_on_message = QueueActed{2, 1, 0, 0};
    CPPUNIT_ASSERT_EQUAL(
        " 00000001/00000200-n1: 2 recipients failed\n"
        "!warning message-in-flight 1 recipient in delivery just now: nothing can be done about that\n=0 ok\n"s,
        console("message fail 00000001/00000200"));
    CPPUNIT_ASSERT_EQUAL("554 5.0.0 manually failed."s, console.system.message_orders.back().response);
    CPPUNIT_ASSERT(!console.system.message_orders.back().quiet);
    console("message fail quiet 00000001/00000200-n1 <R@a.example>");
    CPPUNIT_ASSERT(console.system.message_orders.back().quiet);
    CPPUNIT_ASSERT_EQUAL("R@a.example"s, console.system.message_orders.back().recipient);
    const std::pair<const char*, QueueAct> acts[] = {
        {"retry", QueueAct::retry}, {"hold", QueueAct::hold}, {"release", QueueAct::release}};
    for (const auto& [word, act] : acts) {
      console("message "s + word + " 00000001/00000200");
      CPPUNIT_ASSERT(console.system.message_orders.back().act == act);
    }
    // Nothing done is no success.
    console.system.acted_on_message = QueueActed{0, 0, 1, 1};
    const std::string reply = console("--json message release 00000001/00000200");
    ASSERT_HOLDS(reply,
                 " {\"id\":\"00000001/00000200-n1\",\"recipients\":0,\"in_flight\":0,\"left\":1,\"missing\":1}\n");
    ASSERT_HOLDS(reply, "!warning message-left 1 recipient not held by");
    CPPUNIT_ASSERT_EQUAL("=1 failed"s, status_of(reply));
    ASSERT_HOLDS(console.audited.back(), "message release 00000001/00000200 =1");
  }

  void orders_about_a_message_wrong() {
    for (const auto command : {"message retry", "message retry x", "message fail quiet", "message hold 00000001/1 a b",
                               "message hold 00000001/00000001 --all", "message hold ( a )"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("message hold 00000001/00000001-n2")));
    CPPUNIT_ASSERT(console.system.message_orders.empty());
    console.system.acted_on_message = fail(Errc::not_found, "no message");
    CPPUNIT_ASSERT_EQUAL("!error message-not-found no message\n=3 not-found\n"s,
                         console("message retry 00000001/00000001"));
    console.system.acted_on_message = fail(Errc::io, "the disk is gone");
    ASSERT_HOLDS(console("message retry 00000001/00000001"), "!error message-unreadable the disk is gone\n");
  }

  const QueueOrder& ordered(const std::string& command) {
    const size_t before = console.system.queue_orders.size();
    const std::string reply = console(command);
    CPPUNIT_ASSERT_EQUAL_MESSAGE(reply, before + 1, console.system.queue_orders.size());
    return console.system.queue_orders.back();
  }

  void orders_about_a_queue() {
    fill();
    console.system.errand_steps = {{12, {10, 1, 2, 0}, {}, true}};
    CPPUNIT_ASSERT_EQUAL(
        " a.example purged, 10 recipients failed.\n"
        "!notice queue-in-flight 1 in delivery: what becomes of that is for the other side to say\n"
        "!notice queue-left 2 recipients held by their senders (RFC 4865)\n=0 ok\n"s,
        console("fail domain A.example"));
    CPPUNIT_ASSERT(console.system.queue_orders.back().act == QueueAct::fail);
    console.system.errand_steps = {{1, {1, 0, 0, 0}, {}, true}};
    CPPUNIT_ASSERT_EQUAL(" a.example flushed, 1 recipient requeued.\n=0 ok\n"s, console("flush domain a.example"));
    CPPUNIT_ASSERT_EQUAL(" all held, 1 recipient held.\n=0 ok\n"s, console("hold domain all"));
    CPPUNIT_ASSERT_EQUAL(" a.example released, 1 recipient released.\n=0 ok\n"s, console("release domain a.example"));
    CPPUNIT_ASSERT_EQUAL(
        " {\"act\":\"flush\",\"domain\":\"all\",\"dry_run\":false,\"recipients\":1,\"in_flight\":0,\"left\":0,"
        "\"looked_at\":1,\"ended\":true}\n=0 ok\n"s,
        console("--json flush domain all"));
    CPPUNIT_ASSERT(console.system.queue_orders.back().queue.empty());
    CPPUNIT_ASSERT(ordered("fail domain quiet a.example").quiet);
  }

  void selectors() {
    fill();
    const QueueOrder& order = ordered("fail domain --sender '^news@' --recipient x$ --older 2h --dry-run a.example");
    CPPUNIT_ASSERT(order.sender->matches("NEWS@x"));
    CPPUNIT_ASSERT(!order.recipient->matches("y"));
    CPPUNIT_ASSERT(order.age == std::chrono::hours(2));
    CPPUNIT_ASSERT(order.dry_run);
    CPPUNIT_ASSERT_EQUAL("a.example"s, order.queue);
  }

  void notes() {
    fill();
    CPPUNIT_ASSERT_EQUAL("554 5.0.0 Message manually purged."s, ordered("fail domain a.example").response);
    CPPUNIT_ASSERT_EQUAL("554 5.0.0 gone for good"s, ordered("fail domain a.example gone for good").response);
    CPPUNIT_ASSERT_EQUAL("550 5.1.2 by Bob"s, ordered("fail domain quiet a.example 550 5.1.2 by Bob").response);
    CPPUNIT_ASSERT_EQUAL("554 5.0.0 no\\r\\nway"s, ordered("fail domain a.example \"no\\r\\nway\"").response);
    // Wherever it stands, it is never a part of the note.
    const QueueOrder& order = ordered("fail domain a.example gone --dry-run for good");
    CPPUNIT_ASSERT(order.dry_run);
    CPPUNIT_ASSERT_EQUAL("554 5.0.0 gone for good"s, order.response);
  }

  void a_dry_run() {
    fill();
    QueueProgress progress{30, {30, 0, 0, 0}, {}, true};
    progress.first.assign(25, console.system.recipients.front());
    console.system.errand_steps = {progress};
    const std::string reply = console("fail domain a.example --dry-run");
    CPPUNIT_ASSERT_EQUAL(size_t{26}, payload_of(reply).size());
    ASSERT_HOLDS(reply, "   00000001/00000000-n1  domain=a.example from=<s@example.net> to=<r@a.example>\n");
    ASSERT_HOLDS(
        reply, " [dry-run] a.example: 30 recipients would be failed. (Showing first 25; 5 more not listed.)\n=0 ok\n");
    const auto lines = payload_of(console("--json fail domain a.example --dry-run"));
    CPPUNIT_ASSERT_EQUAL(size_t{26}, lines.size());
    CPPUNIT_ASSERT(nlohmann::json::parse(lines.back())["dry_run"].get<bool>());
  }

  void a_long_queue_is_waited_for() {
    fill();
    console.system.errand_steps.assign(450, {100, {5, 0, 0, 0}, {}, false});
    console.system.errand_steps.push_back({200, {9, 0, 0, 0}, {}, true});
    const std::string reply = console("flush domain a.example");
    CPPUNIT_ASSERT_EQUAL(450, console.waits);
    CPPUNIT_ASSERT_EQUAL(
        " 100 recipients looked at, 5 so far\n 100 recipients looked at, 5 so far\n"
        " a.example flushed, 9 recipients requeued.\n=0 ok\n"s,
        reply);
  }

  // The order was not about all that is in the spool, also when all of that is in the queue by its end.
  void orders_while_the_spool_is_indexed() {
    fill();
    console.system.errand_steps = {{1, {1, 0, 0, 0}, {}, true}};
    console.system.spooled.indexing.text = "queueing what was there: 5 of 9 messages (55 %)";
    const std::string still = "queueing what was there: 5 of 9 messages (55 %)";
    CPPUNIT_ASSERT_EQUAL(
        " all held, 1 recipient held.\n"
        "!warning queue-indexing this was about what is in the queue, still " +
            still + ": repeat it when that is done\n=5 degraded\n",
        console("hold domain all"));
    CPPUNIT_ASSERT_EQUAL("=5 degraded"s, status_of(console("--json fail domain a.example")));
    ASSERT_HOLDS(console("flush domain a.example --dry-run"),
                 "!notice queue-indexing still " + still + ": that may be more then\n=0 ok\n");
    console.system.spooled.indexing = {};
    CPPUNIT_ASSERT_EQUAL(" all held, 1 recipient held.\n=0 ok\n"s, console("hold domain all"));
  }

  void orders_about_a_queue_wrong() {
    fill();
    for (const auto command : {"flush domain",
                               "fail domain",
                               "fail domain quiet",
                               "hold domain --dry-run",
                               "flush domain a.example b.example",
                               "flush domain --sender ( a.example",
                               "flush domain --sender '(' a.example",
                               "flush domain a.example --sender",
                               "fail domain a.example --sendr x",
                               "fail domain --meta k",
                               "fail domain --meta k v",
                               "fail domain a.example --meta =v",
                               "fail domain --header 'a b' x a.example",
                               "fail domain --header 'Subject=(' a.example",
                               "fail domain --sender ( a ) a.example",
                               "fail all",
                               "fail all gone",
                               "fail all quiet --dry-run",
                               "delay",
                               "delay 5",
                               "delay 0 --domain a.example",
                               "delay x --domain a.example",
                               "delay 5 --domain",
                               "delay 5 6 --domain a.example",
                               "delay 5 --domain a.example --domain b.example",
                               "binding fail domain",
                               "binding fail domain default",
                               "binding flush domain default a.example more",
                               "binding flush domain default a.example%b1",
                               "flush domain --older x a.example",
                               "flush domain --sender a --sender b a.example",
                               "flush domain \"\"",
                               "reroute queue a.example",
                               "reroute queue a.example a.example",
                               "reroute queue all a.example",
                               "reroute queue a.example all",
                               "reroute queue a.example b.example c.example"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
    CPPUNIT_ASSERT_EQUAL("!error queue-no-such-domain nothing waits for c.example\n=3 not-found\n"s,
                         console("flush domain c.example"));
    for (const auto command : {"delay 5 --domain c.example", "delay 5 --binding blue", "binding fail domain blue all",
                               "binding fail domain quiet default c.example", "fail all --sender x binding blue"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=3 not-found"s, status_of(console(command)));
    CPPUNIT_ASSERT(console.system.queue_orders.empty());
  }

  void rerouting() {
    fill();
    console.system.domains.push_back({"blue/a.example", 1, 0, 0});
    console.system.errand_steps = {{10, {10, 0, 0, 0}, {}, true}};
    CPPUNIT_ASSERT_EQUAL(" Moved 10 recipients from 'a.example' to 'new.example'.\n=0 ok\n"s,
                         console("reroute queue a.example New.example"));
    CPPUNIT_ASSERT_EQUAL("new.example"s, console.system.queue_orders.back().to);
    ordered("reroute queue blue/a.example blue/b.example");
    const size_t orders = console.system.queue_orders.size();
    for (const auto command : {"reroute queue blue/a.example red/a.example", "reroute queue blue/a.example a.example",
                               "reroute queue a.example blue/a.example"})
      ASSERT_HOLDS(console(command), "!error queue-other-tenant");
    CPPUNIT_ASSERT_EQUAL(orders, console.system.queue_orders.size());
  }

  void suspending() {
    CPPUNIT_ASSERT_EQUAL(" a.example suspended\n=0 ok\n"s, console("suspend domain A.example"));
    CPPUNIT_ASSERT_EQUAL(" a.example was suspended already\n=0 ok\n"s, console("suspend a.example"));
    CPPUNIT_ASSERT_EQUAL(" a.example\n=0 ok suspended=1\n"s, console("suspend"));
    CPPUNIT_ASSERT_EQUAL(" {\"domain\":\"a.example\",\"suspended\":false,\"changed\":true}\n=0 ok\n"s,
                         console("--json resume a.example"));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("resume domain a.example")));
    for (const auto command : {"suspend a b", "resume", "resume a b", "suspend --all"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(QueueOrdersTest);

}  // namespace
