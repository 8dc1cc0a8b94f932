// What GET /metrics tells: all counters, and the numbers that the console's
// commands show of sessions, spool, queue and process.
#pragma once

#include "api/metrics_writer.h"
#include "base/clock.h"
#include "spool/spool.h"
#include "telemetry/counters.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace impulse::api {

// As they are now; whoever answers the request fills them in. What is not known
// is left out of the page.
struct Figures {
  std::string version;
  std::string node;
  WallTime started{};
  uint64_t generation = 0;  // of the configuration

  struct Listen {
    std::string listener;  // "ESMTP_Listener"
    std::string endpoint;  // canonical; the two name it
    bool bound = false;
    uint64_t sessions = 0;
  };
  std::vector<Listen> listens;

  std::optional<spool::Status> spool;

  struct Queue {
    uint64_t domains = 0;
    uint64_t active = 0;     // recipients ready to be tried
    uint64_t delayed = 0;    // waiting for their time
    uint64_t in_flight = 0;  // under way
  };
  std::optional<Queue> queue;

  struct Process {
    uint64_t resident = 0;  // bytes
    uint64_t descriptors = 0;
    uint64_t descriptor_limit = 0;
  };
  std::optional<Process> process;
};

// Counters have been growing since the start, whatever was reset in the console.
std::string write_metrics(const telemetry::Counters& counters, const Figures& figures, MetricsFormat format);

}  // namespace impulse::api
