// AUTH: exchanges, identities of the connection, and who may open what.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace ecstream_test;

namespace {

std::string begin(std::string_view mechanism, std::optional<std::string_view> initial = std::nullopt) {
  std::string payload;
  put_short_text(payload, mechanism);
  if (initial) payload += *initial;
  return frame(FrameType::auth, flag::auth_start | (initial ? flag::auth_initial : 0), 0, payload);
}
std::string respond(std::string_view response) { return frame(FrameType::auth, 0, 0, response); }
std::string cancel() { return frame(FrameType::auth, flag::auth_cancel, 0, ""); }

class AuthTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(AuthTest);
  CPPUNIT_TEST(mechanisms);
  CPPUNIT_TEST(required);
  CPPUNIT_TEST(failures);
  CPPUNIT_TEST(in_the_clear);
  CPPUNIT_TEST(identities);
  CPPUNIT_TEST(senders);
  CPPUNIT_TEST(streams_are_their_owners);
  CPPUNIT_TEST_SUITE_END();

  Store store;
  const std::string good{"\0alice\0sesame", 13};
  const std::string bad{"\0alice\0x", 8};

  static Policy policy() {
    Policy policy;
    for (const auth::Mechanism mechanism : {auth::Mechanism::cram_md5, auth::Mechanism::plain, auth::Mechanism::login})
      policy.auth_sources.push_back({mechanism, auth::Format::file, "/x", "", true});
    policy.auth_requires_tls = false;
    return policy;
  }

