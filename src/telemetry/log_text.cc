#include "telemetry/log_text.h"

#include "base/concat.h"
#include "base/text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <iterator>

namespace impulse::telemetry {
namespace {

bool is_plain(char c) { return c >= ' ' && c < 0x7F && c != '@' && c != '\\'; }

// Cut between two characters.
std::string_view cut(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most;
  while (end > most - 4 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

int64_t seconds_of(WallTime time) { return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count(); }

std::string time_text(WallTime time) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
  const auto seconds = static_cast<std::time_t>(seconds_of(time));
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), ((ms % 1000) + 1000) % 1000);
}

std::pair<std::string_view, std::string_view> divide_address(std::string_view address) {
  const size_t at = address.ends_with('"') ? std::string_view::npos : address.rfind('@');
  if (at == std::string_view::npos) return {address, {}};
  return {address.substr(0, at), address.substr(at + 1)};
}

void at_field(std::string& line, std::string_view text) {
  line += '@';
  if (text.size() <= field_limit && std::all_of(text.begin(), text.end(), is_plain)) {
    line += text;
    return;
  }
  for (const char c : escape_line(text, field_limit)) {
    if (c == '@')
      line += "\\x40";
    else
      line += c;
  }
}

void at_field(std::string& line, uint64_t number) {
  line += '@';
  line += std::string_view(Digits(number));
}

void JsonLine::comma() {
  if (const char last = text_.back(); last != '{' && last != '[' && last != ':') text_ += ',';
}

void JsonLine::name(std::string_view name) {
  comma();
  text_ += '"';
  text_ += name;
  text_ += "\":";
}

void JsonLine::quoted(std::string_view value, size_t most) {
  text_ += '"';
  const std::string_view kept = cut(value, most);
  const bool harmless = is_ascii(kept) || is_utf8(kept);
  for (const char c : kept) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text_ += '\\';
      text_ += c;
    } else if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !harmless)) {
      fmt::format_to(std::back_inserter(text_), "\\u{:04x}", byte);
    } else {
      text_ += c;
    }
  }
  text_ += '"';
}

void JsonLine::text(std::string_view name, std::string_view value) {
  this->name(name);
  quoted(value);
}

void JsonLine::whole(std::string_view name, std::string_view value) {
  this->name(name);
  quoted(value, value.size());
}

void JsonLine::member(std::string_view name, std::string_view value) {
  comma();
  quoted(name);
  text_ += ':';
  quoted(value);
}

void JsonLine::number(std::string_view name, uint64_t value) {
  this->name(name);
  text_ += std::string_view(Digits(value));
}

void JsonLine::raw(std::string_view name, std::string_view json) {
  this->name(name);
  text_ += json;
}

void JsonLine::begin(std::string_view name, char bracket) {
  this->name(name);
  text_ += bracket;
}

void JsonLine::begin_member(std::string_view name, char bracket) {
  comma();
  quoted(name);
  text_ += ':';
  text_ += bracket;
}

void JsonLine::element(std::string_view value) {
  comma();
  quoted(value);
}

void JsonLine::end(char bracket) { text_ += bracket; }

std::string JsonLine::finish() && {
  text_ += "}\n";
  return std::move(text_);
}

}  // namespace impulse::telemetry
