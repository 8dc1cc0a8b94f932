// The small parts: routes, resolver, workers.
#include "delivery/route.h"
#include "delivery/ways.h"
#include "delivery/workers.h"
#include "house.h"

#include <atomic>
#include <thread>

namespace impulse::delivery {
namespace {

using config::test::snapshot;
using std::chrono::seconds;

class RouteTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RouteTest);
  CPPUNIT_TEST(reads_gateways);
  CPPUNIT_TEST(refuses_what_is_no_gateway);
  CPPUNIT_TEST(brackets_where_a_port_may_be_meant);
  CPPUNIT_TEST(no_gateway_is_by_mx);
  CPPUNIT_TEST(domain_goes_before_global);
  CPPUNIT_TEST(equal_ways_share_a_hop);
  CPPUNIT_TEST(lmtp_has_a_port_of_its_own);
  CPPUNIT_TEST(broken_tls_is_no_route);
  CPPUNIT_TEST(unusable_client_certificate_is_left_out);
  CPPUNIT_TEST(a_global_key_is_for_listeners_too);
  CPPUNIT_TEST(checks_for_the_commit);
  CPPUNIT_TEST(checks_what_an_edit_reaches);
  CPPUNIT_TEST_SUITE_END();

  void reads_gateways() {
    const auto is = [](const char* text, const char* host, uint16_t port, bool address) {
      const auto gateway = parse_gateway(text, 2500);
      CPPUNIT_ASSERT_MESSAGE(text, gateway.has_value());
      CPPUNIT_ASSERT_EQUAL(std::string(host), gateway->host);
      CPPUNIT_ASSERT_EQUAL(port, gateway->port);
      CPPUNIT_ASSERT_EQUAL(address, gateway->address.has_value());
    };
    is("Mail.Example.com", "mail.example.com", 2500, false);
    is("mail.example.com:26", "mail.example.com", 26, false);
    is("192.0.2.1", "192.0.2.1", 2500, true);
    is("192.0.2.1:65535", "192.0.2.1", 65535, true);
    is("2001:DB8::1", "2001:db8::1", 2500, true);
    is("[2001:db8::1]", "2001:db8::1", 2500, true);
    is("[2001:db8::1]:26", "2001:db8::1", 26, true);
    is("[IPv6:::1]:26", "::1", 26, true);
    is("[192.0.2.1]", "192.0.2.1", 2500, true);
    const auto socket = parse_gateway("/run/dovecot/lmtp", 2500);
    CPPUNIT_ASSERT(socket && socket->path == "/run/dovecot/lmtp" && socket->host == socket->path && !socket->address);
    CPPUNIT_ASSERT(!parse_gateway("/" + std::string(107, 'x'), 2500).has_value());
  }

  void refuses_what_is_no_gateway() {
    for (const char* text : {"", ":25", "host:", "host:0", "host:65536", "host:x", "ho st", "[::1", "[::1]25",
                             "[::1]:", "[host]:25", "host/path", "a:b:c", "-\n", "host:25:26"}) {
      CPPUNIT_ASSERT_MESSAGE(text, !parse_gateway(text, 25).has_value());
    }
  }

