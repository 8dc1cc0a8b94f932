// What a session lets be done, without a network: who is known by its socket,
// who has to authenticate, what roles are matched against, and what is
// accounted for.
#include "control/access.h"
#include "auth/password.h"
#include "base/files.h"
#include "fake_system.h"

#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include <cstdlib>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using namespace std::string_literals;

namespace {

// Remembers what it is told, one line each.
class FakeAcctlog : public telemetry::Acctlog {
 public:
  void authentication(const telemetry::Account& account, bool good) override {
    lines.push_back(fmt::format("N {} {}", account.user, good));
  }
  void timeout(const telemetry::Account& account) override { lines.push_back("T " + account.user); }
  void command(const telemetry::Account& account, bool allowed, std::string_view command,
               std::string_view role) override {
    lines.push_back(fmt::format("Z {} {} {} {}", account.user, allowed, command, role));
  }
  telemetry::LineWriter* writer() override { return nullptr; }
  std::vector<std::string> lines;
};

class AccessTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(AccessTest);
  CPPUNIT_TEST(a_unix_user_is_known);
  CPPUNIT_TEST(roles_decide_about_the_line_as_it_is_run);
  CPPUNIT_TEST(groups_of_the_system_count_on_a_unix_socket);
  CPPUNIT_TEST(without_authentication_this_machine_only);
  CPPUNIT_TEST(an_exchange_in_a_session);
  CPPUNIT_TEST(a_tenants_user_is_nobody_here);
  CPPUNIT_TEST(a_failure_waits_to_be_told);
  CPPUNIT_TEST(after_the_limit_the_session_ends);
  CPPUNIT_TEST(passwords_in_clear_only_where_nobody_listens);
  CPPUNIT_TEST(the_rules_change_under_a_session);
  CPPUNIT_TEST(a_listen_that_went_leaves_what_it_gave);
  CPPUNIT_TEST(who_may_not_watch_any_more_is_told_nothing);
  CPPUNIT_TEST(proven_elsewhere);
  CPPUNIT_TEST(canonical_lines);
  CPPUNIT_TEST(nothing_odd_gets_in);
  CPPUNIT_TEST_SUITE_END();

  std::string folder_;
  std::unique_ptr<FakeSystem> system_;
  CommandTable table_{all_commands()};
  std::unique_ptr<auth::Sasl> sasl_;
  auth::Files files_;
  auth::FailureRate failures_;
  FakeAcctlog acctlog_;
  std::function<bool(const config::Snapshot&, std::string_view)> is_foreign_;
  std::unique_ptr<Session> session_;

 public:
  void setUp() override {
    char name[] = "/tmp/access_test_XXXXXX";
    folder_ = ::mkdtemp(name);
    sasl_ = std::move(*auth::Sasl::create());
    acctlog_.lines.clear();
    CPPUNIT_ASSERT(replace_file(folder_ + "/clear", "alice:sesame\nbob:bobs\n", 0600));
    CPPUNIT_ASSERT(replace_file(folder_ + "/groups", "admin:alice\nops:bob\n", 0600));
  }
  void tearDown() override {
    session_.reset();
    for (const char* name : {"/clear", "/groups"}) ::unlink((folder_ + name).c_str());
    ::rmdir(folder_.c_str());
  }

 private:
  // A daemon whose console listens on /c and 192.0.2.1:2025.
  void configure(const std::string& listener, const std::string& tcp = {}) {
    system_ = std::make_unique<FakeSystem>(fmt::format(
        "Authorization {{\n  Role root {{ Allow = ( '.*' ) }}\n  Role admin {{ Allow = ( '^config' '^summary$' ) }}\n"
        "  Role ops {{ Allow = ( '^mailq( |$)' ) }}\n}}\n"
        "Control_Listener {{\n  AuthLoginParameters = [ uri = file://{0}/clear ]\n"
        "  AuthorizationParameters = [ uri = groups://{0}/groups ]\n  {1}\n"
        "  Listen /c {{ }}\n  Listen 192.0.2.1:2025 {{ {2} }}\n}}\n",
        folder_, listener, tcp));
    CPPUNIT_ASSERT_MESSAGE(system_->loaded.error, system_->loaded.ok);
  }

