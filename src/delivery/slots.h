// Slots: outbound connections that are counted together, all of the server or
// those of a Binding, and who would have one. Loop thread.
#pragma once

#include <cstddef>
#include <unordered_set>

namespace impulse::delivery {

class Hop;

struct Slots {
  size_t connections = 0;                     // also those being made
  std::unordered_set<const Hop*> starving{};  // hops with work and no connection, as there may be no more of these
  size_t yielding = 0;                        // connections that end for their sake
  bool short_of = false;                      // somebody waits for one to be freed
};

}  // namespace impulse::delivery
