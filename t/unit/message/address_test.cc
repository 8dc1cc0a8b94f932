#include "message/address.h"
#include "address_kit.h"

#include "message/envelope.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse::message;
using namespace impulse::message::test;
using namespace std::string_literals;

namespace {

// What parse_path makes of a text, in one word or the address.
std::string outcome(std::string_view text, const AddressRules& rules = {}) {
  const auto path = parse_path(text, rules);
  if (!path) return std::string(word(path.error()));
  return path->address + (path->used == text.size() ? "" : " + " + std::string(text.substr(path->used)));
}

class AddressTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(AddressTest);
  CPPUNIT_TEST(paths);
  CPPUNIT_TEST(sizes);
  CPPUNIT_TEST(literals);
  CPPUNIT_TEST(relaxed_rules);
  CPPUNIT_TEST(every_byte_in_a_local_part);
  CPPUNIT_TEST(every_cut_is_refused);
  CPPUNIT_TEST(parts);
  CPPUNIT_TEST(domains);
  CPPUNIT_TEST(routes);
  CPPUNIT_TEST_SUITE_END();

  static void expect(std::string_view text, std::string_view expected, const AddressRules& rules = {}) {
    CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(text), std::string(expected), outcome(text, rules));
  }

  void paths() {
    const std::pair<std::string, std::string> table[] = {
        {"<>", ""},
        {"<> SIZE=1", " +  SIZE=1"},
        {"<a@b>", "a@b"},
        {"<a@b>x", "a@b + x"},
        {"<a@b> BODY=7BIT", "a@b +  BODY=7BIT"},
        {"<User.Name+tag@Example.COM>", "User.Name+tag@Example.COM"},
        {"<postmaster>", "postmaster"},
        {"<!#$%&'*+-/=?^_`{|}~@x>", "!#$%&'*+-/=?^_`{|}~@x"},
        {"<\"a b\"@x>", "\"a b\"@x"},
        {"<\"a\\\"b\"@x>", "\"a\\\"b\"@x"},
        {"<\"@\"@x>", "\"@\"@x"},
        {"<\"<>\"@x>", "\"<>\"@x"},
        {"<\"\"@x>", "\"\"@x"},
        {"<\"a\\\\\"@x>", "\"a\\\\\"@x"},
        {"<@h1,@h2:u@x>", "u@x"},
        {"<@h1:u@x>", "u@x"},
        {"<@[192.0.2.1]:u@x>", "u@x"},
        {"<1@1>", "1@1"},
        {"<a@xn--bcher-kva.example>", "a@xn--bcher-kva.example"},
        {"<u%other@host>", "u%other@host"},
        {"<other!u@host>", "other!u@host"},
        {"", "syntax"},
        {"a@b", "syntax"},
        {"<", "syntax"},
        {"<a@b", "syntax"},
        {"< >", "syntax"},
        {"<a b@c>", "syntax"},
        {"<a@@b>", "syntax"},
        {"<a@b@c>", "syntax"},
        {"<@b>", "syntax"},
        {"<a@>", "syntax"},
        {"<@>", "syntax"},
        {"<.a@b>", "syntax"},
        {"<a.@b>", "syntax"},
        {"<a..b@c>", "syntax"},
        {"<a@b.>", "syntax"},
        {"<a@.b>", "syntax"},
        {"<a@b..c>", "syntax"},
        {"<a@-b>", "syntax"},
        {"<a@b->", "syntax"},
        {"<a@b_c>", "syntax"},
        {"<a@b c>", "syntax"},
        {"< a@b>", "syntax"},
        {"<a@b >", "syntax"},
        {"<\"a@b>", "syntax"},
        {"<\"a\"b@c>", "syntax"},
        {"<a\"b\"@c>", "syntax"},
        {"<\"a\\\"@b>", "syntax"},
        {"<\"a\tb\"@c>", "syntax"},
        {"<@h1,@h2 u@x>", "syntax"},
        {"<@h1,h2:u@x>", "syntax"},
        {"<@h1,:u@x>", "syntax"},
        {"<@h1:>", "syntax"},
        {"<,@h1:u@x>", "syntax"},
        {"<a@b,c>", "syntax"},
        {"<(comment)a@b>", "syntax"},
        {"<<a@b>>", "syntax"},
        {"<a\0b@c>"s, "syntax"},
        {"<a\rb@c>", "syntax"},
        {"<a@b\n>", "syntax"},
        {"<\"a\0\"@c>"s, "syntax"},
        {"<gr\xC3\xBC\xC3\x9F@x>", "not ascii"},
        {"<a@b\xC3\xBC"
         "cher.example>",
         "not ascii"},
        {"<\"gr\xC3\xBC\"@x>", "not ascii"},
        {"<a\xFF@x>", "syntax"},
        {"<a@\xED\xA0\x80>", "syntax"},
        {"<\"\\\xC3\xBC\"@x>", "syntax"},
    };
    for (const auto& [text, expected] : table) expect(text, expected);
  }

  // RFC 5321 §4.5.3.1.1 to 4.5.3.1.3: nothing is cut, what is longer is refused.
  void sizes() {
    const std::string label63 = repeat("d", 63);
    expect("<" + repeat("l", 64) + "@x>", repeat("l", 64) + "@x");
    expect("<" + repeat("l", 65) + "@x>", "too long");
    expect("<\"" + repeat("q", 62) + "\"@x>", "\"" + repeat("q", 62) + "\"@x");
    expect("<\"" + repeat("q", 63) + "\"@x>", "too long");
    expect("<a@" + label63 + ">", "a@" + label63);
    expect("<a@" + label63 + "d>", "too long");
    const std::string domain = label63 + "." + label63 + "." + label63 + "." + repeat("e", 60);  // 252
    expect("<a@" + domain + ">", "a@" + domain);                                                 // 256 in all
    expect("<ab@" + domain + ">", "too long");
    expect("<a@" + domain + "eee>", "too long");
    expect("<a@" + domain + "eeee>", "too long");
    expect("<@h:a@" + domain + ">", "too long");
    expect("<" + repeat("l", 100000) + "@x>", "too long");
    expect("<a@" + repeat("b.", 100000) + "c>", "too long");
    expect("<\"" + repeat("\\\"", 100000), "syntax");
  }

  void literals() {
    expect("<u@[192.0.2.1]>", "u@[192.0.2.1]");
    expect("<u@[IPv6:2001:db8::1]>", "u@[IPv6:2001:db8::1]");
    expect("<u@[ipv6:::1]>", "u@[ipv6:::1]");
    expect("<u@[IPv6:::ffff:192.0.2.1]>", "u@[IPv6:::ffff:192.0.2.1]");
    for (const auto* text :
         {"<u@[999.1.1.1]>", "<u@[1.2.3]>", "<u@[01.2.3.4]>", "<u@[]>", "<u@[::1]>", "<u@[IPv6:]>",
          "<u@[IPv6:1.2.3.4]>", "<u@[IPv6:::1::2]>", "<u@[192.0.2.1>", "<u@192.0.2.1]>", "<u@[192.0.2.1]x>",
          "<u@[x-tag:data]>", "<u@[192.0.2.1 ]>", "<u@[192.0.2.1].example>", "<u@[[192.0.2.1]]>"})
      expect(text, "syntax");
    const AddressRules none{.pedantic = true, .ip_literals = false};
    expect("<u@[192.0.2.1]>", "literal", none);
    expect("<u@[IPv6:2001:db8::1]>", "literal", none);
    expect("<u@[999.1.1.1]>", "syntax", none);
    expect("<u@192.0.2.1>", "u@192.0.2.1", none);  // a domain name in shape
  }

  void relaxed_rules() {
    const AddressRules relaxed{.pedantic = false};
    for (const auto* address : {"a..b@xxx.com", "ab.@xxx.com", ".ab@xxx.com", "a@my_host"})
      expect("<" + std::string(address) + ">", address, relaxed);
    for (const auto* text : {"<a@b..c>", "<a@@b>", "<a b@c>", "<@b>", "<a@>", "<a@-b>"})
      expect(text, "syntax", relaxed);

    const AddressRules spaced{.whitespace = true};
    expect("< user@company.com >", "user@company.com", spaced);
    expect("< \t>", "", spaced);
    expect("<a b@c>", "syntax", spaced);
    expect("<a @c>", "syntax", spaced);
  }

  // Only atext stands bare in a local part; only the printable in quotes.
  void every_byte_in_a_local_part() {
    const std::string atext = "!#$%&'*+-/=?^_`{|}~";
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      const std::string bare = std::string("<a") + c + "b@x>";
      const bool good = letter || atext.contains(c) || c == '.';
      const auto path = parse_path(bare, {});
      CPPUNIT_ASSERT_EQUAL_MESSAGE(bare, good, path && path->used == bare.size());
      const std::string quoted = std::string("<\"a") + c + "b\"@x>";
      const bool printable = byte >= 0x20 && byte < 0x7F;
      CPPUNIT_ASSERT_EQUAL_MESSAGE(quoted, printable && c != '"', parse_path(quoted, {}).has_value());
      const std::string pair = std::string("<\"a\\") + c + "b\"@x>";
      CPPUNIT_ASSERT_EQUAL_MESSAGE(pair, printable, parse_path(pair, {}).has_value());
    }
  }

  void every_cut_is_refused() {
    const std::string whole = "<@h1,@[192.0.2.1]:\"q\\\"@\".a@[IPv6:2001:db8::1]>";
    expect(whole, "syntax");  // a quoted string is the whole local part
    const std::string good = "<@h1,@[192.0.2.1]:\"q\\\"@\"@[IPv6:2001:db8::1]>";
    expect(good, "\"q\\\"@\"@[IPv6:2001:db8::1]");
    for (size_t length = 0; length < good.size(); ++length)
      CPPUNIT_ASSERT_MESSAGE(good.substr(0, length), !parse_path(good.substr(0, length), {}));
  }

  void parts() {
    const std::tuple<std::string, std::string, std::string> table[] = {
        {"a@Example.COM", "a", "example.com"},
        {"\"x@y\"@Z", "\"x@y\"", "z"},
        {"\"x\\\"@y\"@Z", "\"x\\\"@y\"", "z"},
        {"postmaster", "postmaster", "localhost"},
        {"", "", "localhost"},
        {"u@[IPv6:2001:DB8::1]", "u", "[ipv6:2001:db8::1]"},
        {"u@[192.0.2.1]", "u", "[192.0.2.1]"},
        {"a@b@c", "a@b", "c"},
        {"\"only@quoted\"", "\"only@quoted\"", "localhost"},
    };
    for (const auto& [address, local, domain] : table) {
      CPPUNIT_ASSERT_EQUAL_MESSAGE(address, local, std::string(local_part_of(address)));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(address, domain, domain_of(address));
    }
    CPPUNIT_ASSERT(is_postmaster("PostMaster") && is_postmaster("POSTMASTER@x"));
    CPPUNIT_ASSERT(!is_postmaster("postmaster2") && !is_postmaster("\"postmaster@x\""));
  }

  void domains() {
    for (const auto* good : {"a", "a.b", "1.2", "a-b.c", "xn--a"}) CPPUNIT_ASSERT_MESSAGE(good, is_domain(good));
    for (const auto* bad : {"", ".", "a.", ".a", "a..b", "-a", "a-", "a_b", "a b", "[1.2.3.4]", "a@b", "a/b"})
      CPPUNIT_ASSERT_MESSAGE(bad, !is_domain(bad));
    CPPUNIT_ASSERT(is_domain("a_b", false));
    CPPUNIT_ASSERT(is_domain(repeat("a.", 127) + "a") && !is_domain(repeat("a.", 128) + "a"));
  }

  void routes() {
    for (const auto* route : {"user%host", "host!user", "\"user@host\"", "\"a%b\"", "a!b!c"})
      CPPUNIT_ASSERT_MESSAGE(route, names_a_route(route));
    for (const auto* plain : {"user", "\"@\"", "%", "100%", "!important", "\"\"", "a", "\"a b\"", ""})
      CPPUNIT_ASSERT_MESSAGE(plain, !names_a_route(plain));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(AddressTest);

}  // namespace
