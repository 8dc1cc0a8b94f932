// Limits, rates and marks by themselves, with a clock of the test's own.
#include "server/limits.h"
#include "server/memory_marks.h"
#include "server/throttle.h"

#include "../net/certs.h"

#include <cppunit/extensions/HelperMacros.h>

#include <filesystem>
#include <thread>
#include <vector>

using namespace impulse;
using namespace impulse::server;
using namespace std::chrono_literals;
using namespace std::string_literals;
using namespace std::string_view_literals;
using config::Rate;
using config::ScopeKind;

namespace {

// Ahead of the clock by which a Place leaves: what has left is not over, however long the tests take.
const SteadyTime start = steady_now() + 24h;
const Endpoint door = Endpoint::parse("127.0.0.1:25").value();
const Endpoint other_door = Endpoint::parse("127.0.0.1:587").value();

IpAddress ip(const std::string& text) { return IpAddress::parse(text).value(); }

using Entered = std::expected<Limits::Place, smtp::HostRefusal>;

std::string_view cause(const Entered& entered) { return entered ? "" : entered.error().cause; }

class LimitsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LimitsTest);
  CPPUNIT_TEST(a_rate_over_borders_of_windows);
  CPPUNIT_TEST(a_rate_that_changes);
  CPPUNIT_TEST(no_limit);
  CPPUNIT_TEST(each_limit);
  CPPUNIT_TEST(who_is_refused_takes_nothing);
  CPPUNIT_TEST(a_place_that_moves);
  CPPUNIT_TEST(a_place_that_becomes_anothers);
  CPPUNIT_TEST(tenants_are_counted_apart);
  CPPUNIT_TEST(ipv6_by_its_64);
  CPPUNIT_TEST(memory_is_bounded);
  CPPUNIT_TEST(many_threads);
  CPPUNIT_TEST(marks);
  CPPUNIT_TEST(what_the_kernel_says);
  CPPUNIT_TEST_SUITE_END();

  static Entered enter(Limits& limits, const SessionLimits& values, const std::string& client = "192.0.2.1",
                       const Endpoint& listen = door, SteadyTime now = start,
                       ScopeKind kind = ScopeKind::esmtp_listener) {
    return limits.enter(values, kind, listen, ip(client), now);
  }

  void a_rate_over_borders_of_windows() {
    const Rate rate{10, 60s};
    RateWindow window;
    for (int i = 0; i < 10; ++i) CPPUNIT_ASSERT(window.take(rate, start + i * 1s));
    CPPUNIT_ASSERT(!window.take(rate, start + 59s));
    CPPUNIT_ASSERT(!window.take(rate, start + 60s));  // all ten are less than a minute and a bit old
    CPPUNIT_ASSERT(window.take(rate, start + 67s));   // by their share, nine are left
    CPPUNIT_ASSERT(!window.take(rate, start + 67s));
    // Who asks all the time gets what the rate says, not twice as much.
    int taken = 0;
    RateWindow busy;
    for (SteadyTime now = start; now < start + 600s; now += 100ms) taken += busy.take(rate, now);
    CPPUNIT_ASSERT(taken >= 90 && taken <= 100);
    CPPUNIT_ASSERT(!window.over(60s, start + 120s));
    CPPUNIT_ASSERT(window.over(60s, start + 240s));
    window.take(rate, start + 500s);
    window.give_back();
    CPPUNIT_ASSERT(window.over(60s, start + 500s));
    window.give_back();  // nothing is there to be given back
    CPPUNIT_ASSERT(window.take(rate, start + 500s));
  }

  void a_rate_that_changes() {
    RateWindow window;
    for (int i = 0; i < 5; ++i) CPPUNIT_ASSERT(window.take({5, 60s}, start));
    CPPUNIT_ASSERT(!window.take({5, 60s}, start + 1s));
    CPPUNIT_ASSERT(window.take({6, 60s}, start + 1s));
    CPPUNIT_ASSERT(!window.take({2, 60s}, start + 2s));
    CPPUNIT_ASSERT(window.take({}, start + 2s));  // none
  }

  void no_limit() {
    Limits limits;
    std::vector<Limits::Place> places;
    for (int i = 0; i < 1000; ++i) places.push_back(std::move(enter(limits, {}).value()));
    places.clear();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, limits.idle());
  }

  void each_limit() {
    Limits limits;
    std::vector<Limits::Place> places;
    places.push_back(std::move(enter(limits, {}).value()));
    places.push_back(std::move(enter(limits, {}, "192.0.2.2", other_door).value()));
    CPPUNIT_ASSERT(cause(enter(limits, {.listener = 1})) == "listener_sessions");
    CPPUNIT_ASSERT(cause(enter(limits, {.listener = 2})).empty());
    CPPUNIT_ASSERT(cause(enter(limits, {.service = 2})) == "service_sessions");
    CPPUNIT_ASSERT(cause(enter(limits, {.service = 3})).empty());
    CPPUNIT_ASSERT(cause(enter(limits, {.service = 1}, "192.0.2.1", door, start, ScopeKind::lmtp_listener)).empty());
    CPPUNIT_ASSERT(cause(enter(limits, {.peer = 1}, "192.0.2.2")) == "peer_sessions");  // at whatever door
    CPPUNIT_ASSERT(cause(enter(limits, {.peer = 2}, "192.0.2.2")).empty());
    CPPUNIT_ASSERT(cause(enter(limits, {.peer = 1}, "192.0.2.3")).empty());
    const Rate rate{1, 60s};
    CPPUNIT_ASSERT(cause(enter(limits, {.rate = rate}, "192.0.2.4")).empty());
    const Entered again = enter(limits, {.rate = rate}, "192.0.2.4", door, start + 1s);
    CPPUNIT_ASSERT(cause(again) == "connection_rate");
    CPPUNIT_ASSERT_EQUAL(421, again.error().code);
    CPPUNIT_ASSERT(again.error().enhanced == "4.7.0");
    CPPUNIT_ASSERT(cause(enter(limits, {.rate = rate}, "192.0.2.4", door, start + 121s)).empty());
  }

  void tenants_are_counted_apart() {
    Limits limits;
    const auto come = [&](const SessionLimits& values, std::string_view tenant, const Endpoint& listen = door) {
      return limits.enter(values, ScopeKind::esmtp_listener, listen, ip("192.0.2.1"), start, tenant);
    };
    std::vector<Limits::Place> places;
    for (const char* tenant : {"blue", "green", ""}) {
      places.push_back(std::move(come({.rate = {1, 60s}}, tenant).value()));
      CPPUNIT_ASSERT(cause(come({.peer = 1}, tenant)) == "peer_sessions");
      CPPUNIT_ASSERT(cause(come({.service = 1}, tenant, other_door)) == "service_sessions");
      CPPUNIT_ASSERT(cause(come({.rate = {1, 60s}}, tenant, other_door)) == "connection_rate");
    }
    // But a Listen is one, whoever comes by it.
    CPPUNIT_ASSERT(cause(come({.listener = 3}, "red")) == "listener_sessions");
    CPPUNIT_ASSERT(cause(come({.listener = 4}, "red")).empty());
    places.erase(places.begin());  // blue's
    CPPUNIT_ASSERT(cause(come({.service = 1, .peer = 1}, "blue")).empty());
    CPPUNIT_ASSERT(cause(come({.peer = 1}, "green")) == "peer_sessions");
  }

  void who_is_refused_takes_nothing() {
    Limits limits;
    {
      const Entered only = enter(limits, {});
      for (int i = 0; i < 10; ++i) {
        CPPUNIT_ASSERT(!enter(limits, {.listener = 1, .rate = {3, 60s}}));
        CPPUNIT_ASSERT(!enter(limits, {.peer = 1, .rate = {3, 60s}}));
        CPPUNIT_ASSERT(!enter(limits, {.service = 1, .rate = {3, 60s}}, "192.0.2.7"));
      }
      CPPUNIT_ASSERT(enter(limits, {.listener = 2, .service = 2, .peer = 2, .rate = {3, 60s}}));
    }
    CPPUNIT_ASSERT(enter(limits, {.listener = 1, .service = 1, .peer = 1, .rate = {3, 60s}}));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, limits.idle());
  }

  void a_place_that_moves() {
    Limits limits;
    Limits::Place place = std::move(enter(limits, {}).value());
    limits.move(place, other_door);
    CPPUNIT_ASSERT(enter(limits, {.listener = 1}));
    CPPUNIT_ASSERT(!enter(limits, {.listener = 1}, "192.0.2.1", other_door));
    Limits::Place taken = std::move(place);
    place = {};
    CPPUNIT_ASSERT(!enter(limits, {.listener = 1}, "192.0.2.1", other_door));
    taken = {};
    CPPUNIT_ASSERT(enter(limits, {.listener = 1}, "192.0.2.1", other_door));
    limits.move(taken, door);  // holds nothing
    CPPUNIT_ASSERT(enter(limits, {.listener = 1}));
  }

  void a_place_that_becomes_anothers() {
    Limits limits;
    const SessionLimits values{.listener = 2, .service = 2, .peer = 1, .rate = {2, 60s}};
    auto gateway = enter(limits, values, "192.0.2.1");
    CPPUNIT_ASSERT(gateway);
    const auto become = [&](Limits::Place& place, const std::string& client, std::string_view tenant = {}) {
      const auto refusal = limits.become(place, values, ip(client), start, tenant);
      return refusal ? std::string(refusal->cause) : std::string();
    };
    // Of the same address nothing is counted anew, at no limit.
    CPPUNIT_ASSERT_EQUAL(""s, become(*gateway, "192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(""s, become(*gateway, "198.51.100.7"));
    auto second = enter(limits, values, "192.0.2.1");  // the gateway's place is free again
    CPPUNIT_ASSERT(second);
    CPPUNIT_ASSERT_EQUAL("peer_sessions"s, become(*second, "198.51.100.7"));
    CPPUNIT_ASSERT_EQUAL("peer_sessions"sv, cause(enter(limits, values, "192.0.2.1")));  // and it is where it was
    CPPUNIT_ASSERT_EQUAL("service_sessions"sv, cause(enter(limits, values, "192.0.2.9")));
    // Each that comes counts for the rate of whom it becomes.
    *gateway = {};
    CPPUNIT_ASSERT_EQUAL(""s, become(*second, "198.51.100.7"));
    CPPUNIT_ASSERT_EQUAL(""s, become(*second, "192.0.2.2"));
    CPPUNIT_ASSERT_EQUAL("connection_rate"s, become(*second, "198.51.100.7"));
    // Of a tenant it is none of ours.
    CPPUNIT_ASSERT_EQUAL(""s, become(*second, "198.51.100.7", "t"));
    auto third = enter(limits, values, "192.0.2.3");
    CPPUNIT_ASSERT(third);
    *second = {};
    *third = {};
    Limits::Place none;
    CPPUNIT_ASSERT_EQUAL(""s, become(none, "198.51.100.7"));
    std::vector<Limits::Place> places;
    for (int i = 0; i < 2; ++i) places.push_back(std::move(enter(limits, {.listener = 2, .service = 2}).value()));
  }

  void ipv6_by_its_64() {
    Limits limits;
    const Entered first = enter(limits, {}, "2001:db8::1");
    CPPUNIT_ASSERT(cause(enter(limits, {.peer = 1}, "2001:db8::ffff:1")) == "peer_sessions");
    CPPUNIT_ASSERT(cause(enter(limits, {.peer = 1}, "2001:db8:0:1::1")).empty());
  }

  void memory_is_bounded() {
    Limits limits;
    const SessionLimits values{.rate = {5, 3600s}};
    for (uint32_t i = 0; i < 200000; ++i)
      CPPUNIT_ASSERT(limits.enter(values, ScopeKind::esmtp_listener, door, IpAddress::v4(i), steady_now()));
    CPPUNIT_ASSERT(limits.idle() > Limits::most_idle / 2);
    CPPUNIT_ASSERT(limits.idle() <= Limits::most_idle + 64);
  }

  void many_threads() {
    Limits limits;
    std::atomic<int> inside{0}, most{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 5000; ++i) {
          const Entered entered = enter(limits, {.listener = 3}, "192.0.2." + std::to_string(t + i % 3));
          if (!entered) continue;
          const int now = ++inside;
          for (int before = most; before < now && !most.compare_exchange_weak(before, now);) {
          }
          --inside;
        }
      });
    for (std::thread& thread : threads) thread.join();
    CPPUNIT_ASSERT(most >= 1 && most <= 3);
    for (int i = 0; i < 3; ++i) CPPUNIT_ASSERT(enter(limits, {.listener = 1}));  // nothing was left behind
    CPPUNIT_ASSERT_EQUAL(size_t{0}, limits.idle());
  }

  void marks() {
    unsigned percent = 50;
    int looks = 0, shrinks = 0;
    std::string told;
    MemoryMarks marks(
        {.in_use =
             [&] {
               ++looks;
               return percent;
             },
         .shrink = [&] { ++shrinks; },
         .tell = [&](bool full, unsigned at) { told += (full ? " full " : " well ") + std::to_string(at); }});
    CPPUNIT_ASSERT(!marks.full(90, 95, start));
    percent = 92;
    CPPUNIT_ASSERT(!marks.full(90, 95, start + 999ms));
    CPPUNIT_ASSERT_EQUAL(1, looks);
    CPPUNIT_ASSERT_EQUAL(0, shrinks);
    CPPUNIT_ASSERT(!marks.full(90, 95, start + 1s));
    CPPUNIT_ASSERT_EQUAL(1, shrinks);
    percent = 95;
    CPPUNIT_ASSERT(marks.full(90, 95, start + 2s));
    CPPUNIT_ASSERT(marks.full(90, 95, start + 2500ms));
    CPPUNIT_ASSERT_EQUAL(3, looks);
    CPPUNIT_ASSERT_EQUAL(1, shrinks);
    CPPUNIT_ASSERT(!marks.full(90, 96, start + 2500ms));  // live
    CPPUNIT_ASSERT(marks.full(90, 95, start + 11s));
    CPPUNIT_ASSERT_EQUAL(2, shrinks);
    percent = 10;
    CPPUNIT_ASSERT(!marks.full(90, 95, start + 12s));
    CPPUNIT_ASSERT_EQUAL(std::string(" full 95 well 95 full 95 well 10"), told);
  }

  void what_the_kernel_says() {
    net::test::TempDir root;
    const auto put = [&](const std::string& path, const std::string& text) {
      std::filesystem::create_directories(std::filesystem::path(root / path).parent_path());
      net::test::write_file(root / path, text);
    };
    const std::string at = root.path();
    CPPUNIT_ASSERT_EQUAL(0U, memory_in_use(at));  // nothing is known
    put("proc/meminfo", "MemTotal:  1000 kB\nMemFree:  10 kB\nMemAvailable:  700 kB\n");
    CPPUNIT_ASSERT_EQUAL(30U, memory_in_use(at));
    put("proc/self/cgroup", "0::/system.slice/impulse.service\n");
    put("sys/fs/cgroup/system.slice/impulse.service/memory.max", "max\n");
    put("sys/fs/cgroup/system.slice/impulse.service/memory.current", "5000\n");
    CPPUNIT_ASSERT_EQUAL(30U, memory_in_use(at));  // no limit of its own
    put("sys/fs/cgroup/system.slice/memory.max", "1000\n");
    put("sys/fs/cgroup/system.slice/memory.current", "900\n");
    put("sys/fs/cgroup/system.slice/memory.stat", "anon 1\nactive_file 100\ninactive_file 200\n");
    CPPUNIT_ASSERT_EQUAL(60U, memory_in_use(at));  // but around it, without the page cache
    put("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/box\n0::/\n");
    CPPUNIT_ASSERT_EQUAL(30U, memory_in_use(at));
    put("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "1000\n");
    put("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "450\n");
    CPPUNIT_ASSERT_EQUAL(45U, memory_in_use(at));
    put("proc/self/cgroup", "nonsense\n::\n4:memory\n");
    put("proc/meminfo", "MemTotal: lots\n");
    CPPUNIT_ASSERT_EQUAL(0U, memory_in_use(at));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LimitsTest);

}  // namespace
