// Survey: what the segments of a spool say, read into an index in the order of
// the log. It changes no file, so that a spool can be looked at by others than
// its daemon, too; recovery.h mends what it finds.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "spool/batch_recovery.h"
#include "spool/index.h"
#include "spool/receipts.h"
#include "spool/segment_files.h"
#include "spool/segment_reader.h"
#include "spool/spool.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace impulse::spool {

class Survey {
 public:
  // All borrowed, and outliving it.
  Survey(const SegmentFiles& files, Index& index, Receipts& receipts, RecoveryReport& report)
      : files_(files), index_(index), receipts_(receipts), batches_(index), report_(report) {}

  // The segments that are there, ascending.
  static Result<std::vector<uint32_t>> list(const SegmentFiles& files);

  // For who reads many: all optional, borrowed.
  struct Watch {
    const std::atomic<bool>* stop = nullptr;       // soon Errc::busy when it becomes true
    std::function<void()> step = {};               // another one is read
    std::function<bool(const Error&)> again = {};  // a file could not be opened: once more?
  };
  // Reads these, ascending. With `renew` what the kernel holds of them is made
  // durable and forgotten first: then only what the disk has counts.
  Result<> read(const std::vector<uint32_t>& numbers, bool renew, const Watch& watch);
  Result<> read(const std::vector<uint32_t>& numbers, bool renew) { return read(numbers, renew, Watch{}); }
  // All is read: which receipts count; and notes of batches that do not.
  void resolve(WallTime now);

  // From the oldest segment without a footer on, those that were read.
  struct Segment {
    uint32_t number = 0;
    SegmentContent content;
  };
  const std::vector<Segment>& unsealed() const { return waiting_; }
  // Nobody asks for them, nor for unread(), any more: they may be most of what was read.
  void drop_unsealed() { waiting_ = {}; }
  // Files in which nothing could be recognised; empty ones are in the index, so that they go.
  struct Foreign {
    uint32_t number = 0;
    uint64_t size = 0;
    bool torn = false;  // a stop while its header was written may have left it
    std::string why;
  };
  const std::vector<Foreign>& foreign() const { return foreign_; }
  // Damage in segments with a footer.
  const std::vector<std::pair<uint32_t, Damage>>& under_footers() const { return under_footers_; }
  // Damage that may have been a commit of a batch.
  const std::vector<MessageId>& suspects() const { return suspects_; }
  // Segments with commits of batches, or what proves them.
  const std::set<uint32_t>& proofs() const { return proofs_; }
  const BatchRecovery& batches() const { return batches_; }
  // There is what the disk did not give.
  bool unread() const;

 private:
  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) {
    report_.notes.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  Result<> load(uint32_t number, bool renew, const Watch& watch);
  Result<> unreadable(uint32_t number, const File& file, const Error& why);
  void take(uint32_t number, const SegmentContent& content);
  void take(uint32_t holder, const SegmentContent& content, const OtherRecord& record);
  void take_commit(uint32_t holder, const SegmentContent& content, const OtherRecord& record,
                   const CommitRecord& commit);

  const SegmentFiles& files_;
  Index& index_;
  Receipts& receipts_;
  BatchRecovery batches_;
  RecoveryReport& report_;
  std::vector<Segment> waiting_;
  std::vector<VoidRange> voids_;
  std::vector<Foreign> foreign_;
  std::vector<std::pair<CommitRecord, Receipts::Place>> unproven_;
  std::vector<MessageId> suspects_;
  std::vector<std::pair<uint32_t, Damage>> under_footers_;
  std::set<uint32_t> proofs_;
  bool unread_ = false;
};

}  // namespace impulse::spool
