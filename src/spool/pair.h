// A message outside of the spool, as two files: its bytes, and a JSON document
// with all else that the spool keeps of it. What they hold is told in
// doc/spool-format.md, "Messages in files"; this is both directions of the
// second one. Any thread.
#pragma once

#include "spool/pair_json.h"
#include "spool/spool.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::spool {

// What the document says.
struct PairText {
  std::string id;    // of the message where it was exported: with its node, when it was told to anybody
  MessageId old_id;  // the same
  std::string node;
  uint64_t size = 0;                 // of the other file, bytes
  uint64_t trace_size = 0;           // of these, header fields of ours in front
  std::optional<uint32_t> checksum;  // CRC-32C of them; nothing: it is not compared
  message::Envelope envelope;
  std::vector<RecipientState> states;  // one for each recipient; one of them at least is pending
};

// Bytes of a document. No message has a longer one: what is said of a recipient takes up to
// 3000 bytes, as ill as its texts may be, and all the rest of it no more than json_most allows.
inline constexpr uint64_t max_document = 384 << 20;

// The document of a message as it was read. Control characters in error texts have become
// blanks, and a time outside of the years 1970 to 9999 the nearest in these.
std::string write_pair(const Stored& stored);
// Faults: what is no such document, or of another version, or says something
// that no message can have. What it does not know is a fault, too: it may be
// something that must not be lost.
// It is read as it comes; what is in memory of it is bounded by what a message may
// have: no more recipients than message::most_recipients, and see pair_json.h.
std::expected<PairText, JsonFault> read_pair(const JsonInput& input);
std::expected<PairText, JsonFault> read_pair(std::string_view text);

// "00000001-0000A2C0-mx1": what both files are called, but for .eml and .json.
std::string pair_name(MessageId id, std::string_view node);

}  // namespace impulse::spool
