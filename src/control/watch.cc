#include "control/watch.h"

#include "base/text.h"
#include "control/writer.h"

#include <utility>

namespace impulse::control {

namespace {

// In ASCII, whatever the strings hold.
std::string line_of(const Json& document) {
  return "* " + document.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace

uint64_t Watch::set(const WatchWish& wish) {
  const uint64_t dropped = dropped_;
  *this = Watch();
  wish_ = wish;
  if (wish.on) told_.assign(telemetry::counter_defs().size(), 0);
  return dropped;
}

void Watch::event(std::string_view id, std::string_view text) {
  if (!wish_.on) return;
  if (lines_.size() >= most_waiting) {
    ++dropped_;
    return;
  }
  const std::string safe = escape_line(text, longest);
  if (wish_.json)
    lines_.push_back(line_of({{"event", id}, {"text", safe}}));
  else
    lines_.push_back(fmt::format("* event {}{}{}\n", id, safe.empty() ? "" : " ", safe));
}

void Watch::tick(System& system) {
  if (!wish_.on) return;
  const SpoolStatus spool = system.spool();
  if (std::exchange(accepting_, spool.accepting) != spool.accepting)
    event(spool.accepting ? "spool-well" : "spool-sick", spool.reason);
  if (!counters_.empty()) return;  // not told yet: what changes meanwhile is in the next one
  const auto defs = telemetry::counter_defs();
  Json changed = Json::object();
  std::string text;
  for (size_t i = 0; i < defs.size(); ++i) {
    const int64_t value = system.counters().value(static_cast<telemetry::Counter>(i));
    if (std::exchange(told_[i], value) == value) continue;
    if (wish_.json)
      changed[std::string(defs[i].name)] = value;
    else
      text += fmt::format(" {}={}", defs[i].name, value);
  }
  if (!changed.empty()) counters_ = line_of({{"counters", std::move(changed)}});
  if (!text.empty()) counters_ = fmt::format("* counters{}\n", text);
}

void Watch::say(std::string& out) {
  for (const std::string& line : lines_) out += line;
  lines_.clear();
  if (const uint64_t more = dropped_ - std::exchange(admitted_, dropped_); more > 0)
    out += wish_.json ? line_of({{"dropped", more}}) : fmt::format("* dropped {}\n", more);
  out += counters_;
  counters_.clear();
}

}  // namespace impulse::control
