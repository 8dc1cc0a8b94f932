// Request: one line from a client, taken apart as far as the protocol goes:
//   ["@"tag " "] ["--json "] command [" <<" WORD]
// The command itself is in the configuration's language and is read later.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace impulse::control {

struct Request {
  std::string tag;  // without '@'; empty: none
  bool json = false;
  std::string line;     // the whole line; tag, --json and marker are blanked, so that columns count in what was sent
  std::string command;  // the command as logs show it: no tag, no marker, trimmed
  std::string word;     // of a payload marker; empty: no payload follows
  std::string payload;  // payload lines, an LF behind each
};

// `line` without its line end. The tag and the word are filled in even when
// the request is an error, so that it can be answered and its payload skipped.
// Errors are for "control-bad-tag" and "control-bad-bytes".
struct ReadRequest {
  Request request;
  std::string error_id;  // empty: fine
  std::string error;
};
ReadRequest read_request(std::string_view line);

// The tag at the start of a line and the marker at the end of one: all that
// is looked at in a line that was too long to be kept.
std::string tag_of(std::string_view line);
std::string payload_word_of(std::string_view line);

// Neither control characters (the tab is allowed), nor ill-formed UTF-8.
Result<> check_bytes(std::string_view line);

}  // namespace impulse::control
