#include "server/service.h"

#include <algorithm>
#include <utility>

namespace impulse::server {

Result<std::unique_ptr<Service>> Service::acquire(Reception& reception, ServicePlan plan,
                                                  std::span<net::ListenSocket* const> replacing) {
  std::unique_ptr<Service> service(new Service(reception, std::move(plan)));
  const ServicePlan& wanted = service->plan_;
  const size_t count = wanted.attributes.reuse_port ? std::max<size_t>(1, wanted.workers.size()) : 1;
  for (size_t i = 0; i < count; ++i) {
    auto socket = net::ListenSocket::open(wanted.endpoint, wanted.attributes, replacing);
    if (!socket) return std::unexpected(std::move(socket.error()));
    Door door;
    door.socket = std::move(*socket);
    service->doors_.push_back(std::move(door));
  }
  return service;
}

Service::~Service() { disarm(); }

std::vector<net::ListenSocket*> Service::sockets() const {
  std::vector<net::ListenSocket*> found;
  for (const Door& door : doors_) found.push_back(door.socket.get());
  return found;
}

void Service::run_on(Worker* worker, const std::function<void()>& work) {
  if (worker == nullptr)
    work();
  else
    Loops::run_on(*worker, work);
}

void Service::begin(const config::SnapshotPtr& snapshot) {
  snapshot_ = snapshot;
  for (const Door& door : doors_) door.socket->publish();
  arm();
}

void Service::arm() {
  for (size_t i = 0; i < doors_.size(); ++i) {
    Door& door = doors_[i];
    // A socket a worker keeps what it accepts; a shared one spreads it.
    std::vector<Worker*> workers = plan_.workers;
    if (plan_.attributes.reuse_port && !workers.empty()) workers = {workers[i % workers.size()]};
    door.on = workers.empty() ? nullptr : workers.front();
    door.target = std::make_shared<Target>(Target{std::move(workers), snapshot_});
    door.armed = true;
    run_on(door.on, [&, this] {
      door.socket->arm(
          door.on == nullptr ? reception_.main() : *door.on->loop,
          [&reception = reception_, target = door.target, listener = plan_.listener, listen = plan_.endpoint](
              UniqueFd fd, const Endpoint& peer) {
            reception.hand_over(target->workers, {listener, listen, std::move(fd), peer, target->snapshot});
          },
          plan_.per_wakeup,
          [&reception = reception_, endpoint = plan_.endpoint](std::string_view what) {
            reception.trouble(endpoint, what);
          });
    });
  }
}

void Service::disarm() {
  for (Door& door : doors_)
    if (std::exchange(door.armed, false)) run_on(door.on, [&] { door.socket->disarm(); });
}

void Service::follow(ServicePlan plan, const config::SnapshotPtr& snapshot) {
  if (plan_.attributes != plan.attributes)
    for (const Door& door : doors_) door.socket->repoint(plan.attributes);
  // A socket a worker: there stay as many as there were.
  if (plan.attributes.reuse_port) plan.workers = plan_.workers;
  const bool moves =
      plan_.listener != plan.listener || plan_.per_wakeup != plan.per_wakeup || plan_.workers != plan.workers;
  plan_ = std::move(plan);
  if (!moves) {
    aim({}, snapshot);
    return;
  }
  snapshot_ = snapshot;
  disarm();
  arm();
}

void Service::settle() noexcept {
  for (const Door& door : doors_) door.socket->settle();
}

void Service::stand_alone() noexcept {
  for (const Door& door : doors_) door.socket->stand_alone();
}

// Who comes in from now on does so under `snapshot`, and is given to
// `workers`, or, where there are none, to whom it was.
void Service::aim(const std::vector<Worker*>& workers, const config::SnapshotPtr& snapshot) {
  snapshot_ = snapshot;
  for (Door& door : doors_) {
    if (!door.target) door.target = std::make_shared<Target>();  // has never been armed
    run_on(door.armed ? door.on : nullptr, [&] {
      door.target->snapshot = snapshot;
      if (!workers.empty()) door.target->workers = workers;
    });
  }
}

void Service::retire(const Service* heir, const config::SnapshotPtr& snapshot) {
  for (const Door& door : doors_) door.socket->retire();
  if (heir != nullptr)
    aim(heir->plan_.workers, heir->snapshot_);
  else
    aim({}, snapshot);
  if (heir == nullptr) end();
}

void Service::end() {
  disarm();
  for (const Door& door : doors_) {
    if (!door.target || !door.target->snapshot) continue;  // nobody to serve them
    door.socket->drain([&](UniqueFd fd, const Endpoint& peer) {
      reception_.hand_over(door.target->workers,
                           {plan_.listener, plan_.endpoint, std::move(fd), peer, door.target->snapshot});
    });
  }
}

}  // namespace impulse::server
