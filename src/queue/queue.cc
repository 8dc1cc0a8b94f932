// The queue's two heaps a domain, and the order in which domains wake.
#include "queue/queue.h"

#include "base/text.h"

#include <algorithm>
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

// Heap orders: the standard heaps keep the greatest on top.
struct Younger {  // or less urgent
  bool operator()(const Item& a, const Item& b) const {
    return std::tuple(b.priority, key(a)) > std::tuple(a.priority, key(b));
  }
};
struct DueLater {
  bool operator()(const Item& a, const Item& b) const {
    return std::tuple(a.next_attempt, key(a)) > std::tuple(b.next_attempt, key(b));
  }
};

// A heap in one block, which it gives back as it empties.
template <class Less>
class Heap {
 public:
  bool empty() const { return items_.empty(); }
  size_t size() const { return items_.size(); }
  const Item& top() const { return items_.front(); }
  const std::vector<Item>& items() const { return items_; }

  void push(const Item& item) {
    items_.push_back(item);
    std::push_heap(items_.begin(), items_.end(), Less());
  }
  Item pop() {
    std::pop_heap(items_.begin(), items_.end(), Less());
    const Item item = items_.back();
    items_.pop_back();
    if (items_.capacity() > 64 && items_.size() < items_.capacity() / 4) items_.shrink_to_fit();
    return item;
  }
  std::vector<Item> release() { return std::exchange(items_, {}); }
  void append(std::vector<Item> more) {
    if (items_.empty()) {
      items_ = std::move(more);
    } else {
      items_.insert(items_.end(), more.begin(), more.end());
    }
    std::make_heap(items_.begin(), items_.end(), Less());
  }

 private:
  std::vector<Item> items_;
};

struct Domain {
  std::string name;
  Heap<Younger> active;
  Heap<DueLater> delayed;
  std::map<Key, Item> in_flight;
  std::list<Domain*>::iterator turn;  // in turns_, while something is active
  std::optional<WallTime> wakes;      // its entry in wakes_
};

class HeapQueue final : public Queue {
 public:
  explicit HeapQueue(std::function<void(const std::string&)> ready) : ready_(std::move(ready)) {}

  void add(std::string_view name, Item item, WallTime now) override {
    const WallTime inner = observe(now);
    ++size_;
    place(domain(name), item, inner);
  }

  std::vector<Item> take(std::string_view name, size_t count) override { return take(name, count, false); }
  std::vector<Item> take_message(std::string_view name, size_t count) override { return take(name, count, true); }

  void finish(std::string_view name, const Item& item) override {
    const auto found = domains_.find(name);
    if (found == domains_.end() || found->second.in_flight.erase(key(item)) == 0) return;
    --size_;
    drop_if_empty(found->second);
  }

  void retry(std::string_view name, Item item, WallTime now) override {
    const WallTime inner = observe(now);
    const auto found = domains_.find(name);
    if (found == domains_.end() || found->second.in_flight.erase(key(item)) == 0) return;
    place(found->second, item, inner);
  }

  std::optional<WallTime> advance(WallTime now) override {
    const WallTime inner = observe(now);
    std::vector<std::string> woken;
    while (!wakes_.empty() && wakes_.begin()->first <= inner) {
      Domain& due = *wakes_.begin()->second;
      const bool was_idle = due.active.empty();
      while (!due.delayed.empty() && due.delayed.top().next_attempt <= inner) due.active.push(due.delayed.pop());
      update_wake(due);
      if (was_idle) {
        begin_turn(due);
        woken.push_back(due.name);
      }
    }
    for (const std::string& name : woken) ready_(name);
    if (wakes_.empty()) return std::nullopt;
    return wakes_.begin()->first - shift_;
  }

  size_t flush(std::string_view name) override {
    const auto found = domains_.find(name);
    if (found == domains_.end() || found->second.delayed.empty()) return 0;
    Domain& flushed = found->second;
    const bool was_idle = flushed.active.empty();
    std::vector<Item> due = flushed.delayed.release();
    const auto held = std::partition(due.begin(), due.end(), [](const Item& item) { return item.attempts > 0; });
    flushed.delayed.append({held, due.end()});
    due.erase(held, due.end());
    const size_t count = due.size();
    if (count > 0) flushed.active.append(std::move(due));
    update_wake(flushed);
    if (was_idle && count > 0) {
      begin_turn(flushed);
      announce(flushed);
    }
    return count;
  }

  std::vector<std::string> active_domains() const override {
    std::vector<std::string> names;
    names.reserve(turns_.size());
    for (const Domain* each : turns_) names.push_back(each->name);
    return names;
  }

  uint64_t active(std::string_view name) const override {
    const auto found = domains_.find(name);
    return found == domains_.end() ? 0 : found->second.active.size();
  }

