// Bindings: whose queues and whose routes there are, what a commit and an
// operator make of them, and what a restart keeps.
#include "house.h"
#include "queue/name.h"

namespace impulse::delivery {
namespace {

using telemetry::Counter;
using test::holds;
using test::House;

class RebindTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RebindTest);
  CPPUNIT_TEST(each_binding_has_its_route);
  CPPUNIT_TEST(to_another_one_for_good);
  CPPUNIT_TEST(one_domain_of_one_binding);
  CPPUNIT_TEST(as_the_configuration_has_it_now);
  CPPUNIT_TEST(what_has_moved_while_it_was_read);
  CPPUNIT_TEST(out_of_a_suspended_one);
  CPPUNIT_TEST(a_dry_run_moves_nothing);
  CPPUNIT_TEST(selections_count);
  CPPUNIT_TEST(what_a_binding_leaves_behind);
  CPPUNIT_TEST(a_commit_to_a_binding_counts_at_once);
  CPPUNIT_TEST(written_in_another_case);
  CPPUNIT_TEST(suspended_by_hand);
  CPPUNIT_TEST(rerouted_and_rebound);
  CPPUNIT_TEST(the_logs_say_which);
  CPPUNIT_TEST(each_that_is_moved_has_a_record);
  CPPUNIT_TEST_SUITE_END();

  // Nothing leaves the house.
  static constexpr const char* closed =
      "Suspend_Delivery = true\nMessage_Expiration = 1000000\nBinding b1 { }\nBinding b2 { }\n"
      "Binding_Group g { Binding g1 { } Binding g2 { } }\n";

  static Progress carry_out(House& house, const std::string& binding, const std::string& to, std::string queue = {},
                            const std::function<void(QueueOrder&)>& more = nullptr) {
    QueueOrder order;
    order.act = Act::rebind;
    order.binding = binding;
    order.queue = std::move(queue);
    order.to = to;
    if (more) more(order);
    const auto errand = house.dispatcher->begin(std::move(order));
    house.run_until([&] { return errand->progress().ended; }, "the errand's end");
    return errand->progress();
  }
  static MessageId submit(House& house, const std::string& binding, const std::vector<std::string>& recipients,
                          const std::string& wish = {}, const std::string& sender = "s@x.example") {
    return house.submit(sender, recipients, "Subject: hello\r\n\r\nbody\r\n", Duration{0},
                        [&](message::Envelope& envelope) {
                          envelope.binding = binding;
                          if (!wish.empty()) envelope.context.emplace_back("binding", wish);
                        });
  }
  static uint64_t waiting(House& house, std::string_view queue) {
    const auto status = house.dispatcher->domain(queue);
    return status ? status->active + status->delayed + status->in_flight : 0;
  }
  static int64_t queued(House& house, std::string_view binding) {
    return house.counters.binding(binding).value(Counter::queued_recipients);
  }

