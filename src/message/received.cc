#include "message/received.h"

#include "base/concat.h"
#include "base/text.h"
#include "message/domain.h"

#include <array>

namespace impulse::message {

std::string harmless_name(std::string_view name) {
  std::string out(name.substr(0, 255));
  for (char& c : out)
    if (!is_alpha(c) && !is_digit(c) && !std::string_view(".-_:[]").contains(c)) c = '?';
  return out;
}

std::string mail_date(WallTime when) {
  constexpr std::array<std::string_view, 7> weekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(when - day));
  const auto two = [](auto number) { return Digits(static_cast<uint64_t>(number), 2); };
  return concat(weekdays[std::chrono::weekday(day).c_encoding()], ", ", two(static_cast<unsigned>(date.day())), " ",
                months[static_cast<unsigned>(date.month()) - 1], " ",
                Digits(static_cast<uint64_t>(static_cast<int>(date.year())), 4), " ", two(time.hours().count()), ":",
                two(time.minutes().count()), ":", two(time.seconds().count()), " +0000");
}

std::string_view with_word(const SessionTraits& traits) {
  // By what the transport is, then by TLS and AUTH.
  static constexpr std::array<std::array<std::string_view, 4>, 4> words{{
      {"ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA"},
      {"LMTP", "LMTPA", "LMTPS", "LMTPSA"},
      {"UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"},
      {"UTF8LMTP", "UTF8LMTPA", "UTF8LMTPS", "UTF8LMTPSA"},
  }};
  const size_t security = (traits.tls ? 2U : 0U) + (traits.authenticated ? 1U : 0U);
  if (!traits.lmtp && !traits.extended && !traits.utf8 && security == 0) return "SMTP";
  return words[(traits.utf8 ? 2U : 0U) + (traits.lmtp ? 1U : 0U)][security];
}

namespace {

// A name in its A-label form when it has one, harmless in any case.
std::string trace_name(std::string_view name) {
  if (name.size() <= max_domain && !is_ascii(name))
    if (const auto ascii = ascii_domain(name)) return harmless_name(*ascii);
  return harmless_name(name);
}

// Printable, without the bytes of `special`; characters beyond ASCII only
// where the field may hold them, and no controls or line ends among those.
std::string printable(std::string_view text, std::string_view special, bool utf8) {
  const bool keep = utf8 && is_utf8(text);
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      out += byte < 0x20 || byte == 0x7F || special.contains(text[i]) ? '?' : text[i];
      continue;
    }
    const std::string_view rest = text.substr(i);
    const bool control = keep && byte == 0xC2 && static_cast<unsigned char>(rest[1]) < 0xA0;
    const bool line_end = rest.starts_with("\xE2\x80\xA8") || rest.starts_with("\xE2\x80\xA9");
    if (keep && !control && !line_end) {
      out += text[i];
      continue;
    }
    out += '?';
    if (keep) i += control ? 1 : 2;
  }
  return out;
}

constexpr size_t max_user = 255;

}  // namespace

TraceField received_field(const ReceivedInfo& info) {
  TraceField field;
  std::string& text = field.text;
  text = "Received: from ";
  text += info.helo.empty() ? "unknown" : trace_name(info.helo);
  if (info.unix_socket)
    text += " (unix socket)";
  else
    append(text, " (", info.name.empty() ? "unknown" : trace_name(info.name), info.client.is_v6() ? " [IPv6:" : " [",
           info.client.to_string(), "])");
  if (!info.user.empty())
    append(text, "\r\n\t(Authenticated sender: ", printable(info.user.substr(0, max_user), "()\\", info.utf8), ")");
  append(text, "\r\n\tby ", harmless_name(info.by), " with ", info.protocol, " id ");
  field.id_offset = static_cast<uint32_t>(text.size());
  if (!info.tls.empty()) {
    text += "\r\n\t(";
    for (const char c : info.tls) text += is_alpha(c) || is_digit(c) || std::string_view(".-_ ").contains(c) ? c : '?';
    if (info.tls_bits != 0) append(text, " ", Digits(info.tls_bits), " bits");
    text += ')';
  }
  if (!info.recipient.empty()) append(text, "\r\n\tfor <", printable(info.recipient, "", info.utf8), ">");
  append(text, ";\r\n\t", mail_date(info.when), "\r\n");
  return field;
}

}  // namespace impulse::message
