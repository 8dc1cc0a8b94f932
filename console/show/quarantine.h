// What a spool keeps aside: <spool>/quarantine.
#pragma once

#include "console/show/options.h"

#include <string>
#include <string_view>

namespace impulse::ecshow {

// What a name in the quarantine says; `why` is empty for names of others.
struct KeptAside {
  std::string segment;  // as its file is called; empty: it is the rest of a body
  std::string offset;   // in it, hexadecimal; empty: all of it
  std::string_view why;
};
KeptAside parse_kept_aside(std::string_view name);

// Lists it, or prints one, as it is. An exit status.
int show_quarantine(const Options& options);

}  // namespace impulse::ecshow
