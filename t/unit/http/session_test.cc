// A session's life: keep-alive, pipelining, expectations, refusals and their
// bodies, deadlines, the end.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

#include <memory>
#include <string>
#include <string_view>

namespace {

using namespace http_test;

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

std::string post(std::string_view fields, std::string_view body) {
  return "POST /p HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

Response refused(int status) { return error_response(status, {.code = "no", .message = "No"}); }

class SessionTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SessionTest);
  CPPUNIT_TEST(a_whole_response);
  CPPUNIT_TEST(keep_alive);
  CPPUNIT_TEST(pipelining_in_order);
  CPPUNIT_TEST(nothing_is_read_while_an_answer_is_due);
  CPPUNIT_TEST(replies_are_bounded);
  CPPUNIT_TEST(continue_when_wanted);
  CPPUNIT_TEST(no_continue_when_refused);
  CPPUNIT_TEST(refused_without_a_body_stays);
  CPPUNIT_TEST(refused_body_is_thrown_away);
  CPPUNIT_TEST(draining_is_bounded);
  CPPUNIT_TEST(options_of_everything);
  CPPUNIT_TEST(request_ids);
  CPPUNIT_TEST(responses_stay_whole);
  CPPUNIT_TEST(no_content_has_no_length);
  CPPUNIT_TEST(deadlines);
  CPPUNIT_TEST(deadlines_begin_anew);
  CPPUNIT_TEST(a_late_answer_is_ignored);
  CPPUNIT_TEST(shut_down);
  CPPUNIT_TEST(kill);
  CPPUNIT_TEST(turned_away);
  CPPUNIT_TEST(safe_points);
  CPPUNIT_TEST(parting);
  CPPUNIT_TEST(room_behind_the_body);
  CPPUNIT_TEST(a_claim_takes_no_memory);
  CPPUNIT_TEST_SUITE_END();

  void a_whole_response() {
    Policy policy;
    policy.server_name = "Impulse";
    Dialogue client(policy);
    client.say(get);
    CPPUNIT_ASSERT_EQUAL(std::string("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: Impulse\r\n"
                                     "Content-Type: text/plain\r\nContent-Length: 4\r\nX-Request-Id: id-1\r\n\r\ndone"),
                         client.replies);
    Dialogue wrong;
    wrong.say("nothing\r\n");
    CPPUNIT_ASSERT_EQUAL(std::string("HTTP/1.1 400 Bad Request\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                     "Content-Type: application/json\r\nContent-Length: 75\r\nX-Request-Id: id-1\r\n"
                                     "Connection: close\r\n\r\n"
                                     R"({"errors":[{"message":"That is no request line","code":"request_line"}]})"),
                         replace_length(wrong.replies));
  }

  // The length is checked against the body itself.
  static std::string replace_length(std::string text) {
    const size_t end = text.find("\r\n\r\n");
    CPPUNIT_ASSERT_EQUAL(reply_field(text, "Content-Length"), std::to_string(text.size() - end - 4));
    const size_t at = text.find("Content-Length: ") + 16;
    return text.replace(at, text.find('\r', at) - at, "75");
  }