  bool walk(Walk& walk, size_t count, std::vector<std::string>& names) const override {
    // The table grew: all have other places now.
    if (walk.places != domains_.bucket_count()) walk = {0, domains_.bucket_count()};
    const size_t most = std::min(walk.places, walk.place + 16 * count);  // places may be empty
    const size_t before = names.size();
    for (; walk.place < most && names.size() - before < count; ++walk.place)
      for (auto each = domains_.begin(walk.place); each != domains_.end(walk.place); ++each)
        names.push_back(each->first);
    return walk.place < walk.places;
  }

  std::vector<DomainStatus> status() const override {
    std::vector<DomainStatus> all;
    all.reserve(domains_.size());
    for (const auto& [name, each] : domains_) {
      DomainStatus one{name, each.active.size(), each.delayed.size(), each.in_flight.size(), std::nullopt};
      if (each.wakes) one.next_attempt = *each.wakes - shift_;
      all.push_back(std::move(one));
    }
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.domain < b.domain; });
    return all;
  }

  std::vector<Item> list(std::string_view name, size_t limit) const override {
    std::vector<Item> items;
    const auto found = domains_.find(name);
    if (found == domains_.end()) return items;
    const Domain& from = found->second;
    for (const auto& [unused, item] : from.in_flight) {
      if (items.size() == limit) break;
      items.push_back(item);
    }
    append_sorted<Younger>(items, from.active.items(), limit);
    append_sorted<DueLater>(items, from.delayed.items(), limit);
    for (Item& item : items) outward(item);
    return items;
  }

  uint64_t size() const override { return size_; }

 private:
  // Inside, time never runs backwards: it is the caller's, plus what the
  // caller's clock was set back in all. Items inside carry inner times.
  WallTime observe(WallTime now) {
    if (now + shift_ < latest_) shift_ = latest_ - now;
    latest_ = now + shift_;
    return latest_;
  }
  void outward(Item& item) const {
    if (item.next_attempt != WallTime{}) item.next_attempt -= shift_;
  }

  Domain& domain(std::string_view name) {
    auto found = domains_.find(name);
    if (found == domains_.end()) {
      found = domains_.try_emplace(std::string(name)).first;
      found->second.name = found->first;
    }
    return found->second;
  }

  void place(Domain& into, Item item, WallTime inner) {
    // The epoch means at once, and stays what it is. Sums that would overflow
    // are as good as never.
    if (item.next_attempt != WallTime{}) {
      item.next_attempt = item.next_attempt < WallTime::max() - shift_ ? item.next_attempt + shift_ : WallTime::max();
    }
    if (item.next_attempt > inner) {
      into.delayed.push(item);
      update_wake(into);
      return;
    }
    into.active.push(item);
    if (into.active.size() > 1) return;
    begin_turn(into);
    announce(into);
  }

  std::vector<Item> take(std::string_view name, size_t count, bool one_message) {
    std::vector<Item> items;
    const auto found = domains_.find(name);
    if (found == domains_.end()) return items;
    Domain& from = found->second;
    while (items.size() < count && !from.active.empty()) {
      if (one_message && !items.empty() && from.active.top().id != items.front().id) break;
      Item item = from.active.pop();
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

  void update_wake(Domain& each) {
    std::optional<WallTime> next;
    if (!each.delayed.empty()) next = each.delayed.top().next_attempt;
    if (next == each.wakes) return;
    if (each.wakes) wakes_.erase({*each.wakes, &each});
    if (next) wakes_.emplace(*next, &each);
    each.wakes = next;
  }

  void drop_if_empty(Domain& each) {
    if (each.active.empty() && each.delayed.empty() && each.in_flight.empty()) domains_.erase(domains_.find(each.name));
  }

  // The first of a heap in its order, without disturbing it.
  template <class Less>
  static void append_sorted(std::vector<Item>& to, const std::vector<Item>& heap, size_t limit) {
    std::vector<Item> first(std::min(limit - std::min(limit, to.size()), heap.size()));
    std::partial_sort_copy(heap.begin(), heap.end(), first.begin(), first.end(),
                           [](const Item& a, const Item& b) { return Less()(b, a); });
    to.insert(to.end(), first.begin(), first.end());
  }

  std::function<void(const std::string&)> ready_;
  // Nodes never move: Domain* stays good.
  std::unordered_map<std::string, Domain, IHash, IEqual> domains_;
  std::list<Domain*> turns_;                      // domains with something active
  std::set<std::pair<WallTime, Domain*>> wakes_;  // domains with something delayed, by the earliest
  uint64_t size_ = 0;
  Duration shift_{0};
  WallTime latest_{};
};

}  // namespace

std::unique_ptr<Queue> Queue::create(std::function<void(const std::string& domain)> ready) {
  return std::make_unique<HeapQueue>(std::move(ready));
}

}  // namespace impulse::queue
