// TLS contexts by configuration: made at commit, found again by their
// settings, and kept as long as neither the settings nor the files behind them
// changed, so that session tickets outlive a commit that has nothing to do
// with them, and a reload picks a renewed certificate up.
#pragma once

#include "config/engine.h"
#include "config/snapshot.h"
#include "net/tls.h"

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace impulse::server {

class TlsStore : public config::Participant {
 public:
  // Every context that a Listen or one of its Peers needs is made here, so
  // that a bad certificate is found before anything is published.
  void check(const config::Snapshot& next, config::Diagnostics& diagnostics) override;
  void apply(const config::SnapshotPtr&) noexcept override { adopt(); }
  void refreshed() noexcept override { adopt(); }

  // The context for sessions under these options; null when no certificate is
  // set. Any thread. Found among those that check() made; a chain of Peers
  // that it did not foresee has its own made here.
  Result<net::TlsContextPtr> server_context(const config::Snapshot& snapshot, const config::Options& options);

  // A certificate that is served, for `tls show` and `tls check`. Main thread.
  struct InUse {
    std::string name;  // of its Certificate scope, or its path; "(inline)"
    std::vector<std::string> places;
    net::TlsContextPtr context;
  };
  std::vector<InUse> in_use() const;
  // How it looks on disk now, by its index in in_use(): the context made of
  // the files as they are (the same one when they have not changed).
  Result<net::TlsContextPtr> on_disk(size_t index) const;
  // Reads what has changed anew, for handshakes to come; all or nothing. The
  // names of those that were.
  Result<std::vector<std::string>> reload();

 private:
  struct Entry {
    net::TlsSettings settings;
    std::string name;
    std::vector<std::string> places{};  // where the configuration uses it
    std::string identity;               // of the files: device, inode, size, time of change
    net::TlsContextPtr context;
  };
  void check_scope(const config::Snapshot& next, const config::Scope& scope, const config::Options& options,
                   const std::string& where, config::Diagnostics& diagnostics);
  Result<Entry> entry_for(const net::TlsSettings& settings, std::string name) const;
  const std::set<std::string>& chosen_peers(const config::ScopePtr& scope, const std::string& where);
  void adopt() noexcept;

  // Of a listener or Listen: its Peers with TLS settings of their own, as of
  // the last check().
  struct Chosen {
    config::ScopePtr scope;
    std::set<std::string> peers;
  };
  std::map<std::string, Chosen> chosen_;         // by "ESMTP_Listener Listen *:25"; main thread
  std::set<std::string, std::less<>> pathways_;  // with TLS settings, as of the last check()
  std::vector<Entry> candidates_;                // by check(); main thread
  mutable std::mutex mutex_;                     // guards live_
  std::vector<Entry> live_;
};

}  // namespace impulse::server
