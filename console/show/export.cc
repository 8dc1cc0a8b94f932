#include "console/show/export.h"

#include "console/show/messages.h"
#include "console/show/output.h"
#include "spool/pair_folder.h"

#include <fmt/format.h>

#include <filesystem>

namespace impulse::ecshow {

int export_messages(const spool::View& view, const Options& options) {
  int status = say_notes(view);
  std::error_code none;
  const auto path = std::filesystem::absolute(options.folder, none).lexically_normal();
  auto folder = spool::PairFolder::open(path.string(), true);
  if (!folder) return say_error({Errc::io, folder.error().message});
  uint64_t written = 0, there = 0, bytes = 0;
  for (const MessageId id : view.live()) {
    const auto summary = view.summary(id);
    auto wanted = summary ? fits(view, options.filter, *summary) : std::unexpected(summary.error());
    if (wanted && !*wanted) continue;
    const auto stored = wanted ? view.read(id) : std::unexpected(wanted.error());
    if (!stored && stored.error().code == Errc::not_found) continue;  // finished meanwhile
    const auto done = stored ? folder->write(*stored) : std::unexpected(stored.error());
    if (!done) {
      complain(fmt::format("{}: {}", id_text(id, summary ? summary->node : ""), done.error().message));
      status = status_damaged;
      if (stored && done.error().code != Errc::exists) return status_spool;  // the folder takes no more
      continue;
    }
    ++(*done ? written : there);
    if (*done) bytes += stored->size();
  }
  if (auto synced = folder->sync(); !synced) return say_error(synced.error());
  if (options.json)
    print_json(Json{{"folder", folder->path()}, {"messages", written}, {"bytes", bytes}, {"there", there}});
  else
    print(fmt::format("{} messages, {} bytes, exported to {}{}\n", written, bytes, folder->path(),
                      there > 0 ? fmt::format("; {} were there already", there) : ""));
  return status;
}

}  // namespace impulse::ecshow
