#include "config/diagnostic_sink.h"

#include "base/text.h"
#include "config/diagnostic_ids.h"

#include <fmt/format.h>

#include <algorithm>

namespace impulse::config {

void DiagnosticSink::report(Diagnostic::Severity severity, std::string_view id, Place place, size_t length,
                            std::string message, std::string hint) {
  size_t& count = severity == Diagnostic::Severity::error ? errors_ : others_;
  if (++count > limit) return;
  // The encoding is checked before the text is parsed, and an open brace missed
  // at its end only; the reader wants the order of the text.
  const auto before = [](Place a, const Diagnostic& b) {
    return std::pair(a.line, a.column) < std::pair(b.origin.place.line, b.origin.place.column);
  };
  Diagnostic& diagnostic = *kept_.emplace(std::upper_bound(kept_.begin(), kept_.end(), place, before));
  diagnostic.severity = severity;
  diagnostic.id = id;
  diagnostic.origin = {source_, place};
  diagnostic.length = static_cast<uint32_t>(std::clamp<size_t>(length, 1, UINT32_MAX));
  diagnostic.message = std::move(message);
  diagnostic.hint = std::move(hint);
}

Diagnostics DiagnosticSink::take() {
  const auto left_out = [&](size_t count, Diagnostic::Severity severity, std::string_view what) {
    if (count <= limit) return;
    Diagnostic& diagnostic = kept_.emplace_back();
    diagnostic.severity = severity;
    diagnostic.id = id::too_many;
    diagnostic.origin.source = source_;
    diagnostic.message = fmt::format("and {} more {}", count - limit, what);
  };
  left_out(others_, Diagnostic::Severity::warning, "warnings");
  left_out(errors_, Diagnostic::Severity::error, "errors");
  return std::move(kept_);
}

std::string shown(std::string_view text) { return "'" + escape_line(text, 48) + "'"; }

}  // namespace impulse::config
