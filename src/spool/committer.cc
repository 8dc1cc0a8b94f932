#include "spool/committer.h"

#include "base/thread_name.h"

#include <algorithm>
#include <utility>

namespace impulse::spool {

namespace {

// Entries of one journal record: a damaged one costs no more than these.
constexpr size_t entries_per_record = 64;
// Journal entries may run over the end of a segment by that much.
constexpr uint64_t overrun = 64ULL << 20;

int64_t system_seconds() { return std::chrono::floor<std::chrono::seconds>(wall_now()).time_since_epoch().count(); }

}  // namespace

Committer::Committer(SegmentFiles& files, const LargeFiles& large, LargeWork& large_work, Index& index, Health& health,
                     CommitQueue& queue, const Settings& settings, Tuning tuning, Log log, uint32_t last_number)
    : files_(files),
      large_(large),
      large_work_(large_work),
      index_(index),
      health_(health),
      queue_(queue),
      tuning_(std::move(tuning)),
      log_(std::move(log)),
      settings_(settings),
      writer_(files, last_number, tuning_.zero_ahead),
      now_(settings) {}

Committer::~Committer() {
  if (!thread_.joinable()) return;
  queue_.stop();
  thread_.join();
}

Result<> Committer::start() {
  if (auto begun = begin_segment(true); !begun) return begun;
  look_at_space(true);
  thread_ = std::thread([this] { run(); });
  return {};
}

void Committer::set(const Settings& settings) {
  const std::lock_guard lock(settings_mutex_);
  settings_ = settings;
}

Settings Committer::settings() const {
  const std::lock_guard lock(settings_mutex_);
  return settings_;
}

uint64_t Committer::segment_size() const {
  return std::clamp<uint64_t>(now_.segment_size, segment_header_size + 1, segment_limit);
}

Duration Committer::idle_wait() const {
  if (low_ || removal_failed_) return tuning_.space_every;
  Duration wait = health_.free_bytes() / 2 > free_wanted_ ? tuning_.space_every * 10 : tuning_.space_every;
  if (sick_) wait = std::min(wait, std::chrono::duration_cast<Duration>(next_probe_ - steady_now()));
  return std::max(wait, Duration(1000));
}

void Committer::run() {
  name_thread("spool");
  maintain();
  do {
    queue_.take(work_, idle_wait(), now_.commit_delay);
    now_ = settings();
    process();
    maintain();
    look_at_space(false);
  } while (!work_.stop || !work_.messages.empty());
  if (sick_ && !entries_.empty()) {  // a last try: what is not written now is done twice
    next_probe_ = {};
    process();
  }
  if (writer_.is_open() && !writer_.empty()) close_segment();
  for (PendingEntry& entry : entries_)
    if (entry.done) entry.done(std::unexpected(*sick_));
}

void Committer::process() {
  entries_.insert(entries_.end(), std::make_move_iterator(work_.entries.begin()),
                  std::make_move_iterator(work_.entries.end()));
  work_.entries.clear();
  size_t next = 0;
  bool probed = false;
  for (;;) {
    const bool more = next < work_.messages.size() || !entries_.empty() || !checkpoints_.empty() || !voids_.empty();
    if (!more && (!sick_ || probed)) break;
    probed = true;
    if (!ready()) {
      refuse(next, *sick_);
      break;
    }
    if (more) commit_batch(next);
    // What failed is refused, not tried again elsewhere: the client decides.
    if (!writer_.is_open()) {
      refuse(next, *sick_);
      break;
    }
  }
  queue_.finished(std::exchange(work_.bytes, 0));
  work_.messages.clear();
}

// Writes messages from `next` on, as many as belong into this segment and
// batch, and, when no message is left, the journal. Advances `next`.
void Committer::commit_batch(size_t& next) {
  auto& messages = work_.messages;
  const uint64_t limit = segment_size();
  const auto fits = [&](const WriteGroup& batch, size_t at) {
    return writer_.next_offset(batch) + (at < messages.size() ? messages[at].record_size() : 0) <= limit;
  };
  // Refused messages have no size: the first one behind them decides, since it goes into an empty batch untested.
  size_t real = next;
  while (real < messages.size() && messages[real].refused) ++real;
  WriteGroup batch;
  const bool told_enough = writer_.told_size() >= tuning_.max_told;
  if (!writer_.empty() && (told_enough || !fits(batch, real))) {
    close_segment();
    if (auto begun = begin_segment(false); !begun) return go_sick(begun.error());
  }
  const size_t first = next;
  std::vector<Index::Message> written;
  while (next < messages.size() && (batch.empty() || (fits(batch, next) && batch.size() < tuning_.max_batch))) {
    PendingMessage& message = messages[next++];
    written.emplace_back();
    if (message.refused) continue;
    const auto meta_length = static_cast<uint32_t>(message.head.size() - record_header_size);
    const uint32_t offset =
        writer_.add_message(batch, message.head, message.meta_crc, message.body, message.body_length, message.body_crc);
    written.back() = {offset, meta_length, message.body_length,
                      static_cast<uint32_t>(message.message->envelope.recipients.size())};
  }
  add_told(batch, first, next);
  for (const VoidRange& range : voids_) writer_.add_other(batch, RecordType::void_range, range.encode());
  const bool with_checkpoints = next == messages.size() && !checkpoints_.empty();
  for (size_t i = 0; with_checkpoints && i < checkpoints_.size(); ++i)
    writer_.add_other(batch, RecordType::checkpoint, checkpoints_[i].encode());
  size_t taken = 0;
  if (next == messages.size()) add_entries(batch, taken);

  // A checkpoint replaces what is removed then: never unsynced.
  if (!batch.empty()) {
    if (auto done = writer_.write(batch, now_.force_fsync || with_checkpoints); !done) {
      return failed(first, std::exchange(next, first), done.error());
    }
    ++batches_;
  }
  complete(first, written, taken, with_checkpoints);
}

// The record of each such message says it itself; that is all that is written
// now: beside it, a record that says so could survive a power cut without it.
void Committer::add_told(WriteGroup& batch, size_t first, size_t next) {
  std::string entries;
  for (size_t i = first; i < next; ++i) {
    if (work_.messages[i].refused || work_.messages[i].message->told.empty()) continue;
    entries.clear();
    for (const Told& told : work_.messages[i].message->told)
      encode_entry({told.id, told.recipient, told.state}, entries);
    SegmentWriter::add_told(batch, entries);
    // A checkpoint planned before would undo it at the next start.
    checkpoints_.clear();
  }
}

void Committer::apply_told(const Incoming& report, uint32_t number) {
  for (const Told& told : report.told) {
    if (index_.apply({told.id, told.recipient, told.state}) == Index::Applied::finished)
      if (const auto rest = index_.take_rest(told.id)) remove_rest(*rest);
    index_.add_target(number, told.id.segment);
  }
}

void Committer::add_entries(WriteGroup& batch, size_t& taken) {
  std::string payload;
  size_t count = 0;
  const auto flush = [&] {
    if (!payload.empty()) writer_.add_other(batch, RecordType::journal, payload);
    payload.clear();
    count = 0;
  };
  const uint64_t end = segment_limit + overrun;
  for (; taken < entries_.size() && writer_.next_offset(batch) < end && batch.size() < tuning_.max_batch + overrun;
       ++taken) {
    payload += entries_[taken].bytes;
    if (++count == entries_per_record) flush();
  }
  flush();
}

// A batch is durable: into the index with it, and say so.
void Committer::complete(size_t first, const std::vector<Index::Message>& written, size_t entries, bool checkpoints) {
  const uint32_t number = writer_.number();
  std::vector<Index::Message> accepted;
  accepted.reserve(written.size());
  for (size_t i = 0; i < written.size(); ++i) {
    if (written[i].recipients == 0) continue;
    accepted.push_back(written[i]);
    if (LargeBody* rest = work_.messages[first + i].rest) {
      index_.add_rest({number, written[i].offset}, rest->rest());
      rest->keep();
    }
  }
  if (!accepted.empty()) index_.add_messages(number, accepted);
  for (size_t i = 0; i < written.size(); ++i)
    if (written[i].recipients != 0) apply_told(*work_.messages[first + i].message, number);
  index_.set_bytes(number, writer_.end());
  committed_ += accepted.size();
  for (const VoidRange& range : voids_) index_.add_target(number, range.segment);
  voids_.clear();
  if (checkpoints) {
    for (const Checkpoint& checkpoint : checkpoints_) index_.add_checkpoint(number, checkpoint, false);
    checkpoints_.clear();
  }
  for (size_t i = 0; i < entries; ++i)
    if (!entries_[i].bytes.empty()) index_.add_target(number, entries_[i].target.segment);
  std::vector<PendingEntry> done(std::make_move_iterator(entries_.begin()),
                                 std::make_move_iterator(entries_.begin() + static_cast<std::ptrdiff_t>(entries)));
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(entries));
  for (PendingEntry& entry : done) {
    if (entry.rest) remove_rest(*entry.rest);
    if (!entry.done) continue;
    if (entry.refused)
      entry.done(std::unexpected(std::move(*entry.refused)));
    else
      entry.done({});
  }
  for (size_t i = 0; i < written.size(); ++i) {
    PendingMessage& message = work_.messages[first + i];
    if (message.refused)
      message.done(std::unexpected(std::move(*message.refused)));
    else
      message.done(MessageId{number, written[i].offset});
  }
}

