#include "message/feedback_report.h"

#include "base/text.h"
#include "message/date.h"

#include <algorithm>
#include <utility>

namespace impulse::message {
namespace {

using report::Field;
using report::kept;
using report::one_line;
using report::without_comments;

using Fields = std::map<std::string, std::vector<std::string>>;

bool is_feedback(const report::ContentType& type) {
  return type.type == "multipart/report" && type.report_type == "feedback-report";
}

bool is_original(std::string_view type) {
  return type == "message/rfc822" || type == "text/rfc822-headers" || type == "message/global" ||
         type == "message/global-headers";
}

Fields fields_of(std::string_view part) {
  Fields found;
  size_t count = 0;
  report::take_fields(part, [&](const Field& field) {
    const bool well_formed = !field.name.empty() && field.name.size() <= FeedbackReport::most_text &&
                             std::ranges::all_of(field.name, [](char c) { return c > ' ' && c < 0x7F; });
    if (well_formed && ++count <= FeedbackReport::most_fields)
      found[lower(field.name)].push_back(one_line(field.value));
  });
  return found;
}

std::vector<std::string> take_all(Fields& fields, const char* name) {
  const auto node = fields.extract(name);
  return node.empty() ? std::vector<std::string>() : std::move(node.mapped());
}

std::optional<std::string> take(Fields& fields, const char* name) {
  auto all = take_all(fields, name);
  if (all.empty()) return std::nullopt;
  return std::move(all.front());
}

// One whose value is a word, about which comments may stand.
std::optional<std::string> take_word(Fields& fields, const char* name) {
  const auto value = take(fields, name);
  if (!value) return std::nullopt;
  return kept(without_comments(*value));
}

std::string bare(std::string_view path) {
  if (path.starts_with('<') && path.ends_with('>')) path = path.substr(1, path.size() - 2);
  return std::string(path);
}

std::optional<FeedbackReport::Mta> take_mta(Fields& fields) {
  const auto value = take_word(fields, "reporting-mta");
  if (!value || value->empty()) return std::nullopt;
  std::string_view type;
  const std::string_view name = report::typed(*value, type);
  return FeedbackReport::Mta{std::string(type), std::string(name)};
}

void read_fields(Fields fields, FeedbackReport& found) {
  found.feedback_type = take_word(fields, "feedback-type").value_or(std::string());
  found.user_agent = take(fields, "user-agent").value_or(std::string());
  found.version = take_word(fields, "version").value_or(std::string());
  if (const auto date = take(fields, "arrival-date")) found.arrival_date = parse_date(*date);
  // Its name before the RFC.
  if (!found.arrival_date)
    if (const auto date = take(fields, "received-date")) found.arrival_date = parse_date(*date);
  if (const auto count = take_word(fields, "incidents"))
    if (const auto number = parse_unsigned(*count, UINT32_MAX)) found.incidents = static_cast<uint32_t>(*number);
  found.original_envelope_id = take(fields, "original-envelope-id");
  if (const auto path = take(fields, "original-mail-from")) found.original_mail_from = bare(*path);
  found.reporting_mta = take_mta(fields);
  found.source_ip = take_word(fields, "source-ip");
  found.authentication_results = take_all(fields, "authentication-results");
  for (const std::string& path : take_all(fields, "original-rcpt-to")) found.original_rcpt_to.push_back(bare(path));
  found.reported_domain = take_all(fields, "reported-domain");
  found.reported_uri = take_all(fields, "reported-uri");
  found.extensions = std::move(fields);
}

// Cut between two characters.
std::string with_bare_ends(std::string_view text) {
  constexpr size_t most = FeedbackReport::most_original;
  std::string lines;
  while (!text.empty() && lines.size() <= most) {
    const bool ends = text.find('\n') != std::string_view::npos;
    lines += report::take_line(text);
    if (ends) lines += '\n';
  }
  if (lines.size() <= most) return lines;
  size_t end = most;
  while (end > most - 4 && (static_cast<unsigned char>(lines[end]) & 0xC0) == 0x80) --end;
  lines.resize(end);
  return lines;
}

}  // namespace

bool announces_feedback(std::string_view content_type) { return is_feedback(report::content_type(content_type)); }

std::optional<FeedbackReport> read_feedback(std::string_view message) {
  report::Header whole = report::take_header(message);
  if (!is_feedback(whole.type)) return std::nullopt;
  FeedbackReport found;
  bool read = false;
  report::Parts parts(message, std::move(whole.type.boundary));
  while (auto part = parts.next()) {
    const report::Header header = report::take_header(*part);
    if (!read && header.type.type == "message/feedback-report") {
      read_fields(fields_of(*part), found);
      read = true;
    } else if (!found.original_message && is_original(header.type.type) && header.encoding != "base64" &&
               header.encoding != "quoted-printable") {
      found.original_message = with_bare_ends(*part);
    }
  }
  if (found.feedback_type.empty()) return std::nullopt;
  return found;
}

}  // namespace impulse::message
