// Backlog: what the Dispatcher has to know of a message while any of its
// recipients waits: addresses, age and size. One with one recipient costs about
// 20 bytes and the local parts of its two addresses: domains, and senders with
// many messages, are kept once. The rest is in the spool. Loop thread.
#pragma once

#include "base/clock.h"
#include "base/id.h"
#include "base/packed_map.h"
#include "base/text_pool.h"
#include "message/envelope.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::delivery {

class Backlog {
 public:
  // What is asked for is looked up: it says nothing any more when the message's
  // last recipient is done; and it does not outlive the backlog.
  class Message {
   public:
    std::string sender() const { return backlog_->sender(id_); }
    uint32_t recipients() const { return count_; }
    // Empty for a number that is none of its recipients.
    std::string recipient(uint32_t number) const { return backlog_->recipient(id_, number); }
    WallTime received() const { return received_; }
    uint64_t size() const { return size_; }
    std::string protocol() const { return backlog_->protocol(id_); }  // by which it came; empty: not known
    // Of message::notify, as the client gave them; 0: it gave none.
    uint8_t notify(uint32_t number) const { return backlog_->notify(id_, number); }
    WallTime deadline() const { return deadline_; }    // of DELIVERBY; the epoch: none
    bool must_return() const { return must_return_; }  // then it is given up; else its sender is told
    bool traced() const { return traced_; }

   private:
    friend class Backlog;
    const Backlog* backlog_ = nullptr;
    MessageId id_;
    WallTime received_{};
    WallTime deadline_{};
    uint64_t size_ = 0;
    uint32_t count_ = 0;
    bool must_return_ = false;
    bool traced_ = false;
  };

  // `pending` of its recipients have no outcome yet. Adding it twice changes nothing (false).
  bool add(MessageId id, const message::Envelope& envelope, uint64_t size, uint32_t pending);
  std::optional<Message> find(MessageId id) const;  // until its last recipient is done
  // A recipient has its outcome. The record goes with the last one.
  void done(MessageId id, uint32_t recipient);

  // When its sender was last told of a delay; the epoch: not yet (or before the restart).
  void set_reported(MessageId id, uint32_t recipient, WallTime when);
  WallTime reported(MessageId id, uint32_t recipient) const;

  size_t messages() const { return messages_; }

 private:
  struct Head;
  struct Person;

  static PackedMap::Key key_of(MessageId id, uint32_t recipient = 0);
  std::optional<Person> person(MessageId id, uint32_t recipient) const;
  std::string protocol(MessageId id) const;
  std::string sender(MessageId id) const;
  std::string recipient(MessageId id, uint32_t number) const;
  uint8_t notify(MessageId id, uint32_t number) const;

  void put_sender(std::string& out, std::string_view address);
  void put_domain(std::string& out, std::string_view domain);
  using Seen = std::vector<uint32_t>;  // hashes of texts that were met
  std::optional<TextPool::Handle> shared(std::string_view text, Seen& seen);
  void erase(MessageId id, uint32_t recipients);
  int64_t distance(WallTime time) const { return (time - base_).count(); }

  // A message's recipients lie sixteen to a part; in front of the first part
  // stands what they have in common.
  PackedMap parts_;
  TextPool texts_;
  Seen seen_senders_ = Seen(4096);
  Seen seen_domains_ = Seen(65536);  // of as many domains in turn most are met again
  WallTime base_{};                  // times are kept by their distance from it
  size_t messages_ = 0;
};

}  // namespace impulse::delivery
