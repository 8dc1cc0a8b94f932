// Porter: carries messages that wait out of the spool into a folder, as pairs
// of files (spool/pair_folder.h), and, when that is wanted, then out of the
// queue. A message that is being taken away waits for nobody meanwhile: its
// recipients are in flight until its files are durable; only then the journal is
// told that it is finished here. What cannot be written goes back to the queue.
// Loop thread.
#pragma once

#include "base/clock.h"
#include "base/id.h"
#include "base/pattern.h"
#include "base/result.h"
#include "delivery/clerk.h"
#include "delivery/office.h"
#include "spool/content_filter.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::delivery {

// Which messages: those of which a recipient waits that fits. They are carried
// whole, with all of their recipients.
struct CarryOrder {
  std::string folder;
  std::string queue;  // empty: all
  std::optional<Pattern> sender;
  std::optional<Pattern> recipient;
  Duration age{0};  // received at least so long ago
  spool::ContentFilter content{};
  bool dry_run = false;  // counted, and nothing else
  bool remove = false;
};

struct CarryProgress {
  uint64_t messages = 0;   // carried; of a dry run: that would be
  uint64_t bytes = 0;      // of these
  uint64_t there = 0;      // were in the folder already, as they are
  uint64_t in_flight = 0;  // being delivered: left alone, when they were to be removed
  uint64_t gone = 0;       // finished meanwhile
  uint64_t removed = 0;
  uint64_t refused = 0;
  // Of these, since this was last asked, at most some hundred.
  std::vector<std::string> refusals;
  std::optional<Error> failed;  // nothing more is carried
  bool ended = false;
};

// An export under way. It ends with its slice when the last owner lets go of it. Any thread.
class Carriage {
 public:
  CarryProgress progress();

 private:
  friend class Porter;
  std::mutex mutex_;
  CarryProgress progress_;
  uint64_t unwritten_ = 0;  // entries of the journal that are not durable yet
};

class Porter {
 public:
  // All borrowed. `settled` as for the Ledger.
  Porter(Office& office, const Clerk& clerk, std::function<void()> settled)
      : office_(office), clerk_(clerk), settled_(std::move(settled)) {}

  // Of what is there now: nothing newer than `newest`.
  std::shared_ptr<Carriage> begin(CarryOrder order, MessageId newest);

 private:
  // A message, and, when it is to be removed, what of it was in the queue.
  struct Picked {
    MessageId id;
    uint64_t size = 0;
    std::vector<std::pair<std::string, queue::Item>> items;
    enum class Fate : uint8_t { kept, unwanted, carried, there, gone, busy, refused } fate = Fate::kept;
  };
  struct Work;

  void next(const std::shared_ptr<Work>& work);
  bool next_queue(Work& work) const;
  // A page of a queue. False: there are no more queues.
  bool look(Work& work);
  bool fits(const Work& work, const queue::Listed& listed, const Backlog::Message& message) const;
  void pick(Work& work, const queue::Listed& listed, const Backlog::Message& message);
  bool take(std::string_view queue, const queue::Listed& listed, const Backlog::Message& message, Picked& picked);
  void put_back(const Picked& picked);
  static void carry(Work& work);  // on a worker
  static void carry(Work& work, Picked& picked);
  void carried(const std::shared_ptr<Work>& work);
  void remove(const Work& work, const Picked& picked);

  Office& office_;
  const Clerk& clerk_;
  std::function<void()> settled_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace impulse::delivery
