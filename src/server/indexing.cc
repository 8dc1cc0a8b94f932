#include "server/indexing.h"

#include <chrono>
#include <string_view>
#include <utility>

namespace impulse::server {

using telemetry::Area;
using telemetry::Level;

namespace {

// The loop has something to do while the next ones are read.
constexpr size_t most_under_way = 4;

}  // namespace

std::string text_of(const spool::Indexing& indexing) {
  using Phase = spool::Indexing::Phase;
  if (indexing.phase == Phase::reading)
    return fmt::format("reading what was there: {} of {} segments ({} %)", indexing.segments_read, indexing.segments,
                       indexing.percent());
  if (indexing.phase == Phase::queueing)
    return fmt::format("queueing what was there: {} of {} messages ({} %)", indexing.queued, indexing.messages,
                       indexing.percent());
  return {};
}

void Indexing::begin(delivery::Dispatcher& dispatcher) {
  {
    const std::lock_guard lock(mutex_);
    dispatcher_ = &dispatcher;
  }
  begun_ = steady_now();
  spool_.index({[this](std::vector<spool::Summary> messages) { queue(std::move(messages)); },
                [this](const spool::Indexing& indexing) {
                  log_.write(Level::notice, Area::spool, "spool-indexing", text_of(indexing));
                },
                [this](std::string_view note) { log_.write(Level::warning, Area::spool, "spool-recovery", note); },
                [this](const Result<>& result, const spool::RecoveryReport& report) { ended(result, report); },
                [this] { wait_until_taken_in(); }});
}

void Indexing::stop() {
  {
    const std::lock_guard lock(mutex_);
    dispatcher_ = nullptr;
  }
  room_.notify_all();
  spool_.stop_indexing();
}

void Indexing::queue(std::vector<spool::Summary> messages) {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [this] { return dispatcher_ == nullptr || under_way_ < most_under_way; });
  if (dispatcher_ == nullptr) return;
  ++under_way_;
  dispatcher_->enqueue_all(std::move(messages), [this] { taken_in(); });
}

// So that nobody is told that all is in the queue before it is.
void Indexing::wait_until_taken_in() {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [this] { return dispatcher_ == nullptr || under_way_ == 0; });
}

void Indexing::taken_in() {
  {
    const std::lock_guard lock(mutex_);
    --under_way_;
  }
  room_.notify_all();
}

void Indexing::ended(const Result<>& result, const spool::RecoveryReport& report) {
  if (!result) {
    log_.write(Level::critical, Area::spool, "spool-indexing-failed", result.error().message);
    return ended_(std::unexpected(result.error()));
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(steady_now() - begun_);
  std::string text =
      fmt::format("{} messages in {} segments ({} by their index), {} damaged records, {} torn bytes; {}.{:03} s",
                  report.messages, report.segments, report.footers_used, report.damaged, report.torn_bytes,
                  took.count() / 1000, took.count() % 1000);
  log_.write(Level::notice, Area::spool, "spool-recovered", text);
  ended_(std::move(text));
}

}  // namespace impulse::server
