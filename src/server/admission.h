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

#include <cstdint>
#include <memory>
#include <optional>

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
    std::optional<smtp::HostRefusal> has_room(uint64_t size) const;
    // What became of what began last.
    void accepted() { counted_.reset(); }
    void not_accepted();

   private:
    std::optional<smtp::HostRefusal> admit(const Guest& guest, uint64_t messages, bool begins);

    Admission& admission_;
    Limits::Place place_;
    ThrottlePtr counted_;    // has counted what is not accepted yet
    uint64_t messages_ = 0;  // … so many
  };

  // Why no mail is taken now, from anybody; nothing: it is.
  std::optional<smtp::HostRefusal> closed(const config::Options& global, SteadyTime now);

 private:
  const inject::Injector& injector_;
  Limits limits_;
  Throttles throttles_;
  MemoryMarks memory_;
};

}  // namespace impulse::server
