// Orders, carried out a slice at a time.
#include "delivery/clerk.h"

#include "base/text.h"
#include "delivery/ages.h"
#include "queue/binding.h"

#include <algorithm>
#include <utility>

namespace impulse::delivery {

using queue::Item;
using queue::Listed;
using queue::Place;

namespace {

constexpr Duration slice = std::chrono::milliseconds(1);
constexpr size_t page = 64;  // recipients between two looks at the clock
// Reports that are on their way, and messages in memory with them, before more are made.
constexpr size_t most_reports = 64;
constexpr Duration pause = std::chrono::milliseconds(2);
// What goes from active to delayed, or back, while one is read may be overlooked.
constexpr int most_passes = 3;
constexpr size_t most_gathered = 1'000'000;  // of a flush: 32 bytes each
constexpr const char* status_of_failure = "5.0.0";

// Its sender holds it (RFC 4865): no flush is for it.
bool is_senders(Act act, const Item& delayed) { return act == Act::retry && delayed.future_release; }

}  // namespace

struct Clerk::Work {
  std::weak_ptr<Errand> errand;
  QueueOrder order;
  MessageId newest;
  WallTime before{};  // received then at the latest
  Progress progress{};
  std::string queue{};  // empty: the next one is to be found
  queue::Queue::Scan scan{};
  std::string last{};  // queue that was looked through
  int passes = 0;
  uint64_t done_before = 0;       // when this pass began
  bool again = false;             // something had another place by the time that it was its turn
  std::shared_ptr<Errand> own{};  // of one that nobody waits for
  bool wakes = false;             // looks at queues, and does nothing else
  queue::GroupTurns turns{};
  // Of a flush: those of the queue that it is about, and how many of them had their turn.
  std::vector<Item> meant{};
  size_t flushed = 0;
};

Clerk::Clerk(Office& office) : office_(office), timer_(office.parts.loop, [this] { run(); }) {}

Clerk::~Clerk() = default;

void Clerk::stop() {
  timer_.stop();
  works_.clear();
}

bool Clerk::suspend(std::string_view queue, bool on) {
  if (on) return suspended_.emplace(queue).second;
  const auto found = suspended_.find(queue);
  if (found == suspended_.end()) return false;
  const std::string name = *found;
  suspended_.erase(found);
  if (!name.starts_with(queue::binding_mark)) {
    office_.look_again(name);
    return true;
  }
  auto work = std::make_unique<Work>();
  work->own = std::make_shared<Errand>();
  work->errand = work->own;
  work->wakes = true;
  work->order.binding = queue::binding_of(name);
  works_.push_back(std::move(work));
  later();
  return true;
}

// One that was held with all of its Binding.
void Clerk::wake(Work& work) { office_.look_again(std::exchange(work.queue, {})); }

std::set<std::string, ILess> Clerk::places_of(const std::string& queue) const {
  std::set<std::string, ILess> places{queue};
  if (const auto sent = rerouted_.find(queue); sent != rerouted_.end())
    places.insert(sent->second.begin(), sent->second.end());
  return places;
}

std::set<std::string, ILess> Clerk::all_places_of(const std::string& domain) const {
  std::set<std::string, ILess> places{domain};
  std::vector<queue::DomainStatus> next;
  for (std::string last = domain;; last = std::move(next.front().domain)) {
    next.clear();
    office_.queue.walk(last, 1, next);
    if (next.empty() || !iequals(queue::without_binding(next.front().domain), domain)) break;
    places.insert(next.front().domain);
  }
  for (const auto& [from, to] : rerouted_)
    if (iequals(queue::without_binding(from), domain)) places.insert(to.begin(), to.end());
  return places;
}

Acted Clerk::act(const MessageOrder& order, std::function<void(Result<>)> durable) {
  journalled_ = std::make_shared<Journalled>(std::move(durable));
  const Acted acted = act_on(order);
  std::exchange(journalled_, nullptr)->finish();
  return acted;
}

Acted Clerk::act_on(const MessageOrder& order) {
  Acted acted;
  if (office_.stopping) return acted;
  // The queues that its recipients are in, or were sent to.
  std::map<std::string, std::set<uint32_t>, ILess> queues;
  for (const auto& [number, queue] : order.recipients) queues[queue].insert(number);
  for (const auto& [name, numbers] : queues) {
    size_t found = 0;
    for (const std::string& place : places_of(name)) {
      std::vector<Item> failed;
      for (const Listed& each : office_.queue.find(place, order.id)) {
        if (!numbers.contains(each.item.recipient)) continue;
        ++found;
        if (each.place == Place::in_flight) {
          ++acted.in_flight;
          continue;
        }
        const bool idle = order.act == Act::retry && each.place == Place::active;
        ++(idle || carry_out(order.act, place, each.item, {}, failed) == Fate::done ? acted.done : acted.left);
      }
      give_up(place, std::move(failed), order.response, order.quiet);
    }
    acted.missing += numbers.size() - std::min(found, numbers.size());
  }
  return acted;
}

std::shared_ptr<const Errand> Clerk::begin(QueueOrder order, MessageId newest) {
  auto errand = std::make_shared<Errand>();
  auto work = std::make_unique<Work>();
  work->errand = errand;
  work->order = std::move(order);
  work->newest = newest;
  work->before = even_now() - work->order.age;
  works_.push_back(std::move(work));
  later();
  return errand;
}

void Clerk::later() {
  if (posted_ || timer_.running()) return;
  posted_ = true;
  office_.parts.loop.post([this, weak = std::weak_ptr(alive_)] {
    if (weak.expired()) return;
    posted_ = false;
    run();
  });
}

// One after the other has its turn.
void Clerk::run() {
  const SteadyTime end = steady_now() + slice;
  size_t waiting = 0;  // for reports, one behind the other
  while (!works_.empty() && !office_.stopping) {
    if (waiting == works_.size()) return timer_.start(pause);
    std::unique_ptr<Work> work = std::move(works_.front());
    works_.pop_front();
    const auto errand = work->errand.lock();
    if (errand == nullptr) continue;
    const bool moves = work->order.act == Act::rebind || work->order.act == Act::reroute;
    if ((work->order.act == Act::fail && office_.ledger.pending_reports() >= most_reports) ||
        (moves && office_.ledger.unread_notes() >= most_reports)) {
      works_.push_back(std::move(work));
      ++waiting;
      continue;
    }
    waiting = 0;
    if (work->order.act == Act::rebind && work->order.to.empty() && !work->queue.empty()) {
      std::vector<Listed> listed;
      office_.queue.scan(work->queue, work->scan, page, listed);
      work->progress.looked_at += listed.size();
      if (!listed.empty()) {
        reassign(std::move(work), std::move(listed));
        if (steady_now() >= end) break;
        continue;
      }
      if (work->scan.ended) work->queue.clear();
    }
    journalled_ = errand->journalled();
    work->progress.ended = !step(*work);
    journalled_ = nullptr;
    errand->set(work->progress);
    if (!work->progress.ended) works_.push_back(std::move(work));
    if (steady_now() >= end) break;
  }
  if (!works_.empty() && !office_.stopping) later();
}

bool Clerk::is_meant(const QueueOrder& order, std::string_view queue) const {
  if (!order.binding.empty() && !iequals(queue::binding_of(queue), order.binding)) return false;
  // There is nothing to do where it goes already.
  return order.act != Act::rebind || order.to.empty() || !iequals(queue::binding_of(queue), order.to);
}

// False: there is none. None either, but true: the next look may find one.
bool Clerk::next_queue(Work& work) {
  const QueueOrder& order = work.order;
  const bool whole = order.queue.empty() || order.every_binding;
  if (!whole) {
    if (!work.last.empty()) return false;
    const auto status = office_.queue.status(order.queue);
    if (!status) return false;
    work.queue = status->domain;
  } else {
    // A domain's queues of other Bindings stand behind its own.
    if (work.last.empty() && order.every_binding) {
      if (const auto own = office_.queue.status(order.queue)) work.queue = own->domain;
      work.last = order.queue;
    }
    if (work.queue.empty()) {
      std::vector<queue::DomainStatus> next;
      office_.queue.walk(work.last, 1, next);
      if (next.empty()) return false;
      work.queue = std::move(next.front().domain);
      if (order.every_binding && !iequals(queue::without_binding(work.queue), order.queue)) {
        work.queue.clear();
        return false;
      }
    }
  }
  work.last = work.queue;
  if (!is_meant(order, work.queue)) {
    work.queue.clear();
    return true;
  }
  work.scan = {};
  // Only these can be changed by it.
  if (work.order.act == Act::retry || work.order.act == Act::release) work.scan.place = Place::delayed;
  return true;
}

// A page of it. False: that was all.
bool Clerk::step(Work& work) {
  if (work.queue.empty() && !next_queue(work)) {
    const bool did = std::exchange(work.again, false) || work.progress.acted.done > work.done_before;
    // A flush has gathered all: who is met again has been tried.
    const bool more = !work.order.dry_run && work.order.act != Act::retry && did && ++work.passes < most_passes;
    work.done_before = work.progress.acted.done;
    work.last.clear();
    return more;
  }
  if (work.queue.empty()) return true;
  if (work.wakes) {
    wake(work);
    return true;
  }
  // Their Bindings have to be found out first: by run().
  if (work.order.act == Act::rebind && work.order.to.empty()) return true;
  if (work.order.act == Act::retry && !work.order.dry_run) {
    flush(work);
    return true;
  }
  std::vector<Listed> listed;
  office_.queue.scan(work.queue, work.scan, page, listed);
  work.progress.looked_at += listed.size();
  std::vector<Item> failed;
  Acted& acted = work.progress.acted;
  for (const Listed& each : listed) {
    if (!fits(work, each)) continue;
    // Told once: later passes would meet those that this has set in motion.
    if (each.place == Place::in_flight) {
      if (work.passes == 0) ++acted.in_flight;
      continue;
    }
    if (work.order.dry_run) {
      if (!is_senders(work.order.act, each.item))
        would(work, each);
      else
        ++acted.left;
      continue;
    }
    if (work.order.act == Act::rebind) {
      rebind(work.queue, each.item, work.order.to, work);
      continue;
    }
    switch (carry_out(work.order.act, work.queue, each.item, work.order.to, failed)) {
      case Fate::done:
        ++acted.done;
        break;
      case Fate::left:
        if (work.passes == 0) ++acted.left;
        break;
      case Fate::none:
        break;
    }
  }
  give_up(work.queue, std::move(failed), work.order.response, work.order.quiet);
  if (work.scan.ended) work.queue.clear();
  return true;
}

// Some more of a queue: gathered first, then due. One by one a next host that is down would give back at once what
// was due, to where it is met again: each would be tried over and over, and wait the longer.
void Clerk::flush(Work& work) {
  Acted& acted = work.progress.acted;
  if (!work.scan.ended && work.flushed == 0 && work.meant.size() < most_gathered) {
    std::vector<Listed> listed;
    office_.queue.scan(work.queue, work.scan, page, listed);
    work.progress.looked_at += listed.size();
    for (const Listed& each : listed) {
      if (!fits(work, each)) continue;
      if (is_senders(Act::retry, each.item))
        ++acted.left;
      else
        work.meant.push_back(each.item);
    }
    return;
  }
  std::vector<Item> failed;
  for (size_t i = 0; i < page && work.flushed < work.meant.size(); ++i)
    if (carry_out(Act::retry, work.queue, work.meant[work.flushed++], {}, failed) == Fate::done) ++acted.done;
  if (work.flushed < work.meant.size()) return;
  work.meant = {};
  work.flushed = 0;
  if (work.scan.ended) work.queue.clear();
}

void Clerk::would(Work& work, const Listed& listed) const {
  ++work.progress.acted.done;
  if (work.progress.first.size() < Progress::most_shown)
    work.progress.first.push_back(waiting_of(office_.backlog, office_.parts.spool, work.queue, listed));
}

// The journal has it with the next group that is written, and the errand ends when
// that is durable. A crash before that undoes it for what was moved last; nothing is
// in two queues, or in none.
bool Clerk::rebind(std::string_view queue, const Item& like, std::string_view binding, Work& work) {
  auto item = office_.queue.take_item(queue, like);
  if (!item) return false;
  const std::string to = queue::rebound(queue, binding);
  spool::RecipientState state{spool::State::pending, item->attempts, item->next_attempt,
                              office_.parts.spool.last_error(item->id, item->recipient)};
  state.binding = binding;
  office_.parts.spool.record(item->id, item->recipient, state, journalled_ ? Journalled::one(journalled_) : nullptr);
  office_.parts.counters.binding(queue::binding_of(queue)).add(telemetry::Counter::queued_recipients, -1);
  office_.parts.counters.binding(queue::binding_of(to)).add(telemetry::Counter::queued_recipients);
  const bool waits = item->next_attempt > wall_now();
  office_.queue.finish(queue, *item);
  office_.queue.add(to, *item, wall_now());
  office_.ledger.rebound(queue, *item, to);
  ++work.progress.acted.done;
  if (!waits) office_.look_again(to);
  // What was rerouted is found by its own domain's queue still.
  std::vector<std::string> origins;
  for (const auto& [from, places] : rerouted_)
    if (places.contains(queue)) origins.push_back(from);
  for (const std::string& from : origins) rerouted_[queue::rebound(from, binding)].insert(to);
  return true;
}

void Clerk::reassign(std::unique_ptr<Work> work, std::vector<Listed> listed) {
  struct Job {
    std::unique_ptr<Work> work;
    std::vector<Listed> listed;
    std::map<MessageId, std::string> bindings;
  };
  auto job = std::make_shared<Job>(Job{std::move(work), std::move(listed), {}});
  for (const Listed& each : job->listed)
    if (fits(*job->work, each)) job->bindings.try_emplace(each.item.id);
  office_.readers.post([this, weak = std::weak_ptr(alive_), &spool = office_.parts.spool, &loop = office_.parts.loop,
                        snapshot = office_.parts.snapshot(), job] {
    const std::string current(queue::binding_of(job->work->queue));
    for (auto& [id, binding] : job->bindings) {
      // One that cannot be read stays where it is.
      const auto summary = spool.summary(id);
      if (!summary) continue;
      auto chosen =
          queue::choose_binding(*snapshot, queue::wish_of(*snapshot, summary->envelope), current, &job->work->turns);
      if (!chosen) chosen = queue::choose_binding(*snapshot, queue::wish_of(*snapshot, {}), current, &job->work->turns);
      if (chosen) binding = std::move(*chosen);
    }
    loop.post([this, weak, job] {
      if (weak.expired()) return;
      if (office_.stopping) return;
      const auto errand = job->work->errand.lock();
      if (errand == nullptr) return;
      journalled_ = errand->journalled();
      reassigned(*job->work, job->listed, job->bindings);
      journalled_ = nullptr;
      errand->set(job->work->progress);
      works_.push_back(std::move(job->work));
      later();
    });
  });
}

void Clerk::reassigned(Work& work, const std::vector<Listed>& listed,
                       const std::map<MessageId, std::string>& bindings) {
  for (const Listed& each : listed) {
    const auto found = bindings.find(each.item.id);
    if (found == bindings.end() || found->second.empty() || iequals(found->second, queue::binding_of(work.queue)))
      continue;
    if (!fits(work, each)) continue;
    if (each.place == Place::in_flight) {
      if (work.passes == 0) ++work.progress.acted.in_flight;
    } else if (work.order.dry_run) {
      would(work, each);
    } else if (!rebind(work.queue, each.item, found->second, work)) {
      work.again = true;  // tried, held or released meanwhile: it is met in its new place
    }
  }
  if (work.scan.ended) work.queue.clear();
}

bool Clerk::fits(const Work& work, const Listed& listed) const {
  const Item& item = listed.item;
  const bool held = item.next_attempt == queue::on_hold;
  if (item.id > work.newest) return false;
  if (work.order.act == Act::release && !held) return false;
  if (work.order.act == Act::hold && held) return false;
  // What is held is not what a flush is about.
  if (work.order.act == Act::retry && held) return false;
  const auto message = office_.backlog.find(item.id);
  if (!message) return false;
  if (work.order.age > Duration{0} && message->received() > work.before) return false;
  if (work.order.sender && !work.order.sender->matches(message->sender())) return false;
  return !work.order.recipient || work.order.recipient->matches(message->recipient(item.recipient));
}

Clerk::Fate Clerk::carry_out(Act act, std::string_view queue, const Item& like, std::string_view to,
                             std::vector<Item>& failed) {
  const WallTime now = wall_now();
  const bool held = like.next_attempt == queue::on_hold;
  // The sender's own time (RFC 4865) is kept, whoever asks; age counts from it.
  const bool too_early = like.future_release && like.received > now;
  if (act == Act::retry && (held || too_early)) return Fate::left;
  if (act == Act::hold && held) return Fate::left;
  if (act == Act::release && !held) return Fate::left;
  auto item = office_.queue.take_item(queue, like);
  if (!item) return Fate::none;
  if (item->future_release && !too_early) {
    item->future_release = false;
    item->received += even_ahead(now);
  }
  switch (act) {
    case Act::retry:
      item->next_attempt = now;
      office_.queue.retry(queue, *item, now);
      break;
    case Act::fail:
      failed.push_back(*item);
      break;
    case Act::hold:
      wait_until(queue, *item, queue::on_hold);
      break;
    case Act::release:
      wait_until(queue, *item, too_early ? item->received : now);
      break;
    case Act::reroute:
      office_.queue.finish(queue, *item);
      office_.queue.add(to, *item, now);
      office_.ledger.rebound(queue, *item, to);
      office_.look_again(std::string(to));
      rerouted_[std::string(queue)].emplace(to);
      break;
    case Act::rebind:  // rebind()
      break;
  }
  return Fate::done;
}

void Clerk::wait_until(std::string_view queue, Item item, WallTime when) {
  item.next_attempt = when;
  office_.parts.spool.record(
      item.id, item.recipient,
      {spool::State::pending, item.attempts, when, office_.parts.spool.last_error(item.id, item.recipient)},
      journalled_ ? Journalled::one(journalled_) : nullptr);
  office_.queue.retry(queue, item, wall_now());
}

// Recipients of a message together: their sender gets one report.
void Clerk::give_up(std::string_view queue, std::vector<Item> items, const std::string& response, bool quiet) {
  if (items.empty()) return;
  RoutePtr route = office_.route(queue);
  if (quiet) {
    auto silent = std::make_shared<Route>(*route);
    silent->bounces = false;
    route = std::move(silent);
  }
  std::ranges::sort(items, {}, [](const Item& item) { return std::pair(item.id, item.recipient); });
  for (auto first = items.begin(); first != items.end();) {
    const auto end = std::find_if(first, items.end(), [&](const Item& item) { return item.id != first->id; });
    Outcome outcome{Outcome::Kind::permanent, response, status_of_failure, {}};
    outcome.administrative = true;
    office_.ledger.settle_all(queue, route, {first, end}, outcome, {});
    first = end;
  }
}

Waiting waiting_of(const Backlog& backlog, const spool::Spool& spool, std::string_view queue, const Listed& listed) {
  const Item& item = listed.item;
  Waiting one;
  one.id = item.id;
  one.domain = queue;
  one.attempts = item.attempts;
  one.received = item.received;
  one.next_attempt = item.next_attempt;
  one.last_error = spool.last_error(item.id, item.recipient);
  one.place = listed.place;
  if (const auto message = backlog.find(item.id)) {
    one.sender = message->sender();
    one.recipient = message->recipient(item.recipient);
    one.size = message->size();
    one.received = message->received();
  }
  return one;
}

}  // namespace impulse::delivery
