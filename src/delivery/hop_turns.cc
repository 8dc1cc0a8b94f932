// The limit on all connections together (Server_Max_Outbound_Connections), and
// how hops share what there is. One that has work and no connection at all is
// starving: it gets the next connection that is free before others get one
// more, and they end some of theirs for it, although they have work: those that
// rest, those of hops with several, and any that has carried its fair share.
#include "delivery/hop_impl.h"

namespace impulse::delivery {
namespace {

// Messages that a connection carries before it counts as one that was had long
// enough. So that with always more hops than connections making them does not
// become the greater part of the work.
constexpr uint64_t fair_share = 20;

}  // namespace

// True: no more now; we are pumped again when that may have changed.
bool Hop::server_is_full() {
  const bool starving = office_.starving.contains(this);
  // The others' are kept for them. Who comes new stands behind them.
  const size_t kept = starving ? 0 : office_.starving.size();
  if (office_.connections + kept < route_->server_max_connections) return false;
  office_.short_of_connections = true;
  waits_ = true;
  if (!starving && established_ + openings_ == 0) {
    office_.starving.insert(this);
    office_.make_room();
  }
  return true;
}

bool Hop::yields(const Courier& courier) const {
  if (office_.starving.size() <= office_.yielding || courier.jobs() == 0) return false;
  return established_ > yielding_ + 1 || courier.jobs() >= fair_share;
}

void Hop::yield(Entry& entry) {
  entry.yields = true;
  ++yielding_;
  ++office_.yielding;
  entry.courier->quit();
}

void Hop::make_room() {
  for (auto& [number, entry] : entries_) {
    if (office_.starving.size() <= office_.yielding) return;
    if (entry->courier->resting()) yield(*entry);
  }
}

}  // namespace impulse::delivery
