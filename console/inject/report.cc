#include "console/inject/report.h"

#include "console/inject/progress.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <iterator>

namespace impulse::ecinject {

namespace {

struct Percentile {
  const char* name;
  const char* key;
  double part;
};
constexpr std::array percentiles{Percentile{"p50", "p50_us", 0.5}, Percentile{"p90", "p90_us", 0.9},
                                 Percentile{"p99", "p99_us", 0.99}, Percentile{"p99.9", "p99_9_us", 0.999}};

double a_second(uint64_t count, double seconds) { return seconds > 0 ? static_cast<double>(count) / seconds : 0; }

std::string time_text(uint64_t micros) {
  if (micros < 10'000) return fmt::format("{:.2f} ms", static_cast<double>(micros) / 1e3);
  if (micros < 10'000'000) return fmt::format("{:.0f} ms", static_cast<double>(micros) / 1e3);
  return fmt::format("{:.1f} s", static_cast<double>(micros) / 1e6);
}

}  // namespace

bool all_accepted(const RunResult& result) {
  const Tally& tally = result.tally;
  return tally.refused == 0 && tally.refused_recipients == 0 && tally.unknown == 0 && result.unsent == 0 &&
         !result.failure;
}

std::string report_text(const Asked& asked, const RunResult& result) {
  const Tally& tally = result.tally;
  std::string text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "accepted    {} messages, {} recipients, {} in {:.2f} s by {} to {}\n", tally.accepted,
                 tally.accepted_recipients, human_bytes(static_cast<double>(tally.accepted_bytes)), result.seconds,
                 asked.protocol, asked.server);
  if (tally.already_there != 0)
    fmt::format_to(out, "before      {} messages, by an earlier run of this stream\n", tally.already_there);
  if (tally.refused != 0 || tally.refused_recipients != 0)
    fmt::format_to(out, "refused     {} messages, {} recipients\n", tally.refused, tally.refused_recipients);
  for (const auto& [code, refusals] : tally.by_code)
    fmt::format_to(out, "  {}       {} messages, {} recipients: {}\n", code, refusals.messages, refusals.recipients,
                   refusals.text);
  if (tally.unknown != 0) fmt::format_to(out, "unknown     {} messages: sent, but no answer came\n", tally.unknown);
  if (result.unsent != 0) fmt::format_to(out, "not sent    {} messages\n", result.unsent);
  if (tally.resent != 0) fmt::format_to(out, "sent again  {} messages\n", tally.resent);
  if (tally.broken != 0)
    fmt::format_to(out, "broken      {} of {} connections: {}\n", tally.broken, tally.connections, tally.last_error);
  fmt::format_to(out, "rate        {:.1f} messages/s, {}/s\n", a_second(tally.accepted, result.seconds),
                 human_bytes(a_second(tally.accepted_bytes, result.seconds)));
  const Histogram& latency = tally.latency;
  if (latency.count() != 0) {
    text += "latency    ";
    for (const Percentile& each : percentiles)
      fmt::format_to(out, " {} {},", each.name, time_text(latency.percentile(each.part)));
    fmt::format_to(out, " max {}\n", time_text(latency.max()));
  }
  if (result.interrupted) text += "interrupted\n";
  return text;
}

std::string report_json(const Asked& asked, const RunResult& result) {
  using nlohmann::ordered_json;
  const Tally& tally = result.tally;
  ordered_json codes = ordered_json::object();
  for (const auto& [code, refusals] : tally.by_code)
    codes[std::to_string(code)] = {
        {"messages", refusals.messages}, {"recipients", refusals.recipients}, {"text", refusals.text}};
  const Histogram& latency = tally.latency;
  ordered_json times{{"count", latency.count()}, {"min_us", latency.min()}, {"mean_us", latency.mean()}};
  for (const Percentile& each : percentiles) times[each.key] = latency.percentile(each.part);
  times["max_us"] = latency.max();
  ordered_json report{
      {"protocol", asked.protocol},
      {"server", asked.server},
      {"tls", asked.tls},
      {"connections", asked.connections},
      {"seed", asked.seed},
      {"seconds", result.seconds},
      {"complete", all_accepted(result) && !result.interrupted},
      {"interrupted", result.interrupted},
      {"accepted",
       {{"messages", tally.accepted}, {"recipients", tally.accepted_recipients}, {"bytes", tally.accepted_bytes}}},
      {"refused", {{"messages", tally.refused}, {"recipients", tally.refused_recipients}, {"codes", codes}}},
      {"unknown", tally.unknown},
      {"not_sent", result.unsent},
      {"already_there", tally.already_there},
      {"sent_again", tally.resent},
      {"connection_attempts", tally.connections},
      {"connections_broken", tally.broken},
      {"wire_bytes", tally.wire_bytes},
      {"messages_per_second", a_second(tally.accepted, result.seconds)},
      {"bytes_per_second", a_second(tally.accepted_bytes, result.seconds)},
      {"latency", times},
  };
  if (!tally.last_error.empty()) report["last_error"] = tally.last_error;
  if (result.failure) report["failure"] = result.failure->text;
  return report.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace impulse::ecinject
