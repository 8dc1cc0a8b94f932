// The Dispatcher: puts the parts together, routes domains to them, keeps the
// queue's clock. A domain is a queue's name from here on, before it the tenant
// whose mail it is, behind it the Binding (queue/name.h); routes are those of the
// domain by that Binding.
#include "delivery/dispatcher.h"

#include "base/text.h"
#include "delivery/ages.h"
#include "delivery/backlog.h"
#include "delivery/blackhole.h"
#include "delivery/clerk.h"
#include "delivery/hop.h"
#include "delivery/ledger.h"
#include "delivery/mailroom.h"
#include "delivery/office.h"
#include "delivery/porter.h"
#include "delivery/router.h"
#include "delivery/workers.h"
#include "queue/name.h"

#include <algorithm>
#include <deque>
#include <map>
#include <unordered_set>
#include <utility>

namespace impulse::delivery {
namespace {

using telemetry::Area;
using telemetry::Counter;
using telemetry::Level;

// The wall clock may be set while we wait for a moment of it: it is looked at
// this often at least.
constexpr Duration longest_wait = std::chrono::seconds(5);  // so soon a clock that was set is noticed
constexpr Duration shortest_wait = std::chrono::milliseconds(1);
constexpr unsigned reader_threads = 2;
// Messages failed in one go, before the loop does other things.
constexpr size_t slice = 200;
constexpr size_t most_unread = 2000;  // outcomes in memory, whose messages are read for the logs
constexpr Duration reading_pause = std::chrono::milliseconds(2);
// Recipients of messages that a start found, added in one go.
constexpr size_t added_at_once = 1000;
// How long domains are looked at in one go: a commit makes it every domain's turn.
constexpr Duration look_slice = std::chrono::milliseconds(1);
constexpr size_t domains_at_once = 32;

class PartsDispatcher final : public Dispatcher {
 public:
  explicit PartsDispatcher(Parts parts)
      : parts_(std::move(parts)),
        queue_(queue::Queue::create([this](const std::string& domain) { look_at(domain); })),
        readers_(reader_threads),
        router_(parts_.loop, parts_.log, parts_.snapshot, [this](const std::string& queue) { look_at(queue); }),
        throttles_(
            parts_.loop, parts_.snapshot, [this](const std::string& queue) { look_at(queue); },
            [this](const std::string& queue) { return queue_->active(queue) > 0; }),
        ledger_(parts_, *queue_, backlog_, readers_, [this] { settled(); }),
        office_{parts_,
                *queue_,
                backlog_,
                ledger_,
                readers_,
                router_.resolver(),
                throttles_,
                0,
                false,
                false,
                [this](std::string_view name) { return route(name); },
                [this](const std::string& domain) { look_at(domain); },
                [this](const std::string& domain, Outcome outcome, Attempt attempt) {
                  fail_domain(domain, std::move(outcome), std::move(attempt));
                },
                [this] { freed(); },
                [this] { make_room(); }},
        mailroom_(office_),
        blackhole_(office_),
        clerk_(office_),
        porter_(office_, clerk_, [this] { settled(); }),
        timer_(parts_.loop, [this] { wake(); }),
        patience_(parts_.loop, [this] { give_up_waiting(); }),
        reading_(parts_.loop, [this] { fail_slice(); }) {}

  ~PartsDispatcher() override { alive_.reset(); }

  void enqueue(MessageId id, std::shared_ptr<const message::Envelope> envelope, uint64_t size,
               std::vector<spool::RecipientState> states) override {
    on_loop([this, id, envelope = std::move(envelope), size, states = std::move(states)] {
      add(id, *envelope, size, states);
    });
  }

  void enqueue_all(std::vector<spool::Summary> messages, std::function<void()> done) override {
    add_some({std::move(messages), std::move(done)});
  }

  void start() override {
    started_ = true;
    tick();
    reconfigured();
    for (const std::string& domain : queue_->active_domains()) look_at(domain);
  }