  static Client unix_client(std::string user, std::vector<std::string> groups = {}) {
    Client client;
    client.listen = client.peer = Endpoint::unix_socket("/c");
    client.uid = 1000;
    client.user = std::move(user);
    client.groups = std::move(groups);
    return client;
  }
  static Client tcp_client(std::string_view from = "127.0.0.1:5000", bool tls = false) {
    Client client;
    client.listen = *Endpoint::parse("192.0.2.1:2025");
    client.peer = *Endpoint::parse(from);
    client.tls = tls;
    return client;
  }

  // By HTTP: whatever the connection is, that is who it is.
  static Client proven_client(std::string user, Client client) {
    client.proof = Client::Proof{std::move(user), "HTTP"};
    return client;
  }

  static const config::Options* options_of(const config::Snapshot& snapshot, const Client& client) {
    const config::ListenConf* conf = snapshot.find_listen(config::ScopeKind::control_listener, client.listen);
    if (conf == nullptr) return nullptr;
    return &conf->for_peer(client.peer.is_unix() ? IpAddress::v4(0x7F000001) : client.peer.address());
  }

  // A session of that client; what it is greeted with.
  std::string begin(Client client) {
    const auto snapshot = system_->engine().current();
    const config::Options* options = options_of(*snapshot, client);
    CPPUNIT_ASSERT(options);
    auto access = std::make_unique<Access>(
        AccessParts{*sasl_, files_, failures_, acctlog_, "mx.example.com", is_foreign_}, client, snapshot, *options,
        [client](const config::Snapshot& next) { return options_of(next, client); });
    session_ = std::make_unique<Session>(*system_, table_, PeerIdentity{client.uid, client.user, "here"},
                                         About{"1.2.3", test_now}, Session::Audit{}, std::move(access));
    return drain();
  }
  std::string drain() {
    std::string out;
    while (session_->produce(out, 1 << 20) && session_->held_back() == Duration{0}) continue;
    return out;
  }
  std::string feed(std::string_view bytes) {
    std::string out;
    while (!bytes.empty()) {
      const size_t taken = session_->feed(bytes);
      if (taken == 0 && session_->held_back() > Duration{0}) return out;
      bytes.remove_prefix(taken);
      out += drain();
    }
    return out;
  }
  std::string say(std::string_view line) { return feed(std::string(line) + "\n"); }
  std::string login(const std::string& user, const std::string& password) {
    say("@l authenticate login");
    say(auth::to_base64(user));
    std::string said = say(auth::to_base64(password));
    if (session_->held_back() > Duration{0}) {
      CPPUNIT_ASSERT_EQUAL(""s, said);
      session_->release();
      said = drain();
    }
    return said;
  }
  static bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

