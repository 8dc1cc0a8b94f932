#include "control/columns.h"

#include "base/text.h"

#include <fmt/chrono.h>

namespace impulse::control {

std::string time_text(WallTime time) {
  if (time == WallTime{}) return "-";
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(time))));
}

std::string age_text(Duration age) {
  using namespace std::chrono;
  if (age < Duration{0}) age = Duration{0};
  if (age < seconds(10)) return fmt::format("{:.3f}s", static_cast<double>(age.count()) / 1e6);
  const auto whole = duration_cast<seconds>(age).count();
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d{:02}h", whole / 86400, whole / 3600 % 24);
}

std::string field(std::string_view text, size_t limit) { return text.empty() ? "-" : escape_line(text, limit); }

std::string counted(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace impulse::control
