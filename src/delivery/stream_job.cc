#include "delivery/stream_job.h"

#include "delivery/courier.h"

#include <algorithm>
#include <utility>

namespace impulse::delivery {

using telemetry::Stage;

void StreamJob::goes(uint64_t sequence, const Parcel& parcel, const spool::Stored& stored) {
  sequence_ = sequence;
  asked_ = parcel.asked;
  lines_ = parcel.lines;
  rest_ = stored.rest;
  deliver_by_ = stored.envelope.deliver_by;
  received_ = stored.envelope.received;
}

void StreamJob::stands(ecstream::ClientStream::Span span, bool whole) {
  span_ = span;
  whole_ = whole;
}

void StreamJob::has_left(uint64_t octets) {
  if (span_.to <= span_.from) return;
  bytes_ += std::min(span_.to, octets) - std::min(span_.from, octets);
  stage_ = std::max(stage_, whole_ && octets >= span_.to ? Stage::confirmation : Stage::body);
  span_ = {};
}

void StreamJob::refused(const smtp::Reply& reply) {
  if (std::exchange(refused_, true)) return;
  for (const uint32_t each : asked_) replies_[each] = reply;
}

void StreamJob::refused(uint32_t recipient, const smtp::Reply& reply) {
  if (std::exchange(refused_, true)) return;
  for (size_t i = 0; i < asked_.size(); ++i)
    replies_[asked_[i]] = i == recipient ? reply : smtp::Reply{CourierHost::not_tried, {}};
}

std::vector<smtp::Reply> StreamJob::replies() && {
  if (!refused_) refused({250, id_.empty() ? "2.0.0 taken" : "2.0.0 taken as " + id_});
  for (const uint32_t each : asked_) {
    replies_[each].stage = stage_;
    replies_[each].bytes = bytes_;
  }
  return std::move(replies_);
}

}  // namespace impulse::delivery
