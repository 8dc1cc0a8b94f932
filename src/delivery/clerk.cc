// Orders, carried out a slice at a time.
#include "delivery/clerk.h"

#include "base/text.h"
#include "queue/name.h"

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
constexpr const char* status_of_failure = "5.0.0";

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
  uint64_t done_before = 0;  // when this pass began
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
  office_.look_again(name);
  return true;
}

Acted Clerk::act(const MessageOrder& order) {
  Acted acted;
  if (office_.stopping) return acted;
  // The queues that its recipients are in, or were sent to.
  std::map<std::string, std::set<uint32_t>, ILess> queues;
  for (const auto& [number, address] : order.recipients)
    queues[queue::name_of(order.tenant, message::domain_of(address))].insert(number);
  for (const auto& [name, numbers] : queues) {
    std::set<std::string, ILess> places{name};
    if (const auto sent = rerouted_.find(name); sent != rerouted_.end())
      places.insert(sent->second.begin(), sent->second.end());
    size_t found = 0;
    for (const std::string& place : places) {
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
  auto work = std::make_unique<Work>(Work{errand, std::move(order), newest});
  work->before = wall_now() - work->order.age;
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
  while (!works_.empty() && !office_.stopping) {
    if (works_.front()->order.act == Act::fail && office_.ledger.pending_reports() >= most_reports)
      return timer_.start(pause);
    std::unique_ptr<Work> work = std::move(works_.front());
    works_.pop_front();
    const auto errand = work->errand.lock();
    if (errand == nullptr) continue;
    work->progress.ended = !step(*work);
    errand->set(work->progress);
    if (!work->progress.ended) works_.push_back(std::move(work));
    if (steady_now() >= end) break;
  }
  if (!works_.empty() && !office_.stopping) later();
}

// False: there is none.
bool Clerk::next_queue(Work& work) {
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
  // Only these can be changed by it.
  if (work.order.act == Act::retry || work.order.act == Act::release) work.scan.place = Place::delayed;
  return true;
}

// A page of it. False: that was all.
bool Clerk::step(Work& work) {
  if (work.queue.empty() && !next_queue(work)) {
    const bool more = !work.order.dry_run && work.progress.acted.done > work.done_before && ++work.passes < most_passes;
    work.done_before = work.progress.acted.done;
    work.last.clear();
    return more;
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
      ++acted.done;
      if (work.progress.first.size() < Progress::most_shown)
        work.progress.first.push_back(waiting_of(office_.backlog, office_.parts.spool, work.queue, each));
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

bool Clerk::fits(const Work& work, const Listed& listed) const {
  const Item& item = listed.item;
  const bool held = item.next_attempt == queue::on_hold;
  if (item.id > work.newest) return false;
  if (work.order.act == Act::release && !held) return false;
  if (work.order.act == Act::hold && held) return false;
  // What is held is not what a flush is about.
  if (work.order.act == Act::retry && (held || item.attempts == 0)) return false;
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
  const bool too_early = like.received > now;
  if (act == Act::retry && (held || too_early)) return Fate::left;
  if (act == Act::hold && held) return Fate::left;
  if (act == Act::release && !held) return Fate::left;
  auto item = office_.queue.take_item(queue, like);
  if (!item) return Fate::none;
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
      office_.look_again(std::string(to));
      rerouted_[std::string(queue)].emplace(to);
      break;
  }
  return Fate::done;
}

void Clerk::wait_until(std::string_view queue, Item item, WallTime when) {
  item.next_attempt = when;
  office_.parts.spool.record(
      item.id, item.recipient,
      {spool::State::pending, item.attempts, when, office_.parts.spool.last_error(item.id, item.recipient)});
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
