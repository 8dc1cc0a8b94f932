// Protocols, ciphers and groups from the lists that people write. net/ only.
#pragma once

#include "net/tls.h"

namespace impulse::net {

// Protocols, ciphers, suites, groups and the order of them, into `context`.
// Unknown names are errors, with the name.
Result<> use_lists(SSL_CTX* context, const TlsSettings& settings);

}  // namespace impulse::net
