// Lines of domains before buckets of tokens.
#include "delivery/throttles.h"

#include "base/text.h"
#include "queue/binding.h"
#include "queue/name.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace impulse::delivery {

namespace {

namespace key = config::key;

// Whose turn it is has so long to make use of it; then it is the next one's, so
// that a domain whose connections are all busy keeps nothing from the others. It
// goes as soon as it can, on credit.
constexpr Duration patience = std::chrono::seconds(1);
constexpr Duration shortest_wait = std::chrono::milliseconds(1);
constexpr Duration longest_wait = std::chrono::minutes(10);
constexpr Duration tidy_every = std::chrono::seconds(10);  // there may be many, and who asks does so often

const config::OptionDef& option_of(Throttles::Of of) {
  return of == Throttles::Of::messages ? config::definition(key::outbound_throttle_messages)
                                       : config::definition(key::outbound_throttle_connections);
}

const config::Rate& rate_of(Throttles::Of of, const Route& route) {
  return of == Throttles::Of::messages ? route.message_rate : route.connection_rate;
}

}  // namespace

struct Throttles::Throttle {
  Throttle(const config::Rate& rate, Throttles& owner)
      : bucket(rate, owner.clock_()), timer(owner.loop_, [this, &owner] { owner.wake(*this); }) {}

  TokenBucket bucket;
  std::deque<std::string> line;
  std::unordered_set<std::string> standing;  // the same
  std::unordered_set<std::string> called;    // it is their turn, and they have not come yet
  std::unordered_set<std::string> late;      // their turn is over, and they have not come yet
  size_t late_limit = 1000;                  // then it is looked which of them are still to come
  SteadyTime called_until{};
  net::Timer timer;
};

Throttles::Throttles(net::Loop& loop, Snapshots snapshot, std::function<void(const std::string& domain)> look_again,
                     std::function<bool(const std::string& domain)> waits, std::function<SteadyTime()> clock)
    : loop_(loop),
      snapshot_(std::move(snapshot)),
      look_again_(std::move(look_again)),
      waits_(std::move(waits)),
      clock_(std::move(clock)) {}

Throttles::~Throttles() = default;

// Routes that are made of others, with hosts, have their scopes.
const std::string& Throttles::scope_of(Of of, std::string_view domain, const RoutePtr& route) {
  const RoutePtr& base = route->made_of ? route->made_of : route;
  if (known_.size() >= known_limit_) {
    std::erase_if(known_, [](const auto& each) { return each.second.route.expired(); });
    known_limit_ = std::max<size_t>(1000, known_.size() * 2);
  }
  Known& known = known_[base.get()];
  if (known.route.lock() != base) known = {base, {}};
  std::string& scope = known.scope[static_cast<size_t>(of)];
  if (!scope.empty()) return scope;
  const config::SnapshotPtr snapshot = snapshot_();
  config::ScopePath path{{config::ScopeKind::domain, lower(queue::domain_of(domain))}};
  std::string binding(queue::binding_name(*snapshot, queue::binding_of(domain)));
  if (binding.empty())  // it goes as in route_to()
    binding = queue::choose_binding(*snapshot, snapshot->global()[key::default_binding]).value_or(std::string());
  if (snapshot->binding_scopes().find(binding) != nullptr)
    path.insert(path.begin(), {config::ScopeKind::binding, binding});
  scope = "default";
  for (const config::Rung& rung : snapshot->explain(path, option_of(of)))
    if (rung.won) scope = rung.scope;
  return scope;
}

Throttles::Throttle* Throttles::find(Of of, std::string_view domain, const RoutePtr& route) {
  const config::Rate& rate = rate_of(of, *route);
  if (rate.count == 0) return nullptr;
  auto& found = throttles_[{of, std::string(queue::tenant_of(domain)), scope_of(of, domain, route)}];
  if (found == nullptr) {
    found = std::make_unique<Throttle>(rate, *this);
  } else if (found->bucket.rate() != rate) {
    found->bucket.set(rate, clock_());
    arm(*found);
  }
  return found.get();
}

bool Throttles::may(Throttle& throttle, const std::string& domain, uint64_t available) {
  if (throttle.late.contains(domain)) return throttle.bucket.lends(clock_());
  if (throttle.called.contains(domain)) return available > 0;
  return throttle.line.empty() && available > throttle.called.size();
}

