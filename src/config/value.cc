// From what was written to typed values, and back to canonical text.
#include "config/value.h"

#include "base/text.h"
#include "config/catalogue.h"
#include "config/checks.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>

namespace impulse::config {
namespace {

using Kind = RawValue::Kind;
constexpr int64_t second = Duration::period::den;

std::string shown(const RawValue& raw) {
  switch (raw.kind) {
    case Kind::array:
      return "an array";
    case Kind::dictionary:
      return "a dictionary";
    case Kind::word:
    case Kind::string:
      break;
  }
  return "'" + escape_line(raw.text, 80) + "'";
}

[[nodiscard]] std::unexpected<Error> expected(std::string_view what, const RawValue& raw) {
  return fail(Errc::invalid, "expected {}, got {}", what, shown(raw));
}

bool is_plain(const RawValue& raw) { return raw.kind == Kind::word || raw.kind == Kind::string; }

std::optional<bool> read_boolean(std::string_view text) {
  for (const std::string_view word : {"true", "on", "yes", "enabled", "1"})
    if (iequals(text, word)) return true;
  for (const std::string_view word : {"false", "off", "no", "disabled", "0"})
    if (iequals(text, word)) return false;
  return std::nullopt;
}

std::optional<int64_t> read_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto number = parse_unsigned(text, static_cast<uint64_t>(INT64_MAX));
  if (!number) return std::nullopt;
  const auto value = static_cast<int64_t>(*number);
  return negative ? -value : value;
}

// The digits in front, and what stands behind them.
std::pair<std::string_view, std::string_view> split_number(std::string_view text) {
  const size_t end = std::min(text.size(), text.find_first_not_of("0123456789"));
  return {text.substr(0, end), text.substr(end)};
}

std::optional<uint64_t> read_size(std::string_view text) {
  const auto [digits, unit] = split_number(text);
  const auto number = parse_unsigned(digits);
  if (!number) return std::nullopt;
  unsigned shift = 0;
  if (iequals(unit, "k") || iequals(unit, "kb") || iequals(unit, "kib"))
    shift = 10;
  else if (iequals(unit, "m") || iequals(unit, "mb") || iequals(unit, "mib"))
    shift = 20;
  else if (iequals(unit, "g") || iequals(unit, "gb") || iequals(unit, "gib"))
    shift = 30;
  else if (iequals(unit, "t") || iequals(unit, "tb") || iequals(unit, "tib"))
    shift = 40;
  else if (!unit.empty() && !iequals(unit, "b"))
    return std::nullopt;
  if (*number > UINT64_MAX >> shift) return std::nullopt;
  return *number << shift;
}

std::optional<Duration> read_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto [digits, unit] = split_number(text);
  const auto number = parse_unsigned(digits, static_cast<uint64_t>(INT64_MAX));
  if (!number) return std::nullopt;
  int64_t scale = 0;
  if (unit.empty() || iequals(unit, "s"))
    scale = second;
  else if (iequals(unit, "us"))
    scale = 1;
  else if (iequals(unit, "ms"))
    scale = 1000;
  else if (iequals(unit, "m"))
    scale = 60 * second;
  else if (iequals(unit, "h"))
    scale = 3600 * second;
  else if (iequals(unit, "d"))
    scale = 86400 * second;
  else if (iequals(unit, "w"))
    scale = 7 * 86400 * second;
  else
    return std::nullopt;
  const auto count = static_cast<int64_t>(*number);
  if (count > INT64_MAX / scale) return std::nullopt;
  return Duration((negative ? -count : count) * scale);
}

std::optional<Rate> read_rate(std::string_view text) {
  const size_t slash = text.find('/');
  const auto count = parse_unsigned(trim(text.substr(0, slash)));
  if (!count) return std::nullopt;
  Rate rate{*count, std::chrono::seconds(1)};
  if (slash == std::string_view::npos) return rate;
  const auto per = read_duration(trim(text.substr(slash + 1)));
  if (!per || *per <= Duration{0}) return std::nullopt;
  rate.per = *per;
  return rate;
}

std::optional<uint32_t> read_octal(std::string_view text) {
  if (text.empty() || text.size() > 11) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value * 8 + static_cast<uint64_t>(c - '0');
  }
  if (value > UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(value);
}

std::string size_text(uint64_t size) {
  const std::pair<unsigned, std::string_view> units[] = {{40, "T"}, {30, "G"}, {20, "M"}, {10, "K"}};
  for (const auto& [shift, unit] : units)
    if (size != 0 && size % (uint64_t{1} << shift) == 0) return fmt::format("{}{}", size >> shift, unit);
  return fmt::format("{}", size);
}

std::string duration_text(Duration duration) {
  const std::pair<int64_t, std::string_view> units[] = {
      {86400 * second, "d"}, {3600 * second, "h"}, {60 * second, "m"}, {second, "s"}, {1000, "ms"}};
  const int64_t count = duration.count();
  if (count == 0) return "0";
  if (count < 0 && count % second == 0) return fmt::format("{}", count / second);
  for (const auto& [scale, unit] : units)
    if (count % scale == 0) return fmt::format("{}{}", count / scale, unit);
  return fmt::format("{}us", count);
}

