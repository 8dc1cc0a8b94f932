// Both halves against each other, over connections that break: every message
// exactly once, and every outcome told once, wherever the cut was.
#include "support.h"

#include "ecstream/client_session.h"

#include <cppunit/extensions/HelperMacros.h>

#include <set>

using namespace ecstream_test;

namespace {

// The application: what it sent, and what it was told.
struct Application {
  std::set<uint64_t> accepted;
  std::set<uint64_t> refused;
  uint64_t told = 0;  // everything up to it

  void take(const std::vector<ClientEvent>& events) {
    for (const ClientEvent& event : events) {
      switch (event.kind) {
        case ClientEvent::Kind::opened:
        case ClientEvent::Kind::acknowledged:
          while (told < event.sequence)
            if (++told; !refused.contains(told)) accepted.insert(told);
          break;
        case ClientEvent::Kind::refused:
          CPPUNIT_ASSERT(event.sequence > told);
          CPPUNIT_ASSERT(refused.insert(event.sequence).second);
          break;
        case ClientEvent::Kind::failed:
          CPPUNIT_FAIL("failed: " + event.text);
          break;
        default:
          break;
      }
    }
  }
};

// One connection that breaks when so many octets have gone either way.
class Link {
 public:
  Link(Server& server, ClientSession& client, Application& application)
      : server_(server), client_(client), application_(application) {
    client_.start(out_);
  }

  // Moves what there is, in pieces of at most `piece`. False: nothing moved.
  bool move(size_t piece, uint64_t& to_server, uint64_t& to_client) {
    client_.send(out_);
    application_.take(std::exchange(out_.events, {}));
    const size_t up = std::min<uint64_t>({out_.reply.size(), piece, to_server});
    server_.left += out_.reply.substr(0, up);
    out_.reply.erase(0, up);
    to_server -= up;
    const size_t had = server_.left.size();
    server_.resume();
    const size_t down = std::min<uint64_t>({server_.sent.size(), piece, to_client});
    const std::string part = server_.sent.substr(0, down);
    server_.sent.erase(0, down);
    to_client -= down;
    client_.feed(part, out_);
    application_.take(std::exchange(out_.events, {}));
    return up > 0 || down > 0 || server_.left.size() != had;
  }

 private:
  Server& server_;
  ClientSession& client_;
  Application& application_;
  ClientOutput out_;
};

class WalkTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(WalkTest);
  CPPUNIT_TEST(a_cut_at_every_octet);
  CPPUNIT_TEST(a_cut_at_every_octet_of_the_answers);
  CPPUNIT_TEST(random_walk);
  CPPUNIT_TEST_SUITE_END();

  static std::string body(uint64_t sequence, size_t size) {
    return fmt::format("X-N: {}\r\n\r\n{}\r\n", sequence, std::string(size, 'b'));
  }

  static void check(const Store& store, const Application& application, uint64_t last) {
    CPPUNIT_ASSERT_EQUAL(last, application.told);
    std::set<uint64_t> stored;
    for (const Store::Kept& each : store.kept) {
      CPPUNIT_ASSERT_MESSAGE("stored twice", stored.insert(each.sequence).second);
      CPPUNIT_ASSERT(each.body.find(fmt::format("X-N: {}\r\n", each.sequence)) != std::string::npos);
    }
    CPPUNIT_ASSERT(stored == application.accepted);
    CPPUNIT_ASSERT_EQUAL(static_cast<size_t>(last), application.accepted.size() + application.refused.size());
  }

