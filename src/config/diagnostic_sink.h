// Gathers the diagnostics of one source, and not more of them than anybody
// would read.
#pragma once

#include "config/source.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace impulse::config {

class DiagnosticSink {
 public:
  // Errors, and apart from them warnings and notices, that are kept of one source.
  static constexpr size_t limit = 100;

  explicit DiagnosticSink(std::shared_ptr<const Source> source) : source_(std::move(source)) {}

  void report(Diagnostic::Severity severity, std::string_view id, Place place, size_t length, std::string message,
              std::string hint = {});
  void error(std::string_view id, Place place, size_t length, std::string message, std::string hint = {}) {
    report(Diagnostic::Severity::error, id, place, length, std::move(message), std::move(hint));
  }

  // Nobody will see the next error: it need not be put into words, only counted.
  bool full() const { return errors_ >= limit; }
  void count_error() { ++errors_; }

  // What was gathered, in the order of the text; "and N more" last when some were left out.
  Diagnostics take();

 private:
  bool on_secret_line(Place place) const;

  std::shared_ptr<const Source> source_;
  Diagnostics kept_;
  size_t errors_ = 0;
  size_t others_ = 0;
};

// For messages: the text quoted on one line, shortened when it is long.
std::string shown(std::string_view text);

}  // namespace impulse::config
