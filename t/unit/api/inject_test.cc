#include "compose/transfer.h"
#include "kit.h"

using namespace impulse;
using namespace impulse::api;

namespace {

Made inject(std::string body) { return make(Style::inject, std::move(body)); }

std::string injection(const nlohmann::json& patch) {
  auto body = nlohmann::json::parse(R"({"envelope_sender": "noreply@example.com",
      "content": "Subject: hello\n\nHello there", "recipients": [{"email": "recipient@example.com"}]})");
  body.merge_patch(patch);
  return body.dump();
}
std::string injection_with(std::string_view patch) { return injection(nlohmann::json::parse(patch)); }

class InjectTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(InjectTest);
  CPPUNIT_TEST(documented_requests);
  CPPUNIT_TEST(documented_parts);
  CPPUNIT_TEST(documented_template);
  CPPUNIT_TEST(documented_schema);
  CPPUNIT_TEST(precedence);
  CPPUNIT_TEST(supplemental_header);
  CPPUNIT_TEST(failed_recipients);
  CPPUNIT_TEST(what_is_not_supported_is_named);
  CPPUNIT_TEST(wrong_requests);
  CPPUNIT_TEST(html_is_escaped);
  CPPUNIT_TEST_SUITE_END();

  void documented_requests() {
    const Made made = inject(injection_with("{}"));
    const spool::Incoming incoming = built(made);
    CPPUNIT_ASSERT_EQUAL(std::string("Subject: hello\r\n\r\nHello there"), incoming.body.to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("noreply@example.com"), incoming.envelope.sender);
    CPPUNIT_ASSERT(incoming.trace.contains("with HTTP id"));
    CPPUNIT_ASSERT_EQUAL(nlohmann::json::parse(R"({"success_count": 1, "fail_count": 0, "failed_recipients": [],
                             "errors": [], "recipients": [{"email": "recipient@example.com",
                             "id": "00000001/00000000-node"}]})")
                             .dump(),
                         answered(made).dump());
  }

  void documented_parts() {
    const spool::Incoming incoming = built(inject(R"({
      "envelope_sender": "noreply@example.com",
      "content": {
        "text_body": "This is the plain text part", "html_body": "<p>This is the <b>HTML</b> part</p>",
        "amp_html_body": "<!doctype html><html amp4email>...</html>",
        "attachments": [{"data": "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64": true,
                         "content_type": "image/gif", "content_id": "my-image", "file_name": "pixel.gif"}],
        "from": {"email": "someone@example.com", "name": "Someone"}, "subject": "This is the subject",
        "reply_to": {"email": "help@example.com", "name": "Help"}, "headers": {"X-Something": "Something!"}},
      "recipients": [{"email": "recipient@example.com"}]})"));
    for (const std::string_view part :
         {"From: Someone <someone@example.com>\r\n", "Subject: This is the subject\r\n",
          "Reply-To: Help <help@example.com>\r\n", "X-Something: Something!\r\n", "To: recipient@example.com\r\n",
          "This is the plain text part\r\n", "<p>This is the <b>HTML</b> part</p>\r\n", "text/x-amp-html",
          "Content-Type: image/gif\r\nContent-Disposition: inline; filename=pixel.gif\r\nContent-ID: <my-image>\r\n",
          "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\r\n"})
      contains(incoming, part);
  }

  void documented_template() {
    const spool::Incoming incoming = built(inject(R"({"envelope_sender": "noreply@example.com",
      "content": "To: \"{{ name }}\" <{{ email }}>\nSubject: hello\n\nHello {{ name }}!",
      "recipients": [{"email": "recipient@example.com", "name": "John Smith"}]})"));
    CPPUNIT_ASSERT_EQUAL(
        std::string("To: \"John Smith\" <recipient@example.com>\r\nSubject: hello\r\n\r\nHello John Smith!"),
        incoming.body.to_string());
  }

  void documented_schema() {
    const Made made = inject(R"({
      "content": "From: user@example.com\nSubject: Hello\n\nHello there",
      "deferred_generation": false, "deferred_spool": false,
      "envelope_sender": "some.id@bounces.sender-example.com",
      "recipients": [{"email": "john.smith@mailbox-example.com", "name": "John Smith",
                      "substitutions": {"age": 42, "gender": "male"},
                      "metadata": {"campaign_id": "promo-2026-q2", "user_segment": "premium"}}],
      "substitutions": {"campaign_title": "Fall Campaign"}, "template_dialect": "Jinja",
      "trace_headers": {"header_name": "string", "include_meta_names": ["string"], "received_header": false,
                        "supplemental_header": false}})");
    const spool::Incoming incoming = built(made);
    CPPUNIT_ASSERT(!incoming.trace.contains("Received:"));  // as asked for
    CPPUNIT_ASSERT_EQUAL(std::string("premium"), context_of(incoming.envelope, "metadata.user_segment"));
    contains(incoming, "From: user@example.com\r\nSubject: Hello\r\n\r\nHello there");
  }

  void precedence() {
    contains(
        built(inject(injection_with(R"({"content": "A: b\n\n{{ x }} {{ y }} {{ name }} {{ email }} {{ to_header }}",
        "substitutions": {"x": "all", "y": "all", "name": "all"},
        "recipients": [{"email": "r@b.example", "name": "Jo, S", "substitutions": {"x": "own"}}]})"))),
        "\r\nown all Jo, S r@b.example \"Jo, S\" <r@b.example>");
    contains(built(inject(injection_with(R"({"content": "A: b\n\n{{ name }}", "recipients": [
        {"email": "r@b.example", "name": "x", "substitutions": {"name": "own"}}]})"))),
             "\r\nown");
    contains(built(inject(injection_with(R"({"content": "A: {{ b }}\n\n{% if %}", "template_dialect": "Static"})"))),
             "A: {{ b }}\r\n\r\n{% if %}");
  }

  void supplemental_header() {
    const spool::Incoming incoming = built(inject(injection_with(R"({"trace_headers": {"supplemental_header": true,
        "include_meta_names": ["tenant", "none"]}, "recipients": [{"email": "test@example.com",
        "metadata": {"tenant": "acme", "secret": "x"}}]})")));
    const std::string body = incoming.body.to_string();
    CPPUNIT_ASSERT(body.starts_with("X-KumoRef: "));
    CPPUNIT_ASSERT_EQUAL(std::string(R"({"_@_":"\\_/","recipient":"test@example.com","tenant":"acme"})"),
                         *compose::base64_decoded(std::string_view(body).substr(11, body.find("\r\nSubject") - 11)));
    const auto named = [](std::string_view name, bool added) {
      return outcome(inject(injection({{"trace_headers", {{"supplemental_header", added}, {"header_name", name}}}})));
    };
    // A field that may stand but once, or that others sign and believe, is none to add.
    for (const std::string_view bad : {"a b", "X", "X-", "x_a", "X-a:", "X-\u00e9", "", "From", "Subject", "Date", "To",
                                       "Message-ID", "Sender", "DKIM-Signature", "List-Unsubscribe", "string"})
      CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value trace_headers.header_name"), named(bad, true));
    for (const std::string_view good : {"X-KumoRef", "x-feedback"})
      CPPUNIT_ASSERT_EQUAL(std::string("ok"), named(good, true));
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value trace_headers.header_name"), named("a b", false));
    CPPUNIT_ASSERT_EQUAL(std::string("ok"), named("string", false));  // so KumoMTA's manual writes it
  }

  void failed_recipients() {
    const Made made = inject(
        injection_with(R"({"recipients": [{"email": "bad"}, {"email": "good@b.example"}, {"email": "also bad@b"}]})"));
    CPPUNIT_ASSERT_EQUAL(std::string("ok"), outcome(made));
    const nlohmann::json answer = answered(made);
    CPPUNIT_ASSERT(answer["success_count"] == 1 && answer["fail_count"] == 2 && answer["errors"].size() == 2);
    CPPUNIT_ASSERT_EQUAL(std::string(R"(["bad","also bad@b"])"), answer["failed_recipients"].dump());
    const Made none = inject(injection_with(R"({"recipients": [{"email": "bad"}]})"));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, (*none)->total());
    CPPUNIT_ASSERT(answered(none)["fail_count"] == 1 && answered(none)["success_count"] == 0);
  }

  void what_is_not_supported_is_named() {
    const std::pair<std::string_view, std::string> table[] = {
        {R"({"template_dialect": "Handlebars"})", "template_dialect"},
        {R"({"deferred_spool": true})", "deferred_spool"},
        {R"({"deferred_generation": true})", "deferred_generation"},
        {R"({"trace_headers": {"x": 1}})", "trace_headers.x"},
        {R"({"content": {"text_body": "x", "watch_body": "y"}})", "content.watch_body"},
        {R"({"content": {"text_body": "x", "headers": {"Bcc": "y"}}})", "content.headers.Bcc"},
        {R"({"recipients": [{"email": "a@b.example", "x": 1}]})", "recipients[0].x"},
        {R"({"x": 1})", "x"},
    };
    for (const auto& [patch, field] : table)
      CPPUNIT_ASSERT_EQUAL("422 unsupported " + field, outcome(inject(injection_with(patch))));
  }

  void wrong_requests() {
    const std::pair<std::string_view, std::string> table[] = {
        {R"({"envelope_sender": null})", "422 missing_field envelope_sender"},
        {R"({"envelope_sender": "x"})", "422 invalid_value envelope_sender"},
        {R"({"content": null})", "422 missing_field content"},
        {R"({"content": ""})", "422 invalid_value content"},
        {R"({"content": {"from": {"email": "a@b.example"}}})", "422 missing_field content"},
        {R"({"content": "A: {{\n\nx"})", "422 template_syntax content"},
        {R"({"content": "A: b\n\n{{ x | nosuch }}"})", "422 template_syntax content"},
        {R"({"recipients": null})", "422 missing_field recipients"},
        {R"({"recipients": []})", "400 no_recipients recipients"},
        {R"({"recipients": [{"name": "x"}]})", "422 missing_field recipients[0].email"},
        {R"({"recipients": [{"email": 5}]})", "422 invalid_value recipients[0].email"},
        {R"({"substitutions": 5})", "422 invalid_value substitutions"},
        {R"({"content": {"text_body": "x", "attachments": [{"data": "x"}]}})",
         "422 missing_field content.attachments[0].content_type"},
        {R"({"content": {"text_body": "x", "attachments": [{"data": "*", "base64": true, "content_type": "a/b"}]}})",
         "422 invalid_value content.attachments[0].data"},
    };
    for (const auto& [patch, expected] : table) CPPUNIT_ASSERT_EQUAL(expected, outcome(inject(injection_with(patch))));
  }

  void html_is_escaped() {
    const spool::Incoming incoming =
        built(inject(injection_with(R"({"content": {"text_body": "{{ v }}", "html_body": "{{ v }}",
        "from": {"email": "a@b.example"}}, "substitutions": {"v": "<b>"}})")));
    contains(incoming, "\r\n\r\n<b>\r\n");
    contains(incoming, "\r\n\r\n&lt;b&gt;\r\n");
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(InjectTest);

}  // namespace
