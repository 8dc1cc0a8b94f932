// Who is at the other end of a connection that was accepted, and how it is
// secured: as protocol engines are told, which see no socket.
#pragma once

#include "base/ip.h"

#include <cstdint>
#include <string>

namespace impulse::net {

struct ClientInfo {
  IpAddress address;  // loopback for a Unix socket
  uint16_t port = 0;
  bool unix_socket = false;
  std::string listener;     // canonical Listen
  std::string name{};       // by DNS, or as XCLIENT says; empty: unknown
  IpAddress destination{};  // where it connected to, where that matters; as XCLIENT DESTADDR says
  uint16_t destination_port = 0;
  std::string identity{};  // a PROXY header's verified certificate names it (Proxy_Identity_As_User); empty: nobody
};

// What of TlsInfo the protocols look at, and what the owner made of it.
struct TlsState {
  std::string version;  // "TLSv1.3"
  std::string cipher;
  int bits = 0;
  bool verified = false;   // the client showed a certificate that is good
  std::string identity{};  // whom it, or its pre-shared key, stands for (TLS_Identity_As_User); empty: nobody
};

}  // namespace impulse::net
