#include "compose/header_field.h"

#include "base/text.h"
#include "compose/escape.h"
#include "compose/mailbox.h"
#include "compose/transfer.h"

#include <algorithm>
#include <array>

namespace impulse::compose {

namespace {

constexpr size_t good_line = 78;
constexpr size_t max_word = 75;  // an encoded word, RFC 2047 §2

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::string q_encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_alpha(c) || is_digit(c) || std::string_view("!*+-/").contains(c)) {
      out += c;
    } else if (c == ' ') {
      out += '_';
    } else {
      out += '=';
      out += digits[static_cast<unsigned char>(c) >> 4];
      out += digits[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

}  // namespace

bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() <= 76 &&
         std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7F && c != ':'; });
}

std::string encoded_words(std::string_view text) {
  const auto beyond = static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0x80) != 0; }));
  const bool q = beyond * 2 < text.size();  // so it stays half readable
  const std::string_view begin = q ? "=?UTF-8?Q?" : "=?UTF-8?B?";
  const size_t room = max_word - begin.size() - 2;
  const auto cost = [q](char c) { return q && !is_alpha(c) && !is_digit(c) && c != ' ' ? size_t{3} : size_t{1}; };
  std::string out;
  while (!text.empty()) {
    // As many whole characters as fit.
    size_t end = 0;
    size_t used = 0;
    while (end < text.size()) {
      size_t next = end + 1;
      size_t more = cost(text[end]);
      for (; next < text.size() && continues(text[next]) && next - end < 4; ++next) more += cost(text[next]);
      if (end != 0 && (q ? used + more > room : (used + more + 2) / 3 * 4 > room)) break;
      used += more;
      end = next;
    }
    if (!out.empty()) out += ' ';
    out += begin;
    out += q ? q_encoded(text.substr(0, end)) : base64(text.substr(0, end));
    out += "?=";
    text.remove_prefix(end);
  }
  return out;
}

std::string encoded_text(std::string_view text) { return is_ascii(text) ? std::string(text) : encoded_words(text); }

Result<std::string> make_field(std::string_view name, std::string_view value) {
  if (!is_field_name(name)) return fail(Errc::invalid, "{} is no name of a header field", escape_line(name, 80));
  if (has_control(value))
    return fail(Errc::invalid, "the value holds a line break or another control character, which no header field may");
  value = trim(value);
  std::string out;
  out.reserve(name.size() + value.size() + value.size() / 64 * 3 + 8);
  out.append(name) += ':';
  size_t line = out.size();  // of the line that goes on
  bool first = true;
  // Words with the white space in front of them; a line is broken in front of white space only.
  while (!value.empty()) {
    size_t end = value.find_first_not_of(" \t");
    end = value.find_first_of(" \t", end);
    const std::string_view word = value.substr(0, end);
    value.remove_prefix(word.size());
    const size_t size = word.size() + (first ? 1 : 0);
    if (!first && line + size > good_line) {
      out += "\r\n";
      line = 0;
    }
    if (line + size > max_line)
      return fail(Errc::invalid, "a word of {} octets is longer than a line may be", trim(word).size());
    if (first) out += ' ';
    out += word;
    line += size;
    first = false;
  }
  return out += "\r\n";
}

bool is_address_field(std::string_view name) {
  constexpr std::array<std::string_view, 9> names{"from", "sender",      "reply-to",  "to",       "cc",
                                                  "bcc",  "resent-from", "resent-to", "resent-cc"};
  return std::ranges::any_of(names, [&](std::string_view known) { return iequals(known, name); });
}

Result<std::string> encoded_value(std::string_view name, std::string_view text) {
  if (is_ascii(text)) return std::string(text);
  if (!is_utf8(text)) return fail(Errc::invalid, "the value is not well-formed UTF-8");
  if (!is_address_field(name)) return encoded_words(text);
  const auto mailboxes = parse_mailboxes(text);
  if (!mailboxes) return std::unexpected(mailboxes.error());
  return to_header(*mailboxes);
}

Result<std::vector<RawField>> split_fields(std::string_view section) {
  std::vector<RawField> out;
  while (!section.empty()) {
    size_t end = 0;
    do {
      end = section.find("\r\n", end);
      end = end == std::string_view::npos ? section.size() : end + 2;
    } while (end < section.size() && (section[end] == ' ' || section[end] == '\t'));
    RawField field;
    field.whole = section.substr(0, end);
    if (field.whole == "\r\n") break;  // the end of the section
    const size_t colon = field.whole.find(':');
    if (colon != std::string_view::npos) field.name = trim(field.whole.substr(0, colon));
    if (colon == std::string_view::npos || !is_field_name(field.name) || field.whole.front() == ' ' ||
        field.whole.front() == '\t')
      return fail(Errc::invalid, "{} is no header field",
                  escape_line(field.whole.substr(0, field.whole.find('\r')), 60));
    field.value = field.whole.substr(colon + 1);
    if (field.value.ends_with("\r\n")) field.value.remove_suffix(2);
    out.push_back(field);
    section.remove_prefix(end);
  }
  return out;
}

std::string unfolded(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (const char c : value)
    if (c != '\r' && c != '\n') out += c;
  return out;
}

size_t header_end(std::string_view text) {
  if (text.starts_with("\r\n")) return 2;
  const size_t at = text.find("\r\n\r\n");
  return at == std::string_view::npos ? at : at + 4;
}

}  // namespace impulse::compose
