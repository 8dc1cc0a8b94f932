// System: what console commands may ask of the daemon. server/ implements it;
// tests pass a fake. Main thread only; nothing here blocks for long.
#pragma once

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "config/engine.h"
#include "telemetry/counters.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::control {

// One inbound mail session, for `show inbound`.
struct InboundSession {
  uint64_t id = 0;
  std::string listener;  // canonical Listen
  std::string peer;      // address:port, or the path of a Unix socket
  std::string helo;
  std::string state;  // smtp::ServerSession::state()
  bool tls = false;
  uint64_t messages = 0;
  uint64_t recipients = 0;
  uint64_t bytes_in = 0;
  uint64_t generation = 0;  // of the configuration it works under
  Duration age{0};
};

struct QueuedRecipient {
  std::string id;  // with node
  std::string sender;
  std::string recipient;
  std::string domain;
  uint32_t attempts = 0;
  WallTime received{};
  WallTime next_attempt{};
  std::string last_error;
  uint64_t size = 0;
  bool in_flight = false;
};

struct QueuedDomain {
  std::string domain;
  uint64_t active = 0;
  uint64_t delayed = 0;
  uint64_t in_flight = 0;
};

struct MessageDetails {
  std::string id;
  std::string sender;
  WallTime received{};
  std::string client;  // address
  std::string helo;
  std::string listener;
  uint64_t size = 0;
  std::string header;  // its header section, as it will be sent
  struct Recipient {
    std::string address;
    std::string state;  // "pending", "delivered", "failed", "expired"
    uint32_t attempts = 0;
    std::optional<WallTime> next_attempt;
    std::string last_error;
  };
  std::vector<Recipient> recipients;
};

struct SpoolStatus {
  bool accepting = true;
  std::string reason;
  uint64_t messages = 0;
  uint64_t segments = 0;
  uint64_t bytes = 0;
  uint64_t free_bytes = 0;
};

struct ListenStatus {
  std::string listener;  // "ESMTP_Listener"
  std::string endpoint;
  bool bound = false;
  uint64_t sessions = 0;
};

class System {
 public:
  virtual ~System() = default;
  virtual config::Engine& engine() = 0;
  virtual const telemetry::Counters& counters() = 0;
  virtual std::vector<InboundSession> inbound() = 0;
  virtual std::vector<ListenStatus> listens() = 0;
  virtual std::vector<QueuedDomain> queue_domains() = 0;
  virtual std::vector<QueuedRecipient> queue(std::string_view domain, size_t limit) = 0;  // "" all
  // not_found when there is none; io when it is damaged.
  virtual Result<MessageDetails> message(MessageId id) = 0;
  virtual SpoolStatus spool() = 0;
  virtual WallTime started() = 0;
  virtual std::string node() = 0;
  virtual void shut_down() = 0;  // begins; returns at once
};

}  // namespace impulse::control