  // Without brackets nobody can tell an address from one with a port.
  void brackets_where_a_port_may_be_meant() {
    const auto said = [](const char* text) {
      const auto gateway = parse_gateway(text, 25);
      CPPUNIT_ASSERT_MESSAGE(text, !gateway.has_value());
      return gateway.error().message;
    };
    CPPUNIT_ASSERT_EQUAL(std::string("Gateway '2001:db8::1:25': an address, or one with a port? Write "
                                     "[2001:db8::1:25] for the address, [2001:db8::1]:25 for the port"),
                         said("2001:db8::1:25"));
    CPPUNIT_ASSERT(test::holds(said("::1:587"), "[::1]:587 for the port"));
    CPPUNIT_ASSERT_EQUAL(std::string("Gateway '1:2:3:4:5:6:7:8:25': an IPv6 address needs brackets before a port: "
                                     "[1:2:3:4:5:6:7:8]:25"),
                         said("1:2:3:4:5:6:7:8:25"));
    CPPUNIT_ASSERT(test::holds(said("2001:db8::a:2525"), "[2001:db8::a]:2525"));
    // Whose last group is no port, or leaves no address in front of it.
    for (const char* text : {"2001:db8::1", "2001:db8::1:beef", "2001:db8::1:0", "1:2:3:4:5:6:7:8", "::1", "::"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, uint16_t{25}, parse_gateway(text, 25).value().port);
  }

  void no_gateway_is_by_mx() {
    const RoutePtr route = route_to(*snapshot("Hostname = h.example\nRemote_SMTP_Port = 2525"), "example.com");
    CPPUNIT_ASSERT(route->method == Route::Method::smtp && route->gateways.empty());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, route->ways.size());
    CPPUNIT_ASSERT(route->ways[0].kind == config::RouteEntry::Kind::domain && route->ways[0].port == 2525);
    CPPUNIT_ASSERT_EQUAL(std::string("MAILER-DAEMON@h.example"), route->mailer_daemon);
  }

  void domain_goes_before_global() {
    const auto conf = snapshot(
        "Hostname = h.example\nGateway = smart.example\nRemote_SMTP_Port = 2525\nTLS = no\n"
        "Domain \"a.example\" { Gateway = \"192.0.2.1\" Retry_Interval = 5 Max_Outbound_Connections = 3 "
        "Suspend_Delivery = true }\n"
        "Domain \"b.example\" { Delivery_Method = maildir Maildir_Path = \"/m/%{localpart}\" Generate_Bounces = false\n"
        "  Bounces_Inline_Original = full Mailerdaemon = \"d@h.example\" Never_Retry = true Max_Retries = 4 }\n");
    const RoutePtr global = route_to(*conf, "other.example");
    CPPUNIT_ASSERT(global->method == Route::Method::smtp && global->tls == smtp::TlsUse::no && !global->suspended);
    CPPUNIT_ASSERT_EQUAL(std::string("smart.example"), global->gateways.at(0).host);
    CPPUNIT_ASSERT_EQUAL(uint16_t{2525}, global->gateways.at(0).port);
    CPPUNIT_ASSERT_EQUAL(std::string("h.example"), global->ehlo_name);
    CPPUNIT_ASSERT(global == route_to(*conf, "another.example"));  // made once
    const RoutePtr a = route_to(*conf, "A.Example");
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1"), a->gateways.at(0).host);
    CPPUNIT_ASSERT(a->suspended && a->max_connections == 3 && a->retry_interval == seconds(5));
    const RoutePtr b = route_to(*conf, "b.example");
    CPPUNIT_ASSERT(b->method == Route::Method::maildir && !b->bounces && b->never_retry && b->max_retries == 4);
    CPPUNIT_ASSERT(b->original == Route::Original::full);
    CPPUNIT_ASSERT_EQUAL(std::string("d@h.example"), b->mailer_daemon);
  }

  void equal_ways_share_a_hop() {
    const auto conf = snapshot(
        "Hostname = h.example\nGateway = ( one.example two.example:26 )\nTLS = no\n"
        "Domain \"a.example\" { Retry_Interval = 5 }\nDomain \"b.example\" { EHLO_Hostname = other.example }\n"
        "Domain \"c.example\" { Remote_SMTP_Port = 26 }\n");
    const RoutePtr global = route_to(*conf, "x.example");
    CPPUNIT_ASSERT_EQUAL(size_t{2}, global->gateways.size());
    CPPUNIT_ASSERT_EQUAL(global->hop, route_to(*conf, "a.example")->hop);
    CPPUNIT_ASSERT(global->hop != route_to(*conf, "b.example")->hop);
    CPPUNIT_ASSERT(global->hop != route_to(*conf, "c.example")->hop);
  }

