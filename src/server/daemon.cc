#include "server/daemon.h"

#include "base/files.h"
#include "base/text.h"
#include "server/ecstream_session.h"
#include "server/figures.h"
#include "server/follow.h"
#include "server/http_session.h"
#include "server/mail_session.h"
#include "server/settings.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "config.h"

namespace impulse::server {

namespace key = config::key;
using telemetry::Area;
using telemetry::Counter;
using telemetry::Level;

namespace {

constexpr Duration shutdown_poll = std::chrono::milliseconds(20);
// After Shutdown_Timeout, for what should have ended and did not.
constexpr Duration last_resort = std::chrono::seconds(5);
// How soon memory of configurations that nobody uses any more is given back.
constexpr Duration sweep_pause = std::chrono::seconds(1);

std::vector<std::string> search_path() {
  std::vector<std::string> path;
  if (const char* value = std::getenv("IMPULSE_CONF_PATH"))
    for (const std::string_view part : split(value, ':'))
      if (!part.empty()) path.emplace_back(part);
  return path;
}

void print(const config::Diagnostics& diagnostics) {
  for (const config::Diagnostic& diagnostic : diagnostics) fmt::print(stderr, "{}\n", diagnostic.render());
}

bool complain(const Error& error) {
  fmt::print(stderr, "impulsed: {}\n", error.message);
  return false;
}

config::EngineSettings engine_settings(std::string file, std::function<void(std::string_view)> notice = nullptr) {
  config::EngineSettings settings;
  settings.file = std::move(file);
  settings.load.search_path = search_path();
  settings.notice = std::move(notice);
  return settings;
}

}  // namespace

bool check_configuration(const std::string& file) {
  const auto engine = config::Engine::create(engine_settings(file));
  TlsStore tls;
  ConfigurationCheck checks;
  engine->add_participant(tls);
  engine->add_participant(checks);
  const config::Report report = engine->load(true);
  print(report.diagnostics);
  if (!report.error.empty()) fmt::print(stderr, "impulsed: {}\n", report.error);
  if (report.ok) fmt::print("{}: well\n", file);
  return report.ok;
}

Daemon::Daemon(std::string file, const MakeEngine& make)
    : engine_(make(engine_settings(std::move(file), [this](std::string_view line) {
        if (log_) log_->write(Level::warning, Area::config, "config-by-itself", line);
        if (console_) console_->event("config-by-itself", line);
      }))) {
  engine_->add_participant(tls_);
  engine_->add_participant(checks_);
}

Daemon::~Daemon() { take_down(); }

bool Daemon::start() {
  config::Report report = engine_->load();
  print(report.diagnostics);
  if (!report.ok) {
    if (!report.error.empty()) fmt::print(stderr, "impulsed: {}\n", report.error);
    return false;
  }
  if (!become_user() || !open_stores()) return false;
  if (auto written = write_pidfile(); !written) return complain(written.error());
  auto listening = start_listening();
  if (listening) listening = finish_start();
  if (!listening) {
    log_->write(Level::critical, Area::net, "listen-failed", listening.error().message);
    log_->flush();
    return complain(listening.error());
  }
  delivery_loop_->post([this] { dispatcher_->start(); });
  // New mail waits for none of it.
  indexing_->begin(*dispatcher_);
  log_->write(
      Level::notice, Area::server, "server-ready",
      fmt::format("impulsed {} is ready, process {}, configuration {}", PACKAGE_VERSION, ::getpid(), engine_->file()));
  notify_.ready(status());
  if (const auto limit = Notify::watchdog())
    watchdog_ = std::make_unique<Watchdog>(*main_, loops_, *delivery_loop_, notify_, *limit);
  return true;
}

// Before anything is opened: what the daemon makes belongs to whom it will be.
bool Daemon::become_user() {
  const config::SnapshotPtr snapshot = engine_->current();
  if (auto raised = raise_descriptor_limit(snapshot->global()); !raised) return complain(raised.error());
  const auto identity = identity_of(*snapshot);
  if (!identity) return complain(identity.error());
  if (auto assumed = privileges_.assume(*identity); !assumed) return complain(assumed.error());
  return true;
}

// By root, where we are: /run belongs to it.
Result<> Daemon::write_pidfile() {
  const std::string pidfile = engine_->current()->global()[key::pidfile];
  if (pidfile.empty()) return {};
  auto written = privileges_.as_root([&] { return replace_file(pidfile, fmt::format("{}\n", ::getpid()), 0644); });
  if (written) pidfile_ = pidfile;
  return written;
}

// Everything is open and bound: no way back to root from here.
Result<> Daemon::finish_start() {
  if (auto released = privileges_.release(); !released) return released;
  clock_ = std::make_unique<net::Timer>(*main_, [this] { keep_time(); });
  sweeper_ = std::make_unique<net::Timer>(*main_, [this] { sweep_snapshots(); });
  keep_time();
  return {};
}

// What was there is in the queue; or it cannot be read, and would never get there by itself.
void Daemon::indexed(const Result<std::string>& result) {
  if (result) {
    if (console_) console_->event("spool-indexed", *result);
    return;
  }
  failed_ = true;
  begin_shutdown();
}

void Daemon::keep_time() {
  if (!clock_) return;
  const auto next = engine_->tick();
  if (!next)
    clock_->stop();
  else
    clock_->start(std::max(std::chrono::duration_cast<Duration>(*next - wall_now()), Duration(1000)));
}

void Daemon::sweep_snapshots() {
  if (snapshots_->sweep()) sweeper_->start(sweep_pause);
}

std::string Daemon::status() const {
  return fmt::format("Serving generation {} of {}", engine_->current()->generation(), engine_->file());
}

bool Daemon::open_stores() {
  const config::SnapshotPtr snapshot = engine_->current();
  const config::Options& global = snapshot->global();
  snapshots_ = std::make_unique<SnapshotKeeper>();
  auto main = net::Loop::create("main");
  if (!main) return complain(main.error());
  main_ = std::move(*main);
  auto logs = Logs::open(global, node_name(global), counters_, *main_);
  if (!logs) return complain(logs.error());
  logs_ = std::move(*logs);
  log_ = &logs_->log();
  set_log_levels(snapshot->debug_flags(), *log_);
  // Served when run() begins; until then they wait, and do not kill.
  const auto watch = [this](int signal, auto work) {
    signals_.push_back(std::make_unique<net::SignalWatch>(*main_, signal, work));
  };
  watch(SIGTERM, [this] { begin_shutdown(); });
  watch(SIGINT, [this] { begin_shutdown(); });
  watch(SIGHUP, [this] { reload_by_signal(); });
  auto delivery = net::Loop::create("delivery");
  if (!delivery) return complain(delivery.error());
  delivery_loop_ = std::move(*delivery);

  auto spool = spool::Spool::begin(spool_settings(global), node_name(global), [this](std::string_view line) {
    log_->write(Level::error, Area::spool, "spool", line);
  });
  if (!spool) return complain(spool.error());
  spool_ = std::move(*spool);
  indexing_ = std::make_unique<Indexing>(*spool_, *log_, [this](Result<std::string> result) {
    main_->post([this, result = std::move(result)] { indexed(result); });
  });

  injector_ = std::make_unique<inject::Injector>(*spool_, logs_->mail(), counters_, [this](inject::Accepted accepted) {
    const std::lock_guard lock(queue_mutex_);
    if (queue_ == nullptr) return;  // ending: the next start finds it in the spool
    queue_->enqueue(accepted.id, accepted.envelope, accepted.size, std::move(accepted.states));
  });
  injector_->assign_by([this](const message::Envelope& envelope) {
    const config::SnapshotPtr snapshot = engine_->current();
    auto binding = queue::choose_binding(*snapshot, queue::wish_of(*snapshot, envelope), {}, &group_turns_);
    // It has gone since the client was told that it may name it.
    if (!binding) binding = queue::choose_binding(*snapshot, queue::wish_of(*snapshot, {}), {}, &group_turns_);
    inject::Assigned assigned{binding.value_or(std::string(queue::default_binding)), {}};
    assigned.group = queue::group_of(*snapshot, assigned.binding);
    return assigned;
  });
  dispatcher_ = delivery::Dispatcher::create(
      {*delivery_loop_, *spool_, logs_->mail(), *log_, counters_, [this] { return engine_->current(); },
       [this](spool::Incoming incoming, std::function<void(Result<MessageId>)> done) {
         injector_->submit(std::move(incoming), "INTERNAL", *delivery_loop_, std::move(done));
       },
       &tracers_});
  {
    const std::lock_guard lock(queue_mutex_);
    queue_ = dispatcher_.get();
  }
  delivery_thread_ = std::thread([this] { delivery_loop_->run(); });
  return true;
}

Result<> Daemon::start_listening() {
  auto desk = AuthDesk::create(*log_, logs_->acct(), counters_, spool_->node());
  if (!desk) return std::unexpected(desk.error());
  auth_desk_ = std::move(*desk);
  admission_ = std::make_unique<Admission>(*injector_, *log_, *main_);
  rejections_ = std::make_unique<Rejections>(counters_, *log_, logs_->reject());
  services_ = std::make_unique<SessionServices>(
      SessionServices{*injector_, *spool_, counters_, *log_, tls_, tracers_, *auth_desk_, *admission_, *rejections_,
                      http_desk_, streams_, *main_, spool_->node(),
                      [this](net::Loop& loop, std::function<void(const api::Figures&)> done) {
                        main_->post([this, &loop, done = std::move(done)]() mutable {
                          loop.post([done = std::move(done), figures = figures_.at(steady_now())] { done(*figures); });
                        });
                      },
                      [this](net::Loop& loop, ControlAsk ask, std::function<void(ControlAnswer)> done) {
                        main_->post([this, &loop, ask = std::make_shared<ControlAsk>(std::move(ask)),
                                     done = std::move(done)]() mutable {
                          console_->call(std::move(*ask), [&loop, done = std::move(done)](ControlAnswer answer) {
                            loop.post([done, answer = std::move(answer)]() mutable { done(std::move(answer)); });
                          });
                        });
                      }});
  process_ = std::make_unique<ProcessService>(
      ProcessParts{counters_, *logs_, tls_, loops_, *main_, *delivery_loop_, *spool_, *snapshots_});
  gate_ = std::make_unique<ConsoleGate>(logs_->acct(), *auth_desk_);
  console_ = std::make_unique<ConsoleService>(
      ConsoleParts{*main_, *engine_, counters_, *log_, tls_, tracers_, loops_, *spool_, *injector_, *delivery_loop_,
                   *dispatcher_, [this]() -> Listeners& { return *listeners_; }, [this] { begin_shutdown(); },
                   *process_, [this] { main_->post([this] { keep_time(); }); }, *gate_});
  proxy_gate_ = std::make_unique<ProxyGate>(*log_, counters_, [this](Worker& worker, Incoming incoming) {
    const uint64_t id = next_session_.fetch_add(1, std::memory_order_relaxed);
    if (incoming.listener == config::ScopeKind::http_listener)
      HttpSession::begin(*services_, worker, id, std::move(incoming));
    else if (incoming.listener == config::ScopeKind::ecstream_listener)
      EcstreamSession::begin(*services_, worker, id, std::move(incoming));
    else
      MailSession::begin(*services_, worker, id, std::move(incoming));
  });
  listeners_ = std::make_unique<Listeners>(
      *main_, loops_, *log_, counters_,
      [this](Worker& worker, Incoming incoming) { proxy_gate_->pass(worker, std::move(incoming)); },
      [this](Incoming incoming) { console_->accept(std::move(incoming)); });

  listeners_->on_event(
      [this](std::string_view id, const Endpoint& endpoint) { console_->event(id, endpoint.to_string()); });

  // From here on both follow the configuration; the first time is by hand,
  // since logs and spool had to be there before them.
  const config::SnapshotPtr snapshot = engine_->current();
  if (auto prepared = listeners_->prepare(nullptr, snapshot); !prepared) return prepared;
  apply(snapshot);
  listeners_->apply(snapshot);
  listeners_->finish();
  engine_->add_participant(*this);
  engine_->add_participant(*listeners_);
  return {};
}

Result<> Daemon::prepare(const config::SnapshotPtr& current, const config::SnapshotPtr&) {
  if (shutdown_deadline_) return fail(Errc::busy, "the daemon is shutting down");
  snapshots_->keep(current);  // a writeback may have published it, without a word
  notify_.reloading();
  return {};
}

void Daemon::abort() noexcept { notify_.ready(status()); }

// The answer to a change is given only after every loop works under it.
void Daemon::apply(const config::SnapshotPtr& next) noexcept {
  counters_.add(Counter::config_commits);
  set_log_levels(next->debug_flags(), *log_);
  logs_->apply(next->global());
  spool_->set_live_settings(spool_settings(next->global()));
  snapshots_->keep(next);
  tell_sessions(loops_, next);
  delivery_loop_->post([this] { dispatcher_->reconfigured(); });
  main_->post([this, generation = next->generation()] { tell_commit(generation); });
}

// Behind the commit, when the history knows it.
void Daemon::tell_commit(uint64_t generation) {
  if (down_ || !console_) return;
  for (const config::Generation& entry : engine_->history())
    if (entry.number == generation)
      console_->event("config-commit", fmt::format("generation {}, {} by {}, {} changes", entry.number, entry.what,
                                                   entry.by.name, entry.changes));
}

// The same values from other lines. Whoever lets go of it last must not be a loop.
void Daemon::refreshed() noexcept {
  snapshots_->keep(engine_->current());
  if (sweeper_) sweep_snapshots();
}

void Daemon::finish() noexcept {
  if (sweeper_) sweep_snapshots();
  notify_.ready(status());
}

void Daemon::reload_by_signal() {
  if (shutdown_deadline_) return;
  notify_.reloading();
  for (const auto& [name, reopened] : process_->reopen_logs())
    if (!reopened) log_->write(Level::error, Area::server, "log-reopen-failed", reopened.error().message);
  const config::Report report = engine_->reload({}, {"SIGHUP"});
  for (const config::Diagnostic& diagnostic : report.diagnostics)
    log_->write(diagnostic.severity == config::Diagnostic::Severity::error ? Level::error : Level::warning,
                Area::config, diagnostic.id, diagnostic.headline());
  for (const std::string& edit : report.dropped_edits)
    log_->write(Level::warning, Area::config, "config-edit-dropped", edit);
  if (report.ok) {
    log_->write(Level::notice, Area::config, "config-reloaded",
                fmt::format("generation {}, {} changes", report.generation, report.changes.size()));
  } else {
    counters_.add(Counter::config_failures);
    log_->write(Level::error, Area::config, "config-refused",
                report.error.empty() ? "the configuration stays as it was" : report.error);
  }
  notify_.ready(report.ok ? status() : "The new configuration was refused. " + status());
  keep_time();
}

void Daemon::begin_shutdown() {
  if (shutdown_deadline_) return;
  indexing_->stop();
  const Duration patience = engine_->current()->global()[key::shutdown_timeout];
  shutdown_deadline_ = steady_now() + patience;
  http_desk_.stop();
  log_->write(Level::notice, Area::server, "server-stopping", "shutting down");
  notify_.stopping();
  listeners_->close_all();
  loops_.run_on_all([this](Worker& worker) {
    proxy_gate_->close_all(worker);
    std::vector<uint64_t> ids;
    for (const auto& [id, session] : worker.sessions) ids.push_back(id);
    for (const uint64_t id : ids)
      if (const auto it = worker.sessions.find(id); it != worker.sessions.end()) it->second->shut_down();
  });
  delivery_loop_->post([this, patience] { dispatcher_->stop(patience, [this] { delivery_idle_ = true; }); });
  shutdown_timer_ = std::make_unique<net::Timer>(*main_, [this] { shutdown_step(); });
  shutdown_timer_->start(shutdown_poll);
}

void Daemon::shutdown_step() {
  uint32_t sessions = 0;
  for (const Worker* worker : loops_.all()) sessions += worker->loop->sessions.load();
  const SteadyTime now = steady_now();
  if ((sessions == 0 && (delivery_idle_ || now >= *shutdown_deadline_)) || now >= *shutdown_deadline_ + last_resort) {
    main_->stop();
    return;
  }
  if (sessions > 0 && now >= *shutdown_deadline_) {
    if (!std::exchange(dropping_, true))
      log_->write(Level::warning, Area::server, "sessions-dropped",
                  fmt::format("{} sessions had not ended in Shutdown_Timeout", sessions));
    // Those whose message is being made durable are let finish: their client
    // would send it again.
    loops_.run_on_all([](Worker& worker) {
      for (const auto& [id, session] : worker.sessions)
        if (!session->committing()) session->drop();
    });
  }
  shutdown_timer_->start(shutdown_poll);
}

bool Daemon::run() {
  main_->run();
  take_down();
  log_->write(Level::notice, Area::server, "server-ended", "ended in order");
  log_->flush();
  return !failed_;
}

// From the doors to the store: first nothing comes in any more, last the
// spool is closed, while those its completions call are still there.
void Daemon::take_down() {
  if (std::exchange(down_, true)) return;
  if (listeners_) listeners_->close_all();
  if (console_) console_->close_all();
  if (indexing_) indexing_->stop();
  loops_.stop();
  for (const Worker* worker : loops_.all())
    while (!worker->sessions.empty()) delete worker->sessions.begin()->second;
  if (delivery_thread_.joinable()) {
    delivery_loop_->stop();
    delivery_thread_.join();
  }
  {
    const std::lock_guard lock(queue_mutex_);
    queue_ = nullptr;
  }
  dispatcher_.reset();
  signals_.clear();
  shutdown_timer_.reset();
  clock_.reset();
  sweeper_.reset();
  watchdog_.reset();
  console_.reset();
  gate_.reset();
  auth_desk_.reset();
  process_.reset();
  listeners_.reset();
  spool_.reset();
  if (logs_) logs_->close();
  if (!pidfile_.empty()) ::unlink(pidfile_.c_str());
}

}  // namespace impulse::server
