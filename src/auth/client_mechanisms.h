// The SASL mechanisms by which a client logs in: apart from SaslClient, for who only
// has to know their names and needs no library for them.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace impulse::auth {

// The one to prefer first; the password of XOAUTH2 is the token.
inline std::span<const std::string_view> client_mechanisms() {
  static constexpr std::array<std::string_view, 6> mechanisms = {"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5",
                                                                 "PLAIN",         "LOGIN",       "XOAUTH2"};
  return mechanisms;
}

}  // namespace impulse::auth