  void stop(Duration patience, std::function<void()> idle) override {
    office_.stopping = true;
    idle_ = std::move(idle);
    failing_.clear();
    reading_.stop();
    mailroom_.stop();
    blackhole_.stop();
    clerk_.stop();
    for (auto& [key, hop] : hops_) hop->stop();
    timer_.stop();
    patience_.start(std::max(patience, shortest_wait));
    check_idle();
  }

  void reconfigured() override {
    router_.reconfigured();
    // A walk that is under way ends first.
    if (walking_) return;
    walked_from_ = std::exchange(routed_by_, parts_.snapshot());
    if (walked_from_ == nullptr || walked_from_ == routed_by_) return;
    walking_ = true;
    walk_.clear();
    look_later();
  }

  std::vector<queue::DomainStatus> domains(std::string_view after, size_t count) const override {
    std::vector<queue::DomainStatus> page;
    queue_->walk(after, count, page);
    return page;
  }
  std::optional<queue::DomainStatus> domain(std::string_view name) const override { return queue_->status(name); }
  queue::Totals totals() const override { return queue_->totals(); }

  std::vector<Waiting> waiting(std::string_view domain, queue::Queue::Scan& scan, size_t count) const override {
    std::vector<queue::Listed> listed;
    queue_->scan(domain, scan, count, listed);
    const auto status = queue_->status(domain);
    std::vector<Waiting> all;
    for (const queue::Listed& each : listed) all.push_back(waiting_of(backlog_, parts_.spool, status->domain, each));
    return all;
  }

  uint64_t size() const override { return queue_->size(); }
  std::optional<Throttled> throttled(std::string_view domain) override {
    const auto status = queue_->status(domain);
    if (!status || status->active == 0) return std::nullopt;
    return throttles_.waiting(status->domain, office_.route(status->domain));
  }

  std::vector<Outbound> connections() const override {
    std::vector<Outbound> all;
    for (const auto& [key, hop] : hops_) hop->list(all);
    return all;
  }

  RouteView route_view(std::string_view domain) override { return router_.view(domain); }
  size_t refresh_route(const std::string& domain) override { return router_.refresh(domain); }
  dns::Resolver& resolver() override { return router_.resolver(); }

  using Dispatcher::act;
  Acted act(const MessageOrder& order, std::function<void(Result<>)> durable) override {
    const Acted acted = clerk_.act(order, std::move(durable));
    settled();
    return acted;
  }
  std::shared_ptr<const Errand> begin(QueueOrder order) override { return clerk_.begin(std::move(order), newest_); }
  std::shared_ptr<Carriage> carry(CarryOrder order) override { return porter_.begin(std::move(order), newest_); }

  void spool_in(MessageId id, std::function<void(Result<bool>)> done) override {
    if (backlog_.find(id)) return done(false);
    // Of a start that is still under way: it comes into the queue anyway, and must not come twice.
    if (auto known = parts_.spool.indexed(id); !known) return done(std::unexpected(std::move(known.error())));
    readers_.post([this, id, done = std::move(done), alive = std::weak_ptr(alive_), &loop = parts_.loop] {
      auto found = parts_.spool.summary(id);
      loop.post([this, id, done, alive, found = std::move(found)] {
        if (alive.expired()) return;
        if (!found) return done(std::unexpected(found.error()));
        if (backlog_.find(id)) return done(false);
        // It may have been queued, and delivered, meanwhile. This look costs no
        // disk: it was read a moment ago.
        const auto now = parts_.spool.summary(id);
        if (!now) return done(std::unexpected(now.error()));
        add(id, now->envelope, now->size, now->states);
        done(backlog_.find(id).has_value());
      });
    });
  }
  bool suspend(std::string_view queue, bool on) override { return clerk_.suspend(queue, on); }
  std::vector<std::string> suspended() const override { return clerk_.all_suspended(); }

 private:
  struct Failing {
    Outcome outcome;
    Attempt attempt;
  };

  void on_loop(std::function<void()> work) {
    parts_.loop.post([weak = std::weak_ptr(alive_), work = std::move(work)] {
      if (!weak.expired()) work();
    });
  }

