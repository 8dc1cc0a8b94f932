// One message: its place in the stream, what it has to pass, its body, and
// what is made of it for the spool.
#include "ecstream/server_impl.h"
#include "ecstream/wire.h"

#include "base/text.h"
#include "config/grouped_scopes.h"
#include "message/received.h"
#include "message/rewriter.h"

#include <fmt/format.h>

#include <algorithm>

namespace impulse::ecstream {

namespace {

// What a message costs besides its body and envelope, about; also the block
// that even a small body takes.
constexpr size_t message_overhead = 512 + 2048;
constexpr size_t recipient_overhead = 96;

using Verdict = message::BodyReceiver::Verdict;

MessageRefusal refusal_for(Verdict verdict) {
  switch (verdict) {
    case Verdict::too_big:
      return {552, "5.3.4", "size", "Message too big"};
    case Verdict::header_too_big:
      return {552, "5.3.4", "size", "Header section too big"};
    case Verdict::lone_lf:
      return {550, "5.6.0", "lone_lf", "Message has a CR or LF alone; lines end in CRLF"};
    case Verdict::loop:
      return {554, "5.4.6", "loop", "Too many Received fields, mail loop"};
    case Verdict::no_space:
      return {452, "4.3.1", "admission", "No room for messages"};
    case Verdict::no_files:
      return {451, "4.3.2", "admission", "Too busy"};
    case Verdict::trouble:
    case Verdict::good:
      break;
  }
  return {451, "4.3.0", "admission", "Temporary failure"};
}

MessageRefusal from(HostRefusal refusal) {
  return {refusal.code, refusal.enhanced, refusal.cause, std::move(refusal.text)};
}

}  // namespace

ServerSession::Impl::Place ServerSession::Impl::place_of(uint64_t sequence) {
  if (sequence != 0 && sequence <= memory_.done) {
    ack_due_ = true;
    return Place::repeated;
  }
  if (sequence == 0 || sequence != received_ + 1) {
    fault(GoAway::sequence);
    return Place::wrong;
  }
  if (sequence > limit_) {
    fault(GoAway::window);
    return Place::wrong;
  }
  return Place::next;
}

void ServerSession::Impl::on_message(const Frame& frame) {
  Reader reader(frame.payload);
  const std::string_view envelope = reader.take(reader.number<uint32_t>());
  if (reader.bad()) return fault(GoAway::malformed);
  const Place place = place_of(frame.sequence);
  if (place == Place::wrong) return;
  if (place == Place::repeated) {
    coming_ = Coming{};
    coming_->sequence = frame.sequence;
    coming_->repeated = true;
  } else {
    begin_message(frame, envelope);
    if (!answering()) return;
    if (coming_->body) coming_->body->feed(reader.rest());
  }
  if ((frame.flags & flag::more) != 0)
    phase_ = Phase::body;
  else
    end_of_message();
}

// Behind it there is a coming_, or the session ends.
void ServerSession::Impl::begin_message(const Frame& frame, std::string_view envelope) {
  if (!gathered()) {
    auto newer = host_.safe_point();
    if (!newer) return end(GoAway::reconfigured, newer.error().message);
    if (*newer) policy_ = std::move(*newer);
  }
  DecodedHead decoded = decode_envelope(envelope);
  if (decoded.fault == EnvelopeFault::layout) return fault(GoAway::malformed);
  coming_ = Coming{};
  coming_->sequence = frame.sequence;
  coming_->want_id = (frame.flags & flag::message_want_id) != 0;
  coming_->size = decoded.head.size;
  coming_->envelope_size = envelope.size();
  coming_->policy = policy_;
  const std::string sender = decoded.head.sender;
  std::string recipient;
  const std::function<std::optional<MessageRefusal>(std::string_view, std::string_view)> admit =
      [&](std::string_view from_whom, std::string_view to_whom) -> std::optional<MessageRefusal> {
    auto refusal = admit_recipient(from_whom, to_whom);
    if (refusal) recipient = to_whom;
    return refusal;
  };
  const CheckContext context{*policy_, tls_.has_value(), host_.now(), login_.user(), admit};
  auto checked = check_message(std::move(decoded), context);
  if (!checked) return refuse_coming(checked.error(), sender, recipient);
  if (auto refusal = check_binding(checked->context)) return refuse_coming(*refusal, sender);
  if (auto refusal = host_.admit(coming_->size.value_or(0))) {
    if (refusal->code != 421) return refuse_coming(from(std::move(*refusal)), sender);
    host_.refused({.goaway = GoAway::limits,
                   .cause = refusal->cause,
                   .text = refusal->text,
                   .sequence = frame.sequence,
                   .sender = sender});
    return end(GoAway::limits, refusal->text);
  }
  coming_->admitted = true;
  coming_->envelope = std::move(*checked);
  coming_->body = std::make_unique<message::BodyReceiver>(*coming_->policy,
                                                          coming_->envelope.body_type == message::BodyType::binary_mime,
                                                          [this] { return host_.large_body(); });
}

// One that the listener's Context names is not for the client to change.
std::optional<MessageRefusal> ServerSession::Impl::check_binding(
    const std::vector<std::pair<std::string, std::string>>& said) {
  using Pair = std::pair<std::string, std::string>;
  const auto wish = std::ranges::find(said, config::binding_context, &Pair::first);
  if (wish == said.end() || wish->second.empty()) return std::nullopt;
  const auto ours = std::ranges::find(policy_->context, config::binding_context, &Pair::first);
  if (ours != policy_->context.end() && !ours->second.empty() && ours->second != wish->second)
    return MessageRefusal{501, "5.5.4", "syntax", "The Binding is set by the server"};
  if (!host_.knows_binding(wish->second)) return MessageRefusal{501, "5.5.4", "syntax", "No such Binding"};
  return std::nullopt;
}

std::optional<MessageRefusal> ServerSession::Impl::admit_recipient(std::string_view sender,
                                                                   std::string_view recipient) {
  const bool known = login_.known(*policy_) || (policy_->verified_peer_can_relay && tls_ && tls_->verified);
  auto refusal = host_.admit_recipient(sender, recipient, known);
  if (!refusal) return std::nullopt;
  return from(std::move(*refusal));
}

void ServerSession::Impl::on_chunk(const Frame& frame) {
  if (!coming_ || frame.sequence != coming_->sequence) return fault(GoAway::sequence);
  if ((frame.flags & flag::chunk_abort) != 0) {
    if (frame.flags != flag::chunk_abort || !frame.payload.empty()) return fault(GoAway::malformed);
    // What is refused stays refused; anything else counts as skipped.
    if (coming_->body) {
      coming_->body.reset();
      host_.abandoned(1);
      coming_->admitted = false;
    }
    return end_of_message();
  }
  if (coming_->body) {
    coming_->body->feed(frame.payload);
    // Told at once: the client need not send the rest. Not of its size, which
    // is true only at the end.
    const Verdict verdict = coming_->body->kept().verdict();
    if (verdict != Verdict::good) refuse_coming(refusal_for(verdict), coming_->envelope.sender);
  }
  if ((frame.flags & flag::more) == 0) end_of_message();
}

void ServerSession::Impl::on_skip(const Frame& frame) {
  if (!frame.payload.empty()) return fault(GoAway::malformed);
  if (place_of(frame.sequence) == Place::next) received_ = frame.sequence;
}

// The last octet of coming_ is there, or it was taken back.
void ServerSession::Impl::end_of_message() {
  if (coming_->body) finish_message(*coming_);
  phase_ = Phase::open;
  if (!coming_->repeated) {
    received_ = coming_->sequence;
    if (coming_->refused) refused_.push_back(std::move(*coming_->refused));
  }
  coming_.reset();
}

void ServerSession::Impl::finish_message(Coming& coming) {
  message::BodyKeeper& body = coming.body->kept();
  message::Envelope& envelope = coming.envelope;
  const std::string sender = envelope.sender;
  coming.body->finish();
  if (body.verdict() != Verdict::good) return refuse_coming(refusal_for(body.verdict()), sender);
  if (coming.size && *coming.size != coming.body->came())
    return refuse_coming({501, "5.5.4", "size", "The announced size is not true"}, sender);

  const Policy& policy = *coming.policy;
  const message::HeaderFacts& header = body.header();
  const WallTime now = host_.now();
  const std::string unique =
      fmt::format("{:x}.{:x}.{}", now.time_since_epoch().count(), host_.number(), coming.sequence);
  message::FixupInput input{.header = header, .longest_body_line = body.longest_line(), .now = now};
  input.binary = envelope.body_type == message::BodyType::binary_mime;
  input.trace = policy.trace_headers;
  input.unique = unique;
  input.hostname = policy.received_hostname;
  input.sender = sender;
  const auto fixups = message::fix_up(policy.fixups, input);
  if (!fixups) {
    const message::FixupRefusal& why = fixups.error();
    return refuse_coming({why.code, why.status, why.cause, std::string(why.text)}, sender);
  }

  TakenMessage taken;
  taken.sequence = coming.sequence;
  // Said, but not needed: then it goes where SMTPUTF8 is not to be had, too (RFC 6531 §3.4).
  const bool utf8 = envelope.smtputf8;
  envelope.smtputf8 = utf8 && (header.eight_bit || message::has_utf8_address(envelope));
  envelope.tls_optional = header.tls_optional;
  envelope.received = now;
  taken.envelope = std::move(envelope);
  taken.body = body.take_body();
  taken.rest = body.take_rest();
  // The header section is in it, whatever went to the disk.
  if (fixups->rewrites()) taken.body = message::rewritten(taken.body, *fixups, policy.body_block);
  fill(taken.envelope);
  if (policy.trace_headers) add_trace(taken, utf8);
  taken.trace += fixups->fields;
  batch_bytes_ += message_overhead + taken.body.size() + coming.envelope_size +
                  taken.envelope.recipients.size() * recipient_overhead;
  if (taken.rest) ++batch_files_;
  if (coming.want_id) batch_ids_.push_back(coming.sequence);
  batch_.push_back(std::move(taken));
}

// RFC 3848's way of words.
std::string ServerSession::Impl::protocol() const {
  return fmt::format("ECSTREAM{}{}", tls_ ? "S" : "", login_.user().empty() ? "" : "A");
}

void ServerSession::Impl::fill(message::Envelope& envelope) const {
  envelope.client = client_.address;
  envelope.client_port = client_.port;
  envelope.client_name = client_.name;
  envelope.client_helo = helo_;
  envelope.listener = client_.listener;
  envelope.user = login_.user();
  envelope.tenant = policy_->tenant;
  // The listener's first, and what the client says in their place.
  std::vector<std::pair<std::string, std::string>> context = policy_->context;
  for (auto& [key, value] : envelope.context) {
    const auto had = std::find_if(context.begin(), context.end(), [&](const auto& each) { return each.first == key; });
    if (had == context.end())
      context.emplace_back(std::move(key), std::move(value));
    else
      had->second = std::move(value);
  }
  envelope.context = std::move(context);
}

void ServerSession::Impl::add_trace(TakenMessage& taken, bool utf8) const {
  const message::Envelope& envelope = taken.envelope;
  message::ReceivedInfo info;
  info.helo = envelope.client_helo;
  info.name = envelope.client_name;
  info.client = client_.address;
  info.unix_socket = client_.unix_socket;
  info.by = policy_->received_hostname;
  const std::string with = protocol();
  info.protocol = with;
  const std::string tls = tls_ ? fmt::format("{} {}", tls_->version, tls_->cipher) : std::string();
  info.tls = tls;
  info.tls_bits = tls_ ? static_cast<unsigned>(tls_->bits) : 0;
  info.utf8 = utf8;
  if (envelope.recipients.size() == 1) info.recipient = envelope.recipients.front().address;
  info.when = envelope.received;
  message::TraceField field = message::received_field(info);
  taken.trace = std::move(field.text);
  taken.id_offset = field.id_offset;
}

void ServerSession::Impl::refuse_coming(const MessageRefusal& why, std::string_view sender,
                                        std::string_view recipient) {
  const std::string full = fmt::format("{} {}", why.enhanced, why.text);
  host_.refused({.code = why.code,
                 .cause = why.cause,
                 .text = full,
                 .sequence = coming_->sequence,
                 .sender = sender,
                 .recipient = recipient});
  send_nak(coming_->sequence, why, false);
  coming_->refused = {coming_->sequence, static_cast<uint16_t>(why.code), std::string(why.enhanced), why.recipient};
  coming_->body.reset();
  if (std::exchange(coming_->admitted, false)) host_.abandoned(1);
}

void ServerSession::Impl::drop_coming() {
  if (!coming_) return;
  if (coming_->admitted) host_.abandoned(1);
  coming_.reset();
  if (phase_ == Phase::body) phase_ = Phase::open;
}

}  // namespace impulse::ecstream
