#include "message/date.h"

#include "base/text.h"
#include "message/report_parts.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <utility>

namespace impulse::message {
namespace {

constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
// Hours from UTC; the others, military ones too, are as good as UTC (RFC 5322 §4.3).
constexpr std::array<std::pair<std::string_view, int>, 8> zones{
    {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5}, {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}}};

std::optional<unsigned> digits(std::string_view text, size_t least, size_t most) {
  if (text.size() < least || text.size() > most || !std::ranges::all_of(text, is_digit)) return std::nullopt;
  const auto number = parse_unsigned(text);
  if (!number) return std::nullopt;
  return static_cast<unsigned>(*number);
}

std::optional<std::chrono::year> year_of(std::string_view text) {
  const auto number = digits(text, 2, 4);
  if (!number) return std::nullopt;
  unsigned year = *number;
  if (text.size() == 2) year += year < 50 ? 2000 : 1900;
  if (text.size() == 3) year += 1900;
  if (year < 1900) return std::nullopt;
  return std::chrono::year(static_cast<int>(year));
}

std::optional<std::chrono::month> month_of(std::string_view text) {
  const auto found = std::ranges::find_if(months, [&](std::string_view each) { return iequals(each, text); });
  if (found == months.end()) return std::nullopt;
  return std::chrono::month(static_cast<unsigned>(found - months.begin()) + 1);
}

std::optional<std::chrono::seconds> time_of(std::string_view text) {
  const auto parts = split(text, ':');
  if (parts.size() != 2 && parts.size() != 3) return std::nullopt;
  const auto hour = digits(parts[0], 1, 2);
  const auto minute = digits(parts[1], 2, 2);
  const auto second = parts.size() == 3 ? digits(parts[2], 2, 2) : std::optional<unsigned>(0);
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

std::optional<std::chrono::minutes> zone_of(std::string_view text) {
  if (text.starts_with('+') || text.starts_with('-')) {
    const auto number = digits(text.substr(1), 4, 4);
    if (!number || *number % 100 > 59) return std::nullopt;
    const auto offset = std::chrono::hours(*number / 100) + std::chrono::minutes(*number % 100);
    return text.front() == '-' ? -offset : offset;
  }
  const auto letter = [](char c) { return to_lower(c) >= 'a' && to_lower(c) <= 'z'; };
  if (text.empty() || !std::ranges::all_of(text, letter)) return std::nullopt;
  const auto found = std::ranges::find_if(zones, [&](const auto& each) { return iequals(each.first, text); });
  return std::chrono::hours(found == zones.end() ? 0 : found->second);
}

}  // namespace

std::optional<WallTime> parse_date(std::string_view text) {
  const std::string plain = report::without_comments(text);
  std::string_view rest = plain;
  // The day of the week.
  if (const size_t comma = rest.find(','); comma != std::string_view::npos) rest.remove_prefix(comma + 1);
  const auto parts = words(rest);
  if (parts.size() != 5) return std::nullopt;
  const auto day = digits(parts[0], 1, 2);
  const auto month = month_of(parts[1]);
  const auto year = year_of(parts[2]);
  const auto time = time_of(parts[3]);
  const auto zone = zone_of(parts[4]);
  if (!day || !month || !year || !time || !zone) return std::nullopt;
  const std::chrono::year_month_day date(*year, *month, std::chrono::day(*day));
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date) + *time - *zone;
}

}  // namespace impulse::message
