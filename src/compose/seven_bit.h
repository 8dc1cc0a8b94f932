// A message of 8BITMIME or BINARYMIME for a server that takes neither (RFC 6152
// §3, RFC 3030 §3): its parts get transfer encodings (RFC 2045 §6), and what they
// decode to stays what it was.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace impulse::compose {

// `message` with nothing but ASCII, and lines in CRLF: texts in quoted-printable,
// other leaves in base64; multiparts and message/rfc822 are gone into and never
// encoded themselves (RFC 2045 §6.4). Parts that need nothing stay as they are,
// byte by byte, but for a Content-Transfer-Encoding of more than "7bit". Text
// around the parts, which nobody reads, has '?' for what is not ASCII.
// `binary`: of BINARYMIME: lines may have any length, and CR, LF and NUL may
// stand anywhere; else lone ones end lines.
// invalid, and why: no MIME-Version; something beyond ASCII in header fields;
// within multipart/signed or encrypted, which must stay as they are (RFC 1847
// §2.1); in a part whose encoding or type does not allow for it; nested more than 16 deep.
// Takes time of the message's size, for each level once.
Result<std::string> seven_bit(std::string_view message, bool binary = false);

}  // namespace impulse::compose
