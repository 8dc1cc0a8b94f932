#include "console/sendmail/header.h"

#include "base/text.h"
#include "console/sendmail/address_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace impulse::sendmail {
namespace {

constexpr size_t max_word = 75;  // RFC 2047 §2

// Before the colon, without the white space that old programs put there.
std::string_view name_of(std::string_view field) {
  return trim(field.substr(0, std::min(field.find(':'), field.size())));
}

bool begins_field(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view name = line.substr(0, colon);
  const size_t length = std::min(name.find_first_of(" \t"), name.size());
  if (length == 0 || name.find_first_not_of(" \t", length) != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.begin() + static_cast<ptrdiff_t>(length),
                     [](unsigned char c) { return c > ' ' && c < 0x7F; });
}

bool is_atext(char c) {
  return is_alpha(c) || is_digit(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

// Encoded words of at most 75 characters, none of which cuts a character.
std::string encoded_words(std::string_view text) {
  static constexpr std::string_view open = "=?UTF-8?Q?";
  std::string words;
  std::string word(open);
  for (size_t i = 0; i < text.size();) {
    std::string character;
    do {
      const char c = text[i++];
      character += c == ' '                     ? "_"
                   : is_alpha(c) || is_digit(c) ? std::string(1, c)
                                                : fmt::format("={:02X}", static_cast<unsigned char>(c));
    } while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80);
    if (word.size() + character.size() + 2 > max_word) {
      words += word + "?=\n ";
      word = open;
    }
    word += character;
  }
  return words + word + "?=";
}

}  // namespace

std::string display_name(std::string_view raw) {
  std::string name;
  std::copy_if(raw.begin(), raw.end(), std::back_inserter(name), [](unsigned char c) { return c >= ' ' && c != 0x7F; });
  const std::string_view shown = trim(name);
  if (shown.empty()) return {};
  if (!is_ascii(shown)) return is_utf8(shown) ? encoded_words(shown) : "";
  if (std::all_of(shown.begin(), shown.end(), [](char c) { return c == ' ' || is_atext(c); }) &&
      shown.find("=?") == std::string_view::npos)
    return std::string(shown);
  std::string quoted = "\"";
  for (const char c : shown) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

Outcome<bool> Header::add_line(std::string_view line) {
  const bool first = std::exchange(first_, false);
  if (first && (line.starts_with("From ") || line.starts_with(">From "))) return true;  // of an mbox file
  if (line.empty()) return false;
  const bool continues = (line.front() == ' ' || line.front() == '\t') && !fields_.empty();
  if (!continues && !begins_field(line)) return false;
  // The server would see a line end there, and whoever checked the field did not.
  if (line.find('\r') != std::string_view::npos)
    return fail_with(EX_DATAERR, "there is a carriage return inside a header line");
  if (line.find('\0') != std::string_view::npos) return fail_with(EX_DATAERR, "there is a NUL in the message");
  size_ += line.size() + 2;
  if (size_ > max_size) return fail_with(EX_DATAERR, "the header section is over 1 MiB");
  if (!continues) fields_.emplace_back();
  fields_.back().append(line).append("\n");
  return true;
}

bool Header::has(std::string_view name) const {
  return std::ranges::any_of(fields_, [&](const std::string& field) { return iequals(name_of(field), name); });
}

Outcome<std::vector<std::string>> Header::recipients() const {
  const bool resent =
      std::ranges::any_of(fields_, [](const std::string& field) { return istarts_with(name_of(field), "Resent-"); });
  std::vector<std::string> found;
  for (const std::string& field : fields_) {
    std::string_view name = name_of(field);
    if (resent) {
      if (!istarts_with(name, "Resent-")) continue;
      name.remove_prefix(7);
    }
    if (!iequals(name, "To") && !iequals(name, "Cc") && !iequals(name, "Bcc")) continue;
    auto addresses = parse_addresses(std::string_view(field).substr(field.find(':') + 1));
    if (!addresses)
      return fail_with(EX_DATAERR, fmt::format("the {} field: {}", name_of(field), addresses.error().message));
    std::ranges::move(*addresses, std::back_inserter(found));
  }
  return found;
}

void Header::drop_blind_copies() {
  std::erase_if(fields_, [](const std::string& field) {
    return iequals(name_of(field), "Bcc") || iequals(name_of(field), "Resent-Bcc");
  });
}

void Header::add_from(std::string_view name, std::string_view address) {
  const std::string shown = display_name(name);
  fields_.push_back(shown.empty() ? fmt::format("From: {}\n", address)
                                  : fmt::format("From: {} <{}>\n", shown, address));
}

std::string Header::text() const {
  std::string all;
  for (const std::string& field : fields_) all += field;
  return all;
}

}  // namespace impulse::sendmail
