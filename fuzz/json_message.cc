// A request's body to messages: the first byte chooses API and media type, the
// rest is what the client sends. Whatever it is: an answer of 4xx, or messages
// whose header sections and envelopes no value broke out of.
#include "api/job.h"
#include "base/text.h"
#include "kit.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace impulse;
using namespace impulse::api;
using fuzz::check;

void check_error(const api::Error& error, Style style) {
  const int status = status_of(error.fault);
  check(status >= 400 && status < 500, "bad input made us fail");
  check(!error.reason.contains('\n') && !error.field.contains('\n'), "an error of several lines");
  check(nlohmann::json::accept(error_body(error, style)), "an error that is no JSON");
}

void check_message(const spool::Incoming& incoming, bool made_of_json) {
  const message::Envelope& envelope = incoming.envelope;
  check(!envelope.recipients.empty(), "to nobody");
  std::vector<std::string_view> addresses{envelope.sender};
  for (const auto& recipient : envelope.recipients) addresses.push_back(recipient.address);
  for (const std::string_view address : addresses)
    check(std::ranges::none_of(address, [](char c) { return (c >= 0 && c < 0x20) || c == 0x7F; }),
          "an address with a control character");
  const std::string text = incoming.trace + incoming.body.to_string();
  check(!text.contains('\0') || !made_of_json, "a NUL");
  check(std::ranges::count(text, '\n') == std::ranges::count(text, '\r'), "a line end that is none");
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1))
    check(at > 0 && text[at - 1] == '\r', "a line end that is none");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > 16384) return 0;
  constexpr std::array styles{Style::transmissions, Style::inject, Style::impulse};
  const Style style = styles.at(data[0] % 3);
  Call call;
  call.body = fuzz::text_of(data + 1, size - 1);
  const bool raw = style == Style::impulse && data[0] >= 128;
  call.content_type = raw ? "message/rfc822" : "application/json";
  if (raw) call.query = {{"from", "a@b.example"}, {"to", "c@d.example"}};
  call.now = WallTime(std::chrono::seconds(1700000000));
  call.number = 1;
  auto policy = std::make_shared<Policy>();
  policy->received_hostname = "mx.example";
  policy->max_message_size = 1 << 20;
  const auto job = make_job(style, std::move(call), policy);
  if (!job) {
    check_error(job.error(), style);
    return 0;
  }
  std::vector<MessageId> ids;
  for (size_t i = 0; i < std::min<size_t>((*job)->total(), 8); ++i) {
    const auto built = (*job)->build(i);
    if (!built)
      check_error(built.error(), style);
    else
      check_message(*built, !raw);
    ids.push_back({1, static_cast<uint32_t>(i)});
  }
  check(nlohmann::json::accept((*job)->answer(ids, "node")), "an answer that is no JSON");
  return 0;
}
