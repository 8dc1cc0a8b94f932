// Backlog: what the Dispatcher has to know of a message while any of its
// recipients waits: addresses, age and size. One small record a message,
// shared by its recipients (about 150 bytes for one with one recipient, in all
// its nodes and blocks); the rest is in the spool. Loop thread.
#pragma once

#include "base/clock.h"
#include "base/id.h"
#include "message/envelope.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace impulse::delivery {

class Backlog {
 public:
  class Message {
   public:
    Message(const message::Envelope& envelope, uint64_t size, uint32_t pending);
    std::string_view sender() const { return part(0); }
    uint32_t recipients() const { return count_; }
    // Empty for a number that is none of its recipients.
    std::string_view recipient(uint32_t number) const {
      return number < count_ ? part(number + 1) : std::string_view();
    }
    WallTime received() const { return received_; }
    uint64_t size() const { return size_; }
    // Of message::notify, as the client gave them; 0: it gave none.
    uint8_t notify(uint32_t number) const;
    WallTime deadline() const { return deadline_; }    // of DELIVERBY; the epoch: none
    bool must_return() const { return must_return_; }  // then it is given up; else its sender is told
    bool traced() const { return traced_; }

   private:
    friend class Backlog;
    std::string_view part(uint32_t index) const;

    // The end of each address as 32 bits, then the addresses: the sender, the
    // recipients; and a byte each for what they want to be notified of, unless
    // none said so. One block.
    std::string packed_;
    WallTime received_;
    WallTime deadline_;
    uint64_t size_;
    uint32_t count_;
    uint32_t pending_;
    bool must_return_;
    bool traced_;
    bool notifies_;
  };

  // `pending` of its recipients have no outcome yet. Adding it twice changes nothing (false).
  bool add(MessageId id, const message::Envelope& envelope, uint64_t size, uint32_t pending);
  const Message* find(MessageId id) const;  // until its last recipient is done
  // A recipient has its outcome. The record goes with the last one.
  void done(MessageId id, uint32_t recipient);

  // What was said last about a recipient that waits. Recipients that fail
  // together share the text.
  void set_error(MessageId id, uint32_t recipient, std::shared_ptr<const std::string> text);
  std::string_view error(MessageId id, uint32_t recipient) const;

  // When its sender was last told of a delay; the epoch: not yet (or before the restart).
  void set_reported(MessageId id, uint32_t recipient, WallTime when) { reported_[{id, recipient}] = when; }
  WallTime reported(MessageId id, uint32_t recipient) const;

  size_t messages() const { return messages_.size(); }

 private:
  struct Key {
    MessageId id;
    uint32_t recipient;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return std::hash<MessageId>()(key.id) ^ key.recipient * size_t{0x9E3779B97F4A7C15};
    }
  };
  std::unordered_map<MessageId, Message> messages_;
  std::unordered_map<Key, std::shared_ptr<const std::string>, KeyHash> errors_;
  std::unordered_map<Key, WallTime, KeyHash> reported_;
};

}  // namespace impulse::delivery
