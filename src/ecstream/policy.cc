#include "ecstream/policy.h"

#include "config/keys.h"
#include "config/snapshot.h"

#include <algorithm>

namespace impulse::ecstream {

namespace key = config::key;

std::shared_ptr<const Policy> make_policy(const config::Options& options) {
  Policy policy;
  intake::read_message_rules(options, policy);
  policy.hostname = intake::host_name(options);
  policy.window = std::min(intake::to_count(options[key::ecstream_window], 1), Policy::largest_window);
  policy.max_batch = intake::to_count(options[key::ecstream_max_batch_size], 1);
  policy.idle_time = options[key::ecstream_idle_time];

  policy.auth_sources = auth::mail_sources(options);
  auth::read_login_policy(options, policy);
  policy.sender_match = static_cast<Policy::SenderMatch>(options[key::sender_must_match_user].index);
  policy.verified_peer_can_relay = options[key::tls_verified_peer_can_relay];
  policy.tls_required = options[key::tls_required];
  policy.deny = options[key::deny];

  policy.reconfig_message = options[key::reconfig_message];
  policy.reconfig_always = options[key::reconfig_policy].index == 1;
  return std::make_shared<const Policy>(std::move(policy));
}

}  // namespace impulse::ecstream
