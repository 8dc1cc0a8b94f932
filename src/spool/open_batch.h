// OpenBatch: a batch on its way into the log, shared by who fills it and the
// committer; and its parts in the queue between them.
#pragma once

#include "base/id.h"
#include "base/result.h"
#include "spool/commit_record.h"
#include "spool/journal.h"
#include "spool/large_body.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace impulse::spool {

class OpenBatch {
 public:
  // There is room as long as fewer than `window` bytes wait; again when half of them are gone.
  OpenBatch(uint64_t id, uint64_t window) : id_(id), window_(window) {}

  uint64_t id() const { return id_; }

  // Any thread. The first failure counts.
  void fail(Error why);
  std::optional<Error> failure() const;
  // Nobody will commit it.
  void drop() { dropped_ = true; }
  // Nothing more of it is worth being written.
  bool over() const { return dropped_ || failed_; }

  uint64_t waiting() const { return waiting_; }
  bool full() const { return waiting_ >= window_; }
  void added(uint64_t bytes) { waiting_ += bytes; }
  void finished(uint64_t bytes);
  // See Batch::on_room(); null: nobody listens any more, when it returns. So it
  // is called with the lock held, by whoever calls finished() or fail().
  void on_room(std::function<void()> callback);
  // See Batch::written(); called and taken back likewise.
  using Written = std::function<void(Result<std::vector<MessageId>>)>;
  void on_written(Written callback);

  // The committer's own.
  std::vector<MessageId> ids;                                           // by slot, as far as they are known
  std::map<uint32_t, std::vector<Footer::Message>> written;             // durable ones, by segment
  std::vector<std::pair<MessageId, std::unique_ptr<LargeBody>>> rests;  // of these
  uint32_t members = 0;                                                 // put into a group so far
  uint32_t fresh = 0;                                                   // of these in the group that is being made

 private:
  void call();          // with the lock held
  void call_written();  // … and all is durable, or it has failed

  const uint64_t id_;
  const uint64_t window_;
  std::atomic<uint64_t> waiting_{0};
  std::atomic<bool> dropped_{false};
  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  std::optional<Error> why_;
  std::function<void()> callback_;
  Written written_;
};

struct BatchPart {
  enum class Kind : uint8_t { message, commit, end };  // end: it was given up

  std::shared_ptr<OpenBatch> batch;
  Kind kind = Kind::message;
  bool skip = false;    // the committer's: nothing is written
  uint32_t slot = 0;    // of a message: its number in the batch
  CommitRecord record;  // of a commit, as are the following
  std::function<void(Result<std::vector<MessageId>>)> done;
};

}  // namespace impulse::spool
