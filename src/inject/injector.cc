#include "inject/injector.h"

#include "message/delivery_report.h"
#include "message/feedback_report.h"
#include "queue/name.h"

#include <algorithm>
#include <array>
#include <utility>

namespace impulse::inject {

using telemetry::Counter;

namespace {

// What we report ourselves was logged when it failed, what is imported when it came in.
constexpr std::array<std::string_view, 2> told_before{"INTERNAL", "IMPORT"};
// What a report says stands in front of the message that it is about.
constexpr size_t most_of_report = size_t{128} << 10;
constexpr size_t most_of_reports = size_t{16} << 20;  // of a batch, in memory until it is committed

}  // namespace

Injector::Injector(spool::Spool& spool, telemetry::MailLogs& logs, telemetry::Counters& counters,
                   std::function<void(Accepted)> enqueue)
    : spool_(spool), logs_(logs), counters_(counters), enqueue_(std::move(enqueue)) {}

Result<> Injector::admission() const { return spool_.admission(); }

void Injector::describe(spool::Incoming& message, const Source& source) const {
  if (!source.again || message.envelope.protocol.empty()) message.envelope.protocol = source.protocol;
  if (source.again && !message.envelope.headers.empty()) return;
  if (const telemetry::ChoicePtr choice = logs_.choice(); choice && !choice->headers.empty())
    message.envelope.headers = telemetry::chosen_headers(*choice, message.trace, message.body.parts());
}

std::shared_ptr<const std::string> Injector::report_in(const spool::Incoming& message, const Source& source) const {
  if (!logs_.reads_reports(message.envelope) || std::ranges::find(told_before, source.protocol) != told_before.end())
    return nullptr;
  const auto parts = message.body.parts();
  const auto type = telemetry::chosen_headers({{"Content-Type"}, {}}, {}, parts);
  if (type.empty()) return nullptr;
  const std::string& value = type.front().second;
  if (!message::announces_report(value) && !message::announces_feedback(value)) return nullptr;
  std::string text;
  for (const std::string_view part : parts) text += part.substr(0, most_of_report - text.size());
  return std::make_shared<const std::string>(std::move(text));
}

std::string Injector::assign(message::Envelope& envelope) const {
  if (envelope.binding == queue::default_binding) {  // of what comes back: it had none where it comes from
    envelope.binding.clear();
    return std::string(queue::default_binding);
  }
  if (!assign_ || !envelope.binding.empty()) return std::string(queue::default_binding);
  Assigned assigned = assign_(envelope);
  if (assigned.binding != queue::default_binding) envelope.binding = std::move(assigned.binding);
  return std::move(assigned.group);
}

void Injector::accepted(MessageId id, std::shared_ptr<const message::Envelope> shared, uint64_t size, bool with_id,
                        const Source& source, std::string group, std::shared_ptr<const std::string> report,
                        std::vector<spool::RecipientState> states) {
  const message::Envelope& envelope = *shared;
  telemetry::Counters::Scope* const tenant = counters_.tenant(envelope.tenant);
  counters_.add(tenant, Counter::messages_received);
  counters_.add(tenant, Counter::recipients_received, static_cast<int64_t>(envelope.recipients.size()));
  counters_.add(tenant, Counter::bytes_received, static_cast<int64_t>(size));
  auto& binding = counters_.binding(envelope.binding.empty() ? queue::default_binding : envelope.binding);
  binding.add(Counter::messages_received);
  binding.add(Counter::recipients_received, static_cast<int64_t>(envelope.recipients.size()));
  binding.add(Counter::bytes_received, static_cast<int64_t>(size));

  logs_.reception({id.to_string(spool_.node()), shared, size, source.protocol, source.session, std::move(group),
                   std::move(report)});
  if (with_id) size += MessageId::text_length(spool_.node());
  enqueue_({id, std::move(shared), size, std::move(states)});
}

void Injector::submit(spool::Incoming incoming, Source source, net::Loop& loop,
                      std::function<void(Result<MessageId>)> done) {
  describe(incoming, source);
  std::string group = assign(incoming.envelope);
  auto report = report_in(incoming, source);
  auto message = std::make_shared<const spool::Incoming>(std::move(incoming));
  spool_.commit(message, [this, message, group = std::move(group), report = std::move(report),
                          source = std::move(source), &loop, done = std::move(done)](Result<MessageId> id) mutable {
    // On the committer's thread: everything here has to be quick. The envelope is
    // copied, so that the body goes when the session is done with it.
    if (id)
      accepted(*id, std::make_shared<const message::Envelope>(message->envelope),
               message->trace.size() + message->body_size(), message->id_offset != spool::Incoming::no_id, source,
               std::move(group), std::move(report));
    else
      counters_.add(Counter::spool_failures);
    loop.post([done = std::move(done), id = std::move(id)] { done(id); });
  });
}

Result<std::unique_ptr<Batch>> Injector::begin_batch(Source source, net::Loop& loop) {
  auto batch = spool_.begin_batch();
  if (!batch) return std::unexpected(std::move(batch.error()));
  return std::unique_ptr<Batch>(new Batch(*this, std::move(*batch), std::move(source), loop));
}

struct Batch::Log {
  struct Message {
    std::shared_ptr<const message::Envelope> envelope;
    uint64_t size = 0;
    bool with_id = false;
    std::string group{};
    std::shared_ptr<const std::string> report{};
    std::vector<spool::RecipientState> states{};
  };
  Source source;
  std::vector<Message> messages{};
  size_t reports = 0;  // bytes of these
};

Batch::Batch(Injector& injector, std::unique_ptr<spool::Batch> batch, Source source, net::Loop& loop)
    : injector_(injector), loop_(loop), batch_(std::move(batch)), log_(std::make_shared<Log>(Log{std::move(source)})) {}

Batch::~Batch() = default;

Result<> Batch::add(spool::Incoming incoming) {
  injector_.describe(incoming, log_->source);
  std::string group = injector_.assign(incoming.envelope);
  auto report = injector_.report_in(incoming, log_->source);
  if (report && report->size() > most_of_reports - log_->reports) report = std::make_shared<const std::string>();
  if (report) log_->reports += report->size();
  auto message = std::make_shared<const spool::Incoming>(std::move(incoming));
  Log::Message noted{std::make_shared<const message::Envelope>(message->envelope),
                     message->trace.size() + message->body_size(),
                     message->id_offset != spool::Incoming::no_id,
                     std::move(group),
                     std::move(report),
                     message->states};
  auto added = batch_->add(std::move(message));
  if (added) log_->messages.push_back(std::move(noted));
  return added;
}

size_t Batch::size() const { return log_->messages.size(); }
uint64_t Batch::waiting() const { return batch_->waiting(); }
bool Batch::full() const { return batch_->full(); }

void Batch::on_room(std::function<void()> callback) {
  batch_->on_room([&loop = loop_, alive = std::weak_ptr(alive_), callback = std::move(callback)] {
    loop.post([alive, callback] {
      if (alive.lock()) callback();
    });
  });
}

void Batch::written(std::function<void(Result<std::vector<MessageId>>)> callback) {
  batch_->written([&loop = loop_, alive = std::weak_ptr(alive_),
                   callback = std::move(callback)](Result<std::vector<MessageId>> ids) {
    loop.post([alive, callback, ids = std::move(ids)] {
      if (alive.lock()) callback(ids);
    });
  });
}

void Batch::commit(std::optional<spool::Receipt> receipt, std::function<void(Result<std::vector<MessageId>>)> done) {
  alive_.reset();
  batch_->commit(std::move(receipt), [&injector = injector_, &loop = loop_, log = std::move(log_),
                                      done = std::move(done)](Result<std::vector<MessageId>> ids) mutable {
    // On the committer's thread.
    if (ids) {
      for (size_t i = 0; i < ids->size(); ++i) {
        Log::Message& message = log->messages[i];
        injector.accepted((*ids)[i], std::move(message.envelope), message.size, message.with_id, log->source,
                          std::move(message.group), std::move(message.report), std::move(message.states));
      }
    } else {
      injector.counters_.add(Counter::spool_failures);
    }
    loop.post([done = std::move(done), ids = std::move(ids)]() mutable { done(std::move(ids)); });
  });
  log_ = std::make_shared<Log>(Log{""});  // size() stays callable
}

}  // namespace impulse::inject
