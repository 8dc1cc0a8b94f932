#include "server/figures.h"

#include <utility>

#include "config.h"

namespace impulse::server {

api::Figures figures_of(control::System& system, const spool::Spool& spool) {
  api::Figures figures;
  figures.version = PACKAGE_VERSION;
  figures.node = system.node();
  figures.started = system.started();
  figures.generation = system.engine().current()->generation();
  for (control::ListenStatus& listen : system.listens())
    figures.listens.push_back({std::move(listen.listener), std::move(listen.endpoint), listen.bound, listen.sessions});
  figures.spool = spool.status();
  const control::QueueTotals totals = system.queue_totals();
  api::Figures::Queue queue;
  queue.domains = totals.domains;
  queue.active = totals.active;
  queue.delayed = totals.delayed;
  queue.in_flight = totals.in_flight;
  figures.queue = queue;
  const control::SystemInfo information = system.process().information();
  figures.process = {system.process().memory().resident, information.descriptors, information.descriptor_limit};
  return figures;
}

std::shared_ptr<const api::Figures> FiguresCache::at(SteadyTime now) {
  if (figures_ == nullptr || now - gathered_ >= age) {
    figures_ = std::make_shared<const api::Figures>(gather_());
    gathered_ = now;
  }
  return figures_;
}

}  // namespace impulse::server
