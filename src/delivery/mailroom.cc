// One job a message: read it once, write it for each of its recipients.
#include "delivery/mailroom.h"

#include "delivery/maildir.h"

#include <optional>
#include <utility>

namespace impulse::delivery {

namespace {

constexpr unsigned threads = 4;
constexpr size_t max_jobs = 32;  // handed to the threads; bounds the memory bodies take too
constexpr size_t batch = 100;    // recipients of a message in one job

}  // namespace

struct Mailroom::Job {
  std::string domain;
  RoutePtr route;
  std::vector<queue::Item> items;
  uint64_t serial = 0;  // of the first item; they count on
  telemetry::ChoicePtr choice = nullptr;
  // What the thread makes of it.
  std::optional<Error> unreadable;
  std::vector<queue::Item> strangers;  // not pending in the spool: nothing to do
  std::vector<queue::Item> tried;
  std::vector<Outcome> outcomes;
  telemetry::NotePtr note{};
};

Mailroom::Mailroom(Office& office) : office_(office), writers_(threads) {}

Mailroom::~Mailroom() = default;

void Mailroom::want(const std::string& domain) {
  if (wanted_.insert(domain).second) wanting_.push_back(domain);
  pump();
}

void Mailroom::pump() {
  while (!office_.stopping && jobs_ < max_jobs && !wanting_.empty()) {
    const std::string domain = std::move(wanting_.front());
    wanting_.pop_front();
    const RoutePtr route = office_.route(domain);
    if (route->method != Route::Method::maildir || route->suspended) {
      wanted_.erase(domain);
      office_.look_again(domain);
      continue;
    }
    if (!office_.throttles.take(Throttles::Of::messages, domain, route)) {
      wanted_.erase(domain);
      continue;
    }
    auto items = office_.queue.take_message(domain, batch);
    if (office_.queue.active(domain) > 0) {
      wanting_.push_back(domain);
    } else {
      wanted_.erase(domain);
    }
    office_.ledger.drop_expired(domain, route, items);
    if (items.empty()) office_.throttles.give_back(Throttles::Of::messages, domain, route);
    if (!items.empty()) start({domain, route, std::move(items), 0, office_.parts.mainlog.choice(), {}, {}, {}, {}});
  }
}

void Mailroom::stop() {
  wanting_.clear();
  wanted_.clear();
}

void Mailroom::start(Job job) {
  ++jobs_;
  job.serial = serial_;
  serial_ += job.items.size();
  auto shared = std::make_shared<Job>(std::move(job));
  writers_.post([this, weak = std::weak_ptr(alive_), &spool = office_.parts.spool, &loop = office_.parts.loop, shared] {
    write(*shared, spool, names_);
    loop.post([this, weak, shared] {
      if (!weak.expired()) written(*shared);
    });
  });
}

// On a thread of ours.
void Mailroom::write(Job& job, const spool::Spool& spool, DurableNames& names) {
  const auto message = spool.open(job.items.front().id);
  if (!message) {
    job.unreadable = message.error();
    return;
  }
  if (job.choice) job.note = telemetry::note_of(*job.choice, message->envelope);
  for (const queue::Item& item : job.items) {
    const bool pending =
        item.recipient < message->envelope.recipients.size() &&
        (item.recipient >= message->states.size() || message->states[item.recipient].state == spool::State::pending);
    if (!pending) {
      job.strangers.push_back(item);
      continue;
    }
    Outcome outcome;
    const auto folder = job.route->maildir.folder(message->envelope.recipients[item.recipient].address);
    if (!folder) {
      outcome = {Outcome::Kind::permanent, folder.error().message, "5.1.3", job.route->maildir.base()};
    } else {
      const MaildirMail mail{item.id, message->envelope.sender, message->trace, message->body, message->rest.get()};
      const auto path =
          deliver_to_maildir(names, *folder, mail, job.route->hostname, job.serial + job.tried.size(), wall_now());
      if (path) {
        outcome = {Outcome::Kind::delivered, "delivered as " + path->substr(path->rfind('/') + 1), {}, *folder};
      } else {
        const bool full = path.error().code == Errc::no_space;
        outcome = {Outcome::Kind::transient, path.error().message, full ? "4.2.2" : "4.3.0", *folder};
      }
    }
    job.tried.push_back(item);
    job.outcomes.push_back(std::move(outcome));
  }
}

void Mailroom::written(Job& job) {
  --jobs_;
  if (job.unreadable) {
    office_.ledger.unreadable(job.domain, job.route, job.items, *job.unreadable);
  } else {
    office_.ledger.forget(job.domain, job.strangers);
    Attempt attempt{{}, {}, "MAILDIR", {}, true};
    attempt.note = std::move(job.note);
    office_.ledger.settle(job.domain, job.route, job.tried, std::move(job.outcomes), attempt);
  }
  office_.freed();
  pump();
}

}  // namespace impulse::delivery
