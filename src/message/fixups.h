// Fix-ups: what becomes of a message whose header section or lines are not as
// RFC 5322 wants them (options RFC2822_*), and of Authentication-Results in
// our name (RFC 8601 §5). Pure functions: facts and policy in, a decision
// out; Rewriter (rewriter.h) carries it out.
#pragma once

#include "base/clock.h"
#include "message/header_scan.h"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::message {

// RFC2822_Date_Header and RFC2822_MessageID_Header. `always` puts ours in the
// place of what is there; `never` leaves the message as it came; `required`
// refuses a message without the field.
enum class AddField : uint8_t { if_needed, always, never, required };

// RFC2822_Missing_Headers. `reject`: the message has to begin with a header
// section, and an empty line behind it. `accept`: it need not; what we add is
// kept apart from it by an empty line. `fix`: the same, and From (the
// envelope's sender) is added where there is none, an mbox line in front is
// dropped, and the empty line is put in front of the first line that no header
// section can have, so that every reader sees the section end at one place.
enum class MissingHeaders : uint8_t { reject, accept, fix };

// RFC2822_Max_Line_Length_Policy. `wrap`: see Rewriter.
enum class LongLines : uint8_t { none, reject, wrap };

struct FixupPolicy {
  AddField date = AddField::if_needed;
  AddField message_id = AddField::if_needed;
  MissingHeaders missing = MissingHeaders::fix;
  LongLines long_lines = LongLines::none;
  uint64_t max_line_length = 998;  // octets without the line's end
  friend bool operator==(const FixupPolicy&, const FixupPolicy&) = default;
};

struct FixupInput {
  const HeaderFacts& header;       // finished; with dates located when either AddField is `always`
  uint64_t longest_body_line = 0;  // octets; not_known while the body still streams
  bool binary = false;             // BODY=BINARYMIME: its body has no lines (RFC 3030 §3)
  bool trace = true;               // trace fields of ours go in front
  WallTime now{};
  // For Message-ID: unlike any other, and made of letters, digits, '.' and '-'.
  std::string_view unique{};
  std::string_view hostname{};  // ours, behind the '@' of Message-ID
  std::string_view sender{};    // of the envelope; empty for <>

  static constexpr uint64_t not_known = UINT64_MAX;
};

struct FixupRefusal {
  int code;                 // 550
  std::string_view status;  // "5.6.0"
  std::string_view text;
  std::string_view cause;  // stable word for counters and logs
};

struct Fixups {
  // Goes in front of the message, behind the trace fields: whole lines in
  // CRLF, perhaps an empty one at the end.
  std::string fields;
  // The rest is for the Rewriter, and changes the message itself.
  std::vector<Stretch> cuts;                  // in order, apart from each other
  uint32_t separator = HeaderFacts::nowhere;  // an empty line goes in here
  uint64_t max_line_length = 0;               // longer lines are wrapped; 0: none is
  uint64_t header_size = 0;                   // where the header section ends, the separator apart; 0: there is none

  bool rewrites() const { return !cuts.empty() || separator != HeaderFacts::nowhere || max_line_length != 0; }
};

std::expected<Fixups, FixupRefusal> fix_up(const FixupPolicy& policy, const FixupInput& input);

// The answers fix_up() has, for those who know before it could be asked.
extern const FixupRefusal no_header_section;
extern const FixupRefusal no_date;
extern const FixupRefusal no_message_id;
extern const FixupRefusal line_too_long;

}  // namespace impulse::message
