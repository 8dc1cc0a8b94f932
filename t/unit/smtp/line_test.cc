// Command lines: where they end, how long they may be, what they are made of.
#include "smtp/command.h"
#include "smtp/line_reader.h"
#include "smtp/replies.h"
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_test;
using namespace std::string_literals;
using Event = LineReader::Event;

namespace {

// All events of an input: "[line]", "[long]", "[lf]"; a line ended by LF as "[line|lf]".
std::string events(std::string_view input, size_t limit, Cutting cutting) {
  LineReader reader;
  std::string found;
  while (!input.empty()) {
    std::string_view piece = input.substr(0, std::min(cutting(input.size()), input.size()));
    input.remove_prefix(piece.size());
    while (!piece.empty()) {
      const LineReader::Result result = reader.feed(piece, limit);
      piece.remove_prefix(result.used);
      if (result.event == Event::line) found += "[" + std::string(result.line) + (result.ended_in_lf ? "|lf]" : "]");
      if (result.event == Event::too_long) found += "[long]";
      if (result.event == Event::lone_lf) found += "[lf]";
    }
  }
  return found + (reader.in_line() ? "..." : "");
}

class LineTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LineTest);
  CPPUNIT_TEST(lines);
  CPPUNIT_TEST(long_lines_cost_nothing);
  CPPUNIT_TEST(commands);
  CPPUNIT_TEST(parameters);
  CPPUNIT_TEST(replies);
  CPPUNIT_TEST_SUITE_END();

  void lines() {
    const std::pair<std::string, std::string> table[] = {
        {"", ""},
        {"NOOP\r\n", "[NOOP]"},
        {"A\r\nB\r\n", "[A][B]"},
        {"\r\n\r\n", "[][]"},
        {"A", "..."},
        {"A\r", "..."},
        {"A\r\nB", "[A]..."},
        {"A\rB\r\n", "[A\rB]"},
        {"A\r\r\n", "[A\r]"},
        {"A\0B\r\n"s, "[A\0B]"s},
        // the limit is 10, line end included
        {"12345678\r\n", "[12345678]"},
        {"123456789\r\n", "[long]"},
        {"123456789\r\nA\r\n", "[long][A]"},
        {"1234567890123456789012345678901234567890\r\n\r\n", "[long][]"},
        {"12345678901234", "..."},
        // a CRLF session is told of every lone LF
        {"A\r\nB\nC\r\n", "[A][lf][C]"},
        {"A\r\n\n", "[A][lf]"},
        {"A\r\n123456789012\nC\r\n", "[A][lf][C]"},
        {"A\rB\nC\r\n", "[lf][C]"},
        {"\x16\x03\x01\nC\r\n", "[lf][C]"},
        // who begins with LF goes on with either
        {"A\nB\nC\r\n", "[A|lf][B|lf][C]"},
        {"\nA\r\nB\n", "[|lf][A][B|lf]"},
        {"A\n12345678901\nB\n", "[A|lf][long][B|lf]"},
        {"123456789\n", "[123456789|lf]"},
        {"1234567890\n", "[lf]"},
    };
    for (const auto& [input, expected] : table) {
      CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), expected, events(input, 10, whole()));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), expected, events(input, 10, bytes()));
      for (unsigned seed = 0; seed < 20; ++seed)
        CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input), expected, events(input, 10, random_cuts(seed)));
    }
  }
  void long_lines_cost_nothing() {
    LineReader reader;
    const std::string block(1 << 16, 'a');
    for (int i = 0; i < 2000; ++i) CPPUNIT_ASSERT(reader.feed(block, 512).event == Event::more);
    CPPUNIT_ASSERT(reader.feed("\r\n", 512).event == Event::too_long);
    const LineReader::Result next = reader.feed("NOOP\r\n", 512);
    CPPUNIT_ASSERT(next.event == Event::line && next.line == "NOOP");
  }
  void commands() {
    const std::tuple<std::string, Verb, std::string> table[] = {
        {"EHLO a", Verb::ehlo, "a"},
        {"mail FROM:<a@b>", Verb::mail, "FROM:<a@b>"},
        {"Rset", Verb::rset, ""},
        {"RSET ", Verb::rset, ""},
        {"RSET \t ", Verb::rset, "\t "},
        {"RSET\t", Verb::rset, ""},
        {"NOOP x y", Verb::noop, "x y"},
        {"STARTTLS", Verb::starttls, ""},
        {"STARTTLSX", Verb::unknown, ""},
        {"DAT", Verb::unknown, ""},
        {"DATAX", Verb::unknown, ""},
        {" NOOP", Verb::unknown, "NOOP"},
        {"MAIL\tFROM:<a@b>", Verb::unknown, ""},
        {"MAILFROM:<a@b>", Verb::unknown, ""},
        {"AUTH PLAIN", Verb::auth, "PLAIN"},
        {"BDAT 5", Verb::bdat, "5"},
        {"EXPN", Verb::unavailable, ""},
        {"GET / HTTP/1.1", Verb::http, "/ HTTP/1.1"},
        {"", Verb::empty, ""},
        {"  ", Verb::empty, " "},
    };
    for (const auto& [line, verb, arguments] : table) {
      const Command command = parse_command(line);
      CPPUNIT_ASSERT_MESSAGE(line, command.verb == verb);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, arguments, std::string(command.arguments));
    }
    CPPUNIT_ASSERT(has_control("a\0"s) && has_control("\r") && has_control("\x7F") && has_control("\x1B"));
    CPPUNIT_ASSERT(!has_control("a\tb \xC3\xBC"));
  }
  void parameters() {
    const auto shown = [](std::string_view text, bool trailing) {
      const auto parsed = parse_parameters(text, trailing);
      if (!parsed) return std::string("bad");
      std::string out;
      for (const Parameter& each : *parsed)
        out += "(" + std::string(each.keyword) + (each.has_value ? "=" + std::string(each.value) : "") + ")";
      return out;
    };
    const std::pair<std::string, std::string> table[] = {
        {"", ""},
        {" A", "(A)"},
        {" A=1", "(A=1)"},
        {" SIZE=5 BODY=7BIT", "(SIZE=5)(BODY=7BIT)"},
        {"  A  B", "(A)(B)"},
        {" 8BIT-x", "(8BIT-x)"},
        {" A=!~", "(A=!~)"},
        {"A", "bad"},
        {" ", "bad"},
        {" A ", "bad"},
        {" =", "bad"},
        {" =1", "bad"},
        {" A=", "bad"},
        {" A==", "bad"},
        {" A=b=c", "bad"},
        {" -A", "bad"},
        {" A_B", "bad"},
        {" A=\tb", "bad"},
        {" A\tB", "bad"},
        {" A=\xC3\xBC", "bad"},
        {" <a@b>", "bad"},
        {" A\0"s, "bad"},
    };
    for (const auto& [text, expected] : table) CPPUNIT_ASSERT_EQUAL_MESSAGE(text, expected, shown(text, false));
    CPPUNIT_ASSERT_EQUAL("(A)"s, shown(" A \t ", true));
    CPPUNIT_ASSERT_EQUAL(""s, shown("  ", true));
  }
  void replies() {
    std::string out;
    append_reply_line(out, 250, "", "a", false);
    append_reply_line(out, 250, "2.0.0", "b");
    CPPUNIT_ASSERT_EQUAL("250-a\r\n250 2.0.0 b\r\n"s, out);
    out.clear();
    append_reply_line(out, 421, "4.3.2", "evil\r\n250 OK\0\xFF"s);
    CPPUNIT_ASSERT_EQUAL("421 4.3.2 evil??250 OK??\r\n"s, out);
    out.clear();
    append_reply_line(out, 550, "5.7.1", std::string(5000, 'x'));
    CPPUNIT_ASSERT_EQUAL(size_t{512}, out.size());
    const std::tuple<std::string, std::string, std::string> table[] = {
        {"4.3.2 Bye", "4.3.2", "Bye"},
        {"4.3.2", "4.3.2", ""},
        {"Bye", "", "Bye"},
        {"", "", ""},
        {"4.3 Bye", "", "4.3 Bye"},
        {"4.3.2Bye", "", "4.3.2Bye"},
        {"4.3.", "", "4.3."},
        {"4.3.2222 x", "", "4.3.2222 x"},
    };
    for (const auto& [text, code, rest] : table) {
      const CodedText split = split_enhanced(text);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, code, std::string(split.enhanced));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, rest, std::string(split.text));
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(LineTest);

}  // namespace
