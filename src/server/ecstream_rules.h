// EcstreamRules: everything an ECStream session has to know about its
// configuration, compiled once per commit and Peer chain, shared by all
// sessions under it.
#pragma once

#include "config/snapshot.h"
#include "ecstream/policy.h"
#include "smtp/policy.h"

#include <memory>

namespace impulse::server {

struct EcstreamRules {
  std::shared_ptr<const ecstream::Policy> wire;
  std::shared_ptr<const smtp::Policy> relay;  // its relay rules, as for SMTP
};

// Kept with the options.
inline std::shared_ptr<const EcstreamRules> ecstream_rules(const config::Options& options) {
  return options.derived<EcstreamRules>([](const config::Options& chain) {
    return std::make_shared<const EcstreamRules>(
        EcstreamRules{ecstream::make_policy(chain), smtp::make_policy(chain, false)});
  });
}

}  // namespace impulse::server
