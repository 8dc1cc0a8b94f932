#include "console/printer.h"

#include "console/place.h"
#include "control/safe_text.h"

#include <cstdlib>

namespace impulse::console {

namespace {

void write_line(std::FILE* stream, std::string_view text, bool safe) {
  const std::string line = (safe ? control::safe_text(text) : std::string(text)) + '\n';
  std::fwrite(line.data(), 1, line.size(), stream);
}

}  // namespace

std::FILE* Printer::redirect(std::FILE* out) { return std::exchange(out_, out); }

void Printer::request(std::string_view line, size_t in_front) {
  typed_ = line;
  in_front_ = in_front;
  file_.clear();
}

void Printer::script(std::string file, size_t line) {
  file_ = std::move(file);
  line_ = line;
  typed_.clear();
}

void Printer::payload(const std::string& text) { write_line(out_, text, out_is_terminal_); }

void Printer::say(std::string_view text, Tone tone) {
  std::fflush(out_);  // in the order in which it was said
  if (!colour_ || tone == Tone::plain) return write_line(err_, text, err_is_terminal_);
  const char* start = tone == Tone::error ? "\x1b[31m" : tone == Tone::warning ? "\x1b[33m" : "\x1b[2m";
  const std::string line = start + control::safe_text(text) + "\x1b[0m\n";
  std::fwrite(line.data(), 1, line.size(), err_);
}

// "console:1:40: text" as a place in the script; other texts behind its line.
std::string Printer::placed(const std::string& text) const {
  if (file_.empty()) return text;
  const auto place = read_place(text);
  if (place && place->line == 1) return fmt::format("{}:{}:{}: {}", file_, line_, place->column, place->text);
  return fmt::format("{}:{}: {}", file_, line_, text);
}

void Printer::notice(const ReplyLine& line) {
  complained_ = true;
  if (line.kind != ReplyLine::Kind::notice || line.id == "config-source-line") return say(line.text, Tone::plain);
  const Tone tone = line.severity == "error" ? Tone::error : line.severity == "warning" ? Tone::warning : Tone::notice;
  say(fmt::format("{}: {} [{}]", line.severity, placed(line.text), line.id), tone);
  const auto place = read_place(line.text);
  if (typed_.empty() || !place || place->line != 1 || place->column <= in_front_) return;
  const std::string shown = caret(typed_, place->column - in_front_);
  const size_t end = shown.find('\n');
  if (end == std::string::npos) return;
  say(std::string_view(shown).substr(0, end), Tone::plain);
  say(std::string_view(shown).substr(end + 1), Tone::plain);
}

void Printer::error(const std::string& text) {
  say("ec_console: " + (file_.empty() ? text : fmt::format("{}:{}: {}", file_, line_, text)), Tone::error);
}

void Printer::remark(const std::string& text) { say("[" + text + "]", Tone::notice); }

void Printer::status(const ReplyLine& line) {
  std::string text = "[" + line.word;
  for (const auto& [key, value] : line.fields) text += fmt::format(" {}={}", key, value);
  write_line(out_, text + "]", out_is_terminal_);
}

bool Printer::flush() { return std::fflush(out_) == 0 && std::ferror(out_) == 0; }

Outcome<ReplyLine> print_reply(Client& client, Printer& printer, bool talkative) {
  bool said = false;
  for (;;) {
    auto line = client.next();
    if (!line) return line;
    switch (line->kind) {
      case ReplyLine::Kind::payload:
        printer.payload(line->text);
        said = true;
        if (printer.broken()) return failed(Failure::Kind::interrupted, "the output cannot be written");
        break;
      case ReplyLine::Kind::notice:
        said = said || line->severity == "error";
        [[fallthrough]];
      case ReplyLine::Kind::asynchronous:
        printer.notice(*line);
        break;
      case ReplyLine::Kind::challenge:
        // Only `authenticate` is answered with one, which the console does by itself.
        return failed(Failure::Kind::denied, "the daemon wants authentication: name yourself as USER@ENDPOINT");
      case ReplyLine::Kind::status:
        if (talkative && !said) printer.status(*line);
        return line;
    }
  }
}

bool colour_wanted() {
  const char* refused = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return (refused == nullptr || *refused == '\0') && terminal != nullptr && *terminal != '\0' &&
         std::string_view(terminal) != "dumb";
}

}  // namespace impulse::console
