// Replies: what is one, what is not, and how much of one is kept.
#include "smtp/reply_parser.h"

#include <cppunit/extensions/HelperMacros.h>

using impulse::smtp::ParsedReply;
using impulse::smtp::reply_text;
using impulse::smtp::ReplyParser;

class ReplyParserTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ReplyParserTest);
  CPPUNIT_TEST(single_lines);
  CPPUNIT_TEST(several_lines);
  CPPUNIT_TEST(stops_behind_one_reply);
  CPPUNIT_TEST(any_cutting);
  CPPUNIT_TEST(what_is_no_reply);
  CPPUNIT_TEST(bounds);
  CPPUNIT_TEST(text);
  CPPUNIT_TEST_SUITE_END();

  static std::optional<ParsedReply> parse(std::string_view bytes) {
    ReplyParser parser(512, 16);
    auto reply = parser.take(bytes);
    CPPUNIT_ASSERT(parser.error().empty());
    return reply;
  }
  static std::string error(std::string_view bytes) {
    ReplyParser parser(512, 16);
    const auto reply = parser.take(bytes);
    CPPUNIT_ASSERT(!reply);
    return std::string(parser.error());
  }

  void single_lines() {
    auto reply = parse("250 2.0.0 OK\r\n");
    CPPUNIT_ASSERT(reply.has_value());
    CPPUNIT_ASSERT_EQUAL(250, reply->code);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, reply->lines.size());
    CPPUNIT_ASSERT_EQUAL(std::string("2.0.0 OK"), reply->lines[0]);
    CPPUNIT_ASSERT_EQUAL(std::string(), parse("354\r\n")->lines[0]);
    CPPUNIT_ASSERT_EQUAL(std::string(), parse("599 \r\n")->lines[0]);
    CPPUNIT_ASSERT(!parse("250 OK"));
    CPPUNIT_ASSERT(!parse("25"));
    CPPUNIT_ASSERT(!parse(""));
  }

  void several_lines() {
    const auto reply = parse("250-a\r\n250-\r\n250 c\r\n");
    CPPUNIT_ASSERT(reply.has_value());
    CPPUNIT_ASSERT_EQUAL(size_t{3}, reply->lines.size());
    CPPUNIT_ASSERT_EQUAL(std::string("a"), reply->lines[0]);
    CPPUNIT_ASSERT_EQUAL(std::string(), reply->lines[1]);
    CPPUNIT_ASSERT_EQUAL(std::string("c"), reply->lines[2]);
    CPPUNIT_ASSERT(parse("250-a\r\n250\r\n").has_value());  // ended by a bare code
  }

  void stops_behind_one_reply() {
    ReplyParser parser(512, 16);
    std::string_view bytes = "250 a\r\n251 b\r\n25";
    CPPUNIT_ASSERT_EQUAL(250, parser.take(bytes)->code);
    CPPUNIT_ASSERT_EQUAL(std::string("251 b\r\n25"), std::string(bytes));
    CPPUNIT_ASSERT(!parser.midway());
    CPPUNIT_ASSERT_EQUAL(251, parser.take(bytes)->code);
    CPPUNIT_ASSERT(!parser.take(bytes));
    CPPUNIT_ASSERT(bytes.empty());
    CPPUNIT_ASSERT(parser.midway());
  }

  void any_cutting() {
    const std::string_view whole = "250-first\r\n250-second\r\n250 third\r\n";
    for (size_t cut = 1; cut < whole.size(); ++cut) {
      ReplyParser parser(512, 16);
      std::string_view head = whole.substr(0, cut);
      std::string_view tail = whole.substr(cut);
      CPPUNIT_ASSERT(!parser.take(head));
      const auto reply = parser.take(tail);
      CPPUNIT_ASSERT(reply.has_value());
      CPPUNIT_ASSERT_EQUAL(std::string("first second third"), reply_text(*reply));
    }
  }

  void what_is_no_reply() {
    CPPUNIT_ASSERT_EQUAL(std::string("a reply line does not end in CRLF"), error("250 ok\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("a line is not an SMTP reply"), error("\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("a line is not an SMTP reply"), error("25\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("a line is not an SMTP reply"), error("hello\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("a line is not an SMTP reply"), error("150 ok\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("a line is not an SMTP reply"), error("650 ok\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("a line is not an SMTP reply"), error("250ok\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("a line is not an SMTP reply"), error("250\tok\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("a line is not an SMTP reply"), error(" 250 ok\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("the lines of a reply have different codes"), error("250-a\r\n251 b\r\n"));
  }

  void bounds() {
    ReplyParser lines(512, 4);
    std::string_view bytes = "250-a\r\n250-b\r\n250-c\r\n250 d\r\n";
    CPPUNIT_ASSERT(lines.take(bytes).has_value());
    bytes = "250-a\r\n250-b\r\n250-c\r\n250-d\r\n250 e\r\n";
    CPPUNIT_ASSERT(!lines.take(bytes).has_value());
    CPPUNIT_ASSERT_EQUAL(std::string("a reply has too many lines"), std::string(lines.error()));

    const std::string fits = "250 " + std::string(506, 'x') + "\r\n";
    bytes = fits;
    ReplyParser length(512, 4);
    CPPUNIT_ASSERT(length.take(bytes).has_value());
    // One byte more is refused, and already before its end has come.
    std::string_view endless = "250 ";
    CPPUNIT_ASSERT(!length.take(endless).has_value());
    for (int i = 0; i < 600 && length.error().empty(); ++i) {
      std::string_view more = "x";
      CPPUNIT_ASSERT(!length.take(more).has_value());
    }
    CPPUNIT_ASSERT_EQUAL(std::string("a reply line is too long"), std::string(length.error()));
  }

  void text() {
    CPPUNIT_ASSERT_EQUAL(std::string("2.0.0 OK"), reply_text(*parse("250 2.0.0 OK\r\n")));
    CPPUNIT_ASSERT_EQUAL(std::string("5.1.1 no such user here"),
                         reply_text(*parse("550-5.1.1 no such\r\n550-5.1.1 user\r\n550 5.1.1 here\r\n")));
    CPPUNIT_ASSERT_EQUAL(std::string("5.1.1 no 5.7.1 but"), reply_text(*parse("550-5.1.1 no\r\n550 5.7.1 but\r\n")));
    CPPUNIT_ASSERT_EQUAL(std::string("1.2.3.4 seen"), reply_text(*parse("550 1.2.3.4 seen\r\n")));
    const std::string hostile = reply_text(*parse(std::string_view("550 a\rb\x1b[2J\0c\xff\r\n", 16)));
    CPPUNIT_ASSERT_EQUAL(std::string("a\\rb\\x1B[2J\\x00c\\xFF"), hostile);
    ReplyParser parser(4096, 128);
    std::string huge;
    for (int i = 0; i < 100; ++i) huge += "550-" + std::string(1000, '\x01') + "\r\n";
    huge += "550 end\r\n";
    std::string_view bytes = huge;
    const std::string cut = reply_text(*parser.take(bytes));
    CPPUNIT_ASSERT(cut.size() <= 512);
    CPPUNIT_ASSERT(cut.ends_with("…"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ReplyParserTest);
