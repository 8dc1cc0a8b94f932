// Admission: whether a session, and each of its messages, is taken now: limits
// of sessions, rates of messages, the marks of memory, and the spool. One for
// the daemon; each mail session has a Visit.
#pragma once

#include "inject/injector.h"
#include "net/loop.h"
#include "server/limits.h"
#include "server/memory_marks.h"
#include "server/throttle.h"
#include "telemetry/log.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace impulse::server {

class Admission {
 public:
  // All borrowed. `main` is where memory is given back: it carries no mail.
  Admission(const inject::Injector& injector, telemetry::Log& log, net::Loop& main);

  // Whose door it is; lives as long as the call.
  struct Guest {
    config::ScopeKind listener = config::ScopeKind::esmtp_listener;
    const Endpoint& listen;
    const IpAddress& client;
    const config::Snapshot& snapshot;
    const config::Options& options;  // of that client
    const config::Options& global;   // that are in force, whatever the session works under
    SteadyTime now{};
    std::string_view tenant{};  // whose client it turned out to be, where `options` say nobody's
  };

  // Messages that have begun to count, and count on only if they are accepted. Held by all
  // who may still see them accepted; given back by the last one that lets go. Any thread, one at a time.
  class Ticket {
   public:
    Ticket(ThrottlePtr throttle, uint64_t messages) : throttle_(std::move(throttle)), messages_(messages) {}
    ~Ticket() {
      if (throttle_ != nullptr) throttle_->give_back(messages_);
    }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    void accepted() { throttle_.reset(); }
    void add(uint64_t messages) { messages_ += messages; }
    // So many of them will not come.
    void give_back(uint64_t messages) {
      messages = std::min(messages, messages_);
      messages_ -= messages;
      if (throttle_ != nullptr) throttle_->give_back(messages);
    }

    std::shared_ptr<Ticket> split(uint64_t messages) {
      messages = std::min(messages, messages_);
      messages_ -= messages;
      return std::make_shared<Ticket>(throttle_, messages);
    }

   private:
    ThrottlePtr throttle_;  // null: they were accepted
    uint64_t messages_;
  };

  class Visit {
   public:
    explicit Visit(Admission& admission) : admission_(admission) {}
    ~Visit() { not_accepted(); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

    // The session begins, or what to say instead. Denied clients take no place.
    std::optional<smtp::HostRefusal> enter(const Guest& guest);
    // The session is this guest's from now on (XCLIENT); or what to say, and end it.
    std::optional<smtp::HostRefusal> become(const Guest& guest);
    void move(const Endpoint& listen) { admission_.limits_.move(place_, listen); }
    // At MAIL, and at DATA or the first BDAT, where the message begins to count
    // for Inbound_Throttle_Messages.
    std::optional<smtp::HostRefusal> admit(const Guest& guest, smtp::ServerHost::Stage stage);
    // As at DATA, for so many messages that come as one.
    std::optional<smtp::HostRefusal> admit_all(const Guest& guest, uint64_t messages);
    // … for one more of those that gather and will come as one, under the same
    // options. That too much waits to be written is no reason: what gathers waits, too.
    std::optional<smtp::HostRefusal> admit_another(const Guest& guest);
    std::optional<smtp::HostRefusal> has_room(uint64_t size) const;
    // What became of what began last.
    void accepted() {
      if (counted_ != nullptr) counted_->accepted();
      counted_.reset();
    }
    void not_accepted() { counted_.reset(); }
    // So many of those that gather will not come.
    void not_accepted(uint64_t messages) {
      if (counted_ != nullptr) counted_->give_back(messages);
    }
    // So many of those that gather are committed, the others gather on. Null: nothing counts them.
    std::shared_ptr<Ticket> take_ticket(uint64_t messages) {
      return counted_ == nullptr ? nullptr : counted_->split(messages);
    }
    // Of what began last, for a commit that may outlive the session; null: nothing counts it.
    const std::shared_ptr<Ticket>& ticket() const { return counted_; }

   private:
    std::optional<smtp::HostRefusal> admit(const Guest& guest, uint64_t messages, bool begins, bool waits = false);

    Admission& admission_;
    Limits::Place place_;
    std::shared_ptr<Ticket> counted_;  // of what is not accepted yet
  };

  // Why no mail is taken now, from anybody; nothing: it is. `waits`: who asks
  // waits while the queue is too full.
  std::optional<smtp::HostRefusal> closed(const config::Options& global, SteadyTime now, bool waits = false);

 private:
  const inject::Injector& injector_;
  Limits limits_;
  Throttles throttles_;
  MemoryMarks memory_;
};

}  // namespace impulse::server