// "from 1 to 65535", "at least 512", "at most 1s".
std::string bounds_text(const OptionDef& option, const auto& show) {
  const bool low = option.min != 0, high = option.max != INT64_MAX;
  if (!high) return low ? " of at least " + show(option.min) : "";
  return fmt::format(" from {} to {}", show(option.min), show(option.max));
}

std::string signed_text(int64_t number) { return fmt::format("{}", number); }
std::string bytes_text(int64_t number) { return size_text(static_cast<uint64_t>(number)); }
std::string seconds_text(int64_t number) { return duration_text(std::chrono::seconds(number)); }
std::string octal_text(int64_t number) { return fmt::format("{:#o}", number); }

// Seconds of a bound in microseconds, without overflow.
int64_t bound(int64_t seconds) { return seconds > INT64_MAX / second ? INT64_MAX : seconds * second; }

Result<Value> convert_plain(const RawValue& raw, const OptionDef& option) {
  const std::string_view text = raw.text;
  switch (option.type) {
    case Type::boolean:
      if (const auto value = read_boolean(text)) return *value;
      return expected("true or false", raw);
    case Type::integer: {
      const auto value = read_integer(text);
      if (!value || *value < option.min || *value > option.max)
        return expected("a number" + bounds_text(option, signed_text), raw);
      return *value;
    }
    case Type::size: {
      const auto value = read_size(text);
      if (!value) return expected("a size such as 4096, 64K or 10M", raw);
      if (*value > INT64_MAX || static_cast<int64_t>(*value) < option.min || static_cast<int64_t>(*value) > option.max)
        return expected("a size" + bounds_text(option, bytes_text), raw);
      return *value;
    }
    case Type::duration: {
      const auto value = read_duration(text);
      if (!value) return expected("a duration such as 30s or 5m", raw);
      if (value->count() < bound(option.min) || value->count() > bound(option.max)) {
        const std::string bounds = bounds_text(option, seconds_text);
        return expected(bounds.empty() ? "a duration that is not negative" : "a duration" + bounds, raw);
      }
      return *value;
    }
    case Type::rate:
      if (const auto value = read_rate(text)) return *value;
      return expected("a rate such as 3 (a second) or 3/60 (a minute)", raw);
    case Type::octal: {
      const auto value = read_octal(text);
      if (!value) return expected("an octal number such as 0660", raw);
      if (*value < option.min || *value > option.max)
        return expected("an octal number" + bounds_text(option, octal_text), raw);
      return *value;
    }
    case Type::enumeration: {
      const auto words = choices(option);
      for (size_t i = 0; i < words.size(); ++i)
        if (iequals(words[i], text)) return Enum{static_cast<uint16_t>(i)};
      std::string list;
      for (size_t i = 0; i < words.size(); ++i)
        list.append(i == 0 ? "" : i + 1 == words.size() ? " or " : ", ").append(words[i]);
      return expected(list, raw);
    }
    case Type::size_or_percent: {
      if (text.ends_with('%')) {
        const auto percent = parse_unsigned(trim(text.substr(0, text.size() - 1)), 100);
        if (percent) return SizeOrPercent{*percent, true};
      } else if (const auto size = read_size(text)) {
        return SizeOrPercent{*size, false};
      }
      return expected("a size such as 2G, or a percentage such as 5%", raw);
    }
    case Type::string:
    case Type::secret:
    case Type::path:
      return raw.text;
    case Type::strings:
    case Type::networks:
    case Type::globs:
    case Type::dictionary:
      break;
  }
  return expected(to_string(option.type), raw);
}

Result<Strings> read_strings(const RawValue& raw, std::string_view what) {
  if (is_plain(raw)) return Strings{raw.text};
  if (raw.kind == Kind::dictionary) return expected(what, raw);
  Strings strings;
  strings.reserve(raw.items.size());
  for (const RawValue& item : raw.items) {
    if (!is_plain(item)) return fail(Errc::invalid, "expected {}, got {} in it", what, shown(item));
    strings.push_back(item.text);
  }
  return strings;
}

Result<Value> convert_networks(const RawValue& raw) {
  auto strings = read_strings(raw, "an array of networks such as ( 10.0.0.0/8 ::1 )");
  if (!strings) return std::unexpected(strings.error());
  std::vector<IpPrefix> prefixes;
  prefixes.reserve(strings->size());
  for (const std::string& text : *strings) {
    const auto prefix = IpPrefix::parse(text);
    if (!prefix)
      return fail(Errc::invalid, "expected a network such as 10.0.0.0/8 or ::1, got '{}'", escape_line(text, 80));
    prefixes.push_back(*prefix);
  }
  return NetworkList(std::move(prefixes));
}

Result<Value> convert_globs(const RawValue& raw) {
  auto strings = read_strings(raw, "an array of domains such as ( example.com *.example.org )");
  if (!strings) return std::unexpected(strings.error());
  for (const std::string& text : *strings) {
    std::string_view domain = text;
    if (domain == "*") continue;
    if (domain.starts_with("*.")) domain.remove_prefix(2);
    if (!is_domain(domain))
      return fail(Errc::invalid, "expected a domain such as example.com, *.example.com or *, got '{}'",
                  escape_line(text, 80));
  }
  return GlobList(std::move(*strings));
}

