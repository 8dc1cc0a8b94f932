#include "api/health.h"

#include "base/text.h"

#include <nlohmann/json.hpp>

namespace impulse::api {

namespace {

std::string body(bool good, nlohmann::ordered_json reasons) {
  nlohmann::ordered_json answer;
  answer["status"] = good ? "ok" : "unavailable";
  answer["reasons"] = std::move(reasons);
  return answer.dump() + "\n";
}

}  // namespace

HealthAnswer live_answer() { return {200, body(true, nlohmann::ordered_json::array())}; }

HealthAnswer ready_answer(const HealthState& state) {
  nlohmann::ordered_json reasons = nlohmann::ordered_json::array();
  const auto say = [&](std::string_view code, std::string_view reason) {
    // Paths and such are whatever the system has in them.
    reasons.push_back({{"code", code}, {"reason", is_utf8(reason) ? std::string(reason) : escape_line(reason)}});
  };
  if (state.stopping) say("stopping", "the server is shutting down");
  if (!state.listening) say("no_listener", "no listener for mail is bound");
  if (state.spool) say("spool", *state.spool);
  if (state.memory) say("memory", *state.memory);
  const bool good = reasons.empty();
  return {good ? 200 : 503, body(good, std::move(reasons))};
}

}  // namespace impulse::api
