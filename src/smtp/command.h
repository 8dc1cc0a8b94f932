// Commands (RFC 5321 §4.1): a line taken apart into verb, argument and
// parameters. What they mean is the session's business.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>
#include <vector>

namespace impulse::smtp {

enum class Verb : uint8_t {
  helo,
  ehlo,
  mail,
  rcpt,
  data,
  rset,
  noop,
  vrfy,
  help,
  quit,
  starttls,
  bdat,
  auth,
  lhlo,
  xclient,
  xremoteip,
  xsetcontext,
  xdumpcontext,
  unavailable,  // known to SMTP and its extensions, not offered here
  http,         // a web browser was led here; what follows would not be meant as commands
  unknown,
  empty,
};

// All views point into the line.
struct Command {
  Verb verb = Verb::unknown;
  std::string_view name;       // as written
  std::string_view arguments;  // behind the first space, up to the line's end; trailing white space still there
};

// `line` without its line end.
Command parse_command(std::string_view line);

// "KEYWORD" or "KEYWORD=value" of MAIL and RCPT (RFC 5321 §4.1.2 esmtp-param).
struct Parameter {
  std::string_view keyword;
  std::string_view value;
  bool has_value = false;
};

enum class ParameterFault : uint8_t { syntax };

// `text` is what stands behind the path: empty, or parameters each with
// spaces in front. Trailing white space only where `trailing_whitespace`,
// UTF-8 in values only where `utf8`.
std::expected<std::vector<Parameter>, ParameterFault> parse_parameters(std::string_view text, bool trailing_whitespace,
                                                                       bool utf8 = false);

// Without spaces and tabs at its end.
std::string_view without_trailing_whitespace(std::string_view text);

// A control character other than HTAB: never part of a command.
bool has_control(std::string_view text);

}  // namespace impulse::smtp
