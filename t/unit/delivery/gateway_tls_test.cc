// TLS to a Gateway: offered, missing, broken, required, verified.
#include "house.h"
#include "sink.h"

namespace impulse::delivery {
namespace {

using namespace test;
using telemetry::Counter;

class GatewayTlsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(GatewayTlsTest);
  CPPUNIT_TEST(encrypts_when_offered);
  CPPUNIT_TEST(goes_on_in_plain_when_not_offered);
  CPPUNIT_TEST(broken_handshake_falls_back_once);
  CPPUNIT_TEST(required_does_not_fall_back);
  CPPUNIT_TEST(verifies_issuer_and_name);
  CPPUNIT_TEST(require_tls_wants_a_verified_name);
  CPPUNIT_TEST(require_tls_waits_for_tls_that_fails_now);
  CPPUNIT_TEST(require_tls_looks_for_a_host_that_is_fit);
  CPPUNIT_TEST(require_tls_comes_back_when_no_host_has_it);
  CPPUNIT_TEST(require_tls_takes_one_place_of_many);
  CPPUNIT_TEST(require_tls_mail_keeps_its_deadline);
  CPPUNIT_TEST(require_tls_mail_stays_when_we_stop);
  CPPUNIT_TEST_SUITE_END();

  net::test::Identity identity_;
  net::test::TempDir dir_;

  Script tls_script() {
    net::TlsSettings settings;
    settings.certificate = identity_.certificate();
    settings.key = identity_.key();
    auto context = net::TlsContext::server(settings);
    CPPUNIT_ASSERT_MESSAGE(context ? "" : context.error().message, context.has_value());
    Script script;
    script.tls = *context;
    return script;
  }
  static std::string conf(const Sink& sink, const std::string& more, const std::string& host = "127.0.0.1") {
    return fmt::format("Gateway = \"{}:{}\"\nRetry_Interval = 1\n{}\n", host, sink.port(), more);
  }

  // Retries soon, and trust in the sinks.
  std::string trusting(const std::string& gateways) {
    return fmt::format("{}Retry_Interval = 1\nTLS_CA = \"{}\"\n", gateways,
                       net::test::write_file(dir_ / "ca.pem", identity_.certificate()));
  }
  static void submit_protected(House& house, const std::string& recipient) {
    house.submit("", {recipient}, "\r\n", Duration{0},
                 [](message::Envelope& envelope) { envelope.require_tls = true; });
  }

  void encrypts_when_offered() {
    Sink sink(tls_script());
    House house(conf(sink, "TLS = ifavailable\nIdle_Timeout = 60"));
    house.dispatcher->start();
    for (int i = 0; i < 3; ++i) {
      house.submit("s@x.example", {"a@y.example"}, std::string(200000, 'x') + "\r\n");
      house.run_until_empty();
    }
    CPPUNIT_ASSERT_EQUAL(size_t{3}, sink.count());
    for (const Letter& letter : sink.letters()) CPPUNIT_ASSERT(letter.tls && letter.data.size() > 200000);
    CPPUNIT_ASSERT_EQUAL(1, sink.connections());
    CPPUNIT_ASSERT(holds(house.mails(), "esmtps"));
  }

