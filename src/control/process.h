// Process: what console commands may ask of the daemon as a process: its
// threads, memory, logs, counters and certificates. server/ implements it;
// tests pass a fake. Main thread only; nothing here blocks for long.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace impulse::control {

struct ThreadStatus {
  int64_t id = 0;  // the kernel's
  std::string name;
  char state = '?';  // as in ps: R runs, S sleeps, D waits for a disk
  Duration user{0};  // processor time
  Duration system{0};
  struct Load {
    uint64_t sessions = 0;
    uint64_t events = 0;  // sockets, timers and signals it waits for
    Duration longest{0};  // it served one round of events without looking for others
  };
  std::optional<Load> loop;  // of an event loop
};

// One kind of thing that takes memory. Bytes where they are counted.
struct MemoryPart {
  std::string name;
  uint64_t count = 0;
  std::optional<uint64_t> bytes;
};

struct MemoryStatus {  // bytes
  uint64_t resident = 0;
  uint64_t resident_peak = 0;
  uint64_t address_space = 0;
  uint64_t machine = 0;
  uint64_t heap = 0;         // taken from the system by malloc, mapped blocks too
  uint64_t heap_in_use = 0;  // of it, given out
  uint64_t heap_free = 0;    // of it, kept for later
  std::vector<MemoryPart> parts;
};

struct SystemInfo {
  std::string compiler;
  std::vector<std::pair<std::string, std::string>> libraries;  // name, version
  std::vector<std::string> features;                           // built in: "systemd", "capabilities"
  std::string distribution;                                    // "Debian GNU/Linux 12 (bookworm)"; empty: not known
  std::string kernel;                                          // uname
  unsigned processors = 0;
  uint64_t descriptors = 0;  // in use
  uint64_t descriptor_limit = 0;
  std::string user;  // who the daemon runs as
  std::string group;
  std::string capabilities;  // "cap_net_bind_service=ep"; empty: none
};

// A certificate that the daemon serves.
struct CertificateStatus {
  std::string name;  // of its Certificate scope, or its path; "(inline)"
  std::string subject;
  std::vector<std::string> names;  // subject alternative names: "DNS:mx.example.com"
  std::string issuer;
  std::string serial;  // hexadecimal
  std::string key;     // "EC 256 bits"
  WallTime begins{};
  WallTime expires{};
  uint64_t chain = 0;                     // certificates behind the first
  std::vector<std::string> used_by;       // "ESMTP_Listener Listen *:25 (impulse.conf:12:3)"
  std::vector<std::string> server_names;  // patterns that lead to it; none: it is for all others
  // What else holds where it is served.
  std::string client_ca;                // who may sign certificates of clients; empty: nobody
  std::optional<WallTime> crl_expires;  // of the list of revoked certificates that ends first
  uint64_t psk_identities = 0;          // with pre-shared keys
};

// What is wrong with a certificate, or will be soon.
struct CertificateTrouble {
  std::string name;
  std::string id;  // "tls-expires"; listed in doc/messages.md
  std::string text;
};

// A log file that is written.
struct LogStatus {
  std::string name;        // of its option
  std::string path;        // empty: standard error
  uint64_t size = 0;       // bytes
  uint64_t waiting = 0;    // bytes that are not written yet
  uint64_t lost = 0;       // lines, since the start
  uint64_t rotations = 0;  // since the start
  std::string trouble;     // why it cannot be written now; empty: it can
};

class Process {
 public:
  virtual ~Process() = default;
  virtual std::vector<ThreadStatus> threads() = 0;  // the first thread first, then by id
  virtual void reset_longest() = 0;                 // of all loops: begins anew
  virtual MemoryStatus memory() = 0;
  virtual SystemInfo information() = 0;
  // Each log with what came of it.
  virtual std::vector<std::pair<std::string, Result<>>> reopen_logs() = 0;
  virtual std::vector<LogStatus> logs() = 0;
  virtual void rotate_logs() = 0;  // those in which there is a line
  virtual std::vector<telemetry::LogLine> recent_log(size_t each_level) = 0;
  virtual telemetry::Level log_level(telemetry::Area area) = 0;
  // What is shown begins anew; nothing: all of them. Gauges stay.
  virtual void reset_counters(std::optional<telemetry::Counter> counter, WallTime now) = 0;

  virtual std::vector<CertificateStatus> certificates() = 0;
  // Looks at the files as they are now.
  virtual std::vector<CertificateTrouble> check_certificates(WallTime now) = 0;
  // Takes renewed files into use for new handshakes; sessions notice nothing.
  // All or none: the error says which file is bad. The names of those renewed.
  virtual Result<std::vector<std::string>> reload_certificates() = 0;
};

}  // namespace impulse::control
