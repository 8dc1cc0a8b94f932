// What ConsoleService answers about the queue and its messages, and the orders
// that it passes on: between control's words and delivery's.
#include "base/tenant.h"
#include "base/text.h"
#include "queue/name.h"
#include "server/awaited.h"
#include "server/console_service.h"

#include <atomic>
#include <latch>
#include <utility>

namespace impulse::server {

namespace {

using control::QueuedRecipient;

control::QueuedDomain row_of(const queue::DomainStatus& status) {
  return {status.domain,    status.active,       status.delayed,
          status.in_flight, status.held,         status.delivered,
          status.failed,    status.next_attempt, {}};
}

QueuedRecipient row_of(delivery::Waiting&& waiting, const std::string& node) {
  QueuedRecipient row;
  row.id = waiting.id.to_string(node);
  row.sender = std::move(waiting.sender);
  row.recipient = std::move(waiting.recipient);
  row.domain = std::move(waiting.domain);
  row.attempts = waiting.attempts;
  row.received = waiting.received;
  const bool held = waiting.next_attempt == queue::on_hold;
  if (!held) row.next_attempt = waiting.next_attempt;
  row.last_error = std::move(waiting.last_error);
  row.size = waiting.size;
  using State = QueuedRecipient::State;
  row.state = waiting.place == queue::Place::in_flight ? State::in_flight
              : waiting.place == queue::Place::active  ? State::active
              : held                                   ? State::held
                                                       : State::delayed;
  return row;
}

control::QueueActed acted_of(const delivery::Acted& acted, const std::optional<Error>& unsaved) {
  return {acted.done, acted.in_flight, acted.left, acted.missing, unsaved};
}

delivery::Act act_of(control::QueueAct act) {
  switch (act) {
    case control::QueueAct::retry:
      return delivery::Act::retry;
    case control::QueueAct::fail:
      return delivery::Act::fail;
    case control::QueueAct::hold:
      return delivery::Act::hold;
    case control::QueueAct::release:
      return delivery::Act::release;
    case control::QueueAct::delay:
      return delivery::Act::delay;
    case control::QueueAct::reroute:
      return delivery::Act::reroute;
    case control::QueueAct::rebind:
      return delivery::Act::rebind;
  }
  return delivery::Act::retry;
}

constexpr std::string_view state_name(delivery::Outbound::State state) {
  switch (state) {
    case delivery::Outbound::State::connecting:
      return "connecting";
    case delivery::Outbound::State::resting:
      return "resting";
    case delivery::Outbound::State::fetching:
      return "fetching";
    case delivery::Outbound::State::sending:
      return "sending";
  }
  return "resting";
}

// About those of its recipients that wait. Reads it.
Result<delivery::MessageOrder> order_of(const spool::Spool& spool, const control::MessageOrder& order) {
  const auto summary = spool.summary(order.id);
  if (!summary) return std::unexpected(summary.error());
  // The queue does not have it yet.
  if (auto known = spool.indexed(order.id); !known) return std::unexpected(known.error());
  delivery::MessageOrder passed{act_of(order.act), order.id, {}, order.quiet, order.response};
  for (uint32_t i = 0; i < summary->envelope.recipients.size(); ++i) {
    const std::string& address = summary->envelope.recipients[i].address;
    if (i < summary->states.size() && summary->states[i].state != spool::State::pending) continue;
    if (!order.recipient.empty() && !iequals(order.recipient, address)) continue;
    const bool rebound = i < summary->states.size() && !summary->states[i].binding.empty();
    passed.recipients.emplace_back(i, queue::name_of(summary->envelope.tenant, message::domain_of(address),
                                                     rebound ? summary->states[i].binding : summary->envelope.binding));
  }
  if (passed.recipients.empty())
    return fail(Errc::not_found, "{}: {} waits for nothing", order.id.to_string(spool.node()), order.recipient);
  return passed;
}

Result<control::MessageDetails> details_of(const spool::Spool& spool, MessageId id) {
  const auto stored = spool.open(id);  // the header section is in memory
  if (!stored) return std::unexpected(stored.error());
  control::MessageDetails details;
  details.id = id.to_string(spool.node());
  details.sender = stored->envelope.sender;
  details.received = stored->envelope.received;
  details.client = stored->envelope.client.to_string();
  details.helo = stored->envelope.client_helo;
  details.listener = stored->envelope.listener;
  details.tenant = stored->envelope.tenant;
  details.binding = stored->envelope.binding;
  details.envid = stored->envelope.envid;
  details.size = stored->size();
  const size_t end = stored->body.find("\r\n\r\n");
  details.header = stored->trace + stored->body.substr(0, end == std::string::npos ? 0 : end + 2);
  for (size_t i = 0; i < stored->envelope.recipients.size(); ++i) {
    const spool::RecipientState& state = stored->states[i];
    control::MessageDetails::Recipient row;
    row.address = stored->envelope.recipients[i].address;
    row.state = spool::state_name(state);
    if (row.state == "pending") row.next_attempt = state.next_attempt;
    row.attempts = state.attempts;
    row.last_error = state.last_error;
    row.binding = state.binding;
    details.recipients.push_back(std::move(row));
  }
  return details;
}

void run_on(net::Loop& loop, const std::function<void()>& work) {
  std::latch done(1);
  loop.post([&] {
    work();
    done.count_down();
  });
  done.wait();
}

class Reader final : public control::QueueReader {
 public:
  Reader(const ConsoleParts& parts, std::string name) : parts_(parts), name_(std::move(name)) {}

