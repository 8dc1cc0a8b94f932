#include "console/inject/progress.h"

#include "base/files.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace impulse::ecinject {

namespace {

constexpr size_t bar_width = 24;

std::string time_text(double seconds) {
  const auto whole = static_cast<uint64_t>(std::max(0.0, std::ceil(seconds)));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

std::string human_bytes(double bytes) {
  constexpr std::array<std::string_view, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < units.size()) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, units[unit]);
}

std::string progress_line(const Standing& standing, size_t width) {
  std::string line;
  double part = -1;
  if (standing.all != 0) part = static_cast<double>(standing.done) / static_cast<double>(standing.all);
  if (standing.duration > 0) part = std::max(part, standing.seconds / standing.duration);
  const double rate = standing.seconds > 0 ? static_cast<double>(standing.accepted) / standing.seconds : 0;
  if (part >= 0) {
    part = std::min(part, 1.0);
    const auto full = static_cast<size_t>(part * static_cast<double>(bar_width));
    line = fmt::format("[{}{}] {:3.0f}% ", std::string(full, '#'), std::string(bar_width - full, '.'), part * 100);
  }
  line += standing.all != 0 ? fmt::format("{}/{}", standing.done, standing.all) : fmt::format("{}", standing.done);
  line += fmt::format("  {:.0f}/s", rate);
  if (standing.failed != 0) line += fmt::format("  {} failed", standing.failed);
  if (standing.seconds > 0) line += "  " + human_bytes(static_cast<double>(standing.bytes) / standing.seconds) + "/s";
  if (part > 0) line += "  " + time_text(standing.seconds * (1 - part) / part) + " left";
  return line.substr(0, width);
}

Progress::Progress(int fd) : fd_(fd >= 0 && ::isatty(fd) == 1 ? fd : -1) {}

void Progress::show(const Standing& standing, bool last) {
  if (fd_ < 0) return;
  std::string text;
  if (!last) {
    winsize size{};
    const bool known = ::ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
    text = "\r" + progress_line(standing, known ? size.ws_col - 1U : 79U) + "\033[K";
    shown_ = true;
  } else if (shown_) {
    text = "\r\033[K";
  }
  // A terminal that is gone takes nothing away from the run.
  if (!write_all(fd_, text)) fd_ = -1;
}

}  // namespace impulse::ecinject
