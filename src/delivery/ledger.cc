// Order matters: a recipient is final in the journal only after its bounce is
// durable. A crash in between bounces twice at worst.
#include "delivery/ledger.h"

#include <algorithm>
#include <utility>

namespace impulse::delivery {

using queue::Item;
using telemetry::Area;
using telemetry::Counter;
using telemetry::Level;

namespace {

constexpr const char* too_old = "not delivered in time";

}  // namespace

struct Ledger::GivenUp {
  struct Recipient {
    Item item;
    Outcome outcome;
    spool::State state = spool::State::failed;
    std::string reason;  // expired: why there is no other attempt
  };
  std::string domain;
  RoutePtr route;
  Attempt attempt;
  MessageId id;
  std::vector<Recipient> recipients;
  uint64_t serial = 0;
  bool bounced = false;  // a report was made
};

Ledger::Ledger(Parts& parts, queue::Queue& queue, Backlog& backlog, Workers& workers, std::function<void()> settled)
    : parts_(parts), queue_(queue), backlog_(backlog), workers_(workers), settled_(std::move(settled)) {}

Ledger::~Ledger() = default;

void Ledger::settle(std::string_view domain, const RoutePtr& route, const std::vector<Item>& items,
                    std::vector<Outcome> outcomes, const Attempt& attempt) {
  if (items.empty()) return;
  const WallTime now = wall_now();
  GivenUp given_up{std::string(domain), route, attempt, items.front().id, {}, 0, false};
  for (size_t i = 0; i < items.size() && i < outcomes.size(); ++i) {
    const Item& item = items[i];
    Outcome& outcome = outcomes[i];
    if (outcome.kind == Outcome::Kind::delivered) {
      delivered(domain, item, outcome, attempt);
      continue;
    }
    if (outcome.kind == Outcome::Kind::permanent) {
      given_up.recipients.push_back({item, std::move(outcome), spool::State::failed, {}});
      continue;
    }
    const Duration wait = backoff(*route, item.attempts + 1);
    std::string spent;
    if (route->never_retry) {
      spent = "may be tried only once";
    } else if (route->max_retries > 0 && item.attempts >= route->max_retries) {
      spent = fmt::format("gave up after {} attempts", uint64_t{item.attempts} + 1);
    } else if (now + wait >= item.received + route->expiration) {
      spent = too_old;
    }
    if (spent.empty()) {
      retry(domain, item, wait, outcome, attempt);
    } else {
      given_up.recipients.push_back({item, std::move(outcome), spool::State::expired, std::move(spent)});
    }
  }
  give_up(std::move(given_up));
  settled_();
}

void Ledger::settle_all(std::string_view domain, const RoutePtr& route, const std::vector<Item>& items,
                        const Outcome& outcome, const Attempt& attempt) {
  settle(domain, route, items, std::vector<Outcome>(items.size(), outcome), attempt);
}

void Ledger::drop_expired(std::string_view domain, const RoutePtr& route, std::vector<Item>& items) {
  const WallTime now = wall_now();
  // What was never tried gets its one attempt, however long it was held, or
  // whatever the clock says.
  const auto fresh = std::stable_partition(items.begin(), items.end(), [&](const Item& item) {
    return item.attempts == 0 || now < item.received + route->expiration;
  });
  if (fresh == items.end()) return;
  GivenUp given_up{std::string(domain), route, {}, items.front().id, {}, 0, false};
  for (auto item = fresh; item != items.end(); ++item) {
    given_up.id = item->id;
    given_up.recipients.push_back(
        {*item,
         {Outcome::Kind::transient, std::string(backlog_.error(item->id, item->recipient)), {}, {}},
         spool::State::expired,
         too_old});
  }
  items.erase(fresh, items.end());
  give_up(std::move(given_up));
  settled_();
}

void Ledger::put_back(std::string_view domain, const std::vector<Item>& items) {
  const WallTime now = wall_now();
  for (Item item : items) {
    item.next_attempt = WallTime{};
    queue_.retry(domain, item, now);
  }
  if (!items.empty()) settled_();
}

void Ledger::forget(std::string_view domain, const std::vector<Item>& items) {
  for (const Item& item : items) finish(domain, item);
  if (!items.empty()) settled_();
}

void Ledger::delivered(std::string_view domain, const Item& item, const Outcome& outcome, const Attempt& attempt) {
  parts_.spool.record(item.id, item.recipient, {spool::State::delivered, item.attempts, {}, {}});
  parts_.mainlog.delivery(record(domain, item, outcome, attempt));
  parts_.counters.add(Counter::deliveries);
  finish(domain, item);
}

void Ledger::retry(std::string_view domain, Item item, Duration wait, const Outcome& outcome, const Attempt& attempt) {
  const WallTime now = wall_now();
  parts_.mainlog.transient(record(domain, item, outcome, attempt));
  parts_.counters.add(Counter::transient_failures);
  ++item.attempts;
  item.next_attempt = now + wait;
  parts_.spool.record(item.id, item.recipient,
                      {spool::State::pending, item.attempts, item.next_attempt, outcome.response});
  if (last_error_ == nullptr || *last_error_ != outcome.response) {
    last_error_ = std::make_shared<const std::string>(outcome.response);
  }
  backlog_.set_error(item.id, item.recipient, last_error_);
  queue_.retry(domain, item, now);
}

void Ledger::give_up(GivenUp given_up) {
  if (given_up.recipients.empty()) return;
  const Backlog::Message* message = backlog_.find(given_up.id);
  ++pending_;
  given_up.serial = ++serial_;
  auto shared = std::make_shared<GivenUp>(std::move(given_up));
  shared->bounced = message != nullptr && !message->sender().empty() && shared->route->bounces;
  if (shared->bounced) {
    bounce(std::move(shared));
  } else {
    bounce_done(shared, MessageId{});
  }
}

void Ledger::bounce(std::shared_ptr<GivenUp> given_up) {
  std::vector<Failure> failures;
  const Backlog::Message* message = backlog_.find(given_up->id);
  for (const auto& [item, outcome, state, spent] : given_up->recipients) {
    Failure failure;
    failure.recipient = message->recipient(item.recipient);
    failure.status = !spent.empty() ? "5.4.7" : outcome.status.empty() ? "5.0.0" : outcome.status;
    failure.reason = spent.empty() ? "The delivery was refused." : "It could not be delivered: " + spent + ".";
    if (!outcome.response.empty()) {
      if (given_up->attempt.remote.empty()) {
        failure.reason = spent.empty() ? outcome.response : failure.reason + " The last error was: " + outcome.response;
      } else {
        failure.remote = given_up->attempt.remote;
        failure.diagnostic = outcome.response;
      }
    }
    failures.push_back(std::move(failure));
  }
  // The original is read, and the report written, away from the loop.
  workers_.post([this, weak = std::weak_ptr(alive_), &spool = parts_.spool, &loop = parts_.loop, given_up,
                 failures = std::move(failures)] {
    auto original = spool.read(given_up->id);
    auto report = std::make_shared<Result<spool::Incoming>>(std::unexpected(Error{}));
    if (original) {
      *report = make_bounce(*original, given_up->id.to_string(spool.node()), failures, *given_up->route,
                            given_up->serial, wall_now());
    } else {
      *report = std::unexpected(original.error());
    }
    loop.post([this, weak, &loop, given_up, report] {
      if (weak.expired()) return;
      if (!*report) return bounce_done(given_up, std::unexpected(report->error()));
      parts_.inject(std::move(**report), [this, weak, &loop, given_up](Result<MessageId> stored) {
        // Whatever thread says so.
        loop.post([this, weak, given_up, stored = std::move(stored)] {
          if (!weak.expired()) bounce_done(given_up, stored);
        });
      });
    });
  });
}

void Ledger::bounce_done(const std::shared_ptr<GivenUp>& given_up, const Result<MessageId>& stored) {
  --pending_;
  if (!stored) {
    // The recipient stays what it was, pending: it will fail again, and
    // bounce then.
    parts_.log.write(Level::error, Area::delivery, "bounce-failed",
                     fmt::format("{}: the report to the sender was not stored, it will be tried again: {}",
                                 given_up->id.to_string(parts_.spool.node()), stored.error().message));
    for (const auto& [item, outcome, state, spent] : given_up->recipients) {
      retry(given_up->domain, item, backoff(*given_up->route, item.attempts + 1), outcome, given_up->attempt);
    }
    settled_();
    return;
  }
  if (given_up->bounced) parts_.counters.add(Counter::bounces_generated);
  for (auto& [item, outcome, state, spent] : given_up->recipients) {
    if (!spent.empty()) {
      outcome.response = "5.4.7 [internal] " + spent + (outcome.response.empty() ? "" : ": " + outcome.response);
    }
    parts_.spool.record(item.id, item.recipient, {state, item.attempts + 1, {}, outcome.response});
    parts_.mainlog.permanent(record(given_up->domain, item, outcome, given_up->attempt));
    parts_.counters.add(Counter::permanent_failures);
    finish(given_up->domain, item);
  }
  settled_();
}

void Ledger::finish(std::string_view domain, const Item& item) {
  queue_.finish(domain, item);
  backlog_.done(item.id, item.recipient);
  parts_.counters.add(Counter::queued_recipients, -1);
}

telemetry::Record Ledger::record(std::string_view domain, const Item& item, const Outcome& outcome,
                                 const Attempt& attempt) const {
  telemetry::Record record;
  record.time = wall_now();
  record.id = item.id.to_string(parts_.spool.node());
  if (const Backlog::Message* message = backlog_.find(item.id)) {
    record.recipient = message->recipient(item.recipient);
    record.sender = message->sender();
    record.size = message->size();
  }
  record.peer = outcome.peer.empty() ? attempt.peer : outcome.peer;
  record.local = attempt.local;
  record.domain = domain;
  record.attempts = item.attempts;
  record.delay = std::max(Duration{0}, record.time - item.received);
  record.response = outcome.response;
  record.protocol = attempt.protocol;
  return record;
}

Duration Ledger::backoff(const Route& route, uint32_t attempts) {
  std::uniform_real_distribution<double> share(0, 1);
  return queue::backoff(attempts, route.retry_interval, route.max_retry_interval, share(random_));
}

}  // namespace impulse::delivery
