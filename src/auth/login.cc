#include "auth/login.h"

#include "base/text.h"
#include "config/keys.h"

#include <algorithm>
#include <utility>

namespace impulse::auth {

namespace {

constexpr std::string_view external_name = "EXTERNAL";
constexpr std::chrono::seconds penalty{1};
constexpr std::chrono::seconds longest_penalty{60};

}  // namespace

void read_login_policy(const config::Options& options, LoginPolicy& policy) {
  namespace key = config::key;
  policy.auth_required = options[key::enable_authentication];
  policy.auth_requires_tls = options[key::auth_requires_tls];
  policy.always_allow = options[key::always_allow];
  policy.always_deny = options[key::always_deny];
  policy.auth_failure_limit =
      static_cast<uint32_t>(std::clamp<int64_t>(options[key::auth_failure_limit], 0, UINT32_MAX));
}

Duration penalized(Duration delay) { return std::max(delay, std::min<Duration>(delay + penalty, longest_penalty)); }

bool Login::may_use(const Scene& scene, const Source& source) const {
  if (binds_channel(source.mechanism) && !scene.tls) return false;
  // Nobody can listen: the password itself may be said.
  const bool secure = scene.tls || scene.client.unix_socket || scene.client.address.is_loopback();
  return !scene.policy.auth_requires_tls || secure || !sends_password(source.mechanism);
}

std::vector<std::string_view> Login::mechanisms(const Scene& scene) const {
  std::vector<std::string_view> names;
  for (const Source& source : scene.policy.auth_sources)
    if (may_use(scene, source) && host_.usable(source)) names.push_back(name(source.mechanism));
  if (external_offered(scene.policy)) names.push_back(external_name);
  return names;
}

void Login::take_identity(const Scene& scene) {
  const std::string& named = scene.tls && !scene.tls->identity.empty() ? scene.tls->identity : scene.client.identity;
  if (named.empty() || scene.policy.always_deny) return;
  by_connection_ = true;
  is(named, external_name);
}

void Login::is(std::string user, std::string_view how) {
  user_ = std::move(user);
  host_.authenticated({how, user_, true, logs_});
}

Login::Begun Login::begin(const Scene& scene, std::string_view mechanism) {
  exchange_.reset();
  challenge_.clear();
  const auto& sources = scene.policy.auth_sources;
  const bool external = iequals(mechanism, external_name) && external_offered(scene.policy);
  const auto source = std::find_if(sources.begin(), sources.end(),
                                   [&](const Source& each) { return iequals(name(each.mechanism), mechanism); });
  if (!external && source == sources.end()) return Begun::unknown_mechanism;
  if (auto refusal = host_.may_authenticate()) {
    refusal_ = std::move(*refusal);
    return Begun::refused;
  }
  if (external) {
    logs_ = true;
    return Begun::external;
  }
  if (!may_use(scene, *source)) return Begun::needs_tls;
  auto exchange = host_.authenticate(*source);
  if (!exchange) return Begun::trouble;
  exchange_ = std::move(*exchange);
  logs_ = source->log;
  return Begun::exchange;
}

Login::State Login::first(const LoginPolicy& policy, std::string_view initial) {
  const Mechanism mechanism = exchange_->mechanism();
  if (!is_client_first(mechanism)) {
    // Only LOGIN's clients send something ahead here: the user's name.
    const SaslExchange::Step asked = exchange_->step({});
    if (mechanism != Mechanism::login || asked.state != SaslExchange::State::more) {
      exchange_.reset();
      return State::not_initially;
    }
  }
  return step(policy, initial);
}

Login::State Login::step(const LoginPolicy& policy, std::string_view response) {
  SaslExchange::Step step = exchange_->step(response);
  if (step.state == SaslExchange::State::more) {
    challenge_ = std::move(step.output);
    return State::challenge;
  }
  const std::string_view how = name(exchange_->mechanism());
  if (step.state == SaslExchange::State::done && !policy.always_deny) {
    by_connection_ = false;
    is(exchange_->user(), how);
  } else if (policy.always_allow && !policy.always_deny) {
    host_.authenticated({how, "anonymous", true, logs_});
  } else {
    return failed();
  }
  exchange_.reset();
  return State::success;
}

Login::State Login::external(std::string_view asked) {
  if (!asked.empty() && asked != user_) return failed();
  by_connection_ = false;
  return State::success;
}

Login::State Login::failed() {
  host_.authenticated({exchange_ ? name(exchange_->mechanism()) : external_name,
                       exchange_ ? std::string_view(exchange_->user()) : std::string_view(), false, logs_});
  exchange_.reset();
  return State::failure;
}

bool Login::may_go_on(const LoginPolicy& policy) {
  ++failures_;
  return policy.auth_failure_limit == 0 || failures_ < policy.auth_failure_limit;
}

void Login::forget() {
  exchange_.reset();
  user_.clear();
  by_connection_ = false;
}

}  // namespace impulse::auth
