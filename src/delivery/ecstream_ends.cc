// A courier's connection has gone: on to another one, or the end.
#include "delivery/ecstream_courier.h"

#include "auth/password.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace impulse::delivery {
namespace {

// Nobody else has one of that name.
std::string stream_name() {
  std::string name = "out.";
  for (const char c : auth::random_bytes(16)) name += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return name;
}

}  // namespace

void EcstreamCourier::on_closed(net::CloseReason reason, std::string_view detail) {
  std::string why(detail);
  if (why.empty()) why = reason == net::CloseReason::peer_closed ? "connection closed by the other side" : "closed";
  const std::string to = target_.endpoint.to_string();
  if (!connected_)
    fault(End::unreachable, fmt::format("cannot connect to {}: {}", to, why));
  else if (handshaking_ || reason == net::CloseReason::tls_failed)
    fault(End::tls, "TLS: " + why);
  else
    fault(open_ ? End::lost : End::refused, fmt::format("{}: {}", to, why));
  if (trace_) trace_->note(fault_->second);
  for (StreamJob& job : jobs_) job.has_left(connection_->bytes_out());
  stop_reading();
  end_stage_ = stage();
  end_bytes_ = bytes();
  open_ = resting_ = false;
  connection_.reset();
  most_sent_ = std::max(most_sent_, session_->sent());
  tell_answers();
  resume();
}

// Something was sent of which nobody knows whether it was taken.
bool EcstreamCourier::in_doubt() const { return was_open_ && !jobs_.empty() && most_sent_ > stream_.acknowledged(); }

// --- its stream

StreamPool::Key EcstreamCourier::place() const {
  return {route_->how, target_.endpoint, login_.has_value(), plain_because_.empty()};
}

void EcstreamCourier::take_stream() {
  auto known = streams_.take(place());
  reused_ = known.has_value();
  stream_ = known ? std::move(*known) : ecstream::ClientStream::fresh(stream_name());
}

// To the next one, when nothing is in doubt.
void EcstreamCourier::leave_stream() {
  if (stream_.waiting() == 0 && !stale_ && (was_open_ ? !hopeless_ : reused_))
    streams_.give(place(), std::exchange(stream_, ecstream::ClientStream::fresh({})));
}

// The server has less of a stream than it has acknowledged, or more than it was sent: its spool is an older one,
// perhaps. There is nothing of the stream under way: another one will do.
void EcstreamCourier::renew() {
  streams_.drop(place());
  reused_ = stale_ = false;
  stream_ = ecstream::ClientStream::fresh(stream_name());
  host_.courier_resumes(*this);
  if (auto started = connect(); !started) {
    fault(End::unreachable, started.error().message);
    give_up();
  }
}

void EcstreamCourier::resume() {
  if (stale_ && !hopeless_) return renew();
  if (hopeless_ || !in_doubt()) return give_up();
  const auto wait = resumption_.next(steady_now(), again_);
  if (!wait) return give_up();
  timer_.start(*wait);
}

void EcstreamCourier::try_again() {
  host_.courier_resumes(*this);
  if (auto started = connect(); !started) {
    fault(End::unreachable, started.error().message);
    resume();
  }
}

// False: it cannot have been taken, and that is no fault of its: it may go again at once.
bool EcstreamCourier::has_failed(const StreamJob& job) const {
  // Behind the message that the other side stumbled over.
  if (taken_at_most_ && job.sequence() > *taken_at_most_ && job.sequence() - *taken_at_most_ > 1) return false;
  // Where others were taken, and nothing of it has left. One that was cut in its middle has had its attempt:
  // else it would go again and again.
  return job.begun() || job.sequence() <= most_sent_ || !answers_;
}

void EcstreamCourier::give_up() {
  const std::string why = fault_ ? fault_->second : "closed";
  end(fault_ ? fault_->first : End::lost, why);
  for (StreamJob& job : std::exchange(jobs_, {})) {
    job.refused(has_failed(job) ? smtp::Reply{0, "no answer: " + why} : smtp::Reply{CourierHost::not_tried, {}});
    done(job);
  }
  leave_stream();
  host_.courier_ended(*this, end_->first, end_->second);
}

}  // namespace impulse::delivery
