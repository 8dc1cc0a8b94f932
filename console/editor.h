// Editor: a line editor over GNU readline or libedit (only calls that both
// have). They keep their state in globals, so there is one editor a process.
#pragma once

#include "console/candidates.h"
#include "console/history.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::console {

class Editor {
 public:
  // Words that could stand in place of the last one of `line`.
  using Complete = std::function<std::vector<Candidate>(std::string_view line)>;
  // What happens while nobody types: a descriptor to watch (-1: none), and
  // what to do when it is readable. That may call interject().
  struct Idle {
    std::function<int()> fd;
    std::function<void()> readable;
  };

  // `wake`: see Interrupt::fd.
  Editor(History history, int wake, Complete complete, Idle idle);
  ~Editor();
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  enum class Outcome { line, interrupted, end };
  Outcome read(const std::string& prompt, std::string& line);
  // Lines that are not for the history's file are not remembered at all.
  void remember(const std::string& line);

  // Shows whole lines above the line that is being typed, which is shown again
  // below. Outside of read(), just shows them.
  void interject(std::string_view lines);

  struct Shared;  // with the callbacks in editor.cc

 private:
  std::unique_ptr<Shared> shared_;
  History history_;
  int wake_;
  Idle idle_;
  bool reading_ = false;
};

}  // namespace impulse::console
