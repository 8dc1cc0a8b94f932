// Compactor: finds segments of which most is dead, and reads what is live in
// them, a slice at a time, on a thread of its own. The committer writes the
// copies; when all of a segment are durable it goes like any other.
#pragma once

#include "base/clock.h"
#include "base/id.h"
#include "spool/index.h"
#include "spool/large_files.h"
#include "spool/segment_files.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::spool {

// The committer's thread, unless said otherwise.
class Compactor {
 public:
  struct Limits {
    uint64_t gain = 0;        // bytes that have to become free, or it is not worth it
    uint64_t slice = 0;       // bytes that are copied at once, and no more than the rate has for a second
    uint64_t max_record = 0;  // a segment with a larger message stays
    Duration every{};         // between looks for segments, when there was none
  };
  // A message as it was read, checked.
  struct Copy {
    MessageId id;
    MessageId from;    // where it lay
    std::string meta;  // its own metadata
    std::string body;
    uint32_t body_crc = 0;
  };
  // All borrowed, and outliving it; `work` is the thread that reads, `wake` is called from there when a slice is read.
  // `files`, and what `wake` uses, outlive that thread, too.
  Compactor(const SegmentFiles& files, Index& index, LargeWork& work, const Limits& limits, std::function<void()> wake,
            std::function<void(std::string_view)> log);

  // Begins to read the next slice, when there is one and it is time at `rate` bytes a second (0: it always is), which
  // may be another one each time: what was copied before counts by the new one.
  void step(SteadyTime now, uint64_t rate);
  // How long until step() may have something to do.
  Duration wait(SteadyTime now, uint64_t rate) const;
  // What was read, once; empty when there is nothing yet. What cannot be read stays where it is, and so does its
  // segment.
  std::vector<Copy> take();

 private:
  struct Slice;
  bool choose();
  SteadyTime due(uint64_t rate) const;
  void leave();

  const SegmentFiles& files_;
  Index& index_;
  LargeWork& work_;
  const Limits limits_;
  const std::function<void()> wake_;
  const std::function<void(std::string_view)> log_;
  uint32_t segment_ = 0;
  std::vector<MessageId> ids_;    // of what is live in it
  size_t next_ = 0;               // of these
  std::shared_ptr<Slice> slice_;  // being read, or read
  SteadyTime begun_{};            // the last slice, or look for one
  uint64_t bytes_ = 0;            // of that slice
  bool idle_ = false;             // there was none
};

}  // namespace impulse::spool
