// Intake: what is done with messages on the threads that hand them in, on
// their way into the queue; alone, or as batches.
#pragma once

#include "spool/commit_queue.h"
#include "spool/health.h"
#include "spool/large_files.h"
#include "spool/spool.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace impulse::spool {

class Intake {
 public:
  struct Limits {
    uint64_t max_waiting = 0;   // bytes in the queue, beyond which messages are refused
    uint64_t batch_piece = 0;   // bytes of a batch that are handed on together
    uint64_t batch_window = 0;  // bytes of a batch that may wait
    uint64_t batch_states = 0;  // bytes of what it says of recipients: they are all in one record, and in memory
  };
  // All borrowed, and outliving it.
  Intake(CommitQueue& queue, const Health& health, const LargeFiles& large, LargeWork& large_work,
         const std::string& node, const Limits& limits, bool force_fsync);

  void set_force_fsync(bool force) { force_fsync_ = force; }
  // All receipts of before are known. Until then none is taken: it might be one of what was done before.
  void set_receipts_known() { receipts_known_ = true; }
  Result<> admission() const;
  void commit(std::shared_ptr<const Incoming> message, std::function<void(Result<MessageId>)> done);
  Result<std::unique_ptr<Batch>> begin_batch();

 private:
  friend class LogBatch;
  Result<> prepare(const Incoming& message, PendingMessage& pending, uint64_t batch) const;
  void put_behind_rest(PendingMessage pending);
  std::unexpected<Error> busy() const;

  CommitQueue& queue_;
  const Health& health_;
  const LargeFiles& large_;
  LargeWork& large_work_;
  const std::string& node_;
  const Limits limits_;
  std::atomic<bool> force_fsync_;
  std::atomic<bool> receipts_known_ = false;
  std::atomic<uint64_t> next_batch_;
};

}  // namespace impulse::spool
