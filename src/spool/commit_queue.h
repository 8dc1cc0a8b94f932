// CommitQueue: what waits for the committer. Many threads put, one takes all.
#pragma once

#include "base/clock.h"
#include "spool/journal.h"
#include "spool/large_body.h"
#include "spool/open_batch.h"
#include "spool/spool.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::spool {

// A message, or what ends a batch, made ready by the thread that hands it in:
// the committer only adds where it lies.
struct PendingMessage {
  std::shared_ptr<const Incoming> message;
  std::function<void(Result<MessageId>)> done;
  std::optional<Error> refused;        // known already; nothing else is set then
  std::string head;                    // room for the record header, then the metadata
  std::vector<std::string_view> body;  // into message
  uint32_t body_length = 0;
  uint32_t meta_crc = 0;
  uint32_t body_crc = 0;
  LargeBody* rest = nullptr;        // in message, and durable already
  std::unique_ptr<BatchPart> part;  // of a batch; null as a rule

  uint64_t record_size() const { return aligned(head.size() + body_length); }
};

struct PendingEntry {
  MessageId target;
  std::string bytes;  // encoded; empty: nothing to write, only `done` to call in its turn
  std::optional<Error> refused;
  std::function<void(Result<>)> done;
  std::optional<Rest> rest;  // of a message that this finishes: removed once it is durable
};

class CommitQueue {
 public:
  struct Work {
    std::vector<PendingMessage> messages;
    std::vector<PendingEntry> entries;
    uint64_t bytes = 0;  // of the messages
    size_t parts = 0;    // how many of them are parts of batches
    bool stop = false;

    bool empty() const { return messages.empty() && entries.empty(); }
  };

  void put(PendingMessage message);
  void put(std::vector<PendingMessage> messages);  // together
  void put(PendingEntry entry);
  void stop();
  void nudge();  // who takes looks around, though there is nothing
  // Waits until there is something, or stop(), or nudge(), or `timeout` is over; then up
  // to `delay` for more company. Swaps what there is into the emptied `work`.
  void take(Work& work, Duration timeout, Duration delay);

  // Bytes put and not yet done with.
  uint64_t waiting() const { return waiting_.load(std::memory_order_relaxed); }
  void finished(uint64_t bytes) { waiting_ -= bytes; }

 private:
  void wake(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  Work work_;
  bool sleeping_ = false;
  bool nudged_ = false;
  std::atomic<uint64_t> waiting_{0};
};

}  // namespace impulse::spool
