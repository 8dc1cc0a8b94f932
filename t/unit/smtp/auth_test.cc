// AUTH (RFC 4954, CONFORMANCE 45 to 53): the engine with real exchanges of each
// mechanism, and a host that remembers what it was told.
#include "../auth/sasl_client.h"
#include "auth/password.h"
#include "auth/sasl.h"
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

#include <set>

using namespace smtp_test;
using namespace std::string_literals;
using auth::Format;
using auth::Mechanism;

namespace {

using Client = auth::test::SaslClient;

std::string b64(std::string_view text) { return auth::to_base64(text); }

// Keys of alice, whose password is pencil: RFC 7677 section 3, RFC 5802 section 5.
constexpr std::string_view scram_users =
    "alice:SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n"
    "alice:SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=\n";
constexpr std::string_view clear_users = "alice:pencil\nbob@local.example:other\n";

auth::Source source(Mechanism mechanism) {
  return {mechanism, auth::is_scram(mechanism) ? Format::scram : Format::file, "/none", {}, true};
}

// All mechanisms, and rules that let everybody else in the tests speak.
Policy auth_policy() {
  Policy policy = usual_policy();
  for (const Mechanism mechanism : auth::all_mechanisms()) policy.auth_sources.push_back(source(mechanism));
  policy.auth_failure_limit = 0;
  policy.max_errors = 0;
  return policy;
}

class AuthHost : public FakeHost {
 public:
  std::optional<HostRefusal> may_authenticate() override { return refusal; }
  bool usable(const auth::Source& source) override { return source.mechanism != not_usable; }
  Result<std::unique_ptr<auth::SaslExchange>> authenticate(const auth::Source& source) override {
    if (trouble) return fail(Errc::unavailable, "trouble");
    auth::SaslSettings settings;
    settings.mechanism = source.mechanism;
    std::vector<auth::BadLine> bad;
    settings.credentials =
        auth::Credentials::parse(source.format, source.format == Format::scram ? scram_users : clear_users, bad);
    settings.host = "mx.example.com";
    settings.realm = "mx.example.com";
    settings.service = "smtp";
    settings.channel_binding = [](std::string_view type) {
      return type == "tls-exporter" ? std::optional<std::string>("channel") : std::nullopt;
    };
    return sasl->begin(std::move(settings));
  }
  void authenticated(const AuthOutcome& outcome) override {
    outcomes.push_back(fmt::format("{} {} {}{}", outcome.user, outcome.how, outcome.success ? "yes" : "no",
                                   outcome.log ? "" : " unlogged"));
  }

  std::unique_ptr<auth::Sasl> sasl = std::move(*auth::Sasl::create());
  std::optional<HostRefusal> refusal;
  std::optional<Mechanism> not_usable;
  bool trouble = false;
  std::vector<std::string> outcomes;
};

class Session {
 public:
  explicit Session(const Policy& policy = auth_policy(), std::optional<TlsState> tls = {},
                   std::string_view from = "127.0.0.1") {
    ClientInfo client;
    client.address = *IpAddress::parse(from);
    client.listener = "*:25";
    engine = std::make_unique<ServerSession>(std::make_shared<const Policy>(policy), client, host);
    engine->start(std::move(tls), out);
    out.reply.clear();
    greeting = say("EHLO client.example");
  }

