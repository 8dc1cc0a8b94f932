#include "delivery/letter.h"

#include "compose/seven_bit.h"
#include "delivery/ages.h"
#include "message/body_source.h"
#include "smtp/client_envelope.h"

#include <utility>

namespace impulse::delivery {
namespace {

Result<smtp::DataMeasure> measure_body(const spool::Stored& stored) {
  smtp::Measurer measurer;
  measurer.add(stored.body);
  if (!stored.rest) return measurer.result();
  const auto reader = stored.rest->reader();
  for (;;) {
    const auto piece = reader->next();
    if (!piece) return std::unexpected(piece.error());
    if (piece->empty()) return measurer.result();
    measurer.add(*piece);
  }
}

}  // namespace

Result<Letter> read_letter(const spool::Spool& spool, MessageId id, const smtp::ClientOffers& offers) {
  auto stored = spool.open(id);
  if (!stored) return std::unexpected(std::move(stored.error()));
  auto measured = measure_body(*stored);
  if (!measured) return std::unexpected(std::move(measured.error()));
  const message::BodyType type = stored->envelope.body_type;
  const bool converts = smtp::wants_seven_bit(type, measured->eight_bit, offers);
  // A conversion looks at all of it.
  if (converts && stored->rest) stored = spool.read(id);
  if (!stored) return std::unexpected(std::move(stored.error()));
  Letter letter{std::move(*stored), {}, *measured};
  if (converts) letter.seven_bit = compose::seven_bit(letter.stored.body, type == message::BodyType::binary_mime);
  if (letter.seven_bit && *letter.seven_bit) {
    letter.stored.body = {};  // one of them is enough
    letter.measured = smtp::measure({}, **letter.seven_bit);
  }
  return letter;
}

smtp::Job job_of(const Letter& letter, const std::vector<uint32_t>& recipients) {
  const spool::Stored& stored = letter.stored;
  const message::Envelope& envelope = stored.envelope;
  smtp::Job job;
  job.sender = envelope.sender;
  for (const uint32_t number : recipients) job.recipients.push_back(envelope.recipients[number]);
  job.body_type = envelope.body_type;
  job.smtputf8 = envelope.smtputf8;
  job.require_tls = envelope.require_tls;
  job.ret = envelope.ret;
  job.priority = envelope.priority;
  job.envid = envelope.envid;
  job.auth = envelope.auth;
  job.deliver_by = envelope.deliver_by;
  job.now = now_of_mail(envelope.received);
  job.trace = stored.trace;
  job.body = stored.body;
  job.measured = letter.measured;
  if (stored.rest) job.rest = stored.rest->size();
  if (const auto& converted = letter.seven_bit; converted && *converted) {
    job.body_type = message::BodyType::seven_bit;
    job.body = **converted;
  } else if (converted) {
    job.unconvertible = converted->error().message;
  }
  return job;
}

}  // namespace impulse::delivery
