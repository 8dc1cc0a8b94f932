// What a Tenant's clients are counted and known by, where no socket is needed:
// throttles, and the desk where they prove who they are.
#include "server/auth_desk.h"
#include "server/throttle.h"

#include "../auth/sasl_client.h"
#include "../config/kit.h"
#include "../net/certs.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fstream>
#include <vector>

using namespace impulse;
using namespace impulse::server;
using config::ScopeKind;
using State = auth::SaslExchange::State;

namespace {

constexpr const char* doors = R"(
ESMTP_Listener {
  Inbound_Throttle_Messages = 1/3600
  Auth_Failure_Rate = 2/3600
  Listen "127.0.0.1:25" { }
  Listen "127.0.0.1:26" { Tenant = blue }
  Listen "127.0.0.1:27" { Tenant = green }
}
)";

const IpAddress client_address = IpAddress::parse("192.0.2.1").value();

Endpoint door(const std::string& tenant) {
  return Endpoint::parse(tenant == "blue"    ? "127.0.0.1:26"
                         : tenant == "green" ? "127.0.0.1:27"
                                             : "127.0.0.1:25")
      .value();
}
const config::Options& options(const config::Snapshot& snapshot, const std::string& tenant) {
  return snapshot.find_listen(ScopeKind::esmtp_listener, door(tenant))->for_peer(client_address);
}

class ServerTenantsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ServerTenantsTest);
  CPPUNIT_TEST(a_throttle_each);
  CPPUNIT_TEST(who_comes_in_where);
  CPPUNIT_TEST(failures_are_of_the_door);
  CPPUNIT_TEST(nobody_is_locked_out_from_another_door);
  CPPUNIT_TEST(names_of_others_are_nobodys);
  CPPUNIT_TEST_SUITE_END();

  net::test::TempDir dir_;
  telemetry::Counters counters_;
  std::unique_ptr<telemetry::Log> log_ = std::move(*telemetry::Log::open(dir_ / "log"));
  std::unique_ptr<telemetry::Acctlog> acctlog_ = std::move(*telemetry::Acctlog::open(dir_ / "acctlog"));
  std::unique_ptr<AuthDesk> desk_ = std::move(*AuthDesk::create(*log_, *acctlog_, counters_, "mx.example.com"));
  config::SnapshotPtr snapshot_ = config::test::snapshot(doors);
  smtp::ClientInfo client_;

 public:
  void setUp() override {
    client_.address = client_address;
    client_.listener = "127.0.0.1:25";
    std::ofstream(dir_ / "users") << "alice:shared\nblue/alice:blues\ngreen/alice:greens\nred/eve:eves\n";
  }

 private:
  AuthDesk::Visitor visitor(const std::string& tenant) {
    return {options(*snapshot_, tenant), client_, options(*snapshot_, tenant)[config::key::tenant], 1, snapshot_};
  }
  // By one mechanism as by the other.
  bool comes_in(const std::string& tenant, const std::string& user, const std::string& password) {
    std::vector<bool> done;
    for (const auth::Mechanism mechanism : {auth::Mechanism::plain, auth::Mechanism::cram_md5}) {
      const auth::Source source{mechanism, auth::Format::file, dir_ / "users", {}};
      auth::test::SaslClient client(std::string(auth::name(mechanism)), user, password);
      const auto exchange = std::move(*desk_->begin(visitor(tenant), source, nullptr));
      auto step = exchange->step(mechanism == auth::Mechanism::plain ? client.step("") : "");
      while (step.state == State::more) step = exchange->step(client.step(step.output));
      CPPUNIT_ASSERT_EQUAL(user, exchange->user());
      done.push_back(step.state == State::done);
    }
    CPPUNIT_ASSERT(done[0] == done[1]);
    return done[0];
  }

  void a_throttle_each() {
    Throttles throttles;
    const SteadyTime now = steady_now();
    const auto of = [&](const config::SnapshotPtr& snapshot, const std::string& tenant) {
      return throttles.of(*snapshot, options(*snapshot, tenant), ScopeKind::esmtp_listener, door(tenant),
                          client_address, now);
    };
    const config::Rate rate{1, std::chrono::hours(1)};
    for (const char* tenant : {"", "blue", "green"}) {
      CPPUNIT_ASSERT(of(snapshot_, tenant)->take(rate, now));
      CPPUNIT_ASSERT(!of(snapshot_, tenant)->take(rate, now));
    }
    // Whose client it is may show behind a door that is nobody's; and nowhere else.
    const auto shown = [&](const std::string& door_of, std::string_view tenant) {
      return throttles.of(*snapshot_, options(*snapshot_, door_of), ScopeKind::esmtp_listener, door(door_of),
                          client_address, now, tenant);
    };
    CPPUNIT_ASSERT(shown("", "blue") == of(snapshot_, "blue"));
    CPPUNIT_ASSERT(shown("green", "blue") == of(snapshot_, "green"));
    CPPUNIT_ASSERT(shown("", "") == of(snapshot_, ""));
    // What was counted stays when the configuration changes.
    CPPUNIT_ASSERT(of(config::test::snapshot(doors), "blue") == of(snapshot_, "blue"));
  }

  void who_comes_in_where() {
    for (const std::string tenant : {"", "blue", "green"})
      for (const std::string whose : {"", "blue", "green"}) {
        const std::string password = whose.empty() ? "shared" : whose + "s";
        CPPUNIT_ASSERT_EQUAL_MESSAGE(whose + " at " + tenant, whose == tenant, comes_in(tenant, "alice", password));
        if (!whose.empty()) CPPUNIT_ASSERT(!comes_in(tenant, whose + "/alice", password));
      }
    CPPUNIT_ASSERT(comes_in("", "red/eve", "eves"));
    // Once there is such a tenant, it is no name of a shared user any more.
    config::Diagnostics diagnostics;
    snapshot_ =
        config::compile(config::test::tree(std::string(doors) + "LMTP_Listener { Tenant = red }\n"), 2, diagnostics);
    CPPUNIT_ASSERT(!comes_in("", "red/eve", "eves"));
    CPPUNIT_ASSERT(!comes_in("", "RED/eve", "eves"));
  }

  void failures_are_of_the_door() {
    const smtp::ServerHost::AuthOutcome failed{"PLAIN", "alice", false, true};
    for (int i = 0; i < 2; ++i) desk_->told(visitor("blue"), failed);
    CPPUNIT_ASSERT(desk_->may_try(visitor("blue")));
    CPPUNIT_ASSERT(!desk_->may_try(visitor("green")));
    CPPUNIT_ASSERT(!desk_->may_try(visitor("")));
    // Nor is the user of that name locked out elsewhere.
    client_.address = IpAddress::parse("192.0.2.9").value();
    CPPUNIT_ASSERT(!comes_in("blue", "alice", "blues"));
    CPPUNIT_ASSERT(comes_in("green", "alice", "greens"));
    CPPUNIT_ASSERT(comes_in("", "alice", "shared"));
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, counters_.tenant("blue")->value(telemetry::Counter::auth_failures));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, counters_.tenant("green")->value(telemetry::Counter::auth_failures));
    acctlog_->flush();
    std::ifstream file(dir_ / "acctlog");
    std::string line;
    CPPUNIT_ASSERT(std::getline(file, line) && line.ends_with("@blue/alice@0"));
  }

  void nobody_is_locked_out_from_another_door() {
    for (int i = 0; i < 2; ++i) desk_->told(visitor(""), {"PLAIN", "blue/alice", false, true});
    client_.address = IpAddress::parse("192.0.2.9").value();
    CPPUNIT_ASSERT(comes_in("blue", "alice", "blues"));
    for (int i = 0; i < 2; ++i) desk_->told(visitor("green"), {"PLAIN", "alice", false, true});
    CPPUNIT_ASSERT(comes_in("blue", "alice", "blues"));
    CPPUNIT_ASSERT(comes_in("", "alice", "shared"));
  }

  void names_of_others_are_nobodys() {
    for (const char* name : {"blue/alice", "Blue/x", "green/"}) CPPUNIT_ASSERT(desk_->is_foreign(*snapshot_, name));
    for (const char* name : {"", "alice", "blue", "/alice", "red/alice", "blue /x", "a/blue/x"})
      CPPUNIT_ASSERT(!desk_->is_foreign(*snapshot_, name));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ServerTenantsTest);

}  // namespace
