// A report and the outcome that it tells of are one record in the spool: no
// crash can come between them. A recipient is final when its report is durable,
// and there is one report. What a crash may still repeat is a delivery that was
// made a moment before: no mail server can avoid that (RFC 1047). Its report is
// that of the repetition.
#include "delivery/ages.h"
#include "delivery/ledger_impl.h"
#include "queue/name.h"

#include <algorithm>
#include <utility>

namespace impulse::delivery {

using telemetry::Area;
using telemetry::Counter;
using telemetry::Level;

namespace {

constexpr uint8_t always = UINT8_MAX;
constexpr Duration first_pause = std::chrono::milliseconds(250);  // before a report that was not stored is tried again
constexpr Duration longest_pause = std::chrono::minutes(1);

// What the logs and the journal say of one that is given up.
std::string last_words(const Outcome& outcome, const std::string& spent) {
  if (spent.empty()) return outcome.response;
  return "5.4.7 [internal] " + spent + (outcome.response.empty() ? "" : ": " + outcome.response);
}

}  // namespace

void Ledger::give_up(GivenUp given_up) {
  if (given_up.recipients.empty()) return;
  ++pending_;
  auto shared = std::make_shared<GivenUp>(std::move(given_up));
  if (shared->attempt.note || !notes_.wanted()) return give_up_now(std::move(shared));
  // It cannot be read any more when that is done.
  notes_.fetch(shared->id, [this, shared](telemetry::NotePtr note) {
    if (closed_) return;  // they fail again after the next start
    shared->attempt.note = std::move(note);
    give_up_now(shared);
  });
}

void Ledger::give_up_now(std::shared_ptr<GivenUp> shared) {
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
  const auto message = backlog_.find(item.id);
  if (!message || message->sender().empty()) return false;
  const uint8_t asked = message->notify(item.recipient);
  return asked == 0 ? unless_said : (asked & message::notify::never) == 0 && (asked & what) != 0;
}

bool Ledger::tells_success(const Item& item, const Attempt& attempt) const {
  if (attempt.final) return wants(item, message::notify::success, false);
  if (!attempt.dsn && wants(item, message::notify::success, false)) return true;
  const auto message = backlog_.find(item.id);
  if (!message || message->deadline() == WallTime{}) return false;
  // RFC 2852 §4: the time goes on to a host that does not know of it, or a trace was asked for.
  if (!attempt.deliver_by && !message->must_return())
    return wants(item, message::notify::success | message::notify::delay, true);
  return message->traced() && wants(item, always, true);
}

ReportLine Ledger::line_of(const Item& item, const Outcome& outcome, const Attempt& attempt) const {
  ReportLine line;
  if (const auto message = backlog_.find(item.id)) line.recipient = message->recipient(item.recipient);
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
  const WallTime now = even_now();
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
  if (success->recorded) return;
  const bool told = stored.has_value();
  if (!told && stored.error().code != Errc::not_found)
    return later(success->recipients.front().first.id.to_string(parts_.spool.node()), stored.error(),
                 [this, success] { report_success(success); });
  --pending_;
  successes_.erase(success);
  for (const auto& [item, outcome] : success->recipients) {
    if (told)
      done(success->domain, item, outcome, success->attempt);
    else
      delivered(success->domain, item, outcome, success->attempt);
  }
  settled_();
}

void Ledger::close() {
  closed_ = true;
  timer_.stop();
  owed_.clear();
  notes_.close();
  for (const auto& success : std::exchange(successes_, {})) forgo(success);
}

// A delivery that is made again is worse than a report that is not.
void Ledger::forgo(const std::shared_ptr<Success>& success) {
  success->recorded = true;
  successes_.erase(success);
  --pending_;
  parts_.log.write(Level::error, Area::delivery, "report-lost",
                   fmt::format("{}: it was delivered, and the sender may never be told: the report could not be stored "
                               "before the end",
                               success->recipients.front().first.id.to_string(parts_.spool.node())));
  for (const auto& [item, outcome] : success->recipients) delivered(success->domain, item, outcome, success->attempt);
}

// The next attempt waits until it is told, and durable, that there is need of one.
void Ledger::report_delay(const std::shared_ptr<Delay>& delay) {
  const Item& first = delay->recipients.front().first;
  const Duration left = first.received + delay->route->expiration - even_now();
  Report report{first.id, delay->domain, delay->route, Action::delayed, {}, wall_now() + left, {}, true};
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
    backlog_.set_reported(item.id, item.recipient, even_now());
    queue_.retry(delay->domain, item, wall_now());
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
  if (const auto message = backlog_.find(id)) {
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
    auto original = spool.open(shared->id);
    if (original && original->rest && original->size() <= max_original_part) original = spool.read(shared->id);
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
    using Kind = telemetry::Record::Kind;
    const Kind kind = outcome.administrative           ? Kind::admin_bounce
                      : state == spool::State::expired ? Kind::expiration
                                                       : Kind::bounce;
    parts_.mainlog.outcome(record(kind, given_up->domain, item, outcome, given_up->attempt));
    count(given_up->domain, Counter::permanent_failures);
    finish(given_up->domain, item, queue::End::failed);
  }
  settled_();
}

}  // namespace impulse::delivery
