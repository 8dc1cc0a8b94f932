// Commands of the console, as POST /api/impulse/v1/control has them: from JSON to
// requests of ECTL/1 (doc/control-protocol.md), and from the replies to JSON.
// Whoever owns the control session carries the bytes between the two; who may
// run what is decided there, as for every other console.
#pragma once

#include "api/error.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::api {

struct ControlRequest {
  std::string command;  // as it was given
  std::string bytes;    // of exactly one request of ECTL/1, whatever stands in it
};

struct ControlOrder {
  std::vector<ControlRequest> requests;  // one at least
  bool list = false;                     // they came as `commands`: all of them, or none
};

constexpr size_t most_commands = 10'000;  // of one list

// {"command": "…", "payload": "…", "json": false}, or
// {"commands": ["…", {"command": "…", "payload": "…"}, …], "json": false}.
// `content_type`: the header field as it came. Errors as those of injection:
// bad_json, missing, invalid, unsupported, too_large, media_type.
std::expected<ControlOrder, Error> read_control(std::string_view content_type, const std::string& body);

// "commands[3].command", or as there is only one: "command".
std::string control_field(const ControlOrder& order, size_t index);

// The reply to it, piece by piece.
class ControlReply {
 public:
  static constexpr size_t largest = size_t{8} << 20;  // bytes of a reply that is kept

  // Takes what the session says: its greeting too, and notices, which are left out.
  void feed(std::string_view bytes);
  // The status line has come: nothing more is taken.
  bool done() const { return code_.has_value(); }
  // It is over `largest`: the session is not to be asked for more.
  bool too_large() const { return too_large_; }

  // When it is done or too large. 200; 403: these roles do not allow it; 413: too large for this way.
  int http_status() const;
  std::string body() const;                         // JSON: result(), or an error
  std::string error(std::string_view field) const;  // JSON, when the status is not 200
  std::string result() const;                       // JSON: what was said
  // It was done, if perhaps not all that belongs to it (`degraded`).
  bool succeeded() const { return code_ == 0U || code_ == 5U; }
  unsigned code() const { return code_.value_or(1); }
  const std::string& word() const { return word_; }
  size_t size() const { return size_; }  // bytes that came

 private:
  void take(std::string_view line);
  void take_status(std::string_view line);

  std::string rest_;  // of a line
  size_t size_ = 0;
  bool too_large_ = false;
  std::optional<unsigned> code_;
  std::string word_;
  std::string output_;  // JSON arrays and objects without their brackets: no second copy is made
  std::string messages_;
  std::string fields_;
  std::string first_;  // text of the first message
};

}  // namespace impulse::api
