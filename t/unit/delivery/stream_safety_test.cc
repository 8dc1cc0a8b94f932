// Who a next host by ECStream is, and who we are there: TLS, REQUIRETLS, AUTH.
#include "../net/certs.h"
#include "house.h"
#include "stream_sink.h"

#include <atomic>
#include <string>
#include <vector>

namespace impulse::delivery {
namespace {

using namespace test;
using Talk = StreamSink::Talk;

constexpr const char* login = "Outbound_SMTP_AUTH_User = alice\nOutbound_SMTP_AUTH_Pass = sesame\nRetry_Interval = 1h";

class StreamSafetyTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(StreamSafetyTest);
  CPPUNIT_TEST(over_tls);
  CPPUNIT_TEST(require_tls_needs_a_name_that_is_verified);
  CPPUNIT_TEST(a_stream_that_was_safe_goes_on_safely_or_not_at_all);
  CPPUNIT_TEST(no_tls_where_it_is_required);
  CPPUNIT_TEST(logs_in);
  CPPUNIT_TEST(no_mail_without_the_login);
  CPPUNIT_TEST(a_server_that_asks_without_end);
  CPPUNIT_TEST_SUITE_END();

  net::test::Identity identity_;
  net::test::TempDir dir_;

  net::TlsContextPtr context(const net::test::Identity& identity) {
    net::TlsSettings settings;
    settings.certificate = identity.certificate();
    settings.key = identity.key();
    auto context = net::TlsContext::server(settings);
    CPPUNIT_ASSERT_MESSAGE(context ? "" : context.error().message, context.has_value());
    return *context;
  }
  // Takes everything, under TLS.
  StreamSink::Script safe() {
    return [tls = context(identity_)](Talk& talk) {
      talk.tls(tls);
      StreamSink::good(talk);
    };
  }
  std::string conf(const StreamSink& sink, const std::string& more) {
    return fmt::format(
        "Delivery_Method = ecstream\nGateway = \"localhost:{}\"\nRetry_Interval = 1\nTLS_CA = \"{}\"\n"
        "Use_IPv6 = false\n{}\n",
        sink.port(), net::test::write_file(dir_ / "ca.pem", identity_.certificate()), more);
  }
  static void submit_protected(House& house) {
    house.submit("", {"a@y.example"}, "Subject: tls\r\n\r\n", Duration{0},
                 [](message::Envelope& envelope) { envelope.require_tls = true; });
  }

