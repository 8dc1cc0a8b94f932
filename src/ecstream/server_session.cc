// One ECStream connection: frames in, who is to move, and the end.
#include "ecstream/server_session.h"

#include "ecstream/answers.h"
#include "ecstream/server_impl.h"
#include "ecstream/wire.h"

#include <algorithm>

namespace impulse::ecstream {

namespace {

// Octets by which a deadline begins anew within a message: less is a client
// that wants to stay, not to send.
constexpr size_t progress_step = size_t{16} << 10;

}  // namespace

void ServerSession::Impl::begin(Output& out) {
  out_ = &out;
  out.next = Next::read;
  out.delay = Duration{0};
  out.restart_deadline = false;
}

void ServerSession::Impl::finish() {
  if (ack_due_ && answering()) acknowledge();
  if (!flight_) settle_without_commit();
  settle();
  out_->waiting = waiting();
  if (phase_ == Phase::closed) {
    out_->next = Next::close;
  } else if (phase_ == Phase::opening) {
    out_->next = std::exchange(told_open_, true) ? Next::hold : Next::open;
  } else if (gathered() && !flight_) {
    out_->next = Next::submit;
    out_->delay = std::max(out_->delay, price());
  } else if (flight_ && full() && answering()) {
    out_->next = Next::hold;
  } else {
    out_->next = Next::read;
  }
  out_ = nullptr;
}

Waiting ServerSession::Impl::waiting() const {
  switch (phase_) {
    case Phase::hello:
      return Waiting::hello;
    case Phase::ready:
    case Phase::auth:
      return Waiting::ready;
    case Phase::opening:
      return Waiting::open;
    case Phase::closing:
    case Phase::closed:
      return Waiting::commit;
    case Phase::open:
    case Phase::body:
      break;
  }
  if (phase_ == Phase::body || reader_.within_frame()) return Waiting::frame;
  return flight_ || gathered() ? Waiting::commit : Waiting::idle;
}

size_t ServerSession::Impl::feed(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size()) {
    if (!answering()) return bytes.size();  // whatever it is, it comes too late
    if (phase_ == Phase::opening || out_->reply.size() >= reply_limit) return used;
    // What is full goes before anything else comes; also behind FLUSH.
    if (full() || (submit_now_ && !flight_)) return used;
    const Phase before = phase_;
    const FrameReader::Result read = reader_.feed(bytes.substr(used));
    used += read.used;
    progress_ += read.used;
    if (read.event == FrameReader::Event::fault) {
      fault(read.fault);
      return bytes.size();
    }
    if (read.event == FrameReader::Event::frame) on_frame(read.frame);
    const bool whole = read.event == FrameReader::Event::frame && phase_ == Phase::open;
    if (whole || phase_ != before || progress_ >= progress_step) {
      progress_ = 0;
      out_->restart_deadline = true;
    }
  }
  return used;
}

void ServerSession::Impl::on_frame(const Frame& frame) {
  const bool open = phase_ == Phase::open;
  switch (frame.type) {
    case FrameType::hello:
      return phase_ == Phase::hello ? on_hello(frame) : fault(GoAway::unexpected);
    case FrameType::auth:
      return phase_ == Phase::ready || phase_ == Phase::auth ? on_auth(frame) : fault(GoAway::unexpected);
    case FrameType::open:
      return phase_ == Phase::ready ? on_open(frame) : fault(GoAway::unexpected);
    case FrameType::message:
      return open ? on_message(frame) : fault(GoAway::unexpected);
    case FrameType::chunk:
      return phase_ == Phase::body ? on_chunk(frame) : fault(GoAway::unexpected);
    case FrameType::skip:
      return open ? on_skip(frame) : fault(GoAway::unexpected);
    case FrameType::flush:
      if (!open) return fault(GoAway::unexpected);
      return frame.payload.empty() ? on_flush() : fault(GoAway::malformed);
    case FrameType::ping:
      if (frame.payload.size() > max_ping) return fault(GoAway::malformed);
      return write(FrameType::pong, 0, 0, frame.payload);
    case FrameType::pong:
      return frame.payload.size() > max_ping ? fault(GoAway::malformed) : void();
    case FrameType::goaway:
      if (frame.sequence != 0 || !decode_farewell(frame.payload)) return fault(GoAway::malformed);
      return end(GoAway::done);
    case FrameType::auth_reply:
    case FrameType::opened:
    case FrameType::ack:
    case FrameType::nak:
    case FrameType::window:
      return fault(GoAway::unexpected);  // the reader refuses them before
  }
}

void ServerSession::Impl::write(FrameType type, uint8_t flags, uint64_t sequence, std::string_view payload) {
  append_frame(out_->reply, {type, flags, sequence, payload}, checksums_);
}

void ServerSession::Impl::goaway(GoAway code, std::string_view text, uint64_t sequence) {
  write(FrameType::goaway, 0, sequence, encode_farewell(code, text));
}

void ServerSession::Impl::end(GoAway code, std::string_view why) {
  if (!answering()) return;
  drop_coming();
  if (ack_due_) acknowledge();
  goaway(code, why.empty() ? text(code) : why, received_);
  phase_ = Phase::closing;
}

