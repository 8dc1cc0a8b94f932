// A report and the outcome that it tells of are one record in the spool: no
// crash can come between them. A recipient is final when its report is durable,
// and a report is there once. What a crash may still repeat is a delivery that
// was made a moment before, report and all: no mail server can avoid that
// (RFC 1047), and whose sender was not told yet, will be.
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

void tried_again(Item& item, WallTime next) {
  if (item.attempts < UINT16_MAX) ++item.attempts;
  item.next_attempt = next;
}

// What the logs and the journal say of one that is given up.
std::string last_words(const Outcome& outcome, const std::string& spent) {
  if (spent.empty()) return outcome.response;
  return "5.4.7 [internal] " + spent + (outcome.response.empty() ? "" : ": " + outcome.response);
}

constexpr Duration first_pause = std::chrono::milliseconds(250);  // before a report that was not stored is tried again
constexpr Duration longest_pause = std::chrono::minutes(1);

}  // namespace

// What it takes to make one.
struct Ledger::Report {
  MessageId id;  // of the message that it is about
  std::string domain;
  RoutePtr route;
  Action action = Action::failed;
  std::vector<ReportLine> lines;
  WallTime retry_until{};
  std::vector<spool::Told> told;
  bool insist = false;  // also when the message cannot be read just now
};

// Recipients of one message that were delivered to, and whose sender wants to hear it.
struct Ledger::Success {
  std::string domain;
  RoutePtr route;
  Attempt attempt;
  std::vector<std::pair<Item, Outcome>> recipients;
};

// Recipients of one message whose sender hears that they wait.
struct Ledger::Delay {
  std::string domain;
  RoutePtr route;
  Attempt attempt;
  std::vector<std::pair<Item, Outcome>> recipients;  // the items as they go back to the queue
};

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
    : parts_(parts),
      queue_(queue),
      backlog_(backlog),
      workers_(workers),
      settled_(std::move(settled)),
      timer_(parts.loop, [this] {
        for (const auto& again : std::exchange(owed_, {})) again();
      }) {}

Ledger::~Ledger() = default;

