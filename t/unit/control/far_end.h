// What stands at the other end of the console's connection: a script's bytes.
#pragma once

#include "t/unit/console/kit.h"

#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>

namespace impulse::console::test {

inline void say(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

inline std::string read_all(int fd) {
  std::string all;
  char block[4096];
  for (ssize_t got = 0; (got = ::read(fd, block, sizeof block)) > 0;) all.append(block, static_cast<size_t>(got));
  return all;
}

}  // namespace impulse::console::test
