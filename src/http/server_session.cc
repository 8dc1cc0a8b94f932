#include "http/server_session.h"

#include "http/server_impl.h"

#include <fmt/format.h>

#include <utility>

namespace impulse::http {

void ServerSession::Impl::begin(Output& out) { out_ = &out; }

void ServerSession::Impl::enter(Phase phase) {
  if (phase != phase_) restart_ = true;
  phase_ = phase;
}

void ServerSession::Impl::finish() {
  if (std::exchange(restart_, false)) out_->restart_deadline = true;
  out_->next = Next::read;
  switch (phase_) {
    case Phase::idle:
      out_->waiting = Waiting::idle;
      break;
    case Phase::head:
      out_->waiting = Waiting::head;
      break;
    case Phase::body:
      out_->waiting = Waiting::body;
      break;
    case Phase::drain:
      out_->waiting = Waiting::drain;
      break;
    case Phase::answer:
      out_->waiting = Waiting::answer;
      out_->next = Next::answer;
      break;
    case Phase::closed:
      out_->next = Next::close;
      break;
  }
  out_ = nullptr;
}

size_t ServerSession::Impl::feed(std::string_view bytes) {
  size_t used = 0;
  // Replies may be many times the size of the requests: those of one call are bounded.
  while (used < bytes.size() && phase_ != Phase::closed && out_->reply.size() <= reply_limit) {
    const std::string_view rest = bytes.substr(used);
    if (phase_ == Phase::idle || phase_ == Phase::head)
      used += take_head(rest);
    else if (phase_ == Phase::body)
      used += take_body(rest);
    else if (phase_ == Phase::drain)
      used += take_drain(rest);
    else
      break;
  }
  return phase_ == Phase::closed ? bytes.size() : used;
}

ServerSession::ServerSession(std::shared_ptr<const Policy> policy, ServerHost& host)
    : impl_(std::make_unique<Impl>(std::move(policy), host)) {}
ServerSession::~ServerSession() = default;

void ServerSession::turn_away(const Response& response, Output& out) {
  impl_->begin(out);
  impl_->reply(response, "host", {}, false);
  impl_->close();
  impl_->finish();
}

size_t ServerSession::feed(std::string_view bytes, Output& out) {
  impl_->begin(out);
  const size_t used = impl_->feed(bytes);
  impl_->finish();
  return used;
}

Request ServerSession::take_request() { return impl_->take_request(); }

const RequestHead* ServerSession::head() const { return impl_->head_known_ ? &impl_->head_ : nullptr; }

void ServerSession::answered(const Response& response, Output& out) {
  impl_->begin(out);
  if (impl_->phase_ == Impl::Phase::answer) impl_->reply(response, "answered", {}, true);
  impl_->finish();
}

void ServerSession::timed_out(Output& out) {
  impl_->begin(out);
  switch (impl_->phase_) {
    case Impl::Phase::head:
      impl_->refuse({.status = 408, .cause = "timeout", .message = "The header did not come in time"});
      break;
    case Impl::Phase::body:
      impl_->refuse({.status = 408, .cause = "timeout", .message = "The body did not come in time"});
      break;
    case Impl::Phase::answer:
      impl_->refuse({.status = 503, .cause = "timeout", .message = "There was no answer in time"});
      break;
    default:
      break;
  }
  impl_->close();
  impl_->finish();
}

void ServerSession::shut_down(Output& out) {
  impl_->begin(out);
  impl_->ending_ = true;
  if (impl_->phase_ == Impl::Phase::idle) impl_->close();
  impl_->finish();
}

void ServerSession::kill(std::string_view text, Output& out) {
  impl_->begin(out);
  impl_->ending_ = true;
  if (impl_->phase_ == Impl::Phase::head || impl_->phase_ == Impl::Phase::body)
    impl_->refuse({.status = 503, .cause = "shutdown", .message = std::string(text)});
  if (impl_->phase_ != Impl::Phase::answer) impl_->close();
  impl_->finish();
}

Duration ServerSession::deadline(Waiting waiting) const {
  const Policy& policy = *impl_->policy_;
  switch (waiting) {
    case Waiting::idle:
      return policy.idle_timeout;
    case Waiting::head:
      return policy.head_timeout;
    case Waiting::body:
      return policy.body_timeout;
    case Waiting::answer:
      return policy.answer_timeout;
    case Waiting::drain:
      return policy.drain_timeout;
  }
  return policy.idle_timeout;
}

const Policy& ServerSession::policy() const { return *impl_->policy_; }

std::string_view ServerSession::state() const {
  constexpr std::string_view names[] = {"idle", "head", "body", "answer", "drain", "closed"};
  return names[static_cast<size_t>(impl_->phase_)];
}

size_t ServerSession::held() const { return impl_->reader_.held() + impl_->body_.capacity(); }
uint64_t ServerSession::requests() const { return impl_->requests_; }

}  // namespace impulse::http
