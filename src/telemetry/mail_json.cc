// A record as JSON, with the names that KumoMTA's log record has.
#include "telemetry/bounce_class.h"
#include "telemetry/log_text.h"
#include "telemetry/mail_lines.h"

#include "base/concat.h"
#include "base/ip.h"
#include "base/text.h"
#include "message/feedback_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::telemetry {
namespace {

using Kind = Record::Kind;

constexpr int no_reply_now = 400;  // what went wrong was no reply: it is tried again
constexpr int no_reply_ever = 554;
constexpr int reported_without = 550;  // a report told no reply

std::string_view type_of(Kind kind) {
  switch (kind) {
    case Kind::reception:
      return "Reception";
    case Kind::delivery:
      return "Delivery";
    case Kind::transient:
      return "TransientFailure";
    case Kind::bounce:
      return "Bounce";
    case Kind::expiration:
      return "Expiration";
    case Kind::admin_bounce:
      return "AdminBounce";
    case Kind::admin_rebind:
      return "AdminRebind";
    case Kind::out_of_band:
      break;
  }
  return "OOB";
}

void add_response(JsonLine& line, const Record& record) {
  line.begin("response", '{');
  if (record.kind == Kind::reception) {
    line.number("code", 250);
    line.text("content", "");
    return line.end('}');
  }
  const ReplyParts parts = parts_of(record.response);
  const int code = parts.code != 0                    ? parts.code
                   : record.kind == Kind::delivery    ? 250
                   : record.kind == Kind::transient   ? no_reply_now
                   : record.kind == Kind::out_of_band ? reported_without
                                                      : no_reply_ever;
  line.number("code", static_cast<uint64_t>(code));
  if (const std::string_view status = status_of(record); !status.empty()) {
    const auto numbers = split(status, '.');
    line.begin("enhanced_code", '{');
    line.raw("class", numbers[0]);
    line.number("subject", parse_unsigned(numbers[1]).value_or(0));
    line.number("detail", parse_unsigned(numbers[2]).value_or(0));
    line.end('}');
  }
  line.text("content", parts.text);
  const std::string_view command = command_of(record.stage);
  // By ECStream there are none.
  if (parts.code != 0 && !command.empty() && !record.protocol.starts_with("ECSTREAM")) line.text("command", command);
  line.end('}');
}

// An address, as KumoMTA's type wants it: no path, and no name of a host that has none.
void add_peer(JsonLine& line, const Record& record) {
  const std::string_view address = divide_peer(record.peer).first;
  if (!IpAddress::parse(address)) return;
  line.begin("peer_address", '{');
  line.text("name", record.peer_name);
  line.text("addr", address);
  line.end('}');
}

// KumoMTA has both in every record, also where nothing was chosen.
void add_meta(JsonLine& line, const Record& record) {
  static const Note::Pairs none;
  const Note::Pairs& pairs = record.note && record.note->meta ? *record.note->meta
                             : record.kind == Kind::reception ? record.envelope->context
                                                              : none;
  line.begin("meta", '{');
  for (const auto& [key, value] : pairs) line.member(key, value);
  line.end('}');
}

// A field that is there several times is an array, where its first one stands.
void add_headers(JsonLine& line, const Record& record) {
  static const Note::Pairs none;
  const Note::Pairs& headers = record.note && record.note->headers ? *record.note->headers : none;
  line.begin("headers", '{');
  for (auto first = headers.begin(); first != headers.end(); ++first) {
    const auto same = [&](const auto& each) { return iequals(each.first, first->first); };
    if (std::any_of(headers.begin(), first, same)) continue;
    if (std::find_if(first + 1, headers.end(), same) == headers.end()) {
      line.member(first->first, first->second);
      continue;
    }
    line.begin_member(first->first, '[');
    for (auto each = first; each != headers.end(); ++each)
      if (same(*each)) line.element(each->second);
    line.end(']');
  }
  line.end('}');
}

// The parts of a name in RFC 2253's form. A comma behind a backslash divides nothing.
void add_subject(JsonLine& line, std::string_view subject) {
  line.begin("tls_peer_subject_name", '[');
  while (!subject.empty()) {
    size_t end = 0;
    while (end < subject.size() && subject[end] != ',') end += subject[end] == '\\' ? 2 : 1;
    end = std::min(end, subject.size());
    line.element(subject.substr(0, end));
    subject.remove_prefix(std::min(end + 1, subject.size()));
  }
  line.end(']');
}

void add_optional(JsonLine& line, std::string_view name, const std::optional<std::string>& value) {
  if (value)
    line.text(name, *value);
  else
    line.raw(name, "null");
}

void add_list(JsonLine& line, std::string_view name, const std::vector<std::string>& values) {
  line.begin(name, '[');
  for (const std::string& value : values) line.element(value);
  line.end(']');
}

// The members of KumoMTA's ARFReport, as it spells them.
void add_feedback(JsonLine& line, const message::FeedbackReport& report) {
  line.begin("feedback_report", '{');
  line.text("feedback_type", report.feedback_type);
  line.text("user_agent", report.user_agent);
  line.text("version", report.version);
  if (report.arrival_date)
    line.text("arrival_date", concat(std::string_view(time_text(*report.arrival_date)).substr(0, 19), "Z"));
  else
    line.raw("arrival_date", "null");
  if (report.incidents)
    line.number("incidents", *report.incidents);
  else
    line.raw("incidents", "null");
  add_optional(line, "original_envelope_id", report.original_envelope_id);
  add_optional(line, "original_mail_from", report.original_mail_from);
  if (report.reporting_mta) {
    line.begin("reporting_mta", '{');
    line.text("mta_type", report.reporting_mta->type);
    line.text("name", report.reporting_mta->name);
    line.end('}');
  } else {
    line.raw("reporting_mta", "null");
  }
  add_optional(line, "source_ip", report.source_ip);
  add_list(line, "authentication_results", report.authentication_results);
  add_list(line, "original_rcpto_to", report.original_rcpt_to);
  add_list(line, "reported_domain", report.reported_domain);
  add_list(line, "reported_uri", report.reported_uri);
  line.begin("extensions", '{');
  for (const auto& [name, values] : report.extensions) {
    line.begin_member(name, '[');
    for (const std::string& value : values) line.element(value);
    line.end(']');
  }
  line.end('}');
  if (report.original_message)
    line.whole("original_message", *report.original_message);
  else
    line.raw("original_message", "null");
  line.raw("supplemental_trace", "null");  // of a field that KumoMTA adds to what it sends
  line.end('}');
}

}  // namespace

