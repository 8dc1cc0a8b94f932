// TLS contexts by configuration: made at commit, shared between snapshots as
// long as neither the settings nor the files behind them changed, so that
// session tickets outlive a commit that has nothing to do with them.
#pragma once

#include "config/engine.h"
#include "config/snapshot.h"
#include "net/tls.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace impulse::server {

class TlsStore : public config::Participant {
 public:
  // Every context that a Listen or one of its Peers needs is made here, so
  // that a bad certificate is found before anything is published.
  void check(const config::Snapshot& next, config::Diagnostics& diagnostics) override;
  void apply(const config::SnapshotPtr&) noexcept override {}

  // The context for sessions under these options; null when no certificate is
  // set. Any thread; made once for each options block.
  net::TlsContextPtr server_context(const config::Snapshot& snapshot, const config::Options& options);

 private:
  Result<net::TlsContextPtr> make(const config::Snapshot& snapshot, const config::Options& options);
  void check_scope(const config::Snapshot& next, const config::Scope& scope, const config::Options& options,
                   config::Diagnostics& diagnostics);

  struct Cached {
    net::TlsSettings settings;
    std::string identity;  // of the files: inode, size, time of change
    std::weak_ptr<const net::TlsContext> context;
  };
  std::mutex mutex_;  // guards cache_
  std::vector<Cached> cache_;
};

}  // namespace impulse::server
