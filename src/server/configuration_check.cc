#include "server/configuration_check.h"

#include "server/access_check.h"
#include "server/privileges.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace impulse::server {

namespace key = config::key;

namespace {

void warn(config::Diagnostics& diagnostics, std::string id, const config::Origin& origin, std::string message) {
  config::Diagnostic diagnostic;
  diagnostic.severity = config::Diagnostic::Severity::warning;
  diagnostic.id = std::move(id);
  diagnostic.origin = origin;
  diagnostic.message = std::move(message);
  diagnostics.push_back(std::move(diagnostic));
}

void complain(config::Diagnostics& diagnostics, std::string id, const config::Origin& origin, std::string message) {
  warn(diagnostics, std::move(id), origin, std::move(message));
  diagnostics.back().severity = config::Diagnostic::Severity::error;
}

enum class Wanted : uint8_t { file, folder };

// Why a file could not be written there, or a folder made; empty when it could.
// What is there already has to be writable, else the nearest folder above it.
std::string obstacle(const std::string& path, Wanted wanted) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) {
    if (wanted == Wanted::folder && !S_ISDIR(status.st_mode)) return fmt::format("{} is not a folder", path);
    if (wanted == Wanted::file && S_ISDIR(status.st_mode)) return fmt::format("{} is a folder", path);
    if (::faccessat(AT_FDCWD, path.c_str(), wanted == Wanted::folder ? W_OK | X_OK : W_OK, AT_EACCESS) != 0)
      return fmt::format("{}: {}", path, errno_text(errno));
    return {};
  }
  if (errno != ENOENT) return fmt::format("{}: {}", path, errno_text(errno));
  const size_t slash = path.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  if (wanted == Wanted::folder && parent != "." && ::stat(parent.c_str(), &status) != 0)
    return obstacle(parent, wanted);  // folders above a folder are made with it
  if (::stat(parent.c_str(), &status) != 0) return fmt::format("the folder {}: {}", parent, errno_text(errno));
  if (!S_ISDIR(status.st_mode)) return fmt::format("{} is not a folder", parent);
  if (::faccessat(AT_FDCWD, parent.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    return fmt::format("the folder {}: {}", parent, errno_text(errno));
  return {};
}

struct Place {
  const config::OptionDef* option;
  Wanted wanted;
  bool as_user;      // else by who starts the daemon
  bool log = false;  // nobody else may write there
};

std::vector<Place> places() {
  return {{&config::definition(key::spoolbase), Wanted::folder, true},
          {&config::definition(key::mainlog), Wanted::file, true, true},
          {&config::definition(key::bouncelog), Wanted::file, true, true},
          {&config::definition(key::jsonlog), Wanted::file, true, true},
          {&config::definition(key::acctlog), Wanted::file, true, true},
          {&config::definition(key::rejectlog), Wanted::file, true, true},
          {&config::definition(key::diagnostic_log), Wanted::file, true, true},
          {&config::definition(key::pidfile), Wanted::file, false}};
}

// Files whose names count at the next start: the daemon must be able to open
// them then, as who it will be. What is in the tree counts, not what runs.
void check_paths(const config::Snapshot& next, const Identity& identity, config::Diagnostics& diagnostics) {
  std::map<std::string, std::string_view> logs;  // paths and whose they are
  for (const Place& place : places()) {
    // Root has given up what it would take to look.
    if (!place.as_user && identity.wanted && ::geteuid() != 0) continue;
    const config::Setting* setting = next.root()->find(*place.option);
    const std::string* path = setting == nullptr ? nullptr : std::get_if<std::string>(&setting->value);
    if (path == nullptr || path->empty()) continue;
    if (place.log && !path->starts_with("/dev/")) {
      const auto [other, first] =
          logs.emplace(std::filesystem::path(*path).lexically_normal().string(), place.option->name);
      if (!first)
        complain(diagnostics, "config-path", setting->origin,
                 fmt::format("{}: {} has that file", place.option->name, other->second));
    }
    std::string problem;
    const auto look = [&] { problem = obstacle(*path, place.wanted); };
    if (place.as_user)
      look_as(identity, look);
    else
      look();
    if (problem.empty()) continue;
    const bool other = place.as_user && identity.wanted && identity.uid != ::geteuid();
    complain(diagnostics, "config-path", setting->origin,
             fmt::format("{}: {}{}", place.option->name, problem,
                         other ? fmt::format(" (for User {})", identity.user) : std::string()));
  }
}

}  // namespace

// Who the daemon will be at its next start, and what it will open.
void ConfigurationCheck::check_process(const config::Snapshot& next, config::Diagnostics& diagnostics) {
  const config::ScopePtr security = next.root()->child(config::ScopeKind::security, "");
  std::string said;
  const auto note = [&](const config::Setting& setting) {
    said += fmt::format("{} = {}\n", setting.option->name, config::to_text(setting.value, *setting.option));
  };
  if (security)
    for (const auto& setting : security->settings()) note(*setting);
  for (const Place& place : places())
    if (const config::Setting* setting = next.root()->find(*place.option)) note(*setting);
  if (said == well_) return;
  const size_t before = diagnostics.size();
  if (const auto identity = identity_of(next))
    check_paths(next, *identity, diagnostics);
  else
    complain(diagnostics, "config-security", security ? security->origin() : config::Origin{},
             identity.error().message);
  if (diagnostics.size() == before) well_ = std::move(said);
}

void ConfigurationCheck::check(const config::Snapshot& next, config::Diagnostics& diagnostics) {
  routes_.check(next, diagnostics);
  check_process(next, diagnostics);
  check_access(next, diagnostics);
  bool mail = false;
  bool console = false;
  for (const auto& listen : next.listens()) {
    if (!listen->enabled()) continue;
    if (listen->listener() != config::ScopeKind::control_listener) {
      mail = true;
      continue;
    }
    console = true;
  }
  if (!mail) warn(diagnostics, "config-no-listener", {}, "no mail listener is enabled: nothing can come in");
  if (!console)
    warn(diagnostics, "config-no-console", {}, "no Control_Listener is enabled: only signals can steer this server");
}

}  // namespace impulse::server
