// The console's parts: places and carets, history, candidates, SASL against a
// server of libgsasl, sessions that follow transactions.
#include "console/batch.h"
#include "console/candidates.h"
#include "console/command_line.h"
#include "console/history.h"
#include "console/password.h"
#include "console/place.h"
#include "console/printer.h"
#include "console/sasl.h"
#include "console/session.h"

#include "base/files.h"
#include "base/text.h"
#include "config/catalogue.h"

#include <cppunit/extensions/HelperMacros.h>
#include <gsasl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <thread>

using namespace impulse;
using namespace impulse::console;
using namespace std::string_literals;

namespace {

constexpr std::string_view hello = "* ECTL/1 impulse/1.2.3 node=n1 pid=42 gen=7";

std::pair<UniqueFd, UniqueFd> a_pair() {
  int ends[2];
  CPPUNIT_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// One end of a conversation in lines.
class Lines {
 public:
  explicit Lines(int fd) : fd_(fd) {}
  void say(std::string_view line) {
    const std::string bytes = std::string(line) + "\n";
    [[maybe_unused]] const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  // False: the other end has closed.
  bool hear(std::string& line) {
    line.clear();
    char byte = 0;
    while (::read(fd_, &byte, 1) == 1) {
      if (byte == '\n') return true;
      line += byte;
    }
    return false;
  }

 private:
  int fd_;
};

// A folder that goes away with its files.
struct Folder {
  Folder() { CPPUNIT_ASSERT(::mkdtemp(name) != nullptr); }
  ~Folder() {
    for (const char* file : {"/history", "/password", "/control"}) ::unlink((name + std::string(file)).c_str());
    ::rmdir(name);
  }
  std::string path(const std::string& file) const { return name + ("/" + file); }
  char name[40] = "/tmp/impulse-console-XXXXXX";
};

class ConsoleTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ConsoleTest);
  CPPUNIT_TEST(places);
  CPPUNIT_TEST(carets);
  CPPUNIT_TEST(printed_places);
  CPPUNIT_TEST(scripts_name_their_lines);
  CPPUNIT_TEST(colours);
  CPPUNIT_TEST(history);
  CPPUNIT_TEST(history_is_cut);
  CPPUNIT_TEST(history_keeps_no_secrets);
  CPPUNIT_TEST(candidates);
  CPPUNIT_TEST(candidate_lists);
  CPPUNIT_TEST(stored_passwords);
  CPPUNIT_TEST(unasked_lines);
  CPPUNIT_TEST(settling);
  CPPUNIT_TEST_SUITE_END();

  void places() {
    const auto place = read_place("console:2:41: no option");
    CPPUNIT_ASSERT(place);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, place->line);
    CPPUNIT_ASSERT_EQUAL(size_t{41}, place->column);
    CPPUNIT_ASSERT_EQUAL("no option"s, std::string(place->text));
    for (const auto text : {"", "console", "console:", "console:1: x", "console:0:1: x", "console:1:0: x",
                            "console:x:1: y", "impulse.conf:1:2: x", "console:99999999999:1: x"})
      CPPUNIT_ASSERT_MESSAGE(text, !read_place(text));
  }
  void carets() {
    CPPUNIT_ASSERT_EQUAL("  abc\n   ^"s, caret("abc", 2));
    CPPUNIT_ASSERT_EQUAL("  abc\n     ^"s, caret("abc", 4));  // behind the end
    CPPUNIT_ASSERT_EQUAL(""s, caret("abc", 5));
    CPPUNIT_ASSERT_EQUAL(""s, caret("abc", 0));
    CPPUNIT_ASSERT_EQUAL("  \u00fc\tx\n   \t^"s, caret("\u00fc\tx", 4));  // columns are bytes
    const std::string longer = std::string(1000, 'a') + "X" + std::string(1000, 'b');
    const std::string shown = caret(longer, 1001);
    const auto shown_lines = split(shown, '\n');
    CPPUNIT_ASSERT(shown_lines[0].size() < 200);
    CPPUNIT_ASSERT_EQUAL('X', shown_lines[0][shown_lines[1].find('^')]);
  }
  static std::string printed(const std::function<void(Printer&)>& work, bool terminal = false) {
    std::FILE* file = std::tmpfile();
    Printer printer(file, file, terminal, terminal);
    work(printer);
    std::rewind(file);
    char block[4096];
    const size_t got = std::fread(block, 1, sizeof block, file);
    std::fclose(file);
    return std::string(block, got);
  }
  void printed_places() {
    const ReplyLine notice = *read_reply_line("!error config-x console:1:19: what is 'x'?");
    CPPUNIT_ASSERT_EQUAL("error: console:1:19: what is 'x'? [config-x]\n  config set x\n             ^\n"s,
                         printed([&](Printer& printer) {
                           printer.request("config set x", 7);  // "--json " was sent in front of it
                           printer.notice(notice);
                         }));
  }
  void scripts_name_their_lines() {
    const std::string said = printed([](Printer& printer) {
      printer.script("a.txt", 12);
      printer.notice(*read_reply_line("!error config-x console:1:12: what?"));
      printer.notice(*read_reply_line("!warning config-y console:3:1: in the payload"));
      printer.notice(*read_reply_line("!error config-z refused"));
      printer.error("lost");
    });
    CPPUNIT_ASSERT_EQUAL(
        "error: a.txt:12:12: what? [config-x]\nwarning: a.txt:12: console:3:1: in the payload [config-y]\n"
        "error: a.txt:12: refused [config-z]\nec_console: a.txt:12: lost\n"s,
        said);
  }
  void colours() {
    const auto say = [](bool on) {
      return [on](Printer& printer) {
        printer.colour(on);
        printer.notice(*read_reply_line("!error x y\x1b[2J"));
      };
    };
    CPPUNIT_ASSERT_EQUAL("\x1b[31merror: y\\x1B[2J [x]\x1b[0m\n"s, printed(say(true), true));
    CPPUNIT_ASSERT_EQUAL("error: y\\x1B[2J [x]\n"s, printed(say(false), true));
    CPPUNIT_ASSERT(printed(say(true), false).starts_with("error: y"));  // no terminal
  }
  void history() {
    const Folder folder;
    const History history(folder.path("history"));
    CPPUNIT_ASSERT(history.load().empty());
    CPPUNIT_ASSERT(history.append("version"));
    CPPUNIT_ASSERT(history.append("two\nlines"));
    CPPUNIT_ASSERT(!history.append(" begins with a blank"));
    CPPUNIT_ASSERT(!history.append(""));
    CPPUNIT_ASSERT((history.load() == std::vector<std::string>{"version", "two lines"}));
    struct stat about{};
    CPPUNIT_ASSERT(::stat(folder.path("history").c_str(), &about) == 0);
    CPPUNIT_ASSERT_EQUAL(0600U, static_cast<unsigned>(about.st_mode & 07777));
    CPPUNIT_ASSERT(!History("").append("version") && History("").load().empty());
    CPPUNIT_ASSERT(!History("/nonexistent/history").append("version"));
  }
  void history_is_cut() {
    const Folder folder;
    std::string content;
    for (size_t i = 0; i < 2 * history_lines + 1; ++i) content += fmt::format("line {}\n", i);
    CPPUNIT_ASSERT(replace_file(folder.path("history"), content, 0600));
    const History history(folder.path("history"));
    auto lines = history.load();
    CPPUNIT_ASSERT_EQUAL(history_lines, lines.size());
    CPPUNIT_ASSERT_EQUAL("line 2000"s, lines.back());
    CPPUNIT_ASSERT(read_file(folder.path("history"))->starts_with("line 1001\n"));
  }
  void history_keeps_no_secrets() {
    for (const config::OptionDef& option : config::options())
      if (option.type == config::Type::secret)
        CPPUNIT_ASSERT_MESSAGE(std::string(option.name), !is_kept(fmt::format("config set {} x", option.name)));
    CPPUNIT_ASSERT(!is_kept("config set tls_key_passwrd hidden"));
    CPPUNIT_ASSERT(!is_kept("config set TLS_Key = \"-----BEGIN PRIVATE KEY-----"));
    CPPUNIT_ASSERT(is_kept("config set esmtp_listener listen :25 enable false"));
  }
  void candidates() {
    auto [ours, theirs] = a_pair();
    std::string asked;
    std::thread server([&, fd = std::move(ours)] {
      Lines lines(fd.get());
      lines.say(hello);
      lines.hear(asked);
      lines.say(" {\"word\":\"version\",\"help\":\"it\"}");
      lines.say(" not json");
      lines.say(" {\"word\":\"verify\",\"later\":[]}");
      lines.say("=0 ok candidates=2");
    });
    auto client = Client::over(std::move(theirs), {});
    const auto found = ask_candidates(*client, "ver");
    server.join();
    CPPUNIT_ASSERT_EQUAL("--json complete ver"s, asked);
    CPPUNIT_ASSERT(found && found->size() == 2);
    CPPUNIT_ASSERT_EQUAL("it"s, found->front().help);
    CPPUNIT_ASSERT_EQUAL("verify"s, found->back().word);
    CPPUNIT_ASSERT_EQUAL("veri"s, common_prefix({{"verify", ""}, {"verily", ""}}));
    CPPUNIT_ASSERT_EQUAL("ver"s, common_prefix(*found));
    CPPUNIT_ASSERT_EQUAL(""s, common_prefix({}));
  }
  void candidate_lists() {
    CPPUNIT_ASSERT_EQUAL("set   sets\nshow  shows\n"s, candidate_list({{"set", "sets"}, {"show", "shows"}}, 80, 10));
    CPPUNIT_ASSERT_EQUAL("a\n… and 1 more\n"s, candidate_list({{"a", ""}, {"b", ""}}, 80, 1));
    CPPUNIT_ASSERT_EQUAL("a  c\nb\n"s, candidate_list({{"a", ""}, {"b", ""}, {"c", ""}}, 6, 10));
    CPPUNIT_ASSERT_EQUAL("x\\x1B[2J  y\n"s, candidate_list({{"x\x1b[2J", "y"}}, 80, 10));
    CPPUNIT_ASSERT_EQUAL("set  hhhhhhhhhhhhhhhhhhhh\n"s, candidate_list({{"set", std::string(99, 'h')}}, 10, 10));
  }
  void stored_passwords() {
    const Folder folder;
    bool found = true;
    CPPUNIT_ASSERT(stored_password({}, found) && !found);
    const std::string file = folder.path("password");
    CPPUNIT_ASSERT(replace_file(file, "sesame \r\nmore", 0600));
    CPPUNIT_ASSERT_EQUAL("sesame "s, *stored_password({file}, found));
    CPPUNIT_ASSERT(found);
    ::chmod(file.c_str(), 0640);
    CPPUNIT_ASSERT_EQUAL(2, stored_password({file}, found).error().exit_status());
    CPPUNIT_ASSERT(!stored_password({"/nonexistent/password"}, found));
    ::setenv(password_variable, "from the environment", 1);
    CPPUNIT_ASSERT_EQUAL("from the environment"s, *stored_password({file}, found));
    ::unsetenv(password_variable);
  }
  void unasked_lines() {
    auto [ours, theirs] = a_pair();
    Lines lines(ours.get());
    lines.say(hello);
    auto client = Client::over(std::move(theirs), {});
    CPPUNIT_ASSERT(!client->unasked());
    lines.say("*something happened");
    CPPUNIT_ASSERT_EQUAL("something happened"s, client->unasked()->text);
    CPPUNIT_ASSERT(!client->unasked() && !client->peer_closed());
    lines.say("nonsense");
    CPPUNIT_ASSERT(!client->unasked() && client->peer_closed());
  }
  void settling() {
    auto [ours, theirs] = a_pair();
    Lines lines(ours.get());
    lines.say(hello);
    auto client = Client::over(std::move(theirs), {});
    CPPUNIT_ASSERT(client->settle(std::chrono::milliseconds(0)));  // nothing is owed
    CPPUNIT_ASSERT(client->send("help"));
    lines.say(" one");
    CPPUNIT_ASSERT(client->settle(std::chrono::milliseconds(1)).error().kind == Failure::Kind::timeout);
    CPPUNIT_ASSERT(client->owed());
    lines.say(" two");
    lines.say("=0 ok");
    CPPUNIT_ASSERT(client->settle(std::chrono::milliseconds(10000)));
    CPPUNIT_ASSERT(!client->owed());
    CPPUNIT_ASSERT(client->timeout() == std::chrono::milliseconds(60000));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ConsoleTest);

// A server of SASL for one exchange, as section 9 of the protocol has it.
int validate(Gsasl*, Gsasl_session* session, Gsasl_property property) {
  if (property != GSASL_VALIDATE_SIMPLE) return GSASL_NO_CALLBACK;
  const bool right =
      gsasl_property_get(session, GSASL_AUTHID) == "alice"s && gsasl_property_get(session, GSASL_PASSWORD) == "sesame"s;
  return right ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

void serve_sasl(int fd, const std::string& offered, std::string& request) {
  Lines lines(fd);
  lines.say(std::string(hello) + " auth=" + offered);
  if (!lines.hear(request)) return;
  const auto typed = words(request);
  const std::string mechanism(typed.size() > 1 ? typed[1] : "");
  Gsasl* library = nullptr;
  Gsasl_session* session = nullptr;
  gsasl_init(&library);
  gsasl_callback_set(library, validate);
  gsasl_server_start(library, mechanism.c_str(), &session);
  gsasl_property_set(session, GSASL_PASSWORD, "sesame");
  gsasl_property_set(session, GSASL_SERVICE, "impulse");
  gsasl_property_set(session, GSASL_HOSTNAME, "localhost");
  std::string input(typed.size() > 2 ? typed[2] : "");
  bool first = typed.size() < 3;
  for (;;) {
    char* out = nullptr;
    const int state = gsasl_step64(session, first ? nullptr : input.c_str(), &out);
    const std::string challenge = out != nullptr ? out : "";
    gsasl_free(out);
    first = false;
    const bool more = state == GSASL_NEEDS_MORE || (state == GSASL_OK && !challenge.empty());
    if (more) {
      lines.say("?" + challenge);
      if (!lines.hear(input)) break;
      if (input == "*") {
        lines.say("!error auth-cancelled as you wish");
        lines.say("=1 failed");
        break;
      }
    }
    if (state == GSASL_NEEDS_MORE) continue;
    lines.say(state == GSASL_OK ? "=0 ok user=alice" : "!error auth-failed wrong");
    if (state != GSASL_OK) lines.say("=6 denied");
    break;
  }
  gsasl_finish(session);
  gsasl_done(library);
}

class SaslTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SaslTest);
  CPPUNIT_TEST(the_best_mechanism);
  CPPUNIT_TEST(right_passwords);
  CPPUNIT_TEST(wrong_passwords);
  CPPUNIT_TEST(a_daemon_without_proof);
  CPPUNIT_TEST(a_list_on_request);
  CPPUNIT_TEST_SUITE_END();

