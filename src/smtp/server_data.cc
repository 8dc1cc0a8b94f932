// The message itself: DATA (RFC 5321 §4.1.1.4), BDAT (RFC 3030), and what
// becomes of it.
#include "smtp/server_impl.h"

#include "base/text.h"
#include "message/received.h"

#include <fmt/format.h>

#include <algorithm>

namespace impulse::smtp {

namespace {

// Message data, in bytes, by which Data_Timeout begins anew: less is a client
// that wants to stay, not to send.
constexpr size_t data_step = size_t{16} << 10;

std::pair<const ServerReply*, std::string_view> reply_for(DataReceiver::Verdict verdict) {
  switch (verdict) {
    case DataReceiver::Verdict::too_big:
      return {&reply::too_big, "size"};
    case DataReceiver::Verdict::lone_lf:
      return {&reply::lone_lf, "lone_lf"};
    case DataReceiver::Verdict::loop:
      return {&reply::loop, "loop"};
    case DataReceiver::Verdict::no_space:
      return {&reply::no_space, "admission"};
    case DataReceiver::Verdict::trouble:
      return {&reply::try_later, "admission"};
    case DataReceiver::Verdict::good:
      break;
  }
  return {&reply::ok, ""};
}

}  // namespace

void ServerSession::Impl::on_data(const Command& command, bool ended_in_lf) {
  if (not_ready() || !plain(command)) return;
  if (!transaction_.open) return refuse(reply::mail_first, "bad_sequence");
  if (transaction_.chunked) return refuse(reply::bdat_begun, "bad_sequence");
  if (transaction_.parameters.body_type == message::BodyType::binary_mime)
    return refuse(reply::binary_needs_bdat, "bad_sequence");
  if (transaction_.recipients.empty()) {
    // RFC 2033 §4.2 wants 503 in any case.
    if (transaction_.refused_recipients && !policy_->lmtp) return refuse(reply::no_recipients, "bad_sequence");
    return refuse(reply::rcpt_first, "bad_sequence");
  }
  // Such a client could never end its message.
  if (ended_in_lf) return refuse(reply::data_needs_crlf, "lone_lf_command");
  if (!admitted(ServerHost::Stage::data)) return;
  data_.begin(*policy_, [this] { return host_.large_body(); });
  data_progress_ = 0;
  phase_ = Phase::data;
  say(reply::send_data);
}

// BDAT SP size [SP LAST]. Whatever else is wrong, the octets that follow are
// octets, and are read; only a size that cannot be read ends the session.
void ServerSession::Impl::on_bdat(const Command& command, bool ended_in_lf) {
  const std::vector<std::string_view> given = words(command.arguments);
  const bool digits = !given.empty() && std::all_of(given[0].begin(), given[0].end(), is_digit);
  const auto size = digits ? parse_unsigned(given[0]) : Result<uint64_t>(fail(Errc::invalid, "no number"));
  if (!size || given.size() > 2 || (given.size() == 2 && !iequals(given[1], "LAST"))) {
    note(reply::bad_chunk_size, "chunk", reply::bad_chunk_size.text);
    say(reply::bad_chunk_size);
    return close();
  }
  chunk_ = {.size = *size, .left = *size, .last = given.size() == 2};
  const auto refuse_chunk = [&](const ServerReply& reply, std::string_view cause) {
    chunk_.refusal = &reply;
    chunk_.cause = cause;
  };
  if (!policy_->chunking) {
    refuse_chunk(reply::not_available, "syntax");
  } else if (policy_->tls_required && !tls_) {
    refuse_chunk(reply::tls_first, "tls_required");
  } else if (policy_->auth_required && !authenticated()) {
    refuse_chunk(reply::authenticate_first, "auth_required");
  } else if (!transaction_.open) {
    refuse_chunk(reply::mail_first, "bad_sequence");
  } else if (transaction_.recipients.empty()) {
    refuse_chunk(transaction_.refused_recipients && !policy_->lmtp ? reply::no_recipients : reply::rcpt_first,
                 "bad_sequence");
  } else if (transaction_.chunk_fault != nullptr) {
    refuse_chunk(reply::chunk_failed, "chunk");
  } else if (ended_in_lf) {
    refuse_chunk(reply::data_needs_crlf, "lone_lf_command");
  } else {
    if (!transaction_.chunked) {
      transaction_.chunked = true;
      if (const auto refusal = host_.admit(ServerHost::Stage::data)) {
        refuse_chunk(refusal->code == 452 ? reply::no_space : reply::try_later, refusal->cause);
        transaction_.chunk_fault = chunk_.refusal;
      } else {
        data_.begin_chunks(*policy_, transaction_.parameters.body_type == message::BodyType::binary_mime,
                           [this] { return host_.large_body(); });
      }
    }
    chunk_.keep = chunk_.refusal == nullptr;
  }
  data_progress_ = 0;
  phase_ = Phase::chunk;
  if (chunk_.left == 0) end_of_chunk();
}

void ServerSession::Impl::progress(size_t taken, bool done) {
  data_progress_ += taken;
  if (!done && data_progress_ < data_step) return;
  data_progress_ = 0;
  out_->restart_deadline = true;
}

size_t ServerSession::Impl::feed_data(std::string_view bytes) {
  const size_t taken = data_.feed(bytes);
  progress(taken, data_.done());
  if (data_.done()) {
    if (trace_) trace_->note(fmt::format("{} bytes of a message", data_.size()));
    end_of_data();
  }
  return taken;
}

size_t ServerSession::Impl::feed_chunk(std::string_view bytes) {
  const std::string_view octets = bytes.substr(0, std::min<uint64_t>(bytes.size(), chunk_.left));
  if (chunk_.keep) data_.feed_chunk(octets);
  chunk_.left -= octets.size();
  progress(octets.size(), chunk_.left == 0);
  if (chunk_.left == 0) end_of_chunk();
  return octets.size();
}

void ServerSession::Impl::end_of_chunk() {
  if (trace_) trace_->note(fmt::format("a chunk of {} bytes", chunk_.size));
  phase_ = Phase::command;
  const Chunk chunk = std::exchange(chunk_, {});
  if (chunk.refusal != nullptr) {
    refuse(*chunk.refusal, chunk.cause);
    // What the client takes for the end of its message is one, whatever came of it.
    if (chunk.last && policy_->chunking && phase_ != Phase::closed) transaction_ = {};
    return end_if_asked();
  }
  if (chunk.last) {
    data_.end_chunks();
    return end_of_data();
  }
  if (data_.verdict() == DataReceiver::Verdict::good)
    return say(reply::ok, fmt::format("{} octets received", chunk.size));
  const auto [reply, cause] = reply_for(data_.verdict());
  transaction_.chunk_fault = reply;
  note(*reply, cause, reply->text);
  say(*reply);
}

// The one reply to a message; in LMTP one for each recipient that was
// accepted, in their order (RFC 2033 §4.2).
void ServerSession::Impl::final_reply(const ServerReply& reply, std::string_view text) {
  for (size_t n = policy_->lmtp ? final_replies_ : 1; n > 0; --n) say(reply, text);
}

void ServerSession::Impl::refuse_message(const ServerReply& reply, std::string_view cause) {
  note(reply, cause, reply.text);
  final_reply(reply, reply.text);
  phase_ = Phase::command;
  transaction_ = {};
  end_if_asked();
}

void ServerSession::Impl::end_of_data() {
  final_replies_ = transaction_.recipients.size();
  if (data_.verdict() == DataReceiver::Verdict::good) {
    phase_ = Phase::submit;
    return;
  }
  const auto [reply, cause] = reply_for(data_.verdict());
  refuse_message(*reply, cause);
}

// RFC 3848, RFC 6531 §4.3 and, for LMTP, RFC 2033.
std::string ServerSession::Impl::protocol() const {
  std::string word;
  if (!xclient_protocol_.empty())
    word = xclient_protocol_;
  else if (policy_->lmtp)
    word = "LMTP";
  else if (greeting_ == Greeting::ehlo || tls_ || !user_.empty())
    word = "ESMTP";
  else
    word = "SMTP";
  if (word == "SMTP") return word;
  if (transaction_.parameters.smtputf8) word = "UTF8" + (word == "ESMTP" ? std::string("SMTP") : word);
  if (tls_) word += 'S';
  if (!user_.empty()) word += 'A';
  return word;
}

Submission ServerSession::Impl::take_submission() {
  Submission submission;
  submission.protocol = protocol();
  submission.body = data_.take_body();
  submission.rest = data_.take_rest();
  message::Envelope& envelope = submission.envelope;
  envelope.sender = std::move(transaction_.sender);
  envelope.recipients = std::move(transaction_.recipients);
  MailParameters& said = transaction_.parameters;
  envelope.body_type = said.body_type;
  envelope.smtputf8 = said.smtputf8;
  envelope.ret = said.ret;
  envelope.envid = std::move(said.envid);
  // RFC 4954 §5: from those we do not know it is as good as "<>".
  if (!said.auth.empty()) envelope.auth = user_.empty() ? "<>" : std::move(said.auth);
  envelope.deliver_by = said.deliver_by;
  envelope.hold_until = said.hold_until;
  envelope.priority = said.priority;
  envelope.require_tls = said.require_tls;
  envelope.received = host_.now();
  envelope.client = client_.address;
  envelope.client_port = client_.port;
  envelope.client_name = client_.name;
  envelope.client_helo = xclient_helo_.empty() ? helo_ : xclient_helo_;
  envelope.listener = client_.listener;
  envelope.user = user_;
  envelope.tenant = policy_->tenant;
  envelope.context = context();
  if (policy_->trace_headers) {
    message::ReceivedInfo info;
    info.helo = envelope.client_helo;
    info.client = client_.address;
    info.unix_socket = client_.unix_socket;
    info.by = policy_->received_hostname;
    info.protocol = submission.protocol;
    const std::string tls = tls_ ? fmt::format("{} {}", tls_->version, tls_->cipher) : std::string();
    info.tls = tls;
    if (envelope.recipients.size() == 1) info.recipient = envelope.recipients.front().address;
    info.when = envelope.received;
    message::TraceField field = message::received_field(info);
    submission.trace = std::move(field.text);
    submission.id_offset = field.id_offset;
  }
  return submission;
}

void ServerSession::Impl::submitted(const Result<MessageId>& result, std::string_view node) {
  phase_ = Phase::command;
  transaction_ = {};
  data_ = {};
  if (result) {
    ++messages_;
    errors_ = 0;
    final_reply(reply::ok, fmt::format("OK: queued as {}", result->to_string(node)));
  } else {
    const ServerReply& why = result.error().code == Errc::no_space ? reply::no_space
                             : result.error().code == Errc::busy   ? reply::busy
                                                                   : reply::try_later;
    final_reply(why, why.text);
  }
  end_if_asked();
}

}  // namespace impulse::smtp
