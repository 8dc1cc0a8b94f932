// An SMTP server for tests: blocking sockets, a thread a connection, no code
// of ours but for the certificate. Says what its script says and writes down
// what it got.
#pragma once

#include "../net/certs.h"
#include "base/fd.h"
#include "net/tls.h"
#include "net/tls_rules.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace impulse::delivery::test {

struct Letter {
  std::string sender;
  std::vector<std::string> recipients;
  std::string data;      // unstuffed
  std::string commands;  // MAIL and RCPT as they came, each with LF
  bool tls = false;
  int connection = 0;  // from 1
};

// A reply without its CRLF; "" is the usual one, "drop" closes at once,
// "mute" says nothing until the client goes.
struct Script {
  std::function<std::string(int connection)> banner = [](int) { return ""; };
  std::function<std::string(const std::string& path)> mail = [](const std::string&) { return ""; };
  std::function<std::string(const std::string& path)> rcpt = [](const std::string&) { return ""; };
  std::function<std::string(const Letter&)> data = [](const Letter&) { return ""; };
  // Behind each line of a message. What is not "" is said at once, and the connection closed.
  std::function<std::string(const Letter&)> within = nullptr;
  std::function<void(int connection)> quit = [](int) {};  // before the reply to QUIT
  std::vector<std::string> extensions = {"PIPELINING", "8BITMIME", "SIZE 50000000", "ENHANCEDSTATUSCODES"};
  net::TlsContextPtr tls;  // offers STARTTLS
  // To STARTTLS; "break" says 220, and closes instead of shaking hands.
  std::function<std::string(int connection)> starttls = [](int) { return ""; };
};

class Sink {
 public:
  explicit Sink(Script script = {}) : script_(std::move(script)) { listen(0); }
  ~Sink() { stop(); }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  uint16_t port() const { return port_; }
  // Refuses connections, and takes them again on the same port.
  void stop() {
    stopping_ = true;
    if (acceptor_.joinable()) acceptor_.join();
    listener_.reset();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  void resume() {
    stopping_ = false;
    listen(port_);
  }

  std::vector<Letter> letters() const {
    const std::lock_guard lock(mutex_);
    return letters_;
  }
  size_t count() const { return letters().size(); }
  int connections() const { return connections_; }
  int open() const { return open_; }
  int most_open() const { return most_open_; }
  int quits() const { return quits_; }

 private:
  // One connection's bytes, plain or not.
  struct Wire {
    int fd;
    const std::atomic<bool>& stopping;
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, &SSL_free};
    std::string buffer;

    bool fill() {
      while (ssl == nullptr || SSL_has_pending(ssl.get()) == 0) {
        pollfd wait{fd, POLLIN, 0};
        const int ready = ::poll(&wait, 1, 5);
        if (stopping) return false;
        if (ready > 0) break;
      }
      char bytes[16384];
      const long got = ssl ? SSL_read(ssl.get(), bytes, sizeof bytes) : ::recv(fd, bytes, sizeof bytes, 0);
      if (got <= 0) return false;
      buffer.append(bytes, static_cast<size_t>(got));
      return true;
    }
    bool line(std::string& text) {
      for (;;) {
        const size_t end = buffer.find("\r\n");
        if (end != std::string::npos) {
          text = buffer.substr(0, end);
          buffer.erase(0, end + 2);
          return true;
        }
        if (!fill()) return false;
      }
    }
    // The usual reply when the script has none. False: the connection ends.
    bool say(const std::string& scripted, const std::string& usual) {
      if (scripted == "drop") return false;
      if (scripted == "mute") {
        while (fill()) buffer.clear();
        return false;
      }
      const std::string text = (scripted.empty() ? usual : scripted) + "\r\n";
      if (ssl) return SSL_write(ssl.get(), text.data(), static_cast<int>(text.size())) > 0;
      return ::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
    }
  };

