// Recovery: from the files to the index, at a start. begin() is all that new
// mail has to wait for; the rest goes on beside it, on one thread. Until
// announce() nothing in the log that is being written says anything of what was
// there before: so until then a start may be stopped in the middle, and done
// again, as if nothing had been written.
#pragma once

#include "base/result.h"
#include "spool/batches.h"
#include "spool/index.h"
#include "spool/large_files.h"
#include "spool/receipts.h"
#include "spool/segment_files.h"
#include "spool/segment_writer.h"
#include "spool/spool.h"
#include "spool/survey.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace impulse::spool {

class Recovery {
 public:
  // How far it is; any thread.
  struct Progress {
    std::atomic<uint64_t> segments = 0;       // that were there
    std::atomic<uint64_t> segments_read = 0;  // of these
    std::atomic<uint64_t> messages = 0;       // live ones, once all are read
    std::atomic<uint64_t> announced = 0;      // of these
    // Messages whose ids name a lower segment are announced.
    std::atomic<uint32_t> reached = 0;
  };
  struct Setup {
    const std::atomic<bool>& stop;  // soon Errc::busy when it becomes true
    Progress& progress;
    std::function<void()> step = {};               // now and then, to tell of progress
    std::function<bool(const Error&)> again = {};  // a file could not be opened: once more?
  };
  // All borrowed, and outliving it.
  Recovery(SegmentFiles& files, const LargeFiles& large, Index& index, Receipts& receipts, RecoveryReport& report,
           Setup setup);

  // Which segments there are, none of a newer version; and which files of bodies. Changes nothing.
  Result<> begin();
  uint32_t last_number() const { return numbers_.empty() ? 0 : numbers_.back(); }  // the highest in use

  // Reads them into the index, and what receipts there are; cuts torn tails, keeps damage aside, seals what was left
  // open.
  Result<> survey(WallTime now);
  // Batches found whole, which the log has to say before anything else of them.
  std::vector<Batches::Settling> settling() const { return batches_.settling(); }

  // What is told at once: up to so many messages; or no more than so many recipients, but for those of the last one.
  struct Slice {
    size_t messages;
    size_t recipients;
  };
  // Tells of each live message, oldest first, a slice at a time, and `finished` of those found damaged, which
  // are in the index no more; at last removes files of bodies that no message names.
  Result<> announce(const Slice& slice, const std::function<void(std::vector<Summary>)>& live,
                    const std::function<void(const JournalEntry&)>& finished);

 private:
  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) {
    report_.notes.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  static std::unexpected<Error> stopped() { return fail(Errc::busy, "it is to stop"); }
  void leave(uint32_t number);
  // While there are no descriptors it waits, and calls again.
  template <class Call>
  auto retrying(Call call) -> decltype(call());
  void move(const Survey::Foreign& foreign);
  void leave_batches();
  void keep_batches_aside();
  void finish(uint32_t number, const SegmentContent& content);
  bool keep_aside(uint32_t number, const Damage& damage, std::string_view suffix, std::string_view what);
  Result<> seal(uint32_t number, const SegmentContent& content);
  static void seal_states(const OtherRecord& commit, Seal& made);
  struct Announcing;
  struct Found {
    MessageId id;
    Located located;
  };
  struct Place {  // of a record
    MessageId at;
    uint64_t length = 0;
  };
  // Those whose ids name that segment.
  Result<> announce(uint32_t number, const std::vector<MessageId>& ids, Announcing& to);
  Result<> announce(uint32_t number, std::vector<Found> window, Announcing& to);
  Result<> announce(MessageId id, const Place& at, Result<Summary> summary, const std::optional<Rest>& rest,
                    Announcing& to);
  void remove_orphans();

  SegmentFiles& files_;
  const LargeFiles& large_;
  Index& index_;
  Survey survey_;
  const BatchRecovery& batches_ = survey_.batches();
  RecoveryReport& report_;
  const Setup setup_;
  std::vector<uint32_t> numbers_;
  Result<std::vector<uint64_t>> bodies_;  // files that were there
  std::set<uint32_t> untouched_;          // segments of batches that cannot be judged yet
  std::set<uint32_t> scanned_;            // nothing says that these were left in order: their bodies are looked through
  std::set<uint64_t> rests_;              // of live messages
  bool unread_ = false;                   // there is what the disk did not give
};

}  // namespace impulse::spool