  void over_tls() {
    StreamSink sink(safe());
    House house(conf(sink, "TLS = required\nTLS_Verify = host"));
    house.dispatcher->start();
    const std::string body = "Subject: large\r\n\r\n" + std::string(3 << 20, 'x') + "\r\n";
    house.submit("s@x.example", {"a@y.example"}, body);
    submit_protected(house);
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(2, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
    CPPUNIT_ASSERT(holds(house.mails(), "@ecstreams@"));
    size_t protected_ones = 0;
    for (const auto& message : sink.taken()) protected_ones += message.head.require_tls ? 1 : 0;
    CPPUNIT_ASSERT_EQUAL(size_t{1}, protected_ones);
  }

  void require_tls_needs_a_name_that_is_verified() {
    net::test::Identity::Options options;
    options.common_name = "another.example";
    options.alt_names = "DNS:another.example";
    identity_ = net::test::Identity(options);
    StreamSink sink(safe());
    House house(conf(sink, "TLS = required\nTLS_Verify = ca\nRetry_Interval = 1h"));
    house.dispatcher->start();
    submit_protected(house);
    house.run_until([&] { return house.lines('T') + house.lines('D') > 0; }, "an outcome");
    CPPUNIT_ASSERT_MESSAGE(house.mails(), holds(house.mails(), "4.7.5"));
    CPPUNIT_ASSERT(sink.taken().empty());
    house.submit("", {"b@y.example"});  // others go
    house.run_until([&] { return house.lines('D') == 1; }, "a delivery");
  }

  // Behind a lost connection another one comes whose certificate is somebody else's.
  void a_stream_that_was_safe_goes_on_safely_or_not_at_all() {
    const auto tls = context(identity_);
    const net::test::Identity other;
    const auto wrong = context(other);
    std::atomic<int> messages = 0;
    StreamSink sink([&](Talk& talk) {
      talk.tls(talk.connection == 1 ? tls : wrong);
      talk.open();
      for (;;) {
        talk.message();
        ++messages;
        if (talk.connection == 1) return;
      }
    });
    House house(conf(sink, "TLS = required\nTLS_Verify = host\nBody_Timeout = 500ms\nRetry_Interval = 1h"));
    house.dispatcher->start();
    submit_protected(house);
    house.run_until([&] { return house.lines('T') == 1; }, "a failure");
    CPPUNIT_ASSERT_EQUAL(1, messages.load());
    CPPUNIT_ASSERT(sink.connections() > 1);
    CPPUNIT_ASSERT_EQUAL(0, house.lines('D'));
  }

  void no_tls_where_it_is_required() {
    StreamSink sink([](Talk& talk) {
      talk.goaway(GoAway::malformed);  // as who does not know TLS takes its first bytes
      talk.mute();
    });
    House house(conf(sink, "TLS = required\nRetry_Interval = 1h"));
    house.dispatcher->start();
    house.submit("", {"a@y.example"});
    house.run_until([&] { return house.lines('T') == 1; }, "a failure");
    CPPUNIT_ASSERT_MESSAGE(house.mails(), holds(house.mails(), "TLS"));
    CPPUNIT_ASSERT_EQUAL(1, sink.connections());
  }

  static ecstream::Hello offers(const std::string& mechanisms) {
    ecstream::Hello hello = Talk::hello();
    hello.mechanisms = mechanisms;
    return hello;
  }
  static std::string reply(ecstream::AuthState state, uint16_t code, const std::string& enhanced,
                           const std::string& text) {
    return ecstream::encode(ecstream::AuthReply{state, {}, code, enhanced, text});
  }

  // On each connection anew.
  void logs_in() {
    StreamSink sink([](Talk& talk) {
      talk.greet(offers("SCRAM-SHA-256 PLAIN"));
      const auto auth = talk.next(FrameType::auth);
      if (auth.flags != 3 || auth.payload != std::string("\5PLAIN\0alice\0sesame", 19)) return;
      talk.send(FrameType::auth_reply, 0, reply(ecstream::AuthState::success, 235, "2.7.0", "hello alice"));
      talk.send(FrameType::opened, talk.next(FrameType::open).sequence);
      const auto message = talk.message();
      if (talk.connection > 1) talk.take(message);
    });
    House house(by_stream(sink, std::string(login) + "\nOutbound_SMTP_AUTH_Type = PLAIN"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(2, sink.connections());
    CPPUNIT_ASSERT_EQUAL(1, house.lines('D'));
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
  }

  // It waits, whatever the server would take.
  void no_mail_without_the_login() {
    const auto answered = [](ecstream::AuthState state, uint16_t code) {
      return [state, code](Talk& talk) {
        talk.greet(offers("PLAIN"));
        talk.next(FrameType::auth);
        talk.send(FrameType::auth_reply, 0, reply(state, code, code < 500 ? "4.7.0" : "5.7.8", "not you"));
        talk.send(FrameType::opened);
        talk.take_all();
      };
    };
    const std::pair<StreamSink::Script, std::string> cases[] = {
        {StreamSink::good, "does not offer AUTH"},
        {[](Talk& talk) {
           talk.open(offers("EXTERNAL X-NEW"));
           talk.take_all();
         },
         "offers EXTERNAL X-NEW only"},
        {answered(ecstream::AuthState::failure, 535), "5.7.8 not you"},
        {answered(ecstream::AuthState::failure, 454), "4.7.0 not you"},
        {[](Talk& talk) {  // SCRAM, without its proof
           talk.greet(offers("SCRAM-SHA-256"));
           talk.next(FrameType::auth);
           talk.send(FrameType::auth_reply, 0, reply(ecstream::AuthState::success, 235, "2.7.0", "fine"));
           talk.send(FrameType::opened);
           talk.take_all();
         },
         "has not proved"},
    };
    for (const auto& [script, text] : cases) {
      StreamSink sink(script);
      House house(by_stream(sink, login));
      house.dispatcher->start();
      house.submit("s@x.example", {"a@y.example"});
      house.run_until([&] { return house.lines('T') == 1; }, text);
      CPPUNIT_ASSERT_MESSAGE(house.mails(), holds(house.mails(), text));
      CPPUNIT_ASSERT_MESSAGE(house.mails(), !holds(house.mails(), "sesame"));
      CPPUNIT_ASSERT(sink.taken().empty() && sink.frames(FrameType::message).empty());
    }
    // A server that wants a login, and nobody has one.
    ecstream::Hello wants = offers("PLAIN");
    wants.auth_required = true;
    StreamSink sink([&](Talk& talk) {
      talk.open(wants);
      talk.take_all();
    });
    House house(by_stream(sink, "Retry_Interval = 1h"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until([&] { return house.lines('T') == 1; }, "a failure");
    CPPUNIT_ASSERT_MESSAGE(house.mails(), holds(house.mails(), "wants authentication"));
  }

  void a_server_that_asks_without_end() {
    for (const char* mechanism : {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"}) {
      StreamSink sink([&](Talk& talk) {
        talk.greet(offers(mechanism));
        for (;;) {
          talk.next(FrameType::auth);
          talk.send(FrameType::auth_reply, 0, std::string("\0more?", 6));
        }
      });
      House house(
          by_stream(sink, fmt::format("{}\nOutbound_SMTP_AUTH_Type = {}\nEHLO_Timeout = 300ms", login, mechanism)));
      house.dispatcher->start();
      house.submit("s@x.example", {"a@y.example"});
      house.run_until([&] { return house.lines('T') == 1 && sink.connections() > 0; }, mechanism);
      CPPUNIT_ASSERT_EQUAL(1, sink.connections());
      CPPUNIT_ASSERT(sink.frames(FrameType::auth).size() < 10);
    }
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StreamSafetyTest);

}  // namespace
}  // namespace impulse::delivery
