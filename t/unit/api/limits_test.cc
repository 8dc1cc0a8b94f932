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
  CPPUNIT_TEST(metadata);
  CPPUNIT_TEST(metadata_is_of_lines);
  CPPUNIT_TEST(attachments);
  CPPUNIT_TEST(names_of_metadata);
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

  // While it is read: nothing is made of it before.
  void metadata() {
    const std::string large = R"("metadata": {"a": ")" + std::string(max_metadata, 'x') + "\"}";
    const Made own = make(Style::transmissions, transmission(R"({"address": "w@b.example", )" + large + "}"));
    CPPUNIT_ASSERT(!own);
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value recipients[0].metadata"), told(own.error()));
    const Made injected = make(Style::inject, injection(R"({"email": "w@b.example", )" + large + "}"));
    CPPUNIT_ASSERT(!injected);
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value recipients[0].metadata"), told(injected.error()));
    std::string request = transmission(R"({"address": "w@b.example"})");
    request.insert(1, large + ",");
    const Made all = make(Style::transmissions, request);
    CPPUNIT_ASSERT(!all);
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value metadata"), told(all.error()));

    // Both together, and a name of both; what the server says itself, nobody else does.
    request = transmission(R"({"address": "w@b.example", "metadata": {"b": "own", "c": "own"}})");
    request.insert(1, R"("metadata": {"a": "all", "b": "all"},)");
    auto policy = usual_policy();
    policy->context = {{"metadata.s", "configured"}, {"tags", "ours"}, {"transmission_id", "7"}};
    const Made both = make(Style::transmissions, request, policy);
    const message::Envelope envelope = built(both).envelope;
    for (const auto& [name, value] :
         {std::pair("a", "all"), std::pair("b", "own"), std::pair("c", "own"), std::pair("s", "configured")}) {
      const std::string full = std::string("metadata.") + name;
      CPPUNIT_ASSERT_EQUAL(std::string(value), context_of(envelope, full));
      CPPUNIT_ASSERT_EQUAL(1L, static_cast<long>(std::ranges::count(envelope.context, full,
                                                                    [](const auto& pair) { return pair.first; })));
    }
    CPPUNIT_ASSERT_EQUAL(std::string("7"), context_of(envelope, "transmission_id"));
    for (const char* wrong : {R"({"address": "w@b.example", "metadata": {"s": "mine"}})",
                              R"({"address": "w@b.example", "tags": ["a"], "metadata": {"b": "", "s": null}})"})
      CPPUNIT_ASSERT_EQUAL(std::string("403 refused recipients[0].metadata.s"),
                           outcome(make(Style::transmissions, transmission(wrong), policy)));
    CPPUNIT_ASSERT_EQUAL(
        std::string("403 refused recipients[0].metadata.s"),
        outcome(make(Style::inject, injection(R"({"email": "w@b.example", "metadata": {"s": 1}})"), policy)));
    const Made tagged =
        make(Style::transmissions, transmission(R"({"address": "w@b.example", "tags": ["a"]})"), policy);
    CPPUNIT_ASSERT_EQUAL(std::string("ours"), context_of(built(tagged).envelope, "tags"));
    const std::string part = R"("metadata": {"NAME": ")" + std::string(max_metadata / 2, 'x') + "\"}";
    request = transmission(R"({"address": "w@b.example", )" + part + "}");
    request.insert(1, part + ",");
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value metadata"), outcome(make(Style::transmissions, request)));
  }

  void metadata_is_of_lines() {
    for (const char* wrong : {R"({"a": "b\nc"})", R"({"a": "b\r"})", R"({"a": "\u0000"})", R"({"a": "\u007f"})",
                              R"({"a\nb": "c"})", R"({"a\u0001": 1})"}) {
      const std::string told = outcome(make(
          Style::transmissions, transmission(fmt::format(R"({{"address": "w@b.example", "metadata": {}}})", wrong))));
      CPPUNIT_ASSERT_MESSAGE(wrong + told, told.starts_with("400 unsafe_value recipients[0].metadata."));
    }
    const Made nested =
        make(Style::transmissions,
             transmission(R"({"address": "w@b.example", "metadata": {"a": {"b": "c\nd"}, "t": "x\ty"}})"));
    CPPUNIT_ASSERT_EQUAL(std::string(R"({"b":"c\nd"})"), context_of(built(nested).envelope, "metadata.a"));
  }
  void attachments() {
    const auto request = [](size_t files, size_t images) {
      auto body = nlohmann::json::parse(transmission(R"({"address": "w@b.example"})"));
      for (size_t i = 0; i < files; ++i)
        body["content"]["attachments"].push_back({{"name", "a"}, {"type", "text/plain"}, {"data", ""}});
      for (size_t i = 0; i < images; ++i)
        body["content"]["inline_images"].push_back(
            {{"name", fmt::format("i{}", i)}, {"type", "image/png"}, {"data", ""}});
      return body.dump();
    };
    CPPUNIT_ASSERT_EQUAL(std::string("ok"), outcome(make(Style::transmissions, request(max_attachments - 1, 1))));
    CPPUNIT_ASSERT_EQUAL(std::string("413 too_large content.inline_images"),
                         outcome(make(Style::transmissions, request(max_attachments, 1))));
    CPPUNIT_ASSERT_EQUAL(std::string("413 too_large content.attachments"),
                         outcome(make(Style::transmissions, request(max_attachments + 1, 0))));
  }
  void names_of_metadata() {
    const auto naming = [](const nlohmann::json& names) {
      auto body = nlohmann::json::parse(injection(R"({"email": "w@b.example", "metadata": {"n1": "v"}})"));
      body["trace_headers"] = {{"supplemental_header", true}, {"include_meta_names", names}};
      return make(Style::inject, body.dump());
    };
    nlohmann::json names = nlohmann::json::array();
    for (size_t i = 0; i < max_metadata_names; ++i) names.push_back(fmt::format("n{}", i));
    CPPUNIT_ASSERT_EQUAL(std::string("ok"), outcome(naming(names)));
    // Its text is the same however often one is named.
    const std::string once = built(naming({"n1"})).body.to_string();
    CPPUNIT_ASSERT_EQUAL(once, built(naming({"n1", "n0", "n1", "n1"})).body.to_string());
    CPPUNIT_ASSERT_EQUAL(once, built(naming(names)).body.to_string());
    names.push_back("one more");
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value trace_headers.include_meta_names"), outcome(naming(names)));
  }

  void errors_told() {
    const std::string body = transmission(R"({"address": "w@b.example"},)" + repeated("{}", max_errors_told + 5));
    const auto count = [&](std::string_view asked_for) {
      Call call = usual_call(body);
      if (!asked_for.empty()) call.query = {{"num_rcpt_errors", std::string(asked_for)}};
      const nlohmann::json answer = answered(make_job(Style::transmissions, call, usual_policy()));
      CPPUNIT_ASSERT_EQUAL(max_errors_told + 5, answer["results"]["total_rejected_recipients"].get<size_t>());
      CPPUNIT_ASSERT_EQUAL(std::string("w@b.example"), answer["results"]["recipients"][0]["to"].get<std::string>());
      CPPUNIT_ASSERT_EQUAL(std::string("2000"), answer["errors"][0]["code"].get<std::string>());
      return answer["results"]["rcpt_to_errors"].size();
    };
    CPPUNIT_ASSERT_EQUAL(usual_errors_told, count(""));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, count("0"));
    CPPUNIT_ASSERT_EQUAL(size_t{300}, count("300"));
    CPPUNIT_ASSERT_EQUAL(max_errors_told, count("1000000"));
    Call call = usual_call(body);
    call.query = {{"num_rcpt_errors", "1"}, {"num_rcpt_errors", "2"}};
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value num_rcpt_errors"),
                         outcome(make_job(Style::transmissions, call, usual_policy())));
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
