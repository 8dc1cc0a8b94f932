// Reports that come in: a message, as it came.
#include "message/delivery_report.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace impulse::message;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void bounded(const std::string& text) {
  require(text.size() <= DeliveryReport::most_text && text.find('\n') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)announces_report(text);
  const auto report = read_report(text);
  if (!report) return 0;
  require(!report->recipients.empty() && report->recipients.size() <= DeliveryReport::most_recipients);
  bounded(report->reporting_mta);
  bounded(report->envelope_id);
  for (const ReportedRecipient& each : report->recipients) {
    require(!each.original.empty() || !each.final.empty());
    for (const std::string* part :
         {&each.original, &each.final, &each.action, &each.status, &each.remote_mta, &each.diagnostic})
      bounded(*part);
  }
  return 0;
}
