// Order matters: a recipient is final in the journal only after its bounce is
// durable. A crash in between bounces twice at worst.
#include "delivery/ledger.h"

#include "queue/name.h"

#include <algorithm>
#include <utility>

namespace impulse::delivery {

using queue::Item;
using telemetry::Area;
using telemetry::Counter;
using telemetry::Level;

namespace {

constexpr const char* too_old = "not delivered in time";
constexpr const char* past_deadline = "not delivered by the time that its sender has set";
constexpr uint8_t always = UINT8_MAX;

using Told = std::vector<std::pair<Item, Outcome>>;

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
  bool bounced = false;  // a report was made
};

Ledger::Ledger(Parts& parts, queue::Queue& queue, Backlog& backlog, Workers& workers, std::function<void()> settled)
    : parts_(parts), queue_(queue), backlog_(backlog), workers_(workers), settled_(std::move(settled)) {}

Ledger::~Ledger() = default;

void Ledger::settle(std::string_view domain, const RoutePtr& route, const std::vector<Item>& items,
                    std::vector<Outcome> outcomes, const Attempt& attempt) {
  if (items.empty()) return;
  const WallTime now = wall_now();
  GivenUp given_up{std::string(domain), route, attempt, items.front().id, {}, false};
  const Backlog::Message* message = backlog_.find(items.front().id);
  const WallTime deadline = message == nullptr ? WallTime{} : message->deadline();
  Told successes, delays;
  for (size_t i = 0; i < items.size() && i < outcomes.size(); ++i) {
    const Item& item = items[i];
    Outcome& outcome = outcomes[i];
    if (outcome.kind == Outcome::Kind::delivered) {
      if (tells_success(item, attempt))
        successes.emplace_back(item, std::move(outcome));
      else
        delivered(domain, item, outcome, attempt);
      continue;
    }
    if (outcome.kind == Outcome::Kind::permanent) {
      given_up.recipients.push_back({item, std::move(outcome), spool::State::failed, {}});
      continue;
    }
    Duration wait = backoff(*route, item.attempts + 1);
    // The sender's deadline is kept to the moment, and looked at then.
    const bool overdue = deadline != WallTime{} && now >= deadline;
    if (deadline != WallTime{} && !overdue) wait = std::min(wait, std::chrono::ceil<Duration>(deadline - now));
    std::string spent;
    if (overdue && message->must_return()) {
      spent = past_deadline;
    } else if (route->never_retry) {
      spent = "may be tried only once";
    } else if (route->max_retries > 0 && item.attempts >= route->max_retries) {
      spent = fmt::format("gave up after {} attempts", uint64_t{item.attempts} + 1);
    } else if (now + wait >= item.received + route->expiration) {
      spent = too_old;
    }
    if (spent.empty()) {
      const WallTime told = std::max(item.received, backlog_.reported(item.id, item.recipient));
      const bool late = overdue && item.next_attempt <= deadline;  // it passed during the attempt
      if (wants(item, message::notify::delay, late || route->delay_reports) &&
          (late || now - told >= route->delay_interval))
        delays.emplace_back(item, outcome);
      retry(domain, item, wait, outcome, attempt);
    } else {
      given_up.recipients.push_back({item, std::move(outcome), spool::State::expired, std::move(spent)});
    }
  }
  report_delay(route, delays, attempt);
  give_up(std::move(given_up));
  report_success(domain, route, std::move(successes), attempt);
  settled_();
}

void Ledger::settle_all(std::string_view domain, const RoutePtr& route, const std::vector<Item>& items,
                        const Outcome& outcome, const Attempt& attempt) {
  settle(domain, route, items, std::vector<Outcome>(items.size(), outcome), attempt);
}

void Ledger::drop_expired(std::string_view domain, const RoutePtr& route, std::vector<Item>& items) {
  const WallTime now = wall_now();
  const Backlog::Message* message = items.empty() ? nullptr : backlog_.find(items.front().id);
  const WallTime deadline = message == nullptr ? WallTime{} : message->deadline();
  const bool overdue = deadline != WallTime{} && now >= deadline;
  if (overdue && !message->must_return()) {
    Told told;
    for (Item& item : items) {
      if (item.next_attempt > deadline) continue;  // told when that attempt was planned
      item.next_attempt = now;
      if (wants(item, message::notify::delay, true))
        told.emplace_back(
            item, Outcome{Outcome::Kind::transient, std::string(backlog_.error(item.id, item.recipient)), "4.4.7", {}});
    }
    report_delay(route, told, {});
  }
  // What was never tried gets its one attempt, however long it was held, or
  // whatever the clock says.
  const bool past = overdue && message->must_return();
  GivenUp given_up{std::string(domain), route, {}, items.empty() ? MessageId{} : items.front().id, {}, false};
  std::erase_if(items, [&](const Item& item) {
    if (!past && (item.attempts == 0 || now < item.received + route->expiration)) return false;
    given_up.recipients.push_back(
        {item,
         {Outcome::Kind::transient, std::string(backlog_.error(item.id, item.recipient)), {}, {}},
         spool::State::expired,
         past ? past_deadline : too_old});
    return true;
  });
  if (given_up.recipients.empty()) return;
  give_up(std::move(given_up));
  settled_();
}

void Ledger::put_back(std::string_view domain, const std::vector<Item>& items) {
  const WallTime now = wall_now();
  for (Item item : items) {
    item.next_attempt = now;
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
  count(domain, Counter::deliveries);
  finish(domain, item);
}

void Ledger::retry(std::string_view domain, Item item, Duration wait, const Outcome& outcome, const Attempt& attempt) {
  const WallTime now = wall_now();
  parts_.mainlog.transient(record(domain, item, outcome, attempt));
  count(domain, Counter::transient_failures);
  if (item.attempts < UINT16_MAX) ++item.attempts;
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
  ++pending_;
  auto shared = std::make_shared<GivenUp>(std::move(given_up));
  shared->bounced = shared->route->bounces && std::ranges::any_of(shared->recipients, [this](const auto& each) {
                      return wants(each.item, message::notify::failure, true);
                    });
  if (shared->bounced) {
    bounce(std::move(shared));
  } else {
    bounce_done(shared, MessageId{});
  }
}

void Ledger::bounce(std::shared_ptr<GivenUp> given_up) {
  std::vector<ReportLine> lines;
  for (const auto& [item, outcome, state, spent] : given_up->recipients) {
    if (!wants(item, message::notify::failure, true)) continue;
    ReportLine line = line_of(item, outcome, given_up->attempt);
    line.status = !spent.empty() ? "5.4.7" : outcome.status.empty() ? "5.0.0" : outcome.status;
    line.reason = spent.empty() ? "The delivery was refused." : "It could not be delivered: " + spent + ".";
    if (line.diagnostic.empty() && !outcome.response.empty())
      line.reason = spent.empty() ? outcome.response : line.reason + " The last error was: " + outcome.response;
    lines.push_back(std::move(line));
  }
  report(given_up->id, given_up->route, Action::failed, std::move(lines), {}, nullptr,
         [this, given_up](const Result<MessageId>& stored) { bounce_done(given_up, stored); });
}

// Whether the sender of this recipient's message is to hear of `what`, a bit of
// message::notify: it asked to; or it did not say, and `unless_said` holds.
bool Ledger::wants(const Item& item, uint8_t what, bool unless_said) const {
  const Backlog::Message* message = backlog_.find(item.id);
  if (message == nullptr || message->sender().empty()) return false;
  const uint8_t asked = message->notify(item.recipient);
  return asked == 0 ? unless_said : (asked & message::notify::never) == 0 && (asked & what) != 0;
}

bool Ledger::tells_success(const Item& item, const Attempt& attempt) const {
  if (attempt.final) return wants(item, message::notify::success, false);
  if (!attempt.dsn && wants(item, message::notify::success, false)) return true;
  const Backlog::Message* message = backlog_.find(item.id);
  if (message == nullptr || message->deadline() == WallTime{}) return false;
  // RFC 2852 §4: the time goes on to a host that does not know of it, or a trace was asked for.
  if (!attempt.deliver_by && !message->must_return())
    return wants(item, message::notify::success | message::notify::delay, true);
  return message->traced() && wants(item, always, true);
}

ReportLine Ledger::line_of(const Item& item, const Outcome& outcome, const Attempt& attempt) const {
  ReportLine line;
  if (const Backlog::Message* message = backlog_.find(item.id)) line.recipient = message->recipient(item.recipient);
  line.number = item.recipient;
  line.status = outcome.status;
  if (!attempt.remote.empty() && !outcome.response.empty()) {
    line.remote = attempt.remote;
    line.diagnostic = outcome.response;
  }
  return line;
}

// The recipients are done, in the journal too, as soon as the report is on its
// way: what is durable first hardly matters, a crash between the two would have
// to hit one group commit. What must not be is a delivery that is repeated for
// the sake of a report.
void Ledger::report_success(std::string_view domain, const RoutePtr& route, Told told, const Attempt& attempt) {
  if (told.empty()) return;
  const auto finish_all = [this, domain = std::string(domain), attempt](const Told& done) {
    for (const auto& [item, outcome] : done) delivered(domain, item, outcome, attempt);
    settled_();
  };
  if (!route->bounces) return finish_all(told);
  ++pending_;
  const MessageId id = told.front().first.id;
  std::vector<ReportLine> lines;
  for (const auto& [item, outcome] : told) {
    ReportLine line = line_of(item, outcome, attempt);
    line.status = "2.0.0";
    line.reason = attempt.final ? "It lies in the mailbox." : "It was taken there.";
    lines.push_back(std::move(line));
  }
  report(
      id, route, attempt.final ? Action::delivered : Action::relayed, std::move(lines), {},
      [finish_all, told = std::move(told)] { finish_all(told); },
      [this, id](const Result<MessageId>& stored) {
        --pending_;
        if (!stored)
          parts_.log.write(Level::error, Area::delivery, "report-failed",
                           fmt::format("{}: the report of a delivery to the sender was not stored: {}",
                                       id.to_string(parts_.spool.node()), stored.error().message));
        settled_();
      });
}

void Ledger::report_delay(const RoutePtr& route, const Told& told, const Attempt& attempt) {
  if (told.empty() || !route->bounces) return;
  const WallTime now = wall_now();
  const MessageId id = told.front().first.id;
  std::vector<ReportLine> lines;
  for (const auto& [item, outcome] : told) {
    backlog_.set_reported(item.id, item.recipient, now);
    ReportLine line = line_of(item, outcome, attempt);
    if (!line.status.starts_with('4')) line.status = "4.0.0";
    line.reason = "It has not been delivered yet.";
    if (line.diagnostic.empty() && !outcome.response.empty()) line.reason += " The last error was: " + outcome.response;
    lines.push_back(std::move(line));
  }
  ++pending_;
  report(id, route, Action::delayed, std::move(lines), told.front().first.received + route->expiration, nullptr,
         [this, id](const Result<MessageId>& stored) {
           --pending_;
           if (!stored)
             parts_.log.write(Level::error, Area::delivery, "report-failed",
                              fmt::format("{}: the report of a delay to the sender was not stored: {}",
                                          id.to_string(parts_.spool.node()), stored.error().message));
           settled_();
         });
}

// The original is read, and the report written, away from the loop.
void Ledger::report(MessageId id, const RoutePtr& route, Action action, std::vector<ReportLine> lines,
                    WallTime retry_until, std::function<void()> handed,
                    std::function<void(const Result<MessageId>&)> done) {
  workers_.post([this, weak = std::weak_ptr(alive_), &spool = parts_.spool, &loop = parts_.loop, id, route, action,
                 lines = std::move(lines), retry_until, serial = ++serial_, handed = std::move(handed),
                 done = std::move(done)] {
    auto original = spool.read(id);
    auto made = std::make_shared<Result<spool::Incoming>>(std::unexpected(Error{}));
    if (original)
      *made =
          make_bounce(*original, id.to_string(spool.node()), lines, *route, serial, wall_now(), action, retry_until);
    else
      *made = std::unexpected(original.error());
    loop.post([this, weak, &loop, made, action, handed, done] {
      if (weak.expired()) return;
      if (!*made) {
        if (handed) handed();
        return done(std::unexpected(made->error()));
      }
      auto* const tenant = parts_.counters.tenant((*made)->envelope.tenant);
      parts_.inject(std::move(**made), [this, weak, &loop, action, done, tenant](Result<MessageId> stored) {
        // Whatever thread says so.
        loop.post([this, weak, action, done, tenant, stored = std::move(stored)] {
          if (weak.expired()) return;
          if (stored && action == Action::failed) parts_.counters.add(tenant, Counter::bounces_generated);
          done(stored);
        });
      });
      if (handed) handed();
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
  for (auto& [item, outcome, state, spent] : given_up->recipients) {
    if (!spent.empty()) {
      outcome.response = "5.4.7 [internal] " + spent + (outcome.response.empty() ? "" : ": " + outcome.response);
    }
    parts_.spool.record(item.id, item.recipient, {state, item.attempts + 1U, {}, outcome.response});
    parts_.mainlog.permanent(record(given_up->domain, item, outcome, given_up->attempt));
    count(given_up->domain, Counter::permanent_failures);
    finish(given_up->domain, item);
  }
  settled_();
}

void Ledger::count(std::string_view domain, Counter counter, int64_t amount) {
  parts_.counters.add(parts_.counters.tenant(queue::tenant_of(domain)), counter, amount);
}

void Ledger::finish(std::string_view domain, const Item& item) {
  queue_.finish(domain, item);
  backlog_.done(item.id, item.recipient);
  count(domain, Counter::queued_recipients, -1);
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
  record.domain = queue::domain_of(domain);
  record.tenant = queue::tenant_of(domain);
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
