#include "spool/log_spool.h"

#include "base/text.h"
#include "base/thread_name.h"
#include "spool/intake.h"
#include "spool/large_body.h"
#include "spool/message_reader.h"
#include "spool/receipts.h"
#include "spool/recovery.h"
#include "spool/resident.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace impulse::spool {

namespace {

// <base>/lock, held as long as this lives.
Result<std::unique_ptr<File>> take_lock(const std::shared_ptr<FileOps>& ops, const std::string& base) {
  const std::string path = base + "/lock";
  const int fd = ops->open(path, O_RDWR | O_CREAT, 0640);
  if (fd < 0) return file_error(fd, path);
  auto file = std::make_unique<File>(ops, fd);
  if (const int result = ops->lock(fd); result == -EWOULDBLOCK) {
    char text[32] = {};
    const ssize_t got = ops->pread(fd, text, sizeof text - 1, 0);
    const auto holder = trim(std::string_view(text, got > 0 ? static_cast<size_t>(got) : 0));
    return fail(Errc::busy, "{}: held by process {}", base, holder.empty() ? "?" : escape_line(holder));
  } else if (result < 0) {
    return file_error(result, path);
  }
  const std::string text = fmt::format("{}\n", ::getpid());
  int result = ops->truncate(fd, 0);
  if (result >= 0) result = file->write(text, 0);
  if (result < 0) return file_error(result, path);
  return file;
}

class LogSpool final : public Spool {
 public:
  LogSpool(std::shared_ptr<FileOps> ops, const Tuning& tuning, const Settings& settings, std::string node,
           std::function<void(std::string_view)> log)
      : tuning_(tuning),
        node_(std::move(node)),
        log_(log ? std::move(log) : [](std::string_view) {}),
        files_(ops, settings.base, settings.mode),
        large_(ops, settings.base, settings.mode),
        receipts_(index_, tuning.max_receipts),
        intake_(queue_, health_, large_, *large_work_, node_,
                {tuning.max_waiting, tuning.batch_piece, tuning.batch_window, tuning.batch_states},
                settings.force_fsync) {}
  ~LogSpool() override {
    LogSpool::stop_indexing();
    if (thread_.joinable()) thread_.join();
    large_work_->stop();  // what it has done goes to the committer, which ends then
  }

  Result<> start(std::unique_ptr<File> lock, const Settings& settings) {
    lock_ = std::move(lock);
    set_drop_damage(settings.unlink_damaged);
    resident_.set_limit(settings.max_resident);
    if (auto made = large_.make_folder(); !made) return made;
    recovery_.emplace(files_, large_, index_, receipts_, report_,
                      Recovery::Setup{stop_, progress_, [this] { tell_progress(); },
                                      [this](const Error& why) { return try_again(why); }});
    if (auto begun = recovery_->begin(); !begun) return begun;
    last_number_ = recovery_->last_number();
    committer_ = std::make_unique<Committer>(files_, large_, *large_work_, index_, resident_, health_, receipts_,
                                             queue_, copy_work_, settings, tuning_, log_, last_number_);
    return committer_->start();
  }

  void index(Indexer indexer) override {
    indexer_ = std::move(indexer);
    patient_ = true;
    thread_ = std::thread([this] {
      name_thread("spool-index");
      const Result<> read = read_all();
      if (!stop_ && indexer_.ended) indexer_.ended(read, report_);
      report_ = {};
    });
  }

  void stop_indexing() override {
    {
      const std::lock_guard lock(stop_mutex_);
      stop_ = true;
    }
    stopped_.notify_all();
  }

  // The same on the calling thread.
  Result<> index_here(const std::function<void(Summary)>& live, RecoveryReport* report) {
    if (live)
      indexer_.live = [&live](std::vector<Summary> summaries) {
        for (Summary& summary : summaries) live(std::move(summary));
      };
    if (report == nullptr) indexer_.note = log_;
    const Result<> read = read_all();
    indexer_ = {};
    if (report != nullptr) *report = report_;
    return read;
  }

  Result<> indexed(MessageId id) const override {
    if (id.segment > last_number_ || phase_ == Indexing::Phase::done || id.segment < progress_.reached) return {};
    return still_indexing(id);
  }

  void commit(std::shared_ptr<const Incoming> message, std::function<void(Result<MessageId>)> done) override {
    intake_.commit(std::move(message), std::move(done));
  }

  Result<std::unique_ptr<message::BodySink>> stream() override {
    if (auto admitted = health_.admission(); !admitted) return std::unexpected(std::move(admitted.error()));
    return LargeBody::create({.files = large_, .health = health_, .work = large_work_, .block = tuning_.large_block});
  }