void Ledger::settle(std::string_view domain, const RoutePtr& route, const std::vector<Item>& items,
                    std::vector<Outcome> outcomes, const Attempt& attempt) {
  if (items.empty()) return;
  const WallTime now = wall_now();
  GivenUp given_up{std::string(domain), route, attempt, items.front().id, {}, false};
  const Backlog::Message* message = backlog_.find(items.front().id);
  const WallTime deadline = message == nullptr ? WallTime{} : message->deadline();
  const auto successes = std::make_shared<Success>(Success{std::string(domain), route, attempt, {}});
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
      const bool late = overdue && item.next_attempt <= deadline;  // it passed during the attempt
      if (route->bounces && wants(item, message::notify::delay, late || route->delay_reports) &&
          (late || now - told >= route->delay_interval)) {
        parts_.mainlog.transient(record(domain, item, outcome, attempt));
        count(domain, Counter::transient_failures);
        delays->recipients.emplace_back(item, std::move(outcome));
        tried_again(delays->recipients.back().first, now + wait);
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
    report_success(successes);
  }
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
    const auto delay = std::make_shared<Delay>(Delay{std::string(domain), route, {}, {}});
    std::erase_if(items, [&](Item& item) {
      if (item.next_attempt > deadline) return false;  // told when that attempt was planned
      item.next_attempt = now;
      if (!route->bounces || !wants(item, message::notify::delay, true)) return false;
      delay->recipients.emplace_back(
          item, Outcome{Outcome::Kind::transient, std::string(backlog_.error(item.id, item.recipient)), "4.4.7", {}});
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
  parts_.mainlog.delivery(record(domain, item, outcome, attempt));
  count(domain, Counter::deliveries);
  finish(domain, item);
}

void Ledger::retry(std::string_view domain, Item item, Duration wait, const Outcome& outcome, const Attempt& attempt) {
  const WallTime now = wall_now();
  parts_.mainlog.transient(record(domain, item, outcome, attempt));
  count(domain, Counter::transient_failures);
  tried_again(item, now + wait);
  parts_.spool.record(item.id, item.recipient,
                      {spool::State::pending, item.attempts, item.next_attempt, outcome.response});
  postpone(domain, item, outcome.response);
}

void Ledger::postpone(std::string_view domain, const Item& item, const std::string& error) {
  if (last_error_ == nullptr || *last_error_ != error) last_error_ = std::make_shared<const std::string>(error);
  backlog_.set_error(item.id, item.recipient, last_error_);
  queue_.retry(domain, item, wall_now());
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
  Report report{given_up->id, given_up->domain, given_up->route, Action::failed, {}, {}, {}, false};
  for (const auto& [item, outcome, state, spent] : given_up->recipients) {
    report.told.push_back({item.id, item.recipient, {state, item.attempts + 1U, {}, last_words(outcome, spent)}});
    report.insist |= !spent.empty();  // no other attempt, and so no other report
    if (!wants(item, message::notify::failure, true)) continue;
    ReportLine line = line_of(item, outcome, given_up->attempt);
    line.status = !spent.empty() ? "5.4.7" : outcome.status.empty() ? "5.0.0" : outcome.status;
    line.reason = spent.empty() ? "The delivery was refused." : "It could not be delivered: " + spent + ".";
    if (line.diagnostic.empty() && !outcome.response.empty())
      line.reason = spent.empty() ? outcome.response : line.reason + " The last error was: " + outcome.response;
    report.lines.push_back(std::move(line));
  }
  this->report(std::move(report), [this, given_up](const Result<MessageId>& stored) { bounce_done(given_up, stored); });
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

void Ledger::report_success(const std::shared_ptr<Success>& success) {
  if (!success->route->bounces) return success_done(success, fail(Errc::not_found, "reports are off"));
  const WallTime now = wall_now();
  const bool final = success->attempt.final;
  Report report{success->recipients.front().first.id,
                success->domain,
                success->route,
                final ? Action::delivered : Action::relayed,
                {},
                {},
                {},
                false};
  for (const auto& [item, outcome] : success->recipients) {
    ReportLine line = line_of(item, outcome, success->attempt);
    line.status = "2.0.0";
    line.reason = final ? "It lies in the mailbox." : "It was taken there.";
    report.lines.push_back(std::move(line));
    report.told.push_back({item.id, item.recipient, {spool::State::delivered, item.attempts, {}, {}}});
    report.insist |= now >= item.received + success->route->expiration;
  }
  this->report(std::move(report), [this, success](const Result<MessageId>& stored) { success_done(success, stored); });
}

// Without its report a success is not in the journal either. What keeps the one
// from being stored keeps the other: so nothing is delivered again while it is
// tried again, and nothing is lost.
void Ledger::success_done(const std::shared_ptr<Success>& success, const Result<MessageId>& stored) {
  const bool told = stored.has_value();
  if (!told && stored.error().code != Errc::not_found)
    return later(success->recipients.front().first.id.to_string(parts_.spool.node()), stored.error(),
                 [this, success] { report_success(success); });
  --pending_;
  for (const auto& [item, outcome] : success->recipients) {
    if (told)
      done(success->domain, item, outcome, success->attempt);
    else
      delivered(success->domain, item, outcome, success->attempt);
  }
  settled_();
}

// The next attempt waits until it is told, and durable, that there is need of one.
void Ledger::report_delay(const std::shared_ptr<Delay>& delay) {
  const Item& first = delay->recipients.front().first;
  Report report{first.id, delay->domain, delay->route, Action::delayed, {}, first.received + delay->route->expiration,
                {},       true};
  for (const auto& [item, outcome] : delay->recipients) {
    ReportLine line = line_of(item, outcome, delay->attempt);
    if (!line.status.starts_with('4')) line.status = "4.0.0";
    line.reason = "It has not been delivered yet.";
    if (line.diagnostic.empty() && !outcome.response.empty()) line.reason += " The last error was: " + outcome.response;
    report.lines.push_back(std::move(line));
    report.told.push_back(
        {item.id, item.recipient, {spool::State::pending, item.attempts, item.next_attempt, outcome.response}});
  }
  this->report(std::move(report), [this, delay](const Result<MessageId>& stored) { delay_done(delay, stored); });
}

void Ledger::delay_done(const std::shared_ptr<Delay>& delay, const Result<MessageId>& stored) {
  if (!stored && stored.error().code != Errc::not_found)
    return later(delay->recipients.front().first.id.to_string(parts_.spool.node()), stored.error(),
                 [this, delay] { report_delay(delay); });
  --pending_;
  for (const auto& [item, outcome] : delay->recipients) {
    backlog_.set_reported(item.id, item.recipient, wall_now());
    postpone(delay->domain, item, outcome.response);
  }
  settled_();
}

void Ledger::later(const std::string& what, const Error& why, std::function<void()> again) {
  parts_.log.write(
      Level::error, Area::delivery, "report-failed",
      fmt::format("{}: a report to the sender was not stored, it will be tried again: {}", what, why.message));
  owed_.push_back(std::move(again));
  if (timer_.running()) return;
  timer_.start(queue::backoff(++refusals_, first_pause, longest_pause, 0));
}

// What a report needs, of what is known of a message without the spool.
spool::Stored Ledger::remembered(MessageId id, std::string_view domain) const {
  spool::Stored stored;
  stored.id = id;
  stored.envelope.tenant = queue::tenant_of(domain);
  if (const Backlog::Message* message = backlog_.find(id)) {
    stored.envelope.sender = message->sender();
    stored.envelope.received = message->received();
  }
  return stored;
}

// The original is read, and the report written, away from the loop. Of one that
// is damaged nothing goes back but what its envelope says; or, without that too,
// what we remember.
void Ledger::report(Report report, std::function<void(const Result<MessageId>&)> done) {
  const auto shared = std::make_shared<Report>(std::move(report));
  workers_.post([this, weak = std::weak_ptr(alive_), &spool = parts_.spool, &loop = parts_.loop, shared,
                 memory = remembered(shared->id, shared->domain), serial = ++serial_,
                 done = std::move(done)]() mutable {
    auto original = spool.read(shared->id);
    if (!original && original.error().code != Errc::not_found &&
        (shared->insist || original.error().code == Errc::invalid)) {
      if (auto summary = spool.summary(shared->id)) memory.envelope = std::move(summary->envelope);
      original = std::move(memory);
    }
    auto made = std::make_shared<Result<spool::Incoming>>(std::unexpected(Error{}));
    if (original) {
      *made = make_bounce(*original, shared->id.to_string(spool.node()), shared->lines, *shared->route, serial,
                          wall_now(), shared->action, shared->retry_until);
      (*made)->told = std::move(shared->told);
    } else {
      *made = std::unexpected(original.error());
    }
    loop.post([this, weak, &loop, made, action = shared->action, done] {
      if (weak.expired()) return;
      if (!*made) return done(std::unexpected(made->error()));
      auto* const tenant = parts_.counters.tenant((*made)->envelope.tenant);
      parts_.inject(std::move(**made), [this, weak, &loop, action, done, tenant](Result<MessageId> stored) {
        // Whatever thread says so.
        loop.post([this, weak, action, done, tenant, stored = std::move(stored)] {
          if (weak.expired()) return;
          if (stored) refusals_ = 0;
          if (stored && action == Action::failed) parts_.counters.add(tenant, Counter::bounces_generated);
          done(stored);
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
  for (auto& [item, outcome, state, spent] : given_up->recipients) {
    outcome.response = last_words(outcome, spent);
    if (!given_up->bounced)  // else its report told it
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
