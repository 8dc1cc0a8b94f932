// Editor: a line editor over GNU readline or libedit (only calls that both
// have). They keep their state in globals, so there is one editor a process.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::console {

class Editor {
 public:
  // Words that could stand in place of the last one of `line`.
  using Complete = std::function<std::vector<std::string>(std::string_view line)>;

  // `history`: file that the history is read from, and written to at the end;
  // empty: none is kept. `wake`: see Interrupt::fd.
  Editor(std::string history, int wake, Complete complete);
  ~Editor();
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  enum class Outcome { line, interrupted, end };
  Outcome read(const std::string& prompt, std::string& line);
  // Lines that begin with a blank are not remembered.
  void remember(const std::string& line);

  struct Shared;  // with the callbacks in editor.cc

 private:
  std::unique_ptr<Shared> shared_;
  std::string history_;
  int wake_;
};

}  // namespace impulse::console
