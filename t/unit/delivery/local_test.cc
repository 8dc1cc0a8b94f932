// The Dispatcher with Maildirs: what is delivered, retried, bounced, held.
#include "house.h"

#include <set>

namespace impulse::delivery {
namespace {

using namespace test;
using telemetry::Counter;

class LocalDeliveryTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LocalDeliveryTest);
  CPPUNIT_TEST(delivers_into_maildirs);
  CPPUNIT_TEST(recipients_of_one_message_go_their_ways);
  CPPUNIT_TEST(many_messages_once_each);
  CPPUNIT_TEST(fails_for_now_then_succeeds);
  CPPUNIT_TEST(gives_up_and_bounces_into_a_maildir);
  CPPUNIT_TEST(failures_of_a_message_share_a_bounce);
  CPPUNIT_TEST(null_sender_gets_no_bounce);
  CPPUNIT_TEST(bounces_can_be_switched_off);
  CPPUNIT_TEST(a_bounce_that_is_not_stored_loses_nobody);
  CPPUNIT_TEST(no_route_waits_and_says_so);
  CPPUNIT_TEST(suspended_mail_waits_for_the_configuration);
  CPPUNIT_TEST(nothing_happens_before_start);
  CPPUNIT_TEST(survives_a_restart);
  CPPUNIT_TEST(stop_leaves_the_rest_in_the_spool);
  CPPUNIT_TEST(old_mail_gets_its_one_attempt);
  CPPUNIT_TEST(waiting_shows_what_waits);
  CPPUNIT_TEST_SUITE_END();

  static std::string maildirs(const std::string& more = "", const std::string& scope = "") {
    return more + "\nDomain \"a.example\" { Delivery_Method = maildir Maildir_Path = \"./%{domain}/%{localpart}\" " +
           scope + " }\n";
  }

