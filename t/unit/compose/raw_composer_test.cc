#include "compose/raw_composer.h"

#include "base/text.h"
#include "compose/mime_scan.h"

#include "kit.h"

#include <vector>

using namespace impulse;
using namespace impulse::compose;

namespace {

std::string made(std::string_view message, RawFilling filling, const Value& values, Dialect dialect = Dialect::jinja) {
  const auto composer = compose_raw(message, filling, dialect, "content");
  if (!composer) return "fault: " + composer.error().reason;
  Scope scope;
  scope.layers = {&values};
  const auto composed = (*composer)->compose(Occasion{.values = scope});
  if (!composed)
    return (composed.error().kind == Fault::Kind::unsafe ? "unsafe: " : "fault: ") + composed.error().reason;
  CPPUNIT_ASSERT_EQUAL(count(composed->message, "\n"), count(composed->message, "\r\n"));
  CPPUNIT_ASSERT_EQUAL(count(composed->message, "\r"), count(composed->message, "\r\n"));
  return composed->message;
}

std::string sparkpost(std::string_view message, const Value& values) {
  return made(message, RawFilling::texts, values, Dialect::sparkpost);
}

class RawComposerTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RawComposerTest);
  CPPUNIT_TEST(as_it_is);
  CPPUNIT_TEST(whole_messages);
  CPPUNIT_TEST(whole_messages_keep_their_header);
  CPPUNIT_TEST(whole_messages_have_no_long_lines);
  CPPUNIT_TEST(texts_of_a_plain_message);
  CPPUNIT_TEST(texts_of_a_multipart);
  CPPUNIT_TEST(what_needs_no_filling_stays);
  CPPUNIT_TEST(broken_mime);
  CPPUNIT_TEST(values_end_no_part);
  CPPUNIT_TEST(boundaries);
  CPPUNIT_TEST(many_parts);
  CPPUNIT_TEST_SUITE_END();

  const Value values_ = object({{"name", text("Jörg")}, {"email", text("j@b.example")}});

  void as_it_is() {
    CPPUNIT_ASSERT_EQUAL(std::string("A: {{ b }}\r\n\r\n{% x %}\r\n"),
                         made("A: {{ b }}\n\n{% x %}\n", RawFilling::nothing, values_));
    CPPUNIT_ASSERT_EQUAL(std::string("A: {{ b }}\r\n"),
                         made("A: {{ b }}\r", RawFilling::whole, values_, Dialect::none));
    CPPUNIT_ASSERT_EQUAL(std::string("fault: the message is empty"), made(" \r\n", RawFilling::whole, values_));
    CPPUNIT_ASSERT_EQUAL(std::string("fault: the message holds a NUL"),
                         made(std::string_view("A: b\n\n\0", 7), RawFilling::nothing, values_));
    CPPUNIT_ASSERT_EQUAL(std::string("a@b.example"), from_address("X: y\r\nFROM: =?x?= <a@b.example>\r\n\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string(), from_address("X: y\r\n\r\nFrom: a@b.example\r\n"));
  }

  void whole_messages() {
    CPPUNIT_ASSERT_EQUAL(
        std::string("To: =?UTF-8?Q?J=C3=B6rg?= <j@b.example>\r\nSubject: hello\r\n\r\nHello Jörg!"),
        made("To: \"{{ name }}\" <{{ email }}>\nSubject: hello\n\nHello {{ name }}!", RawFilling::whole, values_));
    CPPUNIT_ASSERT_EQUAL(
        std::string("A: b\r\nC: Jörg\r\n").replace(6, 99, "C: =?UTF-8?Q?J=C3=B6rg?=\r\n\r\n"),
        made("A: b\r\n{%- if name %}\r\nC: {{ name }}\r\n{%- endif %}\r\n", RawFilling::whole, values_));
  }

  void whole_messages_keep_their_header() {
    const Value bad = object({{"v", text("x\r\nBcc: e@f.example")}, {"f", text("Bcc: e@f.example")}});
    CPPUNIT_ASSERT(made("A: {{ v }}\n\nx", RawFilling::whole, bad).starts_with("unsafe: line 1, column 4: "));
    CPPUNIT_ASSERT(made("A: b\n{{ f }}\n\nx", RawFilling::whole, bad).starts_with("unsafe: line 2, column 1: "));
    CPPUNIT_ASSERT(made("{{ f }}", RawFilling::whole, bad).starts_with("unsafe: "));
    CPPUNIT_ASSERT_EQUAL(std::string("A: b\r\n\r\nx\r\nBcc: e@f.example"),
                         made("A: b\n\n{{ v }}", RawFilling::whole, bad));
    CPPUNIT_ASSERT_EQUAL(std::string("fault: the header section has an empty line before its end"),
                         made("A: b\n{% if f %}\nB: c\n{% endif %}\nC: d\n\nx", RawFilling::whole, bad));
    CPPUNIT_ASSERT_EQUAL(std::string("fault: line 1, column 6: this condition has no end"),
                         made("A: b {% if f %}\n\nx{% endif %}", RawFilling::whole, bad));
    CPPUNIT_ASSERT_EQUAL(std::string("fault: line 4, column 2: there is nothing that this could end"),
                         made("A: b\n\ny\nx{% endif %}", RawFilling::whole, bad));
    CPPUNIT_ASSERT(made("no field {{ f }}\n\nx", RawFilling::whole, bad).ends_with("is no header field"));
  }

  // What values made too long is folded, or refused; what was not is left as it is.
  void whole_messages_have_no_long_lines() {
    const std::string word(3000, 'x');
    std::string words;
    for (int i = 0; i < 600; ++i) words += "word ";
    const Value values = object({{"w", text(words)}, {"l", text(word)}, {"none", text("")}});
    const std::string out =
        made("A: {{ w }}\nB: folded\n  as it is {{ none }}\nC:{{ none }}\n\n{{ none }}x", RawFilling::whole, values);
    CPPUNIT_ASSERT_MESSAGE(out, out.starts_with("A: word word") && count(out, "word") == 600);
    CPPUNIT_ASSERT_MESSAGE(out, out.ends_with("\r\nB: folded\r\n  as it is \r\nC:\r\n\r\nx"));
    for (const std::string_view line : split(out, '\n')) CPPUNIT_ASSERT(line.size() <= 79);
    CPPUNIT_ASSERT_EQUAL(std::string("fault: a word of 3000 octets is longer than a line may be"),
                         made("A: {{ l }}\n\nx", RawFilling::whole, values));
  }

  void texts_of_a_plain_message() {
    CPPUNIT_ASSERT_EQUAL(
        std::string("To: =?UTF-8?Q?J=C3=B6rg?= <j@b.example>\r\nX-Other: untouched\r\n  folded\r\nMIME-Version: 1.0\r\n"
                    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                    "Hi J=C3=B6rg, https://x.example/J%C3%B6rg\r\n"),
        sparkpost("Content-Type: text/plain\r\nTo: \"{{name}}\" <{{email}}>\r\nX-Other: untouched\r\n  folded\r\n\r\n"
                  "Hi {{name}}, https://x.example/{{name}}\r\n",
                  values_));
    // Encoded words are looked into.
    CPPUNIT_ASSERT(sparkpost("Subject: =?utf-8?B?e3tuYW1lfX0=?=\n\nx\n", values_)
                       .starts_with("Subject: =?UTF-8?Q?J=C3=B6rg?=\r\n\r\nx\r\n"));
    CPPUNIT_ASSERT(
        sparkpost("A: {{v}}\n\nx\n", object({{"v", text("a\nB: c")}})).starts_with("unsafe: in the field A: "));
    CPPUNIT_ASSERT_EQUAL(std::string("fault: in the field A: line 1, column 3: expected an expression"),
                         sparkpost("A: {{}}\n\nx\n", values_));
    CPPUNIT_ASSERT_EQUAL(std::string("fault: in the part text/plain: line 2, column 3: expected an expression"),
                         sparkpost("A: b\n\nx\n{{}}\n", values_));
  }

  void texts_of_a_multipart() {
    const std::string_view message =
        "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"B 1\"\r\n\r\npreamble "
        "{{name}}\r\n--B 1\r\nContent-Type: multipart/alternative; boundary=C\r\n\r\n"
        "--C\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\nX-Keep: "
        "{{name}}\r\n\r\ngr=FCn {{name}}\r\n"
        "--C\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+e3tuYW1lfX08L2I+\r\n"
        "--C--\r\n--B 1\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nfile {{name}}\r\n"
        "--B 1\r\nContent-Type: text/plain\r\n\r\nsecond {{name}}\r\n--B 1--\r\nepilogue\r\n";
    const std::string out = sparkpost(message, object({{"name", text("<é>")}}));
    CPPUNIT_ASSERT_EQUAL(
        std::string(
            "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"B "
            "1\"\r\n\r\npreamble "
            "{{name}}\r\n--B 1\r\nContent-Type: multipart/alternative; boundary=C\r\n\r\n"
            "--C\r\nX-Keep: {{name}}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
            "base64\r\n\r\nZ3LDvG4gPMOpPg==\r\n"
            "--C\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: "
            "quoted-printable\r\n\r\n<b>&lt;=C3=A9&gt;</b>\r\n"
            "--C--\r\n--B 1\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nfile {{name}}\r\n"
            "--B 1\r\nContent-Type: text/plain\r\n\r\nsecond {{name}}\r\n--B 1--\r\nepilogue\r\n"),
        out);
  }

  void what_needs_no_filling_stays() {
    for (const std::string_view message :
         {"Subject: =?utf-8?Q?x?=\r\nTo:  a@b.example\r\n\t,c@d.example\r\n\r\nplain { text\r\n",
          "Content-Type: multipart/signed; boundary=B\r\n\r\n--B\r\n\r\n{{name}}\r\n--B--\r\n",
          "Content-Type: image/png\r\n\r\n{{name}}\r\n",
          "Content-Type: text/plain; charset=x-unknown\r\n\r\n\xFF { no template\r\n"})
      CPPUNIT_ASSERT_EQUAL(std::string(message), sparkpost(message, values_));
  }

  void broken_mime() {
    CPPUNIT_ASSERT_EQUAL(std::string("fault: a multipart has no boundary"),
                         sparkpost("Content-Type: multipart/mixed\n\n{{name}}", values_));
    CPPUNIT_ASSERT_EQUAL(std::string("fault: there is no transfer encoding uu"),
                         sparkpost("Content-Transfer-Encoding: uu\n\n{{name}}", values_));
    CPPUNIT_ASSERT_EQUAL(std::string("fault: a text part is not in the charset x-unknown"),
                         sparkpost("Content-Type: text/plain; charset=x-unknown\n\n{{name}}", values_));
    CPPUNIT_ASSERT_EQUAL(std::string("fault: a text part is not in the charset that it names"),
                         sparkpost("A: b\n\n{{name}}\xFF", values_));
    CPPUNIT_ASSERT(sparkpost("A: {{name}}\nnone\n\nx", values_).starts_with("fault: "));
    std::string deep;
    for (int i = 0; i < 40; ++i)
      deep += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "x\n\n--b" + std::to_string(i) + "x\n";
    CPPUNIT_ASSERT_EQUAL(std::string("fault: the parts of the message are nested too deeply"),
                         sparkpost(deep + "\n{{name}}", values_));
    // No end, no parts, a boundary at the very end: nothing is invented.
    for (const std::string_view odd : {"Content-Type: multipart/mixed; boundary=B\r\n\r\n{{name}}",
                                       "Content-Type: multipart/mixed; boundary=B\r\n\r\n--B {{",
                                       "Content-Type: multipart/mixed; boundary=B\r\n\r\n--B",
                                       "Content-Type: multipart/mixed; boundary=B\r\n\r\n--B--",
                                       "Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n--B--"})
      CPPUNIT_ASSERT_EQUAL(std::string(odd), sparkpost(odd, values_));
    CPPUNIT_ASSERT_EQUAL(std::string("fault: --B--{{ is no header field"),
                         sparkpost("Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n--B--{{", values_));
  }

  void values_end_no_part() {
    const std::string out =
        sparkpost("Content-Type: multipart/mixed; boundary=B\n\n--B\n\n{{v}}\n--B--\n",
                  object({{"v", text("x\r\n--B\r\nContent-Type: text/html\r\n\r\nevil\r\n--B--\r\n")}}));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, count(out, "--B"));
    CPPUNIT_ASSERT(!out.contains("evil"));
  }

  void boundaries() {
    // A line of quoted-printable may end, and the next one begin, in the middle of a text's line.
    size_t forced = 0;
    for (size_t before = 55; before < 80; ++before) {
      const std::string out =
          sparkpost("Content-Type: multipart/mixed; boundary=B\n\n--B\n\n{{v}}\n--B--\n",
                    object({{"v", text(std::string(before, 'x') + "\xC3\xA9--B--" + std::string(80, 'x'))}}));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(out, size_t{2}, count(out, "\r\n--B"));
      forced += count(out, "base64");
    }
    CPPUNIT_ASSERT_EQUAL(size_t{1}, forced);
    // Each is kept once; none that another one begins.
    const auto scan = scan_mime(
        "Content-Type: multipart/mixed; boundary=A\r\n\r\n"
        "--A\r\nContent-Type: multipart/mixed; boundary=BC\r\n\r\n--BC--\r\n"
        "--A\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B--\r\n"
        "--A\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B--\r\n"
        "--A\r\nContent-Type: multipart/mixed; boundary*=utf-8''B%0D%0A--\r\n\r\n"
        "--A--\r\n");
    CPPUNIT_ASSERT(scan.has_value());
    const std::vector<std::string> expected{"--A", "--B"};
    CPPUNIT_ASSERT(expected == scan->boundaries);
    for (const std::string_view text : {"--A", "x\n--B", "x\r--BD", "\r\n--A--", "--\n--A", "--C\n-- \r\n--B x"})
      CPPUNIT_ASSERT_MESSAGE(std::string(text), has_boundary(text, scan->boundaries));
    for (const std::string_view text : {"", "-", "--", "x --A", "-A", "\n--", "--C\n---A", "--0\n"})
      CPPUNIT_ASSERT_MESSAGE(std::string(text), !has_boundary(text, scan->boundaries));
    CPPUNIT_ASSERT(!has_boundary("--A", {}));
  }

  void many_parts() {
    const auto asked = [&](size_t parts) {
      std::string message = "Content-Type: multipart/mixed; boundary=B\r\n\r\n";
      for (size_t i = 0; i < parts; ++i) message += "--B\r\n\r\n{{name}}\r\n";
      return sparkpost(message + "--B--\r\n", values_);
    };
    CPPUNIT_ASSERT_EQUAL(size_t{501}, count(asked(500), "--B"));
    CPPUNIT_ASSERT_EQUAL(std::string("fault: the message has more than 500 parts"), asked(501));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(RawComposerTest);

}  // namespace
