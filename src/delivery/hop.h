// Hop: a next host and the connections to it, shared by all domains that go
// there in the same way. Serves the domains in turn; makes connections as
// there is work, within the limits; one at a time, and ever more rarely, while
// the host is down. A message that needs REQUIRETLS waits for a connection
// that is fit for it (hop_protected.cc). Loop thread.
#pragma once

#include "delivery/courier.h"
#include "delivery/office.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

namespace impulse::delivery {

class Hop final : private CourierHost {
 public:
  // All that it carries goes by that Binding.
  Hop(Office& office, std::string key, std::string binding);
  ~Hop() override;
  Hop(const Hop&) = delete;
  Hop& operator=(const Hop&) = delete;

  // The domain has something active and this is its route.
  void want(const std::string& domain, const RoutePtr& route);
  // Makes use of what there is, and at most so many new connections.
  void pump(size_t most = SIZE_MAX);
  void make_room();  // ends connections that rest, while others starve
  void stop();       // ends what has no message under way
  size_t connections() const { return entries_.size(); }
  void list(std::vector<Outbound>& all) const;
  bool waits() const { return waits_; }  // for a connection to be freed
  bool disposable() const {
    return entries_.empty() && openings_ == 0 && wanting_.empty() && needy_.empty() && !timer_.running();
  }

 private:
  struct Opening;
  struct Entry;
  struct Load;
  // A message that needs REQUIRETLS, and met a connection without.
  struct Needy {
    std::string domain;
    std::vector<queue::Item> items;
  };

  void use(size_t most);
  void open();
  void connect(const std::shared_ptr<Opening>& opening, const Target& target, const std::string& plain_because);
  void opening_failed(const std::shared_ptr<Opening>& opening);
  void give_back_slot();
  void give_back_token(const Opening& opening);
  bool may_open();
  bool rests_now();  // the host is down: no new connection yet
  bool has_room() const;
  // Who wants to see what this courier says for a domain.
  void trace(Courier& courier, std::string_view domain);
  void serve(Entry& entry);
  void put_back(const std::string& domain, const RoutePtr& route, std::vector<queue::Item> items);
  void fetch(Entry& entry);
  void fetched(uint64_t number, Result<Letter> letter);

  // --- hop_addresses.cc
  void resolve(const std::shared_ptr<Opening>& opening);  // hosts of the next rank
  void resolved(const std::shared_ptr<Opening>& opening, size_t first);
  static bool add_targets(Opening& opening, const config::Snapshot& snapshot, const Gateway& gateway,
                          const std::vector<IpAddress>& addresses);
  static void cannot(Opening& opening, const std::string& peer, smtp::Reply why);
  void try_next(const std::shared_ptr<Opening>& opening);

  // --- hop_protected.cc
  bool has_protected() const;
  void divert(Entry& entry);
  void open_protected();
  static void object(Opening& opening, smtp::Reply why);
  void protected_failed(const std::shared_ptr<Opening>& opening);
  void fail_needy(const Outcome& outcome, const Attempt& attempt);
  bool serve_needy(Entry& entry);

  // --- hop_turns.cc
  bool add_wanted(const std::string& domain, const RoutePtr& route);
  void drop_wanted(const std::string& domain);
  std::deque<std::string> drop_all_wanted();
  void count_limits(const Route& route, bool more);
  uint64_t most_connections() const;
  bool work_for(uint64_t connections);
  const std::string* who_may_connect();
  bool carried_enough(const Entry& entry) const;
  Slots* lacking() const;
  bool none_is_free();
  void take_slot();
  void starve_no_more();
  Slots* claimed() const;
  bool yields(const Courier& courier) const;
  void yield(Entry& entry);

  void courier_ready(Courier& courier) override;
  void courier_done(Courier& courier, std::vector<smtp::Reply> replies, bool again) override;
  void courier_resumes(Courier& courier) override;
  void courier_ended(Courier& courier, End end, const std::string& why) override;

  Office& office_;
  const std::string key_;
  const std::string binding_;
  telemetry::Counters::Scope& counters_;              // of the Binding
  Slots& slots_;                                      // of the Binding
  RoutePtr route_;                                    // the latest
  std::deque<std::string> wanting_;                   // domains, in turn
  std::unordered_map<std::string, RoutePtr> wanted_;  // the same, and how they go
  // Their limits, and how many have each.
  std::map<uint64_t, size_t> connection_limits_, delivery_limits_;
  std::unordered_map<uint64_t, std::unique_ptr<Entry>> entries_;
  std::vector<std::unique_ptr<Entry>> ended_;  // until the loop comes round
  std::deque<Needy> needy_;
  // Of a message: a host has refused more, that had not said so; 0: no such limit.
  uint32_t most_recipients_ = 0;
  bool protecting_ = false;   // an opening for those is under way, one of openings_
  bool making_room_ = false;  // a connection ends for the sake of that
  // Each holds one of the server's and of the Binding's.
  size_t openings_ = 0;      // not ready yet
  size_t established_ = 0;   // have been ready
  size_t yielding_ = 0;      // of those, end for other hops
  std::string opens_for_;    // the domain that the next opening is for
  bool throttled_ = false;   // none of those who want one may have a connection now
  bool waits_ = false;       // for one of the server or of the Binding to be free
  bool proven_ = false;      // the last attempt to connect succeeded
  bool lessens_ = false;     // hosts that take 8 bits have taken 7 only behind XCLIENT
  uint32_t failures_ = 0;    // in a row
  SteadyTime down_until_{};  // no new connection before
  net::Timer timer_;
  std::minstd_rand shuffler_{std::random_device{}()};  // among hosts of one rank
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace impulse::delivery
