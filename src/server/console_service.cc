#include "server/console_service.h"

#include "server/client_session.h"
#include "server/console_connection.h"
#include "server/indexing.h"
#include "server/serving.h"
#include "server/tls_settings.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include "config.h"

namespace impulse::server {

namespace key = config::key;

namespace {

// Connections at a time, by TCP and by Unix sockets each: who only connects
// takes neither all descriptors nor the operator's way in.
constexpr std::ptrdiff_t most_connections = 500;
constexpr size_t most_calls = 100;  // of HTTP, each with an answer in memory

}  // namespace

ConsoleService::ConsoleService(ConsoleParts parts)
    : parts_(std::move(parts)), commands_(control::all_commands()), started_(wall_now()) {}

ConsoleService::~ConsoleService() = default;

void ConsoleService::accept(Incoming incoming) {
  const config::ListenConf* conf = serving(incoming);
  if (conf == nullptr) return;
  const auto open = std::ranges::count_if(connections_, [&](const auto& connection) {
    return connection.first->listen().is_unix() == incoming.listen.is_unix();
  });
  if (open >= most_connections) {
    parts_.log.write(telemetry::Level::warning, telemetry::Area::control, "control-refused",
                     fmt::format("{}: {} consoles are open already", incoming.peer.to_string(), open));
    return;
  }
  const config::Options& options = console_options(*conf, incoming.peer);
  const std::string refusal = parts_.gate.refusal(incoming.peer, options);
  auto connection = std::make_unique<ConsoleConnection>(*this, std::move(incoming), options);
  ConsoleConnection& started = *connection;
  connections_.emplace(&started, std::move(connection));
  started.start(commands_, refusal);
}

std::unique_ptr<control::Session> ConsoleService::make_session(control::Client client,
                                                               const config::SnapshotPtr& snapshot,
                                                               const config::Options& options,
                                                               control::Access::OptionsIn options_in) {
  control::PeerIdentity identity{client.uid, client.proof ? client.proof->user : client.user,
                                 client.listen.to_string()};
  auto access = parts_.gate.admit(std::move(client), snapshot, options, std::move(options_in));
  return std::make_unique<control::Session>(
      *this, commands_, std::move(identity), control::About{PACKAGE_VERSION, wall_now},
      [this](const control::PeerIdentity& who, std::string_view command, const control::Status& status) {
        parts_.counters.add(telemetry::Counter::control_commands);
        parts_.commanded();
        parts_.log.write(
            telemetry::Level::notice, telemetry::Area::control, "control-command",
            fmt::format("{} via {}: {} ={}", who.to_string(), who.via, command, static_cast<int>(status.code)));
      },
      std::move(access));
}

void ConsoleService::call(ControlAsk ask, std::function<void(ControlAnswer)> done) {
  if (calls_.size() >= most_calls) return done({503, {}, true});
  if (auto wrong = wrong_with_list(commands_, ask.order))
    return done({api::status_of(wrong->fault), api::error_body(*wrong, api::Style::impulse)});
  const auto options_in = [listen = ask.client.listen, local = ask.local,
                           address = ask.address](const config::Snapshot& snapshot) -> const config::Options* {
    const config::ListenConf* conf = serving(snapshot, config::ScopeKind::http_listener, listen, local);
    return conf ? &conf->for_peer(address) : nullptr;
  };
  // What is in force decides, whatever the client's connection still works under.
  config::SnapshotPtr snapshot = parts_.engine.current();
  const config::Options* options = options_in(*snapshot);
  if (options == nullptr || parts_.gate.is_foreign(*snapshot, ask.client.proof->user))
    return done({api::status_of(api::Fault::refused),
                 api::error_body({api::Fault::refused, {}, "no commands are taken here"}, api::Style::impulse)});
  auto session = make_session(std::move(ask.client), snapshot, *options, options_in);
  const uint64_t number = ++last_call_;
  auto& call = calls_[number] =
      std::make_unique<ControlCall>(parts_.main, std::move(session), std::move(ask.order),
                                    [this, number, done = std::move(done)](ControlAnswer answer) {
                                      done(std::move(answer));
                                      calls_.erase(number);
                                    });
  call->start();
}

void ConsoleService::ended(ConsoleConnection& connection) { connections_.erase(&connection); }

void ConsoleService::close_all() {
  connections_.clear();
  calls_.clear();
}

void ConsoleService::event(std::string_view id, std::string_view text) {
  for (const auto& [connection, owned] : connections_) connection->event(id, text);
}

config::Engine& ConsoleService::engine() { return parts_.engine; }
const telemetry::Counters& ConsoleService::counters() { return parts_.counters; }
WallTime ConsoleService::started() { return started_; }
std::string ConsoleService::node() { return parts_.spool.node(); }
control::Process& ConsoleService::process() { return parts_.process; }
void ConsoleService::shut_down() { parts_.shut_down(); }

std::vector<control::InboundSession> ConsoleService::inbound() {
  std::vector<control::InboundSession> found;
  std::mutex mutex;
  parts_.loops.run_on_all([&](Worker& worker) {
    const SteadyTime now = steady_now();
    const std::lock_guard lock(mutex);
    for (const auto& [id, session] : worker.sessions) found.push_back(session->row(now));
  });
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return found;
}

std::vector<control::ListenStatus> ConsoleService::listens() {
  const Listeners& listeners = parts_.listeners();
  const auto bound = listeners.bound();
  std::map<Endpoint, uint64_t> sessions;
  std::mutex mutex;
  parts_.loops.run_on_all([&](Worker& worker) {
    const std::lock_guard lock(mutex);
    for (const auto& [id, session] : worker.sessions) ++sessions[session->listen()];
  });
  const config::SnapshotPtr snapshot = parts_.engine.current();
  std::vector<control::ListenStatus> found;
  for (const auto& conf : snapshot->listens()) {
    control::ListenStatus row;
    row.listener = config::scope_def(conf->listener()).name;
    row.endpoint = conf->endpoint().to_string();
    const auto at = std::find_if(bound.begin(), bound.end(), [&](const Listeners::Bound& b) {
      return b.listener == conf->listener() && b.endpoint == conf->endpoint();
    });
    row.bound = at != bound.end();
    if (row.bound) row.generation = at->generation;
    if (row.bound) row.waiting = at->waiting;
    row.enabled = conf->enabled();
    row.stopped = listeners.stopped(conf->listener(), conf->endpoint());
    row.backlog = static_cast<int>(conf->options()[key::listen_backlog]);
    row.tls = tls_of(*snapshot, *conf);
    if (conf->listener() == config::ScopeKind::control_listener)
      row.sessions =
          static_cast<uint64_t>(std::count_if(connections_.begin(), connections_.end(), [&](const auto& connection) {
            return connection.first->listen() == conf->endpoint();
          }));
    else if (const auto count = sessions.find(conf->endpoint()); count != sessions.end())
      row.sessions = count->second;
    found.push_back(std::move(row));
  }
  return found;
}

control::ListenTls ConsoleService::tls_of(const config::Snapshot& snapshot, const config::ListenConf& listen) {
  const config::Options& options = listen.options();
  control::ListenTls tls;
  if (!offers_tls(*tls_settings(snapshot, options))) return tls;
  tls.certificate = certificate_name(options);
  tls.protocols = options[key::tls_protocols];
  tls.implicit = options[key::use_ssl];
  const auto context = parts_.tls.server_context(snapshot, options);
  if (!context) {
    tls.problem = context.error().message;
  } else if (*context) {
    tls.subject = (*context)->certificate_subject();
    tls.issuer = (*context)->certificate_issuer();
    tls.expires = (*context)->certificate_expiry();
  }
  return tls;
}

std::vector<control::GenerationSessions> ConsoleService::sessions_by_generation() {
  std::map<uint64_t, uint64_t> counts;
  std::mutex mutex;
  parts_.loops.run_on_all([&](Worker& worker) {
    const std::lock_guard lock(mutex);
    for (const auto& [id, session] : worker.sessions) ++counts[session->generation()];
  });
  std::vector<control::GenerationSessions> found;
  for (const auto& [generation, sessions] : counts) found.push_back({generation, sessions});
  return found;
}

bool ConsoleService::kill_session(uint64_t id) {
  std::atomic<bool> found{false};
  parts_.loops.run_on_all([&](Worker& worker) {
    const auto it = worker.sessions.find(id);
    if (it == worker.sessions.end()) return;
    found = true;
    it->second->kill();
  });
  return found;
}

Result<std::vector<Endpoint>> ConsoleService::act_on_listens(control::ListenAct act,
                                                             const control::ListenTarget& target) {
  return parts_.listeners().act(act, target);
}

void ConsoleService::retrace() {
  parts_.loops.run_on_all([](Worker& worker) {
    for (const auto& [id, session] : worker.sessions) session->retrace();
  });
}

Result<uint64_t> ConsoleService::trace_add(telemetry::TraceSpec spec) {
  const bool inbound = spec.inbound;
  auto id = parts_.tracers.add(std::move(spec));
  if (id && inbound) retrace();
  return id;
}

bool ConsoleService::trace_remove(uint64_t id) {
  if (!parts_.tracers.remove(id)) return false;
  retrace();
  return true;
}

control::SpoolStatus ConsoleService::spool() {
  const spool::Status status = parts_.spool.status();
  const spool::Indexing& now = status.indexing;
  using Phase = spool::Indexing::Phase;
  const char* phase = now.phase == Phase::reading ? "reading" : now.phase == Phase::queueing ? "queueing" : "done";
  return {status.accepting,
          status.reason,
          status.messages,
          status.segments,
          status.bytes,
          status.free_bytes,
          status.copied,
          status.copied_bytes,
          status.removed,
          status.freed,
          {phase, now.segments, now.segments_read, now.messages, now.queued, now.percent(), text_of(now)}};
}

}  // namespace impulse::server
