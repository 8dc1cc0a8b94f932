#include "control/writer.h"

#include "control/safe_text.h"

#include <algorithm>

namespace impulse::control {

namespace {

// Bytes of `text` that fit into `room`, without cutting a character in two.
size_t fitting(std::string_view text, size_t room) {
  if (text.size() <= room) return text.size();
  size_t length = room;
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  return length;
}

std::string_view to_string(config::Diagnostic::Severity severity) {
  switch (severity) {
    case config::Diagnostic::Severity::error:
      return "error";
    case config::Diagnostic::Severity::warning:
      return "warning";
    case config::Diagnostic::Severity::notice:
      break;
  }
  return "notice";
}

}  // namespace

void Writer::text(std::string_view line) {
  const std::string safe = safe_text(line);
  std::string_view rest = safe;
  do {
    const size_t length = fitting(rest, max_line - 2);
    *out_ += ' ';
    *out_ += rest.substr(0, length);
    *out_ += '\n';
    rest.remove_prefix(length);
  } while (!rest.empty());
}

void Writer::document(const Json& document) {
  const std::string text = document.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > max_line - 2) {
    warning("control-document-too-long",
            fmt::format("a document of {} bytes does not fit into a line and is left out", text.size()));
    return;
  }
  *out_ += ' ';
  *out_ += text;
  *out_ += '\n';
}

void Writer::notice(config::Diagnostic::Severity severity, std::string_view id, std::string_view place,
                    std::string_view text) {
  std::string line = fmt::format("!{} {} ", to_string(severity), id);
  if (!place.empty()) line += fmt::format("{}: ", safe_text(place));
  line += safe_text(text);
  line.resize(fitting(line, max_line - 1));
  *out_ += line;
  *out_ += '\n';
}

void Writer::diagnostic(const config::Diagnostic& diagnostic, const config::Source* console) {
  const config::Source* source = diagnostic.origin.source.get();
  std::string place;
  if (source != nullptr && source == console)
    place = fmt::format("console:{}:{}", diagnostic.origin.place.line, diagnostic.origin.place.column);
  else if (source != nullptr)
    place = diagnostic.origin.to_string();
  std::string text = diagnostic.message;
  if (!diagnostic.hint.empty()) text += fmt::format("; {}", diagnostic.hint);
  notice(diagnostic.severity, diagnostic.id.empty() ? "config-error" : diagnostic.id, place, text);
  if (json_ || source == nullptr || source == console) return;
  // The lines of render() that show the source, indented by their number's column.
  const std::string rendered = diagnostic.render();
  for (const std::string_view line : split(rendered, '\n'))
    if (line.starts_with(' ') && line.find('|') != std::string_view::npos) remark("config-source-line", line);
}

void Writer::status(const Status& status, std::string_view tag) {
  *out_ += status.to_line(tag);
  *out_ += '\n';
}

}  // namespace impulse::control
