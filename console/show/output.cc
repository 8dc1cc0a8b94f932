#include "console/show/output.h"

#include "base/text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstdio>

namespace impulse::ecshow {

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void print_json(const Json& document) { print(document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"); }

void complain(std::string_view text) { fmt::print(stderr, "ec_show: {}\n", text); }

bool all_printed() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

std::string time_text(WallTime time) {
  if (time == WallTime{}) return "-";
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
}

Json time_json(WallTime time) { return time == WallTime{} ? Json() : Json(time_text(time)); }

std::string address_text(std::string_view address) { return "<" + escape_line(address) + ">"; }

std::string id_text(MessageId id, std::string_view node) {
  std::string text = id.to_string(node);
  if (node.empty()) text.pop_back();
  return text;
}

std::string_view state_text(const spool::RecipientState& state) {
  if (state.state == spool::State::pending && !state.held()) return state.attempts == 0 ? "waiting" : "retrying";
  return spool::state_name(state);
}

}  // namespace impulse::ecshow
