#include "delivery/rerouting.h"

#include "delivery/dispatcher.h"
#include "delivery/route.h"
#include "telemetry/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace impulse::delivery {
namespace {

using telemetry::Area;
using telemetry::Level;

constexpr size_t domains_at_once = 32;
// Recipients released in one go.
constexpr size_t slice = 200;

}  // namespace

bool Rerouting::begin() {
  if (walking_) return false;
  walked_from_ = std::exchange(routed_by_, office_.parts.snapshot());
  if (walked_from_ == nullptr || walked_from_ == routed_by_) return false;
  walking_ = true;
  walk_.clear();
  return true;
}

std::optional<std::string> Rerouting::step() {
  if (walked_.empty() && !walk_ended_) {
    office_.queue.walk(walk_, domains_at_once, walked_);
    walk_ended_ = walked_.size() < domains_at_once;
    if (!walked_.empty()) walk_ = walked_.back().domain;
    std::ranges::reverse(walked_);
  }
  if (!walked_.empty()) {
    std::string domain = walked_.back().domain;
    if (!release(domain)) return std::nullopt;  // there is more of it
    walked_.pop_back();
    return domain;
  }
  if (walk_ended_) {
    walking_ = walk_ended_ = false;
    walked_from_ = nullptr;
  }
  return std::nullopt;
}

// What waits because of where it was to go has no reason to wait when it is
// to go somewhere else, or may go again. Some of it at a time; true: that was all.
bool Rerouting::release(const std::string& domain) {
  const RoutePtr was = route_of_queue(*walked_from_, domain);
  const RoutePtr is = route_of_queue(*routed_by_, domain);
  if (is->suspended || is->method == Route::Method::none) return true;
  if (!was->suspended && is->leads_as(*was)) return true;
  failures_.drop(domain);  // for reasons of the old route
  released_ += office_.queue.flush(domain, releasing_, slice);
  if (!releasing_.ended) return false;
  releasing_ = {};
  if (const size_t count = std::exchange(released_, 0); count > 0) {
    office_.parts.log.write(Level::notice, Area::delivery, "rerouted",
                            fmt::format("{}: another route, {} delayed recipients are tried now", domain, count));
  }
  return true;
}

}  // namespace impulse::delivery
