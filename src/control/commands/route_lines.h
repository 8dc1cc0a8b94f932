// Where mail of a domain goes, in lines, as Momentum has them; one JSON document
// with --json. For `domain route` and `domain`.
#pragma once

#include "control/names.h"
#include "control/writer.h"

namespace impulse::control {

void say_route(Writer& writer, const DomainRoute& route);
Json route_document(const DomainRoute& route);

}  // namespace impulse::control
