#include "console/batch.h"

#include "console/command_line.h"

#include <cstdlib>
#include <memory>

namespace impulse::console {

namespace {

int give_up(Printer& printer, const Failure& failure) {
  printer.error(failure.text);
  return failure.exit_status();
}

// Sends and prints one request. `ended`: nothing more can be sent.
int run(Client& client, Printer& printer, const std::string& request, const LineSource& lines, bool& ended) {
  std::string payload;
  if (const auto word = payload_word(request)) {
    auto collected = read_payload(lines, *word);
    if (!collected) {
      printer.error(fmt::format("the input ends before the line {} that ends the payload", *word));
      ended = true;
      return exit_usage;
    }
    payload = std::move(*collected);
  }
  if (auto sent = client.send(request, payload); !sent) {
    ended = sent.error().kind != Failure::Kind::misuse;
    return give_up(printer, sent.error());
  }
  printer.begin();
  auto status = print_reply(client, printer, false);
  if (!status) {
    ended = true;
    // Nobody interrupts a batch: the output is a full disk, or a closed pipe.
    if (status.error().kind == Failure::Kind::interrupted) {
      printer.error(status.error().text);
      return exit_failed;
    }
    return give_up(printer, status.error());
  }
  ended = status->word == "bye";
  if (!printer.flush()) {
    printer.error("the output cannot be written");
    ended = true;
    return exit_failed;
  }
  if (status->code != 0 && !printer.complained()) printer.error(fmt::format("{} ({})", status->word, status->code));
  return status->code;
}

}  // namespace

LineSource lines_of(std::FILE* file) {
  return [file]() -> std::optional<std::string> {
    char* line = nullptr;
    size_t room = 0;
    const ssize_t length = ::getline(&line, &room, file);
    const std::unique_ptr<char, decltype(&std::free)> owned(line, std::free);
    if (length < 0) return std::nullopt;
    std::string text(line, static_cast<size_t>(length));
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    return text;
  };
}

std::optional<std::string> read_payload(const LineSource& lines, const std::string& word) {
  std::string payload;
  for (;;) {
    const auto line = lines();
    if (!line) return std::nullopt;
    payload += *line;
    payload += '\n';
    if (*line == word) return payload;
  }
}

int run_command(Client& client, Printer& printer, const std::string& command, const LineSource& lines) {
  bool ended = false;
  return run(client, printer, command, lines, ended);
}

int run_script(Client& client, Printer& printer, const LineSource& lines, bool keep_going, const std::string& file) {
  int failure = 0;
  bool ended = false;
  size_t number = 0;
  const LineSource counted = [&]() -> std::optional<std::string> {
    auto line = lines();
    if (line) ++number;
    return line;
  };
  while (!ended) {
    const auto line = counted();
    if (!line) break;
    if (!is_request(*line)) continue;
    if (!file.empty()) printer.script(file, number);
    const int status = run(client, printer, *line, counted, ended);
    if (status == 0) continue;
    failure = status;
    if (!keep_going) break;
  }
  return failure;
}

}  // namespace impulse::console
