// HELLO, AUTH (SASL over auth::SaslExchange, and the identities that a
// connection has without it), OPEN.
#include "ecstream/answers.h"
#include "ecstream/server_impl.h"
#include "ecstream/wire.h"

#include "base/text.h"

#include <algorithm>

namespace impulse::ecstream {

namespace {

constexpr std::string_view external = "EXTERNAL";
// How long somebody who failed waits for being told.
constexpr std::chrono::seconds penalty{1};
constexpr std::chrono::seconds longest_penalty{60};
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
  ours.auth_required = policy_->auth_required && !authenticated();
  write(FrameType::hello, 0, 0, encode(ours, From::server));
  checksums_ = ours.features != 0;
  reader_.expect_checksums(checksums_);
  phase_ = Phase::ready;
}

// Nobody can listen: the password itself may be said.
bool ServerSession::Impl::secure() const {
  return tls_.has_value() || client_.unix_socket || client_.address.is_loopback();
}

bool ServerSession::Impl::may_use(const auth::Source& source) const {
  if (auth::binds_channel(source.mechanism) && !tls_) return false;
  return !policy_->auth_requires_tls || secure() || !auth::sends_password(source.mechanism);
}

std::string ServerSession::Impl::mechanisms() const {
  std::string names;
  const auto add = [&](std::string_view name) {
    if (!names.empty()) names += ' ';
    names += name;
  };
  for (const auth::Source& source : policy_->auth_sources)
    if (may_use(source) && host_.usable(source)) add(auth::name(source.mechanism));
  if (policy_->auth_external && implicit_) add(external);
  return names;
}

bool ServerSession::Impl::authenticated() const {
  return !policy_->always_deny && (policy_->always_allow || !user_.empty());
}

void ServerSession::Impl::take_identity() {
  const std::string& named = tls_ && !tls_->identity.empty() ? tls_->identity : client_.identity;
  if (named.empty() || policy_->always_deny) return;
  implicit_ = true;
  auth_done(named, external);
}

void ServerSession::Impl::auth_done(std::string user, std::string_view how) {
  user_ = std::move(user);
  user_how_ = how;
  host_.authenticated({user_how_, user_, true, exchange_logs_});
}

void ServerSession::Impl::challenge(std::string_view octets) {
  phase_ = Phase::auth;
  const std::string payload = encode({.state = AuthState::challenge, .challenge = octets});
  if (payload.size() > max_control) {
    exchange_.reset();
    return auth_failed(454, "4.7.0", "Mechanism has too much to say", "auth", false);
  }
  write(FrameType::auth_reply, 0, 0, payload);
}

void ServerSession::Impl::auth_succeeded() {
  phase_ = Phase::ready;
  exchange_.reset();
  const std::string payload =
      encode({.state = AuthState::success, .code = 235, .enhanced = "2.7.0", .text = "Authentication successful"});
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
    exchange_.reset();
    return auth_failed(501, "5.5.2", "Cancelled", "syntax", false);
  }
  if (exchange_ != nullptr) return auth_step(frame.payload);
  // EXTERNAL, asked for without an initial response.
  if (!frame.payload.empty() && frame.payload != user_)
    return auth_failed(535, "5.7.8", "Authentication failed", "auth", true);
  implicit_ = false;
  auth_succeeded();
}

