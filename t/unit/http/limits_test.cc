// Bounds: of lines, headers, bodies, before and behind their decoding; a byte
// below each is taken, a byte above is not.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>
#include <zlib.h>

#include <string>
#include <string_view>

namespace {

using namespace http_test;

constexpr int gzip = 15 + 16;
constexpr int zlib = 15;
constexpr int bare = -15;

std::string deflated(std::string_view text, int window) {
  z_stream stream{};
  CPPUNIT_ASSERT_EQUAL(Z_OK, deflateInit2(&stream, 9, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY));
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CPPUNIT_ASSERT_EQUAL(Z_STREAM_END, deflate(&stream, Z_FINISH));
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string post(std::string_view fields, std::string_view body) {
  return "POST /p HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}
std::string chunked(std::string_view fields, std::string_view body) {
  std::string text = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + std::string(fields) + "\r\n";
  while (!body.empty()) {
    const std::string_view piece = body.substr(0, 15);
    text += std::string(1, "0123456789abcdef"[piece.size()]) + "\r\n" + std::string(piece) + "\r\n";
    body.remove_prefix(piece.size());
  }
  return text + "0\r\n\r\n";
}

// What comes of it, the same however it is cut.
std::string events(const std::string& input, const Policy& policy = {}, std::string* body = nullptr) {
  Dialogue at_once(policy);
  at_once.say(input);
  for (const size_t size : {size_t{1}, size_t{3}, size_t{17}, size_t{4096}}) {
    if (input.size() > 200000 && size < 17) continue;
    Dialogue cut(policy, pieces_of(size));
    cut.say(input);
    CPPUNIT_ASSERT_EQUAL(at_once.replies, cut.replies);
    CPPUNIT_ASSERT_EQUAL(at_once.heard(), cut.heard());
  }
  if (body != nullptr) *body = at_once.requests.empty() ? std::string() : at_once.requests.back().body;
  return at_once.events();
}

class LimitsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LimitsTest);
  CPPUNIT_TEST(request_line);
  CPPUNIT_TEST(header_size);
  CPPUNIT_TEST(header_fields);
  CPPUNIT_TEST(endless_heads_are_bounded);
  CPPUNIT_TEST(body_size);
  CPPUNIT_TEST(expanded_size);
  CPPUNIT_TEST(codings);
  CPPUNIT_TEST(broken_codings);
  CPPUNIT_TEST(members);
  CPPUNIT_TEST(bombs);
  CPPUNIT_TEST(versions);
  CPPUNIT_TEST_SUITE_END();

  void request_line() {
    const auto line = [](size_t size) {
      return "GET /" + repeat("x", size - 16) + " HTTP/1.1\r\nHost: a\r\n\r\n";  // `size` with its CRLF
    };
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(line(8192)));
    CPPUNIT_ASSERT_EQUAL(std::string("414 request_line_length"), events(line(8193)));
    Policy small;
    small.max_request_line = 20;
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(line(20), small));
    CPPUNIT_ASSERT_EQUAL(std::string("414 request_line_length"), events(line(21), small));
    CPPUNIT_ASSERT_EQUAL(std::string("414 request_line_length"), events(repeat("x", 8193)));
    CPPUNIT_ASSERT_EQUAL(std::string(), events(repeat("x", 8192)));
  }

  void header_size() {
    const auto head = [](size_t size) {  // `size` with the empty line
      return "GET / HTTP/1.1\r\nHost: a\r\nX: " + repeat("x", size - 9 - 5 - 2) + "\r\n\r\n";
    };
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(head(65536)));
    CPPUNIT_ASSERT_EQUAL(std::string("431 header_size"), events(head(65537)));
    Policy small;
    small.max_header_size = 50;
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(head(50), small));
    CPPUNIT_ASSERT_EQUAL(std::string("431 header_size"), events(head(51), small));
  }

  void header_fields() {
    Policy policy;
    policy.max_header_fields = 10;
    const auto head = [](size_t fields) {
      return "GET / HTTP/1.1\r\nHost: a\r\n" + repeat("A: b\r\n", fields - 1) + "\r\n";
    };
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(head(10), policy));
    CPPUNIT_ASSERT_EQUAL(std::string("431 header_size"), events(head(11), policy));
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(head(128)));
    CPPUNIT_ASSERT_EQUAL(std::string("431 header_size"), events(head(129)));
  }

  void endless_heads_are_bounded() {
    Dialogue client;
    client.say("GET / HTTP/1.1\r\n");
    size_t most = 0;
    for (int i = 0; i < 200000 && !client.closed; ++i) {
      client.say("A: " + repeat("b", 700) + "\r\n");
      most = std::max(most, client.session->held());
    }
    CPPUNIT_ASSERT(client.closed);
    CPPUNIT_ASSERT_EQUAL(std::string("431 header_size"), client.events());
    CPPUNIT_ASSERT(most < size_t{2} * 80000);
    CPPUNIT_ASSERT(client.session->held() < 8192);
  }

  void body_size() {
    Policy policy;
    policy.max_request_size = 100;
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(post("", repeat("x", 100)), policy));
    CPPUNIT_ASSERT_EQUAL(std::string("413 size"), events(post("", repeat("x", 101)), policy));
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(chunked("", repeat("x", 100)), policy));
    CPPUNIT_ASSERT_EQUAL(std::string("413 size"), events(chunked("", repeat("x", 101)), policy));
  }

  void expanded_size() {
    Policy policy;
    policy.max_request_size = 1000;
    const std::string field = "Content-Encoding: gzip\r\n";
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(post(field, deflated(repeat("x", 1000), gzip)), policy));
    CPPUNIT_ASSERT_EQUAL(std::string("413 size"), events(post(field, deflated(repeat("x", 1001), gzip)), policy));
    CPPUNIT_ASSERT_EQUAL(std::string("413 size"), events(chunked(field, deflated(repeat("x", 1001), gzip)), policy));
    CPPUNIT_ASSERT_EQUAL(std::string("413 size"), events(post(field, deflated(repeat("x", 900000), gzip)), policy));
  }

  void codings() {
    const std::string text = "hello " + repeat("world ", 5000);
    for (const std::string_view coding : {"gzip", "GZIP", "x-gzip", "deflate", "Deflate"}) {
      const std::string field = "Content-Encoding: " + std::string(coding) + "\r\n";
      const std::string body = deflated(text, istarts_with(coding, "d") ? zlib : gzip);
      std::string heard;
      CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(post(field, body), {}, &heard));
      CPPUNIT_ASSERT_EQUAL(text, heard);
      CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(chunked(field, body), {}, &heard));
      CPPUNIT_ASSERT_EQUAL(text, heard);
    }
    for (const std::string_view coding : {"identity", ""}) {
      std::string heard;
      const std::string field = "Content-Encoding: " + std::string(coding) + "\r\n";
      CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(post(field, "as it is"), {}, &heard));
      CPPUNIT_ASSERT_EQUAL(std::string("as it is"), heard);
    }
    for (const std::string_view coding : {"br", "zstd", "compress", "gzip, gzip", "gzip,", "gzip;q=1", "x"}) {
      Dialogue client;
      client.say(post("Content-Encoding: " + std::string(coding) + "\r\n", "hello"));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(coding), std::string("415 coding"), client.events());
      CPPUNIT_ASSERT_EQUAL(std::string("gzip, deflate"), reply_field(client.replies, "Accept-Encoding"));
    }
    // Of nothing any coding is nothing.
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(post("Content-Encoding: gzip\r\n", "")));
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(chunked("Content-Encoding: gzip\r\n", "")));
  }

  void broken_codings() {
    const std::string field = "Content-Encoding: gzip\r\n";
    const std::string good = deflated("hello, world", gzip);
    const std::string broken = "400 coded_body";
    CPPUNIT_ASSERT_EQUAL(broken, events(post(field, "hello")));
    CPPUNIT_ASSERT_EQUAL(broken, events(post(field, good.substr(0, 1))));
    CPPUNIT_ASSERT_EQUAL(broken, events(post(field, good.substr(0, good.size() - 1))));
    CPPUNIT_ASSERT_EQUAL(broken, events(chunked(field, good.substr(0, good.size() - 1))));
    CPPUNIT_ASSERT_EQUAL(broken, events(post(field, good + "x")));
    CPPUNIT_ASSERT_EQUAL(broken, events(post(field, good + good.substr(0, good.size() - 1))));
    CPPUNIT_ASSERT_EQUAL(broken, events(post(field, good + good.substr(0, 1))));
    CPPUNIT_ASSERT_EQUAL(broken, events(post(field, good + std::string(8, '\0'))));
    const std::string whole = deflated("hello, world", zlib);
    CPPUNIT_ASSERT_EQUAL(broken, events(post("Content-Encoding: deflate\r\n", whole + whole)));
    CPPUNIT_ASSERT_EQUAL(broken, events(post(field, deflated("hello", zlib))));
    CPPUNIT_ASSERT_EQUAL(broken, events(post("Content-Encoding: deflate\r\n", good)));
    CPPUNIT_ASSERT_EQUAL(broken, events(post("Content-Encoding: deflate\r\n", deflated("hello", bare))));
    std::string wrong_sum = good;
    wrong_sum[wrong_sum.size() - 6] ^= 1;
    CPPUNIT_ASSERT_EQUAL(broken, events(post(field, wrong_sum)));
    for (size_t i = 10; i + 9 < good.size(); ++i) {  // the last before the sum has bits that mean nothing
      std::string flipped = good;
      flipped[i] ^= 0x10;
      CPPUNIT_ASSERT_EQUAL(broken, events(post(field, flipped)));
    }
  }

  // RFC 1952 §2.2: a file is a series of members.
  void members() {
    const std::string field = "Content-Encoding: gzip\r\n";
    const std::string empty = deflated("", gzip);
    const std::string body = deflated("hello, ", gzip) + empty + empty + deflated("world", gzip);
    for (const std::string& request : {post(field, body), chunked(field, body)}) {
      std::string heard;
      CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(request, {}, &heard));
      CPPUNIT_ASSERT_EQUAL(std::string("hello, world"), heard);
    }
    // One bound for all of them, of size as of expansion.
    Policy policy;
    policy.max_request_size = 1000;
    const std::string half = deflated(repeat("x", 500), gzip);
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(post(field, half + half), policy));
    CPPUNIT_ASSERT_EQUAL(std::string("413 size"), events(post(field, half + half + half), policy));
    const std::string large = deflated(std::string(size_t{1} << 19, '\0'), gzip);
    CPPUNIT_ASSERT_EQUAL(std::string("413 size"), events(post(field, large + large + large)));
    const std::string dense = deflated(repeat("0123456789abcdefghijklmnopqrstuvwxyz", 15000), gzip);
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(post(field, dense + empty + repeat(empty, 3000))));
  }

  void bombs() {
    const std::string field = "Content-Encoding: gzip\r\n";
    const std::string bomb = deflated(std::string(size_t{40} << 20, '\0'), gzip);
    CPPUNIT_ASSERT(bomb.size() < 50000);
    Dialogue client;
    client.say(post(field, bomb));
    CPPUNIT_ASSERT_EQUAL(std::string("413 size"), client.events());
    CPPUNIT_ASSERT(client.session->held() < 8192);
    Policy trusting;
    trusting.max_expansion = 0;
    const std::string large = deflated(std::string(size_t{2} << 20, '\0'), gzip);
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(post(field, large), trusting));
    CPPUNIT_ASSERT_EQUAL(std::string("413 size"), events(post(field, large)));
    // Below 1 MiB the rate does not matter.
    const std::string small = deflated(std::string((size_t{1} << 20) - 1, '\0'), gzip);
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(post(field, small)));
  }

  void versions() {
    const std::string old = "GET / HTTP/1.0\r\n\r\n";
    const std::string now = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    Policy policy;
    policy.http_1_0 = false;
    CPPUNIT_ASSERT_EQUAL(std::string("505 version"), events(old, policy));
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(now, policy));
    policy.http_1_0 = true;
    policy.http_1_1 = false;
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), events(old, policy));
    CPPUNIT_ASSERT_EQUAL(std::string("505 version"), events(now, policy));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(LimitsTest);

}  // namespace
