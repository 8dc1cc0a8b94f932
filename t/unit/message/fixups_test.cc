// What the RFC2822_* options make of messages, and the rewriting of them.
#include "message/fixups.h"
#include "message/rewriter.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <random>
#include <string>

using namespace impulse;
using namespace impulse::message;

namespace {

constexpr auto date_line = "Date: Tue, 21 Nov 2023 09:05:00 +0000\r\n";
constexpr auto id_line = "Message-ID: <u.1-2@mx.example>\r\n";
constexpr auto from_line = "From: <s@client.example>\r\n";

std::string repeat(std::string_view text, size_t count) {
  std::string out;
  while (count-- > 0) out += text;
  return out;
}

uint64_t longest_of(std::string_view text) {
  uint64_t longest = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    longest = std::max<uint64_t>(longest, line.size());
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return longest;
}

struct Made {
  std::string fields;
  std::string message;
  std::string refused;  // cause
};

struct Given {
  bool binary = false;
  bool trace = true;
  std::string_view sender = "s@client.example";
};

Made make(const FixupPolicy& policy, std::string_view text, size_t piece = SIZE_MAX, const Given& given = {}) {
  HeaderScan scan("mx.example", true);
  const size_t header = scan.feed(text);
  scan.finish();
  const FixupInput input{.header = scan.facts(),
                         .longest_body_line = longest_of(text.substr(header)),
                         .binary = given.binary,
                         .trace = given.trace,
                         .now = WallTime(std::chrono::seconds(1700557500)),
                         .unique = "u.1-2",
                         .hostname = "mx.example",
                         .sender = given.sender};
  const auto fixups = fix_up(policy, input);
  if (!fixups) return {"", "", std::string(fixups.error().cause)};
  Made made{fixups->fields, "", ""};
  Rewriter rewriter(*fixups, [&](std::string_view bytes) { made.message += bytes; });
  while (!text.empty()) {
    rewriter.feed(text.substr(0, piece));
    text.remove_prefix(std::min(piece, text.size()));
  }
  rewriter.finish();
  return made;
}

class FixupsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(FixupsTest);
  CPPUNIT_TEST(dates_and_ids);
  CPPUNIT_TEST(required_fields);
  CPPUNIT_TEST(a_whole_body_at_once);
  CPPUNIT_TEST(always_takes_the_place);
  CPPUNIT_TEST(missing_headers);
  CPPUNIT_TEST(broken_sections);
  CPPUNIT_TEST(mbox_lines);
  CPPUNIT_TEST(senders);
  CPPUNIT_TEST(test_group71_results_are_cut);
  CPPUNIT_TEST(test_group71_wrapping_makes_no_name_ours);
  CPPUNIT_TEST(names_stay_with_their_colons);
  CPPUNIT_TEST(long_lines_are_refused);
  CPPUNIT_TEST(long_headers_are_folded);
  CPPUNIT_TEST(long_body_lines_are_cut);
  CPPUNIT_TEST(limits_beside_998);
  CPPUNIT_TEST(any_message_in_any_cutting);
  CPPUNIT_TEST_SUITE_END();

