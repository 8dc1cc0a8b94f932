// A domain's two shelves, the turns of domains, and the order in which they wake.
#include "queue/queue.h"

#include "base/text.h"
#include "queue/shelf.h"

#include <algorithm>
#include <array>
#include <list>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace impulse::queue {
namespace {

using Key = std::pair<MessageId, uint32_t>;
Key key(const Item& item) { return {item.id, item.recipient}; }

struct GoesFirst {  // more urgent, or older
  bool operator()(const Item& a, const Item& b) const {
    return std::tuple(b.priority, key(a)) < std::tuple(a.priority, key(b));
  }
};
struct DueFirst {
  bool operator()(const Item& a, const Item& b) const {
    return std::tuple(a.next_attempt, key(a)) < std::tuple(b.next_attempt, key(b));
  }
};

// Domains looked at in one go by advance(), at most.
constexpr size_t most_woken = 1024;

struct Domain {
  std::string name;
  Shelf<GoesFirst> active;
  Shelf<DueFirst> delayed;
  Shelf<DueFirst> future;  // delayed, too: what senders hold, by the wall clock
  std::map<Key, Item> in_flight;
  std::list<Domain*>::iterator turn;  // in turns_, while something is active
  std::optional<WallTime> wakes;      // its entry in wakes_
  std::optional<WallTime> releases;   // its entry in releases_
  uint64_t held = 0;                  // of those delayed
  uint64_t delivered = 0;
  uint64_t failed = 0;
};

// By name, without case. Many small tables: none takes long to grow. Domains never move.
class Domains {
 public:
  Domain* find(std::string_view name) {
    Table& table = table_of(name);
    const auto found = table.find(name);
    return found == table.end() ? nullptr : &found->second;
  }
  const Domain* find(std::string_view name) const { return const_cast<Domains*>(this)->find(name); }
  Domain& add(std::string_view name) {  // of one that is not there
    ++size_;
    Domain& added = table_of(name).try_emplace(std::string(name)).first->second;
    added.name = name;
    return added;
  }
  void erase(const Domain& gone) {
    --size_;
    Table& table = table_of(gone.name);
    table.erase(table.find(gone.name));
    if (table.empty()) Table().swap(table);
  }
  size_t size() const { return size_; }

 private:
  using Table = std::unordered_map<std::string, Domain, IHash, IEqual>;
  Table& table_of(std::string_view name) { return tables_[IHash()(name) % tables_.size()]; }

  std::array<Table, 256> tables_;
  size_t size_ = 0;
};

class ShelfQueue final : public Queue {
 public:
  explicit ShelfQueue(std::function<void(const std::string&)> ready) : ready_(std::move(ready)) {}

  void add(std::string_view name, Item item, WallTime now) override {
    const WallTime inner = observe(now);
    place(domain(name), item, inner);
  }

  std::vector<Item> take(std::string_view name, size_t count) override { return take(name, count, false); }
  std::vector<Item> take_message(std::string_view name, size_t count) override { return take(name, count, true); }

  std::optional<Item> take_item(std::string_view name, const Item& like) override {
    auto* const found = domains_.find(name);
    if (found == nullptr) return std::nullopt;
    Domain& from = *found;
    Item inside = like;
    std::optional<Item> item;
    const bool future = in_future(like);
    if (!future) {
      inside.next_attempt = inward(like.next_attempt);
      item = from.active.take(inside);
    }
    const bool waited = !item;
    if (waited) item = (future ? from.future : from.delayed).take(inside);
    if (!item) return std::nullopt;
    if (waited) {
      --delayed_;
      if (item->next_attempt == on_hold) count_held(from, -1);
      update_wake(from);
    } else {
      --active_;
      if (from.active.empty()) turns_.erase(from.turn);
    }
    from.in_flight.emplace(key(*item), *item);
    ++in_flight_;
    outward(*item);
    return item;
  }

