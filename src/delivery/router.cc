#include "delivery/router.h"

#include "base/text.h"
#include "message/domain.h"
#include "queue/name.h"

#include <algorithm>
#include <utility>

namespace impulse::delivery {
namespace {

namespace key = config::key;
using dns::Answer;
using Kind = config::RouteEntry::Kind;
using telemetry::Area;
using telemetry::Level;

constexpr size_t max_entries = 100000;
constexpr auto read_conf_every = std::chrono::seconds(5);
constexpr auto longest = std::chrono::hours(24);
// While nobody can say better (RFC 8767), what was true a moment ago is better than nothing.
constexpr auto use_stale = std::chrono::hours(1);
constexpr size_t max_also = 10;

Outcome permanent(std::string status, std::string text) {
  return {Outcome::Kind::permanent, fmt::format("550 {} {}", status, text), status, {}};
}
Outcome transient(std::string status, std::string text) {
  return {Outcome::Kind::transient, fmt::format("450 {} {}", status, text), status, {}};
}

// Without its tenant, in lower case.
std::string unowned(std::string_view queue) {
  return lower(queue::name_of({}, queue::domain_of(queue), queue::binding_of(queue)));
}

}  // namespace

// A domain's look-up, under way.
struct Router::Look {
  std::string key;  // of the entry
  std::string domain;
  std::string name;  // that the DNS knows
  RoutePtr base;
  std::vector<dns::AnswerPtr> answers;  // for each of the route's ways; null: needs none
  size_t missing = 0;
  SteadyTime until = SteadyTime::max();
  std::optional<Outcome> failure;  // what may pass before what will not

