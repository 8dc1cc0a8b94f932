#include "console/interactive.h"

#include "base/text.h"
#include "console/batch.h"
#include "console/command_line.h"
#include "console/editor.h"
#include "console/pager.h"
#include "console/printer.h"
#include "console/session.h"
#include "control/safe_text.h"

#include <chrono>
#include <csignal>
#include <optional>

namespace impulse::console {

namespace {

// Completion must never hold up the one who types.
constexpr std::chrono::milliseconds completion_patience{1000};

constexpr std::string_view own_commands =
    "\\help             this\n"
    "\\json [on|off]    ask for each answer in JSON\n"
    "\\pager [on|off]   show answers by the page ($PAGER, or less); \\pager COMMAND: with that program\n"
    "\\timing [on|off]  say how long each answer took\n"
    "\\quit             end, as Ctrl-D does\n"
    "Tab completes, Ctrl-C gives up a line or an answer. 'help' lists the daemon's commands.\n";

class Interactive {
 public:
  Interactive(Connector connector, Client client, Interrupt& interrupt)
      : interrupt_(interrupt),
        printer_(stdout, stderr, true, true),
        session_(std::move(connector), std::move(client), [this](const std::string& text) { tell(text); }),
        editor_(History(History::default_file()), interrupt.fd(),
                [this](std::string_view line) { return complete(line); },
                {[this] { return idle_fd(); }, [this] { hear(); }}) {
    printer_.colour(colour_wanted());
  }

  int run() {
    banner();
    std::string line;
    for (;;) {
      interrupt_.clear();
      const Editor::Outcome outcome = editor_.read(prompt(), line);
      if (outcome == Editor::Outcome::interrupted) continue;
      if (outcome == Editor::Outcome::end) {
        std::fputs("\n", stdout);
        return 0;
      }
      if (!is_request(line)) continue;
      editor_.remember(line);
      if (trim(line).starts_with('\\')) {
        if (!own_command(words(line))) return 0;
        continue;
      }
      // The daemon's own, too, where there is no daemon to say it to.
      Client* client = session_.client();
      if (iequals(trim(line), "quit") && (client == nullptr || client->owed() || client->peer_closed())) return 0;
      if (!request(line)) return 0;
    }
  }

 private:
  std::string prompt() const {
    const std::string& transaction = session_.transaction();
    const std::string mark = transaction.empty()  ? ""
                             : transaction == "*" ? " [transaction]"
                                                  : " [" + transaction + "]";
    return session_.connector().access().address.to_string() + mark + "> ";
  }

  void banner() {
    const Greeting& greeting = session_.client()->greeting();
    printer_.payload(fmt::format("{} on {}, process {}, configuration generation {}", greeting.product,
                                 greeting.field("node"), greeting.field("pid"), greeting.field("gen")));
    printer_.payload("'help' lists the commands, Tab completes, Ctrl-D quits");
  }

  void tell(const std::string& text) {
    if (!completing_) return printer_.remark(text);
    editor_.interject("[" + text + "]\n");
  }

  // What the daemon says by itself.
  int idle_fd() {
    Client* client = session_.client();
    return client != nullptr && !client->owed() ? client->fd() : -1;
  }
  void hear() {
    completing_ = true;
    for (const ReplyLine& line : session_.heard())
      if (line.kind == ReplyLine::Kind::asynchronous) editor_.interject(control::safe_text(line.text) + "\n");
    completing_ = false;
  }

  // False: the session is over.
  bool own_command(const std::vector<std::string_view>& words) {
    const std::string_view name = words.front().substr(1);
    const std::string_view value = words.size() > 1 ? words[1] : std::string_view();
    if (iequals(name, "quit") || iequals(name, "q")) return false;
    if (iequals(name, "help") || name == "?") {
      std::fputs(std::string(own_commands).c_str(), stdout);
    } else if (iequals(name, "json")) {
      toggle("JSON", json_, value);
    } else if (iequals(name, "timing")) {
      toggle("timing", timing_, value);
    } else if (iequals(name, "pager")) {
      set_pager(words);
    } else {
      printer_.error(
          fmt::format("the console has no command '{}'; \\help lists them, 'help' the daemon's", words.front()));
    }
    return true;
  }

  void toggle(std::string_view what, bool& value, std::string_view wanted) {
    if (wanted.empty())
      value = !value;
    else if (iequals(wanted, "on") || iequals(wanted, "off"))
      value = iequals(wanted, "on");
    else
      return printer_.error("on or off is expected");
    printer_.remark(fmt::format("{} is {}", what, value ? "on" : "off"));
  }

