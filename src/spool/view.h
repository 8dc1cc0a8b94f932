// View: a spool as it is at one moment, for those who only look: the same code
// reads it as at a start, but nothing is locked, mended or removed. The daemon
// may be at work meanwhile: what is seen is what its log said at some moment
// between the call of open() and its end.
#pragma once

#include "base/result.h"
#include "spool/file_ops.h"
#include "spool/index.h"
#include "spool/large_files.h"
#include "spool/receipts.h"
#include "spool/segment_files.h"
#include "spool/spool.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace impulse::spool {

class View {
 public:
  struct Segment {
    uint32_t number = 0;
    bool sealed = false;      // has a footer: nothing is appended any more
    uint64_t bytes = 0;       // of the file
    uint64_t messages = 0;    // live ones that lie in it
    uint64_t live_bytes = 0;  // of their records
    uint64_t damaged = 0;     // records or ranges that are none; with a footer: only of what is read at a start
    bool unreadable = false;  // the disk did not give all of it
  };

  // Errc::not_found: no such folder, or one that is no spool; Errc::denied;
  // Errc::unavailable: a newer version wrote it; Errc::busy: it changed under
  // each of many attempts. Opens all of its segments, and keeps them open.
  static Result<std::unique_ptr<View>> open(const std::shared_ptr<FileOps>& ops, const std::string& base);

  // Live messages, oldest first.
  std::vector<MessageId> live() const { return index_.live(); }
  // Errc::not_found: it is not live; Errc::invalid: damaged, for good.
  Result<Summary> summary(MessageId id) const;
  // With its body. Errc::not_found also when the file of a large body is not there:
  // a newer view says whether the message is finished.
  Result<Stored> read(MessageId id) const;

  const std::vector<Segment>& segments() const { return segments_; }
  // Of the survey: messages, receipts, batches without a commit, and what there was to say.
  const RecoveryReport& report() const { return report_; }

 private:
  View(const std::shared_ptr<FileOps>& ops, const std::string& base);
  Result<bool> attempt();

  SegmentFiles files_;
  LargeFiles large_;
  Index index_;
  Receipts receipts_;
  RecoveryReport report_;
  std::vector<Segment> segments_;
  bool doubtful_ = false;  // something in the newest segment looks wrong, which may be because it is being written
};

}  // namespace impulse::spool
