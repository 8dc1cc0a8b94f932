// spool export, spool import, spool_in.
#include "fake_system.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using namespace std::string_literals;

namespace {

class CarryCommandsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(CarryCommandsTest);
  CPPUNIT_TEST(what_an_export_is_about);
  CPPUNIT_TEST(what_is_said_of_an_export);
  CPPUNIT_TEST(what_is_said_of_an_import);
  CPPUNIT_TEST(a_folder_that_fails);
  CPPUNIT_TEST(wrong);
  CPPUNIT_TEST(into_the_queue);
  CPPUNIT_TEST(while_the_spool_is_indexed);
  CPPUNIT_TEST_SUITE_END();

  Console console;

  void what_an_export_is_about() {
    console.system.domains.push_back({.domain = "a.example"});
    console("spool export /x/y");
    CPPUNIT_ASSERT_EQUAL("/x/y"s, console.system.exports.back().folder);
    CPPUNIT_ASSERT(console.system.exports.back().queue.empty() && !console.system.exports.back().remove);
    console("spool export /x A.example --sender ^s --recipient r$ --older 2h --remove --dry-run");
    const ExportOrder& order = console.system.exports.back();
    CPPUNIT_ASSERT_EQUAL("a.example"s, order.queue);
    CPPUNIT_ASSERT(order.remove && order.dry_run && order.age == std::chrono::hours(2));
    CPPUNIT_ASSERT(order.sender->matches("Sx") && !order.sender->matches("x"));
    CPPUNIT_ASSERT(order.recipient->matches("xr") && !order.recipient->matches("rx"));
    console("spool export /x --remove all");
    CPPUNIT_ASSERT(console.system.exports.back().queue.empty() && console.system.exports.back().remove);
    console("spool import /x/y --dry-run");
    CPPUNIT_ASSERT(console.system.imports.back().dry_run);
    CPPUNIT_ASSERT_EQUAL("/x/y"s, console.system.imports.back().folder);
  }

  void what_is_said_of_an_export() {
    CarryProgress end{.messages = 2, .bytes = 300, .there = 1, .in_flight = 1, .gone = 2, .removed = 3, .ended = true};
    console.system.carry_steps = {CarryProgress{}, end};
    CPPUNIT_ASSERT_EQUAL(
        " 2 messages, 300 bytes, exported to /x\n 3 messages removed here\n"
        "!notice spool-already 1 message there already, as they are now\n"
        "!notice queue-in-flight 1 message being delivered just now: left alone\n"
        "!notice spool-gone 2 messages finished meanwhile\n=0 ok\n"s,
        console("spool export /x --remove"));
    CPPUNIT_ASSERT_EQUAL(
        "{\"act\":\"export\",\"folder\":\"/x\",\"dry_run\":false,\"messages\":2,\"bytes\":300,"
        "\"there\":1,\"refused\":0,\"in_flight\":1,\"gone\":2,\"removed\":3,\"ended\":true}"s,
        payload_of(console("--json spool export /x")).at(0));
    console.system.carry_steps = {CarryProgress{.messages = 1, .bytes = 10, .ended = true}};
    CPPUNIT_ASSERT_EQUAL(" [dry-run] 1 message, 10 bytes, would be exported to /x\n=0 ok\n"s,
                         console("spool export /x --dry-run --remove"));
  }

  void what_is_said_of_an_import() {
    CarryProgress first{.refused = 1, .refusals = {{"x.json:3:4", "an address is expected"}}};
    console.system.carry_steps = {first, CarryProgress{.messages = 5, .bytes = 9, .refused = 1, .ended = true}};
    CPPUNIT_ASSERT_EQUAL(
        "!error spool-import-refused x.json:3:4: an address is expected\n"
        " 5 messages, 9 bytes, imported from /x\n"
        "!warning spool-import-refused 1 message not imported\n=1 failed\n"s,
        console("spool import /x"));
  }

  void a_folder_that_fails() {
    console.system.carry_steps = {CarryProgress{.failed = Error{Errc::denied, "/x: no"}, .ended = true}};
    CPPUNIT_ASSERT_EQUAL(" 0 messages, 0 bytes, imported from /x\n!error spool-import-failed /x: no\n=6 denied\n"s,
                         console("spool import /x"));
    ASSERT_HOLDS(console("spool export /x"), "!error spool-export-failed /x: no\n=6 denied\n");
  }

  void wrong() {
    for (const auto command :
         {"spool export", "spool export x", "spool export ( /x )", "spool export /x a b", "spool export /x --sender",
          "spool export /x --sender [", "spool export /x --all", "spool export /x binding default a.example",
          "spool import", "spool import x", "spool import /x --remove", "spool import /x a", "spool_in", "spool_in x",
          "spool_in 00000001/00000040 x"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("spool export /x nowhere.example")));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("spool_in 00000001/00000040-n2")));
    CPPUNIT_ASSERT(console.system.exports.empty() && console.system.imports.empty());
    CPPUNIT_ASSERT(console.system.spooled_in.empty());
  }

  void into_the_queue() {
    CPPUNIT_ASSERT_EQUAL(" 00000001/00000040-n1: queued\n=0 ok\n"s, console("spool_in 00000001/00000040"));
    console.system.spool_in_gives = false;
    CPPUNIT_ASSERT_EQUAL(" {\"id\":\"00000001/00000040-n1\",\"queued\":false}\n=0 ok\n"s,
                         console("--json spool_in 00000001/00000040-n1"));
    console.system.spool_in_gives = fail(Errc::not_found, "no such message");
    CPPUNIT_ASSERT_EQUAL("!error message-not-found no such message\n=3 not-found\n"s,
                         console("spool_in 00000001/00000040"));
  }

  // What the queue does not have yet would be missing in the folder, and nobody would notice.
  void while_the_spool_is_indexed() {
    console.system.domains.push_back({.domain = "a.example"});
    console.system.spooled.indexing.text = "queueing what was there";
    for (const auto command : {"spool export /x", "spool export /x a.example --remove", "spool export /x --dry-run"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command,
                                   "!error queue-indexing still queueing what was there: messages would be left out; "
                                   "try again when that is done\n=7 busy\n"s,
                                   console(command));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("spool export x")));
    CPPUNIT_ASSERT(console.system.exports.empty());
    // Who knows what is known says it of an import, and of one message.
    console.system.carry_steps = {CarryProgress{.failed = Error{Errc::busy, "still reading"}, .ended = true}};
    ASSERT_HOLDS(console("spool import /x"), "!error spool-import-failed still reading\n=7 busy\n");
    console.system.spool_in_gives = fail(Errc::busy, "still being indexed");
    CPPUNIT_ASSERT_EQUAL("!error message-unreadable still being indexed\n=7 busy\n"s,
                         console("spool_in 00000001/00000040"));
    console.system.spooled.indexing = {};
    console.system.carry_steps = {CarryProgress{.ended = true}};
    ASSERT_HOLDS(console("spool export /x"), "=0 ok");
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(CarryCommandsTest);

}  // namespace
