// listener show, stop, start, restart, delete; show inbound's filters;
// session kill; count.
#include "fake_system.h"

#include <cppunit/extensions/HelperMacros.h>
#include <nlohmann/json.hpp>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using namespace std::string_literals;

namespace {

class ListenerCommandsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ListenerCommandsTest);
  CPPUNIT_TEST(show);
  CPPUNIT_TEST(show_tls);
  CPPUNIT_TEST(acts);
  CPPUNIT_TEST(acts_refused);
  CPPUNIT_TEST(acts_wrong);
  CPPUNIT_TEST(remove);
  CPPUNIT_TEST_SUITE_END();

  void show() {
    Console console;
    console.system.listening = {{"ESMTP_Listener", "*:25", true, 1, true, false, 500, 7},
                                {"ESMTP_Listener", "*:26", false, 0, false, true, 500, 0},
                                {"ESMTP_Listener", "*:27", false, 2, true, true, 5, 0},
                                {"ESMTP_Listener", "*:28", false, 0, true, false, 5, 0},
                                {"Control_Listener", "/run/x y", false, 0, false, false, 10, 0}};
    CPPUNIT_ASSERT_EQUAL(
        " ESMTP_Listener *:25 listening 1 session backlog 500 gen 7\n"
        " ESMTP_Listener *:26 disabled (and stopped) 0 sessions backlog 500\n"
        " ESMTP_Listener *:27 stopped 2 sessions backlog 5\n"
        " ESMTP_Listener *:28 not listening 0 sessions backlog 5\n"
        " Control_Listener /run/x y disabled 0 sessions backlog 10\n=0 ok listens=5\n"s,
        console("listener show"));
    CPPUNIT_ASSERT_EQUAL(
        "{\"listener\":\"ESMTP_Listener\",\"listen\":\"*:25\",\"enabled\":true,\"stopped\":false,\"bound\":true,"
        "\"sessions\":1,\"waiting\":0,\"backlog\":500,\"generation\":7}"s,
        payload_of(console("--json listener show")).at(0));
    console.system.listening[0].waiting = 3;
    CPPUNIT_ASSERT(
        console("listener show").starts_with(" ESMTP_Listener *:25 listening 1 session 3 waiting backlog 500 gen 7\n"));
    CPPUNIT_ASSERT(payload_of(console("--json listener show")).at(0).find("\"waiting\":3,") != std::string::npos);
    for (const auto command : {"listener show more", "listener show --tls --tls", "listener show --all"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
  }
  void show_tls() {
    Console console;
    console.system.listening = {{"ESMTP_Listener", "*:25", true, 0, true, false, 500, 1},
                                {"ESMTP_Listener", "*:465", true, 0, true, false, 500, 1},
                                {"ESMTP_Listener", "*:587", true, 0, true, false, 500, 1}};
    console.system.listening[1].tls = {
        "mx", "CN=mx.example.com", "CN=ca", test_now() + std::chrono::hours(49), "+TLSv1.3", true, ""};
    console.system.listening[2].tls = {"/x.pem", "", "", std::nullopt, "+TLSv1.2", false, "/x.pem: no such file"};
    CPPUNIT_ASSERT_EQUAL(
        " ESMTP_Listener *:25 listening 0 sessions backlog 500 gen 1\n"
        "     no TLS: TLS_Certificate is not set\n"
        " ESMTP_Listener *:465 listening 0 sessions backlog 500 gen 1\n"
        "     certificate mx, from the first byte on (Use_SSL)\n"
        "     protocols   +TLSv1.3\n"
        "     subject     CN=mx.example.com\n"
        "     issuer      CN=ca\n"
        "     expires     2019-12-22T01:01:40Z (in 2 days)\n"
        " ESMTP_Listener *:587 listening 0 sessions backlog 500 gen 1\n"
        "     certificate /x.pem\n"
        "     protocols   +TLSv1.2\n"
        "     unusable    /x.pem: no such file\n"
        "=0 ok listens=3\n"s,
        console("listener show --tls"));
    console.system.listening[1].tls.expires = test_now() - std::chrono::seconds(1);
    CPPUNIT_ASSERT(console("listener show --tls").find("(has expired)") != std::string::npos);
    const auto document = nlohmann::json::parse(payload_of(console("--json listener show --tls")).at(1));
    CPPUNIT_ASSERT_EQUAL("CN=mx.example.com"s, document.at("tls").at("subject").get<std::string>());
    CPPUNIT_ASSERT_EQUAL("2019-12-20T00:01:39Z"s, document.at("tls").at("expires").get<std::string>());
  }
  void acts() {
    Console console;
    console.system.acted = std::vector{*Endpoint::parse("*:25")};
    CPPUNIT_ASSERT_EQUAL(" ESMTP_Listener *:25 stopped\n=0 ok listens=1\n"s,
                         console("listener stop esmtp_listener :25"));
    CPPUNIT_ASSERT_EQUAL(" ESMTP_Listener *:25 started\n=0 ok listens=1\n"s,
                         console("listener start ESMTP_Listener listen *:25"));
    CPPUNIT_ASSERT_EQUAL(
        " {\"listener\":\"ESMTP_Listener\",\"listen\":\"*:25\",\"change\":\"restarted\"}\n=0 ok listens=1\n"s,
        console("--json listener restart esmtp_listener"));
    console.system.acted = std::vector<Endpoint>();
    CPPUNIT_ASSERT_EQUAL("=0 unchanged listens=0\n"s, console("listener stop control_listener /run/impulse/control"));
    const auto& acts = console.system.acts;
    CPPUNIT_ASSERT_EQUAL(size_t{4}, acts.size());
    CPPUNIT_ASSERT(acts[0].first == ListenAct::stop && acts[0].second.endpoint == *Endpoint::parse("*:25"));
    CPPUNIT_ASSERT(acts[1].first == ListenAct::start && acts[1].second.endpoint == *Endpoint::parse("*:25"));
    CPPUNIT_ASSERT(acts[2].first == ListenAct::restart && !acts[2].second.endpoint);
    CPPUNIT_ASSERT(acts[3].second.listener == config::ScopeKind::control_listener);
  }
  void acts_refused() {
    Console console;
    console.system.acted = fail(Errc::not_found, "there is no such Listen");
    CPPUNIT_ASSERT_EQUAL("!error listener-unknown esmtp_listener listen *:26: there is no such Listen\n=3 not-found\n"s,
                         console("listener stop esmtp_listener :26"));
    console.system.acted = fail(Errc::busy, "a moment ago");
    CPPUNIT_ASSERT_EQUAL("!error listener-refused esmtp_listener: a moment ago\n=7 busy\n"s,
                         console("listener restart esmtp_listener"));
    console.system.acted = fail(Errc::denied, "*:25: bind: Permission denied");
    CPPUNIT_ASSERT_EQUAL("=1 failed"s, status_of(console("listener start esmtp_listener :25")));
  }
  void acts_wrong() {
    Console console;
    for (const auto act : {"listener stop", "listener start", "listener restart", "listener delete"}) {
      CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console(act)));
      for (const auto rest : {" esmtp_listener 25", " esmtp_listener :25 more", " ( esmtp_listener )",
                              " esmtp_listener listen 300.1.1.1:25"})
        CPPUNIT_ASSERT_EQUAL_MESSAGE(act + std::string(rest), "=2 usage"s, status_of(console(act + std::string(rest))));
      for (const auto rest : {" nonsense", " domain", " listen :25"})
        CPPUNIT_ASSERT_EQUAL_MESSAGE(act + std::string(rest), "=3 not-found"s,
                                     status_of(console(act + std::string(rest))));
    }
    CPPUNIT_ASSERT(console.system.acts.empty());
  }
  void remove() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("listener delete esmtp_listener :26")));
    const std::string reply = console("listener delete esmtp_listener :25");
    CPPUNIT_ASSERT_MESSAGE(reply, status_of(reply).starts_with("=0 ok"));
    CPPUNIT_ASSERT(console.system.engine().current()->find_listen(config::ScopeKind::esmtp_listener,
                                                                  *Endpoint::parse("*:25")) == nullptr);
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("listener delete esmtp_listener :25")));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ListenerCommandsTest);

class SessionCommandsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SessionCommandsTest);
  CPPUNIT_TEST(filters);
  CPPUNIT_TEST(filters_wrong);
  CPPUNIT_TEST(kill);
  CPPUNIT_TEST(count_network);
  CPPUNIT_TEST(count_masks);
  CPPUNIT_TEST(count_wrong);
  CPPUNIT_TEST_SUITE_END();

  static InboundSession a_session(uint64_t id, std::string peer) {
    InboundSession session;
    session.id = id;
    session.listener = id % 2 == 0 ? "*:25" : "127.0.0.1:587";
    session.kind = "ESMTP_Listener";
    session.peer = std::move(peer);
    session.state = id > 3 ? "data" : "greeted";
    session.age = std::chrono::seconds(id * 10);
    return session;
  }
  static void fill(Console& console) {
    console.system.sessions = {a_session(1, "10.0.0.1:1"), a_session(2, "10.0.1.1:2"), a_session(3, "192.0.2.1:3"),
                               a_session(4, "[2001:db8::1]:4"), a_session(5, "/run/smtp.sock")};
  }
  static std::string ids(const std::string& reply) {
    std::string found;
    for (const auto& line : payload_of(reply)) found += line.substr(0, line.find(':')) + " ";
    return found;
  }
  void filters() {
    Console console;
    fill(console);
    const auto check = [&](const char* filter, const char* expected) {
      const std::string reply = console("show inbound "s + filter);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(filter, std::string(expected), ids(reply));
      return status_of(reply);
    };
    CPPUNIT_ASSERT_EQUAL("=0 ok sessions=5 matching=2"s, check("listener=:25", "2 4 "));
    check("listener = 127.0.0.1:587", "1 3 5 ");
    check("\"listener=:25\" \"limit=1\"", "2 ");  // as ec_console sends them
    check("listener=esmtp_listener", "1 2 3 4 5 ");
    check("listener=control_listener", "");
    check("peer=10.0.0.0/8", "1 2 ");
    check("peer=2001:db8::/32", "4 ");
    check("peer=127.0.0.1", "5 ");
    check("state=DATA", "4 5 ");
    for (const auto other : {"ready", "opening", "open", "body", "closing", "idle", "answer", "drain"})
      check(("state="s + other).c_str(), "");
    check("older=30s", "3 4 5 ");
    check("older=40", "4 5 ");
    check("limit=2", "1 2 ");
    check("state=data listener=:25 limit=1", "4 ");
  }
  void filters_wrong() {
    Console console;
    fill(console);
    for (const auto filter : {"peer=10.0.0.0/33", "peer=x", "older=soon", "limit=0", "limit=x", "listener=nonsense",
                              "state=asleep", "colour=red", "state", "more"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(filter, "=2 usage"s, status_of(console("show inbound "s + filter)));
  }
  void kill() {
    Console console;
    fill(console);
    CPPUNIT_ASSERT_EQUAL(" session 3 is told to go\n=0 ok\n"s, console("session kill 3"));
    CPPUNIT_ASSERT_EQUAL("!error session-unknown there is no session 3\n=3 not-found\n"s, console("session kill 3"));
    CPPUNIT_ASSERT_EQUAL(" {\"id\":4,\"killed\":true}\n=0 ok\n"s, console("--json session kill 4"));
    for (const auto command : {"session kill", "session kill x", "session kill 1 2", "session kill -1"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
    CPPUNIT_ASSERT_EQUAL(size_t{3}, console.system.sessions.size());
  }
  void count_network() {
    Console console;
    fill(console);
    CPPUNIT_ASSERT_EQUAL(" 2 sessions\n=0 ok sessions=2\n"s, console("count SMTP 10.0.0.0/8"));
    CPPUNIT_ASSERT_EQUAL(" 1 session\n=0 ok sessions=1\n"s, console("count esmtp_listener 192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(" 0 sessions\n=0 ok sessions=0\n"s, console("count outbound 0.0.0.0/0"));
    console.system.outbound_connections = {{"default", *Endpoint::parse("192.0.2.9:25")},
                                           {"fast", *Endpoint::parse("192.0.2.9:25")}};
    CPPUNIT_ASSERT_EQUAL("=0 ok sessions=2"s, status_of(console("count outbound 192.0.2.9")));
    CPPUNIT_ASSERT_EQUAL("=0 ok sessions=1"s, status_of(console("count outbound/fast 192.0.2.9")));
    CPPUNIT_ASSERT_EQUAL("=0 ok sessions=0"s, status_of(console("count outbound/slow 192.0.2.9")));
  }
  void count_masks() {
    Console console;
    fill(console);
    CPPUNIT_ASSERT_EQUAL(
        "       1                 10.0.0.1/32\n"
        "       1                 10.0.1.1/32\n"
        "       1                 127.0.0.1/32\n"
        "       1                 192.0.2.1/32\n"
        "       1                 2001:db8::/32\n"
        "=0 ok sessions=5\n"s,
        console("count SMTP 32"));
    const std::string tree = console("count SMTP 16-32");
    CPPUNIT_ASSERT_MESSAGE(tree,
                           tree.starts_with("       2                 10.0.0.0/16\n"
                                            "       1                                 10.0.0.0/24\n"
                                            "       1                                                 10.0.0.1/32\n"
                                            "       1                                 10.0.1.0/24\n"
                                            "       1                                                 10.0.1.1/32\n"
                                            "       1                 127.0.0.0/16\n"));
    CPPUNIT_ASSERT_EQUAL("{\"network\":\"10.0.0.0/8\",\"sessions\":2,\"depth\":0}"s,
                         payload_of(console("--json count SMTP 8")).at(0));
    // Past the end of an address the mask is the address's own length.
    CPPUNIT_ASSERT_EQUAL(size_t{5}, payload_of(console("count SMTP 64")).size());
    console.system.sessions.clear();
    CPPUNIT_ASSERT_EQUAL("=0 ok sessions=0\n"s, console("count SMTP 8-32"));
  }
  void count_wrong() {
    Console console;
    for (const auto command : {"count", "count SMTP", "count SMTP 129", "count SMTP 24-16", "count SMTP x",
                               "count nonsense 24", "count control_listener 24", "count SMTP 24 25", "count SMTP 1-"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(SessionCommandsTest);

}  // namespace
