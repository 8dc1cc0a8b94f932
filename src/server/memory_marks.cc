#include "server/memory_marks.h"

#include "base/files.h"
#include "base/text.h"
#include "server/proc.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace impulse::server {

namespace {

constexpr int64_t second = 1000000;

std::string text_of(const std::string& path) { return read_file(path, size_t{1} << 20).value_or(std::string()); }

std::optional<uint64_t> number_in(const std::string& path) {
  const std::string text = text_of(path);
  const auto number = parse_unsigned(trim(text));
  return number ? std::optional(*number) : std::nullopt;
}

// "name 1234" among the lines of a memory.stat; 0: not there.
uint64_t stat_field(std::string_view text, std::string_view name) {
  for (const std::string_view line : split(text, '\n')) {
    const auto parts = words(line);
    if (parts.size() == 2 && parts[0] == name) return parse_unsigned(parts[1]).value_or(0);
  }
  return 0;
}

unsigned percent_of(uint64_t used, uint64_t limit) {
  return limit == 0 ? 0 : static_cast<unsigned>(static_cast<double>(used) * 100 / static_cast<double>(limit));
}

unsigned of_machine(const std::string& root) {
  const std::string text = text_of(root + "/proc/meminfo");
  const uint64_t total = kilobytes_field(text, "MemTotal");
  return percent_of(total - std::min(total, kilobytes_field(text, "MemAvailable")), total);
}

// A group's files in either version of control groups.
struct GroupFiles {
  std::string_view mount;
  std::string_view limit;
  std::string_view usage;
  std::string_view active;  // fields of memory.stat: the page cache
  std::string_view inactive;
};
constexpr GroupFiles unified{"/sys/fs/cgroup", "memory.max", "memory.current", "active_file", "inactive_file"};
constexpr GroupFiles legacy{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                            "total_active_file", "total_inactive_file"};

// A group without a limit of its own ("max", or a number beyond all memory) says little: 0.
unsigned of_group(const std::string& folder, const GroupFiles& files) {
  const auto limit = number_in(folder + '/' + std::string(files.limit));
  const auto usage = number_in(folder + '/' + std::string(files.usage));
  if (!limit || !usage) return 0;
  const std::string stat = text_of(folder + "/memory.stat");
  const uint64_t cache = stat_field(stat, files.active) + stat_field(stat, files.inactive);
  return percent_of(*usage - std::min(*usage, cache), *limit);
}

// Ours and those around it; where ours cannot be seen (a container has its own
// view of the tree), that of the root.
unsigned of_groups(const std::string& root, std::string_view path, const GroupFiles& files) {
  const std::string mount = root + std::string(files.mount);
  unsigned most = 0;
  while (true) {
    while (path.ends_with('/')) path.remove_suffix(1);
    most = std::max(most, of_group(mount + std::string(path), files));
    if (path.empty()) return most;
    path = path.substr(0, path.rfind('/'));
  }
}

}  // namespace

unsigned memory_in_use(const std::string& root) {
  unsigned most = of_machine(root);
  const std::string groups = text_of(root + "/proc/self/cgroup");
  for (const std::string_view line : split(groups, '\n')) {
    // "0::/path", or "4:memory:/path" and others of the old kind.
    const size_t first = line.find(':');
    const size_t next = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (next == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, next - first - 1);
    const std::string_view path = line.substr(next + 1);
    if (controllers.empty()) most = std::max(most, of_groups(root, path, unified));
    const auto named = split(controllers, ',');
    if (std::find(named.begin(), named.end(), "memory") != named.end())
      most = std::max(most, of_groups(root, path, legacy));
  }
  return most;
}

bool MemoryMarks::full(int64_t goal, int64_t high_water, SteadyTime now) {
  const int64_t time = std::chrono::duration_cast<Duration>(now.time_since_epoch()).count();
  int64_t due = next_look_.load(std::memory_order_relaxed);
  if (time >= due && next_look_.compare_exchange_strong(due, time + second)) percent_ = hooks_.in_use();
  const unsigned percent = percent_;
  if (percent >= goal) {
    int64_t shrink = next_shrink_.load(std::memory_order_relaxed);
    if (time >= shrink && next_shrink_.compare_exchange_strong(shrink, time + 10 * second)) hooks_.shrink();
  }
  const bool full = percent >= high_water;
  if (full_.load(std::memory_order_relaxed) != full && full_.exchange(full) != full) hooks_.tell(full, percent);
  return full;
}

}  // namespace impulse::server
