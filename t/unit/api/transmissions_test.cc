// Transmissions that are taken: what comes of them.
#include "transmissions_kit.h"

using namespace impulse;
using namespace impulse::api;

namespace {

class TransmissionsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TransmissionsTest);
  CPPUNIT_TEST(documented_request);
  CPPUNIT_TEST(documented_precedence);
  CPPUNIT_TEST(documented_rfc822);
  CPPUNIT_TEST(envelope_and_trace);
  CPPUNIT_TEST(senders);
  CPPUNIT_TEST(header_to_and_copies);
  CPPUNIT_TEST(copies_as_clients_write_them);
  CPPUNIT_TEST(null_is_not_given);
  CPPUNIT_TEST(templates_of_amp);
  CPPUNIT_TEST(start_time);
  CPPUNIT_TEST(many_recipients);
  CPPUNIT_TEST_SUITE_END();

  // As SparkPost's manual has it, but with tracking off: there is none.
  void documented_request() {
    const Made made = transmit(R"({
      "options": {"open_tracking": false, "click_tracking": false, "transactional": true},
      "campaign_id": "christmas_campaign", "description": "Christmas Campaign Email",
      "metadata": {"user_type": "students", "education_level": "college"},
      "substitution_data": {"sender": "Big Store Team", "discount": "25"},
      "recipients": [{"address": {"email": "wilma@flintstone.com", "name": "Wilma Flintstone"},
                      "tags": ["prehistoric"], "metadata": {"age": "24", "place": "Bedrock", "n": 5, "user_type": "own"},
                      "substitution_data": {"customer_type": "Platinum", "year": "Freshman"}}],
      "content": {"from": {"name": "Fred Flintstone", "email": "fred@flintstone.com"},
                  "subject": "Big Christmas savings!", "reply_to": "Christmas Sales <sales@flintstone.com>",
                  "headers": {"X-Customer-Campaign-ID": "christmas_campaign"},
                  "text": "Hi {{address.name}}\nSave big this Christmas in your area {{place}}!\n{{sender}} {{user_type}}",
                  "html": "<p>Hi {{address.name}}\nget a {{discount}}% discount\n</p><p>{{user_type}}\n</p>",
                  "attachments": [{"name": "billing.pdf", "type": "application/pdf", "data": "Q29uZ3JhdHVsYXRpb25z"}],
                  "inline_images": [{"name": "my_image.jpeg", "type": "image/jpeg", "data": "VGhpcw=="}]}})");
    const spool::Incoming incoming = built(made);
    for (const std::string_view part :
         {"From: Fred Flintstone <fred@flintstone.com>\r\n", "Subject: Big Christmas savings!\r\n",
          "Reply-To: Christmas Sales <sales@flintstone.com>\r\n", "X-Customer-Campaign-ID: christmas_campaign\r\n",
          "To: Wilma Flintstone <wilma@flintstone.com>\r\n", "Date: Tue, 21 Nov 2023 09:05:00 +0000\r\n",
          "Hi Wilma Flintstone\r\nSave big this Christmas in your area Bedrock!\r\nBig Store Team own\r\n",
          "get a 25% discount\r\n", "Content-ID: <my_image.jpeg>\r\n", "filename=billing.pdf\r\n"})
      contains(incoming, part);
    const message::Envelope& envelope = incoming.envelope;
    CPPUNIT_ASSERT_EQUAL(std::string("fred@flintstone.com"), envelope.sender);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, envelope.recipients.size());
    CPPUNIT_ASSERT_EQUAL(std::string("wilma@flintstone.com"), envelope.recipients.front().address);
    const std::pair<std::string, std::string> context[] = {{"campaign_id", "christmas_campaign"},
                                                           {"description", "Christmas Campaign Email"},
                                                           {"transactional", "true"},
                                                           {"tags", "[\"prehistoric\"]"},
                                                           {"metadata.user_type", "own"},
                                                           {"metadata.place", "Bedrock"},
                                                           {"metadata.n", "5"},
                                                           {"transmission_id", "42"},
                                                           {"stream", "main"}};
    for (const auto& [name, value] : context) CPPUNIT_ASSERT_EQUAL(value, context_of(envelope, name));
    // A pool of addresses is a Binding, unless the server says one.
    const std::string pooled = with(R"({"options": {"ip_pool": "b1"}})");
    CPPUNIT_ASSERT_EQUAL(std::string("b1"), context_of(built(transmit(pooled)).envelope, "binding"));
    auto policy = usual_policy();
    policy->context = {{"binding", "b2"}};
    CPPUNIT_ASSERT(outcome(transmit(pooled, policy)).ends_with(" options.ip_pool"));
    CPPUNIT_ASSERT(outcome(transmit(pooled, policy)).starts_with("403 "));
    CPPUNIT_ASSERT_EQUAL(nlohmann::json::parse(R"({"results": {"total_rejected_recipients": 0,
                             "total_accepted_recipients": 1, "id": "42",
                             "recipients": [{"to": "wilma@flintstone.com", "id": "00000001/00000000-node"}]}})")
                             .dump(),
                         answered(made).dump());
  }

  void documented_precedence() {
    auto body = nlohmann::json::parse(R"({
      "metadata": {"city": "San Francisco"}, "substitution_data": {"city": "Seattle"},
      "recipients": [{"address": "wilma@flintstone.com", "metadata": {"city": "Baltimore"},
                      "substitution_data": {"city": "New York"}}],
      "content": {"from": "fred@flintstone.com", "subject": "Hello", "html": "Hello, {{city}}!"}})");
    contains(built(transmit(body.dump())), "Hello, New York!\r\n");
    body["recipients"][0].erase("substitution_data");
    contains(built(transmit(body.dump())), "Hello, Baltimore!\r\n");
    body["recipients"][0].erase("metadata");
    contains(built(transmit(body.dump())), "Hello, Seattle!\r\n");
    body.erase("substitution_data");
    contains(built(transmit(body.dump())), "Hello, San Francisco!\r\n");
    body["content"]["html"] =
        "{{email}} {{email_id}} {{address.email}} {{env_from}} {{return_path}} {{{address.name}}}";
    body["return_path"] = "bounce@flintstone.com";
    contains(built(transmit(body.dump())),
             "wilma@flintstone.com wilma@flintstone.com wilma@flintstone.com bounce@flintstone.com "
             "bounce@flintstone.com \r\n");
    body.erase("return_path");
    body["content"]["html"] = "{{env_from}}={{return_path}}";
    for (const char* from : {"{{u}}@flintstone.com", "fred@flintstone.com"}) {
      body["content"]["from"] = from;
      body["substitution_data"] = {{"u", "fred"}};
      contains(built(transmit(body.dump())), "fred@flintstone.com=fred@flintstone.com\r\n");
    }
    body["substitution_data"] = {{"dynamic_html", {{"x", "<b>{{email}}</b>"}}}};
    body["content"]["html"] = "{{render_dynamic_content(dynamic_html.x)}}";
    contains(built(transmit(body.dump())), "<b>wilma@flintstone.com</b>");
    // A recipient's data is no program.
    body["recipients"][0]["substitution_data"] = body["substitution_data"];
    body.erase("substitution_data");
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value content.html"), outcome(transmit(body.dump())));
  }

  void documented_rfc822() {
    const std::string body = R"({"description": "Christmas Campaign Email",
      "recipients": [{"address": {"email": "wilma@flintstone.com", "name": "Wilma Flintstone"},
                      "substitution_data": {"first_name": "Wilma", "customer_type": "Platinum", "year": "Freshman"}}],
      "return_path": "fred@flintstone.com",
      "content": {"email_rfc822": "Content-Type: text\/plain\r\nTo: \"{{address.name}}\" <{{address.email}}>\r\n\r\n Hi {{first_name}} \nSave big this Christmas in your area {{place}}! \nClick http://www.mysite.com and get huge discount\n Hurry, this offer is only to {{customer_type}}\n {{sender}}\r\n"}})";
    const spool::Incoming incoming = built(transmit(body));
    contains(incoming, "To: \"Wilma Flintstone\" <wilma@flintstone.com>\r\n");
    contains(incoming, "\r\n\r\n Hi Wilma \r\nSave big this Christmas in your area ! \r\n");
    CPPUNIT_ASSERT(incoming.trace.contains("\r\nMessage-ID: <"));  // by the fix-ups
    CPPUNIT_ASSERT_EQUAL(std::string("422 missing_field return_path"),
                         outcome(transmit(with(R"({"content": {"from": null, "subject": null, "text": null,
                                                   "email_rfc822": "Subject: x\n\nHi {{name}}"}})"))));
    CPPUNIT_ASSERT_EQUAL(std::string("a@b.example"),
                         built(transmit(with(R"({"content": {"from": null, "subject": null, "text": null,
                                                 "email_rfc822": "From: {{x}}a@b.example\n\nHi"}})")))
                             .envelope.sender);
  }

  void envelope_and_trace() {
    Call call = usual_call(with("{}"));
    call.tls = "TLSv1.3 TLS_AES_256_GCM_SHA384";
    call.tls_bits = 256;
    auto policy = usual_policy();
    policy->tenant = "acme";
    const Made made = make_job(Style::transmissions, call, policy);
    const spool::Incoming incoming = built(made);
    CPPUNIT_ASSERT_EQUAL(std::string("HTTPS"), std::string((*made)->protocol()));
    CPPUNIT_ASSERT_EQUAL(std::string("Received: from unknown (unknown [192.0.2.7])\r\n\tby mx.example with HTTPS id "),
                         incoming.trace.substr(0, incoming.id_offset));
    CPPUNIT_ASSERT(incoming.trace.contains("(TLSv1.3 TLS_AES_256_GCM_SHA384 256 bits)"));
    CPPUNIT_ASSERT(incoming.trace.contains("for <wilma@flintstone.com>;\r\n\tTue, 21 Nov 2023 09:05:00 +0000\r\n"));
    const message::Envelope& envelope = incoming.envelope;
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.7"), envelope.client.to_string());
    CPPUNIT_ASSERT(envelope.client_port == 4711 && envelope.listener == "*:80" && envelope.user == "app" &&
                   envelope.tenant == "acme" && envelope.received == call.now && !envelope.smtputf8 &&
                   envelope.body_type == message::BodyType::seven_bit);
    policy->trace_headers = false;
    CPPUNIT_ASSERT_EQUAL(std::string(), built(make_job(Style::transmissions, call, policy)).trace);

    // Beyond ASCII: domains become A-labels, local parts need SMTPUTF8.
    CPPUNIT_ASSERT_EQUAL(
        std::string("w@xn--bcher-kva.example"),
        built(transmit(with(R"({"recipients": [{"address": "w@bücher.example"}]})"))).envelope.recipients[0].address);
    const message::Envelope utf8 =
        built(transmit(with(R"({"recipients": [{"address": "wü@bücher.example"}]})"))).envelope;
    CPPUNIT_ASSERT(utf8.smtputf8 && utf8.recipients[0].address == "wü@bücher.example");
  }

  void senders() {
    const auto sender = [](std::string_view patch) { return built(transmit(with(patch))).envelope.sender; };
    CPPUNIT_ASSERT_EQUAL(std::string("b@x.example"), sender(R"({"return_path": "b@x.example"})"));
    CPPUNIT_ASSERT_EQUAL(std::string("own@x.example"), sender(R"({"return_path": "b@x.example",
                         "recipients": [{"address": "a@b.example", "return_path": "own@x.example"}]})"));
    CPPUNIT_ASSERT_EQUAL(std::string(), sender(R"({"return_path": "<>"})"));
    CPPUNIT_ASSERT_EQUAL(
        std::string("y@x.example"),
        sender(R"({"content": {"from": "{{u}} <{{u}}@x.example>"}, "substitution_data": {"u": "y"}})"));
    auto policy = usual_policy();
    policy->allow_null_sender = false;
    CPPUNIT_ASSERT_EQUAL(std::string("403 refused return_path"),
                         outcome(transmit(with(R"({"return_path": ""})"), policy)));
    Call call = usual_call(with("{}"));
    call.may_send = [](std::string_view who) -> Result<> {
      if (who == "fred@flintstone.com") return fail(Errc::denied, "not yours");
      return {};
    };
    CPPUNIT_ASSERT_EQUAL(std::string("403 refused return_path"),
                         outcome(make_job(Style::transmissions, call, usual_policy())));
    call.body = with(R"({"return_path": "x@y.example"})");
    CPPUNIT_ASSERT_EQUAL(std::string("ok"), outcome(make_job(Style::transmissions, call, usual_policy())));
  }

  void header_to_and_copies() {
    const Made made = transmit(with(R"({"recipients": [
        {"address": {"email": "to@b.example", "name": "To"}},
        {"address": {"email": "cc@b.example", "header_to": "to@b.example"}},
        {"address": {"email": "bcc@b.example", "name": "To", "header_to": "to@b.example"}}],
        "content": {"headers": {"CC": "cc@b.example"}}})"));
    for (size_t i = 0; i < 3; ++i) {
      contains(built(made, i), i == 1 ? "\r\nTo: to@b.example\r\n" : "\r\nTo: To <to@b.example>\r\n");
      contains(built(made, i), "\r\nCC: cc@b.example\r\n");
      CPPUNIT_ASSERT(!built(made, i).body.to_string().contains("bcc"));
    }
    CPPUNIT_ASSERT_EQUAL(std::string("bcc@b.example"), built(made, 2).envelope.recipients[0].address);
  }

  // header_to is what To says: names and lists, as SparkPost's own clients make it.
  void copies_as_clients_write_them() {
    const std::pair<std::string_view, std::string_view> table[] = {
        {"\"Original Recipient\" <o@b.example>", "\r\nTo: Original Recipient <o@b.example>\r\n"},
        {"o@b.example, p@b.example", "\r\nTo: o@b.example, p@b.example\r\n"},
        {"\"O, R\" <o@b.example>,p@b.example", "\r\nTo: \"O, R\" <o@b.example>, p@b.example\r\n"},
        {"Zoë <o@b.example>", "\r\nTo: =?UTF-8?B?Wm/Dqw==?= <o@b.example>\r\n"},
    };
    for (const auto& [given, shown] : table) {
      const Made made =
          transmit(patched({{"recipients", {{{"address", {{"email", "cc@b.example"}, {"header_to", given}}}}}}}));
      contains(built(made), shown);
      CPPUNIT_ASSERT_EQUAL(std::string("cc@b.example"), built(made).envelope.recipients[0].address);
    }
    for (const std::string_view unsafe : {"o@b.example\r\nBcc: x@y.example", "\"O\n\" <o@b.example>"})
      CPPUNIT_ASSERT_EQUAL(
          std::string("400 unsafe_value recipients[0].address.header_to"),
          outcome(transmit(
              patched({{"recipients", {{{"address", {{"email", "cc@b.example"}, {"header_to", unsafe}}}}}}}))));
    for (const std::string_view bad : {"", ",", "o@b.example,", "\"O <o@b.example>", "team: o@b.example;"})
      CPPUNIT_ASSERT_EQUAL(std::string("400 no_recipients recipients[0].address.header_to"),
                           outcome(transmit(patched(
                               {{"recipients", {{{"address", {{"email", "cc@b.example"}, {"header_to", bad}}}}}}}))));
  }

  // python-sparkpost says null of all that it was not told.
  void null_is_not_given() {
    const std::string body = R"({
      "options": {"start_time": null, "open_tracking": null, "click_tracking": null, "transactional": null,
                  "sandbox": null, "skip_suppression": null, "ip_pool": null, "inline_css": null},
      "recipients": [{"address": {"email": "wilma@flintstone.com", "name": null, "header_to": null}, "tags": null,
                      "metadata": null, "substitution_data": null, "return_path": null}],
      "content": {"use_draft_template": false, "template_id": null, "ab_test_id": null, "reply_to": null,
                  "subject": "s", "from": {"email": "fred@flintstone.com", "name": null}, "html": "<p>x</p>",
                  "text": null, "amp_html": null, "headers": null, "attachments": null, "inline_images": null,
                  "email_rfc822": null},
      "description": null, "return_path": null, "campaign_id": null, "metadata": null, "name": null,
      "substitution_data": null})";
    const spool::Incoming incoming = built(transmit(body));
    CPPUNIT_ASSERT_EQUAL(std::string("fred@flintstone.com"), incoming.envelope.sender);
    CPPUNIT_ASSERT(!incoming.body.to_string().contains("Reply-To"));
    for (const std::string_view name : {"campaign_id", "description", "name", "tags", "transactional"})
      CPPUNIT_ASSERT_EQUAL(std::string("(none)"), context_of(incoming.envelope, name));
    const auto changed = [&](std::string_view pointer, nlohmann::json value) {
      auto copy = nlohmann::json::parse(body);
      copy[nlohmann::json::json_pointer(std::string(pointer))] = std::move(value);
      return outcome(transmit(copy.dump()));
    };
    CPPUNIT_ASSERT_EQUAL(std::string("422 unsupported content.use_draft_template"),
                         changed("/content/use_draft_template", true));
    CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value content.use_draft_template"),
                         changed("/content/use_draft_template", "no"));
    CPPUNIT_ASSERT_EQUAL(std::string("422 unsupported unknown"), changed("/unknown", nullptr));
    CPPUNIT_ASSERT_EQUAL(std::string("422 missing_field content"), changed("/content", nullptr));
    CPPUNIT_ASSERT_EQUAL(std::string("422 missing_field recipients"), changed("/recipients", nullptr));
    CPPUNIT_ASSERT_EQUAL(std::string("422 missing_field content.from"), changed("/content/from", nullptr));
    CPPUNIT_ASSERT_EQUAL(std::string("400 no_recipients recipients[0].address"),
                         changed("/recipients/0/address", nullptr));
    CPPUNIT_ASSERT_EQUAL(std::string("400 no_recipients recipients[0].address.email"),
                         changed("/recipients/0/address/email", nullptr));
  }

  // What AMP fills when the message is read is not ours.
  void templates_of_amp() {
    const auto amp = [](std::string_view text) {
      const spool::Incoming incoming = built(transmit(
          patched({{"substitution_data", {{"a", "1&2"}}}, {"content", {{"text", "{{a}}"}, {"amp_html", text}}}})));
      const std::string body = incoming.body.to_string();
      const size_t at = body.find("\r\n\r\n", body.find("text/x-amp-html")) + 4;
      return body.substr(at, body.find("\r\n--", at) - at);
    };
    const std::pair<std::string_view, std::string_view> table[] = {
        {"{{a}}<template type=\"amp-mustache\">{{x}} {{#y}}{{{z}}}{{/y}}</template>{{a}}",
         "1&amp;2<template type=\"amp-mustache\">{{x}} {{#y}}{{{z}}}{{/y}}</template>1&amp;2"},
        {"<TEMPLATE id=t type='AMP-mustache' >{{x}}</Template><template type=amp-mustache>{{y}}</template>",
         "<TEMPLATE id=t type='AMP-mustache' >{{x}}</Template><template type=amp-mustache>{{y}}</template>"},
        {"<template>{{a}}</template><template type=\"amp-mustache\">{{",
         "<template>1&amp;2</template><template type=\"amp-mustache\">{{"},
        {"<template {{a}}", "<template 1&amp;2"},
        {"{{if a}}<template type=\"amp-mustache\">{{end}}</template>{{else}}no{{end}}",
         "<template type=\"amp-mustache\">{{end}}</template>"},
    };
    for (const auto& [given, expected] : table) CPPUNIT_ASSERT_EQUAL(std::string(expected), amp(given));
    // Elsewhere it is a template like any other.
    CPPUNIT_ASSERT_EQUAL(
        std::string("422 template_syntax content.html"),
        outcome(transmit(patched({{"content", {{"html", "<template type=\"amp-mustache\">{{#y}}{{/y}}"}}}}))));
  }

  void start_time() {
    const auto hold = [](std::string_view time) {
      return built(transmit(patched({{"options", {{"start_time", time}}}}))).envelope.hold_until;
    };
    CPPUNIT_ASSERT(hold("2023-11-22T09:05:00-01:00") == WallTime(std::chrono::seconds(1700557500 + 90000)));
    CPPUNIT_ASSERT(hold("2023-11-20T09:05:00+00:00") == WallTime{});
    CPPUNIT_ASSERT(hold("now") == WallTime{});
    for (const std::string_view bad : {"2023-12-22T09:05:00Z", "tomorrow", "2023-11-22", "", "2023-11-22T09:05:00"})
      CPPUNIT_ASSERT_EQUAL(std::string("422 invalid_value options.start_time"),
                           outcome(transmit(patched({{"options", {{"start_time", bad}}}}))));
  }

  void many_recipients() {
    nlohmann::json recipients = nlohmann::json::array();
    for (int i = 0; i < 10'000; ++i)
      recipients.push_back(
          {{"address", {{"email", fmt::format("user{}@b.example", i)}, {"name", fmt::format("User {}", i)}}},
           {"substitution_data", {{"n", i}, {"city", "Berlin"}}}});
    const Made made = transmit(
        patched({{"recipients", recipients},
                 {"content", {{"subject", "Offer {{n}}"}, {"html", "<p>{{address.name}}: {{n}} {{city}}</p>"}}}}));
    CPPUNIT_ASSERT_EQUAL(std::string("ok"), outcome(made));
    CPPUNIT_ASSERT_EQUAL(size_t{10'000}, (*made)->total());
    contains(built(made, 9'999), "<p>User 9999: 9999 Berlin</p>");
    contains(built(made, 5'000), "Subject: Offer 5000\r\n");
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TransmissionsTest);

}  // namespace