  // RFC 2033 §5.
  void lmtp_has_a_port_of_its_own() {
    const auto conf = snapshot(
        "Hostname = h.example\nTLS = no\nRemote_SMTP_Port = 26\n"
        "Domain \"smtp.example\" { Gateway = one.example }\n"
        "Domain \"lmtp.example\" { Gateway = one.example Delivery_Method = lmtp }\n"
        "Domain \"same.example\" { Gateway = one.example Delivery_Method = lmtp LMTP_Port = 26 }\n"
        "Domain \"wrong.example\" { Gateway = ( two.example:24 one.example:25 ) Delivery_Method = lmtp }\n"
        "Domain \"odd.example\" { Delivery_Method = lmtp LMTP_Port = 25 }\n"
        "Domain \"path.example\" { Gateway = \"/run/lmtp\" Delivery_Method = lmtp LMTP_Port = 25 }\n");
    const auto to = [&](std::string_view domain) { return route_to(*conf, domain); };
    CPPUNIT_ASSERT(to("lmtp.example")->method == Route::Method::smtp && to("lmtp.example")->lmtp);
    CPPUNIT_ASSERT_EQUAL(uint16_t{2003}, to("lmtp.example")->gateways.at(0).port);
    CPPUNIT_ASSERT(!to("smtp.example")->lmtp && to("smtp.example")->gateways.at(0).port == 26);
    CPPUNIT_ASSERT(to("same.example")->gateways.at(0).port == 26);
    CPPUNIT_ASSERT(to("smtp.example")->hop != to("same.example")->hop);
    for (const char* domain : {"wrong.example", "odd.example"})
      CPPUNIT_ASSERT_EQUAL(std::string("no route: LMTP is not for port 25, which is SMTP's"), to(domain)->problem);
    CPPUNIT_ASSERT(to("path.example")->method == Route::Method::smtp);
  }

  void broken_tls_is_no_route() {
    const auto conf =
        snapshot("Gateway = one.example\nTLS = required\nTLS_Verify = ca\nTLS_CA = /nowhere/at/all.pem\n");
    const RoutePtr route = route_to(*conf, "x.example");
    CPPUNIT_ASSERT(route->method == Route::Method::none);
    CPPUNIT_ASSERT_MESSAGE(route->problem, test::holds(route->problem, "/nowhere/at/all.pem"));
  }

