// BatchRecovery: which batches count, from what a start finds of them in the
// order of the log: their messages, their commits, and what proves these.
#pragma once

#include "base/id.h"
#include "spool/batches.h"
#include "spool/commit_record.h"
#include "spool/index.h"
#include "spool/journal.h"

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

namespace impulse::spool {

class BatchRecovery {
 public:
  explicit BatchRecovery(Index& index) : index_(index) {}

  // A good message of a batch.
  void add(uint32_t segment, const Footer::Member& member);
  // A commit record. It counts, and true is returned, when all messages are
  // there; or when it is `proven`, as it is by a footer, or says itself, that they
  // were once, and are damaged or gone now. Else what follows may prove it.
  bool commit(MessageId at, const CommitRecord& record, bool proven);
  // A later record says that it was durable.
  void settled(uint32_t holder, uint64_t batch);
  // To be called before the index takes it: what it lists is live.
  void checkpoint(const Checkpoint& checkpoint);

  // A batch whose commit is there, and not all of its messages, and nothing
  // proves that they ever were: it was torn while it was written.
  struct Torn {
    MessageId commit;
    uint32_t members = 0;
    std::vector<MessageId> found;
  };
  std::vector<Torn> torn() const;
  // A commit record of such a batch.
  bool is_torn(MessageId commit) const { return unproven_.contains(commit); }
  // Messages without a commit that counts.
  size_t left() const { return waiting_.size(); }
  struct Member {
    Footer::Message message;
    uint64_t batch = 0;
  };
  const std::map<MessageId, Member>& waiting() const { return waiting_; }
  // Of these, ascending, the ones of batches behind the last message of which there is something damaged that may be
  // the commit. With `torn` those of torn ones, too.
  std::map<MessageId, Footer::Message> suspected(const std::vector<MessageId>& damage, bool torn) const;
  // Those that count because all is there: to be said in the log.
  std::vector<Batches::Settling> settling() const { return settling_; }

 private:
  struct Found {
    std::vector<MessageId> members;
    std::vector<uint32_t> segments;  // of those that were there when it was committed
    MessageId commit;                // its record
    uint32_t wanted = 0;
    std::vector<JournalEntry> states;  // of their recipients, that the commit tells
    bool counts = false;
  };
  void count(uint32_t holder, Found& batch);

  Index& index_;
  std::unordered_map<uint64_t, Found> batches_;
  std::map<MessageId, Member> waiting_;
  std::map<MessageId, uint64_t> unproven_;  // commits, and their batches
  std::vector<Batches::Settling> settling_;
};

}  // namespace impulse::spool
