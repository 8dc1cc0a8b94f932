// Checks: what single options want beyond their type (words of a list, names
// of hosts), and the canonical form of such values. For value.cc.
#pragma once

#include "base/pattern.h"
#include "config/value.h"

#include <optional>
#include <string_view>

namespace impulse::config {

// Refuses what the option cannot mean and makes the rest canonical
// (SMTP_Extensions in capitals, TLS_Certificate = none as empty).
Result<> check_value(const OptionDef& option, Value& value);

// An array where one string is wanted: the few options that take both forms
// (TLS_Protocols = ( TLSv1.2 TLSv1.3 )); empty: this one does not.
std::optional<Value> join_array(const RawValue& raw, const OptionDef& option);

// EHLO_Hostname: what Hostname says, also where a scope around it says something else.
inline constexpr std::string_view own_hostname = "__hostname__";

// A domain or host name: labels of letters, digits, - and _, 1 to 63 bytes
// each, 255 in all; a trailing dot is not part of it.
bool is_domain(std::string_view text);
// Domain "/regex/": not one domain, but all that match, case folded.
bool is_domain_pattern(std::string_view instance);
Result<Pattern> domain_pattern(std::string_view instance);
// Holds a private key's text, which is never shown.
bool is_private(std::string_view text);

}  // namespace impulse::config
