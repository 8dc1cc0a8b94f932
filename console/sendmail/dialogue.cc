#include "console/sendmail/dialogue.h"

#include "base/files.h"
#include "base/text.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

namespace impulse::sendmail {
namespace {

constexpr time_t send_seconds = 180;  // RFC 5321 §4.5.3.2.5, for each piece

void set_patience(int fd, int option, time_t seconds) {
  const timeval limit{seconds, 0};
  ::setsockopt(fd, SOL_SOCKET, option, &limit, sizeof limit);
}

}  // namespace

void Dialogue::note(std::string_view text) const {
  if (verbose_) fmt::print(stderr, "{}\n", text);
}

Outcome<> Dialogue::command(std::string_view line) {
  note(fmt::format(">>> {}", escape_line(line)));
  return send(std::string(line) + "\r\n");
}

Outcome<> Dialogue::send(std::string_view bytes) {
  set_patience(fd_.get(), SO_SNDTIMEO, send_seconds);
  if (write_all(fd_.get(), bytes)) return {};
  return fail_with(EX_TEMPFAIL, "the server has hung up");
}

Outcome<smtp::ParsedReply> Dialogue::parsed_reply(std::chrono::seconds patience) {
  set_patience(fd_.get(), SO_RCVTIMEO, patience.count());
  std::array<char, 4096> buffer;
  while (true) {
    std::string_view bytes = unread_;
    auto found = parser_.take(bytes);
    unread_.erase(0, unread_.size() - bytes.size());
    if (!parser_.error().empty())
      return fail_with(EX_PROTOCOL, fmt::format("what the server says is no SMTP: {}", parser_.error()));
    if (found) {
      note(fmt::format("<<< {} {}", found->code, smtp::reply_text(*found)));
      return std::move(*found);
    }
    const ssize_t got = ::read(fd_.get(), buffer.data(), buffer.size());
    if (got > 0) {
      unread_.append(buffer.data(), static_cast<size_t>(got));
    } else if (got == 0) {
      return fail_with(EX_TEMPFAIL, "the server has hung up");
    } else if (errno != EINTR) {
      return fail_with(EX_TEMPFAIL,
                       errno == EAGAIN ? "the server does not answer" : "the server: " + errno_text(errno));
    }
  }
}

Outcome<smtp::Reply> Dialogue::reply(std::chrono::seconds patience) {
  auto parsed = parsed_reply(patience);
  if (!parsed) return std::unexpected(parsed.error());
  return smtp::Reply{parsed->code, smtp::reply_text(*parsed)};
}

}  // namespace impulse::sendmail
