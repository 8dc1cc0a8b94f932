#include "console/interactive.h"

#include "base/text.h"
#include "console/batch.h"
#include "console/command_line.h"
#include "console/editor.h"
#include "console/printer.h"

#include <cstdlib>
#include <optional>

namespace impulse::console {

namespace {

std::string history_file() {
  const char* home = std::getenv("HOME");
  return home == nullptr || *home == '\0' ? std::string() : std::string(home) + "/.ec_console_history";
}

class Interactive {
 public:
  Interactive(const Address& address, Client client, const Client::Settings& settings, Interrupt& interrupt)
      : address_(address),
        client_(std::move(client)),
        settings_(settings),
        interrupt_(interrupt),
        printer_(stdout, stderr, true, true),
        editor_(history_file(), interrupt.fd(), [this](std::string_view line) { return complete(line); }) {}

  int run() {
    banner();
    const std::string prompt = address_.to_string() + "> ";
    std::string line;
    for (;;) {
      interrupt_.clear();
      const Editor::Outcome outcome = editor_.read(prompt, line);
      if (outcome == Editor::Outcome::interrupted) continue;
      if (outcome == Editor::Outcome::end) {
        std::fputs("\n", stdout);
        return 0;
      }
      if (!is_request(line)) continue;
      editor_.remember(line);
      if (iequals(trim(line), "\\quit") || iequals(trim(line), "\\q")) return 0;
      // The daemon's own, too, where there is no daemon to say it to.
      if (iequals(trim(line), "quit") && (!client_ || client_->peer_closed())) return 0;
      if (trim(line).starts_with('\\'))
        printer_.error("the console's own commands: \\quit; 'help' lists the daemon's");
      else if (!request(line))
        return 0;
    }
  }

 private:
  void banner() {
    const Greeting& greeting = client_->greeting();
    printer_.payload(fmt::format("{} on {}, process {}, configuration generation {}", greeting.product,
                                 greeting.field("node"), greeting.field("pid"), greeting.field("gen")));
    printer_.payload("'help' lists the commands, Tab completes, Ctrl-D quits");
  }

  // A console that was left alone is closed by the daemon (Timeout): not a
  // reason to bother anybody, as long as there is one to connect to.
  Outcome<> ready() {
    if (client_ && !client_->peer_closed()) return {};
    client_.reset();
    auto again = Client::connect(address_, settings_);
    if (!again) return std::unexpected(std::move(again.error()));
    client_ = std::move(*again);
    return {};
  }

  // False: the session is over.
  bool request(const std::string& line) {
    std::string payload;
    if (const auto word = payload_word(line)) {
      auto typed = read_typed_payload(*word);
      if (!typed) return true;
      payload = std::move(*typed);
    }
    interrupt_.clear();
    Outcome<> done = ready();
    if (done) done = client_->send(line, payload);
    if (!done) return trouble(done.error());
    auto status = print_reply(*client_, printer_, true);
    if (!status) return status.error().kind == Failure::Kind::interrupted ? drain() : trouble(status.error());
    printer_.flush();
    return status->word != "bye";
  }

  bool trouble(const Failure& failure) {
    printer_.error(failure.text);
    if (failure.kind != Failure::Kind::misuse) client_.reset();  // a new one at the next request
    return true;
  }

  // The rest of an answer that nobody wants to see is read all the same, so
  // that the session, and what belongs to it, goes on.
  bool drain() {
    interrupt_.clear();
    printer_.error("interrupted; reading the rest of the answer (Ctrl-C again drops the connection)");
    for (;;) {
      auto line = client_->next();
      if (!line) return trouble(line.error());
      if (line->kind == ReplyLine::Kind::status) return line->word != "bye";
    }
  }

  std::optional<std::string> read_typed_payload(const std::string& word) {
    std::string line;
    return read_payload(
        [&]() -> std::optional<std::string> {
          if (editor_.read(word + "> ", line) != Editor::Outcome::line) return std::nullopt;
          return line;
        },
        word);
  }

  std::vector<std::string> complete(std::string_view line) {
    std::vector<std::string> words;
    if (line.find("<<") != std::string_view::npos || !ready()) return words;
    interrupt_.clear();
    if (!client_->send(fmt::format("complete {}", line))) {
      client_.reset();
      return words;
    }
    for (;;) {
      auto reply = client_->next();
      if (!reply) {  // half an answer must not be taken for the next one's
        client_.reset();
        return {};
      }
      if (reply->kind == ReplyLine::Kind::payload) words.push_back(std::move(reply->text));
      if (reply->kind == ReplyLine::Kind::status) return words;
    }
  }

  const Address& address_;
  std::optional<Client> client_;  // empty: connect at the next request
  Client::Settings settings_;
  Interrupt& interrupt_;
  Printer printer_;
  Editor editor_;
};

}  // namespace

int run_interactive(const Address& address, Client client, const Client::Settings& settings, Interrupt& interrupt) {
  return Interactive(address, std::move(client), settings, interrupt).run();
}

}  // namespace impulse::console
