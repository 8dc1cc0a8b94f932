// HELLO, AUTH (what auth::Login decides, in ECStream's words), OPEN.
#include "ecstream/answers.h"
#include "ecstream/server_impl.h"
#include "ecstream/wire.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace impulse::ecstream {

namespace {

constexpr size_t longest_stream_name = 64;
constexpr size_t longest_name = 255;  // that a client gives its host

bool is_stream_name(std::string_view name) {
  return name.size() <= longest_stream_name &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

}  // namespace

void ServerSession::Impl::on_hello(const Frame& frame) {
  const auto theirs = decode_hello(frame.payload);
  if (!theirs) return fault(theirs.error());
  if (theirs->lowest_version > version) return fault(GoAway::version);
  helo_ = theirs->hostname.substr(0, longest_name);

  Hello ours;
  ours.features = theirs->features & feature::checksums;
  ours.max_frame = policy_->max_frame;
  ours.max_message = policy_->max_message_size;
  ours.max_recipients = policy_->max_recipients;
  ours.window = window_;
  ours.mechanisms = mechanisms();
  ours.agent = "impulse";
  ours.hostname = policy_->hostname;
  const auto idle = std::chrono::duration_cast<std::chrono::seconds>(policy_->idle_time).count();
  ours.idle_seconds = static_cast<uint32_t>(std::clamp<int64_t>(idle, 0, UINT32_MAX));
  ours.auth_required = policy_->auth_required && !login_.known(*policy_);
  write(FrameType::hello, 0, 0, encode(ours, From::server));
  checksums_ = ours.features != 0;
  reader_.expect_checksums(checksums_);
  phase_ = Phase::ready;
}

std::string ServerSession::Impl::mechanisms() const {
  return fmt::format("{}", fmt::join(login_.mechanisms(scene()), " "));
}

void ServerSession::Impl::challenge(std::string_view octets) {
  phase_ = Phase::auth;
  const std::string payload = encode({.state = AuthState::challenge, .challenge = octets});
  if (payload.size() > max_control) {
    login_.cancel();
    return auth_failed(454, "4.7.0", "Mechanism has too much to say", "auth");
  }
  write(FrameType::auth_reply, 0, 0, payload);
}

void ServerSession::Impl::on_auth(const Frame& frame) {
  const bool start = (frame.flags & flag::auth_start) != 0;
  const bool cancel = (frame.flags & flag::auth_cancel) != 0;
  if ((cancel && (frame.flags != flag::auth_cancel || !frame.payload.empty())) ||
      (!start && (frame.flags & flag::auth_initial) != 0))
    return fault(GoAway::malformed);
  // A beginning within an exchange, or anything else outside of one.
  if (start == (phase_ == Phase::auth)) return fault(GoAway::unexpected);
  if (start) return auth_start(frame);
  phase_ = Phase::ready;
  if (cancel) {
    login_.cancel();
    return auth_failed(501, "5.5.2", "Cancelled", "syntax");
  }
  answer_auth(login_.in_exchange() ? login_.step(*policy_, frame.payload) : login_.external(frame.payload));
}

void ServerSession::Impl::auth_start(const Frame& frame) {
  Reader reader(frame.payload);
  const std::string_view name = reader.short_text();
  const bool initial = (frame.flags & flag::auth_initial) != 0;
  if (reader.bad() || (!initial && !reader.empty())) return fault(GoAway::malformed);
  const std::string_view response = reader.rest();
  if (login_.settled()) return auth_failed(503, "5.5.1", "Authenticated already", "auth");

  switch (login_.begin(scene(), name)) {
    case auth::Login::Begun::unknown_mechanism:
      return auth_failed(504, "5.5.4", "Mechanism not available", "auth");
    case auth::Login::Begun::refused: {
      const message::Refusal& why = login_.refusal();
      return auth_failed(why.code, why.enhanced, why.text, why.cause);
    }
    case auth::Login::Begun::needs_tls:
      return auth_failed(538, "5.7.11", "Encryption required for that mechanism", "auth_weak");
    case auth::Login::Begun::trouble:
      return auth_failed(454, "4.7.0", "Temporary authentication failure", "auth");
    case auth::Login::Begun::external:
      return initial ? answer_auth(login_.external(response)) : challenge("");
    case auth::Login::Begun::exchange:
      return answer_auth(initial ? login_.first(*policy_, response) : login_.step(*policy_, {}));
  }
}

void ServerSession::Impl::answer_auth(auth::Login::State state) {
  switch (state) {
    case auth::Login::State::challenge:
      return challenge(login_.challenge());
    case auth::Login::State::success: {
      phase_ = Phase::ready;
      const std::string payload =
          encode({.state = AuthState::success, .code = 235, .enhanced = "2.7.0", .text = "Authentication successful"});
      return write(FrameType::auth_reply, 0, 0, payload);
    }
    case auth::Login::State::failure:
      out_->delay = auth::penalized(out_->delay);
      return auth_failed(535, "5.7.8", "Authentication failed", "auth");
    case auth::Login::State::not_initially:
      return auth_failed(501, "5.5.4", "That mechanism has no initial response", "syntax");
  }
}

// Whatever failed, a client that goes on trying comes to an end.
void ServerSession::Impl::auth_failed(int code, std::string_view enhanced, std::string_view text,
                                      std::string_view cause) {
  phase_ = Phase::ready;
  write(FrameType::auth_reply, 0, 0,
        encode({.state = AuthState::failure, .code = static_cast<uint16_t>(code), .enhanced = enhanced, .text = text}));
  host_.refused({.code = code, .cause = cause, .text = text});
  if (!login_.may_go_on(*policy_)) end(GoAway::auth_failed);
}

void ServerSession::Impl::on_open(const Frame& frame) {
  if (policy_->auth_required && !login_.known(*policy_)) {
    host_.refused({.goaway = GoAway::auth_required, .cause = "auth_required", .text = text(GoAway::auth_required)});
    return end(GoAway::auth_required);
  }
  if (!is_stream_name(frame.payload)) return fault(GoAway::stream);
  open_new_ = (frame.flags & flag::open_new) != 0;
  open_sequence_ = frame.sequence;
  opening_ = {std::string(frame.payload), login_.user()};
  if (opening_.stream.empty()) return opened(StreamMemory{});
  phase_ = Phase::opening;
}

void ServerSession::Impl::opened(Result<StreamMemory> memory) {
  if (memory) return opened(std::move(*memory));
  switch (memory.error().code) {
    case Errc::busy:
      return end(GoAway::limits);
    case Errc::denied:
      return end(GoAway::denied);
    default:
      return end(GoAway::storage);
  }
}

void ServerSession::Impl::opened(StreamMemory memory) {
  // Who has an acknowledgement that was never given means another stream: its
  // messages would be taken for doubles.
  if (memory.known && (open_new_ || open_sequence_ > memory.done)) return fault(GoAway::stream);
  for (const Refused& each : memory.refused) {
    if (each.sequence <= open_sequence_) continue;
    send_nak(each.sequence, {each.code, each.enhanced, "", "Refused before, on an earlier connection", each.recipient},
             true);
  }
  memory_ = std::move(memory);
  if (open_sequence_ > memory_.done) {
    memory_.done = open_sequence_;
    memory_.refused.clear();
  }
  received_ = memory_.done;
  // Not beyond what sequences there are.
  limit_ = memory_.done + std::min<uint64_t>(window_, UINT64_MAX - memory_.done);
  write(FrameType::opened, memory_.known ? flag::opened_known : 0, memory_.done, {});
  phase_ = Phase::open;
}

}  // namespace impulse::ecstream
