// Who the other side is, and what ties a proof of it to this connection. net/ only.
#pragma once

#include "net/tls.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

typedef struct ssl_st SSL;

namespace impulse::net {

// The certificate of a finished handshake; null without one.
std::shared_ptr<const TlsPeer> peer_of(const SSL* ssl);

// Channel bindings of RFC 5929 and RFC 9266: tls-unique (TLS 1.2),
// tls-server-end-point, tls-exporter. None where it cannot be had, or would
// not bind: without extended master secret (RFC 7627) under TLS 1.2, without
// a certificate of the server.
std::optional<std::string> channel_binding_of(SSL* ssl, std::string_view type, bool server);

}  // namespace impulse::net
