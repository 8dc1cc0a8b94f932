// Who a HTTP request comes from.
#include "server/http_gate.h"
#include "auth/key_file.h"
#include "auth/password.h"

#include "../config/kit.h"
#include "../net/certs.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fstream>
#include <string>

using namespace impulse;
using namespace impulse::server;

namespace {

const IpAddress client_address = IpAddress::parse("192.0.2.1").value();

class HttpGateTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(HttpGateTest);
  CPPUNIT_TEST(nobody_needs_nothing);
  CPPUNIT_TEST(numbers_are_the_machines_own);
  CPPUNIT_TEST(whence_a_request_is);
  CPPUNIT_TEST(keys);
  CPPUNIT_TEST(a_key_by_basic);
  CPPUNIT_TEST(a_key_of_another_tenant);
  CPPUNIT_TEST(passwords);
  CPPUNIT_TEST(what_is_no_credential);
  CPPUNIT_TEST(the_connection_speaks);
  CPPUNIT_TEST(who_may_command);
  CPPUNIT_TEST(an_alternating_client);
  CPPUNIT_TEST(always);
  CPPUNIT_TEST(over_what_others_can_hear);
  CPPUNIT_TEST(limits_of_failure);
  CPPUNIT_TEST_SUITE_END();

  net::test::TempDir dir_;
  telemetry::Counters counters_;
  std::unique_ptr<telemetry::Log> log_ = std::move(*telemetry::Log::open(dir_ / "log"));
  std::unique_ptr<telemetry::Acctlog> acctlog_ = std::move(*telemetry::Acctlog::open(dir_ / "acctlog"));
  std::unique_ptr<AuthDesk> desk_ = std::move(*AuthDesk::create(*log_, *acctlog_, counters_, "mx.example.com"));
  config::SnapshotPtr snapshot_ = config::test::snapshot(R"(
HTTP_Listener { Auth_Failure_Rate = 5/3600 Listen "127.0.0.1:80" { } Listen "127.0.0.1:81" { Tenant = blue } }
)");
  smtp::ClientInfo client_;
  HttpRules rules_;
  std::string key_;       // of no tenant
  std::string blue_key_;  // of blue

 public:
  void setUp() override {
    client_.address = client_address;
    auto file = auth::KeyFile::parse("").value();
    key_ = file.add({"app", "", auth::Rights().add(auth::Right::inject), {}, ""}).value().presented;
    blue_key_ = file.add({"bluebell", "blue", auth::Rights().add(auth::Right::metrics), {}, ""}).value().presented;
    net::test::write_file(dir_ / "keys", file.text());
    net::test::write_file(dir_ / "users", "alice:sesame\n");
    rules_.keys.path = dir_ / "keys";
    rules_.basic = auth::Source{auth::Mechanism::plain, auth::Format::file, dir_ / "users", "", true};
  }

 private:
  std::expected<HttpCaller, HttpRefusal> ask(HttpGate& gate, std::string_view authorization,
                                             HttpGate::Connection connection = {true, false, {}},
                                             const char* listen = "127.0.0.1:80") {
    const config::Options& options =
        snapshot_->find_listen(config::ScopeKind::http_listener, Endpoint::parse(listen).value())
            ->for_peer(client_address);
    const AuthDesk::Visitor visitor{options, client_,   options[config::key::tenant],
                                    1,       snapshot_, telemetry::Area::http};
    return gate.who(visitor, rules_, connection, authorization);
  }
  std::expected<HttpCaller, HttpRefusal> ask(std::string_view authorization,
                                             HttpGate::Connection connection = {true, false, {}},
                                             const char* listen = "127.0.0.1:80") {
    HttpGate gate(*desk_);
    return ask(gate, authorization, connection, listen);
  }
  static std::string basic(std::string_view pair) { return "Basic " + auth::to_base64(pair); }

