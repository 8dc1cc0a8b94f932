// Internationalised addresses (RFC 6531), the shapes that THREATS.md names,
// and the domains that IDNA lets stand for others.
#include "address_kit.h"
#include "base/text.h"
#include "message/address.h"
#include "message/envelope.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using namespace impulse::message;
using namespace impulse::message::test;
using namespace std::string_literals;

namespace {

constexpr AddressRules utf8{.smtputf8 = true};

class Utf8AddressTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(Utf8AddressTest);
  CPPUNIT_TEST(well_formed);
  CPPUNIT_TEST(ill_formed);
  CPPUNIT_TEST(every_two_bytes);
  CPPUNIT_TEST(refused_by_idna);
  CPPUNIT_TEST(sizes_in_octets);
  CPPUNIT_TEST(without_smtputf8);
  CPPUNIT_TEST(a_labels);
  CPPUNIT_TEST(routing_is_the_same_for_both_forms);
  CPPUNIT_TEST(envelopes_that_need_utf8);
  CPPUNIT_TEST(hostile_shapes);
  CPPUNIT_TEST(source_routes_are_told);
  CPPUNIT_TEST_SUITE_END();

  static void expect(const std::string& address, std::string_view expected, const AddressRules& rules = utf8) {
    const auto path = parse_path("<" + address + ">", rules);
    const std::string outcome(path ? std::string_view(path->address) : word(path.error()));
    CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(address), std::string(expected), outcome);
    if (path) CPPUNIT_ASSERT_EQUAL(address.size() + 2, path->used);
  }

  // Byte by byte as written: nothing is normalised.
  void well_formed() {
    for (const std::string address : {
             "grün@example.com",
             "用户@例え.jp",
             "δοκιμή@παράδειγμα.δοκιμή",
             "कर@उदाहरण.परीक्षा",
             "user@bücher.example",
             "user@BÜCHER.example",
             "user@xn--bcher-kva.example",
             "user@XN--BCHER-KVA.example",
             "\"grün und blau\"@example.com",
             "\"ü@ü\"@straße.example",
             "u\xCC\x88@example.com",         // decomposed
             "\xC3\xBC@example.com",          // composed
             "\xF0\x9F\x93\xA7@example.com",  // beyond the basic plane
             "\xF4\x8F\xBF\xBF@example.com",  // U+10FFFF
             "\xED\x9F\xBF@example.com",      // just below the surrogates
             "\xEE\x80\x80@example.com",      // just above
             "\xEF\xBB\xBF@example.com",      // a byte order mark is a character here
             "עברית@דוגמה.example",
             "a@example",
             "\"\"@bücher.example",
             "postmaster@bücher.example",
             "pöstmaster",
         })
      expect(address, address);
  }

  // RFC 3629 §3 and §4.
  void ill_formed() {
    const std::string bad[] = {
        "\x80",  // a continuation alone
        "\xBF",
        "\xC3",  // cut short
        "\xE2\x82",
        "\xF0\x9F\x93",
        "\xC0\xAF",  // overlong
        "\xC1\xBF",
        "\xE0\x80\xAF",
        "\xE0\x9F\xBF",
        "\xF0\x80\x80\xAF",
        "\xF0\x8F\xBF\xBF",
        "\xED\xA0\x80",  // surrogates
        "\xED\xBF\xBF",
        "\xED\xA1\x8C\xED\xBE\xB4",
        "\xF4\x90\x80\x80",  // beyond U+10FFFF
        "\xF5\x80\x80\x80",
        "\xF7\xBF\xBF\xBF",
        "\xF8\x88\x80\x80\x80",
        "\xFE",
        "\xFF",
        "\xC3\xC3\xBC",  // a lead where a continuation belongs
        "\xC3\xBC\xBC",  // one too many
    };
    for (const std::string& bytes : bad) {
      for (const AddressRules& rules : {AddressRules{}, utf8}) {
        expect("a" + bytes + "b@x", "syntax", rules);
        expect("\"" + bytes + "\"@x", "syntax", rules);
        expect("a@b" + bytes + "c.example", "syntax", rules);
        expect("@" + bytes + ".example:a@x", "syntax", rules);
      }
    }
  }

  void every_two_bytes() {
    for (int first = 0x80; first < 0x100; ++first) {
      for (int second = 0x80; second < 0x100; ++second) {
        const std::string text{static_cast<char>(first), static_cast<char>(second)};
        const bool good = first >= 0xC2 && first <= 0xDF && second <= 0xBF;
        const auto path = parse_path("<" + text + "@x>", utf8);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(text), good, path.has_value());
      }
    }
  }

  void refused_by_idna() {
    const std::string bad[] = {
        "☃.example",              // a symbol (RFC 5892)
        "a\xE2\x80\x8D.example",  // a joiner without its context
        "\xE2\x80\xAE.example",   // a change of direction
        "\xCC\x80ü.example",      // a combining mark in front
        "ab--ü.example",          // hyphens in the third and fourth place
        "-ü.example",
        "ü-.example",
        "ü..example",
        ".ü.example",
        "ü.example.",
        "日本語。jp",              // an ideographic stop would make two labels of one
        "\xC2\xAD.example",        // a soft hyphen: mapped to nothing
        "ü\xEF\xBC\xA0x.example",  // full-width '@'
        "ü\xEF\xBC\x8F.example",   // full-width '/'
        "ü\xEF\xBC\xBFx.example",  // full-width '_'
        "ü_x.example",             // by the strict rules
        "\xD9\xA1.example",        // digits alone, from right to left
        "xn--a.ü.example",         // no A-label
        "\xEE\x80\x80.example",    // private use
        "ü b.example",
        "ü[.example",
    };
    for (const std::string& domain : bad) expect("a@" + domain, "syntax");
    expect("a@ü_x.example", "a@ü_x.example", {.pedantic = false, .smtputf8 = true});
    expect("@☃.example:a@x", "syntax");
    expect("@bücher.example:a@x", "not ascii", {});
    CPPUNIT_ASSERT_EQUAL(std::string("a@x"), parse_path("<@bücher.example:a@x>", utf8)->address);
  }

  void sizes_in_octets() {
    expect(repeat("ü", 32) + "@x", repeat("ü", 32) + "@x");
    expect(repeat("ü", 32) + "a@x", "too long");
    expect(repeat("用", 21) + "a@x", repeat("用", 21) + "a@x");
    expect(repeat("用", 22) + "@x", "too long");
    expect("\"" + repeat("ü", 31) + "\"@x", "\"" + repeat("ü", 31) + "\"@x");
    expect("\"" + repeat("ü", 32) + "\"@x", "too long");
    // A U-label may have more than 63 octets; its A-label may not.
    expect("a@" + repeat("\xE7\x94\xA8", 30) + ".example", "a@" + repeat("\xE7\x94\xA8", 30) + ".example");
    expect("a@" + repeat("ü", 70) + ".example", "too long");
    expect("a@ü." + repeat("b", 64), "too long");
    const std::string label = repeat("ü", 20) + ".";  // 41 octets, more as an A-label
    expect("a@" + repeat(label, 5) + "example", "a@" + repeat(label, 5) + "example");
    expect("a@" + repeat(label, 6) + "example", "too long");
    expect("a@" + repeat("ü.", 100000) + "x", "too long");
    expect(repeat("ü", 100000) + "@x", "too long");
  }

  void without_smtputf8() {
    for (const std::string address : {"grün@x", "a@bücher.example", "\"ü\"@x", "a@☃.example", "ü"})
      expect(address, "not ascii", {});
    expect("grün@x y", "syntax", {});
  }

  void a_labels() {
    const std::pair<std::string, std::string> table[] = {
        {"Example.COM", "example.com"},
        {"bücher.example", "xn--bcher-kva.example"},
        {"BÜCHER.Example", "xn--bcher-kva.example"},
        {"bu\xCC\x88"
         "cher.example",
         "xn--bcher-kva.example"},
        {"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
        {"straße.example", "xn--strae-oqa.example"},  // not "strasse", as in IDNA 2003
        {"日本語.jp", "xn--wgv71a119e.jp"},
        {"ü_x.example", "xn--_x-wka.example"},
        {"\xEF\xBD\x85xample.com", "example.com"},  // full-width 'e'
        {"[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]"},
        {"a..b", "a..b"},  // ASCII is not judged here
        {"", ""},
    };
    for (const auto& [domain, ascii] : table) {
      const auto got = ascii_domain(domain);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(domain, ascii, got ? *got : std::string(word(got.error())));
    }
    for (const std::string& domain : {"☃.example"s, "ü..x"s, "ü\xFF.x"s, "ü\0.x"s, "ü x"s, "ü/x"s, "[ü]"s})
      CPPUNIT_ASSERT_MESSAGE(escape_line(domain), !ascii_domain(domain));
    CPPUNIT_ASSERT(!is_domain("bücher.example") && !is_domain("b\xFF"));
  }

  void routing_is_the_same_for_both_forms() {
    const std::string expected = "xn--bcher-kva.example";
    for (const auto* address : {"a@bücher.example", "ü@BÜCHER.EXAMPLE", "\"@\"@Xn--Bcher-Kva.example"})
      CPPUNIT_ASSERT_EQUAL(expected, domain_of(address));
    CPPUNIT_ASSERT_EQUAL(std::string("☃.example"), domain_of("a@☃.Example"));  // never let in; a name all the same
  }

  void envelopes_that_need_utf8() {
    Envelope envelope;
    envelope.sender = "a@x";
    envelope.recipients = {{"b@x"}, {"c@x"}};
    CPPUNIT_ASSERT(!has_utf8_address(envelope));
    envelope.recipients[1].orcpt = "utf-8;ü@x";
    CPPUNIT_ASSERT(has_utf8_address(envelope));
    envelope.recipients[1] = {"ü@x"};
    CPPUNIT_ASSERT(has_utf8_address(envelope));
    envelope.recipients.pop_back();
    CPPUNIT_ASSERT(!has_utf8_address(envelope));
    envelope.sender = "a@ü.example";
    CPPUNIT_ASSERT(has_utf8_address(envelope));
  }

  // What a stranger writes to get beyond us: taken as the RFCs say, byte by
  // byte, or refused.
  void hostile_shapes() {
    const std::pair<std::string, std::string> table[] = {
        {"|/bin/sh@x", "|/bin/sh@x"},
        {"../../etc/passwd@x", "syntax"},
        {"a/../b@x", "syntax"},
        {"/etc/passwd@x", "/etc/passwd@x"},
        {"..@x", "syntax"},
        {"\"../../etc/passwd\"@x", "\"../../etc/passwd\"@x"},
        {"\"|/bin/sh -c id\"@x", "\"|/bin/sh -c id\"@x"},
        {"`id`@x", "`id`@x"},
        {"$(id)@x", "syntax"},
        {"${HOME}@x", "${HOME}@x"},
        {"a;id@x", "syntax"},
        {"a&id@x", "a&id@x"},
        {"-oQ/tmp@x", "-oQ/tmp@x"},
        {"user%other@x", "user%other@x"},
        {"other!user@x", "other!user@x"},
        {"\"user@other\"@x", "\"user@other\"@x"},
        {"a@../x", "syntax"},
        {"a@x/../y", "syntax"},
        {"a@|id", "syntax"},
        {"a@x%2Ey", "syntax"},
        {"a@x!y", "syntax"},
        {"a@\"x\"", "syntax"},
        {"a@x\r\nRCPT TO:<b@y", "syntax"},
        {"\"a\r\nb\"@x", "syntax"},
        {"\"a\rb\"@x", "syntax"},
        {"\"a\nb\"@x", "syntax"},
        {"\"a\\\r\\\nb\"@x", "syntax"},
        {"a\r@x", "syntax"},
        {"a\n@x", "syntax"},
        {"a@x\n", "syntax"},
        {"a@x\r", "syntax"},
        {"a\0@x"s, "syntax"},
        {"a@x\0.y"s, "syntax"},
        {"\x7F@x", "syntax"},
        {"\"\x7F\"@x", "syntax"},
        {"a\t@x", "syntax"},
        {"a@x,b@y", "syntax"},
        {"a@x> BODY=8BITMIME", "a@x"},
        {"a@[192.0.2.1]..", "syntax"},
        {"a@[ü]", "syntax"},
        {"a@[IPv6:fe80::1%eth0]", "syntax"},
        {"a@[Ipv6:2001:db8::1]x", "syntax"},
    };
    for (const auto& [address, expected] : table) {
      const auto path = parse_path("<" + address + ">", utf8);
      const std::string outcome(path ? std::string_view(path->address) : word(path.error()));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(address), expected, outcome);
    }
  }

  void source_routes_are_told() {
    CPPUNIT_ASSERT(parse_path("<@a,@b:c@d>", {})->source_route);
    CPPUNIT_ASSERT(!parse_path("<c@d>", {})->source_route && !parse_path("<>", {})->source_route);
    CPPUNIT_ASSERT(is_postmaster("\"Postmaster\"@x") && !is_postmaster("\"postmaster @x"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(Utf8AddressTest);

}  // namespace
