// A courier's connection has gone: on to another one, or the end.
#include "delivery/ecstream_courier.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace impulse::delivery {

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

void EcstreamCourier::resume() {
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
  return job.begun() || job.sequence() <= most_sent_ || stream_.acknowledged() == 0;
}

void EcstreamCourier::give_up() {
  const std::string why = fault_ ? fault_->second : "closed";
  end(fault_ ? fault_->first : End::lost, why);
  for (StreamJob& job : std::exchange(jobs_, {})) {
    job.refused(has_failed(job) ? smtp::Reply{0, "no answer: " + why} : smtp::Reply{CourierHost::not_tried, {}});
    done(job);
  }
  host_.courier_ended(*this, end_->first, end_->second);
}

}  // namespace impulse::delivery
