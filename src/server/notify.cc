#include "server/notify.h"

#include <fmt/format.h>

#include "config.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#include <time.h>
#endif

namespace impulse::server {

namespace {

void tell([[maybe_unused]] const std::string& state) {
#ifdef HAVE_SYSTEMD
  ::sd_notify(0, state.c_str());
#endif
}

}  // namespace

void Notify::ready(std::string_view status) {
  if (!stopping_) tell(fmt::format("READY=1\nSTATUS={}", status));
}

// The time lets systemd tell this reload from one before it.
void Notify::reloading() {
#ifdef HAVE_SYSTEMD
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const uint64_t microseconds = static_cast<uint64_t>(now.tv_sec) * 1000000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
  if (!stopping_) tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Changing the configuration", microseconds));
#endif
}

void Notify::stopping() {
  stopping_ = true;
  tell("STOPPING=1\nSTATUS=Letting sessions end");
}

std::optional<Duration> Notify::watchdog() {
#ifdef HAVE_SYSTEMD
  uint64_t microseconds = 0;
  if (::sd_watchdog_enabled(0, &microseconds) > 0 && microseconds > 0)
    return Duration(static_cast<int64_t>(microseconds));
#endif
  return std::nullopt;
}

void Notify::alive() { tell("WATCHDOG=1"); }

}  // namespace impulse::server
