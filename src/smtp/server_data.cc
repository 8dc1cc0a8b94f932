// The message itself: DATA (RFC 5321 §4.1.1.4), BDAT (RFC 3030), and what
// is refused of it.
#include "smtp/server_impl.h"

#include "base/text.h"

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
    case DataReceiver::Verdict::header_too_big:
      return {&reply::header_too_big, "size"};
    case DataReceiver::Verdict::lone_lf:
      return {&reply::lone_lf, "lone_lf"};
    case DataReceiver::Verdict::loop:
      return {&reply::loop, "loop"};
    case DataReceiver::Verdict::no_space:
      return {&reply::no_space, "admission"};
    case DataReceiver::Verdict::no_files:  // RFC 3463 X.3.2: there is storage, but too much to do
      return {&reply::busy, "admission"};
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
  if (!size || given.size() > 2 || (given.size() == 2 && !iequals(given[1], "LAST"))) return refuse_chunk_size();
  chunk_ = {.size = *size, .left = *size, .last = given.size() == 2};
  const auto refuse_chunk = [&](const ServerReply& reply, std::string_view cause) {
    chunk_.refusal = &reply;
    chunk_.cause = cause;
  };
  if (denied_) {
    refuse_chunk(reply::denied_session, "denied");
  } else if (!policy_->chunking) {
    refuse_chunk(reply::not_available, "syntax");
  } else if (policy_->tls_required && !tls_) {
    refuse_chunk(reply::tls_first, "tls_required");
  } else if (policy_->auth_required && !login_.known(*policy_)) {
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
        if (refusal->code == 421) return refuse(*refusal);  // the end: what would follow need not be read
        refuse_chunk(reply::try_later, refusal->cause);
        chunk_.not_admitted = refusal;
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

void ServerSession::Impl::refuse_chunk_size() {
  note(reply::bad_chunk_size, "chunk", reply::bad_chunk_size.text);
  say(reply::bad_chunk_size);
  close();
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
  // Until it is answered it is message data, for whoever counts refusals.
  const auto answered = [this] {
    if (phase_ == Phase::chunk) phase_ = Phase::command;
  };
  const Chunk chunk = std::exchange(chunk_, {});
  if (chunk.refusal != nullptr) {
    const ServerReply why = chunk.not_admitted ? ServerReply{chunk.not_admitted->code, chunk.not_admitted->enhanced,
                                                             chunk.not_admitted->text}
                                               : *chunk.refusal;
    const bool ends = chunk.last && policy_->chunking;
    if (ends && policy_->lmtp) {
      // One reply for each recipient that was accepted, and none at all where
      // none was: the client counts on it (RFC 2033 §4.3).
      final_replies_ = transaction_.recipients.size();
      return refuse_message(why, chunk.cause);
    }
    refuse(why, chunk.cause);
    answered();
    // What the client takes for the end of its message is one, whatever came of it.
    if (ends && phase_ != Phase::closed) drop_transaction();
    return end_if_asked();
  }
  if (chunk.last) {
    data_.end_chunks();
    return end_of_data();
  }
  if (data_.verdict() == DataReceiver::Verdict::good) {
    answered();
    return say(reply::ok, fmt::format("{} octets received", chunk.size));
  }
  const auto [reply, cause] = reply_for(data_.verdict());
  transaction_.chunk_fault = reply;
  note(*reply, cause, reply->text);
  answered();
  say(*reply);
}

// The one reply to a message; in LMTP one for each recipient that was
// accepted, in their order (RFC 2033 §4.2).
void ServerSession::Impl::final_reply(const ServerReply& reply, std::string_view text) {
  for (size_t n = policy_->lmtp ? final_replies_ : 1; n > 0; --n) say(reply, text);
}

void ServerSession::Impl::refuse_message(const ServerReply& reply, std::string_view cause) {
  // Of a refusal without a reply there is no end but this.
  if (policy_->lmtp && final_replies_ == 0 && !count_error()) return;
  note(reply, cause, reply.text);
  final_reply(reply, reply.text);
  phase_ = Phase::command;
  drop_transaction();
  end_if_asked();
}

void ServerSession::Impl::end_of_data() {
  final_replies_ = transaction_.recipients.size();
  if (data_.verdict() != DataReceiver::Verdict::good) {
    const auto [reply, cause] = reply_for(data_.verdict());
    return refuse_message(*reply, cause);
  }
  if (const auto refusal = fix_up()) {
    const ServerReply reply{refusal->code, refusal->status, refusal->text};
    return refuse_message(reply, refusal->cause);
  }
  phase_ = Phase::submit;
}

}  // namespace impulse::smtp
