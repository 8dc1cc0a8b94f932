// Spool: accepted messages on stable storage until all their recipients have
// an outcome. Format: doc/spool-format.md.
#pragma once

#include "base/chunks.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "message/body_sink.h"
#include "message/body_source.h"
#include "message/envelope.h"

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::spool {

struct Settings {
  std::string base;                        // Spoolbase, made if missing
  mode_t mode = 0640;                      // Spool_Mode, of the segment files
  uint64_t segment_size = 256ULL << 20;    // Spool_Segment_Size, bytes; at most 4 GiB
  bool force_fsync = true;                 // Force_Fsync
  uint64_t min_free_bytes = 0;             // Spool_Min_Free; 0: use the percentage
  unsigned min_free_percent = 5;           // of inodes too; where bytes are given 1% of the inodes
  Duration commit_delay{0};                // Spool_Commit_Delay
  uint64_t compaction_rate = 16ULL << 20;  // Spool_Compaction_Rate, bytes a second; 0: as they come
  bool unlink_damaged = false;             // Unlink_On_Spool_In_Failure: nothing is kept aside
  uint64_t max_resident = 0;               // Max_Resident_Messages, see resident.h
};

// What became of one recipient. Anything but `pending` is final.
enum class State : uint8_t { pending = 0, delivered = 1, failed = 2, expired = 3 };

struct RecipientState {
  State state = State::pending;
  uint32_t attempts = 0;
  WallTime next_attempt{};  // pending only; the epoch means at once, the greatest that an operator holds it
  std::string last_error;   // one line; at most 512 bytes are kept
  // Pending only: the Binding that it was given since; empty: as said before, or
  // as the envelope has it. At most 64 bytes.
  std::string binding{};
  bool held() const { return state == State::pending && next_attempt == WallTime::max(); }
  friend bool operator==(const RecipientState&, const RecipientState&) = default;
};

// "pending", "held", "delivered", "failed", "expired".
constexpr std::string_view state_name(const RecipientState& state) {
  switch (state.state) {
    case State::pending:
      return state.held() ? "held" : "pending";
    case State::delivered:
      return "delivered";
    case State::failed:
      return "failed";
    case State::expired:
      return "expired";
  }
  return "?";
}

// What a report tells of a recipient of another message.
struct Told {
  MessageId id;
  uint32_t recipient = 0;
  RecipientState state;
};

// A message as it is handed in.
struct Incoming {
  message::Envelope envelope;
  // Header fields of ours that go in front of the body, CRLF at each end. The
  // id is not known before the commit; readers insert it at `id_offset`.
  std::string trace;
  uint32_t id_offset = no_id;
  Chunks body;  // CRLF line ends, unstuffed, no terminating dot
  // What follows `body`, when the message was too large for memory: made by
  // stream() of the same spool, and not appended to any more.
  std::unique_ptr<message::BodySink> rest;
  // A report's: outcomes that are journalled with it, in one record. Either
  // both are durable or neither is, whatever happens in between.
  std::vector<Told> told;
  // How the recipients stand from the beginning, one for each; empty: they are
  // pending, and were never tried. One of them at least is pending. In a batch only.
  std::vector<RecipientState> states;

  uint64_t body_size() const { return body.size() + (rest ? rest->size() : 0); }

  static constexpr uint32_t no_id = UINT32_MAX;
};

// A message read back.
struct Stored {
  MessageId id;
  message::Envelope envelope;
  std::vector<RecipientState> states;  // one for each envelope recipient
  std::string trace;                   // with the id in its place
  std::string body;
  std::string node{};  // as in Summary
  // What follows `body`, when Spool::open() left it where it lies. Keeps a descriptor.
  std::shared_ptr<const message::BodySource> rest{};
  uint64_t size() const { return trace.size() + body.size() + (rest ? rest->size() : 0); }
};

// A live message found at start-up (and by list()): no body.
struct Summary {
  MessageId id;
  message::Envelope envelope;
  std::vector<RecipientState> states;
  uint64_t size = 0;  // trace and body, bytes
  std::string node;   // with which its id was told to the sender; empty: it was not
};

// What an owner (a stream, a user) has to remember of what it handed in: durable
// with the batch it came with, until it expires. A later one of the same owner
// and key replaces it.
struct Receipt {
  std::string owner;  // 1 to 4096 bytes, any
  std::string key;    // 0 to 4096 bytes, any
  std::string value;  // up to 64 bytes stay in memory; up to 1 MiB is read back from the disk
  WallTime expires;   // never before that of the one it replaces: that is moved up
  friend bool operator==(const Receipt&, const Receipt&) = default;

  static constexpr size_t max_name = 4096;
  static constexpr size_t max_value = 1 << 20;
};

// Messages that become live and durable together, or not at all. Made by
// begin_batch(). They go into the log while the batch grows; nobody sees them
// before the commit. Destroyed uncommitted none of it ever was, and so it is
// after a crash; both cheap. One thread at a time; of any thread.
class Batch {
 public:
  virtual ~Batch() = default;

  // Adds a message; its id will be the next in the answer to commit(). What is
  // wrong with it is said here (invalid), and spoils the whole batch, as does
  // what the disk refuses meanwhile, said here or by commit(). Never blocks. No
  // outcomes (Incoming::told). Borrowed until it is written; `rest` is kept.
  virtual Result<> add(std::shared_ptr<const Incoming> message) = 0;

  // Bytes added and not yet written. Who has much to add stops when full(), and
  // goes on when there is room: then memory stays bounded. Who has little need not look.
  virtual uint64_t waiting() const = 0;
  virtual bool full() const = 0;
  // Calls `callback` once, when there is room again or the batch has failed: at
  // once; or out of add(), on the caller's thread, when what it adds spoils the
  // batch; or later on another thread, as a rule the committer's. The last two
  // with a lock of the batch held: so post from it, and call nothing of the
  // batch. Replaces the one before; never called after the destructor or commit().
  virtual void on_room(std::function<void()> callback) = 0;

  // Calls `callback` once, when all that was added is written, and would outlive a
  // crash if it were committed: with the ids that it will have, in the order of
  // add(); or when the batch has failed, with the reason. From where on_room()
  // calls, with the same duties, and at once as well. Nothing may be added afterwards.
  virtual void written(std::function<void(Result<std::vector<MessageId>>)> callback) = 0;

  // Makes it all durable: `done` as in Spool::commit(), with the ids in the
  // order of add(). A receipt may come without messages. The last call; the
  // batch may be destroyed at once.
  virtual void commit(std::optional<Receipt> receipt, std::function<void(Result<std::vector<MessageId>>)> done) = 0;

  // The committer's thread answers for all of them at once, and others wait meanwhile.
  static constexpr size_t max_messages = 100000;
};

struct RecoveryReport {
  uint64_t segments = 0;
  uint64_t footers_used = 0;       // segments whose index was read, not scanned
  uint64_t messages = 0;           // live
  uint64_t damaged = 0;            // records kept aside in <base>/quarantine
  uint64_t torn_bytes = 0;         // cut from the tail of the last segment
  uint64_t orphans = 0;            // files of large bodies that no message names, removed
  uint64_t receipts = 0;           // remembered
  uint64_t uncommitted = 0;        // messages of batches that were never committed: not there
  std::vector<std::string> notes;  // one line each, for the log
};

// How far a start is with what was there before it.
struct Indexing {
  enum class Phase : uint8_t {
    reading,   // what the segments say; which old messages are live, and which receipts there are, is not known
    queueing,  // all that is known; of the live ones Indexer::live is being told
    done,
  };
  Phase phase = Phase::done;
  uint64_t segments = 0;  // that were there
  uint64_t segments_read = 0;
  uint64_t messages = 0;  // live ones among what was there; known when all is read
  uint64_t queued = 0;    // of these

  // Of its phase: of the segments, or of the messages.
  unsigned percent() const {
    const uint64_t all = phase == Phase::reading ? segments : messages;
    const uint64_t some = phase == Phase::reading ? segments_read : queued;
    return phase == Phase::done || all == 0 ? 100 : static_cast<unsigned>(some * 100 / all);
  }
};

struct Status {
  bool accepting = true;  // false: sick, or below Spool_Min_Free
  std::string reason;     // why not
  uint64_t messages = 0;  // live
  uint64_t segments = 0;
  uint64_t bytes = 0;         // on disk
  uint64_t free_bytes = 0;    // of the file system
  uint64_t commits = 0;       // batches since start
  uint64_t committed = 0;     // messages since start
  uint64_t receipts = 0;      // remembered
  uint64_t copied = 0;        // messages since start, so that segments of which most was dead could go
  uint64_t copied_bytes = 0;  // of these, as records
  uint64_t removed = 0;       // segments since start
  uint64_t freed = 0;         // bytes of these
  // Of messages that are kept in memory, too, and how many readings since the
  // start found theirs there, or did not.
  uint64_t resident = 0;
  uint64_t resident_bytes = 0;
  uint64_t resident_hits = 0;
  uint64_t resident_misses = 0;
  Indexing indexing;
};

// Who wants to know what a start finds. Called on one thread, which is none of the spool's others.
struct Indexer {
  // Messages that still have pending recipients, oldest first, some at a time. May block, for as long as there is
  // enough to do; not beyond Spool::stop_indexing().
  std::function<void(std::vector<Summary>)> live;
  std::function<void(const Indexing&)> progress;  // every few seconds; optional
  std::function<void(std::string_view)> note;     // one line for the log, as RecoveryReport::notes; optional
  // The last call. An error: what is not indexed waits for the next start. Not called when it was stopped.
  std::function<void(Result<>, const RecoveryReport&)> ended;
  // Behind the last call of `live`; may block as that: Indexing tells of no end before. Optional.
  std::function<void()> last{};
};

class Spool {
 public:
  // Takes the lock (Errc::busy: "held by process N") and starts the committer: mail
  // is taken from then on, however much is there already; of which nothing is known
  // before index(). A directory that cannot be written, and a segment of a newer
  // version, are errors. `log` gets operator lines (any thread): sick, well,
  // damaged. Messages already in the file are never dropped.
  static Result<std::unique_ptr<Spool>> begin(const Settings& settings, std::string node,
                                              std::function<void(std::string_view)> log);
  // Once: reads what was there, on a thread of its own. Until it has read which of it
  // is live, what is asked about old messages, or receipts, is answered Errc::busy, and
  // a batch with a receipt is refused so; until it has ended no segment is removed.
  virtual void index(Indexer indexer) {
    if (indexer.ended) indexer.ended({}, {});
  }
  // Has that end, wherever it is: soon, and at the latest in the destructor; the next start begins anew. Any thread.
  virtual void stop_indexing() {}
  // Errc::busy: it is a message of before the start, and not known, or not told of, yet. Any thread.
  virtual Result<> indexed(MessageId /*id*/) const { return {}; }

  // Both in one, on the calling thread: begins, and calls `live` for each message.
  static Result<std::unique_ptr<Spool>> open(const Settings& settings, std::string node,
                                             const std::function<void(Summary)>& live,
                                             std::function<void(std::string_view)> log,
                                             RecoveryReport* report = nullptr);
  // Commits what is waiting, seals the open segment, releases the lock.
  virtual ~Spool() = default;

  // Hands a message over. `done` is called once, on the committer's thread
  // (post from it to where it is wanted, and do nothing slow there), after the
  // message is on stable storage: with its id, or with why not (no_space: 452,
  // io: 451, busy: too much is waiting). After a positive answer the message
  // survives everything. Never blocks. Any thread.
  virtual void commit(std::shared_ptr<const Incoming> message, std::function<void(Result<MessageId>)> done) = 0;

  // A place on the disk for the rest of a large body, to be handed in as
  // Incoming::rest; or destroyed, and what was written goes. Fails as
  // admission() does. Blocks no longer than it takes to make a file. Any
  // thread; everything streamed has to be gone, or handed in, before the spool.
  virtual Result<std::unique_ptr<message::BodySink>> stream() {
    return fail(Errc::unavailable, "this spool keeps bodies in memory");
  }

  // A group of messages that is committed as one. Fails as admission() does.
  // Any thread; its messages have to be committed, or it gone, before the spool.
  virtual Result<std::unique_ptr<Batch>> begin_batch() {
    return fail(Errc::unavailable, "this spool knows no batches");
  }

  // The newest durable receipt of that owner and key that has not expired, or
  // nothing. Any thread; values over 64 bytes are read from the disk (invalid:
  // damaged, io: cannot be read now), others cost a look-up in memory.
  virtual Result<std::optional<Receipt>> receipt(std::string_view /*owner*/, std::string_view /*key*/) const {
    return std::nullopt;
  }

  // Journals what became of recipient number `recipient`. Written with the
  // next batch; not waited for (a crash repeats a delivery, it never loses
  // one). When the last recipient is final the message is gone for good.
  // `done`, when given, is called on the committer's thread once durable.
  virtual void record(MessageId id, uint32_t recipient, const RecipientState& state,
                      std::function<void(Result<>)> done = nullptr) = 0;

  // Any thread; blocking disk read, checked against its CRC. not_found when it
  // is finished or never was; invalid when it is damaged, for good; anything
  // else when it cannot be read now.
  virtual Result<Stored> read(MessageId id) const = 0;
  // The same, but the rest of a large body stays where it lies; it is checked all the same.
  virtual Result<Stored> open(MessageId id) const { return read(id); }
  // Without the body; which may be there when the body is damaged.
  virtual Result<Summary> summary(MessageId id) const = 0;

  // What was said last of a recipient that waits; empty: nothing, or it does not
  // wait. From memory. Any thread.
  virtual std::string last_error(MessageId /*id*/, uint32_t /*recipient*/) const { return {}; }

  // Cheap (atomics): whether a new message would be taken now. Asked at MAIL and DATA.
  virtual Result<> admission() const = 0;
  // As cheap: whether there is room for a message of so many bytes above Spool_Min_Free.
  virtual Result<> room(uint64_t /*bytes*/) const { return {}; }
  virtual Status status() const = 0;
  virtual void set_live_settings(const Settings& settings) = 0;  // force_fsync, segment_size, min_free, commit_delay,
  // compaction_rate, unlink_damaged, max_resident
  virtual const std::string& node() const = 0;
};

}  // namespace impulse::spool
