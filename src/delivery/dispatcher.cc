// The Dispatcher: puts the parts together, routes domains to them, keeps the
// queue's clock. A domain is a queue's name from here on, before it the tenant
// whose mail it is (queue/name.h); routes are those of the domain alone.
#include "delivery/dispatcher.h"

#include "base/text.h"
#include "delivery/backlog.h"
#include "delivery/hop.h"
#include "delivery/ledger.h"
#include "delivery/mailroom.h"
#include "delivery/office.h"
#include "delivery/resolver.h"
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
constexpr Duration longest_wait = std::chrono::seconds(30);
constexpr Duration shortest_wait = std::chrono::milliseconds(1);
constexpr unsigned reader_threads = 2;
// Messages failed in one go, before the loop does other things.
constexpr size_t slice = 200;
// How long domains are looked at in one go: a commit makes it every domain's turn.
constexpr Duration look_slice = std::chrono::milliseconds(1);
constexpr size_t domains_at_once = 32;

class PartsDispatcher final : public Dispatcher {
 public:
  explicit PartsDispatcher(Parts parts)
      : parts_(std::move(parts)),
        queue_(queue::Queue::create([this](const std::string& domain) { look_at(domain); })),
        readers_(reader_threads),
        resolver_(parts_.loop),
        ledger_(parts_, *queue_, backlog_, readers_, [this] { settled(); }),
        office_{parts_,
                *queue_,
                backlog_,
                ledger_,
                readers_,
                resolver_,
                0,
                false,
                false,
                [this](std::string_view name) { return route_to(*parts_.snapshot(), queue::domain_of(name)); },
                [this](const std::string& domain) { look_at(domain); },
                [this](const std::string& domain, Outcome outcome, Attempt attempt) {
                  fail_domain(domain, std::move(outcome), std::move(attempt));
                },
                [this] { freed(); },
                [this] { make_room(); }},
        mailroom_(office_),
        timer_(parts_.loop, [this] { wake(); }),
        patience_(parts_.loop, [this] { give_up_waiting(); }) {}

  ~PartsDispatcher() override { alive_.reset(); }

  void enqueue(MessageId id, std::shared_ptr<const message::Envelope> envelope, uint64_t size,
               std::vector<spool::RecipientState> states) override {
    on_loop([this, id, envelope = std::move(envelope), size, states = std::move(states)] {
      add(id, *envelope, size, states);
    });
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
    mailroom_.stop();
    for (auto& [key, hop] : hops_) hop->stop();
    timer_.stop();
    patience_.start(std::max(patience, shortest_wait));
    check_idle();
  }

  void reconfigured() override {
    // A walk that is under way ends first.
    if (walking_) return;
    walked_from_ = std::exchange(routed_by_, parts_.snapshot());
    if (walked_from_ == nullptr || walked_from_ == routed_by_) return;
    walking_ = true;
    walk_ = {};
    look_later();
  }

  std::vector<queue::DomainStatus> domains() const override { return queue_->status(); }

  std::vector<Waiting> waiting(std::string_view domain, size_t limit) const override {
    std::vector<Waiting> all;
    for (const auto& status : queue_->status()) {
      if (all.size() >= limit) break;
      if (domain.empty() || iequals(domain, status.domain)) list(status, limit - all.size(), all);
    }
    return all;
  }

  uint64_t size() const override { return queue_->size(); }

  std::vector<Outbound> connections() const override {
    std::vector<Outbound> all;
    for (const auto& [key, hop] : hops_) hop->list(all);
    return all;
  }

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

