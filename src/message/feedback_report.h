// Reads complaints that come in as mail: feedback reports (RFC 5965, "ARF"), a part of
// multipart/report (RFC 6522) beside the message that somebody complains about. Whatever an
// outsider sends is read in one pass, without recursion.
#pragma once

#include "base/clock.h"
#include "message/report_parts.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::message {

// Texts are in one line, without white space about them, and end after most_text bytes. Of a
// field that may be there once the first counts; nothing: not given, or not to be understood.
struct FeedbackReport {
  struct Mta {
    std::string type;  // "dns"; empty: not given
    std::string name;
  };

  std::string feedback_type;  // "abuse", never empty; what follows is empty where a reporter leaves it out
  std::string user_agent;
  std::string version;
  std::optional<WallTime> arrival_date;  // of Arrival-Date, or else of Received-Date; whole seconds
  std::optional<uint32_t> incidents;
  std::optional<std::string> original_envelope_id;
  std::optional<std::string> original_mail_from;  // without "<>"; empty: the null sender
  std::optional<Mta> reporting_mta;
  std::optional<std::string> source_ip;  // as it is said: any text
  std::vector<std::string> authentication_results;
  std::vector<std::string> original_rcpt_to;  // without "<>"
  std::vector<std::string> reported_domain;
  std::vector<std::string> reported_uri;
  std::map<std::string, std::vector<std::string>> extensions;  // all other fields, by their names in lower case
  // The message, or its header section; lines end in LF. At most most_original bytes of it;
  // nothing where it is in base64 or quoted-printable.
  std::optional<std::string> original_message;

  static constexpr size_t most_text = report::most_text;
  static constexpr size_t most_fields = 200;  // further ones are not looked at
  static constexpr size_t most_original = 32768;
};

// Whether the value of a Content-Type field is that of such a report.
bool announces_feedback(std::string_view content_type);

// Of a message, header section and all; or of its beginning: what is cut off is not there.
// Nothing when it is no report, or does not say of what kind it is.
std::optional<FeedbackReport> read_feedback(std::string_view message);

}  // namespace impulse::message
