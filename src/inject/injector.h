// Injector: the one door into the mailer. Makes a message durable, logs its
// reception, hands its recipients to the queue, and only then answers.
#pragma once

#include "base/id.h"
#include "base/result.h"
#include "net/loop.h"
#include "spool/spool.h"
#include "telemetry/counters.h"
#include "telemetry/mainlog.h"

#include <functional>
#include <memory>
#include <string>

namespace impulse::inject {

// A message that has become durable, on its way to the queue.
struct Accepted {
  MessageId id;
  std::shared_ptr<const spool::Incoming> message;
};

class Injector {
 public:
  // All borrowed, and outliving it. `enqueue` is called on the spool's
  // committer thread for every durable message: post from it.
  Injector(spool::Spool& spool, telemetry::Mainlog& mainlog, telemetry::Counters& counters,
           std::function<void(Accepted)> enqueue);

  // Whether a new message would be taken now (MAIL, DATA). Any thread.
  Result<> admission() const;
  // … and one of so many bytes.
  Result<> room(uint64_t bytes) const { return spool_.room(bytes); }
  // A place on the disk for the rest of a large body. Any thread; see Spool::stream().
  Result<std::unique_ptr<message::BodySink>> stream() { return spool_.stream(); }

  // Any thread; `done` is called on `loop`, once, after the message is on
  // stable storage and on its way to the queue, or with the reason why not.
  // `protocol` is the word for the log ("ESMTP", "ESMTPS", "LMTP" …).
  void submit(spool::Incoming message, std::string protocol, net::Loop& loop,
              std::function<void(Result<MessageId>)> done);

 private:
  void accepted(MessageId id, const std::shared_ptr<const spool::Incoming>& message, const std::string& protocol);

  spool::Spool& spool_;
  telemetry::Mainlog& mainlog_;
  telemetry::Counters& counters_;
  std::function<void(Accepted)> enqueue_;
};

}  // namespace impulse::inject