  void listen(uint16_t port) {
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int one = 1;
    ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    socklen_t length = sizeof address;
    CPPUNIT_ASSERT_EQUAL(0, ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length));
    CPPUNIT_ASSERT_EQUAL(0, ::listen(listener_.get(), 128));
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept(); });
  }

  void accept() {
    while (!stopping_) {
      pollfd wait{listener_.get(), POLLIN, 0};
      if (::poll(&wait, 1, 5) <= 0) continue;
      UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) continue;
      const int one = 1;
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      const int number = ++connections_;
      const int now = ++open_;
      if (now > most_open_) most_open_ = now;
      threads_.emplace_back([this, number, fd = std::move(fd)]() mutable {
        bool counted = true;
        converse(fd.get(), number, counted);
        fd.reset();
        if (counted) --open_;
      });
    }
  }

  static std::string path_of(const std::string& line) {
    const size_t from = line.find('<');
    return line.substr(from + 1, line.rfind('>') - from - 1);
  }

  void converse(int fd, int number, bool& counted) {
    net::TlsNotes tls_state;  // that the context's callbacks write to, as in a TlsSession
    Wire wire{fd, stopping_, {nullptr, &SSL_free}, {}};
    if (!wire.say(script_.banner(number), "220 sink.example ESMTP")) return;
    Letter letter;
    bool tls = false;
    std::string line;
    while (wire.line(line)) {
      bool going = true;
      if (line.starts_with("EHLO")) {
        std::string reply = "250-sink.example";
        for (const auto& extension : script_.extensions) reply += "\r\n250-" + extension;
        if (script_.tls && !tls) reply += "\r\n250-STARTTLS";
        going = wire.say(reply + "\r\n250 HELP", "");
      } else if (line == "STARTTLS") {
        const std::string reply = script_.starttls(number);
        if (!wire.say(reply == "break" ? "" : reply, "220 go on") || reply == "break") return;
        if (!reply.empty()) continue;
        wire.ssl.reset(SSL_new(script_.tls->native()));
        SSL_set_app_data(wire.ssl.get(), &tls_state);
        SSL_set_fd(wire.ssl.get(), fd);
        if (SSL_accept(wire.ssl.get()) != 1) return;
        tls = true;
      } else if (line.starts_with("MAIL FROM:")) {
        letter = {path_of(line), {}, {}, line + '\n', tls, number};
        going = wire.say(script_.mail(letter.sender), "250 2.1.0 ok");
      } else if (line.starts_with("RCPT TO:")) {
        letter.commands += line + '\n';
        const std::string reply = script_.rcpt(path_of(line));
        if (reply.empty() || reply.starts_with("2")) letter.recipients.push_back(path_of(line));
        going = wire.say(reply, "250 2.1.5 ok");
      } else if (line == "DATA") {
        if (letter.recipients.empty()) {
          going = wire.say("", "554 5.5.1 no recipients");
        } else {
          going = wire.say("", "354 go on") && body(wire, letter) && finish(wire, letter);
        }
      } else if (line == "QUIT") {
        ++quits_;
        script_.quit(number);
        counted = false;  // from the reply on the client may open another one
        --open_;
        wire.say("", "221 2.0.0 bye");
        return;
      } else {
        going = wire.say("", "250 2.0.0 ok");
      }
      if (!going) return;
    }
  }

  bool body(Wire& wire, Letter& letter) const {
    std::string line;
    while (wire.line(line)) {
      if (line == ".") return true;
      letter.data += (line.starts_with('.') ? line.substr(1) : line) + "\r\n";
      const std::string reply = script_.within ? script_.within(letter) : std::string();
      if (!reply.empty()) {
        wire.say(reply, "");
        return false;
      }
    }
    return false;
  }

  bool finish(Wire& wire, Letter& letter) {
    const std::string reply = script_.data(letter);
    const bool taken = reply.empty() || reply.starts_with("2");
    if (taken) {
      const std::lock_guard lock(mutex_);
      letters_.push_back(letter);
    }
    letter = {};
    return wire.say(reply, "250 2.0.0 taken");
  }

  Script script_;
  UniqueFd listener_;
  uint16_t port_ = 0;
  std::thread acceptor_;
  std::list<std::thread> threads_;  // the acceptor's, until it has ended
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0}, open_{0}, most_open_{0}, quits_{0};
  mutable std::mutex mutex_;
  std::vector<Letter> letters_;
};

// The configuration that sends everything to `sink`, in plain and with retries soon.
inline std::string gateway(const Sink& sink, const std::string& more = "") {
  return fmt::format("Gateway = \"127.0.0.1:{}\"\nRetry_Interval = 1\nTLS = no\n{}\n", sink.port(), more);
}

}  // namespace impulse::delivery::test
