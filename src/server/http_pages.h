// What is answered to GET: a message's state, health, documentation. Whole responses.
#pragma once

#include "api/health.h"
#include "http/message.h"
#include "spool/spool.h"

#include <string>
#include <string_view>

namespace impulse::server {

http::Response json_response(int status, std::string body);

// State of a message that is in the spool. `name`: its id; `tenant`: whose it has to be. Reads its envelope from the
// disk.
http::Response message_page(const spool::Spool& spool, std::string_view name, std::string_view tenant);

http::Response health_page(api::HealthAnswer answer);
http::Response docs_page();

}  // namespace impulse::server
