// Orders for which messages are read: by threads that may wait for a disk, a page of a queue at a time.
#include "delivery/clerk_impl.h"
#include "delivery/workers.h"

#include <utility>

namespace impulse::delivery {

using queue::Listed;
using queue::Place;

namespace {

// A thread that reads serves others, too, deliveries first of all: what is more waits in line again.
constexpr uint64_t most_bytes = 16 << 20;

}  // namespace

// A page of a queue, and what is read for it. Its last owner may be any thread.
struct Clerk::Reading {
  Clerk& clerk;  // as long as `alive` is, on its loop
  std::weak_ptr<char> alive;
  Workers& readers;
  net::Loop& loop;
  const spool::Spool& spool;
  config::SnapshotPtr snapshot;
  std::unique_ptr<Work> work;
  std::vector<Listed> listed;
  std::map<MessageId, Found> found{};
  std::map<MessageId, Found>::iterator next{};

  // On a reading thread. False: there is more.
  bool read_some();
  uint64_t look_into(MessageId id, Found& found);
  static void go_on(const std::shared_ptr<Reading>& reading);
};

// How much was read.
uint64_t Clerk::Reading::look_into(MessageId id, Found& found) {
  const QueueOrder& order = work->order;
  message::Envelope envelope;
  std::optional<Error> error;
  uint64_t size = 0;
  if (order.content.needs_text()) {
    // Of a large body only its beginning is kept.
    auto stored = spool.open(id);
    if (stored) {
      size = stored->size();
      found.content = order.content.fits(*stored) ? Content::fits : Content::other;
      envelope = std::move(stored->envelope);
    } else {
      error = std::move(stored.error());
    }
  } else {
    auto summary = spool.summary(id);
    if (summary) {
      found.content = order.content.fits(summary->envelope) ? Content::fits : Content::other;
      envelope = std::move(summary->envelope);
    } else {
      error = std::move(summary.error());
    }
  }
  if (error) {
    // Finished meanwhile is not unreadable.
    if (error->code == Errc::not_found) return size;
    found.content = Content::unreadable;
    if (work->progress.why_unreadable.empty())
      work->progress.why_unreadable = fmt::format("{}: {}", id.to_string(spool.node()), error->message);
  } else if (found.content == Content::fits && work->by_configuration()) {
    const std::string current(queue::binding_of(work->queue));
    auto chosen = queue::choose_binding(*snapshot, queue::wish_of(*snapshot, envelope), current, &work->turns);
    if (!chosen) chosen = queue::choose_binding(*snapshot, queue::wish_of(*snapshot, {}), current, &work->turns);
    if (chosen) found.binding = std::move(*chosen);
  }
  return size;
}

bool Clerk::Reading::read_some() {
  for (uint64_t bytes = 0; next != found.end() && bytes < most_bytes; ++next) {
    if (work->errand.expired()) return true;  // nobody wants it any more
    bytes += look_into(next->first, next->second);
  }
  return next == found.end();
}

void Clerk::Reading::go_on(const std::shared_ptr<Reading>& reading) {
  reading->readers.post([reading] {
    if (!reading->read_some()) return go_on(reading);
    reading->loop.post([reading] {
      if (!reading->alive.expired()) reading->clerk.was_read(*reading);
    });
  });
}

bool Clerk::must_read(const Work& work, const Listed& listed) const {
  if (!work.reads() || !fits(work, listed)) return false;
  // These are only counted, and that once.
  if (listed.place == Place::in_flight && work.passes > 0) return false;
  return work.by_configuration() || !work.known.contains(listed.item.id);
}

void Clerk::read(std::unique_ptr<Work> work, std::vector<Listed> listed) {
  auto reading =
      std::make_shared<Reading>(Reading{*this, alive_, office_.readers, office_.parts.loop, office_.parts.spool,
                                        office_.parts.snapshot(), std::move(work), std::move(listed)});
  for (const Listed& each : reading->listed)
    if (must_read(*reading->work, each)) reading->found.try_emplace(each.item.id);
  reading->next = reading->found.begin();
  Reading::go_on(reading);
}

// Whatever has become of the page meanwhile: what is not there any more as it was is left for the next pass.
void Clerk::was_read(Reading& reading) {
  if (office_.stopping) return;
  const auto errand = reading.work->errand.lock();
  if (errand == nullptr) return;
  Work& work = *reading.work;
  if (!work.by_configuration())
    for (const auto& [id, found] : reading.found)
      if (work.known.size() < Work::most_known) work.known.emplace(id, found.content);
  journalled_ = errand->journalled();
  carry_out_page(work, reading.listed, reading.found);
  journalled_ = nullptr;
  errand->set(work.progress);
  works_.push_back(std::move(reading.work));
  later();
}

}  // namespace impulse::delivery