  struct Went {
    uint64_t up = 0;
    uint64_t down = 0;
  };
  // One connection that breaks behind so many octets, and one that does not.
  // Says how many went by the first.
  static Went broken_once(uint64_t up, uint64_t down, bool checksums) {
    Store store;
    ClientStream stream("s", 0);
    Application application;
    ClientSettings settings;
    settings.checksums = checksums;
    for (uint64_t n = 1; n <= 5; ++n)
      CPPUNIT_ASSERT_EQUAL(n, *stream.add(head(n == 3 ? "x@relay.example" : "b@example.com"), body(n, 9), n == 2));
    uint64_t to_server = up;
    uint64_t to_client = down;
    {
      Server server(store);
      ClientSession session(settings, stream, nullptr);
      Link link(server, session, application);
      while (link.move(64, to_server, to_client)) {
      }
    }
    Server server(store);
    ClientSession session(settings, stream, nullptr);
    Link link(server, session, application);
    uint64_t free = UINT64_MAX;
    while (link.move(100000, free, free)) {
    }
    check(store, application, 5);
    CPPUNIT_ASSERT((std::set<uint64_t>{3}) == application.refused);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, stream.waiting());
    CPPUNIT_ASSERT_EQUAL(size_t{0}, stream.bytes());
    return {up - to_server, down - to_client};
  }

  void a_cut_at_every_octet() {
    const uint64_t up = broken_once(UINT64_MAX, UINT64_MAX, true).up;
    CPPUNIT_ASSERT(up > 400);
    for (uint64_t at = 0; at <= up; ++at) broken_once(at, UINT64_MAX, at % 2 == 0);
  }

  void a_cut_at_every_octet_of_the_answers() {
    const uint64_t down = broken_once(UINT64_MAX, UINT64_MAX, false).down;
    CPPUNIT_ASSERT(down > 100);
    for (uint64_t at = 0; at <= down; ++at) broken_once(UINT64_MAX, at, at % 2 == 0);
  }

  void random_walk() {
    for (unsigned seed = 1; seed <= 150; ++seed) walk(seed);
  }

  static void walk(unsigned seed) {
    std::minstd_rand random(seed);
    const auto chance = [&](unsigned of) { return random() % of == 0; };
    Store store;
    ClientStream stream("walk", 0);
    Application application;
    std::set<uint64_t> given_up;
    Policy policy;
    policy.window = 1 + random() % 20;
    policy.max_batch = 1 + random() % 8;
    policy.max_frame = smallest_max_frame;
    policy.large_message = 10000;
    const uint64_t last = 60;
    uint64_t added = 0;
    int connections = 0;
    while (application.told < last) {
      CPPUNIT_ASSERT(++connections < 2000);
      const bool gentle = connections > 30;  // it has to end at last
      Server server(store, policy);
      server.hold_commits = !chance(3);
      ClientSettings settings;
      settings.checksums = chance(2);
      settings.reply_limit = 1 + random() % 50000;
      ClientSession session(settings, stream, nullptr);
      server.checksums = settings.checksums;
      Link link(server, session, application);
      uint64_t up = gentle ? UINT64_MAX : random() % 60000;
      uint64_t down = gentle ? UINT64_MAX : random() % 3000;
      while (!server.closed) {
        bool moved = link.move(1 + random() % 5000, up, down);
        if (added < last && chance(2)) {
          ++added;
          const size_t size = chance(6) ? random() % 60000 : random() % 300;
          const char* const to = chance(7) ? "x@relay.example" : "b@example.com";
          CPPUNIT_ASSERT_EQUAL(added, *stream.add(head(to), body(added, size), chance(3)));
          moved = true;
        }
        if (server.pending && chance(3)) {
          if (!gentle && chance(12))
            server.fail_commit(chance(2) ? Errc::no_space : Errc::io);
          else
            server.complete();
          moved = true;
        }
        if (!gentle && chance(60)) {
          server.session->shut_down(GoAway::reconfigured, "", server.out);
          server.drain();
        }
        if (!gentle && chance(80)) {
          server.session->kill(GoAway::killed, "", server.out);
          server.drain();
        }
        if (chance(25)) {
          server.session->set_window(random() % 20, server.out);
          server.drain();
        }
        if (!gentle && chance(90)) break;
        if (server.pending || (gentle && added < last)) continue;
        if (gentle && application.told < added) {
          server.session->set_window(20, server.out);  // a window of 0 lasts until another comes
          server.drain();
          continue;
        }
        if (!moved) break;
      }
      // What the server had said may still arrive; and what was being committed
      // when the daemon died may have been, or not.
      uint64_t none = 0;
      uint64_t rest = chance(2) ? UINT64_MAX : random() % 100;
      while (link.move(100000, none, rest)) {
      }
      if (server.pending && chance(2)) store.commit(std::move(*server.pending), "");
      CPPUNIT_ASSERT_EQUAL(size_t{0}, static_cast<size_t>(store.kept.size() > last));
    }
    check(store, application, last);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, stream.waiting());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(WalkTest);

}  // namespace
