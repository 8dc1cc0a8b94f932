#include "server/http_gate.h"

#include "auth/password.h"
#include "base/text.h"
#include "http/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace impulse::server {

namespace {

constexpr unsigned locked_out_for = 60;  // seconds that are said to those with too many failures
constexpr std::string_view key_word = "API key";

HttpRefusal weak() {
  return {403, "tls_required", "auth_weak", "credentials are taken over TLS only: nobody shall overhear them", 0, true};
}

HttpRefusal trouble() {
  return {503, "unavailable", "auth", "nobody can be authenticated now, try again later", 30, false};
}

// "Basic abc" taken apart; the scheme is empty when there is only one word.
std::pair<std::string_view, std::string_view> scheme_of(std::string_view authorization) {
  const size_t space = authorization.find(' ');
  if (space == std::string_view::npos) return {{}, authorization};
  return {authorization.substr(0, space), trim(authorization.substr(space + 1))};
}

// Of those who have no key that says so. The numbers are the whole daemon's: no
// tenant's to see.
auth::Rights usual_rights(std::string_view tenant) {
  auth::Rights rights;
  rights.add(auth::Right::inject);
  if (tenant.empty()) rights.add(auth::Right::metrics);
  return rights;
}

// Of those who say who they are; roles decide then about each of their commands.
auth::Rights rights_of_users(const HttpRules& rules, std::string_view tenant, std::string_view user) {
  auth::Rights rights = usual_rights(tenant);
  if (rules.roles_decide && tenant.empty() && !user.empty()) rights.add(auth::Right::admin);
  return rights;
}

auth::Rights strangers_rights(std::string_view tenant, bool this_machine) {
  return this_machine ? usual_rights(tenant) : auth::Rights().add(auth::Right::inject);
}

}  // namespace

bool is_passed_on(const http::Fields& fields) {
  static constexpr std::string_view names[] = {"Forwarded",         "X-Forwarded-For", "X-Forwarded-Host",
                                               "X-Forwarded-Proto", "X-Real-IP",       "Via"};
  return std::ranges::any_of(names, [&](std::string_view name) { return fields.find(name).has_value(); });
}

bool is_of_another_page(const http::RequestHead& head, bool secure) {
  if (const auto site = head.fields.find("Sec-Fetch-Site"); site && *site != "same-origin" && *site != "none")
    return true;
  const auto origin = head.fields.find("Origin");
  if (!origin) return false;
  const size_t end = origin->find("://");
  if (end == std::string_view::npos || !iequals(origin->substr(end + 3), head.host)) return true;
  return secure && !iequals(origin->substr(0, end), "https");
}

HttpRefusal to_http(const smtp::HostRefusal& refusal) {
  HttpRefusal said{503, "unavailable", refusal.cause, refusal.text, 30, false};
  if (refusal.cause == "throttle" && refusal.code >= 500)
    return {413, "too_many", refusal.cause, refusal.text, 0, false};
  if (refusal.cause == "throttle" || refusal.cause == "connection_rate") {
    said.status = 429;
    said.code = "too_many";
  } else if (refusal.code == 452 && refusal.cause == "admission") {
    said.status = 507;
    said.code = "no_storage";
  }
  return said;
}

http::Response to_response(const HttpRefusal& refusal) {
  http::Response response =
      http::error_response(refusal.status, http::ErrorItem{std::string(refusal.code), refusal.reason});
  if (refusal.retry_after != 0) response.with("Retry-After", std::to_string(refusal.retry_after));
  response.close = refusal.close;
  return response;
}

void HttpGate::challenge(const HttpRules& rules, http::Response& response) {
  // Always one: RFC 9110 §15.5.2 wants it, even where only certificates count.
  if (!rules.keys.path.empty() || !rules.basic) response.with("WWW-Authenticate", "Bearer realm=\"impulse\"");
  if (rules.basic) response.with("WWW-Authenticate", "Basic realm=\"impulse\", charset=\"UTF-8\"");
}

std::expected<HttpCaller, HttpRefusal> HttpGate::who(const AuthDesk::Visitor& visitor, const HttpRules& rules,
                                                     const Connection& connection, std::string_view authorization) {
  HttpCaller caller;
  caller.tenant = visitor.tenant;
  caller.rights = strangers_rights(visitor.tenant, connection.this_machine);
  if (rules.always_deny) return caller.known = false, caller;
  if (!authorization.empty() && !rules.always_allow) {
    if (rules.auth_requires_tls && !connection.private_way) return std::unexpected(weak());
    if (const auto refusal = desk_.may_try(visitor))
      return std::unexpected(
          HttpRefusal{429, "too_many_failures", refusal->cause, refusal->text, locked_out_for, true});
    const auto [scheme, credentials] = scheme_of(authorization);
    if (iequals(scheme, "Basic")) return by_password(visitor, rules, credentials);
    if (scheme.empty() || iequals(scheme, "Bearer")) return by_key(visitor, rules, credentials);
    return std::unexpected(failed(visitor, rules, "HTTP", {}, true, "Basic, Bearer or an API key is expected"));
  }
  if (!connection.identity.empty() || (connection.certificate && rules.certificate_is_user)) {
    caller.known = true;
    caller.user = connection.identity;
    caller.rights = rights_of_users(rules, visitor.tenant, caller.user);
    succeeded(visitor, "EXTERNAL", caller.user, true);
  } else if (rules.always_allow) {
    caller.known = true;
    caller.rights = usual_rights(visitor.tenant);
  }
  return caller;
}

