#include "compose/seven_bit.h"

#include "base/text.h"
#include "compose/mime_scan.h"

#include "kit.h"

#include <fmt/format.h>

#include <random>
#include <string>
#include <string_view>

using namespace impulse;
using namespace impulse::compose;

namespace {

const std::string mime = "From: a@b.example\r\nMIME-Version: 1.0\r\n";

// What becomes of it, or "no: why".
std::string made(std::string_view message, bool binary = false) {
  const auto out = seven_bit(message, binary);
  if (!out) return "no: " + out.error().message;
  CPPUNIT_ASSERT(is_ascii(*out));
  CPPUNIT_ASSERT_EQUAL(*out, seven_bit(*out, binary).value());  // there is nothing left to do
  return *out;
}

std::string body_of(const std::string& message) { return message.substr(message.find("\r\n\r\n") + 4); }

}  // namespace

class SevenBitTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SevenBitTest);
  CPPUNIT_TEST(a_text);
  CPPUNIT_TEST(header_fields);
  CPPUNIT_TEST(quoted_lines);
  CPPUNIT_TEST(other_leaves);
  CPPUNIT_TEST(parts);
  CPPUNIT_TEST(messages_within);
  CPPUNIT_TEST(digests);
  CPPUNIT_TEST(what_needs_nothing_stays);
  CPPUNIT_TEST(lesser_labels);
  CPPUNIT_TEST(refused);
  CPPUNIT_TEST(binary);
  CPPUNIT_TEST(any_bytes_come_back);
  CPPUNIT_TEST_SUITE_END();

  void a_text() {
    CPPUNIT_ASSERT_EQUAL(
        mime +
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            "Gr=C3=BC=C3=9Fe=3D\r\n.\r\n",
        made(mime +
             "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße=\r\n.\r\n"));
  }

  // The encoding takes the place of the one that was there, folded or not; or the last.
  void header_fields() {
    CPPUNIT_ASSERT_EQUAL(
        std::string("MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\nX-Last: y\r\n\r\n=FF"),
        made("MIME-Version: 1.0\r\ncontent-transfer-ENCODING :\r\n 8BIT\r\nX-Last: y\r\n\r\n\xFF"));
    CPPUNIT_ASSERT_EQUAL(mime + "Content-Transfer-Encoding: quoted-printable\r\n\r\n=FF\r\n",
                         made(mime + "\r\n\xFF\r\n"));
    CPPUNIT_ASSERT_EQUAL(mime + "Content-Transfer-Encoding: quoted-printable\r\n\r\n=FF\r\n",
                         made(mime + "Content-Transfer-Encoding: 7bit\r\n\r\n\xFF\r\n"));
  }

  void quoted_lines() {
    const auto quoted = [](const std::string& text) { return body_of(made(mime + "\r\n" + text)); };
    CPPUNIT_ASSERT_EQUAL(std::string("=E4 x=20\r\n=09\r\n\t\t.=20"), quoted("\xE4 x \r\n\t\r\n\t\t. "));
    const std::string x75(75, 'x');
    CPPUNIT_ASSERT_EQUAL("=E4\r\n" + x75 + "y\r\n", quoted("\xE4\r\n" + x75 + "y\r\n"));
    CPPUNIT_ASSERT_EQUAL("=E4\r\n" + x75 + "=\r\nyz\r\n", quoted("\xE4\r\n" + x75 + "yz\r\n"));
    // What stood within a line does not begin one as a delimiter of parts.
    const std::string head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xE4";
    const std::string x72(72, 'x');
    CPPUNIT_ASSERT(made(mime + head + x72 + "--b\r\n--b--\r\n").ends_with("x=\r\n=2D-b\r\n--b--\r\n"));
    CPPUNIT_ASSERT_EQUAL("=E4" + x72 + "=\r\n=2D" + std::string(72, '-') + "=\r\n=2D-\r\n-\r\n",
                         quoted("\xE4" + x72 + std::string(75, '-') + "\r\n-\r\n"));
    for (size_t length = 70; length < 80; ++length) {
      const std::string out = quoted(std::string(length, 'x') + "\xE4\xE4 \r\n");
      for (const std::string_view line : split(out, '\n')) CPPUNIT_ASSERT(line.size() <= 77);
    }
  }

  void other_leaves() {
    CPPUNIT_ASSERT_EQUAL(mime + "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n/w0K\r\n",
                         made(mime + "Content-Type: image/png\r\n\r\n\xFF\r\n"));
    CPPUNIT_ASSERT(made(mime + "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: ü\r\n")
                       .ends_with("Content-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogw7wNCg==\r\n"));
  }

  void parts() {
    const std::string head = mime + "Content-Type: multipart/mixed; boundary=\"x y\"\r\n";
    CPPUNIT_ASSERT_EQUAL(
        head +
            "Content-Transfer-Encoding: 7bit\r\n\r\nfor ??\r\n--x y\r\n\r\nascii=\r\n--x y  \r\n"
            "Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--x y--z\r\n\r\n"
            "--x y\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\nw7w=\r\n"
            "--x y--\r\nbehind ??\r\n",
        made(head + "Content-Transfer-Encoding: 8bit\r\n\r\nfor ü\r\n--x y\r\n\r\nascii=\r\n--x y  \r\n"
                    "Content-Type: text/html\r\n\r\nü\r\n--x y--z\r\n\r\n"
                    "--x y\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n\r\nü\r\n--x "
                    "y--\r\nbehind ü\r\n"));
    // Without its last delimiter, and with an empty part.
    CPPUNIT_ASSERT_EQUAL(head + "\r\n--x y\r\n--x y\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n",
                         made(head + "\r\n--x y\r\n--x y\r\n\r\nü\r\n"));
    // One in another, whose delimiter begins like the outer one's.
    const std::string inner = "Content-Type: multipart/alternative; boundary=\"x yz\"\r\n\r\n";
    CPPUNIT_ASSERT_EQUAL(
        head + "\r\n--x y\r\n" + inner +
            "--x yz\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--x yz--\r\n--x y--\r\n",
        made(head + "\r\n--x y\r\n" + inner + "--x yz\r\n\r\nü\r\n--x yz--\r\n--x y--\r\n"));
  }

  void messages_within() {
    const std::string head = mime + "Content-Type: message/rfc822\r\n";
    CPPUNIT_ASSERT_EQUAL(head + "Content-Transfer-Encoding: 7bit\r\n\r\n" + mime +
                             "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n",
                         made(head + "Content-Transfer-Encoding: 8bit\r\n\r\n" + mime + "\r\nü\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("no: it has no MIME-Version"), made(head + "\r\nSubject: x\r\n\r\nü\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("no: its header fields cannot be encoded"),
                         made(head + "\r\n" + mime + "Subject: ü\r\n\r\nbody\r\n"));
  }

  void digests() {
    const std::string head = mime + "Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n";
    CPPUNIT_ASSERT_EQUAL(
        head + "\r\n" + mime + "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--d--\r\n",
        made(head + "\r\n" + mime + "\r\nü\r\n--d--\r\n"));
  }

  void what_needs_nothing_stays() {
    const std::string signed_part =
        "Content-Type: multipart/signed; boundary=s; micalg=x; protocol=\"application/y\"\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n--s\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain  "
        "\r\n--s\r\n\r\nsig\r\n--s--\r\n";
    const std::string head =
        mime + "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n" + signed_part + "--o\r\n";
    CPPUNIT_ASSERT_EQUAL(head + "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--o--\r\n",
                         made(head + "\r\nü\r\n--o--\r\n"));
    for (const char* message :
         {"", "no header\r\n", "\r\nbody\r\n", "Subject: x\r\n", ": bad\r\n\r\nx\r\n",
          "Content-Type: multipart/mixed\r\nContent-Transfer-Encoding: 8bit\r\n\r\nno boundary\r\n"})
      CPPUNIT_ASSERT_EQUAL(std::string(message), made(message));
  }

  void lesser_labels() {
    CPPUNIT_ASSERT_EQUAL(mime + "Content-Transfer-Encoding: 7bit\r\n\r\nplain\r\n",
                         made(mime + "Content-Transfer-Encoding: 8bit\r\n\r\nplain\r\n"));
  }

  void refused() {
    const auto because = [](const std::string& why, const std::string& message) {
      CPPUNIT_ASSERT_EQUAL("no: " + why, made(message));
    };
    because("it has no MIME-Version", "Subject: x\r\n\r\nü\r\n");
    because("its header fields cannot be encoded", mime + "Subject: ü\r\n\r\nx\r\n");
    because("its header fields cannot be encoded", mime + "ü");
    because("a part is not what its Content-Transfer-Encoding says: base64",
            mime + "Content-Transfer-Encoding: BASE64\r\n\r\nü\r\n");
    because("a part is not what its Content-Transfer-Encoding says: quoted-printable",
            mime +
                "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                "--b\r\n\r\nü\r\n");
    because("a part has two types, or two encodings",
            mime + "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nü\r\n");
    because("a part has two types, or two encodings",
            mime + "Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: 7bit\r\n\r\nü\r\n");
    because("a multipart has no boundary", mime + "Content-Type: multipart/mixed\r\n\r\nü\r\n");
    because("a multipart has no parts", mime + "Content-Type: multipart/mixed; boundary=b\r\n\r\nü\r\n");
    because("message/partial is never encoded", mime + "Content-Type: message/partial; id=1\r\n\r\nü\r\n");
    because("it is signed, and would not be any more",
            mime + "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nü\r\n--b--\r\n");
    because("no colon is no header field", "no colon\r\n" + mime + "\r\nü\r\n");
    std::string deep = "ü\r\n";
    for (int i = 0; i < 20; ++i) deep = mime + "Content-Type: message/rfc822\r\n\r\n" + deep;
    because("its parts are nested too deeply", deep);
  }

  void binary() {
    const auto as = [](std::string_view type, std::string_view body) {
      return made(fmt::format("{}Content-Type: {}\r\nContent-Transfer-Encoding: binary\r\n\r\n{}", mime, type, body),
                  true);
    };
    CPPUNIT_ASSERT_EQUAL(std::string("a=0Ab=0D=00\r\n"),
                         body_of(as("text/plain", std::string_view("a\nb\r\0\r\n", 7))));
    CPPUNIT_ASSERT_EQUAL(std::string("YQpi"), body_of(as("application/x", "a\nb")));
    CPPUNIT_ASSERT(body_of(as("text/plain", std::string(999, 'x'))).size() > 999);
    CPPUNIT_ASSERT_EQUAL(size_t{998}, body_of(as("text/plain", std::string(998, 'x'))).size());
    // Of 8BITMIME lone line ends are line ends.
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\n=FF\r\nb"), body_of(made(mime + "\r\na\n\xFF\rb")));
  }

  void any_bytes_come_back() {
    std::mt19937 random(7);
    const std::string head =
        mime + "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
    const auto text_of = [](const std::string& message) {
      const auto scan = scan_mime(message);
      CPPUNIT_ASSERT(scan && scan->plain);
      return leaf_text(message, *scan->plain).value();
    };
    constexpr std::string_view likely = " \t=.-ax\xE4";
    for (int round = 0; round < 2000; ++round) {
      std::string text = "\xE4";
      for (size_t size = random() % 300; size > 0; --size) {
        const auto byte = static_cast<char>(random() % 2 == 0 ? likely[random() % likely.size()] : 1 + random() % 255);
        if (byte == '\r' || byte == '\n' || random() % 40 == 0)
          text += "\r\n";
        else
          text += byte;
      }
      CPPUNIT_ASSERT_EQUAL(text_of(head + text), text_of(made(head + text)));
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(SevenBitTest);
