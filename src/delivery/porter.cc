#include "delivery/porter.h"

#include "delivery/ages.h"
#include "queue/name.h"
#include "spool/pair_folder.h"

#include <algorithm>
#include <set>
#include <unordered_set>

namespace impulse::delivery {

using queue::Item;
using queue::Listed;
using queue::Place;
using telemetry::Area;
using telemetry::Level;

namespace {

constexpr Duration slice = std::chrono::milliseconds(1);
constexpr size_t page = 64;  // recipients between two looks at the clock
// What is carried before the next is looked for; the folder is synced once for all of it.
constexpr size_t most_picked = 64;
constexpr uint64_t most_bytes = 16 << 20;
constexpr int most_passes = 3;
constexpr size_t most_refusals = 200;  // that are kept for the console

}  // namespace

struct Porter::Work {
  std::shared_ptr<Carriage> shared;  // while a slice is under way
  std::weak_ptr<Carriage> carriage;  // somebody wants it
  CarryOrder order;
  MessageId newest;
  WallTime before{};  // received then at the latest
  spool::Spool& spool;
  std::optional<spool::PairFolder> folder{};
  std::vector<Picked> picked{};
  std::string queue{};  // empty: the next one is to be found
  queue::Queue::Scan scan{};
  std::string last{};  // queue that was looked through
  int passes = 0;
  bool looked = false;  // through all of them, in this pass
  bool again = false;   // this pass has found something new
  // Messages not to be looked at again: with several recipients, or refused.
  std::unordered_set<MessageId> seen{};
  std::optional<Error> failed{};
  std::vector<std::string> refusals{};
};

CarryProgress Carriage::progress() {
  const std::lock_guard lock(mutex_);
  CarryProgress now = progress_;
  progress_.refusals.clear();
  now.ended = progress_.ended && unwritten_ == 0;
  return now;
}

std::shared_ptr<Carriage> Porter::begin(CarryOrder order, MessageId newest) {
  auto carriage = std::make_shared<Carriage>();
  const WallTime before = even_now() - order.age;
  auto work = std::make_shared<Work>(Work{carriage, carriage, std::move(order), newest, before, office_.parts.spool});
  if (work->order.dry_run && work->order.content.empty())
    next(work);
  else  // opens the folder first
    office_.readers.post([this, work, alive = std::weak_ptr(alive_), &loop = office_.parts.loop] {
      carry(*work);
      loop.post([this, work, alive] {
        if (!alive.expired()) carried(work);
      });
    });
  return carriage;
}

// Looks for some more, and has it carried.
void Porter::next(const std::shared_ptr<Work>& work) {
  work->shared.reset();
  work->shared = work->carriage.lock();
  if (work->shared == nullptr || office_.stopping) return;
  const SteadyTime end = steady_now() + slice;
  uint64_t bytes = 0;
  while (!work->looked && work->picked.size() < most_picked && bytes < most_bytes && steady_now() < end) {
    const size_t before = work->picked.size();
    work->looked = !look(*work);
    for (size_t i = before; i < work->picked.size(); ++i) bytes += work->picked[i].size;
  }
  if (!work->picked.empty() && (!work->order.dry_run || !work->order.content.empty())) {
    office_.readers.post([this, work, alive = std::weak_ptr(alive_), &loop = office_.parts.loop] {
      carry(*work);
      loop.post([this, work, alive] {
        if (!alive.expired()) carried(work);
      });
    });
    return;
  }
  bool more = true;
  if (work->looked) {
    // What goes from active to delayed, or back, while one is read may be overlooked.
    more = !work->order.dry_run && std::exchange(work->again, false) && ++work->passes < most_passes;
    work->looked = false;
    work->last.clear();
  }
  {
    const std::lock_guard lock(work->shared->mutex_);
    for (const Picked& each : std::exchange(work->picked, {})) {
      ++work->shared->progress_.messages;
      work->shared->progress_.bytes += each.size;
    }
    work->shared->progress_.ended = !more;
  }
  if (more)
    office_.parts.loop.post([this, work, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) next(work);
    });
}

