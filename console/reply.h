// Reply: the lines of ECTL/1 as a client reads them (doc/control-protocol.md).
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::console {

struct ReplyLine {
  enum class Kind { payload, notice, challenge, asynchronous, status };
  Kind kind = Kind::payload;
  std::string text;  // payload: without the space; notice: place and text; else what follows the first character

  // notice
  std::string severity;  // "error", "warning", "notice"
  std::string id;

  // status
  int code = 0;
  std::string word;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string tag;
};

// One line without its end. Errc::invalid: not a line of the protocol.
Result<ReplyLine> read_reply_line(std::string_view line);

// "* ECTL/1 impulse/0.1.0 node=a pid=1 gen=1".
struct Greeting {
  std::string product;  // "impulse/0.1.0"
  std::vector<std::pair<std::string, std::string>> fields;
  std::string field(std::string_view key) const;  // empty: not there
};
Result<Greeting> read_greeting(std::string_view line);

}  // namespace impulse::console
