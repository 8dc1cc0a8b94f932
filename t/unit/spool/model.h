// Model: what was promised, against which what a spool says after a restart
// is held. Bodies are unique.
#pragma once

#include "fake_disk.h"
#include "kit.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace impulse::spool::kit {

class Model {
 public:
  explicit Model(std::shared_ptr<FakeDisk> disk) : disk_(std::move(disk)) {}

  // A message that was refused may come back after a crash when the disk did
  // not take the record of it either (doc/spool-format.md).
  bool refused_may_return = false;

  void commit(Spool& spool, size_t size, size_t recipients) {
    ++number_;
    // Each third goes over the disk while it arrives.
    const bool large = number_ % 3 == 0;
    const std::string body =
        fmt::format("{} {} ", large ? "large" : "body", number_) + noise(size, static_cast<unsigned>(number_));
    auto incoming = message(std::string_view(body).substr(0, large ? 7 : body.size()), recipients);
    if (large && !stream(spool, *incoming, std::string_view(body).substr(7))) {
      const std::lock_guard lock(mutex_);
      refused_.insert(body);
      return;
    }
    spool.commit(std::move(incoming), [this, body, recipients](Result<MessageId> id) {
      const std::lock_guard lock(mutex_);
      if (id)
        accepted_[*id] = {body, std::vector<Recipient>(recipients)};
      else if (disk_->dead())
        unknown_[body] = recipients;
      else
        refused_.insert(body);
    });
  }

  // Says something about some recipient that is still pending.
  void record(Spool& spool, unsigned random) {
    std::unique_lock lock(mutex_);
    if (accepted_.empty()) return;
    auto found = std::next(accepted_.begin(), random % static_cast<unsigned>(accepted_.size()));
    const MessageId id = found->first;
    const auto number = static_cast<uint32_t>(random / 7 % found->second.recipients.size());
    Recipient& recipient = found->second.recipients[number];
    if (recipient.asked) return;
    RecipientState state;
    if (random % 5 == 0) {
      ++recipient.attempts;
      state = later(recipient.attempts, 1000 + recipient.attempts, error_of(recipient.attempts));
    } else {
      state = outcome(static_cast<State>(1 + random % 3));
      recipient.asked = state.state;
    }
    lock.unlock();
    spool.record(id, number, state, [this, id, number, state](Result<> done) {
      const std::lock_guard inner(mutex_);
      if (!done) return;
      Recipient& told = accepted_.at(id).recipients.at(number);
      if (state.state != State::pending)
        told.durable = true;
      else
        told.durable_attempts = std::max(told.durable_attempts, state.attempts);
    });
  }

  // The promises; then the model becomes what was found.
  void check(const Opened& spool) {
    const std::lock_guard lock(mutex_);
    std::map<MessageId, const Summary*> live;
    for (const Summary& summary : spool.live) live[summary.id] = &summary;
    for (auto it = accepted_.begin(); it != accepted_.end();) {
      const auto found = live.find(it->first);
      bool all_asked = true;
      bool all_durable = true;
      for (const Recipient& recipient : it->second.recipients) {
        all_asked &= recipient.asked.has_value();
        all_durable &= recipient.durable;
      }
      if (found == live.end()) {
        CPPUNIT_ASSERT_MESSAGE("an accepted message is lost", all_asked);
        it = accepted_.erase(it);
        continue;
      }
      CPPUNIT_ASSERT_MESSAGE("a finished message came back", !all_durable);
      compare(it->second, *found->second, spool);
      live.erase(found);
      ++it;
    }
    for (const auto& [id, summary] : live) {
      const auto stored = spool->read(id);
      CPPUNIT_ASSERT_MESSAGE("a message nobody sent", stored.has_value());
      const bool refused = refused_.contains(stored->body);
      CPPUNIT_ASSERT_MESSAGE("a refused message came back", !refused || refused_may_return);
      const bool known = refused || unknown_.contains(stored->body);
      CPPUNIT_ASSERT_MESSAGE("a message nobody sent", known);
      accepted_[id] = {stored->body, std::vector<Recipient>(stored->states.size())};
    }
    unknown_.clear();
    CPPUNIT_ASSERT_EQUAL(static_cast<uint64_t>(accepted_.size()), spool->status().messages);
    size_t large = 0;
    for (const auto& [id, message] : accepted_) large += message.body.starts_with("large") ? 1 : 0;
    CPPUNIT_ASSERT_EQUAL_MESSAGE("files of large bodies", large, disk_->names("/spool/large").size());
  }

  size_t live() const {
    const std::lock_guard lock(mutex_);
    return accepted_.size();
  }
  size_t refused() const {
    const std::lock_guard lock(mutex_);
    return refused_.size();
  }

 private:
  static bool stream(Spool& spool, Incoming& incoming, std::string_view rest) {
    auto sink = spool.stream();
    if (!sink) return false;
    incoming.rest = std::move(*sink);
    for (size_t piece = 1; !rest.empty(); piece *= 2) {
      const std::string_view bytes = rest.substr(0, piece);
      if (!incoming.rest->append(bytes)) return false;
      rest.remove_prefix(bytes.size());
    }
    return true;
  }

  struct Recipient {
    std::optional<State> asked;  // final outcome, recorded
    bool durable = false;        // and acknowledged
    uint32_t attempts = 0;
    uint32_t durable_attempts = 0;
  };
  struct Message {
    std::string body;
    std::vector<Recipient> recipients;
  };

  static std::string error_of(uint32_t attempts) {
    return attempts == 0 ? "" : "421 try " + std::string(attempts * 5, 'x');
  }

  void compare(Message& message, const Summary& summary, const Opened& spool) {
    const auto stored = spool->read(summary.id);
    CPPUNIT_ASSERT_MESSAGE(stored ? "" : stored.error().message, stored.has_value());
    CPPUNIT_ASSERT(stored->body == message.body);
    CPPUNIT_ASSERT_EQUAL(message.recipients.size(), stored->states.size());
    CPPUNIT_ASSERT(stored->states == summary.states);
    CPPUNIT_ASSERT(stored->envelope == summary.envelope);
    for (size_t i = 0; i < message.recipients.size(); ++i) {
      Recipient& recipient = message.recipients[i];
      const RecipientState& state = stored->states[i];
      if (state.state != State::pending) {
        CPPUNIT_ASSERT_MESSAGE("an outcome nobody recorded", recipient.asked == state.state);
        continue;
      }
      CPPUNIT_ASSERT_MESSAGE("an outcome is lost", !recipient.durable);
      CPPUNIT_ASSERT(state.attempts >= recipient.durable_attempts && state.attempts <= recipient.attempts);
      CPPUNIT_ASSERT_EQUAL(error_of(state.attempts), state.last_error);
      CPPUNIT_ASSERT(state.attempts == 0 || state.next_attempt == WallTime(Duration(1000 + state.attempts)));
      recipient = {std::nullopt, false, state.attempts, state.attempts};
    }
  }

  std::shared_ptr<FakeDisk> disk_;
  mutable std::mutex mutex_;
  uint64_t number_ = 0;
  std::map<MessageId, Message> accepted_;
  std::set<std::string> refused_;
  std::map<std::string, size_t> unknown_;  // not answered when the process died
};

}  // namespace impulse::spool::kit