  Result<std::unique_ptr<Batch>> begin_batch() override { return intake_.begin_batch(); }

  Result<std::optional<Receipt>> receipt(std::string_view owner, std::string_view key) const override {
    if (phase_ == Indexing::Phase::reading)
      return fail(Errc::busy, "what was done before the start is still being read");
    for (;;) {
      auto found = receipts_.find(owner, key, tuning_.time());
      if (!found) return std::nullopt;
      if (!found->value_in_body) return std::move(found->receipt);
      auto value = read_value(files_, found->place);
      if (value) {
        found->receipt.value = std::move(*value);
        return std::move(found->receipt);
      }
      // It may have been copied, and its segment removed, meanwhile.
      const auto again = receipts_.find(owner, key, tuning_.time());
      if (again && again->sequence == found->sequence && again->place == found->place)
        return std::unexpected(std::move(value.error()));
    }
  }

  void record(MessageId id, uint32_t recipient, const RecipientState& state,
              std::function<void(Result<>)> done) override {
    const JournalEntry entry{id, recipient, state};
    if (auto known = is_known(id); !known) {
      if (done) journal(entry, std::move(known.error()), std::move(done), false);
      return;
    }
    std::optional<Rest> rest;
    const auto applied =
        recipient == JournalEntry::whole_message ? Index::Applied::unknown : index_.apply(entry, &rest);
    std::optional<Error> refused;
    if (applied == Index::Applied::unknown)
      refused = Error{Errc::not_found, fmt::format("no recipient {} of {} is waiting", recipient, id.to_string(node_))};
    const bool write = applied == Index::Applied::pending || applied == Index::Applied::finished;
    if (applied == Index::Applied::finished) resident_.erase(id);
    if (write || done) journal(entry, std::move(refused), std::move(done), write, rest);
  }

  Result<Stored> read(MessageId id) const override { return read(id, RestWanted::in_memory); }
  Result<Stored> open(MessageId id) const override { return read(id, RestWanted::in_place); }

  Result<Summary> summary(MessageId id) const override {
    if (auto known = is_known(id); !known) return std::unexpected(std::move(known.error()));
    for (;;) {
      auto located = index_.find(id);
      if (!located) return gone(id);
      const MessageId place = located->place;
      std::optional<Rest> rest;
      auto summary = read_summary(files_, id, std::move(*located), &rest);
      if (summary) index_.read_at_last(id, rest);
      if (summary) return summary;
      const auto again = index_.find(id);
      if (!again) return gone(id);
      if (again->place != place) continue;
      if (summary.error().code == Errc::not_found) summary.error().code = Errc::io;
      if (is_bad(summary.error())) damaged(id, summary.error());
      return summary;
    }
  }

  std::string last_error(MessageId id, uint32_t recipient) const override { return index_.last_error(id, recipient); }

  Result<> admission() const override { return intake_.admission(); }

  Result<> room(uint64_t bytes) const override { return health_.room(bytes); }

  Status status() const override {
    Status status;
    if (auto admitted = admission(); !admitted) {
      status.accepting = false;
      status.reason = admitted.error().message;
    }
    status.messages = index_.messages();
    index_.totals(status.segments, status.bytes);
    status.free_bytes = health_.free_bytes();
    status.commits = committer_->batches();
    status.committed = committer_->committed();
    status.receipts = receipts_.size();
    status.copied = committer_->copied();
    status.copied_bytes = committer_->copied_bytes();
    status.removed = committer_->removed();
    status.freed = committer_->freed();
    const Resident::Figures resident = resident_.figures();
    status.resident = resident.messages;
    status.resident_bytes = resident.bytes;
    status.resident_hits = resident.hits;
    status.resident_misses = resident.misses;
    status.indexing = indexing();
    return status;
  }

  void set_live_settings(const Settings& settings) override {
    intake_.set_force_fsync(settings.force_fsync);
    set_drop_damage(settings.unlink_damaged);
    resident_.set_limit(settings.max_resident);
    committer_->set(settings);
  }
  const std::string& node() const override { return node_; }

 private:
  void set_drop_damage(bool drop) {
    files_.set_drop_damage(drop);
    large_.set_drop_damage(drop);
  }
  // What was needed to read it is not needed again, however it ends.
  Result<> read_all() {
    Result<> read = recover();
    recovery_.reset();
    return read;
  }

