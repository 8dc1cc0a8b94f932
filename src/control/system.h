// System: what console commands may ask of the daemon. server/ implements it;
// tests pass a fake. Main thread only; nothing here blocks for long.
#pragma once

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/id.h"
#include "base/result.h"
#include "config/engine.h"
#include "control/names.h"
#include "control/process.h"
#include "control/queue.h"
#include "telemetry/counters.h"
#include "telemetry/smtp_trace.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::control {

// One inbound mail session, for `show inbound`.
struct InboundSession {
  uint64_t id = 0;
  std::string listener;  // canonical Listen
  std::string kind;      // of its listener: "ESMTP_Listener"
  std::string peer;      // address:port, or the path of a Unix socket
  std::string proxy;     // who connected for that peer (PROXY protocol); empty: nobody
  std::string helo;
  std::string tenant;  // whose client it is; empty: nobody's
  std::string user;    // who it authenticated as; empty: nobody
  std::string state;   // smtp::ServerSession::state()
  bool tls = false;
  uint64_t messages = 0;
  uint64_t recipients = 0;
  uint64_t bytes_in = 0;
  uint64_t generation = 0;  // of the configuration it works under
  Duration age{0};
};

struct MessageDetails {
  std::string id;
  std::string sender;
  WallTime received{};
  std::string client;  // address
  std::string helo;
  std::string listener;
  std::string tenant;   // empty: of none
  std::string binding;  // by which it came in to go out; empty: the default one
  std::string envid;    // as given with MAIL, in xtext; empty: not given
  uint64_t size = 0;
  std::string header;  // its header section, as it will be sent
  struct Recipient {
    std::string address;
    std::string state;  // "pending", "delivered", "failed", "expired"
    uint32_t attempts = 0;
    std::optional<WallTime> next_attempt;  // WallTime::max(): on hold
    std::string last_error;
    std::string binding{};  // that it was given since (rebind); empty: the message's
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
  // By compaction, and in all, since start.
  uint64_t copied = 0;           // messages
  uint64_t copied_bytes = 0;     // of these
  uint64_t removed = 0;          // segments
  uint64_t freed = 0;            // bytes of these
  struct Indexing {              // of what was there before the start
    std::string phase = "done";  // "reading", "queueing", "done"
    uint64_t segments = 0;
    uint64_t segments_read = 0;
    uint64_t messages = 0;  // live ones among what was there; known when all segments are read
    uint64_t queued = 0;    // of these
    unsigned percent = 100;
    std::string text;  // in words; empty when it is done
  };
  Indexing indexing;
};

// The TLS side of a Listen, for `listener show --tls`; it serves no TLS when `certificate` is empty.
struct ListenTls {
  std::string certificate;  // name of its Certificate scope, or its path; "(inline)"
  std::string subject;      // "CN=mx.example.com"
  std::string issuer;
  std::optional<WallTime> expires;
  std::string protocols;  // as TLS_Protocols says
  bool implicit = false;  // Use_SSL: from the first byte on
  std::string problem;    // why the certificate cannot be used now
};

struct ListenStatus {
  std::string listener;  // "ESMTP_Listener"
  std::string endpoint;
  bool bound = false;
  uint64_t sessions = 0;
  bool enabled = true;   // by the configuration
  bool stopped = false;  // by `listener stop`
  int backlog = 0;
  uint64_t generation = 0;  // that its newest clients work under; 0: it is not bound
  ListenTls tls{};
  uint64_t waiting = 0;  // accepted, and not served by their loops yet
};

// What `listener stop`, `start` and `restart` are about: one Listen, or with
// no endpoint all of a listener.
struct ListenTarget {
  config::ScopeKind listener = config::ScopeKind::esmtp_listener;
  std::optional<Endpoint> endpoint;
};
enum class ListenAct : uint8_t { stop, start, restart };

// Inbound sessions that work under one generation of the configuration.
struct GenerationSessions {
  uint64_t generation = 0;
  uint64_t sessions = 0;
};

class System {
 public:
  virtual ~System() = default;
  virtual config::Engine& engine() = 0;
  virtual const telemetry::Counters& counters() = 0;
  virtual std::vector<InboundSession> inbound() = 0;
  virtual std::vector<ListenStatus> listens() = 0;
  // Oldest generation first; those without a session are left out.
  virtual std::vector<GenerationSessions> sessions_by_generation() = 0;
  // Tells the session 421 and closes it, at once, but behind a commit under way. False: there is none.
  virtual bool kill_session(uint64_t id) = 0;
  // The Listens whose state changed. Errors: not_found (no such Listen), busy
  // (restarted moments ago), invalid (disabled, or the last way to a console),
  // and those of binding; then nothing has changed.
  virtual Result<std::vector<Endpoint>> act_on_listens(ListenAct act, const ListenTarget& target) = 0;
  virtual std::vector<OutboundConnection> outbound() = 0;
  // `trace smtp`: sessions that are open are traced, too, from now on.
  virtual Result<uint64_t> trace_add(telemetry::TraceSpec spec) = 0;
  virtual bool trace_remove(uint64_t id) = 0;  // false: there is none
  virtual std::vector<telemetry::Tracer> traces() = 0;
  // In the order of their names, without case: up to `count` behind `after` ("": from the first on).
  virtual std::vector<QueuedDomain> queue_domains(std::string_view after, size_t count) = 0;
  virtual std::optional<QueuedDomain> queue_domain(std::string_view name) = 0;
  virtual QueueTotals queue_totals() = 0;
  virtual std::unique_ptr<QueueReader> queue_reader(std::string name) = 0;
  // not_found: the message, or a recipient of it that has no outcome yet.
  // Ready when it is done, and durable.
  virtual std::unique_ptr<Awaited<QueueActed>> act_on_message(const MessageOrder& order) = 0;
  virtual std::unique_ptr<QueueErrand> act_on_queue(QueueOrder order) = 0;
  virtual std::unique_ptr<CarryErrand> export_messages(ExportOrder order) = 0;
  virtual std::unique_ptr<CarryErrand> import_messages(ImportOrder order) = 0;
  // Into the queue; false: it was there. not_found: it is not in the spool.
  virtual std::unique_ptr<Awaited<bool>> spool_in(MessageId id) = 0;
  // Until the daemon ends. False: that is how it was.
  virtual bool suspend_queue(const std::string& name, bool on) = 0;
  virtual std::vector<std::string> suspended_queues() = 0;
  // not_found when there is none; io when it is damaged.
  virtual std::unique_ptr<Awaited<MessageDetails>> message(MessageId id) = 0;
  virtual std::unique_ptr<MessageText> message_text(MessageId id) = 0;
  virtual SpoolStatus spool() = 0;
  virtual WallTime started() = 0;
  virtual std::string node() = 0;
  virtual Names& names() = 0;
  virtual Process& process() = 0;
  virtual void shut_down() = 0;  // begins; returns at once
};

}  // namespace impulse::control
