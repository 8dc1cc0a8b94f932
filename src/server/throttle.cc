#include "server/throttle.h"

#include "base/tenant.h"
#include "config/keys.h"

namespace impulse::server {

namespace key = config::key;

namespace {

// Kept with the options of a chain of scopes.
struct ScopeThrottle {
  std::string scope;
  ThrottlePtr throttle;
};

// The scope whose Inbound_Throttle_Messages holds for that client.
std::string setting_scope(const config::Snapshot& snapshot, config::ScopeKind listener, const Endpoint& listen,
                          const IpAddress& client) {
  const config::ScopePath path{
      {listener, {}}, {config::ScopeKind::listen, listen.to_string()}, {config::ScopeKind::peer, client.to_string()}};
  for (const config::Rung& rung : snapshot.explain(path, config::options()[key::inbound_throttle_messages.index]))
    if (rung.won) return rung.scope;
  return "global";
}

}  // namespace

ThrottlePtr Throttles::of(const config::Snapshot& snapshot, const config::Options& options, config::ScopeKind listener,
                          const Endpoint& listen, const IpAddress& client, SteadyTime now, std::string_view tenant) {
  if (options[key::inbound_throttle_messages].count == 0) return nullptr;
  const auto found = options.derived<ScopeThrottle>([&](const config::Options& chain) {
    const std::string scope = setting_scope(snapshot, listener, listen, client);
    return std::make_shared<const ScopeThrottle>(ScopeThrottle{scope, at(tenant_name(chain[key::tenant], scope), now)});
  });
  if (tenant.empty() || !options[key::tenant].empty()) return found->throttle;
  return at(tenant_name(tenant, found->scope), now);
}

// By name, so that what was counted stays when the configuration changes.
ThrottlePtr Throttles::at(const std::string& scope, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (scopes_.size() >= most_kept)
    std::erase_if(scopes_, [&](const auto& entry) { return entry.second.use_count() == 1 && entry.second->over(now); });
  ThrottlePtr& throttle = scopes_[scope];
  if (!throttle) throttle = std::make_shared<Throttle>();
  return throttle;
}

}  // namespace impulse::server
