// An SMTP client for benchmarks: one thread, epoll, OpenSSL; as many sessions
// as asked for. Prints one line of JSON.
//
//   smtp_load PORT load [--sessions N] [--seconds S] [--size BYTES] [--tls] [--pipeline]
//     messages a second, and how long the reply to the end of data took (µs: p50, p99, p99.9, max)
//   smtp_load PORT handshakes [--sessions N] [--seconds S]
//     connections with STARTTLS a second, each closed after EHLO
//   smtp_load PORT idle --sessions N [--tls]
//     N sessions after EHLO, kept until standard input ends; says "ready" first
//   smtp_load PORT slow --sessions N
//     N sessions that send one byte of a command line a second, until standard input ends
//
// Sends from <a@bench.example> to <b@bench.example>, to 127.0.0.1.
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

enum class Mode : uint8_t { load, handshakes, idle, slow };

struct Settings {
  uint16_t port = 0;
  Mode mode = Mode::load;
  size_t sessions = 20;
  double seconds = 3;
  size_t size = 10240;
  bool tls = false;
  bool pipeline = false;
};

struct Results {
  uint64_t messages = 0;
  uint64_t handshakes = 0;
  uint64_t refused = 0;
  size_t ready = 0;
  std::vector<uint32_t> micros;  // end of data to its reply
};

[[noreturn]] void die(std::string_view why) {
  fmt::print(stderr, "smtp_load: {}\n", why);
  std::exit(1);
}

std::string message_of(size_t size) {
  std::string text = "From: <a@bench.example>\r\nSubject: bench\r\n\r\n";
  while (text.size() < size) text += "A line of sixty-two octets, as many a message has them, twice.\r\n";
  text.resize(std::max<size_t>(size, 2) - 2);
  for (char& c : text)
    if (&c + 1 == text.data() + text.size() && c == '\r') c = ' ';
  return text + "\r\n.\r\n";
}

class Session {
 public:
  Session(const Settings& settings, Results& results, const std::string& message, SSL_CTX* tls, int poll)
      : settings_(settings), results_(results), message_(message), tls_context_(tls), poll_(poll) {}
  ~Session() { close(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void connect() {
    close();
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) die("no descriptors left");
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(settings_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS)
      die("cannot connect");
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.ptr = this;
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, fd_, &event);
    step_ = Step::banner;
    encrypted_ = false;
    input_.clear();
    output_.clear();
    sent_ = 0;
  }

  void on_event() {
    if (ssl_ != nullptr && !encrypted_ && !handshake()) return;
    flush();
    std::array<char, 4096> buffer{};
    for (;;) {
      const ssize_t got = read(buffer.data(), buffer.size());
      if (got == 0) return lost();
      if (got < 0) return;
      input_.append(buffer.data(), static_cast<size_t>(got));
      if (!replies()) return;
    }
  }

  // Slow clients: the next byte of an endless NOOP.
  void drip() {
    if (step_ != Step::ready) return;
    output_ += dripped_++ % 500 == 499 ? "\r\n" : dripped_ % 500 == 1 ? "NOOP " : "x";
    flush();
  }

 private:
  enum class Step : uint8_t { banner, ehlo, starttls, mail, rcpt, data, end, ready };

  void close() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    ssl_ = nullptr;
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  void lost() {
    ++results_.refused;
    if (settings_.mode == Mode::idle || settings_.mode == Mode::slow) return close();
    connect();
  }

  bool handshake() {
    const int result = SSL_connect(ssl_);
    if (result == 1) {
      encrypted_ = true;
      ++results_.handshakes;
      say("EHLO client.example\r\n", Step::ehlo);
      return true;
    }
    const int error = SSL_get_error(ssl_, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) lost();
    return false;
  }

  ssize_t read(char* into, size_t size) {
    if (ssl_ == nullptr) return ::recv(fd_, into, size, 0);
    const int got = SSL_read(ssl_, into, static_cast<int>(size));
    if (got > 0) return got;
    return SSL_get_error(ssl_, got) == SSL_ERROR_WANT_READ ? -1 : 0;
  }

  void say(std::string_view text, Step next) {
    output_ += text;
    step_ = next;
    flush();
  }

  void flush() {
    while (sent_ < output_.size()) {
      const char* from = output_.data() + sent_;
      const size_t left = output_.size() - sent_;
      ssize_t done = 0;
      if (ssl_ == nullptr)
        done = ::send(fd_, from, left, MSG_NOSIGNAL);
      else if (encrypted_)
        done = SSL_write(ssl_, from, static_cast<int>(std::min<size_t>(left, 1 << 20)));
      if (done <= 0) return;
      sent_ += static_cast<size_t>(done);
    }
    output_.clear();
    sent_ = 0;
  }

  // False: the session was begun anew, or is handshaking.
  bool replies() {
    for (size_t end = 0; (end = input_.find('\n')) != std::string::npos;) {
      const std::string line = input_.substr(0, end + 1);
      input_.erase(0, end + 1);
      if (line.size() > 3 && line[3] == '-') continue;
      if (line[0] != '2' && line[0] != '3') {
        ++results_.refused;
        connect();
        return false;
      }
      if (!on_reply()) return false;
    }
    return true;
  }