  void nobody_needs_nothing() {
    const auto caller = ask("");
    CPPUNIT_ASSERT(caller && !caller->known);
    CPPUNIT_ASSERT(!caller->rights.has(auth::Right::admin));
  }

  void numbers_are_the_machines_own() {
    const auto metrics = [](const auto& caller) { return caller && caller->rights.has(auth::Right::metrics); };
    CPPUNIT_ASSERT(!metrics(ask("")));
    CPPUNIT_ASSERT(metrics(ask("", {true, false, {}, true})));
    CPPUNIT_ASSERT(!metrics(ask("", {true, false, {}, true}, "127.0.0.1:81")));
    CPPUNIT_ASSERT(metrics(ask("", {true, true, "alice"})));
    CPPUNIT_ASSERT(!metrics(ask("", {true, true, "alice"}, "127.0.0.1:81")));
    CPPUNIT_ASSERT(metrics(ask(basic("alice:sesame"))));
    CPPUNIT_ASSERT(metrics(ask(blue_key_, {true, false, {}}, "127.0.0.1:81")));
  }

  void whence_a_request_is() {
    const auto head = [](std::string name, std::string value) {
      http::RequestHead made;
      made.host = "Mail.example:8025";
      made.fields.add(std::move(name), std::move(value));
      return made;
    };
    for (const char* name :
         {"forwarded", "X-FORWARDED-FOR", "x-forwarded-host", "X-Forwarded-Proto", "X-Real-Ip", "via"})
      CPPUNIT_ASSERT_MESSAGE(name, is_passed_on(head(name, "").fields));
    CPPUNIT_ASSERT(!is_passed_on(head("X-Forward", "").fields));
    for (const char* ours : {"http://mail.example:8025", "https://mail.example:8025"})
      CPPUNIT_ASSERT_MESSAGE(ours, !is_of_another_page(head("origin", ours), false));
    CPPUNIT_ASSERT(!is_of_another_page(head("Origin", "https://mail.example:8025"), true));
    CPPUNIT_ASSERT(is_of_another_page(head("Origin", "http://mail.example:8025"), true));
    for (const char* other : {"null", "", "mail.example:8025", "http://mail.example", "http://mail.example:80250",
                              "http://x.mail.example:8025", "http://"})
      CPPUNIT_ASSERT_MESSAGE(other, is_of_another_page(head("Origin", other), false));
    for (const char* site : {"cross-site", "same-site", "", "x"})
      CPPUNIT_ASSERT_MESSAGE(site, is_of_another_page(head("Sec-Fetch-Site", site), false));
    for (const char* site : {"same-origin", "none"})
      CPPUNIT_ASSERT(!is_of_another_page(head("Sec-Fetch-Site", site), false));
    CPPUNIT_ASSERT(!is_of_another_page(head("X", "y"), true));
  }

  void keys() {
    for (const std::string& said : {key_, "Bearer " + key_, "bearer  " + key_}) {
      const auto caller = ask(said);
      CPPUNIT_ASSERT(caller && caller->known);
      CPPUNIT_ASSERT_EQUAL(std::string("app"), caller->user);
      CPPUNIT_ASSERT(caller->rights.has(auth::Right::inject) && !caller->rights.has(auth::Right::metrics));
    }
    const auto wrong = ask(key_ + "x");
    CPPUNIT_ASSERT(!wrong);
    CPPUNIT_ASSERT_EQUAL(401, wrong.error().status);
    CPPUNIT_ASSERT(wrong.error().reason.find(key_) == std::string::npos);
    rules_.keys.path.clear();
    CPPUNIT_ASSERT_EQUAL(401, ask(key_).error().status);
    rules_.keys.path = dir_ / "nowhere";
    CPPUNIT_ASSERT_EQUAL(503, ask(key_).error().status);
  }

