#include "server/spool_import.h"

#include "base/text.h"
#include "server/indexing.h"
#include "spool/limits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace impulse::server {

namespace {

using telemetry::Area;
using telemetry::Level;

constexpr size_t most_messages = 64;      // of a batch
constexpr uint64_t most_bytes = 8 << 20;  // … but for its last message: bodies in memory, and documents
// A document says no less of a recipient than the journal does, so that what was read fits into a batch.
static_assert(most_bytes + spool::most_message_states <= spool::most_batch_states);
constexpr uint64_t in_memory = 1 << 20;  // of one body; the rest goes to the disk as it is read
constexpr size_t most_refusals = 500;    // that are kept for the console
constexpr const char* owner = "spool import";
// Time enough to come again after a crash.
constexpr Duration remembered = std::chrono::hours(24 * 365);

// Where a body goes that nobody wants to have.
class Nowhere final : public message::BodySink {
 public:
  Result<> append(std::string_view bytes) override {
    size_ += bytes.size();
    return {};
  }
  uint64_t size() const override { return size_; }

 private:
  uint64_t size_ = 0;
};

}  // namespace

void SpoolImport::work(void (SpoolImport::*job)(), void (SpoolImport::*then)()) {
  parts_.workers.post([self = shared_from_this(), job, then] {
    (*self.*job)();
    self->parts_.main.post([self, then] { (*self.*then)(); });
  });
}

control::CarryProgress SpoolImport::progress() {
  const std::lock_guard lock(mutex_);
  control::CarryProgress now = progress_;
  progress_.refusals.clear();
  return now;
}

void SpoolImport::start() { work(&SpoolImport::read, &SpoolImport::commit); }

void SpoolImport::stop(Error why) {
  const std::lock_guard lock(mutex_);
  progress_.failed = std::move(why);
  progress_.ended = true;
}

void SpoolImport::refuse(const spool::PairFault& fault) {
  const std::lock_guard lock(mutex_);
  ++progress_.refused;
  if (progress_.refusals.size() < most_refusals) progress_.refusals.push_back({fault.place(), fault.why.message});
}

Result<> SpoolImport::open() {
  // Which messages are here already, and what an import before has taken, is not known sooner.
  if (const spool::Indexing now = parts_.spool.status().indexing; now.phase == spool::Indexing::Phase::reading)
    return fail(Errc::busy, "still {}: what is here already is not known; try again when that is done", text_of(now));
  auto folder = spool::PairFolder::open(order_.folder, false);
  if (!folder) return std::unexpected(std::move(folder.error()));
  folder_ = std::move(*folder);
  if (!order_.dry_run) {
    auto token = folder_->token();
    if (!token) return std::unexpected(std::move(token.error()));
    token_ = std::move(*token);
    if (auto made = folder_->make_done(); !made) return made;
    const auto receipt = parts_.spool.receipt(owner, token_);
    if (!receipt) return std::unexpected(receipt.error());
    if (*receipt) {
      // The batch before: it counts, and its files may not have been moved.
      for (const std::string_view name : split((*receipt)->value, '\n'))
        // One of that name in done/: somebody has put files back, which is told below.
        if (auto moved = folder_->retire(std::string(name)); !moved && moved.error().code != Errc::exists) return moved;
      if (auto synced = folder_->sync_done(); !synced) return synced;
    }
  }
  auto names = folder_->names();
  if (!names) return std::unexpected(std::move(names.error()));
  names_ = std::move(*names);
  return {};
}

void SpoolImport::read() {
  if (!folder_) {
    if (auto opened = open(); !opened) {
      failed_ = std::move(opened.error());
      return;
    }
  }
  uint64_t bytes = 0;
  while (next_ < names_.size() && pairs_.size() < most_messages && bytes < most_bytes && !failed_ && !cancelled_) {
    const std::string& name = names_[next_++];
    if (read(name)) bytes += std::min(pairs_.back().text.size, in_memory) + pairs_.back().document_size;
  }
}

