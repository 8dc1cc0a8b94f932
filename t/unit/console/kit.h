// What tests of the console have in common: both ends of a connection.
#pragma once

#include "base/fd.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace impulse::console::test {

// A daemon's first line.
constexpr std::string_view greeting = "* ECTL/1 impulse/1.2.3 node=n1 pid=42 gen=7\n";
constexpr std::string_view hello = greeting.substr(0, greeting.size() - 1);

inline std::pair<UniqueFd, UniqueFd> a_pair() {
  int ends[2];
  CPPUNIT_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// One end of a conversation in lines.
class Lines {
 public:
  explicit Lines(int fd) : fd_(fd) {}
  void say(std::string_view line) {
    const std::string bytes = std::string(line) + "\n";
    [[maybe_unused]] const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  // False: the other end has closed.
  bool hear(std::string& line) {
    line.clear();
    char byte = 0;
    while (::read(fd_, &byte, 1) == 1) {
      if (byte == '\n') return true;
      line += byte;
    }
    return false;
  }

 private:
  int fd_;
};

// A folder that goes away with its files.
struct Folder {
  Folder() { CPPUNIT_ASSERT(::mkdtemp(name) != nullptr); }
  ~Folder() {
    for (const char* file : {"/history", "/password", "/control"}) ::unlink((name + std::string(file)).c_str());
    ::rmdir(name);
  }
  std::string path(const std::string& file) const { return name + ("/" + file); }
  char name[40] = "/tmp/impulse-console-XXXXXX";
};

}  // namespace impulse::console::test
