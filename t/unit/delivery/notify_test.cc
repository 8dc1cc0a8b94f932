// What senders asked for with NOTIFY, BY, HOLDFOR and REQUIRETLS, and what they
// hear of it. Reports go into the sender's Maildir.
#include "delivery/ages.h"
#include "house.h"
#include "sink.h"

namespace impulse::delivery {
namespace {

using namespace test;
using message::Envelope;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using telemetry::Counter;

class NotifyTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(NotifyTest);
  CPPUNIT_TEST(success_in_a_mailbox_is_delivered);
  CPPUNIT_TEST(success_at_a_host_without_dsn_is_relayed);
  CPPUNIT_TEST(a_host_with_dsn_takes_it_over);
  CPPUNIT_TEST(nobody_hears_of_what_he_did_not_ask_for);
  CPPUNIT_TEST(a_delay_is_told_to_who_asked);
  CPPUNIT_TEST(a_delay_is_told_by_option);
  CPPUNIT_TEST(held_mail_waits);
  CPPUNIT_TEST(held_mail_waits_over_a_restart);
  CPPUNIT_TEST(a_deadline_that_returns);
  CPPUNIT_TEST(a_deadline_between_two_attempts);
  CPPUNIT_TEST(a_deadline_that_notifies);
  CPPUNIT_TEST(a_deadline_goes_beyond_our_sight);
  CPPUNIT_TEST(the_urgent_go_first);
  CPPUNIT_TEST(require_tls_is_not_sent_in_the_clear);
  CPPUNIT_TEST_SUITE_END();

  static std::string maildirs(const std::string& more = "") {
    return more + "\nDomain \"a.example\" { Delivery_Method = maildir Maildir_Path = \"./%{domain}/%{localpart}\" }\n";
  }
  static std::string ways(const Sink& sink, const std::string& more = "") { return maildirs(gateway(sink, more)); }
  static auto notify(uint8_t bits) {
    return [bits](Envelope& envelope) {
      for (auto& recipient : envelope.recipients) recipient.notify = bits;
    };
  }
  static Script with(const std::vector<std::string>& extensions) {
    Script script;
    script.extensions.insert(script.extensions.end(), extensions.begin(), extensions.end());
    return script;
  }
  static std::vector<std::string> reports(const House& house) { return house.maildir("a.example/sender"); }
  // A recipient may be done a moment before the report of it is.
  static void wait_reports(House& house, size_t count) {
    house.run_until([&] { return reports(house).size() >= count; }, "reports");
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(count, reports(house).size());
  }

  void success_in_a_mailbox_is_delivered() {
    House house(maildirs());
    const There there(house);
    house.dispatcher->start();
    house.submit("sender@a.example", {"one@a.example", "two@a.example"}, "Subject: mine\r\n\r\nwords\r\n", Duration{0},
                 [](Envelope& envelope) {
                   envelope.recipients[0].notify = message::notify::success;
                   envelope.recipients[0].orcpt = "rfc822;first+2Bone@x.example";
                   envelope.envid = "my+20own";
                   envelope.ret = message::Ret::full;
                 });
    wait_reports(house, 1);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/one").size());
    const std::string report = reports(house)[0];
    for (const char* part :
         {"\nAction: delivered\n", "\nStatus: 2.0.0\n", "\nOriginal-Recipient: rfc822; first+one@x.example\n",
          "\nFinal-Recipient: rfc822; one@a.example\n", "\nOriginal-Envelope-Id: my own\n",
          "\nAuto-Submitted: auto-replied\n", "\nContent-Type: text/rfc822-headers\n", "\nSubject: mine\n"})
      CPPUNIT_ASSERT_MESSAGE(part, holds(report, part));
    CPPUNIT_ASSERT(!holds(report, "two@a.example") && !holds(report, "words"));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, house.counter(Counter::bounces_generated));
  }