  void failed(Outcome outcome) {
    if (!failure || (failure->kind == Outcome::Kind::permanent && outcome.kind != Outcome::Kind::permanent))
      failure = std::move(outcome);
  }
};

Router::Router(net::Loop& loop, telemetry::Log& log, Snapshots snapshot,
               std::function<void(const std::string& queue)> look_again)
    : loop_(loop), log_(log), snapshot_(std::move(snapshot)), look_again_(std::move(look_again)), resolver_(loop) {}

Router::~Router() { alive_.reset(); }

void Router::reconfigured() {
  next_read_ = {};
  read_conf();
}

void Router::read_conf() {
  const SteadyTime now = steady_now();
  if (now < next_read_) return;
  next_read_ = now + read_conf_every;
  std::string problem;
  if (auto conf = dns::read_resolv_conf(snapshot_()->global()[key::resolv_conf]); !conf) {
    problem = conf.error().message;
  } else if (auto made = resolver_.configure(std::move(*conf)); !made) {
    problem = made.error().message;
  }
  // Once: the old one stays in use.
  if (!problem.empty() && problem != conf_problem_) log_.write(Level::error, Area::delivery, "resolv-conf", problem);
  conf_problem_ = std::move(problem);
}

RoutePtr Router::configured(std::string_view name) {
  const config::SnapshotPtr snapshot = snapshot_();
  if (snapshot != named_by_) {
    named_by_ = snapshot;
    names_.clear();
    for (std::string& binding : snapshot->bindings()) names_.emplace(binding, binding);
  }
  std::string_view binding = queue::binding_of(name);
  if (const auto found = names_.find(binding); found != names_.end())
    binding = found->second;
  else if (binding != queue::default_binding)
    tell_of_gone(snapshot, binding);
  return route_to(*snapshot, queue::domain_of(name), binding);
}

void Router::tell_of_gone(const config::SnapshotPtr& snapshot, std::string_view binding) {
  if (!gone_.emplace(binding).second) return;
  log_.write(Level::warning, Area::delivery, "binding-gone",
             fmt::format("there is no Binding {} any more: what waits for it goes as by {}", escape_line(binding, 80),
                         escape_line(snapshot->global()[key::default_binding], 80)));
}

RoutePtr Router::route(std::string_view queue) {
  const std::string name = unowned(queue);
  RoutePtr base = configured(name);
  if (base->ways.empty()) return base;
  const auto found = entries_.find(name);
  if (found == entries_.end() || found->second.base != base || !found->second.route) return base;
  Entry& entry = found->second;
  if (!entry.told && steady_now() >= entry.until) {
    entry.told = true;
    look_again_(std::string(queue));
  }
  return entry.route;
}

Router::Way Router::find(const std::string& queue) {
  const std::string domain = unowned(queue);
  RoutePtr base = configured(domain);
  read_conf();  // names of a Gateway are looked up by it, too
  if (base->ways.empty()) return {std::move(base)};
  if (entries_.size() >= max_entries && !entries_.contains(domain)) make_room();
  Entry& entry = entries_[domain];
  const bool other = entry.base != base;
  if (!entry.pending && (other || steady_now() >= entry.until)) start(domain, entry, base);
  if (!other && entry.route) return {entry.route};
  if (!entry.pending && !other) return {nullptr, entry.failure, !std::exchange(entry.failure_told, true)};
  entry.waiting.insert(queue);
  return {};
}

void Router::make_room() {
  const SteadyTime now = steady_now();
  std::erase_if(entries_, [&](const auto& each) { return !each.second.pending && now >= each.second.until; });
  if (entries_.size() >= max_entries) std::erase_if(entries_, [](const auto& each) { return !each.second.pending; });
}

void Router::start(const std::string& name, Entry& entry, const RoutePtr& base) {
  if (entry.base != base) entry.route = nullptr;
  entry.base = base;
  entry.pending = true;
  auto look = std::make_shared<Look>();
  look->key = name;
  look->domain = queue::domain_of(name);
  const std::string& domain = look->domain;
  look->base = base;
  look->answers.resize(base->ways.size());
  const auto ascii = message::ascii_domain(domain);
  if (ascii) look->name = *ascii;
  look->missing = 1;  // until all are asked
  for (size_t i = 0; i < base->ways.size(); ++i) {
    const config::RouteEntry& way = base->ways[i];
    if (way.kind == Kind::host || (way.kind == Kind::domain && (!ascii || domain.starts_with('[')))) continue;
    ++look->missing;
    resolver_.query(
        way.kind == Kind::domain ? look->name : way.host, dns::Type::mx,
        [this, look, i](dns::AnswerPtr answer) {
          look->answers[i] = std::move(answer);
          came(look);
        },
        way.ttl.value_or(Duration{0}));
  }
  loop_.post([this, weak = std::weak_ptr(alive_), look] {
    if (!weak.expired()) came(look);
  });
}

// What one of the ways leads to.
void Router::take(Look& look, Ways& ways, size_t place) {
  const config::RouteEntry& way = look.base->ways[place];
  if (way.kind == Kind::host) return ways.add(way, place);
  const dns::AnswerPtr& answer = look.answers[place];
  if (!answer) {  // the domain is no name
    std::string_view literal(look.domain);
    if (literal.starts_with('[') && literal.ends_with(']')) {
      literal = literal.substr(1, literal.size() - 2);
      if (istarts_with(literal, "IPv6:")) literal.remove_prefix(5);
      if (const auto address = IpAddress::parse(literal)) return ways.add(way, place, *address);
    }
    return look.failed(permanent("5.1.2", escape_line(look.domain, 256) + ": no such domain can be"));
  }
  look.until = std::min(look.until, way.ttl ? answer->since + *way.ttl : answer->until);
  const std::string& name = way.kind == Kind::domain ? look.name : way.host;
  switch (answer->status) {
    case Answer::Status::failed:
      return look.failed(transient("4.4.3", answer->problem));
    case Answer::Status::no_name:
      return look.failed(way.kind == Kind::domain ? permanent("5.1.2", answer->problem)
                                                  : transient("4.4.4", "Routes: " + answer->problem));
    case Answer::Status::no_data:  // RFC 5321 §5.1: then it is its own exchange
      return ways.add(way, place, {0, name}, Gateway::Origin::domain);
    case Answer::Status::found:
      break;
  }
  const auto& exchanges = answer->exchanges;
  if (std::ranges::all_of(exchanges, [](const dns::Exchange& each) { return each.host.empty(); }))
    return look.failed(permanent("5.1.10", name + ": the domain takes no mail (null MX)"));
  // Ours, and those that come behind, would send it back to us.
  const auto ours = std::ranges::find_if(exchanges, [&](const dns::Exchange& each) {
    return iequals(each.host, look.base->hostname) || iequals(each.host, look.base->ehlo_name);
  });
  size_t added = 0;
  for (const dns::Exchange& each : exchanges) {
    if (each.host.empty() || (ours != exchanges.end() && each.preference >= ours->preference)) continue;
    ways.add(way, place, each, Gateway::Origin::exchange);
    ++added;
  }
  if (added == 0)
    look.failed(
        permanent("5.4.6", fmt::format("mail for {} loops back to myself: {} is its best MX", name, ours->host)));
}

void Router::came(const std::shared_ptr<Look>& look) {
  if (--look->missing > 0) return;
  const auto found = entries_.find(look->key);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.pending = false;
  const SteadyTime now = steady_now();
  if (entry.base != look->base || configured(look->key) != look->base) {  // the configuration changed meanwhile
    entry.until = now;
    return finish(entry);
  }
  Ways ways;
  for (size_t i = 0; i < look->answers.size(); ++i) take(*look, ways, i);
  entry.until = std::min(look->until, now + longest);
  const bool passes = look->failure && look->failure->kind != Outcome::Kind::permanent;
  if (!ways.empty()) {
    entry.route = shared(look->base, std::move(ways).gateways());
    entry.failure.reset();
    entry.stale_until = entry.until + use_stale;
  } else if (!passes || !entry.route || now >= entry.stale_until) {
    entry.route = nullptr;
    entry.failure = look->failure;
  }
  finish(entry);
}

void Router::finish(Entry& entry) {
  entry.told = entry.failure_told = false;
  for (const std::string& queue : std::exchange(entry.waiting, {})) look_again_(queue);
}

RoutePtr Router::shared(const RoutePtr& base, std::vector<Gateway> gateways) {
  auto route = std::make_shared<Route>(*base);
  route->gateways = std::move(gateways);
  route->ways.clear();
  route->made_of = base;
  route->name_hop();
  std::weak_ptr<const Route>& known = made_[{base.get(), route->hop}];
  if (RoutePtr same = known.lock()) return same;
  known = route;
  if (made_.size() > made_limit_) {
    std::erase_if(made_, [](const auto& each) { return each.second.expired(); });
    made_limit_ = std::max<size_t>(1000, 2 * made_.size());
  }
  return route;
}

size_t Router::refresh(const std::string& domain) {
  if (domain.empty()) {
    const size_t count = entries_.size();
    resolver_.flush("");
    for (auto& [name, entry] : entries_) entry.until = {};
    return count;
  }
  const std::string name = lower(domain);
  if (!name.contains(queue::binding_mark)) {
    std::vector<std::string> others;
    for (const auto& [other, entry] : entries_)
      if (other.size() > name.size() && queue::without_binding(other) == name) others.push_back(other);
    for (const std::string& other : others) refresh(other);
  }
  RoutePtr base = configured(name);
  if (base->ways.empty()) return 0;
  if (const auto ascii = message::ascii_domain(queue::domain_of(name))) resolver_.flush(*ascii);
  for (const config::RouteEntry& way : base->ways)
    if (!way.host.empty()) resolver_.flush(way.host);
  if (entries_.size() >= max_entries && !entries_.contains(name)) make_room();
  Entry& entry = entries_[name];
  if (!entry.pending) start(name, entry, base);
  return 1;
}

RouteView Router::view(std::string_view text) {
  RouteView view;
  view.domain = lower(text);
  const SteadyTime now = steady_now();
  RoutePtr route = configured(view.domain);
  view.method = route->method;
  view.suspended = route->suspended;
  view.lmtp = route->lmtp;
  view.ecstream = route->ecstream;
  view.problem = route->problem;
  if (!route->ways.empty()) {
    view.looked_up = true;
    const auto found = entries_.find(view.domain);
    if (found == entries_.end() || found->second.base != route) return view;
    const Entry& entry = found->second;
    view.pending = entry.pending;
    if (!entry.pending || entry.route || entry.failure)
      view.ttl = std::chrono::duration_cast<Duration>(std::max(entry.until, now) - now);
    if (entry.failure && !entry.route) {
      view.problem = entry.failure->response;
      view.permanent = entry.failure->kind == Outcome::Kind::permanent;
    }
    route = entry.route;
    if (!route) return view;
    for (const auto& [name, other] : entries_) {
      if (view.also.size() == max_also) break;
      if (name != view.domain && other.route && other.route->hop == route->hop) view.also.push_back(name);
    }
    std::ranges::sort(view.also);
  }
  for (const Gateway& gateway : route->gateways) {
    RouteView::Host host{gateway, {}, {}, {}};
    if (gateway.address) host.addresses.push_back(*gateway.address);
    if (!gateway.path.empty()) {
      view.hosts.push_back(std::move(host));
      continue;
    }
    for (const dns::Type type : {dns::Type::aaaa, dns::Type::a}) {
      const auto answer = gateway.address ? nullptr : resolver_.remembered(gateway.host, type);
      if (!answer) continue;
      host.addresses.insert(host.addresses.end(), answer->addresses.begin(), answer->addresses.end());
      if (answer->status == Answer::Status::failed || host.problem.empty()) host.problem = answer->problem;
      const auto left = std::chrono::duration_cast<Duration>(answer->until - now);
      host.ttl = host.ttl ? std::min(*host.ttl, left) : left;
    }
    if (!host.addresses.empty()) host.problem.clear();
    view.hosts.push_back(std::move(host));
  }
  return view;
}

}  // namespace impulse::delivery
