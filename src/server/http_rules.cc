#include "server/http_rules.h"

#include "config/keys.h"

#include <algorithm>

namespace impulse::server {

namespace key = config::key;

namespace {

http::Policy wire_of(const config::Options& options) {
  http::Policy policy;
  policy.max_request_line = static_cast<uint32_t>(options[key::max_request_line_length]);
  policy.max_header_size = static_cast<uint32_t>(options[key::max_header_size]);
  policy.max_request_size = options[key::max_request_size];
  const config::Strings& versions = options[key::http_versions];
  const auto speaks = [&](std::string_view version) { return std::ranges::find(versions, version) != versions.end(); };
  policy.http_1_0 = speaks("1.0");
  policy.http_1_1 = speaks("1.1");
  policy.server_name = "Impulse";
  policy.idle_timeout = options[key::idle_time];
  return policy;
}

HttpRules make_rules(const config::Options& options) {
  HttpRules rules;
  rules.wire = std::make_shared<const http::Policy>(wire_of(options));
  rules.mail = api::make_policy(options);
  rules.relay = smtp::make_policy(options, false);
  if (const auto modules = api::Modules::read(options[key::http_modules])) rules.modules = *modules;
  rules.deny = options[key::deny];
  rules.tls_required = options[key::tls_required];
  rules.log_requests = options[key::log_requests_to_paniclog];
  rules.auth_required = options[key::enable_authentication];
  rules.auth_requires_tls = options[key::auth_requires_tls];
  rules.always_allow = options[key::always_allow];
  rules.always_deny = options[key::always_deny];
  rules.certificate_is_user = options[key::tls_verified_peer_is_authorized];
  rules.roles_decide = options[key::enable_authorization];
  rules.auth_failure_limit =
      static_cast<uint32_t>(std::clamp<int64_t>(options[key::auth_failure_limit], 0, UINT32_MAX));
  // What cannot be read has been refused by the commit.
  if (const auto plain = auth::read_parameters(auth::Mechanism::plain, options[key::authplainparameters]);
      plain && !plain->empty())
    rules.basic = plain->front();
  rules.keys = auth::key_source(options);
  return rules;
}

}  // namespace

std::shared_ptr<const HttpRules> http_rules(const config::Options& options) {
  return options.derived<HttpRules>(
      [](const config::Options& chain) { return std::make_shared<const HttpRules>(make_rules(chain)); });
}

}  // namespace impulse::server