// False: there is none.
bool Porter::next_queue(Work& work) const {
  if (!work.order.queue.empty()) {
    if (!work.last.empty()) return false;
    const auto status = office_.queue.status(work.order.queue);
    if (!status) return false;
    work.queue = status->domain;
  } else {
    std::vector<queue::DomainStatus> next;
    office_.queue.walk(work.last, 1, next);
    if (next.empty()) return false;
    work.queue = std::move(next.front().domain);
  }
  work.last = work.queue;
  work.scan = {};
  return true;
}

bool Porter::look(Work& work) {
  if (work.queue.empty() && !next_queue(work)) return false;
  std::vector<Listed> listed;
  office_.queue.scan(work.queue, work.scan, page, listed);
  for (const Listed& each : listed) {
    const auto message = office_.backlog.find(each.item.id);
    if (message && fits(work, each, *message)) pick(work, each, *message);
  }
  if (work.scan.ended) work.queue.clear();
  return true;
}

bool Porter::fits(const Work& work, const Listed& listed, const Backlog::Message& message) const {
  if (listed.item.id > work.newest) return false;
  if (work.order.age > Duration{0} && message.received() > work.before) return false;
  if (work.order.sender && !work.order.sender->matches(message.sender())) return false;
  return !work.order.recipient || work.order.recipient->matches(message.recipient(listed.item.recipient));
}

void Porter::pick(Work& work, const Listed& listed, const Backlog::Message& message) {
  if (work.seen.contains(listed.item.id)) return;
  if (message.recipients() > 1) work.seen.insert(listed.item.id);
  Picked picked{listed.item.id, message.size(), {}};
  const bool removes = work.order.remove;
  if (removes && !work.order.dry_run && !take(work.queue, listed, message, picked)) {
    const std::lock_guard lock(work.shared->mutex_);
    if (work.passes == 0) ++work.shared->progress_.in_flight;
    return;
  }
  work.picked.push_back(std::move(picked));
}

// All of its recipients that wait; none of them while one is being delivered.
bool Porter::take(std::string_view queue, const Listed& listed, const Backlog::Message& message, Picked& picked) {
  if (listed.place == Place::in_flight) return false;
  auto first = office_.queue.take_item(queue, listed.item);
  if (!first) return false;
  picked.items.emplace_back(queue, *first);
  if (message.recipients() == 1) return true;
  std::set<std::string, ILess> places;
  for (uint32_t i = 0; i < message.recipients(); ++i)
    places.merge(
        clerk_.all_places_of(queue::name_of(queue::tenant_of(queue), message::domain_of(message.recipient(i)))));
  places.emplace(queue);
  for (const std::string& place : places) {
    for (const Listed& each : office_.queue.find(place, listed.item.id)) {
      if (each.item.recipient == first->recipient) continue;
      std::optional<Item> item;
      if (each.place != Place::in_flight) item = office_.queue.take_item(place, each.item);
      if (!item) {
        put_back(picked);
        return false;
      }
      picked.items.emplace_back(place, *item);
    }
  }
  return true;
}

// As it was.
void Porter::put_back(const Picked& picked) {
  for (const auto& [queue, item] : picked.items) office_.queue.retry(queue, item, wall_now());
  if (!picked.items.empty()) settled_();
}

void Porter::carry(Work& work) {
  if (!work.folder && !work.order.dry_run) {
    auto folder = spool::PairFolder::open(work.order.folder, true);
    if (!folder) {
      work.failed = std::move(folder.error());
      return;
    }
    work.folder = std::move(*folder);
  }
  for (Picked& each : work.picked) {
    if (work.failed) break;
    carry(work, each);
  }
  if (work.picked.empty() || work.failed || work.order.dry_run) return;
  if (auto synced = work.folder->sync(); !synced) {
    work.failed = std::move(synced.error());
    for (Picked& each : work.picked) each.fate = Picked::Fate::kept;
  }
}

