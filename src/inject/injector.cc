#include "inject/injector.h"

#include <utility>

namespace impulse::inject {

using telemetry::Counter;

Injector::Injector(spool::Spool& spool, telemetry::Mainlog& mainlog, telemetry::Counters& counters,
                   std::function<void(Accepted)> enqueue)
    : spool_(spool), mainlog_(mainlog), counters_(counters), enqueue_(std::move(enqueue)) {}

Result<> Injector::admission() const { return spool_.admission(); }

void Injector::accepted(MessageId id, const std::shared_ptr<const spool::Incoming>& message,
                        const std::string& protocol) {
  const message::Envelope& envelope = message->envelope;
  const uint64_t size = message->trace.size() + message->body_size();
  telemetry::Counters::Scope* const tenant = counters_.tenant(envelope.tenant);
  counters_.add(tenant, Counter::messages_received);
  counters_.add(tenant, Counter::recipients_received, static_cast<int64_t>(envelope.recipients.size()));
  counters_.add(tenant, Counter::bytes_received, static_cast<int64_t>(size));

  telemetry::Record record;
  record.time = envelope.received;
  record.id = id.to_string(spool_.node());
  record.sender = envelope.sender;
  record.peer = envelope.client.to_string();
  record.local = envelope.listener;
  record.size = size;
  record.tenant = envelope.tenant;
  record.protocol = protocol;
  for (const message::Recipient& recipient : envelope.recipients) {
    record.recipient = recipient.address;
    record.domain = message::domain_of(recipient.address);
    mainlog_.reception(record);
  }
  enqueue_({id, message});
}

void Injector::submit(spool::Incoming incoming, std::string protocol, net::Loop& loop,
                      std::function<void(Result<MessageId>)> done) {
  auto message = std::make_shared<const spool::Incoming>(std::move(incoming));
  spool_.commit(message, [this, message, protocol = std::move(protocol), &loop,
                          done = std::move(done)](Result<MessageId> id) mutable {
    // On the committer's thread: everything here has to be quick.
    if (id)
      accepted(*id, message, protocol);
    else
      counters_.add(Counter::spool_failures);
    loop.post([done = std::move(done), id = std::move(id)] { done(id); });
  });
}

}  // namespace impulse::inject
