// SpoolImport: messages in files (spool/pair_folder.h) into the spool, each once,
// whatever happens in between. What is read together is committed as one batch,
// whose receipt names its files; then these are moved to the folder "done". Who
// comes after a crash finds the receipt, and moves what it names, before it
// reads anything. Files are read on a worker's thread, the batch is made on the
// main loop.
#pragma once

#include "base/result.h"
#include "control/queue.h"
#include "delivery/workers.h"
#include "inject/injector.h"
#include "net/loop.h"
#include "spool/pair_folder.h"
#include "spool/spool.h"
#include "telemetry/log.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

namespace impulse::server {

class SpoolImport : public std::enable_shared_from_this<SpoolImport> {
 public:
  struct Parts {  // borrowed, outliving it
    net::Loop& main;
    delivery::Workers& workers;
    spool::Spool& spool;
    inject::Injector& injector;
    telemetry::Log& log;
  };
  SpoolImport(const Parts& parts, control::ImportOrder order) : parts_(parts), order_(std::move(order)) {}

  void start();                       // main loop
  control::CarryProgress progress();  // any thread
  void cancel() { cancelled_ = true; }

 private:
  void work(void (SpoolImport::*job)(), void (SpoolImport::*then)());
  // On a worker.
  Result<> open();
  void read();
  bool read(const std::string& name);
  void retire();
  // On the main loop.
  void commit();
  void committed(Result<std::vector<MessageId>> ids);
  void refuse(const spool::PairFault& fault);
  void stop(Error why);

  const Parts parts_;
  const control::ImportOrder order_;
  std::atomic<bool> cancelled_{false};

  // Of whoever has the turn: the worker, or the main loop.
  std::optional<spool::PairFolder> folder_;
  std::string token_;
  std::vector<std::string> names_;
  size_t next_ = 0;                 // of names_
  std::vector<spool::Pair> pairs_;  // read, and not committed yet
  struct Taken {
    std::string name;
    std::string old_id;
    uint64_t size = 0;
  };
  std::vector<Taken> taken_;  // in the batch that is being committed, or moved
  std::optional<Error> failed_;

  std::mutex mutex_;
  control::CarryProgress progress_;
};

}  // namespace impulse::server
