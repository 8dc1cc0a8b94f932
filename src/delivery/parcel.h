// Parcel: a message as it goes into a stream of ECStream (doc/ecstream.md §7),
// for as many of its recipients as the other server takes at once. Pure.
#pragma once

#include "delivery/courier.h"
#include "ecstream/envelope_codec.h"
#include "ecstream/hello.h"
#include "smtp/client_session.h"

#include <cstdint>
#include <string>
#include <vector>

namespace impulse::delivery {

struct Parcel {
  ecstream::MessageHead head;
  std::string body;  // lines end in CRLF, but of BINARYMIME
  // Of the recipients, counted from 0: those in `head`, in its order. None: it does not go.
  std::vector<uint32_t> asked;
  // One a recipient. Of those not asked: why, or CourierHost::not_tried.
  std::vector<smtp::Reply> replies;
};

// `recipients`: numbers in the envelope. `server`: what it said of itself.
Parcel make_parcel(const Letter& letter, const std::vector<uint32_t>& recipients, const smtp::Protection& protection,
                   const ecstream::Hello& server);

// What a server by ECStream takes: all there is.
smtp::ClientOffers stream_offers();

}  // namespace impulse::delivery
