// The table of counters is whole, and counting from many threads loses nothing.
#include "telemetry/counters.h"

#include <cppunit/extensions/HelperMacros.h>

#include <set>
#include <string_view>
#include <thread>
#include <vector>

using namespace impulse::telemetry;

class CountersTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(CountersTest);
  CPPUNIT_TEST(every_counter_is_described_once);
  CPPUNIT_TEST(definitions_stand_at_their_counters_place);
  CPPUNIT_TEST(starts_at_zero_and_adds);
  CPPUNIT_TEST(found_by_name);
  CPPUNIT_TEST(a_reset_changes_only_what_is_shown);
  CPPUNIT_TEST(gauges_are_not_reset);
  CPPUNIT_TEST(loses_nothing_between_threads);
  CPPUNIT_TEST(refusals_are_counted_by_scope_too);
  CPPUNIT_TEST(what_a_tenant_does_is_counted_for_it_too);
  CPPUNIT_TEST_SUITE_END();

  void every_counter_is_described_once() {
    const auto defs = counter_defs();
    CPPUNIT_ASSERT_EQUAL(static_cast<size_t>(Counter::count_), defs.size());
    std::set<std::string_view> names;
    for (const auto& def : defs) {
      CPPUNIT_ASSERT(names.insert(def.name).second);
      CPPUNIT_ASSERT(!def.help.empty());
      // Fit for a Prometheus name and for a console line.
      CPPUNIT_ASSERT(def.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos);
    }
  }

  void definitions_stand_at_their_counters_place() {
    const auto& open = counter_defs()[static_cast<size_t>(Counter::sessions_open)];
    CPPUNIT_ASSERT(open.name == "sessions_open");
    CPPUNIT_ASSERT(open.gauge);
    const auto& received = counter_defs()[static_cast<size_t>(Counter::messages_received)];
    CPPUNIT_ASSERT(received.name == "messages_received");
    CPPUNIT_ASSERT(!received.gauge);
  }

  void refusals_are_counted_by_scope_too() {
    CPPUNIT_ASSERT(refusal_counter("relay") == Counter::refused_relay);
    CPPUNIT_ASSERT(refusal_counter("auth") == Counter::refused_auth);
    for (const std::string_view unknown : {"", "nonesuch", "refused_relay", "rela"})
      CPPUNIT_ASSERT(refusal_counter(unknown) == Counter::refused_other);
    Counters counters;
    Counters::Scope& first = counters.scope("ESMTP_Listener *:25");
    Counters::Scope& second = counters.scope("ESMTP_Listener *:587");
    CPPUNIT_ASSERT(&first == &counters.scope("ESMTP_Listener *:25"));
    counters.refused(first, Counter::refused_relay);
    counters.refused(first, Counter::refused_other);
    counters.refused(second, Counter::refused_relay);
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, counters.value(Counter::refused_relay));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, first.value(Counter::refused_relay));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, first.value(Counter::refused_size));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, first.value(Counter::deliveries));  // no refusal
    counters.reset(Counter::refused_relay, impulse::wall_now());
    counters.refused(second, Counter::refused_relay);
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, counters.shown(Counter::refused_relay));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, first.shown(Counter::refused_relay));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, second.shown(Counter::refused_relay));
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, second.value(Counter::refused_relay));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, first.shown(Counter::refused_other));
    std::vector<std::string> names;
    counters.each_scope([&](const std::string& name, const Counters::Scope&) { names.push_back(name); });
    CPPUNIT_ASSERT(names == std::vector<std::string>({"ESMTP_Listener *:25", "ESMTP_Listener *:587"}));
  }

  void what_a_tenant_does_is_counted_for_it_too() {
    Counters counters;
    CPPUNIT_ASSERT(counters.tenant("") == nullptr);
    Counters::Scope* const blue = counters.tenant("blue");
    CPPUNIT_ASSERT(blue == counters.tenant("blue") && blue != counters.tenant("green"));
    CPPUNIT_ASSERT(blue == &counters.scope("Tenant blue"));
    counters.add(blue, Counter::deliveries, 3);
    counters.add(nullptr, Counter::deliveries, 2);
    counters.add(blue, Counter::sessions_open);
    CPPUNIT_ASSERT_EQUAL(int64_t{5}, counters.value(Counter::deliveries));
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, blue->value(Counter::deliveries));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, counters.tenant("green")->value(Counter::deliveries));
    counters.reset(impulse::wall_now());
    counters.add(blue, Counter::deliveries);
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, blue->shown(Counter::deliveries));
    CPPUNIT_ASSERT_EQUAL(int64_t{4}, blue->value(Counter::deliveries));
    CPPUNIT_ASSERT_EQUAL(int64_t{1}, blue->shown(Counter::sessions_open));
    for (const auto& def : counter_defs()) CPPUNIT_ASSERT(!def.refusal || def.tenant);
  }

  void starts_at_zero_and_adds() {
    Counters counters;
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, counters.value(Counter::sessions_open));
    counters.add(Counter::sessions_open);
    counters.add(Counter::sessions_open, 4);
    counters.add(Counter::sessions_open, -2);
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, counters.value(Counter::sessions_open));
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, counters.value(Counter::connections_accepted));
  }

  void found_by_name() {
    CPPUNIT_ASSERT(find_counter("deliveries") == Counter::deliveries);
    CPPUNIT_ASSERT(find_counter("Deliveries") == Counter::deliveries);
    CPPUNIT_ASSERT(!find_counter("deliverie"));
    CPPUNIT_ASSERT(!find_counter(""));
  }

  void a_reset_changes_only_what_is_shown() {
    const impulse::WallTime now{std::chrono::seconds(1234567)};
    Counters counters;
    counters.add(Counter::deliveries, 5);
    counters.add(Counter::bytes_received, 7);
    CPPUNIT_ASSERT_EQUAL(int64_t{5}, counters.shown(Counter::deliveries));
    CPPUNIT_ASSERT(counters.reset_at(Counter::deliveries) == impulse::WallTime{});
    counters.reset(Counter::deliveries, now);
    counters.add(Counter::deliveries, 2);
    CPPUNIT_ASSERT_EQUAL(int64_t{2}, counters.shown(Counter::deliveries));
    CPPUNIT_ASSERT_EQUAL(int64_t{7}, counters.value(Counter::deliveries));
    CPPUNIT_ASSERT_EQUAL(int64_t{7}, counters.shown(Counter::bytes_received));
    CPPUNIT_ASSERT(counters.reset_at(Counter::deliveries) == now);
    CPPUNIT_ASSERT(counters.reset_at(Counter::bytes_received) == impulse::WallTime{});
    counters.reset(now);
    CPPUNIT_ASSERT_EQUAL(int64_t{0}, counters.shown(Counter::bytes_received));
  }

  void gauges_are_not_reset() {
    Counters counters;
    counters.add(Counter::sessions_open, 3);
    counters.reset(Counter::sessions_open, impulse::WallTime{std::chrono::seconds(1)});
    counters.reset(impulse::WallTime{std::chrono::seconds(1)});
    CPPUNIT_ASSERT_EQUAL(int64_t{3}, counters.shown(Counter::sessions_open));
    CPPUNIT_ASSERT(counters.reset_at(Counter::sessions_open) == impulse::WallTime{});
  }

  void loses_nothing_between_threads() {
    Counters counters;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 10000; ++n) counters.add(Counter::bytes_received, 3);
      });
    }
    for (auto& thread : threads) thread.join();
    CPPUNIT_ASSERT_EQUAL(int64_t{4 * 10000 * 3}, counters.value(Counter::bytes_received));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(CountersTest);
