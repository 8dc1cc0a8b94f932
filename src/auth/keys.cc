#include "auth/keys.h"

#include "auth/password.h"
#include "base/tenant.h"

#include <algorithm>

namespace impulse::auth {

namespace {

constexpr size_t longest_presented = 256;  // bytes; ours are 60
constexpr size_t shortest_secret = 32;     // bytes, for those who make their keys themselves
constexpr size_t longest_label = 255;      // bytes
constexpr size_t hash_digits = 64;
constexpr size_t least_hidden = 8;  // bytes behind an id: less is a name with underscores

bool is_secret_character(char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; }

// "12" of "0412" at 2; what is no number is told by -1.
int digits(std::string_view text, size_t at, size_t count) {
  const auto number = parse_unsigned(text.substr(at, count), 9999);
  return number ? static_cast<int>(*number) : -1;
}

struct Parsed {
  KeyEntry entry;
  std::string hash;
  std::string wrong;  // empty: fine
};

Parsed wrong(std::string why) { return {{}, {}, std::move(why)}; }

Parsed parse_line(std::string_view line) {
  constexpr size_t fields = 7;
  std::vector<std::string_view> parts;
  for (std::string_view rest = line; parts.size() < fields;) {
    const size_t colon = parts.size() + 1 == fields ? std::string_view::npos : rest.find(':');
    parts.push_back(rest.substr(0, colon));
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  if (parts.size() != fields) return wrong("id:sha256:user:tenant:rights:expires:label is expected");
  Parsed parsed;
  KeyEntry& entry = parsed.entry;
  if (!is_key_id(parts[0])) return wrong(fmt::format("an id is 1 to {} lower case letters and digits", longest_key_id));
  entry.id = parts[0];
  parsed.hash = lower(parts[1]);
  if (parsed.hash.size() != hash_digits || parsed.hash.find_first_not_of("0123456789abcdef") != std::string::npos)
    return wrong("a hash of 64 hexadecimal digits is expected behind the id");
  if (std::string why = wrong_with_user(parts[2]); !why.empty()) return wrong(std::move(why));
  entry.user = parts[2];
  if (!parts[3].empty() && !is_tenant_name(parts[3]))
    return wrong("a tenant is at most 64 letters, digits, '-', '_' and '.'");
  entry.tenant = lower(parts[3]);
  const auto rights = Rights::parse(parts[4]);
  if (!rights) return wrong(rights.error().message);
  entry.rights = *rights;
  if (!parts[5].empty()) {
    const auto expires = parse_expiry(parts[5]);
    if (!expires) return wrong(expires.error().message);
    entry.expires = *expires;
  }
  if (parts[6].size() > longest_label || !is_utf8(parts[6]) ||
      std::ranges::any_of(parts[6], [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }))
    return wrong(fmt::format("a label is UTF-8 without control characters, at most {} bytes", longest_label));
  entry.label = parts[6];
  return parsed;
}

}  // namespace

bool is_key_id(std::string_view id) {
  return !id.empty() && id.size() <= longest_key_id &&
         std::ranges::all_of(id, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z'); });
}

std::string_view key_id_of(std::string_view presented) {
  if (!presented.starts_with(key_prefix) || presented.size() > longest_presented) return {};
  const std::string_view rest = presented.substr(key_prefix.size());
  const size_t end = rest.find('_');
  if (end == std::string_view::npos || !is_key_id(rest.substr(0, end))) return {};
  const std::string_view secret = rest.substr(end + 1);
  if (secret.size() < shortest_secret || !std::ranges::all_of(secret, is_secret_character)) return {};
  return rest.substr(0, end);
}

std::string without_keys(std::string_view text) {
  const auto run = [&](size_t from, auto&& fits) {
    return static_cast<size_t>(std::ranges::find_if_not(text.substr(from), fits) - text.substr(from).begin());
  };
  const auto fits_id = [](char c) { return is_alpha(c) || is_digit(c); };
  std::string shown;
  size_t from = 0;
  for (size_t at = text.find(key_prefix); at != std::string_view::npos; at = text.find(key_prefix, at)) {
    at += key_prefix.size();
    const size_t end = at + run(at, fits_id);
    if (end == at || end == text.size() || text[end] != '_') continue;
    const size_t hidden = run(end + 1, is_secret_character);
    if (hidden < least_hidden) continue;
    shown.append(text, from, end + 1 - from).append("***");
    at = from = end + 1 + hidden;
  }
  return shown.append(text, from, std::string_view::npos);
}

std::string key_hash(std::string_view presented) {
  std::string text;
  for (const char c : fingerprint(presented)) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

std::string format_expiry(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

Result<WallTime> parse_expiry(std::string_view text) {
  const auto no = [] {
    return fail(Errc::invalid, "a time is written 2027-01-31 or 20270131T120000Z, in UTC, from 1970 to 9999");
  };
  const bool day_only = text.size() == 10 && text[4] == '-' && text[7] == '-';
  if (!day_only && (text.size() != 16 || text[8] != 'T' || text[15] != 'Z')) return no();
  const size_t gap = day_only ? 1 : 0;
  const int year = digits(text, 0, 4);
  const int month = digits(text, 4 + gap, 2);
  const int day = digits(text, 6 + 2 * gap, 2);
  const int hour = day_only ? 0 : digits(text, 9, 2);
  const int minute = day_only ? 0 : digits(text, 11, 2);
  const int second = day_only ? 0 : digits(text, 13, 2);
  if (year < 1970 || month < 0 || day < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 59)
    return no();
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return no();
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

std::shared_ptr<const Keys> Keys::parse(std::string_view text, std::vector<BadLine>& bad) {
  auto made = std::make_shared<Keys>();
  uint32_t number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trim(line).empty() || line.starts_with('#')) continue;
    Parsed parsed = parse_line(line);
    if (parsed.wrong.empty()) {
      const std::string id = parsed.entry.id;
      const size_t place = made->keys_.size();
      if (!made->keys_.try_emplace(id, Kept{std::move(parsed.entry), std::move(parsed.hash), place}).second)
        parsed.wrong = "this id is in the file already";
    }
    if (!parsed.wrong.empty()) bad.push_back({number, std::move(parsed.wrong)});
  }
  return made;
}

Result<KeyEntry> Keys::check(std::string_view presented, WallTime now) const {
  // The same work for everybody: one hash, one look, one comparison.
  static constexpr std::string_view nobody = "0000000000000000000000000000000000000000000000000000000000000000";
  const std::string hash = key_hash(presented.substr(0, longest_presented));
  const std::string_view id = key_id_of(presented);
  const auto at = keys_.find(id);
  const bool same = same_secret(hash, at == keys_.end() ? nobody : std::string_view(at->second.hash));
  if (!same || at == keys_.end()) return fail(Errc::denied, "this is no key");
  if (at->second.entry.expired(now)) return fail(Errc::timeout, "the key {} has expired", at->second.entry.id);
  return at->second.entry;
}

std::vector<KeyEntry> Keys::all() const {
  std::vector<const Kept*> kept;
  kept.reserve(keys_.size());
  for (const auto& [id, one] : keys_) kept.push_back(&one);
  std::ranges::sort(kept, {}, &Kept::place);
  std::vector<KeyEntry> found;
  found.reserve(kept.size());
  for (const Kept* one : kept) found.push_back(one->entry);
  return found;
}

}  // namespace impulse::auth
