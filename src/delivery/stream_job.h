// StreamJob: a message that was handed over to a courier by ECStream, what
// becomes of it for each of its recipients, and how far it came. Pure.
#pragma once

#include "base/clock.h"
#include "delivery/parcel.h"
#include "ecstream/client_session.h"
#include "ecstream/client_stream.h"
#include "ecstream/envelope_codec.h"
#include "message/body_source.h"
#include "message/envelope.h"
#include "smtp/client_session.h"
#include "spool/spool.h"
#include "telemetry/stage.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace impulse::delivery {

class StreamJob {
 public:
  explicit StreamJob(std::vector<smtp::Reply> replies) : replies_(std::move(replies)) {}

  // It goes, for those of the parcel, which was made of that.
  void goes(uint64_t sequence, const Parcel& parcel, const spool::Stored& stored);
  uint64_t sequence() const { return sequence_; }  // 0: it does not go
  const std::shared_ptr<const message::BodySource>& rest() const { return rest_; }
  const BodyLines& lines() const { return lines_; }  // behind what is in memory of it
  // By now; nullopt: it has all.
  std::optional<ecstream::MessageHead::By> time_left() const { return delivery::time_left(deliver_by_, received_); }

  // Where its frames stand in the connection's output; `whole`: these are all.
  void stands(ecstream::ClientStream::Span span, bool whole);
  // So much of the output has left, and no more will on this connection, or nobody asks.
  void has_left(uint64_t octets);
  bool begun() const { return bytes_ > 0; }  // some of it has left, on whatever connection

  // The server's answer, before its acknowledgement. The first counts.
  void refused(const smtp::Reply& reply);
  // One of those it went for, counted from 0; the others have not been tried.
  void refused(uint32_t recipient, const smtp::Reply& reply);
  void called(std::string id) { id_ = std::move(id); }  // by the server
  size_t asked() const { return asked_.size(); }
  // For the host. Who was not refused has it.
  std::vector<smtp::Reply> replies() &&;

 private:
  uint64_t sequence_ = 0;
  std::vector<uint32_t> asked_;  // of the recipients, those it goes for
  std::vector<smtp::Reply> replies_;
  std::string id_;
  bool refused_ = false;
  std::shared_ptr<const message::BodySource> rest_;
  BodyLines lines_;
  message::DeliverBy deliver_by_;
  WallTime received_{};
  ecstream::ClientStream::Span span_;
  bool whole_ = false;
  telemetry::Stage stage_ = telemetry::Stage::idle;  // how far it came, on whatever connection
  uint64_t bytes_ = 0;                               // that have left
};

}  // namespace impulse::delivery
