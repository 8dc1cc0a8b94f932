#include "message/fixups.h"

#include "base/concat.h"
#include "message/received.h"

#include <algorithm>

namespace impulse::message {

const FixupRefusal no_header_section{550, "5.6.0", "Message has no header section, or no empty line behind it",
                                     "missing_headers"};
const FixupRefusal no_date{550, "5.6.0", "Message has no Date field", "missing_date"};
const FixupRefusal no_message_id{550, "5.6.0", "Message has no Message-ID field", "missing_message_id"};
const FixupRefusal line_too_long{550, "5.6.0", "Message has a line that is too long", "line_length"};

namespace {

bool adds(AddField rule, uint32_t count) {
  return rule == AddField::always || (rule == AddField::if_needed && count == 0);
}

std::string host_of(const FixupInput& input) {
  return input.hostname.empty() ? "localhost" : harmless_name(input.hostname);
}

std::string new_fields(const FixupPolicy& policy, const FixupInput& input) {
  const NamedCounts& there = input.header.leading();
  std::string fields;
  if (adds(policy.date, there.date)) append(fields, "Date: ", mail_date(input.now), "\r\n");
  if (adds(policy.message_id, there.message_id))
    append(fields, "Message-ID: <", harmless_name(input.unique), "@", host_of(input), ">\r\n");
  if (policy.missing == MissingHeaders::fix && there.from == 0) {
    if (input.sender.empty())
      append(fields, "From: MAILER-DAEMON@", host_of(input), "\r\n");
    else
      append(fields, "From: <", input.sender, ">\r\n");
  }
  return fields;
}

// What goes out of the header section, up to `end`.
std::vector<Stretch> cuts(const FixupPolicy& policy, const HeaderFacts& header, bool mbox, bool wraps, uint64_t end) {
  std::vector<Stretch> cuts;
  if (mbox) cuts.push_back({0, header.mbox_line});
  const auto cut = [&](const std::vector<Stretch>& stretches) {
    for (const Stretch& stretch : stretches)
      if (stretch.at < end) cuts.push_back(stretch);
  };
  cut(header.results);
  if (wraps) cut(header.distant);
  for (const LocatedField& field : header.dates)
    if (field.where.at < end && (field.is_date ? policy.date : policy.message_id) == AddField::always)
      cuts.push_back(field.where);
  std::sort(cuts.begin(), cuts.end(), [](const Stretch& a, const Stretch& b) { return a.at < b.at; });
  return cuts;
}

}  // namespace

std::expected<Fixups, FixupRefusal> fix_up(const FixupPolicy& policy, const FixupInput& input) {
  const HeaderFacts& header = input.header;
  const bool section = header.starts_with_field;
  if (policy.missing == MissingHeaders::reject && (!section || header.malformed > 0))
    return std::unexpected(no_header_section);
  if (policy.date == AddField::required && header.leading().date == 0) return std::unexpected(no_date);
  if (policy.message_id == AddField::required && header.leading().message_id == 0)
    return std::unexpected(no_message_id);

  Fixups fixups;
  if (policy.long_lines != LongLines::none) {
    const bool known = input.longest_body_line != FixupInput::not_known;
    const uint64_t in_body =
        input.binary || (policy.long_lines == LongLines::reject && !known) ? 0 : input.longest_body_line;
    if (std::max(header.longest_line, in_body) > policy.max_line_length) {
      if (policy.long_lines == LongLines::reject) return std::unexpected(line_too_long);
      if (!input.binary) fixups.max_line_length = policy.max_line_length;
    }
  }

  fixups.fields = new_fields(policy, input);
  fixups.header_size = section ? header.size : 0;
  uint64_t cut_end = fixups.header_size;
  if (section && policy.missing == MissingHeaders::fix && header.first_malformed != HeaderFacts::nowhere) {
    fixups.separator = header.first_malformed;
    fixups.header_size = cut_end = header.first_malformed;
  }
  if (!section && header.malformed > 0) {
    if (input.trace || !fixups.fields.empty())
      fixups.fields += "\r\n";  // what came has no section, and begins with no empty line
    else
      fixups.header_size = cut_end = header.size;  // nothing keeps its lines from being read as fields
  }
  const bool mbox = section && header.mbox_line != 0 && policy.missing == MissingHeaders::fix;
  fixups.cuts = cuts(policy, header, mbox, fixups.max_line_length != 0, cut_end);
  return fixups;
}

}  // namespace impulse::message
