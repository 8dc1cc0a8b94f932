// A server of ECStream over real sockets, for tests of clients: one thread, any
// number of connections one after the other or at once, messages in memory, and
// connections that it breaks after so many octets.
#pragma once

#include "../ecstream/support.h"

#include "base/fd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <list>
#include <string>
#include <thread>

namespace ecstream_test {

class SocketServer {
 public:
  // The first `breaks` connections are cut after `after` octets from the client.
  explicit SocketServer(Policy policy = {}, int breaks = 0, size_t after = 0)
      : policy_(std::move(policy)), breaks_(breaks), after_(after) {
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    CPPUNIT_ASSERT(::bind(listener_.get(), name, size) == 0 && ::listen(listener_.get(), 10) == 0);
    CPPUNIT_ASSERT(::getsockname(listener_.get(), name, &size) == 0);
    endpoint = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    std::array<int, 2> ends{};
    CPPUNIT_ASSERT(::pipe(ends.data()) == 0);
    stop_read_ = UniqueFd(ends[0]);
    stop_write_ = UniqueFd(ends[1]);
    thread_ = std::thread([this] { run(); });
  }
  ~SocketServer() { stop(); }
  // The store may be looked at afterwards.
  void stop() {
    stop_write_ = UniqueFd();
    if (thread_.joinable()) thread_.join();
  }

  std::string endpoint;
  Store store;
  int connections = 0;

 private:
  struct Connection {
    UniqueFd fd;
    std::unique_ptr<Server> server;
    size_t budget = SIZE_MAX;
  };

  void run() {
    while (true) {
      std::vector<pollfd> waiting{{stop_read_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      for (const Connection& each : open_) waiting.push_back({each.fd.get(), POLLIN, 0});
      ::poll(waiting.data(), waiting.size(), -1);
      if (waiting[0].revents != 0) return;
      if (waiting[1].revents != 0) accept();
      size_t index = 2;
      for (auto each = open_.begin(); each != open_.end() && index < waiting.size(); ++index)
        each = waiting[index].revents == 0 || serve(*each) ? std::next(each) : open_.erase(each);
    }
  }
  void accept() {
    Connection connection;
    connection.fd = UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ClientInfo client = Server::default_client();
    client.address = *IpAddress::parse("127.0.0.1");
    connection.server = std::make_unique<Server>(store, policy_, std::nullopt, client);
    if (connections++ < breaks_) connection.budget = after_;
    open_.push_back(std::move(connection));
  }
  // False: it is over.
  static bool serve(Connection& connection) {
    std::array<char, 65536> bytes;
    const size_t most = std::min(bytes.size(), connection.budget);
    const ssize_t got = most == 0 ? 0 : ::read(connection.fd.get(), bytes.data(), most);
    if (got <= 0) return false;
    connection.budget -= static_cast<size_t>(got);
    connection.server->left += std::string_view(bytes.data(), static_cast<size_t>(got));
    connection.server->resume();
    // What it breaks it breaks before the answer.
    const std::string said = std::exchange(connection.server->sent, {});
    if (connection.budget == 0) return false;
    std::string_view rest = said;
    while (!rest.empty()) {
      const ssize_t put = ::send(connection.fd.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (put <= 0) return false;
      rest.remove_prefix(static_cast<size_t>(put));
    }
    return !connection.server->closed;
  }

  Policy policy_;
  int breaks_;
  size_t after_;
  UniqueFd listener_;
  UniqueFd stop_read_;
  UniqueFd stop_write_;
  std::list<Connection> open_;
  std::thread thread_;
};

}  // namespace ecstream_test