  std::vector<Listed> find(std::string_view name, MessageId id) const override {
    std::vector<Listed> items;
    auto* const found = domains_.find(name);
    if (found == nullptr) return items;
    const Domain& in = *found;
    const auto look = [&](const Item& item, Place place) {
      if (item.id != id) return;
      items.push_back({item, place});
      outward(items.back().item);
    };
    for (auto each = in.in_flight.lower_bound({id, 0}); each != in.in_flight.end() && each->first.first == id; ++each)
      look(each->second, Place::in_flight);
    in.active.read(nullptr, SIZE_MAX, [&](const Item& item) { look(item, Place::active); });
    for (const auto* shelf : {&in.delayed, &in.future})
      shelf->read(nullptr, SIZE_MAX, [&](const Item& item) { look(item, Place::delayed); });
    return items;
  }

  void finish(std::string_view name, const Item& item, End end) override {
    auto* const found = domains_.find(name);
    if (found == nullptr || found->in_flight.erase(key(item)) == 0) return;
    --in_flight_;
    if (end == End::delivered) ++found->delivered;
    if (end == End::failed) ++found->failed;
    drop_if_empty(*found);
  }

  void retry(std::string_view name, Item item, WallTime now) override {
    const WallTime inner = observe(now);
    auto* const found = domains_.find(name);
    if (found == nullptr || found->in_flight.erase(key(item)) == 0) return;
    --in_flight_;
    place(*found, item, inner);
  }

  std::optional<WallTime> advance(WallTime now, WallTime even_now, size_t most) override {
    const WallTime inner = observe(now);
    std::vector<std::string> woken;
    wake(wakes_, &Domain::delayed, inner, most, woken, [](Item&) {});
    wake(releases_, &Domain::future, now, most, woken, [&](Item& item) {
      item.future_release = false;
      item.received = even_now;
      item.next_attempt = inner;
    });
    for (const std::string& name : woken) ready_(name);
    return sooner(wakes_.empty() ? std::nullopt : std::optional(wakes_.begin()->first - shift_),
                  releases_.empty() ? std::nullopt : std::optional(releases_.begin()->first));
  }

  void scan(std::string_view name, Scan& scan, size_t count, std::vector<Listed>& items) const override {
    auto* const found = domains_.find(name);
    if (found == nullptr) {
      scan.ended = true;
      return;
    }
    const Domain& from = *found;
    const size_t end = items.size() + count;
    if (scan.place == Place::in_flight) {
      auto each = scan.last ? from.in_flight.upper_bound(key(*scan.last)) : from.in_flight.begin();
      for (; items.size() < end && each != from.in_flight.end(); ++each) tell(each->second, scan, items);
      if (items.size() < end) scan = {Place::active, std::nullopt, false};
    }
    if (scan.place == Place::active) {
      const std::optional<Item> after = scan.last;
      from.active.read(after ? &*after : nullptr, end - items.size(),
                       [&](const Item& item) { tell(item, scan, items); });
      if (items.size() < end) scan = {Place::delayed, std::nullopt, false};
    }
    for (const bool future : {false, true}) {
      if (scan.place != Place::delayed || scan.future != future) continue;
      const std::optional<Item> after = scan.last;
      (future ? from.future : from.delayed).read(after ? &*after : nullptr, end - items.size(), [&](const Item& item) {
        tell(item, scan, items);
      });
      if (items.size() == end) return;
      scan = {Place::delayed, std::nullopt, future, true};
    }
  }

