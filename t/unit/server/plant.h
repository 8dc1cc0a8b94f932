// A whole daemon in this process, in a folder and on ports of its own, with two
// configurations that have next to nothing in common; and all that a commit
// that was refused must not have changed.
#pragma once

#include "../net/certs.h"
#include "base/clock.h"
#include "base/endpoint.h"
#include "base/fd.h"
#include "base/text.h"
#include "config.h"
#include "config/digest.h"
#include "faulty_engine.h"
#include "server/daemon.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>

namespace impulse::server::test {

namespace fs = std::filesystem;

// Threads that have the program's name all the time: the main one, and TSan's own.
#ifdef HAVE_TSAN
inline constexpr size_t unnamed_threads = 2;
#else
inline constexpr size_t unnamed_threads = 1;
#endif

// A port that no other test of this machine has now, below those that the
// kernel gives to clients.
inline int free_port() {
  static int next = ::getpid() * 41 % 9000;
  for (int tries = 0; tries < 9000; ++tries) {
    const int port = 10000 + next++ % 9000;
    const UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    if (::bind(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return port;
  }
  CPPUNIT_FAIL("no free port");
  return 0;
}

class Plant {
 public:
  Fault fault;
  net::test::TempDir dir;
  std::string first = dir / "impulse.conf";
  std::string second = dir / "second.conf";

  Plant() {
    for (const char* name : {"a", "b"}) {
      const net::test::Identity identity;
      net::test::write_file(dir / (std::string(name) + ".pem"), identity.certificate() + identity.key());
    }
    for (const char* name : {"kept", "gone", "fresh", "wide"}) ports_.emplace(name, free_port());
    const std::string common = R"(
Nodename = n1
Spoolbase = "@dir@/spool"
Spool_Min_Free = 0
Diagnostic_Log = "@dir@/log"
Mainlog = "@dir@/mainlog"
Acctlog = "@dir@/acctlog"
Shutdown_Timeout = 1
)";
    net::test::write_file(first, filled(common + R"(
Hostname = first.example
EventLoop "default" { Concurrency = 1 }
Certificate "old" { Cert = "@dir@/a.pem" Private_Key = "@dir@/a.pem" }
ESMTP_Listener {
  TLS_Certificate = old
  Listen "127.0.0.1:@kept@" { Max_Message_Size = 10M }
  Listen "127.0.0.1:@gone@" { Reuse_Port = true }
  Listen "127.0.0.1:@wide@" { }
  Listen "@dir@/mail.sock" { }
}
Control_Listener { Listen "@dir@/control.sock" { } }
Domain "example.com" { Delivery_Method = maildir Maildir_Path = "@dir@/mail/%{localpart}" }
)"));
    // All that can be: what is kept under other values, what goes, what is new,
    // what overlaps with what goes, other threads, another certificate.
    fs::create_directory(dir / "parts");
    net::test::write_file(dir / "parts/domains", filled(R"(
Domain "example.net" { Delivery_Method = maildir Maildir_Path = "@dir@/mail/%{localpart}" }
)"));
    net::test::write_file(second, filled(common + R"(
Hostname = second.example
Spool_Commit_Delay = 1ms
Debug_Flags { Debug = ( ALL ) }
EventLoop "default" { Concurrency = 3 }
EventLoop "other" { Concurrency = 1 }
Certificate "new" { Cert = "@dir@/b.pem" Private_Key = "@dir@/b.pem" }
include "parts"
ESMTP_Listener {
  TLS_Certificate = new
  Listen "127.0.0.1:@kept@" { Listen_Backlog = 100 Event_Loop = other }
  Listen "127.0.0.1:@fresh@" { Reuse_Port = true }
  Listen "*:@wide@" { }
  Listen "@dir@/mail2.sock" { }
}
Control_Listener { Listen "@dir@/control.sock" { File_Mode = 0600 } Listen "@dir@/control2.sock" { } }
)"));
    daemon_ = std::make_unique<Daemon>(first, [this](config::EngineSettings settings) {
      auto made = std::make_unique<FaultyEngine>(config::Engine::create(std::move(settings)), fault);
      engine_ = made.get();
      return made;
    });
    CPPUNIT_ASSERT(daemon_->start());
    CPPUNIT_ASSERT_EQUAL(std::string(),
                         doors("kept gone wide mail.sock control.sock"));  // and what comes with a first client
  }

  FaultyEngine& engine() { return *engine_; }
  const FaultyEngine& engine() const { return *engine_; }
  int port(const std::string& name) const { return ports_.at(name); }

  std::string filled(std::string text) const {
    std::map<std::string, std::string> values{{"@dir@", dir.path()}};
    for (const auto& [name, port] : ports_) values.emplace("@" + name + "@", std::to_string(port));
    for (const auto& [name, value] : values)
      for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at))
        text.replace(at, name.size(), value);
    return text;
  }

  // All that must be as it was.
  std::string state() const {
    const config::SnapshotPtr now = engine_->current();
    std::string text =
        fmt::format("{} generation {} of {} unconfirmed {} says {}\n", static_cast<const void*>(now.get()),
                    now->generation(), engine_->file(), engine_->unconfirmed().has_value(), config::digest(*now));
    for (const config::Generation& entry : engine_->history())
      text += fmt::format("{} {} {} {}\n", entry.number, entry.what, entry.by.name,
                          static_cast<const void*>(entry.root.get()));
    return text + descriptors() + files() + threads();
  }
  // `before`, as soon as clients' sessions and ended threads are gone; else how it is.
  std::string settled(const std::string& before) const {
    std::string now = state();
    for (const SteadyTime end = steady_now() + std::chrono::seconds(20); now != before && steady_now() < end;
         now = state())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return now;
  }
  // When what comes and goes by itself is gone, and nothing has changed for some looks.
  std::string resting() const {
    for (const SteadyTime end = steady_now() + std::chrono::seconds(60); in_passing();
         std::this_thread::sleep_for(std::chrono::milliseconds(1)))
      CPPUNIT_ASSERT_MESSAGE(descriptors() + threads(), steady_now() < end);
    std::string last;
    for (int same = 0; same < 10; std::this_thread::sleep_for(std::chrono::milliseconds(2))) {
      std::string now = state();
      same = now == last ? same + 1 : 0;
      last = std::move(now);
    }
    return last;
  }

  // How many sockets listen on a port.
  size_t sockets(const std::string& name) const {
    size_t found = 0;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
      const int fd = std::stoi(entry.path().filename());
      sockaddr_storage storage{};
      socklen_t length = sizeof storage;
      if (options(fd).empty() || ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) continue;
      const auto at = Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), length);
      found += at && !at->is_unix() && at->port() == port(name);
    }
    return found;
  }
  // Which of these do not do as they should; empty: none. A port greets, a
  // socket of the console takes a client; with '-' in front, nobody is there.
  std::string doors(const std::string& names) const {
    std::string wrong;
    for (const std::string_view word : words(names)) {
      const bool wanted = !word.starts_with('-');
      const std::string name(wanted ? word : word.substr(1));
      if (answers(name) != wanted) wrong += std::string(word) + " ";
    }
    return wrong;
  }