  void keep_alive() {
    struct {
      std::string_view version;
      std::string_view fields;
      std::string connection;
    } const cases[] = {{"1.1", "", ""},
                       {"1.1", "Connection: keep-alive\r\n", ""},
                       {"1.1", "Connection: close\r\n", "close"},
                       {"1.1", "Connection: Close\r\n", "close"},
                       {"1.1", "Connection: x, close\r\n", "close"},
                       {"1.1", "Connection: keep-alive\r\nConnection: close\r\n", "close"},
                       {"1.1", "Connection: closed\r\n", ""},
                       {"1.1", "Connection: ,\r\n", ""},
                       {"1.0", "", "close"},
                       {"1.0", "Connection: Keep-Alive\r\n", "keep-alive"},
                       {"1.0", "Connection: keep-alive, close\r\n", "close"}};
    for (const auto& one : cases) {
      Dialogue client;
      client.say("GET / HTTP/" + std::string(one.version) + "\r\nHost: a\r\n" + std::string(one.fields) + "\r\n");
      CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(one.fields), one.connection, reply_field(client.replies, "Connection"));
      CPPUNIT_ASSERT_EQUAL(one.connection == "close", client.closed);
    }
    Dialogue client;
    client.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + get);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, client.requests.size());
  }

  void pipelining_in_order() {
    Dialogue client;
    client.answering = [](const Request& request) { return ok(request.head.path + request.body); };
    std::string all;
    for (int i = 0; i < 100; ++i)
      all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n" +
             (i % 2 == 0 ? "Content-Length: 1\r\n\r\nx" : "\r\n");
    client.say(all);
    CPPUNIT_ASSERT_EQUAL(size_t{100}, client.requests.size());
    size_t at = 0;
    for (int i = 0; i < 100; ++i) {
      const std::string body = "\r\n\r\n/" + std::to_string(i) + (i % 2 == 0 ? "x" : "") + (i < 99 ? "HTTP" : "");
      at = client.replies.find(body, at);
      CPPUNIT_ASSERT(at != std::string::npos);
    }
    CPPUNIT_ASSERT_EQUAL(std::string_view("idle"), client.session->state());
    CPPUNIT_ASSERT_EQUAL(uint64_t{100}, client.session->requests());
  }

  void nothing_is_read_while_an_answer_is_due() {
    Dialogue client;
    client.hold = true;
    client.say(get + get);
    CPPUNIT_ASSERT_EQUAL(get.size(), client.taken);
    CPPUNIT_ASSERT(client.out.next == Next::answer);
    CPPUNIT_ASSERT(client.session->head() != nullptr);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, client.session->feed(get, client.out));
    CPPUNIT_ASSERT_EQUAL(std::string(), client.replies);
    client.answer(ok());
    CPPUNIT_ASSERT(client.session->head() == nullptr);
    client.go_on();
    CPPUNIT_ASSERT_EQUAL(size_t{2}, client.requests.size());
  }

  // A head that is refused by the owner may be answered by much more than it is long.
  void replies_are_bounded() {
    FakeHost host;
    host.refusal = [](const RequestHead&) { return ok(repeat("x", 20000)); };
    ServerSession session(std::make_shared<const Policy>(), host);
    Output out;
    const std::string all = repeat(get, 100);
    const size_t used = session.feed(all, out);
    CPPUNIT_ASSERT_EQUAL(4 * get.size(), used);
    CPPUNIT_ASSERT(out.next == Next::read && out.reply.size() < 2 * ServerSession::reply_limit);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, session.feed(get, out));
    out.reply.clear();
    CPPUNIT_ASSERT_EQUAL(get.size(), session.feed(get, out));
  }

  void continue_when_wanted() {
    Dialogue client;
    client.say("POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
    CPPUNIT_ASSERT_EQUAL(std::string("HTTP/1.1 100 Continue\r\n\r\n"), client.replies);
    client.say("hi");
    CPPUNIT_ASSERT_EQUAL(std::string("POST /p hi"), client.heard());
    CPPUNIT_ASSERT(client.replies.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
    Dialogue no_body;
    no_body.say("POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n");
    CPPUNIT_ASSERT(no_body.replies.starts_with("HTTP/1.1 200 OK\r\n"));
    Dialogue old;
    old.say("POST /p HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi");
    CPPUNIT_ASSERT(old.replies.starts_with("HTTP/1.1 200 OK\r\n"));
  }

  void no_continue_when_refused() {
    Dialogue client;
    client.host.refusal = [](const RequestHead& head) {
      CPPUNIT_ASSERT(head.expects_continue && head.has_body);
      return refused(401);
    };
    client.say("POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    CPPUNIT_ASSERT(client.replies.starts_with("HTTP/1.1 401 Unauthorized\r\n"));
    CPPUNIT_ASSERT(client.closed);  // it sends no body that could be waited for
    Dialogue large;
    large.say("POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 33554433\r\n\r\n");
    CPPUNIT_ASSERT(large.replies.starts_with("HTTP/1.1 413 Content Too Large\r\n"));
    CPPUNIT_ASSERT(large.closed);
  }

  void refused_without_a_body_stays() {
    Dialogue client;
    client.host.refusal = [](const RequestHead& head) {
      return head.path == "/" ? std::optional(refused(404)) : std::nullopt;
    };
    client.say(get + "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    CPPUNIT_ASSERT_EQUAL(std::string("404 host, 200 answered"), client.events());
    CPPUNIT_ASSERT_EQUAL(std::string(), reply_field(client.replies, "Connection"));
    client.host.refusal = [](const RequestHead&) {
      Response response = refused(403);
      response.close = true;
      return response;
    };
    client.say(get);
    CPPUNIT_ASSERT(client.closed);
  }

  void refused_body_is_thrown_away() {
    for (const std::string_view framing : {"Content-Length: 33\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n1\r\n"}) {
      Dialogue client;
      client.host.refusal = [](const RequestHead&) { return refused(401); };
      client.say("POST /p HTTP/1.1\r\nHost: a\r\n" + std::string(framing));
      CPPUNIT_ASSERT_EQUAL(std::string("close"), reply_field(client.replies, "Connection"));
      CPPUNIT_ASSERT(!client.closed && client.out.waiting == Waiting::drain);
      const std::string reply = client.replies;
      client.say("G\r\n0\r\n\r\n");  // no chunk of the second
      client.say(get + get);
      CPPUNIT_ASSERT(client.closed && client.requests.empty());
      CPPUNIT_ASSERT_EQUAL(reply, client.replies);
    }
    Dialogue client;
    client.host.refusal = [](const RequestHead&) { return refused(401); };
    client.say(post("", "hello"));
    CPPUNIT_ASSERT(client.closed);  // its body is there already
  }

  void draining_is_bounded() {
    Policy policy;
    policy.max_drain = 1000;
    Dialogue client(policy);
    client.say("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n" + repeat("x", 900));
    CPPUNIT_ASSERT_EQUAL(std::string("413 size"), client.events());
    CPPUNIT_ASSERT(!client.closed);
    client.say(repeat("x", 101));
    CPPUNIT_ASSERT(client.closed);
    Dialogue silent(policy);
    silent.say("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
    const std::string reply = std::exchange(silent.replies, {});
    silent.session->timed_out(silent.out);
    silent.look();
    CPPUNIT_ASSERT(silent.closed && silent.replies.empty() && !reply.empty());
  }

  void options_of_everything() {
    Dialogue client;
    client.say("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" + get);
    CPPUNIT_ASSERT(client.replies.starts_with("HTTP/1.1 204 No Content\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
                         reply_field(client.replies, "Allow"));
    CPPUNIT_ASSERT_EQUAL(std::string("GET / "), client.heard());
    Dialogue other;
    other.say("GET * HTTP/1.1\r\nHost: a\r\n\r\n");
    CPPUNIT_ASSERT_EQUAL(std::string("400 target"), other.events());
  }

  void request_ids() {
    const auto id_of = [](std::string_view value) {
      Dialogue client;
      client.say("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: " + std::string(value) + "\r\n\r\n");
      CPPUNIT_ASSERT_EQUAL(client.requests.at(0).head.id, reply_field(client.replies, "X-Request-Id"));
      return client.requests.at(0).head.id;
    };
    CPPUNIT_ASSERT_EQUAL(std::string("0-a.B_c:d/e"), id_of("0-a.B_c:d/e"));
    CPPUNIT_ASSERT_EQUAL(repeat("x", 128), id_of(repeat("x", 128)));
    CPPUNIT_ASSERT_EQUAL(std::string("id-1"), id_of(repeat("x", 129)));
    CPPUNIT_ASSERT_EQUAL(std::string("id-1"), id_of(""));
    CPPUNIT_ASSERT_EQUAL(std::string("id-1"), id_of("a b"));
    CPPUNIT_ASSERT_EQUAL(std::string("id-1"), id_of("a\tb"));
    CPPUNIT_ASSERT_EQUAL(std::string("id-1"), id_of("<b>"));
    CPPUNIT_ASSERT_EQUAL(std::string("id-1"), id_of("\xC3\xA4"));
    // It is told also with an error, once the head has come.
    Dialogue wrong;
    wrong.say("BREW / HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n");
    CPPUNIT_ASSERT_EQUAL(std::string("mine"), reply_field(wrong.replies, "X-Request-Id"));
    Dialogue two;
    two.say(get + get);
    CPPUNIT_ASSERT_EQUAL(std::string("id-2"), two.requests.at(1).head.id);
  }

  void responses_stay_whole() {
    Dialogue client;
    client.answering = [](const Request&) {
      Response response;
      response.status = 429;
      response.with("Retry-After", "3").with("X", "a\r\nSet-Cookie: b").with("Y: z\r\nW", "no").with("", "no");
      response.with("Content-Length", "99").with("transfer-encoding", "chunked").with("Connection", "x");
      response.with("Date", "never").with("Server", "me").with("x-request-id", "other");
      return response;
    };
    client.say(get + get);
    CPPUNIT_ASSERT_EQUAL(
        repeat("", 1) +
            "HTTP/1.1 429 Too Many Requests\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: 3\r\n"
            "X: a  Set-Cookie: b\r\nContent-Length: 0\r\nX-Request-Id: id-1\r\n\r\n",
        client.replies.substr(0, client.replies.size() / 2));
    client.answering = [](const Request&) {
      Response response;
      response.status = 99;
      return response;
    };
    client.replies.clear();
    client.say(get);
    CPPUNIT_ASSERT(client.replies.starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
  }

  void no_content_has_no_length() {
    for (const int status : {204, 304}) {
      Dialogue client;
      client.answering = [status](const Request&) {
        Response response = ok("lost");
        response.status = status;
        return response;
      };
      client.say(get);
      CPPUNIT_ASSERT_EQUAL(std::string(), reply_field(client.replies, "Content-Length"));
      CPPUNIT_ASSERT(client.replies.ends_with("\r\n\r\n"));
    }
  }

  void deadlines() {
    struct {
      std::string_view said;
      Waiting waiting;
      std::string events;
    } const cases[] = {{"", Waiting::idle, ""},
                       {"\r", Waiting::idle, ""},
                       {"\r\n", Waiting::idle, ""},
                       {"G", Waiting::head, "408 timeout"},
                       {"GET / HTTP/1.1\r\nHost: a\r\n", Waiting::head, "408 timeout"},
                       {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx", Waiting::body, "408 timeout"},
                       {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
                        Waiting::body, "408 timeout"}};
    for (const auto& one : cases) {
      Dialogue client;
      client.say(one.said);
      CPPUNIT_ASSERT(client.out.waiting == one.waiting);
      client.session->timed_out(client.out);
      client.look();
      CPPUNIT_ASSERT_EQUAL(one.events, client.events());
      CPPUNIT_ASSERT_EQUAL(one.events.empty(), client.replies.empty());
      CPPUNIT_ASSERT(client.closed);
      CPPUNIT_ASSERT_EQUAL(size_t{5}, client.session->feed("GET /", client.out));
    }
    Policy policy;
    policy.idle_timeout = std::chrono::seconds(1);
    policy.head_timeout = std::chrono::seconds(2);
    policy.body_timeout = std::chrono::seconds(3);
    policy.answer_timeout = std::chrono::seconds(4);
    policy.drain_timeout = std::chrono::seconds(5);
    const Dialogue client(policy);
    int seconds = 0;
    for (const Waiting waiting : {Waiting::idle, Waiting::head, Waiting::body, Waiting::answer, Waiting::drain})
      CPPUNIT_ASSERT(client.session->deadline(waiting) == Duration(std::chrono::seconds(++seconds)));
  }

  // One for the whole head, a new one for each 16 KiB of a body, one for all that is thrown away.
  void deadlines_begin_anew() {
    Dialogue client({}, pieces_of(1));
    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n");
    CPPUNIT_ASSERT_EQUAL(1, client.restarts);
    client.say("\r\n");
    CPPUNIT_ASSERT_EQUAL(2, client.restarts);
    client.say(repeat("x", 16383));
    CPPUNIT_ASSERT_EQUAL(2, client.restarts);
    client.say("x");
    CPPUNIT_ASSERT_EQUAL(3, client.restarts);
    client.say(repeat("x", 2 * 16384));
    CPPUNIT_ASSERT_EQUAL(5, client.restarts);
    Dialogue unwanted({}, pieces_of(1));
    unwanted.host.refusal = [](const RequestHead&) { return refused(401); };
    unwanted.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + repeat("x", 90000));
    CPPUNIT_ASSERT_EQUAL(2, unwanted.restarts);
  }

  void a_late_answer_is_ignored() {
    Dialogue client;
    client.hold = true;
    client.say(get);
    client.session->timed_out(client.out);
    client.look();
    CPPUNIT_ASSERT_EQUAL(std::string("503 timeout"), client.events());
    CPPUNIT_ASSERT_EQUAL(std::string("1"), reply_field(client.replies, "Retry-After"));
    const std::string before = client.replies;
    client.answer(ok());
    CPPUNIT_ASSERT_EQUAL(before, client.replies);
    CPPUNIT_ASSERT(client.closed);
  }

  void shut_down() {
    Dialogue idle;
    idle.say(get);
    idle.replies.clear();
    idle.session->shut_down(idle.out);
    idle.look();
    CPPUNIT_ASSERT(idle.closed && idle.replies.empty());
    for (const size_t said : {size_t{1}, get.size() - 1, get.size()}) {
      Dialogue busy;
      busy.hold = true;
      busy.say(get.substr(0, said));
      busy.session->shut_down(busy.out);
      busy.look();
      CPPUNIT_ASSERT(!busy.closed);
      busy.say(get.substr(said));
      busy.answer(ok());
      CPPUNIT_ASSERT(busy.closed);
      CPPUNIT_ASSERT_EQUAL(std::string("close"), reply_field(busy.replies, "Connection"));
      CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), busy.events());
    }
  }

  void kill() {
    struct {
      std::string said;
      std::string events;
    } const cases[] = {{"", ""},
                       {"GET /", "503 shutdown"},
                       {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx", "503 shutdown"}};
    for (const auto& one : cases) {
      Dialogue client;
      client.say(one.said);
      client.session->kill("The operator wants it", client.out);
      client.look();
      CPPUNIT_ASSERT(client.closed);
      CPPUNIT_ASSERT_EQUAL(one.events, client.events());
    }
    Dialogue due;
    due.hold = true;
    due.say(get);
    due.session->kill("", due.out);
    CPPUNIT_ASSERT(due.out.next == Next::answer);
    due.answer(ok());
    CPPUNIT_ASSERT(due.closed);
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered"), due.events());
  }

  void turned_away() {
    Dialogue client;
    Response busy = refused(503);
    busy.with("Retry-After", "10");
    client.session->turn_away(busy, client.out);
    client.look();
    CPPUNIT_ASSERT(client.closed);
    CPPUNIT_ASSERT(client.replies.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("close"), reply_field(client.replies, "Connection"));
    CPPUNIT_ASSERT_EQUAL(get.size(), client.session->feed(get, client.out));
  }

  void safe_points() {
    Dialogue client;
    client.say(get);
    Policy next;
    next.max_request_line = 20;
    client.host.next_policy = std::make_shared<const Policy>(next);
    client.say(get);
    CPPUNIT_ASSERT_EQUAL(uint32_t{20}, client.session->policy().max_request_line);
    client.say("GET /12345678901234567890 HTTP/1.1\r\n");
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered, 200 answered, 414 request_line_length"), client.events());
    CPPUNIT_ASSERT_EQUAL(2, client.host.safe_points);
    Dialogue last;
    last.host.next_policy = fail(Errc::unavailable, "Reconfiguration in progress");
    last.say(get);
    CPPUNIT_ASSERT_EQUAL(std::string("503 shutdown"), last.events());
    CPPUNIT_ASSERT(last.closed && last.replies.contains("Reconfiguration in progress"));
    CPPUNIT_ASSERT_EQUAL(0, last.host.heads);
  }

  // The answer tells the client that it was the last one.
  void parting() {
    Dialogue client;
    client.say(get);
    CPPUNIT_ASSERT(!client.closed && !client.replies.contains("Connection: close"));
    client.host.is_parting = true;
    client.say(get);
    CPPUNIT_ASSERT_EQUAL(std::string("200 answered, 200 answered"), client.events());
    CPPUNIT_ASSERT(client.closed && client.replies.contains("Connection: close"));
  }

  void room_behind_the_body() {
    for (const size_t size : {0, 1, 15, 16, 1000, 65536, 100000}) {
      for (const bool chunks : {false, true}) {
        Dialogue client({}, pieces_of(777));
        const std::string body = repeat("x", size);
        std::string text = post("", body);
        if (chunks) {
          text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
          for (size_t at = 0; at < size; at += 10) text += "A\r\nxxxxxxxxxx\r\n";
          text += "0\r\n\r\n";
        }
        client.say(text);
        const Request& request = client.requests.at(0);
        CPPUNIT_ASSERT(request.body.capacity() >= request.body.size() + body_padding);
        CPPUNIT_ASSERT_EQUAL(chunks ? (size + 9) / 10 * 10 : size, request.body.size());
        CPPUNIT_ASSERT_EQUAL(uint64_t{request.body.size()}, request.sent_size);
      }
    }
  }

  void a_claim_takes_no_memory() {
    Dialogue client;
    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 33554432\r\n\r\nx");
    CPPUNIT_ASSERT(client.session->held() < 100000);
    CPPUNIT_ASSERT(client.session->held() > 0);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(SessionTest);

}  // namespace
