#include "message/delivery_report.h"

#include "base/text.h"
#include "message/report_parts.h"

#include <algorithm>
#include <utility>

namespace impulse::message {
namespace {

using report::ContentType;
using report::Field;
using report::kept;
using report::one_line;
using report::take_fields;
using report::typed;
using report::without_comments;

bool is_report(const ContentType& type) {
  return type.type == "multipart/report" &&
         (type.report_type == "delivery-status" || type.report_type == "global-delivery-status");
}

bool is_status(std::string_view type) {
  return type == "message/delivery-status" || type == "message/global-delivery-status";
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

bool announces_report(std::string_view value) { return is_report(report::content_type(value)); }

std::optional<DeliveryReport> read_report(std::string_view message) {
  report::Header whole = report::take_header(message);
  if (!is_report(whole.type)) return std::nullopt;
  DeliveryReport found;
  report::Parts parts(message, std::move(whole.type.boundary));
  while (auto part = parts.next()) {
    if (!is_status(report::take_header(*part).type.type)) continue;
    read_status(*part, found);
    break;
  }
  if (found.recipients.empty()) return std::nullopt;
  return found;
}

}  // namespace impulse::message