  void unusable_client_certificate_is_left_out() {
    const auto conf = snapshot("Gateway = one.example\nDomain \"x.example\" { TLS_Certificate = /nowhere.pem }\n");
    const RoutePtr route = route_to(*conf, "x.example");
    CPPUNIT_ASSERT(route->method == Route::Method::smtp && route->tls_context != nullptr);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, route->notes.size());
    CPPUNIT_ASSERT(test::holds(route->notes[0], "/nowhere.pem"));
  }

  void a_global_key_is_for_listeners_too() {
    const auto conf = snapshot(
        "Gateway = one.example\nTLS_Key = /nowhere.key\n"
        "Domain \"none.example\" { TLS_Certificate = none }\n"
        "Domain \"own.example\" { TLS_Key = /own.key }\n");
    for (const char* domain : {"none.example", "x.example"}) {
      const RoutePtr route = route_to(*conf, domain);
      CPPUNIT_ASSERT_MESSAGE(route->problem, route->method == Route::Method::smtp && route->notes.empty());
    }
    CPPUNIT_ASSERT_EQUAL(std::string("no route: a private key is given, but no certificate"),
                         route_to(*conf, "own.example")->problem);
  }

  void checks_for_the_commit() {
    const auto check = [](RouteCheck& routes, const std::string& text) {
      config::Diagnostics diagnostics;
      routes.check(*snapshot(text), diagnostics);
      return diagnostics;
    };
    const std::string good = "TLS = no\nDomain \"a.example\" { Gateway = g.example }\n";
    RouteCheck routes;
    CPPUNIT_ASSERT(
        check(routes, good + "Domain \"b.example\" { Delivery_Method = maildir Maildir_Path = /m }").empty());
    // The same mistakes are found anew each time, after what was well and after themselves.
    for (int i = 0; i < 2; ++i) {
      const auto found =
          check(routes,
                "TLS = no\nDomain \"a.example\" { Gateway = g.example TLS = required TLS_CA = /nowhere.pem }\n"
                "Domain \"b.example\" { Delivery_Method = maildir Maildir_Path = \"/m/%{user}\" }");
      CPPUNIT_ASSERT_EQUAL(size_t{2}, found.size());
      CPPUNIT_ASSERT(config::has_errors(found));
      CPPUNIT_ASSERT(test::holds(found[0].message, "/nowhere.pem"));
      CPPUNIT_ASSERT(test::holds(found[1].message, "%{user}"));
    }
    CPPUNIT_ASSERT(check(routes, good).empty());
  }

  // Edits one by one: a mistake shows wherever it comes from.
  void checks_what_an_edit_reaches() {
    RouteCheck routes;
    const auto errors = [&](const config::SnapshotPtr& next) {
      config::Diagnostics diagnostics;
      routes.check(*next, diagnostics);
      return diagnostics.size();
    };
    const auto edited = [](const config::SnapshotPtr& now, config::ScopePath path, const config::OptionDef& option,
                           config::Value value) {
      auto setting = std::make_shared<config::Setting>();
      setting->option = &option;
      setting->value = std::move(value);
      config::Diagnostics diagnostics;
      return config::compile(
          config::edit_scope(now->root(), path, {},
                             [&](const config::ScopePtr& scope) { return scope->with_setting(setting); }),
          now->generation() + 1, diagnostics, now);
    };
    using config::ScopeKind;
    const auto domain = [](const char* name) { return config::ScopePath{{ScopeKind::domain, name}}; };
    const auto& path = config::definition(config::key::maildir_path);
    const auto& retries = config::definition(config::key::max_retries);
    const std::string bad = "/m/%{user}";
    config::SnapshotPtr now = snapshot(
        "TLS = no\nMaildir_Path = /m\n"
        "Domain a.example { Delivery_Method = maildir }\nDomain b.example { Gateway = g.example }\n");
    CPPUNIT_ASSERT_EQUAL(size_t{0}, errors(now));
    now = edited(now, domain("b.example"), retries, int64_t{3});
    CPPUNIT_ASSERT_EQUAL(size_t{0}, errors(now));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, errors(edited(now, domain("a.example"), path, bad)));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, errors(edited(now, domain("/^a/"), path, bad)));  // a.example falls back on it
    CPPUNIT_ASSERT_EQUAL(size_t{1}, errors(edited(now, {}, path, bad)));
    now = edited(now, {{ScopeKind::binding, "one"}, {ScopeKind::domain, "a.example"}}, retries, int64_t{3});
    CPPUNIT_ASSERT_EQUAL(size_t{0}, errors(now));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, errors(edited(now, domain("a.example"), path, bad)));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, errors(edited(now, {{ScopeKind::binding, "one"}}, path, bad)));
  }
};

class WorkersTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(WorkersTest);
  CPPUNIT_TEST(does_all_of_it);
  CPPUNIT_TEST(waits_for_what_runs);
  CPPUNIT_TEST_SUITE_END();

  void does_all_of_it() {
    std::atomic<int> done = 0;
    std::promise<void> all;
    Workers workers(3);
    for (int i = 0; i < 500; ++i) {
      workers.post([&] {
        if (++done == 500) all.set_value();
      });
    }
    all.get_future().wait();
    CPPUNIT_ASSERT_EQUAL(500, done.load());
  }

  void waits_for_what_runs() {
    std::promise<void> begun;
    std::atomic<bool> ended = false;
    {
      Workers workers(1);
      workers.post([&] {
        begun.set_value();
        ended = true;
      });
      begun.get_future().wait();
    }
    CPPUNIT_ASSERT(ended.load());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RouteTest);
CPPUNIT_TEST_SUITE_REGISTRATION(WorkersTest);

}  // namespace
}  // namespace impulse::delivery
