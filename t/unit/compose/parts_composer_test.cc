#include "compose/parts_composer.h"

#include "base/text.h"
#include "compose/mime_scan.h"

#include "kit.h"

#include <functional>
#include <tuple>

using namespace impulse;
using namespace impulse::compose;

namespace {

PartsSource usual() {
  PartsSource out;
  out.fields = {{.header = "From",
                 .value = {"content.from.email", "fred@flintstone.com"},
                 .name = {{"content.from.name", "Fred"}}},
                {.header = "Subject", .value = {"content.subject", "Hello {{name}}"}}};
  out.text = TextSource{"content.text", "Hi {{name}}\n"};
  return out;
}

std::string made(const PartsSource& source, const Value& values, size_t max_size = 1 << 20) {
  const auto composer = compose_parts(source);
  if (!composer) return "fault " + composer.error().field + ": " + composer.error().reason;
  Scope scope;
  scope.layers = {&values};
  Occasion occasion{.values = scope};
  occasion.to = {Mailbox{"Wilma", "wilma@flintstone.com"}};
  occasion.now = WallTime(std::chrono::seconds(1700557500));
  occasion.unique = "1.2.3";
  occasion.hostname = "mx.example";
  occasion.max_size = max_size;
  const auto composed = (*composer)->compose(occasion);
  if (!composed) return "fault " + composed.error().field + ": " + composed.error().reason;
  CPPUNIT_ASSERT_EQUAL(std::string("fred@flintstone.com"), composed->from);
  const std::string& message = composed->message;
  CPPUNIT_ASSERT(is_ascii(message) && message.ends_with("\r\n"));
  CPPUNIT_ASSERT_EQUAL(count(message, "\n"), count(message, "\r\n"));
  CPPUNIT_ASSERT_EQUAL(count(message, "\r"), count(message, "\r\n"));
  for (const std::string_view line : split(message, '\n')) CPPUNIT_ASSERT(line.size() <= 999);
  return message;
}

class PartsComposerTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PartsComposerTest);
  CPPUNIT_TEST(plain_text);
  CPPUNIT_TEST(structures);
  CPPUNIT_TEST(file_names);
  CPPUNIT_TEST(fields);
  CPPUNIT_TEST(faults);
  CPPUNIT_TEST(parameters_that_break_out);
  CPPUNIT_TEST(values_that_break_out);
  CPPUNIT_TEST(sizes);
  CPPUNIT_TEST(work_of_a_message);
  CPPUNIT_TEST_SUITE_END();

  const Value values_ = object({{"name", text("Jörg")}});

  void plain_text() {
    CPPUNIT_ASSERT_EQUAL(std::string("From: Fred <fred@flintstone.com>\r\n"
                                     "Subject: =?UTF-8?Q?Hello_J=C3=B6rg?=\r\n"
                                     "To: Wilma <wilma@flintstone.com>\r\n"
                                     "Date: Tue, 21 Nov 2023 09:05:00 +0000\r\n"
                                     "Message-ID: <1.2.3@mx.example>\r\n"
                                     "MIME-Version: 1.0\r\n"
                                     "Content-Type: text/plain; charset=utf-8\r\n"
                                     "Content-Transfer-Encoding: quoted-printable\r\n"
                                     "\r\n"
                                     "Hi J=C3=B6rg\r\n"),
                         made(usual(), values_));
  }

  void structures() {
    PartsSource source = usual();
    source.html = TextSource{"content.html", "<p>Hi {{name}}</p><img src=\"cid:logo\">"};
    source.amp = TextSource{"content.amp_html", "<html amp4email>{{name}}</html>"};
    source.attachments = {{.field = "a", .type = "image/png", .content_id = "logo.1_{a}@b-c", .data = "AAEC"},
                          {.field = "b", .type = "application/pdf", .name = "bill.pdf", .data = "AAEC"},
                          {.field = "c", .type = "text/plain; charset=\"utf-8\"", .data = "grün", .base64 = false}};
    const std::string message = made(source, values_);
    const std::string_view order[] = {
        "multipart/mixed; boundary=\"=_mixed\"",
        "--=_mixed\r\n",
        "multipart/alternative; boundary=\"=_alternative\"",
        "--=_alternative\r\n",
        "text/plain; charset=utf-8",
        "--=_alternative\r\n",
        "text/x-amp-html; charset=utf-8",
        "--=_alternative\r\n",
        "multipart/related; boundary=\"=_related\"",
        "--=_related\r\n",
        "text/html; charset=utf-8",
        "--=_related\r\n",
        "Content-Type: image/png\r\nContent-Disposition: inline\r\nContent-ID: <logo.1_{a}@b-c>\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n",
        "--=_related--\r\n",
        "--=_alternative--\r\n",
        "--=_mixed\r\n",
        "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=bill.pdf\r\n",
        "--=_mixed\r\n",
        "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment\r\n",
        "Z3LDvG4=\r\n",
        "--=_mixed--\r\n"};
    size_t at = 0;
    for (const std::string_view piece : order) {
      const size_t found = message.find(piece, at);
      CPPUNIT_ASSERT_MESSAGE(std::string(piece), found != std::string::npos);
      at = found + piece.size();
    }
    CPPUNIT_ASSERT_EQUAL(message.size(), at);
    // Others find the same parts.
    const auto scan = scan_mime(message);
    CPPUNIT_ASSERT(scan.has_value() && scan->plain && scan->html);
    CPPUNIT_ASSERT_EQUAL(std::string("Hi Jörg\r\n"), *leaf_text(message, *scan->plain) + "\r\n");
    CPPUNIT_ASSERT(leaf_text(message, *scan->html)->starts_with("<p>Hi Jörg</p>"));
  }

  void file_names() {
    for (const std::string_view name : {"Übersicht.pdf", "a \"b\" \\ c;d.txt", "日本語.txt"}) {
      PartsSource source = usual();
      source.attachments = {{.field = "f", .type = "a/b", .name = std::string(name), .data = ""}};
      const std::string message = made(source, values_);
      CPPUNIT_ASSERT(!message.starts_with("fault"));
      CPPUNIT_ASSERT_EQUAL(size_t{1}, count(message, "Content-Disposition: attachment;"));
    }
    PartsSource source = usual();
    source.attachments = {{.field = "f", .type = "a/b", .name = "Übersicht.pdf", .data = ""}};
    CPPUNIT_ASSERT(lower(made(source, values_)).contains("filename*=utf-8''%c3%9cbersicht.pdf"));
  }

  void fields() {
    PartsSource source = usual();
    source.fields.push_back(
        {.header = "Reply-To", .value = {"r", "Christmas Sales <s@f.example>, {{name}} <j@f.example>"}});
    source.fields.push_back({.header = "Cc", .value = {"c", "c@d.example"}});
    source.fields.push_back({.header = "X-Tag", .value = {"x", "for {{name}}"}});
    source.fields.push_back({.header = "message-id", .value = {"m", "<mine@f.example>"}});
    source.fields.push_back({.header = "To", .value = {"t", "list@f.example"}});
    const std::string message = made(source, values_);
    for (const std::string_view line :
         {"Reply-To: Christmas Sales <s@f.example>, =?UTF-8?Q?J=C3=B6rg?= <j@f.example>\r\n", "Cc: c@d.example\r\n",
          "X-Tag: =?UTF-8?Q?for_J=C3=B6rg?=\r\n", "message-id: <mine@f.example>\r\n", "To: list@f.example\r\n"})
      CPPUNIT_ASSERT_MESSAGE(message, message.contains(line));
    CPPUNIT_ASSERT(!message.contains("Message-ID") && count(message, "To: ") == 2);
  }

  void faults() {
    const auto with = [](const std::function<void(PartsSource&)>& change) {
      PartsSource source = usual();
      change(source);
      return source;
    };
    const auto field = [](std::string name, std::string_view value) {
      return [=](PartsSource& s) { s.fields.push_back({.header = name, .value = {"f", value}}); };
    };
    const auto file = [](AttachmentSource attachment) {
      return [attachment = std::move(attachment)](PartsSource& s) { s.attachments.push_back(attachment); };
    };
    using Kind = Fault::Kind;
    const std::tuple<PartsSource, Kind, std::string> table[] = {
        {with([](auto& s) { s.text.reset(); }), Kind::invalid, ""},
        {with(field("Bcc", "a@b.example")), Kind::unsupported, "f"},
        {with(field("content-type", "text/html")), Kind::unsupported, "f"},
        {with(field("Mime-Version", "2.0")), Kind::unsupported, "f"},
        {with(field("Subject", "again")), Kind::invalid, "f"},
        {with(field("X Y", "z")), Kind::invalid, "f"},
        {with(field("X\r\nY", "z")), Kind::unsafe, "f"},
        {with(field("X", "a\r\nBcc: b@c.example")), Kind::unsafe, "f"},
        {with(field("X", "{{if")), Kind::template_syntax, "f"},
        {with(field("Cc", "nobody")), Kind::invalid, "f"},
        {with(field("Sender", "a@b.example, c@d.example")), Kind::invalid, "f"},
        {with([](auto& s) { s.html = TextSource{"h", "{{end}}"}; }), Kind::template_syntax, "h"},
        {with(file({.field = "a", .type = "nothing", .data = ""})), Kind::invalid, "a.type"},
        {with(file({.field = "a", .type = "a/b\r\nX: y", .data = ""})), Kind::unsafe, "a.type"},
        {with(file({.field = "a", .type = "multipart/mixed", .data = ""})), Kind::unsupported, "a.type"},
        {with(file({.field = "a", .type = "a/b", .name = "x\ny", .data = ""})), Kind::unsafe, "a.name"},
        {with(file({.field = "a", .type = "a/b", .name = std::string(256, 'x'), .data = ""})), Kind::invalid, "a.name"},
        {with(file({.field = "a", .type = "a/b", .content_id = "x> y", .data = ""})), Kind::invalid, "a.content_id"},
        {with(file({.field = "a", .type = "a/b", .content_id = "x\r\ny", .data = ""})), Kind::unsafe, "a.content_id"},
        {with(file({.field = "a", .type = "a/b", .content_id = "a\"b(c", .data = ""})), Kind::invalid, "a.content_id"},
        {with(file({.field = "a", .type = "a/b", .content_id = "[a]", .data = ""})), Kind::invalid, "a.content_id"},
        {with(file({.field = "a", .type = "a/b", .content_id = "a,b", .data = ""})), Kind::invalid, "a.content_id"},
        {with(file({.field = "a", .type = "a/b", .content_id = "\xC3\xA9", .data = ""})), Kind::invalid,
         "a.content_id"},
        {with(file({.field = "a", .type = "a/b", .data = "%%"})), Kind::invalid, "a.data"},
    };
    for (const auto& [source, kind, name] : table) {
      const auto composer = compose_parts(source);
      CPPUNIT_ASSERT_MESSAGE(name, !composer.has_value());
      CPPUNIT_ASSERT_MESSAGE(composer.error().reason, kind == composer.error().kind);
      CPPUNIT_ASSERT_EQUAL(name, composer.error().field);
      CPPUNIT_ASSERT(!composer.error().reason.empty());
    }
  }

  // What a media type's parameters are once they are decoded (RFC 2231, 2047).
  void parameters_that_break_out() {
    for (const std::string_view type :
         {"text/plain; name*=utf-8''a%0D%0AX-Evil:%20yes", "text/plain; name*=utf-8''a%0AX-Evil",
          "text/plain; name*=utf-8''a%0D", "text/plain; name*=utf-8''a%09b",
          "text/plain; name*0*=utf-8''a; name*1*=%0D%0AX-Evil:%20yes",
          "text/plain; name=\"=?utf-8?Q?a=0D=0AX-Evil:_yes?=\"",
          "text/plain; name=\"=?utf-8?B?YQ0KWC1FdmlsOiB5ZXM=?=\"",
          "text/plain; name*=utf-8''a%0D%0A%0D%0A--=_mixed--%0D%0Aq"}) {
      PartsSource source = usual();
      source.attachments = {{.field = "a", .type = std::string(type), .data = ""}};
      const auto composer = compose_parts(source);
      CPPUNIT_ASSERT_MESSAGE(std::string(type), !composer.has_value());
      CPPUNIT_ASSERT_MESSAGE(composer.error().reason, composer.error().kind == Fault::Kind::unsafe);
      CPPUNIT_ASSERT_EQUAL(std::string("a.type"), composer.error().field);
    }
    // Those that hold none of it are taken, whatever folds they need.
    for (const std::string& type :
         {std::string("text/plain; name*=utf-8''a%20%C3%A4"), std::string("a/b;\tc=d; e=\"f g\""),
          "text/plain; name=\"" + std::string(300, 'x') + "\"; more=" + std::string(300, 'y')}) {
      PartsSource source = usual();
      source.attachments = {{.field = "a", .type = type, .data = ""}};
      CPPUNIT_ASSERT_MESSAGE(type, !made(source, values_).starts_with("fault"));
    }
  }

  void values_that_break_out() {
    PartsSource source = usual();
    source.html = TextSource{"content.html", "{{name}}"};
    for (const std::string_view bad : {"x\r\nBcc: evil@x.example", "x\ny", "x\ry"})
      CPPUNIT_ASSERT_EQUAL(
          std::string("fault content.subject: line 1, column 7: the value holds a line break or another "
                      "control character, which no header field may"),
          made(source, object({{"name", text(bad)}})));
    // In a text they may stand; but they end no part.
    source.fields.pop_back();
    const std::string message = made(source, object({{"name", text("x\r\n--=_alternative--\r\nX: y\r\n")}}));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, count(message, "--=_alternative--"));
    // A name cannot bring an address of its own.
    source = usual();
    source.fields[0].name = TextSource{"n", "{{name}}"};
    CPPUNIT_ASSERT(made(source, object({{"name", text("x\" <evil@x.example>, \"y")}}))
                       .starts_with("From: \"x\\\" <evil@x.example>, \\\"y\" <fred@flintstone.com>\r\n"));
    source.fields[0].value.text = "{{name}}@flintstone.com";
    CPPUNIT_ASSERT(made(source, object({{"name", text("a@b.example, c")}})).starts_with("fault content.from.email: "));
  }

  void sizes() {
    const std::string long_name(2000, 'x');
    PartsSource source = usual();
    CPPUNIT_ASSERT_EQUAL(std::string("fault : the message is larger than Max_Message_Size"),
                         made(source, object({{"name", text("x")}}), 200));
    CPPUNIT_ASSERT(
        made(source, object({{"name", text(long_name)}})).starts_with("fault content.subject: a word of 2000"));
    const std::string data(3000, 'A');
    source.attachments = {{.field = "a", .type = "a/b", .data = data}};
    CPPUNIT_ASSERT_EQUAL(std::string("fault : the message is larger than Max_Message_Size"),
                         made(source, values_, 2000));
  }

  // Each text of it stays within its own limits, but all of them together do not.
  void work_of_a_message() {
    const Value values = object({{"l", Value(Value::Array(99'999))}});
    PartsSource source = usual();
    for (int i = 0; i < 10; ++i)
      source.fields.push_back({.header = "X-" + std::to_string(i), .value = {"f", "x{{each l}}{{end}}"}});
    CPPUNIT_ASSERT(made(source, values).contains("X-9: x\r\n"));
    for (int i = 10; i < 30; ++i)
      source.fields.push_back({.header = "X-" + std::to_string(i), .value = {"f", "x{{each l}}{{end}}"}});
    CPPUNIT_ASSERT_EQUAL(std::string("fault f: line 1, column 2: filling the message takes too many steps"),
                         made(source, values));
    // Fields that are large are no message, long before there are more of them.
    const std::string words = [] {
      std::string out;
      for (int i = 0; i < 10'000; ++i) out += "word ";
      return out;
    }();
    source = usual();
    for (int i = 0; i < 10; ++i) source.fields.push_back({.header = "X-" + std::to_string(i), .value = {"f", "{{w}}"}});
    source.fields.push_back({.header = "Cc", .value = {"c", "{{none}}"}});
    CPPUNIT_ASSERT_EQUAL(std::string("fault : the message is larger than Max_Message_Size"),
                         made(source, object({{"w", text(words)}}), 100'000));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(PartsComposerTest);

}  // namespace
