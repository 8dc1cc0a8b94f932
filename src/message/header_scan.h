// HeaderScan: follows a message as it streams by and knows whether its header
// section (RFC 5322 §2.1) still goes on, and what was in it. One pass, any
// cutting, no copy.
#pragma once

#include "message/value_watch.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace impulse::message {

// Bytes of the message, as offsets into what was fed. (32 bits: no message
// is larger, see doc/spool-format.md.)
struct Stretch {
  uint32_t at = 0;
  uint32_t size = 0;
  friend bool operator==(const Stretch&, const Stretch&) = default;
};

// How many there are of fields that RFC 5322 §3.6 wants once.
struct NamedCounts {
  uint32_t date = 0;
  uint32_t message_id = 0;
  uint32_t from = 0;
  friend bool operator==(const NamedCounts&, const NamedCounts&) = default;
};

struct LocatedField {
  Stretch where;
  bool is_date = false;  // else Message-ID
  friend bool operator==(const LocatedField&, const LocatedField&) = default;
};

struct HeaderFacts {
  static constexpr uint32_t nowhere = UINT32_MAX;

  uint32_t fields = 0;    // lines that begin a field: name, perhaps white space, colon
  uint32_t received = 0;  // of these: Received (RFC 5321 §6.3 counts them against loops)
  NamedCounts named;
  NamedCounts before_malformed;        // of these: in front of the first malformed line; see leading()
  uint32_t malformed = 0;              // lines that neither begin a field nor continue one
  uint32_t first_malformed = nowhere;  // where the first of them begins, the mbox line aside
  uint32_t mbox_line = 0;              // size of a first line "From …" or ">From …" (counted as malformed)
  bool starts_with_field = false;      // the first line, or the one behind the mbox line
  bool eight_bit = false;              // something beyond ASCII stands in the section (RFC 6532)
  bool tls_optional = false;           // TLS-Required is there, and says No (RFC 8689 §5) each time
  uint64_t longest_line = 0;           // octets without the line's end
  uint64_t size = 0;                   // of the header section, the empty line included
  std::vector<Stretch> results;        // Authentication-Results fields in our name (RFC 8601 §5)
  std::vector<Stretch> distant;        // and those whose name ends so far on that wrapping might make it ours
  std::vector<LocatedField> dates;     // when asked for: Date and Message-ID fields, in order

  // What every reader agrees on: the fields up to the first malformed line.
  const NamedCounts& leading() const { return first_malformed == nowhere ? named : before_malformed; }
};

class HeaderScan {
 public:
  HeaderScan() = default;
  // `authserv_id`: whose Authentication-Results to look for, which must
  // outlive the scan; empty: nobody's. `locate_dates`: fill in facts().dates.
  explicit HeaderScan(std::string_view authserv_id, bool locate_dates = false)
      : watch_(authserv_id), locate_dates_(locate_dates) {}

  // Takes the next bytes of the message as it is stored. Lines end in CRLF or,
  // where policy lets them in, in a lone LF: whoever reads the message later
  // may see a line there. Returns how many bytes belonged to the header
  // section, the empty line included; 0 once done().
  size_t feed(std::string_view bytes);
  // The message ended. To be called when it is not done() by then: what its
  // last line was is known only now. May be called in any case.
  void finish();

  bool done() const { return done_; }                    // the empty line was seen
  uint32_t received() const { return facts_.received; }  // how many began so far
  // Counts are right at any time for what was fed; everything else, and the
  // last field, from done() or finish() on.
  const HeaderFacts& facts() const { return facts_; }

 private:
  enum class At : uint8_t { line_start, cr, name, space, value, rest };
  enum class Kind : uint8_t { other, received, date, message_id, from, tls_required, results };
  static Kind kind_of(std::string_view name);

  const char* step(const char* at, const char* end);
  const char* start_line(const char* at, uint64_t position);
  const char* read_name(const char* at, const char* end);
  void start_field(std::string_view name);
  void end_field(uint64_t position);
  void end_line(uint64_t to, unsigned terminator);
  void bad_line();
  bool name_is_read() const { return kind_ == Kind::results && watch_.knows_word(); }

  HeaderFacts facts_;
  ValueWatch watch_;
  std::array<char, 24> name_{};  // of the field that begins; what is cut to that is none of ours
  uint8_t name_size_ = 0;
  At at_ = At::line_start;
  Kind kind_ = Kind::other;  // of the field that goes on
  bool locate_dates_ = false;
  bool in_field_ = false;
  bool first_ = true;  // no line ended yet, or only the mbox line
  bool mbox_ = false;  // this line is the mbox line, unless a colon follows
  bool last_cr_ = false;
  bool done_ = false;
  bool finished_ = false;
  bool distant_ = false;  // of an Authentication-Results field: see HeaderFacts::distant
  uint32_t tls_fields_ = 0;
  uint64_t line_at_ = 0;        // where the line begins
  uint64_t field_at_ = 0;       // where the field begins
  uint64_t total_ = 0;          // bytes fed before this call
  const char* base_ = nullptr;  // during feed(): the byte at total_
};

}  // namespace impulse::message
