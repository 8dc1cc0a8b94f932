#include "ecstream/hello.h"

#include "ecstream/frame.h"
#include "ecstream/wire.h"

#include "base/text.h"

#include <algorithm>
#include <bitset>
#include <optional>

namespace impulse::ecstream {

namespace {

bool is_text(std::string_view value) {
  return is_utf8(value) &&
         std::none_of(value.begin(), value.end(), [](unsigned char c) { return c < ' ' || c == 127; });
}

enum Tag : uint8_t {
  tag_max_frame = 1,
  tag_max_message = 2,
  tag_max_recipients = 3,
  tag_window = 4,
  tag_mechanisms = 5,
  tag_agent = 6,
  tag_hostname = 7,
  tag_idle = 8,
  tag_auth_required = 9,
};

constexpr size_t longest_text = 1024;

}  // namespace

std::string encode(const Hello& hello, From from) {
  std::string payload(magic);
  put(payload, hello.version);
  put(payload, hello.lowest_version);
  put(payload, hello.features);
  put_field(payload, tag_max_frame, hello.max_frame);
  const auto text = [&](uint8_t tag, std::string_view value) {
    if (!value.empty()) put_field(payload, tag, value.substr(0, longest_text));
  };
  if (from == From::server) {
    put_field(payload, tag_max_message, hello.max_message);
    put_field(payload, tag_max_recipients, hello.max_recipients);
    put_field(payload, tag_window, hello.window);
    text(tag_mechanisms, hello.mechanisms);
  }
  text(tag_agent, hello.agent);
  text(tag_hostname, hello.hostname);
  if (from == From::server) {
    put_field(payload, tag_idle, hello.idle_seconds);
    if (hello.auth_required) put_field(payload, tag_auth_required, uint8_t{1});
  }
  return payload;
}

std::expected<Hello, GoAway> decode_hello(std::string_view payload) {
  const std::unexpected<GoAway> malformed(GoAway::malformed);
  Reader reader(payload);
  if (reader.take(magic.size()) != magic) return malformed;
  Hello hello;
  hello.version = reader.number<uint16_t>();
  hello.lowest_version = reader.number<uint16_t>();
  hello.features = reader.number<uint32_t>();
  std::bitset<256> seen;
  const auto number = [](std::string_view value, auto& into) {
    using Number = std::remove_reference_t<decltype(into)>;
    if (value.size() != sizeof(Number)) return false;
    into = get<Number>(value);
    return true;
  };
  while (const std::optional<Field> field = next_field(reader)) {
    if (seen.test(field->tag)) return malformed;
    seen.set(field->tag);
    bool good = true;
    uint8_t yes = 0;
    switch (field->tag) {
      case tag_max_frame:
        good = number(field->value, hello.max_frame) && hello.max_frame >= smallest_max_frame;
        break;
      case tag_max_message:
        good = number(field->value, hello.max_message);
        break;
      case tag_max_recipients:
        good = number(field->value, hello.max_recipients);
        break;
      case tag_window:
        good = number(field->value, hello.window);
        break;
      case tag_mechanisms:
        hello.mechanisms = field->value;
        break;
      case tag_agent:
        good = is_text(field->value);
        hello.agent = field->value;
        break;
      case tag_hostname:
        good = is_text(field->value);
        hello.hostname = field->value;
        break;
      case tag_idle:
        good = number(field->value, hello.idle_seconds);
        break;
      case tag_auth_required:
        good = number(field->value, yes) && yes <= 1;
        hello.auth_required = yes == 1;
        break;
      default:
        break;
    }
    if (!good) return malformed;
  }
  if (reader.bad() || hello.lowest_version > hello.version || hello.lowest_version == 0) return malformed;
  return hello;
}

}  // namespace impulse::ecstream
