#include "server/settings.h"

#include "base/text.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

namespace impulse::server {

namespace key = config::key;
using telemetry::Area;
using telemetry::Level;

spool::Settings spool_settings(const config::Options& global) {
  spool::Settings settings;
  settings.base = global[key::spoolbase];
  settings.mode = global[key::spool_mode];
  settings.segment_size = global[key::spool_segment_size];
  settings.force_fsync = global[key::force_fsync];
  settings.commit_delay = global[key::spool_commit_delay];
  settings.compaction_rate = global[key::spool_compaction_rate];
  settings.max_resident = static_cast<uint64_t>(global[key::max_resident_messages]);
  settings.unlink_damaged = global[key::unlink_on_spool_in_failure];
  const config::SizeOrPercent min_free = global[key::spool_min_free];
  settings.min_free_bytes = min_free.percent ? 0 : min_free.amount;
  settings.min_free_percent = min_free.percent ? static_cast<unsigned>(min_free.amount) : 0;
  return settings;
}

std::string node_name(const config::Options& global) {
  std::string name = global[key::nodename];
  if (name.empty()) {
    char host[256] = "";
    ::gethostname(host, sizeof host - 1);
    name = std::string(std::string_view(host).substr(0, std::string_view(host).find('.')));
  }
  // An id is an RFC 5322 atom and goes into file names.
  for (char& c : name)
    if (!is_alpha(c) && !is_digit(c) && c != '-' && c != '_') c = '-';
  return name.empty() ? "node" : name.substr(0, 64);
}

void set_log_levels(const config::Options& debug_flags, telemetry::Log& log) {
  const std::array<std::pair<Level, const config::Strings*>, 6> flags{{
      {Level::critical, &debug_flags[key::critical]},
      {Level::error, &debug_flags[key::error]},
      {Level::warning, &debug_flags[key::warning]},
      {Level::notice, &debug_flags[key::notice]},
      {Level::info, &debug_flags[key::info]},
      {Level::debug, &debug_flags[key::debug]},
  }};
  for (size_t i = 0; i < static_cast<size_t>(Area::count_); ++i) {
    const auto area = static_cast<Area>(i);
    std::optional<Level> level;
    for (const auto& [flag, areas] : flags)
      for (const std::string& word : *areas)
        for (const std::string_view name : words(word))
          if (iequals(name, "ALL") || iequals(name, to_string(area))) level = std::max(flag, level.value_or(flag));
    log.set_level(area, level.value_or(Level::notice));
  }
}

Result<> raise_descriptor_limit(const config::Options& global) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return fail_errno(errno, "getrlimit");
  rlim_t wanted = limit.rlim_max;
  if (const int64_t asked = global[key::server_max_file_descriptors]; asked > 0) wanted = static_cast<rlim_t>(asked);
  limit.rlim_cur = wanted;
  limit.rlim_max = std::max(limit.rlim_max, wanted);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
    return fail_errno(errno, fmt::format("Server_Max_File_Descriptors = {}", wanted));
  return {};
}

}  // namespace impulse::server
