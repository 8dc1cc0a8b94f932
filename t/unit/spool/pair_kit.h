// A message that has all that an exported one can have.
#pragma once

#include "full_envelope.h"
#include "kit.h"
#include "spool/pair.h"

#include <string>

namespace impulse::spool::kit {

inline Stored pair_message() {
  Stored stored;
  stored.id = {0x65, 0x40};
  stored.node = "mx1";
  stored.trace = "Received: by mx1 id 00000065/00000040-mx1;\r\n";
  stored.body = std::string("Subject: x\r\n\r\n\x00\xFF.\r\nbare\nlines\r", 31) + noise(1000, 3);
  stored.envelope = full_envelope();
  stored.envelope.protocol = "ESMTPSA";
  stored.envelope.headers = {{"Subject", "x \xFF"}, {"Subject", "again"}};
  stored.states = {outcome(State::delivered, 2),
                   {State::pending, 3, WallTime(Duration(1700000009000000)), "421 \u00e4 \"later\""},
                   {State::pending, 1, WallTime::max(), ""},
                   outcome(State::expired, 9, "550 \xFF"),
                   {}};
  stored.states[1].binding = "b2";
  return stored;
}

}  // namespace impulse::spool::kit
