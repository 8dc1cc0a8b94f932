// Daemon: the parts, made in order, handed to each other, and taken down again.
#pragma once

#include "config/engine.h"
#include "delivery/dispatcher.h"
#include "inject/injector.h"
#include "net/loop.h"
#include "queue/binding.h"
#include "server/admission.h"
#include "server/auth_desk.h"
#include "server/configuration_check.h"
#include "server/console_service.h"
#include "server/figures.h"
#include "server/indexing.h"
#include "server/listeners.h"
#include "server/loops.h"
#include "server/notify.h"
#include "server/privileges.h"
#include "server/process_service.h"
#include "server/proxy_gate.h"
#include "server/rejections.h"
#include "server/session_services.h"
#include "server/snapshot_keeper.h"
#include "server/tls_store.h"
#include "server/watchdog.h"
#include "spool/spool.h"
#include "telemetry/counters.h"
#include "telemetry/log.h"
#include "telemetry/smtp_trace.h"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace impulse::server {

// `impulsed --check`: validates everything and changes nothing. Prints what is
// wrong, with its place, to standard error. True: all is well.
bool check_configuration(const std::string& file);

class Daemon : private config::Participant {
 public:
  // `make` is where the engine comes from.
  using MakeEngine = std::function<std::unique_ptr<config::Engine>(config::EngineSettings)>;
  explicit Daemon(std::string file, const MakeEngine& make = config::Engine::create);
  ~Daemon() override;

  // Reads the configuration and makes everything it asks for. Errors have
  // been printed to standard error. Listening has begun when it returns true.
  bool start();
  // Until the end is asked for; then takes everything down in order. False: it
  // could not go on, as the log says.
  bool run();

 private:
  bool become_user();
  bool open_stores();
  Result<> write_pidfile();
  Result<> start_listening();
  Result<> finish_start();
  void reload_by_signal();
  void tell_commit(uint64_t generation);
  // The engine's clock work, and when to come back to it.
  void keep_time();
  void indexed(const Result<std::string>& result);
  void sweep_snapshots();
  std::string status() const;  // one line, for systemd
  void begin_shutdown();
  void shutdown_step();
  void take_down();

  // config::Participant: what follows the configuration besides listeners and TLS.
  Result<> prepare(const config::SnapshotPtr& current, const config::SnapshotPtr& next) override;
  void abort() noexcept override;
  void apply(const config::SnapshotPtr& next) noexcept override;
  void finish() noexcept override;
  void refreshed() noexcept override;

  Notify notify_;
  Privileges privileges_;
  std::unique_ptr<config::Engine> engine_;
  std::unique_ptr<SnapshotKeeper> snapshots_;
  telemetry::Counters counters_;
  telemetry::SmtpTracers tracers_;
  TlsStore tls_;
  ConfigurationCheck checks_;
  std::unique_ptr<net::Loop> main_;
  std::unique_ptr<Logs> logs_;
  telemetry::Log* log_ = nullptr;  // that of logs_
  std::unique_ptr<net::Loop> delivery_loop_;
  std::unique_ptr<Indexing> indexing_;
  std::unique_ptr<spool::Spool> spool_;  // after what it calls
  std::unique_ptr<delivery::Dispatcher> dispatcher_;
  // Commits may complete until the spool is closed, which is after the
  // dispatcher: they ask here whether it is still there.
  std::mutex queue_mutex_;
  delivery::Dispatcher* queue_ = nullptr;
  std::thread delivery_thread_;
  queue::GroupTurns group_turns_;  // of the mail that comes
  std::unique_ptr<inject::Injector> injector_;
  std::unique_ptr<AuthDesk> auth_desk_;
  std::unique_ptr<Admission> admission_;
  std::unique_ptr<Rejections> rejections_;
  HttpDesk http_desk_;
  OpenStreams streams_;
  std::unique_ptr<SessionServices> services_;
  Loops loops_;
  std::unique_ptr<Listeners> listeners_;
  std::unique_ptr<ProcessService> process_;
  std::unique_ptr<ConsoleGate> gate_;
  std::unique_ptr<ProxyGate> proxy_gate_;
  std::unique_ptr<ConsoleService> console_;
  FiguresCache figures_{[this] { return figures_of(*console_, *spool_); }};
  std::atomic<uint64_t> next_session_{1};

  std::vector<std::unique_ptr<net::SignalWatch>> signals_;
  std::unique_ptr<net::Timer> clock_;  // for keep_time()
  std::unique_ptr<net::Timer> sweeper_;
  std::unique_ptr<Watchdog> watchdog_;
  std::unique_ptr<net::Timer> shutdown_timer_;
  std::optional<SteadyTime> shutdown_deadline_;
  std::atomic<bool> delivery_idle_{false};
  bool dropping_ = false;
  bool down_ = false;
  bool failed_ = false;
  std::string pidfile_;
};

}  // namespace impulse::server