void Porter::carry(Work& work, Picked& picked) {
  using Fate = Picked::Fate;
  auto stored = work.spool.read(picked.id);
  if (!stored && stored.error().code == Errc::not_found) {
    picked.fate = Fate::gone;
    return;
  }
  if (stored && !work.order.content.empty() && !work.order.content.fits(*stored)) {
    picked.fate = Fate::unwanted;
    return;
  }
  if (stored && work.order.dry_run) {
    picked.fate = Fate::carried;
    return;
  }
  // What the spool takes for pending, and the queue does not have any more, is being
  // journalled just now: its outcome would not be in the file.
  if (stored && work.order.remove &&
      std::cmp_not_equal(std::ranges::count(stored->states, spool::State::pending, &spool::RecipientState::state),
                         picked.items.size())) {
    picked.fate = Fate::busy;
    return;
  }
  // In a later pass: what this export has written already.
  if (stored && work.passes > 0 && !work.order.remove && work.folder->has(stored->id, stored->node)) {
    picked.fate = Fate::kept;
    return;
  }
  Result<bool> written = stored ? work.folder->write(*stored) : std::unexpected(stored.error());
  if (written) {
    picked.fate = *written ? Fate::carried : Fate::there;
    return;
  }
  // One message is no reason to give up; a folder that takes nothing is.
  const Errc code = written.error().code;
  if (stored && code != Errc::exists && code != Errc::invalid) {
    work.failed = std::move(written.error());
    return;
  }
  picked.fate = Fate::refused;
  work.refusals.push_back(fmt::format("{}: {}", picked.id.to_string(work.spool.node()), written.error().message));
}

// Back on the loop, with what became of them.
void Porter::carried(const std::shared_ptr<Work>& work) {
  using Fate = Picked::Fate;
  for (const Picked& each : work->picked) {
    // Without a sync at the end nothing is known to stay.
    const bool safe = !work->failed && (each.fate == Fate::carried || each.fate == Fate::there);
    // No other pass has to look at it.
    if (each.fate == Fate::refused || each.fate == Fate::unwanted) work->seen.insert(each.id);
    {
      const std::lock_guard lock(work->shared->mutex_);
      CarryProgress& progress = work->shared->progress_;
      if (safe) work->again = true;
      progress.messages += safe && each.fate == Fate::carried ? 1 : 0;
      progress.bytes += safe && each.fate == Fate::carried ? each.size : 0;
      progress.there += safe && each.fate == Fate::there ? 1 : 0;
      progress.in_flight += each.fate == Fate::busy ? 1 : 0;
      progress.gone += each.fate == Fate::gone ? 1 : 0;
      progress.refused += each.fate == Fate::refused ? 1 : 0;
    }
    if (safe && work->order.remove && !work->order.dry_run)
      remove(*work, each);
    else
      put_back(each);
  }
  work->picked.clear();
  {
    const std::lock_guard lock(work->shared->mutex_);
    CarryProgress& progress = work->shared->progress_;
    for (std::string& line : std::exchange(work->refusals, {}))
      if (progress.refusals.size() < most_refusals) progress.refusals.push_back(std::move(line));
    progress.failed = work->failed;
    progress.ended = work->failed.has_value();
  }
  if (!work->failed) next(work);
}

void Porter::remove(const Work& work, const Picked& picked) {
  office_.parts.log.write(
      Level::notice, Area::spool, "message-exported",
      fmt::format("{}: to {}, and removed here", picked.id.to_string(office_.parts.spool.node()), work.order.folder));
  {
    const std::lock_guard lock(work.shared->mutex_);
    ++work.shared->progress_.removed;
    work.shared->unwritten_ += picked.items.size();
  }
  const std::string why = fmt::format("exported to {}", work.order.folder);
  for (const auto& [queue, item] : picked.items) {
    office_.parts.spool.record(item.id, item.recipient, {spool::State::failed, item.attempts, {}, why},
                               [carriage = work.shared](Result<> done) {
                                 const std::lock_guard lock(carriage->mutex_);
                                 --carriage->unwritten_;
                                 if (!done) carriage->progress_.failed = std::move(done.error());
                               });
    office_.ledger.forget(queue, {item});
  }
}

}  // namespace impulse::delivery
