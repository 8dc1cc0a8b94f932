// Injector: the one door into the mailer. Makes a message durable, logs its
// reception, hands its recipients to the queue, and only then answers.
#pragma once

#include "base/id.h"
#include "base/result.h"
#include "net/loop.h"
#include "spool/spool.h"
#include "telemetry/counters.h"
#include "telemetry/mail_logs.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::inject {

class Injector;

// How a message came, for the logs.
struct Source {
  std::string protocol;  // "ESMTP", "ESMTPS", "LMTP" …
  uint64_t session = 0;  // its number, as `show inbound` has it; 0: none
  // It was received before, here or elsewhere: what its envelope says of that for
  // the logs stays.
  bool again = false;

  Source(std::string protocol_in, uint64_t session_in = 0) : protocol(std::move(protocol_in)), session(session_in) {}
  Source(const char* protocol_in) : protocol(protocol_in) {}
};

// By which Binding a message goes out (queue/binding.h).
struct Assigned {
  std::string binding;
  std::string group;  // "default": in none
};

// A message that has become durable, on its way to the queue.
struct Accepted {
  MessageId id;
  std::shared_ptr<const message::Envelope> envelope;
  uint64_t size = 0;                            // as delivered: trace, id and body
  std::vector<spool::RecipientState> states{};  // as it was handed in with; empty: all pending
};

// Messages that are accepted together or not at all: one API request, one
// ECStream batch. Over spool::Batch, see there; what is committed is logged,
// counted and queued message by message, as if each had come alone. Bodies go
// to the disk as they come, envelopes stay in memory until the commit.
// Destroyed uncommitted, nothing of it ever was. One thread: that of the loop
// given to it.
class Batch {
 public:
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Errors spoil the whole batch, and are told again by commit().
  Result<> add(spool::Incoming message);
  size_t size() const;  // messages added
  // Bytes that wait to be written; full(): stop adding, until on_room() calls.
  uint64_t waiting() const;
  bool full() const;
  // Calls `callback` once on the loop when there is room or the batch has
  // failed; not any more when the batch is gone or being committed.
  void on_room(std::function<void()> callback);

  // Calls `callback` once on the loop with the ids that its messages will have,
  // when all are on the disk: for a receipt that tells them. Costs a write more than
  // commit() alone. Not called when the batch is gone or being committed; see spool::Batch.
  void written(std::function<void(Result<std::vector<MessageId>>)> callback);

  // The last call; the batch may be destroyed at once. `done` is called on the
  // loop, once, when all is on stable storage and on its way to the queue: with
  // the ids in the order of add(), or with the reason why nothing is.
  void commit(std::optional<spool::Receipt> receipt, std::function<void(Result<std::vector<MessageId>>)> done);

 private:
  friend class Injector;
  struct Log;  // what of each message is needed after the commit
  Batch(Injector& injector, std::unique_ptr<spool::Batch> batch, Source source, net::Loop& loop);

  Injector& injector_;
  net::Loop& loop_;
  std::unique_ptr<spool::Batch> batch_;
  std::shared_ptr<Log> log_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

class Injector {
 public:
  // All borrowed, and outliving it. `enqueue` is called on the spool's
  // committer thread for every durable message: post from it.
  Injector(spool::Spool& spool, telemetry::MailLogs& logs, telemetry::Counters& counters,
           std::function<void(Accepted)> enqueue);

  // Who says by which Binding a message goes that has none yet; before the first one, any
  // thread. Without, all goes by the default one.
  void assign_by(std::function<Assigned(const message::Envelope&)> assign) { assign_ = std::move(assign); }

  // Whether a new message would be taken now (MAIL, DATA). Any thread.
  Result<> admission() const;
  // … and one of so many bytes.
  Result<> room(uint64_t bytes) const { return spool_.room(bytes); }
  // A place on the disk for the rest of a large body. Any thread; see Spool::stream().
  Result<std::unique_ptr<message::BodySink>> stream() { return spool_.stream(); }

  // Any thread; `done` is called on `loop`, once, after the message is on
  // stable storage and on its way to the queue, or with the reason why not.
  void submit(spool::Incoming message, Source source, net::Loop& loop, std::function<void(Result<MessageId>)> done);

  // A group of messages, answered on `loop`. Fails as admission() does. The batch
  // has to be committed, or gone, before the injector. Any thread.
  Result<std::unique_ptr<Batch>> begin_batch(Source source, net::Loop& loop);
  // What was committed with that owner and key before; see Spool::receipt(). Any thread.
  Result<std::optional<spool::Receipt>> receipt(std::string_view owner, std::string_view key) const {
    return spool_.receipt(owner, key);
  }

 private:
  friend class Batch;
  // Writes into its envelope what the logs want of it.
  void describe(spool::Incoming& message, const Source& source) const;
  // The beginning of a report that the logs want to read; null: it is none.
  std::shared_ptr<const std::string> report_in(const spool::Incoming& message, const Source& source) const;
  // The group of the Binding that the message gets.
  std::string assign(message::Envelope& envelope) const;
  void accepted(MessageId id, std::shared_ptr<const message::Envelope> envelope, uint64_t size, bool with_id,
                const Source& source, std::string group, std::shared_ptr<const std::string> report,
                std::vector<spool::RecipientState> states = {});

  spool::Spool& spool_;
  telemetry::MailLogs& logs_;
  telemetry::Counters& counters_;
  std::function<void(Accepted)> enqueue_;
  std::function<Assigned(const message::Envelope&)> assign_;
};

}  // namespace impulse::inject
