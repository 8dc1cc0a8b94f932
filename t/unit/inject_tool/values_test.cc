// ec_inject's values: distributions, address patterns, percentiles, pace, the body that all share.
#include "console/inject/distribution.h"
#include "console/inject/filler.h"
#include "console/inject/histogram.h"
#include "console/inject/pacer.h"
#include "console/inject/pattern.h"

#include <cppunit/extensions/HelperMacros.h>

#include <map>
#include <string>

namespace impulse::ecinject {
namespace {

class ValuesTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ValuesTest);
  CPPUNIT_TEST(quantities);
  CPPUNIT_TEST(no_distributions);
  CPPUNIT_TEST(draws_stay_in_range);
  CPPUNIT_TEST(weights_are_kept);
  CPPUNIT_TEST(lognormal_has_its_median);
  CPPUNIT_TEST(same_seed_same_draws);
  CPPUNIT_TEST(patterns);
  CPPUNIT_TEST(no_patterns);
  CPPUNIT_TEST(domains);
  CPPUNIT_TEST(percentiles_of_small_values);
  CPPUNIT_TEST(percentiles_are_near);
  CPPUNIT_TEST(percentiles_of_nothing);
  CPPUNIT_TEST(pace);
  CPPUNIT_TEST(pace_after_a_pause);
  CPPUNIT_TEST(no_pace);
  CPPUNIT_TEST(filler_of_any_size);
  CPPUNIT_TEST_SUITE_END();

  static Distribution parsed(std::string_view text) {
    auto made = Distribution::parse(text, 1, 1 << 20);
    CPPUNIT_ASSERT_MESSAGE(std::string(text) + (made ? "" : ": " + made.error().message), made);
    return *made;
  }

  void quantities() {
    CPPUNIT_ASSERT_EQUAL(uint64_t{500}, parse_quantity("500").value());
    CPPUNIT_ASSERT_EQUAL(uint64_t{10240}, parse_quantity("10k").value());
    CPPUNIT_ASSERT_EQUAL(uint64_t{2} << 20, parse_quantity("2M").value());
    CPPUNIT_ASSERT_EQUAL(uint64_t{1} << 30, parse_quantity("1g").value());
    for (const char* bad : {"", "k", "-1", "1.5k", "1kb", "0x10", " 1", "18446744073709551615k"})
      CPPUNIT_ASSERT_MESSAGE(bad, !parse_quantity(bad));
  }

  void no_distributions() {
    for (const char* bad : {"",
                            "0",
                            "2M",
                            "10-5",
                            "1-",
                            "-5",
                            "0-5",
                            "1k:0",
                            "1k:-1",
                            "1k:x",
                            "1k:1,",
                            "1k:1,2k",
                            "1k:1:1",
                            "lognormal:",
                            "lognormal:8k",
                            "lognormal:8k:0",
                            "lognormal:8k:11",
                            "lognormal:8k:nan",
                            "lognormal:0:1",
                            "1k:inf",
                            "uniform"})
      CPPUNIT_ASSERT_MESSAGE(bad, !Distribution::parse(bad, 1, 1 << 20));
  }

