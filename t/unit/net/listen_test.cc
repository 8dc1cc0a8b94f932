#include "net/listen_socket.h"

#include "base/files.h"
#include "kit.h"

#include <netinet/in.h>
#include <sys/resource.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;
using namespace std::chrono_literals;

namespace {

// A blocking client socket; -1 and errno when the connect fails.
int dial(const Endpoint& to) {
  const int fd = ::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_storage storage{};
  const socklen_t length = to.to_sockaddr(storage);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&storage), length) == 0) return fd;
  const int err = errno;
  ::close(fd);
  errno = err;
  return -1;
}

Endpoint at(const char* text, uint16_t port = 0) {
  return Endpoint::tcp(Endpoint::parse(std::string(text) + ":0", true)->address(), port);
}

std::unique_ptr<ListenSocket> open_at(const Endpoint& endpoint, const ListenAttributes& attributes = {},
                                      std::vector<ListenSocket*> replacing = {}) {
  auto socket = ListenSocket::open(endpoint, attributes, replacing);
  CPPUNIT_ASSERT_MESSAGE(socket ? "" : socket.error().message, socket.has_value());
  return std::move(*socket);
}

int option(const ListenSocket& socket, int level, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  ::getsockopt(socket.fd(), level, name, &value, &length);
  return value;
}

// Connects without pause from its own thread; each connection has to be
// answered with one byte.
class Hammer {
 public:
  explicit Hammer(Endpoint to) : to_(std::move(to)), thread_([this] { run(); }) {}
  ~Hammer() { stop(); }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::atomic<int> served{0}, lost{0};
  std::string first_loss;  // after stop()

