// Answer: what a command has to say. The status is known when the command
// returns; the lines are produced as the client drains them, one bounded step
// at a time, so that a slow reader costs no memory.
#pragma once

#include "control/status.h"
#include "control/watch.h"
#include "control/writer.h"

#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace impulse::control {

// Writes a little (a few lines, at most some 64 KiB); false: there was nothing
// left to write. Holds what it reads from alive (a snapshot, a page of rows).
using Step = std::function<bool(Writer&)>;

struct Answer {
  Status status;
  Step lines;                        // empty: the status is all
  bool finish = false;               // the session ends after it
  std::optional<WatchWish> watch{};  // what becomes of the session's notices
  bool late = false;                 // its status is known at its end only: so the log hears of it then
  bool audit = true;                 // an act, or a look, worth a line in the log; completion is not

  // All of it in one step: for answers that are short whatever happens.
  template <class Say>
  static Answer once(Status status, Say say) {
    return {std::move(status), [say = std::move(say), said = false](Writer& writer) mutable {
              if (said) return false;
              said = true;
              say(writer);
              return true;
            }};
  }
  // One error line and the status that goes with it.
  static Answer error(Code code, std::string id, std::string text) {
    return once({code, {}, {}},
                [id = std::move(id), text = std::move(text)](Writer& writer) { writer.error(id, text); });
  }
};

// `first` until it has nothing more to say, then `second`.
inline Step then(Step first, Step second) {
  return [first = std::move(first), second = std::move(second)](Writer& writer) mutable {
    if (first && first(writer)) return true;
    first = nullptr;
    return second && second(writer);
  };
}

// say(writer, index) for 0 … count-1, some at a time.
template <class Say>
Step each(size_t count, Say say) {
  return [count, say = std::move(say), next = size_t{0}](Writer& writer) mutable {
    if (next == count) return false;
    say(writer, next++);
    return true;
  };
}

}  // namespace impulse::control
