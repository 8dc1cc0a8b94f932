#include "spool/view.h"

#include "spool/message_reader.h"
#include "spool/read_only_files.h"
#include "spool/record.h"
#include "spool/survey.h"

#include <algorithm>
#include <cstdint>
#include <map>

namespace impulse::spool {

namespace {

constexpr int attempts = 100;
// What is being written while it is read looks damaged; it does not the next time.
constexpr int doubts = 5;

// Segments are made one after the other, so that one which shows up below the last that was seen was overlooked.
bool overlooked(const std::vector<uint32_t>& seen, const std::vector<uint32_t>& now) {
  return std::ranges::any_of(now, [&](uint32_t number) {
    return (seen.empty() || number < seen.back()) && !std::ranges::binary_search(seen, number);
  });
}

}  // namespace

View::View(const std::shared_ptr<FileOps>& ops, const std::string& base)
    : files_(ops, base, 0, SIZE_MAX), large_(ops, base, 0), receipts_(index_, SIZE_MAX) {}

Result<std::unique_ptr<View>> View::open(const std::shared_ptr<FileOps>& ops, const std::string& base) {
  const auto reading = std::make_shared<ReadOnlyFiles>(ops);
  for (int i = 0; i < attempts; ++i) {
    std::unique_ptr<View> view(new View(reading, base));
    const auto done = view->attempt();
    if (!done) return std::unexpected(done.error());
    if (*done && (!view->doubtful_ || i + 1 >= doubts)) return view;
  }
  return fail(Errc::busy, "{}: segments come and go faster than they can be opened", base);
}

// False: a segment was removed before it was open. Once all of them are open they are a beginning of the log that
// was whole when they were listed; what is removed from then on stays readable.
Result<bool> View::attempt() {
  const auto numbers = Survey::list(files_);
  if (!numbers) return std::unexpected(numbers.error());
  if (numbers->empty()) {
    std::vector<std::string> names;
    (void)files_.ops().list(files_.base(), names);
    if (std::ranges::find(names, "lock") == names.end())
      return fail(Errc::not_found, "{}: not a spool: it has neither segments nor a lock", files_.base());
  }
  std::map<uint32_t, Segment> segments;
  for (const uint32_t number : *numbers) {
    const auto file = files_.get(number);
    if (!file && file.error().code == Errc::not_found) return false;
    if (!file) return std::unexpected(file.error());
    const int64_t size = files_.ops().size((*file)->fd());
    if (size < 0) return file_error(size, files_.path(number));
    segments[number] = {.number = number, .sealed = true, .bytes = static_cast<uint64_t>(size)};
  }
  const auto again = Survey::list(files_);
  if (!again) return std::unexpected(again.error());
  if (overlooked(*numbers, *again)) return false;

  Survey survey(files_, index_, receipts_, report_);
  if (auto read = survey.read(*numbers, false); !read) return std::unexpected(read.error());
  survey.resolve(wall_now());
  report_.messages = index_.messages();
  for (const Survey::Segment& segment : survey.unsealed()) {
    Segment& told = segments[segment.number];
    told.sealed = segment.content.by_footer;
    told.unreadable = segment.content.unreadable;
    if (!told.sealed) told.damaged = segment.content.damage.size();
  }
  for (const auto& [number, damage] : survey.under_footers()) ++segments[number].damaged;
  for (const Survey::Foreign& foreign : survey.foreign()) {
    // The newest may just be made.
    segments[foreign.number].sealed = false;
    if (foreign.torn) continue;
    segments[foreign.number].damaged = 1;
    report_.notes.push_back(foreign.why);
  }
  for (auto& [number, segment] : segments) {
    for (const Index::Message& message : index_.live_in(number)) {
      ++segment.messages;
      segment.live_bytes += aligned(record_header_size + uint64_t{message.meta_length} + message.body_length);
    }
    report_.damaged += segment.damaged;
    segments_.push_back(segment);
  }
  doubtful_ = !segments_.empty() && !segments_.back().sealed &&
              (segments_.back().damaged > 0 || !survey.batches().torn().empty());
  return true;
}

Result<Summary> View::summary(MessageId id) const {
  auto located = index_.find(id);
  if (!located)
    return fail(Errc::not_found, "{:08X}/{:08X}: no such message, or it is finished", id.segment, id.offset);
  return read_summary(files_, id, std::move(*located));
}

Result<Stored> View::read(MessageId id) const {
  auto located = index_.find(id);
  if (!located)
    return fail(Errc::not_found, "{:08X}/{:08X}: no such message, or it is finished", id.segment, id.offset);
  return read_stored(files_, large_, id, std::move(*located));
}

}  // namespace impulse::spool
