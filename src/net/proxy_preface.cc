#include "net/proxy_preface.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

namespace impulse::net {

namespace {

// recv without waiting, again after signals.
ssize_t receive(int fd, std::span<char> into, int flags) {
  ssize_t got = 0;
  do {
    got = ::recv(fd, into.data(), into.size(), flags | MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  return got;
}

class Preface final : public ProxyPreface {
 public:
  Preface(Loop& loop, UniqueFd socket, Duration patience, Done done, size_t limit)
      : socket_(std::move(socket)),
        done_(std::move(done)),
        parser_(limit),
        late_(std::in_place, loop, [this] { finish(fail(Errc::timeout, "no PROXY header in time")); }),
        readable_(std::in_place, loop, socket_.get(), [this] { look(); }) {
    late_->start(patience);
  }

 private:
  void look() {
    std::array<char, 512> seen;
    const ssize_t got = receive(socket_.get(), seen, MSG_PEEK);
    if (got < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      return finish(fail_errno(errno, "read"));
    }
    if (got == 0)
      return finish(parser_.size() == 0 ? fail(Errc::invalid, "closed without a PROXY header")
                                        : fail(Errc::invalid, "closed in the middle of the PROXY header"));
    const auto taken = parser_.feed({seen.data(), static_cast<size_t>(got)});
    if (!taken) return finish(std::unexpected(taken.error()));
    if (!take_off(*taken)) return;
    if (parser_.complete()) finish(parser_.header());
  }

  // What was peeked is there, so this takes it all at once.
  bool take_off(size_t count) {
    std::array<char, 512> away;
    while (count > 0) {
      const ssize_t got = receive(socket_.get(), {away.data(), std::min(count, away.size())}, 0);
      if (got <= 0) {
        finish(fail_errno(got < 0 ? errno : ECONNRESET, "read"));
        return false;
      }
      count -= static_cast<size_t>(got);
    }
    return true;
  }

  void finish(Result<ProxyHeader> result) {
    readable_.reset();
    late_.reset();
    // Held here: the owner may destroy us inside the call.
    const Done done = std::move(done_);
    done(std::move(result), std::move(socket_));
  }

  UniqueFd socket_;
  Done done_;
  ProxyParser parser_;
  std::optional<Timer> late_;  // these last: they go first
  std::optional<ReadWatch> readable_;
};

}  // namespace

Result<std::unique_ptr<ProxyPreface>> ProxyPreface::start(Loop& loop, UniqueFd socket, Duration patience, Done done,
                                                          size_t limit) {
  try {
    return std::make_unique<Preface>(loop, std::move(socket), patience, std::move(done), limit);
  } catch (const std::system_error& error) {  // the kernel has no room for one more
    return fail(Errc::no_space, "{}", error.what());
  }
}

}  // namespace impulse::net