  void the_best_mechanism() {
    CPPUNIT_ASSERT_EQUAL("SCRAM-SHA-256"s, *choose_mechanism({"LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"}, false));
    CPPUNIT_ASSERT_EQUAL("DIGEST-MD5"s, *choose_mechanism({"CRAM-MD5", "digest-md5"}, false));
    CPPUNIT_ASSERT_EQUAL("LOGIN"s, *choose_mechanism({"LOGIN"}, true));
    CPPUNIT_ASSERT(choose_mechanism({"LOGIN", "PLAIN"}, false).error().text.find("--tls") != std::string::npos);
    CPPUNIT_ASSERT_EQUAL(6, choose_mechanism({}, true).error().exit_status());
    CPPUNIT_ASSERT_EQUAL(6, choose_mechanism({"GSSAPI"}, true).error().exit_status());
  }
  static Outcome<> try_with(const std::string& mechanism, const std::string& password, std::string& request) {
    auto [ours, theirs] = a_pair();
    std::thread server([&, fd = std::move(ours)] { serve_sasl(fd.get(), mechanism, request); });
    Outcome<> done = failed(Failure::Kind::foreign, "no connection");
    {
      auto client = Client::over(std::move(theirs), {});
      if (client) done = authenticate(*client, mechanism, {"alice", password}, "localhost");
    }
    server.join();
    return done;
  }
  void right_passwords() {
    for (const auto mechanism : {"SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "LOGIN", "PLAIN"}) {
      std::string request;
      const auto done = try_with(mechanism, "sesame", request);
      CPPUNIT_ASSERT_MESSAGE(mechanism + ": "s + (done ? "" : done.error().text), done.has_value());
      const bool begins = mechanism[0] == 'S' || mechanism[0] == 'P';
      CPPUNIT_ASSERT_EQUAL_MESSAGE(mechanism, begins ? size_t{3} : size_t{2}, words(request).size());
    }
  }
  void wrong_passwords() {
    for (const auto mechanism : {"SCRAM-SHA-256", "DIGEST-MD5", "LOGIN"}) {
      std::string request;
      const auto done = try_with(mechanism, "wrong", request);
      CPPUNIT_ASSERT_MESSAGE(mechanism, !done);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(mechanism, 6, done.error().exit_status());
    }
  }
  // One that says yes to everybody is after what is typed into it.
  void a_daemon_without_proof() {
    auto [ours, theirs] = a_pair();
    std::thread server([fd = std::move(ours)] {
      Lines lines(fd.get());
      std::string request;
      lines.say(std::string(hello) + " auth=SCRAM-SHA-256");
      lines.hear(request);
      lines.say("=0 ok user=alice mechanism=SCRAM-SHA-256");
    });
    auto client = Client::over(std::move(theirs), {});
    const auto done = authenticate(*client, "SCRAM-SHA-256", {"alice", "sesame"}, "localhost");
    server.join();
    CPPUNIT_ASSERT(!done);
    CPPUNIT_ASSERT_EQUAL("the daemon did not prove that it knows the password"s, done.error().text);
  }
  void a_list_on_request() {
    auto [ours, theirs] = a_pair();
    std::thread server([fd = std::move(ours)] {
      Lines lines(fd.get());
      std::string request;
      lines.say(hello);
      lines.hear(request);
      lines.say(" SCRAM-SHA-1");
      lines.say(" LOGIN");
      lines.say("=0 ok");
    });
    auto client = Client::over(std::move(theirs), {});
    const auto offered = offered_mechanisms(*client);
    server.join();
    CPPUNIT_ASSERT(offered && *offered == (std::vector<std::string>{"SCRAM-SHA-1", "LOGIN"}));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(SaslTest);

// A daemon on a Unix socket that takes one connection after the other, each
// with a process id of its own, and answers as it is told.
class SessionTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SessionTest);
  CPPUNIT_TEST(own_transactions_are_lost);
  CPPUNIT_TEST(named_transactions_are_joined_again);
  CPPUNIT_TEST(named_transactions_that_are_gone);
  CPPUNIT_TEST(interrupted);
  CPPUNIT_TEST(begun_when_it_is_not_there);
  CPPUNIT_TEST_SUITE_END();

  struct Server {
    explicit Server(std::function<std::string(int, const std::string&)> answers) : answer(std::move(answers)) {
      listener.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_un name{};
      name.sun_family = AF_UNIX;
      folder.path("control").copy(name.sun_path, sizeof name.sun_path - 1);
      CPPUNIT_ASSERT(::bind(listener.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
      CPPUNIT_ASSERT(::listen(listener.get(), 5) == 0);
      thread = std::thread([this] { serve(); });
    }
    ~Server() {
      ::shutdown(listener.get(), SHUT_RDWR);
      thread.join();
    }
    void serve() {
      for (int process = 1;; ++process) {
        const UniqueFd fd(::accept(listener.get(), nullptr, nullptr));
        if (!fd) return;
        Lines lines(fd.get());
        lines.say(fmt::format("* ECTL/1 impulse/1 node=n pid={} gen=1", process));
        std::string request;
        while (lines.hear(request)) {
          const std::string said = answer(process, request);
          if (said.empty()) break;  // closes
          lines.say(said);
        }
      }
    }
    Session session(std::string transaction = {}) {
      Connector connector({{{}, folder.path("control"), {}, {}}, {}, {}, std::move(transaction)},
                          {std::chrono::milliseconds(30000), -1});
      auto client = connector.connect();
      CPPUNIT_ASSERT_MESSAGE(client ? "" : client.error().text, client.has_value());
      return Session(std::move(connector), std::move(*client),
                     [this](const std::string& text) { told += text + "\n"; });
    }
    Folder folder;
    UniqueFd listener;
    std::function<std::string(int, const std::string&)> answer;
    std::string told;
    std::thread thread;
  };

  static bool ask(Session& session, const std::string& request) {
    if (!session.ready() || !session.client()->send(request)) return false;
    const auto status = session.client()->next();
    if (!status) {
      session.drop();
      return false;
    }
    session.answered(request, *status);
    return true;
  }
  static std::string usual(int, const std::string& request) {
    return request == "die" ? "" : request == "config commit bad" ? "=4 conflict" : "=0 ok";
  }
  void own_transactions_are_lost() {
    Server server(usual);
    Session session = server.session();
    CPPUNIT_ASSERT(ask(session, "@t --json Config Begin from scratch"));
    CPPUNIT_ASSERT_EQUAL("*"s, session.transaction());
    CPPUNIT_ASSERT(ask(session, "config commit bad"));
    CPPUNIT_ASSERT_EQUAL("*"s, session.transaction());  // refused: it stays open
    CPPUNIT_ASSERT(!ask(session, "die"));
    CPPUNIT_ASSERT_EQUAL(""s, session.transaction());
    CPPUNIT_ASSERT(server.told.find("the transaction that was open") != std::string::npos);
    CPPUNIT_ASSERT(ask(session, "version"));
    CPPUNIT_ASSERT(server.told.find("restarted; process 2") != std::string::npos);
    CPPUNIT_ASSERT(ask(session, "config begin") && ask(session, "config commit"));
    CPPUNIT_ASSERT_EQUAL(""s, session.transaction());
  }
  void named_transactions_are_joined_again() {
    std::string seen;
    Server server([&](int process, const std::string& request) {
      if (process == 2) seen += request + ";";
      return usual(process, request);
    });
    Session session = server.session();
    CPPUNIT_ASSERT(ask(session, "config begin name = deploy ttl=60"));
    CPPUNIT_ASSERT_EQUAL("deploy"s, session.transaction());
    CPPUNIT_ASSERT(!ask(session, "die"));
    CPPUNIT_ASSERT(ask(session, "version"));
    CPPUNIT_ASSERT_EQUAL("config attach deploy;version;"s, seen);
    CPPUNIT_ASSERT_EQUAL("deploy"s, session.transaction());
  }
  // An edit meant for a transaction must not be in force at once.
  void named_transactions_that_are_gone() {
    Server server([&](int process, const std::string& request) {
      return process == 2 && request.starts_with("config attach") ? "=3 not-found" : usual(process, request);
    });
    Session session = server.session();
    CPPUNIT_ASSERT(ask(session, "config attach deploy"));
    CPPUNIT_ASSERT(!ask(session, "die"));
    CPPUNIT_ASSERT(session.ready().error().kind == Failure::Kind::misuse);
    CPPUNIT_ASSERT(server.told.find("'deploy' cannot be joined again") != std::string::npos);
    CPPUNIT_ASSERT_EQUAL(""s, session.transaction());
    CPPUNIT_ASSERT(ask(session, "version"));
  }
  void interrupted() {
    Server server([&](int process, const std::string& request) {
      return request == "long" ? " one\n two\n=0 ok" : usual(process, request);
    });
    Session session = server.session();
    CPPUNIT_ASSERT(session.ready() && session.client()->send("long") && session.client()->next());
    session.interrupted();
    CPPUNIT_ASSERT(session.client() == nullptr);  // a new connection is as good
    CPPUNIT_ASSERT(ask(session, "config begin"));
    CPPUNIT_ASSERT(session.client()->send("long") && session.client()->next());
    session.interrupted();
    CPPUNIT_ASSERT(session.client() != nullptr && session.client()->owed());
    CPPUNIT_ASSERT(ask(session, "config commit"));
    CPPUNIT_ASSERT_EQUAL("connected again: the daemon was restarted; process 2, configuration generation 1\n"s,
                         server.told);
  }
  void begun_when_it_is_not_there() {
    std::string seen;
    Server server([&](int, const std::string& request) {
      seen += request + ";";
      return request.starts_with("config attach") ? "=3 not-found"s : "=0 ok"s;
    });
    const Session session = server.session("deploy");
    CPPUNIT_ASSERT_EQUAL("config attach deploy;config begin name=deploy;"s, seen);
    CPPUNIT_ASSERT_EQUAL("deploy"s, session.transaction());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(SessionTest);

}  // namespace
