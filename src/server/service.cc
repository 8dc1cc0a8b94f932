#include "server/service.h"

#include <algorithm>
#include <utility>

namespace impulse::server {

Result<std::unique_ptr<Service>> Service::acquire(Reception& reception, ServicePlanPtr plan,
                                                  std::vector<Worker*> workers,
                                                  std::span<net::ListenSocket* const> replacing) {
  std::unique_ptr<Service> service(new Service(reception, std::move(plan), std::move(workers)));
  const ServicePlan& wanted = service->plan();
  const size_t count = wanted.attributes.reuse_port ? std::max<size_t>(1, service->workers_.size()) : 1;
  for (size_t i = 0; i < count; ++i) {
    auto socket = net::ListenSocket::open(wanted.endpoint, wanted.attributes, replacing);
    if (!socket) return std::unexpected(std::move(socket.error()));
    Door door;
    door.socket = std::move(*socket);
    service->doors_.push_back(std::move(door));
  }
  return service;
}

Service::~Service() {
  Errands errands;
  disarm(errands);
  errands.run();
}

std::vector<net::ListenSocket*> Service::sockets() const {
  std::vector<net::ListenSocket*> found;
  for (const Door& door : doors_) found.push_back(door.socket.get());
  return found;
}

uint64_t Service::waiting() const {
  uint64_t count = 0;
  for (const Door& door : doors_) count += door.queue->waiting();
  return count;
}

void Service::begin(std::vector<Worker*> workers, const config::SnapshotPtr& snapshot, Errands& errands) {
  workers_ = std::move(workers);
  snapshot_ = snapshot;
  for (const Door& door : doors_) door.socket->publish();
  resume(errands);
}

void Service::resume(Errands& errands) {
  for (size_t i = 0; i < doors_.size(); ++i) {
    Door& door = doors_[i];
    // A socket a worker keeps what it accepts; a shared one spreads it.
    std::vector<Worker*> workers = workers_;
    if (plan_->attributes.reuse_port && !workers.empty()) workers = {workers[i % workers.size()]};
    door.on = workers.empty() ? nullptr : workers.front();
    door.target = std::make_shared<Target>(Target{std::move(workers), snapshot_});
    door.armed = true;
    errands.add(door.on, [&door, this] { open(door); });
  }
}

// On the loop that accepts.
void Service::open(Door& door) {
  net::Loop& loop = door.on == nullptr ? reception_.main() : *door.on->loop;
  const auto accepted = [&reception = reception_, queue = door.queue.get(), target = door.target,
                         listener = plan_->listener, listen = plan_->endpoint](UniqueFd fd, const Endpoint& peer) {
    reception.hand_over(target->workers,
                        {listener, listen, std::move(fd), peer, target->snapshot, nullptr, queue->join()});
  };
  const auto trouble = [&reception = reception_, endpoint = plan_->endpoint](std::string_view what) {
    reception.trouble(endpoint, what);
  };
  net::ListenSocket* const socket = door.socket.get();
  door.queue->set_bound(plan_->accept_queue);
  door.queue->open(
      loop,
      [socket, &loop, accepted, per_wakeup = plan_->per_wakeup, trouble] {
        socket->arm(loop, accepted, per_wakeup, trouble);
      },
      [socket] { socket->disarm(); });
}

void Service::disarm(Errands& errands) {
  for (Door& door : doors_)
    if (std::exchange(door.armed, false)) errands.add(door.on, [queue = door.queue.get()] { queue->close(); });
}

bool Service::follow(const ServicePlanPtr& plan, const std::vector<Worker*>& workers,
                     const config::SnapshotPtr& snapshot, Errands& errands) {
  bool moves = false;
  if (plan != plan_) {
    if (plan_->attributes != plan->attributes)
      for (const Door& door : doors_) door.socket->repoint(plan->attributes);
    moves = plan_->listener != plan->listener || plan_->per_wakeup != plan->per_wakeup;
    plan_ = plan;
  }
  // With a socket a worker there stay as many as there were, spread over the workers there are.
  if (workers != workers_) {
    workers_ = workers;
    moves = true;
  }
  if (!moves) {
    aim({}, snapshot, errands);
    return false;
  }
  snapshot_ = snapshot;
  disarm(errands);
  return true;
}

void Service::settle() noexcept {
  for (const Door& door : doors_) door.socket->settle();
}

void Service::stand_alone() noexcept {
  for (const Door& door : doors_) door.socket->stand_alone();
}

// Who comes in from now on does so under `snapshot`, and is given to
// `workers`, or, where there are none, to whom it was.
void Service::aim(const std::vector<Worker*>& workers, const config::SnapshotPtr& snapshot, Errands& errands) {
  snapshot_ = snapshot;
  for (Door& door : doors_) {
    if (!door.target) door.target = std::make_shared<Target>();  // has never been armed
    errands.add(door.armed ? door.on : nullptr,
                [target = door.target.get(), queue = door.queue.get(), snapshot, workers, most = plan_->accept_queue] {
                  target->snapshot = snapshot;
                  if (!workers.empty()) target->workers = workers;
                  queue->set_bound(most);
                });
  }
}

void Service::retire(const Service* heir, const config::SnapshotPtr& snapshot, Errands& errands) {
  for (const Door& door : doors_) door.socket->retire();
  if (heir != nullptr)
    aim(heir->workers_, heir->snapshot_, errands);
  else
    aim({}, snapshot, errands);
  if (heir == nullptr) disarm(errands);
}

void Service::end() {
  Errands errands;
  disarm(errands);
  errands.run();
  for (const Door& door : doors_) {
    if (!door.target || !door.target->snapshot) continue;  // nobody to serve them
    door.socket->drain([&](UniqueFd fd, const Endpoint& peer) {
      reception_.hand_over(door.target->workers, {plan_->listener, plan_->endpoint, std::move(fd), peer,
                                                  door.target->snapshot, nullptr, door.queue->join()});
    });
  }
}

}  // namespace impulse::server
