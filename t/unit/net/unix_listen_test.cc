#include "base/files.h"
#include "kit.h"
#include "net/connection.h"
#include "net/listen_socket.h"
#include "recorder.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <thread>

using namespace impulse;
using namespace impulse::net;
using namespace impulse::net::test;

namespace {

int dial(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_storage storage{};
  const socklen_t length = Endpoint::unix_socket(path).to_sockaddr(storage);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&storage), length) == 0) return fd;
  const int err = errno;
  ::close(fd);
  errno = err;
  return -1;
}

// A socket that is none of ours, bound at `path`.
UniqueFd foreign_socket(const std::string& path, bool listening, int type = SOCK_STREAM) {
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  sockaddr_storage storage{};
  const socklen_t length = Endpoint::unix_socket(path).to_sockaddr(storage);
  CPPUNIT_ASSERT_EQUAL(0, ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length));
  if (listening) CPPUNIT_ASSERT_EQUAL(0, ::listen(fd.get(), 5));
  return fd;
}

bool there(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

class UnixListenTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(UnixListenTest);
  CPPUNIT_TEST(is_there_from_publish_to_the_end);
  CPPUNIT_TEST(connections_know_the_published_path);
  CPPUNIT_TEST(mode_and_repoint);
  CPPUNIT_TEST(dead_socket_is_replaced);
  CPPUNIT_TEST(dead_temporary_name_is_replaced);
  CPPUNIT_TEST(living_foreign_socket_is_refused);
  CPPUNIT_TEST(what_is_no_socket_is_refused);
  CPPUNIT_TEST(second_one_of_ours_is_refused);
  CPPUNIT_TEST(lock_of_another_process);
  CPPUNIT_TEST(unpublished_leaves_the_old_alone);
  CPPUNIT_TEST(file_of_somebody_else_is_left);
  CPPUNIT_TEST(failing_paths_are_named);
  CPPUNIT_TEST(drain_takes_the_backlog_and_refuses_what_follows);
  CPPUNIT_TEST(replacement_under_load);
  CPPUNIT_TEST(many_at_once_give_one);
  CPPUNIT_TEST_SUITE_END();

  TempDir dir;
  std::string path = dir / "control.sock";
  std::vector<UniqueFd> taken;
  std::function<void(UniqueFd, Endpoint)> take() {
    return [this](UniqueFd fd, Endpoint peer) {
      require(peer.path() == path, "the published path");
      taken.push_back(std::move(fd));
    };
  }
  static std::function<void(std::string_view)> no_trouble() {
    return [](std::string_view text) { require(false, std::string(text).c_str()); };
  }
  static Result<std::unique_ptr<ListenSocket>> try_open(const std::string& where,
                                                        std::vector<ListenSocket*> replacing = {}) {
    return ListenSocket::open(Endpoint::unix_socket(where), {}, replacing);
  }
  static std::unique_ptr<ListenSocket> open_at(const std::string& where, std::vector<ListenSocket*> replacing = {}) {
    auto socket = try_open(where, std::move(replacing));
    CPPUNIT_ASSERT_MESSAGE(socket ? "" : socket.error().message, socket.has_value());
    return std::move(*socket);
  }
  static void refused(const std::string& where, Errc code, const std::string& text) {
    const auto socket = try_open(where);
    CPPUNIT_ASSERT(!socket);
    CPPUNIT_ASSERT_MESSAGE(socket.error().message, socket.error().message.find(text) != std::string::npos);
    CPPUNIT_ASSERT_MESSAGE(socket.error().message, socket.error().code == code);
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(dir.path()), {}));
  }

  void is_there_from_publish_to_the_end() {
    auto loop = make_loop();
    auto socket = open_at(path);
    CPPUNIT_ASSERT(!there(path));
    socket->publish();
    socket->publish();
    CPPUNIT_ASSERT(there(path));
    UniqueFd client(dial(path));
    CPPUNIT_ASSERT(client);
    socket->arm(*loop, take(), 0, no_trouble());
    run_until(*loop, [&] { return taken.size() == 1; });
    socket.reset();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, files());  // no lock, no temporary name
  }

  void connections_know_the_published_path() {
    auto loop = make_loop();
    auto socket = open_at(path);
    socket->publish();
    UniqueFd client(dial(path));
    socket->drain(take());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, taken.size());
    Recorder handler;
    handler.accept(*loop, std::move(taken[0]));
    CPPUNIT_ASSERT_EQUAL(path, handler.connection->peer().path());
    CPPUNIT_ASSERT_EQUAL(path, handler.connection->local().path());
    handler.connection.reset();
  }

  static mode_t mode_of(const std::string& where) {
    struct stat status{};
    CPPUNIT_ASSERT_EQUAL(0, ::lstat(where.c_str(), &status));
    return status.st_mode & 07777;
  }
  void mode_and_repoint() {
    const mode_t mask = ::umask(077);
    ListenAttributes attributes;
    attributes.file_mode = 0666;
    auto socket = std::move(*ListenSocket::open(Endpoint::unix_socket(path), attributes));
    ::umask(mask);
    socket->publish();
    CPPUNIT_ASSERT_EQUAL(mode_t{0666}, mode_of(path));
    attributes.file_mode = 0600;
    socket->repoint(attributes);
    CPPUNIT_ASSERT_EQUAL(mode_t{0600}, mode_of(path));
    CPPUNIT_ASSERT(socket->attributes() == attributes);
  }

  void dead_socket_is_replaced() {
    foreign_socket(path, true).reset();  // as a crash leaves it
    CPPUNIT_ASSERT(there(path));
    auto socket = open_at(path);
    socket->publish();
    CPPUNIT_ASSERT(UniqueFd(dial(path)));
    socket.reset();
    foreign_socket(path, false).reset();
    open_at(path)->publish();
  }

  void dead_temporary_name_is_replaced() {
    foreign_socket(path + "~", true).reset();
    std::ofstream(path + ".lock") << "";  // a lock file that nobody holds
    auto socket = open_at(path);
    socket->publish();
    CPPUNIT_ASSERT(UniqueFd(dial(path)));
    socket.reset();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, files());
  }

  void living_foreign_socket_is_refused() {
    {
      const UniqueFd foreign = foreign_socket(path, true);
      refused(path, Errc::exists, path + ": another process listens there");
      CPPUNIT_ASSERT(UniqueFd(dial(path)));  // untouched
      CPPUNIT_ASSERT_EQUAL(size_t{1}, files());
    }
    ::unlink(path.c_str());
    {
      const UniqueFd full = foreign_socket(path, true);
      ::listen(full.get(), 0);
      std::vector<UniqueFd> clients;
      clients.emplace_back(dial(path));
      refused(path, Errc::exists, "another process listens there");
    }
    ::unlink(path.c_str());
    {
      const UniqueFd datagrams = foreign_socket(path, false, SOCK_DGRAM);
      refused(path, Errc::exists, "another process listens there");
    }
  }

  void what_is_no_socket_is_refused() {
    write_file_at(path, "precious");
    refused(path, Errc::exists, path + ": is there already, and is no socket");
    CPPUNIT_ASSERT_EQUAL(std::string("precious"), read_file(path).value());
    ::unlink(path.c_str());
    std::filesystem::create_directory(path);
    refused(path, Errc::exists, "no socket");
    ::rmdir(path.c_str());
    std::filesystem::create_symlink(dir / "elsewhere", path);
    refused(path, Errc::exists, "no socket");
    ::unlink(path.c_str());
    write_file_at(path + "~", "precious too");
    refused(path, Errc::exists, path + "~");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, files());
  }
  static void write_file_at(const std::string& where, const std::string& text) { std::ofstream(where) << text; }

  void second_one_of_ours_is_refused() {
    auto socket = open_at(path);
    refused(path, Errc::exists, path + ".lock: locked by another process");  // before publish
    socket->publish();
    refused(path, Errc::exists, "locked by another process");
    socket.reset();
    open_at(path)->publish();
  }

  void lock_of_another_process() {
    int ready[2], go[2];
    CPPUNIT_ASSERT(::pipe(ready) == 0 && ::pipe(go) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const int fd = ::open((path + ".lock").c_str(), O_RDWR | O_CREAT, 0600);
      char byte = ::flock(fd, LOCK_EX) == 0 ? 'y' : 'n';
      if (::write(ready[1], &byte, 1) == 1 && ::read(go[0], &byte, 1) == 1) ::_exit(0);
      ::_exit(1);
    }
    char byte = 0;
    CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::read(ready[0], &byte, 1));
    CPPUNIT_ASSERT_EQUAL('y', byte);
    refused(path, Errc::exists, "locked by another process");
    CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::write(go[1], &byte, 1));
    int status = 1;
    ::waitpid(child, &status, 0);
    CPPUNIT_ASSERT_EQUAL(0, status);
    open_at(path);  // its death freed the lock
    for (const int fd : {ready[0], ready[1], go[0], go[1]}) ::close(fd);
  }

  void unpublished_leaves_the_old_alone() {
    auto old = open_at(path);
    old->publish();
    {
      auto next = open_at(path, {old.get()});
      UniqueFd client(dial(path));
      old->drain(take());
      CPPUNIT_ASSERT_EQUAL(size_t{1}, taken.size());  // the old one got it
    }
    CPPUNIT_ASSERT(!there(path + "~"));
    refused(path, Errc::exists, "locked");  // the lock is still held
  }

  void file_of_somebody_else_is_left() {
    auto socket = open_at(path);
    socket->publish();
    ::unlink(path.c_str());
    const UniqueFd foreign = foreign_socket(path, true);
    ListenAttributes attributes;
    attributes.file_mode = 0777;
    const mode_t mode = mode_of(path);
    socket->repoint(attributes);
    CPPUNIT_ASSERT_EQUAL(mode, mode_of(path));
    socket.reset();
    CPPUNIT_ASSERT(UniqueFd(dial(path)));
  }

  void failing_paths_are_named() {
    refused(dir / "no/such/folder/s", Errc::not_found, "no/such/folder/s");
    const std::string longest = dir / std::string(106 - dir.path().size() - 1, 'x');
    CPPUNIT_ASSERT_EQUAL(size_t{106}, longest.size());
    auto socket = open_at(longest);
    socket->publish();
    CPPUNIT_ASSERT(UniqueFd(dial(longest)));
    refused(longest + "x", Errc::invalid, "107 bytes long, 106 are possible");
  }

  void drain_takes_the_backlog_and_refuses_what_follows() {
    auto loop = make_loop();
    auto socket = open_at(path);
    socket->publish();
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 30; ++i) clients.emplace_back(dial(path));
    socket->arm(*loop, take(), 0, no_trouble());
    socket->disarm();
    socket->drain(take());
    CPPUNIT_ASSERT_EQUAL(size_t{30}, taken.size());
    CPPUNIT_ASSERT_EQUAL(-1, dial(path));
    CPPUNIT_ASSERT(!there(path));
  }

  void replacement_under_load() {
    auto loop = make_loop();
    std::unique_ptr<ListenSocket> current = open_at(path);
    current->publish();
    const auto serve = [](UniqueFd fd, Endpoint) { require(::send(fd.get(), "k", 1, MSG_NOSIGNAL) == 1, "answering"); };
    current->arm(*loop, serve, 0, no_trouble());
    std::atomic<bool> stop{false}, stopped{false};
    std::atomic<int> served{0}, lost{0};
    std::thread hammer([&] {
      while (!stop) {
        UniqueFd fd(dial(path));
        char byte = 0;
        if (fd && ::recv(fd.get(), &byte, 1, 0) == 1)
          ++served;
        else
          ++lost;
      }
      stopped = true;
    });
    for (int round = 0; round < 30; ++round) {
      int by_new = 0;
      auto next = open_at(path, {current.get()});
      next->publish();
      next->arm(
          *loop,
          [&](UniqueFd fd, Endpoint peer) {
            ++by_new;
            serve(std::move(fd), std::move(peer));
          },
          0, no_trouble());
      run_until(*loop, [&] { return by_new >= 3; }, "the new socket to serve");
      current->disarm();
      current->drain(serve);
      current = std::move(next);
      current->disarm();
      current->arm(*loop, serve, 0, no_trouble());
    }
    stop = true;
    run_until(*loop, [&] { return stopped.load(); });
    hammer.join();
    CPPUNIT_ASSERT_EQUAL(0, lost.load());
    CPPUNIT_ASSERT(served >= 90);
  }

  void many_at_once_give_one() {
    // Every thread wants the name; exactly one gets it, again and again.
    for (int round = 0; round < 20; ++round) {
      std::atomic<int> won{0}, done{0};
      std::vector<std::thread> threads;
      for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
          auto socket = try_open(path);
          if (socket) {
            ++won;
            (*socket)->publish();
          }
          ++done;
          while (done < 4) std::this_thread::yield();  // hold it until all have tried
        });
      for (auto& thread : threads) thread.join();
      CPPUNIT_ASSERT_EQUAL(1, won.load());
      CPPUNIT_ASSERT_EQUAL(size_t{0}, files());
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(UnixListenTest);

}  // namespace
