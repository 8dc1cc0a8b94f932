// Clerk: what the operator orders about mail that waits: one message, or all of
// a queue that a selection fits, a slice at a time, so that a long queue holds
// nobody up. What only messages say is read by other threads, and the order goes on
// when that is known (clerk_reading.cc). Remembers which queues, and Bindings, he has suspended, and where he has
// sent their mail; both end with the daemon. Which Binding he has given mail is in the
// journal. Loop thread.
#pragma once

#include "base/text.h"
#include "delivery/errand.h"
#include "delivery/office.h"
#include "net/loop.h"
#include "queue/name.h"

#include <fmt/format.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::delivery {

Waiting waiting_of(const Backlog& backlog, const spool::Spool& spool, std::string_view queue,
                   const queue::Listed& listed);

class Clerk {
 public:
  explicit Clerk(Office& office);
  ~Clerk();
  Clerk(const Clerk&) = delete;
  Clerk& operator=(const Clerk&) = delete;

  // `durable`, if given, is called once, on any thread: when what was held or
  // released by it is journalled for good, or with why it is not.
  Acted act(const MessageOrder& order, std::function<void(Result<>)> durable = nullptr);
  // About what is there now: nothing newer than `newest`.
  std::shared_ptr<const Errand> begin(QueueOrder order, MessageId newest);
  void stop();

  // The queues where mail may wait that came for that one: itself, and those it was sent to.
  std::set<std::string, ILess> places_of(const std::string& queue) const;
  // … for that domain (with its tenant), by whatever Binding.
  std::set<std::string, ILess> all_places_of(const std::string& domain) const;

  // False: that is how it was. By the queue's name; without a domain: all of that Binding.
  bool suspend(std::string_view queue, bool on);
  bool suspended(std::string_view queue) const {
    return !suspended_.empty() && (suspended_.contains(queue) || suspended_.contains(way_of(queue::binding_of(queue))));
  }
  std::vector<std::string> all_suspended() const { return {suspended_.begin(), suspended_.end()}; }

 private:
  struct Work;
  struct Found;
  struct Reading;
  enum class Content : uint8_t;
  enum class Fate : uint8_t { done, left, none };

  void later();
  void run();
  Acted act_on(const MessageOrder& order);
  // False: it has ended. `unread` gets a page that cannot be carried out before its messages are read.
  bool step(Work& work, std::vector<queue::Listed>& unread);
  bool next_queue(Work& work);
  bool fits(const Work& work, const queue::Listed& listed) const;
  bool is_meant(const QueueOrder& order, std::string_view queue) const;
  bool gathers(const Work& work) const;
  void flush(Work& work);
  void carry_out_page(Work& work, const std::vector<queue::Listed>& listed, const std::map<MessageId, Found>& read);
  void act_on_one(Work& work, const queue::Listed& listed, std::string_view to, std::vector<queue::Item>& failed);
  void wake(Work& work);
  // The name under which a Binding is suspended.
  static std::string way_of(std::string_view binding) { return fmt::format("{}{}", queue::binding_mark, binding); }
  // Of a page: what its messages say, on another thread; then the page is carried out.
  bool must_read(const Work& work, const queue::Listed& listed) const;
  void read(std::unique_ptr<Work> work, std::vector<queue::Listed> listed);
  void was_read(Reading& reading);
  void would(Work& work, const queue::Listed& listed) const;  // of a dry run
  // False: it does not wait there any more as it did.
  bool rebind(std::string_view queue, const queue::Item& like, std::string_view binding, Work& work);
  // What becomes of one that waits; `failed` gets those to be given up.
  Fate carry_out(Act act, std::string_view queue, const queue::Item& item, std::string_view to,
                 std::vector<queue::Item>& failed, Duration delay = Duration{0});
  void give_up(std::string_view queue, std::vector<queue::Item> items, const std::string& response, bool quiet);
  void wait_until(std::string_view queue, queue::Item item, WallTime when);  // journalled

  Office& office_;
  std::deque<std::unique_ptr<Work>> works_;
  std::set<std::string, ILess> suspended_;
  std::map<std::string, std::set<std::string, ILess>, ILess> rerouted_;  // from where to where
  std::shared_ptr<Journalled> journalled_;                               // of the order that is being carried out
  net::Timer timer_;
  bool posted_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace impulse::delivery
