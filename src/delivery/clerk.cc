// Orders, carried out a slice at a time.
#include "base/text.h"
#include "delivery/ages.h"
#include "delivery/clerk_impl.h"

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
    journalled_ = errand->journalled();
    std::vector<Listed> unread;
    work->progress.ended = !step(*work, unread);
    journalled_ = nullptr;
    errand->set(work->progress);
    if (!unread.empty())
      read(std::move(work), std::move(unread));
    else if (!work->progress.ended)
      works_.push_back(std::move(work));
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
bool Clerk::step(Work& work, std::vector<Listed>& unread) {
  const QueueOrder& order = work.order;
  if (work.queue.empty() && !next_queue(work)) {
    const bool did = std::exchange(work.again, false) || work.progress.acted.done > work.done_before;
    // A flush has gathered all: who is met again has been tried. What is met again by a delay waited when it came.
    const bool once = order.dry_run || order.act == Act::retry || order.act == Act::delay;
    const bool more = !once && did && ++work.passes < most_passes;
    work.done_before = work.progress.acted.done;
    work.last.clear();
    return more;
  }
  if (work.queue.empty()) return true;
  if (work.wakes) {
    wake(work);
    return true;
  }
  if (order.act == Act::retry && !order.dry_run && !gathers(work)) {
    flush(work);
    return true;
  }
  std::vector<Listed> listed;
  office_.queue.scan(work.queue, work.scan, page, listed);
  work.progress.looked_at += listed.size();
  // What waits already is not meant.
  if (order.act == Act::delay && work.scan.place == Place::delayed) work.scan.ended = true;
  if (std::ranges::any_of(listed, [&](const Listed& each) { return must_read(work, each); }))
    unread = std::move(listed);
  else
    carry_out_page(work, listed, {});
  return true;
}

// What is meant of a page, by what was read of it just now, or before.
void Clerk::carry_out_page(Work& work, const std::vector<Listed>& listed, const std::map<MessageId, Found>& read) {
  std::vector<Item> failed;
  for (const Listed& each : listed) {
    if (!fits(work, each)) continue;
    // Told once: later passes would meet those that this has set in motion.
    const bool in_flight = each.place == Place::in_flight;
    if (in_flight && work.passes > 0) continue;
    std::string_view to = work.order.to;
    if (work.reads()) {
      const auto found = read.find(each.item.id);
      const auto known = work.known.find(each.item.id);
      const Content content = found != read.end()         ? found->second.content
                              : known != work.known.end() ? known->second
                                                          : Content::other;
      if (content == Content::unreadable && work.passes == 0) ++work.progress.unreadable;
      if (content != Content::fits) continue;
      if (work.by_configuration()) {
        to = found->second.binding;
        if (to.empty() || iequals(to, queue::binding_of(work.queue))) continue;
      }
    }
    if (in_flight)
      ++work.progress.acted.in_flight;
    else
      act_on_one(work, each, to, failed);
  }
  give_up(work.queue, std::move(failed), work.order.response, work.order.quiet);
  if (work.scan.ended && work.meant.empty()) work.queue.clear();
}

void Clerk::act_on_one(Work& work, const Listed& listed, std::string_view to, std::vector<Item>& failed) {
  const QueueOrder& order = work.order;
  if (is_senders(order.act, listed.item)) {
    ++work.progress.acted.left;
  } else if (order.dry_run) {
    would(work, listed);
  } else if (order.act == Act::retry) {
    work.meant.push_back(listed.item);
  } else if (order.act == Act::rebind) {
    if (!rebind(work.queue, listed.item, to, work)) work.again = true;
  } else {
    switch (carry_out(order.act, work.queue, listed.item, to, failed, order.delay)) {
      case Fate::done:
        ++work.progress.acted.done;
        break;
      case Fate::left:
        if (work.passes == 0) ++work.progress.acted.left;
        break;
      case Fate::none:  // tried, held or released meanwhile: it is met in its new place
        work.again = true;
        break;
    }
  }
}

// A flush: all of a queue is gathered first, then due. One by one a next host that is down would give back at once
// what was due, to where it is met again: each would be tried over and over, and wait the longer.
bool Clerk::gathers(const Work& work) const {
  return !work.scan.ended && work.flushed == 0 && work.meant.size() < most_gathered;
}

// Some more of what was gathered.
void Clerk::flush(Work& work) {
  std::vector<Item> failed;
  for (size_t i = 0; i < page && work.flushed < work.meant.size(); ++i)
    if (carry_out(Act::retry, work.queue, work.meant[work.flushed++], {}, failed) == Fate::done)
      ++work.progress.acted.done;
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

bool Clerk::fits(const Work& work, const Listed& listed) const {
  const Item& item = listed.item;
  const bool held = item.next_attempt == queue::on_hold;
  if (item.id > work.newest) return false;
  if (work.order.act == Act::delay && listed.place == Place::delayed) return false;
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
                             std::vector<Item>& failed, Duration delay) {
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
    case Act::delay:
      wait_until(queue, *item, now + delay);
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
