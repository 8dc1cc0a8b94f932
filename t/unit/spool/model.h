// Model: what was promised, against which what a spool says after a restart
// is held. Bodies are unique.
#pragma once

#include "fake_disk.h"
#include "kit.h"

#include <algorithm>
#include <functional>
#include <iterator>
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

  // Some step with one of a few batches: begun, grown, committed with a receipt
  // or without, given up.
  void batch(Spool& spool, unsigned random) {
    if (open_.size() < 3 && random % 4 == 0) {
      if (auto begun = spool.begin_batch()) open_.push_back({std::move(*begun), {}});
      return;
    }
    if (open_.empty()) return;
    auto open = open_.begin() + static_cast<std::ptrdiff_t>(random / 4 % open_.size());
    if (random % 4 < 3) {
      for (unsigned i = random / 16 % 4; i < 4; ++i)
        if (!add(spool, *open, random / 64 % 1200, 1 + i % 2)) return give_up(open);
      return;
    }
    if (random / 16 % 5 == 0) return give_up(open);
    commit(open, random / 128);
  }
  // As when their clients go away; before the spool.
  void give_up_all() {
    while (!open_.empty()) give_up(open_.begin());
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
    const std::vector<MessageId> ids = spool.ids();
    CPPUNIT_ASSERT_MESSAGE("oldest first, each once",
                           std::ranges::adjacent_find(ids, std::greater_equal()) == ids.end());
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
    std::map<uint64_t, size_t> found;  // of batches, how many messages
    for (const auto& [id, summary] : live) {
      const auto stored = spool->read(id);
      CPPUNIT_ASSERT_MESSAGE("a message nobody sent", stored.has_value());
      CPPUNIT_ASSERT_MESSAGE("a message of a batch that was given up", !never_.contains(stored->body));
      if (const auto batch = batch_of_.find(stored->body); batch != batch_of_.end()) {
        ++found[batch->second];
        accepted_[id] = {stored->body, std::vector<Recipient>(stored->states.size())};
        continue;
      }
      const bool refused = refused_.contains(stored->body);
      CPPUNIT_ASSERT_MESSAGE("a refused message came back", !refused || refused_may_return);
      const bool known = refused || unknown_.contains(stored->body);
      CPPUNIT_ASSERT_MESSAGE("a message nobody sent", known);
      accepted_[id] = {stored->body, std::vector<Recipient>(stored->states.size())};
    }
    unknown_.clear();
    check_batches(found, *spool.spool);
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
  struct Open {
    std::unique_ptr<Batch> batch;
    std::vector<Message> messages;
  };
  // A batch that was not answered with its ids.
  struct Unsure {
    size_t messages = 0;
    bool refused = false;
    std::string key, value;
  };

  bool add(Spool& spool, Open& open, size_t size, size_t recipients) {
    ++number_;
    const bool large = number_ % 5 == 0;
    const std::string body =
        fmt::format("{} {} ", large ? "large" : "batch", number_) + noise(size, static_cast<unsigned>(number_));
    open.messages.push_back({body, std::vector<Recipient>(recipients)});
    auto incoming = message(std::string_view(body).substr(0, large ? 7 : body.size()), recipients);
    if (large && !stream(spool, *incoming, std::string_view(body).substr(7))) return false;
    return open.batch->add(std::move(incoming)).has_value();
  }

  void give_up(std::vector<Open>::iterator open) {
    {
      const std::lock_guard lock(mutex_);
      for (const Message& message : open->messages) never_.insert(message.body);
    }
    open_.erase(open);
  }

  void commit(std::vector<Open>::iterator place, unsigned random) {
    Open open = std::move(*place);
    open_.erase(place);
    const uint64_t number = ++number_;
    std::optional<Receipt> receipt;
    if (random % 3 != 0)
      receipt = Receipt{"owner", fmt::format("key{}", random % 5),
                        fmt::format("{} ", number) + std::string(random % 2 == 0 ? 5 : 200, 'r'), far_future};
    Unsure unsure{open.messages.size(), false, receipt ? receipt->key : "", receipt ? receipt->value : ""};
    auto messages = std::make_shared<std::vector<Message>>(std::move(open.messages));
    open.batch->commit(std::move(receipt),
                       [this, number, messages, unsure](Result<std::vector<MessageId>> ids) mutable {
                         const std::lock_guard lock(mutex_);
                         if (ids) {
                           CPPUNIT_ASSERT_EQUAL(messages->size(), ids->size());
                           for (size_t i = 0; i < ids->size(); ++i) accepted_[(*ids)[i]] = std::move((*messages)[i]);
                           if (!unsure.key.empty()) receipts_[unsure.key] = unsure.value;
                           return;
                         }
                         unsure.refused = !disk_->dead();
                         for (const Message& message : *messages) batch_of_[message.body] = number;
                         unsure_[number] = std::move(unsure);
                       });
  }

  // All or nothing, and the receipt with it; and no receipt goes back.
  void check_batches(const std::map<uint64_t, size_t>& found, const Spool& spool) {
    for (const auto& [number, batch] : unsure_) {
      const auto at = found.find(number);
      const size_t there = at == found.end() ? 0 : at->second;
      CPPUNIT_ASSERT_MESSAGE("a part of a batch", there == 0 || there == batch.messages);
      CPPUNIT_ASSERT_MESSAGE("a refused batch came back", there == 0 || !batch.refused || refused_may_return);
      if (batch.key.empty()) continue;
      const std::string value = remembered(spool, batch.key);
      const bool its = value == batch.value;
      if (batch.messages > 0) CPPUNIT_ASSERT_MESSAGE("a receipt without its batch", there > 0 || !its);
      CPPUNIT_ASSERT_MESSAGE("a receipt of a refused batch", !its || !batch.refused || refused_may_return);
      const auto before = receipts_.find(batch.key);
      const bool newer = value != "-" && (before == receipts_.end() || value != before->second);
      CPPUNIT_ASSERT_MESSAGE("a batch without its receipt", there == 0 || newer || batch.refused);
    }
    for (unsigned i = 0; i < 5; ++i) {
      const std::string key = fmt::format("key{}", i);
      const std::string value = remembered(spool, key);
      const auto known = receipts_.find(key);
      bool good = value == (known == receipts_.end() ? "-" : known->second);
      for (const auto& [number, batch] : unsure_) good |= batch.key == key && batch.value == value;
      CPPUNIT_ASSERT_MESSAGE("a receipt is lost, or went back", good);
      if (value != "-") receipts_[key] = value;
    }
    // What was refused may come back later still.
    std::erase_if(unsure_, [&](const auto& each) { return !each.second.refused || found.contains(each.first); });
  }

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
  static constexpr WallTime far_future{std::chrono::hours(24 * 365 * 200)};
  std::vector<Open> open_;
  std::set<std::string> never_;
  std::map<std::string, std::string> receipts_;  // of acknowledged batches
  std::map<uint64_t, Unsure> unsure_;
  std::map<std::string, uint64_t> batch_of_;  // body
  std::map<std::string, size_t> unknown_;     // not answered when the process died
};

}  // namespace impulse::spool::kit
