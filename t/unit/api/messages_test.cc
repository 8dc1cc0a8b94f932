#include "kit.h"

using namespace impulse;
using namespace impulse::api;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Made raw(std::string body, Pairs query, Pairs headers = {}, std::shared_ptr<Policy> policy = usual_policy()) {
  Call call = usual_call(std::move(body), "message/rfc822");
  call.query = std::move(query);
  call.headers = std::move(headers);
  return make_job(Style::impulse, std::move(call), std::move(policy));
}

Made json(std::string_view body) { return make(Style::impulse, std::string(body)); }

std::string recipients_of(const spool::Incoming& incoming) {
  std::string out;
  for (const message::Recipient& recipient : incoming.envelope.recipients) out += recipient.address + " ";
  return out;
}

class MessagesTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(MessagesTest);
  CPPUNIT_TEST(raw_with_query);
  CPPUNIT_TEST(raw_with_fields);
  CPPUNIT_TEST(raw_bodies);
  CPPUNIT_TEST(wrong_raw_requests);
  CPPUNIT_TEST(json_with_a_message);
  CPPUNIT_TEST(json_with_parts);
  CPPUNIT_TEST(wrong_json_requests);
  CPPUNIT_TEST(wrong_contexts);
  CPPUNIT_TEST_SUITE_END();

  void raw_with_query() {
    const Made made = raw("Subject: x\n\nHi {{name}}\n", {{"from", "a@b.example"},
                                                          {"to", "c@d.example"},
                                                          {"to", "e@f.example"},
                                                          {"priority", "-3"},
                                                          {"hold_until", "2023-11-22T00:00:00Z"}});
    const spool::Incoming incoming = built(made);
    CPPUNIT_ASSERT_EQUAL(std::string("Subject: x\r\n\r\nHi {{name}}\r\n"), incoming.body.to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("a@b.example"), incoming.envelope.sender);
    CPPUNIT_ASSERT_EQUAL(std::string("c@d.example e@f.example "), recipients_of(incoming));
    CPPUNIT_ASSERT_EQUAL(-3, int{incoming.envelope.priority});
    CPPUNIT_ASSERT(incoming.envelope.hold_until == WallTime(std::chrono::seconds(1700611200)));
    CPPUNIT_ASSERT(!incoming.trace.contains("for <"));  // one would be told of the other
    CPPUNIT_ASSERT(incoming.trace.contains("Message-ID: <") && incoming.trace.contains("From: <a@b.example>"));
    CPPUNIT_ASSERT_EQUAL(std::string(R"({"id":"00000001/00000000-node","recipients":["c@d.example","e@f.example"]})"),
                         answered(made).dump());
  }

  void raw_with_fields() {
    const spool::Incoming incoming = built(raw("A: b\n\nx", {},
                                               {{"x-envelope-from", " <a@b.example>"},
                                                {"X-Envelope-To", "<c@d.example>, \"x,y\"@d.example"},
                                                {"X-ENVELOPE-TO", "e@f.example"},
                                                {"Host", "x"}}));
    CPPUNIT_ASSERT_EQUAL(std::string("c@d.example \"x,y\"@d.example e@f.example "), recipients_of(incoming));
    CPPUNIT_ASSERT_EQUAL(std::string("a@b.example"), incoming.envelope.sender);
    CPPUNIT_ASSERT_EQUAL(
        std::string(),
        built(raw("A: b\n\nx", {}, {{"X-Envelope-From", "<>"}, {"X-Envelope-To", "c@d.example"}})).envelope.sender);
  }

  void raw_bodies() {
    const Pairs query{{"from", "a@b.example"}, {"to", "c@d.example"}};
    const auto envelope = [&](std::string body) { return built(raw(std::move(body), query)).envelope; };
    CPPUNIT_ASSERT(envelope("A: b\n\nx\xC3\xA4\xFF").body_type == message::BodyType::eight_bit_mime);
    CPPUNIT_ASSERT(envelope("A: b\n\nx").body_type == message::BodyType::seven_bit);
    CPPUNIT_ASSERT(envelope("A: \xC3\xA4\n\nx").smtputf8);
    CPPUNIT_ASSERT(envelope("TLS-Required: No\n\nx").tls_optional);
    CPPUNIT_ASSERT_EQUAL(std::string("A: b\r\n\r\n.\r\n.\r\nMAIL FROM:<x>\r\n"),
                         built(raw("A: b\n\n.\r\n.\rMAIL FROM:<x>\n", query)).body.to_string());
    auto policy = usual_policy();
    policy->fixups.long_lines = message::LongLines::wrap;
    CPPUNIT_ASSERT(
        built(raw("A: b\n\n" + std::string(3000, 'x'), query, {}, policy)).body.to_string().contains("x\r\nx"));
    policy->fixups.long_lines = message::LongLines::reject;
    CPPUNIT_ASSERT_EQUAL(std::string("400 bad_message"),
                         outcome(raw("A: b\n\n" + std::string(3000, 'x'), query, {}, policy)));
  }

  void wrong_raw_requests() {
    const Pairs good{{"from", "a@b.example"}, {"to", "c@d.example"}};
    const std::string message = "A: b\n\nx";
    CPPUNIT_ASSERT_EQUAL(std::string("400 bad_message"), outcome(raw("", good)));
    CPPUNIT_ASSERT_EQUAL(std::string("400 bad_message"), outcome(raw(std::string("A: b\n\n\0", 7), good)));
    CPPUNIT_ASSERT_EQUAL(std::string("422 missing_field to"), outcome(raw(message, {{"from", "a@b.example"}})));
    CPPUNIT_ASSERT_EQUAL(std::string("422 missing_field from"), outcome(raw(message, {{"to", "a@b.example"}})));
    CPPUNIT_ASSERT_EQUAL(
        std::string("422 invalid_value from"),
        outcome(raw(message, {{"from", "a@b.example"}, {"from", "a@b.example"}, {"to", "c@d.example"}})));
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value to"),
                         outcome(raw(message, {{"from", "a@b.example"}, {"to", "c@d.example,e@f.example"}})));
    CPPUNIT_ASSERT_EQUAL(std::string("422 unsupported cc"), outcome(raw(message, {{"cc", "c@d.example"}})));
    for (const auto& [name, value] : {std::pair("priority", "1"), std::pair("hold_until", "now")}) {
      Pairs twice = good;
      twice.insert(twice.end(), 2, {name, value});
      CPPUNIT_ASSERT_EQUAL("422 invalid_value " + std::string(name), outcome(raw(message, twice)));
    }
    for (const std::string_view bad : {"10", "-10", "x", "", "1x", "999999999999"})
      CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value priority"),
                           outcome(raw(message, {{"priority", std::string(bad)}})));
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value X-Envelope-To"),
                         outcome(raw(message, good, {{"X-Envelope-To", "c@d.example"}})));
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value X-Envelope-To"),
                         outcome(raw(message, {}, {{"X-Envelope-From", "a@b.example"}, {"X-Envelope-To", ""}})));
    auto policy = usual_policy();
    policy->max_recipients = 1;
    CPPUNIT_ASSERT_EQUAL(
        std::string("422 invalid_value to"),
        outcome(raw(message, {{"from", "a@b.example"}, {"to", "c@d.example"}, {"to", "e@f.example"}}, {}, policy)));
    for (const std::string_view type : {"", "text/plain", "multipart/form-data; boundary=x"})
      CPPUNIT_ASSERT_EQUAL(std::string("415 media_type"),
                           outcome(make_job(Style::impulse, usual_call(message, std::string(type)), usual_policy())));
  }

  void json_with_a_message() {
    const spool::Incoming incoming = built(json(R"({"from": "", "to": ["a@b.example", "c@d.example"],
        "message": "A: b\n\nx", "priority": 4, "context": {"k": "v", "a.b": "x\ty"}})"));
    CPPUNIT_ASSERT_EQUAL(std::string("A: b\r\n\r\nx"), incoming.body.to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("a@b.example c@d.example "), recipients_of(incoming));
    CPPUNIT_ASSERT_EQUAL(std::string("v"), context_of(incoming.envelope, "k"));
    CPPUNIT_ASSERT_EQUAL(std::string("x\ty"), context_of(incoming.envelope, "a.b"));
    CPPUNIT_ASSERT_EQUAL(std::string("main"), context_of(incoming.envelope, "stream"));
    CPPUNIT_ASSERT_EQUAL(4, int{incoming.envelope.priority});
    CPPUNIT_ASSERT_EQUAL(
        std::string("A: b\r\n\r\nx"),
        built(json(R"({"from": "a@b.example", "to": "c@d.example", "message_base64": "QTogYgoKeA=="})"))
            .body.to_string());
  }

  void json_with_parts() {
    const spool::Incoming incoming = built(json(R"({"from": "bounce@b.example", "to": ["a@b.example", "c@d.example"],
        "content": {"from": "Me <me@b.example>", "subject": "{{ as it is }}", "text": "{{ as it is }}",
                    "headers": {"To": "List <list@b.example>"}}})"));
    contains(incoming, "Subject: {{ as it is }}\r\nTo: List <list@b.example>\r\n");
    contains(incoming, "\r\n\r\n{{ as it is }}\r\n");
    CPPUNIT_ASSERT_EQUAL(std::string("bounce@b.example"), incoming.envelope.sender);
    contains(built(json(R"({"from": "b@b.example", "to": "a@b.example",
        "content": {"from": "me@b.example", "subject": "s", "text": "t"}})")),
             "\r\nTo: a@b.example\r\n");
  }

  // It adds to what the configuration says of a message, and takes none of it away.
  void wrong_contexts() {
    const auto with = [](const nlohmann::json& context) {
      auto policy = usual_policy();
      policy->context = {{"tier", "gold"}};
      const nlohmann::json body = {
          {"from", "a@b.example"}, {"to", "c@d.example"}, {"message", "A: b\n\nx"}, {"context", context}};
      return outcome(make(Style::impulse, body.dump(), policy));
    };
    CPPUNIT_ASSERT_EQUAL(std::string("ok"), with({{"Tier", "own"}, {"x", ""}}));
    CPPUNIT_ASSERT_EQUAL(std::string("403 refused context.tier"), with({{"x", "1"}, {"tier", "platinum"}}));
    CPPUNIT_ASSERT_EQUAL(std::string("403 refused context.stream"), with({{"stream", "own"}}));  // the connection's
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value context"), with({{"", "x"}}));
    const std::string_view unsafe[] = {"a\r\nb", "a\n", std::string_view("a\0b", 3), "\x1b[2J", "\x7f"};
    for (const std::string_view bad : unsafe) {
      CPPUNIT_ASSERT_EQUAL(std::string("400 unsafe_value context.x"), with({{"x", bad}}));
      CPPUNIT_ASSERT(with({{std::string(bad), "x"}}).starts_with("400 unsafe_value context."));
    }
  }

  void wrong_json_requests() {
    const auto with = [](const nlohmann::json& patch) {
      auto body = nlohmann::json::parse(R"({"from": "a@b.example", "to": "c@d.example", "message": "A: b\n\nx"})");
      body.merge_patch(patch);
      return outcome(json(body.dump()));
    };
    const std::pair<std::string_view, std::string> table[] = {
        {R"({})", "ok"},
        {R"({"from": null})", "422 missing_field from"},
        {R"({"to": null})", "422 missing_field to"},
        {R"({"to": []})", "422 missing_field to"},
        {R"({"to": [5]})", "422 invalid_value to[0]"},
        {R"({"to": ["c@d.example", "bad"]})", "422 invalid_value to[1]"},
        {R"({"message": null})", "422 missing_field message"},
        {R"({"message": ""})", "400 bad_message message"},
        {R"({"message_base64": "QQ=="})", "422 missing_field message"},
        {R"({"message": null, "message_base64": "*"})", "422 invalid_value message_base64"},
        {R"({"message": null, "content": {"email_rfc822": "A: b\n\nx"}})", "422 unsupported content.email_rfc822"},
        {R"({"priority": 10})", "422 invalid_value priority"},
        {R"({"priority": 1.5})", "422 invalid_value priority"},
        {R"({"hold_until": 5})", "422 invalid_value hold_until"},
        {R"({"context": {"a": 5}})", "422 invalid_value context.a"},
        {R"({"recipients": []})", "422 unsupported recipients"},
    };
    for (const auto& [patch, expected] : table) CPPUNIT_ASSERT_EQUAL(expected, with(nlohmann::json::parse(patch)));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(MessagesTest);

}  // namespace
