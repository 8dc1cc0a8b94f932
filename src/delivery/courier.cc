// What a connection may say of us, by who named its host.
#include "delivery/courier.h"

namespace impulse::delivery {

std::optional<smtp::ClientLogin> login_at(const Route& route, const Target& target) {
  if (!route.login || target.login == Gateway::Login::withheld) return std::nullopt;
  smtp::ClientLogin login = *route.login;
  // Nobody else listens there.
  if (target.endpoint.is_unix() || target.endpoint.address().is_loopback()) login.requires_tls = false;
  login.requires_name = target.login == Gateway::Login::verified;
  return login;
}

bool may_go_plain(const Route& route, const Target& target) {
  if (route.tls != smtp::TlsUse::if_available) return false;
  const auto login = login_at(route, target);
  return !login || (!login->requires_tls && !login->requires_name);
}

}  // namespace impulse::delivery
