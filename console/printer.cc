#include "console/printer.h"

#include "control/safe_text.h"

namespace impulse::console {

namespace {

void write_line(std::FILE* stream, std::string_view text, bool safe) {
  const std::string line = (safe ? control::safe_text(text) : std::string(text)) + '\n';
  std::fwrite(line.data(), 1, line.size(), stream);
}

}  // namespace

void Printer::payload(const std::string& text) { write_line(out_, text, out_is_terminal_); }

void Printer::notice(const ReplyLine& line) {
  std::fflush(out_);  // in the order in which it was said
  if (line.kind != ReplyLine::Kind::notice)
    write_line(err_, line.text, err_is_terminal_);
  else if (line.id == "config-source-line")
    write_line(err_, line.text, err_is_terminal_);
  else
    write_line(err_, fmt::format("{}: {} [{}]", line.severity, line.text, line.id), err_is_terminal_);
}

void Printer::error(const std::string& text) {
  std::fflush(out_);
  write_line(err_, "ec_console: " + text, err_is_terminal_);
}

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
        break;
      case ReplyLine::Kind::notice:
        said = said || line->severity == "error";
        [[fallthrough]];
      case ReplyLine::Kind::asynchronous:
        printer.notice(*line);
        break;
      case ReplyLine::Kind::challenge:
        return failed(Failure::Kind::denied, "the daemon wants authentication, which this version cannot give");
      case ReplyLine::Kind::status:
        if (talkative && !said) printer.status(*line);
        return line;
    }
  }
}

}  // namespace impulse::console
