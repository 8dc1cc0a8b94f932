// History: the lines typed in earlier sessions, in a file for its owner only,
// one a line. Each line is appended as it is typed, so that neither a killed
// console nor a second one loses any.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::console {

constexpr size_t history_lines = 1000;  // that are kept

class History {
 public:
  // `file` empty: nothing is kept.
  explicit History(std::string file) : file_(std::move(file)) {}

  // The newest lines of the file, oldest first; cuts a file that has grown to
  // twice as many. A file that cannot be read is an empty one.
  std::vector<std::string> load() const;
  // False: not kept, since it is no line to keep (see is_kept) or the file cannot be written.
  bool append(std::string_view line) const;

  // $HOME/.ec_console_history; empty without a home.
  static std::string default_file();

 private:
  std::string file_;
};

// Lines that begin with a blank are not kept, nor are those that name a secret:
// an option or a word that sounds like one, or a key in PEM.
bool is_kept(std::string_view line);

}  // namespace impulse::console
