// A message that has all that an exported one can have.
#pragma once

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
  message::Envelope& envelope = stored.envelope;
  envelope.sender = "\"a \\\" b\"@example.com";
  envelope.recipients = {{"a@example.net"},
                         {"b\u00e4@example.net", message::notify::success | message::notify::delay, "rfc822;a+2Bb@c"},
                         {"c@example.net", message::notify::never},
                         {"d@example.net"},
                         {"postmaster"}};
  envelope.body_type = message::BodyType::binary_mime;
  envelope.smtputf8 = true;
  envelope.ret = message::Ret::hdrs;
  envelope.require_tls = true;
  envelope.tls_optional = true;
  envelope.priority = -3;
  envelope.envid = "QQ+3D";
  envelope.auth = "<>";
  envelope.hold_until = WallTime(Duration(1900000000000001));
  envelope.deliver_by = {WallTime(Duration(1900000001000000)), 'R', true};
  envelope.received = WallTime(Duration(1700000000123456));
  envelope.client = IpAddress::parse("2001:db8::1").value();
  envelope.client_port = 65535;
  envelope.client_name = "client.example";
  envelope.client_helo = "h\xE9lo \"x\"\t\\";
  envelope.listener = "*:25";
  envelope.user = "blue/alice";
  envelope.tenant = "blue";
  envelope.binding = "b1";
  envelope.protocol = "ESMTPSA";
  envelope.headers = {{"Subject", "x \xFF"}, {"Subject", "again"}};
  envelope.context = {{"b", "2"}, {"a", std::string("\x00\xFF", 2)}, {"", "\r\n"}};
  stored.states = {outcome(State::delivered, 2),
                   {State::pending, 3, WallTime(Duration(1700000009000000)), "421 \u00e4 \"later\""},
                   {State::pending, 1, WallTime::max(), ""},
                   outcome(State::expired, 9, "550 \xFF"),
                   {}};
  stored.states[1].binding = "b2";
  return stored;
}

}  // namespace impulse::spool::kit
