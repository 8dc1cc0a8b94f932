#include "server/listeners.h"

#include "server/serving.h"

#include <sys/resource.h>

#include <algorithm>
#include <climits>
#include <ranges>
#include <utility>

namespace impulse::server {

namespace key = config::key;
using telemetry::Area;
using telemetry::Level;

namespace {

// A TCP handshake takes a round trip, or some when packets are lost.
constexpr Duration handshake_grace = std::chrono::seconds(3);

// A sixteenth of the limit is kept back, at least 64 where there are many.
int reserve_from() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) return INT_MAX;
  const auto all = static_cast<int>(limit.rlim_cur);
  return all - std::min(std::max(64, all / 16), all / 4);
}

}  // namespace

Listeners::Listeners(net::Loop& main, Loops& loops, telemetry::Log& log, telemetry::Counters& counters,
                     std::function<void(Worker&, Incoming)> mail, std::function<void(Incoming)> control)
    : main_(main),
      loops_(loops),
      log_(log),
      counters_(counters),
      mail_(std::move(mail)),
      control_(std::move(control)),
      first_reserved_(reserve_from()),
      grace_(main, [this] { end_retired(); }) {}

Listeners::~Listeners() = default;

namespace {

ServicePlanPtr plan_of(const config::ListenConf& conf) {
  if (!conf.enabled()) return nullptr;
  const config::Options& options = conf.options();
  auto plan = std::make_shared<ServicePlan>();
  plan->listener = conf.listener();
  plan->endpoint = conf.endpoint();
  plan->origin = conf.origin().to_string();
  plan->attributes.backlog = static_cast<int>(options[key::listen_backlog]);
  plan->attributes.file_mode = options[key::file_mode];
  plan->attributes.reuse_address = options[key::reuse_address];
  plan->attributes.reuse_port = options[key::reuse_port] && !conf.endpoint().is_unix();
  plan->attributes.receive_buffer = static_cast<int>(options[key::tcp_recv_buffer_size]);
  plan->attributes.send_buffer = static_cast<int>(options[key::tcp_send_buffer_size]);
  plan->per_wakeup = static_cast<int>(options[key::events_per_iter]);
  plan->accept_queue = static_cast<uint64_t>(options[key::accept_queue_backlog]);
  if (plan->listener != config::ScopeKind::control_listener) {
    plan->pool = options[key::event_loop];
    plan->pool_name = options[key::pool_name];
    plan->at_most = static_cast<size_t>(options[key::concurrency]);
  }
  return plan;
}

bool in_order(const config::ListenConf& a, const config::ListenConf& b) {
  return a.listener() != b.listener() ? a.listener() < b.listener() : a.endpoint() < b.endpoint();
}

}  // namespace

// Who serves, asked once for all the Listens of a pool.
class Listeners::Pools {
 public:
  Pools(const Loops& loops, const config::Snapshot& snapshot) : loops_(loops), snapshot_(snapshot) {}
  const std::vector<Worker*>& of(const ServicePlan& plan) {
    const bool named = !plan.pool.empty() && !plan.pool_name.empty() && snapshot_.event_loop(plan.pool_name);
    const std::string& pool = named ? plan.pool_name : plan.pool;
    const auto [at, fresh] = known_.try_emplace({pool, plan.at_most});
    if (fresh && !pool.empty()) at->second = loops_.pool(pool, plan.at_most);
    return at->second;
  }

 private:
  const Loops& loops_;
  const config::Snapshot& snapshot_;
  std::map<std::pair<std::string, size_t>, std::vector<Worker*>> known_;
};

// What a commit left as it was costs a comparison of pointers.
void Listeners::plan(const config::Snapshot& next) {
  std::vector<Planned> fresh;
  fresh.reserve(next.listens().size());
  auto known = planned_.begin();
  for (const auto& conf : next.listens()) {
    while (known != planned_.end() && known->conf != conf && in_order(*known->conf, *conf)) ++known;
    if (known != planned_.end() && known->conf == conf)
      fresh.push_back(std::move(*known++));
    else
      fresh.push_back({conf, plan_of(*conf)});
  }
  planned_ = std::move(fresh);
}

bool Listeners::serves(const Planned& planned) const {
  return planned.plan && (stopped_.empty() || !stopped_.contains({planned.plan->listener, planned.plan->endpoint}));
}

