// The thread, its rounds, and the groups that it writes: who is in them, and what they are told.
#include "spool/committer.h"

#include "base/thread_name.h"

#include <algorithm>
#include <utility>

namespace impulse::spool {

namespace {

// Entries of one journal record: a damaged one costs no more than these.
constexpr size_t entries_per_record = 64;
constexpr size_t told_piece = 16 << 10;  // bytes of entries that go into a segment's last records together
// Nobody waits for it, but it should not take long either.
constexpr Duration settle_wait = std::chrono::milliseconds(2);
// Journal entries may run over the end of a segment by that much.
constexpr uint64_t overrun = 64ULL << 20;

}  // namespace

Committer::Committer(SegmentFiles& files, const LargeFiles& large, LargeWork& large_work, Index& index,
                     Resident& resident, Health& health, Receipts& receipts, CommitQueue& queue, LargeWork& copy_work,
                     const Settings& settings, Tuning tuning, Log log, uint32_t last_number)
    : files_(files),
      large_(large),
      large_work_(large_work),
      index_(index),
      resident_(resident),
      health_(health),
      receipts_(receipts),
      queue_(queue),
      tuning_(std::move(tuning)),
      log_(std::move(log)),
      settings_(settings),
      writer_(files, last_number, tuning_.zero_ahead),
      now_(settings),
      compactor_(
          files, index, copy_work,
          {tuning_.compact_gain, tuning_.compact_slice, tuning_.max_batch, tuning_.compact_every},
          [&queue] { queue.nudge(); }, log_),
      open_batches_(index, receipts) {}

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

void Committer::settle(std::vector<Batches::Settling> settling) {
  if (settling.empty()) return;
  {
    const std::lock_guard lock(settings_mutex_);
    found_ = std::move(settling);
  }
  queue_.nudge();
}

void Committer::indexed() {
  indexed_ = true;
  queue_.nudge();
}

// What other threads have left for this one.
void Committer::look_around() {
  const std::lock_guard lock(settings_mutex_);
  now_ = settings_;
  for (Batches::Settling& each : found_) open_batches_.settle(std::move(each));
  if (!found_.empty()) format_ = std::max(format_, batch_format);
  found_.clear();
}

uint64_t Committer::segment_size() const {
  return std::clamp<uint64_t>(now_.segment_size, segment_header_size + 1, segment_limit);
}

Duration Committer::idle_wait() const {
  if (open_batches_.to_settle() && !sick_) return settle_wait;
  if (low_ || removal_failed_) return tuning_.space_every;
  Duration wait = health_.free_bytes() / 2 > free_wanted_ ? tuning_.space_every * 10 : tuning_.space_every;
  if (sick_) wait = std::min(wait, std::chrono::duration_cast<Duration>(next_probe_ - steady_now()));
  if (!sick_ && indexed_) wait = std::min(wait, compactor_.wait(steady_now(), now_.compaction_rate));
  return std::max(wait, Duration(1000));
}

void Committer::run() {
  name_thread("spool");
  maintain();
  do {
    queue_.take(work_, idle_wait(), now_.commit_delay);
    look_around();
    process();
    receipts_.expire(tuning_.time());
    maintain();
    if (!work_.stop && indexed_) compact();
    look_at_space(false);
  } while (!work_.stop || !work_.messages.empty());
  if (sick_ && !entries_.empty()) {  // a last try: what is not written now is done twice
    next_probe_ = {};
    process();
  }
  if (writer_.is_open() && open_batches_.to_settle()) process();
  if (writer_.is_open() && !writer_.empty()) close_segment();
  for (PendingEntry& entry : entries_)
    if (entry.done) entry.done(std::unexpected(*sick_));
}

void Committer::process() {
  entries_.insert(entries_.end(), std::make_move_iterator(work_.entries.begin()),
                  std::make_move_iterator(work_.entries.end()));
  work_.entries.clear();
  if (work_.parts > 0) {
    format_ = std::max(format_, batch_format);
    const auto says_states = [](const PendingMessage& message) {
      return message.part && !message.part->record.states.empty();
    };
    if (std::ranges::any_of(work_.messages, says_states)) format_ = states_format;
    open_batches_.begin_round(work_.messages);
  }
  // By itself only when there is nothing that it can go with.
  const bool settle = work_.messages.empty() && entries_.empty() && open_batches_.to_settle();
  size_t next = 0;
  bool probed = false;
  for (;;) {
    const bool more = next < work_.messages.size() || !entries_.empty() || !checkpoints_.empty() || !copies_.empty() ||
                      !moves_.empty() || !voids_.empty() || (settle && open_batches_.to_settle());
    if (!more && (!sick_ || probed)) break;
    probed = true;
    if (!ready()) {
      refuse(next, *sick_);
      break;
    }
    if (more) commit_batch(next);
    if (work_.parts > 0) open_batches_.finish(next);
    // What failed is refused, not tried again elsewhere: the client decides.
    if (!writer_.is_open()) {
      refuse(next, *sick_);
      break;
    }
  }
  queue_.finished(std::exchange(work_.bytes, 0));
  work_.messages.clear();
  if (std::exchange(work_.parts, 0) > 0) open_batches_.finish_round();
}

// Writes messages from `next` on, as many as belong into this segment and
// group, and, when no message is left, the journal. Advances `next`.
void Committer::commit_batch(size_t& next) {
  auto& messages = work_.messages;
  const uint64_t limit = segment_size();
  const auto fits = [&](const WriteGroup& group, size_t at) {
    return writer_.next_offset(group) + (at < messages.size() ? messages[at].record_size() : 0) <= limit;
  };
  // Those of which nothing is written have no size: the first one behind them decides, since it goes into an empty
  // group untested.
  size_t real = next;
  while (real < messages.size() && !Batches::writes(messages[real])) ++real;
  WriteGroup group;
  const bool told_enough = writer_.told_size() >= tuning_.max_told;
  const bool moves_fit = moves_.empty() || writer_.next_offset(group) + moves_size() <= limit;
  if (writer_.format() < format_ || (!writer_.empty() && (told_enough || !fits(group, real) || !moves_fit))) {
    close_segment();
    if (auto begun = begin_segment(false); !begun) return go_sick(begun.error());
  }
  Written written;
  // In front of all that may be said of their messages.
  if ((written.settled = open_batches_.to_settle()))
    writer_.add_other(group, RecordType::settled, open_batches_.settled_record(),
                      open_batches_.settles_elsewhere(writer_.number()));
  const uint64_t settled_size = group.size();
  const size_t first = next;
  bool any = false;
  while (next < messages.size() && (!any || (fits(group, next) && group.size() < tuning_.max_batch))) {
    if (Batches::must_wait(messages[next], writer_.number())) break;
    PendingMessage& message = messages[next++];
    written.messages.emplace_back();
    if (!Batches::writes(message)) continue;
    any = true;
    const auto meta_length = static_cast<uint32_t>(message.head.size() - record_header_size);
    const RecordType type = message.part ? open_batches_.join(message) : RecordType::message;
    const uint32_t offset = writer_.add_record(group, type, message.head, message.meta_crc, message.body,
                                               message.body_length, message.body_crc);
    if (message.part && type == RecordType::message) Batches::placed(*message.part, {writer_.number(), offset});
    const size_t recipients = message.message ? message.message->envelope.recipients.size() : 0;
    written.messages.back() = {offset, meta_length, message.body_length, static_cast<uint32_t>(recipients)};
    // A checkpoint planned before does not list what this makes live.
    if (type != RecordType::commit) continue;
    checkpoints_.clear();
    add_states(group, message.part->record);
  }
  add_told(group, first, next);
  for (const VoidRange& range : voids_) writer_.add_other(group, RecordType::void_range, range.encode());
  const bool last = next == messages.size();
  written.checkpoints = last && !checkpoints_.empty();
  for (size_t i = 0; written.checkpoints && i < checkpoints_.size(); ++i)
    writer_.add_other(group, RecordType::checkpoint, checkpoints_[i].encode());
  written.copies = last && !copies_.empty();
  if (written.copies) add_copies(group);
  written.moves = first == messages.size() && !moves_.empty();
  if (written.moves) add_moves(group);
  if (last) add_entries(group, written.entries);

  if (!group.empty()) {
    // What checkpoints and copies replace is removed then: they are never unsynced. Nothing waits for what settles.
    const bool bare = group.size() == settled_size;
    const bool replaces = written.checkpoints || written.copies || written.moves;
    const bool sync = replaces || (now_.force_fsync && !bare);
    if (auto done = writer_.write(group, sync); !done) return failed(first, std::exchange(next, first), done.error());
    written.durable = sync || !now_.force_fsync;
    if (!bare) ++groups_;
  }
  complete(first, written);
}

// The record of each such message says it itself; that is all that is written
// now: beside it, a record that says so could survive a power cut without it.
void Committer::add_told(WriteGroup& group, size_t first, size_t next) {
  std::string entries;
  for (size_t i = first; i < next; ++i) {
    const Incoming* message = work_.messages[i].message.get();  // none: refused, or a commit
    if (message == nullptr || message->told.empty()) continue;
    entries.clear();
    for (const Told& told : message->told) encode_entry({told.id, told.recipient, told.state}, entries);
    SegmentWriter::add_told(group, entries);
    // A checkpoint planned before would undo it at the next start.
    checkpoints_.clear();
  }
}

// Its record says it itself, as long as it is read: a footer need not name it.
void Committer::add_states(WriteGroup& group, const CommitRecord& record) {
  if (record.states.empty()) return;
  std::string entries;
  for (const JournalEntry& entry : record.states) {
    encode_entry(entry, entries);
    if (entries.size() < told_piece) continue;
    SegmentWriter::add_told(group, entries);
    entries.clear();
  }
  if (!entries.empty()) SegmentWriter::add_told(group, entries);
}

void Committer::apply_told(const Incoming& report, uint32_t number) {
  for (const Told& told : report.told) {
    std::optional<Rest> rest;
    if (index_.apply({told.id, told.recipient, told.state}, &rest) == Index::Applied::finished)
      resident_.erase(told.id);
    if (rest) remove_rest(*rest);
    index_.add_target(number, told.id);
  }
}

void Committer::add_entries(WriteGroup& group, size_t& taken) {
  std::string payload;
  size_t count = 0;
  const auto flush = [&] {
    if (!payload.empty()) writer_.add_other(group, RecordType::journal, payload);
    payload.clear();
    count = 0;
  };
  const uint64_t end = segment_limit + overrun;
  for (; taken < entries_.size() && writer_.next_offset(group) < end && group.size() < tuning_.max_batch + overrun;
       ++taken) {
    payload += entries_[taken].bytes;
    if (++count == entries_per_record) flush();
  }
  flush();
}

// A group is durable: into the index with it, and say so.
void Committer::complete(size_t first, const Written& written) {
  const uint32_t number = writer_.number();
  if (written.settled) open_batches_.settled(number);
  if (written.durable) open_batches_.said_durably();
  complete_messages(first, written.messages);
  index_.set_bytes(number, writer_.end());
  for (const VoidRange& range : voids_) index_.add_target(number, range.segment);
  voids_.clear();
  if (written.checkpoints) {
    for (const Checkpoint& checkpoint : checkpoints_) index_.add_checkpoint(number, checkpoint, false);
    checkpoints_.clear();
  }
  if (written.copies) {
    for (const Copy& copy : copies_)
      receipts_.apply(copy.record, {number, writer_.nonce(), copy.offset,
                                    static_cast<uint32_t>(copy.head.size() - record_header_size),
                                    static_cast<uint32_t>(copy.value.size())});
    copies_.clear();
  }
  if (written.moves) complete_moves(number);
  const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(written.entries);
  for (auto entry = entries_.begin(); entry != end; ++entry)
    if (!entry->bytes.empty()) index_.add_target(number, entry->target);
  std::vector<PendingEntry> done(std::make_move_iterator(entries_.begin()), std::make_move_iterator(end));
  entries_.erase(entries_.begin(), end);
  for (PendingEntry& entry : done) {
    if (entry.rest) remove_rest(*entry.rest);
    if (!entry.done) continue;
    if (entry.refused)
      entry.done(std::unexpected(std::move(*entry.refused)));
    else
      entry.done({});
  }
  for (size_t i = 0; i < written.messages.size(); ++i) {
    PendingMessage& message = work_.messages[first + i];
    if (message.part)
      open_batches_.answer(message);
    else if (message.refused)
      message.done(std::unexpected(std::move(*message.refused)));
    else
      message.done(MessageId{number, written.messages[i].offset});
  }
}

void Committer::complete_messages(size_t first, const std::vector<Index::Message>& written) {
  const uint32_t number = writer_.number();
  std::vector<Index::Message> accepted;
  accepted.reserve(written.size());
  for (size_t i = 0; i < written.size(); ++i) {
    PendingMessage& message = work_.messages[first + i];
    keep_resident(message, {number, written[i].offset}, written[i]);
    if (message.part) {
      committed_ += open_batches_.durable(message, number, writer_.nonce(), written[i]);
      continue;
    }
    if (written[i].recipients == 0) continue;
    accepted.push_back(written[i]);
    if (LargeBody* rest = message.rest) {
      index_.add_rest({number, written[i].offset}, rest->rest());
      rest->keep();
    }
  }
  if (!accepted.empty()) index_.add_messages(number, accepted);
  for (size_t i = 0; i < written.size(); ++i)
    if (written[i].recipients != 0) apply_told(*work_.messages[first + i].message, number);
  committed_ += accepted.size();
}

// Before anybody hears of it. Of a batch it is kept before it counts: until then
// nobody can ask for it.
void Committer::keep_resident(const PendingMessage& message, MessageId id, const Index::Message& where) {
  if (where.recipients == 0 || message.rest != nullptr) return;
  resident_.add(id, std::string_view(message.head).substr(record_header_size), message.body, message.body_length);
}

void Committer::refuse(size_t first, const Error& why) {
  for (size_t i = first; i < work_.messages.size(); ++i) {
    PendingMessage& message = work_.messages[i];
    if (message.part)
      open_batches_.refuse(message, why);
    else
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
    for (size_t i = first; i < next; ++i) Batches::leave_rests(work_.messages[i]);
  }
  index_.set_bytes(number, writer_.end());
  index_.seal(number);
  checkpoints_.clear();  // planned anew
  copies_.clear();
  moves_.clear();
  receipts_.refused();
  open_batches_.said_in_vain();
  go_sick(why);
}

void Committer::remove_rest(const Rest& rest) {
  large_work_.post([this, number = rest.number] {
    if (auto removed = large_.remove(number); !removed)
      log_(fmt::format("{}; the next start removes it", removed.error().message));
  });
}

}  // namespace impulse::spool