void Committer::refuse(size_t first, const Error& why) {
  for (size_t i = first; i < work_.messages.size(); ++i) {
    PendingMessage& message = work_.messages[i];
    message.done(std::unexpected(message.refused ? *message.refused : why));
  }
  work_.messages.resize(std::min(first, work_.messages.size()));
}

// A write or a sync failed. What it was to make durable is not, and must not
// be found later; the entries of the journal are kept for the next segment.
void Committer::failed(size_t first, size_t next, const Error& why) {
  const uint32_t number = writer_.number();
  if (const auto range = writer_.abandon()) {
    voids_.push_back(*range);
    // Their records may come back with a power cut: so their files stay, for the next start to see to.
    for (size_t i = first; i < next; ++i)
      if (work_.messages[i].rest != nullptr) work_.messages[i].rest->keep();
  }
  index_.set_bytes(number, writer_.end());
  index_.seal(number);
  checkpoints_.clear();  // planned anew
  go_sick(why);
}

bool Committer::ready() {
  if (writer_.is_open()) return true;
  const auto now = steady_now();
  if (sick_ && now < next_probe_) return false;
  next_probe_ = now + tuning_.probe_every;
  Space space;
  if (sick_ && sick_->code == Errc::no_space && files_.ops().space(files_.base(), space) >= 0 &&
      space.free < std::max(free_wanted_, 2 * tuning_.zero_ahead))
    return false;
  if (auto begun = begin_segment(true); !begun) {
    go_sick(begun.error());
    return false;
  }
  // Zeros written ahead and synced: the disk has room again, and works.
  WriteGroup nothing;
  if (auto proved = writer_.write(nothing, true); !proved) {
    failed(0, 0, proved.error());
    return false;
  }
  go_well();
  return true;
}

