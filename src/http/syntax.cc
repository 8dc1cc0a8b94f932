#include "http/syntax.h"

#include "base/ip.h"
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace impulse::http {

namespace {

constexpr bool is_token_char(char c) {
  return is_alpha(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c);
}

constexpr int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char folded = to_lower(c);
  return folded >= 'a' && folded <= 'f' ? folded - 'a' + 10 : -1;
}

// Takes a token off the front; false: there is none.
bool skip_token(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_token_char);
  if (end == text.begin()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.begin()));
  return true;
}

// … a quoted string, whose first quote is there.
bool skip_quoted(std::string_view& text) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

}  // namespace

bool is_token(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_token_char); }

std::string_view trim_ows(std::string_view text) {
  const size_t from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

std::optional<std::vector<std::string_view>> token_list(std::string_view text) {
  std::vector<std::string_view> tokens;
  for (const std::string_view piece : split(text, ',')) {
    const std::string_view token = trim_ows(piece);
    if (!is_token(token)) return std::nullopt;
    tokens.push_back(token);
  }
  return tokens;
}

std::optional<FieldLine> field_line(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return std::nullopt;
  return FieldLine{line.substr(0, colon), trim_ows(line.substr(colon + 1))};
}

bool is_host(std::string_view text) {
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return false;
    const std::string_view address = text.substr(1, end - 1);
    if (!address.contains(':') || !IpAddress::parse(address)) return false;
    port = text.substr(end + 1);
  } else {
    const size_t colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    const auto fits = [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_'; };
    if (name.empty() || name.size() > 255 || !std::ranges::all_of(name, fits)) return false;
    port = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
  }
  if (port.empty()) return true;
  if (port.front() != ':') return false;
  return port.size() == 1 || (port.size() <= 6 && parse_unsigned(port.substr(1), 65535).has_value());
}

std::optional<uint64_t> decimal(std::string_view text) {
  if (text.empty() || !std::ranges::all_of(text, is_digit)) return std::nullopt;
  const Result<uint64_t> number = parse_unsigned(text);
  return number ? std::optional(*number) : std::nullopt;
}

std::optional<uint64_t> chunk_size(std::string_view line) {
  uint64_t size = 0;
  size_t digits = 0;
  for (; digits < line.size() && hex_value(line[digits]) >= 0; ++digits) {
    if (digits == 16) return std::nullopt;
    size = size << 4 | static_cast<uint64_t>(hex_value(line[digits]));
  }
  if (digits == 0) return std::nullopt;
  line.remove_prefix(digits);
  while (!line.empty()) {
    if (line.front() != ';') return std::nullopt;
    line.remove_prefix(1);
    if (!skip_token(line)) return std::nullopt;
    if (!line.starts_with('=')) continue;
    line.remove_prefix(1);
    if (!(line.starts_with('"') ? skip_quoted(line) : skip_token(line))) return std::nullopt;
  }
  return size;
}

std::string http_date(WallTime time) {
  static constexpr std::array<std::string_view, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", days[std::chrono::weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
                     clock.seconds().count());
}

}  // namespace impulse::http
