// What GET /healthz/live and /healthz/ready say to whoever decides where clients
// are sent, and whether we are to be started again.
#pragma once

#include <optional>
#include <string>

namespace impulse::api {

// As it is now; whoever answers the request fills it in.
struct HealthState {
  bool stopping = false;              // the daemon is shutting down
  bool listening = true;              // a listener for mail is bound and not stopped
  std::optional<std::string> spool;   // why the spool takes no message
  std::optional<std::string> memory;  // why no new work is begun: over Memory_HWM
};

struct HealthAnswer {
  int status = 200;  // or 503
  std::string body;  // JSON: {"status": "ok" | "unavailable", "reasons": [{"code", "reason"}]}
};

// That it is given is the answer: to start us again would help nobody.
HealthAnswer live_answer();
// Whether new mail would be taken now; if not, all reasons.
HealthAnswer ready_answer(const HealthState& state);

}  // namespace impulse::api
