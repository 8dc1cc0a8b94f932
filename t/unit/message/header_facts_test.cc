// What HeaderScan knows of a header section besides its end, the same for
// every cutting of the bytes.
#include "message/header_scan.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>

using namespace impulse::message;
using namespace std::string_literals;

namespace {

constexpr std::string_view our_name = "mx.example";

HeaderFacts scan(std::string_view text, std::string_view id = our_name, size_t piece = SIZE_MAX) {
  HeaderScan scan(id, true);
  while (!text.empty()) {
    const size_t count = std::min(piece, text.size());
    if (scan.feed(text.substr(0, count)) < count) break;
    text.remove_prefix(count);
  }
  scan.finish();
  return scan.facts();
}

class HeaderFactsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(HeaderFactsTest);
  CPPUNIT_TEST(counts);
  CPPUNIT_TEST(malformed_lines);
  CPPUNIT_TEST(beyond_ascii);
  CPPUNIT_TEST(leading_counts);
  CPPUNIT_TEST(first_lines);
  CPPUNIT_TEST(longest_lines);
  CPPUNIT_TEST(tls_required);
  CPPUNIT_TEST(test_group71_results_in_our_name);
  CPPUNIT_TEST(test_group71_results_of_others);
  CPPUNIT_TEST(where_the_dates_are);
  CPPUNIT_TEST(any_cutting);
  CPPUNIT_TEST_SUITE_END();

