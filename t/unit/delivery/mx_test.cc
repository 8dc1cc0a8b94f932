// Routing by MX and Routes, with a name server in this process.
#include "delivery/ways.h"
#include "dns_server.h"
#include "house.h"
#include "sink.h"

namespace impulse::delivery {
namespace {

using dns::Type;
using telemetry::Counter;
using test::DnsServer;
using test::holds;
using test::House;
using test::Sink;

config::RouteEntry entry(std::string_view text) { return config::parse_route_entry(text).value(); }

class MxTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(MxTest);
  CPPUNIT_TEST(orders_what_it_finds);
  CPPUNIT_TEST(knows_routes_without_a_look_up);
  CPPUNIT_TEST(what_is_set_for_less_counts);
  CPPUNIT_TEST(goes_to_the_exchange);
  CPPUNIT_TEST(domains_share_a_hop);
  CPPUNIT_TEST(goes_on_to_the_next_rank);
  CPPUNIT_TEST(tells_for_good_from_for_now);
  CPPUNIT_TEST(waits_for_the_name_server);
  CPPUNIT_TEST(looks_again_when_it_has_expired);
  CPPUNIT_TEST(never_to_itself);
  CPPUNIT_TEST(never_to_prohibited_hosts);
  CPPUNIT_TEST(literals_need_no_dns);
  CPPUNIT_TEST(routes_around_and_through_the_dns);
  CPPUNIT_TEST(shows_the_way);
  CPPUNIT_TEST_SUITE_END();

  static std::string hosts(const std::vector<Gateway>& gateways) {
    std::string text;
    for (const Gateway& each : gateways) text += fmt::format("{}:{}={} ", each.rank, each.host, each.port);
    return text;
  }

  void orders_what_it_finds() {
    Ways ways;
    ways.add(entry("last.example:26"), 0);
    ways.add(entry("smtp://b.example?pref=20&port=27"), 1);
    ways.add(entry("smtp://a.example?pref=10"), 2);
    ways.add(entry("__mx__"), 3, {5, "y.example"}, Gateway::Origin::exchange);
    ways.add(entry("__mx__"), 3, {5, "x.example"}, Gateway::Origin::exchange);
    ways.add(entry("__mx__"), 3, {1, "a.example"}, Gateway::Origin::exchange);
    CPPUNIT_ASSERT_EQUAL(std::string("0:a.example=0 1:b.example=27 2:last.example=26 3:x.example=0 3:y.example=0 "),
                         hosts(std::move(ways).gateways()));
    Ways many;
    for (uint16_t i = 0; i < 100; ++i)
      many.add(entry("__mx__"), 0, {static_cast<uint16_t>(100 - i), fmt::format("h{}.example", i)},
               Gateway::Origin::exchange);
    const auto best = std::move(many).gateways();
    CPPUNIT_ASSERT(best.size() == max_hosts && best.front().host == "h99.example");
  }

  void knows_routes_without_a_look_up() {
    const auto conf = config::test::snapshot(
        "Hostname = h.example\nRemote_SMTP_Port = 2525\n"
        "Routes = ( \"smtp://192.0.2.2?pref=10\" \"smtp://192.0.2.1?pref=10&port=26\" \"[2001:db8::1]:27\" hub.example "
        ")\n");
    const RoutePtr route = route_to(*conf, "d.example");
    CPPUNIT_ASSERT(route->ways.empty());
    CPPUNIT_ASSERT_EQUAL(std::string("0:192.0.2.1=26 0:192.0.2.2=2525 1:2001:db8::1=27 2:hub.example=2525 "),
                         hosts(route->gateways));
  }

  void what_is_set_for_less_counts() {
    const auto first = [](const std::string& text, const char* domain) {
      const auto conf = config::test::snapshot("Hostname = h.example\n" + text);
      const RoutePtr route = route_to(*conf, domain);
      return route->gateways.empty() ? "(mx)" : route->gateways[0].host;
    };
    const std::string global = "Gateway = g.example\nDomain \"d.example\" { Routes = ( \"__mx__\" ) }\n";
    CPPUNIT_ASSERT_EQUAL(std::string("(mx)"), first(global, "d.example"));
    CPPUNIT_ASSERT_EQUAL(std::string("g.example"), first(global, "e.example"));
    const std::string other = "Routes = ( r.example )\nDomain \"d.example\" { Gateway = g.example }\n";
    CPPUNIT_ASSERT_EQUAL(std::string("g.example"), first(other, "d.example"));
    CPPUNIT_ASSERT_EQUAL(std::string("r.example"), first(other, "e.example"));
    CPPUNIT_ASSERT_EQUAL(std::string("r.example"), first("Gateway = g.example\nRoutes = ( r.example )\n", "d.example"));
  }