  RoutePtr route(std::string_view name) {
    RoutePtr route = router_.route(name);
    if (!clerk_.suspended(name) || route->suspended) return route;
    auto suspended = std::make_shared<Route>(*route);
    suspended->suspended = true;
    return suspended;
  }

  struct Found {
    std::vector<spool::Summary> messages;
    std::function<void()> done;
    size_t added = 0;
  };
  // As many recipients at a time as do not keep the loop long, and at least one message.
  void add_some(Found found) {
    on_loop([this, found = std::move(found)]() mutable {
      for (size_t recipients = 0; found.added < found.messages.size() && recipients < added_at_once;) {
        const spool::Summary& message = found.messages[found.added++];
        recipients += message.envelope.recipients.size();
        add(message.id, message.envelope, message.size, message.states);
      }
      if (found.added == found.messages.size()) return found.done();
      add_some(std::move(found));
    });
  }

  void add(MessageId id, const message::Envelope& envelope, uint64_t size,
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

  // Whether the sender was told before a restart that its deadline had passed: the
  // attempt at the deadline is behind it, and the next one is a good deal later.
  static bool told_late(const message::Envelope& envelope, const spool::RecipientState& state) {
    const auto& by = envelope.deliver_by;
    return by.given() && by.deadline <= even_now() && state.next_attempt > by.deadline + std::chrono::seconds(1);
  }

  void add_even(MessageId id, const message::Envelope& envelope, uint64_t size,
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
      queue::Item item{id, i, 0, envelope.priority, begins, {}};
      if (state != nullptr && state->held()) {
        item.attempts = static_cast<uint16_t>(std::min<uint32_t>(state->attempts, UINT16_MAX));
        item.next_attempt = queue::on_hold;
      } else if (envelope.hold_until > now) {
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
    if (items.empty() || !backlog_.add(id, envelope, size, static_cast<uint32_t>(items.size()))) return;
    for (const uint32_t recipient : told) backlog_.set_reported(id, recipient, even_now());
    parts_.counters.add(parts_.counters.tenant(envelope.tenant), Counter::queued_recipients,
                        static_cast<int64_t>(items.size()));
    for (const auto& [domain, item] : items) {
      parts_.counters.binding(queue::binding_of(domain)).add(Counter::queued_recipients);
      queue_->add(domain, item, now);
      if (item.next_attempt > now) {
        settled();
      } else {
        look_at(domain);  // more work than a moment ago, for more connections
      }
    }
  }

  // The next domain on the way through all of them after a commit.
  void walk_on() {
    if (walked_.empty() && !walk_ended_) {
      queue_->walk(walk_, domains_at_once, walked_);
      walk_ended_ = walked_.size() < domains_at_once;
      if (!walked_.empty()) walk_ = walked_.back().domain;
      std::ranges::reverse(walked_);
    }
    if (!walked_.empty()) {
      const std::string domain = walked_.back().domain;
      if (!release_rerouted(domain)) return;  // there is more of it
      walked_.pop_back();
      dispatch(domain);
    } else if (walk_ended_) {
      walking_ = walk_ended_ = false;
      walked_from_ = nullptr;
      reconfigured();  // there may have been other commits
    }
  }

  // What waits because of where it was to go has no reason to wait when it is
  // to go somewhere else, or may go again. Some of it at a time; true: that was all.
  bool release_rerouted(const std::string& domain) {
    const RoutePtr was = route_of_queue(*walked_from_, domain);
    const RoutePtr is = route_of_queue(*routed_by_, domain);
    if (is->suspended || is->method == Route::Method::none) return true;
    if (!was->suspended && is->leads_as(*was)) return true;
    failing_.erase(domain);  // for reasons of the old route
    released_ += queue_->flush(domain, releasing_, slice);
    if (!releasing_.ended) return false;
    releasing_ = {};
    if (const size_t count = std::exchange(released_, 0); count > 0) {
      parts_.log.write(Level::notice, Area::delivery, "rerouted",
                       fmt::format("{}: another route, {} delayed recipients are tried now", domain, count));
    }
    return true;
  }

  // From anywhere on the loop, also from inside the queue: done when it comes round.
  void look_at(const std::string& domain) {
    if (!started_ || office_.stopping || !to_look_at_set_.insert(domain).second) return;
    to_look_at_.push_back(domain);
    look_later();
  }

  void look_later() {
    if (look_posted_) return;
    look_posted_ = true;
    on_loop([this] {
      look_posted_ = false;
      look();
    });
  }

  void look() {
    const SteadyTime end = steady_now() + look_slice;
    do {
      if (office_.stopping) return;
      if (!to_look_at_.empty()) {
        const std::string domain = std::move(to_look_at_.front());
        to_look_at_.pop_front();
        to_look_at_set_.erase(domain);
        dispatch(domain);
      } else if (walking_) {
        walk_on();
      } else {
        return;
      }
    } while (steady_now() < end);
    look_later();
  }

  void dispatch(const std::string& domain) {
    if (office_.stopping || failing_.contains(domain) || queue_->active(domain) == 0) return;
    if (clerk_.suspended(domain)) return;  // until resumed
    const RoutePtr route = office_.route(domain);
    if (route->suspended) return;  // until reconfigured()
    if (route->method != Route::Method::blackhole && !throttles_.ready(Throttles::Of::messages, domain, route)) return;
    switch (route->method) {
      case Route::Method::smtp:
        if (const Router::Way way = router_.find(domain); way.failure)
          no_route(domain, *way.failure);
        else if (way.route)
          hop(domain, way.route).want(domain, way.route);
        break;
      case Route::Method::maildir:
        mailroom_.want(domain);
        break;
      case Route::Method::blackhole:
        blackhole_.want(domain);
        break;
      case Route::Method::none:
        no_route(domain, {Outcome::Kind::transient, route->problem, "4.4.4", {}});
        break;
    }
  }

  void no_route(const std::string& domain, Outcome outcome) {
    parts_.log.write(Level::warning, Area::delivery, "no-route", fmt::format("{}: {}", domain, outcome.response));
    fail_domain(domain, std::move(outcome), {});
  }

  // Neither tenants nor Bindings share connections, a limit of them, or a host that was down.
  Hop& hop(std::string_view domain, const RoutePtr& route) {
    const std::string binding = lower(queue::binding_of(domain));
    auto& found = hops_[{queue::name_of(queue::tenant_of(domain), {}, binding), route->hop}];
    if (found == nullptr) {
      for (const std::string& note : route->notes) parts_.log.write(Level::warning, Area::delivery, "tls-client", note);
      found = std::make_unique<Hop>(office_, route->hop, std::string(queue::binding_of(domain)));
    }
    return *found;
  }

  // In slices, so that a long queue does not hold up the loop.
  void fail_domain(const std::string& domain, Outcome outcome, Attempt attempt) {
    if (office_.stopping) return;
    failing_.insert_or_assign(domain, Failing{std::move(outcome), std::move(attempt)});
    fail_later();
  }

  void fail_later() {
    if (fail_posted_ || reading_.running()) return;
    fail_posted_ = true;
    on_loop([this] {
      fail_posted_ = false;
      fail_slice();
    });
  }

  void fail_slice() {
    for (size_t count = 0; count < slice && !failing_.empty(); ++count) {
      if (ledger_.unread_notes() >= most_unread) return reading_.start(reading_pause);
      // In turn, so that a long queue does not keep others from being tried again.
      auto first = failing_.upper_bound(failed_last_);
      if (first == failing_.end()) first = failing_.begin();
      failed_last_ = first->first;
      auto items = queue_->take_message(first->first, SIZE_MAX);
      if (items.empty()) {
        failing_.erase(first);
        continue;
      }
      ledger_.settle_all(first->first, office_.route(first->first), items, first->second.outcome,
                         first->second.attempt);
    }
    if (!failing_.empty()) fail_later();
  }

  // A connection or a job has ended.
  void freed() {
    if (office_.stopping) return settled();
    if (!office_.short_of_connections || pump_posted_) return;
    pump_posted_ = true;
    on_loop([this] {
      pump_posted_ = false;
      office_.short_of_connections = false;
      pump_in_turn();
    });
  }

  // Whoever comes first by name shall not have all that is freed.
  void pump_in_turn() {
    bool opened = true;
    while (opened && !office_.short_of_connections) {
      opened = false;
      auto next = hops_.upper_bound(opened_last_);
      for (size_t count = hops_.size(); count > 0; --count, ++next) {
        if (next == hops_.end()) next = hops_.begin();
        const size_t before = office_.connections;
        next->second->pump(1);
        if (office_.connections <= before) continue;
        opened_last_ = next->first;
        opened = true;
      }
    }
  }

  void make_room() {
    if (room_posted_) return;
    room_posted_ = true;
    on_loop([this] {
      room_posted_ = false;
      if (office_.stopping) return;
      for (auto& [key, hop] : hops_) hop->make_room();
    });
  }

  void settled() {
    if (settled_posted_) return;
    settled_posted_ = true;
    on_loop([this] {
      settled_posted_ = false;
      if (office_.stopping) return check_idle();
      if (started_) tick();
    });
  }

  void wake() {
    std::erase_if(hops_, [](const auto& each) { return each.second->disposable(); });
    throttles_.tidy();
    tick();
  }

  void tick() {
    if (office_.stopping) return;
    const WallTime now = wall_now();
    const auto next = queue_->advance(now);
    timer_.start(next ? std::clamp(*next - now, shortest_wait, longest_wait) : longest_wait);
  }

  void check_idle() {
    if (!idle_) return;
    size_t busy = mailroom_.busy() + ledger_.pending_reports();
    for (const auto& [key, hop] : hops_) busy += hop->connections();
    if (busy == 0) give_up_waiting();
  }

  // What is still under way stays pending in the spool; but what was delivered is.
  void give_up_waiting() {
    patience_.stop();
    ledger_.close();
    hops_.clear();
    if (idle_) std::exchange(idle_, nullptr)();
  }

  Parts parts_;
  std::unique_ptr<queue::Queue> queue_;
  Backlog backlog_;
  Workers readers_;
  Router router_;
  Throttles throttles_;
  Ledger ledger_;
  Office office_;
  Mailroom mailroom_;
  Blackhole blackhole_;
  Clerk clerk_;
  Porter porter_;
  using HopName = std::pair<std::string, std::string>;  // tenant and Binding, and Route::hop
  std::map<HopName, std::unique_ptr<Hop>> hops_;
  HopName opened_last_;  // when connections were short
  net::Timer timer_;     // the queue's next wake-up
  net::Timer patience_;  // after stop()
  net::Timer reading_;   // before more messages are failed
  std::function<void()> idle_;

  MessageId newest_;
  std::deque<std::string> to_look_at_;
  std::unordered_set<std::string> to_look_at_set_;
  std::map<std::string, Failing> failing_;
  std::string failed_last_;
  // A walk through all domains looks at what a commit makes of their routes.
  config::SnapshotPtr routed_by_;            // as of the last walk
  config::SnapshotPtr walked_from_;          // as of the one before
  std::string walk_;                         // the last one of it so far
  std::vector<queue::DomainStatus> walked_;  // these come next, from the end on
  queue::Queue::Scan releasing_;             // of the one that is next
  size_t released_ = 0;
  bool walking_ = false;
  bool walk_ended_ = false;  // but for those in walked_
  bool started_ = false;
  bool look_posted_ = false;
  bool fail_posted_ = false;
  bool pump_posted_ = false;
  bool room_posted_ = false;
  bool settled_posted_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace

std::vector<Waiting> Dispatcher::waiting(std::string_view domain, size_t limit) const {
  std::vector<Waiting> all;
  for (const queue::DomainStatus& each : domains()) {
    if (!domain.empty() && !iequals(domain, each.domain)) continue;
    for (queue::Queue::Scan scan; !scan.ended && all.size() < limit;)
      std::ranges::move(waiting(each.domain, scan, limit - all.size()), std::back_inserter(all));
  }
  return all;
}

std::unique_ptr<Dispatcher> Dispatcher::create(Parts parts) {
  return std::make_unique<PartsDispatcher>(std::move(parts));
}

}  // namespace impulse::delivery
