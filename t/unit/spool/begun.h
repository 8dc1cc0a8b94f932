// A spool that takes mail, and reads what was there when it is told to.
#pragma once

#include "kit.h"

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::spool::kit {

// What its indexing tells, too.
class Begun {
 public:
  Begun(const std::shared_ptr<FileOps>& ops, const Settings& settings, const Tuning& tuning,
        std::function<void(std::string_view)> log = nullptr) {
    auto begun = begin_log_spool(ops, tuning, settings, "mx1", std::move(log));
    if (begun) spool = std::move(*begun);
  }
  ~Begun() { spool.reset(); }
  Begun(const Begun&) = delete;
  Begun& operator=(const Begun&) = delete;

  // `each`: on the thread that indexes, with the number of those told so far.
  void index(std::function<void(const Summary&, size_t)> each = nullptr) {
    spool->index({[this, each = std::move(each)](std::vector<Summary> some) {
                    slices.push_back(some.size());
                    for (Summary& summary : some) {
                      if (each) each(summary, live.size());
                      live.push_back(std::move(summary));
                    }
                  },
                  [this](const Indexing& indexing) { last = indexing; },
                  [this](std::string_view note) { notes.emplace_back(note); },
                  [this](Result<> result, const RecoveryReport& last_report) {
                    report = last_report;
                    ended_.set_value(std::move(result));
                  },
                  behind_all});
  }
  Result<> wait() {
    CPPUNIT_ASSERT(future_.wait_for(std::chrono::seconds(60)) == std::future_status::ready);
    return future_.get();
  }
  bool ended() const { return future_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }

  std::function<void()> behind_all;  // Indexer::last
  // Of the thread that indexes, until the end.
  std::vector<Summary> live;
  std::vector<size_t> slices;  // how many of them at once
  std::vector<std::string> notes;
  RecoveryReport report;
  Indexing last;
  std::unique_ptr<Spool> spool;

 private:
  std::promise<Result<>> ended_;
  std::future<Result<>> future_ = ended_.get_future();
};

}  // namespace impulse::spool::kit
