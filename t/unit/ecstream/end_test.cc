// How sessions end, what ends them, and how long they wait.
#include "support.h"

#include "base/text.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace ecstream_test;

namespace {

class EndTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(EndTest);
  CPPUNIT_TEST(ends);
  CPPUNIT_TEST(kill_while_committing);
  CPPUNIT_TEST(client_leaves);
  CPPUNIT_TEST(unexpected_frames);
  CPPUNIT_TEST(reconfiguration);
  CPPUNIT_TEST(deadlines);
  CPPUNIT_TEST(many_ids_take_several_acks);
  CPPUNIT_TEST(replies_are_bounded);
  CPPUNIT_TEST(any_cut_is_the_same);
  CPPUNIT_TEST_SUITE_END();

  Store store;

  void ends() {
    {
      Server server(store);
      server.hold_commits = true;
      server.feed(start() + msg(1));
      server.feed(msg(2) + msg(3, head(), "part", flag::more));
      server.said();
      server.session->shut_down(GoAway::shutdown, "4.3.2 Bye", server.out);
      server.drain();
      CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY shutdown 2\n"), server.said());
      server.feed(chunk(3, "rest") + msg(4) + "what is this");  // too late, whatever it is
      server.complete();
      server.complete();
      CPPUNIT_ASSERT_EQUAL(std::string("ACK 1\nACK 2\n"), server.said());
      CPPUNIT_ASSERT(server.closed && server.abandoned_ == 1);
      CPPUNIT_ASSERT_EQUAL(std::string("1 2 "), store.bodies());
    }
    Server idle(store);
    idle.feed(start("t"));
    idle.said();
    idle.session->timed_out(idle.out);
    idle.drain();
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY idle 0\n"), idle.said());
    CPPUNIT_ASSERT(idle.closed && idle.session->state() == "closed");

    Output out;
    Server host(store);
    ServerSession away(std::make_shared<const Policy>(), {}, host);
    away.turn_away(GoAway::limits, "4.3.2 Too many", out);
    CPPUNIT_ASSERT(out.next == Next::close);
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY limits 0\n"), describe_all(out.reply));

    Policy denied;
    denied.deny = true;
    Server no(store, denied);
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY denied 0\n"), no.said());
    Policy tls;
    tls.tls_required = true;
    Server plain(store, tls);
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY tls_required 0\n"), plain.said());
    Server secured(store, tls, TlsState{"TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, false, ""});
    secured.feed(start("tls") + msg(1));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nACK 1\n"), secured.said());
    CPPUNIT_ASSERT(store.kept.back().trace.find("with ECSTREAMS") != std::string::npos);
  }

  void kill_while_committing() {
    Server server(store);
    server.hold_commits = true;
    server.feed(start() + msg(1));
    server.feed(msg(2));
    server.said();
    server.session->kill(GoAway::taken_over, "", server.out);
    server.drain();
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY taken_over 1\n"), server.said());
    CPPUNIT_ASSERT(!server.closed && server.abandoned_ == 1);
    server.session->kill(GoAway::killed, "", server.out);  // once is enough
    server.drain();
    server.complete();
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1\n"), server.said());
    CPPUNIT_ASSERT(server.closed);
    // After a gentle end it drops what gathers.
    Server gentle(store);
    gentle.hold_commits = true;
    gentle.feed(start("g") + msg(1));
    gentle.feed(msg(2));
    gentle.session->shut_down(GoAway::shutdown, "", gentle.out);
    gentle.session->kill(GoAway::killed, "", gentle.out);
    gentle.drain();
    gentle.fail_commit(Errc::io);
    CPPUNIT_ASSERT(gentle.closed);
    CPPUNIT_ASSERT(gentle.said().ends_with("GOAWAY shutdown 2\nNAK 1 451 4.3.0\n"));
    // While the stream is being looked up.
    Server opening(store);
    opening.hold_open = true;
    opening.feed(start("o"));
    opening.session->kill(GoAway::killed, "", opening.out);
    opening.drain();
    CPPUNIT_ASSERT(opening.closed);
    opening.session->opened(StreamMemory{}, opening.out);
    CPPUNIT_ASSERT(opening.out.next == Next::close);
  }

  void client_leaves() {
    Server server(store);
    server.hold_commits = true;
    server.feed(start() + msg(1) + goaway());
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\nOPENED 0\nGOAWAY done 1\n"), server.said());
    CPPUNIT_ASSERT(!server.closed);
    server.complete();
    CPPUNIT_ASSERT_EQUAL(std::string("ACK 1\n"), server.said());
    CPPUNIT_ASSERT(server.closed);
    Server early(store);
    early.feed(goaway());
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY done 0\n"), early.said());
  }

  void unexpected_frames() {
    const auto fault = [&](const std::string& frames) {
      Server server(store);
      server.feed(frames);
      CPPUNIT_ASSERT(server.closed);
      const std::string lines = server.said();
      const size_t at = lines.find("GOAWAY ");
      CPPUNIT_ASSERT(at != std::string::npos);
      return lines.substr(at + 7, lines.rfind(' ') - at - 7);
    };
    const std::string unexpected = "unexpected";
    CPPUNIT_ASSERT_EQUAL(unexpected, fault(hello() + hello()));
    CPPUNIT_ASSERT_EQUAL(unexpected, fault(hello() + msg(1)));
    CPPUNIT_ASSERT_EQUAL(unexpected, fault(hello() + flush()));
    CPPUNIT_ASSERT_EQUAL(unexpected, fault(hello() + skip(1)));
    CPPUNIT_ASSERT_EQUAL(unexpected, fault(start() + open("again")));
    CPPUNIT_ASSERT_EQUAL(unexpected, fault(start() + chunk(1, "x")));
    CPPUNIT_ASSERT_EQUAL(unexpected, fault(start() + msg(1, head(), "x", flag::more) + msg(2)));
    CPPUNIT_ASSERT_EQUAL(unexpected, fault(start() + msg(1, head(), "x", flag::more) + flush()));
    CPPUNIT_ASSERT_EQUAL(unexpected, fault(start() + frame(FrameType::auth, 1, 0, "\x05PLAIN")));
    CPPUNIT_ASSERT_EQUAL(std::string("sequence"), fault(start() + msg(1, head(), "x", flag::more) + chunk(2, "")));
    const std::string malformed = "malformed";
    CPPUNIT_ASSERT_EQUAL(malformed, fault(frame(FrameType::hello, 0, 0, "ECSTREAN")));
    CPPUNIT_ASSERT_EQUAL(malformed, fault(start() + frame(FrameType::message, 0, 1, "")));
    CPPUNIT_ASSERT_EQUAL(malformed, fault(start() + frame(FrameType::message, 0, 1, std::string("\0\0\0\5abcd", 8))));
    CPPUNIT_ASSERT_EQUAL(malformed, fault(start() + frame(FrameType::message, 0, 1, std::string("\0\0\0\1a", 5))));
    CPPUNIT_ASSERT_EQUAL(malformed, fault(start() + frame(FrameType::skip, 0, 1, "x")));
    CPPUNIT_ASSERT_EQUAL(malformed, fault(start() + frame(FrameType::flush, 0, 0, "x")));
    CPPUNIT_ASSERT_EQUAL(malformed, fault(start() + frame(FrameType::ping, 0, 0, std::string(65, 'x'))));
    CPPUNIT_ASSERT_EQUAL(malformed, fault(start() + frame(FrameType::pong, 0, 0, std::string(65, 'x'))));
    CPPUNIT_ASSERT_EQUAL(malformed, fault(start() + frame(FrameType::goaway, 0, 0, "x")));
    CPPUNIT_ASSERT_EQUAL(malformed, fault(start() + frame(FrameType::goaway, 0, 1, std::string(2, '\0'))));
    CPPUNIT_ASSERT_EQUAL(malformed,
                         fault(start() + msg(1, head(), "x", flag::more) + chunk(1, "x", flag::chunk_abort)));
    CPPUNIT_ASSERT_EQUAL(
        malformed, fault(start() + msg(1, head(), "x", flag::more) + chunk(1, "", flag::chunk_abort | flag::more)));
    Hello future;
    future.version = 9;
    future.lowest_version = 2;
    CPPUNIT_ASSERT_EQUAL(std::string("version"), fault(frame(FrameType::hello, 0, 0, encode(future, From::client))));
    future.lowest_version = 1;
    Server server(store);
    server.feed(frame(FrameType::hello, 0, 0, encode(future, From::client)));
    CPPUNIT_ASSERT_EQUAL(std::string("HELLO\n"), server.said());
    server.feed(frame(FrameType::pong, 0, 0, "nobody asked"));
    CPPUNIT_ASSERT(!server.closed && server.said().empty());
  }

  void reconfiguration() {
    Server server(store);
    server.feed(start());
    CPPUNIT_ASSERT_EQUAL(0, server.safe_points);
    server.feed(msg(1) + msg(2));
    CPPUNIT_ASSERT_EQUAL(1, server.safe_points);
    auto other = std::make_shared<Policy>();
    other->tenant = "acme";
    other->received_hostname = "mx2.example";
    server.next_policy = std::shared_ptr<const Policy>(other);
    server.feed(msg(3));
    CPPUNIT_ASSERT_EQUAL(std::string("acme"), store.kept.back().envelope.tenant);
    CPPUNIT_ASSERT(server.session->policy() == *other);
    server.said();
    server.next_policy = fail(Errc::conflict, "4.3.2 Reconfiguration in progress");
    server.feed(msg(4) + msg(5));
    CPPUNIT_ASSERT_EQUAL(std::string("GOAWAY reconfigured 3\n"), server.said());
    CPPUNIT_ASSERT(server.closed);
    CPPUNIT_ASSERT_EQUAL(size_t{3}, store.kept.size());
  }

  void deadlines() {
    Policy policy;
    policy.idle_time = std::chrono::seconds(7);
    Server server(store, policy);
    CPPUNIT_ASSERT(server.out.waiting == Waiting::hello && server.out.restart_deadline);
    CPPUNIT_ASSERT(server.session->deadline(Waiting::hello) == policy.hello_time);
    server.feed(hello());
    CPPUNIT_ASSERT(server.out.waiting == Waiting::ready && server.out.restart_deadline);
    // Nobody stays outside by PING.
    server.session->feed(frame(FrameType::ping, 0, 0, ""), server.out);
    CPPUNIT_ASSERT(!server.out.restart_deadline);
    server.feed(open("s"));
    CPPUNIT_ASSERT(server.out.waiting == Waiting::idle);
    CPPUNIT_ASSERT(server.session->deadline(Waiting::idle) == policy.idle_time);
    server.session->feed(frame(FrameType::ping, 0, 0, ""), server.out);
    CPPUNIT_ASSERT(server.out.restart_deadline);
    // Neither within a message, by a few octets now and then.
    server.session->feed(msg(1, head(), "x", flag::more), server.out);
    CPPUNIT_ASSERT(server.out.waiting == Waiting::frame && server.out.restart_deadline);
    server.session->feed(chunk(1, "y", flag::more), server.out);
    CPPUNIT_ASSERT(!server.out.restart_deadline);
    server.session->feed(chunk(1, std::string(20000, 'y'), flag::more), server.out);
    CPPUNIT_ASSERT(server.out.restart_deadline);
    const std::string last = chunk(1, "\r\n");
    server.session->feed(last.substr(0, 5), server.out);
    CPPUNIT_ASSERT(!server.out.restart_deadline);
    server.session->feed(last.substr(5), server.out);
    CPPUNIT_ASSERT(server.out.restart_deadline && server.out.waiting == Waiting::commit);
    CPPUNIT_ASSERT(server.session->deadline(Waiting::commit) == Duration{0});
    server.drain();
    CPPUNIT_ASSERT(server.out.waiting == Waiting::idle);
  }

  void many_ids_take_several_acks() {
    Server server(store);
    server.hold_commits = true;
    std::string all = start();
    for (uint64_t n = 1; n <= 1500; ++n) all += msg(n, head(), small_body, flag::message_want_id);
    server.feed(all + flush());
    server.complete();
    const std::string said = server.said();
    CPPUNIT_ASSERT(std::count(said.begin(), said.end(), '\n') >= 5);
    CPPUNIT_ASSERT_EQUAL(ptrdiff_t{1500}, std::count(said.begin(), said.end(), '='));
    CPPUNIT_ASSERT_EQUAL(said.find("flushed"), said.rfind("flushed"));
  }

  void replies_are_bounded() {
    Server server(store);
    server.feed(start());
    server.said();
    std::string pings;
    for (int n = 0; n < 5000; ++n) pings += frame(FrameType::ping, 0, 0, std::string(64, 'p'));
    server.out.reply.clear();
    const size_t used = server.session->feed(pings, server.out);
    CPPUNIT_ASSERT(used < pings.size() && server.out.next == Next::read);
    CPPUNIT_ASSERT(server.out.reply.size() < ServerSession::reply_limit + 100);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, server.session->feed(pings, server.out));
  }

  void any_cut_is_the_same() {
    const std::string large(200000, 'L');
    const std::string all = start() + msg(1) + msg(2, head("x@relay.example")) + msg(3, head(), "a\nb\r\n") +
                            msg(4, head(), large.substr(0, 9000), flag::more) + chunk(4, large, flag::more) +
                            chunk(4, "\r\n") + frame(FrameType::ping, 0, 0, "p") + skip(5) + flush() + msg(1) +
                            msg(6, head(), "", flag::more) + chunk(6, "", flag::more) + chunk(6, "") +
                            msg(7, MessageHead{}) + msg(9);
    std::string kept;
    std::string naks;
    for (const size_t piece : {0, 1, 3, 17, 4096}) {
      Store own;
      Server server(own);
      server.feed(all, piece);
      std::string lines;
      const std::string said = server.said();
      for (const std::string_view line : split(said, '\n'))
        if (!line.starts_with("ACK")) lines += std::string(line) + '\n';
      std::string stored;
      for (const Store::Kept& each : own.kept) stored += fmt::format("{} {}\n", each.sequence, each.body.substr(0, 99));
      if (piece == 0) {
        kept = stored;
        naks = lines;
        CPPUNIT_ASSERT(lines.ends_with("GOAWAY sequence 7\n\n"));
      }
      CPPUNIT_ASSERT_EQUAL(naks, lines);
      CPPUNIT_ASSERT_EQUAL(kept, stored);
      CPPUNIT_ASSERT_EQUAL(0, server.sinks);
      CPPUNIT_ASSERT_EQUAL(uint64_t{7}, StreamMemory::decode(own.receipts[{"", "s"}])->done);
    }
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(EndTest);

}  // namespace