  size_t flush(std::string_view name, Scan& scan, size_t count) override {
    auto* const found = domains_.find(name);
    if (found == nullptr) {
      scan.ended = true;
      return 0;
    }
    Domain& flushed = *found;
    if (scan.place != Place::delayed) scan = {Place::delayed, std::nullopt, false};
    std::vector<Item> looked_at;
    flushed.delayed.read(scan.last ? &*scan.last : nullptr, count,
                         [&](const Item& item) { looked_at.push_back(item); });
    // Those on hold come last.
    scan.ended = looked_at.size() < count || looked_at.back().next_attempt == on_hold;
    if (!looked_at.empty()) scan.last = looked_at.back();
    std::erase_if(looked_at, [](const Item& item) { return item.next_attempt == on_hold; });
    if (looked_at.empty()) return 0;
    const bool was_idle = flushed.active.empty();
    for (const Item& item : looked_at) {
      flushed.delayed.take(item);
      flushed.active.insert(item);
    }
    active_ += looked_at.size();
    delayed_ -= looked_at.size();
    update_wake(flushed);
    if (was_idle) {
      begin_turn(flushed);
      announce(flushed);
    }
    return looked_at.size();
  }

  std::vector<std::string> active_domains() const override {
    std::vector<std::string> names;
    names.reserve(turns_.size());
    for (const Domain* each : turns_) names.push_back(each->name);
    return names;
  }

  uint64_t active(std::string_view name) const override {
    auto* const found = domains_.find(name);
    return found == nullptr ? 0 : found->active.size();
  }

  void walk(std::string_view after, size_t count, std::vector<DomainStatus>& domains) const override {
    auto each = after.empty() ? names_.begin() : names_.upper_bound(after);
    for (; count > 0 && each != names_.end(); --count, ++each) domains.push_back(status_of(*each->second));
  }

  std::optional<DomainStatus> status(std::string_view name) const override {
    auto* const found = domains_.find(name);
    if (found == nullptr) return std::nullopt;
    return status_of(*found);
  }

  Totals totals() const override { return {domains_.size(), active_, delayed_, held_, in_flight_}; }
  uint64_t size() const override { return active_ + delayed_ + in_flight_; }

 private:
  // Inside, time never runs backwards: it is the caller's, plus what the
  // caller's clock was set back in all. Items inside carry inner times, but for those
  // that their senders hold.
  WallTime observe(WallTime now) {
    if (now + shift_ < latest_) shift_ = latest_ - now;
    latest_ = now + shift_;
    return latest_;
  }
  // The epoch means at once, and stays what it is, as does what is on hold. Sums
  // that would overflow are as good as never.
  WallTime inward(WallTime time) const {
    if (time == WallTime{} || time == on_hold) return time;
    return time < on_hold - shift_ ? time + shift_ : on_hold - Duration(1);
  }
  void outward(Item& item) const {
    if (in_future(item)) return;
    if (item.next_attempt != WallTime{} && item.next_attempt != on_hold) item.next_attempt -= shift_;
  }
  void tell(const Item& item, Scan& scan, std::vector<Listed>& items) const {
    scan.last = item;
    items.push_back({item, scan.place});
    outward(items.back().item);
  }

  DomainStatus status_of(const Domain& each) const {
    return {each.name,
            each.active.size(),
            each.delayed.size() + each.future.size(),
            each.held,
            each.in_flight.size(),
            sooner(each.wakes ? std::optional(*each.wakes - shift_) : std::nullopt, each.releases),
            each.delivered,
            each.failed};
  }

  Domain& domain(std::string_view name) {
    Domain* found = domains_.find(name);
    if (found == nullptr) {
      found = &domains_.add(name);
      names_.emplace(found->name, found);
    }
    return *found;
  }

  static bool in_future(const Item& item) { return item.future_release && item.next_attempt != on_hold; }
  static std::optional<WallTime> sooner(std::optional<WallTime> a, std::optional<WallTime> b) {
    return a && b ? std::min(a, b) : std::max(a, b);
  }

  void place(Domain& into, Item item, WallTime inner) {
    if (in_future(item)) {
      item.next_attempt = item.received;
      into.future.insert(item);
      ++delayed_;
      update_wake(into);
      return;
    }
    item.next_attempt = inward(item.next_attempt);
    if (item.next_attempt > inner) {
      into.delayed.insert(item);
      ++delayed_;
      if (item.next_attempt == on_hold) count_held(into, 1);
      update_wake(into);
      return;
    }
    into.active.insert(item);
    ++active_;
    if (into.active.size() > 1) return;
    begin_turn(into);
    announce(into);
  }

