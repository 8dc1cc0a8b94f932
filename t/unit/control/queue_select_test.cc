// Orders by what only messages say, of any domain and of one binding; delays.
#include "fake_system.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using namespace std::string_literals;

namespace {

class QueueSelectTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(QueueSelectTest);
  CPPUNIT_TEST(what_only_messages_say);
  CPPUNIT_TEST(of_any_domain);
  CPPUNIT_TEST(messages_that_cannot_be_read);
  CPPUNIT_TEST(of_one_binding);
  CPPUNIT_TEST(a_delay);
  CPPUNIT_TEST_SUITE_END();

  Console console;

 public:
  void setUp() override { console.system.domains = {{"a.example", 3, 10, 1, 2, 7, 1}}; }

 private:
  const QueueOrder& ordered(const std::string& command) {
    const size_t before = console.system.queue_orders.size();
    const std::string reply = console(command);
    CPPUNIT_ASSERT_EQUAL_MESSAGE(reply, before + 1, console.system.queue_orders.size());
    return console.system.queue_orders.back();
  }

  static bool fits(const QueueOrder& order, const std::string& key, const std::string& value) {
    message::Envelope envelope;
    envelope.context = {{"other", "x"}, {key, value}};
    return order.content.fits(envelope);
  }
  static bool fits(const QueueOrder& order, const std::string& header) {
    spool::Stored stored;
    stored.envelope.context = {{"key", "value"}};
    stored.body = header + "\r\n\r\nbody\r\n";
    return order.content.fits(stored);
  }

  // In two words, as Momentum has it, and in one.
  void what_only_messages_say() {
    for (const auto words : {"--meta campaign summer-sale", "--meta campaign=summer-sale"}) {
      const QueueOrder& order = ordered(fmt::format("fail domain {} a.example 554 closed --dry-run", words));
      CPPUNIT_ASSERT(fits(order, "campaign", "summer-sale"));
      CPPUNIT_ASSERT(!fits(order, "campaign", "summer"));
      CPPUNIT_ASSERT(!fits(order, "Campaign", "summer-sale"));
      CPPUNIT_ASSERT_EQUAL("a.example"s, order.queue);
      CPPUNIT_ASSERT_EQUAL("554 closed"s, order.response);
      CPPUNIT_ASSERT(order.dry_run);
    }
    const QueueOrder& line = ordered("flush domain a.example --header subject 'hello all'");
    CPPUNIT_ASSERT(fits(line, "Subject: hello all"));
    CPPUNIT_ASSERT(!fits(line, "Subject: hello all of you"));
    // Bare it is two words to the language, and one when it is quoted.
    for (const auto words : {"--header subject=^hello", "--header 'subject=^hello'", "--header subject='^hello'"}) {
      const QueueOrder& order = ordered(fmt::format("reroute queue {} --meta key value a.example c.example", words));
      CPPUNIT_ASSERT_MESSAGE(words, fits(order, "Subject: hello all of you"));
      CPPUNIT_ASSERT_MESSAGE(words, !fits(order, "Subject: oh, hello"));
    }
    const QueueOrder& equals = ordered("hold domain --header subject '=hello' a.example");
    CPPUNIT_ASSERT(fits(equals, "Subject: =hello"));
    CPPUNIT_ASSERT(!fits(equals, "Subject: hello"));
    CPPUNIT_ASSERT(!ordered("rebind all --meta key value").content.empty());
  }

  void of_any_domain() {
    console.system.errand_steps = {{9, {5, 0, 0, 0}, {}, true}};
    CPPUNIT_ASSERT_EQUAL(" all purged, 5 recipients failed.\n=0 ok\n"s,
                         console("fail all --meta tenant churned 554 removed by Bob"));
    const QueueOrder& order = console.system.queue_orders.back();
    CPPUNIT_ASSERT(order.queue.empty() && order.binding.empty() && !order.quiet);
    CPPUNIT_ASSERT_EQUAL("554 removed by Bob"s, order.response);
    CPPUNIT_ASSERT(fits(order, "tenant", "churned"));
    CPPUNIT_ASSERT(ordered("fail all quiet --sender ^news@").quiet);
    CPPUNIT_ASSERT_EQUAL("default"s, ordered("fail all --older 2h binding default gone").binding);
  }