  // As SparkPost's clients present theirs: `curl -u KEY:`.
  void a_key_by_basic() {
    const auto caller = ask(basic(key_ + ":"));
    CPPUNIT_ASSERT(caller && caller->known);
    CPPUNIT_ASSERT_EQUAL(std::string("app"), caller->user);
    CPPUNIT_ASSERT(caller->rights.has(auth::Right::inject) && !caller->rights.has(auth::Right::metrics));
    CPPUNIT_ASSERT(!caller->by_key);  // a browser could have sent it by itself
    CPPUNIT_ASSERT_EQUAL(std::string("blue"), ask(basic(blue_key_ + ":"))->tenant);
    CPPUNIT_ASSERT_EQUAL(401, ask(basic(key_ + ":"), {true, false, {}}, "127.0.0.1:81").error().status);
    desk_ = std::move(*AuthDesk::create(*log_, *acctlog_, counters_, "mx.example.com"));
    for (const std::string& pair : {key_ + "x:", key_ + ":x", key_, ":" + key_})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(pair, 401, ask(basic(pair)).error().status);
    desk_ = std::move(*AuthDesk::create(*log_, *acctlog_, counters_, "mx.example.com"));
    rules_.basic.reset();
    CPPUNIT_ASSERT(ask(basic(key_ + ":")));
    CPPUNIT_ASSERT_EQUAL(403, ask(basic(key_ + ":"), {false, false, {}}).error().status);
    rules_.keys.path.clear();
    CPPUNIT_ASSERT_EQUAL(401, ask(basic(key_ + ":")).error().status);
    rules_.basic = auth::Source{auth::Mechanism::plain, auth::Format::file, dir_ / "users", "", true};
    CPPUNIT_ASSERT_EQUAL(401, ask(basic(key_ + ":")).error().status);
  }

  void a_key_of_another_tenant() {
    const auto here = ask(blue_key_);
    CPPUNIT_ASSERT(here);
    CPPUNIT_ASSERT_EQUAL(std::string("blue"), here->tenant);
    CPPUNIT_ASSERT_EQUAL(std::string("blue"), ask(blue_key_, {true, false, {}}, "127.0.0.1:81")->tenant);
    CPPUNIT_ASSERT_EQUAL(401, ask(key_, {true, false, {}}, "127.0.0.1:81").error().status);
  }

  void passwords() {
    const auto alice = ask(basic("alice:sesame"));
    CPPUNIT_ASSERT(alice && alice->known);
    CPPUNIT_ASSERT_EQUAL(std::string("alice"), alice->user);
    CPPUNIT_ASSERT(!alice->rights.has(auth::Right::admin));
    CPPUNIT_ASSERT_EQUAL(401, ask(basic("alice:wrong")).error().status);
  }

  void what_is_no_credential() {
    for (const std::string& said :
         {std::string("Basic"), std::string("Basic %%%"), basic("alice"), basic(std::string("alice:sesame\0x", 14)),
          basic(std::string("x\0alice:sesame", 14)), std::string("Digest x=y")}) {
      const auto caller = ask(said);
      CPPUNIT_ASSERT_MESSAGE(said, !caller && (caller.error().status == 401 || caller.error().status == 429));
      desk_ = std::move(*AuthDesk::create(*log_, *acctlog_, counters_, "mx.example.com"));
    }
  }

  void the_connection_speaks() {
    const auto named = ask("", {true, true, "alice"});
    CPPUNIT_ASSERT(named && named->known);
    CPPUNIT_ASSERT_EQUAL(std::string("alice"), named->user);
    CPPUNIT_ASSERT(!ask("", {true, true, {}})->known);
    rules_.certificate_is_user = true;
    CPPUNIT_ASSERT(ask("", {true, true, {}})->known);
    CPPUNIT_ASSERT(!ask("", {true, false, {}})->known);
    // What is presented counts more than what the connection says.
    CPPUNIT_ASSERT(!ask(key_ + "x", {true, true, "alice"}));
  }

