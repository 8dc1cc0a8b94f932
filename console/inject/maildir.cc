#include "console/inject/maildir.h"

#include "base/text.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace impulse::ecinject {

Result<std::vector<std::string>> list_maildir(const std::string& folder) {
  namespace fs = std::filesystem;
  std::vector<std::pair<std::string, std::string>> found;  // name and path
  for (const char* const part : {"new", "cur"}) {
    const fs::path place = fs::path(folder) / part;
    std::error_code error;
    fs::directory_iterator entries(place, error);
    if (error) return fail(Errc::not_found, "{}: no Maildir: {}: {}", escape_line(folder), part, error.message());
    while (entries != fs::directory_iterator()) {
      const std::string name = entries->path().filename().string();
      std::error_code unknown;
      if (!name.starts_with('.') && entries->is_regular_file(unknown))
        found.emplace_back(name, entries->path().string());
      entries.increment(error);
      if (error) return fail(Errc::io, "{}: {}", escape_line(place.string()), error.message());
    }
  }
  if (found.empty()) return fail(Errc::invalid, "{}: the Maildir is empty", escape_line(folder));
  std::ranges::sort(found);
  std::vector<std::string> paths;
  paths.reserve(found.size());
  for (auto& each : found) paths.push_back(std::move(each.second));
  return paths;
}

}  // namespace impulse::ecinject