  void delivers_into_maildirs() {
    House house(maildirs());
    const There there(house);
    house.dispatcher->start();
    const MessageId id = house.submit("s@b.example", {"alice@A.example"}, "Subject: x\r\n\r\n.\r\nend\r\n");
    house.run_until_empty();
    const auto mail = house.maildir("a.example/alice");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, mail.size());
    CPPUNIT_ASSERT_EQUAL("Return-Path: <s@b.example>\nReceived: by mx1.example with ESMTP id " + id.to_string("mx1") +
                             ";\n\tnow\nSubject: x\n\n.\nend\n",
                         mail[0]);
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    CPPUNIT_ASSERT(holds(house.mails(), "maildir"));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, house.counter(Counter::deliveries));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, house.counter(Counter::queued_recipients));
  }

  void recipients_of_one_message_go_their_ways() {
    House house(maildirs() + "Domain \"b.example\" { Delivery_Method = maildir Maildir_Path = \"./%{domain}/all\" }\n");
    const There there(house);
    house.dispatcher->start();
    house.submit("s@x.example", {"one@a.example", "two@b.example", "\"../../three\"@a.example", "two@a.example"});
    house.run_until_empty();
    for (const char* box : {"a.example/one", "b.example/all", "a.example/%2E.%2F..%2Fthree", "a.example/two"}) {
      CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir(box).size());
    }
    CPPUNIT_ASSERT_EQUAL(4, house.lines('D'));
  }

  void many_messages_once_each() {
    House house(maildirs());
    const There there(house);
    for (int i = 0; i < 20; ++i) house.submit("s@x.example", {"box@a.example"}, fmt::format("N: {}\r\n\r\n", i));
    house.dispatcher->start();
    for (int i = 20; i < 60; ++i) house.submit("s@x.example", {"box@a.example"}, fmt::format("N: {}\r\n\r\n", i));
    house.run_until_empty();
    std::set<std::string> texts;
    for (const auto& text : house.maildir("a.example/box")) texts.insert(text.substr(text.find("N: ")));
    CPPUNIT_ASSERT_EQUAL(size_t{60}, texts.size());
    CPPUNIT_ASSERT_EQUAL(size_t{60}, house.maildir("a.example/box").size());
    CPPUNIT_ASSERT_EQUAL(60, house.lines('D'));
  }

  void fails_for_now_then_succeeds() {
    House house(maildirs("Retry_Interval = 1"));
    const There there(house);
    std::ofstream(house.dir / "a.example") << "in the way";
    house.dispatcher->start();
    house.submit("s@x.example", {"box@a.example"});
    house.run_until([&] { return house.counter(Counter::transient_failures) == 1; });
    const auto waiting = house.dispatcher->waiting("", 10);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, waiting.size());
    CPPUNIT_ASSERT_EQUAL(uint32_t{1}, waiting[0].attempts);
    CPPUNIT_ASSERT(!waiting[0].last_error.empty() && waiting[0].place == queue::Place::delayed);
    CPPUNIT_ASSERT(waiting[0].next_attempt > waiting[0].received);
    std::filesystem::remove(house.dir / "a.example");
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/box").size());
    CPPUNIT_ASSERT_EQUAL(1, house.lines('T'));
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.bounces);
  }

  // A name too long for any folder is refused for good.
  static std::string impossible(char c = '/') { return "\"" + std::string(120, c) + "\"@a.example"; }

  void gives_up_and_bounces_into_a_maildir() {
    House house(maildirs("Bounces_Inline_Original = full"));
    const There there(house);
    house.dispatcher->start();
    house.submit("sender@a.example", {impossible()}, "Subject: mine\r\n\r\nmy words\r\n");
    house.run_until_empty();
    const auto mail = house.maildir("a.example/sender");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, mail.size());
    CPPUNIT_ASSERT(mail[0].starts_with("Return-Path: <>\n"));
    CPPUNIT_ASSERT(holds(mail[0], "\nTo: <sender@a.example>\n"));
    CPPUNIT_ASSERT(holds(mail[0], "\nStatus: 5.1.3\n"));
    CPPUNIT_ASSERT(holds(mail[0], "\nSubject: mine\n\nmy words\n"));
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, house.counter(Counter::bounces_generated));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, house.counter(Counter::permanent_failures));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, house.counter(Counter::queued_recipients));
  }

  void failures_of_a_message_share_a_bounce() {
    House house(maildirs());
    const There there(house);
    house.dispatcher->start();
    house.submit("sender@a.example", {impossible('/'), "good@a.example", impossible('!')});
    house.run_until_empty();
    const auto mail = house.maildir("a.example/sender");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, mail.size());
    CPPUNIT_ASSERT(holds(mail[0], std::string(120, '/')) && holds(mail[0], std::string(120, '!')));
    CPPUNIT_ASSERT(!holds(mail[0], "good@a.example"));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/good").size());
    CPPUNIT_ASSERT_EQUAL(2, house.lines('P'));
  }

  void null_sender_gets_no_bounce() {
    House house(maildirs());
    const There there(house);
    house.dispatcher->start();
    house.submit("", {impossible()});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(0, house.bounces);
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, house.counter(Counter::bounces_generated));
  }

  void bounces_can_be_switched_off() {
    House house(maildirs("", "Generate_Bounces = false"));
    const There there(house);
    house.dispatcher->start();
    house.submit("sender@a.example", {impossible()});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(0, house.bounces);
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
  }

  void a_bounce_that_is_not_stored_loses_nobody() {
    House house(maildirs("Retry_Interval = 1"));
    const There there(house);
    int refused = 0;
    house.take_bounce = [&](const spool::Incoming&) { return ++refused > 1; };
    house.dispatcher->start();
    house.submit("sender@a.example", {impossible()});
    house.run_until([&] { return refused == 1 && house.counter(Counter::transient_failures) == 1; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.spool->status().messages);  // still there
    CPPUNIT_ASSERT_EQUAL(0, house.lines('P'));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(2, refused);
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/sender").size());
  }

  void no_route_waits_and_says_so() {
    House house("Retry_Interval = 1");
    house.dispatcher->start();
    house.submit("s@x.example", {"a@nowhere.example"});
    house.run_until([&] { return house.counter(Counter::transient_failures) == 1; });
    const auto waiting = house.dispatcher->waiting("nowhere.example", 10);
    CPPUNIT_ASSERT_EQUAL(std::string("450 4.4.3 MX of nowhere.example: no name server can be reached"),
                         waiting.at(0).last_error);
    house.log->flush();
    CPPUNIT_ASSERT(holds(slurp(house.dir / "log"), "nowhere.example"));
    CPPUNIT_ASSERT_EQUAL(1, house.lines('T'));
    // Once there is a route, the next attempt takes it.
    const There there(house);
    house.reconfigure("Delivery_Method = maildir\nMaildir_Path = \"./%{domain}\"");
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("nowhere.example").size());
  }

  void suspended_mail_waits_for_the_configuration() {
    House house(maildirs("", "Suspend_Delivery = true"));
    const There there(house);
    house.dispatcher->start();
    house.submit("s@x.example", {"box@a.example"});
    house.run_until([&] { return house.dispatcher->size() == 1; });
    net::test::spin(*house.loop, 50);
    const auto status = house.dispatcher->domains();
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, status.at(0).active);
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
    house.reconfigure(maildirs());
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/box").size());
  }

  void nothing_happens_before_start() {
    House house(maildirs());
    const There there(house);
    house.submit("s@x.example", {"box@a.example"});
    house.run_until([&] { return house.dispatcher->size() == 1; });
    net::test::spin(*house.loop, 50);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->domains().at(0).active);
    house.dispatcher->start();
    house.run_until_empty();
  }

  void survives_a_restart() {
    House house(maildirs("Retry_Interval = 1"));
    const There there(house);
    std::ofstream(house.dir / "a.example") << "in the way";
    house.dispatcher->start();
    house.submit("s@x.example", {"box@a.example", "two@a.example"});
    house.run_until([&] { return house.counter(Counter::transient_failures) == 2; });
    house.close();
    std::filesystem::remove(house.dir / "a.example");
    house.open(maildirs("Retry_Interval = 1"));
    house.run_until([&] { return house.dispatcher->size() == 2; });
    const auto waiting = house.dispatcher->waiting("", 10);
    CPPUNIT_ASSERT_EQUAL(uint32_t{1}, waiting.at(0).attempts);
    CPPUNIT_ASSERT(!waiting.at(0).last_error.empty());
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/box").size());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("a.example/two").size());
  }

  void stop_leaves_the_rest_in_the_spool() {
    House house(maildirs());
    const There there(house);
    house.dispatcher->start();
    for (int i = 0; i < 100; ++i) house.submit("s@x.example", {"box@a.example"}, fmt::format("N: {}\r\n\r\n", i));
    house.run_until([&] { return house.counter(Counter::deliveries) > 0; });
    bool idle = false;
    house.dispatcher->stop(std::chrono::seconds(20), [&] { idle = true; });
    house.run_until([&] { return idle; }, "idle");
    for (const auto& status : house.dispatcher->domains()) CPPUNIT_ASSERT_EQUAL(uint64_t{0}, status.in_flight);
    const auto delivered = static_cast<size_t>(house.counter(Counter::deliveries));
    CPPUNIT_ASSERT_EQUAL(delivered, house.maildir("a.example/box").size());
    house.close();
    house.open(maildirs());
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{100}, house.maildir("a.example/box").size());
  }

  void old_mail_gets_its_one_attempt() {
    House house(maildirs("Message_Expiration = 1h"));
    const There there(house);
    std::ofstream(house.dir / "a.example") << "in the way";
    house.submit("", {"lost@a.example"}, "\r\n", std::chrono::hours(2));
    house.submit("", {"kept@b.example"}, "\r\n", std::chrono::hours(2));
    house.reconfigure(maildirs("Message_Expiration = 1h") +
                      "Domain \"b.example\" { Delivery_Method = maildir Maildir_Path = \"./%{domain}\" }");
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("b.example").size());
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
  }

  void waiting_shows_what_waits() {
    House house(maildirs("", "Suspend_Delivery = true"));
    house.dispatcher->start();
    const MessageId id = house.submit("s@x.example", {"one@a.example", "two@a.example", "three@c.example"}, "\r\nbody");
    house.run_until([&] { return house.dispatcher->size() == 3 && house.counter(Counter::transient_failures) == 1; });
    const auto all = house.dispatcher->waiting("", 100);
    CPPUNIT_ASSERT_EQUAL(size_t{3}, all.size());
    CPPUNIT_ASSERT(all[0].id == id && all[0].recipient == "one@a.example" && all[0].sender == "s@x.example");
    CPPUNIT_ASSERT(all[1].recipient == "two@a.example" && all[2].domain == "c.example");
    CPPUNIT_ASSERT(all[0].size > 6);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, house.dispatcher->waiting("A.example", 100).size());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.dispatcher->waiting("a.example", 1).size());
    CPPUNIT_ASSERT_EQUAL(size_t{2}, house.dispatcher->waiting("", 2).size());
    CPPUNIT_ASSERT(house.dispatcher->waiting("other.example", 100).empty());
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, house.counter(Counter::queued_recipients));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LocalDeliveryTest);

}  // namespace
}  // namespace impulse::delivery
