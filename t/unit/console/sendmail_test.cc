// ec_sendmail's pure parts: addresses as people write them, header sections, names.
#include "console/sendmail/address_list.h"
#include "console/sendmail/body.h"
#include "console/sendmail/header.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::sendmail {
namespace {

using Texts = std::vector<std::string>;

class SendmailTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SendmailTest);
  CPPUNIT_TEST(addresses);
  CPPUNIT_TEST(no_addresses);
  CPPUNIT_TEST(addresses_for_the_envelope);
  CPPUNIT_TEST(end_of_the_header);
  CPPUNIT_TEST(blind_copies);
  CPPUNIT_TEST(limits_of_the_header);
  CPPUNIT_TEST(display_names);
  CPPUNIT_TEST(bodies);
  CPPUNIT_TEST_SUITE_END();

  static void expect(const Texts& expected, std::string_view text) {
    const auto found = parse_addresses(text);
    CPPUNIT_ASSERT_MESSAGE(std::string(text) + (found ? "" : ": " + found.error().message), found);
    CPPUNIT_ASSERT_MESSAGE(std::string(text), *found == expected);
  }

  static Header header_of(const Texts& lines) {
    Header header;
    for (const std::string& line : lines) CPPUNIT_ASSERT(header.add_line(line).value());
    return header;
  }

  void addresses() {
    expect({}, "");
    expect({}, " ,\t, \r\n (nobody) ,");
    expect({"a@b"}, "a@b");
    expect({"a@b", "c"}, "a@b, c");
    expect({"a@b"}, "A. \"<,\" B <a@b> (c)");
    expect({"a@b"}, "joe@x.example <a@b>");
    expect({"a@b"}, " a (one (two) \\) three) @ b ");
    expect({"a.c@b.d"}, "a . c @ b\r\n\t. d");
    expect({"\"a, b\"@c"}, "\"a, b\"@c");
    expect({"\"a\\\"@\"@c"}, "<\"a\\\"@\"@c>");
    expect({"a@[IPv6:::1]"}, "a@[IPv6:::1]");
    expect({"a@b"}, "<@one,@two:a@b>");
    expect({"a@b", "c@d", "e@f"}, "team: a@b, C <c@d>;, e@f");
    expect({}, "undisclosed-recipients:;");
    expect({"a@b"}, "team: a@b");
    expect({"root"}, "root (Cron Daemon)");
    expect({"j\xC3\xBCrgen@b"}, "j\xC3\xBCrgen@b");
  }

  void no_addresses() {
    for (const char* text : {"a b", "<a@b", "a@b>c <d@e> f", "<a@b> c@d", "<>", "(a@b", "\"a@b", "a@[b", "<a<b>>",
                             "x: y: a@b;;", "<@one>", "<a@b> <c@d>"})
      CPPUNIT_ASSERT_MESSAGE(text, !parse_addresses(text));
  }

  void addresses_for_the_envelope() {
    CPPUNIT_ASSERT_EQUAL(std::string("joe@here.example"), envelope_address("joe", "here.example").value());
    CPPUNIT_ASSERT_EQUAL(std::string("\"a@b\"@here.example"), envelope_address("\"a@b\"", "here.example").value());
    CPPUNIT_ASSERT_EQUAL(std::string("a@b.c"), envelope_address("a@b.c", "here.example").value());
    for (const char* text : {"", "@b.c", "a@", "a@b@c", "a b@c.d", "a@b.c>", "a@b.c\r\nX", "a@-b", "\xFF@b.c"})
      CPPUNIT_ASSERT_MESSAGE(text, !envelope_address(text, "here.example"));
    CPPUNIT_ASSERT(!envelope_address("a", "b c"));
  }

  void end_of_the_header() {
    for (const char* line : {"", "no field", "a b: c", ": x", "\xC3\xBC: x"}) {
      Header header = header_of({"From joe Mon Jan  1 00:00:00 2024", "Subject: s", " folded", "X-Old : y"});
      CPPUNIT_ASSERT_MESSAGE(line, !header.add_line(line).value());
      CPPUNIT_ASSERT_EQUAL(std::string("Subject: s\n folded\nX-Old : y\n"), header.text());
    }
    Header none;
    CPPUNIT_ASSERT(!none.add_line(" folded").value());
    Header late = header_of({"Subject: s"});
    CPPUNIT_ASSERT(!late.add_line("From joe").value());
  }

  void blind_copies() {
    Header header = header_of({"bcc : a@b,", "\tc@d", "To: e@f", "X-Bcc: g@h", "RESENT-BCC: i@j"});
    CPPUNIT_ASSERT(header.recipients().value() == Texts{"i@j"});
    header.drop_blind_copies();
    CPPUNIT_ASSERT_EQUAL(std::string("To: e@f\nX-Bcc: g@h\n"), header.text());
    CPPUNIT_ASSERT(header.recipients().value() == Texts{"e@f"});
    CPPUNIT_ASSERT(!header.has_from());
    header.add_from("J", "j@k");
    CPPUNIT_ASSERT(header.has_from());
    CPPUNIT_ASSERT_EQUAL(EX_DATAERR, header_of({"To: a b"}).recipients().error().status);
  }

  void limits_of_the_header() {
    CPPUNIT_ASSERT_EQUAL(EX_DATAERR, Header().add_line("Subject: a\rBcc: b").error().status);
    CPPUNIT_ASSERT_EQUAL(EX_DATAERR, Header().add_line(std::string("A: \0", 4)).error().status);
    Header header;
    const std::string line = "A: " + std::string(1000, 'x');
    for (size_t i = 0; i < Header::max_size / (line.size() + 2); ++i) CPPUNIT_ASSERT(header.add_line(line).value());
    CPPUNIT_ASSERT_EQUAL(EX_DATAERR, header.add_line(line).error().status);
  }

  void display_names() {
    CPPUNIT_ASSERT_EQUAL(std::string("John Doe"), display_name(" John Doe "));
    CPPUNIT_ASSERT_EQUAL(std::string("\"John \\\"J.\\\\\\\" Doe\""), display_name("John \"J.\\\" Doe"));
    CPPUNIT_ASSERT_EQUAL(std::string("aBcc: b"), display_name("a\r\nBcc: b").substr(1, 7));
    CPPUNIT_ASSERT_EQUAL(std::string("\"=?UTF-8?Q?x?=\""), display_name("=?UTF-8?Q?x?="));
    CPPUNIT_ASSERT_EQUAL(std::string("=?UTF-8?Q?J=C3=BCrgen_M?="), display_name("J\xC3\xBCrgen M"));
    CPPUNIT_ASSERT_EQUAL(std::string(), display_name("J\xFCrgen"));
    std::string name;
    for (int i = 0; i < 50; ++i) name += "\xE2\x82\xAC";
    const std::string words = display_name(name);
    size_t characters = 0;
    for (size_t at = 0; at < words.size();) {
      const size_t end = std::min(words.find('\n', at), words.size());
      const std::string_view line = std::string_view(words).substr(at, end - at);
      CPPUNIT_ASSERT(line.size() <= 76 && line.ends_with("?="));
      for (size_t i = line.find("=E2=82=AC"); i != std::string_view::npos; i = line.find("=E2=82=AC", i + 9))
        ++characters;
      at = end + 1;
    }
    CPPUNIT_ASSERT_EQUAL(size_t{50}, characters);
  }

  void bodies() {
    for (const size_t lines : {size_t{3}, Body::kept_in_memory / 2}) {
      Body body;
      std::string whole;
      for (size_t i = 0; i < lines; ++i) {
        whole += "abc\n";
        CPPUNIT_ASSERT(body.add(i % 2 == 0 ? "abc" : "abc\n"));
        if (i % 2 == 0) CPPUNIT_ASSERT(body.add("\n"));
      }
      whole += "\xC3\xBC";
      CPPUNIT_ASSERT(body.add("\xC3\xBC"));
      std::string read;
      CPPUNIT_ASSERT(body.read([&](std::string_view piece) -> Outcome<> {
        read += piece;
        return {};
      }));
      CPPUNIT_ASSERT(whole == read);
      const smtp::DataMeasure expected = smtp::measure("", whole);
      CPPUNIT_ASSERT_EQUAL(expected.size, body.measure().size);
      CPPUNIT_ASSERT(body.measure().eight_bit);
    }
    CPPUNIT_ASSERT_EQUAL(EX_DATAERR, Body().add(std::string_view("\0", 1)).error().status);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SendmailTest);

}  // namespace
}  // namespace impulse::sendmail
