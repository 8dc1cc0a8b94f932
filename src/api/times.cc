#include "api/times.h"

#include "base/text.h"

#include <optional>

namespace impulse::api {

namespace {

// Exactly `digits` digits off the front.
std::optional<unsigned> take(std::string_view& text, size_t digits) {
  if (text.size() < digits) return std::nullopt;
  unsigned out = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    out = out * 10 + static_cast<unsigned>(text[i] - '0');
  }
  text.remove_prefix(digits);
  return out;
}

bool skip(std::string_view& text, std::string_view one_of) {
  if (text.empty() || !one_of.contains(text.front())) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<WallTime> parse(std::string_view text) {
  using namespace std::chrono;
  const auto part = [&text](size_t digits, unsigned most, std::string_view behind) -> std::optional<unsigned> {
    const auto number = take(text, digits);
    if (!number || *number > most || (!behind.empty() && !skip(text, behind))) return std::nullopt;
    return number;
  };
  const auto y = part(4, 9999, "-");
  const auto mo = y ? part(2, 12, "-") : y;
  const auto d = mo ? part(2, 31, "Tt") : mo;
  const auto h = d ? part(2, 23, ":") : d;
  const auto mi = h ? part(2, 59, ":") : h;
  const auto s = mi ? part(2, 60, "") : mi;
  if (!s) return std::nullopt;
  const year_month_day date{year(static_cast<int>(*y)), month(*mo), day(*d)};
  if (!date.ok()) return std::nullopt;
  microseconds fraction{0};
  if (skip(text, ".")) {
    int64_t unit = 100'000;
    if (text.empty() || !is_digit(text.front())) return std::nullopt;
    for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1), unit /= 10)
      fraction += microseconds((text.front() - '0') * unit);
  }
  minutes east{0};
  if (!skip(text, "Zz")) {
    if (text.empty()) return std::nullopt;
    const int sign = text.front() == '-' ? -1 : 1;
    if (!skip(text, "+-")) return std::nullopt;
    const auto hours_east = part(2, 23, ":");
    const auto minutes_east = hours_east ? part(2, 59, "") : hours_east;
    if (!minutes_east) return std::nullopt;
    east = sign * (hours(*hours_east) + minutes(*minutes_east));
  }
  if (!text.empty()) return std::nullopt;
  return sys_days(date) + hours(*h) + minutes(*mi) + seconds(*s) + fraction - east;
}

}  // namespace

Result<WallTime> parse_time(std::string_view text) {
  if (const auto time = parse(text)) return *time;
  return fail(Errc::invalid, "a time like 2026-11-21T14:00:00+01:00 is expected");
}

}  // namespace impulse::api
