// A name server on a thread: UDP on a loopback port, a table of records. What
// it does not have does not exist.
#pragma once

#include "../dns/wire.h"
#include "../net/kit.h"
#include "base/fd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace impulse::delivery::test {

class DnsServer {
 public:
  DnsServer() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof at;
    auto* const address = reinterpret_cast<sockaddr*>(&at);
    CPPUNIT_ASSERT(::bind(socket_.get(), address, length) == 0 && ::getsockname(socket_.get(), address, &length) == 0);
    std::ofstream(conf()) << "nameserver 127.0.0.1:" << ntohs(at.sin_port) << "\noptions timeout:1\n";
    thread_ = std::thread([this] { serve(); });
  }
  ~DnsServer() {
    stopping_ = true;
    ::shutdown(socket_.get(), SHUT_RDWR);  // wakes recvfrom(), whatever it returns
    thread_.join();
  }
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  std::string conf() const { return dir_ / "resolv.conf"; }

  std::atomic<uint32_t> ttl{300};
  DnsServer& mx(const std::string& name, unsigned preference, const std::string& host) {
    return add(name, [=](dns::test::Wire& wire, uint32_t ttl) { wire.mx(name, preference, host, ttl); }, dns::Type::mx);
  }
  DnsServer& a(const std::string& name, const std::string& address) {
    return add(name, [=](dns::test::Wire& wire, uint32_t ttl) { wire.a(name, address, ttl); }, dns::Type::a);
  }
  // The server does not follow it.
  DnsServer& cname(const std::string& name, const std::string& target) {
    const std::lock_guard lock(mutex_);
    aliases_[name] = target;
    names_.insert(name);
    return *this;
  }
  DnsServer& txt(const std::string& name) {  // it is there, and has nothing that we ask for
    const std::lock_guard lock(mutex_);
    names_.insert(name);
    return *this;
  }
  DnsServer& fail(const std::string& name, unsigned rcode) {
    const std::lock_guard lock(mutex_);
    failures_[name] = rcode;
    return *this;
  }
  DnsServer& clear(const std::string& name) {
    const std::lock_guard lock(mutex_);
    std::erase_if(records_, [&](const auto& each) { return each.first.first == name; });
    return *this;
  }
  int asked(const std::string& name, dns::Type type) const {
    const std::lock_guard lock(mutex_);
    const auto found = asked_.find({name, type});
    return found == asked_.end() ? 0 : found->second;
  }

 private:
  using Add = std::function<void(dns::test::Wire&, uint32_t ttl)>;
  using Key = std::pair<std::string, dns::Type>;

  DnsServer& add(const std::string& name, Add record, dns::Type type) {
    const std::lock_guard lock(mutex_);
    records_[{name, type}].push_back(std::move(record));
    names_.insert(name);
    failures_.erase(name);
    return *this;
  }

  void serve() {
    std::array<uint8_t, 1500> packet{};
    while (!stopping_) {
      sockaddr_in from{};
      socklen_t length = sizeof from;
      const ssize_t size =
          ::recvfrom(socket_.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
      if (size < 17 || stopping_) continue;
      std::string name;
      size_t at = 12;
      while (packet[at] != 0) {
        if (!name.empty()) name += '.';
        name.append(reinterpret_cast<const char*>(&packet[at + 1]), packet[at]);
        at += packet[at] + size_t{1};
      }
      const auto type = static_cast<dns::Type>(packet[at + 1] << 8 | packet[at + 2]);
      const auto bytes = answer(name, type, static_cast<unsigned>(packet[0] << 8 | packet[1]));
      ::sendto(socket_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&from), length);
    }
  }

  dns::test::Bytes answer(const std::string& name, dns::Type type, unsigned id) {
    const std::lock_guard lock(mutex_);
    ++asked_[{name, type}];
    if (const auto failure = failures_.find(name); failure != failures_.end())
      return dns::test::Wire(name, type, failure->second, id).bytes();
    dns::test::Wire wire(name, type, names_.contains(name) ? 0 : 3, id);
    if (const auto alias = aliases_.find(name); alias != aliases_.end())
      return wire.cname(name, alias->second, ttl).bytes();
    const auto found = records_.find({name, type});
    if (found == records_.end()) return wire.soa("example", ttl, ttl).bytes();
    for (const Add& record : found->second) record(wire, ttl);
    return wire.bytes();
  }

  net::test::TempDir dir_;
  UniqueFd socket_;
  mutable std::mutex mutex_;
  std::map<Key, std::vector<Add>> records_;
  std::map<std::string, std::string> aliases_;
  std::map<std::string, unsigned> failures_;
  std::set<std::string> names_;
  std::map<Key, int> asked_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace impulse::delivery::test