  std::vector<Item> take(std::string_view name, size_t count, bool one_message) {
    std::vector<Item> items;
    auto* const found = domains_.find(name);
    if (found == nullptr) return items;
    Domain& from = *found;
    while (items.size() < count && !from.active.empty()) {
      if (one_message && !items.empty() && from.active.first().id != items.front().id) break;
      Item item = from.active.pop_first();
      --active_;
      ++in_flight_;
      from.in_flight.emplace(key(item), item);
      outward(item);
      items.push_back(item);
    }
    if (items.empty()) return items;
    if (from.active.empty()) {
      turns_.erase(from.turn);
    } else {
      turns_.splice(turns_.end(), turns_, from.turn);
    }
    return items;
  }

  void begin_turn(Domain& each) { each.turn = turns_.insert(turns_.end(), &each); }

  // A copy of the name: the domain may be gone when `ready_` returns.
  void announce(const Domain& each) {
    const std::string name = each.name;
    ready_(name);
  }

  void count_held(Domain& each, int amount) {
    each.held = each.held + static_cast<uint64_t>(amount);
    held_ = held_ + static_cast<uint64_t>(amount);
  }

  using Wakes = std::set<std::pair<WallTime, Domain*>>;

  void update_wake(Domain& each) {
    update(each, wakes_, each.wakes, each.delayed);
    update(each, releases_, each.releases, each.future);
  }
  static void update(Domain& each, Wakes& wakes, std::optional<WallTime>& entry, const Shelf<DueFirst>& shelf) {
    std::optional<WallTime> next;
    if (!shelf.empty() && shelf.first().next_attempt != on_hold) next = shelf.first().next_attempt;
    if (next == entry) return;
    if (entry) wakes.erase({*entry, &each});
    if (next) wakes.emplace(*next, &each);
    entry = next;
  }
  // What is due there, by its clock.
  void wake(Wakes& wakes, Shelf<DueFirst> Domain::* shelf, WallTime now, size_t& most, std::vector<std::string>& woken,
            const auto& change) {
    while (!wakes.empty() && wakes.begin()->first <= now && most > 0 && woken.size() < most_woken) {
      Domain& due = *wakes.begin()->second;
      const bool was_idle = due.active.empty();
      for (auto& waits = due.*shelf; most > 0 && !waits.empty() && waits.first().next_attempt <= now; --most) {
        Item item = waits.pop_first();
        change(item);
        due.active.insert(item);
        ++active_;
        --delayed_;
      }
      update_wake(due);
      if (was_idle) {
        begin_turn(due);
        woken.push_back(due.name);
      }
    }
  }

  void drop_if_empty(Domain& each) {
    if (!each.active.empty() || !each.delayed.empty() || !each.future.empty() || !each.in_flight.empty()) return;
    names_.erase(names_.find(each.name));
    domains_.erase(each);
  }

  std::function<void(const std::string&)> ready_;
  Domains domains_;
  std::map<std::string_view, Domain*, ILess> names_;  // the same, in order
  std::list<Domain*> turns_;                          // domains with something active
  Wakes wakes_;                                       // domains with something delayed, by the earliest, in inner time
  Wakes releases_;                                    // … with something that a sender holds, by the wall clock
  uint64_t active_ = 0;
  uint64_t delayed_ = 0;
  uint64_t held_ = 0;
  uint64_t in_flight_ = 0;
  Duration shift_{0};
  WallTime latest_{};
};

}  // namespace

std::unique_ptr<Queue> Queue::create(std::function<void(const std::string& domain)> ready) {
  return std::make_unique<ShelfQueue>(std::move(ready));
}

}  // namespace impulse::queue
