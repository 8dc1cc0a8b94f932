// Reports and the outcomes that they tell: one without the other there is not.
// And what becomes of messages that the spool cannot read any more.
#include "house.h"
#include "sink.h"

namespace impulse::delivery {
namespace {

using namespace test;

namespace fs = std::filesystem;
using message::Envelope;
using std::chrono::hours;
using std::chrono::seconds;
using telemetry::Counter;

class ReportTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ReportTest);
  CPPUNIT_TEST(a_success_counts_with_its_report);
  CPPUNIT_TEST(a_failure_counts_with_its_report);
  CPPUNIT_TEST(a_delay_counts_with_its_report);
  CPPUNIT_TEST(a_success_is_told_although_the_spool_refuses_at_first);
  CPPUNIT_TEST(a_success_stays_one_when_we_stop);
  CPPUNIT_TEST(a_delay_is_told_although_the_spool_refuses_at_first);
  CPPUNIT_TEST(a_deadline_is_told_before_the_next_attempt);
  CPPUNIT_TEST(a_report_may_be_on_its_way_at_the_end);
  CPPUNIT_TEST(a_damaged_message_comes_back);
  CPPUNIT_TEST(a_damaged_envelope_comes_back);
  CPPUNIT_TEST(a_damaged_message_ends_without_anybody_to_tell);
  CPPUNIT_TEST(a_lost_rest_of_a_body_comes_back);
  CPPUNIT_TEST(what_cannot_be_read_now_waits);
  CPPUNIT_TEST(what_can_never_be_read_expires);
  CPPUNIT_TEST_SUITE_END();

  static std::string ways(const std::string& more = "") {
    return more + "\nDomain \"a.example\" { Delivery_Method = maildir Maildir_Path = \"./%{domain}/%{localpart}\" }\n";
  }
  static auto notify(uint8_t bits) {
    return [bits](Envelope& envelope) { envelope.recipients[0].notify = bits; };
  }
  static std::vector<std::string> reports(const House& house) { return house.maildir("a.example/sender"); }
  static spool::State state(House& house, MessageId id) {
    const auto summary = house.spool->summary(id);
    CPPUNIT_ASSERT_MESSAGE(summary ? "" : summary.error().message, summary.has_value());
    return summary->states.at(0).state;
  }
  static std::string log(const House& house) {
    house.log->flush();
    return test::slurp(house.dir / "log");
  }
  // The process could end at any moment: without the report the spool knows
  // nothing of the outcome, and with it all of it.
  static void wait_held(House& house) {
    house.run_until([&] { return !house.held.empty(); }, "a report on its way");
  }

  void a_success_counts_with_its_report() {
    House house(ways());
    const There there(house);
    house.hold_bounces = true;
    house.dispatcher->start();
    const MessageId id =
        house.submit("sender@a.example", {"one@a.example"}, "\r\n", Duration{0}, notify(message::notify::success));
    wait_held(house);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/one").size());
    CPPUNIT_ASSERT(state(house, id) == spool::State::pending);
    CPPUNIT_ASSERT_EQUAL(0, house.lines('D'));
    house.release();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/one").size());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, reports(house).size());
    CPPUNIT_ASSERT_EQUAL(2, house.lines('D'));
  }

