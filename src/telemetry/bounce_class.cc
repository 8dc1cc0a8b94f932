#include "telemetry/bounce_class.h"

#include "base/text.h"

#include <algorithm>
#include <iterator>

namespace impulse::telemetry {
namespace {

enum class Class : uint8_t {
#define BOUNCE_CLASS(identifier, code, name, category) identifier,
#include "telemetry/bounce_class.def"
#undef BOUNCE_CLASS
};

constexpr BounceClass classes[] = {
#define BOUNCE_CLASS(identifier, code, name, category) {code, name, category},
#include "telemetry/bounce_class.def"
#undef BOUNCE_CLASS
};

struct Rule {
  std::string_view sign;
  Class means;
};

constexpr Rule statuses[] = {
#define BOUNCE_STATUS(status, means) {status, Class::means},
#include "telemetry/bounce_class.def"
#undef BOUNCE_STATUS
};

constexpr std::string_view vague[] = {
#define BOUNCE_VAGUE(status) status,
#include "telemetry/bounce_class.def"
#undef BOUNCE_VAGUE
};

constexpr Rule texts[] = {
#define BOUNCE_TEXT(words, means) {words, Class::means},
#include "telemetry/bounce_class.def"
#undef BOUNCE_TEXT
};

struct CodeRule {
  int code;
  Class means;
};

constexpr CodeRule codes[] = {
#define BOUNCE_CODE(code, means) {code, Class::means},
#include "telemetry/bounce_class.def"
#undef BOUNCE_CODE
};

const Rule* by_text(std::string_view text) {
  const std::string low = lower(text.substr(0, 512));
  const auto found = std::ranges::find_if(texts, [&](const Rule& rule) { return low.contains(rule.sign); });
  return found == std::end(texts) ? nullptr : found;
}

// "5.1.1", "4.7.25"; empty when the text does not begin with one.
std::string_view status_at(std::string_view text) {
  size_t end = 0;
  for (int part = 0; part < 3; ++part) {
    if (part > 0 && (end >= text.size() || text[end++] != '.')) return {};
    const size_t begin = end;
    while (end < text.size() && end - begin < 3 && is_digit(text[end])) ++end;
    if (end == begin) return {};
    if (part == 0 && (end != 1 || std::string_view("245").find(text[0]) == std::string_view::npos)) return {};
  }
  return end == text.size() || text[end] == ' ' ? text.substr(0, end) : std::string_view();
}

}  // namespace

ReplyParts parts_of(std::string_view response) {
  ReplyParts parts;
  const bool code = response.size() >= 3 && std::all_of(response.begin(), response.begin() + 3, is_digit) &&
                    response[0] >= '2' && response[0] <= '5' && (response.size() == 3 || response[3] == ' ');
  if (code) {
    parts.code = (response[0] - '0') * 100 + (response[1] - '0') * 10 + (response[2] - '0');
    response.remove_prefix(std::min<size_t>(4, response.size()));
  }
  parts.status = status_at(response);
  if (!parts.status.empty()) response.remove_prefix(std::min(parts.status.size() + 1, response.size()));
  parts.text = response;
  return parts;
}

std::string_view status_of(const Record& record) {
  const ReplyParts parts = parts_of(record.response);
  const bool reported = record.kind == Record::Kind::out_of_band;  // which says both
  if (!parts.status.empty() || (parts.code != 0 && !reported)) return parts.status;
  const char first = record.kind == Record::Kind::transient ? '4' : '5';
  return status_at(record.status) == record.status && record.status.starts_with(first) ? record.status
                                                                                       : std::string_view();
}

const BounceClass& classify(const Record& record) {
  // Who says "not now" has not said that there is nobody.
  const auto of = [&](Class means) -> const BounceClass& {
    const bool soft = record.kind == Record::Kind::transient && means == Class::invalid_recipient;
    return classes[static_cast<size_t>(soft ? Class::transient : means)];
  };
  if (record.kind == Record::Kind::admin_bounce) return of(Class::admin_failure);
  if (record.kind == Record::Kind::expiration) return of(Class::timeout);
  const ReplyParts parts = parts_of(record.response);
  const std::string_view status_code = status_of(record);
  const std::string_view detail = status_code.empty() ? std::string_view() : status_code.substr(2);
  const bool telling = !detail.empty() && std::ranges::find(vague, detail) == std::end(vague);
  const auto status = std::ranges::find(statuses, detail, &Rule::sign);
  if (telling && status != std::end(statuses)) return of(status->means);
  if (!telling) {
    if (const Rule* rule = by_text(parts.text)) return of(rule->means);
    // A next host that only wants us to come again says so with these, too.
    if (record.kind == Record::Kind::transient) return of(Class::transient);
    if (status != std::end(statuses)) return of(status->means);
    const auto code = std::ranges::find(codes, parts.code, &CodeRule::code);
    if (detail.empty() && code != std::end(codes)) return of(code->means);
  }
  return of(record.kind == Record::Kind::transient ? Class::transient : Class::undetermined);
}

}  // namespace impulse::telemetry