  void success_at_a_host_without_dsn_is_relayed() {
    Sink sink;
    House house(ways(sink));
    const There there(house);
    house.dispatcher->start();
    house.submit("sender@a.example", {"one@b.example"}, "Subject: x\r\n\r\n", Duration{0},
                 notify(message::notify::success));
    wait_reports(house, 1);
    CPPUNIT_ASSERT(holds(reports(house)[0], "\nAction: relayed\n"));
    CPPUNIT_ASSERT(holds(reports(house)[0], "\nRemote-MTA: dns; 127.0.0.1\n"));
    CPPUNIT_ASSERT(holds(sink.letters().at(0).commands, "RCPT TO:<one@b.example>\n"));
  }

  void a_host_with_dsn_takes_it_over() {
    Sink sink(with({"DSN"}));
    House house(ways(sink));
    const There there(house);
    house.dispatcher->start();
    house.submit("sender@a.example", {"one@b.example"}, "Subject: x\r\n\r\n", Duration{0}, [](Envelope& envelope) {
      envelope.recipients[0].notify = message::notify::success | message::notify::delay;
      envelope.envid = "id";
    });
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(0, house.bounces);
    const std::string commands = sink.letters().at(0).commands;
    CPPUNIT_ASSERT(holds(commands, " ENVID=id\n"));
    CPPUNIT_ASSERT(holds(commands, "RCPT TO:<one@b.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;one@b.example\n"));
  }

  void nobody_hears_of_what_he_did_not_ask_for() {
    Script script;
    script.rcpt = [](const std::string& path) { return path.starts_with("bad") ? "550 5.1.1 no" : ""; };
    Sink sink(script);
    House house(ways(sink));
    const There there(house);
    house.dispatcher->start();
    using namespace message::notify;
    for (const uint8_t bits : {never, success, delay}) {
      house.submit("sender@a.example", {"bad@b.example"}, "\r\n", Duration{0}, notify(bits));
    }
    for (const uint8_t bits : {never, failure, delay, uint8_t{0}}) {
      house.submit("sender@a.example", {"good@b.example"}, "\r\n", Duration{0}, notify(bits));
      house.submit("sender@a.example", {"good@a.example"}, "\r\n", Duration{0}, notify(bits));
    }
    for (const char* box : {"bad@b.example", "good@b.example", "good@a.example"})  // the null sender hears nothing
      house.submit("", {box}, "\r\n", Duration{0}, notify(success | failure | delay));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(0, house.bounces);
    CPPUNIT_ASSERT_EQUAL(4, house.lines('P'));
    house.submit("sender@a.example", {"bad@b.example", "bad2@b.example"}, "\r\n", Duration{0},
                 [](Envelope& envelope) { envelope.recipients[0].notify = never; });
    wait_reports(house, 1);
    CPPUNIT_ASSERT(holds(reports(house)[0], "rfc822; bad2@b") && !holds(reports(house)[0], "rfc822; bad@b"));
  }

  static Script refuses_at_first(std::atomic<int>& attempts, int times) {
    Script script;
    script.rcpt = [&attempts, times](const std::string&) { return ++attempts <= times ? "450 4.2.1 later" : ""; };
    return script;
  }

