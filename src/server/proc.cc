#include "server/proc.h"

#include "base/text.h"
#include "server/privileges.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/crypto.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <spdlog/version.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <thread>
#include <utility>

#include "base/fd.h"
#include "config.h"

namespace impulse::server {

namespace {

// Files of /proc have no size.
std::string read_small(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[4096];
  for (ssize_t count = 0; fd && (count = ::read(fd.get(), buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(count));
  return text;
}

void each_name(const char* folder, const std::function<void(std::string_view)>& visit) {
  DIR* open = ::opendir(folder);
  if (open == nullptr) return;
  while (const dirent* entry = ::readdir(open))
    if (entry->d_name[0] != '.') visit(entry->d_name);
  ::closedir(open);
}

std::string distribution() {
  const std::string text = read_small("/etc/os-release");
  for (const std::string_view line : split(text, '\n')) {
    if (!line.starts_with("PRETTY_NAME=")) continue;
    std::string_view name = line.substr(12);
    if (name.size() >= 2 && name.front() == '"') name = name.substr(1, name.size() - 2);
    return std::string(name);
  }
  return {};
}

std::string user_text() {
  passwd entry{};
  passwd* found = nullptr;
  char buffer[16384];
  const uid_t uid = ::geteuid();
  if (::getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) != 0 || found == nullptr) return std::to_string(uid);
  return found->pw_name;
}

std::string group_text() {
  group entry{};
  group* found = nullptr;
  char buffer[65536];
  const gid_t gid = ::getegid();
  if (::getgrgid_r(gid, &entry, buffer, sizeof buffer, &found) != 0 || found == nullptr) return std::to_string(gid);
  return found->gr_name;
}

std::string pcre2_version() {
  char text[64] = "";
  pcre2_config(PCRE2_CONFIG_VERSION, text);
  return text;
}

}  // namespace

bool parse_thread_stat(std::string_view line, int64_t ticks, control::ThreadStatus& thread) {
  // "123 (name) S …": a name may hold anything, the last ')' ends it.
  const size_t open = line.find('(');
  const size_t close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open || ticks <= 0) return false;
  const auto fields = words(line.substr(close + 1));  // from the third on: the state
  if (fields.size() < 13) return false;
  const auto user = parse_unsigned(fields[11]);
  const auto system = parse_unsigned(fields[12]);
  const auto id = parse_unsigned(trim(line.substr(0, open)));
  if (!user || !system || !id) return false;
  const auto time = [&](uint64_t count) { return Duration(static_cast<int64_t>(count) * 1000000 / ticks); };
  thread.id = static_cast<int64_t>(*id);
  thread.name = line.substr(open + 1, close - open - 1);
  thread.state = fields[0].front();
  thread.user = time(*user);
  thread.system = time(*system);
  return true;
}

std::vector<control::ThreadStatus> process_threads() {
  std::vector<control::ThreadStatus> found;
  const int64_t ticks = ::sysconf(_SC_CLK_TCK);
  each_name("/proc/self/task", [&](std::string_view id) {
    control::ThreadStatus thread;
    if (parse_thread_stat(read_small(fmt::format("/proc/self/task/{}/stat", id)), ticks, thread))
      found.push_back(std::move(thread));
  });
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  const auto first = std::find_if(found.begin(), found.end(), [](const auto& row) { return row.id == ::getpid(); });
  if (first != found.end()) std::rotate(found.begin(), first, first + 1);
  return found;
}

uint64_t kilobytes_field(std::string_view text, std::string_view name) {
  for (const std::string_view line : split(text, '\n')) {
    if (!line.starts_with(name) || line.substr(name.size(), 1) != ":") continue;
    const auto parts = words(line.substr(name.size() + 1));
    const auto number = parts.empty() ? Result<uint64_t>(0) : parse_unsigned(parts[0], UINT64_MAX / 1024);
    return number ? *number * 1024 : 0;
  }
  return 0;
}

control::MemoryStatus process_memory() {
  control::MemoryStatus memory;
  const std::string status = read_small("/proc/self/status");
  memory.resident = kilobytes_field(status, "VmRSS");
  memory.resident_peak = kilobytes_field(status, "VmHWM");
  memory.address_space = kilobytes_field(status, "VmSize");
  memory.machine = kilobytes_field(read_small("/proc/meminfo"), "MemTotal");
  const auto heap = ::mallinfo2();
  memory.heap = heap.arena + heap.hblkhd;
  memory.heap_in_use = heap.uordblks + heap.hblkhd;
  memory.heap_free = heap.fordblks;
  return memory;
}

control::SystemInfo system_information() {
  control::SystemInfo info;
#ifdef __clang__
  info.compiler = "clang " __clang_version__;
#else
  info.compiler = "GCC " __VERSION__;
#endif
  info.libraries = {{"OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING)},
                    {"libevent", event_get_version()},
                    {"PCRE2", pcre2_version()},
                    {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
                    {"spdlog", fmt::format("{}.{}.{}", SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH)}};
#ifdef HAVE_SYSTEMD
  info.features.emplace_back("systemd");
#endif
#ifdef HAVE_LIBCAP
  info.features.emplace_back("capabilities");
#endif
  info.distribution = distribution();
  utsname system{};
  if (::uname(&system) == 0)
    info.kernel =
        fmt::format("{} {} {} {} {}", system.sysname, system.nodename, system.release, system.version, system.machine);
  info.processors = std::thread::hardware_concurrency();
  each_name("/proc/self/fd", [&](std::string_view) { ++info.descriptors; });
  if (info.descriptors > 0) --info.descriptors;  // the one that looked
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) info.descriptor_limit = limit.rlim_cur;
  info.user = user_text();
  info.group = group_text();
  info.capabilities = Privileges::capabilities_text();
  return info;
}

}  // namespace impulse::server
