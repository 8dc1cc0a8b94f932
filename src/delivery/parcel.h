// Parcel: a message as it goes into a stream of ECStream (doc/ecstream.md §7),
// for as many of its recipients as the other server takes at once. Pure.
#pragma once

#include "base/clock.h"
#include "delivery/courier.h"
#include "ecstream/envelope_codec.h"
#include "ecstream/hello.h"
#include "message/envelope.h"
#include "smtp/client_session.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::delivery {

// The lines of a body as the stream has them, as it comes in parts: each ends in CRLF,
// and nowhere stands a CR or an LF alone. As smtp::DataEncoder has it.
class BodyLines {
 public:
  explicit BodyLines(bool as_is = true) : as_is_(as_is) {}  // nothing is changed
  void add(std::string_view part, std::string& out);
  void finish(std::string& out);  // ends an unfinished line

 private:
  bool as_is_;
  char before_ = '\n';
};

struct Parcel {
  ecstream::MessageHead head;
  std::string body;   // lines end in CRLF, but of BINARYMIME
  uint64_t rest = 0;  // octets of it that follow, as `lines` makes them from Stored::rest
  BodyLines lines;    // as they are behind `body`
  // Of the recipients, counted from 0: those in `head`, in its order. None: it does not go.
  std::vector<uint32_t> asked;
  // One a recipient. Of those not asked: why, or CourierHost::not_tried.
  std::vector<smtp::Reply> replies;
};

// `recipients`: numbers in the envelope. `server`: what it said of itself.
Parcel make_parcel(const Letter& letter, const std::vector<uint32_t>& recipients, const smtp::Protection& protection,
                   const ecstream::Hello& server);

// The time that a message has left, received when it says; nullopt: it has all.
std::optional<ecstream::MessageHead::By> time_left(const message::DeliverBy& deliver_by, WallTime received);

// What a server by ECStream takes: all there is.
smtp::ClientOffers stream_offers();

}  // namespace impulse::delivery
