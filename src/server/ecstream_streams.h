// OpenStreams: which streams of ECStream are open, in the whole daemon. Each is
// open once: who comes later has whoever had it end, and waits until all that
// one had under way has ended.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace impulse::server {

// Any thread.
class OpenStreams {
 public:
  // What becomes of a claim. Called from any thread, with a lock held: only to
  // post them to where they belong.
  struct Calls {
    std::function<void()> granted;     // the stream is its own; once
    std::function<void()> taken_over;  // somebody else wants it: let go soon. Perhaps more than once, or before granted
  };

  // Somebody's stream, or his place in front of it. When it is destroyed the
  // next one has it; may outlive the OpenStreams.
  class Claim;
  // `name`: whose, and which. Who was waiting for it already will never have it.
  std::shared_ptr<const Claim> claim(std::string name, Calls calls);

 private:
  struct Entry {
    const Claim* holder = nullptr;
    const Claim* next = nullptr;  // null: nobody waits
  };
  struct Table {
    std::mutex mutex;  // guards what follows, and the lives of those it names
    std::unordered_map<std::string, Entry> entries;
  };
  const std::shared_ptr<Table> table_ = std::make_shared<Table>();
};

class OpenStreams::Claim {
 public:
  Claim(std::shared_ptr<Table> table, std::string name, Calls calls)
      : table_(std::move(table)), name_(std::move(name)), calls_(std::move(calls)) {}
  ~Claim();
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

 private:
  friend class OpenStreams;
  const std::shared_ptr<Table> table_;
  const std::string name_;
  const Calls calls_;
};

}  // namespace impulse::server
