// The Dispatcher: puts the parts together, routes domains to them, keeps the
// queue's clock. A domain is a queue's name from here on, before it the tenant
// whose mail it is, behind it the Binding (queue/name.h); routes are those of the
// domain by that Binding.
#include "delivery/dispatcher.h"

#include "base/text.h"
#include "config/keys.h"
#include "delivery/ages.h"
#include "delivery/arrivals.h"
#include "delivery/backlog.h"
#include "delivery/blackhole.h"
#include "delivery/clerk.h"
#include "delivery/failures.h"
#include "delivery/hop.h"
#include "delivery/ledger.h"
#include "delivery/mailroom.h"
#include "delivery/office.h"
#include "delivery/porter.h"
#include "delivery/rerouting.h"
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
using telemetry::Level;

// The wall clock may be set while we wait for a moment of it: it is looked at
// this often at least.
constexpr Duration longest_wait = std::chrono::seconds(5);  // so soon a clock that was set is noticed
constexpr Duration shortest_wait = std::chrono::milliseconds(1);
constexpr unsigned reader_threads = 2;
// How long domains are looked at in one go: a commit makes it every domain's turn.
constexpr Duration look_slice = std::chrono::milliseconds(1);

class PartsDispatcher final : public Dispatcher {
 public:
  explicit PartsDispatcher(Parts parts)
      : parts_(std::move(parts)),
        queue_(queue::Queue::create([this](const std::string& domain) { look_at(domain); })),
        readers_(reader_threads),
        streamers_(reader_threads),
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
                streamers_,
                router_.resolver(),
                throttles_,
                false,
                false,
                [this](std::string_view name) { return route(name); },
                [this](const std::string& domain) { look_at(domain); },
                [this](const std::string& domain, Outcome outcome, Attempt attempt) {
                  failures_.add(domain, std::move(outcome), std::move(attempt));
                },
                [this] { freed(); },
                [this] { make_room(); }},
        arrivals_(office_, [this] { settled(); }),
        failures_(office_),
        rerouting_(office_, failures_),
        mailroom_(office_),
        blackhole_(office_),
        clerk_(office_),
        porter_(office_, clerk_, [this] { settled(); }),
        timer_(parts_.loop, [this] { wake(); }),
        patience_(parts_.loop, [this] { give_up_waiting(); }) {}

  ~PartsDispatcher() override { alive_.reset(); }

  void enqueue(MessageId id, std::shared_ptr<const message::Envelope> envelope, uint64_t size,
               std::vector<spool::RecipientState> states) override {
    on_loop([this, id, envelope = std::move(envelope), size, states = std::move(states)] {
      arrivals_.add(id, *envelope, size, states);
    });
  }

  void enqueue_all(std::vector<spool::Summary> messages, std::function<void()> done) override {
    arrivals_.add_all(std::move(messages), std::move(done));
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
    failures_.stop();
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
    office_.most_connections =
        static_cast<size_t>(parts_.snapshot()->global()[config::key::server_max_outbound_connections]);
    freed();  // there may be more of them now
    if (rerouting_.begin()) look_later();
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
  std::shared_ptr<const Errand> begin(QueueOrder order) override {
    return clerk_.begin(std::move(order), arrivals_.newest());
  }
  std::shared_ptr<Carriage> carry(CarryOrder order) override {
    return porter_.begin(std::move(order), arrivals_.newest());
  }

  void spool_in(MessageId id, std::function<void(Result<bool>)> done) override {
    arrivals_.spool_in(id, std::move(done));
  }
  bool suspend(std::string_view queue, bool on) override { return clerk_.suspend(queue, on); }
  std::vector<std::string> suspended() const override { return clerk_.all_suspended(); }

 private:
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
      } else if (rerouting_.walking()) {
        if (const auto domain = rerouting_.step()) dispatch(*domain);
        if (!rerouting_.walking()) reconfigured();  // there may have been other commits
      } else {
        return;
      }
    } while (steady_now() < end);
    look_later();
  }

  void dispatch(const std::string& domain) {
    if (office_.stopping || failures_.contains(domain) || queue_->active(domain) == 0) return;
    if (clerk_.suspended(domain)) return;  // until resumed
    const RoutePtr route = office_.route(domain);
    if (route->suspended) return;  // until reconfigured()
    if (route->method != Route::Method::blackhole && !throttles_.ready(Throttles::Of::messages, domain, route)) return;
    switch (route->method) {
      case Route::Method::smtp:
        if (const Router::Way way = router_.find(domain); way.failure)
          no_route(domain, *way.failure, way.news);
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
        no_route(domain, {Outcome::Kind::transient, route->problem, "4.4.4", {}}, true);
        break;
    }
  }

  void no_route(const std::string& domain, Outcome outcome, bool news) {
    if (news)
      parts_.log.write(Level::warning, Area::delivery, "no-route", fmt::format("{}: {}", domain, outcome.response));
    failures_.add(domain, std::move(outcome), {});
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

  // A connection or a job has ended.
  void freed() {
    if (office_.stopping) return settled();
    if (!office_.short_of_connections || pump_posted_) return;
    pump_posted_ = true;
    on_loop([this] {
      pump_posted_ = false;
      office_.short_of_connections = office_.slots.short_of = false;
      for (auto& [binding, slots] : office_.binding_slots) slots.short_of = false;
      pump_in_turn();
    });
  }

  // Whoever comes first by name shall not have all that is freed.
  void pump_in_turn() {
    bool opened = true;
    while (opened && !office_.slots.short_of) {
      opened = false;
      auto next = hops_.upper_bound(opened_last_);
      for (size_t count = hops_.size(); count > 0; --count, ++next) {
        if (next == hops_.end()) next = hops_.begin();
        if (!next->second->waits()) continue;
        const size_t before = office_.slots.connections;
        next->second->pump(1);
        if (office_.slots.connections <= before) continue;
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
    const auto next = queue_->advance(now, even_now());
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
  Workers streamers_;
  Router router_;
  Throttles throttles_;
  Ledger ledger_;
  Office office_;
  Arrivals arrivals_;
  Failures failures_;
  Rerouting rerouting_;
  Mailroom mailroom_;
  Blackhole blackhole_;
  Clerk clerk_;
  Porter porter_;
  using HopName = std::pair<std::string, std::string>;  // tenant and Binding, and Route::hop
  std::map<HopName, std::unique_ptr<Hop>> hops_;
  HopName opened_last_;  // when connections were short
  net::Timer timer_;     // the queue's next wake-up
  net::Timer patience_;  // after stop()
  std::function<void()> idle_;

  std::deque<std::string> to_look_at_;
  std::unordered_set<std::string> to_look_at_set_;
  bool started_ = false;
  bool look_posted_ = false;
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
