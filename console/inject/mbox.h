// What an mbox file holds: messages behind lines that begin with "From ", where
// such a line of a message itself was quoted with a '>' by most who wrote it.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace impulse::ecinject {

enum class Quoting : uint8_t {
  mboxrd,  // ">From " is "From ", ">>From " is ">From ": one '>' is taken off, as it was put on
  mboxo,   // only "From " was quoted: only ">From " is taken back
  none,    // as it stands (mboxcl: nothing was quoted)
};
Result<Quoting> parse_quoting(std::string_view name);

struct Piece {
  size_t from = 0;  // behind its "From " line
  size_t size = 0;  // without the empty line in front of the next one
};
// A "From " line counts at the begin, and behind an empty line; with Quoting::none a
// Content-Length that leads to one (or to the end) outweighs what stands in between.
// Errc::invalid: it does not begin with one, or there is no message in it.
Result<std::vector<Piece>> split_mbox(std::string_view file, Quoting quoting);

// Takes the quoting off; line ends become CRLF, the last line gets one.
std::string unquoted(std::string_view message, Quoting quoting);

}  // namespace impulse::ecinject
