// The session: cutting, order, limits, hostile input.
#include "control/protocol.h"
#include "control/limits.h"
#include "fake_system.h"

#include "base/text.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

class ProtocolTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ProtocolTest);
  CPPUNIT_TEST(greeting_comes_first);
  CPPUNIT_TEST(one_status_a_request);
  CPPUNIT_TEST(blank_lines_are_nothing);
  CPPUNIT_TEST(comments_are_fine);
  CPPUNIT_TEST(carriage_returns);
  CPPUNIT_TEST(tags);
  CPPUNIT_TEST(json);
  CPPUNIT_TEST(payload);
  CPPUNIT_TEST(payload_for_a_command_that_takes_none);
  CPPUNIT_TEST(payload_of_a_refused_request_is_not_run);
  CPPUNIT_TEST(payload_limits);
  CPPUNIT_TEST(pipelining_keeps_order);
  CPPUNIT_TEST(nothing_is_taken_while_answering);
  CPPUNIT_TEST(cut_at_every_byte);
  CPPUNIT_TEST(byte_by_byte);
  CPPUNIT_TEST(longest_line);
  CPPUNIT_TEST(line_too_long);
  CPPUNIT_TEST(endless_line_in_bounded_memory);
  CPPUNIT_TEST(overlong_line_with_payload);
  CPPUNIT_TEST(binary);
  CPPUNIT_TEST(unterminated_quote);
  CPPUNIT_TEST(warnings_are_told);
  CPPUNIT_TEST(unknown_commands);
  CPPUNIT_TEST(keywords_without_case);
  CPPUNIT_TEST(half_a_request_is_never_run);
  CPPUNIT_TEST(slow_reader_is_bounded);
  CPPUNIT_TEST(exceptions_stop_here);
  CPPUNIT_TEST(quit_ends);
  CPPUNIT_TEST(shutdown_answers_first);
  CPPUNIT_TEST(audit);
  CPPUNIT_TEST(http_is_not_obeyed);
  CPPUNIT_TEST(http_in_all_its_forms);
  CPPUNIT_TEST(what_only_looks_like_http);
  CPPUNIT_TEST(random_bytes);
  CPPUNIT_TEST_SUITE_END();

  void greeting_comes_first() {
    Console console;
    auto fresh = console.make();
    CPPUNIT_ASSERT(fresh->busy() && !fresh->idle() && !fresh->finished());
    CPPUNIT_ASSERT_EQUAL(size_t{0}, fresh->feed("version\n"));
    std::string out;
    CPPUNIT_ASSERT(!fresh->produce(out, 1));
    CPPUNIT_ASSERT_EQUAL(fmt::format("* ECTL/1 impulse/1.2.3 node=n1 pid={} gen=1\n", getpid()), out);
    CPPUNIT_ASSERT(fresh->idle());
  }
  void one_status_a_request() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(" impulse 1.2.3\n=0 ok\n"s, console("version"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, console.session->requests());
    CPPUNIT_ASSERT_EQUAL(fmt::format(" {}\n=0 ok\n", getpid()), console("pid"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, console.session->requests());
  }
  void blank_lines_are_nothing() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(""s, console.feed("\n\r\n  \t \n"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, console.session->requests());
    CPPUNIT_ASSERT_EQUAL("!error control-no-command a command is expected\n=2 usage @t\n"s, console("@t "));
    CPPUNIT_ASSERT_EQUAL("!error control-no-command a command is expected\n=2 usage\n"s, console("--json"));
  }
  void comments_are_fine() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=0 ok\n"s, console("# a comment"));
    CPPUNIT_ASSERT_EQUAL(" impulse 1.2.3\n=0 ok\n"s, console("version # behind it"));
  }
  void carriage_returns() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(" impulse 1.2.3\n=0 ok\n"s, console("version\r"));
    CPPUNIT_ASSERT(console("ver\rsion").starts_with("!error control-bad-bytes "));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=2 changes=1"s,
                         status_of(console.feed("config set hostname <<E\r\nb.example\r\nE\r\n")));
  }
  void tags() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(" impulse 1.2.3\n=0 ok @x\n"s, console("@x version"));
    CPPUNIT_ASSERT_EQUAL("=0 ok"s, status_of(console("version")));  // not the last one's
    CPPUNIT_ASSERT_EQUAL("=2 usage @x"s, status_of(console("@x nonsense")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("@x* version")));
    CPPUNIT_ASSERT_EQUAL("=2 usage @y"s, status_of(console("@y version\x01")));
  }
  void json() {
    Console console;
    for (const auto command : {"version", "pid", "summary", "help", "help config set", "help Idle_Time", "help Listen",
                               "config show", "config showrecurse", "config eval Idle_Time", "config get Hostname",
                               "config explain Hostname", "complete con", "listener show", "mailq", "show inbound",
                               "config set hostname c.example", "config reload --check"}) {
      const std::string reply = console("--json "s + command);
      size_t documents = 0;
      for (const auto line : split(std::string_view(reply).substr(0, reply.size() - 1), '\n')) {
        if (!line.starts_with(' ')) continue;
        const auto document = nlohmann::json::parse(line.substr(1), nullptr, false);
        CPPUNIT_ASSERT_MESSAGE(std::string(line), document.is_object());
        ++documents;
      }
      CPPUNIT_ASSERT_MESSAGE(command + ": "s + reply, documents > 0 || reply.find("=0 ok") != std::string::npos);
      CPPUNIT_ASSERT_MESSAGE(reply, status_of(reply).starts_with("=0 ok"));
    }
  }
  void payload() {
    Console console;
    const std::string reply =
        console.feed("@p config set relay_hosts <<END\n( 10.0.0.0/8\n\n  192.0.2.1 )\nEND\nversion\n");
    CPPUNIT_ASSERT_EQUAL(
        " global: Relay_Hosts (unset) -> ( 10.0.0.0/8 192.0.2.1 ) (next-message)\n"
        "=0 ok gen=2 changes=1 @p\n impulse 1.2.3\n=0 ok\n"s,
        reply);
    // Only the whole line ends it; mistakes are placed in it.
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console.feed("config set hostname <<END\nEND \n END\nENDE\nEND\n")));
    const std::string wrong = console.feed("config set relay_hosts <<X\n(\n10.0.0.0/8\nX\n");
    CPPUNIT_ASSERT_MESSAGE(wrong, wrong.starts_with("!error config-syntax console:3:1: expected ')'"));
    const std::string bad = console.feed("config set relay_hosts <<X\n\n( nonsense )\nX\n");
    CPPUNIT_ASSERT_MESSAGE(bad, bad.starts_with("!error config-bad-value console:2:1: Relay_Hosts: "));
    CPPUNIT_ASSERT_EQUAL("=1 failed gen=2"s, status_of(bad));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console.feed("config set relay_hosts 10.0.0.1 <<X\n( )\nX\n")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console.feed("config set relay_hosts <<X\nX\n")));
  }
  void payload_for_a_command_that_takes_none() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("!error control-unexpected-payload 'version' takes no payload\n=2 usage @v\n"s,
                         console.feed("@v version <<E\nshutdown\nE\n"));
    CPPUNIT_ASSERT_EQUAL(0, console.system.shut_downs);
  }
  void payload_of_a_refused_request_is_not_run() {
    Console console;
    for (const auto request :
         {"nonsense <<E\n"sv, "version\x02 <<E\n"sv, "@* version <<E\n"sv, "config set \"x <<E\n"sv})
      CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console.feed(std::string(request) + "shutdown\nE\n")));
    CPPUNIT_ASSERT_EQUAL(0, console.system.shut_downs);
    CPPUNIT_ASSERT_EQUAL(uint64_t{4}, console.session->requests());
  }
  void payload_limits() {
    Console console;
    std::string large = "@l config set hostname <<E\n";
    while (large.size() < 3 * max_payload) large += std::string(1000, 'x') + "\n";
    CPPUNIT_ASSERT_EQUAL(""s, console.feed(large));
    CPPUNIT_ASSERT(console.session->held() < max_payload);
    CPPUNIT_ASSERT_EQUAL(
        fmt::format("!error control-payload-too-large a payload has at most {} bytes\n=2 usage @l\n", max_payload),
        console.feed("E\n"));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console.feed("config set hostname <<E\n\xff\nE\n")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s,
                         status_of(console.feed("config set hostname <<E\n" + std::string(max_line, 'x') + "\nE\n")));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=2 changes=1"s, status_of(console.feed("config set hostname <<E\na.example\nE\n")));
    CPPUNIT_ASSERT(console.session->held() < 65536);
  }
  void pipelining_keeps_order() {
    Console console;
    std::string requests;
    std::string expected;
    for (int i = 0; i < 500; ++i) {
      requests += fmt::format("@{} version\n", i);
      expected += fmt::format(" impulse 1.2.3\n=0 ok @{}\n", i);
    }
    CPPUNIT_ASSERT_EQUAL(expected, console.feed(requests));
  }
  void nothing_is_taken_while_answering() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("version\n"sv.size(), console.session->feed("version\npid\n"));
    CPPUNIT_ASSERT(console.session->busy());
    CPPUNIT_ASSERT_EQUAL(size_t{0}, console.session->feed("pid\n"));
    CPPUNIT_ASSERT_EQUAL(" impulse 1.2.3\n=0 ok\n"s, console.drain());
    CPPUNIT_ASSERT_EQUAL("pid\n"sv.size(), console.session->feed("pid\n"));
  }
  void cut_at_every_byte() {
    const std::string requests =
        "@a version\r\n\n--json version\nconfig set relay_hosts <<END\r\n( 10.0.0.1 )\r\nEND\nbroken \"\n@b nonsense "
        "<<X\n"
        "shutdown\nX\nconfig get relay_hosts\nquit\n";
    Console whole;
    const std::string expected = whole.feed(requests);
    CPPUNIT_ASSERT(expected.ends_with("=0 bye\n"));
    for (size_t cut = 1; cut < requests.size(); ++cut) {
      Console console;
      std::string out = console.feed(std::string_view(requests).substr(0, cut));
      out += console.feed(std::string_view(requests).substr(cut));
      CPPUNIT_ASSERT_EQUAL(expected, out);
    }
  }
  void byte_by_byte() {
    Console console;
    std::string out;
    for (const char c : "@q  --json   version\r\nconfig get hostname\n"s) out += console.feed(std::string_view(&c, 1));
    CPPUNIT_ASSERT_EQUAL(
        " {\"product\":\"impulse\",\"version\":\"1.2.3\",\"protocol\":\"ECTL/1\",\"node\":\"n1\"}\n=0 ok @q\n"
        " Hostname = mx.example.com\n=0 ok gen=1\n"s,
        out);
  }
  void longest_line() {
    Console console;
    const std::string head = "version #";
    const std::string fits = head + std::string(max_line - 1 - head.size(), 'x');
    CPPUNIT_ASSERT_EQUAL(" impulse 1.2.3\n=0 ok\n"s, console(fits));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console(fits + "x")));
  }
  void line_too_long() {
    Console console;
    const std::string reply = console("@big config set hostname " + std::string(3 * max_line, 'x'));
    CPPUNIT_ASSERT_EQUAL("!error control-line-too-long a line has at most 65536 bytes\n=2 usage @big\n"s, reply);
    CPPUNIT_ASSERT_EQUAL(" impulse 1.2.3\n=0 ok\n"s, console("version"));
    CPPUNIT_ASSERT_EQUAL(" Hostname = mx.example.com\n=0 ok gen=1\n"s, console("config get hostname"));
  }
  void endless_line_in_bounded_memory() {
    Console console;
    const std::string block(10000, 'y');
    for (int i = 0; i < 2000; ++i) {
      CPPUNIT_ASSERT_EQUAL(block.size(), console.session->feed(block));
      CPPUNIT_ASSERT(console.session->held() < 3 * max_line);
      CPPUNIT_ASSERT(console.session->idle());
    }
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console.feed("\n")));
  }
  void overlong_line_with_payload() {
    // The payload of a line that was too long must not be taken for commands.
    for (const size_t block : {size_t{1} << 20, size_t{4096}, size_t{77}}) {
      Console console;
      const std::string requests = "@o config set x " + std::string(70000, 'z') + " <<END\r\nshutdown\nEND\nversion\n";
      std::string out;
      for (size_t at = 0; at < requests.size(); at += block)
        out += console.feed(std::string_view(requests).substr(at, block));
      CPPUNIT_ASSERT_EQUAL(
          "!error control-line-too-long a line has at most 65536 bytes\n=2 usage @o\n impulse 1.2.3\n=0 ok\n"s, out);
      CPPUNIT_ASSERT_EQUAL(0, console.system.shut_downs);
    }
  }
  void binary() {
    Console console;
    for (const auto bytes : {"ver\0sion\n"sv, "\x16\x03\x01\x02\n"sv, "\xff\xfe\n"sv, "\0\n"sv, "version \xC3\n"sv}) {
      const std::string reply = console.feed(bytes);
      CPPUNIT_ASSERT(reply.starts_with("!error control-bad-bytes "));
      CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(reply));
      CPPUNIT_ASSERT(is_utf8(reply));
    }
    CPPUNIT_ASSERT_EQUAL("=0 ok"s, status_of(console("version")));
  }
  void unterminated_quote() {
    Console console;
    CPPUNIT_ASSERT(console("config set hostname \"a").starts_with("!error config-unterminated-string console:1:21: "));
    CPPUNIT_ASSERT(
        console("@t config set hostname 'a").starts_with("!error config-unterminated-string console:1:24: "));
    CPPUNIT_ASSERT(console("config set relay_hosts ( a").starts_with("!error config-syntax console:1:27: "));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("config get /* x")));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("( version )")));
  }
  void warnings_are_told() {
    Console console;
    const std::string reply = console("config set hostname a.example#b");
    CPPUNIT_ASSERT_MESSAGE(reply, reply.starts_with("!warning config-comment-in-word console:1:"));
    CPPUNIT_ASSERT_EQUAL("=0 ok gen=2 changes=1"s, status_of(reply));
  }
  void unknown_commands() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(
        "!error control-unknown-command console:1:4: unknown command 'verison'; did you mean 'version'?\n=2 usage @a\n"s,
        console("@a verison"));
    CPPUNIT_ASSERT_EQUAL("!error control-unknown-command console:1:1: unknown command 'xyzzy'; try 'help'\n=2 usage\n"s,
                         console("xyzzy plugh"));
    CPPUNIT_ASSERT_EQUAL(
        "!error control-incomplete-command console:1:1: 'message' needs one of: body, details, fail, full, "
        "hold, release, retry\n=2 usage\n"s,
        console("message"));
    const std::string sub = console("config sett a b");
    CPPUNIT_ASSERT(sub.starts_with("!error control-unknown-command console:1:8: 'config' has no 'sett'; it has: "));
    CPPUNIT_ASSERT(sub.find("did you mean 'config set'?") != std::string::npos);
    // No abbreviations: a script must mean what it says.
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("ver")));
  }
  void keywords_without_case() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(" impulse 1.2.3\n=0 ok\n"s, console("VERSION"));
    CPPUNIT_ASSERT_EQUAL(" Hostname = mx.example.com\n=0 ok gen=1\n"s, console("Config GET \"hostNAME\""));
  }
  void half_a_request_is_never_run() {
    Console console;
    console.feed("shutdown");
    CPPUNIT_ASSERT(console.session->idle());
    console.session.reset();
    CPPUNIT_ASSERT_EQUAL(0, console.system.shut_downs);
    CPPUNIT_ASSERT(console.audited.empty());
  }
  void slow_reader_is_bounded() {
    std::string text;
    for (int i = 0; i < 5000; ++i) text += fmt::format("Domain d{}.example {{ Gateway = 192.0.2.1 }}\n", i);
    Console console(text);
    CPPUNIT_ASSERT_MESSAGE(console.system.loaded.error, console.system.loaded.ok);
    std::string request = "config showrecurse\nversion\n";
    request.erase(0, console.session->feed(request));
    std::string all;
    size_t calls = 0;
    for (bool more = true; more; ++calls) {
      std::string out;
      more = console.session->produce(out, 1000);
      CPPUNIT_ASSERT(out.size() < 1000 + 200);
      all += out;
    }
    CPPUNIT_ASSERT(calls > 250);
    CPPUNIT_ASSERT_EQUAL(size_t{15001}, static_cast<size_t>(std::count(all.begin(), all.end(), '\n')));
    CPPUNIT_ASSERT(all.ends_with(" }\n=0 ok gen=1\n"));
    CPPUNIT_ASSERT(all.find(" Domain \"d4999.example\" {\n") != std::string::npos);
    CPPUNIT_ASSERT_EQUAL(" impulse 1.2.3\n=0 ok\n"s, console.feed(request));
    // The answer shows the configuration as it was when it was asked for.
    console.session->feed("config showrecurse\n");
    std::string first;
    console.session->produce(first, 10);
    auto other = console.make();
    console.system.engine().unset({{config::ScopeKind::domain, "d4999.example"}}, {},
                                  std::make_shared<const config::Source>());
    CPPUNIT_ASSERT(console.drain().find("d4999.example") != std::string::npos);
    CPPUNIT_ASSERT(console("config showrecurse").find("d4999.example") == std::string::npos);
  }
  void exceptions_stop_here() {
    Console console;
    console.system.broken = true;
    CPPUNIT_ASSERT_EQUAL("!error control-internal internal error: the fake is broken\n=1 failed @e\n"s,
                         console("@e message details 00000001/00000002"));
    CPPUNIT_ASSERT_EQUAL("=0 ok"s, status_of(console("version")));
    static const Command throwing[] = {{"boom", "", "", "", Argument::nothing, false, [](const Invocation&) {
                                          return Answer{{}, [n = 0](Writer& writer) mutable -> bool {
                                                          if (++n > 2) throw std::runtime_error("in the middle");
                                                          writer.text("going");
                                                          return true;
                                                        }};
                                        }}};
    const CommandTable table(throwing);
    Session session(console.system, table, {}, About{"1", test_now});
    std::string out;
    while (session.produce(out, 100)) continue;
    out.clear();
    session.feed("boom\n");
    while (session.produce(out, 100)) continue;
    CPPUNIT_ASSERT_EQUAL(" going\n going\n!error control-internal internal error: in the middle\n=1 failed\n"s, out);
  }
  void quit_ends() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=0 bye @q\n"s, console.feed("@q quit\nshutdown\n"));
    CPPUNIT_ASSERT(console.session->finished());
    CPPUNIT_ASSERT_EQUAL(size_t{9}, console.session->feed("shutdown\n"));
    CPPUNIT_ASSERT_EQUAL(0, console.system.shut_downs);
    CPPUNIT_ASSERT_EQUAL(""s, console.drain());
  }
  void shutdown_answers_first() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(console("shutdown now")));
    CPPUNIT_ASSERT_EQUAL(0, console.system.shut_downs);
    console.session->feed("shutdown\n");
    CPPUNIT_ASSERT_EQUAL(1, console.system.shut_downs);
    CPPUNIT_ASSERT(!console.session->finished());
    CPPUNIT_ASSERT_EQUAL("=0 ok\n"s, console.drain());
    CPPUNIT_ASSERT(console.session->finished());
  }
  void audit() {
    Console console;
    console("@t --json config get hostname # why");
    console("nonsense");
    console("config set tls_key_password hunter2");
    console("complete config set tls_key_password hun");
    console.feed("config set hostname <<E\nx.example\nE\n");
    console(std::string(max_line, 'x'));
    CPPUNIT_ASSERT_EQUAL(size_t{5}, console.audited.size());
    CPPUNIT_ASSERT_EQUAL("alice: config get hostname # why =0"s, console.audited[0]);
    CPPUNIT_ASSERT_EQUAL("alice: nonsense =2"s, console.audited[1]);
    CPPUNIT_ASSERT_EQUAL("alice: config set tls_key_password (redacted) =0"s, console.audited[2]);
    CPPUNIT_ASSERT_EQUAL("alice: config set hostname =0"s, console.audited[3]);
    CPPUNIT_ASSERT(console.audited[4].size() < 200 && console.audited[4].ends_with("=2"));
  }
  // What a page in a browser on this machine can make it send.
  void http_is_not_obeyed() {
    Console console;
    const std::string reply = console.feed(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:2025\r\nContent-Type: text/plain\r\n\r\nconfig set hostname "
        "evil.example\nshutdown\n");
    CPPUNIT_ASSERT_MESSAGE(reply, reply.starts_with("!error control-not-http "));
    CPPUNIT_ASSERT_EQUAL("=2 usage"s, status_of(reply));
    CPPUNIT_ASSERT_EQUAL(std::ptrdiff_t{2}, std::count(reply.begin(), reply.end(), '\n'));
    CPPUNIT_ASSERT(console.session->finished());
    CPPUNIT_ASSERT_EQUAL(0, console.system.shut_downs);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, console.system.engine().current()->generation());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, console.audited.size());
  }
  void http_in_all_its_forms() {
    for (const char* method : {"GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE"}) {
      for (const char* rest : {" /", " /x?y HTTP/1.0", " http://h/", "\t/\r", " x HTTP/1.1\r", "  /x y z <<END"}) {
        Console console;
        const std::string line = std::string(method) + rest;
        CPPUNIT_ASSERT_MESSAGE(line, console.feed(line + "\nshutdown\nEND\nshutdown\n").contains("control-not-http"));
        CPPUNIT_ASSERT_MESSAGE(line, console.session->finished() && console.system.shut_downs == 0);
      }
    }
    const std::string lines[] = {"PRI * HTTP/2.0",
                                 "CONNECT 127.0.0.1:25 HTTP/1.1",
                                 "BREW\x01\xFF HTTP/1.1",
                                 "GET /" + std::string(100000, 'x') + " HTTP/1.1",
                                 "GET /" + std::string(100000, 'x'),
                                 std::string(100000, 'x') + " HTTP/1.1\r",
                                 "\n\r\n \t\nGET /",
                                 "nonsense\nGET /",        // that was no valid request
                                 "version <<E\nE\nGET /",  // nor that
                                 "@t version HTTP/1.1"};
    for (const std::string& line : lines) {
      Console console;
      CPPUNIT_ASSERT_MESSAGE(line.substr(0, 40), console.feed(line + "\nshutdown\n").contains("control-not-http"));
      CPPUNIT_ASSERT_MESSAGE(line.substr(0, 40), console.session->finished() && console.system.shut_downs == 0);
    }
  }
  void what_only_looks_like_http() {
    // A request that was understood says that no browser is there.
    Console proven;
    proven("version");
    CPPUNIT_ASSERT(proven("GET / HTTP/1.1").starts_with("!error control-unknown-command "));
    CPPUNIT_ASSERT(!proven.session->finished());
    for (const char* line :
         {"get", "GET", "GET x", "GETS /", "help /", "x HTTP/1", "HTTP/1.1", "x HTTP/1.12", "x HTTP/a.b"}) {
      Console console;
      CPPUNIT_ASSERT_MESSAGE(line, !console(line).contains("control-not-http"));
      CPPUNIT_ASSERT_MESSAGE(line, !console.session->finished());
    }
  }
  void random_bytes() {
    // Whatever comes, replies are well-formed and statuses match requests.
    uint32_t random = 7;
    const auto next = [&] { return (random = random * 1664525 + 1013904223) >> 16; };
    static constexpr std::string_view pieces[] = {
        "config ", "set ", "get ",    "\"",      "(",    ")",     "[",         "]", "=",  "\n",
        "\n",      "\r\n", "@a ",     "--json ", " <<E", "E\n",   "#",         "'", "\\", "esmtp_listener ",
        "listen ", ":25 ", "enable ", "\xff",    "\x01", "help ", "complete ", "{", "}"};
    for (int round = 0; round < 60; ++round) {
      Console console;
      std::string input;
      for (int i = 0; i < 40; ++i) input += pieces[next() % std::size(pieces)];
      const std::string out = console.feed(input);
      size_t statuses = 0;
      for (const auto line : split(out, '\n')) {
        if (line.empty()) continue;
        CPPUNIT_ASSERT(line.front() == ' ' || line.front() == '!' || line.front() == '=');
        statuses += line.front() == '=' ? 1 : 0;
      }
      CPPUNIT_ASSERT_EQUAL_MESSAGE(input, console.session->requests(), uint64_t{statuses});
      CPPUNIT_ASSERT(is_utf8(out));
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ProtocolTest);

}  // namespace