  bool on_reply() {
    switch (step_) {
      case Step::banner:
        say("EHLO client.example\r\n", Step::ehlo);
        break;
      case Step::ehlo:
        if ((settings_.tls || settings_.mode == Mode::handshakes) && !encrypted_) {
          say("STARTTLS\r\n", Step::starttls);
        } else if (settings_.mode == Mode::handshakes) {
          connect();
          return false;
        } else if (settings_.mode == Mode::load) {
          begin_message();
        } else {
          step_ = Step::ready;
          ++results_.ready;
        }
        break;
      case Step::starttls:
        ssl_ = SSL_new(tls_context_);
        SSL_set_fd(ssl_, fd_);
        input_.clear();
        return handshake();
      case Step::mail:
        if (settings_.pipeline)
          step_ = Step::rcpt;
        else
          say("RCPT TO:<b@bench.example>\r\n", Step::rcpt);
        break;
      case Step::rcpt:
        if (settings_.pipeline)
          step_ = Step::data;
        else
          say("DATA\r\n", Step::data);
        break;
      case Step::data:
        say(message_, Step::end);
        ended_ = Clock::now();
        break;
      case Step::end:
        ++results_.messages;
        results_.micros.push_back(static_cast<uint32_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - ended_).count()));
        begin_message();
        break;
      case Step::ready:
        break;
    }
    return true;
  }

  void begin_message() {
    if (settings_.pipeline)
      say("MAIL FROM:<a@bench.example>\r\nRCPT TO:<b@bench.example>\r\nDATA\r\n", Step::mail);
    else
      say("MAIL FROM:<a@bench.example>\r\n", Step::mail);
  }

  const Settings& settings_;
  Results& results_;
  const std::string& message_;
  SSL_CTX* tls_context_;
  int poll_;
  int fd_ = -1;
  SSL* ssl_ = nullptr;
  bool encrypted_ = false;
  Step step_ = Step::banner;
  std::string input_;
  std::string output_;
  size_t sent_ = 0;
  uint64_t dripped_ = 0;
  Clock::time_point ended_;
};

Settings parse(int argc, char** argv) {
  if (argc < 3) die("usage: smtp_load PORT load|handshakes|idle|slow [options]");
  Settings settings;
  settings.port = static_cast<uint16_t>(std::atoi(argv[1]));
  const std::string_view mode = argv[2];
  settings.mode = mode == "handshakes" ? Mode::handshakes
                  : mode == "idle"     ? Mode::idle
                  : mode == "slow"     ? Mode::slow
                                       : Mode::load;
  for (int i = 3; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--tls") {
      settings.tls = true;
    } else if (option == "--pipeline") {
      settings.pipeline = true;
    } else if (++i < argc && option == "--sessions") {
      settings.sessions = static_cast<size_t>(std::atoi(argv[i]));
    } else if (i < argc && option == "--seconds") {
      settings.seconds = std::atof(argv[i]);
    } else if (i < argc && option == "--size") {
      settings.size = static_cast<size_t>(std::atoi(argv[i]));
    } else {
      die(fmt::format("'{}' is not understood", option));
    }
  }
  return settings;
}

void raise_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void report(const Settings& settings, Results& results, double seconds) {
  std::sort(results.micros.begin(), results.micros.end());
  const auto percentile = [&](double part) -> uint32_t {
    if (results.micros.empty()) return 0;
    return results.micros[std::min(results.micros.size() - 1,
                                   static_cast<size_t>(part * static_cast<double>(results.micros.size())))];
  };
  fmt::print(
      "{{\"sessions\": {}, \"messages_per_second\": {:.1f}, \"handshakes_per_second\": {:.1f}, \"p50\": {}, \"p99\": "
      "{}, "
      "\"p999\": {}, \"max\": {}, \"refused\": {}}}\n",
      settings.sessions, static_cast<double>(results.messages) / seconds,
      static_cast<double>(results.handshakes) / seconds, percentile(0.5), percentile(0.99), percentile(0.999),
      results.micros.empty() ? 0 : results.micros.back(), results.refused);
}

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  raise_descriptors();
  SSL_CTX* const tls = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  const bool stays = settings.mode == Mode::idle || settings.mode == Mode::slow;
  Results results;
  const std::string message = message_of(settings.size);
  std::vector<std::unique_ptr<Session>> sessions;
  if (stays) {
    epoll_event input{};
    input.events = EPOLLIN;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
  }
  const Clock::time_point begin = Clock::now();
  const Clock::time_point end = begin + std::chrono::microseconds(static_cast<int64_t>(settings.seconds * 1e6));
  Clock::time_point next_drip = begin + std::chrono::seconds(1);
  bool told = false;
  std::array<epoll_event, 256> events{};
  for (bool on = true; on && (stays || Clock::now() < end);) {
    // A few at a time: the listening queue is not what is measured.
    for (size_t more = 0; more < 50 && sessions.size() < settings.sessions; ++more) {
      sessions.push_back(std::make_unique<Session>(settings, results, message, tls, poll));
      sessions.back()->connect();
    }
    const int count = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 20);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<size_t>(i)];
      if (event.data.ptr != nullptr)
        static_cast<Session*>(event.data.ptr)->on_event();
      else
        on = false;  // standard input ended
    }
    if (settings.mode == Mode::slow && Clock::now() >= next_drip) {
      for (const auto& session : sessions) session->drip();
      next_drip += std::chrono::seconds(1);
    }
    if (stays && !told && results.ready + results.refused >= settings.sessions) {
      told = true;
      fmt::print("ready {}\n", results.ready);
      std::fflush(stdout);
    }
  }
  report(settings, results, std::chrono::duration<double>(Clock::now() - begin).count());
  sessions.clear();
  SSL_CTX_free(tls);
  ::close(poll);
  return 0;
}
