#include "console/editor.h"

#include "config.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
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
  std::vector<std::string> candidates;
  size_t next = 0;
  bool done = false;
  bool end = false;
  std::string line;
};

namespace {

constexpr int history_lines = 1000;

// The libraries call back without a context; set while there is an Editor.
Editor::Shared* shared = nullptr;

void on_line(char* line) {
  shared->done = true;
  shared->end = line == nullptr;
  shared->line = line == nullptr ? "" : line;
  std::free(line);
  rl_callback_handler_remove();  // no prompt before the answer
}

char* next_candidate(const char*, int state) {
  if (state == 0) shared->next = 0;
  return shared->next < shared->candidates.size() ? ::strdup(shared->candidates[shared->next++].c_str()) : nullptr;
}

char** on_complete(const char* text, int, int end) {
  rl_attempted_completion_over = 1;  // never the names of files
  rl_completion_append_character = ' ';
  shared->candidates = shared->complete(std::string_view(rl_line_buffer).substr(0, static_cast<size_t>(end)));
  return shared->candidates.empty() ? nullptr : rl_completion_matches(text, next_candidate);
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

char word_breaks[] = " \t";
char program_name[] = "ec_console";

}  // namespace

Editor::Editor(std::string history, int wake, Complete complete)
    : shared_(std::make_unique<Shared>()), history_(std::move(history)), wake_(wake) {
  shared = shared_.get();
  shared->complete = std::move(complete);
  rl_readline_name = program_name;  // for conditions in ~/.inputrc
  rl_attempted_completion_function = on_complete;
  rl_completer_word_break_characters = word_breaks;
  rl_catch_signals = 0;
  using_history();
  stifle_history(history_lines);
  if (!history_.empty()) read_history(history_.c_str());
}

Editor::~Editor() {
  if (!history_.empty()) {
    // It may hold secrets that were typed: for the user's eyes only.
    const int fd = ::open(history_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
      ::fchmod(fd, 0600);
      ::close(fd);
      write_history(history_.c_str());
    }
  }
  rl_attempted_completion_function = nullptr;
  shared = nullptr;
}

Editor::Outcome Editor::read(const std::string& prompt, std::string& line) {
  shared->done = false;
  rl_callback_handler_install(prompt.c_str(), on_line);
  while (!shared->done) {
    pollfd watched[2] = {{STDIN_FILENO, POLLIN, 0}, {wake_, POLLIN, 0}};
    const int ready = ::poll(watched, wake_ >= 0 ? 2 : 1, -1);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0 || (wake_ >= 0 && watched[1].revents != 0)) {
      give_up_line();
      std::fputs("^C\n", stdout);
      return ready < 0 ? Outcome::end : Outcome::interrupted;
    }
    rl_callback_read_char();
  }
  if (shared->end) return Outcome::end;
  line = std::move(shared->line);
  return Outcome::line;
}

void Editor::remember(const std::string& line) {
  if (!line.empty() && line.front() != ' ') add_history(line.c_str());
}

}  // namespace impulse::console
