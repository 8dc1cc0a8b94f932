// What the next server said it can do, in its reply to EHLO (RFC 5321
// §4.1.1.1): one keyword a line, perhaps with parameters.
#pragma once

#include "smtp/reply_parser.h"

#include <cstdint>
#include <string>
#include <vector>

namespace impulse::smtp {

struct ClientOffers {
  bool pipelining = false;
  bool size = false;
  bool eight_bit_mime = false;
  bool binary_mime = false;  // with CHUNKING only, as RFC 3030 §3 has it
  bool smtputf8 = false;
  bool starttls = false;
  bool dsn = false;
  bool auth = false;
  // Of AUTH, each once, in upper case: those that we have, and a few others for who reads of it.
  std::vector<std::string> mechanisms;
  bool require_tls = false;
  bool mt_priority = false;
  bool deliver_by = false;
  std::vector<std::string> xclient;  // those of its attributes that we have, each once, in upper case
  uint64_t max_size = 0;             // octets of a message; 0: it does not say
  uint64_t min_by = 0;               // seconds that it needs to deliver (RFC 2852 §3); 0: it does not say
};

// However much a server says, little of it is kept: each connection has one of these.
ClientOffers read_offers(const ParsedReply& ehlo);

}  // namespace impulse::smtp
