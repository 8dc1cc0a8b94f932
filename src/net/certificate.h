// What a certificate in use says, and what is wrong with its chain: for people.
#pragma once

#include "base/clock.h"
#include "net/tls.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace impulse::net {

struct Certificate {
  std::string subject;             // "CN=mx.example.com,O=Example" (RFC 2253)
  std::vector<std::string> names;  // "DNS:mx.example.com", "IP:192.0.2.1", "email:…", "URI:…"
  std::string issuer;
  std::string serial;  // hexadecimal
  std::string key;     // "EC 256 bits"
  WallTime begins{};
  WallTime expires{};
  size_t chain = 0;  // certificates behind it
};

// A certificate of a server's context, by its index in served(); nothing
// without one.
std::optional<Certificate> certificate_of(const TlsContext& context, size_t index = 0);

// Whether a client could follow the chain: one line for what is wrong (out of
// order, an issuer missing that the system does not know either, one of the
// chain over); empty when nothing is.
std::string chain_trouble(const TlsContext& context, WallTime now, size_t index = 0);

}  // namespace impulse::net
