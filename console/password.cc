#include "console/password.h"

#include "base/fd.h"
#include "base/files.h"
#include "console/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

namespace impulse::console {

namespace {

using Kind = Failure::Kind;

class NoEcho {
 public:
  explicit NoEcho(int terminal) : terminal_(terminal) {
    changed_ = ::tcgetattr(terminal_, &before_) == 0;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_lflag |= ICANON | ISIG;
    if (changed_) changed_ = ::tcsetattr(terminal_, TCSAFLUSH, &silent) == 0;
  }
  ~NoEcho() {
    if (changed_) ::tcsetattr(terminal_, TCSADRAIN, &before_);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  int terminal_;
  termios before_{};
  bool changed_ = false;
};

}  // namespace

Outcome<std::string> stored_password(const PasswordSource& source, bool& found) {
  found = true;
  if (const char* password = std::getenv(source.variable)) return std::string(password);
  if (source.file.empty()) {
    found = false;
    return std::string();
  }
  struct stat about{};
  if (::stat(source.file.c_str(), &about) == 0 && (about.st_mode & 077) != 0)
    return failed(Kind::misuse, fmt::format("{}: others may read or write it; chmod 600 first", source.file));
  auto content = read_file(source.file, 65536);
  if (!content) return failed(Kind::misuse, content.error().message);
  std::string password = content->substr(0, content->find('\n'));
  if (password.ends_with('\r')) password.pop_back();
  return password;
}

Outcome<std::string> ask_password(const std::string& prompt, int wake, const char* variable) {
  const UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal)
    return failed(Kind::denied, fmt::format("a password is needed, and there is no terminal to ask on: name a file "
                                            "with --password-file, or set {}",
                                            variable));
  // In batch mode Ctrl-C would end the program here, and leave a terminal without echo.
  std::optional<Interrupt> own;
  if (wake < 0) wake = own.emplace().fd();
  const NoEcho silence(terminal.get());
  if (auto said = write_all(terminal.get(), prompt); !said) return failed(Kind::denied, said.error().message);
  std::string password;
  Outcome<> done;
  for (bool ended = false; !ended && done;) {
    pollfd watched[2] = {{terminal.get(), POLLIN, 0}, {wake, POLLIN, 0}};
    if (::poll(watched, wake >= 0 ? 2 : 1, -1) < 0) {
      if (errno != EINTR) done = failed(Kind::denied, "poll: " + errno_text(errno));
      continue;
    }
    if (watched[1].revents != 0) {
      done = failed(Kind::interrupted, "interrupted");
      continue;
    }
    char block[1024];
    const ssize_t got = ::read(terminal.get(), block, sizeof block);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) done = failed(Kind::interrupted, "no password was given");
    if (got > 0) password.append(block, static_cast<size_t>(got));
    ended = password.ends_with('\n');
  }
  // The user's own line end was not echoed. A terminal that is gone has no say in this.
  [[maybe_unused]] const auto said = write_all(terminal.get(), "\n");
  if (!done) return std::unexpected(std::move(done.error()));
  password.pop_back();
  return password;
}

}  // namespace impulse::console
