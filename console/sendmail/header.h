// The header section of the message: whom it is for, what is taken out of it,
// and the From field that it may lack. Date and Message-ID are the server's
// (RFC2822_Date_Header, RFC2822_MessageID_Header).
#pragma once

#include "console/sendmail/failure.h"

#include <string>
#include <string_view>
#include <vector>

namespace impulse::sendmail {

class Header {
 public:
  static constexpr size_t max_size = size_t{1} << 20;  // the server's own limit

  // Takes the message's next line, without its end. False: the header section
  // is over, and the line is not part of it; an empty line ends it and is
  // nobody's. EX_DATAERR when it grows too large, or for a CR inside of it.
  Outcome<bool> add_line(std::string_view line);

  bool has_from() const { return has("From"); }
  // -t: the addresses of To, Cc and Bcc; in a resent message (RFC 5322 §3.6.6)
  // of Resent-To, Resent-Cc and Resent-Bcc. EX_DATAERR for what cannot be read.
  Outcome<std::vector<std::string>> recipients() const;

  void drop_blind_copies();  // Bcc and Resent-Bcc
  // `name`: shown in front of the address; empty: none.
  void add_from(std::string_view name, std::string_view address);

  // Lines end in LF; the empty line behind is not there.
  std::string text() const;

 private:
  bool has(std::string_view name) const;

  std::vector<std::string> fields_;  // each as it came, folded
  size_t size_ = 0;
  bool first_ = true;
};

// A display name as RFC 5322 §3.2.5 wants it: bare, quoted, or an encoded word
// (RFC 2047) when it is UTF-8; nothing when it is neither.
std::string display_name(std::string_view name);

}  // namespace impulse::sendmail
