// /etc/hosts: addresses by name. Read again when it has changed. One thread.
#pragma once

#include "base/clock.h"
#include "base/ip.h"

#include <sys/stat.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace impulse::dns {

class HostsFile {
 public:
  explicit HostsFile(std::string path) : path_(std::move(path)) {}

  // Empty: it does not have that name (lower case). "localhost" and names below
  // it are always there (RFC 6761 §6.3). Looks at the file at most each second.
  std::vector<IpAddress> find(std::string_view name, SteadyTime now);

  // What such a text says, in its order.
  static std::unordered_map<std::string, std::vector<IpAddress>> parse(std::string_view text);

 private:
  void refresh(SteadyTime now);

  const std::string path_;
  std::unordered_map<std::string, std::vector<IpAddress>> names_;
  SteadyTime next_look_{};
  timespec changed_{};
  off_t size_ = -1;
};

}  // namespace impulse::dns
