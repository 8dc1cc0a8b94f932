// SMTP traces: what chosen SMTP sessions say, written down for an operator
// (`trace smtp`). A session that nobody traces has a null pointer to look at,
// and nothing else.
#pragma once

#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::telemetry {

// One session, as those who trace it see it. Any one thread at a time.
class SessionTrace {
 public:
  virtual ~SessionTrace() = default;
  // Whole lines, with or without their ends. Secrets have been masked.
  virtual void sent(std::string_view lines) = 0;
  virtual void received(std::string_view lines) = 0;
  virtual void note(std::string_view text) = 0;  // what is not said: "connected", "1234 bytes of a message"
};
using SessionTracePtr = std::shared_ptr<SessionTrace>;

// Which sessions, and where to.
struct TraceSpec {
  bool inbound = false;
  IpPrefix clients;                     // inbound: those from there; 0.0.0.0/0 and ::/0 hold one family each
  bool anybody = true;                  // inbound: all of them
  std::string binding;                  // outbound; "*": all
  std::string domain;                   // outbound: of the recipient; "*": all
  std::string file;                     // absolute; lines are appended
  uint64_t limit = uint64_t{64} << 20;  // bytes; then it is full and no more is written
};

struct Tracer {  // one that is there
  uint64_t id = 0;
  TraceSpec spec;
  uint64_t bytes = 0;  // written
  bool full = false;
};

// All tracers. Any thread.
class SmtpTracers {
 public:
  SmtpTracers();
  ~SmtpTracers();
  static constexpr size_t most = 64;

  // Its number. The file is opened here (made with 0640).
  Result<uint64_t> add(TraceSpec spec);
  bool remove(uint64_t id);  // false: there is none
  std::vector<Tracer> list() const;

  // False, as a rule: nobody need ask.
  bool any() const { return any_.load(std::memory_order_relaxed); }
  // Null when nobody wants it. `label` names the session in the file.
  SessionTracePtr inbound(const IpAddress& client, const std::string& label) const;
  SessionTracePtr outbound(std::string_view binding, std::string_view domain, const std::string& label) const;

 private:
  class Sheet;
  class Multiple;
  template <class Wanted>
  SessionTracePtr gather(const std::string& label, Wanted wanted) const;

  std::atomic<bool> any_{false};
  mutable std::mutex mutex_;  // guards what follows
  std::vector<std::shared_ptr<Sheet>> sheets_;
  uint64_t last_id_ = 0;
};

}  // namespace impulse::telemetry
