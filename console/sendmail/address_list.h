// Addresses as people write them in header fields and on command lines
// (RFC 5322 §3.4): names, comments, groups, folded lines.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace impulse::sendmail {

// The addresses of a list, in order, each as `local@domain`, or as `local`
// where there was no domain. Groups are opened ("undisclosed-recipients:;" has
// no address), source routes dropped, empty elements passed over. Display names
// are not looked at: whatever stands before a '<' is one. Errc::invalid for
// what cannot be told for sure, such as two words without angle brackets.
Result<std::vector<std::string>> parse_addresses(std::string_view text);

// The address with `domain` where it has none, checked by the rules of an
// envelope (RFC 5321 §4.1.2, UTF-8 taken).
Result<std::string> envelope_address(std::string_view address, std::string_view domain);

}  // namespace impulse::sendmail
