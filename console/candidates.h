// Candidates: what the daemon says could stand at the end of a line, and how a
// terminal shows it.
#pragma once

#include "console/ectl_client.h"

#include <string>
#include <string_view>
#include <vector>

namespace impulse::console {

struct Candidate {
  std::string word;
  std::string help;
};

// Asks. A failure with Client::owed() leaves a connection that can be settled.
Outcome<std::vector<Candidate>> ask_candidates(Client& client, std::string_view line);

// What all words begin with.
std::string common_prefix(const std::vector<Candidate>& candidates);

// Lines for a terminal of that width: a word a line with its help, or, where
// there is none, words in columns. At most `most` words, then how many more.
std::string candidate_list(const std::vector<Candidate>& candidates, size_t width, size_t most);

}  // namespace impulse::console
