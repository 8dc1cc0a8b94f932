// What checks of a whole snapshot have found, the first of it.
#pragma once

#include "config/source.h"

#include <string>
#include <string_view>
#include <utility>

namespace impulse::config {

class Findings {
 public:
  static constexpr size_t most = 200;  // nobody reads more

  // Borrowed.
  explicit Findings(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  void say(Diagnostic::Severity severity, std::string_view id, const Origin& origin, std::string message,
           std::string hint = {}) {
    if (diagnostics_.size() < most)
      diagnostics_.push_back({severity, std::string(id), origin, 1, std::move(message), std::move(hint), {}});
  }
  void error(std::string_view id, const Origin& origin, std::string message, std::string hint = {}) {
    say(Diagnostic::Severity::error, id, origin, std::move(message), std::move(hint));
  }

 private:
  Diagnostics& diagnostics_;
};

}  // namespace impulse::config
