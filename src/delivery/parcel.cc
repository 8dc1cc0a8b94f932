#include "delivery/parcel.h"

#include "base/text.h"
#include "delivery/ages.h"
#include "smtp/client_envelope.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

namespace impulse::delivery {
namespace {

constexpr int64_t most_seconds = 999999999;  // RFC 2852 §4
constexpr size_t field_head = 3;             // tag and length
constexpr size_t small_fields = 256;         // all that have a fixed size

// As the stream has it: the server refuses a CR or LF alone, SMTP's client never sends one.
void add_body(Parcel& parcel, const spool::Stored& stored, uint64_t size) {
  parcel.body.reserve(stored.trace.size() + stored.body.size() + 2);
  parcel.body += stored.trace;
  parcel.lines = BodyLines(size == stored.size());
  parcel.lines.add(stored.body, parcel.body);
  if (stored.rest)
    parcel.rest = size - parcel.body.size();
  else
    parcel.lines.finish(parcel.body);
  parcel.head.size = size;
}

size_t size_of(const message::Recipient& recipient) {
  return 2 * field_head + 1 + recipient.address.size() +
         (recipient.orcpt.empty() ? 0 : field_head + recipient.orcpt.size());
}

}  // namespace

void BodyLines::add(std::string_view part, std::string& out) {
  if (as_is_) {
    out += part;
    return;
  }
  for (const char c : part) {
    if (before_ == '\r' && c != '\n') out += '\n';
    if (c == '\n' && before_ != '\r') out += '\r';
    out += c;
    before_ = c;
  }
}

void BodyLines::finish(std::string& out) {
  if (as_is_ || before_ == '\n') return;
  out += before_ == '\r' ? "\n" : "\r\n";
  before_ = '\n';
}

smtp::ClientOffers stream_offers() {
  smtp::ClientOffers offers;
  offers.size = offers.eight_bit_mime = offers.binary_mime = offers.smtputf8 = offers.dsn = offers.require_tls = true;
  offers.mt_priority = offers.deliver_by = true;
  return offers;
}

std::optional<ecstream::MessageHead::By> time_left(const message::DeliverBy& deliver_by, WallTime received) {
  if (!deliver_by.given()) return std::nullopt;
  const auto left = std::chrono::floor<std::chrono::seconds>(deliver_by.deadline - now_of_mail(received)).count();
  return ecstream::MessageHead::By{static_cast<int32_t>(std::clamp<int64_t>(left, -most_seconds, most_seconds)),
                                   deliver_by.mode, deliver_by.trace};
}

Parcel make_parcel(const Letter& letter, const std::vector<uint32_t>& recipients, const smtp::Protection& protection,
                   const ecstream::Hello& server) {
  const spool::Stored& stored = letter.stored;
  const message::Envelope& envelope = stored.envelope;
  smtp::Job job = job_of(letter, {});
  const smtp::MessageShape shape = smtp::shape_of(job);
  smtp::ClientOffers offers = stream_offers();
  offers.max_size = server.max_message;
  Parcel parcel;
  if (auto why = smtp::objection(job, shape, offers, protection)) {
    why->stage = telemetry::Stage::idle;
    parcel.replies.assign(recipients.size(), *why);
    return parcel;
  }
  // The envelope has to stand in one frame.
  size_t room = server.max_frame - std::min<size_t>(server.max_frame, small_fields + envelope.sender.size() +
                                                                          envelope.envid.size() + envelope.auth.size());
  const size_t most = server.max_recipients == 0 ? recipients.size() : server.max_recipients;
  parcel.replies.assign(recipients.size(), smtp::Reply{CourierHost::not_tried, {}});
  for (uint32_t i = 0; i < recipients.size() && parcel.asked.size() < most; ++i) {
    const message::Recipient& recipient = envelope.recipients[recipients[i]];
    if (auto why = smtp::objection(recipient, offers)) {
      why->stage = telemetry::Stage::idle;
      parcel.replies[i] = std::move(*why);
      continue;
    }
    const size_t size = size_of(recipient);
    if (size > room && !parcel.asked.empty()) break;
    room -= std::min(room, size);
    parcel.asked.push_back(i);
    job.recipients.push_back(recipient);
  }
  if (parcel.asked.empty()) return parcel;

  ecstream::MessageHead& head = parcel.head;
  head.smtputf8 = smtp::says_smtputf8(job, offers);
  head.sender = std::move(job.sender);
  head.recipients = std::move(job.recipients);
  head.body_type = envelope.body_type == message::BodyType::seven_bit && shape.measured.eight_bit
                       ? message::BodyType::eight_bit_mime
                       : envelope.body_type;
  head.ret = envelope.ret;
  head.envid = envelope.envid;
  if (is_ascii(envelope.auth)) head.auth = envelope.auth;
  head.deliver_by = time_left(envelope.deliver_by, envelope.received);
  head.priority = envelope.priority;
  head.require_tls = envelope.require_tls;
  add_body(parcel, stored, shape.measured.size);
  return parcel;
}

}  // namespace impulse::delivery