 private:
  void run() {
    while (!stop_) {
      UniqueFd fd(dial(to_));
      if (!fd) {
        lose("connect: ");
        continue;
      }
      char byte = 0;
      if (::recv(fd.get(), &byte, 1, 0) == 1)
        ++served;
      else
        lose("recv: ");
    }
  }
  void lose(const char* where) {
    if (lost++ == 0) first_loss = where + errno_text(errno);
  }
  Endpoint to_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

void answer(const UniqueFd& fd) { require(::send(fd.get(), "k", 1, MSG_NOSIGNAL) == 1, "answering"); }

class ListenTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ListenTest);
  CPPUNIT_TEST(accepts_on_a_loop);
  CPPUNIT_TEST(both_families_on_one_port);
  CPPUNIT_TEST(errors_name_endpoint_and_call);
  CPPUNIT_TEST(wildcard_and_specific_in_use);
  CPPUNIT_TEST(bound_before_armed_queues);
  CPPUNIT_TEST(per_wakeup_limit);
  CPPUNIT_TEST(disarm_and_arm_again);
  CPPUNIT_TEST(destroyed_in_its_own_callback);
  CPPUNIT_TEST(exception_in_the_callback);
  CPPUNIT_TEST(out_of_descriptors_rests_and_tells_once);
  CPPUNIT_TEST(drain_takes_the_backlog_and_refuses_what_follows);
  CPPUNIT_TEST(retired_socket_still_serves_its_queue);
  CPPUNIT_TEST(takeover_under_load_both_ways);
  CPPUNIT_TEST(takeover_given_up_under_load);
  CPPUNIT_TEST(takeover_that_fails_leaves_no_trace);
  CPPUNIT_TEST(settled_sockets_do_not_share_their_port);
  CPPUNIT_TEST(reuse_port_as_configured);
  CPPUNIT_TEST(attributes_and_repoint);
  CPPUNIT_TEST_SUITE_END();

  std::vector<UniqueFd> taken;
  std::vector<std::string> troubles;
  std::function<void(UniqueFd, Endpoint)> take() {
    return [this](UniqueFd fd, Endpoint) { taken.push_back(std::move(fd)); };
  }
  std::function<void(std::string_view)> complain() {
    return [this](std::string_view text) { troubles.emplace_back(text); };
  }

 public:
  void tearDown() override { taken.clear(); }

 private:
  void accepts_on_a_loop() {
    for (const char* where : {"127.0.0.1", "[::1]"}) {
      auto loop = make_loop();
      auto socket = open_at(at(where));
      CPPUNIT_ASSERT(socket->endpoint().port() != 0);
      Endpoint peer;
      UniqueFd accepted;
      socket->arm(
          *loop,
          [&](UniqueFd fd, Endpoint from) {
            accepted = std::move(fd);
            peer = std::move(from);
          },
          0, complain());
      UniqueFd client(dial(socket->endpoint()));
      run_until(*loop, [&] { return static_cast<bool>(accepted); });
      sockaddr_storage storage{};
      socklen_t length = sizeof storage;
      ::getsockname(client.get(), reinterpret_cast<sockaddr*>(&storage), &length);
      CPPUNIT_ASSERT(peer == *Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), length));
      CPPUNIT_ASSERT((::fcntl(accepted.get(), F_GETFL) & O_NONBLOCK) != 0);
      CPPUNIT_ASSERT((::fcntl(accepted.get(), F_GETFD) & FD_CLOEXEC) != 0);
      CPPUNIT_ASSERT((::fcntl(socket->fd(), F_GETFD) & FD_CLOEXEC) != 0);
    }
    CPPUNIT_ASSERT(troubles.empty());
  }

  void both_families_on_one_port() {
    auto four = open_at(at("*"));
    auto six = open_at(at("[*]", four->endpoint().port()));  // IPV6_V6ONLY
    CPPUNIT_ASSERT_EQUAL(1, option(*six, IPPROTO_IPV6, IPV6_V6ONLY));
    CPPUNIT_ASSERT_EQUAL(fmt::format("[*]:{}", four->endpoint().port()), six->endpoint().to_string());
  }

  void errors_name_endpoint_and_call() {
    auto first = open_at(at("127.0.0.1"));
    const auto second = ListenSocket::open(first->endpoint(), {});
    CPPUNIT_ASSERT(!second);
    CPPUNIT_ASSERT_EQUAL(first->endpoint().to_string() + ": bind: Address already in use", second.error().message);
    CPPUNIT_ASSERT(second.error().code == Errc::exists);
    const auto foreign = ListenSocket::open(*Endpoint::parse("192.0.2.1:2525"), {});
    CPPUNIT_ASSERT(!foreign);
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1:2525: bind: Cannot assign requested address"), foreign.error().message);
  }

  void wildcard_and_specific_in_use() {
    auto wildcard = open_at(at("*"));
    const auto specific = ListenSocket::open(at("127.0.0.1", wildcard->endpoint().port()), {});
    CPPUNIT_ASSERT(!specific && specific.error().code == Errc::exists);
    // Something else that is being replaced does not help.
    auto other = open_at(at("127.0.0.1"));
    ListenSocket* const replacing[] = {other.get()};
    CPPUNIT_ASSERT(!ListenSocket::open(at("127.0.0.1", wildcard->endpoint().port()), {}, replacing));
    CPPUNIT_ASSERT_EQUAL(0, option(*other, SOL_SOCKET, SO_REUSEPORT));
  }

  void bound_before_armed_queues() {
    auto loop = make_loop();
    auto socket = open_at(at("127.0.0.1"));
    UniqueFd early(dial(socket->endpoint()));
    CPPUNIT_ASSERT(early);  // it listens already
    spin(*loop);
    socket->publish();
    socket->arm(*loop, take(), 0, complain());
    run_until(*loop, [&] { return taken.size() == 1; });
  }

  void per_wakeup_limit() {
    auto loop = make_loop();
    auto socket = open_at(at("127.0.0.1"));
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 10; ++i) clients.emplace_back(dial(socket->endpoint()));
    socket->arm(*loop, take(), 3, complain());
    event_base_loop(loop->base(), EVLOOP_ONCE | EVLOOP_NONBLOCK);  // one round
    CPPUNIT_ASSERT_EQUAL(size_t{3}, taken.size());
    run_until(*loop, [&] { return taken.size() == 10; });
  }

  void disarm_and_arm_again() {
    auto loop = make_loop();
    auto socket = open_at(at("127.0.0.1"));
    socket->disarm();
    socket->arm(*loop, take(), 0, complain());
    socket->disarm();
    UniqueFd client(dial(socket->endpoint()));
    CPPUNIT_ASSERT(client);
    spin(*loop);
    CPPUNIT_ASSERT(taken.empty());
    auto other_loop = make_loop();
    socket->arm(*other_loop, take(), 0, complain());
    run_until(*other_loop, [&] { return taken.size() == 1; });
    socket.reset();
  }

  void destroyed_in_its_own_callback() {
    auto loop = make_loop();
    auto socket = open_at(at("127.0.0.1"));
    UniqueFd one(dial(socket->endpoint())), two(dial(socket->endpoint()));
    auto text = std::make_shared<std::string>("still here");
    int calls = 0;
    socket->arm(
        *loop,
        [&socket, &calls, text](UniqueFd, Endpoint) {
          ++calls;
          socket.reset();
          require(*text == "still here", "the closure lives while it is called");
        },
        0, complain());
    run_until(*loop, [&] { return !socket; });
    spin(*loop);
    CPPUNIT_ASSERT_EQUAL(1, calls);
  }

  void exception_in_the_callback() {
    auto loop = make_loop();
    auto socket = open_at(at("127.0.0.1"));
    int calls = 0;
    socket->arm(
        *loop,
        [&](UniqueFd fd, Endpoint) {
          if (++calls == 1) throw std::bad_alloc();
          taken.push_back(std::move(fd));
        },
        0, complain());
    UniqueFd one(dial(socket->endpoint())), two(dial(socket->endpoint()));
    run_until(*loop, [&] { return taken.size() == 1; });
    CPPUNIT_ASSERT_EQUAL(size_t{1}, troubles.size());
  }

  void out_of_descriptors_rests_and_tells_once() {
    auto loop = make_loop();
    auto socket = open_at(at("127.0.0.1"));
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 5; ++i) clients.emplace_back(dial(socket->endpoint()));
    taken.reserve(10);
    socket->arm(*loop, take(), 0, complain());
    const int spare = ::dup(0);
    ::close(spare);
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(spare) + 2;  // two more
    ::setrlimit(RLIMIT_NOFILE, &tight);
    int rests = 0;
    Timer longer(*loop, [&] { ++rests; });
    run_until(*loop, [&] { return !troubles.empty(); });
    longer.start(250ms);  // several rests
    run_until(*loop, [&] { return rests == 1; });
    const size_t taken_meanwhile = taken.size();
    ::setrlimit(RLIMIT_NOFILE, &before);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, taken_meanwhile);
    run_until(*loop, [&] { return taken.size() == 5; });
    CPPUNIT_ASSERT_EQUAL(size_t{1}, troubles.size());
    CPPUNIT_ASSERT_EQUAL(socket->endpoint().to_string() + ": accept: Too many open files", troubles[0]);
  }

  void drain_takes_the_backlog_and_refuses_what_follows() {
    auto socket = open_at(at("127.0.0.1"));
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 30; ++i) clients.emplace_back(dial(socket->endpoint()));
    socket->drain(take());
    CPPUNIT_ASSERT_EQUAL(size_t{30}, taken.size());
    CPPUNIT_ASSERT_EQUAL(-1, dial(socket->endpoint()));
    CPPUNIT_ASSERT_EQUAL(ECONNREFUSED, errno);
    const Endpoint endpoint = socket->endpoint();
    socket.reset();
    for (size_t i = 0; i < clients.size(); ++i) {  // closing took nothing from them
      answer(taken[i]);
      char byte = 0;
      CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::recv(clients[i].get(), &byte, 1, 0));
    }
    taken.clear();
    clients.clear();
    open_at(endpoint);  // and the address is free
  }

  void retired_socket_still_serves_its_queue() {
    auto loop = make_loop();
    auto socket = open_at(at("127.0.0.1"));
    socket->arm(*loop, take(), 0, complain());
    UniqueFd queued(dial(socket->endpoint()));
    socket->retire();
    socket->retire();
    CPPUNIT_ASSERT_EQUAL(-1, dial(socket->endpoint()));
    run_until(*loop, [&] { return taken.size() == 1; });
    CPPUNIT_ASSERT(troubles.empty());
  }

  // One way: `next` takes over from `old` while a client connects without
  // pause; every connection is served, by whoever got it.
  void take_over(Loop& loop, std::unique_ptr<ListenSocket>& current, const Endpoint& to, const Hammer& hammer) {
    int by_new = 0;
    auto next = open_at(to, {}, {current.get()});
    const auto serve = [&](UniqueFd fd, Endpoint) {
      answer(fd);
      ++by_new;
    };
    next->publish();
    next->arm(loop, serve, 0, complain());
    current->retire();
    const int served = hammer.served;
    run_until(loop, [&] { return by_new >= 5 && hammer.served > served + 5; }, "the new socket to serve");
    current->disarm();
    current->drain([](UniqueFd fd, Endpoint) { answer(fd); });
    current = std::move(next);
    current->settle();
    current->disarm();
    current->arm(loop, [](UniqueFd fd, Endpoint) { answer(fd); }, 0, complain());
  }
  void takeover_under_load_both_ways() {
    auto loop = make_loop();
    auto current = open_at(at("*"));
    const uint16_t port = current->endpoint().port();
    const Endpoint wildcard = at("*", port), specific = at("127.0.0.1", port);
    current->arm(*loop, [](UniqueFd fd, Endpoint) { answer(fd); }, 0, complain());
    Hammer hammer(specific);
    for (int round = 0; round < 25; ++round) {
      take_over(*loop, current, specific, hammer);
      take_over(*loop, current, wildcard, hammer);
    }
    std::atomic<bool> stopped{false};
    std::thread stopper([&] {
      hammer.stop();
      stopped = true;
    });
    run_until(*loop, [&] { return stopped.load(); });
    stopper.join();
    CPPUNIT_ASSERT_EQUAL_MESSAGE(hammer.first_loss, 0, hammer.lost.load());
    CPPUNIT_ASSERT(hammer.served >= 250);
    CPPUNIT_ASSERT_EQUAL(0, option(*current, SOL_SOCKET, SO_REUSEPORT));
    CPPUNIT_ASSERT(troubles.empty());
  }

  // prepare went well, but another step of the transaction failed: the new
  // socket goes, what it had got meanwhile is served, the old one stays.
  void takeover_given_up_under_load() {
    auto loop = make_loop();
    auto old = open_at(at("*"));
    const uint16_t port = old->endpoint().port();
    const auto serve = [](UniqueFd fd, Endpoint) { answer(fd); };
    old->arm(*loop, serve, 0, complain());
    Hammer hammer(at("127.0.0.1", port));
    for (int round = 0; round < 20; ++round) {
      auto next = open_at(at("127.0.0.1", port), {}, {old.get()});
      CPPUNIT_ASSERT_EQUAL(1, option(*old, SOL_SOCKET, SO_REUSEPORT));
      spin(*loop, 3);
      next->retire();
      next->arm(*loop, serve, 0, complain());  // a hand-shake may be under way
      const int served = hammer.served;
      run_until(*loop, [&] { return hammer.served > served + 5; }, "the old socket to serve");
      next->disarm();
      next->drain(serve);
      next.reset();
      old->settle();
      CPPUNIT_ASSERT_EQUAL(0, option(*old, SOL_SOCKET, SO_REUSEPORT));
    }
    std::atomic<bool> stopped{false};
    std::thread stopper([&] {
      hammer.stop();
      stopped = true;
    });
    run_until(*loop, [&] { return stopped.load(); });
    stopper.join();
    CPPUNIT_ASSERT_EQUAL_MESSAGE(hammer.first_loss, 0, hammer.lost.load());
    CPPUNIT_ASSERT(hammer.served > 100);
  }

  void takeover_that_fails_leaves_no_trace() {
    auto ours = open_at(at("127.0.0.1"));
    const uint16_t port = ours->endpoint().port();
    auto foreign = open_at(at("127.0.0.2", port));  // not among those replaced
    ListenSocket* const replacing[] = {ours.get()};
    const auto wildcard = ListenSocket::open(at("*", port), {}, replacing);
    CPPUNIT_ASSERT(!wildcard);
    CPPUNIT_ASSERT_EQUAL(fmt::format("*:{}: bind: Address already in use", port), wildcard.error().message);
    CPPUNIT_ASSERT_EQUAL(0, option(*ours, SOL_SOCKET, SO_REUSEPORT));
    // With both replaced it works.
    auto next = open_at(at("*", port), {}, {ours.get(), foreign.get()});
    CPPUNIT_ASSERT_EQUAL(1, option(*foreign, SOL_SOCKET, SO_REUSEPORT));
  }

  void settled_sockets_do_not_share_their_port() {
    auto old = open_at(at("*"));
    const Endpoint specific = at("127.0.0.1", old->endpoint().port());
    auto next = open_at(specific, {}, {old.get()});
    old.reset();
    next->settle();
    const auto intruder = ListenSocket::open(specific, {});
    CPPUNIT_ASSERT(!intruder && intruder.error().code == Errc::exists);
    CPPUNIT_ASSERT(!ListenSocket::open(at("*", specific.port()), {}));
  }

  void reuse_port_as_configured() {
    ListenAttributes attributes;
    attributes.reuse_port = true;
    auto one = open_at(at("127.0.0.1"), attributes);
    auto two = open_at(one->endpoint(), attributes);
    two->settle();
    CPPUNIT_ASSERT_EQUAL(1, option(*two, SOL_SOCKET, SO_REUSEPORT));
    CPPUNIT_ASSERT(!ListenSocket::open(one->endpoint(), {}));
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 64; ++i) clients.emplace_back(dial(one->endpoint()));
    one->drain(take());
    const size_t first = taken.size();
    two->drain(take());
    CPPUNIT_ASSERT_EQUAL(size_t{64}, taken.size());
    CPPUNIT_ASSERT_MESSAGE("one socket got all", first > 0 && first < 64);
  }

  void attributes_and_repoint() {
    ListenAttributes attributes;
    attributes.receive_buffer = 20000;
    attributes.send_buffer = 30000;
    attributes.reuse_address = false;
    auto socket = open_at(at("127.0.0.1"), attributes);
    CPPUNIT_ASSERT(socket->attributes() == attributes);
    CPPUNIT_ASSERT_EQUAL(40000, option(*socket, SOL_SOCKET, SO_RCVBUF));  // Linux doubles
    CPPUNIT_ASSERT_EQUAL(60000, option(*socket, SOL_SOCKET, SO_SNDBUF));
    CPPUNIT_ASSERT_EQUAL(0, option(*socket, SOL_SOCKET, SO_REUSEADDR));
    attributes.backlog = 0;
    attributes.receive_buffer = 25000;
    attributes.reuse_address = true;
    socket->repoint(attributes);
    CPPUNIT_ASSERT(socket->attributes() == attributes);
    CPPUNIT_ASSERT_EQUAL(50000, option(*socket, SOL_SOCKET, SO_RCVBUF));
    CPPUNIT_ASSERT_EQUAL(1, option(*socket, SOL_SOCKET, SO_REUSEADDR));
    UniqueFd one(dial(socket->endpoint()));  // a backlog of 0 holds one
    UniqueFd two(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_storage storage{};
    const socklen_t length = socket->endpoint().to_sockaddr(storage);
    ::connect(two.get(), reinterpret_cast<const sockaddr*>(&storage), length);
    pollfd wait = {two.get(), POLLOUT, 0};
    CPPUNIT_ASSERT_EQUAL(0, ::poll(&wait, 1, 50));
    attributes.backlog = 100;
    socket->repoint(attributes);
    CPPUNIT_ASSERT_EQUAL(1, ::poll(&wait, 1, 20000));  // its SYN comes again
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ListenTest);

}  // namespace