Result<> Listeners::prepare(const config::SnapshotPtr&, const config::SnapshotPtr& next) {
  if (auto grown = loops_.grow(*next); !grown) return grown;
  plan(*next);
  // Sockets of ours may overlap new ones (*:25 and 127.0.0.1:25), whether
  // they are about to go or stay: the kernel prefers the specific address.
  const auto overlapping = [&](const Endpoint& endpoint) {
    std::vector<net::ListenSocket*> sockets;
    for (const Services* services : {&services_, &retired_, &acquired_})
      for (const auto& [name, service] : *services)
        if (overlap(service->plan().endpoint, endpoint))
          for (net::ListenSocket* socket : service->sockets()) sockets.push_back(socket);
    return sockets;
  };
  Pools pools(loops_, *next);
  for (const Planned& planned : planned_) {
    if (!serves(planned)) continue;
    const ServicePlan& plan = *planned.plan;
    const Key name = key_of(plan);
    if (acquired_.contains(name)) continue;
    if (services_.contains(name) && !rebinding_.contains({plan.listener, plan.endpoint})) continue;
    auto service = Service::acquire(*this, planned.plan, pools.of(plan), overlapping(plan.endpoint));
    if (!service) {
      abort();
      return fail(service.error().code, "{}: {}", plan.origin, service.error().message);
    }
    acquired_.emplace(name, std::move(*service));
  }
  // Of two sockets on one address the kernel may choose the retired one. Only
  // now: a commit that was refused ends nothing.
  std::erase_if(retired_, [&](const auto& retired) {
    const bool again = std::ranges::any_of(
        planned_, [&](const Planned& each) { return serves(each) && key_of(*each.plan) == retired.first; });
    if (again) retired.second->end();
    return again;
  });
  return {};
}

void Listeners::abort() noexcept {
  // A client may have come to a socket that is now given up, though an old
  // one of ours overlaps it: it is served there.
  Errands errands;
  for (auto& [name, service] : acquired_) service->retire(heir_of(*service), nullptr, errands);
  errands.run();
  for (auto& [name, service] : acquired_) service->end();
  acquired_.clear();
  for (const auto& [name, service] : services_) service->settle();
  loops_.shrink();  // nobody has anything on the new ones any more
}

const Service* Listeners::heir_of(const Service& service) const {
  const Service* found = nullptr;
  for (const auto& [name, candidate] : services_) {
    if (candidate->plan().listener != service.plan().listener ||
        !overlap(candidate->plan().endpoint, service.plan().endpoint))
      continue;
    if (found == nullptr || candidate->plan().endpoint == service.plan().endpoint) found = candidate.get();
  }
  return found;
}

void Listeners::hand_over(const std::vector<Worker*>& workers, Incoming incoming) {
  const auto parcel = std::make_shared<Incoming>(std::move(incoming));
  if (workers.empty()) {
    main_.post([this, parcel] {
      parcel->turn.has_come();
      control_(std::move(*parcel));
    });
    return;
  }
  if (parcel->fd.get() >= first_reserved_) {
    counters_.add(telemetry::Counter::connections_refused);
    const int64_t now = std::chrono::duration_cast<std::chrono::seconds>(steady_now().time_since_epoch()).count();
    if (int64_t last = told_.load(); now - last >= 60 && told_.compare_exchange_strong(last, now))
      trouble(parcel->listen, "too few descriptors are left: connections are closed (Server_Max_File_Descriptors)");
    return;
  }
  Worker& worker = least_busy(workers);
  worker.loop->sessions.fetch_add(1, std::memory_order_relaxed);
  worker.loop->post([this, &worker, parcel] {
    parcel->turn.has_come();
    mail_(worker, std::move(*parcel));
  });
}

void Listeners::trouble(const Endpoint& endpoint, std::string_view what) {
  log_.write(Level::error, Area::net, "accept-trouble", fmt::format("{}: {}", endpoint.to_string(), what));
}

void Listeners::apply(const config::SnapshotPtr& next) noexcept {
  loops_.resize(*next);
  const config::SnapshotPtr previous = std::exchange(snapshot_, next);
  Services leaving = std::exchange(services_, {});
  Pools pools(loops_, *next);
  Errands errands;
  std::vector<Service*> moving;
  for (const Planned& planned : planned_) {
    if (!serves(planned)) continue;
    const ServicePlan& plan = *planned.plan;
    const Key name = key_of(plan);
    if (auto fresh = acquired_.extract(name)) {
      fresh.mapped()->begin(pools.of(plan), next, errands);
      if (leaving.contains(name)) {
        fresh.mapped()->stand_alone();
        tell("listener-restarted", plan.endpoint);
      } else if (!leaving.contains({plan.endpoint, !plan.attributes.reuse_port})) {
        tell("listener-bound", plan.endpoint);
      }
      services_.insert(std::move(fresh));
    } else if (auto kept = leaving.extract(name)) {
      if (kept.mapped()->follow(planned.plan, pools.of(plan), next, errands)) moving.push_back(kept.mapped().get());
      services_.insert(std::move(kept));
    }
  }
  errands.run();
  for (Service* service : moving) service->resume(errands);
  errands.run();

  std::map<Key, const Service*> heirs;
  for (const auto& [name, service] : leaving) service->retire(heirs[name] = heir_of(*service), previous, errands);
  errands.run();
  for (auto& [name, service] : leaving) {
    const Service* heir = heirs[name];
    if (heir == nullptr || heir->plan().endpoint != service->plan().endpoint)
      tell("listener-closed", service->plan().endpoint);
    if (heir == nullptr) {
      service->end();
      continue;
    }
    // Changed back and forth quickly: the elder has had its time.
    if (const auto elder = retired_.find(name); elder != retired_.end()) {
      elder->second->end();
      retired_.erase(elder);
    }
    retired_.emplace(name, std::move(service));
  }
  std::erase_if(stopped_, [&](const Name& name) { return next->find_listen(name.first, name.second) == nullptr; });
}

