#include "server/listeners.h"

#include <algorithm>
#include <utility>

namespace impulse::server {

namespace key = config::key;
using telemetry::Area;
using telemetry::Level;

Listeners::Listeners(net::Loop& main, Loops& loops, telemetry::Log& log,
                     std::function<void(Worker&, Incoming)> mail, std::function<void(Incoming)> control)
    : main_(main), loops_(loops), log_(log), mail_(std::move(mail)), control_(std::move(control)) {}

Listeners::~Listeners() = default;

Listeners::Service Listeners::describe(const config::ListenConf& conf) const {
  const config::Options& options = conf.options();
  Service service;
  service.listener = conf.listener();
  service.endpoint = conf.endpoint();
  service.attributes.backlog = static_cast<int>(options[key::listen_backlog]);
  service.attributes.file_mode = options[key::file_mode];
  service.attributes.reuse_address = options[key::reuse_address];
  service.attributes.reuse_port = options[key::reuse_port] && !conf.endpoint().is_unix();
  service.attributes.receive_buffer = static_cast<int>(options[key::tcp_recv_buffer_size]);
  service.attributes.send_buffer = static_cast<int>(options[key::tcp_send_buffer_size]);
  service.per_wakeup = static_cast<int>(options[key::events_per_iter]);
  if (service.per_wakeup <= 0) service.per_wakeup = 64;
  if (service.listener != config::ScopeKind::control_listener)
    service.workers = loops_.pool(options[key::event_loop], static_cast<size_t>(options[key::concurrency]));
  return service;
}

Result<> Listeners::prepare(const config::SnapshotPtr&, const config::SnapshotPtr& next) {
  if (auto grown = loops_.grow(*next); !grown) return grown;

  std::map<Key, Service> wanted;
  for (const auto& conf : next->listens()) {
    if (!conf->enabled()) continue;
    Service service = describe(*conf);
    wanted.emplace(Key{service.endpoint, service.attributes.reuse_port}, std::move(service));
  }
  // Sockets that will be closed may overlap new ones (*:25 and 127.0.0.1:25).
  std::vector<net::ListenSocket*> replaced;
  for (const auto& [name, service] : services_)
    if (!wanted.contains(name))
      for (const auto& socket : service.sockets) replaced.push_back(socket.get());

  for (auto& [name, service] : wanted) {
    if (services_.contains(name)) continue;
    const size_t count = service.attributes.reuse_port ? std::max<size_t>(1, service.workers.size()) : 1;
    for (size_t i = 0; i < count; ++i) {
      auto socket = net::ListenSocket::open(service.endpoint, service.attributes, replaced);
      if (!socket) {
        abort();
        return std::unexpected(socket.error());
      }
      service.sockets.push_back(std::move(*socket));
    }
    acquired_.emplace(name, std::move(service));
  }
  return {};
}

void Listeners::abort() noexcept {
  // A client may have come to a socket that is now given up, though an old
  // one of ours overlaps it: it is served there.
  for (auto& [name, service] : acquired_) drain(service);
  acquired_.clear();
  for (auto& [name, service] : services_)
    for (const auto& socket : service.sockets) socket->settle();
}

void Listeners::hand_over(const std::vector<Worker*>& workers, Incoming incoming) {
  const auto parcel = std::make_shared<Incoming>(std::move(incoming));
  if (parcel->listener == config::ScopeKind::control_listener) {
    main_.post([this, parcel] { control_(std::move(*parcel)); });
    return;
  }
  Worker& worker = least_busy(workers);
  worker.loop->sessions.fetch_add(1, std::memory_order_relaxed);
  worker.loop->post([this, &worker, parcel] { mail_(worker, std::move(*parcel)); });
}

void Listeners::arm(Service& service) {
  service.armed_on.clear();
  for (size_t i = 0; i < service.sockets.size(); ++i) {
    net::ListenSocket* socket = service.sockets[i].get();
    // A socket a worker keeps what it accepts; a shared one spreads it.
    const std::vector<Worker*> workers =
        service.attributes.reuse_port ? std::vector<Worker*>{service.workers[i % service.workers.size()]} : service.workers;
    Worker* on = workers.empty() ? nullptr : workers.front();
    service.armed_on.push_back(on);
    const auto work = [this, socket, workers, on, listener = service.listener, listen = service.endpoint,
                       per_wakeup = service.per_wakeup] {
      socket->arm(
          on == nullptr ? main_ : *on->loop,
          [this, on, workers, listener, listen](UniqueFd fd, const Endpoint& peer) {
            hand_over(workers, {listener, listen, std::move(fd), peer, on == nullptr ? snapshot_ : on->snapshot});
          },
          per_wakeup,
          [this, name = listen.to_string()](std::string_view what) {
            log_.write(Level::error, Area::net, "accept-trouble", fmt::format("{}: {}", name, what));
          });
    };
    if (on == nullptr)
      work();
    else
      Loops::run_on(*on, work);
  }
}

void Listeners::disarm(Service& service) {
  for (size_t i = 0; i < service.armed_on.size(); ++i) {
    net::ListenSocket* socket = service.sockets[i].get();
    if (service.armed_on[i] == nullptr)
      socket->disarm();
    else
      Loops::run_on(*service.armed_on[i], [socket] { socket->disarm(); });
  }
  service.armed_on.clear();
}

void Listeners::drain(Service& service) {
  // Whoever serves the same clients from now on takes them: the Listen itself
  // when it lives on under another key, else an overlapping one.
  const Service* heir = nullptr;
  for (const auto& [name, candidate] : services_) {
    if (candidate.listener != service.listener) continue;
    const Endpoint& a = candidate.endpoint;
    const Endpoint& b = service.endpoint;
    if (a == b || (a.kind() == b.kind() && !a.is_unix() && a.port() == b.port() &&
                   (a.address().is_any() || b.address().is_any())))
      heir = &candidate;
  }
  const Service& serving = heir == nullptr ? service : *heir;
  const config::SnapshotPtr& snapshot = heir == nullptr ? previous_ : snapshot_;
  for (const auto& socket : service.sockets)
    socket->drain([&](UniqueFd fd, const Endpoint& peer) {
      if (snapshot == nullptr) return;  // nobody to serve it: closed, as by a port that never opened
      hand_over(serving.workers, {serving.listener, serving.endpoint, std::move(fd), peer, snapshot});
    });
}

void Listeners::apply(const config::SnapshotPtr& next) noexcept {
  loops_.resize(*next);
  previous_ = std::exchange(snapshot_, next);
  std::map<Key, Service> now;
  for (const auto& conf : next->listens()) {
    if (!conf->enabled()) continue;
    Service wanted = describe(*conf);
    const Key name{wanted.endpoint, wanted.attributes.reuse_port};
    if (auto node = acquired_.extract(name)) {
      now.insert(std::move(node));
    } else if (auto kept = services_.extract(name)) {
      Service& service = kept.mapped();
      if (service.attributes != wanted.attributes)
        for (const auto& socket : service.sockets) socket->repoint(wanted.attributes);
      const bool moves = service.listener != wanted.listener || service.per_wakeup != wanted.per_wakeup ||
                         (!wanted.attributes.reuse_port && service.workers != wanted.workers);
      if (moves) disarm(service);
      wanted.sockets = std::move(service.sockets);
      wanted.armed_on = std::move(service.armed_on);
      if (wanted.attributes.reuse_port) wanted.workers = service.workers;  // a socket a worker: as many as there were
      service = std::move(wanted);
      now.insert(std::move(kept));
    }
  }
  leaving_ = std::move(services_);
  services_ = std::move(now);
  for (auto& [name, service] : leaving_) {
    disarm(service);
    log_.write(Level::notice, Area::net, "listener-closed", service.endpoint.to_string());
  }
  for (auto& [name, service] : services_) {
    if (!service.armed_on.empty()) continue;
    const bool is_new = std::none_of(leaving_.begin(), leaving_.end(), [&](const auto& left) {
      return left.first.first == service.endpoint;
    });
    for (const auto& socket : service.sockets) socket->publish();
    arm(service);
    if (is_new) log_.write(Level::notice, Area::net, "listener-bound", service.endpoint.to_string());
  }
}

void Listeners::finish() noexcept {
  for (auto& [name, service] : leaving_) drain(service);
  leaving_.clear();
  previous_ = nullptr;
  for (auto& [name, service] : services_)
    for (const auto& socket : service.sockets) socket->settle();
}

std::vector<Listeners::Bound> Listeners::bound() const {
  std::vector<Bound> found;
  for (const auto& [name, service] : services_) found.push_back({service.listener, service.endpoint});
  return found;
}

void Listeners::close_all() {
  for (auto& [name, service] : services_) disarm(service);
  leaving_ = std::move(services_);
  services_.clear();
  previous_ = snapshot_;
  finish();
}

}  // namespace impulse::server
