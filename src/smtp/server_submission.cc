// A message that was taken in, made ready for the spool: what the options
// RFC2822_* mend about it, our trace fields, its envelope; and the answer.
#include "smtp/server_impl.h"

#include "base/concat.h"
#include "message/received.h"
#include "message/rewriter.h"

namespace impulse::smtp {

// Decides what becomes of a message that is not as RFC 5322 wants it; nothing:
// it is taken, with fixups_.
std::optional<message::FixupRefusal> ServerSession::Impl::fix_up() {
  const WallTime now = host_.now();
  const message::HeaderFacts& header = data_.header();
  // Enough to be unlike any other: this server's name stands behind it.
  const std::string unique = concat(Digits(static_cast<uint64_t>(now.time_since_epoch().count()), 1, 16), ".",
                                    Digits(host_.number(), 1, 16), ".", Digits(messages_));
  message::FixupInput input{.header = header, .now = now};
  input.longest_body_line = data_.longest_line();
  input.binary = transaction_.parameters.body_type == message::BodyType::binary_mime;
  input.trace = policy_->trace_headers;
  input.unique = unique;
  input.hostname = policy_->received_hostname;
  input.sender = transaction_.sender;
  auto fixups = message::fix_up(policy_->fixups, input);
  if (!fixups) return fixups.error();
  fixups_ = std::move(*fixups);
  tls_optional_ = header.tls_optional;
  utf8_header_ = header.eight_bit;
  return std::nullopt;
}

// RFC 3848, RFC 6531 §4.3; a gateway says by XCLIENT what its client spoke.
std::string ServerSession::Impl::protocol() const {
  if (xclient_protocol_ == "SMTP") return xclient_protocol_;
  message::SessionTraits traits;
  traits.lmtp = xclient_protocol_.empty() ? policy_->lmtp : xclient_protocol_ == "LMTP";
  traits.extended = !xclient_protocol_.empty() || greeting_ == Greeting::ehlo;
  traits.tls = tls_.has_value();
  traits.authenticated = !login_.user().empty();
  traits.utf8 = transaction_.parameters.smtputf8;
  return std::string(message::with_word(traits));
}

void ServerSession::Impl::fill(message::Envelope& envelope) {
  envelope.sender = std::move(transaction_.sender);
  envelope.recipients = std::move(transaction_.recipients);
  MailParameters& said = transaction_.parameters;
  envelope.body_type = said.body_type;
  // Said, but not needed: then it goes where SMTPUTF8 is not to be had, too (RFC 6531 §3.4).
  envelope.smtputf8 = said.smtputf8 && (utf8_header_ || message::has_utf8_address(envelope));
  envelope.ret = said.ret;
  envelope.envid = std::move(said.envid);
  // RFC 4954 §5: from those we do not know it is as good as "<>".
  if (!said.auth.empty()) envelope.auth = login_.user().empty() ? "<>" : std::move(said.auth);
  envelope.deliver_by = said.deliver_by;
  envelope.hold_until = said.hold_until;
  envelope.priority = said.priority;
  envelope.require_tls = said.require_tls;
  envelope.tls_optional = tls_optional_;
  envelope.received = host_.now();
  envelope.client = client_.address;
  envelope.client_port = client_.port;
  envelope.client_name = client_.name;
  envelope.client_helo = xclient_helo_.empty() ? helo_ : xclient_helo_;
  envelope.listener = client_.listener;
  envelope.user = login_.user();
  envelope.tenant = policy_->tenant;
  envelope.context = context();
}

Submission ServerSession::Impl::take_submission() {
  Submission submission;
  submission.protocol = protocol();
  submission.body = data_.take_body();
  submission.rest = data_.take_rest();
  // The header section is in it, whatever went to the disk.
  if (fixups_.rewrites()) submission.body = message::rewritten(submission.body, fixups_, policy_->body_block);
  fill(submission.envelope);
  const message::Envelope& envelope = submission.envelope;
  if (policy_->trace_headers) {
    message::ReceivedInfo info;
    info.helo = envelope.client_helo;
    info.name = envelope.client_name;
    info.client = client_.address;
    info.unix_socket = client_.unix_socket;
    info.by = policy_->received_hostname;
    info.protocol = submission.protocol;
    const std::string tls = tls_ ? concat(tls_->version, " ", tls_->cipher) : std::string();
    info.tls = tls;
    info.tls_bits = tls_ ? static_cast<unsigned>(tls_->bits) : 0;
    info.utf8 = transaction_.parameters.smtputf8;
    if (envelope.recipients.size() == 1) info.recipient = envelope.recipients.front().address;
    info.when = envelope.received;
    message::TraceField field = message::received_field(info);
    submission.trace = std::move(field.text);
    submission.id_offset = field.id_offset;
  }
  submission.trace += fixups_.fields;
  fixups_ = {};
  return submission;
}

void ServerSession::Impl::submitted(const Result<MessageId>& result, std::string_view node) {
  phase_ = Phase::command;
  transaction_ = {};
  data_ = {};
  if (result) {
    ++messages_;
    errors_ = 0;
    final_reply(reply::ok, concat("OK: queued as ", result->to_string(node)));
  } else {
    const Errc code = result.error().code;
    const ServerReply& why = code == Errc::no_space                         ? reply::no_space
                             : code == Errc::busy || code == Errc::no_files ? reply::busy
                                                                            : reply::try_later;
    final_reply(why, why.text);
  }
  end_if_asked();
}

}  // namespace impulse::smtp
