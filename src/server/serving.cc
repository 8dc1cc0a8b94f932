#include "server/serving.h"

namespace impulse::server {

namespace {

Endpoint any_of(const Endpoint& endpoint) {
  const IpAddress any = endpoint.kind() == Endpoint::Kind::tcp4 ? IpAddress::v4(0) : IpAddress::v6({});
  return Endpoint::tcp(any, endpoint.port());
}

}  // namespace

bool overlap(const Endpoint& a, const Endpoint& b) {
  return a == b || (a.kind() == b.kind() && !a.is_unix() && a.port() == b.port() &&
                    (a.address().is_any() || b.address().is_any()));
}

const config::ListenConf* serving(const config::Snapshot& snapshot, config::ScopeKind listener, const Endpoint& listen,
                                  const Endpoint& local) {
  const config::ListenConf* own = snapshot.find_listen(listener, listen);
  if (listen.is_unix() || (own != nullptr && own->enabled())) return own;
  // The kernel prefers the specific address, and so do we.
  for (const Endpoint& candidate : {local, any_of(local)})
    if (const config::ListenConf* conf = snapshot.find_listen(listener, candidate); conf != nullptr && conf->enabled())
      return conf;
  return own;
}

const config::ListenConf* serving(const Incoming& incoming) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  Endpoint local = incoming.listen;
  if (::getsockname(incoming.fd.get(), reinterpret_cast<sockaddr*>(&storage), &length) == 0)
    local = Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), length).value_or(incoming.listen);
  return serving(*incoming.snapshot, incoming.listener, incoming.listen, local);
}

}  // namespace impulse::server