void Listeners::finish() noexcept {
  for (const auto& [name, service] : services_)
    if (!name.second || !retired_.contains(name)) service->settle();  // else it stands alone, for a while
  if (!retired_.empty()) grace_.start(handshake_grace);
}

void Listeners::end_retired() {
  for (const auto& [name, service] : retired_) service->end();
  retired_.clear();
  for (const auto& [name, service] : services_) service->settle();
}

std::vector<Listeners::Bound> Listeners::bound() const {
  std::vector<Bound> found;
  for (const auto& [name, service] : services_) {
    const auto& snapshot = service->snapshot();
    found.push_back({service->plan().listener, service->plan().endpoint,
                     snapshot == nullptr ? 0 : snapshot->generation(), service->waiting()});
  }
  return found;
}

void Listeners::tell(std::string_view id, const Endpoint& endpoint) {
  log_.write(Level::notice, Area::net, id, endpoint.to_string());
  if (event_) event_(id, endpoint);
}

std::vector<const config::ListenConf*> Listeners::matching(const control::ListenTarget& target) const {
  std::vector<const config::ListenConf*> found;
  for (const auto& conf : snapshot_->listens())
    if (conf->listener() == target.listener && (!target.endpoint || conf->endpoint() == *target.endpoint))
      found.push_back(conf.get());
  return found;
}

// Somebody has to be able to say `listener start`.
Result<> Listeners::may_stop(const std::vector<const config::ListenConf*>& listens) const {
  if (listens.front()->listener() != config::ScopeKind::control_listener) return {};
  for (const auto& [name, service] : services_) {
    const ServicePlan& plan = service->plan();
    if (plan.listener == config::ScopeKind::control_listener &&
        std::none_of(listens.begin(), listens.end(),
                     [&](const auto* conf) { return conf->endpoint() == plan.endpoint; }))
      return {};
  }
  return fail(Errc::invalid, "no console could connect any more; to end that too, set Enable = false");
}

Result<> Listeners::follow() {
  const config::SnapshotPtr same = snapshot_;  // apply() replaces that one
  if (auto prepared = prepare(same, same); !prepared) return prepared;
  apply(same);
  finish();
  return {};
}

Result<std::vector<Endpoint>> Listeners::act(control::ListenAct act, const control::ListenTarget& target) {
  using control::ListenAct;
  const auto listens = matching(target);
  if (listens.empty()) return fail(Errc::not_found, "there is no such Listen");
  if (act == ListenAct::stop)
    if (auto allowed = may_stop(listens); !allowed) return std::unexpected(allowed.error());
  const std::set<Name> before = stopped_;
  std::vector<Endpoint> changed;
  for (const config::ListenConf* conf : listens) {
    const Name name{conf->listener(), conf->endpoint()};
    const bool is_stopped = stopped_.contains(name);
    switch (act) {
      case ListenAct::stop:
        if (stopped_.insert(name).second) changed.push_back(name.second);
        break;
      case ListenAct::start:
        if (target.endpoint && !conf->enabled())
          return fail(Errc::invalid, "it is disabled by the configuration (Enable = false)");
        if (stopped_.erase(name) > 0) changed.push_back(name.second);
        break;
      case ListenAct::restart:
        if (!conf->enabled() || is_stopped) break;
        for (const auto& [key, service] : retired_)
          if (key.first == name.second) {
            rebinding_.clear();
            return fail(Errc::busy, "{} was bound anew a moment ago; its old socket has clients on their way in",
                        name.second.to_string());
          }
        rebinding_.insert(name);
        changed.push_back(name.second);
        break;
    }
  }
  if (act == ListenAct::restart && changed.empty())
    return fail(Errc::invalid, "nothing is listening there (see 'listener show')");
  if (changed.empty()) return changed;
  const auto followed = follow();
  rebinding_.clear();
  if (followed) return changed;
  stopped_ = before;
  return std::unexpected(followed.error());
}

void Listeners::close_all() {
  grace_.stop();
  for (const auto& [name, service] : retired_) service->end();
  retired_.clear();
  Errands errands;
  for (const auto& [name, service] : services_) service->retire(nullptr, snapshot_, errands);
  errands.run();
  for (const auto& [name, service] : services_) service->end();
  services_.clear();
}

}  // namespace impulse::server
