// Pattern: a compiled PCRE2 regular expression (JIT where the machine has it).
#pragma once

#include "base/result.h"

#include <memory>
#include <string>
#include <string_view>

namespace impulse {

// Immutable, shared between threads. Matching is bounded (match and heap
// limits), so that a bad expression costs a failed match, not the daemon.
class Pattern {
 public:
  // Errors name the column ("at 7: missing closing parenthesis").
  static Result<Pattern> compile(std::string_view expression, bool case_insensitive = false);
  // Somewhere in `subject`.
  bool matches(std::string_view subject) const;
  // All of it, from the first to the last byte.
  bool matches_whole(std::string_view subject) const;
  const std::string& text() const { return text_; }

 private:
  Pattern() = default;
  struct Code;
  std::string text_;
  std::shared_ptr<const Code> code_;
};

}  // namespace impulse
