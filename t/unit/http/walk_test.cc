// A random walk: connections of good requests in all framings, whose bodies look
// like requests, until something ends them. A model that never parses anything
// knows what has to be heard.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fmt/format.h>

#include <array>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace http_test;

// What ends a connection, with the reply it gets.
struct End {
  std::string_view bytes;
  std::string_view event;
};
constexpr std::array ends{
    End{"POST /end HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400 framing"},
    End{"POST /end HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nGET /", "400 header"},
    End{"POST /end HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400 transfer_coding"},
    End{"POST /end HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400 header"},
    End{"POST /end HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nGET /\r\n0\r\n\r\n", "400 chunk"},
    End{"POST /end HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n", "400 chunk"},
    End{"GET /end HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 host"},
    End{"GET /end HTTP/1.1\nHost: a\n\n", "400 request_line"},
    End{"GET /end HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n", "400 header"},
    End{"BREW /end HTTP/1.1\r\nHost: a\r\n\r\n", "405 method"},
    End{"GET /end HTTP/3.0\r\nHost: a\r\n\r\n", "505 version"},
    End{"GET /../end HTTP/1.1\r\nHost: a\r\n\r\n", "400 target"},
    End{"POST /end HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", "413 size"},
    End{"POST /end HTTP/1.1\r\nHost: a\r\nExpect: more\r\nContent-Length: 3\r\n\r\nabc", "417 expectation"},
    End{"POST /end HTTP/1.1\r\nHost: a\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nabc", "415 coding"},
};

class Walk {
 public:
  explicit Walk(unsigned seed) : random_(seed) {
    const unsigned requests = pick(8);
    for (unsigned i = 0; i < requests && !over_; ++i) add_request(i);
    if (!over_ && pick(3) > 0) {
      const End& end = ends[pick(ends.size())];
      say += end.bytes;
      event(end.event);
      over_ = true;
    }
    // Whatever stands behind an end is never a request.
    if (over_) say += "GET /behind HTTP/1.1\r\nHost: a\r\n\r\n";
  }

  std::string say;
  std::string heard;
  std::string events;
  bool over() const { return over_; }
  unsigned pick(size_t count) { return static_cast<unsigned>(random_() % count); }

 private:
  void event(std::string_view text) { events += (events.empty() ? "" : ", ") + std::string(text); }

  std::string body() {
    static constexpr std::array<std::string_view, 8> pieces{"GET /inner HTTP/1.1\r\nHost: a\r\n\r\n",
                                                            "0\r\n\r\n",
                                                            "\r\n",
                                                            "\n",
                                                            "5\r\n",
                                                            "x",
                                                            "Content-Length: 7\r\n",
                                                            "\r"};
    std::string text;
    for (unsigned count = pick(6); count > 0; --count) text += pieces[pick(pieces.size())];
    return text.substr(0, 100);
  }

  std::string in_chunks(std::string_view text) {
    static constexpr std::array<std::string_view, 4> extensions{"", "", ";a", ";b=\"c;d\""};
    static constexpr std::array<std::string_view, 3> trailers{"", "X-A: b\r\n", "X-A: b\r\nX-C:\r\n"};
    std::string out;
    while (!text.empty()) {
      const std::string_view piece = text.substr(0, 1 + pick(text.size()));
      out += fmt::format("{:x}{}\r\n{}\r\n", piece.size(), extensions[pick(extensions.size())], piece);
      text.remove_prefix(piece.size());
    }
    return out + "0\r\n" + std::string(trailers[pick(trailers.size())]) + "\r\n";
  }

  void add_request(unsigned number) {
    static constexpr std::array<std::string_view, 5> methods{"GET", "HEAD", "POST", "PUT", "DELETE"};
    const std::string_view method = methods[pick(methods.size())];
    const bool old = pick(4) == 0;
    const bool chunks = !old && pick(2) == 0;
    const std::string content = pick(3) == 0 ? std::string() : body();
    const bool closes = pick(12) == 0;
    const bool refused = pick(6) == 0;
    const std::string path = fmt::format("/{}{}", refused ? "refused" : "r", number);
    if (pick(4) == 0) say += "\r\n";
    say += fmt::format("{} {} HTTP/1.{}\r\nHost: a\r\n", method, path, old ? 0 : 1);
    if (closes)
      say += "Connection: close\r\n";
    else if (old)
      say += "Connection: keep-alive\r\n";
    if (chunks)
      say += "Transfer-Encoding: chunked\r\n\r\n" + in_chunks(content);
    else if (!content.empty() || pick(2) == 0)
      say += fmt::format("Content-Length: {}\r\n\r\n{}", content.size(), content);
    else
      say += "\r\n";
    if (refused) {
      event("401 host");
      over_ = closes || chunks || !content.empty();
      return;
    }
    heard += fmt::format("{}{} {} {}", heard.empty() ? "" : "\n", method, path, content);
    event("200 answered");
    over_ = closes;
  }

  std::mt19937 random_;
  bool over_ = false;
};

class WalkTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(WalkTest);
  CPPUNIT_TEST(walk);
  CPPUNIT_TEST_SUITE_END();

  void walk() {
    Policy policy;
    policy.max_request_size = 100;
    for (unsigned seed = 0; seed < 3000; ++seed) {
      Walk walk(seed);
      const std::string name = "seed " + std::to_string(seed);
      Dialogue client(policy, seed % 3 == 0 ? whole() : seed % 3 == 1 ? pieces_of(1) : random_cuts(seed));
      client.host.refusal = [](const RequestHead& head) {
        const bool unwanted = head.path.starts_with("/refused");
        return unwanted ? std::optional(error_response(401, {.code = "no", .message = "No"})) : std::nullopt;
      };
      client.say(walk.say);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(name, walk.events, client.events());
      CPPUNIT_ASSERT_EQUAL_MESSAGE(name, walk.heard, client.heard());
      const std::string_view state = client.session->state();
      CPPUNIT_ASSERT_MESSAGE(name, walk.over() ? state == "closed" || state == "drain" : state == "idle");
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(WalkTest);

}  // namespace