Result<Value> convert_untested(const RawValue& raw, const OptionDef& option) {
  switch (option.type) {
    case Type::strings: {
      auto strings = read_strings(raw, "an array of words");
      if (!strings) return std::unexpected(strings.error());
      return std::move(*strings);
    }
    case Type::networks:
      return convert_networks(raw);
    case Type::globs:
      return convert_globs(raw);
    case Type::dictionary: {
      if (raw.kind == Kind::array && raw.items.empty()) return Dictionary{};
      if (raw.kind != Kind::dictionary) return expected("a dictionary such as [ key = value ]", raw);
      Dictionary dictionary;
      for (const auto& [key, value] : raw.entries)
        dictionary.emplace_back(key, is_plain(value) ? value.text : value.to_string());
      return dictionary;
    }
    default:
      break;
  }
  if (!is_plain(raw)) {
    if (auto joined = join_array(raw, option)) return std::move(*joined);
    return expected(std::string("one value (") + std::string(to_string(option.type)) + ")", raw);
  }
  return convert_plain(raw, option);
}

std::string list_text(const auto& items, const auto& text) {
  std::string list = "(";
  for (const auto& item : items) list += " " + text(item);
  return list + " )";
}

}  // namespace

GlobList::GlobList() {
  static const auto none = std::make_shared<const Parts>();
  parts_ = none;
}

GlobList::GlobList(Strings patterns) {
  auto parts = std::make_shared<Parts>();
  for (const std::string& pattern : patterns) {
    if (pattern == "*")
      parts->any = true;
    else if (pattern.starts_with("*."))
      parts->suffixes.push_back(lower(std::string_view(pattern).substr(1)));
    else
      parts->exact.push_back(lower(pattern));
  }
  std::ranges::sort(parts->exact);
  std::ranges::sort(parts->suffixes);
  parts->patterns = std::move(patterns);
  parts_ = std::move(parts);
}

bool GlobList::matches(std::string_view domain) const {
  if (parts_->any) return true;
  if (parts_->exact.empty() && parts_->suffixes.empty()) return false;
  const std::string folded = lower(domain);
  if (std::ranges::binary_search(parts_->exact, folded)) return true;
  const std::string_view view = folded;
  // From the second byte: "*.example.com" wants something in front of the dot.
  for (size_t dot = view.find('.', 1); dot != std::string_view::npos; dot = view.find('.', dot + 1))
    if (std::ranges::binary_search(parts_->suffixes, view.substr(dot), std::less<std::string_view>{})) return true;
  return false;
}

Result<Value> convert(const RawValue& raw, const OptionDef& option) {
  Result<Value> value = convert_untested(raw, option);
  if (!value) return value;
  if (auto checked = check_value(option, *value); !checked) return std::unexpected(std::move(checked.error()));
  return value;
}

std::string to_text(const Value& value, const OptionDef& option) {
  switch (option.type) {
    case Type::boolean:
      return std::get<bool>(value) ? "true" : "false";
    case Type::integer:
      return fmt::format("{}", std::get<int64_t>(value));
    case Type::size:
      return size_text(std::get<uint64_t>(value));
    case Type::duration:
      return duration_text(std::get<Duration>(value));
    case Type::rate: {
      const Rate& rate = std::get<Rate>(value);
      if (rate.per == std::chrono::seconds(1)) return fmt::format("{}", rate.count);
      if (rate.per.count() % second == 0)
        return quote_if_needed(fmt::format("{}/{}", rate.count, rate.per.count() / second));
      return quote_if_needed(fmt::format("{}/{}", rate.count, duration_text(rate.per)));
    }
    case Type::octal:
      return octal_text(std::get<uint32_t>(value));
    case Type::secret:
      return std::get<std::string>(value).empty() ? "\"\"" : "(redacted)";
    case Type::string:
    case Type::path: {
      const std::string& text = std::get<std::string>(value);
      return is_private(text) ? "(redacted)" : quote_if_needed(text);
    }
    case Type::enumeration:
      return std::string(choice(option, std::get<Enum>(value)));
    case Type::strings:
      return list_text(std::get<Strings>(value), quote_if_needed);
    case Type::networks:
      return list_text(std::get<NetworkList>(value).prefixes(), [](const IpPrefix& p) { return p.to_string(); });
    case Type::globs:
      return list_text(std::get<GlobList>(value).patterns(), quote_if_needed);
    case Type::dictionary: {
      std::string text = "[";
      for (const auto& [key, entry] : std::get<Dictionary>(value))
        text += " " + quote_if_needed(key) + " = " + quote_if_needed(entry);
      return text + " ]";
    }
    case Type::size_or_percent: {
      const auto& limit = std::get<SizeOrPercent>(value);
      return limit.percent ? fmt::format("{}%", limit.amount) : size_text(limit.amount);
    }
  }
  return {};
}

}  // namespace impulse::config
