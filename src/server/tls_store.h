// TLS contexts by configuration: made at commit, found again by their
// settings, and kept as long as neither the settings nor the files behind them
// changed, so that session tickets outlive a commit that has nothing to do
// with them, and a reload picks a renewed certificate up.
#pragma once

#include "config/engine.h"
#include "config/snapshot.h"
#include "net/tls.h"

#include <cstdint>
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

  // The context for sessions under these options; null when there is neither a
  // certificate nor TLS_PSK. Any thread. Found among those that check() made; a
  // chain of Peers that it did not foresee has its own made here.
  Result<net::TlsContextPtr> server_context(const config::Snapshot& snapshot, const config::Options& options);

  // A context that serves certificates or pre-shared keys, for `tls show` and
  // `tls check`. Main thread.
  struct InUse {
    std::string name;  // of its first certificate: scope, path, or "(inline)";
                       // "(pre-shared keys)"
    std::vector<std::string> places;
    std::string client_ca;  // who may sign certificates of clients; empty: nobody
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
    bool waiting = false;               // kept over the last commit, and not used since
    net::TlsContextPtr context;
  };
  // One scope that wants a context.
  struct Use {
    std::shared_ptr<const net::TlsSettings> settings;
    std::string name;
    std::string place;      // "ESMTP_Listener Listen *:25 (impulse.conf:12:3)"
    config::Origin origin;  // of what to complain about
  };
  // Of a listener or Listen: its Peers with TLS settings of their own.
  struct Chosen {
    config::ScopePtr scope;  // as it was looked at last
    std::set<std::string> peers;
    uint64_t changes = 0;  // of them, by name or by line
  };
  // A Listen, and what it wanted when it was looked at last.
  struct Served {
    std::shared_ptr<const config::ListenConf> listen;
    Chosen peers;
    uint64_t of_listener = 0;  // changes of its listener's
    std::vector<Use> uses;
  };
  void choose(Chosen& chosen, const config::ScopePtr& scope) const;
  std::vector<Use> uses_of(const config::Snapshot& next, const config::ListenConf& listen, const Chosen& of_listener,
                           const Chosen& of_listen) const;
  void need(const Use& use, config::Diagnostics& diagnostics);
  Result<Entry> entry_for(const net::TlsSettings& settings, std::string name) const;
  void keep_unforeseen();
  void adopt() noexcept;

  // As of the last check(); main thread. What a commit left as it was costs a
  // comparison of pointers, and a look at the files.
  std::vector<Served> served_;  // in the order of Snapshot::listens()
  std::map<config::ScopeKind, Chosen> of_listeners_;
  std::set<std::string, std::less<>> pathways_;  // with TLS settings
  std::vector<Entry> candidates_;                // by check(); main thread
  mutable std::mutex mutex_;                     // guards live_
  std::vector<Entry> live_;
};

}  // namespace impulse::server
