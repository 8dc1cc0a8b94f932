#include "console/history.h"

#include "base/fd.h"
#include "base/files.h"
#include "base/text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>

namespace impulse::console {

namespace {

constexpr size_t largest_file = 16 << 20;

}  // namespace

std::string History::default_file() {
  const char* home = std::getenv("HOME");
  return home == nullptr || *home == '\0' ? std::string() : std::string(home) + "/.ec_console_history";
}

std::vector<std::string> History::load() const {
  std::vector<std::string> lines;
  if (file_.empty()) return lines;
  const auto content = read_file(file_, largest_file);
  if (!content) return lines;
  for (const std::string_view line : split(*content, '\n'))
    if (!line.empty()) lines.emplace_back(line);
  const bool grown = lines.size() > 2 * history_lines;
  if (lines.size() > history_lines)
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(history_lines));
  if (grown) {
    std::string shorter;
    for (const std::string& line : lines) shorter += line + '\n';
    // One that cannot be replaced stays long.
    [[maybe_unused]] const auto replaced = replace_file(file_, shorter, 0600);
  }
  return lines;
}

bool History::append(std::string_view line) const {
  if (!is_kept(line) || file_.empty()) return false;
  const UniqueFd file(::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return false;
  ::fchmod(file.get(), 0600);
  std::string whole(line);
  std::replace(whole.begin(), whole.end(), '\n', ' ');
  return write_all(file.get(), whole + '\n').has_value();
}

bool is_kept(std::string_view line) {
  if (line.empty() || line.front() == ' ' || line.front() == '\t') return false;
  const std::string text = lower(line);
  static constexpr std::string_view telltale[] = {"passw",       "auth_pas",   "passphrase",  "secret",
                                                  "private_key", "shared_key", "-----begin ", "credential",
                                                  "api_key",     "_psk",       "token"};
  return std::none_of(std::begin(telltale), std::end(telltale),
                      [&](std::string_view word) { return text.find(word) != std::string::npos; });
}

}  // namespace impulse::console
