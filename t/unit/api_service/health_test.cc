// What those are told that ask whether we live, and whether we take mail.
#include "api/health.h"

#include <cppunit/extensions/HelperMacros.h>
#include <nlohmann/json.hpp>

#include <vector>

using namespace impulse::api;
using namespace std::string_literals;

namespace {

class HealthTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(HealthTest);
  CPPUNIT_TEST(well);
  CPPUNIT_TEST(each_reason);
  CPPUNIT_TEST(all_of_them);
  CPPUNIT_TEST(a_reason_of_any_bytes);
  CPPUNIT_TEST_SUITE_END();

  static std::vector<std::string> codes(const HealthAnswer& answer) {
    std::vector<std::string> found;
    const auto body = nlohmann::json::parse(answer.body);
    for (const auto& reason : body.at("reasons")) {
      CPPUNIT_ASSERT(!reason.at("reason").get<std::string>().empty());
      found.push_back(reason.at("code"));
    }
    CPPUNIT_ASSERT_EQUAL(found.empty() ? 200 : 503, answer.status);
    CPPUNIT_ASSERT_EQUAL(found.empty() ? "ok"s : "unavailable"s, body.at("status").get<std::string>());
    return found;
  }

  void well() {
    CPPUNIT_ASSERT_EQUAL("{\"status\":\"ok\",\"reasons\":[]}\n"s, live_answer().body);
    CPPUNIT_ASSERT(codes(live_answer()).empty());
    CPPUNIT_ASSERT(codes(ready_answer({})).empty());
  }
  void each_reason() {
    HealthState state;
    state.stopping = true;
    CPPUNIT_ASSERT(codes(ready_answer(state)) == std::vector{"stopping"s});
    state = {};
    state.listening = false;
    CPPUNIT_ASSERT(codes(ready_answer(state)) == std::vector{"no_listener"s});
    state = {};
    state.spool = "the disk is full";
    CPPUNIT_ASSERT(codes(ready_answer(state)) == std::vector{"spool"s});
    CPPUNIT_ASSERT(ready_answer(state).body.find("the disk is full") != std::string::npos);
    state = {};
    state.memory = "97 % is in use";
    CPPUNIT_ASSERT(codes(ready_answer(state)) == std::vector{"memory"s});
    CPPUNIT_ASSERT(ready_answer(state).body.find("97 %") != std::string::npos);
  }
  void all_of_them() { CPPUNIT_ASSERT_EQUAL(size_t{4}, codes(ready_answer({true, false, "sick", "full"})).size()); }
  void a_reason_of_any_bytes() {
    HealthState state;
    state.spool = "/a\xff/\"b\"\n";
    const auto body = nlohmann::json::parse(ready_answer(state).body);
    CPPUNIT_ASSERT_EQUAL("/a\\xFF/\"b\"\\n"s, body.at("reasons").at(0).at("reason").get<std::string>());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(HealthTest);

}  // namespace
