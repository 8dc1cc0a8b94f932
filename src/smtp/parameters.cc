#include "smtp/parameters.h"

#include "base/text.h"
#include "message/address.h"
#include "smtp/command.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <chrono>

namespace impulse::smtp {

namespace {

using Fault = std::optional<ParameterRefusal>;  // nothing: taken

Fault wrong(const ServerReply& reply, std::string_view cause = "syntax") { return ParameterRefusal{&reply, cause}; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;  // RFC 3461 §4: upper case only
}

// 1*9DIGIT, as the time parameters have it.
std::optional<int64_t> nine_digits(std::string_view text) {
  if (text.empty() || text.size() > 9 || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  return static_cast<int64_t>(*parse_unsigned(text));
}

// --- MAIL --------------------------------------------------------------------

struct Mail {
  MailParameters found{};
  const Policy& policy;
  const ParameterContext& context;
  bool too_big = false;
};

// RFC 1870 §4: 1*20DIGIT. A number beyond 64 bits is too big for anybody.
Fault take_size(Mail& mail, std::string_view value) {
  if (value.empty() || value.size() > 20 || !std::all_of(value.begin(), value.end(), is_digit))
    return wrong(reply::bad_size);
  const auto size = parse_unsigned(value);
  mail.too_big = !size || (mail.policy.max_message_size != 0 && *size > mail.policy.max_message_size);
  mail.found.size = size.value_or(0);
  return {};
}

Fault take_body(Mail& mail, std::string_view value) {
  if (mail.policy.eight_bit_mime && iequals(value, "8BITMIME"))
    mail.found.body_type = message::BodyType::eight_bit_mime;
  else if (mail.policy.binary_mime && mail.policy.chunking && iequals(value, "BINARYMIME"))
    mail.found.body_type = message::BodyType::binary_mime;
  else if (!iequals(value, "7BIT"))
    return wrong(reply::bad_body);
  return {};
}

Fault take_smtputf8(Mail& mail, std::string_view) {
  mail.found.smtputf8 = true;
  return {};
}

Fault take_ret(Mail& mail, std::string_view value) {
  if (iequals(value, "FULL"))
    mail.found.ret = message::Ret::full;
  else if (iequals(value, "HDRS"))
    mail.found.ret = message::Ret::hdrs;
  else
    return wrong(reply::bad_ret);
  return {};
}

Fault take_envid(Mail& mail, std::string_view value) {
  const auto decoded = decode_xtext(value);
  if (value.size() > 100 || !decoded || decoded->empty()) return wrong(reply::bad_envid);
  mail.found.envid = value;
  return {};
}

// RFC 4954 §5: what somebody we do not know says here counts as "<>"; who that
// is, is the session's to say.
Fault take_auth(Mail& mail, std::string_view value) {
  auto decoded = decode_xtext(value);
  if (value.size() > 500 || !decoded) return wrong(reply::bad_auth_parameter);
  if (*decoded != "<>") {
    const auto path = message::parse_path('<' + *decoded + '>', {});
    if (!path || !path->has_domain || path->used != decoded->size() + 2) return wrong(reply::bad_auth_parameter);
  }
  mail.found.auth = std::move(*decoded);
  return {};
}

// BY=[+-]seconds;R|N[T]; a time that is over already can only be notified of (RFC 2852 §4).
Fault take_by(Mail& mail, std::string_view value) {
  const size_t semicolon = value.find(';');
  if (semicolon == std::string_view::npos) return wrong(reply::bad_by);
  std::string_view time = value.substr(0, semicolon);
  const std::string_view mode = value.substr(semicolon + 1);
  const bool negative = time.starts_with('-');
  if (negative || time.starts_with('+')) time.remove_prefix(1);
  const auto seconds = nine_digits(time);
  if (!seconds || mode.empty() || mode.size() > 2 || (mode.size() == 2 && to_upper(mode[1]) != 'T'))
    return wrong(reply::bad_by);
  message::DeliverBy by;
  by.mode = to_upper(mode[0]);
  by.trace = mode.size() == 2;
  if (by.mode != 'R' && by.mode != 'N') return wrong(reply::bad_by);
  if (by.mode == 'R' && (negative || *seconds == 0)) return wrong(reply::bad_by);
  by.deadline = mail.context.now + std::chrono::seconds(negative ? -*seconds : *seconds);
  mail.found.deliver_by = by;
  return {};
}

Fault hold(Mail& mail, WallTime until) {
  if (mail.found.hold_until != WallTime{}) return wrong(reply::hold_twice);
  if (until <= mail.context.now || until - mail.context.now > mail.policy.max_hold) return wrong(reply::bad_hold);
  mail.found.hold_until = until;
  return {};
}

Fault take_holdfor(Mail& mail, std::string_view value) {
  const auto seconds = nine_digits(value);
  if (!seconds || *seconds == 0) return wrong(reply::bad_hold);
  return hold(mail, mail.context.now + std::chrono::seconds(*seconds));
}

Fault take_holduntil(Mail& mail, std::string_view value) {
  const auto until = parse_date_time(value);
  return until ? hold(mail, *until) : wrong(reply::bad_hold);
}

// RFC 6710 §4: no "+", and zero has no sign.
Fault take_priority(Mail& mail, std::string_view value) {
  const bool negative = value.starts_with('-');
  if (negative) value.remove_prefix(1);
  if (value.size() != 1 || !is_digit(value[0]) || (negative && value[0] == '0')) return wrong(reply::bad_priority);
  const int priority = value[0] - '0';
  mail.found.priority = static_cast<int8_t>(negative ? -priority : priority);
  return {};
}

Fault take_requiretls(Mail& mail, std::string_view) {
  mail.found.require_tls = true;
  return {};
}

enum class Value : uint8_t { none, needed };

struct MailRow {
  std::string_view keyword;
  bool (*offered)(const Policy&, const ParameterContext&);
  Value value;
  Fault (*take)(Mail&, std::string_view value);
  const ServerReply& bad;
};

const std::array<MailRow, 11> mail_rows{{
    {"SIZE", [](const Policy& p, const ParameterContext&) { return p.size; }, Value::needed, take_size,
     reply::bad_size},
    {"BODY", [](const Policy& p, const ParameterContext&) { return p.eight_bit_mime || p.binary_mime; }, Value::needed,
     take_body, reply::bad_body},
    {"SMTPUTF8", [](const Policy& p, const ParameterContext&) { return p.smtputf8; }, Value::none, take_smtputf8,
     reply::takes_no_value},
    {"RET", [](const Policy& p, const ParameterContext&) { return p.dsn; }, Value::needed, take_ret, reply::bad_ret},
    {"ENVID", [](const Policy& p, const ParameterContext&) { return p.dsn; }, Value::needed, take_envid,
     reply::bad_envid},
    {"AUTH", [](const Policy&, const ParameterContext& c) { return c.auth_offered; }, Value::needed, take_auth,
     reply::bad_auth_parameter},
    {"BY", [](const Policy& p, const ParameterContext&) { return p.deliver_by; }, Value::needed, take_by,
     reply::bad_by},
    {"HOLDFOR", [](const Policy& p, const ParameterContext&) { return p.future_release; }, Value::needed, take_holdfor,
     reply::bad_hold},
    {"HOLDUNTIL", [](const Policy& p, const ParameterContext&) { return p.future_release; }, Value::needed,
     take_holduntil, reply::bad_hold},
    {"MT-PRIORITY", [](const Policy& p, const ParameterContext&) { return p.mt_priority; }, Value::needed,
     take_priority, reply::bad_priority},
    {"REQUIRETLS", [](const Policy& p, const ParameterContext& c) { return p.require_tls && c.tls; }, Value::none,
     take_requiretls, reply::takes_no_value},
}};

// --- RCPT --------------------------------------------------------------------

// NEVER, or a list of the others (RFC 3461 §4.1); each at most once.
Fault take_notify(RcptParameters& found, std::string_view value) {
  for (const std::string_view word : split(value, ',')) {
    uint8_t bit = 0;
    if (iequals(word, "NEVER"))
      bit = message::notify::never;
    else if (iequals(word, "SUCCESS"))
      bit = message::notify::success;
    else if (iequals(word, "FAILURE"))
      bit = message::notify::failure;
    else if (iequals(word, "DELAY"))
      bit = message::notify::delay;
    if (bit == 0 || (found.notify & bit) != 0) return wrong(reply::bad_notify);
    found.notify |= bit;
  }
  if ((found.notify & message::notify::never) != 0 && found.notify != message::notify::never)
    return wrong(reply::bad_notify);
  return {};
}

// addr-type ";" xtext (RFC 3461 §4.2); with SMTPUTF8 also UTF-8 as it is (RFC 6533 §3).
Fault take_orcpt(RcptParameters& found, std::string_view value, bool utf8) {
  const size_t semicolon = value.find(';');
  if (value.size() > 500 || semicolon == 0 || semicolon == std::string_view::npos) return wrong(reply::bad_orcpt);
  const std::string_view type = value.substr(0, semicolon);
  const std::string_view address = value.substr(semicolon + 1);
  const auto is_atom = [](char c) { return is_alpha(c) || is_digit(c) || c == '-'; };
  if (address.empty() || !std::all_of(type.begin(), type.end(), is_atom)) return wrong(reply::bad_orcpt);
  const bool plain = decode_xtext(address).has_value();
  if (!plain && !(utf8 && iequals(type, "utf-8") && is_utf8(address))) return wrong(reply::bad_orcpt);
  found.orcpt = value;
  return {};
}

}  // namespace

std::optional<std::string> decode_xtext(std::string_view text) {
  std::string decoded;
  for (size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c < '!' || c > '~' || c == '=') return std::nullopt;
    if (c == '+') {
      if (text.size() - at < 3) return std::nullopt;
      const int high = hex_digit(text[at + 1]);
      const int low = hex_digit(text[at + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return std::nullopt;
      at += 2;
    }
    decoded += c;
  }
  return decoded;
}

std::optional<WallTime> parse_date_time(std::string_view text) {
  // 2030-01-31T12:00:00
  const auto number = [&](size_t at, size_t size) -> int {
    int value = 0;
    for (const char c : text.substr(at, size)) {
      if (!is_digit(c)) return -1;
      value = value * 10 + (c - '0');
    }
    return value;
  };
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || to_upper(text[10]) != 'T' || text[13] != ':' ||
      text[16] != ':')
    return std::nullopt;
  const int hour = number(11, 2);
  const int minute = number(14, 2);
  const int second = number(17, 2);
  const int month = number(5, 2);
  const int day = number(8, 2);
  if (number(0, 4) < 0 || month < 0 || day < 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(number(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
    return std::nullopt;
  size_t at = 19;
  if (text[at] == '.') {  // a fraction, which changes nothing here
    const size_t digits = text.find_first_not_of("0123456789", at + 1);
    if (digits == at + 1 || digits == std::string_view::npos) return std::nullopt;
    at = digits;
  }
  std::chrono::minutes offset{0};
  if (to_upper(text[at]) == 'Z') {
    if (text.size() != at + 1) return std::nullopt;
  } else {
    if ((text[at] != '+' && text[at] != '-') || text.size() != at + 6 || text[at + 3] != ':') return std::nullopt;
    const int hours = number(at + 1, 2);
    const int minutes = number(at + 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
    offset = std::chrono::hours(hours) + std::chrono::minutes(minutes);
    if (text[at] == '-') offset = -offset;
  }
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) - offset;
}

std::expected<MailParameters, ParameterRefusal> mail_parameters(std::string_view text, const Policy& policy,
                                                                const ParameterContext& context) {
  const auto refused = [](const ServerReply& reply, std::string_view cause) {
    return std::unexpected(ParameterRefusal{&reply, cause});
  };
  const auto parameters = parse_parameters(text, policy.allow_trailing_whitespace);
  if (!parameters) return refused(reply::bad_parameters, "syntax");
  Mail mail{.policy = policy, .context = context};
  std::bitset<mail_rows.size()> seen;
  for (const Parameter& parameter : *parameters) {
    const auto row = std::find_if(mail_rows.begin(), mail_rows.end(),
                                  [&](const MailRow& each) { return iequals(each.keyword, parameter.keyword); });
    if (row == mail_rows.end() || !row->offered(policy, context)) return refused(reply::unknown_parameter, "syntax");
    const auto index = static_cast<size_t>(row - mail_rows.begin());
    if (seen.test(index)) return refused(reply::twice, "syntax");
    seen.set(index);
    if (parameter.has_value != (row->value == Value::needed)) return refused(row->bad, "syntax");
    if (const Fault fault = row->take(mail, parameter.value)) return std::unexpected(*fault);
  }
  if (mail.too_big) return refused(reply::too_big, "size");
  return std::move(mail.found);
}

std::expected<RcptParameters, ParameterRefusal> rcpt_parameters(std::string_view text, const Policy& policy,
                                                                bool utf8) {
  const auto refused = [](const ServerReply& reply) { return std::unexpected(ParameterRefusal{&reply, "syntax"}); };
  const auto parameters = parse_parameters(text, policy.allow_trailing_whitespace, utf8);
  if (!parameters) return refused(reply::bad_parameters);
  RcptParameters found;
  for (const Parameter& parameter : *parameters) {
    const bool is_notify = iequals(parameter.keyword, "NOTIFY");
    if (!policy.dsn || !(is_notify || iequals(parameter.keyword, "ORCPT"))) return refused(reply::unknown_parameter);
    if (!parameter.has_value) return refused(is_notify ? reply::bad_notify : reply::bad_orcpt);
    if (is_notify ? found.notify != 0 : !found.orcpt.empty()) return refused(reply::twice);
    const Fault fault = is_notify ? take_notify(found, parameter.value) : take_orcpt(found, parameter.value, utf8);
    if (fault) return std::unexpected(*fault);
  }
  return found;
}

}  // namespace impulse::smtp
