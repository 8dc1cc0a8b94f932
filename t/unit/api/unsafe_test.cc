// Line breaks and other control characters in everything that reaches a
// header field or the envelope: refused with 400, or no line is made by them.
#include "base/text.h"
#include "kit.h"

using namespace impulse;
using namespace impulse::api;

namespace {

constexpr std::string_view probe = "X-Evil";

// What no value may bring about: a line of ours that begins with the probe
// within the header section, or an envelope that holds a control character.
void harmless(const Made& made, const std::string& where) {
  if (!made) return;
  for (size_t i = 0; i < (*made)->total(); ++i) {
    const auto incoming = (*made)->build(i);
    if (!incoming) {
      CPPUNIT_ASSERT_MESSAGE(where, status_of(incoming.error().fault) < 500);
      continue;
    }
    const std::string body = incoming->body.to_string();
    const std::string head = incoming->trace + body.substr(0, body.find("\r\n\r\n"));
    CPPUNIT_ASSERT_MESSAGE(where + "\n" + head, !head.contains("\n" + std::string(probe)) && !head.starts_with(probe));
    for (const std::string_view line : split(head, '\n')) CPPUNIT_ASSERT_MESSAGE(where, !line.contains('\0'));
    const message::Envelope& envelope = incoming->envelope;
    std::string addresses = envelope.sender;
    for (const auto& recipient : envelope.recipients) addresses += recipient.address;
    CPPUNIT_ASSERT_MESSAGE(where, std::ranges::none_of(addresses, [](char c) { return c >= 0 && c < 0x20; }));
  }
}

class UnsafeTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(UnsafeTest);
  CPPUNIT_TEST(fields_of_requests);
  CPPUNIT_TEST(encoded_parameters_of_media_types);
  CPPUNIT_TEST(every_string_of_every_request);
  CPPUNIT_TEST(results_of_templates);
  CPPUNIT_TEST(envelope_of_raw_messages);
  CPPUNIT_TEST_SUITE_END();

