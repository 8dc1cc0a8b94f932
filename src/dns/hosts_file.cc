#include "dns/hosts_file.h"

#include "base/files.h"
#include "base/text.h"
#include "dns/message.h"

#include <algorithm>

namespace impulse::dns {
namespace {

constexpr size_t max_size = 4 << 20;
constexpr auto look_again = std::chrono::seconds(1);

}  // namespace

std::unordered_map<std::string, std::vector<IpAddress>> HostsFile::parse(std::string_view text) {
  std::unordered_map<std::string, std::vector<IpAddress>> names;
  for (std::string_view line : split(text, '\n')) {
    const auto parts = words(line.substr(0, line.find('#')));
    if (parts.size() < 2) continue;
    const auto address = IpAddress::parse(parts[0]);
    if (!address) continue;  // a zone, or a mistake
    for (std::string_view name : std::span(parts).subspan(1)) {
      if (name.ends_with('.')) name.remove_suffix(1);
      auto& all = names[lower(name)];
      if (all.size() < max_addresses && std::ranges::find(all, *address) == all.end()) all.push_back(*address);
    }
  }
  return names;
}

void HostsFile::refresh(SteadyTime now) {
  if (now < next_look_) return;
  next_look_ = now + look_again;
  struct stat status{};
  if (::stat(path_.c_str(), &status) != 0) {
    names_.clear();
    size_ = -1;
    return;
  }
  if (status.st_size == size_ && status.st_mtim.tv_sec == changed_.tv_sec && status.st_mtim.tv_nsec == changed_.tv_nsec)
    return;
  auto text = read_file(path_, max_size);
  if (!text) return;  // what was read before stays
  names_ = parse(*text);
  size_ = status.st_size;
  changed_ = status.st_mtim;
}

std::vector<IpAddress> HostsFile::find(std::string_view name, SteadyTime now) {
  refresh(now);
  if (const auto found = names_.find(std::string(name)); found != names_.end()) return found->second;
  if (name == "localhost" || name.ends_with(".localhost")) return {IpAddress::v4(0x7F000001)};
  return {};
}

}  // namespace impulse::dns