  void set_pager(const std::vector<std::string_view>& words) {
    if (words.size() == 1)
      pager_ = pager_.empty() ? Pager::default_command() : std::string();
    else if (words.size() == 2 && iequals(words[1], "off"))
      pager_.clear();
    else if (words.size() == 2 && iequals(words[1], "on"))
      pager_ = Pager::default_command();
    else
      pager_ = fmt::format("{}", fmt::join(words.begin() + 1, words.end(), " "));
    printer_.remark(pager_.empty() ? std::string("the pager is off") : "the pager is " + pager_);
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
    const auto begun = std::chrono::steady_clock::now();
    // "@tag" and "--json" of one's own go first, and are left alone.
    const std::string_view first = words(line).front();
    const bool prefixed = json_ && !first.starts_with('@') && !iequals(first, "--json");
    const std::string prefix = prefixed ? "--json " : "";
    // A place in a payload looks like one in the request: better no caret than one under the wrong line.
    printer_.request(payload_word(line) ? std::string_view() : line, prefix.size());
    Outcome<> done = session_.ready();
    if (!done) return trouble(done.error());
    done = session_.client()->send(prefix + line, payload);
    if (!done) {
      if (done.error().kind != Failure::Kind::misuse) session_.drop();
      return trouble(done.error());
    }
    auto status = answer();
    if (!status) {
      if (status.error().kind == Failure::Kind::interrupted)
        session_.interrupted();
      else
        session_.drop();
      return trouble(status.error());
    }
    session_.answered(line, *status);
    if (timing_) {
      const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
      printer_.remark(fmt::format("{:.1f} ms", took.count()));
    }
    return status->word != "bye";
  }

  // Reads and shows the reply, in the pager when there is one.
  Outcome<ReplyLine> answer() {
    std::optional<Pager> pager;
    if (!pager_.empty()) {
      if (auto started = Pager::start(pager_))
        pager.emplace(std::move(*started));
      else
        printer_.error("the pager cannot be run: " + started.error().text);
    }
    std::FILE* const usual = pager ? printer_.redirect(pager->stream()) : nullptr;
    auto status = print_reply(*session_.client(), printer_, true);
    printer_.flush();
    if (pager) printer_.redirect(usual);
    pager.reset();  // until its user has seen enough
    // Ctrl-C in the middle of a write is no lasting trouble.
    std::clearerr(stdout);
    return status;
  }

  bool trouble(const Failure& failure) {
    if (failure.kind == Failure::Kind::interrupted)
      printer_.remark("interrupted");
    else
      printer_.error(failure.text);
    return true;
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

  std::vector<Candidate> complete(std::string_view line) {
    if (line.find("<<") != std::string_view::npos) return {};
    if (trim(line).starts_with('\\')) return own_candidates(line);
    Client* client = session_.client();
    if (client != nullptr && client->owed()) return {};  // of an answer that was given up
    interrupt_.clear();
    completing_ = true;
    std::vector<Candidate> found;
    if (session_.ready(completion_patience, false)) {
      client = session_.client();
      client->set_timeout(completion_patience);
      auto candidates = ask_candidates(*client, line);
      client->set_timeout(session_.connector().settings().timeout);
      if (candidates)
        found = std::move(*candidates);
      else if (candidates.error().kind != Failure::Kind::timeout &&
               candidates.error().kind != Failure::Kind::interrupted)
        session_.drop();
    }
    completing_ = false;
    return found;
  }

  static std::vector<Candidate> own_candidates(std::string_view line) {
    static const Candidate own[] = {{"\\help", "the console's own commands"},
                                    {"\\json", "ask for each answer in JSON"},
                                    {"\\pager", "show answers by the page"},
                                    {"\\quit", "end"},
                                    {"\\timing", "say how long each answer took"}};
    const bool behind = !line.empty() && is_space(line.back());
    const auto typed = words(line);
    std::vector<Candidate> found;
    if (typed.size() == 1 && !behind)
      for (const Candidate& candidate : own)
        if (istarts_with(candidate.word, typed.front())) found.push_back(candidate);
    return found;
  }

  Interrupt& interrupt_;
  Printer printer_;
  bool json_ = false;
  bool timing_ = false;
  bool completing_ = false;  // a line is being typed: what is said goes above it
  std::string pager_;        // its command; empty: none
  Session session_;
  Editor editor_;
};

}  // namespace

int run_interactive(Connector connector, Client client, Interrupt& interrupt) {
  std::signal(SIGPIPE, SIG_IGN);  // a pager that was quit
  return Interactive(std::move(connector), std::move(client), interrupt).run();
}

}  // namespace impulse::console
