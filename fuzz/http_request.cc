// Feeds the HTTP server engine anything, twice: at once and in pieces. Both must
// give the same replies, requests, causes and end, and take the same bytes. No
// response may be anything but a whole response, one for each request, and none
// that bad input caused a 5xx but 501 and 505.
//
// The first byte chooses the policy; of the second five bits say how the input
// is cut, 0x20 makes the owner refuse some heads, 0x40 ends the session behind
// its first request; the third seeds the pieces. The rest is what the client sends.
#include "base/text.h"
#include "http/server_session.h"
#include "kit.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace {

using namespace impulse;
using namespace impulse::http;
using fuzz::check;

class Host : public ServerHost {
 public:
  WallTime now() override { return WallTime(std::chrono::seconds(1700000000)); }
  std::string make_id() override { return "id-" + std::to_string(++ids_); }
  std::optional<Response> on_head(const RequestHead& head) override {
    check(head.path.starts_with('/'), "a path that is none");
    check(is_utf8(head.path) && !head.path.contains('\0') && !head.path.contains('\n'), "a path that is no text");
    check(!("/" + head.path + "/").contains("/../"), "a path that leads up");
    check(head.minor == 0 || !head.host.empty(), "nobody is meant");
    check(head.fields.count("Content-Length") + head.fields.count("Transfer-Encoding") <= 1, "two ends");
    events += "head " + head.target + ' ' + head.path + ' ' + head.id + '\n';
    if (!refuses || head.path.size() % 3 != 1) return std::nullopt;
    return error_response(401, {.code = "no", .message = head.target});
  }
  void replied(const Replied& reply) override {
    ++replies;
    check(reply.status < 500 || reply.status == 501 || reply.status == 505, "bad input made us fail");
    events += std::to_string(reply.status) + ' ' + std::string(reply.cause) + ' ' + std::string(reply.message) + '\n';
  }
  bool refuses = false;
  size_t replies = 0;
  std::string events;

 private:
  int ids_ = 0;
};

struct Outcome {
  std::string replies;
  std::string events;  // heads, causes and requests, in order
  std::string state;
  size_t taken = 0;  // bytes, before the end
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Policy policy_for(uint8_t choice) {
  Policy policy;
  policy.max_request_line = (choice & 1) != 0 ? 40 : 8192;
  policy.max_header_size = (choice & 2) != 0 ? 80 : 65536;
  policy.max_header_fields = (choice & 4) != 0 ? 3 : 128;
  policy.max_request_size = (choice & 8) != 0 ? 20 : 4096;
  policy.http_1_0 = (choice & 16) == 0;
  policy.max_drain = (choice & 32) != 0 ? 30 : 100000;
  if ((choice & 64) != 0) policy.server_name = "Impulse";
  policy.max_expansion = 0;
  return policy;
}

// Takes one response off the front of what was said.
void take_response(std::string_view& said, bool head_only) {
  const size_t end = said.find("\r\n\r\n");
  check(said.starts_with("HTTP/1.1 ") && end != std::string_view::npos, "no response");
  std::string_view rest = said.substr(0, end + 2);
  std::string_view length;
  while (!rest.empty()) {
    const size_t line = rest.find("\r\n");
    const std::string_view text = rest.substr(0, line);
    for (const char c : text) check(c >= ' ' && c != 0x7F, "a response with strange bytes");
    if (text.starts_with("Content-Length: ")) length = text.substr(16);
    rest.remove_prefix(line + 2);
  }
  said.remove_prefix(end + 4);
  if (length.empty() || head_only) return;
  const size_t size = parse_unsigned(length).value_or(SIZE_MAX);
  check(size <= said.size(), "a response that was cut");
  said.remove_prefix(size);
}

// HEAD leaves the body out, so that where a response ends is known by the next one's begin.
void check_replies(std::string_view said, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    while (said.starts_with("HTTP/1.1 100 Continue\r\n\r\n")) said.remove_prefix(25);
    const size_t end = said.find("\r\n\r\n");
    check(end != std::string_view::npos, "a response too few");
    const std::string_view behind = said.substr(end + 4);
    take_response(said, behind.empty() || behind.starts_with("HTTP/1.1 "));
  }
  while (said.starts_with("HTTP/1.1 100 Continue\r\n\r\n")) said.remove_prefix(25);
  check(said.empty(), "a response too many");
}

// `seed` 0: all at once.
Outcome run(const Policy& policy, uint8_t choice, std::string_view input, uint32_t seed, uint32_t longest) {
  Host host;
  host.refuses = (choice & 0x20) != 0;
  ServerSession session(std::make_shared<const Policy>(policy), host);
  Outcome outcome;
  fuzz::Cuts cuts(seed, longest);
  Output out;
  while (!input.empty() && out.next != Next::close) {
    const size_t count = cuts.next(input.size());
    const size_t used = session.feed(input.substr(0, count), out);
    const bool full = out.reply.size() > ServerSession::reply_limit;
    check(used <= count && (used == count || out.next == Next::answer || full), "bytes left untaken");
    input.remove_prefix(used);
    outcome.taken += used;
    outcome.replies += out.reply;
    out.reply.clear();
    check(session.held() <= 2 * (policy.max_request_line + policy.max_header_size + policy.max_request_size) + 200000,
          "more is kept than may be");
    if (out.next != Next::answer) continue;
    check(session.feed("GET", out) == 0, "bytes taken while an answer is due");
    const Request request = session.take_request();
    check(request.body.size() <= policy.max_request_size, "a body over the limit");
    check(request.body.capacity() >= request.body.size() + body_padding, "no room behind the body");
    host.events += "body " + request.body + '\n';
    if ((choice & 0x40) != 0) session.shut_down(out);
    Response response;
    response.body = std::string(method_name(request.head.method)) + ' ' + request.head.path;
    session.answered(response.with("X-Path", request.head.path), out);
    outcome.replies += out.reply;
    out.reply.clear();
  }
  check_replies(outcome.replies, host.replies);
  // Behind the end all is taken, whatever it is.
  if (out.next == Next::close) outcome.taken += input.size();
  outcome.events = std::move(host.events);
  // How long a body is thrown away may depend on where in it a fault was seen.
  outcome.state = session.state() == "drain" ? "closed" : session.state();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const Policy policy = policy_for(data[0]);
  const std::string_view input = fuzz::text_of(data + 3, size - 3);
  const Outcome at_once = run(policy, data[1], input, 0, 1);
  check(at_once == run(policy, data[1], input, 1 + data[2], 1 + data[1] % 32), "the cutting shows");
  return 0;
}
