// SASL, the client's side, over libgsasl (doc/control-protocol.md, section 9).
#pragma once

#include "console/ectl_client.h"

#include <string>
#include <string_view>
#include <vector>

namespace impulse::console {

// The best of those that the daemon offers. Those that send the password
// itself are taken only where nobody can listen in (`confidential`).
// denied: there is none.
Outcome<std::string> choose_mechanism(const std::vector<std::string>& offered, bool confidential);

// What the daemon offers on this connection: by its greeting, or asked.
Outcome<std::vector<std::string>> offered_mechanisms(Client& client);

struct Credentials {
  std::string user;
  std::string password;
};

// One attempt. denied: the daemon does not take the password, or could not
// prove that it knows it. The connection can be used again after `denied`,
// unless the daemon closes it.
Outcome<> authenticate(Client& client, const std::string& mechanism, const Credentials& credentials,
                       const std::string& host);

}  // namespace impulse::console
