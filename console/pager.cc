#include "console/pager.h"

#include "base/fd.h"
#include "base/result.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace impulse::console {

namespace {

using Kind = Failure::Kind;

}  // namespace

void Pager::Child::operator()(const pid_t* pid) const {
  while (::waitpid(*pid, nullptr, 0) < 0 && errno == EINTR) continue;
  delete pid;
}

Pager::~Pager() = default;

std::string Pager::default_command() {
  const char* chosen = std::getenv("PAGER");
  return chosen != nullptr && *chosen != '\0' ? chosen : "less -FRX";
}

Outcome<Pager> Pager::start(const std::string& command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failed(Kind::unreachable, "pipe: " + errno_text(errno));
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  std::FILE* input = ::fdopen(writer.get(), "w");
  if (input == nullptr) return failed(Kind::unreachable, "fdopen: " + errno_text(errno));
  writer.release();
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&actions, reader.get(), STDIN_FILENO);
  // The console takes these signals for itself; the pager shall have them as usual.
  sigset_t usual;
  sigemptyset(&usual);
  sigaddset(&usual, SIGINT);
  sigaddset(&usual, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &usual);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  std::string shell = "sh", option = "-c", text = command;
  char* const arguments[] = {shell.data(), option.data(), text.data(), nullptr};
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, "/bin/sh", &actions, &attributes, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    std::fclose(input);
    return failed(Kind::unreachable, fmt::format("{}: {}", command, errno_text(error)));
  }
  return Pager(input, pid);
}

}  // namespace impulse::console