  void a_failure_counts_with_its_report() {
    Script script;
    script.rcpt = [](const std::string&) { return "550 5.1.1 no"; };
    Sink sink(script);
    House house(ways(gateway(sink)));
    const There there(house);
    house.hold_bounces = true;
    house.dispatcher->start();
    const MessageId id = house.submit("sender@a.example", {"one@b.example"});
    wait_held(house);
    CPPUNIT_ASSERT(state(house, id) == spool::State::pending);
    house.release();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, reports(house).size());
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
  }

  void a_delay_counts_with_its_report() {
    Script script;
    script.rcpt = [](const std::string&) { return "450 4.2.1 later"; };
    Sink sink(script);
    House house(
        ways(fmt::format("Gateway = \"127.0.0.1:{}\"\nTLS = no\nRetry_Interval = 3600\n"
                         "Delay_DSN_Retry_Interval = 0\n",
                         sink.port())));
    const There there(house);
    house.hold_bounces = true;
    house.dispatcher->start();
    const MessageId id =
        house.submit("sender@a.example", {"one@b.example"}, "\r\n", Duration{0}, notify(message::notify::delay));
    wait_held(house);
    CPPUNIT_ASSERT_EQUAL(uint32_t{0}, house.spool->summary(id)->states.at(0).attempts);
    house.release();
    house.run_until([&] {
      return reports(house).size() == 1 && house.dispatcher->size() == 1 && house.dispatcher->totals().delayed == 1;
    });
    CPPUNIT_ASSERT_EQUAL(uint32_t{1}, house.spool->summary(id)->states.at(0).attempts);
    CPPUNIT_ASSERT(house.spool->summary(id)->states.at(0).next_attempt > wall_now() + seconds(3000));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->domains().at(0).delayed);
  }

  void a_success_is_told_although_the_spool_refuses_at_first() {
    House house(ways());
    const There there(house);
    int refusals = 0;
    house.take_bounce = [&](const spool::Incoming&) { return ++refusals > 2; };
    house.dispatcher->start();
    house.submit("sender@a.example", {"one@a.example"}, "\r\n", Duration{0}, notify(message::notify::success));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(3, refusals);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/one").size());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, reports(house).size());
    CPPUNIT_ASSERT(holds(log(house), "report-failed"));
  }

  // What was delivered is not delivered again, also when there is no time for its report.
  void a_success_stays_one_when_we_stop() {
    for (const bool on_its_way : {false, true}) {
      House house(ways());
      const There there(house);
      house.take_bounce = [&](const spool::Incoming&) { return on_its_way; };
      house.hold_bounces = on_its_way;
      house.dispatcher->start();
      house.submit("sender@a.example", {"one@a.example"}, "\r\n", Duration{0}, notify(message::notify::success));
      house.run_until([&] { return !house.held.empty() || holds(log(house), "report-failed"); }, "a report");
      bool idle = false;
      house.dispatcher->stop(std::chrono::milliseconds(20), [&] { idle = true; });
      house.run_until([&] { return idle; }, "the end");
      CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
      CPPUNIT_ASSERT(holds(log(house), "the sender may never be told"));
      house.release();  // it comes in time after all
      house.run_until([&] { return house.dispatcher->size() == (on_its_way ? 1 : 0); }, "the report");
      net::test::spin(*house.loop);
      CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
      house.close();
      house.take_bounce = [](const spool::Incoming&) { return true; };
      house.open(ways());
      house.dispatcher->start();
      house.run_until_empty();
      CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/one").size());
      CPPUNIT_ASSERT_EQUAL(on_its_way ? size_t{1} : size_t{0}, reports(house).size());
    }
  }

  void a_delay_is_told_although_the_spool_refuses_at_first() {
    std::atomic<int> attempts{0};
    Script script;
    script.rcpt = [&](const std::string&) { return ++attempts == 1 ? "450 4.2.1 later" : ""; };
    Sink sink(script);
    House house(ways(gateway(sink, "Delay_DSN_Retry_Interval = 0")));
    const There there(house);
    int refusals = 0;
    house.take_bounce = [&](const spool::Incoming&) { return ++refusals > 1; };
    house.dispatcher->start();
    house.submit("sender@a.example", {"one@b.example"}, "\r\n", Duration{0}, notify(message::notify::delay));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(2, refusals);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.count());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, reports(house).size());
  }

  void a_deadline_is_told_before_the_next_attempt() {
    Script script;
    script.extensions.push_back("DELIVERBY");
    Sink sink(script);
    House house(ways(gateway(sink)));
    const There there(house);
    house.hold_bounces = true;
    house.dispatcher->start();
    const MessageId id =
        house.submit("sender@a.example", {"one@b.example"}, "\r\n", Duration{0},
                     [](Envelope& envelope) { envelope.deliver_by = {wall_now() - seconds(1), 'N', false}; });
    wait_held(house);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, sink.count());
    // A restart now tells it again, and one after it is told does not.
    CPPUNIT_ASSERT(house.spool->summary(id)->states.at(0).next_attempt == WallTime{});
    house.release();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.count());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, reports(house).size());
  }

  // A byte of the spool's segments, behind its back.
  static void damage(const House& house, const std::string& where) {
    for (const auto& each : fs::directory_iterator(house.dir / "spool")) {
      if (each.path().extension() != ".seg") continue;
      const size_t at = test::slurp(each.path()).find(where);
      if (at == std::string::npos) continue;
      std::fstream file(each.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(at));
      file.put('X');
      CPPUNIT_ASSERT(file.flush().good());
      return;
    }
    CPPUNIT_FAIL("not in the spool: " + where);
  }
  static void check_comes_back(House& house, size_t recipients) {
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, reports(house).size());
    const std::string report = reports(house)[0];
    CPPUNIT_ASSERT(holds(report, "\nAction: failed\nStatus: 5.3.0\n"));
    CPPUNIT_ASSERT(holds(report, "The message was damaged while it was kept here"));
    CPPUNIT_ASSERT(!holds(report, "rfc822-headers") && !holds(report, house.dir.path()));
    CPPUNIT_ASSERT_EQUAL(static_cast<int64_t>(recipients), house.counter(Counter::recipients_damaged));
    CPPUNIT_ASSERT_EQUAL(static_cast<int>(recipients), house.lines('P'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
    CPPUNIT_ASSERT(holds(log(house), "message-damaged"));
  }

  // The Dispatcher goes first, the spool last, with what it has been given.
  void a_report_may_be_on_its_way_at_the_end() {
    Script script;
    script.rcpt = [](const std::string&) { return "550 5.1.1 no"; };
    Sink sink(script);
    House house(ways(gateway(sink)));
    const There there(house);
    house.hold_bounces = true;
    house.dispatcher->start();
    const MessageId id = house.submit("sender@a.example", {"bob@b.example"});
    wait_held(house);
    // Until then the committer has to do with somebody else's message.
    std::promise<void> gone;
    house.between = [&] { gone.set_value(); };
    spool::Incoming other;
    other.envelope.recipients.push_back({"one@a.example"});
    house.spool->commit(std::make_shared<const spool::Incoming>(std::move(other)),
                        [&](const Result<MessageId>&) { gone.get_future().wait(); });
    house.release();
    house.close();
    house.between = nullptr;
    house.open(ways(gateway(sink)));
    CPPUNIT_ASSERT(!house.spool->summary(id).has_value());  // told, and so done with
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, reports(house).size());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/one").size());
  }

  void a_damaged_message_comes_back() {
    Sink sink;
    for (const char* domain : {"b.example", "a.example"}) {  // by SMTP, and into a mailbox
      House house(ways(gateway(sink, "Bounces_Inline_Original = full")));
      const There there(house);
      house.submit("sender@a.example", {std::string("one@") + domain, std::string("two@") + domain},
                   "Subject: x\r\n\r\nthe words\r\n", Duration{0}, [](Envelope& envelope) { envelope.envid = "mine"; });
      damage(house, "the words");
      check_comes_back(house, 2);
      CPPUNIT_ASSERT(holds(reports(house)[0], "\nOriginal-Envelope-Id: mine\n"));
    }
    CPPUNIT_ASSERT_EQUAL(size_t{0}, sink.count());
  }

  void a_damaged_envelope_comes_back() {
    Sink sink;
    House house(ways(gateway(sink)));
    const There there(house);
    house.submit("sender@a.example", {"one@b.example"});
    damage(house, "sender@a.example");
    check_comes_back(house, 1);
    CPPUNIT_ASSERT(holds(reports(house)[0], "rfc822; one@b.example"));
  }

  void a_damaged_message_ends_without_anybody_to_tell() {
    Sink sink;
    House house(ways(gateway(sink)));
    const There there(house);
    house.submit("", {"one@b.example"}, "\r\nthe words\r\n");
    damage(house, "the words");
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(0, house.bounces);
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
  }

  static MessageId submit_large(House& house, Duration age = Duration{0}) {
    auto incoming = std::make_shared<spool::Incoming>();
    incoming->envelope.sender = "sender@a.example";
    incoming->envelope.recipients.push_back({"one@b.example"});
    incoming->envelope.received = wall_now() - age;
    incoming->body.append("Subject: x\r\n\r\n");
    incoming->rest = std::move(*house.spool->stream());
    CPPUNIT_ASSERT(incoming->rest->append(std::string(300000, 'x') + "\r\n").has_value());
    std::promise<Result<MessageId>> promise;
    house.spool->commit(incoming, [&](Result<MessageId> id) { promise.set_value(std::move(id)); });
    const MessageId id = promise.get_future().get().value();
    house.dispatcher->enqueue(id, std::make_shared<const Envelope>(incoming->envelope), incoming->body_size(), {});
    return id;
  }
  static fs::path rest_of(const House& house) {
    for (const auto& each : fs::directory_iterator(house.dir / "spool/large")) return each.path();
    CPPUNIT_FAIL("no file of a large body");
    return {};
  }

  // Also when it was found at the start.
  void a_lost_rest_of_a_body_comes_back() {
    Sink sink;
    for (const bool restart : {false, true}) {
      House house(ways(gateway(sink)));
      const There there(house);
      submit_large(house);
      if (restart) house.close();
      fs::remove(rest_of(house));
      if (restart) house.open(ways(gateway(sink)));
      check_comes_back(house, 1);
    }
    CPPUNIT_ASSERT_EQUAL(size_t{0}, sink.count());
  }

  // A link that leads to itself: an error of the system's, not of the bytes.
  static void hide(const fs::path& file) {
    fs::rename(file, file.string() + ".away");
    fs::create_symlink(file.filename(), file);
  }

  void what_cannot_be_read_now_waits() {
    Sink sink;
    House house(ways(gateway(sink)));
    const There there(house);
    submit_large(house);
    const fs::path file = rest_of(house);
    hide(file);
    house.dispatcher->start();
    house.run_until([&] { return house.counter(Counter::transient_failures) > 0; }, "an attempt that fails");
    CPPUNIT_ASSERT(holds(log(house), "message-unreadable"));
    fs::rename(file.string() + ".away", file);
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, sink.count());
    CPPUNIT_ASSERT_EQUAL(0, house.bounces);
  }

  void what_can_never_be_read_expires() {
    Sink sink;
    House house(ways(gateway(sink)));
    const There there(house);
    submit_large(house, hours(10000));
    hide(rest_of(house));
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT(holds(reports(house).at(0), "\nStatus: 5.4.7\n"));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, sink.count());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ReportTest);

}  // namespace
}  // namespace impulse::delivery
