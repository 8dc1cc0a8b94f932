// Transmissions that are refused, wholly or for some recipients: what is named.
#include "transmissions_kit.h"

using namespace impulse;
using namespace impulse::api;

namespace {

class TransmissionRefusalsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TransmissionRefusalsTest);
  CPPUNIT_TEST(what_is_not_supported_is_named);
  CPPUNIT_TEST(wrong_requests);
  CPPUNIT_TEST(media_types_and_query);
  CPPUNIT_TEST(fixups_and_sizes);
  CPPUNIT_TEST(many_header_fields);
  CPPUNIT_TEST(recipients_are_rejected_singly);
  CPPUNIT_TEST_SUITE_END();

  void what_is_not_supported_is_named() {
    const std::pair<std::string_view, std::string> table[] = {
        {R"({"options": {"open_tracking": true}})", "options.open_tracking"},
        {R"({"options": {"click_tracking": true}})", "options.click_tracking"},
        {R"({"options": {"sandbox": true}})", "options.sandbox"},
        {R"({"options": {"inline_css": true}})", "options.inline_css"},
        {R"({"recipients": {"list_id": "x"}})", "recipients.list_id"},
        {R"({"content": {"template_id": "x"}})", "content.template_id"},
        {R"({"content": {"ab_test_id": "x"}})", "content.ab_test_id"},
        {R"({"content": {"headers": {"Content-Type": "x"}}})", "content.headers.Content-Type"},
        {R"({"content": {"headers": {"bcc": "a@b.example"}}})", "content.headers.bcc"},
        {R"({"content": {"push": {}}})", "content.push"},
        {R"({"recipients": [{"address": "a@b.example", "multichannel_addresses": []}]})",
         "recipients[0].multichannel_addresses"},
        {R"({"recipients": [{"address": {"email": "a@b.example", "x": 1}}]})", "recipients[0].address.x"},
        {R"({"content": {"attachments": [{"name": "a", "type": "a/b", "data": "", "x": 1}]}})",
         "content.attachments[0].x"},
        {R"({"anything": 1})", "anything"},
    };
    for (const auto& [patch, field] : table)
      CPPUNIT_ASSERT_EQUAL("422 unsupported " + field, outcome(transmit(with(patch))));
  }

  void wrong_requests() {
    const std::pair<std::string_view, std::string> table[] = {
        {R"({"content": null})", "422 missing_field content"},
        {R"({"recipients": null})", "422 missing_field recipients"},
        {R"({"content": {"from": null}})", "422 missing_field content.from"},
        {R"({"content": {"subject": null}})", "422 missing_field content.subject"},
        {R"({"content": {"text": null}})", "422 missing_field content.text"},
        {R"({"content": "x"})", "422 invalid_value content"},
        {R"({"content": {"from": 5}})", "422 invalid_value content.from"},
        {R"({"content": {"from": "nobody"}})", "422 invalid_value content.from"},
        {R"({"content": {"from": {"email": "nobody"}}})", "422 invalid_value content.from.email"},
        {R"({"content": {"from": {"email": null}}})", "422 missing_field content.from.email"},
        {R"({"content": {"reply_to": "a@b.example,"}})", "422 invalid_value content.reply_to"},
        {R"({"content": {"text": 5}})", "422 invalid_value content.text"},
        {R"({"content": {"text": "{{if}}"}})", "422 template_syntax content.text"},
        {R"({"content": {"html": "{{end}}"}})", "422 template_syntax content.html"},
        {R"({"content": {"subject": "{{"}})", "422 template_syntax content.subject"},
        {R"({"content": {"headers": []}})", "422 invalid_value content.headers"},
        {R"({"content": {"headers": {"X": 5}}})", "422 invalid_value content.headers.X"},
        {R"({"content": {"headers": {"X-A": "1", "x-a": "2"}}})", "422 invalid_value content.headers.x-a"},
        {R"({"content": {"attachments": [{"name": "a", "type": "a/b"}]}})",
         "422 missing_field content.attachments[0].data"},
        {R"({"content": {"attachments": [{"name": "a", "type": "ab", "data": ""}]}})",
         "422 invalid_value content.attachments[0].type"},
        {R"({"content": {"attachments": [{"name": "a", "type": "a/b", "data": "*"}]}})",
         "422 invalid_value content.attachments[0].data"},
        {R"({"content": {"email_rfc822": "A: b"}})", "422 invalid_value content"},
        {R"({"recipients": "a@b.example"})", "422 invalid_value recipients"},
        {R"({"recipients": ["a@b.example"]})", "422 invalid_value recipients[0]"},
        {R"({"recipients": [{"address": "a@b.example", "tags": "x"}]})", "422 invalid_value recipients[0].tags"},
        {R"({"recipients": [{"address": "a@b.example", "tags": [5]}]})", "422 invalid_value recipients[0].tags[0]"},
        {R"({"recipients": [{"address": "a@b.example", "metadata": 5}]})", "422 invalid_value recipients[0].metadata"},
        {R"({"substitution_data": []})", "422 invalid_value substitution_data"},
        {R"({"metadata": "x"})", "422 invalid_value metadata"},
        {R"({"options": []})", "422 invalid_value options"},
        {R"({"options": {"open_tracking": 0}})", "422 invalid_value options.open_tracking"},
        {R"({"return_path": "x"})", "422 invalid_value return_path"},
    };
    for (const auto& [patch, expected] : table) CPPUNIT_ASSERT_EQUAL(expected, outcome(transmit(with(patch))));
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value campaign_id"),
                         outcome(transmit(patched({{"campaign_id", std::string(65, 'x')}}))));
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value metadata"),
                         outcome(transmit(patched({{"metadata", {{"a", std::string(10'001, 'x')}}}}))));
    for (const std::string_view top : {"[]", "5", "\"x\"", "null", "{}"})
      CPPUNIT_ASSERT(outcome(transmit(std::string(top))).starts_with("422 "));
  }

  void media_types_and_query() {
    Call call = usual_call(with("{}"));
    for (const std::string_view type :
         {"", "application/json", "Application/JSON; charset=utf-8", "application/x+json"}) {
      call.content_type = type;
      CPPUNIT_ASSERT_EQUAL(std::string("ok"), outcome(make_job(Style::transmissions, call, usual_policy())));
    }
    for (const std::string_view type : {"application/x-www-form-urlencoded", "text/json", "message/rfc822"}) {
      call.content_type = type;
      CPPUNIT_ASSERT_EQUAL(std::string("415 media_type"),
                           outcome(make_job(Style::transmissions, call, usual_policy())));
    }
    call.content_type.clear();
    call.query = {{"num_rcpt_errors", "-1"}};
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value num_rcpt_errors"),
                         outcome(make_job(Style::transmissions, call, usual_policy())));
    call.query = {{"x\n", "1"}};
    CPPUNIT_ASSERT_EQUAL(std::string("422 unsupported x\\n"),
                         outcome(make_job(Style::transmissions, call, usual_policy())));
  }

  void fixups_and_sizes() {
    auto policy = usual_policy();
    policy->max_message_size = 1000;
    CPPUNIT_ASSERT_EQUAL(std::string("413 too_large content"),
                         outcome(transmit(patched({{"content", {{"text", std::string(1000, 'x')}}}}), policy)));
    for (const char* part : {"text", "html"})
      CPPUNIT_ASSERT_EQUAL(fmt::format("413 too_large content.{}", part),
                           outcome(transmit(patched({{"content", {{part, std::string(1001, 'x')}}}}), policy)));
    policy = usual_policy();
    policy->fixups.message_id = message::AddField::always;
    const spool::Incoming incoming = built(transmit(with("{}"), policy));
    CPPUNIT_ASSERT(incoming.trace.contains("Message-ID: ") && !incoming.body.to_string().contains("Message-ID"));
    policy->fixups.missing = message::MissingHeaders::reject;
    const auto raw = [](std::string_view text) {
      return patched(
          {{"return_path", "a@b.example"},
           {"content", {{"from", nullptr}, {"subject", nullptr}, {"text", nullptr}, {"email_rfc822", text}}}});
    };
    CPPUNIT_ASSERT_EQUAL(std::string("400 bad_message content.email_rfc822"),
                         outcome(transmit(raw("\n\nbody"), policy)));
    std::string loop;
    for (int i = 0; i < 101; ++i) loop += "Received: x\n";
    CPPUNIT_ASSERT_EQUAL(std::string("400 bad_message content.email_rfc822"), outcome(transmit(raw(loop + "\nx"))));
  }

  void many_header_fields() {
    const auto asked = [](size_t count, size_t bytes) {
      nlohmann::json headers;
      for (size_t i = 0; i < count; ++i) headers[fmt::format("X-{:03}", i)] = std::string(bytes - 5, 'x');
      return headers;
    };
    const auto transmission = [&](size_t count, size_t bytes) {
      return outcome(transmit(patched({{"content", {{"headers", asked(count, bytes)}}}})));
    };
    CPPUNIT_ASSERT_EQUAL(std::string("ok"), transmission(128, 512));
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value content.headers"), transmission(129, 6));
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value content.headers"), transmission(128, 513));
    const nlohmann::json injection{{"envelope_sender", "a@b.example"},
                                   {"content", {{"text_body", "x"}, {"headers", asked(129, 6)}}},
                                   {"recipients", {{{"email", "c@d.example"}}}}};
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value content.headers"),
                         outcome(make(Style::inject, injection.dump())));
  }

  void recipients_are_rejected_singly() {
    const std::string body = with(R"({"recipients": [{"address": "good@b.example"}, {"address": "bad"}, {"address": {}},
        {"tags": []}, {"address": {"email": 5}}, {"address": {"email": "also@b.example"}},
        {"address": "x@b.example", "return_path": "none"}, {"address": {"email": "x@b.example", "header_to": "y"}}]})");
    const Made made = transmit(body);
    CPPUNIT_ASSERT_EQUAL(std::string("ok"), outcome(made));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, (*made)->total());
    CPPUNIT_ASSERT_EQUAL(std::string("also@b.example"), built(made, 1).envelope.recipients[0].address);
    const nlohmann::json answer = answered(made);
    CPPUNIT_ASSERT_EQUAL(6, answer["results"]["total_rejected_recipients"].get<int>());
    CPPUNIT_ASSERT_EQUAL(std::string("2000"), answer["errors"][0]["code"].get<std::string>());
    const auto& errors = answer["results"]["rcpt_to_errors"];
    std::string fields;
    for (const auto& error : errors) fields += error["field"].get<std::string>() + " ";
    CPPUNIT_ASSERT_EQUAL(std::string("recipients[1].address recipients[2].address.email recipients[3].address "
                                     "recipients[4].address.email recipients[6].return_path "
                                     "recipients[7].address.header_to "),
                         fields);
    CPPUNIT_ASSERT_EQUAL(std::string("1400"), errors[1]["code"].get<std::string>());
    CPPUNIT_ASSERT_EQUAL(std::string("address.email is required for each recipient"),
                         errors[1]["description"].get<std::string>());
    Call call = usual_call(body);
    call.query = {{"num_rcpt_errors", "3"}};
    const Made few = make_job(Style::transmissions, call, usual_policy());
    CPPUNIT_ASSERT_EQUAL(size_t{3}, answered(few)["results"]["rcpt_to_errors"].size());
    CPPUNIT_ASSERT_EQUAL(6, answered(few)["results"]["total_rejected_recipients"].get<int>());

    const Made none = transmit(with(R"({"recipients": [{"address": "bad"}]})"));
    CPPUNIT_ASSERT_EQUAL(std::string("400 no_recipients recipients[0].address"), outcome(none));
    CPPUNIT_ASSERT(error_body(none.error(), Style::transmissions).contains("\"code\":\"5002\""));
    CPPUNIT_ASSERT_EQUAL(std::string("400 no_recipients recipients"), outcome(transmit(with(R"({"recipients": []})"))));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TransmissionRefusalsTest);

}  // namespace
