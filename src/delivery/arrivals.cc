#include "delivery/arrivals.h"

#include "base/clock.h"
#include "delivery/ages.h"
#include "delivery/dispatcher.h"
#include "message/address.h"
#include "queue/name.h"
#include "telemetry/counters.h"

#include <algorithm>
#include <chrono>
#include <expected>
#include <optional>
#include <ranges>
#include <string>
#include <utility>

namespace impulse::delivery {
namespace {

using telemetry::Counter;

// Recipients of messages that a start found, added in one go.
constexpr size_t added_at_once = 1000;

// Whether the sender was told before a restart that its deadline had passed: the
// attempt at the deadline is behind it, and the next one is a good deal later.
bool told_late(const message::Envelope& envelope, const spool::RecipientState& state) {
  const auto& by = envelope.deliver_by;
  return by.given() && by.deadline <= even_now() && state.next_attempt > by.deadline + std::chrono::seconds(1);
}

}  // namespace

Arrivals::Arrivals(Office& office, std::function<void()> settled) : office_(office), settled_(std::move(settled)) {}

void Arrivals::add_all(std::vector<spool::Summary> messages, std::function<void()> done) {
  const auto found = std::make_shared<Found>(Found{std::move(messages), std::move(done)});
  office_.parts.loop.post([this, weak = std::weak_ptr(alive_), found] {
    if (weak.expired()) return;
    coming_.push_back(found);
    add_some(found);
  });
}

// As many recipients at a time as do not keep the loop long, and at least one message.
void Arrivals::add_some(const std::shared_ptr<Found>& found) {
  for (size_t recipients = 0; found->added < found->messages.size() && recipients < added_at_once;) {
    const spool::Summary& message = found->messages[found->added++];
    recipients += message.envelope.recipients.size();
    add(message.id, message.envelope, message.size, message.states);
  }
  if (found->added == found->messages.size()) {
    std::erase(coming_, found);
    return found->done();
  }
  office_.parts.loop.post([this, weak = std::weak_ptr(alive_), found] {
    if (!weak.expired()) add_some(found);
  });
}

bool Arrivals::comes(MessageId id) const {
  return std::ranges::any_of(coming_, [id](const auto& found) {
    return std::ranges::any_of(found->messages | std::views::drop(found->added),
                               [id](const spool::Summary& message) { return message.id == id; });
  });
}

void Arrivals::add(MessageId id, const message::Envelope& envelope, uint64_t size,
                   const std::vector<spool::RecipientState>& states) {
  const WallTime now = wall_now();
  if (const Duration off = even_time(envelope.received, even_now(), now) - envelope.received; off != Duration{0}) {
    // The clock has been set since the process began, or since the message came.
    message::Envelope even = envelope;
    even.received += off;
    if (even.deliver_by.given()) even.deliver_by.deadline += off;
    return add_even(id, even, size, states, now);
  }
  add_even(id, envelope, size, states, now);
}

void Arrivals::add_even(MessageId id, const message::Envelope& envelope, uint64_t size,
                        const std::vector<spool::RecipientState>& states, WallTime now) {
  newest_ = std::max(newest_, id);
  std::vector<std::pair<std::string, queue::Item>> items;
  std::vector<uint32_t> told;
  // Age counts from the release (RFC 4865), which is also the first attempt's time: that goes by
  // the wall clock, age does not.
  WallTime begins = envelope.received;
  if (envelope.hold_until != WallTime{}) begins = std::max(begins, envelope.hold_until + even_ahead(now));
  for (uint32_t i = 0; i < envelope.recipients.size(); ++i) {
    const spool::RecipientState* state = i < states.size() ? &states[i] : nullptr;
    if (state != nullptr && state->state != spool::State::pending) continue;
    const std::string& binding = state != nullptr && !state->binding.empty() ? state->binding : envelope.binding;
    std::string domain = queue::name_of(envelope.tenant, message::domain_of(envelope.recipients[i].address), binding);
    const bool future = envelope.hold_until > now;
    queue::Item item{id, i, 0, envelope.priority, future, future ? envelope.hold_until : begins, {}};
    if (state != nullptr && state->held()) {
      item.attempts = static_cast<uint16_t>(std::min<uint32_t>(state->attempts, UINT16_MAX));
      item.next_attempt = queue::on_hold;
    } else if (future) {
      item.next_attempt = envelope.hold_until;
    } else if (state != nullptr) {
      // The clock may have been wrong when the time was set.
      const Duration most = office_.route(domain)->max_retry_interval;
      item.attempts = static_cast<uint16_t>(std::min<uint32_t>(state->attempts, UINT16_MAX));
      item.next_attempt = std::min(state->next_attempt, now + most + most / 10);
      if (told_late(envelope, *state)) told.push_back(i);
    }
    items.emplace_back(std::move(domain), item);
  }
  if (items.empty() || !office_.backlog.add(id, envelope, size, static_cast<uint32_t>(items.size()))) return;
  for (const uint32_t recipient : told) office_.backlog.set_reported(id, recipient, even_now());
  office_.parts.counters.add(office_.parts.counters.tenant(envelope.tenant), Counter::queued_recipients,
                             static_cast<int64_t>(items.size()));
  for (const auto& [domain, item] : items) {
    office_.parts.counters.binding(queue::binding_of(domain)).add(Counter::queued_recipients);
    office_.queue.add(domain, item, now);
    if (item.next_attempt > now) {
      settled_();
    } else {
      office_.look_again(domain);  // more work than a moment ago, for more connections
    }
  }
}

void Arrivals::spool_in(MessageId id, std::function<void(Result<bool>)> done) {
  if (office_.backlog.find(id) || comes(id)) return done(false);
  // Of a start that is still under way: it comes into the queue anyway, and must not come twice.
  if (auto known = office_.parts.spool.indexed(id); !known) return done(std::unexpected(std::move(known.error())));
  office_.readers.post([this, id, done = std::move(done), alive = std::weak_ptr(alive_), &parts = office_.parts] {
    auto found = parts.spool.summary(id);
    parts.loop.post([this, id, done, alive, found = std::move(found)] {
      if (alive.expired()) return;
      if (!found) return done(std::unexpected(found.error()));
      // What comes has been read before: it would be queued once more when this here is delivered already.
      if (office_.backlog.find(id) || comes(id)) return done(false);
      // It may have been queued, and delivered, meanwhile. This look costs no
      // disk: it was read a moment ago.
      const auto now = office_.parts.spool.summary(id);
      if (!now) return done(std::unexpected(now.error()));
      add(id, now->envelope, now->size, now->states);
      done(office_.backlog.find(id).has_value());
    });
  });
}

}  // namespace impulse::delivery
