// Recovery: from the files to the index, at start-up.
#pragma once

#include "base/result.h"
#include "spool/batches.h"
#include "spool/index.h"
#include "spool/large_files.h"
#include "spool/receipts.h"
#include "spool/segment_files.h"
#include "spool/spool.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace impulse::spool {

struct Recovered {
  uint32_t last_number = 0;                 // the highest segment number in use
  std::vector<JournalEntry> tombstones;     // of messages found damaged: to be journalled
  std::vector<Batches::Settling> settling;  // batches found whole: to be said in the log
};

// Reads all segments into `index`, cuts torn tails, keeps damage aside, seals
// what was left open, removes files of bodies that no message names, and calls `live` for each live message, oldest
// first. Receipts that have not expired go to `receipts`. Whatever it is stopped in the middle of, it can be done
// again.
Result<Recovered> recover(SegmentFiles& files, const LargeFiles& large, Index& index, Receipts& receipts, WallTime now,
                          const std::function<void(Summary)>& live, RecoveryReport& report);

}  // namespace impulse::spool
