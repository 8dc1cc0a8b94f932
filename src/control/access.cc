#include "control/access.h"

#include "auth/keys.h"
#include "auth/roles.h"
#include "base/text.h"
#include "config/keys.h"

#include <algorithm>
#include <array>

namespace impulse::control {

namespace key = config::key;

namespace {

// What everybody may do: find out how to get in, who one is, and leave.
constexpr std::array<std::string_view, 3> for_all{"authenticate", "help", "quit"};
constexpr std::string_view for_known = "authz id";

bool is_for_all(const Command& command) {
  return std::find(for_all.begin(), for_all.end(), command.name) != for_all.end();
}

Decision refused(std::string id, std::string why) { return {false, {}, std::move(id), std::move(why)}; }

}  // namespace

Access::Access(AccessParts parts, Client client, config::SnapshotPtr snapshot, const config::Options& options,
               OptionsIn options_in)
    : parts_(std::move(parts)),
      client_(std::move(client)),
      snapshot_(std::move(snapshot)),
      options_(&options),
      options_in_(std::move(options_in)) {
  if (client_.of_system()) parts_.acctlog.authentication(account_of(standing().user), standing().authenticated);
}

void Access::look(const config::SnapshotPtr& now) {
  if (now == snapshot_) return;
  const config::Options* options = options_in_(*now);
  if (options == nullptr) return;
  options_ = options;
  snapshot_ = now;
}

// A user whose password was changed, or who was taken away, is not who it was.
bool Access::still_good() const {
  if (!mechanism_) return false;
  const auto from = source(*mechanism_);
  if (!from) return false;
  const bool realms = from->format == auth::Format::digest || from->format == auth::Format::digest_cleartext;
  const auto credentials = parts_.files.credentials(from->format, from->path);
  const auth::Credential* credential =
      credentials->find(user_, auth::credential_qualifier(*mechanism_, realms, realm(*from)));
  return credential != nullptr && credential->fingerprint == fingerprint_;
}

Access::Standing Access::standing() const {
  const config::Options& options = *options_;
  Standing standing;
  standing.required = options[key::enable_authentication] && !options[key::always_allow];
  if (client_.proof) {
    standing.user = client_.proof->user;
    standing.authenticated = !standing.user.empty();
    standing.how = client_.proof->how;
  } else if (client_.peer.is_unix()) {
    standing.user = !client_.user.empty() || client_.uid == static_cast<uid_t>(-1) ? client_.user
                                                                                   : fmt::format("uid {}", client_.uid);
    standing.authenticated = !standing.user.empty();
    if (standing.authenticated) standing.how = "SO_PEERCRED";
  } else if (still_good()) {
    standing.user = user_;
    standing.authenticated = true;
    standing.how = name(*mechanism_);
  }
  if (!standing.authenticated && options[key::always_allow]) {
    standing.authenticated = true;
    standing.user = "anonymous";
    standing.how = "Always_Allow";
  }
  if (options[key::deny] || options[key::always_deny]) standing.blocked = true;
  // From afar only those come in who have to say who they are.
  if (!standing.authenticated && !standing.required && !client_.local()) standing.blocked = true;
  if (standing.blocked) standing.authenticated = false;
  return standing;
}

std::shared_ptr<const auth::Groups> Access::group_file() const {
  const auth::GroupSource source = auth::console_groups(*options_);
  return source.path.empty() ? nullptr : parts_.files.groups(source.path);
}

std::vector<std::string> Access::groups() const {
  const Standing who = standing();
  std::vector<std::string> found;
  if (who.user.empty()) return found;
  if (const auto file = group_file()) found = file->of(who.user);
  if (client_.of_system()) found.insert(found.end(), client_.groups.begin(), client_.groups.end());
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::vector<std::string> Access::names() const {
  std::vector<std::string> found = groups();
  const std::string user = standing().user;
  found.insert(found.begin(), user.empty() ? "anonymous" : user);
  return found;
}

std::vector<std::string> Access::members(std::string_view group) const {
  const auto file = group_file();
  return file ? file->users(group) : std::vector<std::string>();
}

bool Access::authorizes() const {
  const config::OptionDef& option = config::definition(key::enable_authorization);
  const bool said = &options_->raw(option) != &config::default_value(option, config::ScopeKind::http_listener);
  if (!client_.proof || said) return (*options_)[key::enable_authorization];
  return !auth::Roles(*snapshot_).all().empty();
}

Decision Access::may_ask(const Command* command) const {
  if (command != nullptr && is_for_all(*command)) return {};
  const Standing who = standing();
  if (who.blocked) return refused("control-denied", "this client is denied by the configuration");
  if (who.required && !who.authenticated) return refused("control-unauthenticated", "authenticate first");
  return {};
}

Decision Access::may_run(const Command& command, std::string_view line) const {
  if (Decision asked = may_ask(&command); !asked.allowed) return asked;
  if (!authorizes() || is_for_all(command) || command.name == for_known) return {};
  const auth::Roles roles(*snapshot_);
  const auto mine = names();
  if (const auth::Role* role = roles.decide(mine, line)) {
    Decision decision;
    decision.role = role->name;
    return decision;
  }
  const auto needed = roles.needed(line);
  return refused("control-not-allowed",
                 fmt::format("{} may not run this; {} may", mine.front(),
                             needed.empty() ? "no role" : fmt::format("role {}", fmt::join(needed, " or "))));
}

telemetry::Account Access::account_of(std::string user) const {
  return {wall_now(), client_.listen.to_string(), client_.peer.is_unix() ? std::string() : client_.peer.to_string(),
          std::move(user)};
}

void Access::account(std::string_view line, const Decision& decision) const {
  if (!auth::console_groups(*options_).log) return;
  parts_.acctlog.command(account_of(standing().user), decision.allowed, line, decision.role);
}

std::string Access::realm(const auth::Source& source) const {
  if (!source.realm.empty()) return source.realm;
  const std::string& host = (*options_)[key::hostname];
  return host.empty() ? parts_.host : host;
}

std::vector<auth::Mechanism> Access::offered() const {
  std::vector<auth::Mechanism> found;
  if (client_.proof) return found;
  for (const auth::Source& source : auth::console_sources(*options_)) {
    if (sends_password(source.mechanism) && !client_.tls && !client_.local()) continue;
    // A file has keys for one hash function, or for both.
    if (source.format == auth::Format::scram &&
        parts_.files.credentials(source.format, source.path)->any(name(source.mechanism)) == nullptr)
      continue;
    found.push_back(source.mechanism);
  }
  return found;
}

std::optional<auth::Source> Access::source(auth::Mechanism mechanism) const {
  for (auth::Source& source : auth::console_sources(*options_))
    if (source.mechanism == mechanism) return std::move(source);
  return std::nullopt;
}

std::optional<std::string> Access::locked_out() const {
  if (client_.peer.is_unix()) return std::nullopt;
  const config::Rate& rate = (*options_)[key::auth_failure_rate];
  if (!parts_.failures.refused(client_.peer.address(), rate.count, steady_now())) return std::nullopt;
  return "too many failures from this address; try again later";
}

Result<std::unique_ptr<auth::SaslExchange>> Access::begin(auth::Mechanism mechanism) {
  const auto all = offered();
  const auto from = source(mechanism);
  if (!from || std::find(all.begin(), all.end(), mechanism) == all.end())
    return fail(Errc::not_found, "{} is not on offer here", name(mechanism));
  auth::SaslSettings settings;
  settings.mechanism = mechanism;
  settings.credentials = parts_.files.credentials(from->format, from->path);
  settings.realms = from->format == auth::Format::digest || from->format == auth::Format::digest_cleartext;
  settings.realm = realm(*from);
  settings.host = parts_.host;
  settings.service = "impulse";
  settings.admits = [this](std::string_view user) {
    if (parts_.is_foreign && parts_.is_foreign(*snapshot_, user)) return false;
    const config::Rate& rate = (*options_)[key::auth_failure_rate];
    return client_.peer.is_unix() ||
           !parts_.failures.user_refused(client_.peer.address(), user, rate.count, steady_now());
  };
  log_exchange_ = from->log;
  return parts_.sasl.begin(std::move(settings));
}

bool Access::succeeded(const auth::SaslExchange& exchange) {
  if ((*options_)[key::always_deny]) return false;
  user_ = exchange.user();
  mechanism_ = exchange.mechanism();
  fingerprint_ = exchange.fingerprint();
  failures_ = 0;
  if (!client_.peer.is_unix()) parts_.failures.succeeded(client_.peer.address(), user_);
  if (log_exchange_) parts_.acctlog.authentication(account_of(user_), true);
  return true;
}

bool Access::failed(std::string_view user) {
  if (log_exchange_) parts_.acctlog.authentication(account_of(auth::without_keys(user)), false);
  if (!client_.peer.is_unix())
    parts_.failures.failed(client_.peer.address(), user, (*options_)[key::auth_failure_rate].per, steady_now());
  const int64_t limit = (*options_)[key::auth_failure_limit];
  return ++failures_ >= limit && limit > 0;
}

void Access::timed_out() const {
  const Standing who = standing();
  if (who.required && !who.authenticated) parts_.acctlog.timeout(account_of({}));
}

std::string canonical_line(const Command& command, std::span<const config::RawValue> words, std::string_view rest,
                           const std::string* payload) {
  std::string line(command.name);
  for (const config::RawValue& word : words) line += ' ' + word.to_string();
  if (!rest.empty()) line += fmt::format(" {}", rest);
  if (payload != nullptr) {
    line += " \"";
    for (const char c : *payload) {
      if (c == '"' || c == '\\') line += '\\';
      line += c;
    }
    line += '"';
  }
  // A pattern's '.' and '$' are to see one line.
  std::string whole;
  for (const char c : line) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F)
      whole += c;
    else
      whole += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
  }
  return whole;
}

}  // namespace impulse::control