void ServerSession::Impl::kill(GoAway code, std::string_view why) {
  if (phase_ == Phase::closed) return;
  drop_batch();
  if (answering()) end(code, why);
}

void ServerSession::Impl::fault(GoAway code) {
  host_.refused({.goaway = code, .cause = "protocol", .text = text(code)});
  end(code);
}

void ServerSession::Impl::settle() {
  if (phase_ == Phase::closing && !flight_ && !gathered()) phase_ = Phase::closed;
}

// --- ServerSession -----------------------------------------------------------

ServerSession::ServerSession(std::shared_ptr<const Policy> policy, ClientInfo client, ServerHost& host)
    : impl_(std::make_unique<Impl>(std::move(policy), std::move(client), host)) {}
ServerSession::~ServerSession() = default;

void ServerSession::start(std::optional<TlsState> tls, Output& out) {
  impl_->begin(out);
  impl_->tls_ = std::move(tls);
  const Policy& policy = *impl_->policy_;
  const auto refuse = [&](GoAway code, std::string_view cause) {
    impl_->host_.refused({.goaway = code, .cause = cause, .text = text(code)});
    impl_->end(code);
  };
  if (policy.deny)
    refuse(GoAway::denied, "denied");
  else if (policy.tls_required && !impl_->tls_)
    refuse(GoAway::tls_required, "tls_required");
  else
    impl_->login_.take_identity(impl_->scene());
  out.restart_deadline = true;
  impl_->finish();
}

void ServerSession::turn_away(GoAway code, std::string_view text, Output& out) {
  impl_->begin(out);
  impl_->end(code, text);
  impl_->finish();
}

size_t ServerSession::feed(std::string_view bytes, Output& out) {
  impl_->begin(out);
  const size_t used = impl_->feed(bytes);
  impl_->finish();
  return used;
}

const Opening& ServerSession::opening() const { return impl_->opening_; }

void ServerSession::opened(Result<StreamMemory> memory, Output& out) {
  impl_->begin(out);
  if (impl_->phase_ == Impl::Phase::opening) impl_->opened(std::move(memory));
  out.restart_deadline = true;
  impl_->finish();
}

Submission ServerSession::take_submission() { return impl_->take_submission(); }

void ServerSession::submitted(const Result<std::vector<MessageId>>& result, std::string_view node, Output& out) {
  impl_->begin(out);
  impl_->submitted(result, node);
  out.restart_deadline = true;
  impl_->finish();
}

void ServerSession::set_window(uint32_t messages, Output& out) {
  impl_->begin(out);
  messages = std::min(messages, Policy::largest_window);
  if (impl_->answering() && messages != impl_->window_) {
    impl_->window_ = messages;
    impl_->widest_ = std::max(impl_->widest_, messages);
    if (impl_->phase_ == Impl::Phase::open || impl_->phase_ == Impl::Phase::body) {
      impl_->limit_ = std::max(impl_->limit_, impl_->memory_.done + messages);
      std::string payload;
      put(payload, messages);
      impl_->write(FrameType::window, 0, 0, payload);
    }
  }
  impl_->finish();
}

void ServerSession::timed_out(Output& out) { shut_down(GoAway::idle, "", out); }

void ServerSession::shut_down(GoAway code, std::string_view text, Output& out) {
  impl_->begin(out);
  impl_->end(code, text);
  impl_->finish();
}

void ServerSession::kill(GoAway code, std::string_view text, Output& out) {
  impl_->begin(out);
  impl_->kill(code, text);
  impl_->finish();
}

Duration ServerSession::deadline(Waiting waiting) const {
  const Policy& policy = *impl_->policy_;
  switch (waiting) {
    case Waiting::hello:
    case Waiting::ready:
      return policy.hello_time;
    case Waiting::idle:
      return policy.idle_time;
    case Waiting::frame:
      return policy.frame_time;
    case Waiting::commit:
    case Waiting::open:
      break;
  }
  return Duration{0};
}

bool ServerSession::committing() const { return impl_->flight_.has_value(); }
const std::string& ServerSession::user() const { return impl_->login_.user(); }
const std::string& ServerSession::helo() const { return impl_->helo_; }
const std::string& ServerSession::stream() const { return impl_->opening_.stream; }
const ClientInfo& ServerSession::client() const { return impl_->client_; }
const Policy& ServerSession::policy() const { return *impl_->policy_; }
uint64_t ServerSession::messages() const { return impl_->messages_; }
uint64_t ServerSession::recipients() const { return impl_->recipients_; }

size_t ServerSession::held() const {
  const auto& coming = impl_->coming_;
  return impl_->reader_.held() + static_cast<size_t>(impl_->batch_bytes_) +
         (coming && coming->body ? coming->body->kept().body().size() : 0);
}

std::string_view ServerSession::state() const {
  switch (impl_->phase_) {
    case Impl::Phase::hello:
      return "connected";
    case Impl::Phase::ready:
      return "ready";
    case Impl::Phase::auth:
      return "auth";
    case Impl::Phase::opening:
      return "opening";
    case Impl::Phase::open:
      return impl_->flight_ ? "commit" : "open";
    case Impl::Phase::body:
      return "body";
    case Impl::Phase::closing:
      return "closing";
    case Impl::Phase::closed:
      break;
  }
  return "closed";
}

}  // namespace impulse::ecstream
