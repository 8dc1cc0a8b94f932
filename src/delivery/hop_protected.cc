// Messages that need REQUIRETLS (RFC 8689 §4.2.1). A connection that is not fit
// for one puts it aside and goes on with other mail. Then all addresses of all
// next hosts are tried in turn, with STARTTLS at each, whatever has failed there
// lately, until one is fit; it takes all that was put aside meanwhile. When none
// is, those messages have failed: for good when every host plainly lacks
// STARTTLS or REQUIRETLS; for now when there is one of which nobody can say that.
#include "delivery/bounce.h"
#include "delivery/hop_impl.h"

#include <algorithm>
#include <utility>

namespace impulse::delivery {

bool Hop::has_protected() const {
  return std::ranges::any_of(entries_, [](const auto& each) {
    const Entry& entry = *each.second;
    return !entry.opening && entry.courier->usable() && !entry.courier->unprotected();
  });
}

// Not at once: the caller may be on its way through the entries.
void Hop::divert(Entry& entry) {
  needy_.push_back({entry.domain, std::exchange(entry.items, {})});
  office_.parts.loop.post([this, weak = std::weak_ptr(alive_)] {
    if (!weak.expired()) pump();
  });
}

void Hop::open_protected() {
  // A connection that is fit comes for them when it has done what it does.
  if (needy_.empty() || protecting_ || office_.stopping || has_protected() || rests_now()) return;
  if (established_ + openings_ >= most_connections() || none_is_free()) return;
  protecting_ = true;
  take_slot();
  auto opening = std::make_shared<Opening>();
  opening->route = route_;
  opening->needs_protection = true;
  // Not waited for: all that it delays are others.
  opening->domain = needy_.front().domain;
  office_.throttles.charge(Throttles::Of::connections, opening->domain, office_.route(opening->domain));
  resolve(opening);
}

// What may pass at one address counts more than what is so at the others.
void Hop::object(Opening& opening, smtp::Reply why) {
  if (!opening.objection || (opening.objection->permanent() && !why.permanent())) opening.objection = std::move(why);
}

void Hop::protected_failed(const std::shared_ptr<Opening>& opening) {
  protecting_ = false;
  --openings_;
  give_back_slot();
  give_back_token(*opening);
  if (office_.stopping) return;
  const smtp::Reply why = opening->objection.value_or(smtp::Reply{450, "4.4.1 " + opening->last_error});
  Outcome outcome{why.permanent() ? Outcome::Kind::permanent : Outcome::Kind::transient,
                  fmt::format("{} {}", why.code, why.text),
                  status_of(why),
                  {}};
  Attempt attempt{opening->last_peer, {}, std::string(route_->protocol()), {}};
  opening->tell(outcome, attempt);
  fail_needy(outcome, attempt);
  pump();
}

void Hop::fail_needy(const Outcome& outcome, const Attempt& attempt) {
  for (Needy& needy : std::exchange(needy_, {})) {
    const RoutePtr route = office_.route(needy.domain);
    if (route->hop == key_) {
      office_.ledger.drop_expired(needy.domain, route, needy.items);  // while they waited here
      office_.ledger.settle_all(needy.domain, route, needy.items, outcome, attempt);
    } else {
      office_.ledger.put_back(needy.domain, needy.items);  // goes another way since
      office_.look_again(needy.domain);
    }
  }
}

// True: the connection has got one of them, or makes room for one that is fit.
bool Hop::serve_needy(Entry& entry) {
  if (needy_.empty()) return false;
  if (entry.courier->unprotected()) {
    if (protecting_ || making_room_ || has_room() || has_protected() || rests_now()) return false;
    making_room_ = true;
    entry.courier->quit();
    return true;
  }
  while (!needy_.empty()) {
    Needy needy = std::move(needy_.front());
    needy_.pop_front();
    const RoutePtr route = office_.route(needy.domain);
    if (route->method != Route::Method::smtp || route->hop != key_ || route->suspended) {
      office_.ledger.put_back(needy.domain, needy.items);
      office_.look_again(needy.domain);
      continue;
    }
    office_.ledger.drop_expired(needy.domain, route, needy.items);  // while they waited here
    if (needy.items.empty()) continue;
    entry.domain = std::move(needy.domain);
    entry.route = route;
    entry.items = std::move(needy.items);
    fetch(entry);
    return true;
  }
  return false;
}

}  // namespace impulse::delivery
