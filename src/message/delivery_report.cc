#include "message/delivery_report.h"

#include "base/text.h"

#include <algorithm>
#include <utility>

namespace impulse::message {
namespace {

constexpr size_t max_boundary = 70;  // RFC 2046 §5.1.1

// The next line, without its end.
std::string_view take_line(std::string_view& text) {
  const size_t newline = text.find('\n');
  std::string_view line = text.substr(0, newline);
  text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

struct Field {
  std::string_view name;
  std::string value;  // unfolded
};

// The fields up to an empty line, which is taken, too. False: there was none, and no line.
template <typename Each>
bool take_fields(std::string_view& text, Each each) {
  std::optional<Field> field;
  bool any = false;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) break;
    any = true;
    if (line.front() == ' ' || line.front() == '\t') {
      // Longer ones are none that are asked for.
      if (field && field->value.size() < 4 * DeliveryReport::most_text) field->value += line;
      continue;
    }
    if (field) each(*std::exchange(field, std::nullopt));
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos)
      field = Field{trim(line.substr(0, colon)), std::string(line.substr(colon + 1))};
  }
  if (field) each(*field);
  return any;
}

// Without comments (RFC 5322 §3.2.2), which do not count within quotes.
std::string without_comments(std::string_view value) {
  std::string text;
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\\' && i + 1 < value.size()) {
      if (depth == 0) text.append(value, i, 2);
      ++i;
    } else if (quoted) {
      quoted = c != '"';
      text += c;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')' && depth > 0) {
      --depth;
    } else if (depth == 0) {
      quoted = c == '"';
      text += c;
    }
  }
  return text;
}

// What stands in front of the next ';' outside of quotes.
std::string_view take_parameter(std::string_view& text) {
  bool quoted = false;
  size_t end = 0;
  for (; end < text.size() && (quoted || text[end] != ';'); ++end) {
    if (text[end] == '"') quoted = !quoted;
    if (text[end] == '\\' && quoted && end + 1 < text.size()) ++end;
  }
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return trim(part);
}

std::string unquoted(std::string_view value) {
  if (!value.starts_with('"')) return std::string(value);
  std::string text;
  for (size_t i = 1; i < value.size() && value[i] != '"'; ++i) {
    if (value[i] == '\\' && i + 1 < value.size()) ++i;
    text += value[i];
  }
  return text;
}

struct ContentType {
  std::string type;  // lower case: "multipart/report"
  std::string boundary;
  std::string report_type;
};

ContentType content_type(std::string_view value) {
  const std::string plain = without_comments(value);
  std::string_view rest = plain;
  ContentType found{lower(take_parameter(rest)), {}, {}};
  while (!rest.empty()) {
    const std::string_view parameter = take_parameter(rest);
    const size_t equals = parameter.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = trim(parameter.substr(0, equals));
    const std::string_view text = trim(parameter.substr(equals + 1));
    if (iequals(name, "boundary") && found.boundary.empty()) found.boundary = unquoted(text);
    if (iequals(name, "report-type") && found.report_type.empty()) found.report_type = lower(unquoted(text));
  }
  return found;
}

bool is_report(const ContentType& type) {
  return type.type == "multipart/report" &&
         (type.report_type == "delivery-status" || type.report_type == "global-delivery-status");
}

bool is_status(std::string_view type) {
  return type == "message/delivery-status" || type == "message/global-delivery-status";
}

// The type of a header section's message, which goes on behind it.
ContentType take_header(std::string_view& text) {
  std::optional<ContentType> type;
  take_fields(text, [&](const Field& field) {
    if (!type && iequals(field.name, "Content-Type")) type = content_type(field.value);
  });
  return type.value_or(ContentType{});
}

enum class Line : uint8_t { text, delimiter, end };

Line kind_of(std::string_view line, std::string_view boundary) {
  if (!line.starts_with("--") || !line.substr(2).starts_with(boundary)) return Line::text;
  line.remove_prefix(2 + boundary.size());
  const bool last = line.starts_with("--");
  if (last) line.remove_prefix(2);
  if (!trim(line).empty()) return Line::text;
  return last ? Line::end : Line::delimiter;
}

