// sysinfo, uptime, paniclog, reopen logs: the process and its logs.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

#include <algorithm>

namespace impulse::control {

namespace {

int64_t seconds_up(const Invocation& call) {
  const Duration up = std::chrono::duration_cast<Duration>(call.about.now() - call.system.started());
  return std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(up).count());
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text.empty() ? "none" : text;
}

struct Facts {
  SystemInfo info;
  std::string version;
  std::string node;
  WallTime started;
  int64_t uptime = 0;
};

void say_facts_json(Writer& writer, const Facts& facts) {
  const SystemInfo& info = facts.info;
  Json libraries = Json::object();
  for (const auto& [name, version] : info.libraries) libraries[name] = version;
  writer.document({{"product", "impulse"},
                   {"version", facts.version},
                   {"node", facts.node},
                   {"compiler", info.compiler},
                   {"features", info.features},
                   {"libraries", std::move(libraries)},
                   {"distribution", info.distribution},
                   {"kernel", info.kernel},
                   {"processors", info.processors},
                   {"descriptors", info.descriptors},
                   {"descriptor_limit", info.descriptor_limit},
                   {"user", info.user},
                   {"group", info.group},
                   {"capabilities", info.capabilities},
                   {"started", time_text(facts.started)},
                   {"uptime", facts.uptime}});
}

void say_facts(Writer& writer, const Facts& facts) {
  if (writer.json()) return say_facts_json(writer, facts);
  const SystemInfo& info = facts.info;
  const auto row = [&](std::string_view name, std::string_view value) {
    writer.text(fmt::format("{}: {}", name, field(value, 1024)));
  };
  row("Impulse Version", fmt::format("{} ({}-bit)", facts.version, sizeof(void*) * 8));
  row("product name", "Impulse");
  row("node", facts.node);
  row("compiler", info.compiler);
  row("features", joined(info.features));
  for (const auto& [name, version] : info.libraries) row("library " + name, version);
  if (!info.distribution.empty()) row("system", info.distribution);
  row("kernel", info.kernel);
  row("processors", std::to_string(info.processors));
  row("descriptors", fmt::format("{} in use, {} allowed", info.descriptors, info.descriptor_limit));
  row("user", info.user);
  row("group", info.group);
  row("capabilities", info.capabilities.empty() ? "none" : info.capabilities);
  row("started", time_text(facts.started));
  row("uptime", fmt::format("{} seconds", facts.uptime));
}

constexpr size_t default_lines = 10;  // of each level, as Momentum has it
constexpr size_t most_lines = 100;

}  // namespace

Answer sysinfo(const Invocation& call) {
  if (!call.words.empty()) return usage("sysinfo", "nothing is expected behind it");
  Facts facts{call.system.process().information(), call.about.version, call.system.node(), call.system.started(),
              seconds_up(call)};
  return Answer::once({}, [facts = std::move(facts)](Writer& writer) { say_facts(writer, facts); });
}

Answer uptime(const Invocation& call) {
  if (!call.words.empty()) return usage("uptime", "nothing is expected behind it");
  return Answer::once({}, [started = call.system.started(), up = seconds_up(call)](Writer& writer) {
    if (writer.json())
      writer.document({{"started", time_text(started)}, {"uptime", up}});
    else
      writer.text(
          fmt::format("Uptime: {} seconds ({}), since {}", up, age_text(std::chrono::seconds(up)), time_text(started)));
  });
}

Answer paniclog(const Invocation& call) {
  size_t count = default_lines;
  if (!call.words.empty()) {
    const auto number = parse_unsigned(call.words[0].text, most_lines);
    if (!number || *number == 0 || call.words.size() > 1)
      return usage("paniclog", fmt::format("a number of lines from 1 to {} is expected", most_lines));
    count = *number;
  }
  const auto lines = std::make_shared<const std::vector<telemetry::LogLine>>(call.system.process().recent_log(count));
  Status status;
  status.with("lines", lines->size());
  return {std::move(status),
          each(lines->size(),
               [lines](Writer& writer, size_t i) {
                 const telemetry::LogLine& line = (*lines)[i];
                 if (writer.json())
                   writer.document({{"level", std::string(telemetry::to_string(line.level))}, {"line", line.text}});
                 else
                   writer.text(line.text);
               }),
          false};
}

Answer reopen_logs(const Invocation& call) {
  if (!call.words.empty()) return usage("reopen logs", "nothing is expected behind it");
  auto logs = call.system.process().reopen_logs();
  Status status;
  for (const auto& [name, result] : logs)
    if (!result) status.code = Code::degraded;
  return Answer::once(std::move(status), [logs = std::move(logs)](Writer& writer) {
    for (const auto& [name, result] : logs) {
      if (!result) writer.error("log-reopen-failed", result.error().message);
      if (writer.json())
        writer.document({{"log", name}, {"reopened", result.has_value()}});
      else
        writer.text(fmt::format("{}: {}", name, result ? "reopened" : "the old file stays in use"));
    }
  });
}

}  // namespace impulse::control
