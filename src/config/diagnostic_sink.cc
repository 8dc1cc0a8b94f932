#include "config/diagnostic_sink.h"

#include "base/text.h"
#include "config/diagnostic_ids.h"
#include "config/secrecy.h"

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
  if (diagnostic.message.find('\'') == std::string::npos || !on_secret_line(place)) return;
  // What was found there, or what stands in front of it, may be the secret.
  diagnostic.message.replace(diagnostic.message.find('\''), std::string::npos, "(redacted)");
  diagnostic.hint.clear();
}

bool DiagnosticSink::on_secret_line(Place place) const {
  if (!source_) return false;
  const std::string& text = source_->text;
  size_t begin = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  for (uint32_t line = 1; line < place.line; ++line) {
    const size_t newline = text.find('\n', begin);
    if (newline == std::string::npos) return false;
    begin = newline + 1;
  }
  const size_t end = std::min(text.find('\n', begin), text.size());
  const size_t at = begin + (place.column > 0 ? place.column - 1 : 0);
  return secret_in_line(text, begin, end, at) != std::string::npos;
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
