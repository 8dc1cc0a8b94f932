// The console's side: addresses, command lines, reply lines, the client
// against a scripted daemon.
#include "console/address.h"
#include "console/command_line.h"
#include "console/ectl_client.h"
#include "far_end.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <functional>
#include <thread>

using namespace impulse;
using namespace impulse::console;
using namespace impulse::console::test;
using namespace std::string_literals;

namespace {

class ClientTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ClientTest);
  CPPUNIT_TEST(addresses);
  CPPUNIT_TEST(bad_addresses);
  CPPUNIT_TEST(arguments);
  CPPUNIT_TEST(reply_lines);
  CPPUNIT_TEST(bad_reply_lines);
  CPPUNIT_TEST(greetings);
  CPPUNIT_TEST(answers_cut_at_every_byte);
  CPPUNIT_TEST(lost_in_the_middle);
  CPPUNIT_TEST(foreign_servers);
  CPPUNIT_TEST(refused_by_the_daemon);
  CPPUNIT_TEST(no_answer_in_time);
  CPPUNIT_TEST(endless_answer_line);
  CPPUNIT_TEST(requests_are_one_line);
  CPPUNIT_TEST(interrupted);
  CPPUNIT_TEST(sees_that_the_peer_has_closed);
  CPPUNIT_TEST(connects_to_a_path_and_a_port);
  CPPUNIT_TEST(cannot_connect);
  CPPUNIT_TEST(large_request_to_a_slow_reader);
  CPPUNIT_TEST_SUITE_END();

  void addresses() {
    auto address = parse_address("/run/impulse/control");
    CPPUNIT_ASSERT_EQUAL("/run/impulse/control"s, address->path);
    CPPUNIT_ASSERT_EQUAL("var/control.sock"s, parse_address("var/control.sock")->path);
    CPPUNIT_ASSERT_EQUAL("control.sock"s, parse_address("control.sock")->path);
    CPPUNIT_ASSERT_EQUAL("/tmp/a@b:25"s, parse_address("/tmp/a@b:25")->path);
    address = parse_address("mx.example.com:2025");
    CPPUNIT_ASSERT(address->path.empty());
    CPPUNIT_ASSERT_EQUAL("mx.example.com"s, address->host);
    CPPUNIT_ASSERT_EQUAL("2025"s, address->port);
    address = parse_address("[2001:db8::1]:2025");
    CPPUNIT_ASSERT_EQUAL("2001:db8::1"s, address->host);
    CPPUNIT_ASSERT_EQUAL("[2001:db8::1]:2025"s, address->to_string());
    address = parse_address("admin@localhost:2025");
    CPPUNIT_ASSERT_EQUAL("admin"s, address->user);
    CPPUNIT_ASSERT_EQUAL("localhost:2025"s, address->to_string());
    CPPUNIT_ASSERT_EQUAL("admin"s, parse_address("admin@/tmp/2025")->user);
    CPPUNIT_ASSERT_EQUAL("/tmp/2025"s, parse_address("admin@/tmp/2025")->path);
  }
  void bad_addresses() {
    for (const std::string& text : {""s, "@host:1"s, "host:"s, "host:0"s, "host:65536"s, "host:x"s, ":2025"s,
                                    "2001:db8::1:2025"s, "user@"s, "/" + std::string(200, 'x')})
      CPPUNIT_ASSERT_MESSAGE(text, !parse_address(text));
  }
  static std::string joined(std::vector<const char*> arguments) { return join_arguments(arguments); }
  void arguments() {
    CPPUNIT_ASSERT_EQUAL("config set x ( a b )"s, joined({"config set x ( a b )"}));
    CPPUNIT_ASSERT_EQUAL("config set x ( a b )"s, joined({"config", "set", "x", "( a b )"}));
    CPPUNIT_ASSERT_EQUAL("config set x ( a b )"s, joined({"config", "set", "x", "(", "a", "b", ")"}));
    CPPUNIT_ASSERT_EQUAL("config set x = y"s, joined({"config", "set", "x", "=", "y"}));
    CPPUNIT_ASSERT_EQUAL("config set static_banner \"a b\""s, joined({"config", "set", "static_banner", "a b"}));
    CPPUNIT_ASSERT_EQUAL("x \"a\\\"b\\\\c\\nd\""s, joined({"x", "a\"b\\c\nd"}));
    CPPUNIT_ASSERT_EQUAL("x \"\" \"a#b\" 'y z' \"y z\""s, joined({"x", "", "a#b", "'y z'", "\"y z\""}));
    CPPUNIT_ASSERT_EQUAL("config get esmtp_listener listen :25 enable"s,
                         joined({"config", "get", "esmtp_listener", "listen", ":25", "enable"}));
    CPPUNIT_ASSERT_EQUAL("listen [::1]:25 10.0.0.0/8 *.example.com"s,
                         joined({"listen", "[::1]:25", "10.0.0.0/8", "*.example.com"}));
    CPPUNIT_ASSERT_EQUAL("complete config set "s, joined({"complete", "config set "}));
    CPPUNIT_ASSERT_EQUAL("END"s, *payload_word("config set x <<END \r"));
    CPPUNIT_ASSERT(!payload_word("config set x <<1") && !payload_word("<<END") && !payload_word("a \"<<END\""));
    CPPUNIT_ASSERT(!is_request(" \t") && !is_request(" # x") && is_request("x # y"));
  }
  void reply_lines() {
    CPPUNIT_ASSERT_EQUAL(" indented"s, read_reply_line("  indented")->text);
    CPPUNIT_ASSERT_EQUAL(""s, read_reply_line(" ")->text);
    auto line = read_reply_line("!error config-x console:1:5: some: text");
    CPPUNIT_ASSERT(line->kind == ReplyLine::Kind::notice);
    CPPUNIT_ASSERT_EQUAL("error"s, line->severity);
    CPPUNIT_ASSERT_EQUAL("config-x"s, line->id);
    CPPUNIT_ASSERT_EQUAL("console:1:5: some: text"s, line->text);
    line = read_reply_line("=0 ok gen=12 who=\"a \\\"b\\\" c\" @t1");
    CPPUNIT_ASSERT(line->kind == ReplyLine::Kind::status);
    CPPUNIT_ASSERT_EQUAL("ok"s, line->word);
    CPPUNIT_ASSERT_EQUAL("t1"s, line->tag);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, line->fields.size());
    CPPUNIT_ASSERT_EQUAL("a \"b\" c"s, line->fields[1].second);
    CPPUNIT_ASSERT_EQUAL(3, read_reply_line("=3 not-found")->code);
    CPPUNIT_ASSERT(read_reply_line("?user")->kind == ReplyLine::Kind::challenge);
    CPPUNIT_ASSERT(read_reply_line("*note")->kind == ReplyLine::Kind::asynchronous);
  }
  void bad_reply_lines() {
    for (const auto text : {"", "x", "=", "=ok", "=0", "=-1 ok", "=0 ok field", "=999 x", "!error", "!", "220 hello"})
      CPPUNIT_ASSERT_MESSAGE(text, !read_reply_line(text));
  }
  void greetings() {
    auto greeting = read_greeting("* ECTL/1 impulse/1.2.3 node=n1 pid=42 gen=7 more words=later");
    CPPUNIT_ASSERT(greeting);
    CPPUNIT_ASSERT_EQUAL("impulse/1.2.3"s, greeting->product);
    CPPUNIT_ASSERT_EQUAL("42"s, greeting->field("pid"));
    CPPUNIT_ASSERT_EQUAL(""s, greeting->field("absent"));
    for (const auto text : {"", "* ECTL/2 x", "220 mx ESMTP", "*ECTL/1 x", "* ECTL/10 x"})
      CPPUNIT_ASSERT(!read_greeting(text));
  }
  void answers_cut_at_every_byte() {
    const std::string answer = std::string(greeting) + " one\r\n!notice x y\n=0 ok gen=1\n";
    for (size_t cut = 1; cut < answer.size(); ++cut) {
      auto [ours, theirs] = a_pair();
      std::thread server([&, fd = ours.get()] {
        say(fd, std::string_view(answer).substr(0, cut));
        say(fd, std::string_view(answer).substr(cut));
      });
      auto client = console::Client::over(std::move(theirs), {});
      server.join();
      CPPUNIT_ASSERT(client);
      CPPUNIT_ASSERT_EQUAL("n1"s, client->greeting().field("node"));
      CPPUNIT_ASSERT(client->send("x"));
      CPPUNIT_ASSERT_EQUAL("one"s, client->next()->text);
      CPPUNIT_ASSERT_EQUAL("y"s, client->next()->text);
      CPPUNIT_ASSERT(client->next()->kind == ReplyLine::Kind::status);
    }
  }
  // What the client makes of a daemon that says this and closes.
  static Failure failure_of(std::string_view said) {
    auto [ours, theirs] = a_pair();
    say(ours.get(), said);
    ours.reset();
    auto client = console::Client::over(std::move(theirs), {});
    if (!client) return client.error();
    for (;;) {
      auto line = client->next();
      if (!line) return line.error();
    }
  }
  void lost_in_the_middle() {
    CPPUNIT_ASSERT_EQUAL(69, failure_of("").exit_status());
    CPPUNIT_ASSERT_EQUAL(69, failure_of("* ECTL/1 imp").exit_status());
    const Failure lost = failure_of(std::string(greeting) + " one\n tw");
    CPPUNIT_ASSERT(lost.kind == Failure::Kind::unreachable);
    CPPUNIT_ASSERT_EQUAL("the connection was closed by the daemon"s, lost.text);
  }
  void foreign_servers() {
    const Failure smtp = failure_of("220 mx.example.com ESMTP\x1b[2J\r\n");
    CPPUNIT_ASSERT(smtp.kind == Failure::Kind::foreign);
    CPPUNIT_ASSERT_EQUAL("this is no console, or one that wants --tls: it says '220 mx.example.com ESMTP\\x1B[2J'"s,
                         smtp.text);
    CPPUNIT_ASSERT_EQUAL(69, smtp.exit_status());
    CPPUNIT_ASSERT(failure_of(std::string(greeting) + "nonsense\n").kind == Failure::Kind::foreign);
  }
  void refused_by_the_daemon() {
    const Failure refused = failure_of("!error control-denied this client is denied by the configuration\n=6 denied\n");
    CPPUNIT_ASSERT_EQUAL(6, refused.exit_status());
    CPPUNIT_ASSERT_EQUAL("refused: this client is denied by the configuration [control-denied]"s, refused.text);
  }
  void no_answer_in_time() {
    auto [ours, theirs] = a_pair();
    auto silent = console::Client::over(std::move(theirs), {std::chrono::milliseconds(1), -1});
    CPPUNIT_ASSERT(!silent);
    CPPUNIT_ASSERT_EQUAL(75, silent.error().exit_status());
    auto [ours2, theirs2] = a_pair();
    say(ours2.get(), greeting);
    auto client = console::Client::over(std::move(theirs2), {std::chrono::milliseconds(1), -1});
    CPPUNIT_ASSERT(client && client->send("x"));
    CPPUNIT_ASSERT_EQUAL(75, client->next().error().exit_status());
  }
  void endless_answer_line() {
    auto [ours, theirs] = a_pair();
    std::thread server([fd = std::move(ours)] {
      say(fd.get(), greeting);
      const std::string block(65536, 'x');
      for (int i = 0; i < 64; ++i) say(fd.get(), " " + block);
    });
    {
      auto client = console::Client::over(std::move(theirs), {});
      CPPUNIT_ASSERT(client->next().error().kind == Failure::Kind::foreign);
    }
    server.join();
  }
  void requests_are_one_line() {
    auto [ours, theirs] = a_pair();
    say(ours.get(), greeting);
    {
      auto client = console::Client::over(std::move(theirs), {});
      CPPUNIT_ASSERT(client->send("version\nshutdown").error().kind == Failure::Kind::misuse);
      CPPUNIT_ASSERT(client->send("a\0b"s).error().kind == Failure::Kind::misuse);
      CPPUNIT_ASSERT(client->send("config set x <<E", "y\nE\n"));
    }
    CPPUNIT_ASSERT_EQUAL("config set x <<E\ny\nE\n"s, read_all(ours.get()));
  }
  void interrupted() {
    auto [ours, theirs] = a_pair();
    int ends[2];
    CPPUNIT_ASSERT(::pipe2(ends, O_CLOEXEC) == 0);
    const UniqueFd reader(ends[0]), writer(ends[1]);
    say(ours.get(), greeting);
    auto client = console::Client::over(std::move(theirs), {std::chrono::milliseconds(0), reader.get()});
    CPPUNIT_ASSERT(client);
    CPPUNIT_ASSERT(::write(writer.get(), "c", 1) == 1);
    CPPUNIT_ASSERT(client->next().error().kind == Failure::Kind::interrupted);
    char byte = 0;
    CPPUNIT_ASSERT(::read(reader.get(), &byte, 1) == 1);
    say(ours.get(), "=0 ok\n");  // and the session goes on
    CPPUNIT_ASSERT(client->next()->kind == ReplyLine::Kind::status);
  }
  void sees_that_the_peer_has_closed() {
    auto [ours, theirs] = a_pair();
    say(ours.get(), greeting);
    auto client = console::Client::over(std::move(theirs), {});
    CPPUNIT_ASSERT(!client->peer_closed());
    say(ours.get(), "!notice control-timeout idle for too long\n");
    CPPUNIT_ASSERT(!client->peer_closed());
    ours.reset();
    CPPUNIT_ASSERT(client->peer_closed());
  }
  void connects_to_a_path_and_a_port() {
    char folder[] = "/tmp/impulse-console-XXXXXX";
    CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
    const std::string path = std::string(folder) + "/control";
    const UniqueFd unix_listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path.copy(name.sun_path, sizeof name.sun_path - 1);
    CPPUNIT_ASSERT(::bind(unix_listener.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
    CPPUNIT_ASSERT(::listen(unix_listener.get(), 5) == 0);
    const UniqueFd tcp_listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    CPPUNIT_ASSERT(::bind(tcp_listener.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
    CPPUNIT_ASSERT(::listen(tcp_listener.get(), 5) == 0);
    CPPUNIT_ASSERT(::getsockname(tcp_listener.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    std::thread server([&] {
      for (const int listener : {unix_listener.get(), tcp_listener.get()}) {
        const UniqueFd fd(::accept(listener, nullptr, nullptr));
        say(fd.get(), greeting);
        read_all(fd.get());
      }
    });
    const auto by_path = console::Client::connect(*parse_address(path), {}).has_value();
    const auto by_port =
        console::Client::connect(*parse_address(fmt::format("127.0.0.1:{}", ntohs(address.sin_port))), {}).has_value();
    server.join();
    ::unlink(path.c_str());
    ::rmdir(folder);
    CPPUNIT_ASSERT(by_path);
    CPPUNIT_ASSERT(by_port);
  }
  void cannot_connect() {
    const auto nobody = console::Client::connect(*parse_address("/nonexistent/control"), {});
    CPPUNIT_ASSERT_EQUAL(69, nobody.error().exit_status());
    CPPUNIT_ASSERT_EQUAL("cannot connect to /nonexistent/control: No such file or directory"s, nobody.error().text);
  }
  void large_request_to_a_slow_reader() {
    auto [ours, theirs] = a_pair();
    std::string got;
    std::thread server([&, fd = std::move(ours)] {
      say(fd.get(), greeting);
      got = read_all(fd.get());
    });
    const std::string payload = std::string(3000000, 'p') + "\nE\n";
    {
      auto client = console::Client::over(std::move(theirs), {});
      CPPUNIT_ASSERT(client && client->send("x <<E", payload));
    }
    server.join();
    CPPUNIT_ASSERT(got == "x <<E\n" + payload);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ClientTest);

}  // namespace