  void messages_that_cannot_be_read() {
    console.system.errand_steps = {{9, {5, 0, 0, 0}, {}, true, 2, "00000001/00000200-n1: the disk is gone"}};
    CPPUNIT_ASSERT_EQUAL(
        "!warning queue-unreadable 2 recipients of messages that cannot be read left alone: 00000001/00000200-n1: the "
        "disk is gone\n"
        " a.example held, 5 recipients held.\n=5 degraded\n"s,
        console("hold domain --meta k v a.example"));
    const auto document = nlohmann::json::parse(payload_of(console("--json hold domain --meta k v a.example")).back());
    CPPUNIT_ASSERT_EQUAL(2, document["unreadable"].get<int>());
  }

  // Another spelling of what there is, and words for it.
  void of_one_binding() {
    CPPUNIT_ASSERT(status_of(console("config set Binding b1 Max_Retries 3")).starts_with("=0 ok"));
    console.system.domains = {{"a.example", 9, 9}, {"a.example%b1", 3, 1}, {"b.example%b1", 40, 2}};
    console.system.counts.binding("b1").add(telemetry::Counter::deliveries, 7);
    console.system.counts.binding("b1").add(telemetry::Counter::outbound_open, 2);
    const auto order = [&](const std::string& command) {
      const QueueOrder& made = ordered(command);
      return fmt::format("{}|{}|{}|{}", static_cast<int>(made.act), made.binding, made.queue, made.every_binding);
    };
    for (const auto& [alias, command] : std::vector<std::pair<std::string, std::string>>{
             {"binding fail domain B1 a.example", "fail domain binding b1 a.example"},
             {"binding fail domain b1 all", "fail domain binding b1 all"},
             {"binding fail domain all a.example", "fail domain binding all a.example"},
             {"binding flush domain b1 a.example", "flush domain binding b1 a.example"},
             {"binding flush domain all all", "flush domain all"}})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(alias, order(command), order(alias));
    const QueueOrder& quiet = ordered("binding fail domain quiet --meta k v b1 all 554 by Bob --dry-run");
    CPPUNIT_ASSERT(quiet.quiet && quiet.dry_run);
    CPPUNIT_ASSERT_EQUAL("554 by Bob"s, quiet.response);

    const std::string active = console("binding active B1 5");
    CPPUNIT_ASSERT(active.find("a.example%b1") == std::string::npos);
    ASSERT_HOLDS(active, "b.example%b1  C:   0  A:     40  D:      2  S:      0\n");
    ASSERT_HOLDS(active, "  Total:  C:   2  A:     43  D:      3  S:      7\n");
    const auto lines = payload_of(console("--json binding delayed b1"));
    CPPUNIT_ASSERT_EQUAL(size_t{3}, lines.size());
    const auto totals = nlohmann::json::parse(lines.back());
    CPPUNIT_ASSERT_EQUAL("b1"s, totals["binding"].get<std::string>());
    CPPUNIT_ASSERT_EQUAL(2, totals["domains"].get<int>());
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("binding active blue 1")));
    for (const auto command : {"binding active", "binding active b1 x", "binding delayed b1 1 2"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
  }

  void a_delay() {
    CPPUNIT_ASSERT(status_of(console("config set Binding b1 Max_Retries 3")).starts_with("=0 ok"));
    console.system.domains = {{"a.example", 9}, {"a.example%b1", 3}};
    console.system.errand_steps = {{12, {12, 0, 0, 0}, {}, true}};
    const auto order = [&](const std::string& command) {
      const QueueOrder& made = ordered(command);
      CPPUNIT_ASSERT(made.act == QueueAct::delay);
      CPPUNIT_ASSERT(made.delay == std::chrono::seconds(300));
      return fmt::format("{}|{}|{}", made.binding, made.queue, made.every_binding);
    };
    CPPUNIT_ASSERT_EQUAL("|a.example|true"s, order("delay 300 --domain A.example"));
    CPPUNIT_ASSERT_EQUAL("b1||false"s, order("delay 300 --binding B1"));
    CPPUNIT_ASSERT_EQUAL("|a.example%b1|false"s, order("delay --binding b1 --domain a.example 300"));
    CPPUNIT_ASSERT_EQUAL("|a.example%b1|false"s, order("delay 300 --domain a.example%b1"));
    CPPUNIT_ASSERT_EQUAL("||false"s, order("delay 300 --meta --domain a.example"));
    CPPUNIT_ASSERT(fits(console.system.queue_orders.back(), "--domain", "a.example"));
    CPPUNIT_ASSERT_EQUAL(" Delayed 12 recipients.\n=0 ok\n"s, console("delay 300 --domain a.example"));
    ASSERT_HOLDS(console("--json delay 300 --domain a.example"), "\"seconds\":300");
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueueSelectTest);

}  // namespace