  void each_binding_has_its_route() {
    const std::string base = "Delivery_Method = maildir\nMaildir_Path = \"{0}/none\"\n";
    House house(closed);
    house.configure(fmt::format(fmt::runtime(base + "Binding b1 {{ Maildir_Path = \"{0}/one\" }}\n"
                                                    "Binding b2 {{ Maildir_Path = \"{0}/two\"\n"
                                                    "Domain d.example {{ Maildir_Path = \"{0}/domain\" }} }}\n"),
                                house.dir.path()));
    house.dispatcher->start();
    submit(house, "", {"a@d.example"});
    submit(house, "b1", {"a@d.example"});
    submit(house, "b2", {"a@d.example"});
    submit(house, "b2", {"a@e.example"});
    house.run_until_empty();
    for (const char* folder : {"none", "one", "two", "domain"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(folder, size_t{1}, house.maildir(folder).size());
  }

  void to_another_one_for_good() {
    House house(closed);
    house.dispatcher->start();
    submit(house, "", {"a@d.example", "b@e.example"});
    submit(house, "b1", {"c@d.example"});
    house.run_until([&] { return house.dispatcher->size() == 3; });
    const Progress done = carry_out(house, "default", "b2");
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, done.acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{3}, house.dispatcher->size());
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, waiting(house, "d.example%b2"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, waiting(house, "e.example%b2"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, waiting(house, "d.example%b1"));
    CPPUNIT_ASSERT(!house.dispatcher->domain("d.example"));
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, queued(house, "b2"));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, queued(house, "default"));
    // What is said of them later leaves that alone; back to the default one is said, too.
    carry_out(house, "b1", "default");
    QueueOrder hold;
    hold.act = Act::hold;
    const auto errand = house.dispatcher->begin(std::move(hold));
    house.run_until([&] { return errand->progress().ended; });
    house.close();
    house.open(closed);
    house.run_until([&] { return house.dispatcher->size() == 3; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, waiting(house, "d.example%b2"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, waiting(house, "e.example%b2"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, waiting(house, "d.example"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{3}, house.dispatcher->totals().held);
  }

  void one_domain_of_one_binding() {
    House house(closed);
    house.dispatcher->start();
    submit(house, "", {"a@d.example", "b@e.example", "c@d.example.org"});
    submit(house, "b1", {"d@d.example", "e@e.example"});
    house.run_until([&] { return house.dispatcher->size() == 5; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, carry_out(house, "b1", "b2", "d.example%b1").acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, waiting(house, "e.example%b1"));
    // By whatever binding: both queues of the domain, not those of others.
    const auto every = [](QueueOrder& order) { order.every_binding = true; };
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, carry_out(house, "", "g1", "d.example", every).acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, waiting(house, "d.example%g1"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, waiting(house, "d.example.org"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{5}, house.dispatcher->size());
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, carry_out(house, "b1", "b2", "nobody.example%b1").acted.done);
  }

  void as_the_configuration_has_it_now() {
    House house(closed);
    house.dispatcher->start();
    submit(house, "b1", {"a@d.example"}, "b2");
    submit(house, "b1", {"b@d.example"}, "b1");
    submit(house, "", {"c@d.example"});
    submit(house, "", {"d@d.example"}, "nowhere");
    house.run_until([&] { return house.dispatcher->size() == 4; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, carry_out(house, "b1", "").acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, waiting(house, "d.example%b1"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, waiting(house, "d.example%b2"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, carry_out(house, "", "").acted.done);
    house.reconfigure(std::string("Default_Binding = b2\n") + closed);
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, carry_out(house, "", "").acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{3}, waiting(house, "d.example%b2"));
  }

  // Where it was is looked at no more; where it is, it is met.
  void what_has_moved_while_it_was_read() {
    House house(closed);
    house.dispatcher->start();
    const MessageId id = submit(house, "b1", {"a@d.example"}, "b2");
    house.run_until([&] { return house.dispatcher->size() == 1; });
    QueueOrder order;
    order.act = Act::rebind;
    const auto errand = house.dispatcher->begin(std::move(order));
    // Behind the page that is read now, and before its Bindings are known.
    uint64_t held = 0;
    house.loop->post([&] { held = house.dispatcher->act({Act::hold, id, {{0, "d.example%b1"}}, false, {}}).done; });
    house.run_until([&] { return errand->progress().ended; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, held);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, errand->progress().acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->domain("d.example%b2")->held);
  }

  void out_of_a_suspended_one() {
    const std::string open = "Gateway = 127.0.0.1:1\nRetry_Interval = 1000\n";
    House house(closed);
    house.dispatcher->start();
    for (int i = 0; i < 10; ++i) submit(house, "g1", {"a@d.example"}, "g");
    house.run_until([&] { return house.dispatcher->size() == 10; });
    house.reconfigure(open + "Binding_Group g { Binding g1 { } Binding g2 { } }\n");
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, carry_out(house, "", "").acted.done);
    house.reconfigure(open + "Binding_Group g { Binding g1 { Suspend_Delivery = true } Binding g2 { } }\n");
    house.run_until([&] { return house.dispatcher->totals().in_flight == 0; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{10}, carry_out(house, "g1", "").acted.done);
    house.run_until([&] { return house.dispatcher->totals().in_flight == 0; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{10}, waiting(house, "d.example%g2"));
  }

  void a_dry_run_moves_nothing() {
    House house(closed);
    house.dispatcher->start();
    submit(house, "b1", {"a@d.example"}, "b2");
    house.run_until([&] { return house.dispatcher->size() == 1; });
    for (const char* to : {"", "b2"}) {
      const Progress would = carry_out(house, "b1", to, {}, [](QueueOrder& order) { order.dry_run = true; });
      CPPUNIT_ASSERT_EQUAL(uint64_t{1}, would.acted.done);
      CPPUNIT_ASSERT_EQUAL(size_t{1}, would.first.size());
      CPPUNIT_ASSERT_EQUAL(uint64_t{1}, waiting(house, "d.example%b1"));
    }
  }

  void selections_count() {
    House house(closed);
    house.dispatcher->start();
    submit(house, "b1", {"a@d.example", "b@d.example"}, "b2", "one@x.example");
    submit(house, "b1", {"a@d.example"}, "b2", "two@x.example");
    house.run_until([&] { return house.dispatcher->size() == 3; });
    const auto choose = [](QueueOrder& order) {
      order.sender = *Pattern::compile("^one@", true);
      order.recipient = *Pattern::compile("^a@", true);
    };
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, carry_out(house, "b1", "", {}, choose).acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, waiting(house, "d.example%b1"));
  }

  // It keeps its name, goes as by Default_Binding, and is told of once.
  void what_a_binding_leaves_behind() {
    House house(closed);
    house.dispatcher->start();
    submit(house, "b1", {"a@d.example"});
    submit(house, "b1", {"a@e.example"});
    house.run_until([&] { return house.dispatcher->size() == 2; });
    house.reconfigure(
        fmt::format("Default_Binding = b2\nDelivery_Method = maildir\nMaildir_Path = \"{0}/global\"\n"
                    "Binding b2 {{ Maildir_Path = \"{0}/two\" }}\n",
                    house.dir.path()));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{2}, house.maildir("two").size());
    const auto told = [&] { return test::slurp(house.dir / "log").find("binding-gone"); };
    house.run_until([&] { return told() != std::string::npos; }, "a line in the log");
    CPPUNIT_ASSERT(test::slurp(house.dir / "log").find("binding-gone", told() + 1) == std::string::npos);
  }

  void a_commit_to_a_binding_counts_at_once() {
    House house("Binding b1 { Gateway = 127.0.0.1:1 }\nRetry_Interval = 100000\nMax_Retry_Interval = 100000\n");
    house.dispatcher->start();
    submit(house, "b1", {"a@d.example"});
    house.run_until([&] { return house.lines('T') == 1; });
    house.reconfigure(
        fmt::format("Binding b1 {{ Delivery_Method = maildir\nMaildir_Path = \"{}/one\" }}\n"
                    "Retry_Interval = 100000\nMax_Retry_Interval = 100000\n",
                    house.dir.path()));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("one").size());
  }

  // It is the same Binding still, for what waits.
  void written_in_another_case() {
    const std::string slow = "Gateway = 127.0.0.1:1\nRetry_Interval = 100000\nMax_Retry_Interval = 100000\n";
    House house(slow + "Binding B1 { }\n");
    house.dispatcher->start();
    submit(house, "B1", {"a@d.example"});
    house.run_until([&] { return house.lines('T') == 1; });
    house.reconfigure(slow + fmt::format("Binding_Group g {{ Binding b1 {{ Delivery_Method = maildir\n"
                                         "Maildir_Path = \"{}/one\" }} }}\n",
                                         house.dir.path()));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, house.maildir("one").size());
    CPPUNIT_ASSERT(holds(house.mails(), "@g@B1@"));
    CPPUNIT_ASSERT(!holds(test::slurp(house.dir / "log"), "binding-gone"));
  }

  void suspended_by_hand() {
    House house(closed);
    house.configure(
        fmt::format("Binding b1 {{ }}\nDelivery_Method = maildir\nMaildir_Path = \"{}/mail\"\n", house.dir.path()));
    house.dispatcher->start();
    CPPUNIT_ASSERT(house.dispatcher->suspend("%b1", true));
    CPPUNIT_ASSERT(!house.dispatcher->suspend("%B1", true));
    submit(house, "b1", {"a@d.example"});
    submit(house, "b1", {"a@e.example"});
    submit(house, "", {"a@d.example"});
    house.run_until([&] { return house.maildir("mail").size() == 1 && house.dispatcher->size() == 2; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, waiting(house, "d.example%b1"));
    CPPUNIT_ASSERT(house.dispatcher->suspend("%b1", false));
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{3}, house.maildir("mail").size());
  }

  // An order about the message finds it, wherever it was sent.
  void rerouted_and_rebound() {
    House house(closed);
    house.dispatcher->start();
    const MessageId id = submit(house, "", {"a@d.example"});
    house.run_until([&] { return house.dispatcher->size() == 1; });
    QueueOrder reroute;
    reroute.act = Act::reroute;
    reroute.queue = "d.example";
    reroute.to = "e.example";
    const auto errand = house.dispatcher->begin(std::move(reroute));
    house.run_until([&] { return errand->progress().ended; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, carry_out(house, "default", "b1").acted.done);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, waiting(house, "e.example%b1"));
    const MessageOrder hold{Act::hold, id, {{0, "d.example%b1"}}, false, {}};
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, house.dispatcher->act(hold).done);
  }

  void the_logs_say_which() {
    House house(closed);
    house.configure(
        fmt::format("Binding_Group g {{ Binding g1 {{ }} }}\nBinding b1 {{ }}\n"
                    "Delivery_Method = maildir\nMaildir_Path = \"{}/mail\"\n",
                    house.dir.path()));
    house.dispatcher->start();
    submit(house, "g1", {"a@d.example"});
    submit(house, "b1", {"b@d.example"});
    submit(house, "", {"c@d.example"});
    house.run_until_empty();
    const std::string mails = house.mails();
    for (const char* said : {"@g@g1@", "@default@b1@", "@default@default@"})
      CPPUNIT_ASSERT_MESSAGE(said, holds(mails, said));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, house.counters.binding("g1").value(Counter::deliveries));
  }

  void each_that_is_moved_has_a_record() {
    for (const bool chosen : {false, true}) {
      House house(closed);
      if (chosen) house.mainlog->choose({{}, {"binding"}});
      house.dispatcher->start();
      submit(house, "b1", {"a@d.example", "b@d.example", "c@e.example"}, "b1");
      submit(house, "", {"d@d.example"}, "b1");
      house.run_until([&] { return house.dispatcher->size() == 4; });
      carry_out(house, "b1", "g1", {}, [](QueueOrder& order) { order.dry_run = true; });
      CPPUNIT_ASSERT_EQUAL(size_t{0}, house.records("AdminRebind").size());
      carry_out(house, "b1", "g1");
      house.run_until([&] { return house.records("AdminRebind").size() == 3; }, "three records");
      const std::string meta = chosen ? R"("meta":{"binding":"b1"},)" : R"("meta":{},)";
      for (const std::string& each : house.records("AdminRebind")) {
        const std::string domain = holds(each, "@d.example\"") ? "d.example" : "e.example";
        for (const std::string& said :
             {std::string(R"("sender":"s@x.example","recipient":")"), R"("queue":")" + domain + R"(","site":"",)",
              R"("response":{"code":250,"content":"Rebound from )" + domain + "%b1 to " + domain + R"(%g1"},)",
              std::string(R"("bounce_classification":"Uncategorized","egress_pool":"g","egress_source":"g1",)"), meta})
          CPPUNIT_ASSERT_MESSAGE(said + " in " + each, holds(each, said));
        for (const char* not_said : {"peer_address", "delivery_protocol", "bounce_code", "session_id"})
          CPPUNIT_ASSERT_MESSAGE(each, !holds(each, not_said));
      }
      // Also of one that is sent to another domain's queue.
      carry_out(house, "", "z.example", "d.example", [](QueueOrder& order) { order.act = Act::reroute; });
      house.run_until([&] { return house.records("AdminRebind").size() == 4; }, "one more");
      CPPUNIT_ASSERT(holds(house.records("AdminRebind").back(), "Rebound from d.example to z.example"));
      // It is of the JSON log alone.
      CPPUNIT_ASSERT(!holds(house.mails(), "Rebound"));
      CPPUNIT_ASSERT_EQUAL(0, house.lines('T') + house.lines('P') + house.lines('D'));
    }
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RebindTest);

}  // namespace
}  // namespace impulse::delivery
