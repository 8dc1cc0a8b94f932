// Reports that come in, of failures and of complaints: a message, as it came.
#include "message/delivery_report.h"
#include "base/text.h"
#include "message/date.h"
#include "message/feedback_report.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

using namespace impulse::message;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void bounded(const std::string& text) {
  require(text.size() <= DeliveryReport::most_text && text.find('\n') == std::string::npos);
}

void failures(std::string_view text) {
  (void)announces_report(text);
  const auto report = read_report(text);
  if (!report) return;
  require(!report->recipients.empty() && report->recipients.size() <= DeliveryReport::most_recipients);
  bounded(report->reporting_mta);
  bounded(report->envelope_id);
  for (const ReportedRecipient& each : report->recipients) {
    require(!each.original.empty() || !each.final.empty());
    for (const std::string* part :
         {&each.original, &each.final, &each.action, &each.status, &each.remote_mta, &each.diagnostic})
      bounded(*part);
  }
}

void complaints(std::string_view text) {
  (void)announces_feedback(text);
  (void)parse_date(text);
  const auto report = read_feedback(text);
  if (!report) return;
  require(!report->feedback_type.empty());
  for (const std::string* part : {&report->feedback_type, &report->user_agent, &report->version}) bounded(*part);
  for (const auto* part : {&report->original_envelope_id, &report->original_mail_from, &report->source_ip})
    if (*part) bounded(**part);
  if (report->reporting_mta) {
    bounded(report->reporting_mta->type);
    bounded(report->reporting_mta->name);
  }
  size_t fields = 0;
  const auto all = [&fields](const std::vector<std::string>& values) {
    fields += values.size();
    for (const std::string& each : values) bounded(each);
  };
  for (const auto* values :
       {&report->authentication_results, &report->original_rcpt_to, &report->reported_domain, &report->reported_uri})
    all(*values);
  for (const auto& [name, values] : report->extensions) {
    require(!name.empty() && name == impulse::lower(name));
    bounded(name);
    all(values);
  }
  require(fields <= FeedbackReport::most_fields);
  if (!report->original_message) return;
  require(report->original_message->size() <= FeedbackReport::most_original);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  failures(text);
  complaints(text);
  return 0;
}
