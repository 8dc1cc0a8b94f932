// Reads reports that come in as mail: delivery status notifications (RFC 3464, and
// RFC 6533), a part of multipart/report (RFC 6522). Whatever an outsider sends is read
// in one pass, without recursion: a report within a report is none.
#pragma once

#include "message/report_parts.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::message {

// Texts are in one line, without comments and white space about them, and end after
// DeliveryReport::most_text bytes; empty: not given.
struct ReportedRecipient {
  std::string original;    // address; of the type rfc822 or utf-8, as follows
  std::string final;       // address
  std::string action;      // "failed", "delayed", "delivered", "relayed", "expanded"; lower case
  std::string status;      // "5.1.1"
  std::string remote_mta;  // name or address
  std::string diagnostic;  // "550 5.1.1 no such user"
};

struct DeliveryReport {
  std::string reporting_mta;
  std::string envelope_id;  // of the original, as its sender gave it with ENVID
  std::vector<ReportedRecipient> recipients;

  static constexpr size_t most_text = report::most_text;
  static constexpr size_t most_recipients = 1000;
};

// Whether the value of a Content-Type field is that of such a report.
bool announces_report(std::string_view content_type);

// Of a message, header section and all; or of its beginning: what is cut off is not
// there. Nothing when it is no report, or has no recipient.
std::optional<DeliveryReport> read_report(std::string_view message);

}  // namespace impulse::message
