// What a request's bytes mean, case by case: each as a whole, byte by byte, in
// pieces of 3 and 17 and at random cuts, always with the same replies.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace http_test;

struct Case {
  std::string_view name;
  std::string input;
  std::string events;
  std::string heard = {};
};

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string bad_line = "400 request_line";
const std::string bad_header = "400 header";

std::string head(std::string_view fields) { return "POST /p HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n"; }
std::string chunked(std::string_view body) { return head("Transfer-Encoding: chunked\r\n") + std::string(body); }
std::string line(std::string_view text) { return std::string(text) + "\r\nHost: a\r\n\r\n"; }
std::string nul(std::string_view before, std::string_view behind) {
  return std::string(before) + '\0' + std::string(behind);
}

const std::vector<Case> request_lines{
    {"plain", get, "200 answered", "GET / "},
    {"all methods",
     line("GET /1 HTTP/1.1") + line("HEAD /2 HTTP/1.1") + line("POST /3 HTTP/1.1") + line("PUT /4 HTTP/1.1") +
         line("PATCH /5 HTTP/1.1") + line("DELETE /6 HTTP/1.1") + line("OPTIONS /7 HTTP/1.1"),
     "200 answered, 200 answered, 200 answered, 200 answered, 200 answered, 200 answered, 200 answered",
     "GET /1 \nHEAD /2 \nPOST /3 \nPUT /4 \nPATCH /5 \nDELETE /6 \nOPTIONS /7 "},
    {"unknown method", line("BREW / HTTP/1.1"), "405 method"},
    {"trace", line("TRACE / HTTP/1.1"), "405 method"},
    {"connect", line("CONNECT a:443 HTTP/1.1"), "405 method"},
    {"small letters are another method", line("get / HTTP/1.1"), "405 method"},
    {"no token", line("G(T / HTTP/1.1"), bad_line},
    {"no method", line(" / HTTP/1.1"), bad_line},
    {"no target", line("GET  HTTP/1.1"), bad_line},
    {"HTTP/0.9", "GET /\r\n", bad_line},
    {"nothing but a method", "GET\r\n", bad_line},
    {"two spaces", line("GET  / HTTP/1.1"), bad_line},
    {"a space behind", line("GET / HTTP/1.1 "), bad_line},
    {"two spaces before the version", line("GET /  HTTP/1.1"), bad_line},
    {"a space in the target", line("GET /a b HTTP/1.1"), bad_line},
    {"a tab", line("GET\t/ HTTP/1.1"), bad_line},
    {"a tab in the target", line("GET /\t HTTP/1.1"), bad_line},
    {"8-bit target", line("GET /\xC3\xA4 HTTP/1.1"), bad_line},
    {"version 1.2", line("GET / HTTP/1.2"), "400 version"},
    {"version 1.9", line("GET / HTTP/1.9"), "400 version"},
    {"version 0.9", line("GET / HTTP/0.9"), "505 version"},
    {"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 version"},
    {"version 1.10", line("GET / HTTP/1.10"), bad_line},
    {"version 1", line("GET / HTTP/1"), bad_line},
    {"version 01.1", line("GET / HTTP/01.1"), bad_line},
    {"version -1.1", line("GET / HTTP/-.1"), bad_line},
    {"small version", line("GET / http/1.1"), bad_line},
    {"another protocol", line("GET / ICAP/1.0"), bad_line},
    {"SMTP", "EHLO there\r\n", bad_line},
    {"TLS", "\x16\x03\x01\x02", bad_line},
    {"an empty line before", "\r\n" + get, "200 answered", "GET / "},
    {"two empty lines before", "\r\n\r\n" + get, bad_line},
    {"an empty line between", get + "\r\n" + get, "200 answered, 200 answered", "GET / \nGET / "},
    {"a lone LF before", "\n" + get, bad_line},
    {"lone LF", "GET / HTTP/1.1\nHost: a\n\n", bad_line},
    {"lone CR", "GET / HTTP/1.1\rHost: a\r\n\r\n", bad_line},
    {"CR CR LF", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", bad_line},
    {"NUL", nul("GET /", " HTTP/1.1\r\nHost: a\r\n\r\n"), bad_line},
    {"NUL first", nul("", get), bad_line},
};

const std::vector<Case> headers{
    {"lone LF", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", bad_header},
    {"lone LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", bad_header},
    {"lone CR", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", bad_header},
    {"lone CR at the end", "GET / HTTP/1.1\r\nHost: a\r\n\rX", bad_header},
    {"NUL in a value", nul("GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n"), bad_header},
    {"NUL in a name", nul("GET / HTTP/1.1\r\nHost: a\r\nX", ": b\r\n\r\n"), bad_header},
    {"a control character", head("X: \x01\r\n"), bad_header},
    {"DEL", head("X: \x7F\r\n"), bad_header},
    {"a tab inside is fine", head("X: a\tb\r\n"), "200 answered", "POST /p "},
    {"8-bit value is fine", head("X: \xE4\xF6\r\n"), "200 answered", "POST /p "},
    {"folded", head("X: a\r\n b\r\n"), bad_header},
    {"folded by a tab", head("X: a\r\n\tb\r\n"), bad_header},
    {"folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", bad_header},
    {"folded length", head("Content-Length:\r\n 5\r\n") + "hello", bad_header},
    {"space before colon", head("X : a\r\n"), bad_header},
    {"tab before colon", head("X\t: a\r\n"), bad_header},
    {"length with space before colon", head("Content-Length : 5\r\n") + "hello", bad_header},
    {"space in a name", head("X Y: a\r\n"), bad_header},
    {"no name", head(": a\r\n"), bad_header},
    {"no colon", head("nothing\r\n"), bad_header},
    {"8-bit name", head("X\xE4: a\r\n"), bad_header},
    {"brackets in a name", head("X[]: a\r\n"), bad_header},
    {"an empty value is fine", head("X:\r\nY:   \r\n"), "200 answered", "POST /p "},
    {"no space behind the colon", "GET / HTTP/1.1\r\nHost:a\r\n\r\n", "200 answered", "GET / "},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", "400 host"},
    {"no Host in 1.0", "GET / HTTP/1.0\r\n\r\n", "200 answered", "GET / "},
    {"two Hosts", head("Host: a\r\n"), "400 host"},
    {"two Hosts in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", "400 host"},
    {"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400 host"},
    {"Host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "400 host"},
    {"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 host"},
    {"Host with spaces", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400 host"},
    {"a list of Hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400 host"},
    {"Host with a bad port", "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", "400 host"},
    {"Host with a large port", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", "400 host"},
    {"Host with a port", "GET / HTTP/1.1\r\nHost: a:8080\r\n\r\n", "200 answered", "GET / "},
    {"Host as IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "200 answered", "GET / "},
    {"Host as half IPv6", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "400 host"},
    {"Host as no IPv6", "GET / HTTP/1.1\r\nHost: [a]\r\n\r\n", "400 host"},
    {"two of Authorization", head("Authorization: a\r\nauthorization: b\r\n"), bad_header},
    {"two of Idempotency-Key", head("Idempotency-Key: a\r\nIdempotency-Key: a\r\n"), bad_header},
    {"two of Content-Type", head("Content-Type: a/b\r\nContent-Type: a/c\r\n"), bad_header},
    {"Connection is no list", head("Connection: a b\r\n"), bad_header},
    {"an unknown expectation", head("Expect: 200-ok\r\n"), "417 expectation"},
    {"two expectations", head("Expect: 100-continue, x\r\n"), "417 expectation"},
    {"an expectation of 1.0", "GET / HTTP/1.0\r\nExpect: x\r\n\r\n", "200 answered", "GET / "},
};

const std::vector<Case> lengths{
    {"a body", head("Content-Length: 5\r\n") + "hello" + get, "200 answered, 200 answered", "POST /p hello\nGET / "},
    {"of nothing", head("Content-Length: 0\r\n") + get, "200 answered, 200 answered", "POST /p \nGET / "},
    {"zeros in front", head("Content-Length: 0005\r\n") + "hello", "200 answered", "POST /p hello"},
    {"white space around", head("Content-Length: \t5 \r\n") + "hello", "200 answered", "POST /p hello"},
    {"a body that looks like a request", head("Content-Length: 28\r\n") + "GET /x HTTP/1.1\r\nHost: a\r\n\r\n" + get,
     "200 answered, 200 answered", "POST /p GET /x HTTP/1.1\r\nHost: a\r\n\r\n\nGET / "},
    {"signed", head("Content-Length: +5\r\n") + "hello", "400 length"},
    {"negative", head("Content-Length: -5\r\n") + "hello", "400 length"},
    {"hexadecimal", head("Content-Length: 0x5\r\n") + "hello", "400 length"},
    {"a fraction", head("Content-Length: 5.0\r\n") + "hello", "400 length"},
    {"with an exponent", head("Content-Length: 5e0\r\n") + "hello", "400 length"},
    {"empty", head("Content-Length:\r\n"), "400 length"},
    {"two numbers", head("Content-Length: 5 5\r\n") + "hello", "400 length"},
    {"a list", head("Content-Length: 5, 5\r\n") + "hello", "400 length"},
    {"a list of different ones", head("Content-Length: 5,6\r\n") + "hello", "400 length"},
    {"a list of one", head("Content-Length: 5,\r\n") + "hello", "400 length"},
    {"twice", head("Content-Length: 5\r\nContent-Length: 5\r\n") + "hello", bad_header},
    {"twice and different", head("Content-Length: 5\r\ncontent-length: 6\r\n") + "hello!", bad_header},
    {"2^64", head("Content-Length: 18446744073709551616\r\n"), "400 length"},
    {"2^64 + 5", head("Content-Length: 18446744073709551621\r\n") + "hello", "400 length"},
    {"2^64 - 1", head("Content-Length: 18446744073709551615\r\n"), "413 size"},
    {"very many digits", head("Content-Length: " + repeat("9", 1000) + "\r\n"), "400 length"},
    {"8-bit digits", head("Content-Length: \xD9\xA5\r\n") + "hello", "400 length"},
    {"quoted", head("Content-Length: \"5\"\r\n") + "hello", "400 length"},
    {"with GET", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" + get, "200 answered, 200 answered",
     "GET / hi\nGET / "},
    {"one byte too many is the next request", head("Content-Length: 5\r\n") + "hello!" + get,
     "200 answered, 405 method", "POST /p hello"},
    {"of 1.0", "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", "200 answered", "POST / hi"},
};

const std::vector<Case> codings{
    {"chunked", chunked("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n") + get, "200 answered, 200 answered",
     "POST /p hello!\nGET / "},
    {"nothing in chunks", chunked("0\r\n\r\n") + get, "200 answered, 200 answered", "POST /p \nGET / "},
    {"many zeros are the end", chunked("0000\r\n\r\n") + get, "200 answered, 200 answered", "POST /p \nGET / "},
    {"Chunked", head("Transfer-Encoding: Chunked\r\n") + "0\r\n\r\n", "200 answered", "POST /p "},
    {"large hexadecimal digits", chunked("A\r\n0123456789\r\n0\r\n\r\n"), "200 answered", "POST /p 0123456789"},
    {"small hexadecimal digits", chunked("a\r\n0123456789\r\n0\r\n\r\n"), "200 answered", "POST /p 0123456789"},
    {"zeros in front", chunked("0000000000000005\r\nhello\r\n0\r\n\r\n"), "200 answered", "POST /p hello"},
    {"too many zeros in front", chunked("00000000000000005\r\nhello\r\n0\r\n\r\n"), "400 chunk"},
    {"CRLF as data", chunked("2\r\n\r\n\r\n0\r\n\r\n"), "200 answered", "POST /p \r\n"},
    {"an end as data", chunked("5\r\n0\r\n\r\n\r\n0\r\n\r\n"), "200 answered", "POST /p 0\r\n\r\n"},
    {"with a length", head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", "400 framing"},
    {"with a length behind", head("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + "0\r\n\r\n", "400 framing"},
    {"with a length of nothing", head("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n") + "0\r\n\r\n",
     "400 framing"},
    {"a bad coding with a length", head("Transfer-Encoding: x\r\nContent-Length: 5\r\n") + "hello", "400 framing"},
    {"in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 transfer_coding"},
    {"twice", head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", bad_header},
    {"twice, the other first", head("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
     bad_header},
    {"chunked twice in a list", head("Transfer-Encoding: chunked, chunked\r\n") + "0\r\n\r\n", "400 transfer_coding"},
    {"chunked not last", head("Transfer-Encoding: chunked, gzip\r\n") + "0\r\n\r\n", "400 transfer_coding"},
    {"gzip before it", head("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n", "400 transfer_coding"},
    {"unknown before it", head("Transfer-Encoding: cow, chunked\r\n") + "0\r\n\r\n", "400 transfer_coding"},
    {"identity before it", head("Transfer-Encoding: identity, chunked\r\n") + "0\r\n\r\n", "400 transfer_coding"},
    {"unknown", head("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n", "400 transfer_coding"},
    {"identity", head("Transfer-Encoding: identity\r\n") + "hello", "400 transfer_coding"},
    {"empty", head("Transfer-Encoding:\r\n"), "400 transfer_coding"},
    {"a comma behind", head("Transfer-Encoding: chunked,\r\n") + "0\r\n\r\n", "400 transfer_coding"},
    {"a comma before", head("Transfer-Encoding: ,chunked\r\n") + "0\r\n\r\n", "400 transfer_coding"},
    {"a parameter", head("Transfer-Encoding: chunked;q=1\r\n") + "0\r\n\r\n", "400 transfer_coding"},
    {"quoted", head("Transfer-Encoding: \"chunked\"\r\n") + "0\r\n\r\n", "400 transfer_coding"},
    {"a vertical tab before", head("Transfer-Encoding: \vchunked\r\n") + "0\r\n\r\n", bad_header},
    {"a space in it", head("Transfer-Encoding: chun ked\r\n") + "0\r\n\r\n", "400 transfer_coding"},
    {"a space before its colon", head("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n", bad_header},
    {"folded", head("Transfer-Encoding:\r\n chunked\r\n") + "0\r\n\r\n", bad_header},
    {"a blank before is white space", head("Transfer-Encoding:\tchunked \r\n") + "0\r\n\r\n", "200 answered",
     "POST /p "},
};

const std::vector<Case> chunks{
    {"an extension", chunked("1;a\r\nx\r\n0;b=c\r\n\r\n"), "200 answered", "POST /p x"},
    {"a quoted one", chunked("1;a=\"b;\\\"c\"\r\nx\r\n0\r\n\r\n"), "200 answered", "POST /p x"},
    {"two of them", chunked("1;a;b=c\r\nx\r\n0\r\n\r\n"), "200 answered", "POST /p x"},
    {"no name", chunked("1;\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"no value", chunked("1;a=\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"no end of the quotes", chunked("1;a=\"b\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"something behind the quotes", chunked("1;a=\"b\"c\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"a space behind the size", chunked("1 \r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"a space before the extension", chunked("1 ;a\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"a space before the size", chunked(" 1\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"no size", chunked("\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"no number", chunked("g\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"0x", chunked("0x1\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"signed", chunked("+1\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"negative", chunked("-1\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"half a number", chunked("1.0\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"2^64", chunked("10000000000000000\r\n"), "400 chunk"},
    {"2^64 - 1", chunked("ffffffffffffffff\r\n"), "413 size"},
    {"sum over 2^64", chunked("1\r\nx\r\nffffffffffffffff\r\n"), "400 chunk"},
    {"a lone LF behind the size", chunked("1\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"a lone CR behind the size", chunked("1\rx\r\n0\r\n\r\n"), "400 chunk"},
    {"a lone LF in an extension", chunked("1;a\n\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"a lone LF behind the data", chunked("1\r\nx\n0\r\n\r\n"), "400 chunk"},
    {"a CR behind the data", chunked("1\r\nx\r0\r\n\r\n"), "400 chunk"},
    {"longer than its size", chunked("1\r\nxy\r\n0\r\n\r\n"), "400 chunk"},
    {"shorter than its size", chunked("3\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"NUL in the size", nul(chunked("1"), "\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"a long extension", chunked("1;" + repeat("a", 300) + "\r\nx\r\n0\r\n\r\n"), "400 chunk"},
    {"more framing than body", chunked(repeat("1;" + repeat("a", 200) + "\r\nx\r\n", 400) + "0\r\n\r\n"), "400 chunk"},
    {"many small chunks", chunked(repeat("1\r\nx\r\n", 30000) + "0\r\n\r\n"), "200 answered",
     "POST /p " + repeat("x", 30000)},
    {"trailers", chunked("1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n") + get, "200 answered, 200 answered",
     "POST /p x\nGET / "},
    {"a length as trailer", chunked("0\r\nContent-Length: 5\r\n\r\nhello"), "400 framing"},
    {"a coding as trailer", chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"), "400 framing"},
    {"no trailer", chunked("0\r\nnothing\r\n\r\n"), "400 chunk"},
    {"a space before a trailer's colon", chunked("0\r\nA : b\r\n\r\n"), "400 chunk"},
    {"a folded trailer", chunked("0\r\nA: b\r\n c\r\n\r\n"), "400 chunk"},
    {"a lone LF behind a trailer", chunked("0\r\nA: b\n\r\n"), "400 chunk"},
    {"a lone LF at the end", chunked("0\r\n\n"), "400 chunk"},
    {"no empty line at the end is a trailer", chunked("0\r\nGET / HTTP/1.1\r\n"), "400 chunk"},
    {"too many trailers", chunked("0\r\n" + repeat("A: b\r\n", 200) + "\r\n"), "431 header_size"},
    {"too large trailers", chunked("0\r\n" + repeat("A: " + repeat("b", 1000) + "\r\n", 70) + "\r\n"),
     "431 header_size"},
};

struct Outcome {
  std::string replies;
  std::string events;
  std::string heard;
  std::string state;
  size_t taken = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome run(const std::string& input, Cutting cutting) {
  Dialogue dialogue({}, std::move(cutting));
  dialogue.say(input);
  // What is closed takes all that comes.
  const size_t taken = dialogue.closed ? input.size() : dialogue.taken;
  return {dialogue.replies, dialogue.events(), dialogue.heard(), std::string(dialogue.session->state()), taken};
}

class FramingTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(FramingTest);
  CPPUNIT_TEST(request_line);
  CPPUNIT_TEST(header);
  CPPUNIT_TEST(length);
  CPPUNIT_TEST(coding);
  CPPUNIT_TEST(chunk);
  CPPUNIT_TEST_SUITE_END();

  static void check(const std::vector<Case>& cases) {
    for (const Case& one : cases) {
      const std::string name(one.name);
      const Outcome at_once = run(one.input, whole());
      CPPUNIT_ASSERT_EQUAL_MESSAGE(name, one.events, at_once.events);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(name, one.heard, at_once.heard);
      const bool refused = !one.events.ends_with("answered");
      if (refused) CPPUNIT_ASSERT_MESSAGE(name, at_once.state == "closed" || at_once.state == "drain");
      CPPUNIT_ASSERT_EQUAL_MESSAGE(name, one.input.size(), at_once.taken);
      for (const size_t size : {1, 3, 17})
        CPPUNIT_ASSERT_MESSAGE(name + " in pieces", run(one.input, pieces_of(size)) == at_once);
      for (const unsigned seed : {1, 2, 3})
        CPPUNIT_ASSERT_MESSAGE(name + " cut at random", run(one.input, random_cuts(seed)) == at_once);
    }
  }

  void request_line() { check(request_lines); }
  void header() { check(headers); }
  void length() { check(lengths); }
  void coding() { check(codings); }
  void chunk() { check(chunks); }
};
CPPUNIT_TEST_SUITE_REGISTRATION(FramingTest);

}  // namespace
