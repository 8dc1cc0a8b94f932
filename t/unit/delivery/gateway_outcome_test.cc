// What the replies of a Gateway make of the recipients: delivered, later, or bounced.
#include "house.h"
#include "sink.h"

namespace impulse::delivery {
namespace {

using namespace test;
using telemetry::Counter;

// Reports to x.example come into a Maildir.
std::string senders(const House& house) {
  return fmt::format("Domain \"x.example\" {{ Delivery_Method = maildir Maildir_Path = \"{}/%{{localpart}}\" }}\n",
                     house.dir / "senders");
}

class GatewayOutcomeTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(GatewayOutcomeTest);
  CPPUNIT_TEST(each_recipient_has_its_own_outcome);
  CPPUNIT_TEST(refused_now_taken_later);
  CPPUNIT_TEST(refused_for_good_comes_back);
  CPPUNIT_TEST(expires_into_a_bounce);
  CPPUNIT_TEST(never_retry_and_max_retries);
  CPPUNIT_TEST(too_many_recipients_go_at_once_again);
  CPPUNIT_TEST_SUITE_END();

  void each_recipient_has_its_own_outcome() {
    Script script;
    int tries = 0;
    script.rcpt = [&](const std::string& path) -> std::string {
      if (path == "never@y.example") return "550 5.1.1 unknown";
      if (path == "later@y.example" && ++tries == 1) return "450 4.2.1 come back";
      return "";
    };
    Sink sink(script);
    House house(gateway(sink));
    house.reconfigure(gateway(sink) + senders(house));
    house.dispatcher->start();
    house.submit("s@x.example", {"ok@y.example", "never@y.example", "later@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{2}, sink.count());
    CPPUNIT_ASSERT((std::vector<std::string>{"ok@y.example"}) == sink.letters()[0].recipients);
    CPPUNIT_ASSERT((std::vector<std::string>{"later@y.example"}) == sink.letters()[1].recipients);
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    CPPUNIT_ASSERT_EQUAL(1, house.lines('T'));
    const auto report = house.maildir("senders/s").at(0);
    CPPUNIT_ASSERT(holds(report, "Final-Recipient: rfc822; never@y.example\nAction: failed\nStatus: 5.1.1\n"));
    CPPUNIT_ASSERT(holds(report, "Remote-MTA: dns; 127.0.0.1\nDiagnostic-Code: smtp; 550 5.1.1 unknown\n"));
  }

  void refused_now_taken_later() {
    Script script;
    std::atomic<int> tries = 0;
    script.data = [&](const Letter&) { return ++tries == 1 ? "451 4.3.0 not now" : ""; };
    Sink sink(script);
    House house(gateway(sink));
    house.dispatcher->start();
    const MessageId id = house.submit("s@x.example", {"a@y.example"});
    house.run_until([&] { return house.counter(Counter::transient_failures) == 1; });
    const auto waiting = house.dispatcher->waiting("", 1);
    CPPUNIT_ASSERT(holds(waiting.at(0).last_error, "451 4.3.0 not now"));
    house.run_until([&] { return house.spool->summary(id)->states.at(0).attempts == 1; }, "the journal");
    CPPUNIT_ASSERT(holds(house.spool->summary(id)->states.at(0).last_error, "not now"));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.count());
    CPPUNIT_ASSERT_EQUAL(0, house.bounces);
  }

  void refused_for_good_comes_back() {
    Script script;
    script.data = [](const Letter&) { return "554 5.7.1 we do not want it\r\n"; };
    Sink sink(script);
    House house(gateway(sink));
    house.reconfigure(gateway(sink, "Bounces_Inline_Original = full") + senders(house));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example", "b@y.example"}, "Subject: mine\r\n\r\nmy words\r\n");
    house.run_until_empty();
    const auto reports = house.maildir("senders/s");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, reports.size());  // one for both
    CPPUNIT_ASSERT(holds(reports[0], "a@y.example") && holds(reports[0], "b@y.example"));
    CPPUNIT_ASSERT(holds(reports[0], "Status: 5.7.1"));
    CPPUNIT_ASSERT(holds(reports[0], "Subject: mine\n\nmy words\n"));
    CPPUNIT_ASSERT_EQUAL(2, house.lines('P'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
  }

  void expires_into_a_bounce() {
    Script script;
    script.mail = [](const std::string&) { return "450 4.7.1 later"; };
    Sink sink(script);
    House house(gateway(sink));
    house.reconfigure(gateway(sink, "Message_Expiration = 1h") + senders(house));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"}, "\r\n", std::chrono::hours(1) - std::chrono::milliseconds(500));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    const auto report = house.maildir("senders/s").at(0);
    CPPUNIT_ASSERT(holds(report, "Status: 5.4.7\n") && holds(report, "in time"));
    CPPUNIT_ASSERT(holds(report, "Diagnostic-Code: smtp; 450 4.7.1 later"));
  }

  void never_retry_and_max_retries() {
    Script script;
    std::atomic<int> tries = 0;
    script.mail = [&](const std::string&) {
      ++tries;
      return "450 4.7.1 later";
    };
    Sink sink(script);
    House house(gateway(sink, "Never_Retry = true"));
    house.dispatcher->start();
    house.submit("", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, tries.load());
    CPPUNIT_ASSERT(holds(house.mails(), "5.4.7 [internal] may be tried only once: 450 4.7.1 later"));
    house.reconfigure(gateway(sink, "Max_Retries = 1"));
    house.submit("", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(3, tries.load());
    CPPUNIT_ASSERT(holds(house.mails(), "gave up after 2 attempts"));
    CPPUNIT_ASSERT_EQUAL(2, house.lines('P'));
    CPPUNIT_ASSERT_EQUAL(1, house.lines('T'));
  }

  void too_many_recipients_go_at_once_again() {
    Script script;
    std::atomic<int> in_transaction = 0;
    script.mail = [&](const std::string&) {
      in_transaction = 0;
      return "";
    };
    script.rcpt = [&](const std::string&) { return ++in_transaction > 3 ? "452 4.5.3 too many" : ""; };
    Sink sink(script);
    House house(gateway(sink, "Retry_Interval = 1h\nMax_Outbound_Connections = 1"));
    house.dispatcher->start();
    std::vector<std::string> recipients;
    for (int i = 0; i < 10; ++i) recipients.push_back(fmt::format("r{}@y.example", i));
    house.submit("s@x.example", recipients);
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{4}, sink.count());
    CPPUNIT_ASSERT_EQUAL(10, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GatewayOutcomeTest);

}  // namespace
}  // namespace impulse::delivery