// All up to the next delimiter, which is taken, too. `more`: another part follows.
std::string_view take_part(std::string_view& text, std::string_view boundary, bool& more) {
  const std::string_view whole = text;
  more = false;
  while (!text.empty()) {
    const auto length = static_cast<size_t>(text.data() - whole.data());
    const Line kind = kind_of(take_line(text), boundary);
    if (kind == Line::text) continue;
    more = kind == Line::delimiter;
    return whole.substr(0, length);
  }
  return whole;
}

std::string kept(std::string_view text) { return std::string(trim(text).substr(0, DeliveryReport::most_text)); }

// What follows the type, "rfc822;" or "dns;" (RFC 3464 §2.1.2).
std::string_view typed(std::string_view value, std::string_view& type) {
  const size_t semicolon = value.find(';');
  type = semicolon == std::string_view::npos ? std::string_view() : trim(value.substr(0, semicolon));
  return trim(value.substr(semicolon == std::string_view::npos ? 0 : semicolon + 1));
}

std::string address(std::string_view value) {
  std::string_view type;
  std::string_view text = typed(value, type);
  if (!type.empty() && !iequals(type, "rfc822") && !iequals(type, "utf-8")) return {};
  if (text.starts_with('<') && text.ends_with('>')) text = text.substr(1, text.size() - 2);
  return kept(text);
}

std::string name(std::string_view value) {
  std::string_view type;
  const std::string plain = without_comments(value);
  return kept(typed(plain, type));
}

// Its first word, if that is one (RFC 3463 §2).
std::string status(std::string_view value) {
  const auto all = words(value);
  if (all.empty()) return {};
  const auto parts = split(all.front(), '.');
  const bool good = parts.size() == 3 && (parts[0] == "2" || parts[0] == "4" || parts[0] == "5") &&
                    std::ranges::all_of(parts, [](std::string_view part) {
                      return !part.empty() && part.size() <= 3 && std::ranges::all_of(part, is_digit);
                    });
  return good ? std::string(all.front()) : std::string();
}

// White space that was folded is one space again.
std::string one_line(std::string_view value) {
  std::string text;
  for (const std::string_view word : words(value)) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return kept(text);
}

void read_status(std::string_view text, DeliveryReport& report) {
  const auto set = [](std::string& to, std::string value) {
    if (to.empty()) to = std::move(value);
  };
  // Empty lines before the first field of a message, and more than one between two, are met.
  bool first = true;
  while (!text.empty() && report.recipients.size() < DeliveryReport::most_recipients) {
    ReportedRecipient recipient;
    const bool any = take_fields(text, [&](const Field& field) {
      std::string_view type;
      if (first && iequals(field.name, "Reporting-MTA")) set(report.reporting_mta, name(field.value));
      if (first && iequals(field.name, "Original-Envelope-Id")) set(report.envelope_id, kept(field.value));
      if (iequals(field.name, "Original-Recipient")) set(recipient.original, address(field.value));
      if (iequals(field.name, "Final-Recipient")) set(recipient.final, address(field.value));
      if (iequals(field.name, "Action")) set(recipient.action, lower(kept(without_comments(field.value))));
      if (iequals(field.name, "Status")) set(recipient.status, status(field.value));
      if (iequals(field.name, "Remote-MTA")) set(recipient.remote_mta, name(field.value));
      if (iequals(field.name, "Diagnostic-Code")) set(recipient.diagnostic, one_line(typed(field.value, type)));
    });
    if (!any) continue;
    first = false;
    if (!recipient.final.empty() || !recipient.original.empty()) report.recipients.push_back(std::move(recipient));
  }
}

}  // namespace

bool announces_report(std::string_view value) { return is_report(content_type(value)); }

std::optional<DeliveryReport> read_report(std::string_view message) {
  const ContentType whole = take_header(message);
  if (!is_report(whole) || whole.boundary.empty() || whole.boundary.size() > max_boundary) return std::nullopt;
  DeliveryReport report;
  bool more = false;
  take_part(message, whole.boundary, more);  // what stands in front of the first part
  while (more) {
    std::string_view part = take_part(message, whole.boundary, more);
    if (!is_status(take_header(part).type)) continue;
    read_status(part, report);
    break;
  }
  if (report.recipients.empty()) return std::nullopt;
  return report;
}

}  // namespace impulse::message