  std::vector<QueuedRecipient> read(size_t count) override {
    std::vector<delivery::Waiting> found;
    run_on(parts_.delivery_loop, [&] {
      while (!scan_.ended && found.size() < count)
        for (delivery::Waiting& each : parts_.dispatcher.waiting(name_, scan_, count - found.size()))
          found.push_back(std::move(each));
    });
    std::vector<QueuedRecipient> rows;
    rows.reserve(found.size());
    for (delivery::Waiting& each : found) rows.push_back(row_of(std::move(each), parts_.spool.node()));
    return rows;
  }

 private:
  const ConsoleParts& parts_;
  const std::string name_;
  queue::Queue::Scan scan_;
};

class Errand final : public control::QueueErrand {
 public:
  Errand(std::shared_ptr<const delivery::Errand> errand, std::string node)
      : errand_(std::move(errand)), node_(std::move(node)) {}

  control::QueueProgress progress() override {
    delivery::Progress now = errand_->progress();
    control::QueueProgress progress{now.looked_at,  acted_of(now.acted, now.unsaved), {}, now.ended,
                                    now.unreadable, std::move(now.why_unreadable)};
    for (delivery::Waiting& each : now.first) progress.first.push_back(row_of(std::move(each), node_));
    return progress;
  }

 private:
  std::shared_ptr<const delivery::Errand> errand_;
  std::string node_;
};

// Written once by a reading thread, then read by the main one.
class Text final : public control::MessageText {
 public:
  struct Shared {
    Result<Parts> parts{Parts{}};
    std::atomic<bool> there{false};
  };
  explicit Text(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  const Result<Parts>* ready() override {
    return shared_->there.load(std::memory_order_acquire) ? &shared_->parts : nullptr;
  }

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace

std::vector<control::OutboundConnection> ConsoleService::outbound() {
  std::vector<delivery::Outbound> connections;
  run_on(parts_.delivery_loop, [&] { connections = parts_.dispatcher.connections(); });
  std::vector<control::OutboundConnection> found;
  for (delivery::Outbound& each : connections)
    found.push_back({std::move(each.binding), each.peer, std::move(each.host), std::move(each.domain),
                     std::string(state_name(each.state)), each.fd, each.tls, each.jobs});
  return found;
}

std::vector<control::QueuedDomain> ConsoleService::queue_domains(std::string_view after, size_t count) {
  std::vector<control::QueuedDomain> found;
  run_on(parts_.delivery_loop, [&] {
    for (const queue::DomainStatus& status : parts_.dispatcher.domains(after, count)) found.push_back(row_of(status));
  });
  return found;
}

std::optional<control::QueuedDomain> ConsoleService::queue_domain(std::string_view name) {
  std::optional<control::QueuedDomain> found;
  run_on(parts_.delivery_loop, [&] {
    if (const auto status = parts_.dispatcher.domain(name)) found = row_of(*status);
    // A route is all tenants'.
    if (found) found->suspend_delivery = parts_.dispatcher.route_view(own_part(found->domain)).suspended;
    auto throttled = found ? parts_.dispatcher.throttled(name) : std::nullopt;
    if (throttled)
      found->throttle = {std::move(throttled->option), std::move(throttled->rate), std::move(throttled->scope),
                         throttled->wait};
  });
  return found;
}

control::QueueTotals ConsoleService::queue_totals() {
  queue::Totals totals;
  run_on(parts_.delivery_loop, [&] { totals = parts_.dispatcher.totals(); });
  return {totals.domains, totals.active, totals.delayed, totals.in_flight, totals.held};
}

std::unique_ptr<control::QueueReader> ConsoleService::queue_reader(std::string name) {
  return std::make_unique<Reader>(parts_, std::move(name));
}

std::unique_ptr<control::Awaited<control::QueueActed>> ConsoleService::act_on_message(
    const control::MessageOrder& order) {
  auto shared = std::make_shared<Answered<control::QueueActed>::Shared>();
  // Which recipients wait is read on one thread, done on another, and durable on a third.
  readers().post([shared, order, &spool = parts_.spool, &loop = parts_.delivery_loop, &dispatcher = parts_.dispatcher] {
    auto passed = order_of(spool, order);
    if (!passed) return shared->set(std::unexpected(std::move(passed.error())));
    loop.post([shared, passed = std::move(*passed), &dispatcher] {
      auto acted = std::make_shared<control::QueueActed>();
      // Nobody looks at what it gives before both have said that they are done.
      const auto ends = std::make_shared<std::atomic<int>>(2);
      const auto end = [shared, acted, ends] {
        if (ends->fetch_sub(1) == 1) shared->set(*acted);
      };
      const delivery::Acted done = dispatcher.act(passed, [acted, end](Result<> durable) {
        if (!durable) acted->unsaved = std::move(durable.error());
        end();
      });
      acted->done = done.done;
      acted->in_flight = done.in_flight;
      acted->left = done.left;
      acted->missing = done.missing;
      end();
    });
  });
  return std::make_unique<Answered<control::QueueActed>>(std::move(shared));
}

std::unique_ptr<control::QueueErrand> ConsoleService::act_on_queue(control::QueueOrder order) {
  delivery::QueueOrder passed{act_of(order.act),
                              std::move(order.queue),
                              std::move(order.binding),
                              order.every_binding,
                              std::move(order.sender),
                              std::move(order.recipient),
                              order.age,
                              order.dry_run,
                              order.quiet,
                              std::move(order.response),
                              std::move(order.to),
                              std::move(order.content),
                              order.delay};
  std::shared_ptr<const delivery::Errand> errand;
  run_on(parts_.delivery_loop, [&] { errand = parts_.dispatcher.begin(std::move(passed)); });
  return std::make_unique<Errand>(std::move(errand), parts_.spool.node());
}

bool ConsoleService::suspend_queue(const std::string& name, bool on) {
  bool changed = false;
  run_on(parts_.delivery_loop, [&] { changed = parts_.dispatcher.suspend(name, on); });
  return changed;
}

std::vector<std::string> ConsoleService::suspended_queues() {
  std::vector<std::string> names;
  run_on(parts_.delivery_loop, [&] { names = parts_.dispatcher.suspended(); });
  return names;
}

std::unique_ptr<control::Awaited<control::MessageDetails>> ConsoleService::message(MessageId id) {
  auto shared = std::make_shared<Answered<control::MessageDetails>::Shared>();
  // Nobody waits for it any more when the console has gone.
  readers().post([weak = std::weak_ptr(shared), &spool = parts_.spool, id] {
    if (const auto shared = weak.lock()) shared->set(details_of(spool, id));
  });
  return std::make_unique<Answered<control::MessageDetails>>(std::move(shared));
}

delivery::Workers& ConsoleService::readers() {
  if (readers_ == nullptr) readers_ = std::make_unique<delivery::Workers>(1);
  return *readers_;
}

std::unique_ptr<control::MessageText> ConsoleService::message_text(MessageId id) {
  auto shared = std::make_shared<Text::Shared>();
  // Nobody waits for it any more when the console has gone.
  readers().post([weak = std::weak_ptr(shared), &spool = parts_.spool, id] {
    const auto shared = weak.lock();
    if (shared == nullptr) return;
    auto stored = spool.read(id);
    if (stored)
      shared->parts = control::MessageText::Parts{std::move(stored->trace), std::move(stored->body)};
    else
      shared->parts = std::unexpected(stored.error());
    shared->there.store(true, std::memory_order_release);
  });
  return std::make_unique<Text>(std::move(shared));
}

}  // namespace impulse::server
