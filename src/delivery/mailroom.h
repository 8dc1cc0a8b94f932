// Mailroom: local delivery. Writes messages into Maildirs on threads of its
// own, a few at a time, domains in turn. Loop thread.
#pragma once

#include "delivery/durable_names.h"
#include "delivery/office.h"

#include <deque>
#include <memory>
#include <string>
#include <unordered_set>

namespace impulse::delivery {

class Mailroom {
 public:
  explicit Mailroom(Office& office);
  ~Mailroom();  // waits for the writes under way
  Mailroom(const Mailroom&) = delete;
  Mailroom& operator=(const Mailroom&) = delete;

  // The domain has something active and a Maildir is its route.
  void want(const std::string& domain);
  void pump();
  void stop();
  size_t busy() const { return jobs_; }  // messages being written

 private:
  struct Job;

  void start(Job job);
  static void write(Job& job, const spool::Spool& spool, DurableNames& names);
  void written(Job& job);

  Office& office_;
  std::deque<std::string> wanting_;
  std::unordered_set<std::string> wanted_;
  size_t jobs_ = 0;
  uint64_t serial_ = 0;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  DurableNames names_;
  Workers writers_;
};

}  // namespace impulse::delivery
