// Connections that we make.
#include "net/connection.h"
#include "recorder.h"

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;

namespace {

class ConnectTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ConnectTest);
  CPPUNIT_TEST(connect_and_names);
  CPPUNIT_TEST(connect_refused);
  CPPUNIT_TEST(connect_with_source_address);
  CPPUNIT_TEST(connect_to_unix_socket);
  CPPUNIT_TEST(connect_then_close_or_finish_at_once);
  CPPUNIT_TEST(waiting_for_a_connect_costs_nothing);
  CPPUNIT_TEST_SUITE_END();

  void connect_and_names() {
    for (const char* where : {"127.0.0.1:0", "[::1]:0"}) {
      const bool v4 = where[0] == '1';
      auto loop = make_loop();
      UniqueFd listener(::socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const Endpoint to = listen_somewhere(listener.get(), where);
      Recorder client, server;
      server.echo = true;
      auto connection = Connection::connect(*loop, to, std::nullopt, client);
      CPPUNIT_ASSERT(connection.has_value());
      client.connection = std::move(*connection);
      client.connection->write("early");  // before it is up
      CPPUNIT_ASSERT_EQUAL(std::string(), client.events);
      run_until(*loop, [&] { return client.events == "connected "; });
      server.accept(*loop, UniqueFd(::accept(listener.get(), nullptr, nullptr)));
      run_until(*loop, [&] { return client.data == "early"; });
      CPPUNIT_ASSERT(client.connection->peer() == to);
      CPPUNIT_ASSERT(server.connection->local() == to);
      CPPUNIT_ASSERT(server.connection->peer() == client.connection->local());
      CPPUNIT_ASSERT(client.connection->local().port() != 0);
      client.connection.reset();
      run_until(*loop, [&] { return server.closed.has_value(); });
    }
  }

  void connect_refused() {
    auto loop = make_loop();
    UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Endpoint to = listen_somewhere(listener.get());
    listener.reset();
    Recorder handler;
    auto connection = Connection::connect(*loop, to, std::nullopt, handler);
    if (!connection) return;  // the kernel was quick
    handler.connection = std::move(*connection);
    run_until(*loop, [&] { return handler.closed.has_value(); });
    CPPUNIT_ASSERT_EQUAL(CloseReason::reset, *handler.closed);
    CPPUNIT_ASSERT_EQUAL(std::string("connect: Connection refused"), handler.detail);
    CPPUNIT_ASSERT_EQUAL(std::string("closed "), handler.events);
  }

  void connect_with_source_address() {
    auto loop = make_loop();
    UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Endpoint to = listen_somewhere(listener.get());
    Recorder handler;
    auto connection = Connection::connect(*loop, to, *IpAddress::parse("127.0.0.2"), handler);
    CPPUNIT_ASSERT(connection.has_value());
    handler.connection = std::move(*connection);
    run_until(*loop, [&] { return handler.events == "connected "; });
    CPPUNIT_ASSERT_EQUAL(std::string("127.0.0.2"), handler.connection->local().address().to_string());
    handler.connection.reset();
    const auto wrong_family = Connection::connect(*loop, to, *IpAddress::parse("::1"), handler);
    CPPUNIT_ASSERT(!wrong_family && wrong_family.error().code == Errc::invalid);
    const auto not_ours = Connection::connect(*loop, to, *IpAddress::parse("192.0.2.77"), handler);
    CPPUNIT_ASSERT(!not_ours);
    CPPUNIT_ASSERT(not_ours.error().message.find("source address 192.0.2.77") != std::string::npos);
  }

  void connect_to_unix_socket() {
    TempDir dir;
    auto loop = make_loop();
    UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    listen_somewhere(listener.get(), (dir / "s").c_str());
    Recorder handler;
    const auto missing = Connection::connect(*loop, Endpoint::unix_socket(dir / "none"), std::nullopt, handler);
    CPPUNIT_ASSERT(!missing && missing.error().code == Errc::not_found);
    auto connection = Connection::connect(*loop, Endpoint::unix_socket(dir / "s"), std::nullopt, handler);
    CPPUNIT_ASSERT(connection.has_value());
    handler.connection = std::move(*connection);
    CPPUNIT_ASSERT_EQUAL(std::string(), handler.events);  // from the loop only
    run_until(*loop, [&] { return handler.events == "connected "; });
    CPPUNIT_ASSERT_EQUAL(dir / "s", handler.connection->peer().path());
    RawPeer peer(UniqueFd(::accept(listener.get(), nullptr, nullptr)));
    peer.send("hello");
    run_until(*loop, [&] { return handler.data == "hello"; });
    handler.connection.reset();
  }

  void connect_then_close_or_finish_at_once() {
    for (const bool orderly : {true, false}) {
      auto loop = make_loop();
      UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const Endpoint to = listen_somewhere(listener.get());
      Recorder handler;
      handler.connection = std::move(*Connection::connect(*loop, to, std::nullopt, handler));
      if (orderly)
        handler.connection->finish();
      else
        handler.connection->close();
      run_until(*loop, [&] { return handler.closed.has_value(); });
      CPPUNIT_ASSERT_EQUAL(std::string("closed "), handler.events);
      CPPUNIT_ASSERT_EQUAL(CloseReason::local, *handler.closed);
    }
  }

  void waiting_for_a_connect_costs_nothing() {
    // Symptom: a loop at full speed when on_drained was wanted before the connection was up.
    auto loop = make_loop();
    UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Endpoint to = listen_somewhere(listener.get());
    ::listen(listener.get(), 0);
    std::vector<std::unique_ptr<Recorder>> clients;
    for (int i = 0; i < 3; ++i) {  // the last ones do not get through
      clients.push_back(std::make_unique<Recorder>());
      clients.back()->connection = std::move(*Connection::connect(*loop, to, std::nullopt, *clients.back()));
    }
    run_until(*loop, [&] { return !clients[0]->events.empty(); });
    Recorder& waiting = *clients[2];
    CPPUNIT_ASSERT_EQUAL(std::string(), waiting.events);
    waiting.connection->want_drained();
    spin(*loop, 3);
    CPPUNIT_ASSERT_EQUAL(std::string(), waiting.events);
    // The wake-up, and an event for each connection that waits: nothing is due now.
    CPPUNIT_ASSERT(event_base_get_num_events(loop->base(), EVENT_BASE_COUNT_ACTIVE) == 0);
    const int added = event_base_get_num_events(loop->base(), EVENT_BASE_COUNT_ADDED);
    clients.pop_back();
    CPPUNIT_ASSERT_EQUAL(added - 1, event_base_get_num_events(loop->base(), EVENT_BASE_COUNT_ADDED));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ConnectTest);

}  // namespace
