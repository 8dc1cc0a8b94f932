// Policy: what injection by HTTP has to know of the configuration, compiled
// once per commit and Peer chain.
#pragma once

#include "api/limits.h"
#include "intake/message_rules.h"

#include <cstddef>
#include <memory>

namespace impulse::config {
class Options;
}

namespace impulse::api {

struct Policy : intake::MessageRules {
  size_t max_request_recipients = usual_request_recipients;

  friend bool operator==(const Policy&, const Policy&) = default;
};

std::shared_ptr<const Policy> make_policy(const config::Options& options);

}  // namespace impulse::api
