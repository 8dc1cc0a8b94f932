// Index: what is live in the spool, in memory. Envelopes and bodies stay on
// the disk. A message with one recipient costs about 12 bytes, about 30 when it
// was tried, and 30 more as long as it is a copy; error texts are kept once.
// Any thread; one lock, held briefly: what takes long lets others in between.
#pragma once

#include "base/id.h"
#include "base/packed_map.h"
#include "base/text_pool.h"
#include "spool/journal.h"
#include "spool/large_files.h"
#include "spool/spool.h"
#include "spool/turns.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace impulse::spool {

// Where a live message lies, and how its recipients stand.
struct Located {
  MessageId place;  // of its record: its id, until it is copied elsewhere
  uint32_t nonce = 0;
  uint32_t meta_length = 0;
  uint32_t body_length = 0;
  std::vector<RecipientState> states;
};

class Index {
 public:
  using Message = Footer::Message;
  enum class Applied { unknown, already, pending, finished };

  void add_segment(uint32_t number, uint32_t nonce);
  void add_messages(uint32_t segment, const std::vector<Message>& messages);
  void set_bytes(uint32_t segment, uint64_t bytes);
  // No more records will come; it may be removed once nothing needs it.
  void seal(uint32_t segment);
  // It stays, whatever happens, and no checkpoint supersedes what is said of it: what was damaged in it could not be
  // kept aside, or could not be read now. Nothing when it is gone.
  void keep(uint32_t segment);

  // There are messages of a batch that may yet be committed: it stays.
  void pin(uint32_t segment);
  void unpin(uint32_t segment);
  // A receipt's record in it, of so many bytes, is needed; and not any more.
  void add_receipt(uint32_t segment, uint64_t bytes);
  void drop_receipt(uint32_t segment, uint64_t bytes);

  // Final states are never changed: `already`. `finished`: that was the last
  // pending recipient, and the message is not in the index any more; `rest`, when
  // asked for: what take_rest() would say of it then, if it were not moved meanwhile.
  Applied apply(const JournalEntry& entry, std::optional<Rest>* rest = nullptr);
  // Segment `holder` holds journal entries for `target`; or for that message, wherever it lies.
  void add_target(uint32_t holder, uint32_t target);
  void add_target(uint32_t holder, MessageId id);
  // Everything about checkpoint.segment that was journalled before `holder` is
  // superseded. With `restore` its content is taken over too (recovery).
  void add_checkpoint(uint32_t holder, const Checkpoint& checkpoint, bool restore);

  // A copy of message `id` lies in `segment` now, and what lies elsewhere of it counts no more. It keeps its id, and
  // what is known of its recipients; nothing but the place when it is finished.
  void move(MessageId id, uint32_t segment, const Message& record);
  // The same, found by a start, with what the copy says of recipients (empty: nothing), but that final states are
  // never changed. Not `live`: it was finished, or copied again, when its segment was sealed.
  void restore_copy(MessageId id, uint32_t segment, const Message& record, const std::vector<RecipientState>& states,
                    bool live);

  // The rest of the body of a message that will be, or is, in the index.
  void add_rest(MessageId id, const Rest& rest);
  // For its remover, once.
  std::optional<Rest> take_rest(MessageId id);
  // The disk did not give that message at the start, and gives it now: what belongs to it is known from then on.
  // Nothing when it was given before, or is finished.
  void add_unread(MessageId id);
  void read_at_last(MessageId id, const std::optional<Rest>& rest);

  std::optional<Located> find(MessageId id) const;
  // What was said last of a recipient that waits; empty: nothing.
  std::string last_error(MessageId id, uint32_t recipient) const;
  std::vector<Message> live_in(uint32_t segment) const;   // ascending
  std::vector<MessageId> ids_in(uint32_t segment) const;  // of the same
  std::vector<MessageId> live() const;                    // oldest first
  std::vector<MessageId> copies() const;                  // those of the live ones that are; oldest first
  uint64_t messages() const {
    const std::lock_guard lock(mutex_);  // one that moves is never missing
    return messages_;
  }
  uint64_t messages(uint32_t segment) const;  // that lie there
  void totals(uint64_t& segments, uint64_t& bytes) const;

  // What may be removed now, ascending; and, for segments that only still
  // hold journal entries for older ones, the checkpoints that would free them
  // (never more to write than a quarter of what that frees); and the segments
  // of which only some receipts are needed, no more than a quarter of them.
  struct Removal {
    std::vector<uint32_t> removable;
    std::vector<Checkpoint> checkpoints;
    std::vector<uint32_t> receipts;
  };
  Removal plan_removal() const;
  uint64_t remove(uint32_t segment);  // how many bytes it had
  // The segment with the most to gain, and no less than `gain` bytes, when what is live in it, no more than a
  // quarter, is copied and it can go.
  std::optional<uint32_t> plan_compaction(uint64_t gain) const;
  // No such plan for this one any more.
  void leave(uint32_t segment);
  // Whether plan_removal() may have something new since this was last asked.
  bool take_changed() { return changed_.exchange(false); }
  // How often those who wait for the lock could have it from who needs it for long.
  uint64_t turns() const { return mutex_.offered(); }

