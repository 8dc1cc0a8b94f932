// Committer: the thread that makes what is handed in durable, batch by batch,
// removes segments that are finished, and watches over disk space.
#pragma once

#include "base/clock.h"
#include "spool/commit_queue.h"
#include "spool/health.h"
#include "spool/index.h"
#include "spool/segment_files.h"
#include "spool/segment_writer.h"
#include "spool/spool.h"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace impulse::spool {

// What is no option of the operator's; tests set it smaller.
struct Tuning {
  uint64_t max_waiting = 256ULL << 20;                    // bytes in the queue, beyond which commits are busy
  uint64_t max_batch = 64ULL << 20;                       // bytes written before a sync
  uint64_t max_told = 16ULL << 20;                        // bytes that wait for a segment's footer
  uint64_t zero_ahead = 512ULL << 10;                     // see SegmentWriter::extend; 0: off
  size_t large_block = 64 << 10;                          // see LargeBody::Setup
  Duration probe_every = std::chrono::seconds(2);         // when the disk failed
  Duration space_every = std::chrono::milliseconds(100);  // between looks at the free space
  std::function<int64_t()> seconds;                       // since 1970, for segment numbers; null: the system's clock
};

class Committer {
 public:
  using Log = std::function<void(std::string_view)>;

  // All borrowed, and outliving it.
  Committer(SegmentFiles& files, const LargeFiles& large, LargeWork& large_work, Index& index, Health& health,
            CommitQueue& queue, const Settings& settings, Tuning tuning, Log log, uint32_t last_number);
  ~Committer();  // commits what waits, seals the open segment

  // Makes the first segment, and starts the thread.
  Result<> start();
  void set(const Settings& settings);

  uint64_t batches() const { return batches_; }
  uint64_t committed() const { return committed_; }

 private:
  void run();
  void process();
  void commit_batch(size_t& next);
  void add_entries(WriteGroup& batch, size_t& taken);
  void complete(size_t first, const std::vector<Index::Message>& written, size_t entries, bool checkpoints);
  void failed(size_t first, size_t next, const Error& why);
  void remove_rest(const Rest& rest);
  void add_told(WriteGroup& batch, size_t first, size_t next);
  void apply_told(const Incoming& report, uint32_t number);
  void refuse(size_t first, const Error& why);
  bool ready();
  Result<> begin_segment(bool durable);
  void close_segment();
  void maintain();
  bool remove_finished(const std::vector<uint32_t>& segments);
  void go_sick(Error why);  // code: no_space or io
  void go_well();
  void look_at_space(bool always);
  uint64_t segment_size() const;
  Duration idle_wait() const;
  Settings settings() const;

  SegmentFiles& files_;
  const LargeFiles& large_;
  LargeWork& large_work_;
  Index& index_;
  Health& health_;
  CommitQueue& queue_;
  const Tuning tuning_;
  const Log log_;

  mutable std::mutex settings_mutex_;
  Settings settings_;
  std::atomic<uint64_t> batches_{0};
  std::atomic<uint64_t> committed_{0};

  // The thread's own.
  SegmentWriter writer_;
  Settings now_;  // the settings of this round
  CommitQueue::Work work_;
  std::vector<PendingEntry> entries_;    // not yet durable
  std::vector<Checkpoint> checkpoints_;  // wanted, to free segments
  std::vector<VoidRange> voids_;         // to be written before anything is acknowledged
  std::optional<Error> sick_;
  SteadyTime sick_since_{};
  SteadyTime next_probe_{};
  SteadyTime next_space_{};
  uint64_t free_wanted_ = 0;  // Spool_Min_Free in bytes
  bool low_ = false;
  bool removal_failed_ = false;
  std::thread thread_;
};

}  // namespace impulse::spool
