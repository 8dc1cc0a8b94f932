// Line ends and transfer encodings (RFC 2045 §6).
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace impulse::compose {

// GMime is started by the first that asks, once.
void start_mime();

// CRLF, lone LF and lone CR all become CRLF (`end` "\n": LF).
std::string with_line_ends(std::string_view text, std::string_view end = "\r\n");

std::string base64(std::string_view bytes);        // one line
std::string base64_lines(std::string_view bytes);  // of 76 characters, in CRLF
// base64 that came from outside: checked strictly (alphabet, padding, no stray
// bits; white space is skipped), and put into lines of 76 characters, in CRLF.
// `padded`: else its padding may be missing.
Result<std::string> base64_checked(std::string_view text, bool padded = true);
Result<std::string> base64_decoded(std::string_view text);

struct Encoded {
  std::string_view encoding;  // "7bit", "quoted-printable", "base64"
  std::string text;           // lines in CRLF, the last one too
};
// A text part. 7bit when it is that: ASCII, lines up to 998 octets, and no "--="
// and "_", with which boundaries of ours begin. `force`: base64 in any case.
Encoded encode_text(std::string_view text, bool force = false);

}  // namespace impulse::compose
