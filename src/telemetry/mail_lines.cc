// The offsets of the fields are Momentum's, see doc/logs.md for the tables and
// for what is different.
#include "telemetry/mail_lines.h"

#include "base/concat.h"
#include "base/text.h"
#include "telemetry/bounce_class.h"
#include "telemetry/log_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace impulse::telemetry {
namespace {

constexpr std::string_view internal = "[internal] ";  // as Momentum marks what no other host has said

// Seconds with milliseconds; a clock that was set back makes it 0.
void delay_field(std::string& line, Duration delay) {
  const auto ms = std::max<int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(delay).count(), 0);
  at_field(line, static_cast<uint64_t>(ms / 1000));
  line += '.';
  line += std::string_view(Digits(static_cast<uint64_t>(ms % 1000), 3));
}

// Offsets 0 to 4. One message id serves all recipients of a message here, so
// it is also the batch id.
void begin(std::string& line, const Record& record, std::string_view kind, const LineFacts& facts) {
  const int64_t seconds = seconds_of(record.time);
  if (seconds < 0) line += '-';
  line += std::string_view(Digits(static_cast<uint64_t>(std::abs(seconds))));
  at_field(line, record.id);
  at_field(line, record.id);
  at_field(line, connection_id(record, facts));
  line += '@';
  line += kind;
}

void binding(std::string& line, const Record& record) {
  at_field(line, record.binding_group);
  at_field(line, record.binding);
}

// What Momentum does not write: which recipient it was, and how.
void ours(std::string& line, const Record& record) {
  at_field(line, divide_address(record.recipient).first);
  at_field(line, lower(record.protocol));
  at_field(line, record.local);
}

// Momentum has the address alone where it says to where; what follows its fields is ours.
void port(std::string& line, const Record& record) { at_field(line, divide_peer(record.peer).second); }

// As Momentum calls what came by HTTP; a door with TLS has an 's' here as with all protocols.
std::string came_by(const Record& record) {
  if (record.protocol == "HTTP") return "rest";
  if (record.protocol == "HTTPS") return "rests";
  return lower(record.protocol);
}

// A tenant's lines have its name for a last field.
void finish(std::string& line, const Record& record) {
  if (!record.tenant.empty()) at_field(line, record.tenant);
  line += '\n';
}

void addresses(std::string& line, const Record& record) {
  const auto [to, to_domain] = divide_address(record.recipient);
  const auto [from, from_domain] = divide_address(record.sender);
  at_field(line, to);
  at_field(line, to_domain);
  at_field(line, from);
  at_field(line, from_domain);
}

// A reply in any case. What no other host has said is marked as Momentum marks it, and what
// was no reply gets the form of one: "451 4.4.1 [internal] …".
std::string reply(const Record& record) {
  using Kind = Record::Kind;
  const ReplyParts parts = parts_of(record.response);
  const bool reported = record.kind == Kind::out_of_band;
  const bool ordered = record.kind == Kind::admin_bounce;  // in those words
  if (parts.code != 0 && (reported || ordered || !record.peer_name.empty())) return record.response;
  const int code = parts.code != 0 ? parts.code : record.kind == Kind::transient ? 451 : reported ? 550 : 554;
  const std::string_view status = status_of(record);
  return concat(Digits(static_cast<uint64_t>(code)), " ", status, status.empty() ? "" : " ",
                parts.text.starts_with(internal) ? "" : internal, reported ? "[oob] " : "", parts.text);
}

void reception(std::string& line, const Record& record, const LineFacts& facts) {
  begin(line, record, "R", facts);
  addresses(line, record);
  at_field(line, record.peer);
  at_field(line, record.size);
  at_field(line, came_by(record));
  binding(line, record);
  at_field(line, record.local);
}

void delivery(std::string& line, const Record& record, const LineFacts& facts) {
  begin(line, record, "D", facts);
  at_field(line, record.domain);
  at_field(line, record.size);
  binding(line, record);
  at_field(line, record.attempts);
  delay_field(line, record.delay);
  at_field(line, divide_peer(record.peer).first);
  ours(line, record);
  at_field(line, record.response);
  port(line, record);
}

void failure(std::string& line, const Record& record, const LineFacts& facts) {
  begin(line, record, record.kind == Record::Kind::transient ? "T" : "P", facts);
  at_field(line, record.domain);
  at_field(line, record.bytes);
  binding(line, record);
  at_field(line, static_cast<uint64_t>(record.stage));
  at_field(line, record.attempts);
  delay_field(line, record.delay);
  at_field(line, divide_peer(record.peer).first);
  at_field(line, reply(record));
  ours(line, record);
  port(line, record);
}

}  // namespace

std::string connection_id(const Record& record, const LineFacts& facts) {
  if (record.session == 0) return {};
  return concat(record.kind == Record::Kind::reception || record.kind == Record::Kind::out_of_band ? "i" : "o",
                Digits(record.session), "-", upper(Digits(static_cast<uint64_t>(seconds_of(facts.started)), 8, 16)));
}

void add_main_line(std::string& out, const Record& record, const LineFacts& facts) {
  if (record.kind == Record::Kind::reception)
    reception(out, record, facts);
  else if (record.kind == Record::Kind::delivery)
    delivery(out, record, facts);
  else
    failure(out, record, facts);
  finish(out, record);
}

void add_bounce_line(std::string& out, const Record& record, const LineFacts& facts) {
  begin(out, record, record.kind == Record::Kind::transient ? "T" : "B", facts);
  addresses(out, record);
  binding(out, record);
  at_field(out, static_cast<uint64_t>(record.stage));
  at_field(out, classify(record).code);
  at_field(out, record.size);
  at_field(out, divide_peer(record.peer).first);
  at_field(out, reply(record));
  port(out, record);
  finish(out, record);
}

}  // namespace impulse::telemetry
