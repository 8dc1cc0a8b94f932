// HttpRules: everything a HTTP session has to know about its configuration,
// compiled once per commit and Peer chain, shared by all sessions under it.
#pragma once

#include "api/policy.h"
#include "api/routes.h"
#include "auth/parameters.h"
#include "config/snapshot.h"
#include "http/policy.h"
#include "smtp/policy.h"

#include <cstdint>
#include <memory>
#include <optional>

namespace impulse::server {

struct HttpRules {
  std::shared_ptr<const http::Policy> wire;
  std::shared_ptr<const api::Policy> mail;
  std::shared_ptr<const smtp::Policy> relay;  // its relay rules, as for SMTP

  api::Modules modules;  // HTTP_Modules
  bool deny = false;
  bool tls_required = false;
  bool log_requests = false;  // Log_Requests_To_Paniclog

  bool auth_required = false;         // Enable_Authentication
  bool auth_requires_tls = true;      // for what could be overheard
  bool always_allow = false;          // everybody counts as authenticated
  bool always_deny = false;           // nobody does
  bool certificate_is_user = false;   // TLS_Verified_Peer_Is_Authorized
  bool roles_decide = false;          // Enable_Authorization
  uint32_t auth_failure_limit = 3;    // of a connection; 0 no limit
  std::optional<auth::Source> basic;  // AuthPlainParameters
  auth::KeySource keys;               // API_Keys
};

// Kept with the options.
std::shared_ptr<const HttpRules> http_rules(const config::Options& options);

}  // namespace impulse::server