  Result<> recover() {
    next_progress_ = steady_now() + tuning_.progress_every;
    auto done = recovery_->survey(tuning_.time());
    tell_notes();
    if (!done) return done;
    // The log says of these batches that they are whole before it says anything of their messages.
    committer_->settle(recovery_->settling());
    intake_.set_receipts_known();
    phase_ = Indexing::Phase::queueing;
    done =
        recovery_->announce({tuning_.index_slice, tuning_.index_recipients}, indexer_.live,
                            [this](const JournalEntry& tombstone) { journal(tombstone, std::nullopt, nullptr, true); });
    tell_notes();
    if (!done) return done;
    if (indexer_.last) indexer_.last();
    if (stop_) return fail(Errc::busy, "it is to stop");
    phase_ = Indexing::Phase::done;
    committer_->indexed();
    return {};
  }

  void tell_notes() {
    for (; told_ < report_.notes.size(); ++told_)
      if (indexer_.note) indexer_.note(report_.notes[told_]);
  }

  void tell_progress() {
    tell_notes();
    if (!indexer_.progress || steady_now() < next_progress_) return;
    next_progress_ = steady_now() + tuning_.progress_every;
    indexer_.progress(indexing());
  }

  // The sessions may have taken all descriptors: then it waits for some.
  bool try_again(const Error& why) {
    if (!patient_ || why.code != Errc::no_files) return false;
    if (!std::exchange(short_of_files_, true))
      log_(fmt::format("indexing waits until a file can be opened: {}", why.message));
    std::unique_lock lock(stop_mutex_);
    return !stopped_.wait_for(lock, tuning_.index_again, [this] { return stop_.load(); });
  }

  Indexing indexing() const {
    return {phase_, progress_.segments, progress_.segments_read, progress_.messages, progress_.announced};
  }

  std::unexpected<Error> still_indexing(MessageId id) const {
    return fail(Errc::busy, "{}: what was there before the start is still being indexed ({} %), try again later",
                id.to_string(node_), indexing().percent());
  }

  // Whether the index knows of all with such an id which are live.
  Result<> is_known(MessageId id) const {
    if (phase_ != Indexing::Phase::reading || id.segment > last_number_) return {};
    return still_indexing(id);
  }

  Result<Stored> read(MessageId id, RestWanted wanted) const {
    auto stored = load(id, wanted);
    if (!stored && is_bad(stored.error())) damaged(id, stored.error());
    return stored;
  }

  std::unexpected<Error> gone(MessageId id) const {
    return fail(Errc::not_found, "{}: no such message, or it is finished", id.to_string(node_));
  }
  void journal(const JournalEntry& entry, std::optional<Error> refused, std::function<void(Result<>)> done, bool write,
               const std::optional<Rest>& rest = std::nullopt) {
    PendingEntry pending{entry.target, {}, std::move(refused), std::move(done), rest};
    if (write) encode_entry(entry, pending.bytes);
    queue_.put(std::move(pending));
  }

  Result<Stored> load(MessageId id, RestWanted wanted) const {
    if (auto known = is_known(id); !known) return std::unexpected(std::move(known.error()));
    for (;;) {
      auto located = index_.find(id);
      if (!located) return gone(id);
      const MessageId place = located->place;
      if (auto kept = resident_.find(id))
        if (auto stored = stored_of(id, *located, kept->meta, std::move(kept->body))) return std::move(*stored);
      std::optional<Rest> bad;
      auto stored = read_stored(files_, large_, id, std::move(*located), &bad, wanted);
      if (stored) return stored;
      const auto again = index_.find(id);
      if (!again) return gone(id);          // finished meanwhile
      if (again->place != place) continue;  // copied, and its segment removed
      if (bad) return bad_rest(id, *bad, stored.error());
      if (stored.error().code == Errc::not_found) stored.error().code = Errc::io;
      return stored;
    }
  }

  // What the disk cannot read now it may read later; what is wrong stays wrong.
  std::unexpected<Error> bad_rest(MessageId id, const Rest& rest, const Error& why) const {
    std::string kept;
    const bool wrong = why.code == Errc::invalid;
    if (wrong && large_.keep_aside(rest.number)) {
      kept = fmt::format("; it was {}", files_.moved());
    } else if (wrong) {
      kept = "; it cannot be moved to quarantine";
      (void)index_.take_rest(id);  // the last copy: it does not go with the message
    }
    return fail(wrong || why.code == Errc::not_found ? Errc::invalid : why.code, "{}{}", why.message, kept);
  }
  static bool is_bad(const Error& why) { return why.code == Errc::invalid || why.code == Errc::io; }

