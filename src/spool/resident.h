// Resident: messages that were just made durable, kept in memory, so that who
// delivers them need not read them back. Small ones; the oldest go first when
// there are more than there may be. A copy beside the disk: whether a message is
// here changes nothing but the time that reading it takes. Any thread.
#pragma once

#include "base/id.h"

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace impulse::spool {

class Resident {
 public:
  struct Message {
    std::string meta;  // encoded (message_codec.h)
    std::string body;
  };
  struct Figures {
    uint64_t messages = 0;  // here now
    uint64_t bytes = 0;     // of memory, about
    uint64_t hits = 0;      // readings since the start that found theirs here
    uint64_t misses = 0;    // and that did not
  };

  static constexpr size_t largest = 32 << 10;  // bytes of a message that is kept
  static constexpr uint64_t share = 4 << 10;   // bytes for all together, for each that may be here
  static constexpr uint64_t overhead = 200;    // of a message, besides its bytes

  // Max_Resident_Messages; 0: none. Drops what is too many.
  void set_limit(uint64_t messages);
  void add(MessageId id, std::string_view meta, const std::vector<std::string_view>& body, size_t body_length);
  // A copy. Counts as a hit or a miss.
  std::optional<Message> find(MessageId id);
  void erase(MessageId id);  // it is finished
  Figures figures() const;

 private:
  struct Entry {
    MessageId id;
    Message message;
    uint64_t size() const { return message.meta.size() + message.body.size() + overhead; }
  };
  using Entries = std::list<Entry>;

  Entries shrink();  // with the lock held

  std::atomic<uint64_t> limit_{0};
  mutable std::mutex mutex_;
  Entries entries_;  // the oldest first
  std::unordered_map<MessageId, Entries::iterator> places_;
  uint64_t bytes_ = 0;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
};

}  // namespace impulse::spool
