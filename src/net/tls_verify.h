// Certificates of the other side: who may have issued them, what is revoked,
// and what becomes of a session whose peer has a bad one or none. net/ only.
#pragma once

#include "net/tls.h"

namespace impulse::net {

// Issuers, CRL, depth and mode of `settings` into `context`. A server also
// names its issuers to clients. When the CRL that ends first ends; none
// without one.
Result<std::optional<WallTime>> use_verification(SSL_CTX* context, const TlsSettings& settings, bool server);

}  // namespace impulse::net
