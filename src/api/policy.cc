#include "api/policy.h"

#include <utility>

namespace impulse::api {

std::shared_ptr<const Policy> make_policy(const config::Options& options) {
  Policy policy;
  intake::read_message_rules(options, policy);
  return std::make_shared<const Policy>(std::move(policy));
}

}  // namespace impulse::api
