// Pager: a program that shows long answers by the page, fed as they come.
#pragma once

#include "console/failure.h"

#include <sys/types.h>

#include <cstdio>
#include <memory>
#include <string>

namespace impulse::console {

class Pager {
 public:
  // Runs `command` by the shell. unreachable: it cannot be started.
  static Outcome<Pager> start(const std::string& command);
  Pager(Pager&&) = default;
  // Closes its input and waits until the user has seen enough.
  ~Pager();

  std::FILE* stream() const { return input_.get(); }

  // $PAGER, or less with -F (no paging of what fits), -R and -X.
  static std::string default_command();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  struct Child {
    void operator()(const pid_t* pid) const;  // waits for it
  };
  Pager(std::FILE* input, pid_t pid) : child_(new pid_t(pid)), input_(input) {}

  std::unique_ptr<const pid_t, Child> child_;
  std::unique_ptr<std::FILE, Close> input_;  // closed first
};

}  // namespace impulse::console
