// watch: notices between answers, of counters that changed and of events.
#include "fake_system.h"

#include <cppunit/extensions/HelperMacros.h>
#include <nlohmann/json.hpp>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using namespace std::string_literals;
using telemetry::Counter;

namespace {

class WatchTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(WatchTest);
  CPPUNIT_TEST(off_at_first);
  CPPUNIT_TEST(counters_that_changed);
  CPPUNIT_TEST(json);
  CPPUNIT_TEST(events);
  CPPUNIT_TEST(spool);
  CPPUNIT_TEST(never_within_an_answer);
  CPPUNIT_TEST(behind_the_answer_of_what_caused_it);
  CPPUNIT_TEST(slow_reader);
  CPPUNIT_TEST(ends_with_quit);
  CPPUNIT_TEST(wrong);
  CPPUNIT_TEST_SUITE_END();

  void off_at_first() {
    Console console;
    console.session->event("listener-bound", "*:25");
    console.session->tick();
    CPPUNIT_ASSERT(!console.session->watch().on());
    CPPUNIT_ASSERT(!console.session->busy());
    CPPUNIT_ASSERT_EQUAL("=0 ok\n"s, console("watch off"));
  }
  void counters_that_changed() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=0 ok\n"s, console("watch on --interval 5s"));
    CPPUNIT_ASSERT(console.session->watch().on());
    CPPUNIT_ASSERT(console.session->watch().interval() == std::chrono::seconds(5));
    console.session->tick();
    CPPUNIT_ASSERT_EQUAL(""s, console.drain());  // all are 0
    console.system.counts.add(Counter::messages_received, 3);
    console.system.counts.add(Counter::sessions_open, 2);
    console.session->tick();
    CPPUNIT_ASSERT(console.session->busy());
    CPPUNIT_ASSERT_EQUAL("* counters sessions_open=2 messages_received=3\n"s, console.drain());
    CPPUNIT_ASSERT(!console.session->busy());
    console.session->tick();
    CPPUNIT_ASSERT_EQUAL(""s, console.drain());
    console.system.counts.add(Counter::sessions_open, -2);
    console.session->tick();
    CPPUNIT_ASSERT_EQUAL("* counters sessions_open=0\n"s, console.drain());
    CPPUNIT_ASSERT_EQUAL("=0 ok\n"s, console("watch off"));
    console.system.counts.add(Counter::sessions_open, 2);
    console.session->tick();
    CPPUNIT_ASSERT_EQUAL(""s, console.drain());
    console("watch on");  // begins anew
    console.session->tick();
    CPPUNIT_ASSERT(console.drain().find("messages_received=3") != std::string::npos);
  }
  void json() {
    Console console;
    console("--json watch on");
    console.system.counts.add(Counter::deliveries, 7);
    console.session->event("listener-bound", "/run/\xff\n");
    console.session->tick();
    CPPUNIT_ASSERT_EQUAL(
        "* {\"event\":\"listener-bound\",\"text\":\"/run/\\\\xFF\\\\n\"}\n* {\"counters\":{\"deliveries\":7}}\n"s,
        console.drain());
  }
  void events() {
    Console console;
    console("watch on");
    console.session->event("listener-closed", "evil\n=0 ok");
    console.session->event("nothing-to-add", "");
    CPPUNIT_ASSERT_EQUAL("* event listener-closed evil\\n=0 ok\n* event nothing-to-add\n"s, console.drain());
    console.session->event("long", std::string(100000, 'x'));
    CPPUNIT_ASSERT(console.drain().size() < 1100);
  }
  void spool() {
    Console console;
    console("watch on");
    console.system.spooled.accepting = false;
    console.system.spooled.reason = "disk is full";
    console.session->tick();
    CPPUNIT_ASSERT_EQUAL("* event spool-sick disk is full\n"s, console.drain());
    console.session->tick();
    CPPUNIT_ASSERT_EQUAL(""s, console.drain());
    console.system.spooled = {};
    console.session->tick();
    CPPUNIT_ASSERT_EQUAL("* event spool-well\n"s, console.drain());
  }
  void never_within_an_answer() {
    Console console;
    console("watch on");
    console.session->feed("help\n");
    std::string out;
    console.session->produce(out, 1);
    console.session->event("in-between", "x");
    while (console.session->produce(out, 100)) continue;
    CPPUNIT_ASSERT(out.ends_with("\n* event in-between x\n"));
    CPPUNIT_ASSERT_EQUAL(out.rfind("\n* "), out.find("\n* "));
    CPPUNIT_ASSERT(out.find("\n=0 ok\n* event") != std::string::npos);
  }
  void behind_the_answer_of_what_caused_it() {
    Console console;
    console("watch on");
    console.session->feed("pid\n");
    console.session->event("config-commit", "generation 2");
    const std::string out = console.drain();
    CPPUNIT_ASSERT_MESSAGE(out, out.ends_with("=0 ok\n* event config-commit generation 2\n"));
  }
  void slow_reader() {
    Console console;
    console("watch on");
    const size_t held = console.session->held();
    for (int i = 0; i < 100000; ++i) {
      console.session->event("again", std::string(100, 'x'));
      console.system.counts.add(Counter::deliveries);
      console.session->tick();
    }
    CPPUNIT_ASSERT_EQUAL(held, console.session->held());
    const std::string out = console.drain();
    CPPUNIT_ASSERT(out.size() < 64 * 200);
    CPPUNIT_ASSERT(out.find(fmt::format("* dropped {}\n", 100000 - 64)) != std::string::npos);
    CPPUNIT_ASSERT(out.find("deliveries=1\n") != std::string::npos);  // the oldest; the next one tells the rest
    console.session->tick();
    CPPUNIT_ASSERT_EQUAL("* counters deliveries=100000\n"s, console.drain());
    CPPUNIT_ASSERT_EQUAL(fmt::format("=0 ok dropped={}\n", 100000 - 64), console("watch off"));
  }
  void ends_with_quit() {
    Console console;
    console("watch on");
    console.session->feed("quit\n");
    console.session->event("too-late", "x");
    CPPUNIT_ASSERT_EQUAL("=0 bye\n"s, console.drain());
    CPPUNIT_ASSERT(console.session->finished());
  }
  void wrong() {
    Console console;
    for (const auto command :
         {"watch", "watch maybe", "watch off --interval 1", "watch on 5", "watch on --interval",
          "watch on --interval 99ms", "watch on --interval 2h", "watch on --interval x", "watch on --interval 1 2"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
    CPPUNIT_ASSERT(!console.session->watch().on());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(WatchTest);

}  // namespace