  void goes_on_in_plain_when_not_offered() {
    Sink sink;
    House house(conf(sink, "TLS = ifavailable"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT(!sink.letters().at(0).tls);
  }

  void broken_handshake_falls_back_once() {
    Script script = tls_script();
    script.starttls = [](int) { return "break"; };
    Sink sink(script);
    House house(conf(sink, "TLS = ifavailable\nMax_Deliveries_Per_Connection = 1\nMax_Outbound_Connections = 1"));
    house.dispatcher->start();
    for (int i = 0; i < 3; ++i) house.submit("s@x.example", {"a@y.example"});
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{3}, sink.count());
    CPPUNIT_ASSERT(!sink.letters().at(0).tls);
    CPPUNIT_ASSERT_EQUAL(4, sink.connections());  // it is remembered
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T'));
  }

  void required_does_not_fall_back() {
    for (const bool offered : {true, false}) {
      Script script = offered ? tls_script() : Script();
      script.starttls = [](int) { return "break"; };
      Sink sink(script);
      House house(conf(sink, "TLS = required"));
      house.dispatcher->start();
      house.submit("s@x.example", {"a@y.example"});
      house.run_until([&] { return house.counter(Counter::transient_failures) == 1; });
      CPPUNIT_ASSERT(holds(house.dispatcher->waiting("", 1).at(0).last_error, "TLS"));
      CPPUNIT_ASSERT_EQUAL(size_t{0}, sink.count());
      CPPUNIT_ASSERT_EQUAL(0, house.lines('P'));
    }
  }

  void verifies_issuer_and_name() {
    net::test::TempDir dir;
    const std::string ca = net::test::write_file(dir / "ca.pem", identity_.certificate());
    struct Case {
      const char* verify;
      std::string ca;
      const char* host;
      bool good;
    };
    net::test::Identity stranger;
    const std::string other = net::test::write_file(dir / "other.pem", stranger.certificate());
    for (const Case& each : std::vector<Case>{{"ca", ca, "127.0.0.1", true},
                                              {"ca", other, "127.0.0.1", false},
                                              {"host", ca, "localhost", true},
                                              {"no", other, "127.0.0.1", true}}) {
      Sink sink(tls_script());
      House house(
          conf(sink, fmt::format("TLS = required\nTLS_Verify = {}\nTLS_CA = \"{}\"", each.verify, each.ca), each.host));
      house.dispatcher->start();
      house.submit("s@x.example", {"a@y.example"});
      house.run_until(
          [&] { return house.counter(Counter::transient_failures) + house.counter(Counter::deliveries) >= 1; },
          fmt::format("an outcome of {} with {} to {}", each.verify, each.ca, each.host));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(each.verify, each.good ? size_t{1} : size_t{0}, sink.count());
    }
    // A name that the certificate does not have.
    net::test::Identity::Options options;
    options.alt_names = "DNS:other.example";
    options.common_name = "other.example";
    identity_ = net::test::Identity(options);
    net::test::write_file(dir / "ca.pem", identity_.certificate());
    Sink sink(tls_script());
    House house(conf(sink, fmt::format("TLS = required\nTLS_Verify = host\nTLS_CA = \"{}\"", ca), "localhost"));
    house.dispatcher->start();
    house.submit("s@x.example", {"a@y.example"});
    house.run_until([&] { return house.counter(Counter::transient_failures) == 1; }, "a failure over the name");
    CPPUNIT_ASSERT_EQUAL(size_t{0}, sink.count());
  }

  // RFC 8689 §4.2.1, also where the configuration asks for no verification.
  void require_tls_wants_a_verified_name() {
    net::test::TempDir dir;
    net::test::Identity stranger;
    const std::string ca = net::test::write_file(dir / "ca.pem", identity_.certificate());
    const std::string other = net::test::write_file(dir / "other.pem", stranger.certificate());
    struct Case {
      const char* verify;
      std::string ca;
      const char* host;
      bool offered;
      const char* said;  // "": it goes
    };
    for (const Case& each : std::vector<Case>{{"no", ca, "localhost", true, ""},
                                              {"host", ca, "localhost", true, ""},
                                              {"no", ca, "localhost", false, "550 5.7.30 "},
                                              {"no", other, "localhost", false, "550 5.7.30 "},
                                              {"no", ca, "127.0.0.1", true, "550 5.7.10 "},
                                              {"no", other, "localhost", true, "450 4.7.5 "}}) {
      Script script = tls_script();
      if (each.offered) script.extensions.push_back("REQUIRETLS");
      Sink sink(script);
      House house(conf(sink, fmt::format("TLS_Verify = {}\nTLS_CA = \"{}\"", each.verify, each.ca), each.host));
      house.dispatcher->start();
      house.submit("", {"a@y.example"}, "\r\n", Duration{0},
                   [](message::Envelope& envelope) { envelope.require_tls = true; });
      const std::string said = each.said;
      if (said.starts_with('4'))
        house.run_until([&] { return house.counter(Counter::transient_failures) > 0; }, "a failure for now");
      else
        house.run_until_empty();
      CPPUNIT_ASSERT_EQUAL_MESSAGE(each.verify + each.ca, said.empty() ? size_t{1} : size_t{0}, sink.count());
      CPPUNIT_ASSERT_EQUAL(said.starts_with('5') ? 1 : 0, house.lines('P'));
      CPPUNIT_ASSERT_MESSAGE(said + house.mails(), said.empty() || holds(house.mails(), said));
      if (said.empty()) CPPUNIT_ASSERT(holds(sink.letters()[0].commands, " REQUIRETLS\n"));
    }
  }

  // A handshake that failed is remembered for other mail, and forgiven for this.
  void require_tls_waits_for_tls_that_fails_now() {
    for (const char* trouble : {"break", "454 4.7.0 not now"}) {
      Script script = tls_script();
      script.extensions.push_back("REQUIRETLS");
      std::atomic<bool> broken{true};
      script.starttls = [&](int) { return std::string(broken ? trouble : ""); };
      Sink sink(script);
      House house(trusting(fmt::format("Gateway = \"localhost:{}\"\n", sink.port())));
      house.dispatcher->start();
      house.submit("s@x.example", {"plain@y.example"});
      house.run_until_empty();
      CPPUNIT_ASSERT(!sink.letters().at(0).tls);
      submit_protected(house, "a@y.example");
      house.run_until([&] { return house.counter(Counter::transient_failures) == 1; }, "a failure for now");
      CPPUNIT_ASSERT(holds(house.mails(), "450 4.7.10 "));
      broken = false;
      house.run_until_empty();
      CPPUNIT_ASSERT_EQUAL(size_t{2}, sink.count());
      CPPUNIT_ASSERT(sink.letters()[1].tls);
      CPPUNIT_ASSERT_EQUAL(0, house.lines('P'));
    }
  }

  // Other mail goes to the first; with room for one connection only, too.
  void require_tls_looks_for_a_host_that_is_fit() {
    for (const char* room : {"", "Max_Outbound_Connections = 1\n", "Server_Max_Outbound_Connections = 1\n"}) {
      Script bare = tls_script();
      Script broken = tls_script();
      broken.extensions.push_back("REQUIRETLS");
      broken.starttls = [](int) { return "break"; };
      Script good = tls_script();
      good.extensions.push_back("REQUIRETLS");
      Sink first, second(bare), third(broken), fourth(good);
      House house(trusting(fmt::format(
          "Gateway = ( \"localhost:{}\" \"localhost:{}\" \"localhost:{}\" \"localhost:{}\" )\n{}Idle_Timeout = 60\n",
          first.port(), second.port(), third.port(), fourth.port(), room)));
      house.dispatcher->start();
      for (int i = 0; i < 5; ++i) {
        house.submit("s@x.example", {"plain@y.example"});
        submit_protected(house, fmt::format("a{}@y.example", i));
        submit_protected(house, fmt::format("a{}@z.example", i));
      }
      house.run_until_empty();
      CPPUNIT_ASSERT_EQUAL_MESSAGE(room, size_t{15}, first.count() + fourth.count());
      CPPUNIT_ASSERT(fourth.count() >= 10);
      for (const Letter& letter : fourth.letters()) CPPUNIT_ASSERT(letter.tls);
      for (const Letter& letter : first.letters()) CPPUNIT_ASSERT(holds(letter.commands, "plain@"));
      CPPUNIT_ASSERT_EQUAL(0, house.lines('P') + house.lines('T'));
    }
  }

  // One connection ends to make room. Here it takes until all other mail is gone.
  void require_tls_takes_one_place_of_many() {
    constexpr int plain = 9;  // few enough for the patience of a QUIT
    std::promise<void> go, over;
    std::atomic<int> taken{0};
    Script script;
    script.data = [&, may = go.get_future().share()](const Letter&) {
      may.wait();
      if (++taken == plain) over.set_value();
      return "";
    };
    script.quit = [may = over.get_future().share()](int) { may.wait_for(std::chrono::seconds(10)); };
    Script good = tls_script();
    good.extensions.push_back("REQUIRETLS");
    Sink first(script), second(good);
    House house(trusting(fmt::format(
        "Gateway = ( \"localhost:{}\" \"localhost:{}\" )\nMax_Outbound_Connections = 3\nIdle_Timeout = 60\n",
        first.port(), second.port())));
    house.dispatcher->start();
    for (int i = 0; i < 3; ++i) house.submit("s@x.example", {"plain@y.example"});
    house.run_until([&] { return first.open() == 3; }, "three connections");
    submit_protected(house, "a@z.example");
    for (int i = 3; i < plain; ++i) house.submit("s@x.example", {"plain@y.example"});
    house.run_until([&] { return house.dispatcher->size() == plain + 1; });
    net::test::spin(*house.loop);
    go.set_value();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, second.count());
    CPPUNIT_ASSERT_EQUAL(4, first.connections());  // the last for the message alone
  }

