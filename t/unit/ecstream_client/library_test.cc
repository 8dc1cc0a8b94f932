// libecstream and ecstream.py against a server over sockets: every message
// once, also when connections break.
#include "server.h"

#include "console/ecstream/ecstream.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/wait.h>

#include <cstdlib>
#include <set>

extern "C" int c_client(const char* endpoint, const char* stream, int count, int* refused, int* ids);

using namespace ecstream_test;

namespace {

class LibraryTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LibraryTest);
  CPPUNIT_TEST(a_program_in_c);
  CPPUNIT_TEST(connections_that_break);
  CPPUNIT_TEST(resumes_by_number);
  CPPUNIT_TEST(logs_in);
  CPPUNIT_TEST(bad_arguments);
  CPPUNIT_TEST(large_messages);
  CPPUNIT_TEST(acknowledgements_do_not_gather);
  CPPUNIT_TEST(python);
  CPPUNIT_TEST_SUITE_END();

  static void once_each(const Store& store, uint64_t count, size_t refused) {
    std::set<std::string> bodies;
    std::set<uint64_t> sequences;
    for (const Store::Kept& each : store.kept) {
      CPPUNIT_ASSERT(sequences.insert(each.sequence).second && each.sequence <= count);
      CPPUNIT_ASSERT(bodies.insert(each.body).second);
    }
    CPPUNIT_ASSERT_EQUAL(static_cast<size_t>(count), store.kept.size() + refused);
  }

  void a_program_in_c() {
    SocketServer server;
    int refused = 0;
    int ids = 0;
    CPPUNIT_ASSERT_EQUAL(900, c_client(server.endpoint.c_str(), "c", 1000, &refused, &ids));
    CPPUNIT_ASSERT_EQUAL(100, refused);
    CPPUNIT_ASSERT_EQUAL(900, ids);
    server.stop();
    once_each(server.store, 1000, 100);
    const message::Envelope& envelope = server.store.kept.front().envelope;
    CPPUNIT_ASSERT(envelope.recipients.size() == 2 && envelope.recipients[0].notify == message::notify::failure);
    CPPUNIT_ASSERT(envelope.context.front().second == "nightly" && envelope.recipients[1].orcpt == "rfc822;x");
    CPPUNIT_ASSERT_EQUAL(1, server.connections);
  }

  void connections_that_break() {
    SocketServer server({}, 4, 3000);
    int refused = 0;
    int ids = 0;
    CPPUNIT_ASSERT_EQUAL(90, c_client(server.endpoint.c_str(), "b", 100, &refused, &ids));
    server.stop();
    once_each(server.store, 100, 10);
    CPPUNIT_ASSERT(server.connections >= 4);
  }

  void resumes_by_number() {
    SocketServer server;
    ecs_recipient recipient{"b@example.com", nullptr, 0};
    ecs_message message = ECS_MESSAGE_INIT;
    message.recipients = &recipient;
    message.recipient_count = 1;
    message.body = "A: b\r\n\r\n";
    message.body_size = 8;
    for (const unsigned acknowledged : {0U, 1U, 3U}) {
      ecs_options options = ECS_OPTIONS_INIT;
      options.endpoint = server.endpoint.c_str();
      options.stream = "r";
      options.flags = ECS_RESUME;
      options.acknowledged = acknowledged;
      ecs_client* const client = ecs_connect(&options);
      for (unsigned n = 0; n < 3; ++n) {
        uint64_t sequence = 0;
        CPPUNIT_ASSERT_EQUAL(ECS_OK, ecs_send(client, &message, &sequence));
        CPPUNIT_ASSERT_EQUAL(uint64_t{acknowledged + n + 1}, sequence);
      }
      CPPUNIT_ASSERT_EQUAL(ECS_OK, ecs_drain(client, 20000));
      ecs_close(client);
    }
    // Without a number they go behind.
    ecs_options options = ECS_OPTIONS_INIT;
    options.endpoint = server.endpoint.c_str();
    options.stream = "r";
    ecs_client* client = ecs_connect(&options);
    uint64_t sequence = 0;
    CPPUNIT_ASSERT_EQUAL(ECS_OK, ecs_send(client, &message, &sequence));
    CPPUNIT_ASSERT_EQUAL(uint64_t{7}, sequence);
    CPPUNIT_ASSERT_EQUAL(ECS_OK, ecs_drain(client, 20000));
    ecs_close(client);
    options.flags = ECS_NEW_STREAM;
    client = ecs_connect(&options);
    CPPUNIT_ASSERT_EQUAL(ECS_DENIED, ecs_error(client));
    ecs_close(client);
    server.stop();
    CPPUNIT_ASSERT_EQUAL(std::string("1 2 3 4 5 6 7 "), server.store.bodies());
  }

  void logs_in() {
    Policy policy;
    policy.auth_required = true;
    for (const auth::Mechanism mechanism :
         {auth::Mechanism::cram_md5, auth::Mechanism::plain, auth::Mechanism::login}) {
      policy.auth_sources = {{mechanism, auth::Format::file, "/x", "", true}};
      SocketServer server(policy);
      ecs_options options = ECS_OPTIONS_INIT;
      options.endpoint = server.endpoint.c_str();
      options.user = "alice";
      options.password = "sesame";
      ecs_client* client = ecs_connect(&options);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(ecs_error_text(client), ECS_OK, ecs_error(client));
      CPPUNIT_ASSERT(ecs_is_connected(client));
      ecs_close(client);
      options.password = "wrong";
      client = ecs_connect(&options);
      CPPUNIT_ASSERT_EQUAL(ECS_DENIED, ecs_error(client));
      CPPUNIT_ASSERT(std::string(ecs_error_text(client)).find("Authentication failed") != std::string::npos);
      CPPUNIT_ASSERT_EQUAL(ECS_DENIED, ecs_pump(client, 10));
      ecs_close(client);
      options.user = nullptr;
      client = ecs_connect(&options);
      CPPUNIT_ASSERT_EQUAL(ECS_DENIED, ecs_error(client));
      ecs_close(client);
    }
  }

  void bad_arguments() {
    ecs_client* client = ecs_connect(nullptr);
    CPPUNIT_ASSERT_EQUAL(ECS_INVALID, ecs_error(client));
    CPPUNIT_ASSERT_EQUAL(ECS_INVALID, ecs_drain(client, 0));
    ecs_event event;
    CPPUNIT_ASSERT(ecs_next(client, &event) == 0 && ecs_acknowledged(client) == 0 && !ecs_is_connected(client));
    ecs_close(client);
    ecs_options options = ECS_OPTIONS_INIT;
    options.endpoint = "/nowhere/at/all";
    options.stream = "has space";
    client = ecs_connect(&options);
    CPPUNIT_ASSERT_EQUAL(ECS_INVALID, ecs_error(client));
    ecs_close(client);
    options.stream = nullptr;
    client = ecs_connect(&options);
    CPPUNIT_ASSERT_EQUAL(ECS_CONNECTION, ecs_error(client));
    ecs_close(client);
    ecs_close(nullptr);
    SocketServer server;
    options.endpoint = server.endpoint.c_str();
    client = ecs_connect(&options);
    ecs_message message = ECS_MESSAGE_INIT;
    message.recipient_count = 1;
    CPPUNIT_ASSERT_EQUAL(ECS_INVALID, ecs_send(client, &message, nullptr));
    CPPUNIT_ASSERT_EQUAL(ECS_INVALID, ecs_send(client, nullptr, nullptr));
    CPPUNIT_ASSERT_EQUAL(ECS_OK, ecs_pump(client, 0));  // it is of use still
    ecs_close(client);
  }

  void large_messages() {
    Policy policy;
    policy.max_message_size = 3000000;
    policy.max_frame = smallest_max_frame;
    policy.lone_lf_body = Policy::LoneLf::ignore;
    SocketServer server(policy);
    ecs_options options = ECS_OPTIONS_INIT;
    options.endpoint = server.endpoint.c_str();
    options.max_bytes = 1;  // one at a time
    ecs_client* const client = ecs_connect(&options);
    ecs_recipient recipient{"b@example.com", nullptr, 0};
    ecs_message message = ECS_MESSAGE_INIT;
    message.recipients = &recipient;
    message.recipient_count = 1;
    for (const size_t size : {2000000, 3500000, 100}) {
      const std::string body = "A: b\r\n\r\n" + std::string(size, 'x') + "\r\n";
      message.body = body.data();
      message.body_size = body.size();
      CPPUNIT_ASSERT_EQUAL(ECS_OK, ecs_send(client, &message, nullptr));
    }
    CPPUNIT_ASSERT_EQUAL(ECS_OK, ecs_drain(client, 20000));
    ecs_event event;
    int refused = 0;
    while (ecs_next(client, &event) != 0)
      if (event.kind == ECS_REFUSED) refused += event.code == 552 && event.sequence == 2 ? 1 : 100;
    CPPUNIT_ASSERT_EQUAL(1, refused);
    ecs_close(client);
    server.stop();
    CPPUNIT_ASSERT_EQUAL(std::string("1 3 "), server.store.bodies());
  }

  // Who never asks what became of messages loses no memory by it.
  void acknowledgements_do_not_gather() {
    SocketServer server;
    ecs_options options = ECS_OPTIONS_INIT;
    options.endpoint = server.endpoint.c_str();
    ecs_client* const client = ecs_connect(&options);
    ecs_recipient recipient{"b@example.com", nullptr, 0};
    ecs_message message = ECS_MESSAGE_INIT;
    message.recipients = &recipient;
    message.recipient_count = 1;
    message.body = "A: b\r\n\r\n";
    message.body_size = 8;
    for (int n = 0; n < 20; ++n) {
      CPPUNIT_ASSERT_EQUAL(ECS_OK, ecs_send(client, &message, nullptr));
      CPPUNIT_ASSERT_EQUAL(ECS_OK, ecs_drain(client, 20000));
    }
    ecs_event event;
    CPPUNIT_ASSERT(ecs_next(client, &event) == 1 && event.kind == ECS_OPENED);
    CPPUNIT_ASSERT(ecs_next(client, &event) == 1 && event.kind == ECS_ACKNOWLEDGED);
    CPPUNIT_ASSERT_EQUAL(uint64_t{20}, event.sequence);
    CPPUNIT_ASSERT(ecs_next(client, &event) == 0);
    ecs_close(client);
  }

  // Runs a program of Python with the client beside it; its exit status.
  static int run(const std::string& endpoint, const std::string& program) {
    const std::string folder = IMPULSE_SOURCE "/console";
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("PYTHONPATH", folder.c_str(), 1);
      ::setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
      ::execlp("python3", "python3", "-c", program.c_str(), endpoint.c_str(), static_cast<char*>(nullptr));
      ::_exit(127);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  void python() {
    const std::string program = R"(
import ecstream, sys
with ecstream.Client(sys.argv[1], stream="py", timeout=20) as client:
    for n in range(1, 301):
        to = "x@relay.example" if n % 50 == 0 else {"address": "b@example.com", "notify": ["SUCCESS", "DELAY"]}
        size = 400000 if n == 7 else 20
        client.send("a@example.org", [to], b"X-N: %d\r\n\r\n" % n + b"x" * size + b"\r\n", want_id=True,
                    context={"job": "nightly"}, priority=-3)
    client.drain(60)
    assert client.done == 300 and not client.waiting, client.done
    assert [r.sequence for r in client.refused] == [50, 100, 150, 200, 250, 300], client.refused
    assert all(r.code == 550 and r.enhanced == "5.7.1" and r.recipient == 0 for r in client.refused)
)";
    {
      SocketServer server;
      CPPUNIT_ASSERT_EQUAL(0, run(server.endpoint, program + "    assert len(client.ids) == 294\n"));
      server.stop();
      once_each(server.store, 300, 6);
      CPPUNIT_ASSERT_EQUAL(-3, int{server.store.kept.front().envelope.priority});
    }
    SocketServer broken({}, 3, 10000);
    CPPUNIT_ASSERT_EQUAL(0, run(broken.endpoint, program));
    broken.stop();
    once_each(broken.store, 300, 6);
    CPPUNIT_ASSERT(broken.connections >= 4);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LibraryTest);

}  // namespace