  std::string say(std::string_view line) { return raw(std::string(line) + "\r\n"); }
  std::string raw(std::string_view bytes) {
    out.reply.clear();
    while (!bytes.empty() && out.next == Next::read) bytes.remove_prefix(engine->feed(bytes, out));
    return std::exchange(out.reply, {});
  }
  void secure() {
    CPPUNIT_ASSERT_EQUAL("220"s, say("STARTTLS").substr(0, 3));
    engine->tls_started({.version = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384", .bits = 256}, out);
    out.reply.clear();
  }
  // The last reply of an exchange, with or without an initial response.
  std::string exchange(Mechanism mechanism, const std::string& user, const std::string& password, bool initial = true) {
    Client client(std::string(name(mechanism)), user, password);
    if (auth::binds_channel(mechanism)) client.bind(GSASL_CB_TLS_EXPORTER, b64("channel"));
    std::string line = "AUTH " + std::string(name(mechanism));
    if (initial && auth::is_client_first(mechanism)) line += " " + b64(client.step(""));
    std::string reply = say(line);
    for (int i = 0; i < 8 && reply.starts_with("334 "); ++i) {
      std::string challenge;
      CPPUNIT_ASSERT(auth::from_base64(reply.substr(4, reply.size() - 6), challenge));
      reply = say(b64(client.step(challenge)));
    }
    return reply;
  }

  AuthHost host;
  std::unique_ptr<ServerSession> engine;
  Output out;
  std::string greeting;
};

const std::string plain_ok = "AUTH PLAIN " + b64("\0alice\0pencil"s);
const std::string good = "235 2.7.0 Authentication successful\r\n";
const std::string bad = "535 5.7.8 Authentication failed\r\n";
const TlsState some_tls{.version = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384", .bits = 256};

void starts(std::string_view expected, const std::string& reply) {
  CPPUNIT_ASSERT_EQUAL(std::string(expected), reply.substr(0, expected.size()));
}

class AuthTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(AuthTest);
  CPPUNIT_TEST(conformance_45_mechanism_names);
  CPPUNIT_TEST(conformance_46_each_mechanism);
  CPPUNIT_TEST(conformance_46_initial_responses);
  CPPUNIT_TEST(conformance_47_what_is_no_response);
  CPPUNIT_TEST(conformance_48_when_it_may_come);
  CPPUNIT_TEST(conformance_48_where_passwords_may_be_said);
  CPPUNIT_TEST(conformance_49_long_lines);
  CPPUNIT_TEST(conformance_50_login);
  CPPUNIT_TEST(conformance_51_cram);
  CPPUNIT_TEST(conformance_52_scram);
  CPPUNIT_TEST(conformance_53_protocol_and_auth_parameter);
  CPPUNIT_TEST(failures_are_counted);
  CPPUNIT_TEST(guesses_wait_one_by_one);
  CPPUNIT_TEST(the_host_says_no);
  CPPUNIT_TEST(required);
  CPPUNIT_TEST(nothing_survives_starttls);
  CPPUNIT_TEST(always);
  CPPUNIT_TEST(senders);
  CPPUNIT_TEST(not_configured);
  CPPUNIT_TEST(by_the_connection);
  CPPUNIT_TEST(by_a_proxy);
  CPPUNIT_TEST(byte_by_byte);
  CPPUNIT_TEST_SUITE_END();

  void conformance_45_mechanism_names() {
    Session session;
    CPPUNIT_ASSERT(session.greeting.find("AUTH SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN\r\n") !=
                   std::string::npos);
    starts("504 5.5.4", session.say("AUTH FOO"));
    starts("504 5.5.4", session.say("AUTH EXTERNAL"));
    starts("501 5.5.4", session.say("AUTH"));
    starts("501 5.5.4", session.say("AUTH PLAIN AA== AA=="));
    CPPUNIT_ASSERT_EQUAL(good, session.say("auth plain " + b64("\0alice\0pencil"s)));
    Session secured(auth_policy(), some_tls);
    CPPUNIT_ASSERT(secured.greeting.find("AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256") !=
                   std::string::npos);
    secured.host.not_usable = Mechanism::scram_sha_1_plus;
    CPPUNIT_ASSERT(secured.say("EHLO x").find("AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 ") != std::string::npos);
  }
  void conformance_46_each_mechanism() {
    for (const Mechanism mechanism : auth::all_mechanisms())
      for (const bool initial : {true, false}) {
        const std::string about(name(mechanism));
        Session session(auth_policy(), some_tls);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(about, bad, session.exchange(mechanism, "alice", "pen", initial));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(about, bad, session.exchange(mechanism, "nobody", "pencil", initial));
        CPPUNIT_ASSERT(session.engine->user().empty());
        CPPUNIT_ASSERT_EQUAL_MESSAGE(about, good, session.exchange(mechanism, "alice", "pencil", initial));
        CPPUNIT_ASSERT_EQUAL("alice"s, session.engine->user());
        CPPUNIT_ASSERT_EQUAL("alice " + about + " no, nobody " + about + " no, alice " + about + " yes",
                             fmt::format("{}", fmt::join(session.host.outcomes, ", ")));
      }
  }
  void conformance_46_initial_responses() {
    Session session;
    CPPUNIT_ASSERT_EQUAL("334 \r\n"s, session.say("AUTH PLAIN"));
    CPPUNIT_ASSERT_EQUAL("auth"s, std::string(session.engine->state()));
    CPPUNIT_ASSERT_EQUAL(bad, session.say(b64("\0alice\0pen"s)));
    CPPUNIT_ASSERT_EQUAL("334 \r\n"s, session.say("AUTH PLAIN ="));  // said, and empty
    CPPUNIT_ASSERT_EQUAL(good, session.say(b64("\0alice\0pencil"s)));
    Session other;
    CPPUNIT_ASSERT_EQUAL(bad, other.say("AUTH PLAIN " + b64("bob@local.example\0alice\0pencil"s)));
    CPPUNIT_ASSERT_EQUAL(good, other.say("AUTH PLAIN " + b64("alice\0alice\0pencil"s)));
    starts("501 5.5.4", Session().say("AUTH CRAM-MD5 " + b64("x")));
  }
  void conformance_47_what_is_no_response() {
    Session session;
    starts("501 5.5.2", session.say("AUTH PLAIN not*base64"));
    starts("501 5.5.2", session.say("AUTH PLAIN AAA"));
    session.say("AUTH PLAIN");
    starts("501 5.5.2", session.say("=AAA"));
    session.say("AUTH PLAIN");
    starts("501", session.say("*"));
    starts("250", session.say("NOOP"));  // it is over
    session.say("AUTH LOGIN");
    session.say(b64("alice"));
    starts("501", session.say("*"));
    CPPUNIT_ASSERT(session.host.outcomes.empty());
    session.host.trouble = true;
    starts("454 4.7.0", session.say(plain_ok));
    session.host.trouble = false;
    CPPUNIT_ASSERT_EQUAL(good, session.say(plain_ok));
  }
  void conformance_48_when_it_may_come() {
    Session session;
    starts("250", session.say("MAIL FROM:<a@b.example>"));
    starts("503 5.5.1", session.say(plain_ok));
    session.say("RSET");
    CPPUNIT_ASSERT_EQUAL(good, session.say(plain_ok));
    starts("503 5.5.1", session.say(plain_ok));
    Dialogue fresh(auth_policy());
    starts("503 5.5.1", fresh.say(plain_ok + "\r\n"));
    starts("250", fresh.say("HELO x\r\n"));  // which offers nothing
    starts("503 5.5.1", fresh.say(plain_ok + "\r\n"));
    Policy policy = auth_policy();
    policy.tls_required = policy.starttls = true;
    starts("530 5.7.0", Session(policy).say(plain_ok));
  }
  void conformance_48_where_passwords_may_be_said() {
    Session session(auth_policy(), {}, "192.0.2.1");
    CPPUNIT_ASSERT(session.greeting.find("AUTH SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5\r\n") !=
                   std::string::npos);
    starts("538 5.7.11", session.say(plain_ok));
    starts("538 5.7.11", session.say("AUTH LOGIN"));
    starts("538 5.7.11", session.say("AUTH SCRAM-SHA-256-PLUS"));  // there is no channel
    CPPUNIT_ASSERT_EQUAL(good, session.exchange(Mechanism::cram_md5, "alice", "pencil"));
    CPPUNIT_ASSERT_EQUAL(good, Session(auth_policy(), some_tls, "192.0.2.1").say(plain_ok));
    Policy open = auth_policy();
    open.auth_requires_tls = false;
    CPPUNIT_ASSERT_EQUAL(good, Session(open, {}, "192.0.2.1").say(plain_ok));
  }
  void conformance_49_long_lines() {
    Session session;
    session.say("AUTH PLAIN");
    starts("500 5.5.6", session.say(std::string(12289, 'A')));
    starts("250", session.say("NOOP"));
    session.say("AUTH PLAIN");
    CPPUNIT_ASSERT_EQUAL(bad, session.say(std::string(12284, 'A')));  // 12,286 with its end
  }
  void conformance_50_login() {
    Session session;
    CPPUNIT_ASSERT_EQUAL("334 VXNlcm5hbWU6\r\n"s, session.say("AUTH LOGIN"));
    CPPUNIT_ASSERT_EQUAL("334 UGFzc3dvcmQ6\r\n"s, session.say(b64("alice")));
    CPPUNIT_ASSERT_EQUAL(bad, session.say(b64("pen")));
    CPPUNIT_ASSERT_EQUAL("334 UGFzc3dvcmQ6\r\n"s, session.say("AUTH LOGIN " + b64("alice")));
    CPPUNIT_ASSERT_EQUAL(good, session.say(b64("pencil")));
  }
  void conformance_51_cram() {
    Session session;
    std::set<std::string> challenges;
    for (int i = 0; i < 50; ++i) {
      const std::string reply = session.say("AUTH CRAM-MD5");
      std::string challenge;
      CPPUNIT_ASSERT(auth::from_base64(reply.substr(4, reply.size() - 6), challenge));
      CPPUNIT_ASSERT(challenge.starts_with("<") && challenge.ends_with(">") &&
                     challenge.find('@') != std::string::npos);
      CPPUNIT_ASSERT(challenges.insert(challenge).second);
      session.say("*");
    }
    session.say("AUTH CRAM-MD5");
    CPPUNIT_ASSERT_EQUAL(bad, session.say(b64("alice " + std::string(32, 'a'))));
  }
  void conformance_52_scram() {
    Session session(auth_policy(), some_tls);
    CPPUNIT_ASSERT_EQUAL(bad, session.say("AUTH SCRAM-SHA-256 " + b64("y,,n=alice,r=nonce")));
    CPPUNIT_ASSERT_EQUAL(bad, session.say("AUTH SCRAM-SHA-256-PLUS " + b64("n,,n=alice,r=nonce")));
    for (const char* user : {"alice", "nobody"}) {
      const std::string reply = session.say("AUTH SCRAM-SHA-256 " + b64(fmt::format("n,,n={},r=nonce", user)));
      starts("334 ", reply);
      std::string first;
      CPPUNIT_ASSERT(auth::from_base64(reply.substr(4, reply.size() - 6), first));
      CPPUNIT_ASSERT(first.starts_with("r=nonce") && first.ends_with(",i=4096"));
      CPPUNIT_ASSERT_EQUAL(bad, session.say(b64("c=biws,r=other,p=" + b64(std::string(32, 'x')))));
    }
  }
  void conformance_53_protocol_and_auth_parameter() {
    Dialogue dialogue(auth_policy());
    dialogue.say("EHLO c\r\nMAIL FROM:<a@b.example> AUTH=x@y.example\r\nRCPT TO:<c@d.example>\r\nDATA\r\nx\r\n.\r\n");
    CPPUNIT_ASSERT_EQUAL("ESMTP"s, dialogue.messages.at(0).protocol);
    CPPUNIT_ASSERT_EQUAL("<>"s, dialogue.messages.at(0).envelope.auth);  // who did not authenticate is not believed
    Session session(auth_policy(), some_tls);
    session.say(plain_ok);
    session.raw("MAIL FROM:<a@b.example> AUTH=x@y.example\r\nRCPT TO:<c@d.example>\r\nDATA\r\nx\r\n.\r\n");
    CPPUNIT_ASSERT(session.out.next == Next::submit);
    const Submission taken = session.engine->take_submission();
    CPPUNIT_ASSERT_EQUAL("ESMTPSA"s, taken.protocol);
    CPPUNIT_ASSERT_EQUAL("x@y.example"s, taken.envelope.auth);
    CPPUNIT_ASSERT_EQUAL("alice"s, taken.envelope.user);
    CPPUNIT_ASSERT(taken.trace.find("with ESMTPSA") != std::string::npos);
  }
  void failures_are_counted() {
    Policy policy = auth_policy();
    policy.auth_failure_limit = 3;
    Session session(policy);
    const std::string wrong = "AUTH PLAIN " + b64("\0alice\0pen"s);
    for (int i = 0; i < 2; ++i) {
      CPPUNIT_ASSERT_EQUAL(bad, session.say(wrong));
      CPPUNIT_ASSERT(session.out.delay > Duration(0));
    }
    CPPUNIT_ASSERT_EQUAL(bad + "421 4.7.0 Too many failures to authenticate\r\n", session.say(wrong));
    CPPUNIT_ASSERT(session.out.next == Next::close);
  }
  void guesses_wait_one_by_one() {
    Policy policy = auth_policy();
    policy.auth_failure_limit = 0;
    policy.max_errors = 0;
    const std::string wrong = "AUTH PLAIN " + b64("\0alice\0pen"s) + "\r\n";
    Session session(policy);
    session.raw(wrong + wrong + wrong);
    CPPUNIT_ASSERT(session.out.delay == std::chrono::seconds(3));
    std::string many;
    for (int i = 0; i < 100; ++i) many += wrong;
    session.raw(many);
    CPPUNIT_ASSERT(session.out.delay == std::chrono::seconds(60));
  }
  void the_host_says_no() {
    Session session;
    session.host.refusal = HostRefusal{421, "4.7.0", "auth_rate", "Not now"};
    CPPUNIT_ASSERT_EQUAL("421 4.7.0 Not now\r\n"s, session.say(plain_ok));
    CPPUNIT_ASSERT(session.out.next == Next::close && session.host.outcomes.empty());
    Policy quiet = auth_policy();
    for (auth::Source& each : quiet.auth_sources) each.log = false;
    Session unlogged(quiet);
    unlogged.say(plain_ok);
    CPPUNIT_ASSERT_EQUAL("alice PLAIN yes unlogged"s, unlogged.host.outcomes.at(0));
  }
  void required() {
    Policy policy = auth_policy();
    policy.auth_required = true;
    Session session(policy);
    for (const char* line : {"MAIL FROM:<a@b.example>", "VRFY x"}) starts("530 5.7.0", session.say(line));
    for (const char* line : {"NOOP", "RSET", "HELP", "EHLO again"}) starts("2", session.say(line));
    session.say(plain_ok);
    starts("250", session.say("MAIL FROM:<a@b.example>"));
  }
  void nothing_survives_starttls() {
    Policy policy = auth_policy();
    policy.auth_required = policy.starttls = true;
    Session session(policy);
    CPPUNIT_ASSERT_EQUAL(good, session.say(plain_ok));
    session.secure();
    CPPUNIT_ASSERT(session.engine->user().empty());
    starts("503", session.say(plain_ok));  // EHLO first
    session.say("EHLO client.example");
    starts("530 5.7.0", session.say("MAIL FROM:<a@b.example>"));
    CPPUNIT_ASSERT_EQUAL(good, session.say(plain_ok));
    starts("250", session.say("MAIL FROM:<a@b.example>"));
  }
  void always() {
    Policy policy = auth_policy();
    policy.auth_required = policy.always_allow = true;
    Session allowed(policy);
    CPPUNIT_ASSERT_EQUAL(good, allowed.say("AUTH PLAIN " + b64("\0alice\0pen"s)));
    CPPUNIT_ASSERT_EQUAL("anonymous PLAIN yes"s, allowed.host.outcomes.at(0));
    CPPUNIT_ASSERT(allowed.engine->user().empty());  // alice it is not
    starts("250", Session(policy).say("MAIL FROM:<a@b.example>"));
    policy.always_deny = true;
    Session denied(policy);
    CPPUNIT_ASSERT_EQUAL(bad, denied.say(plain_ok));
    CPPUNIT_ASSERT_EQUAL("alice PLAIN no"s, denied.host.outcomes.at(0));
    starts("530", denied.say("MAIL FROM:<a@b.example>"));
  }
  void senders() {
    const std::string bob = "AUTH PLAIN " + b64("\0bob@local.example\0other"s);
    const auto reply = [&](Policy::SenderMatch match, const std::string& login, const std::string& sender) {
      Policy policy = auth_policy();
      policy.sender_match = match;
      Session session(policy);
      if (!login.empty()) CPPUNIT_ASSERT_EQUAL(good, session.say(login));
      return session.say("MAIL FROM:<" + sender + ">").substr(0, 9);
    };
    using enum intake::SenderMatch;
    CPPUNIT_ASSERT_EQUAL("250 2.1.0"s, reply(off, bob, "eve@other.example"));
    CPPUNIT_ASSERT_EQUAL("250 2.1.0"s, reply(domain, bob, "eve@LOCAL.example"));
    CPPUNIT_ASSERT_EQUAL("553 5.7.1"s, reply(domain, bob, "bob@other.example"));
    CPPUNIT_ASSERT_EQUAL("250 2.1.0"s, reply(address, bob, "bob@local.EXAMPLE"));
    CPPUNIT_ASSERT_EQUAL("553 5.7.1"s, reply(address, bob, "eve@local.example"));
    CPPUNIT_ASSERT_EQUAL("553 5.7.1"s, reply(address, bob, "\"bob\\@local.example\"@other.example"));
    CPPUNIT_ASSERT_EQUAL("250 2.1.0"s, reply(address, bob, ""));
    CPPUNIT_ASSERT_EQUAL("250 2.1.0"s, reply(address, "", "eve@other.example"));
  }
  void not_configured() {
    Session session(usual_policy());
    CPPUNIT_ASSERT(session.greeting.find("AUTH") == std::string::npos);
    starts("502 5.5.1", session.say(plain_ok));
  }
  // EXTERNAL: by a certificate or a key.
  void by_the_connection() {
    Policy policy = auth_policy();
    policy.auth_external = policy.auth_required = policy.starttls = true;
    TlsState tls = some_tls;
    tls.identity = "carol";
    const auto outcomes = [](const Session& session) {
      return fmt::format("{}", fmt::join(session.host.outcomes, ", "));
    };
    Session session(policy, tls);
    CPPUNIT_ASSERT(session.greeting.find(" LOGIN EXTERNAL\r\n") != std::string::npos);
    CPPUNIT_ASSERT_EQUAL("carol"s, session.engine->user());
    starts("501 5.5.2", session.say("AUTH EXTERNAL A"));
    CPPUNIT_ASSERT_EQUAL(bad, session.say("AUTH EXTERNAL " + b64("alice")));
    CPPUNIT_ASSERT_EQUAL("334 \r\n"s, session.say("AUTH EXTERNAL"));
    CPPUNIT_ASSERT_EQUAL(bad, session.say(b64("alice")));
    session.say("AUTH EXTERNAL");
    starts("501", session.say("*"));
    CPPUNIT_ASSERT_EQUAL("carol EXTERNAL yes,  EXTERNAL no,  EXTERNAL no"s, outcomes(session));
    starts("250", session.say("MAIL FROM:<a@b.example>"));  // it is carol without AUTH
    session.say("RSET");
    CPPUNIT_ASSERT_EQUAL(good, session.say("AUTH EXTERNAL " + b64("carol")));
    starts("503", session.say(plain_ok));
    for (const char* asked : {"AUTH EXTERNAL =", "AUTH EXTERNAL"}) {
      Session other(policy, tls);
      const std::string reply = other.say(asked);
      CPPUNIT_ASSERT_EQUAL(good, reply.starts_with("334") ? other.say("") : reply);
    }
    // A password makes somebody else of it; without an identity there is none.
    Session twice(policy, tls);
    CPPUNIT_ASSERT_EQUAL(good, twice.say(plain_ok));
    CPPUNIT_ASSERT_EQUAL("alice"s, twice.engine->user());
    Session nobody(policy, some_tls);
    CPPUNIT_ASSERT(nobody.greeting.find("EXTERNAL") == std::string::npos);
    starts("504", nobody.say("AUTH EXTERNAL ="));
    policy.always_deny = true;
    CPPUNIT_ASSERT(Session(policy, tls).engine->user().empty());
  }
  void by_a_proxy() {
    Policy policy = auth_policy();
    policy.auth_required = policy.starttls = true;
    AuthHost host;
    ClientInfo client;
    client.address = *IpAddress::parse("192.0.2.1");
    client.identity = "dave";
    ServerSession engine(std::make_shared<const Policy>(policy), client, host);
    Output out;
    engine.start({}, out);
    CPPUNIT_ASSERT_EQUAL("dave"s, engine.user());
    CPPUNIT_ASSERT_EQUAL("dave EXTERNAL yes"s, host.outcomes.at(0));
  }
  void byte_by_byte() {
    Session session;
    std::string replies;
    const std::string input = "AUTH LOGIN\r\n" + b64("alice") + "\r\n" + b64("pencil") + "\r\nNOOP\r\n";
    for (const char c : input) replies += session.raw(std::string(1, c));
    CPPUNIT_ASSERT_EQUAL("334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n" + good + "250 2.0.0 OK\r\n", replies);
    CPPUNIT_ASSERT_EQUAL("334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n" + good + "250 2.0.0 OK\r\n", Session().raw(input));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(AuthTest);

}  // namespace