std::expected<HttpCaller, HttpRefusal> HttpGate::by_key(const AuthDesk::Visitor& visitor, const HttpRules& rules,
                                                        std::string_view presented) {
  if (rules.keys.path.empty())
    return std::unexpected(failed(visitor, rules, key_word, {}, true, "no API keys are taken here"));
  auto entry = desk_.check_key(visitor, rules.keys, presented);
  if (!entry) {
    if (entry.error().code == Errc::unavailable) return std::unexpected(trouble());
    const bool expired = entry.error().code == Errc::timeout;
    return std::unexpected(failed(visitor, rules, key_word, {}, rules.keys.log,
                                  expired ? "this API key has expired" : "this is no API key of ours"));
  }
  HttpCaller caller;
  caller.known = true;
  caller.user = entry->user;
  caller.tenant = visitor.tenant.empty() ? entry->tenant : std::string(visitor.tenant);
  caller.rights = entry->rights;
  caller.by_key = true;
  AuthDesk::Visitor of_tenant = visitor;
  of_tenant.tenant = caller.tenant;
  succeeded(of_tenant, fmt::format("{} {}", key_word, entry->id), caller.user, rules.keys.log);
  return caller;
}

std::expected<HttpCaller, HttpRefusal> HttpGate::by_password(const AuthDesk::Visitor& visitor, const HttpRules& rules,
                                                             std::string_view credentials) {
  std::string pair;
  const bool decoded = auth::from_base64(credentials, pair);
  const size_t colon = pair.find(':');
  // As clients of SparkPost do it: the key is the name, and the password is empty.
  if (decoded && !rules.keys.path.empty() && colon + 1 == pair.size() &&
      !auth::key_id_of(std::string_view(pair).substr(0, colon)).empty()) {
    auto caller = by_key(visitor, rules, std::string_view(pair).substr(0, colon));
    if (caller) caller->by_key = false;  // what Basic has, browsers remember and send by themselves
    return caller;
  }
  if (!rules.basic) return std::unexpected(failed(visitor, rules, "Basic", {}, true, "no passwords are taken here"));
  if (!decoded || colon == std::string::npos || pair.find('\0') != std::string::npos)
    return std::unexpected(
        failed(visitor, rules, "Basic", {}, rules.basic->log, "these are no credentials as RFC 7617 has them"));
  const std::string user = pair.substr(0, colon);
  auto exchange = desk_.begin(visitor, *rules.basic, nullptr);
  if (!exchange) return std::unexpected(trouble());
  pair[colon] = '\0';
  const auto step = (*exchange)->step(std::string(1, '\0') + pair);
  if (step.state != auth::SaslExchange::State::done)
    return std::unexpected(failed(visitor, rules, "Basic", user, rules.basic->log, "user or password is wrong"));
  HttpCaller caller;
  caller.known = true;
  caller.user = (*exchange)->user();
  caller.tenant = visitor.tenant;
  caller.rights = rights_of_users(rules, visitor.tenant, caller.user);
  succeeded(visitor, "Basic", caller.user, rules.basic->log);
  return caller;
}

HttpRefusal HttpGate::failed(const AuthDesk::Visitor& visitor, const HttpRules& rules, std::string_view how,
                             std::string_view user, bool log, std::string reason) {
  desk_.told(visitor, {how, user, false, log});
  told_.clear();  // who succeeds next is written down again
  ++failures_;
  HttpRefusal refusal{401, "unauthorized", "auth", std::move(reason), 0, false};
  refusal.close = rules.auth_failure_limit != 0 && failures_ >= rules.auth_failure_limit;
  return refusal;
}

void HttpGate::succeeded(const AuthDesk::Visitor& visitor, std::string_view how, const std::string& user, bool log) {
  std::string who = fmt::format("{} {}/{}", how, visitor.tenant, user);
  if (who == told_) return desk_.seen(visitor, user);
  told_ = std::move(who);
  desk_.told(visitor, {how, user, true, log});
}

}  // namespace impulse::server
