// Batches: what the committer knows of those under way, and does for them. Its
// thread's own.
#pragma once

#include "spool/commit_queue.h"
#include "spool/index.h"
#include "spool/open_batch.h"
#include "spool/receipts.h"

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace impulse::spool {

class Batches {
 public:
  // Both borrowed.
  Batches(Index& index, Receipts& receipts) : index_(index), receipts_(receipts) {}

  // Whether anything of it is to be written.
  static bool writes(const PendingMessage& message) {
    if (message.refused) return false;
    return !message.part || (!message.part->skip && !message.head.empty());
  }

  // A round begins, which deals with all of `messages`: decides once which parts
  // are worth writing.
  void begin_round(const std::vector<PendingMessage>& messages);
  // So many of them are done with: tells those who wait for room. finish_round(): all.
  void finish(size_t messages);
  void finish_round() { finish(SIZE_MAX); }

  // A commit that needs a group of its own, since some messages of its batch are
  // in the one that is being made, of segment `number`, and others are in other
  // segments, which may go before this one is known to be whole. So a commit
  // record either stands in one segment with all of its messages, or says itself
  // that they were durable before it.
  static bool must_wait(const PendingMessage& message, uint32_t number);
  // A part that writes() is put into the group that is being made: its record's
  // type. Fills in what a commit record says.
  RecordType join(PendingMessage& message);
  // Where a message of a batch will lie: a commit in the same group may have to say it.
  static void placed(const BatchPart& part, MessageId id);
  // That group is durable, in segment `number`, and the part lies at `where`
  // (nothing written: all 0). Returns how many messages became live.
  size_t durable(PendingMessage& message, uint32_t number, uint32_t nonce, const Index::Message& where);
  // Afterwards, for each part: calls `done` of a commit.
  void answer(PendingMessage& message);
  // It was not written, or not made durable: nothing of its batch counts.
  void refuse(PendingMessage& message, const Error& why);
  // The group might come back in spite of its failure: what it commits keeps its files.
  static void leave_rests(PendingMessage& message);

  // For the footer of segment `number`: what is not committed yet, and which commit records it needs.
  std::vector<Footer::Member> open_in(uint32_t number) const;
  bool crosses(uint32_t offset) const { return crossing_.contains(offset); }
  void begin_segment() { crossing_.clear(); }

  // Commits that are durable, and of which the log does not say so yet. While
  // it does not, a scan that finds one of the messages damaged must take the
  // batch for one that was torn while it was being written.
  struct Settling {
    uint64_t batch = 0;
    uint32_t segment = 0;            // of the commit record
    std::vector<uint32_t> segments;  // of the messages
  };
  void settle(Settling settling) { settling_.push_back(std::move(settling)); }
  // Whether there are some that no record says yet, be it durable or not.
  bool to_settle() const { return said_ < settling_.size(); }
  std::string settled_record() const;
  // Whether one of them has something in another segment than that: then footers have to name the record.
  bool settles_elsewhere(uint32_t number) const;
  // The record was written there. It counts as said when that is durable, and is said again elsewhere when it is not.
  void settled(uint32_t number);
  void said_durably();
  void said_in_vain() { said_ = 0; }

 private:
  size_t commit(BatchPart& part, uint32_t number, uint32_t nonce, const PendingMessage& message, uint32_t offset);
  void release(OpenBatch& batch);

  Index& index_;
  Receipts& receipts_;
  std::unordered_map<uint64_t, std::shared_ptr<OpenBatch>> open_;  // with durable messages
  struct Waiting {                                                 // some of this round's messages, in a row
    std::shared_ptr<OpenBatch> batch;
    uint64_t bytes = 0;
    size_t end = 0;  // behind them
  };
  std::vector<Waiting> waiting_;
  std::set<uint32_t> crossing_;  // commit records of the open segment with messages elsewhere
  std::vector<Settling> settling_;
  size_t said_ = 0;  // so many of these
};

}  // namespace impulse::spool