  void draws_stay_in_range() {
    const std::map<std::string, std::pair<uint64_t, uint64_t>> ranges{
        {"7", {7, 7}}, {"3-5", {3, 5}}, {"lognormal:1k:5", {1, 1 << 20}}, {"2:1,9:1", {2, 9}}};
    for (const auto& [text, range] : ranges) {
      const Distribution distribution = parsed(text);
      uint64_t least = UINT64_MAX;
      uint64_t most = 0;
      for (uint64_t i = 0; i < 2000; ++i) {
        Random random(1, i);
        const uint64_t value = distribution.draw(random);
        least = std::min(least, value);
        most = std::max(most, value);
      }
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, range.first, least);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, range.second, most);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, range.second, distribution.largest());
    }
  }

  void weights_are_kept() {
    const Distribution distribution = parsed("1k:80,10k:15,100k:5");
    std::map<uint64_t, int> seen;
    for (uint64_t i = 0; i < 10000; ++i) {
      Random random(4, i);
      ++seen[distribution.draw(random)];
    }
    CPPUNIT_ASSERT_EQUAL(size_t{3}, seen.size());
    CPPUNIT_ASSERT(std::abs(seen[1 << 10] - 8000) < 200);
    CPPUNIT_ASSERT(std::abs(seen[10 << 10] - 1500) < 150);
    CPPUNIT_ASSERT(std::abs(seen[100 << 10] - 500) < 100);
  }

  void lognormal_has_its_median() {
    const Distribution distribution = parsed("lognormal:8k:1.2");
    int below = 0;
    for (uint64_t i = 0; i < 10000; ++i) {
      Random random(9, i);
      below += distribution.draw(random) < 8192 ? 1 : 0;
    }
    CPPUNIT_ASSERT(std::abs(below - 5000) < 200);
  }

  void same_seed_same_draws() {
    Random one(7, 3);
    Random same(7, 3);
    Random other_index(7, 4);
    Random other_seed(8, 3);
    const uint64_t first = one.next();
    CPPUNIT_ASSERT_EQUAL(first, same.next());
    CPPUNIT_ASSERT(first != other_index.next());
    CPPUNIT_ASSERT(first != other_seed.next());
  }

  void patterns() {
    Naming naming;
    CPPUNIT_ASSERT(parse_domains("a.example", naming));
    naming.users = 1;
    Random random(1, 1);
    const auto fill = [&](std::string_view text) {
      std::string out = "old";
      const auto pattern = AddressPattern::parse(text);
      CPPUNIT_ASSERT_MESSAGE(std::string(text), pattern);
      pattern->fill(41, 6, naming, random, out);
      return out;
    };
    CPPUNIT_ASSERT_EQUAL(std::string("u0-42-7@a.example"), fill("u{random}-{message}-{recipient}@{domain}"));
    CPPUNIT_ASSERT_EQUAL(std::string("{x}@b"), fill("{{x}@b"));
    CPPUNIT_ASSERT_EQUAL(std::string(), fill(""));
  }

  void no_patterns() {
    for (const char* bad : {"{user}@b", "a{@b", "{}", "{message", "a b@c", "<a@b>", "a@b\r\nRCPT TO:<c@d>"})
      CPPUNIT_ASSERT_MESSAGE(bad, !AddressPattern::parse(bad));
  }

  void domains() {
    Naming naming;
    CPPUNIT_ASSERT(parse_domains("a.example:9, b.example:1,[IPv6:::1],[127.0.0.1]:2", naming));
    CPPUNIT_ASSERT(naming.domains == (std::vector<std::string>{"a.example", "b.example", "[IPv6:::1]", "[127.0.0.1]"}));
    for (const char* bad : {"", "a,,b", "a:0", "a:x", "a:", "a b", "x@a"})
      CPPUNIT_ASSERT_MESSAGE(bad, !parse_domains(bad, naming));
    CPPUNIT_ASSERT_EQUAL(size_t{4}, naming.domains.size());  // as it was
  }

  void percentiles_of_small_values() {
    Histogram histogram;
    for (uint64_t i = 1; i <= 100; ++i) histogram.add(i);
    CPPUNIT_ASSERT_EQUAL(uint64_t{50}, histogram.percentile(0.5));
    CPPUNIT_ASSERT_EQUAL(uint64_t{99}, histogram.percentile(0.99));
    CPPUNIT_ASSERT_EQUAL(uint64_t{100}, histogram.percentile(1));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, histogram.percentile(0));
    CPPUNIT_ASSERT_EQUAL(uint64_t{100}, histogram.max());
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, histogram.min());
    CPPUNIT_ASSERT_DOUBLES_EQUAL(50.5, histogram.mean(), 1e-9);
  }

  void percentiles_are_near() {
    for (uint64_t scale = 1; scale < uint64_t{1} << 36; scale = scale * 3 + 1) {
      Histogram histogram;
      for (uint64_t i = 1; i <= 1000; ++i) histogram.add(i * scale);
      for (const double part : {0.01, 0.5, 0.9, 0.99, 0.999}) {
        const double exact = std::min(part * 1000 * static_cast<double>(scale), 0x1p40);
        CPPUNIT_ASSERT_DOUBLES_EQUAL(exact, static_cast<double>(histogram.percentile(part)), exact / 60 + 1);
      }
    }
    Histogram histogram;
    histogram.add(UINT64_MAX);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1} << 40, histogram.percentile(0.5));
  }

  void percentiles_of_nothing() {
    const Histogram histogram;
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, histogram.percentile(0.5));
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, histogram.min());
  }

  void pace() {
    Pacer pacer(10);
    uint64_t sent = 0;
    // In steps that no message falls on.
    for (int step = 0; step <= 1000; ++step) {
      const double now = step * 0.0137;
      const uint64_t due = pacer.due(now);
      CPPUNIT_ASSERT(due <= 1);
      pacer.took(due);
      sent += due;
      if (due == 0) CPPUNIT_ASSERT(pacer.next() > now && pacer.next() <= now + 0.1);
    }
    CPPUNIT_ASSERT_EQUAL(uint64_t{138}, sent);  // 13.7 s, and one at the begin
  }

  void pace_after_a_pause() {
    Pacer pacer(10);
    pacer.took(pacer.due(0));
    CPPUNIT_ASSERT_EQUAL(uint64_t{10}, pacer.due(100));  // a second's worth, not a thousand
    pacer.took(10);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, pacer.due(100));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, pacer.due(100.11));
  }

  void no_pace() {
    Pacer pacer(0);
    CPPUNIT_ASSERT_EQUAL(UINT64_MAX, pacer.due(0));
    pacer.took(1000);
    CPPUNIT_ASSERT_EQUAL(UINT64_MAX, pacer.due(0));
  }

  void filler_of_any_size() {
    const Filler filler(1000);
    for (size_t size = 0; size <= 1000; ++size) {
      if (size == 1) continue;
      std::string text;
      filler.append(size, text);
      CPPUNIT_ASSERT_EQUAL(size, text.size());
      CPPUNIT_ASSERT(text.empty() || text.ends_with("\r\n"));
      CPPUNIT_ASSERT(!text.starts_with('.') && text.find("\n.") == std::string::npos);
      std::string escaped;
      filler.append_json(size, escaped);
      std::string plain;
      for (size_t i = 0; i < escaped.size(); ++i) {
        CPPUNIT_ASSERT(escaped[i] != '"' && escaped[i] >= ' ');
        plain += escaped[i] != '\\' ? escaped[i] : escaped[++i] == 'r' ? '\r' : '\n';
      }
      CPPUNIT_ASSERT_EQUAL(text, plain);
      for (size_t lf = text.find('\n'); lf != std::string::npos; lf = text.find('\n', lf + 1))
        CPPUNIT_ASSERT(lf > 0 && text[lf - 1] == '\r');
    }
    std::string large;
    Filler(size_t{1} << 30).append(5'000'001, large);  // more than is in memory
    CPPUNIT_ASSERT_EQUAL(size_t{5'000'001}, large.size());
    CPPUNIT_ASSERT(large.ends_with("\r\n"));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ValuesTest);

}  // namespace
}  // namespace impulse::ecinject
