#include "console/show/quarantine.h"

#include "base/fd.h"
#include "base/text.h"
#include "console/show/output.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

namespace impulse::ecshow {

namespace {

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return is_digit(c) || (c >= 'A' && c <= 'F'); });
}

int cannot(const std::string& path) {
  complain(fmt::format("{}: {}", path, errno_text(errno)));
  return status_spool;
}

int print_one(const std::string& path, const std::string& name) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file && errno == ENOENT) {
    complain(fmt::format("nothing of that name is kept aside: {}", escape_line(name)));
    return status_no;
  }
  if (!file) return cannot(path);
  std::string block(size_t{1} << 16, '\0');
  for (;;) {
    const ssize_t got = ::read(file.get(), block.data(), block.size());
    if (got == 0) return status_done;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot(path);
    print(std::string_view(block).substr(0, static_cast<size_t>(got)));
  }
}

struct Kept {
  std::string name;
  KeptAside what;
  uint64_t size = 0;
  WallTime when;
};

}  // namespace

KeptAside parse_kept_aside(std::string_view name) {
  if (name.size() == 25 && is_hex(name.substr(0, 16)) && name.ends_with(".body.bad"))
    return {"", "", "the rest of a large body, damaged or of a message that may be"};
  if (name.size() == 16 && is_hex(name.substr(0, 8)) && name.ends_with(".seg.bad"))
    return {std::string(name.substr(0, 12)), "", "a file in which nothing could be recognised"};
  if (name.size() < 19 || !is_hex(name.substr(0, 8)) || name[8] != '-' || !is_hex(name.substr(9, 8))) return {};
  KeptAside kept{std::string(name.substr(0, 8)) + ".seg", std::string(name.substr(9, 8)), ""};
  const std::string_view suffix = name.substr(17);
  if (suffix == ".bad")
    kept.why = "damaged";
  else if (suffix == ".torn")
    kept.why = "torn off at the end by a crash";
  else if (suffix == ".batch")
    kept.why = "messages of batches whose commit may be what is damaged";
  else
    return {};
  return kept;
}

int show_quarantine(const Options& options) {
  struct stat status{};
  if (::stat(options.spool.c_str(), &status) != 0) return cannot(options.spool);
  const std::string folder = options.spool + "/quarantine";
  if (!options.name.empty()) return print_one(folder + "/" + options.name, options.name);
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()), ::closedir);
  if (!open && errno == ENOENT) return status_done;  // it is made when it is needed
  if (!open) return cannot(folder);
  std::vector<Kept> all;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(open.get());
    if (entry == nullptr && errno != 0) return cannot(folder);
    if (entry == nullptr) break;
    Kept kept{entry->d_name, parse_kept_aside(entry->d_name), 0, {}};
    if (kept.name.starts_with('.') || ::fstatat(::dirfd(open.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    if (kept.what.why.empty()) kept.what.why = "not of this program's making";
    kept.size = static_cast<uint64_t>(status.st_size);
    kept.when = WallTime(std::chrono::seconds(status.st_mtim.tv_sec));
    all.push_back(std::move(kept));
  }
  std::ranges::sort(all, {}, &Kept::name);
  if (!options.json && !all.empty()) print(fmt::format("{:<25}  {:<20}  {:>12}  WHY\n", "NAME", "CHANGED", "BYTES"));
  for (const Kept& kept : all) {
    if (options.json) {
      print_json(Json{{"name", kept.name},
                      {"segment", kept.what.segment.empty() ? Json() : Json(kept.what.segment)},
                      {"offset", kept.what.offset.empty() ? Json() : Json(kept.what.offset)},
                      {"changed", time_json(kept.when)},
                      {"bytes", kept.size},
                      {"why", kept.what.why}});
      continue;
    }
    print(fmt::format("{:<25}  {:<20}  {:>12}  {}\n", escape_line(kept.name), time_text(kept.when), kept.size,
                      kept.what.why));
  }
  return status_done;
}

}  // namespace impulse::ecshow