bool Throttles::ready(Of of, const std::string& domain, const RoutePtr& route) {
  Throttle* const throttle = find(of, domain, route);
  if (throttle == nullptr || may(*throttle, domain, throttle->bucket.available(clock_()))) return true;
  if (throttle->called.erase(domain) > 0) {  // another one was faster: it stays the first
    throttle->line.push_front(domain);
    throttle->standing.insert(domain);
  } else if (throttle->standing.insert(domain).second) {
    throttle->line.push_back(domain);
  }
  arm(*throttle);
  return false;
}

bool Throttles::take(Of of, const std::string& domain, const RoutePtr& route) {
  if (!ready(of, domain, route)) return false;
  charge(of, domain, route);
  return true;
}

void Throttles::charge(Of of, const std::string& domain, const RoutePtr& route) {
  Throttle* const throttle = find(of, domain, route);
  if (throttle == nullptr) return;
  throttle->bucket.take(1, clock_());
  throttle->called.erase(domain);
  throttle->late.erase(domain);
  if (!throttle->line.empty()) arm(*throttle);
}

void Throttles::give_back(Of of, const std::string& domain, const RoutePtr& route) {
  Throttle* const throttle = find(of, domain, route);
  if (throttle == nullptr) return;
  throttle->bucket.give_back(1, clock_());
  if (!throttle->line.empty()) arm(*throttle);
}

uint64_t Throttles::room(Of of, const std::string& domain, const RoutePtr& route, uint64_t wanted) {
  Throttle* const throttle = find(of, domain, route);
  if (throttle == nullptr) return wanted;
  const uint64_t available = throttle->bucket.available(clock_());
  if (!may(*throttle, domain, available)) return 0;
  const uint64_t others = throttle->called.size() - (throttle->called.contains(domain) ? 1 : 0);
  return std::min(wanted, std::max<uint64_t>(available - std::min(available, others), 1));
}

std::optional<Throttled> Throttles::waiting(std::string_view domain, const RoutePtr& route) {
  const std::string name(domain);
  for (const Of of : {Of::messages, Of::connections}) {
    Throttle* const throttle = find(of, domain, route);
    if (throttle == nullptr || !throttle->standing.contains(name)) continue;
    const config::OptionDef& option = option_of(of);
    return Throttled{std::string(option.name), config::to_text(rate_of(of, *route), option),
                     scope_of(of, domain, route), throttle->bucket.wait(1, clock_())};
  }
  return std::nullopt;
}

void Throttles::arm(Throttle& throttle) {
  if (throttle.line.empty()) return throttle.timer.stop();
  const SteadyTime now = clock_();
  const size_t called = throttle.called.size();
  // There are never more at a time than the bucket holds.
  Duration wait = called < throttle.bucket.rate().count ? throttle.bucket.wait(called + 1, now) : longest_wait;
  if (called > 0) wait = std::min(wait, std::chrono::ceil<Duration>(throttle.called_until - now));
  throttle.timer.start(std::clamp(wait, shortest_wait, longest_wait));
}

void Throttles::wake(Throttle& throttle) {
  const SteadyTime now = clock_();
  if (now >= throttle.called_until) pass_over(throttle);
  std::vector<std::string> turn;
  for (uint64_t left = throttle.bucket.available(now); left > throttle.called.size() && !throttle.line.empty();) {
    turn.push_back(std::move(throttle.line.front()));
    throttle.line.pop_front();
    throttle.standing.erase(turn.back());
    throttle.called.insert(turn.back());
    throttle.called_until = now + patience;
  }
  arm(throttle);
  for (const std::string& domain : turn) look_again_(domain);
}

void Throttles::pass_over(Throttle& throttle) {
  throttle.late.merge(throttle.called);
  throttle.called.clear();
  if (throttle.late.size() < throttle.late_limit) return;
  std::erase_if(throttle.late, [this](const std::string& domain) { return !waits_(domain); });
  throttle.late_limit = std::max<size_t>(1000, throttle.late.size() * 2);
}

void Throttles::tidy() {
  const SteadyTime now = clock_();
  if (now < next_tidy_) return;
  next_tidy_ = now + tidy_every;
  std::erase_if(throttles_, [now](const auto& each) {
    Throttle& throttle = *each.second;
    return throttle.line.empty() && throttle.bucket.full(now);
  });
}

}  // namespace impulse::delivery