  void counts() {
    const HeaderFacts facts = scan(
        "DATE: a\r\nDate : b\r\nmessage-id: c\r\nFrom:\r\n d\r\nFrom\t:e\r\nFrom-: f\r\nX-From: g\r\n"
        "Received: h\r\nDat: i\r\n\r\nDate: body\r\n");
    CPPUNIT_ASSERT_EQUAL(9U, facts.fields);
    CPPUNIT_ASSERT_EQUAL(2U, facts.named.date);
    CPPUNIT_ASSERT_EQUAL(1U, facts.named.message_id);
    CPPUNIT_ASSERT_EQUAL(2U, facts.named.from);
    CPPUNIT_ASSERT_EQUAL(1U, facts.received);
    CPPUNIT_ASSERT_EQUAL(0U, facts.malformed);
    CPPUNIT_ASSERT(facts.starts_with_field);
  }
  void malformed_lines() {
    const std::tuple<std::string, uint32_t, uint32_t> table[] = {
        {"a: b\r\n\r\n", 0, HeaderFacts::nowhere},
        {"a: b\r\nno colon\r\nc: d\r\n\r\n", 1, 6},
        {"a: b\r\n: empty name\r\n\r\n", 1, 6},
        {"a: b\r\nna me: x\r\n\r\n", 1, 6},
        {"a: b\r\nn\xC3\xBC: x\r\n\r\n", 1, 6},
        {"a: b\r\nn\0: x\r\n\r\n"s, 1, 6},
        {"a: b\r\nname\r\n\r\n", 1, 6},
        {"a: b\r\nname \r\n\r\n", 1, 6},
        {"a: b\r\n\rc: d\r\n\r\n", 1, 6},
        {"a: b\r\nx\r\ny\r\n folded\r\nz\r\n\r\n", 3, 6},
        {" folded\r\na: b\r\n\r\n", 1, 0},
        {"a: b\r\n \r\n\r\n", 0, HeaderFacts::nowhere},
        {"a: b\r\nname", 1, 6},
        {"", 0, HeaderFacts::nowhere},
        {"\r\nno colon\r\n", 0, HeaderFacts::nowhere},
        {std::string(300, 'n') + ": x\r\n\r\n", 0, HeaderFacts::nowhere},
        {std::string(300, 'n') + "\r\n\r\n", 1, 0},
    };
    for (const auto& [text, count, first] : table) {
      const HeaderFacts facts = scan(text);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, count, facts.malformed);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, first, facts.first_malformed);
    }
  }
  void beyond_ascii() {
    const std::string padding = "X: 1234567890\r\n";
    for (size_t at = 0; at < padding.size() - 2; ++at) {
      std::string text = padding + "Y: z\r\n\r\n";
      CPPUNIT_ASSERT(!scan(text).eight_bit);
      text[at] = '\x80';
      for (const size_t piece : {SIZE_MAX, size_t{1}, size_t{9}}) CPPUNIT_ASSERT(scan(text, our_name, piece).eight_bit);
    }
    CPPUNIT_ASSERT(!scan("a: b\r\n\r\n\xC3\xBC\r\n").eight_bit);
  }
  // What stands behind the first malformed line counts for some readers only.
  void leading_counts() {
    const HeaderFacts facts = scan("From: a\r\nDate: b\r\nbroken\r\nDate: c\r\nMessage-ID: d\r\n\r\n");
    CPPUNIT_ASSERT((facts.named == NamedCounts{2, 1, 1}));
    CPPUNIT_ASSERT((facts.leading() == NamedCounts{1, 0, 1}));
    CPPUNIT_ASSERT((scan("Hello,\r\nDate: soon\r\n").leading() == NamedCounts{}));
    CPPUNIT_ASSERT((scan("From x y\r\nDate: b\r\n\r\n").leading() == NamedCounts{1, 0, 0}));
  }
  void first_lines() {
    const std::tuple<std::string, bool, uint32_t> table[] = {
        {"a: b\r\n", true, 0},
        {"Hello,\r\nnote: x\r\n", false, 0},
        {"\r\n", false, 0},
        {"", false, 0},
        {" a: b\r\n", false, 0},
        {"From x Thu Jan  1\r\na: b\r\n", true, 19},
        {">From x Thu Jan  1\na: b\r\n", true, 19},
        {"From x Thu Jan  1\r\nhello\r\na: b\r\n", false, 19},
        {"From x\r\nFrom y\r\na: b\r\n", false, 8},
        {"From : x\r\n", true, 0},
        {"from x\r\na: b\r\n", false, 0},
        {"a: b\r\nFrom x\r\n", true, 0},
    };
    for (const auto& [text, starts, mbox] : table) {
      const HeaderFacts facts = scan(text);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, starts, facts.starts_with_field);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, mbox, facts.mbox_line);
      // The mbox line alone is not where the header section breaks.
      if (mbox != 0 && starts) CPPUNIT_ASSERT_EQUAL(HeaderFacts::nowhere, facts.first_malformed);
    }
  }
  void longest_lines() {
    const std::pair<std::string, uint64_t> table[] = {
        {"", 0},
        {"\r\n", 0},
        {"a: b\r\n\r\n", 4},
        {"a: b\n\n", 4},
        {"a: b\r\n cdefg\r\n\r\nlonger body\r\n", 6},
        {"a: b", 4},
        {"a: b\r", 4},
        {"no colon\r\na: b\r\n", 8},
        {"a:" + std::string(998, 'x') + "\r\nb: c\r\n\r\n", 1000},
    };
    for (const auto& [text, length] : table) CPPUNIT_ASSERT_EQUAL_MESSAGE(text, length, scan(text).longest_line);
    CPPUNIT_ASSERT_EQUAL(uint64_t{8}, scan("a: b\r\n\r\nbody").size);
    CPPUNIT_ASSERT_EQUAL(uint64_t{6}, scan("a: b\r\n").size);
  }
  void tls_required() {
    const std::pair<std::string, bool> table[] = {
        {"TLS-Required: No\r\n\r\n", true},
        {"tls-required:no\r\n\r\n", true},
        {"TLS-Required:\r\n NO \r\n\r\n", true},
        {"TLS-Required: (as \\) said) No (really)\r\n\r\n", true},
        {"TLS-Required: No", true},
        {"TLS-Required: No\r\nTLS-Required: No\r\n\r\n", true},
        {"TLS-Required: No\r\nTLS-Required: Yes\r\n\r\n", false},
        {"TLS-Required: Yes\r\nTLS-Required: No\r\n\r\n", false},
        {"TLS-Required: Yes\r\n\r\n", false},
        {"TLS-Required: Nope\r\n\r\n", false},
        {"TLS-Required: No way\r\n\r\n", false},
        {"TLS-Required: No;\r\n\r\n", false},
        {"TLS-Required: \"No\"\r\n\r\n", false},
        {"TLS-Required: (No)\r\n\r\n", false},
        {"TLS-Required: No (\r\n\r\n", false},
        {"TLS-Required:\r\n\r\nNo\r\n", false},
        {"TLS-Required:\r\nx: No\r\n\r\n", false},
        {"TLS-Required: N\r\n o\r\n\r\n", false},
        {"X-TLS-Required: No\r\n\r\n", false},
        {"Subject: x\r\n TLS-Required: No\r\n\r\n", false},
        {"Subject: x\r\n\r\nTLS-Required: No\r\n", false},
        {"\r\n", false},
    };
    for (const auto& [text, optional] : table)
      for (const size_t piece : {SIZE_MAX, size_t{1}})
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text, optional, scan(text, our_name, piece).tls_optional);
  }

  // Each field that speaks in our name, whatever stands around the name.
  void test_group71_results_in_our_name() {
    for (const std::string field : {
             "Authentication-Results: mx.example; spf=pass\r\n",
             "authentication-results:MX.Example;dkim=pass\r\n",
             "Authentication-Results : mx.example; none\r\n",
             "Authentication-Results:\r\n\tmx.example;\r\n\tspf=pass\r\n",
             "Authentication-Results: mx.example\r\n",
             "Authentication-Results: mx.example 1; spf=pass\r\n",
             "Authentication-Results: mx.example/1; spf=pass\r\n",
             "Authentication-Results: mx.example.; spf=pass\r\n",
             "Authentication-Results: \"mx.example\"; spf=pass\r\n",
             "Authentication-Results: \"m\\x.example\"; spf=pass\r\n",
             "Authentication-Results: (a (nested) \\) comment) mx.example; spf=pass\r\n",
             "Authentication-Results: (other.example;)\r\n (x) mx.example(y); spf=pass\r\n",
             "Authentication-Results: (a\r\n b) mx.example; spf=pass\r\n",
             "Authentication-Results: mx.example(comment); spf=pass\r\n",
             "Authentication-Results: mx.example\n",
         }) {
      const std::string text = "a: b\r\n" + field + "c: d\r\n\r\n";
      for (const size_t piece : {SIZE_MAX, size_t{1}, size_t{7}}) {
        const HeaderFacts facts = scan(text, our_name, piece);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(field, size_t{1}, facts.results.size());
        CPPUNIT_ASSERT_EQUAL_MESSAGE(field, 6U, facts.results[0].at);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(field, field.size(), size_t{facts.results[0].size});
      }
    }
    // Two in a row are cut in one; at the end of the section, and of the message.
    const std::string one = "Authentication-Results: mx.example; x\r\n";
    HeaderFacts facts = scan(one + one + "a: b\r\n" + one + "\r\n");
    CPPUNIT_ASSERT_EQUAL(size_t{2}, facts.results.size());
    CPPUNIT_ASSERT_EQUAL(2 * one.size(), size_t{facts.results[0].size});
    CPPUNIT_ASSERT_EQUAL(one.size(), size_t{facts.results[1].size});
    facts = scan("a: b\r\n" + one);
    CPPUNIT_ASSERT_EQUAL(one.size(), size_t{facts.results.at(0).size});
    // U-label or A-label, it is one name.
    CPPUNIT_ASSERT_EQUAL(
        size_t{1}, scan("Authentication-Results: BÜCHER.example; x\r\n\r\n", "xn--bcher-kva.example").results.size());
    CPPUNIT_ASSERT_EQUAL(
        size_t{1}, scan("Authentication-Results: xn--bcher-kva.example; x\r\n\r\n", "bücher.example").results.size());
  }
  void test_group71_results_of_others() {
    for (const std::string field : {
             "Authentication-Results: other.example; spf=pass\r\n",
             "Authentication-Results: amx.example; spf=pass\r\n",
             "Authentication-Results: mx.example.org; spf=pass\r\n",
             "Authentication-Results: (mx.example) other.example; spf=pass\r\n",
             "Authentication-Results: other.example (mx.example)\r\n mx.example; spf=pass\r\n",
             "Authentication-Results: ; mx.example\r\n",
             "Authentication-Results: (mx.example; spf=pass\r\n",
             "Authentication-Results:\r\n",
             "X-Authentication-Results: mx.example; spf=pass\r\n",
             "ARC-Authentication-Results: i=1; mx.example; spf=pass\r\n",
             "Subject: x\r\n Authentication-Results: mx.example\r\n",
         })
      CPPUNIT_ASSERT_MESSAGE(field, scan("a: b\r\n" + field + "c: d\r\n\r\n").results.empty());
    CPPUNIT_ASSERT(scan("a: b\r\n\r\nAuthentication-Results: mx.example; x\r\n").results.empty());
    CPPUNIT_ASSERT(scan("Authentication-Results: ; x\r\n\r\n", "").results.empty());
    CPPUNIT_ASSERT(scan("Authentication-Results: " + std::string(100000, 'x') + "\r\n\r\n").results.empty());
  }
  void where_the_dates_are() {
    const HeaderFacts facts = scan("a: b\r\nDate: x\r\n y\r\nMessage-ID: z\r\nc: d\r\nDATE: w\r\n\r\n");
    const std::vector<LocatedField> expected = {{{6, 13}, true}, {{19, 15}, false}, {{40, 9}, true}};
    CPPUNIT_ASSERT(expected == facts.dates);
    HeaderScan without{our_name};
    without.feed("Date: x\r\n\r\n");
    CPPUNIT_ASSERT(without.facts().dates.empty() && without.facts().named.date == 1);
  }

  // Random lines: each cutting finds the same.
  void any_cutting() {
    std::mt19937 random(71);  // NOLINT: the same sections each time
    const std::string lines[] = {"Date: x\r\n",
                                 "From a b\r\n",
                                 "From: a\n",
                                 " folded\r\n",
                                 "\tAuthentication-Results: x\r\n",
                                 "Received: x\r\n",
                                 "nothing\r\n",
                                 "TLS-Required: No\r\n",
                                 "Message-Id : <x>\r\n",
                                 "\r\r\n",
                                 "Authentication-Results: mx.example\r\n",
                                 "Authentication-Results:\r\n mx.example; x\r\n",
                                 "Authentication-Results: (\r\n",
                                 ") mx.example; x\r\n",
                                 "Authentication-Results: x; " + std::string(60, 'y') + "\r\n",
                                 "Authentication-Results: (" + std::string(47, 'y') + ") mx.example.org; x\r\n",
                                 "x:" + std::string(60, 'y') + "\r\n"};
    for (int round = 0; round < 300; ++round) {
      std::string text;
      for (size_t i = random() % 12; i > 0; --i) text += lines[random() % std::size(lines)];
      if (random() % 2 == 0) text += "\r\nbody: x\r\n";
      const HeaderFacts whole = scan(text);
      for (const size_t piece : {1, 2, 3, 7, 17, 40}) {
        const HeaderFacts cut = scan(text, our_name, piece);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text, whole.fields, cut.fields);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text, whole.malformed, cut.malformed);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text, whole.first_malformed, cut.first_malformed);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text, whole.mbox_line, cut.mbox_line);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text, whole.longest_line, cut.longest_line);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text, whole.size, cut.size);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text, whole.tls_optional, cut.tls_optional);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text, whole.starts_with_field, cut.starts_with_field);
        CPPUNIT_ASSERT_MESSAGE(
            text, whole.results == cut.results && whole.distant == cut.distant && whole.dates == cut.dates);
      }
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(HeaderFactsTest);

}  // namespace
