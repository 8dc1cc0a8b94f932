// Committer: the thread that makes what is handed in durable, batch by batch,
// removes segments that are finished, and watches over disk space.
#pragma once

#include "base/clock.h"
#include "spool/batches.h"
#include "spool/commit_queue.h"
#include "spool/compactor.h"
#include "spool/health.h"
#include "spool/index.h"
#include "spool/limits.h"
#include "spool/receipts.h"
#include "spool/resident.h"
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
  uint64_t batch_piece = 1ULL << 20;                      // bytes of a batch that go to the queue together
  uint64_t batch_window = 8ULL << 20;                     // bytes of a batch that may wait for the disk
  uint64_t batch_states = most_batch_states;              // bytes of a batch's states; beyond that it is refused
  uint64_t max_copies = 16ULL << 20;                      // bytes of receipts that are copied forward at once
  uint64_t compact_gain = 4ULL << 20;                     // bytes that compacting a segment has to free
  uint64_t compact_slice = 1ULL << 20;                    // bytes copied at once
  Duration compact_every = std::chrono::seconds(1);       // between looks for such segments
  size_t max_receipts = 1000000;                          // remembered; beyond that the oldest are forgotten
  uint64_t zero_ahead = 512ULL << 10;                     // see SegmentWriter::extend; 0: off
  size_t large_block = 64 << 10;                          // see LargeBody::Setup
  Duration probe_every = std::chrono::seconds(2);         // when the disk failed
  Duration space_every = std::chrono::milliseconds(100);  // between looks at the free space
  size_t index_slice = 250;                               // messages that Indexer::live is told at once
  size_t index_recipients = 2000;                         // … and, but for those of the last message, of recipients
  Duration index_again = std::chrono::seconds(1);         // when there are no descriptors to read with
  Duration progress_every = std::chrono::seconds(3);      // between calls of Indexer::progress
  std::function<int64_t()> seconds;                       // since 1970, for segment numbers; null: the system's clock
  std::function<WallTime()> now = nullptr;                // for receipts that expire; null: the system's clock

  WallTime time() const { return now ? now() : wall_now(); }
};

class Committer {
 public:
  using Log = std::function<void(std::string_view)>;

  // All borrowed, and outliving it.
  Committer(SegmentFiles& files, const LargeFiles& large, LargeWork& large_work, Index& index, Resident& resident,
            Health& health, Receipts& receipts, CommitQueue& queue, LargeWork& copy_work, const Settings& settings,
            Tuning tuning, Log log, uint32_t last_number);
  ~Committer();  // commits what waits, seals the open segment

  // Makes the first segment, and starts the thread. What was there before is left alone until indexed().
  Result<> start();
  // Batches that were found whole, which the log does not say yet: it does before anything that is handed in from now
  // on. Any thread, once.
  void settle(std::vector<Batches::Settling> settling);
  // All is in the index: what nobody needs may go. Any thread.
  void indexed();
  void set(const Settings& settings);

  uint64_t batches() const { return groups_; }
  uint64_t committed() const { return committed_; }
  uint64_t copied() const { return copied_; }
  uint64_t copied_bytes() const { return copied_bytes_; }
  uint64_t removed() const { return removed_; }
  uint64_t freed() const { return freed_; }

 private:
  // committer.cc
  void run();
  void process();
  void commit_batch(size_t& next);
  void add_entries(WriteGroup& group, size_t& taken);
  struct Written {  // what a group holds
    std::vector<Index::Message> messages;
    size_t entries = 0;
    bool settled = false;
    bool durable = false;
    bool checkpoints = false;
    bool copies = false;
    bool moves = false;
  };
  void complete(size_t first, const Written& written);
  void complete_messages(size_t first, const std::vector<Index::Message>& written);
  void keep_resident(const PendingMessage& message, MessageId id, const Index::Message& where);
  void failed(size_t first, size_t next, const Error& why);
  void remove_rest(const Rest& rest);
  void add_told(WriteGroup& group, size_t first, size_t next);
  static void add_states(WriteGroup& group, const CommitRecord& record);
  void apply_told(const Incoming& report, uint32_t number);
  void refuse(size_t first, const Error& why);
  uint64_t segment_size() const;
  Duration idle_wait() const;
  void look_around();

  // committer_segments.cc
  bool ready();
  Result<> begin_segment(bool durable);
  void close_segment();
  void maintain();
  void plan_copies(const std::vector<uint32_t>& segments);
  void add_copies(WriteGroup& group);
  bool remove_finished(const std::vector<uint32_t>& segments);
  void go_sick(Error why);  // code: no_space or io
  void go_well();
  void look_at_space(bool always);

  // committer_compaction.cc
  void compact();
  uint64_t moves_size() const;
  void add_moves(WriteGroup& group);
  void complete_moves(uint32_t number);

  SegmentFiles& files_;
  const LargeFiles& large_;
  LargeWork& large_work_;
  Index& index_;
  Resident& resident_;
  Health& health_;
  Receipts& receipts_;
  CommitQueue& queue_;
  const Tuning tuning_;
  const Log log_;

  mutable std::mutex settings_mutex_;
  Settings settings_;
  std::vector<Batches::Settling> found_;  // by the start; the same mutex
  std::atomic<bool> indexed_ = false;
  std::atomic<uint64_t> groups_{0};
  std::atomic<uint64_t> committed_{0};
  std::atomic<uint64_t> copied_{0};
  std::atomic<uint64_t> copied_bytes_{0};
  std::atomic<uint64_t> removed_{0};
  std::atomic<uint64_t> freed_{0};

  // The thread's own.
  SegmentWriter writer_;
  Settings now_;  // the settings of this round
  CommitQueue::Work work_;
  std::vector<PendingEntry> entries_;    // not yet durable
  std::vector<Checkpoint> checkpoints_;  // wanted, to free segments
  std::vector<VoidRange> voids_;         // to be written before anything is acknowledged
  struct Copy {                          // of a receipt whose segment shall go
    CommitRecord record;
    std::string head, value;
    uint32_t offset = 0;
  };
  std::vector<Copy> copies_;
  struct Move {  // a message whose segment shall go
    Compactor::Copy copy;
    std::string head;
    uint32_t recipients = 0;
    uint32_t offset = 0;
  };
  std::vector<Move> moves_;
  Compactor compactor_;
  Batches open_batches_;
  uint32_t format_ = plain_format;  // of segments to come
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