  // It passes while a connection is looked for.
  void require_tls_mail_keeps_its_deadline() {
    const WallTime deadline = wall_now() + std::chrono::milliseconds(1500);
    Script good = tls_script();
    for (const char* each : {"REQUIRETLS", "DELIVERBY 0"}) good.extensions.push_back(each);
    good.starttls = [&](int) {
      while (wall_now() <= deadline) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return "";
    };
    Sink first, second(good);
    House house(
        trusting(fmt::format("Gateway = ( \"localhost:{}\" \"localhost:{}\" )\n", first.port(), second.port())));
    house.submit("", {"a@y.example"}, "\r\n", Duration{0}, [&](message::Envelope& envelope) {
      envelope.require_tls = true;
      envelope.deliver_by = {deadline, 'R', false};
    });
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, first.count() + second.count());
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    CPPUNIT_ASSERT_MESSAGE(house.mails(), holds(house.mails(), "not delivered by the time that its sender has set"));
  }

  void require_tls_mail_stays_when_we_stop() {
    Script silent = tls_script();
    silent.starttls = [](int) { return "mute"; };
    Sink first, second(silent);
    House house(
        trusting(fmt::format("Gateway = ( \"localhost:{}\" \"localhost:{}\" )\n", first.port(), second.port())));
    house.dispatcher->start();
    for (int i = 0; i < 3; ++i) submit_protected(house, "a@y.example");
    house.run_until([&] { return second.connections() > 0; }, "an attempt at the second");
    bool idle = false;
    house.dispatcher->stop(std::chrono::minutes(5), [&] { idle = true; });
    house.run_until([&] { return idle; }, "the end");
    CPPUNIT_ASSERT_EQUAL(uint64_t{3}, house.spool->status().messages);
    CPPUNIT_ASSERT_EQUAL(0, house.lines('T') + house.lines('P'));
  }

  void require_tls_comes_back_when_no_host_has_it() {
    Script bare = tls_script();
    Sink first, second(bare);
    House house(
        trusting(fmt::format("Gateway = ( \"localhost:{}\" \"localhost:{}\" )\n", first.port(), second.port())));
    house.dispatcher->start();
    submit_protected(house, "a@y.example");
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    CPPUNIT_ASSERT(holds(house.mails(), "550 5.7.10 "));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, first.count() + second.count());
    // One that is down may be one that has it.
    second.stop();
    submit_protected(house, "a@y.example");
    house.run_until([&] { return house.counter(Counter::transient_failures) > 0; }, "a failure for now");
    CPPUNIT_ASSERT_EQUAL(1, house.lines('P'));
    second.resume();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(2, house.lines('P'));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GatewayTlsTest);

}  // namespace
}  // namespace impulse::delivery
