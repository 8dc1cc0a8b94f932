// How much a request may hold: counted while it is read, and refused.
#include "api/limits.h"

#include "api/json.h"
#include "kit.h"

using namespace impulse;
using namespace impulse::api;

namespace {

std::string repeated(std::string_view what, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out.append(i == 0 ? "" : ",").append(what);
  return out;
}

std::string transmission(const std::string& recipients) {
  return R"({"content": {"from": "a@b.example", "subject": "s", "text": "t"}, "recipients": [)" + recipients + "]}";
}

std::string injection(const std::string& recipients) {
  return R"({"envelope_sender": "a@b.example", "content": "A: b\n\nx", "recipients": [)" + recipients + "]}";
}

class LimitsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LimitsTest);
  CPPUNIT_TEST(values);
  CPPUNIT_TEST(recipients);
  CPPUNIT_TEST(errors_told);
  CPPUNIT_TEST(failures_told);
  CPPUNIT_TEST_SUITE_END();

  void values() {
    const std::string half = repeated("1", max_json_values / 2 - 2);  // and their two arrays
    CPPUNIT_ASSERT(Json::parse(R"({"a": [)" + half + R"(], "b": [)" + half + "], \"c\": 1}").has_value());
    for (const std::string_view more : {"1", "{}", "[]", "\"x\"", "null"}) {
      const auto json =
          Json::parse(R"({"a": [)" + half + R"(], "b": [)" + half + "], \"c\": [" + std::string(more) + "]}");
      CPPUNIT_ASSERT(!json);
      CPPUNIT_ASSERT_EQUAL(std::string("413 too_large"), told(json.error()));
    }
    CPPUNIT_ASSERT_EQUAL(std::string("413 too_large"),
                         outcome(make(Style::inject, injection(repeated("{}", max_json_values)))));
  }

  // Those that are rejected count as well.
  void recipients() {
    auto policy = usual_policy();
    CPPUNIT_ASSERT_EQUAL(size_t{100'000}, policy->max_request_recipients);
    policy->max_request_recipients = 3;
    policy->max_recipients = 1;  // is of a message
    const std::string good = R"({"address": "w@b.example"})";
    for (const std::string& more : {std::string("{}"), good}) {
      CPPUNIT_ASSERT_EQUAL(std::string("ok"),
                           outcome(make(Style::transmissions, transmission(good + ",{}," + more), policy)));
      CPPUNIT_ASSERT_EQUAL(std::string("413 too_large recipients"),
                           outcome(make(Style::transmissions, transmission(good + ",{},{}," + more), policy)));
    }
    for (const std::string_view email : {R"({"email": "bad"})", R"({"email": "w@b.example"})"}) {
      CPPUNIT_ASSERT_EQUAL(std::string("ok"), outcome(make(Style::inject, injection(repeated(email, 3)), policy)));
      CPPUNIT_ASSERT_EQUAL(std::string("413 too_large recipients"),
                           outcome(make(Style::inject, injection(repeated(email, 4)), policy)));
    }
    policy->max_recipients = 0;
    const auto message = [](size_t count) {
      return R"({"from": "a@b.example", "message": "A: b\n\nx", "to": [)" + repeated("\"w@b.example\"", count) + "]}";
    };
    CPPUNIT_ASSERT_EQUAL(std::string("ok"), outcome(make(Style::impulse, message(3), policy)));
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value to"), outcome(make(Style::impulse, message(4), policy)));
    // The one that is too many is not looked at any more.
    policy->max_recipients = 2;
    CPPUNIT_ASSERT_EQUAL(
        std::string("422 invalid_value to"),
        outcome(make(Style::impulse,
                     R"({"from": "a@b.example", "message": "A: b\n\nx", "to": ["c@d.example", "e@f.example", "bad"]})",
                     policy)));
  }

  void errors_told() {
    const std::string body = transmission(R"({"address": "w@b.example"},)" + repeated("{}", max_errors_told + 5));
    const auto told = [&](std::string_view asked_for) {
      Call call = usual_call(body);
      if (!asked_for.empty()) call.query = {{"num_rcpt_errors", std::string(asked_for)}};
      const nlohmann::json answer = answered(make_job(Style::transmissions, call, usual_policy()));
      CPPUNIT_ASSERT_EQUAL(max_errors_told + 5, answer["results"]["total_rejected_recipients"].get<size_t>());
      CPPUNIT_ASSERT_EQUAL(std::string("w@b.example"), answer["results"]["recipients"][0]["to"].get<std::string>());
      CPPUNIT_ASSERT_EQUAL(std::string("2000"), answer["errors"][0]["code"].get<std::string>());
      return answer["results"]["rcpt_to_errors"].size();
    };
    CPPUNIT_ASSERT_EQUAL(usual_errors_told, told(""));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, told("0"));
    CPPUNIT_ASSERT_EQUAL(size_t{300}, told("300"));
    CPPUNIT_ASSERT_EQUAL(max_errors_told, told("1000000"));
  }

  void failures_told() {
    const nlohmann::json answer =
        answered(make(Style::inject, injection(repeated(R"({"email": "bad \"\u00e9"})", usual_errors_told + 5))));
    CPPUNIT_ASSERT_EQUAL(usual_errors_told + 5, answer["fail_count"].get<size_t>());
    // Who got nothing, a client must know; why, it may ask again.
    CPPUNIT_ASSERT_EQUAL(usual_errors_told + 5, answer["failed_recipients"].size());
    CPPUNIT_ASSERT_EQUAL(std::string("bad \"é"), answer["failed_recipients"].back().get<std::string>());
    CPPUNIT_ASSERT_EQUAL(usual_errors_told, answer["errors"].size());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(LimitsTest);

}  // namespace