  // Said once, and kept aside, before its segment goes.
  void damaged(MessageId id, const Error& why) const {
    {
      const std::lock_guard lock(damaged_mutex_);
      if (!damaged_.insert(id).second) return;
    }
    const auto located = index_.find(id);
    const MessageId place = located ? located->place : id;
    const auto file = files_.get(place.segment);
    std::string kept = "cannot be kept aside";
    bool safe = false;
    if (located && file) {
      const uint64_t length = record_header_size + uint64_t{located->meta_length} + located->body_length;
      const auto copied = files_.keep_aside(**file, place.segment, place.offset, length, "bad");
      safe = copied.has_value();
      kept = safe ? std::string(files_.kept()) : "cannot be kept aside: " + copied.error().message;
    }
    if (!safe) {  // its segment is the last copy; the next reader tries again
      index_.keep(place.segment);
      const std::lock_guard lock(damaged_mutex_);
      damaged_.erase(id);
    }
    log_(fmt::format("{}: {}; {}", id.to_string(node_), why.message, kept));
  }

  const Tuning tuning_;
  const std::string node_;
  const std::function<void(std::string_view)> log_;
  std::unique_ptr<File> lock_;
  SegmentFiles files_;
  LargeFiles large_;
  std::shared_ptr<LargeWork> large_work_ = std::make_shared<LargeWork>();
  mutable Resident resident_;
  mutable Index index_;  // a reader who finds damage pins its segment
  Health health_;
  Receipts receipts_;
  CommitQueue queue_;
  Intake intake_;
  LargeWork copy_work_;  // reads what is compacted
  std::atomic<Indexing::Phase> phase_ = Indexing::Phase::reading;
  std::atomic<bool> stop_ = false;  // indexing
  Recovery::Progress progress_;
  uint32_t last_number_ = 0;          // the highest that was there at the start
  RecoveryReport report_;             // this one and the next six: of the thread that indexes
  std::optional<Recovery> recovery_;  // until all is read
  Indexer indexer_;
  SteadyTime next_progress_{};
  size_t told_ = 0;  // of the notes
  bool short_of_files_ = false;
  bool patient_ = false;
  std::mutex stop_mutex_;
  std::condition_variable stopped_;
  mutable std::mutex damaged_mutex_;
  mutable std::set<MessageId> damaged_;
  std::unique_ptr<Committer> committer_;  // last but one: ends early
  std::thread thread_;                    // reads what was there
};

// The folder, and its name and those above made durable: at each start, as the
// process that made one of them may have died before it had. What may not be
// read, or cannot be synced, is left as it is.
int make_base(FileOps& ops, const std::string& base) {
  if (const int made = ops.make_directories(base, 0750); made < 0) return made;
  std::string path = base;
  while (path != "/" && path != ".") {
    path.erase(path.find_last_not_of('/') + 1);
    const size_t slash = path.rfind('/');
    path = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
    if (ops.sync_directory(path) == -EIO) return -EIO;
  }
  return 0;
}

Result<std::unique_ptr<LogSpool>> begin(std::shared_ptr<FileOps> ops, const Tuning& tuning, const Settings& settings,
                                        std::string node, std::function<void(std::string_view)> log) {
  const int made = make_base(*ops, settings.base);
  if (made == -ENOTDIR) return fail(Errc::io, "{}: not a directory", settings.base);
  if (made < 0) return file_error(made, settings.base);
  auto lock = take_lock(ops, settings.base);
  if (!lock) return std::unexpected(lock.error());
  auto spool = std::make_unique<LogSpool>(ops, tuning, settings, std::move(node), std::move(log));
  if (auto started = spool->start(std::move(*lock), settings); !started) return std::unexpected(started.error());
  return spool;
}

}  // namespace

Result<std::unique_ptr<Spool>> begin_log_spool(std::shared_ptr<FileOps> ops, const Tuning& tuning,
                                               const Settings& settings, std::string node,
                                               std::function<void(std::string_view)> log) {
  return begin(std::move(ops), tuning, settings, std::move(node), std::move(log));
}

Result<std::unique_ptr<Spool>> open_log_spool(std::shared_ptr<FileOps> ops, const Tuning& tuning,
                                              const Settings& settings, std::string node,
                                              const std::function<void(Summary)>& live,
                                              std::function<void(std::string_view)> log, RecoveryReport* report) {
  auto spool = begin(std::move(ops), tuning, settings, std::move(node), std::move(log));
  if (!spool) return std::unexpected(spool.error());
  if (auto indexed = (*spool)->index_here(live, report); !indexed) return std::unexpected(indexed.error());
  return std::move(*spool);
}

Result<std::unique_ptr<Spool>> Spool::begin(const Settings& settings, std::string node,
                                            std::function<void(std::string_view)> log) {
  return begin_log_spool(system_files(), {}, settings, std::move(node), std::move(log));
}

Result<std::unique_ptr<Spool>> Spool::open(const Settings& settings, std::string node,
                                           const std::function<void(Summary)>& live,
                                           std::function<void(std::string_view)> log, RecoveryReport* report) {
  return open_log_spool(system_files(), {}, settings, std::move(node), live, std::move(log), report);
}

}  // namespace impulse::spool