Result<> Committer::begin_segment(bool durable) {
  auto begun = writer_.begin(tuning_.seconds ? tuning_.seconds() : system_seconds(), durable);
  if (!begun) return begun;
  index_.add_segment(writer_.number(), writer_.nonce());
  index_.set_bytes(writer_.number(), writer_.end());
  return {};
}

void Committer::close_segment() {
  const uint32_t number = writer_.number();
  // Without a footer the next start scans it: nothing is lost but time.
  if (auto sealed = writer_.seal(index_.live_in(number)); !sealed)
    log_(fmt::format("no footer could be written: {}", sealed.error().message));
  index_.set_bytes(number, writer_.end());
  index_.seal(number);
}

void Committer::maintain() {
  while (index_.take_changed() || std::exchange(removal_failed_, false)) {
    Index::Removal plan = index_.plan_removal();
    if (!remove_finished(plan.removable)) {
      removal_failed_ = true;
      return;
    }
    if (plan.checkpoints.empty() || sick_) continue;
    checkpoints_ = std::move(plan.checkpoints);
    work_.messages.clear();
    process();
  }
}

void Committer::remove_rest(const Rest& rest) {
  large_work_.post([this, number = rest.number] {
    if (auto removed = large_.remove(number); !removed)
      log_(fmt::format("{}; the next start removes it", removed.error().message));
  });
}

// False when the disk would not have it; they stay then, until later.
bool Committer::remove_finished(const std::vector<uint32_t>& segments) {
  if (segments.empty()) return true;
  bool removed = true;
  std::vector<uint32_t> gone;
  for (const uint32_t number : segments) {
    if (files_.remove(number))
      gone.push_back(number);
    else
      removed = false;
  }
  // Journal entries for these may be forgotten only when they cannot come back.
  if (!files_.sync_names()) return false;
  for (const uint32_t number : gone) index_.remove(number);
  return removed;
}

void Committer::go_sick(Error why) {
  if (why.code != Errc::no_space) why.code = Errc::io;
  next_probe_ = steady_now() + tuning_.probe_every;
  health_.set_sick(why);
  if (!sick_) {
    sick_since_ = steady_now();
    log_(fmt::format("the disk fails, new mail is refused until it works again: {}", why.message));
  }
  sick_ = std::move(why);
}

void Committer::go_well() {
  health_.set_sick(std::nullopt);
  if (!sick_) return;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(steady_now() - sick_since_).count();
  log_(fmt::format("the disk works again after {} s, new mail is accepted", seconds));
  sick_.reset();
}

void Committer::look_at_space(bool always) {
  const auto now = steady_now();
  if (!always && now < next_space_) return;
  next_space_ = now + tuning_.space_every;
  Space space;
  if (files_.ops().space(files_.base(), space) < 0) return;  // a real trouble shows when writing
  free_wanted_ = now_.min_free_bytes > 0 ? now_.min_free_bytes : space.total / 100 * now_.min_free_percent;
  health_.set_free(space.free, space.free - std::min(space.free, free_wanted_));
  // Once low, some more is wanted, so as not to swing.
  const bool low = space.free < (low_ ? free_wanted_ + free_wanted_ / 64 : free_wanted_);
  if (low)
    health_.set_low(Error{Errc::no_space, fmt::format("{}: only {} bytes are free, Spool_Min_Free is {}", files_.base(),
                                                      space.free, free_wanted_)});
  else if (low_)
    health_.set_low(std::nullopt);
  if (low != low_)
    log_(low ? fmt::format("{}: only {} bytes are free, Spool_Min_Free is {}: new mail is refused", files_.base(),
                           space.free, free_wanted_)
             : fmt::format("{}: {} bytes are free again, new mail is accepted", files_.base(), space.free));
  low_ = low;
}

}  // namespace impulse::spool