  void add(MessageId id, const message::Envelope& envelope, uint64_t size,
           const std::vector<spool::RecipientState>& states) {
    const WallTime now = wall_now();
    std::vector<std::pair<std::string, queue::Item>> items;
    for (uint32_t i = 0; i < envelope.recipients.size(); ++i) {
      const spool::RecipientState* state = i < states.size() ? &states[i] : nullptr;
      if (state != nullptr && state->state != spool::State::pending) continue;
      std::string domain = queue::name_of(envelope.tenant, message::domain_of(envelope.recipients[i].address));
      // Age counts from the release (RFC 4865), which is also the first attempt's time.
      queue::Item item{id, i, 0, envelope.priority, std::max(envelope.received, envelope.hold_until), {}};
      if (envelope.hold_until > now) {
        item.next_attempt = envelope.hold_until;
      } else if (state != nullptr) {
        // The clock may have been wrong when the time was set.
        const Duration most = office_.route(domain)->max_retry_interval;
        item.attempts = static_cast<uint16_t>(std::min<uint32_t>(state->attempts, UINT16_MAX));
        item.next_attempt = std::min(state->next_attempt, now + most + most / 10);
      }
      items.emplace_back(std::move(domain), item);
    }
    if (items.empty() || !backlog_.add(id, envelope, size, static_cast<uint32_t>(items.size()))) return;
    parts_.counters.add(parts_.counters.tenant(envelope.tenant), Counter::queued_recipients,
                        static_cast<int64_t>(items.size()));
    for (const auto& [domain, item] : items) {
      if (item.recipient < states.size() && !states[item.recipient].last_error.empty()) {
        backlog_.set_error(id, item.recipient, std::make_shared<const std::string>(states[item.recipient].last_error));
      }
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
    if (walked_.empty() && !walk_ended_) walk_ended_ = !queue_->walk(walk_, domains_at_once, walked_);
    if (!walked_.empty()) {
      const std::string domain = std::move(walked_.back());
      walked_.pop_back();
      release_rerouted(domain);
      dispatch(domain);
    } else if (walk_ended_) {
      walking_ = walk_ended_ = false;
      walked_from_ = nullptr;
      reconfigured();  // there may have been other commits
    }
  }

  // What waits because of where it was to go has no reason to wait when it is
  // to go somewhere else, or may go again.
  void release_rerouted(const std::string& domain) {
    const RoutePtr was = route_to(*walked_from_, queue::domain_of(domain));
    const RoutePtr is = route_to(*routed_by_, queue::domain_of(domain));
    if (is->suspended || is->method == Route::Method::none) return;
    if (!was->suspended && is->leads_as(*was)) return;
    failing_.erase(domain);  // for reasons of the old route
    if (const size_t count = queue_->flush(domain); count > 0) {
      parts_.log.write(Level::notice, Area::delivery, "rerouted",
                       fmt::format("{}: another route, {} delayed recipients are tried now", domain, count));
    }
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
    const RoutePtr route = office_.route(domain);
    if (route->suspended) return;  // until reconfigured()
    switch (route->method) {
      case Route::Method::smtp:
        hop(domain, route).want(domain, route);
        break;
      case Route::Method::maildir:
        mailroom_.want(domain);
        break;
      case Route::Method::none:
        parts_.log.write(Level::warning, Area::delivery, "no-route", fmt::format("{}: {}", domain, route->problem));
        fail_domain(domain, {Outcome::Kind::transient, route->problem, "4.4.4", {}}, {});
        break;
    }
  }

  // Tenants share no connections, no limit of them, and no host that was down.
  Hop& hop(std::string_view domain, const RoutePtr& route) {
    auto& found = hops_[{std::string(queue::tenant_of(domain)), route->hop}];
    if (found == nullptr) {
      for (const std::string& note : route->notes) parts_.log.write(Level::warning, Area::delivery, "tls-client", note);
      found = std::make_unique<Hop>(office_, route->hop);
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
    if (fail_posted_) return;
    fail_posted_ = true;
    on_loop([this] {
      fail_posted_ = false;
      fail_slice();
    });
  }

  void fail_slice() {
    for (size_t count = 0; count < slice && !failing_.empty(); ++count) {
      const auto first = failing_.begin();
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

  void list(const queue::DomainStatus& domain, size_t limit, std::vector<Waiting>& all) const {
    uint64_t in_flight = domain.in_flight;  // they come first
    for (const queue::Item& item : queue_->list(domain.domain, limit)) {
      Waiting one;
      one.id = item.id;
      one.domain = domain.domain;
      one.attempts = item.attempts;
      one.received = item.received;
      one.next_attempt = item.next_attempt;
      one.last_error = backlog_.error(item.id, item.recipient);
      one.in_flight = in_flight > 0;
      if (in_flight > 0) --in_flight;
      if (const Backlog::Message* message = backlog_.find(item.id)) {
        one.sender = message->sender();
        one.recipient = message->recipient(item.recipient);
        one.size = message->size();
        one.received = message->received();
      }
      all.push_back(std::move(one));
    }
  }

  Parts parts_;
  std::unique_ptr<queue::Queue> queue_;
  Backlog backlog_;
  Workers readers_;
  Resolver resolver_;
  Ledger ledger_;
  Office office_;
  Mailroom mailroom_;
  using HopName = std::pair<std::string, std::string>;  // the tenant, and Route::hop
  std::map<HopName, std::unique_ptr<Hop>> hops_;
  HopName opened_last_;  // when connections were short
  net::Timer timer_;     // the queue's next wake-up
  net::Timer patience_;  // after stop()
  std::function<void()> idle_;

  std::deque<std::string> to_look_at_;
  std::unordered_set<std::string> to_look_at_set_;
  std::map<std::string, Failing> failing_;
  // A walk through all domains looks at what a commit makes of their routes.
  config::SnapshotPtr routed_by_;    // as of the last walk
  config::SnapshotPtr walked_from_;  // as of the one before
  queue::Queue::Walk walk_;
  std::vector<std::string> walked_;  // these come next
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

std::unique_ptr<Dispatcher> Dispatcher::create(Parts parts) {
  return std::make_unique<PartsDispatcher>(std::move(parts));
}

}  // namespace impulse::delivery
