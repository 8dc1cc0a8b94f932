#include "console/editor.h"

#include "config.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#ifdef HAVE_LIBEDIT
#include <editline/readline.h>
#else
#include <readline/history.h>
#include <readline/readline.h>
#endif

namespace impulse::console {

// What the libraries' callbacks can reach.
struct Editor::Shared {
  Editor::Complete complete;
  std::vector<Candidate> candidates;
  size_t next = 0;
  bool done = false;
  bool end = false;
  std::string line;
};

namespace {

constexpr size_t most_listed = 100;  // candidates

char word_breaks[] = " \t";

// The libraries call back without a context; set while there is an Editor.
Editor::Shared* shared = nullptr;

void on_line(char* line) {
  shared->done = true;
  shared->end = line == nullptr;
  shared->line = line == nullptr ? "" : line;
  std::free(line);
  rl_callback_handler_remove();  // no prompt before the answer
}

size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// Behind what was written on the terminal while a line is being typed.
void show_line_again() {
  std::fflush(stdout);
  rl_forced_update_display();
}

char* next_candidate(const char*, int state) {
  if (state == 0) shared->next = 0;
  return shared->next < shared->candidates.size() ? ::strdup(shared->candidates[shared->next++].word.c_str()) : nullptr;
}

// The first Tab adds what is certain; where nothing is, the words that are
// possible are listed with their help.
char** on_complete(const char* text, int, int end) {
  rl_attempted_completion_over = 1;  // never the names of files
  shared->candidates = shared->complete(std::string_view(rl_line_buffer).substr(0, static_cast<size_t>(end)));
  if (shared->candidates.empty()) return nullptr;
  const std::string common = common_prefix(shared->candidates);
  rl_completion_append_character = common.ends_with('=') ? '\0' : ' ';
  const bool single = shared->candidates.size() == 1;
  bool add = single || common.size() > std::strlen(text);
#ifdef HAVE_LIBEDIT
  // It would put backslashes in front of these, as in the names of files: what
  // cannot be added as it is, is listed.
  if (common.find_first_of("\\\"'[]()#*?$&;<>|`{}!") != std::string::npos) add = false;
#endif
  if (add) return rl_completion_matches(text, next_candidate);
  const std::string list = candidate_list(shared->candidates, terminal_width(), most_listed);
  std::fputs(("\n" + list).c_str(), stdout);
  show_line_again();
  return nullptr;
}

// Gives up what is being typed, in whatever state: a search of the history, a
// prefix of a key. The callback interface keeps such a state over the removal
// of its handler, and the next line would go into the old search.
void give_up_line() {
#ifndef HAVE_LIBEDIT  // whose searches and prefixes end before its callback returns
  rl_free_line_state();
  rl_callback_sigcleanup();
  rl_replace_line("", 0);
#endif
  using_history();  // back to its end
  rl_callback_handler_remove();
}

char program_name[] = "ec_console";

}  // namespace

Editor::Editor(History history, int wake, Complete complete, Idle idle)
    : shared_(std::make_unique<Shared>()), history_(std::move(history)), wake_(wake), idle_(std::move(idle)) {
  shared = shared_.get();
  shared->complete = std::move(complete);
  rl_readline_name = program_name;  // for conditions in ~/.inputrc
  rl_attempted_completion_function = on_complete;
  rl_completer_word_break_characters = word_breaks;
  rl_catch_signals = 0;
  using_history();
  stifle_history(static_cast<int>(history_lines));
  for (const std::string& line : history_.load()) add_history(line.c_str());
}

Editor::~Editor() {
  rl_attempted_completion_function = nullptr;
  shared = nullptr;
}

void Editor::interject(std::string_view lines) {
  std::fputs((reading_ ? "\n" + std::string(lines) : std::string(lines)).c_str(), stdout);
  if (reading_)
    show_line_again();
  else
    std::fflush(stdout);
}

Editor::Outcome Editor::read(const std::string& prompt, std::string& line) {
  shared->done = false;
  rl_callback_handler_install(prompt.c_str(), on_line);
  reading_ = true;
  while (!shared->done) {
    // poll passes over descriptors that are negative.
    pollfd watched[3] = {{STDIN_FILENO, POLLIN, 0}, {wake_, POLLIN, 0}, {idle_.fd(), POLLIN, 0}};
    const int ready = ::poll(watched, 3, -1);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0 || watched[1].revents != 0) {
      reading_ = false;
      give_up_line();
      std::fputs("^C\n", stdout);
      return ready < 0 ? Outcome::end : Outcome::interrupted;
    }
    if (watched[2].revents != 0) idle_.readable();
    if (watched[0].revents != 0) rl_callback_read_char();
  }
  reading_ = false;
  if (shared->end) return Outcome::end;
  line = std::move(shared->line);
  return Outcome::line;
}

void Editor::remember(const std::string& line) {
  if (!is_kept(line)) return;
  add_history(line.c_str());
  history_.append(line);
}

}  // namespace impulse::console
