#include "smtp/command.h"

#include "base/text.h"

#include <algorithm>
#include <array>

namespace impulse::smtp {

namespace {

struct VerbName {
  std::string_view name;
  Verb verb;
};

constexpr std::array verbs{
    VerbName{"HELO", Verb::helo},
    VerbName{"EHLO", Verb::ehlo},
    VerbName{"MAIL", Verb::mail},
    VerbName{"RCPT", Verb::rcpt},
    VerbName{"DATA", Verb::data},
    VerbName{"RSET", Verb::rset},
    VerbName{"NOOP", Verb::noop},
    VerbName{"VRFY", Verb::vrfy},
    VerbName{"HELP", Verb::help},
    VerbName{"QUIT", Verb::quit},
    VerbName{"STARTTLS", Verb::starttls},
    VerbName{"BDAT", Verb::bdat},
    VerbName{"AUTH", Verb::auth},
    VerbName{"LHLO", Verb::lhlo},
    VerbName{"XCLIENT", Verb::xclient},
    VerbName{"XREMOTEIP", Verb::xremoteip},
    VerbName{"XSETCONTEXT", Verb::xsetcontext},
    VerbName{"XDUMPCONTEXT", Verb::xdumpcontext},
    VerbName{"EXPN", Verb::unavailable},
    VerbName{"TURN", Verb::unavailable},
    VerbName{"ETRN", Verb::unavailable},
    VerbName{"ATRN", Verb::unavailable},
    VerbName{"SEND", Verb::unavailable},
    VerbName{"SOML", Verb::unavailable},
    VerbName{"SAML", Verb::unavailable},
    VerbName{"BURL", Verb::unavailable},
    VerbName{"XFORWARD", Verb::unavailable},
    VerbName{"GET", Verb::http},
    VerbName{"POST", Verb::http},
    VerbName{"PUT", Verb::http},
    VerbName{"HEAD", Verb::http},
    VerbName{"OPTIONS", Verb::http},
    VerbName{"CONNECT", Verb::http},
};

bool is_keyword(std::string_view text) {
  if (text.empty() || text.front() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_alpha(c) || is_digit(c) || c == '-'; });
}

// esmtp-value (RFC 5321 §4.1.2); with SMTPUTF8 also UTF-8 (RFC 6531 §3.3).
bool is_value(std::string_view text, bool utf8) {
  const auto fits = [&](char c) {
    return (c > ' ' && c < 0x7F && c != '=') || (utf8 && static_cast<unsigned char>(c) >= 0x80);
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

}  // namespace

std::string_view without_trailing_whitespace(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
  });
}

Command parse_command(std::string_view line) {
  Command command;
  const size_t space = line.find(' ');
  command.name = line.substr(0, space);
  if (space != std::string_view::npos)
    command.arguments = line.substr(space + 1);
  else  // a bare verb may be followed by any white space
    command.name = without_trailing_whitespace(command.name);
  if (without_trailing_whitespace(line).empty()) {
    command.verb = Verb::empty;
    return command;
  }
  for (const VerbName& known : verbs)
    if (iequals(known.name, command.name)) command.verb = known.verb;
  return command;
}

std::expected<std::vector<Parameter>, ParameterFault> parse_parameters(std::string_view text, bool trailing_whitespace,
                                                                       bool utf8) {
  if (trailing_whitespace) text = without_trailing_whitespace(text);
  std::vector<Parameter> found;
  while (!text.empty()) {
    const size_t start = text.find_first_not_of(' ');
    if (start == 0 || start == std::string_view::npos) return std::unexpected(ParameterFault::syntax);
    text.remove_prefix(start);
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    Parameter parameter;
    const size_t equals = word.find('=');
    parameter.keyword = word.substr(0, equals);
    parameter.has_value = equals != std::string_view::npos;
    if (parameter.has_value) parameter.value = word.substr(equals + 1);
    if (!is_keyword(parameter.keyword) || (parameter.has_value && !is_value(parameter.value, utf8)))
      return std::unexpected(ParameterFault::syntax);
    found.push_back(parameter);
  }
  return found;
}

}  // namespace impulse::smtp
