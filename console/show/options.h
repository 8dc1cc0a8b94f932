// What ec_show was asked for on its command line.
#pragma once

#include "base/clock.h"
#include "base/id.h"
#include "base/pattern.h"
#include "console/sendmail/failure.h"
#include "spool/content_filter.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::ecshow {

using sendmail::fail_with;
using sendmail::Failure;
using sendmail::Outcome;

// Exit statuses, as those of ec_passwd: what was wanted is not there, the
// command line makes no sense, the spool cannot be read, and all was shown that could be.
enum Status : int { status_done = 0, status_no = 1, status_usage = 2, status_spool = 3, status_damaged = 4 };

extern const char usage_text[];

// Which messages are listed: those that all of it fits.
struct Filter {
  std::optional<Pattern> sender;     // somewhere in it; the null sender is empty
  std::optional<Pattern> recipient;  // of one of them
  std::string domain;                // of one of them, in lower case; empty: any
  std::optional<WallTime> from;      // received then, or later
  std::optional<WallTime> to;        // received then, or before
  spool::ContentFilter content{};    // for header fields the message itself is read
};

struct Options {
  enum class Action : uint8_t { list, count, message, export_pairs, quarantine, summary, help, version };
  enum class Part : uint8_t { details, headers, body, full };
  Action action = Action::list;
  std::string spool;
  Filter filter;
  bool json = false;
  MessageId message;
  std::string node;  // that the id was written with; empty: none
  Part part = Part::details;
  std::string name;    // of what is shown of the quarantine; empty: a list of all
  std::string folder;  // that is exported to, from the root on
};

// Failures are of status_usage. `now` is what ages are counted from.
Outcome<Options> read_options(int argc, char** argv, WallTime now);

// "2027-01-31", "2027-01-31 12:00", "2027-01-31T12:00:05Z", "20270131T120005Z"; all UTC. With `end` what is left out
// is the last that it can be.
std::optional<WallTime> parse_date(std::string_view text, bool end);
// "90s", "30m", "12h", "7d"; seconds without a unit.
std::optional<Duration> parse_age(std::string_view text);

}  // namespace impulse::ecshow