  static nlohmann::json transmission() {
    return nlohmann::json::parse(R"({
      "campaign_id": "c", "description": "d", "return_path": "r@b.example", "metadata": {"m": "v"},
      "substitution_data": {"s": "v"},
      "recipients": [{"address": {"email": "a@b.example", "name": "n", "header_to": "h@b.example"}, "tags": ["t"],
                      "return_path": "own@b.example", "metadata": {"k": "v"}, "substitution_data": {"u": "v"}}],
      "content": {"from": {"email": "f@b.example", "name": "F"}, "subject": "S {{s}} {{u}} {{k}} {{m}}", "text": "T",
                  "reply_to": "R <r@b.example>", "headers": {"X-H": "h", "Cc": "cc@b.example"},
                  "attachments": [{"name": "a.txt", "type": "text/plain", "data": "QQ=="}],
                  "inline_images": [{"name": "i", "type": "image/png", "data": "QQ=="}]}})");
  }
  static nlohmann::json injection() {
    return nlohmann::json::parse(R"({
      "envelope_sender": "s@b.example", "substitutions": {"s": "v"},
      "trace_headers": {"supplemental_header": true, "header_name": "X-Ref", "include_meta_names": ["m"]},
      "recipients": [{"email": "a@b.example", "name": "n", "substitutions": {"u": "v"}, "metadata": {"m": "v"}}],
      "content": {"from": {"email": "f@b.example", "name": "F"}, "reply_to": {"email": "r@b.example", "name": "R"},
                  "subject": "S {{s}} {{u}}", "text_body": "T", "headers": {"X-H": "{{ to_header }}"},
                  "attachments": [{"data": "x", "content_type": "text/plain", "file_name": "f", "content_id": "i"}]}})");
  }
  static nlohmann::json message() {
    return nlohmann::json::parse(R"({"from": "f@b.example", "to": ["a@b.example"], "context": {"k": "v"},
      "content": {"from": "F <f@b.example>", "subject": "S", "text": "T", "headers": {"X-H": "h"}}})");
  }

  void fields_of_requests() {
    const std::pair<std::string_view, std::string> table[] = {
        {"/return_path", "return_path"},
        {"/recipients/0/address/email", "recipients[0].address.email"},
        {"/recipients/0/address/name", "recipients[0].address.name"},
        {"/recipients/0/address/header_to", "recipients[0].address.header_to"},
        {"/recipients/0/return_path", "recipients[0].return_path"},
        {"/content/from/email", "content.from.email"},
        {"/content/from/name", "content.from.name"},
        {"/content/subject", "content.subject"},
        {"/content/reply_to", "content.reply_to"},
        {"/content/headers/X-H", "content.headers.X-H"},
        {"/content/headers/Cc", "content.headers.Cc"},
        {"/content/attachments/0/name", "content.attachments[0].name"},
        {"/content/attachments/0/type", "content.attachments[0].type"},
        {"/content/inline_images/0/name", "content.inline_images[0].name"},
        {"/substitution_data/s", "content.subject"},
        {"/metadata/m", "metadata.m"},
        {"/recipients/0/substitution_data/u", "content.subject"},
        {"/recipients/0/metadata/k", "recipients[0].metadata.k"},
    };
    CPPUNIT_ASSERT_EQUAL(std::string("ok"), outcome(make(Style::transmissions, transmission().dump())));
    for (const auto& [pointer, field] : table)
      for (const std::string_view bad : {"\r\nX-Evil: 1", "\nX-Evil: 1", "\r", "\x01", "\x7f"}) {
        auto body = transmission();
        auto& value = body[nlohmann::json::json_pointer(std::string(pointer))];
        value = value.get<std::string>() + std::string(bad);
        CPPUNIT_ASSERT_EQUAL("400 unsafe_value " + field, outcome(make(Style::transmissions, body.dump())));
        value = value.get<std::string>() + std::string(1, '\0');
        CPPUNIT_ASSERT_EQUAL("400 unsafe_value " + field, outcome(make(Style::transmissions, body.dump())));
      }
    auto body = transmission();
    body["content"]["headers"]["X-A\r\nX-Evil"] = "x";
    CPPUNIT_ASSERT(
        outcome(make(Style::transmissions, body.dump())).starts_with("400 unsafe_value content.headers.X-A\\r"));
  }

  void encoded_parameters_of_media_types() {
    for (const std::string_view type :
         {"text/plain; name*=utf-8''a%0D%0AX-Evil:%20yes", "text/plain; name=\"=?utf-8?Q?a=0D=0AX-Evil:_yes?=\"",
          "text/plain; name*=utf-8''a%0D%0A%0D%0A--=_mixed--%0D%0Aq"}) {
      auto body = transmission();
      for (const std::string_view files : {"attachments", "inline_images"}) {
        auto changed = body;
        changed["content"][files][0]["type"] = type;
        CPPUNIT_ASSERT_EQUAL("400 unsafe_value content." + std::string(files) + "[0].type",
                             outcome(make(Style::transmissions, changed.dump())));
      }
      auto other = injection();
      other["content"]["attachments"][0]["content_type"] = type;
      CPPUNIT_ASSERT(outcome(make(Style::inject, other.dump())).starts_with("400 unsafe_value content.attachments[0]"));
    }
  }

  // Any string, any name: at its front, at its end, and instead of it.
  void every_string_of_every_request() {
    const std::pair<Style, nlohmann::json> requests[] = {
        {Style::transmissions, transmission()}, {Style::inject, injection()}, {Style::impulse, message()}};
    for (const auto& [style, request] : requests) {
      CPPUNIT_ASSERT_EQUAL(std::string("ok"), outcome(make(style, request.dump())));
      const nlohmann::json flat = request.flatten();
      for (const auto& [pointer, old] : flat.items()) {
        if (!old.is_string()) continue;
        for (const std::string_view bad :
             {"X-Evil: 1\r\n", "\r\nX-Evil: 1", "\nX-Evil: 1\n", "\rX-Evil: 1", "\n\nX-Evil", "> X-Evil <"})
          for (const bool front : {true, false}) {
            nlohmann::json changed = flat;
            const auto text = old.get<std::string>();
            changed[pointer] = front ? std::string(bad) + text : text + std::string(bad);
            harmless(make(style, changed.unflatten().dump()), pointer);
          }
        nlohmann::json named = flat;
        named.erase(pointer);
        named[pointer.substr(0, pointer.rfind('/')) + "/x\r\nX-Evil"] = old;
        if (!is_digit(pointer.back())) harmless(make(style, named.unflatten().dump()), pointer);
      }
    }
  }

  void results_of_templates() {
    for (const std::string_view content :
         {"{{ v }}\nA: b\n\nx", "A: {{ v }}\n\nx", "A: b\n {{ v }}\n\nx", "A: b\n{{ v }}\n\nx",
          "{% if v %}\n{{ v }}{% endif %}\n\nx", "{{ v }}", "A: b\n{% for x in l %}{{ x }}\n{% endfor %}\nx",
          "{{ v }}{{ v }}: x\n\nx", "A: {{ v | safe }}\n\nx", "A: {{ v | replace('Y', '\\n') }}\n\nx",
          "A: {{ '\\nX-Evil: 1' }}\n\nx"})
      for (const std::string_view value :
           {"X-Evil: 1", "\r\nX-Evil: 1", "a\nX-Evil: 1\n\n", "YX-Evil: 1", "\rX-Evil: 1"}) {
        const nlohmann::json body{{"envelope_sender", "a@b.example"},
                                  {"content", content},
                                  {"substitutions", {{"v", value}, {"l", {value}}}},
                                  {"recipients", {{{"email", "c@d.example"}}}}};
        const Made made = make(Style::inject, body.dump());
        harmless(made, std::string(content));
      }
    const Made made = make(Style::inject, R"({"envelope_sender": "a@b.example", "content": "A: {{ v }}\n\nx",
        "substitutions": {"v": "ok"}, "recipients": [{"email": "c@d.example"},
        {"email": "e@f.example", "substitutions": {"v": "x\r\nB: c"}}]})");
    CPPUNIT_ASSERT_EQUAL(std::string("400 unsafe_value content"), outcome(made));
    CPPUNIT_ASSERT((*made)->build(1).error().reason.contains("e@f.example"));
  }

  void envelope_of_raw_messages() {
    for (const std::string_view bad :
         {"a@b.example\r\nRCPT TO:<x@y.example>", "a@b.example> SIZE=1", "a@b.example\n", "a\r@b.example"}) {
      Call call = usual_call("A: b\n\nx", "message/rfc822");
      call.query = {{"from", "s@b.example"}, {"to", std::string(bad)}};
      CPPUNIT_ASSERT(outcome(make_job(Style::impulse, call, usual_policy())).starts_with("4"));
      call.query = {{"from", std::string(bad)}, {"to", "s@b.example"}};
      CPPUNIT_ASSERT(outcome(make_job(Style::impulse, call, usual_policy())).starts_with("4"));
      call.query.clear();
      call.headers = {{"X-Envelope-From", "s@b.example"}, {"X-Envelope-To", std::string(bad) + "x"}};
      CPPUNIT_ASSERT(outcome(make_job(Style::impulse, call, usual_policy())).starts_with("4"));
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(UnsafeTest);

}  // namespace
