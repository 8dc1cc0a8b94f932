// The small parts of HTTP sessions: what is remembered of requests, numbers,
// claims, and how many messages at once fit a rate.
#include "server/figures.h"
#include "server/http_desk.h"
#include "server/http_idempotency.h"
#include "server/rate_window.h"

#include <cppunit/extensions/HelperMacros.h>

#include <set>
#include <string>

using namespace impulse;
using namespace impulse::server;

class HttpPartsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(HttpPartsTest);
  CPPUNIT_TEST(what_is_remembered);
  CPPUNIT_TEST(requests_that_differ);
  CPPUNIT_TEST(keys_of_different_users_do_not_meet);
  CPPUNIT_TEST(numbers_and_claims);
  CPPUNIT_TEST(many_at_once_fit_or_do_not);
  CPPUNIT_TEST(figures_are_gathered_now_and_then);
  CPPUNIT_TEST_SUITE_END();

  void figures_are_gathered_now_and_then() {
    uint64_t gathered = 0;
    FiguresCache cache([&gathered] {
      api::Figures figures;
      figures.generation = ++gathered;
      return figures;
    });
    const SteadyTime begin = steady_now();
    const auto first = cache.at(begin);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, first->generation);
    CPPUNIT_ASSERT(first == cache.at(begin + FiguresCache::age - Duration(1)));
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, cache.at(begin + FiguresCache::age)->generation);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, first->generation);
  }

  void what_is_remembered() {
    Remembered it{std::string(32, '\xAB'), 0x0102030405060708, 10000, R"({"results":{}})"};
    const auto back = from_value(to_value(it));
    CPPUNIT_ASSERT(back);
    CPPUNIT_ASSERT_EQUAL(it.digest, back->digest);
    CPPUNIT_ASSERT_EQUAL(it.number, back->number);
    CPPUNIT_ASSERT_EQUAL(it.messages, back->messages);
    CPPUNIT_ASSERT_EQUAL(it.answer, back->answer);
    CPPUNIT_ASSERT(!from_value(to_value(it).substr(0, 40)));
    CPPUNIT_ASSERT(!from_value(""));
    it.answer.assign(spool::Receipt::max_value, 'x');
    CPPUNIT_ASSERT(to_value(it).size() <= spool::Receipt::max_value);
    CPPUNIT_ASSERT(from_value(to_value(it))->answer.empty());
    CPPUNIT_ASSERT(!has_room_for(it.answer));
    CPPUNIT_ASSERT(has_room_for(it.answer.substr(48)));
    CPPUNIT_ASSERT_EQUAL(std::string(R"({"results":{"rejected":2,"id":"7"},"more":true})"),
                         shortened(R"({"results":{"rejected":2,"id":"7","to":[{"a":1},{}]},"errors":[],"more":true})"));
    CPPUNIT_ASSERT(shortened("nonsense").empty() && shortened("[1]").empty());
    for (const std::string_view key : {"a", "1-2_3:x/y", "~"}) CPPUNIT_ASSERT(is_idempotency_key(key));
    for (const std::string& key :
         {std::string(), std::string("a b"), std::string("\x7F"), std::string("\xC3\xA4"), std::string(256, 'x')})
      CPPUNIT_ASSERT(!is_idempotency_key(key));
  }

  void requests_that_differ() {
    const auto request = [](std::string body, std::vector<std::pair<std::string, std::string>> query = {},
                            std::string type = "application/json", std::string to = "a@b.example") {
      http::Request made;
      made.body = std::move(body);
      made.head.query = std::move(query);
      made.head.fields.add("Content-Type", std::move(type));
      made.head.fields.add("x-envelope-to", std::move(to));
      made.head.fields.add("X-Request-Id", made.body);
      return made;
    };
    using enum api::Style;
    const std::string one = request_digest(impulse, request("{}"));
    CPPUNIT_ASSERT_EQUAL(size_t{32}, one.size());
    auto same = request("{}");
    same.head.fields.add("User-Agent", "another");
    CPPUNIT_ASSERT_EQUAL(one, request_digest(impulse, same));
    std::set<std::string> all{one};
    all.insert(request_digest(transmissions, request("{}")));
    all.insert(request_digest(impulse, request("{ }")));
    all.insert(request_digest(impulse, request("{}", {{"a", "b"}})));
    all.insert(request_digest(impulse, request("{}", {{"ab", ""}})));
    all.insert(request_digest(impulse, request("{}", {}, "message/rfc822")));
    all.insert(request_digest(impulse, request("{}", {}, "application/json", "c@b.example")));
    CPPUNIT_ASSERT_EQUAL(size_t{7}, all.size());
  }

  void keys_of_different_users_do_not_meet() {
    const IpAddress here = IpAddress::v4(0x7F000001);
    HttpCaller alice{true, "alice", "blue", {}};
    HttpCaller upper{true, "alice", "Blue", {}};
    HttpCaller green{true, "alice", "green", {}};
    HttpCaller bob{true, "bob", "blue", {}};
    HttpCaller nobody{false, "", "blue", {}};
    HttpCaller sly{true, here.to_string(), "blue", {}};
    CPPUNIT_ASSERT_EQUAL(idempotency_owner(alice, here), idempotency_owner(upper, IpAddress::v4(1)));
    std::set<std::string> all;
    for (const HttpCaller& caller : {alice, green, bob, nobody, sly}) all.insert(idempotency_owner(caller, here));
    CPPUNIT_ASSERT_EQUAL(size_t{5}, all.size());
    CPPUNIT_ASSERT(idempotency_owner(nobody, here) != idempotency_owner(nobody, IpAddress::v4(1)));
  }

  void numbers_and_claims() {
    HttpDesk desk;
    std::set<uint64_t> numbers;
    for (int i = 0; i < 10000; ++i) numbers.insert(desk.number());
    CPPUNIT_ASSERT_EQUAL(size_t{10000}, numbers.size());
    CPPUNIT_ASSERT(!numbers.contains(0));
    auto claim = desk.claim("a");
    CPPUNIT_ASSERT(claim);
    CPPUNIT_ASSERT(!desk.claim("a"));
    CPPUNIT_ASSERT(desk.claim("b"));
    claim.reset();
    CPPUNIT_ASSERT(desk.claim("a"));
  }

  void many_at_once_fit_or_do_not() {
    RateWindow window;
    const config::Rate rate{10, std::chrono::seconds(60)};
    const SteadyTime now = steady_now();
    CPPUNIT_ASSERT(window.take(rate, now, 8));
    CPPUNIT_ASSERT(!window.take(rate, now, 3));
    CPPUNIT_ASSERT(window.take(rate, now, 2));
    CPPUNIT_ASSERT(!window.take(rate, now));
    window.give_back(2);
    CPPUNIT_ASSERT(window.take(rate, now, 2));
    window.give_back(100);
    CPPUNIT_ASSERT(window.take(rate, now, 10));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(HttpPartsTest);
