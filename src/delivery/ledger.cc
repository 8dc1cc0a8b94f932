// What is done with outcomes, but for the reports.
#include "delivery/ages.h"
#include "delivery/ledger_impl.h"
#include "queue/binding.h"
#include "queue/name.h"

#include <algorithm>
#include <utility>

namespace impulse::delivery {

using queue::Item;
using telemetry::Area;
using telemetry::Counter;
using telemetry::Level;
using Kind = telemetry::Record::Kind;

namespace {

constexpr const char* too_old = "not delivered in time";
constexpr const char* past_deadline = "not delivered by the time that its sender has set";

void tried_again(Item& item, WallTime next) {
  if (item.attempts < UINT16_MAX) ++item.attempts;
  item.next_attempt = next;
}

}  // namespace

Ledger::Ledger(Parts& parts, queue::Queue& queue, Backlog& backlog, Workers& workers, std::function<void()> settled)
    : parts_(parts),
      queue_(queue),
      backlog_(backlog),
      workers_(workers),
      settled_(std::move(settled)),
      notes_(parts, workers),
      timer_(parts.loop, [this] {
        for (const auto& again : std::exchange(owed_, {})) again();
      }) {}

Ledger::~Ledger() = default;

void Ledger::settle(std::string_view domain, const RoutePtr& route, const std::vector<Item>& items,
                    std::vector<Outcome> outcomes, const Attempt& attempt) {
  if (items.empty()) return;
  const WallTime now = even_now();
  GivenUp given_up{std::string(domain), route, attempt, items.front().id, {}, false};
  const auto message = backlog_.find(items.front().id);
  const WallTime deadline = message ? message->deadline() : WallTime{};
  const auto successes = std::make_shared<Success>(Success{std::string(domain), route, attempt, {}, false});
  const auto delays = std::make_shared<Delay>(Delay{std::string(domain), route, attempt, {}});
  for (size_t i = 0; i < items.size() && i < outcomes.size(); ++i) {
    const Item& item = items[i];
    Outcome& outcome = outcomes[i];
    if (outcome.kind == Outcome::Kind::delivered) {
      if (tells_success(item, attempt))
        successes->recipients.emplace_back(item, std::move(outcome));
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
      const bool late = overdue && backlog_.reported(item.id, item.recipient) < deadline;  // and nobody was told
      if (route->bounces && wants(item, message::notify::delay, late || route->delay_reports) &&
          (late || now - told >= route->delay_interval)) {
        tell_transient(domain, item, outcome, attempt);
        delays->recipients.emplace_back(item, std::move(outcome));
        tried_again(delays->recipients.back().first, wall_now() + wait);
      } else {
        retry(domain, item, wait, outcome, attempt);
      }
    } else {
      given_up.recipients.push_back({item, std::move(outcome), spool::State::expired, std::move(spent)});
    }
  }
  if (!delays->recipients.empty()) {
    ++pending_;
    report_delay(delays);
  }
  give_up(std::move(given_up));
  if (!successes->recipients.empty()) {
    ++pending_;
    successes_.insert(successes);
    if (closed_)
      forgo(successes);
    else
      report_success(successes);
  }
  settled_();
}

void Ledger::settle_all(std::string_view domain, const RoutePtr& route, const std::vector<Item>& items,
                        const Outcome& outcome, const Attempt& attempt) {
  settle(domain, route, items, std::vector<Outcome>(items.size(), outcome), attempt);
}

void Ledger::drop_expired(std::string_view domain, const RoutePtr& route, std::vector<Item>& items) {
  const WallTime now = even_now();
  const auto message = items.empty() ? std::nullopt : backlog_.find(items.front().id);
  const WallTime deadline = message ? message->deadline() : WallTime{};
  const bool overdue = deadline != WallTime{} && now >= deadline;
  if (overdue && !message->must_return()) {
    const auto delay = std::make_shared<Delay>(Delay{std::string(domain), route, {}, {}});
    std::erase_if(items, [&](Item& item) {
      if (backlog_.reported(item.id, item.recipient) >= deadline) return false;
      item.next_attempt = wall_now();
      if (!route->bounces || !wants(item, message::notify::delay, true)) return false;
      delay->recipients.emplace_back(
          item, Outcome{Outcome::Kind::transient, parts_.spool.last_error(item.id, item.recipient), "4.4.7", {}});
      return true;
    });
    if (!delay->recipients.empty()) {
      ++pending_;
      report_delay(delay);
    }
  }
  // What was never tried gets its one attempt, however long it was held, or
  // whatever the clock says.
  const bool past = overdue && message->must_return();
  GivenUp given_up{std::string(domain), route, {}, items.empty() ? MessageId{} : items.front().id, {}, false};
  std::erase_if(items, [&](const Item& item) {
    if (!past && (item.attempts == 0 || now < item.received + route->expiration)) return false;
    given_up.recipients.push_back({item,
                                   {Outcome::Kind::transient, parts_.spool.last_error(item.id, item.recipient), {}, {}},
                                   spool::State::expired,
                                   past ? past_deadline : too_old});
    return true;
  });
  if (given_up.recipients.empty()) return;
  give_up(std::move(given_up));
  settled_();
}

void Ledger::drop(std::string_view domain, const std::vector<Item>& items, std::function<void(Result<>)> durable) {
  if (items.empty()) return;
  Dropped dropped{std::string(domain), items, std::move(durable)};
  if (!notes_.wanted()) return drop_now(dropped);
  // They cannot be read any more when they are dropped.
  for (const Item& item : items) dropped.notes.try_emplace(item.id);
  dropped.unread = dropped.notes.size();
  const auto shared = std::make_shared<Dropped>(std::move(dropped));
  for (const auto& [id, note] : shared->notes)
    notes_.fetch(id, [this, shared, id](telemetry::NotePtr read) {
      shared->notes[id] = std::move(read);
      if (--shared->unread == 0 && !closed_) drop_now(*shared);
    });
}

void Ledger::drop_now(Dropped& dropped) {
  static const Outcome outcome{Outcome::Kind::delivered, "dropped (blackhole)", {}, {}};
  Attempt nowhere{"blackhole", {}, "BLACKHOLE", {}};
  const std::vector<Item>& items = dropped.items;
  for (const Item& item : items) {
    parts_.spool.record(item.id, item.recipient, {spool::State::delivered, item.attempts, {}, {}},
                        &item == &items.back() ? std::exchange(dropped.durable, nullptr) : nullptr);
    if (!dropped.notes.empty()) nowhere.note = dropped.notes[item.id];
    done(dropped.domain, item, outcome, nowhere);
  }
  count(dropped.domain, Counter::blackholed, static_cast<int64_t>(items.size()));
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

void Ledger::unreadable(std::string_view domain, const RoutePtr& route, const std::vector<Item>& items,
                        const Error& why) {
  if (why.code == Errc::not_found) return forget(domain, items);
  if (why.code != Errc::invalid) {
    parts_.log.write(Level::error, Area::delivery, "message-unreadable", why.message);
    return settle_all(domain, route, items,
                      {Outcome::Kind::transient, "the message cannot be read from the spool now", "4.3.0", {}}, {});
  }
  parts_.log.write(
      Level::error, Area::delivery, "message-damaged",
      fmt::format("{}: {}; {} recipients at {} are given up", items.front().id.to_string(parts_.spool.node()),
                  why.message, items.size(), queue::domain_of(domain)));
  count(domain, Counter::recipients_damaged, static_cast<int64_t>(items.size()));
  settle_all(domain, route, items,
             {Outcome::Kind::permanent,
              "The message was damaged while it was kept here, and cannot be read any more.",
              "5.3.0",
              {}},
             {});
}

void Ledger::delivered(std::string_view domain, const Item& item, const Outcome& outcome, const Attempt& attempt) {
  parts_.spool.record(item.id, item.recipient, {spool::State::delivered, item.attempts, {}, {}});
  done(domain, item, outcome, attempt);
}

void Ledger::done(std::string_view domain, const Item& item, const Outcome& outcome, const Attempt& attempt) {
  parts_.mainlog.outcome(record(Kind::delivery, domain, item, outcome, attempt));
  count(domain, Counter::deliveries);
  finish(domain, item, queue::End::delivered);
}

void Ledger::tell_transient(std::string_view domain, const Item& item, const Outcome& outcome, const Attempt& attempt) {
  count(domain, Counter::transient_failures);
  tell(record(Kind::transient, domain, item, outcome, attempt), item.id);
}

void Ledger::rebound(std::string_view from, const Item& item, std::string_view to) {
  if (!parts_.mainlog.writes_json()) return;
  Outcome outcome;
  outcome.response = fmt::format("250 Rebound from {} to {}", from, to);
  tell(record(Kind::admin_rebind, to, item, outcome, {}), item.id);
}

void Ledger::tell(telemetry::Record told, MessageId id) {
  if (told.note || !notes_.wanted()) return parts_.mainlog.outcome(std::move(told));
  notes_.fetch(id, [this, told = std::move(told)](telemetry::NotePtr note) mutable {
    told.note = std::move(note);
    parts_.mainlog.outcome(std::move(told));
    settled_();
  });
}

void Ledger::retry(std::string_view domain, Item item, Duration wait, const Outcome& outcome, const Attempt& attempt) {
  const WallTime now = wall_now();
  tell_transient(domain, item, outcome, attempt);
  tried_again(item, now + wait);
  parts_.spool.record(item.id, item.recipient,
                      {spool::State::pending, item.attempts, item.next_attempt, outcome.response});
  queue_.retry(domain, item, wall_now());
}

void Ledger::count(std::string_view domain, Counter counter, int64_t amount) {
  parts_.counters.add(parts_.counters.tenant(queue::tenant_of(domain)), counter, amount);
  parts_.counters.binding(queue::binding_of(domain)).add(counter, amount);
}

void Ledger::finish(std::string_view domain, const Item& item, queue::End end) {
  queue_.finish(domain, item, end);
  backlog_.done(item.id, item.recipient);
  count(domain, Counter::queued_recipients, -1);
}

telemetry::Record Ledger::record(Kind kind, std::string_view domain, const Item& item, const Outcome& outcome,
                                 const Attempt& attempt) const {
  telemetry::Record record;
  record.kind = kind;
  record.time = wall_now();
  record.id = item.id.to_string(parts_.spool.node());
  if (const auto message = backlog_.find(item.id)) {
    record.recipient = message->recipient(item.recipient);
    record.sender = message->sender();
    record.size = message->size();
    record.reception_protocol = message->protocol();
  }
  record.peer = outcome.peer.empty() ? attempt.peer : outcome.peer;
  record.local = attempt.local;
  record.domain = queue::domain_of(domain);
  record.tenant = queue::tenant_of(domain);
  record.binding = queue::binding_of(domain);
  record.binding_group = queue::group_of(*parts_.snapshot(), record.binding);
  record.attempts = item.attempts;
  record.delay = std::max(Duration{0}, record.time - item.received);
  record.response = outcome.response;
  record.status = outcome.status;
  record.protocol = attempt.protocol;
  record.received = item.received;
  record.peer_name = attempt.remote;
  record.session = attempt.connection;
  record.stage = outcome.stage;
  record.bytes = outcome.bytes;
  record.tls = attempt.tls;
  record.note = attempt.note;
  return record;
}

Duration Ledger::backoff(const Route& route, uint32_t attempts) {
  std::uniform_real_distribution<double> share(0, 1);
  return queue::backoff(attempts, route.retry_interval, route.max_retry_interval, share(random_));
}

}  // namespace impulse::delivery
