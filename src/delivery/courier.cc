// What all couriers have in common.
#include "delivery/courier.h"

#include "smtp/client_envelope.h"

#include <utility>

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

Courier::Courier(Setup setup)
    : number_(setup.number),
      loop_(setup.loop),
      host_(setup.host),
      streamers_(setup.streamers),
      streams_(setup.streams),
      route_(std::move(setup.route)),
      target_(std::move(setup.target)),
      plain_because_(std::move(setup.plain_because)),
      most_recipients_(setup.most_recipients) {}

std::optional<smtp::Reply> Courier::unprotected() const {
  const smtp::Protection given = protection();
  auto why = smtp::protection_objection(given, offers());
  // Certificates are verified for names: without one that will not pass.
  if (why && !why->permanent() && given.tls && (target_.endpoint.is_unix() || IpAddress::parse(target_.host)))
    return smtp::Reply{550, "5.7.10 the message needs REQUIRETLS, and the next server is known by its address only"};
  return why;
}

void Courier::read_on(std::shared_ptr<message::BodyReader> reader) {
  streamers_.post([this, weak = std::weak_ptr(alive_), &loop = loop_, reader = std::move(reader)] {
    auto piece = reader->next();
    loop.post([this, weak, reader, piece = std::move(piece)] {
      if (!weak.expired()) have_read(reader, piece);
    });
  });
}

void Courier::later(std::function<void()> what) {
  loop_.post([weak = std::weak_ptr(alive_), what = std::move(what)] {
    if (!weak.expired()) what();
  });
}

}  // namespace impulse::delivery