  void mechanisms() {
    const auto said = [&](const std::string& frames) {
      Server server(store, policy());
      server.feed(hello() + frames);
      const std::string lines = server.said();
      return lines.substr(lines.find('\n') + 1);
    };
    CPPUNIT_ASSERT_EQUAL(std::string("AUTH 235 2.7.0\n"), said(begin("plain", good)));
    CPPUNIT_ASSERT_EQUAL(std::string("CHALLENGE \nAUTH 235 2.7.0\n"), said(begin("PLAIN") + respond(good)));
    CPPUNIT_ASSERT(said(begin("LOGIN") + respond("alice") + respond("sesame")).ends_with("AUTH 235 2.7.0\n"));
    CPPUNIT_ASSERT(said(begin("LOGIN", "alice") + respond("sesame")).ends_with("AUTH 235 2.7.0\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("AUTH 501 5.5.4\n"), said(begin("CRAM-MD5", "x")));
    CPPUNIT_ASSERT_EQUAL(std::string("AUTH 504 5.5.4\n"), said(begin("GSSAPI", "x")));
    CPPUNIT_ASSERT_EQUAL(std::string("AUTH 504 5.5.4\n"), said(begin("EXTERNAL", "")));
    CPPUNIT_ASSERT_EQUAL(std::string("CHALLENGE \nAUTH 501 5.5.2\nAUTH 235 2.7.0\n"),
                         said(begin("PLAIN") + cancel() + begin("PLAIN", good)));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY unexpected 0\n"), said(cancel()));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY unexpected 0\n"), said(respond(good)));
    CPPUNIT_ASSERT_EQUAL(std::string("CHALLENGE \nGOAWAY unexpected 0\n"), said(begin("PLAIN") + begin("PLAIN")));
    CPPUNIT_ASSERT_EQUAL(std::string("CHALLENGE \nGOAWAY unexpected 0\n"), said(begin("PLAIN") + open("s")));
    CPPUNIT_ASSERT_EQUAL(std::string("CHALLENGE \nPONG p\n"), said(begin("PLAIN") + frame(FrameType::ping, 0, 0, "p")));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY malformed 0\n"), said(frame(FrameType::auth, 1, 0, "\x09PLAIN")));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY malformed 0\n"), said(frame(FrameType::auth, 1, 0, "\x05PLAINx")));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY malformed 0\n"), said(frame(FrameType::auth, 1, 0, "")));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY malformed 0\n"), said(frame(FrameType::auth, 5, 0, "\x05PLAIN")));
    CPPUNIT_ASSERT_EQUAL(std::string("AUTH 235 2.7.0\nAUTH 503 5.5.1\n"),
                         said(begin("PLAIN", good) + begin("PLAIN", good)));
  }

  void required() {
    Policy strict = policy();
    strict.auth_required = true;
    Server server(store, strict);
    server.feed(start());
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nGOAWAY auth_required 0\n"), server.said());
    Server known(store, strict);
    known.feed(hello() + begin("PLAIN", good) + open("s") + msg(1, head("x@relay.example")));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nAUTH 235 2.7.0\nOPENED 0\nACK 1\n"), known.said());
    CPPUNIT_ASSERT_EQUAL(std::string("alice"), store.kept.back().envelope.user);
    CPPUNIT_ASSERT_EQUAL(std::string("PLAIN alice in\n"), known.outcomes);
    strict.always_deny = true;
    Server denied(store, strict);
    denied.feed(hello() + begin("PLAIN", good) + open("s"));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nAUTH 535 5.7.8\nGOAWAY auth_required 0\n"), denied.said());
    strict.always_deny = false;
    strict.always_allow = true;
    Server anybody(store, strict);
    anybody.feed(hello() + open("any") + msg(1, head("x@relay.example")));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nACK 1\n"), anybody.said());
  }

  void failures() {
    Server server(store, policy());
    server.feed(hello() + begin("PLAIN", bad));
    CPPUNIT_ASSERT(server.out.delay >= std::chrono::seconds(1));
    server.feed(begin("PLAIN", bad) + begin("PLAIN", bad) + begin("PLAIN", good));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nAUTH 535 5.7.8\nAUTH 535 5.7.8\nAUTH 535 5.7.8\nGOAWAY auth_failed 0\n"),
                         server.said());
    CPPUNIT_ASSERT(server.closed);
    CPPUNIT_ASSERT_EQUAL(std::string("PLAIN alice out\nPLAIN alice out\nPLAIN alice out\n"), server.outcomes);
    // One that only asks for what there is not comes to an end, too.
    Server curious(store, policy());
    curious.feed(hello() + begin("A", "") + begin("B", "") + begin("C", ""));
    CPPUNIT_ASSERT(curious.closed && curious.outcomes.empty());
  }

  void in_the_clear() {
    Policy careful = policy();
    careful.auth_requires_tls = true;
    const auto offered = [&](Server& server) {
      server.feed(hello());
      FrameReader reader(Side::server, smallest_max_frame);
      return decode_hello(reader.feed(server.sent).frame.payload)->mechanisms;
    };
    Server plain(store, careful);
    CPPUNIT_ASSERT_EQUAL(std::string("CRAM-MD5"), offered(plain));
    plain.feed(begin("PLAIN", good));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nAUTH 538 5.7.11\n"), plain.said());
    Server secured(store, careful, TlsState{"TLSv1.3", "X", 256, false, ""});
    CPPUNIT_ASSERT_EQUAL(std::string("CRAM-MD5 PLAIN LOGIN"), offered(secured));
    ClientInfo local = Server::default_client();
    local.unix_socket = true;
    Server socket(store, careful, std::nullopt, local);
    CPPUNIT_ASSERT_EQUAL(std::string("CRAM-MD5 PLAIN LOGIN"), offered(socket));
  }

  void identities() {
    Policy strict = policy();
    strict.auth_required = true;
    const TlsState certified{"TLSv1.3", "X", 256, true, "app1"};
    const auto said = [&](const std::string& frames) {
      Server server(store, strict, certified);
      server.feed(hello() + frames);
      const std::string lines = server.said();
      CPPUNIT_ASSERT(server.outcomes.starts_with("EXTERNAL app1 in\n"));
      return lines.substr(lines.find('\n') + 1);
    };
    CPPUNIT_ASSERT_EQUAL(std::string("OPENED 0\n"), said(open("s")));
    CPPUNIT_ASSERT_EQUAL(std::string("AUTH 235 2.7.0\nOPENED 0\n"), said(begin("EXTERNAL", "") + open("s")));
    CPPUNIT_ASSERT_EQUAL(std::string("AUTH 235 2.7.0\n"), said(begin("EXTERNAL", "app1")));
    CPPUNIT_ASSERT_EQUAL(std::string("AUTH 535 5.7.8\n"), said(begin("EXTERNAL", "root")));
    CPPUNIT_ASSERT_EQUAL(std::string("CHALLENGE \nAUTH 235 2.7.0\n"), said(begin("EXTERNAL") + respond("")));
    CPPUNIT_ASSERT_EQUAL(std::string("CHALLENGE \nAUTH 535 5.7.8\n"), said(begin("EXTERNAL") + respond("root")));
    CPPUNIT_ASSERT_EQUAL(std::string("AUTH 235 2.7.0\n"), said(begin("PLAIN", good)));  // or somebody else
  }

  void senders() {
    Policy matching = policy();
    matching.sender_match = Policy::SenderMatch::address;
    Server server(store, matching, TlsState{"TLSv1.3", "X", 256, true, "a@example.org"});
    MessageHead other = head();
    other.sender = "b@example.org";
    MessageHead report = head();
    report.sender = "";
    server.feed(start("m") + msg(1) + msg(2, other) + msg(3, report));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nNAK 2 553 5.7.1\nACK 3\n"), server.said());
  }

  void streams_are_their_owners() {
    Server alice(store, policy());
    alice.feed(hello() + begin("PLAIN", good) + open("mine") + msg(1));
    CPPUNIT_ASSERT(store.receipts.contains({"alice", "mine"}));
    Server nobody(store, policy());
    nobody.feed(start("mine"));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\n"), nobody.said());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AuthTest);

}  // namespace
