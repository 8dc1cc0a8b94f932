// How a client becomes somebody, whatever protocol carries it.
#include "auth/login.h"

#include "exchanges.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cppunit/extensions/HelperMacros.h>

#include <optional>
#include <string>
#include <utility>

using namespace impulse;
using namespace impulse::auth;
using namespace std::string_literals;
using Begun = Login::Begun;
using State = Login::State;

namespace {

class Host final : public LoginHost {
 public:
  std::optional<message::Refusal> may_authenticate() override { return locked_out; }
  bool usable(const Source& source) override { return source.mechanism != unusable; }
  Result<std::unique_ptr<SaslExchange>> authenticate(const Source& source) override {
    if (broken) return fail(Errc::unavailable, "no");
    return exchanges_.begin(source.mechanism);
  }
  void authenticated(const AuthOutcome& outcome) override {
    told += fmt::format("{} {} {}\n", outcome.how, outcome.user, outcome.success ? "in" : "out");
  }

  std::optional<message::Refusal> locked_out;
  std::optional<Mechanism> unusable;
  bool broken = false;
  std::string told;

 private:
  test::Exchanges exchanges_;
};

const std::string alice = "\0alice\0sesame"s;
const std::string nobody = "\0alice\0guess"s;

class LoginTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LoginTest);
  CPPUNIT_TEST(what_is_offered);
  CPPUNIT_TEST(an_exchange);
  CPPUNIT_TEST(a_response_ahead);
  CPPUNIT_TEST(why_none_begins);
  CPPUNIT_TEST(the_connection_speaks);
  CPPUNIT_TEST(everybody_and_nobody);
  CPPUNIT_TEST(failures);
  CPPUNIT_TEST_SUITE_END();

  Host host_;
  LoginPolicy policy_;
  net::ClientInfo client_;
  std::optional<net::TlsState> tls_;
  Login login_{host_};

 public:
  void setUp() override {
    for (const Mechanism mechanism :
         {Mechanism::scram_sha_256_plus, Mechanism::cram_md5, Mechanism::plain, Mechanism::login})
      policy_.auth_sources.push_back({mechanism, Format::file, "/users", "", true});
    client_.address = IpAddress::parse("192.0.2.1").value();
  }

 private:
  Login::Scene scene() const { return {policy_, client_, tls_}; }
  std::string offered() const { return fmt::format("{}", fmt::join(login_.mechanisms(scene()), " ")); }
  std::string told() { return std::exchange(host_.told, {}); }

  void what_is_offered() {
    CPPUNIT_ASSERT_EQUAL("CRAM-MD5"s, offered());
    tls_ = net::TlsState{"TLSv1.3", "X", 256, false, ""};
    CPPUNIT_ASSERT_EQUAL("SCRAM-SHA-256-PLUS CRAM-MD5 PLAIN LOGIN"s, offered());
    tls_.reset();
    // What nobody can overhear.
    client_.unix_socket = true;
    CPPUNIT_ASSERT_EQUAL("CRAM-MD5 PLAIN LOGIN"s, offered());
    client_.unix_socket = false;
    client_.address = IpAddress::parse("::1").value();
    CPPUNIT_ASSERT_EQUAL("CRAM-MD5 PLAIN LOGIN"s, offered());
    client_.address = IpAddress::parse("192.0.2.1").value();
    policy_.auth_requires_tls = false;
    host_.unusable = Mechanism::cram_md5;
    CPPUNIT_ASSERT_EQUAL("PLAIN LOGIN"s, offered());
  }

  void an_exchange() {
    tls_.emplace();
    CPPUNIT_ASSERT(login_.begin(scene(), "plain") == Begun::exchange && login_.in_exchange());
    CPPUNIT_ASSERT(login_.step(policy_, "") == State::challenge);
    CPPUNIT_ASSERT(login_.challenge().empty());
    CPPUNIT_ASSERT(login_.step(policy_, alice) == State::success);
    CPPUNIT_ASSERT(login_.settled() && login_.known(policy_) && !login_.in_exchange());
    CPPUNIT_ASSERT_EQUAL("alice"s, login_.user());
    CPPUNIT_ASSERT_EQUAL("PLAIN alice in\n"s, told());
    login_.forget();
    CPPUNIT_ASSERT(!login_.known(policy_) && login_.user().empty());
    CPPUNIT_ASSERT(login_.begin(scene(), "CRAM-MD5") == Begun::exchange);
    CPPUNIT_ASSERT(login_.step(policy_, "") == State::challenge && !login_.challenge().empty());
    login_.cancel();
    CPPUNIT_ASSERT(!login_.in_exchange() && told().empty());
  }

  void a_response_ahead() {
    tls_.emplace();
    CPPUNIT_ASSERT(login_.begin(scene(), "PLAIN") == Begun::exchange);
    CPPUNIT_ASSERT(login_.first(policy_, alice) == State::success);
    login_.forget();
    CPPUNIT_ASSERT(login_.begin(scene(), "LOGIN") == Begun::exchange);
    CPPUNIT_ASSERT(login_.first(policy_, "bob") == State::challenge);
    CPPUNIT_ASSERT(login_.step(policy_, "other") == State::success);
    CPPUNIT_ASSERT_EQUAL("bob"s, login_.user());
    login_.forget();
    // Where the server has the first word there is nothing to respond to.
    CPPUNIT_ASSERT(login_.begin(scene(), "CRAM-MD5") == Begun::exchange);
    CPPUNIT_ASSERT(login_.first(policy_, "x") == State::not_initially && !login_.in_exchange());
  }

  void why_none_begins() {
    CPPUNIT_ASSERT(login_.begin(scene(), "GSSAPI") == Begun::unknown_mechanism);
    CPPUNIT_ASSERT(login_.begin(scene(), "EXTERNAL") == Begun::unknown_mechanism);
    CPPUNIT_ASSERT(login_.begin(scene(), "PLAIN") == Begun::needs_tls);
    host_.broken = true;
    CPPUNIT_ASSERT(login_.begin(scene(), "CRAM-MD5") == Begun::trouble);
    host_.locked_out = message::Refusal{421, "4.7.0", "auth_rate", "Not now"};
    CPPUNIT_ASSERT(login_.begin(scene(), "GSSAPI") == Begun::unknown_mechanism);
    CPPUNIT_ASSERT(login_.begin(scene(), "CRAM-MD5") == Begun::refused);
    CPPUNIT_ASSERT_EQUAL(421, login_.refusal().code);
    CPPUNIT_ASSERT(told().empty() && !login_.in_exchange());
  }

  void the_connection_speaks() {
    policy_.auth_external = true;
    login_.take_identity(scene());
    CPPUNIT_ASSERT(!login_.known(policy_) && told().empty());
    client_.identity = "proxied";
    tls_ = net::TlsState{"TLSv1.3", "X", 256, true, "shown"};
    login_.take_identity(scene());  // the nearer one
    CPPUNIT_ASSERT_EQUAL("EXTERNAL shown in\n"s, told());
    CPPUNIT_ASSERT(login_.known(policy_) && login_.by_connection() && !login_.settled());
    CPPUNIT_ASSERT(offered().ends_with(" EXTERNAL"));
    CPPUNIT_ASSERT(login_.begin(scene(), "external") == Begun::external);
    CPPUNIT_ASSERT(login_.challenge().empty());
    CPPUNIT_ASSERT(login_.external("somebody else") == State::failure);
    CPPUNIT_ASSERT_EQUAL("EXTERNAL  out\n"s, told());
    CPPUNIT_ASSERT(login_.begin(scene(), "EXTERNAL") == Begun::external);
    CPPUNIT_ASSERT(login_.external("") == State::success && login_.settled());
    login_.forget();
    policy_.always_deny = true;
    login_.take_identity(scene());
    CPPUNIT_ASSERT(login_.user().empty());
    login_.vouched_for("client", "XCLIENT");
    CPPUNIT_ASSERT_EQUAL("XCLIENT client in\n"s, told());
    CPPUNIT_ASSERT(!login_.known(policy_));
  }

  void everybody_and_nobody() {
    tls_.emplace();
    policy_.always_allow = true;
    CPPUNIT_ASSERT(login_.known(policy_));
    login_.begin(scene(), "PLAIN");
    CPPUNIT_ASSERT(login_.first(policy_, nobody) == State::success && login_.user().empty());
    CPPUNIT_ASSERT_EQUAL("PLAIN anonymous in\n"s, told());
    policy_.always_deny = true;
    CPPUNIT_ASSERT(!login_.known(policy_));
    login_.begin(scene(), "PLAIN");
    CPPUNIT_ASSERT(login_.first(policy_, alice) == State::failure);
    CPPUNIT_ASSERT_EQUAL("PLAIN alice out\n"s, told());
  }

  void failures() {
    tls_.emplace();
    policy_.auth_failure_limit = 2;
    login_.begin(scene(), "PLAIN");
    CPPUNIT_ASSERT(login_.first(policy_, nobody) == State::failure && !login_.in_exchange());
    CPPUNIT_ASSERT(login_.may_go_on(policy_));
    login_.forget();
    CPPUNIT_ASSERT(!login_.may_go_on(policy_));
    policy_.auth_failure_limit = 0;
    CPPUNIT_ASSERT(login_.may_go_on(policy_));
    // Each waits for its own second, up to a minute; a longer delay stays.
    using std::chrono::seconds;
    CPPUNIT_ASSERT(penalized(Duration{0}) == seconds(1) && penalized(seconds(4)) == seconds(5));
    CPPUNIT_ASSERT(penalized(seconds(60)) == seconds(60) && penalized(seconds(90)) == seconds(90));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LoginTest);

}  // namespace
