// What a request's target says (RFC 9112 §3.2, RFC 3986): the path, decoded once
// and without tricks, and the parameters behind it.
#pragma once

#include "http/message.h"
#include "http/syntax.h"

#include <optional>

namespace impulse::http {

// From head.target, method and fields (Host): fills path, query and host.
// Origin form; absolute form when it names the host that Host names; "*" for
// OPTIONS. Anything else is a fault: nobody may read another target than we do.
std::optional<Fault> read_target(RequestHead& head);

}  // namespace impulse::http
