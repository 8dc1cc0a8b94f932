// Everything an envelope can hold but named header fields, each with a value of its own.
#pragma once

#include "message/envelope.h"

#include <string>

namespace impulse::spool::kit {

inline message::Envelope full_envelope() {
  message::Envelope envelope;
  envelope.sender = "\"a \\\" b\"@example.com";
  envelope.recipients = {{"a@example.net"},
                         {"b\u00e4@example.net", message::notify::success | message::notify::delay, "rfc822;a+2Bb@c"},
                         {"c@example.net", message::notify::never},
                         {"d@example.net", 0, "utf-8;\u00fc@x"},
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
  envelope.context = {{"b", "2"}, {"a", std::string("\x00\xFF", 2)}, {"", "\r\n"}, {"empty", ""}};
  return envelope;
}

}  // namespace impulse::spool::kit