 private:
  bool answers(const std::string& name) const {
    const auto port = ports_.find(name);
    const auto endpoint = port == ports_.end()
                              ? Endpoint::unix_socket(dir / name)
                              : Endpoint::parse("127.0.0.1:" + std::to_string(port->second), false).value();
    sockaddr_storage storage{};
    const socklen_t length = endpoint.to_sockaddr(storage);
    const UniqueFd client(::socket(endpoint.is_unix() ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) return false;
    // Its loop is the test's own thread: nobody speaks.
    if (name.starts_with("control")) return true;
    const timeval patience{20, 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    char greeting[4] = "";
    return ::recv(client.get(), greeting, 3, MSG_WAITALL) == 3 && std::string(greeting) == "220";
  }

  // There is a client's session, the thread that indexes, or one that has yet to take its name.
  static bool in_passing() {
    const std::string open = descriptors();
    for (size_t at = 0; (at = open.find("socket:", at)) != open.npos; at = open.find('\n', at))
      if (!std::string_view(open).substr(at, open.find('\n', at) - at).contains(" listens")) return true;
    std::multiset<std::string> names = thread_names();
    return names.contains("spool-index") || names.count(program_invocation_short_name) > unnamed_threads;
  }

  static std::string descriptors() {
    std::map<int, std::string> found;
    const UniqueFd folder(::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const fs::path target = fs::read_symlink(entry.path(), gone);
      // Not that of this very look.
      if (!gone && !target.string().ends_with("/fd")) found.emplace(std::stoi(entry.path().filename()), target);
    }
    std::string text;
    for (const auto& [number, target] : found) text += fmt::format("{} {}{}\n", number, target, options(number));
    return text;
  }
  // Of a socket that listens: what a take-over changes for a while.
  static std::string options(int fd) {
    std::string text;
    const auto get = [&](int option) {
      int value = 0;
      socklen_t length = sizeof value;
      return ::getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
    };
    if (get(SO_ACCEPTCONN) != 1) return {};
    return fmt::format(" listens, port shared {}, retired {}", get(SO_REUSEPORT), get(SO_BINDTOIFINDEX));
  }

  std::string files() const {
    std::set<std::string> lines;
    for (const auto& entry : fs::recursive_directory_iterator(dir.path())) {
      struct stat status{};
      if (::lstat(entry.path().c_str(), &status) == 0)
        lines.insert(fmt::format("{} {} {:o}", entry.path().string(), status.st_ino, status.st_mode));
    }
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
  }

  static std::multiset<std::string> thread_names() {
    std::multiset<std::string> names;
    for (const auto& entry : fs::directory_iterator("/proc/self/task")) {
      std::ifstream file(entry.path() / "comm");
      std::string name;
      if (std::getline(file, name)) names.insert(name);
    }
    return names;
  }
  static std::string threads() {
    std::string text;
    for (const std::string& name : thread_names()) text += name + "\n";
    return text;
  }

  std::map<std::string, int> ports_;
  FaultyEngine* engine_ = nullptr;  // the daemon's
  std::unique_ptr<Daemon> daemon_;
};

}  // namespace impulse::server::test
