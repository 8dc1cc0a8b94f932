#include "server/auth_desk.h"

#include "base/tenant.h"
#include "base/text.h"
#include "config/keys.h"

#include <utility>

namespace impulse::server {

namespace key = config::key;
using telemetry::Area;
using telemetry::Counter;
using telemetry::Level;

namespace {

// For what is counted: a client of no tenant that calls itself blue/alice is
// not blue's alice, and shall not lock her out.
std::string user_key(std::string_view tenant, std::string_view user) {
  return fmt::format("{}{}{}", tenant, '\0', user);
}

std::string name_of(const smtp::ClientInfo& client) {
  return client.unix_socket ? std::string("unix") : Endpoint::tcp(client.address, client.port).to_string();
}

bool has_realms(const auth::Source& source) {
  return source.format == auth::Format::digest || source.format == auth::Format::digest_cleartext;
}

}  // namespace

Result<std::unique_ptr<AuthDesk>> AuthDesk::create(telemetry::Log& log, telemetry::Acctlog& acctlog,
                                                   telemetry::Counters& counters, std::string host) {
  auto sasl = auth::Sasl::create();
  if (!sasl) return std::unexpected(sasl.error());
  return std::unique_ptr<AuthDesk>(new AuthDesk(log, acctlog, counters, std::move(host), std::move(*sasl)));
}

AuthDesk::AuthDesk(telemetry::Log& log, telemetry::Acctlog& acctlog, telemetry::Counters& counters, std::string host,
                   std::unique_ptr<auth::Sasl> sasl)
    : log_(log),
      acctlog_(acctlog),
      counters_(counters),
      host_(std::move(host)),
      sasl_(std::move(sasl)),
      files_([&log](std::string_view text) { log.write(Level::error, Area::server, "auth-file", text); }) {}

std::optional<smtp::HostRefusal> AuthDesk::may_try(const Visitor& visitor) const {
  const config::Rate& rate = visitor.options[key::auth_failure_rate];
  if (visitor.client.unix_socket ||
      !failures_.refused(visitor.client.address, rate.count, steady_now(), visitor.tenant))
    return std::nullopt;
  log_.write(
      Level::notice, visitor.area, "auth-locked-out",
      fmt::format("session {} from {}: too many failures from this address", visitor.session, name_of(visitor.client)));
  return smtp::HostRefusal{421, "4.7.0", "auth_rate", "Too many failures to authenticate, try again later"};
}

Result<std::unique_ptr<auth::SaslExchange>> AuthDesk::begin(const Visitor& visitor, const auth::Source& source,
                                                            ChannelBinding binding) {
  auth::SaslSettings settings;
  settings.mechanism = source.mechanism;
  settings.credentials = files_.credentials(source.format, source.path);
  if (!files_.readable(source.format, source.path))
    return fail(Errc::unavailable, "{} cannot be read", source.path);  // logged by files_
  const std::string& name = visitor.options[key::hostname];
  settings.host = name.empty() ? host_ : name;
  settings.realms = has_realms(source);
  settings.realm = source.realm.empty() ? settings.host : source.realm;
  settings.service = "smtp";
  settings.channel_binding = std::move(binding);
  if (!visitor.tenant.empty())
    settings.entry = [tenant = std::string(visitor.tenant)](std::string_view user) {
      return tenant_name(tenant, user);
    };
  settings.admits = [this, now = visitor.now, tenant = std::string(visitor.tenant), unix = visitor.client.unix_socket,
                     from = visitor.client.address, count = visitor.options[key::auth_failure_rate].count,
                     who = fmt::format("session {} from {}", visitor.session, name_of(visitor.client)),
                     area = visitor.area](std::string_view user) {
    if (tenant.empty() && is_foreign(*now, user)) return false;
    if (unix || !failures_.user_refused(from, user_key(tenant, user), count, steady_now())) return true;
    log_.write(Level::notice, area, "auth-locked-out",
               fmt::format("{}: too many failures to be {}", who,
                           escape_line(auth::without_keys(tenant_name(tenant, user)), 255)));
    return false;
  };
  return sasl_->begin(std::move(settings));
}

// The first who asks after a commit looks through all scopes: that takes its
// time where there are many, and nobody has to wait for it. Only who proved to be
// a user of such a name has it asked.
bool AuthDesk::is_foreign(const config::Snapshot& now, std::string_view user) {
  const std::string_view tenant = tenant_part(user);
  if (tenant.empty()) return false;
  const std::string name = lower(tenant);
  {
    const std::lock_guard lock(mutex_);
    if (tenants_of_ >= now.generation()) return tenants_.contains(name);
  }
  config::TenantNames names = config::tenant_names(now);
  const bool foreign = names.contains(name);
  const std::lock_guard lock(mutex_);
  if (tenants_of_ < now.generation()) {
    tenants_ = std::move(names);
    tenants_of_ = now.generation();
  }
  return foreign;
}

bool AuthDesk::has_users(const auth::Source& source) {
  if (source.format != auth::Format::scram) return true;
  const auto credentials = files_.credentials(source.format, source.path);
  if (!files_.readable(source.format, source.path)) return true;  // they will be told 454
  return credentials->any(auth::credential_qualifier(source.mechanism, false, {})) != nullptr;
}

Result<auth::KeyEntry> AuthDesk::check_key(const Visitor& visitor, const auth::KeySource& source,
                                           std::string_view presented) {
  const auto keys = files_.keys(source.path);
  if (!files_.keys_readable(source.path)) return fail(Errc::unavailable, "{} cannot be read", source.path);
  auto entry = keys->check(presented, wall_now());
  if (entry && !entry->serves(visitor.tenant)) return fail(Errc::denied, "this API key is not for this door");
  return entry;
}

void AuthDesk::seen(const Visitor& visitor, std::string_view user) {
  if (visitor.client.unix_socket || user.empty()) return;
  failures_.succeeded(visitor.client.address, user_key(visitor.tenant, user));
}

void AuthDesk::told(const Visitor& visitor, const smtp::ServerHost::AuthOutcome& outcome) {
  const smtp::ClientInfo& client = visitor.client;
  counters_.add(counters_.tenant(visitor.tenant), outcome.success ? Counter::auth_successes : Counter::auth_failures);
  // Who shows a key where a name belongs does not find it in the logs.
  const std::string user =
      outcome.user.empty() ? std::string() : auth::without_keys(tenant_name(visitor.tenant, outcome.user));
  if (!client.unix_socket) {
    const std::string key = user.empty() ? std::string() : user_key(visitor.tenant, outcome.user);
    if (outcome.success)
      failures_.succeeded(client.address, key);
    else
      failures_.failed(client.address, key, visitor.options[key::auth_failure_rate].per, steady_now(), visitor.tenant);
  }
  if (outcome.log)
    acctlog_.authentication({wall_now(), client.listener, client.unix_socket ? std::string() : name_of(client), user},
                            outcome.success);
  const Level level = outcome.success ? Level::info : Level::notice;
  if (!log_.wants(level, visitor.area)) return;
  log_.write(level, visitor.area, outcome.success ? "auth-succeeded" : "auth-failed",
             fmt::format("session {} from {}: {} by {}", visitor.session, name_of(client),
                         user.empty() ? std::string("nobody") : escape_line(user, 255), outcome.how));
}

}  // namespace impulse::server
