// SASL against a server of libgsasl: mechanisms, passwords, proof of the daemon.
#include "console/sasl.h"
#include "kit.h"

#include "base/text.h"
#include "console/ectl_client.h"

#include <gsasl.h>

#include <functional>
#include <thread>

using namespace impulse;
using namespace impulse::console;
using namespace impulse::console::test;
using namespace std::string_literals;

namespace {

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

}  // namespace
