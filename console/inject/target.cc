#include "console/inject/target.h"

#include "base/endpoint.h"
#include "base/ip.h"
#include "base/text.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace impulse::ecinject {

Outcome<Target> Target::resolve(const console::Address& address) {
  Target target;
  if (!address.path.empty()) {
    Place& place = target.places_.emplace_back();
    place.length = Endpoint::unix_socket(address.path).to_sockaddr(place.address);
    return target;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
  if (error != 0)
    return fail_with(error == EAI_NONAME ? EX_NOHOST : EX_TEMPFAIL,
                     fmt::format("{}: {}", escape_line(address.to_string()), ::gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    Place& place = target.places_.emplace_back();
    std::memcpy(&place.address, at->ai_addr, at->ai_addrlen);
    place.length = at->ai_addrlen;
  }
  return target;
}

int Target::connect(size_t which, UniqueFd& socket, bool& connected) const {
  const Place& place = places_[which];
  UniqueFd fd(::socket(place.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return errno;
  if (place.address.ss_family != AF_UNIX) {
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  connected = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&place.address), place.length) == 0;
  if (!connected && errno != EINPROGRESS) return errno;
  socket = std::move(fd);
  return 0;
}

bool Target::stays_here(size_t which) const {
  const Place& place = places_[which];
  if (place.address.ss_family == AF_UNIX) return true;
  const auto ip = IpAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&place.address), place.length);
  return ip && ip->is_loopback();
}

}  // namespace impulse::ecinject