  void who_may_command() {
    const auto admin = [](const auto& caller) { return caller && caller->rights.has(auth::Right::admin); };
    CPPUNIT_ASSERT(!admin(ask("", {true, true, "alice"})) && !admin(ask(basic("alice:sesame"))));
    rules_.roles_decide = true;
    CPPUNIT_ASSERT(admin(ask("", {true, true, "alice"})) && admin(ask(basic("alice:sesame"))));
    CPPUNIT_ASSERT(!admin(ask("", {true, true, "alice"}, "127.0.0.1:81")));
    CPPUNIT_ASSERT(!admin(ask("")) && !admin(ask("", {true, false, {}, true})) && !admin(ask(key_)));
    rules_.certificate_is_user = true;
    CPPUNIT_ASSERT(!admin(ask("", {true, true, {}})));
    rules_.always_allow = true;
    CPPUNIT_ASSERT(!admin(ask(basic("alice:sesame"))));
  }

  // Each success is known from then on, also when it is not the connection's first;
  // and it is written down again behind a failure.
  void an_alternating_client() {
    rules_.auth_failure_limit = 0;
    HttpGate gate(*desk_);
    CPPUNIT_ASSERT(ask(gate, basic("alice:sesame")));
    // As many succeed elsewhere as are remembered at all.
    client_.address = IpAddress::parse("192.0.2.99").value();
    const config::Options& options =
        snapshot_->find_listen(config::ScopeKind::http_listener, Endpoint::parse("127.0.0.1:80").value())
            ->for_peer(client_address);
    const AuthDesk::Visitor other{options, client_, {}, 2, snapshot_, telemetry::Area::http};
    for (size_t i = 0; i < auth::FailureRate::limit; ++i) desk_->seen(other, std::to_string(i));
    client_.address = client_address;
    CPPUNIT_ASSERT(ask(gate, basic("alice:sesame")));
    client_.address = other.client.address;
    for (const char* from : {"198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4", "198.51.100.5"}) {
      client_.address = IpAddress::parse(from).value();
      CPPUNIT_ASSERT(!ask(basic("alice:wrong")));
    }
    CPPUNIT_ASSERT(!ask(basic("alice:sesame")));  // a stranger's place is locked
    client_.address = client_address;
    CPPUNIT_ASSERT(ask(gate, basic("alice:sesame")));
    const int64_t told = counters_.value(telemetry::Counter::auth_successes);
    CPPUNIT_ASSERT(ask(gate, basic("alice:sesame")));
    CPPUNIT_ASSERT_EQUAL(told, counters_.value(telemetry::Counter::auth_successes));
    CPPUNIT_ASSERT(!ask(gate, "nonsense"));
    CPPUNIT_ASSERT(ask(gate, basic("alice:sesame")));
    CPPUNIT_ASSERT_EQUAL(told + 1, counters_.value(telemetry::Counter::auth_successes));
  }

  void always() {
    rules_.always_allow = true;
    CPPUNIT_ASSERT(ask("nonsense")->known);
    rules_.always_deny = true;
    CPPUNIT_ASSERT(!ask(key_)->known);
  }

  void over_what_others_can_hear() {
    const auto heard = ask(key_, {false, false, {}});
    CPPUNIT_ASSERT(!heard);
    CPPUNIT_ASSERT_EQUAL(403, heard.error().status);
    rules_.auth_requires_tls = false;
    CPPUNIT_ASSERT(ask(key_, {false, false, {}}));
  }

  void limits_of_failure() {
    rules_.auth_failure_limit = 2;
    HttpGate gate(*desk_);
    CPPUNIT_ASSERT(!ask(gate, "a").error().close);
    CPPUNIT_ASSERT(ask(gate, "b").error().close);
    for (int i = 0; i < 3; ++i) ask("c");
    const auto locked = ask(key_);
    CPPUNIT_ASSERT(!locked);
    CPPUNIT_ASSERT_EQUAL(429, locked.error().status);
    CPPUNIT_ASSERT(locked.error().retry_after > 0);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(HttpGateTest);

}  // namespace
