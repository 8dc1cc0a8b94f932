// A client and an owner for http::ServerSession in tests: bytes in, requests and
// responses out, with the input cut as a test likes.
#pragma once

#include "base/text.h"
#include "http/server_session.h"

#include "../cutting.h"

#include <cppunit/TestAssert.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace http_test {

using namespace impulse;
using namespace impulse::http;

using cutting::Cutting;
using cutting::pieces_of;
using cutting::repeat;
using cutting::whole;
inline Cutting random_cuts(unsigned seed) { return cutting::random_pieces(seed, 40); }

// An owner whose every answer a test can set.
class FakeHost : public ServerHost {
 public:
  WallTime now() override { return WallTime(std::chrono::seconds(784111777)); }
  std::string make_id() override { return "id-" + std::to_string(++ids); }
  Result<std::shared_ptr<const Policy>> safe_point() override {
    ++safe_points;
    return std::exchange(next_policy, Result<std::shared_ptr<const Policy>>(nullptr));
  }
  std::optional<Response> on_head(const RequestHead& head) override {
    ++heads;
    return refusal ? refusal(head) : std::nullopt;
  }
  void replied(const Replied& reply) override {
    events.push_back(std::to_string(reply.status) + ' ' + std::string(reply.cause));
  }

  bool parting() const override { return is_parting; }

  std::function<std::optional<Response>(const RequestHead&)> refusal;
  bool is_parting = false;
  Result<std::shared_ptr<const Policy>> next_policy{nullptr};
  int ids = 0;
  int heads = 0;
  int safe_points = 0;
  std::vector<std::string> events;  // "400 header"
};

inline Response ok(std::string body = "done") {
  Response response;
  response.with("Content-Type", "text/plain");
  response.body = std::move(body);
  return response;
}

// One connection. What the client says is fed as `cutting` has it; each request is answered at once.
class Dialogue {
 public:
  explicit Dialogue(Policy policy = {}, Cutting cutting = whole()) : cutting_(std::move(cutting)) {
    session = std::make_unique<ServerSession>(std::make_shared<const Policy>(std::move(policy)), host);
  }

  // All of it, or until the engine wants to close.
  Dialogue& say(std::string_view bytes) {
    waiting_ += bytes;
    go_on();
    return *this;
  }

  // Feeds what waits.
  void go_on() {
    while (!waiting_.empty() && !closed && !due) {
      const size_t count = std::min(waiting_.size(), std::max<size_t>(1, cutting_(waiting_.size())));
      const size_t used = session->feed(std::string_view(waiting_).substr(0, count), out);
      CPPUNIT_ASSERT(used <= count);
      const bool stalled = out.reply.size() > ServerSession::reply_limit;
      CPPUNIT_ASSERT(used == count || out.next == Next::answer || stalled);
      taken += used;
      waiting_.erase(0, used);
      look();
    }
  }

  void look() {
    replies += std::exchange(out.reply, {});
    restarts += std::exchange(out.restart_deadline, false) ? 1 : 0;
    closed = out.next == Next::close;
    if (out.next != Next::answer || due) return;
    requests.push_back(session->take_request());
    due = true;
    if (!hold) answer(answering ? answering(requests.back()) : ok());
  }

  void answer(const Response& response) {
    due = false;
    session->answered(response, out);
    look();
  }

  // "POST /path body", of each.
  std::string heard() const {
    std::string text;
    for (const Request& request : requests) {
      if (!text.empty()) text += '\n';
      text += std::string(method_name(request.head.method)) + ' ' + request.head.path + ' ' + request.body;
    }
    return text;
  }

  // "200 answered, 400 header"
  std::string events() const {
    std::string text;
    for (const std::string& event : host.events) text += (text.empty() ? "" : ", ") + event;
    return text;
  }

  FakeHost host;
  std::unique_ptr<ServerSession> session;
  Output out;
  std::function<Response(const Request&)> answering;
  bool hold = false;  // the test answers itself
  bool due = false;
  bool closed = false;
  size_t taken = 0;
  int restarts = 0;
  std::string replies;
  std::vector<Request> requests;

 private:
  Cutting cutting_;
  std::string waiting_;
};

// The value of a field in the first response; empty: it is not there.
inline std::string reply_field(std::string_view replies, std::string_view name) {
  for (std::string_view line : split(replies.substr(0, replies.find("\r\n\r\n")), '\n')) {
    if (!istarts_with(line, name) || !line.substr(name.size()).starts_with(": ")) continue;
    return std::string(trim(line.substr(name.size() + 2)));
  }
  return {};
}

}  // namespace http_test
