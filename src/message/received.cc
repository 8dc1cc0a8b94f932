#include "message/received.h"

#include "base/text.h"

#include <fmt/format.h>

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
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} +0000", weekdays[std::chrono::weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
                     time.seconds().count());
}

TraceField received_field(const ReceivedInfo& info) {
  TraceField field;
  std::string& text = field.text;
  text = "Received: from ";
  text += info.helo.empty() ? "unknown" : harmless_name(info.helo);
  // No name is looked up for the address, so the address stands alone.
  if (info.unix_socket)
    text += " (unix socket)";
  else
    text += fmt::format(" ([{}{}])", info.client.is_v6() ? "IPv6:" : "", info.client.to_string());
  text += fmt::format("\r\n\tby {} with {} id ", harmless_name(info.by), info.protocol);
  field.id_offset = static_cast<uint32_t>(text.size());
  if (!info.tls.empty()) {
    text += "\r\n\t(";
    for (const char c : info.tls) text += is_alpha(c) || is_digit(c) || std::string_view(".-_ ").contains(c) ? c : '?';
    text += ')';
  }
  if (!info.recipient.empty()) text += fmt::format("\r\n\tfor <{}>", info.recipient);
  text += fmt::format(";\r\n\t{}\r\n", mail_date(info.when));
  return field;
}

}  // namespace impulse::message