void add_json_line(std::string& out, const Record& record, const LineFacts& facts) {
  const bool reception = record.kind == Kind::reception;
  const bool reported = record.kind == Kind::out_of_band;
  const bool failed = !reception && record.kind != Kind::delivery && record.kind != Kind::admin_rebind;
  JsonLine line;
  line.text("type", record.feedback ? "Feedback" : type_of(record.kind));
  line.text("id", record.id);
  line.text("sender", record.sender);
  line.text("recipient", record.recipient);
  line.text("queue", record.tenant.empty() ? record.domain : concat(record.tenant, "@", record.domain));
  const std::string& next = record.peer_name.empty() ? record.peer : record.peer_name;
  line.text("site", reception || reported || next.empty() ? std::string() : concat(record.binding, "->", next));
  line.number("size", record.size);
  add_response(line, record);
  add_peer(line, record);
  line.number("timestamp", static_cast<uint64_t>(std::max<int64_t>(0, seconds_of(record.time))));
  line.number("created", static_cast<uint64_t>(std::max<int64_t>(0, seconds_of(record.received))));
  line.text("event_time", time_text(record.time));
  line.text("created_time", time_text(record.received));
  line.number("num_attempts", record.attempts);
  const BounceClass* bounce = failed ? &classify(record) : nullptr;
  line.text("bounce_classification", bounce == nullptr || bounce->code == 1 ? "Uncategorized" : bounce->name);
  line.text("egress_pool", record.binding_group);
  line.text("egress_source", record.binding);
  if (!reception && !reported && !record.local.empty()) {
    line.begin("source_address", '{');
    line.text("address", record.local);
    line.end('}');
  }
  if (record.feedback)
    add_feedback(line, *record.feedback);
  else
    line.raw("feedback_report", "null");
  add_meta(line, record);
  add_headers(line, record);
  if (!record.protocol.empty()) line.text(reception ? "reception_protocol" : "delivery_protocol", record.protocol);
  if (!record.reception_protocol.empty()) line.text("reception_protocol", record.reception_protocol);
  line.text("nodeid", facts.node);
  if (record.tls) {
    line.text("tls_cipher", record.tls->cipher);
    line.text("tls_protocol_version", record.tls->version);
    if (!record.tls->subject.empty()) add_subject(line, record.tls->subject);
  }
  if (const std::string session = connection_id(record, facts); !session.empty()) line.text("session_id", session);
  // What follows is ours.
  if (!record.tenant.empty()) line.text("tenant", record.tenant);
  if (reception) {
    line.text("listen", record.local);
    if (!record.envelope->user.empty()) line.text("user", record.envelope->user);
  } else if (reported) {
    if (!record.envelope_id.empty()) line.text("original_envelope_id", record.envelope_id);
  } else {
    const auto ms = std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::milliseconds>(record.delay).count());
    line.raw("delay",
             concat(Digits(static_cast<uint64_t>(ms / 1000)), ".", Digits(static_cast<uint64_t>(ms % 1000), 3)));
    if (record.peer.starts_with('/')) line.text("path", record.peer);
  }
  if (failed) {
    if (!reported) line.number("bytes", record.bytes);
    line.number("stage", static_cast<uint64_t>(record.stage));
    line.number("bounce_code", bounce->code);
  }
  out += std::move(line).finish();
}

}  // namespace impulse::telemetry