 private:
  // What is known of a message, but for its recipients' states: these are kept
  // for those that have one, sixteen together.
  struct Entry {
    uint32_t meta_length = 0;
    uint32_t body_length = 0;
    uint32_t recipients = 0;
    uint32_t left = 0;   // pending
    bool noted = false;  // there are states
  };
  struct Segment {
    uint32_t nonce = 0;
    uint64_t bytes = 0;
    bool sealed = false;
    bool kept = false;
    bool left = false;  // see leave()
    uint64_t live_bytes = 0;
    uint32_t pins = 0;
    uint64_t receipt_bytes = 0;
    uint32_t checkpoint = 0;                   // newest segment that holds a checkpoint of this one; 0: none
    std::vector<uint32_t> targets;             // sorted
    PackedMap live;                            // by offset: part 0 is the entry, the others are states
    uint64_t count = 0;                        // messages in it
    uint64_t noted = 0;                        // recipients of those that have states
    std::unordered_map<uint32_t, Rest> rests;  // of live ones; few
    std::set<uint32_t> unread;                 // by a start; next to none
    PackedMap homes;                           // by offset, of copies, live or not: their ids

    bool finished() const { return sealed && !kept && pins == 0 && count == 0 && rests.empty(); }
  };
  // A message on its way from one segment to another.
  struct Taken {
    Entry entry;
    std::vector<std::string> states;  // as they are kept, from part 1 on; empty: none
  };

  // Messages that are taken in before others have their turn at the lock.
  static constexpr size_t at_once = 1000;
  // Recipients whose states are kept together.
  static constexpr uint32_t together = 16;
  static uint32_t part_of(uint32_t recipient) { return 1 + recipient / together; }

  static Entry unpack_entry(std::string_view value);
  static std::optional<Entry> entry_at(const Segment& segment, uint32_t offset);
  static void put_entry(Segment& segment, uint32_t offset, const Entry& entry);
  // One recipient's; nothing when it was never tried.
  std::optional<RecipientState> state_at(const Segment& segment, uint32_t offset, uint32_t recipient) const;
  void set_state(Segment& segment, uint32_t offset, uint32_t recipient, const RecipientState& state);
  std::vector<RecipientState> read_states(std::string_view part) const;
  // Short: none when all of them are pending and untried.
  std::vector<RecipientState> states_of(const Segment& segment, uint32_t offset, const Entry& entry,
                                        bool short_form) const;
  static uint64_t bytes_of(const Entry& entry);
  std::vector<uint32_t> plan_removal(Removal& removal) const;
  Checkpoint checkpoint_of(uint32_t number) const;  // without the lock
  void insert(Segment& segment, uint32_t offset, const Taken& taken);
  std::optional<Taken> extract(Segment& segment, uint32_t offset);
  void drop_states(const Taken& taken);
  std::optional<Rest> take_rest(Segment& segment, uint32_t offset);
  void put_restored(Segment& segment, uint32_t offset, Entry entry, const std::vector<RecipientState>& states);
  // Calls each(segment, offset, entry) for what is live in it, ascending, with the lock, which others have in between:
  // what changes meanwhile is seen as it was, or as it is. `each` says how much more work it was than to be called.
  template <class Each>
  void each_live(uint32_t number, Each each) const;
  // Calls each(offset, id) for some copies, ascending; where to go on.
  template <class Each>
  static std::optional<PackedMap::Key> each_home(const Segment& segment, PackedMap::Key from, Each each);
  MessageId place_of(MessageId id) const;
  static MessageId id_at(uint32_t number, const Segment& segment, uint32_t offset);
  void note_target(uint32_t holder, uint32_t target);
  void put_copy(MessageId id, uint32_t number, uint32_t offset);
  // Whether it can go once nothing in it is live; `needed_by`: when these have checkpoints.
  bool worth_removing(uint32_t number, const Segment& segment, std::vector<uint32_t>& needed_by) const;

  mutable Turns mutex_;
  std::map<uint32_t, Segment> segments_;
  PackedMap moved_;  // by id, of copies, live or not, as long as they are there: their places
  TextPool texts_;   // what was said last of recipients that were tried
  uint64_t messages_ = 0;
  std::atomic<bool> changed_{true};
};

}  // namespace impulse::spool
