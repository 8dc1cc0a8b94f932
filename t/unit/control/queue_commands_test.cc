// showqueue, active, delayed, domain, binding summary, show outbound; message body
// and full.
#include "fake_system.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using namespace std::string_literals;

namespace {

class QueueCommandsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(QueueCommandsTest);
  CPPUNIT_TEST(mailq_of_named_domains);
  CPPUNIT_TEST(show_queue);
  CPPUNIT_TEST(show_queue_wrong);
  CPPUNIT_TEST(over_a_threshold);
  CPPUNIT_TEST(all_domains);
  CPPUNIT_TEST(one_domain);
  CPPUNIT_TEST(where_a_domain_goes);
  CPPUNIT_TEST(bindings);
  CPPUNIT_TEST(of_other_bindings);
  CPPUNIT_TEST(outbound);
  CPPUNIT_TEST(the_text_of_a_message);
  CPPUNIT_TEST(a_text_that_cannot_be_read);
  CPPUNIT_TEST(completions_of_queues);
  CPPUNIT_TEST_SUITE_END();

  Console console;

  void fill() { fill_queue(console); }

  void mailq_of_named_domains() {
    fill();
    const std::string reply = console("mailq -d B.example --domain c.example -l 5 -b default");
    ASSERT_HOLDS(reply, "\n b.example                                                20          0          0\n");
    ASSERT_HOLDS(reply, "\n c.example                                                 0          0          0\n");
    ASSERT_HOLDS(reply, "=0 ok domains=2 recipients=20\n");
    CPPUNIT_ASSERT_EQUAL(size_t{2}, payload_of(console("mailq --limit 1")).size());
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("mailq --binding blue")));
    ASSERT_HOLDS(console("mailq a.example"), " attempts 0 held\n");
  }

  void show_queue() {
    fill();
    CPPUNIT_ASSERT_EQUAL(
        " [active/default] 00000001/00000000-n1 Created: 1070244212\n"
        "   From: <s@example.net> To: <r@a.example>\n"
        " [delayed/default] 00000001/00000001-n1 Created: 1070244212\n"
        "   From: <s@example.net> To: <r@a.example>\n"
        " [held/default] 00000001/00000002-n1 Created: 1070244212\n"
        "   From: <s@example.net> To: <r@a.example>\n=0 ok\n"s,
        console("showqueue A.example"));
    const std::string second = console("showqueue binding all a.example 1,1");
    CPPUNIT_ASSERT_EQUAL(size_t{2}, payload_of(second).size());
    ASSERT_HOLDS(second, "00000001/00000001-n1");
    CPPUNIT_ASSERT_EQUAL("=0 ok\n"s, console("showqueue a.example 10,100"));
    ASSERT_HOLDS(console("--json showqueue a.example 5"), "\"state\":\"held\"");
    // More than a page.
    for (int i = 0; i < 1000; ++i) console.system.recipients.push_back(console.system.recipients.front());
    CPPUNIT_ASSERT_EQUAL(size_t{1600}, payload_of(console("showqueue a.example 800,100")).size());
    CPPUNIT_ASSERT_EQUAL(size_t{6}, payload_of(console("showqueue a.example 800,1000")).size());
  }

  void show_queue_wrong() {
    fill();
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("showqueue c.example")));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("showqueue binding blue a.example")));
    for (const auto command : {"showqueue", "showqueue a.example 0", "showqueue a.example x", "showqueue a.example 1,x",
                               "showqueue a.example 1,2,3", "showqueue a.example 1 2", "showqueue binding default"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
  }

  void over_a_threshold() {
    fill();
    console.system.outbound_connections = {{"default", *Endpoint::parse("192.0.2.1:25"), "mx", "A.example", "sending"}};
    const std::string reply = console("active 5");
    CPPUNIT_ASSERT(reply.find("a.example") == std::string::npos);
    ASSERT_HOLDS(reply, " Domain:                                b.example  C:   0  A:     20  D:      0  S:      0\n");
    ASSERT_HOLDS(reply, "  Total:  C:   0  A:     23  D:     10  S:      0\n");
    ASSERT_HOLDS(console("delayed 9"), "a.example  C:   1  A:      3  D:     10  S:      7\n");
    CPPUNIT_ASSERT_EQUAL(size_t{2}, payload_of(console("delayed")).size());
    for (const auto command : {"active x", "active 1 2", "delayed -1"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
  }

  void all_domains() {
    fill();
    CPPUNIT_ASSERT_EQUAL(size_t{4}, payload_of(console("domain all")).size());
    CPPUNIT_ASSERT_EQUAL(console("domain all"), console("domains"));
    const auto lines = payload_of(console("--json domains"));
    CPPUNIT_ASSERT_EQUAL(size_t{3}, lines.size());
    CPPUNIT_ASSERT_EQUAL(uint64_t{23}, nlohmann::json::parse(lines.back())["active"].get<uint64_t>());
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("domain all x")));
  }

  void one_domain() {
    fill();
    console.system.suspended = {"a.example", "c.example"};
    console.system.outbound_connections = {
        {"default", *Endpoint::parse("192.0.2.1:25"), "mx", "a.example", "sending", 9, true, 3},
        {"default", *Endpoint::parse("192.0.2.1:25"), "mx", "b.example", "sending", 8, false, 0}};
    const std::string reply = console("domain a.example");
    ASSERT_HOLDS(reply, "Domain 'a.example' is suspended\n");
    ASSERT_HOLDS(reply, "Active:          3\n");
    ASSERT_HOLDS(reply, "Delayed:         10, of these held 2\n");
    ASSERT_HOLDS(reply,
                 "Active Connections: 1\n 9: [outbound/sending] a.example IPv4 192.0.2.1:25 tls by default, 3 trans");
    ASSERT_HOLDS(console("domain c.example"), "is suspended");
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("domain d.example")));
    const auto document = nlohmann::json::parse(payload_of(console("--json domain a.example")).at(0));
    CPPUNIT_ASSERT(document["suspended"].get<bool>());
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("domain")));
  }

  void where_a_domain_goes() {
    fill();
    console.system.domains.push_back({"blue/a.example%b1", 1});
    DomainRoute route;
    route.domain = "a.example";
    route.method = "esmtp";
    route.looked_up = true;
    route.ttl = std::chrono::seconds(1902);
    route.hosts.push_back({"mx1.a.example", 25, 5, true, {*IpAddress::parse("192.0.2.7")}, "", std::chrono::hours(1)});
    for (const auto name : {"a.example", "a.example%b1", "idle.example"}) console.system.named.routes[name] = route;
    const std::string lines =
        " Domain 'a.example' has 1 MXs and a TTL of 1902 seconds\n"
        "   [5 mx1.a.example:25 TTL:3600]\n"
        "         [192.0.2.7] IPv4\n=0 ok\n";
    ASSERT_HOLDS(console("domain a.example"), " Active Connections: 0\n" + lines);
    ASSERT_HOLDS(console("domain blue/a.example%b1"), " Active Connections: 0\n" + lines);
    const auto document = nlohmann::json::parse(payload_of(console("--json domain a.example")).at(0));
    CPPUNIT_ASSERT_EQUAL(1902, document["route"]["ttl"].get<int>());
    CPPUNIT_ASSERT_EQUAL("192.0.2.7"s, document["route"]["hosts"][0]["addresses"][0].get<std::string>());
    CPPUNIT_ASSERT(document["route"] ==
                   nlohmann::json::parse(payload_of(console("--json domain route a.example")).at(0)));
    // Nothing waits there.
    ASSERT_HOLDS(console("domain idle.example"), "Active:          0\n");
    const std::string idle = " Active Connections: 0\n" + lines.substr(0, lines.size() - 6) +
                             "!notice queue-no-such-domain nothing waits for idle.example\n=0 ok\n";
    ASSERT_HOLDS(console("domain idle.example"), idle);
    console.system.domains.push_back({"idle.example%b1", 1});
    ASSERT_HOLDS(console("domain idle.example"), "idle.example; other bindings have mail: idle.example%b1\n=0 ok\n");
    // What was not looked up is not known, and neither is a way that there is not.
    route.ttl.reset();
    console.system.named.routes["new.example"] = route;
    route.looked_up = false;
    route.problem = "no way";
    console.system.named.routes["lost.example"] = route;
    for (const auto name : {"new.example", "lost.example"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(name, "=3 not-found"s, status_of(console("domain "s + name)));
    console.system.spooled.indexing.text = "queueing what was there: 5 of 9 messages (55 %)";
    ASSERT_HOLDS(console("domain idle.example"), "waits for idle.example yet, still queueing what was there: 5 of 9");
  }

  void bindings() {
    fill();
    console.system.counts.binding("default").add(telemetry::Counter::deliveries, 250);
    const std::string reply = console("binding summary");
    ASSERT_HOLDS(reply, "Summary Statistics For Binding default\n");
    ASSERT_HOLDS(reply, "Active Queue Size:                        23\n");
    ASSERT_HOLDS(reply, "Delivery Rate:                    2.50 messages/second\n");
    CPPUNIT_ASSERT_EQUAL(reply, console("binding summary DEFAULT"));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("binding summary blue")));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("binding summary group:blue")));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("rebind blue a.example")));
    for (const auto command : {"rebind", "rebind default to default", "rebind all a.example b.example c.example",
                               "rebind binding default a.example", "rebind all a.example%b1"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
  }

  // By their names, whatever their case; one that has gone as long as it has mail.
  void of_other_bindings() {
    for (const auto command :
         {"config set Binding b1 Max_Retries 3", "config set Binding_Group g Binding b2 Max_Retries 3"})
      CPPUNIT_ASSERT(status_of(console(command)).starts_with("=0 ok"));
    console.system.domains = {{"a.example", 1}, {"a.example%b1", 3}, {"a.example%gone", 1}, {"b.example%b1", 4}};
    console.system.counts.binding("b1").add(telemetry::Counter::queued_recipients, 7);
    console.system.counts.binding("gone").add(telemetry::Counter::queued_recipients);
    console.system.counts.binding("old").add(telemetry::Counter::deliveries);
    const std::string all = console("binding summary");
    for (const auto name : {"default", "b1", "b2", "gone"}) ASSERT_HOLDS(all, fmt::format("For Binding {}\n", name));
    ASSERT_HOLDS(all, "=0 ok bindings=4\n");
    ASSERT_HOLDS(console("binding summary B1"), "Active Queue Size:                         7\n");
    const std::string group = console("binding summary group:g");
    ASSERT_HOLDS(group, "For Binding b2 in Binding Group g\n");
    ASSERT_HOLDS(group, "For Binding Group g\n");
    CPPUNIT_ASSERT_EQUAL(size_t{3}, payload_of(console("mailq --binding B1")).size());
    CPPUNIT_ASSERT_EQUAL(size_t{4}, payload_of(console("mailq -b gone -b b1 -b B1")).size());
    CPPUNIT_ASSERT_EQUAL(size_t{5}, payload_of(console("mailq -b b1 -b default --binding gone")).size());
    CPPUNIT_ASSERT_EQUAL(size_t{3}, payload_of(console("mailq -b b1 -b gone -l 2")).size());
    const std::string named = console("mailq -d b.example -d a.example -b b1 -b b2");
    CPPUNIT_ASSERT_EQUAL(size_t{5}, payload_of(named).size());
    ASSERT_HOLDS(named, "=0 ok domains=4 recipients=7\n");
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("mailq -b b1 -b blue")));
    for (const auto queue : {"a.example", "a.example%b1", "a.example%gone"}) {
      QueuedRecipient row;
      row.recipient = "r@a.example";
      row.domain = queue;
      console.system.recipients.push_back(row);
    }
    const std::string two = console("mailq a.example -b b1 -b gone");
    CPPUNIT_ASSERT_EQUAL(size_t{2}, payload_of(two).size());
    ASSERT_HOLDS(two, " recipients=4\n");
    // A name that says its binding is that queue.
    const std::string one = console("mailq a.example%b1 -b b1 -b gone");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, payload_of(one).size());
    ASSERT_HOLDS(one, " recipients=3\n");
    console.system.recipients.clear();
    CPPUNIT_ASSERT_EQUAL("=0 ok"s, status_of(console("domain binding b1 a.example")));

    console.system.errand_steps = {{9, {5, 0, 0, 0}, {}, true}};
    const auto order = [&](const std::string& command) {
      console.system.queue_orders.clear();
      const std::string reply = console(command);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command + reply, size_t{1}, console.system.queue_orders.size());
      const QueueOrder& made = console.system.queue_orders.front();
      return fmt::format("{}|{}|{}|{}", made.binding, made.queue, made.every_binding, made.to);
    };
    CPPUNIT_ASSERT_EQUAL("||false|"s, order("rebind all"));
    CPPUNIT_ASSERT_EQUAL("b1||false|b2"s, order("rebind B1 to B2"));
    CPPUNIT_ASSERT_EQUAL("b1|a.example%b1|false|"s, order("rebind --dry-run b1 A.example"));
    CPPUNIT_ASSERT_EQUAL("|a.example|true|default"s, order("rebind all a.example to default"));
    CPPUNIT_ASSERT_EQUAL("gone||false|"s, order("rebind Gone"));
    CPPUNIT_ASSERT_EQUAL("|a.example%b1|false|"s, order("flush domain binding b1 a.example"));
    CPPUNIT_ASSERT_EQUAL("|a.example%b1|false|"s, order("flush domain a.example%B1"));
    CPPUNIT_ASSERT_EQUAL("|a.example|true|"s, order("hold domain binding all a.example"));
    CPPUNIT_ASSERT_EQUAL("b1||false|"s, order("fail domain binding b1 all for good"));
    CPPUNIT_ASSERT_EQUAL("|a.example%b1|false|c.example%b1"s, order("reroute queue binding b1 a.example c.example"));
    ASSERT_HOLDS(console("rebind all"), " Rebound 5 recipients.\n");
    ASSERT_HOLDS(console("--json rebind b1 to b2"), R"("binding":"b1")");
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("rebind b1 to gone")));
    CPPUNIT_ASSERT_EQUAL("=1 failed"s, status_of(console("reroute queue a.example c.example%b1")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("flush domain binding b1 a.example%b1")));

    CPPUNIT_ASSERT_EQUAL(" binding b1 suspended\n=0 ok\n"s, console("suspend binding b1"));
    CPPUNIT_ASSERT(console.system.suspended.contains("%b1"));
    ASSERT_HOLDS(console("suspend"), " binding b1\n");
    ASSERT_HOLDS(console("domain a.example%b1"), "is suspended\n");
    const std::string resumed = console("--json resume binding B1");
    ASSERT_HOLDS(resumed, R"("binding":"b1")");
    CPPUNIT_ASSERT_EQUAL("=0 ok"s, status_of(console("suspend binding b1 a.example")));
    CPPUNIT_ASSERT(console.system.suspended.contains("a.example%b1"));
  }

  void outbound() {
    CPPUNIT_ASSERT_EQUAL("=0 ok connections=0\n"s, console("show outbound"));
    console.system.outbound_connections = {
        {"default", *Endpoint::parse("[2001:db8::1]:25"), "mx.b.example", "", "connecting", 7, false, 0}};
    CPPUNIT_ASSERT_EQUAL(
        " 7: [outbound/connecting] mx.b.example IPv6 [2001:db8::1]:25 by default, 0 transactions\n"
        "=0 ok connections=1\n"s,
        console("show outbound"));
    // It is none yet.
    ASSERT_HOLDS(console("count outbound 64"), "=0 ok");
    CPPUNIT_ASSERT(payload_of(console("count outbound 64")).empty());
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("show outbound x")));
  }

  void the_text_of_a_message() {
    MessageDetails message;
    message.id = "00000001/00000200-n1";
    message.header = "Subject: hi\r\n";
    console.system.messages[*MessageId::parse("00000001/00000200")] = message;
    console.system.text = MessageText::Parts{"Received: by us\r\n",
                                             "Subject: hi\r\n\r\n=0 ok\r\n\x1b[2J\xff\n" + std::string(20000, 'x')};
    const std::string body = console("message body 00000001/00000200");
    CPPUNIT_ASSERT_EQUAL(2, console.waits);
    const auto lines = payload_of(body);
    CPPUNIT_ASSERT_EQUAL("Received: by us"s, lines.at(0));
    CPPUNIT_ASSERT_EQUAL("=0 ok"s, lines.at(3));
    CPPUNIT_ASSERT(body.find('\x1b') == std::string::npos && body.find('\xff') == std::string::npos);
    size_t exes = 0;
    for (size_t i = 5; i < lines.size(); ++i) exes += lines[i].size();
    CPPUNIT_ASSERT_EQUAL(size_t{20000}, exes);
    CPPUNIT_ASSERT_EQUAL(body, console("message details body 00000001/00000200"));
    const std::string full = console("message full 00000001/00000200");
    ASSERT_HOLDS(full, " Message: 00000001/00000200-n1\n");
    ASSERT_HOLDS(full, "Body:\n Received: by us\n Subject: hi\n");
    CPPUNIT_ASSERT_EQUAL(full, console("message details full 00000001/00000200"));
    const auto documents = payload_of(console("--json message body 00000001/00000200"));
    CPPUNIT_ASSERT_EQUAL("Subject: hi"s, nlohmann::json::parse(documents.at(1))["line"].get<std::string>());
    CPPUNIT_ASSERT(nlohmann::json::parse(documents.at(5))["more"].get<bool>());
    CPPUNIT_ASSERT(!nlohmann::json::parse(documents.back()).contains("more"));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("message body 00000001/00000300")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("message body")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("message details part 00000001/00000200")));
  }

  void a_text_that_cannot_be_read() {
    console.system.messages[*MessageId::parse("00000001/00000200")] = {};
    console.system.text = fail(Errc::io, "the disk is gone");
    CPPUNIT_ASSERT_EQUAL("!error message-unreadable the disk is gone\n=1 failed\n"s,
                         console("message body 00000001/00000200"));
  }

  std::string offered(const std::string& line) {
    std::string words;
    for (const std::string& each : payload_of(console("complete " + line)))
      words += each.substr(0, each.find(' ')) + " ";
    return words;
  }

  void completions_of_queues() {
    fill();
    ASSERT_HOLDS(offered("flush domain "), "a.example all b.example binding ");
    ASSERT_HOLDS(offered("flush domain b"), "b.example ");
    ASSERT_HOLDS(offered("reroute queue a.example "), "b.example ");
    ASSERT_HOLDS(offered("fail domain --sender x "), "a.example ");
    CPPUNIT_ASSERT(offered("flush domain a.example ").find("b.example") == std::string::npos);
    CPPUNIT_ASSERT(offered("flush domain --sender ").find("a.example") == std::string::npos);
    ASSERT_HOLDS(offered("message hold "), "00000001/00000000-n1 ");
    ASSERT_HOLDS(offered("message details body "), "00000001/00000000-n1 ");
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueueCommandsTest);

}  // namespace