bool SpoolImport::read(const std::string& name) {
  if (folder_->retired(name)) {
    refuse({name, 0, 0, {Errc::exists, "one of that name was imported already, and is in done/"}});
    return false;
  }
  const auto stream = [this]() -> Result<std::unique_ptr<message::BodySink>> {
    if (order_.dry_run) return std::make_unique<Nowhere>();
    return parts_.spool.stream();
  };
  auto pair = folder_->read(name, in_memory, stream);
  if (!pair) {
    const Errc code = pair.error().why.code;
    // The spool takes no more, or the folder's disk fails: another pair would fare no better.
    if (code == Errc::no_space || code == Errc::no_files || code == Errc::busy)
      failed_ = pair.error().why;
    else
      refuse(pair.error());
    return false;
  }
  // A copy of what waits here would be delivered twice.
  const auto here = parts_.spool.summary(pair->text.old_id);
  if (here && here->envelope.received == pair->incoming.envelope.received &&
      here->envelope.sender == pair->incoming.envelope.sender && here->size == pair->text.size) {
    refuse({name + ".json", 0, 0, {Errc::exists, fmt::format("{} is in this spool still", pair->text.id)}});
    return false;
  }
  // One that is damaged here for good is another matter: the copy is what is left of it.
  if (!here && here.error().code != Errc::not_found && here.error().code != Errc::invalid) {
    refuse({name + ".json",
            0,
            0,
            {here.error().code, fmt::format("whether it is in this spool cannot be told: {}", here.error().message)}});
    return false;
  }
  pairs_.push_back(std::move(*pair));
  return true;
}

void SpoolImport::commit() {
  if (failed_) return stop(std::move(*failed_));
  if (pairs_.empty() || cancelled_) {
    const std::lock_guard lock(mutex_);
    progress_.ended = true;
    return;
  }
  taken_.clear();
  if (order_.dry_run) {
    {
      const std::lock_guard lock(mutex_);
      progress_.messages += pairs_.size();
      for (const spool::Pair& pair : pairs_) progress_.bytes += pair.text.size;
    }
    pairs_.clear();
    return work(&SpoolImport::read, &SpoolImport::commit);
  }
  inject::Source source("IMPORT");
  source.again = true;
  auto batch = parts_.injector.begin_batch(std::move(source), parts_.main);
  if (!batch) return stop(std::move(batch.error()));
  std::vector<std::string> names;
  for (spool::Pair& pair : pairs_) {
    names.push_back(pair.name);
    taken_.push_back({pair.name, pair.text.id, pair.text.size});
    auto added = (*batch)->add(std::move(pair.incoming));
    if (added) continue;
    if (added.error().code != Errc::invalid) return stop(std::move(added.error()));
    // It spoils the batch: without it then. The others are read once more.
    refuse({pair.name, 0, 0, added.error()});
    names.clear();
    for (const spool::Pair& each : pairs_)
      if (each.name != pair.name) names.push_back(each.name);
    names_.insert(names_.begin() + static_cast<std::ptrdiff_t>(next_), names.begin(), names.end());
    pairs_.clear();
    return work(&SpoolImport::read, &SpoolImport::commit);
  }
  pairs_.clear();
  spool::Receipt receipt{owner, token_, fmt::format("{}", fmt::join(names, "\n")), wall_now() + remembered};
  (*batch)->commit(std::move(receipt), [self = shared_from_this()](Result<std::vector<MessageId>> ids) {
    self->committed(std::move(ids));
  });
}

void SpoolImport::committed(Result<std::vector<MessageId>> ids) {
  if (!ids) return stop(std::move(ids.error()));
  for (size_t i = 0; i < ids->size() && i < taken_.size(); ++i)
    parts_.log.write(Level::notice, Area::spool, "message-imported",
                     fmt::format("{}: was {}, from {}", (*ids)[i].to_string(parts_.spool.node()),
                                 escape_line(taken_[i].old_id), escape_line(order_.folder)));
  {
    const std::lock_guard lock(mutex_);
    progress_.messages += taken_.size();
    for (const Taken& each : taken_) progress_.bytes += each.size;
  }
  work(&SpoolImport::retire, &SpoolImport::commit);
}

// Before the next batch, whose receipt replaces that of this one; and reads on.
void SpoolImport::retire() {
  Result<> done;
  for (const Taken& each : taken_) {
    done = folder_->retire(each.name);
    if (!done) break;
  }
  if (done) done = folder_->sync_done();
  if (!done) {
    failed_ = Error{done.error().code, fmt::format("{}; what was imported last is known, and will be moved by the next "
                                                   "import",
                                                   done.error().message)};
    return;
  }
  read();
}

}  // namespace impulse::server