  void a_delay_is_told_to_who_asked() {
    std::atomic<int> attempts{0};
    Sink sink(refuses_at_first(attempts, 1));
    House house(ways(sink, "Delay_DSN_Retry_Interval = 0"));
    const There there(house);
    house.dispatcher->start();
    house.submit("sender@a.example", {"one@b.example"}, "Subject: x\r\n\r\nbody\r\n", Duration{0},
                 [](Envelope& envelope) {
                   envelope.recipients[0].notify = message::notify::delay;
                   envelope.ret = message::Ret::full;
                 });
    wait_reports(house, 1);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.count());
    const std::string report = reports(house)[0];
    for (const char* part : {"\nAction: delayed\n", "\nStatus: 4.2.1\n", "\nWill-Retry-Until: ", "450 4.2.1 later",
                             "\nContent-Type: text/rfc822-headers\n"})
      CPPUNIT_ASSERT_MESSAGE(part, holds(report, part));
  }

  void a_delay_is_told_by_option() {
    for (const bool on : {false, true}) {
      std::atomic<int> attempts{0};
      Sink sink(refuses_at_first(attempts, 2));
      House house(ways(sink, fmt::format("Delay_DSN_Retry_Interval = 3600\nGenerate_Delay_DSN = {}", on)));
      const There there(house);
      house.dispatcher->start();
      // Old enough for a first report, and then not again.
      house.submit("sender@a.example", {"one@b.example"}, "\r\n", hours(2));
      house.run_until_empty();
      CPPUNIT_ASSERT_EQUAL(on ? size_t{1} : size_t{0}, reports(house).size());
    }
  }

  static auto hold_until(WallTime when) {
    return [when](Envelope& envelope) { envelope.hold_until = when; };
  }

  void held_mail_waits() {
    Sink sink;
    House house(ways(sink, "Message_Expiration = 1"));
    const There there(house);
    house.dispatcher->start();
    const WallTime far = wall_now() + hours(100);
    house.submit("sender@a.example", {"far@b.example"}, "\r\n", seconds(5), hold_until(far));
    house.run_until([&] { return house.dispatcher->size() == 1; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->domains().at(0).delayed);
    Sink other;  // another way is no reason to go at once
    house.reconfigure(ways(other, "Message_Expiration = 1"));
    house.submit("", {"now@b.example"});
    house.run_until([&] { return other.count() == 1 && house.dispatcher->size() == 1; });
    CPPUNIT_ASSERT(far == house.dispatcher->waiting("", 1).at(0).next_attempt);
    // Its age counts from the release.
    const WallTime soon = wall_now() + milliseconds(300);
    house.submit("sender@a.example", {"soon@b.example"}, "\r\n", seconds(5), hold_until(soon));
    house.run_until([&] { return other.count() == 2 && house.dispatcher->size() == 1; });
    CPPUNIT_ASSERT(wall_now() >= soon);
    CPPUNIT_ASSERT_EQUAL(0, house.bounces);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, sink.count());
  }

  void held_mail_waits_over_a_restart() {
    Sink sink;
    House house(ways(sink));
    const There there(house);
    house.dispatcher->start();
    const WallTime until = wall_now() + hours(100);
    house.submit("sender@a.example", {"one@b.example"}, "\r\n", Duration{0}, hold_until(until));
    house.run_until([&] { return house.dispatcher->size() == 1; });
    house.close();
    house.open(ways(sink));
    house.dispatcher->start();
    house.submit("", {"two@b.example"});
    house.run_until([&] { return sink.count() == 1 && house.dispatcher->size() == 1; });
    CPPUNIT_ASSERT(until == house.dispatcher->waiting("", 1).at(0).next_attempt);
  }

  static auto deliver_by(WallTime when, char mode, bool trace = false) {
    return [=](Envelope& envelope) { envelope.deliver_by = {when, mode, trace}; };
  }

  // Not even tried.
  void a_deadline_that_returns() {
    std::atomic<int64_t> came{0};
    Script script = with({"DELIVERBY"});
    script.mail = [&](const std::string&) {
      came = even_now().time_since_epoch().count();
      return "";
    };
    Sink sink(script);
    House house(ways(sink));
    const There there(house);
    house.dispatcher->start();
    house.submit("sender@a.example", {"one@b.example"}, "\r\n", Duration{0}, deliver_by(wall_now() - seconds(1), 'R'));
    wait_reports(house, 1);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, sink.count());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, reports(house).size());
    CPPUNIT_ASSERT(holds(reports(house)[0], "\nAction: failed\nStatus: 5.4.7\n"));
    // One whose host knows the extension is told what is left.
    const WallTime deadline = even_now() + seconds(5000);
    house.submit("sender@a.example", {"one@b.example"}, "\r\n", Duration{0}, deliver_by(deadline, 'R', true));
    wait_reports(house, 2);  // traced
    const std::string commands = sink.letters().at(0).commands;
    const auto left = std::chrono::floor<seconds>(deadline - WallTime(Duration(came.load()))).count();
    bool told = false;  // whole seconds, of which some may have passed on the way
    for (int64_t by = left; by < 5000; ++by) told |= holds(commands, fmt::format(" BY={};RT\n", by));
    CPPUNIT_ASSERT_MESSAGE(commands, told);
  }

  void a_deadline_between_two_attempts() {
    Script script = with({"DELIVERBY"});
    script.rcpt = [](const std::string&) { return "450 4.2.1 later"; };
    Sink sink(script);
    House house(maildirs(fmt::format("Gateway = \"127.0.0.1:{}\"\nRetry_Interval = 600\nTLS = no\n", sink.port())));
    const There there(house);
    house.dispatcher->start();
    Envelope soon = envelope("sender@a.example", {"one@b.example"});
    const MessageId id = house.store(soon);
    soon.deliver_by = {wall_now() + milliseconds(1800), 'R', false};
    house.give(id, soon);
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('T'));
    CPPUNIT_ASSERT(holds(reports(house).at(0), "\nStatus: 5.4.7\n"));
    CPPUNIT_ASSERT(holds(reports(house).at(0), "450 4.2.1 later"));
  }

  void a_deadline_that_notifies() {
    std::atomic<int> attempts{0};
    Script script = refuses_at_first(attempts, 2);
    script.extensions.push_back("DELIVERBY");
    Sink sink(script);
    House house(ways(sink));
    const There there(house);
    house.dispatcher->start();
    house.submit("sender@a.example", {"one@b.example"}, "\r\n", Duration{0}, deliver_by(wall_now() - seconds(1), 'N'));
    wait_reports(house, 1);  // once
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.count());
    CPPUNIT_ASSERT(holds(reports(house)[0], "\nAction: delayed\nStatus: 4.4.7\n"));
  }

  void a_deadline_goes_beyond_our_sight() {
    Sink sink;
    House house(ways(sink));
    const There there(house);
    house.dispatcher->start();
    house.submit("sender@a.example", {"one@b.example"}, "\r\n", Duration{0}, deliver_by(wall_now() + hours(1), 'N'));
    wait_reports(house, 1);
    CPPUNIT_ASSERT(holds(reports(house).at(0), "\nAction: relayed\n"));
    house.submit("sender@a.example", {"one@b.example"}, "\r\n", Duration{0}, deliver_by(wall_now() + hours(1), 'R'));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.count());
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
  }

  void the_urgent_go_first() {
    Sink sink(with({"MT-PRIORITY"}));
    House house(ways(sink, "Max_Outbound_Connections = 1"));
    const There there(house);
    for (const int8_t priority : {0, -3, 7, 2})
      house.submit("", {fmt::format("p{}@b.example", priority)}, "\r\n", Duration{0},
                   [priority](Envelope& envelope) { envelope.priority = priority; });
    house.run_until([&] { return house.dispatcher->size() == 4; });
    house.dispatcher->start();
    house.run_until_empty();
    std::string order;
    for (const Letter& letter : sink.letters()) order += letter.recipients.at(0).substr(0, 2);
    CPPUNIT_ASSERT_EQUAL(std::string("p7p2p0p-"), order);
    CPPUNIT_ASSERT(holds(sink.letters()[0].commands, " MT-PRIORITY=7\n"));
  }

  void require_tls_is_not_sent_in_the_clear() {
    Sink sink(with({"REQUIRETLS"}));
    House house(ways(sink, "Bounces_Inline_Original = full"));
    const There there(house);
    house.dispatcher->start();
    house.submit("sender@a.example", {"one@b.example"}, "Subject: x\r\n\r\nsecret\r\n", Duration{0},
                 [](Envelope& envelope) { envelope.require_tls = true; });
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, sink.count());
    CPPUNIT_ASSERT(holds(reports(house).at(0), "\nStatus: 5.7.10\n"));  // TLS = no
    CPPUNIT_ASSERT(!holds(reports(house).at(0), "secret"));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(NotifyTest);

}  // namespace
}  // namespace impulse::delivery