  // A house by a name server of ours, with all next hosts at the sink's port.
  static std::string by(const DnsServer& dns, uint16_t port, std::string_view more = "") {
    return fmt::format("TLS = no\nRemote_SMTP_Port = {}\nResolv_Conf = \"{}\"\nRetry_Interval = 1\n{}\n", port,
                       dns.conf(), more);
  }

  void goes_to_the_exchange() {
    Sink sink;
    DnsServer dns;
    dns.mx("d.example", 10, "mx.d.example").a("mx.d.example", "127.0.0.1");
    dns.a("plain.example", "127.0.0.1");
    dns.cname("alias.example", "d.example");
    House house(by(dns, sink.port()));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@d.example", "b@Plain.Example", "c@alias.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(3, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
    CPPUNIT_ASSERT(dns.asked("d.example", Type::mx) <= 2);
  }

  void domains_share_a_hop() {
    Sink sink;
    DnsServer dns;
    for (const char* domain : {"d.example", "e.example", "f.example"}) dns.mx(domain, 10, "mx.example");
    dns.a("mx.example", "127.0.0.1");
    House house(by(dns, sink.port(), "Max_Outbound_Connections = 1\nIdle_Timeout = 60\n"));
    house.dispatcher->start();
    for (const char* domain : {"d.example", "e.example", "f.example"})
      house.submit("s@x.example", {std::string("a@") + domain});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, house.counter(Counter::outbound_connections));
  }

  void goes_on_to_the_next_rank() {
    Sink sink;
    DnsServer dns;
    dns.mx("d.example", 10, "missing.example").mx("d.example", 20, "down.example").mx("d.example", 30, "mx.example");
    dns.a("down.example", "127.0.0.77").a("mx.example", "127.0.0.1");
    House house(by(dns, sink.port()));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@d.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
  }

  void tells_for_good_from_for_now() {
    DnsServer dns;
    dns.mx("null.example", 0, "");
    dns.mx("gone.example", 10, "missing.example");
    dns.txt("bare.example");
    dns.mx("zero.example", 10, "zeros.example").a("zeros.example", "0.0.0.0");
    dns.fail("sick.example", 2);
    dns.mx("half.example", 10, "missing.example").mx("half.example", 20, "sick.example");
    House house(by(dns, 1, "Generate_Bounces = false"));
    house.dispatcher->start();
    house.submit("s@x.example",
                 {"a@null.example", "a@none.example", "a@gone.example", "a@bare.example", "a@zero.example"});
    house.run_until([&] { return house.lines('P') == 5; }, "five failures");
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
    const std::string mails = house.mails();
    for (const char* text : {"5.1.10 [internal] null.example: the domain takes no mail (null MX)",
                             "5.1.2 [internal] MX of none.example: there is no such name",
                             "5.4.4 [internal] MX missing.example: there is no such host",
                             "5.1.2 [internal] bare.example: the domain has neither",
                             "5.4.4 [internal] zeros.example: 0.0.0.0 is no host's address"})
      CPPUNIT_ASSERT_MESSAGE(text + mails, holds(mails, text));
    house.submit("s@x.example", {"a@sick.example", "a@half.example"});
    house.run_until([&] { return house.lines('T') >= 2; }, "two delays");
    CPPUNIT_ASSERT_EQUAL(5, house.lines('P'));
    CPPUNIT_ASSERT_MESSAGE(house.mails(), holds(house.mails(), "4.4.3 [internal] MX of sick.example: SERVFAIL"));
    CPPUNIT_ASSERT_MESSAGE(house.mails(), holds(house.mails(), "4.4.3 [internal] A of sick.example: SERVFAIL"));
  }

  void waits_for_the_name_server() {
    Sink sink;
    DnsServer dns;
    dns.fail("d.example", 2);
    House house(by(dns, sink.port()));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@d.example"});
    house.run_until([&] { return house.lines('T') == 1; });
    const int asked = dns.asked("d.example", Type::mx);
    net::test::spin(*house.loop, 200);
    CPPUNIT_ASSERT_EQUAL(asked, dns.asked("d.example", Type::mx));  // nothing goes round and round
    dns.mx("d.example", 10, "mx.example").a("mx.example", "127.0.0.1");
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
  }

