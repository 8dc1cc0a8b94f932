// Connections to a next host: when to make one, and what to do with it.
#include "delivery/hop.h"

#include "base/text.h"
#include "delivery/ecstream_courier.h"
#include "delivery/hop_impl.h"
#include "delivery/smtp_courier.h"

#include "queue/name.h"

#include <algorithm>
#include <utility>

namespace impulse::delivery {

using telemetry::Area;
using telemetry::Counter;
using telemetry::Level;

namespace {

constexpr Duration first_rest = std::chrono::seconds(1);
constexpr Duration longest_rest = std::chrono::minutes(5);
constexpr int too_many_recipients = 452;  // RFC 5321 §4.5.3.1.10

}  // namespace

Hop::Hop(Office& office, std::string key, std::string binding)
    : office_(office),
      key_(std::move(key)),
      binding_(std::move(binding)),
      counters_(office.parts.counters.binding(binding_)),
      slots_(office.binding_slots[lower(binding_)]),
      timer_(office.parts.loop, [this] { pump(); }) {}

Hop::~Hop() {
  for (Slots* slots : {&slots_, &office_.slots}) slots->connections -= established_ + openings_;
  for (const auto& [number, entry] : entries_)
    if (entry->yields != nullptr) --entry->yields->yielding;
  starve_no_more();
  office_.parts.counters.add(&counters_, Counter::outbound_open, -static_cast<int64_t>(established_));
}

void Hop::want(const std::string& domain, const RoutePtr& route) {
  route_ = route;
  if (add_wanted(domain, route)) wanting_.push_back(domain);
  if (throttled_) throttled_ = !office_.throttles.ready(Throttles::Of::connections, domain, route);
  pump();
}

void Hop::list(std::vector<Outbound>& all) const {
  for (const auto& [number, entry] : entries_) {
    const Courier& courier = *entry->courier;
    using State = Outbound::State;
    const State state = entry->opening              ? State::connecting
                        : !entry->under_way.empty() ? State::sending
                        : !entry->items.empty()     ? State::fetching
                                                    : State::resting;
    const std::string& domain = entry->under_way.empty() ? entry->domain : entry->under_way.front().domain;
    all.push_back({courier.target().endpoint, binding_, courier.target().host,
                   state == State::sending || state == State::fetching ? domain : std::string(), state, courier.fd(),
                   courier.tls() != nullptr, courier.jobs()});
  }
}

void Hop::pump(size_t most) {
  if (office_.stopping) return;
  waits_ = false;
  use(most);
  if (!waits_) starve_no_more();
}

void Hop::use(size_t most) {
  open_protected();
  for (auto& [number, entry] : entries_) {
    if (wanting_.empty() && needy_.empty()) return;
    if (entry->courier->resting() || (entry->courier->takes_more() && entry->items.empty())) serve(*entry);
  }
  for (; most > 0 && may_open(); --most) open();
  waits_ |= most == 0;  // it may want more
}

bool Hop::may_open() {
  if (wanting_.empty() || office_.stopping) return false;
  const size_t openings = openings_ - (protecting_ ? 1 : 0);
  // One that takes several at once takes the next one, too.
  if (route_->ecstream && (openings > 0 || std::ranges::any_of(entries_, [](const auto& each) {
                             return each.second->courier->takes_more();
                           })))
    return false;
  if (!proven_ && openings > 0) return false;
  if (established_ + openings_ >= most_connections()) return false;
  // Each connection being made will take one message; no more of them than there is work.
  if (!work_for(openings + 1) || rests_now()) return false;
  const std::string* const domain = who_may_connect();
  if (domain == nullptr || none_is_free()) return false;
  opens_for_ = *domain;
  office_.throttles.charge(Throttles::Of::connections, opens_for_, wanted_.at(opens_for_));
  return true;
}

bool Hop::rests_now() {
  const SteadyTime now = steady_now();
  if (now >= down_until_) return false;
  if (!timer_.running()) timer_.start(std::chrono::ceil<Duration>(down_until_ - now));
  return true;
}

bool Hop::has_room() const {
  return established_ + openings_ < most_connections() && office_.slots.connections < office_.most_connections &&
         slots_.connections < route_->binding_max_connections;
}

void Hop::open() {
  take_slot();
  auto opening = std::make_shared<Opening>();
  opening->route = route_;
  opening->domain = opens_for_;
  resolve(opening);
}

void Hop::connect(const std::shared_ptr<Opening>& opening, const Target& target, const std::string& plain_because) {
  // The first one was counted before.
  if (opening->connects++ > 0 && !opening->domain.empty())
    office_.throttles.charge(Throttles::Of::connections, opening->domain, office_.route(opening->domain));
  auto entry = std::make_unique<Entry>();
  entry->opening = opening;
  entry->plain = !plain_because.empty();
  const uint64_t number = ++office_.last_connection;
  Courier::Setup setup{number, office_.parts.loop, *this,        office_.streamers, office_.streams, opening->route,
                       target, most_recipients_,   plain_because};
  if (opening->route->ecstream)
    entry->courier = std::make_unique<EcstreamCourier>(std::move(setup));
  else
    entry->courier = std::make_unique<SmtpCourier>(std::move(setup));
  if (opening->needs_protection && !needy_.empty())
    trace(*entry->courier, needy_.front().domain);
  else if (!wanting_.empty())
    trace(*entry->courier, wanting_.front());
  if (auto started = entry->courier->start(); !started) {
    opening->last_error = started.error().message;
    opening->last_peer = target.endpoint.to_string();
    opening->last = {};
    opening->last_status = "4.4.1";
    object(*opening, {450, "4.4.1 " + opening->last_error});
    office_.parts.loop.post([this, weak = std::weak_ptr(alive_), opening] {
      if (!weak.expired()) try_next(opening);
    });
    return;
  }
  entries_.emplace(number, std::move(entry));
}

void Hop::trace(Courier& courier, std::string_view domain) {
  const telemetry::SmtpTracers* tracers = office_.parts.tracers;
  if (tracers == nullptr) return;
  courier.trace(tracers->any() ? tracers->outbound(
                                     binding_, queue::domain_of(domain),
                                     fmt::format("out:{} {}", courier.number(), courier.target().endpoint.to_string()))
                               : nullptr);
}

void Hop::opening_failed(const std::shared_ptr<Opening>& opening) {
  --openings_;
  give_back_slot();
  give_back_token(*opening);
  if (office_.stopping) return;
  ++failures_;
  const Duration most = std::min(longest_rest, opening->route->retry_interval);
  down_until_ = steady_now() + queue::backoff(failures_, std::min(first_rest, most), most, 0);
  // A host that serves us on other connections is not down: it takes no more.
  if (established_ == 0) {
    proven_ = false;
    office_.parts.log.write(Level::warning, Area::delivery, "gateway-unreachable", opening->last_error);
    const bool for_good = opening->objection && opening->objection->permanent();
    Outcome outcome{
        for_good ? Outcome::Kind::permanent : Outcome::Kind::transient, opening->last_error, opening->last_status, {}};
    Attempt attempt{opening->last_peer, {}, std::string(route_->protocol()), opening->last_remote};
    opening->tell(outcome, attempt);
    for (const std::string& domain : drop_all_wanted()) {
      const RoutePtr route = office_.route(domain);
      if (route->hop == key_) {
        office_.fail_domain(domain, outcome, attempt);
      } else {
        office_.look_again(domain);  // goes another way since
      }
    }
    if (!protecting_) fail_needy(outcome, attempt);
  }
  pump();
}

// It was taken before anybody knew an address.
void Hop::give_back_token(const Opening& opening) {
  if (opening.connects == 0 && !opening.domain.empty())
    office_.throttles.give_back(Throttles::Of::connections, opening.domain, office_.route(opening.domain));
}

void Hop::give_back_slot() {
  --slots_.connections;
  --office_.slots.connections;
  office_.freed();
}

// Finds work for a courier that is ready, by the domains' turns.
void Hop::serve(Entry& entry) {
  Courier& courier = *entry.courier;
  if (!courier.usable() || !entry.items.empty()) return;
  if (office_.stopping || carried_enough(entry)) return courier.quit();
  if (yields(courier)) return yield(entry);
  if (serve_needy(entry)) return;
  while (!wanting_.empty()) {
    const std::string domain = std::move(wanting_.front());
    wanting_.pop_front();
    const RoutePtr route = office_.route(domain);
    if (route->method != Route::Method::smtp || route->hop != key_ || route->suspended) {
      drop_wanted(domain);
      office_.look_again(domain);
      continue;
    }
    route_ = route;
    if (!office_.throttles.take(Throttles::Of::messages, domain, route)) {
      drop_wanted(domain);  // it stands in line there
      continue;
    }
    auto items = office_.queue.take_message(domain, route->batch);
    if (office_.queue.active(domain) > 0) {
      add_wanted(domain, route);
      wanting_.push_back(domain);
    } else {
      drop_wanted(domain);
    }
    office_.ledger.drop_expired(domain, route, items);
    if (items.empty()) {
      office_.throttles.give_back(Throttles::Of::messages, domain, route);
      continue;
    }
    entry.domain = domain;
    entry.route = route;
    entry.items = std::move(items);
    return fetch(entry);
  }
  if (courier.resting()) return;
  if (claimed() != nullptr) return yield(entry);
  courier.rest();
}

// Nothing of it was sent.
void Hop::put_back(const std::string& domain, const RoutePtr& route, std::vector<queue::Item> items) {
  office_.ledger.put_back(domain, items);
  office_.throttles.give_back(Throttles::Of::messages, domain, route);
}

void Hop::fetch(Entry& entry) {
  entry.courier->hold();
  entry.read_for = entry.courier->offers();
  if (lessens_) entry.read_for.eight_bit_mime = entry.read_for.binary_mime = false;
  office_.readers.post([this, weak = std::weak_ptr(alive_), &spool = office_.parts.spool, &loop = office_.parts.loop,
                        number = entry.courier->number(), id = entry.items.front().id, offers = entry.read_for,
                        choice = office_.parts.mainlog.choice()] {
    auto letter = std::make_shared<Result<Letter>>(read_letter(spool, id, offers));
    if (choice && *letter) (*letter)->note = telemetry::note_of(*choice, (*letter)->stored.envelope);
    loop.post([this, weak, number, letter] {
      if (!weak.expired()) fetched(number, std::move(*letter));
    });
  });
}

void Hop::fetched(uint64_t number, Result<Letter> letter) {
  const auto found = entries_.find(number);
  if (found == entries_.end()) return;  // it ended meanwhile, and its items went back
  Entry& entry = *found->second;
  if (office_.stopping || !entry.courier->usable()) {
    put_back(entry.domain, entry.route, std::exchange(entry.items, {}));
    return entry.courier->quit();
  }
  if (!letter) {
    const auto items = std::exchange(entry.items, {});
    office_.ledger.unreadable(entry.domain, entry.route, items, letter.error());
    office_.throttles.give_back(Throttles::Of::messages, entry.domain, entry.route);
    return serve(entry);
  }
  const spool::Stored& message = letter->stored;
  // Who has an outcome already is not asked for another one.
  std::vector<queue::Item> strangers;
  std::erase_if(entry.items, [&](const queue::Item& item) {
    const bool pending =
        item.recipient < message.envelope.recipients.size() &&
        (item.recipient >= message.states.size() || message.states[item.recipient].state == spool::State::pending);
    if (!pending) strangers.push_back(item);
    return !pending;
  });
  office_.ledger.forget(entry.domain, strangers);
  if (entry.items.empty()) {
    office_.throttles.give_back(Throttles::Of::messages, entry.domain, entry.route);
    return serve(entry);
  }
  // Where the configuration forbids TLS no other connection is better.
  if (message.envelope.require_tls && entry.route->tls != smtp::TlsUse::no && entry.courier->unprotected()) {
    divert(entry);
    return serve(entry);
  }
  std::vector<uint32_t> recipients;
  for (const queue::Item& item : entry.items) recipients.push_back(item.recipient);
  entry.under_way.push_back({entry.domain, entry.route, std::exchange(entry.items, {}), letter->note});
  trace(*entry.courier, entry.domain);
  entry.courier->send(std::make_shared<const Letter>(std::move(*letter)), recipients);
  if (entry.courier->takes_more()) return serve(entry);
  if (entry.route->ecstream) pump();  // it is full: there may be another
}

void Hop::courier_ready(Courier& courier) {
  Entry& entry = *entries_.at(courier.number());
  if (entry.opening && entry.opening->needs_protection) {
    if (auto why = courier.unprotected()) {
      entry.objected = true;
      object(*entry.opening, std::move(*why));
      return courier.quit();  // and then the next address
    }
    protecting_ = false;
  }
  if (entry.opening) {
    if (courier.tls() != nullptr) office_.plain.forget(entry.opening->route->how, courier.target().endpoint);
    entry.opening.reset();
    --openings_;
    ++established_;
    office_.silent.forget(courier.target().endpoint);
    proven_ = true;
    failures_ = 0;
    down_until_ = {};
    timer_.stop();
    office_.parts.counters.add(&counters_, Counter::outbound_connections);
    office_.parts.counters.add(&counters_, Counter::outbound_open);
  }
  serve(entry);
  pump();
}

void Hop::courier_done(Courier& courier, std::vector<smtp::Reply> replies, bool again) {
  Entry& entry = *entries_.at(courier.number());
  const Load load = std::move(entry.under_way.front());
  entry.under_way.pop_front();
  const auto& items = load.items;
  const smtp::ClientOffers& offers = courier.offers();
  lessens_ |= entry.read_for.eight_bit_mime > offers.eight_bit_mime || entry.read_for.binary_mime > offers.binary_mime;
  most_recipients_ = less_of(most_recipients_, courier.most_recipients());
  if (again) return put_back(load.domain, load.route, items);
  const bool some = std::any_of(replies.begin(), replies.end(), [](const auto& reply) { return reply.positive(); });
  std::vector<queue::Item> tried;
  std::vector<queue::Item> next_batch;
  std::vector<Outcome> outcomes;
  for (size_t i = 0; i < items.size(); ++i) {
    smtp::Reply reply = i < replies.size() ? std::move(replies[i]) : smtp::Reply{};
    if (reply.code == not_tried ||
        (some && reply.code == too_many_recipients && reply.stage == telemetry::Stage::after_rcpt)) {
      next_batch.push_back(items[i]);
      continue;
    }
    Outcome outcome;
    outcome.kind = reply.positive()    ? Outcome::Kind::delivered
                   : reply.permanent() ? Outcome::Kind::permanent
                                       : Outcome::Kind::transient;
    outcome.status = status_of(reply);
    outcome.response = reply.code == 0 ? reply.text : fmt::format("{} {}", reply.code, reply.text);
    if (outcome.response.empty()) outcome.response = "no answer";
    outcome.stage = reply.stage;
    outcome.bytes = reply.bytes;
    tried.push_back(items[i]);
    outcomes.push_back(std::move(outcome));
  }
  const Attempt attempt{courier.target().endpoint.to_string(),
                        courier.local(),
                        std::string(courier.protocol()),
                        courier.target().host,
                        load.route->lmtp && !courier.offers().dsn,
                        courier.offers().dsn,
                        courier.offers().deliver_by,
                        courier.number(),
                        courier.tls(),
                        load.note};
  if (tried.empty()) return put_back(load.domain, load.route, std::move(next_batch));
  office_.ledger.put_back(load.domain, next_batch);
  office_.ledger.settle(load.domain, load.route, tried, std::move(outcomes), attempt);
}

// Not waited for, as what it is for is under way.
void Hop::courier_resumes(Courier& courier) {
  const Entry& entry = *entries_.at(courier.number());
  if (entry.under_way.empty()) {  // it is not ready yet
    if (const auto& opening = entry.opening; opening && !opening->domain.empty())
      office_.throttles.charge(Throttles::Of::connections, opening->domain, office_.route(opening->domain));
    return;
  }
  const Load& load = entry.under_way.front();
  office_.throttles.charge(Throttles::Of::connections, load.domain, load.route);
  office_.parts.counters.add(&counters_, Counter::outbound_connections);
}

void Hop::courier_ended(Courier& courier, End end, const std::string& why) {
  const auto found = entries_.find(courier.number());
  std::unique_ptr<Entry> entry = std::move(found->second);
  entries_.erase(found);
  // Nothing was said about these yet.
  if (!entry->items.empty()) put_back(entry->domain, entry->route, std::exchange(entry->items, {}));
  const std::shared_ptr<Opening> opening = std::exchange(entry->opening, nullptr);
  if (opening) {
    const Target& target = courier.target();
    if (!entry->objected)
      object(*opening, {450, end == End::tls && opening->needs_protection
                                 ? "4.7.10 the message needs TLS (REQUIRETLS), which does not work now: " + why
                                 : "4.4.1 " + why});
    opening->last_error = why;
    opening->last_status = "4.4.1";
    opening->last_peer = target.endpoint.to_string();
    opening->last = {courier.number(), courier.stage(), courier.bytes(), courier.tls()};
    opening->last_remote = end == End::refused ? target.host : std::string();
    const SteadyTime now = steady_now();
    if ((end == End::unreachable || end == End::lost) && now - entry->began >= SilentAddresses::worth)
      office_.silent.note(target.endpoint, now);
    if (end == End::tls && !opening->needs_protection && may_go_plain(*opening->route, target) && !entry->plain &&
        !office_.stopping) {
      office_.parts.log.write(Level::notice, Area::delivery, "tls-fallback",
                              fmt::format("{}: {}; going on without TLS", opening->last_peer, why));
      office_.plain.note(opening->route->how, target.endpoint, why, now);
      connect(opening, target, why);
    } else {
      try_next(opening);
    }
  } else {
    --established_;
    making_room_ = false;
    if (entry->yields != nullptr) {
      --yielding_;
      --entry->yields->yielding;
    }
    office_.parts.counters.add(&counters_, Counter::outbound_open, -1);
    give_back_slot();
    waits_ = true;  // others may be next
    if (!office_.slots.short_of && !slots_.short_of) pump();
  }
  ended_.push_back(std::move(entry));
  office_.parts.loop.post([this, weak = std::weak_ptr(alive_)] {
    if (!weak.expired()) ended_.clear();
  });
}

void Hop::stop() {
  timer_.stop();
  drop_all_wanted();
  for (const Needy& needy : std::exchange(needy_, {})) office_.ledger.put_back(needy.domain, needy.items);
  for (auto& [number, entry] : entries_) {
    if (entry->courier->resting()) {
      entry->courier->quit();
    } else if (entry->opening) {
      entry->courier->close();
    }
  }
}

}  // namespace impulse::delivery
