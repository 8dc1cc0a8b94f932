// An SMTP server for tests: blocking sockets, a thread a connection, no code
// of ours but for the certificate. Says what its script says and writes down
// what it got.
#pragma once

#include "../net/certs.h"
#include "acceptor.h"

#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
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
  explicit Sink(Script script = {}) : script_(std::move(script)) {}
  ~Sink() { stop(); }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  uint16_t port() const { return acceptor_.port(); }
  // Refuses connections, and takes them again on the same port.
  void stop() { acceptor_.stop(); }
  void resume() { acceptor_.resume(); }

  std::vector<Letter> letters() const {
    const std::lock_guard lock(mutex_);
    return letters_;
  }
  size_t count() const { return letters().size(); }
  int connections() const { return acceptor_.connections(); }
  int open() const { return open_; }
  int most_open() const { return most_open_; }
  int quits() const { return quits_; }

 private:
  static bool read_line(Wire& wire, std::string& text) {
    for (;;) {
      const size_t end = wire.buffer.find("\r\n");
      if (end != std::string::npos) {
        text = wire.buffer.substr(0, end);
        wire.buffer.erase(0, end + 2);
        return true;
      }
      if (!wire.fill()) return false;
    }
  }
  // The usual reply when the script has none. False: the connection ends.
  static bool say(Wire& wire, const std::string& scripted, const std::string& usual) {
    if (scripted == "drop") return false;
    if (scripted == "mute") {
      wire.mute();
      return false;
    }
    return wire.write((scripted.empty() ? usual : scripted) + "\r\n");
  }

  void accepted(UniqueFd fd, int number) {
    const int now = ++open_;
    for (int most = most_open_; now > most && !most_open_.compare_exchange_weak(most, now);) {
    }
    bool counted = true;
    converse(fd.get(), number, counted);
    fd.reset();
    if (counted) --open_;
  }

  static std::string path_of(const std::string& line) {
    const size_t from = line.find('<');
    return line.substr(from + 1, line.rfind('>') - from - 1);
  }

  void converse(int fd, int number, bool& counted) {
    Wire wire{fd, acceptor_.stopping()};
    if (!say(wire, script_.banner(number), "220 sink.example ESMTP")) return;
    Letter letter;
    bool tls = false;
    std::string line;
    while (read_line(wire, line)) {
      bool going = true;
      if (line.starts_with("EHLO")) {
        std::string reply = "250-sink.example";
        for (const auto& extension : script_.extensions) reply += "\r\n250-" + extension;
        if (script_.tls && !tls) reply += "\r\n250-STARTTLS";
        going = say(wire, reply + "\r\n250 HELP", "");
      } else if (line == "STARTTLS") {
        const std::string reply = script_.starttls(number);
        if (!say(wire, reply == "break" ? "" : reply, "220 go on") || reply == "break") return;
        if (!reply.empty()) continue;
        if (!wire.accept_tls(script_.tls)) return;
        tls = true;
      } else if (line.starts_with("MAIL FROM:")) {
        letter = {path_of(line), {}, {}, line + '\n', tls, number};
        going = say(wire, script_.mail(letter.sender), "250 2.1.0 ok");
      } else if (line.starts_with("RCPT TO:")) {
        letter.commands += line + '\n';
        const std::string reply = script_.rcpt(path_of(line));
        if (reply.empty() || reply.starts_with("2")) letter.recipients.push_back(path_of(line));
        going = say(wire, reply, "250 2.1.5 ok");
      } else if (line == "DATA") {
        if (letter.recipients.empty()) {
          going = say(wire, "", "554 5.5.1 no recipients");
        } else {
          going = say(wire, "", "354 go on") && body(wire, letter) && finish(wire, letter);
        }
      } else if (line == "QUIT") {
        ++quits_;
        script_.quit(number);
        counted = false;  // from the reply on the client may open another one
        --open_;
        say(wire, "", "221 2.0.0 bye");
        return;
      } else {
        going = say(wire, "", "250 2.0.0 ok");
      }
      if (!going) return;
    }
  }

  bool body(Wire& wire, Letter& letter) const {
    std::string line;
    while (read_line(wire, line)) {
      if (line == ".") return true;
      letter.data += (line.starts_with('.') ? line.substr(1) : line) + "\r\n";
      const std::string reply = script_.within ? script_.within(letter) : std::string();
      if (!reply.empty()) {
        say(wire, reply, "");
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
    return say(wire, reply, "250 2.0.0 taken");
  }

  Script script_;
  std::atomic<int> open_{0}, most_open_{0}, quits_{0};
  mutable std::mutex mutex_;
  std::vector<Letter> letters_;
  Acceptor acceptor_{[this](UniqueFd fd, int number) { accepted(std::move(fd), number); }};
};

// The configuration that sends everything to `sink`, in plain and with retries soon.
inline std::string gateway(const Sink& sink, const std::string& more = "") {
  return fmt::format("Gateway = \"127.0.0.1:{}\"\nRetry_Interval = 1\nTLS = no\n{}\n", sink.port(), more);
}

}  // namespace impulse::delivery::test