  void looks_again_when_it_has_expired() {
    Sink old;
    Sink now;
    DnsServer dns;
    dns.ttl = 1;
    dns.mx("d.example", 10, "one.example").a("one.example", "127.0.0.1").a("two.example", "127.0.0.1");
    House house(by(dns, old.port(), "Idle_Timeout = 60\n") +
                fmt::format("Domain \"d.example\" {{ Routes = ( \"__mx__\" ) }}\n"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@d.example"});
    house.run_until_empty();
    dns.clear("d.example").mx("d.example", 10, "two.example");
    int sent = 1;
    // Over the old hop until then; by name the new one is another.
    while (house.counter(Counter::outbound_connections) < 2) {
      house.submit("s@x.example", {"a@d.example"});
      ++sent;
      house.run_until_empty();
    }
    CPPUNIT_ASSERT_EQUAL(sent, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
  }

  void never_to_itself() {
    Sink sink;
    DnsServer dns;
    dns.mx("best.example", 10, "MX1.example").mx("best.example", 20, "mx.example");
    dns.mx("backup.example", 10, "mx.example")
        .mx("backup.example", 20, "mx1.example")
        .mx("backup.example", 20, "down.example");
    dns.mx("address.example", 10, "here.example").a("here.example", "127.0.0.9");
    dns.a("mx.example", "127.0.0.1").a("down.example", "127.0.0.77");
    House house(
        by(dns, sink.port(),
           fmt::format("Generate_Bounces = false\nESMTP_Listener {{ Listen \"127.0.0.9:{}\" {{ }} }}", sink.port())));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@best.example", "a@backup.example", "a@address.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(2, house.lines('P'));
    CPPUNIT_ASSERT(holds(house.mails(),
                         "5.4.6 [internal] mail for best.example loops back to myself: mx1.example is its best MX"));
    CPPUNIT_ASSERT(holds(house.mails(), "5.4.6 [internal] mail loops back to myself: here.example is 127.0.0.9:"));
  }

  void never_to_prohibited_hosts() {
    Sink sink;
    DnsServer dns;
    dns.mx("d.example", 10, "mx.example").a("mx.example", "127.0.0.1");
    dns.mx("e.example", 10, "both.example").a("both.example", "127.0.0.66").a("both.example", "127.0.0.1");
    House house(by(dns, sink.port(), "Generate_Bounces = false\nProhibited_Hosts = ( 127.0.0.66 )\n"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@e.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    house.reconfigure(by(dns, sink.port(), "Generate_Bounces = false\nProhibited_Hosts = ( 127.0.0.0/8 )\n"));
    house.submit("s@x.example", {"a@d.example"});
    house.run_until([&] { return house.lines('P') == 1; });
    CPPUNIT_ASSERT(holds(house.mails(), "5.4.4 [internal] mx.example: 127.0.0.1 is one of Prohibited_Hosts"));
    // A host that the configuration names waits for it to be mended.
    house.reconfigure(by(dns, sink.port(), "Gateway = \"127.0.0.1\"\nProhibited_Hosts = ( 127.0.0.0/8 )\n"));
    house.submit("s@x.example", {"a@d.example"});
    house.run_until([&] { return house.lines('T') >= 1; });
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
  }

  void literals_need_no_dns() {
    Sink sink;
    House house(fmt::format("TLS = no\nRemote_SMTP_Port = {}\nGenerate_Bounces = false\n", sink.port()));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@[127.0.0.1]", "a@[IPv6:ff02::1]"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    CPPUNIT_ASSERT(holds(house.mails(), "5.4.4 [internal] ff02::1: ff02::1 is no host's address"));
  }

  void routes_around_and_through_the_dns() {
    Sink sink;
    DnsServer dns;
    dns.mx("hub.example", 10, "mx.hub.example").a("mx.hub.example", "127.0.0.1");
    House house(by(
        dns, 1, fmt::format("Routes = ( \"smtp://hub.example?type=mx&port={}&ttl=60\" \"__mx__\" )\n", sink.port())));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@nowhere.example"});  // which the DNS does not know
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
  }

  void shows_the_way() {
    DnsServer dns;
    dns.mx("d.example", 10, "a.example").mx("d.example", 10, "b.example").a("a.example", "127.0.0.1");
    dns.mx("e.example", 1, "a.example").mx("e.example", 1, "b.example");
    House house(by(dns, 1));
    house.dispatcher->start();
    RouteView view = house.dispatcher->route_view("d.example");
    CPPUNIT_ASSERT(view.looked_up && !view.pending && view.hosts.empty() && !view.ttl);
    for (const char* domain : {"d.example", "e.example", "none.example"}) {
      CPPUNIT_ASSERT_EQUAL(size_t{1}, house.dispatcher->refresh_route(domain));
      CPPUNIT_ASSERT(house.dispatcher->route_view(domain).pending);
      house.run_until([&] { return !house.dispatcher->route_view(domain).pending; });
    }
    view = house.dispatcher->route_view("D.example");
    CPPUNIT_ASSERT(view.hosts.size() == 2 && view.ttl && view.problem.empty());
    CPPUNIT_ASSERT(view.also == std::vector<std::string>{"e.example"});
    view = house.dispatcher->route_view("none.example");
    CPPUNIT_ASSERT(view.hosts.empty() && view.permanent && holds(view.problem, "NXDOMAIN"));
    CPPUNIT_ASSERT_EQUAL(size_t{3}, house.dispatcher->refresh_route(""));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MxTest);

}  // namespace
}  // namespace impulse::delivery
