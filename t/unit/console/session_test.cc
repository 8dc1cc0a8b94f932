// Sessions that follow transactions, across connections that are lost.
#include "console/session.h"
#include "kit.h"

#include <fmt/format.h>
#include <sys/un.h>

#include <functional>
#include <thread>

using namespace impulse;
using namespace impulse::console;
using namespace impulse::console::test;
using namespace std::string_literals;

namespace {

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
