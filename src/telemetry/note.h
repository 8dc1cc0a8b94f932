// Note: what the JSON log says of a message itself: fields of its header section, and
// values of its connection's context, which the configuration chooses by their names
// (Jsonlog_Headers, Jsonlog_Meta; doc/logs.md).
#pragma once

#include "message/envelope.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::telemetry {

// Names; a '*' in one stands for any text, also for none. Those of header fields in any case.
struct Choice {
  std::vector<std::string> headers;
  std::vector<std::string> meta;

  bool empty() const { return headers.empty() && meta.empty(); }
};
using ChoicePtr = std::shared_ptr<const Choice>;

struct Note {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  // In the order of the message; nothing: none are chosen. The name of a field that is chosen
  // without a '*' is spelled as it was chosen; two spellings of one name are the same.
  std::optional<Pairs> headers;
  std::optional<Pairs> meta;

  size_t size() const;  // about the bytes of memory it takes
};
using NotePtr = std::shared_ptr<const Note>;

// The fields of a message's header section that are chosen: `trace`, of which its Received
// fields are left out, then `parts`, the message's beginning cut anywhere. In their order, each
// with its name and its value in one line (unfolded by RFC 5322 §2.2.3, no white space
// at either end), otherwise as it stands there: encoded words too. At most
// message::most_chosen_headers; a name or value ends after 1025 bytes (the log's line shows
// 1024), and all of them together after message::most_chosen_header_bytes.
Note::Pairs chosen_headers(const Choice& choice, std::string_view trace, const std::vector<std::string_view>& parts);

// What is chosen of what the envelope has: of its header fields only those that were chosen
// when it came are known.
NotePtr note_of(const Choice& choice, const message::Envelope& envelope);

}  // namespace impulse::telemetry
