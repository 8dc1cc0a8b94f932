// ConsoleService: the control listeners' side of the daemon. Carries bytes
// between connections and control::Session, and answers what commands ask.
// Everything here happens on the main loop.
#pragma once

#include "control/command.h"
#include "control/protocol.h"
#include "control/system.h"
#include "delivery/dispatcher.h"
#include "delivery/workers.h"
#include "inject/injector.h"
#include "net/connection.h"
#include "server/console_gate.h"
#include "server/control_call.h"
#include "server/incoming.h"
#include "server/listeners.h"
#include "server/loops.h"
#include "server/name_service.h"
#include "server/tls_store.h"
#include "spool/spool.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

namespace impulse::server {

struct ConsoleParts {  // borrowed, outliving it
  net::Loop& main;
  config::Engine& engine;
  telemetry::Counters& counters;
  telemetry::Log& log;
  TlsStore& tls;
  telemetry::SmtpTracers& tracers;
  Loops& loops;
  spool::Spool& spool;
  inject::Injector& injector;
  net::Loop& delivery_loop;
  delivery::Dispatcher& dispatcher;
  std::function<Listeners&()> listeners;  // made later than this
  std::function<void()> shut_down;
  control::Process& process;
  std::function<void()> commanded;  // a command has been run
  ConsoleGate& gate;
};

class ConsoleConnection;

class ConsoleService : public control::System {
 public:
  explicit ConsoleService(ConsoleParts parts);
  ~ConsoleService() override;

  void accept(Incoming incoming);
  // Commands that come by HTTP; `done` is called on the main loop, unless the daemon ends before.
  void call(ControlAsk ask, std::function<void(ControlAnswer)> done);
  void close_all();
  // Tells everybody who watches. Main thread.
  void event(std::string_view id, std::string_view text);

  // control::System
  config::Engine& engine() override;
  const telemetry::Counters& counters() override;
  std::vector<control::InboundSession> inbound() override;
  std::vector<control::ListenStatus> listens() override;
  std::vector<control::GenerationSessions> sessions_by_generation() override;
  bool kill_session(uint64_t id) override;
  Result<std::vector<Endpoint>> act_on_listens(control::ListenAct act, const control::ListenTarget& target) override;
  std::vector<control::OutboundConnection> outbound() override;
  Result<uint64_t> trace_add(telemetry::TraceSpec spec) override;
  bool trace_remove(uint64_t id) override;
  std::vector<telemetry::Tracer> traces() override { return parts_.tracers.list(); }
  std::vector<control::QueuedDomain> queue_domains(std::string_view after, size_t count) override;
  std::optional<control::QueuedDomain> queue_domain(std::string_view name) override;
  control::QueueTotals queue_totals() override;
  std::unique_ptr<control::QueueReader> queue_reader(std::string name) override;
  std::unique_ptr<control::Awaited<control::QueueActed>> act_on_message(const control::MessageOrder& order) override;
  std::unique_ptr<control::QueueErrand> act_on_queue(control::QueueOrder order) override;
  std::unique_ptr<control::CarryErrand> export_messages(control::ExportOrder order) override;
  std::unique_ptr<control::CarryErrand> import_messages(control::ImportOrder order) override;
  std::unique_ptr<control::Awaited<bool>> spool_in(MessageId id) override;
  bool suspend_queue(const std::string& name, bool on) override;
  std::vector<std::string> suspended_queues() override;
  std::unique_ptr<control::Awaited<control::MessageDetails>> message(MessageId id) override;
  std::unique_ptr<control::MessageText> message_text(MessageId id) override;
  control::SpoolStatus spool() override;
  WallTime started() override;
  std::string node() override;
  control::Names& names() override { return names_; }
  control::Process& process() override;
  void shut_down() override;

 private:
  friend class ConsoleConnection;
  void ended(ConsoleConnection& connection);
  std::unique_ptr<control::Session> make_session(control::Client client, const config::SnapshotPtr& snapshot,
                                                 const config::Options& options, control::Access::OptionsIn options_in);
  void retrace();
  delivery::Workers& readers();
  control::ListenTls tls_of(const config::Snapshot& snapshot, const config::ListenConf& listen);

  ConsoleParts parts_;
  NameService names_{parts_.delivery_loop, parts_.dispatcher};
  control::CommandTable commands_;
  WallTime started_;
  std::unordered_map<ConsoleConnection*, std::unique_ptr<ConsoleConnection>> connections_;
  std::unordered_map<uint64_t, std::unique_ptr<ControlCall>> calls_;
  uint64_t last_call_ = 0;
  std::unique_ptr<delivery::Workers> readers_;  // of messages; made when there is something to read
};

}  // namespace impulse::server