  void a_unix_user_is_known() {
    configure("Enable_Authentication = true");
    CPPUNIT_ASSERT(!has(begin(unix_client("alice", {"staff"})), "auth="));
    CPPUNIT_ASSERT_EQUAL(
        " user alice (SO_PEERCRED)\n groups: admin, staff\n roles: admin\n"
        " authorization: none, everything is allowed\n=0 ok\n"s,
        say("authz id"));
    CPPUNIT_ASSERT(has(say("authenticate LOGIN"), "!error auth-already this session is alice's\n=1 failed"));
    begin(unix_client(""));
    CPPUNIT_ASSERT(has(say("authz id"), " user uid 1000 (SO_PEERCRED)\n"));
    CPPUNIT_ASSERT_EQUAL("N alice true"s, acctlog_.lines.front());
  }
  void roles_decide_about_the_line_as_it_is_run() {
    configure("Enable_Authorization = true");
    begin(unix_client("alice"));
    for (const char* line : {"summary", "SUMMARY", "\"summary\"", " config  get hostname", "authz id", "help", "quit"})
      if (line != "quit"s) CPPUNIT_ASSERT_MESSAGE(line, !has(say(line), "=6"));
    const std::string refused = "!error control-not-allowed alice may not run this; role root may\n=6 denied\n";
    for (const char* line :
         {"shutdown", "shutdown # summary", "shutdown #config", "version", "pid", "complete config "})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, refused, say(line));
    CPPUNIT_ASSERT_EQUAL("!error control-not-allowed alice may not run this; role root or ops may\n=6 denied\n"s,
                         say("mailq"));
    CPPUNIT_ASSERT_EQUAL(0, system_->shut_downs);
    CPPUNIT_ASSERT_EQUAL("Z alice true summary admin"s, acctlog_.lines[1]);
    CPPUNIT_ASSERT_EQUAL("Z alice false mailq "s, acctlog_.lines.back());
  }
  void groups_of_the_system_count_on_a_unix_socket() {
    configure("Enable_Authorization = true");
    begin(unix_client("carol", {"ops", "users"}));
    CPPUNIT_ASSERT(has(say("mailq"), "=0 ok"));
    CPPUNIT_ASSERT(has(say("summary"), "=6 denied"));
    begin(unix_client("root"));  // a user's name is a role's, too
    CPPUNIT_ASSERT(has(say("summary"), "=0 ok"));
    begin(unix_client("carol"));
    CPPUNIT_ASSERT(has(say("mailq"), "=6 denied"));
  }
  void without_authentication_this_machine_only() {
    configure("");
    begin(tcp_client());
    CPPUNIT_ASSERT(has(say("authz id"), " user anonymous (not authenticated)\n"));
    CPPUNIT_ASSERT(has(say("summary"), "=0 ok"));
    CPPUNIT_ASSERT(has(login("bob", "bobs"), "=0 ok user=bob mechanism=LOGIN @l\n"));  // may, and need not
    begin(tcp_client("198.51.100.1:99", true));
    CPPUNIT_ASSERT(has(say("summary"), "!error control-denied"));
    CPPUNIT_ASSERT(has(say("authz id"), "=6 denied"));
  }
  void an_exchange_in_a_session() {
    configure("Enable_Authentication = true Enable_Authorization = true");
    CPPUNIT_ASSERT(begin(tcp_client()).ends_with(" auth=LOGIN\n"));
    CPPUNIT_ASSERT(has(say("@1 summary"), "!error control-unauthenticated authenticate first\n=6 denied @1\n"));
    CPPUNIT_ASSERT_EQUAL(" LOGIN\n=0 ok\n"s, say("authenticate"));
    CPPUNIT_ASSERT_EQUAL(" {\"mechanism\":\"LOGIN\"}\n=0 ok\n"s, say("--json authenticate"));
    const uint64_t before = session_->requests();
    CPPUNIT_ASSERT_EQUAL("?VXNlciBOYW1l\n"s, say("@2 Authenticate Login"));
    CPPUNIT_ASSERT_EQUAL("?UGFzc3dvcmQ=\n"s, say("YWxpY2U=\r"));
    CPPUNIT_ASSERT_EQUAL("=0 ok user=alice mechanism=LOGIN @2\n"s, say("c2VzYW1l"));
    CPPUNIT_ASSERT_EQUAL(before + 1, session_->requests());
    CPPUNIT_ASSERT_EQUAL("alice"s, session_->peer().user);
    CPPUNIT_ASSERT(has(say("summary"), "=0 ok"));
    CPPUNIT_ASSERT(has(say("shutdown"), "=6 denied"));
    const std::vector<std::string> expected{"Z  false summary ",          "Z  true authenticate ",
                                            "Z  true authenticate ",      "N alice true",
                                            "Z alice true summary admin", "Z alice false shutdown "};
    CPPUNIT_ASSERT(expected == acctlog_.lines);
  }
  void a_tenants_user_is_nobody_here() {
    CPPUNIT_ASSERT(replace_file(folder_ + "/clear", "alice:sesame\nblue/alice:mail\nred/alice:mail\n", 0600));
    configure("Enable_Authentication = true");
    is_foreign_ = [](const config::Snapshot&, std::string_view user) { return user.starts_with("blue/"); };
    begin(tcp_client());
    CPPUNIT_ASSERT(has(login("blue/alice", "mail"), "=6 denied"));
    CPPUNIT_ASSERT(has(login("red/alice", "mail"), "=0 ok"));  // there is no such tenant
  }
  void a_failure_waits_to_be_told() {
    configure("Enable_Authentication = true");
    begin(tcp_client());
    say("authenticate LOGIN");
    say("YWxpY2U=");
    CPPUNIT_ASSERT_EQUAL(""s, say("d3Jvbmc="));
    CPPUNIT_ASSERT(session_->busy() && session_->held_back() > Duration{0});
    CPPUNIT_ASSERT_EQUAL(size_t{0}, session_->feed("authenticate LOGIN\n"));  // reads nothing meanwhile
    session_->release();
    CPPUNIT_ASSERT_EQUAL("!error auth-failed authentication failed\n=6 denied\n"s, drain());
    CPPUNIT_ASSERT_EQUAL("N alice false"s, acctlog_.lines.back());
    CPPUNIT_ASSERT(has(say("summary"), "=6 denied"));
  }
  void after_the_limit_the_session_ends() {
    configure("Enable_Authentication = true Auth_Failure_Limit = 2 Auth_Failure_Rate = 3/600");
    begin(tcp_client());
    CPPUNIT_ASSERT(has(login("alice", "x"), "=6 denied @l\n") && !session_->finished());
    CPPUNIT_ASSERT(has(login("nobody", "x"), "=6 denied @l\n") && session_->finished());
    begin(tcp_client());
    CPPUNIT_ASSERT(has(login("alice", "x"), "=6 denied @l\n") && !session_->finished());
    CPPUNIT_ASSERT(has(say("authenticate LOGIN"), "!error auth-locked-out") && session_->finished());
    begin(tcp_client("127.0.0.2:5000"));  // another address
    CPPUNIT_ASSERT(has(login("alice", "sesame"), "=0 ok"));
  }
  void passwords_in_clear_only_where_nobody_listens() {
    configure("Enable_Authentication = true");
    CPPUNIT_ASSERT(begin(tcp_client("198.51.100.1:99")).ends_with(" auth=none\n"));
    const std::string refused = say("authenticate LOGIN");
    CPPUNIT_ASSERT(refused.empty() && session_->held_back() > Duration{0});
    session_->release();
    CPPUNIT_ASSERT(has(drain(), "!error auth-no-mechanism LOGIN is not on offer here\n=2 usage\n"));
    CPPUNIT_ASSERT(begin(tcp_client("198.51.100.1:99", true)).ends_with(" auth=LOGIN\n"));
    CPPUNIT_ASSERT(has(login("alice", "sesame"), "=0 ok"));
  }
  void the_rules_change_under_a_session() {
    configure("Enable_Authentication = true Enable_Authorization = true");
    begin(tcp_client());
    login("alice", "sesame");
    CPPUNIT_ASSERT(has(say("summary"), "=0 ok"));
    CPPUNIT_ASSERT(has(say("config set authorization role admin allow ( ^config )"), "=0 ok"));
    CPPUNIT_ASSERT(has(say("summary"), "=6 denied"));
    CPPUNIT_ASSERT(has(say("config set control_listener peer 127.0.0.1 enable_authorization false"), "=0 ok"));
    CPPUNIT_ASSERT(has(say("summary"), "=0 ok"));
    CPPUNIT_ASSERT(replace_file(folder_ + "/clear", "alice:changed\n", 0600));
    CPPUNIT_ASSERT(has(say("summary"), "control-unauthenticated"));
    CPPUNIT_ASSERT(session_->peer().user.empty());
    CPPUNIT_ASSERT(has(login("alice", "changed"), "=0 ok"));
    CPPUNIT_ASSERT(has(say("config set control_listener peer 127.0.0.1 always_deny true"), "=0 ok"));
    CPPUNIT_ASSERT(has(say("summary"), "control-denied"));
    CPPUNIT_ASSERT(has(say("quit"), "=0 bye"));
  }
  void a_listen_that_went_leaves_what_it_gave() {
    configure("Enable_Authorization = true");
    begin(unix_client("alice"));
    CPPUNIT_ASSERT(has(say("config unset control_listener listen /c"), "=0 ok"));
    CPPUNIT_ASSERT(has(say("config show"), "=0 ok"));
    CPPUNIT_ASSERT(has(say("shutdown"), "=6 denied"));
  }
  void who_may_not_watch_any_more_is_told_nothing() {
    configure("Enable_Authorization = true");
    CPPUNIT_ASSERT(has(begin(unix_client("root")), "ECTL/1"));
    CPPUNIT_ASSERT(has(say("watch on"), "=0 ok"));
    session_->event("listener-bound", "one");
    CPPUNIT_ASSERT(has(drain(), "one"));
    say("config set authorization role root allow ( ^config )");
    session_->event("listener-bound", "two");
    session_->tick();
    CPPUNIT_ASSERT(!session_->watch().on());
    CPPUNIT_ASSERT(!has(drain(), "two"));
  }
  void proven_elsewhere() {
    configure("Enable_Authentication = true Enable_Authorization = true", "Enable_Authorization = true");
    // The groups of the process at the other end of a Unix socket are not its own.
    for (const Client& by : {tcp_client("192.0.2.7:5000"), unix_client("root", {"root"})}) {
      begin(proven_client("bob", by));
      ASSERT_HOLDS(say("mailq"), "=0 ok");
      ASSERT_HOLDS(say("summary"), "!error control-not-allowed bob may not run this; role root or admin may");
      ASSERT_HOLDS(say("authz id"), "bob");
      ASSERT_HOLDS(say("authenticate LOGIN"), "!error auth-already");
      CPPUNIT_ASSERT(session_->held_back() == Duration{0});
      CPPUNIT_ASSERT_EQUAL("=0 ok\n"s, say("authenticate"));
      begin(proven_client("alice", by));
      ASSERT_HOLDS(say("summary"), "=0 ok");
      begin(proven_client("nobody", by));
      ASSERT_HOLDS(say("summary"), "=6 denied");
      begin(proven_client("", by));
      ASSERT_HOLDS(say("summary"), "=6 denied");
    }
    // Where nothing is said of roles, they decide as soon as there are any.
    configure("");
    begin(proven_client("nobody", tcp_client("192.0.2.7:5000")));
    ASSERT_HOLDS(say("summary"), "=6 denied");
    begin(proven_client("alice", tcp_client("192.0.2.7:5000")));
    ASSERT_HOLDS(say("summary"), "=0 ok");
    configure("Enable_Authorization = false");
    begin(proven_client("nobody", tcp_client("192.0.2.7:5000")));
    ASSERT_HOLDS(say("summary"), "=0 ok");
    configure("Always_Deny = true");
    begin(proven_client("alice", tcp_client()));
    ASSERT_HOLDS(say("summary"), "=6 denied");
  }
  void canonical_lines() {
    const auto line = [&](std::string_view text, const std::string* payload = nullptr) {
      config::Source source;
      source.text = text;
      const auto parsed = config::parse_line(std::make_shared<const config::Source>(std::move(source)));
      std::vector<std::string_view> names;
      for (const auto& word : parsed.words) names.push_back(word.text);
      const auto found = table_.find(names);
      CPPUNIT_ASSERT(found.command);
      return canonical_line(*found.command, std::span(parsed.words).subspan(found.used), {}, payload);
    };
    CPPUNIT_ASSERT_EQUAL("config set Idle_Time 5m"s, line("CONFIG \"set\"   Idle_Time = 5m # harmless"));
    CPPUNIT_ASSERT_EQUAL("config set x ( a b )"s, line("config set x (a   b)"));
    const std::string payload = "( a\n b \"c\\\" )\n";
    CPPUNIT_ASSERT_EQUAL("config set x \"( a\\x0A b \\\"c\\\\\\\" )\\x0A\""s, line("config set x", &payload));
  }
  // Whatever is sent first, nothing is run and the session stays sane.
  void nothing_odd_gets_in() {
    configure("Enable_Authentication = true");
    for (const std::string& bytes :
         {"shutdown\n"s, "@t --json shutdown\n"s, "'shutdown'\n"s, "\"quit\" shutdown\n"s, "quit\nshutdown\n"s,
          "help\nshutdown\n"s, "authenticate LOGIN\nshutdown\nshutdown\nshutdown\n"s,
          "authenticate LOGIN <<X\nX\nshutdown\n"s, "authenticate\nshutdown\n"s,
          "authenticate SCRAM-SHA-256 =\nshutdown\n"s, "config set x <<E\nshutdown\nE\nshutdown\n"s,
          std::string(70000, 'x') + "\nshutdown\n", "authenticate LOGIN\n" + std::string(70000, 'A') + "\nshutdown\n",
          "# shutdown\nshutdown\n"s}) {
      begin(tcp_client());
      for (int i = 0; i < 10 && session_->held_back() == Duration{0}; ++i) feed(i == 0 ? bytes : "shutdown\n"s);
      session_->release();
      drain();
    }
    CPPUNIT_ASSERT_EQUAL(0, system_->shut_downs);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(AccessTest);

}  // namespace