  static void expect(const FixupPolicy& policy, const std::string& text, const std::string& fields,
                     const std::string& message, const Given& given = {}) {
    for (const size_t piece : {SIZE_MAX, size_t{1}, size_t{5}}) {
      const Made made = make(policy, text, piece, given);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, std::string(), made.refused);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, fields, made.fields);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, message, made.message);
    }
  }
  static void expect_refusal(const FixupPolicy& policy, const std::string& text, const std::string& cause) {
    CPPUNIT_ASSERT_EQUAL_MESSAGE(text, cause, make(policy, text).refused);
  }

  void dates_and_ids() {
    const FixupPolicy usual;
    const std::string from = "From: a@b\r\n";
    const std::string bare = from + "Subject: x\r\n\r\nbody\r\n";
    expect(usual, bare, std::string(date_line) + id_line, bare);
    const std::string whole = from + "Date: x\r\nMessage-Id: y\r\n\r\nbody\r\n";
    expect(usual, whole, "", whole);
    const std::string half = from + "DATE : x\r\n\r\nMessage-ID: in the body\r\n";
    expect(usual, half, id_line, half);
    const FixupPolicy never{.date = AddField::never, .message_id = AddField::never};
    expect(never, bare, "", bare);
    const FixupPolicy mixed{.date = AddField::never};
    expect(mixed, bare, id_line, bare);
    const std::string twice = from + "Date: x\r\nDate: y\r\nMessage-ID: z\r\n\r\n";
    expect(usual, twice, "", twice);
  }
  void required_fields() {
    const std::string date = "From: a\r\nDate: x\r\n\r\nMessage-ID: y\r\n";
    expect({.date = AddField::required}, date, id_line, date);
    expect_refusal({.date = AddField::required}, "From: a\r\n\r\nDate: x\r\n", "missing_date");
    expect_refusal({.date = AddField::required}, "From: a\r\nbroken\r\nDate: x\r\n", "missing_date");
    expect_refusal({.message_id = AddField::required}, date, "missing_message_id");
  }
  void a_whole_body_at_once() {
    Chunks body(2048);
    for (int i = 0; i < 1000; ++i) body.append("Authentication-Results: mx.example; x\r\nX: y\r\n");
    body.append("\r\n");
    HeaderScan scan("mx.example");
    for (const auto part : body.parts()) scan.feed(part);
    const auto fixups = fix_up({AddField::never, AddField::never, MissingHeaders::accept}, {.header = scan.facts()});
    CPPUNIT_ASSERT(fixups && fixups->cuts.size() == 1000);
    CPPUNIT_ASSERT_EQUAL(repeat("X: y\r\n", 1000) + "\r\n", rewritten(body, *fixups).to_string());
  }
  void always_takes_the_place() {
    const FixupPolicy always{.date = AddField::always, .message_id = AddField::always};
    const std::string both = std::string(date_line) + id_line;
    expect(always, "From: a\r\nDate: x\r\n folded\r\nMessage-ID: y\r\nTo: z\r\nDate: w\r\n\r\nDate: body\r\n", both,
           "From: a\r\nTo: z\r\n\r\nDate: body\r\n");
    expect(always, "From: a\r\n\r\n", both, "From: a\r\n\r\n");
    expect({.date = AddField::always}, "From: a\r\nDate: x\r\nMessage-ID: y\r\n\r\n", date_line,
           "From: a\r\nMessage-ID: y\r\n\r\n");
    expect({.message_id = AddField::always}, "From: a\r\nDate: x\r\nMessage-ID: y\r\n", id_line,
           "From: a\r\nDate: x\r\n");
  }
  void missing_headers() {
    const FixupPolicy reject{.missing = MissingHeaders::reject};
    const FixupPolicy accept{.missing = MissingHeaders::accept};
    const FixupPolicy fix{.missing = MissingHeaders::fix};
    const std::string added = std::string(date_line) + id_line;
    for (const std::string text : {"Hello there.\r\n", "Hello,\r\nDate: tomorrow\r\nFrom: me\r\n\r\nBye\r\n",
                                   " a: b\r\n\r\n", "From what I hear\r\nit rains\r\n"}) {
      expect_refusal(reject, text, "missing_headers");
      expect(accept, text, added + "\r\n", text);
      expect(fix, text, added + from_line + "\r\n", text);
    }
    // These begin with the empty line already, or there is nothing to keep apart.
    for (const std::string text : {"\r\nHello there.\r\n", "\r\n", ""}) {
      expect_refusal(reject, text, "missing_headers");
      expect(accept, text, added, text);
      expect(fix, text, added + from_line, text);
    }
    const FixupPolicy nothing{AddField::never, AddField::never, MissingHeaders::accept};
    expect(nothing, "Hello\r\n", "\r\n", "Hello\r\n");  // the trace fields go in front
    expect(nothing, "Hello\r\n", "", "Hello\r\n", {.trace = false});
    // Only headers is a message; a section without From gets it by `fix` alone.
    expect(accept, "Subject: x\r\n", added, "Subject: x\r\n");
    expect(fix, "Subject: x\r\n", added + from_line, "Subject: x\r\n");
    expect(reject, "Subject: x\r\n", added, "Subject: x\r\n");
    CPPUNIT_ASSERT_EQUAL(550, no_header_section.code);
    CPPUNIT_ASSERT_EQUAL(std::string_view("5.6.0"), no_header_section.status);
  }
  // A line that no header section can have: where one reader sees the body
  // begin, and another does not.
  void broken_sections() {
    const std::string text = "From: a\r\nSubject: x\r\nHello\r\nDate: y\r\n\r\nbody\r\n";
    expect_refusal({.missing = MissingHeaders::reject}, text, "missing_headers");
    expect({}, text, std::string(date_line) + id_line, "From: a\r\nSubject: x\r\n\r\nHello\r\nDate: y\r\n\r\nbody\r\n");
    expect({.missing = MissingHeaders::accept}, text, std::string(date_line) + id_line, text);
    // What stands behind it is body then, and stays.
    expect({.date = AddField::always}, "From: a\r\nDate: x\r\nHello\r\nDate: y\r\n\r\n",
           std::string(date_line) + id_line, "From: a\r\n\r\nHello\r\nDate: y\r\n\r\n");
  }
  void mbox_lines() {
    const std::string fields = "From: a\r\nDate: x\r\nMessage-ID: y\r\n\r\nbody\r\n";
    const std::string text = "From a@b Thu Jan  1 00:00:00 1970\r\n" + fields;
    expect({}, text, "", fields);
    expect({.missing = MissingHeaders::accept}, text, "", text);
    expect_refusal({.missing = MissingHeaders::reject}, text, "missing_headers");
  }
  void senders() {
    const Made null_sender = make({}, "\r\n", SIZE_MAX, {.sender = ""});
    CPPUNIT_ASSERT(null_sender.fields.contains("From: MAILER-DAEMON@mx.example\r\n"));
    const Made quoted = make({}, "\r\n", SIZE_MAX, {.sender = "\"a b\"@x"});
    CPPUNIT_ASSERT(quoted.fields.contains("From: <\"a b\"@x>\r\n"));
  }
  void test_group71_results_are_cut() {
    const FixupPolicy plain{AddField::never, AddField::never, MissingHeaders::accept};
    const std::string ours = "Authentication-Results:\r\n (x) MX.example; spf=pass\r\n\tsmtp.mailfrom=a\r\n";
    const std::string other = "Authentication-Results: other.example; spf=pass\r\n";
    expect(plain, ours + "From: a\r\n" + other + ours + ours + "To: b\r\n" + ours + "\r\n" + ours, "",
           "From: a\r\n" + other + "To: b\r\n\r\n" + ours);
    expect(plain, ours, "", "");
    // With nothing put in front, a later reader may well take these lines for fields.
    expect(plain, "garbage\r\n" + ours + "\r\n", "", "garbage\r\n\r\n", {.trace = false});
    expect(plain, "garbage\r\n" + ours + "\r\n", "\r\n", "garbage\r\n" + ours + "\r\n");
  }
  // A line cut behind "mx.example", or between a backslash and what it hides,
  // must not say what the client's line did not.
  void test_group71_wrapping_makes_no_name_ours() {
    const FixupPolicy narrow{AddField::never, AddField::never, MissingHeaders::accept, LongLines::wrap, 80};
    const std::string field = "Authentication-Results:";
    const std::string rest = "To: b\r\n\r\n";
    for (size_t blanks = 30; blanks < 60; ++blanks) {
      const std::string comment = "(" + std::string(blanks, 'c');
      const std::string ours = field + comment + ")mx.example.net; spf=pass\r\n";
      const std::string hidden = field + comment + "\\) mx.example; spf=pass" + std::string(80, 'x') + "\r\n";
      for (const std::string& text : {ours, hidden}) {
        const std::string stored = make(narrow, text + rest).message;
        HeaderScan scan("mx.example");
        scan.feed(stored);
        CPPUNIT_ASSERT_MESSAGE(stored, scan.done() && scan.facts().results.empty());
      }
    }
    const std::string wide = field + " " + std::string(50, 'o') + "; none\r\n";
    expect(narrow, "Subject: " + std::string(71, 's') + "\r\n" + wide + rest, "",
           "Subject: " + std::string(71, 's') + "\r\n" + wide + rest);  // nothing to wrap: nothing lost
    // Lines that may be read as fields are not cut into new ones.
    expect(narrow, "garbage\r\n" + std::string(80, 'g') + field + " mx.example\r\n\r\n", "",
           "garbage\r\n" + std::string(80, 'g') + "\r\n " + field + " mx.example\r\n\r\n", {.trace = false});
  }
  // Far from its name, a colon would be in another line.
  void names_stay_with_their_colons() {
    const FixupPolicy narrow{AddField::never, AddField::never, MissingHeaders::fix, LongLines::wrap, 80};
    const std::string rest = "To: b\r\n\r\n";
    for (const size_t blanks : {30, 74, 75, 76, 77, 78, 79, 130, 900})
      for (const size_t value : {1, 60}) {
        const std::string text = "From" + std::string(blanks, ' ') + ":" + std::string(value, 'a') + "\r\n";
        if (text.size() <= 82)
          expect(narrow, text + rest, "", text + rest);
        else if (4 + blanks < 80)
          expect(narrow, text + rest, "", text.substr(0, 80) + "\r\n " + text.substr(80) + rest);
        else
          expect(narrow, text + rest, "", "From :" + std::string(value, 'a') + "\r\n" + rest);
      }
    // A value keeps its white space, and so does a line that is folded already.
    const std::string spaced = "From: a" + std::string(60, ' ') + "b c d e f g h i j k";
    expect(narrow, spaced + "\r\n\r\n", "", spaced.substr(0, 80) + "\r\n" + spaced.substr(80) + "\r\n\r\n");
    const std::string folded = "From: a\r\n " + std::string(20, 'b') + std::string(50, ' ') + "c d e f g h";
    expect(narrow, folded + "\r\n\r\n", "", folded.substr(0, 9 + 80) + "\r\n" + folded.substr(9 + 80) + "\r\n\r\n");
  }
  void long_lines_are_refused() {
    FixupPolicy policy{AddField::never, AddField::never, MissingHeaders::accept, LongLines::reject};
    const std::string line998 = std::string(998, 'x') + "\r\n";
    const std::string line999 = std::string(999, 'x') + "\r\n";
    const std::string header = "From: a\r\n\r\n";
    expect(policy, header + line998, "", header + line998);
    expect_refusal(policy, header + line999, "line_length");
    expect_refusal(policy, "Subject: " + line998 + header, "line_length");
    CPPUNIT_ASSERT_EQUAL(std::string(), make(policy, header + line999, SIZE_MAX, {.binary = true}).refused);
    policy.long_lines = LongLines::none;
    expect(policy, header + line999, "", header + line999);
    policy.long_lines = LongLines::wrap;
    expect(policy, header + line999, "", header + line999, {.binary = true});
    // While the body still streams only the header section is judged.
    HeaderScan scan;
    scan.feed(header);
    policy.long_lines = LongLines::reject;
    CPPUNIT_ASSERT(fix_up(policy, {.header = scan.facts(), .longest_body_line = FixupInput::not_known}).has_value());
    policy.long_lines = LongLines::wrap;
    const auto wraps = fix_up(policy, {.header = scan.facts(), .longest_body_line = FixupInput::not_known});
    CPPUNIT_ASSERT(wraps && wraps->rewrites() && wraps->max_line_length == 998);
  }

  static constexpr FixupPolicy wrap{AddField::never, AddField::never, MissingHeaders::accept, LongLines::wrap};

  void long_headers_are_folded() {
    const std::string word = std::string(99, 'w') + " ";
    const std::string rest = "From: a\r\n\r\nbody\r\n";
    // "To: " and 9 words are 904 octets; the blank behind the ninth is taken for the fold.
    expect(wrap, "To: " + repeat(word, 12) + "x\r\n" + rest, "",
           "To: " + repeat(word, 8) + word.substr(0, 99) + "\r\n " + repeat(word, 3) + "x\r\n" + rest);
    // Nothing to fold at: a space is put in.
    expect(wrap, "X-Id: " + std::string(2500, 'i') + "\r\n" + rest, "",
           "X-Id:\r\n " + std::string(997, 'i') + "\r\n " + std::string(997, 'i') + "\r\n " + std::string(506, 'i') +
               "\r\n" + rest);
    expect(wrap, "X-Id:" + std::string(1500, 'i') + "\r\n" + rest, "",
           "X-Id:" + std::string(993, 'i') + "\r\n " + std::string(507, 'i') + "\r\n" + rest);
    // White space at the end makes no line of its own, and much of it is no reason for many lines.
    expect(wrap, "Subject: x" + std::string(1000, ' ') + "\r\n" + rest, "",
           "Subject: x" + std::string(988, ' ') + "\r\n" + rest);
    // A line that continues a field.
    expect(wrap, "To: a\r\n\t" + repeat(word, 10) + "y\r\n" + rest, "",
           "To: a\r\n\t" + repeat(word, 8) + word.substr(0, 99) + "\r\n " + word + "y\r\n" + rest);
    // Blanks in front of the colon are no place to fold.
    const Made odd = make(wrap, "To" + std::string(5, ' ') + ":" + std::string(1500, 'x') + "\r\n" + rest);
    CPPUNIT_ASSERT(odd.message.starts_with("To     :x"));
    // In a character is none either.
    const Made utf8 = make(wrap, "X-U:" + repeat("\xE2\x82\xAC", 400) + "\r\n" + rest);
    CPPUNIT_ASSERT_EQUAL("X-U:" + repeat("\xE2\x82\xAC", 331) + "\r\n " + repeat("\xE2\x82\xAC", 69) + "\r\n" + rest,
                         utf8.message);
  }
  void long_body_lines_are_cut() {
    const std::string header = "From: a\r\n\r\n";
    expect(wrap, header + std::string(998, 'x') + "\r\n" + std::string(999, 'y') + "\r\nz\r\n", "",
           header + std::string(998, 'x') + "\r\n" + std::string(998, 'y') + "\r\ny\r\nz\r\n");
    expect(wrap, header + std::string(2000, ' ') + "\r\n", "",
           header + std::string(998, ' ') + "\r\n" + std::string(998, ' ') + "\r\n" + std::string(4, ' ') + "\r\n");
    expect(wrap, header + std::string(1000, 'x'), "", header + std::string(998, 'x') + "\r\nxx");
    expect(wrap, header + "a" + repeat("\xF0\x9F\x93\xA7", 250) + "\r\n", "",
           header + "a" + repeat("\xF0\x9F\x93\xA7", 249) + "\r\n\xF0\x9F\x93\xA7\r\n");
    expect(wrap, header + std::string(999, '\x80') + "\r\n", "", header + std::string(998, '\x80') + "\r\n\x80\r\n");
    // No header section at all.
    expect(wrap, "no header " + std::string(1000, 'x') + "\r\n", "\r\n",
           "no header " + std::string(988, 'x') + "\r\n" + std::string(12, 'x') + "\r\n");
  }
  void limits_beside_998() {
    FixupPolicy policy = wrap;
    const std::string header = "From: a\r\n\r\n";
    policy.max_line_length = 2048;
    expect(policy, header + std::string(2048, 'x') + "\r\n", "", header + std::string(2048, 'x') + "\r\n");
    expect(policy, header + std::string(2049, 'x') + "\r\n", "",
           header + std::string(998, 'x') + "\r\n" + std::string(998, 'x') + "\r\n" + std::string(53, 'x') + "\r\n");
    policy.max_line_length = 1;
    expect(policy, header + std::string(80, 'x') + "\r\n", "", header + std::string(78, 'x') + "\r\nxx\r\n");
  }

  // Each cutting gives the same, no line is longer than it may be, and what
  // comes out is what went in but for line ends and white space.
  void any_message_in_any_cutting() {
    std::mt19937 random(19);  // NOLINT: the same messages each time
    const std::string parts[] = {"x",    " ",     "\t",       "word ", "\xC3\xBC", ":",
                                 "\r\n", "\r\n ", "\r\n\r\n", "a: ",   "\r",       "Date: x"};
    FixupPolicy policy{AddField::always, AddField::if_needed, MissingHeaders::fix, LongLines::wrap, 80};
    const auto text_of = [](std::string_view text) {
      std::string out;
      for (const char c : text)
        if (!std::string_view(" \t\r\n").contains(c)) out += c;
      return out;
    };
    for (int round = 0; round < 400; ++round) {
      std::string text = round % 4 == 0 ? "" : "From: a\r\nSubject: ";
      for (size_t i = random() % 60; i > 0; --i) text += repeat(parts[random() % std::size(parts)], 1 + random() % 40);
      policy.date = round % 2 == 0 ? AddField::always : AddField::if_needed;
      const Made whole = make(policy, text);
      CPPUNIT_ASSERT(longest_of(whole.message) <= 82);
      if (round % 2 == 1 && !text.starts_with("From ")) CPPUNIT_ASSERT_EQUAL(text_of(text), text_of(whole.message));
      for (const size_t piece : {1, 2, 3, 17, 79, 81})
        CPPUNIT_ASSERT_EQUAL_MESSAGE(text, whole.message, make(policy, text, piece).message);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(FixupsTest);

}  // namespace
