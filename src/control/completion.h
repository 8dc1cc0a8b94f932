// Completion: what could stand where an unfinished command line ends. From the
// table of commands, the catalogue, and the tree that is in force.
#pragma once

#include "control/command.h"

#include <string>
#include <string_view>
#include <vector>

namespace impulse::control {

struct Candidate {
  std::string word;  // whole: it can replace the last one; quoted where it must be; "name=" wants its value behind it
  std::string help;  // one line; may be empty
};

struct Candidates {
  std::vector<Candidate> found;  // sorted by word
  bool cut = false;              // there are more than max_candidates
};

// `line` is a command as far as it was typed; behind a blank the next word is
// wanted. An open quote is part of the last word.
Candidates completions(const CommandTable& table, System& system, std::string_view line);

}  // namespace impulse::control
