#include "console/sendmail/input.h"

#include "base/result.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>

namespace impulse::sendmail {
namespace {

// Looks for the line with only a dot, however the input is cut.
class DotWatch {
 public:
  // Appends what is of the message to `out`. True: the dot's line came.
  bool pass(std::string_view bytes, std::string& out) {
    for (const char c : bytes) {
      if (at_ == At::start && c == '.') {
        held_ = ".";
        at_ = At::dot;
        continue;
      }
      if (at_ == At::dot) {
        if (c == '\n') return true;
        if (c == '\r' && held_.size() == 1) {
          held_ += c;
          continue;
        }
        out += held_;
      }
      out += c;
      at_ = c == '\n' ? At::start : At::inside;
    }
    return false;
  }

 private:
  enum class At : uint8_t { start, dot, inside };
  At at_ = At::start;
  std::string held_;  // ".", perhaps with the CR behind it
};

// Cuts the header section into lines; the rest goes to the body as it is.
class Splitter {
 public:
  explicit Splitter(Message& message) : message_(message) {}

  Outcome<> add(std::string_view bytes) {
    while (in_header_) {
      const size_t newline = bytes.find('\n');
      line_ += bytes.substr(0, newline);
      if (line_.size() > Header::max_size) return fail_with(EX_DATAERR, "a header line is over 1 MiB");
      if (newline == std::string_view::npos) return {};
      bytes.remove_prefix(newline + 1);
      if (auto done = end_line("\n"); !done) return done;
    }
    return message_.body.add(bytes);
  }

  Outcome<> finish() { return in_header_ && !line_.empty() ? end_line("") : Outcome<>(); }

 private:
  Outcome<> end_line(std::string_view end) {
    std::string_view line = line_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto taken = message_.header.add_line(line);
    if (!taken) return std::unexpected(taken.error());
    if (!*taken) {
      in_header_ = false;
      if (!line.empty()) {
        line_ += end;
        return message_.body.add(line_);
      }
    }
    line_.clear();
    return {};
  }

  Message& message_;
  std::string line_;
  bool in_header_ = true;
};

}  // namespace

Outcome<Message> read_message(int fd, bool ignore_dots) {
  Message message;
  Splitter splitter(message);
  DotWatch dots;
  std::array<char, 32768> buffer;
  std::string kept;
  for (bool more = true; more;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_with(EX_IOERR, "standard input: " + errno_text(errno));
    if (got == 0) break;
    std::string_view bytes(buffer.data(), static_cast<size_t>(got));
    if (!ignore_dots) {
      kept.clear();
      more = !dots.pass(bytes, kept);
      bytes = kept;
    }
    if (auto done = splitter.add(bytes); !done) return std::unexpected(done.error());
  }
  if (auto done = splitter.finish(); !done) return std::unexpected(done.error());
  return message;
}

}  // namespace impulse::sendmail