void ServerSession::Impl::auth_start(const Frame& frame) {
  Reader reader(frame.payload);
  const std::string_view name = reader.short_text();
  const bool initial = (frame.flags & flag::auth_initial) != 0;
  if (reader.bad() || (!initial && !reader.empty())) return fault(GoAway::malformed);
  const std::string_view response = reader.rest();
  if (!user_.empty() && !implicit_) return auth_failed(503, "5.5.1", "Authenticated already", "auth", false);

  if (iequals(name, external) && policy_->auth_external && implicit_) {
    if (auto refusal = host_.may_authenticate())
      return auth_failed(refusal->code, refusal->enhanced, refusal->text, refusal->cause, false);
    exchange_logs_ = true;
    if (!initial) return challenge("");
    if (!response.empty() && response != user_) return auth_failed(535, "5.7.8", "Authentication failed", "auth", true);
    implicit_ = false;
    return auth_succeeded();
  }
  const auto source = std::find_if(policy_->auth_sources.begin(), policy_->auth_sources.end(),
                                   [&](const auth::Source& each) { return iequals(auth::name(each.mechanism), name); });
  if (source == policy_->auth_sources.end()) return auth_failed(504, "5.5.4", "Mechanism not available", "auth", false);
  if (auto refusal = host_.may_authenticate())
    return auth_failed(refusal->code, refusal->enhanced, refusal->text, refusal->cause, false);
  if (!may_use(*source))
    return auth_failed(538, "5.7.11", "Encryption required for that mechanism", "auth_weak", false);
  auto exchange = host_.authenticate(*source);
  if (!exchange) return auth_failed(454, "4.7.0", "Temporary authentication failure", "auth", false);
  exchange_ = std::move(*exchange);
  exchange_logs_ = source->log;
  if (!initial) return auth_step({});
  if (!auth::is_client_first(source->mechanism)) {
    // Only LOGIN's clients send something ahead here: the user's name.
    const auth::SaslExchange::Step first = exchange_->step({});
    if (source->mechanism != auth::Mechanism::login || first.state != auth::SaslExchange::State::more) {
      exchange_.reset();
      return auth_failed(501, "5.5.4", "That mechanism has no initial response", "syntax", false);
    }
  }
  auth_step(response);
}

void ServerSession::Impl::auth_step(std::string_view response) {
  const auth::SaslExchange::Step step = exchange_->step(response);
  if (step.state == auth::SaslExchange::State::more) return challenge(step.output);
  if (step.state == auth::SaslExchange::State::done && !policy_->always_deny) {
    implicit_ = false;
    auth_done(exchange_->user(), auth::name(exchange_->mechanism()));
    return auth_succeeded();
  }
  if (policy_->always_allow && !policy_->always_deny) {
    host_.authenticated({auth::name(exchange_->mechanism()), "anonymous", true, exchange_logs_});
    return auth_succeeded();
  }
  auth_failed(535, "5.7.8", "Authentication failed", "auth", true);
}

// `counts`: it was a guess at credentials.
void ServerSession::Impl::auth_failed(int code, std::string_view enhanced, std::string_view text,
                                      std::string_view cause, bool counts) {
  phase_ = Phase::ready;
  if (counts)
    host_.authenticated({exchange_ ? auth::name(exchange_->mechanism()) : external,
                         exchange_ ? std::string_view(exchange_->user()) : std::string_view(), false, exchange_logs_});
  exchange_.reset();
  write(FrameType::auth_reply, 0, 0,
        encode({.state = AuthState::failure, .code = static_cast<uint16_t>(code), .enhanced = enhanced, .text = text}));
  host_.refused({.code = code, .cause = cause, .text = text});
  // Whatever failed, a client that goes on trying comes to an end.
  ++auth_failures_;
  if (counts) out_->delay = std::max(out_->delay, std::min<Duration>(out_->delay + penalty, longest_penalty));
  if (policy_->auth_failure_limit != 0 && auth_failures_ >= policy_->auth_failure_limit) end(GoAway::auth_failed);
}

void ServerSession::Impl::on_open(const Frame& frame) {
  if (policy_->auth_required && !authenticated()) {
    host_.refused({.goaway = GoAway::auth_required, .cause = "auth_required", .text = text(GoAway::auth_required)});
    return end(GoAway::auth_required);
  }
  if (!is_stream_name(frame.payload)) return fault(GoAway::stream);
  open_new_ = (frame.flags & flag::open_new) != 0;
  open_sequence_ = frame.sequence;
  opening_ = {std::string(frame.payload), user_};
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
  if (memory.known && open_new_) return fault(GoAway::stream);
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
