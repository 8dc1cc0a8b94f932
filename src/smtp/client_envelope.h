// The envelope of a message on its way to the next server: what it asks of
// that server, whether the server can give it, and the MAIL and RCPT commands
// that say so. Pure functions.
//
// What a client was promised when its parameters were taken holds here: a
// parameter is passed on where the next server takes it, and where the message
// depends on it and the server does not, the message does not go there.
#pragma once

#include "message/envelope.h"
#include "smtp/client_offers.h"
#include "smtp/client_session.h"
#include "smtp/data_encoder.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::smtp {

// What a message is, beside what its client said.
struct MessageShape {
  DataMeasure measured;
  bool utf8_header = false;  // UTF-8 in its header section, and a client that meant it (SMTPUTF8)
};
MessageShape shape_of(const Job& job);

// The body, with bytes above 0x7F or not, has to be converted to 7 bits first
// (compose/seven_bit.h), as the server takes no others.
bool wants_seven_bit(message::BodyType type, bool eight_bit, const ClientOffers& offers);

// Why a message with REQUIRETLS cannot go there (RFC 8689 §4.2.1). 550 when it
// lies in what the server is, or in what the configuration says: it does not
// offer STARTTLS (5.7.10), or not REQUIRETLS (5.7.30). 450 when it may pass:
// STARTTLS does not work now, or the certificate does not verify now.
std::optional<Reply> protection_objection(const Protection& protection, const ClientOffers& offers);
// Why the server cannot have the message at all.
std::optional<Reply> objection(const Job& job, const MessageShape& shape, const ClientOffers& offers,
                               const Protection& protection);
// … as BY (RFC 2852) with mode R leaves it too little time, or none.
Reply too_late();
// Why it cannot have it for that recipient.
std::optional<Reply> objection(const message::Recipient& recipient, const ClientOffers& offers);

// Without CRLF; after no objection only.
std::string mail_command(const Job& job, const MessageShape& shape, const ClientOffers& offers,
                         bool authenticated = false);
// The commands of XCLIENT that tell the server as much of the client as it wants
// to know: as many as it takes for lines of 512 octets.
std::vector<std::string> xclient_commands(const JobClient& client, const ClientOffers& offers);
// `utf8`: the MAIL before it said SMTPUTF8.
std::string rcpt_command(const message::Recipient& recipient, const ClientOffers& offers, bool utf8);
bool says_smtputf8(const Job& job, const ClientOffers& offers);

// RFC 3461 §4: all but printable ASCII, '+' and '=' as "+41".
std::string encode_xtext(std::string_view text);

// The header fields of ours without the clauses that hold UTF-8 (`for` and
// the like), for a server that takes none (RFC 6531 §3.7.3 has them optional).
std::string ascii_trace(std::string_view trace);

}  // namespace impulse::smtp
