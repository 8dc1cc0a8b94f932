// counter list, counter show, counter reset: counters by their names.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

#include <ctime>

namespace impulse::control {

namespace {

using telemetry::Counter;

// Momentum's form, in UTC.
std::string reset_text(WallTime time) {
  if (time == WallTime{}) return "never";
  const std::time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d@%H:%M:%S", &parts)};
}

// How much of it there was where, of the Listens and Tenants where something was.
std::vector<std::pair<std::string, int64_t>> by_scope(System& system, Counter counter) {
  std::vector<std::pair<std::string, int64_t>> found;
  system.counters().each_scope([&](const std::string& name, const telemetry::Counters::Scope& scope) {
    if (const int64_t value = scope.shown(counter); value != 0) found.emplace_back(name, value);
  });
  return found;
}

void say_counter(Writer& writer, System& system, Counter counter) {
  const telemetry::CounterDef& def = telemetry::counter_defs()[static_cast<size_t>(counter)];
  const telemetry::Counters& counters = system.counters();
  const std::string_view semantics = def.gauge ? "gauge" : "counter";
  if (writer.json()) {
    const WallTime at = counters.reset_at(counter);
    Json document{{"name", std::string(def.name)},
                  {"value", counters.shown(counter)},
                  {"total", counters.value(counter)},
                  {"semantics", std::string(semantics)},
                  {"reset", at == WallTime{} ? Json() : Json(time_text(at))},
                  {"help", std::string(def.help)}};
    if (def.refusal) document["listens"] = Json::object();
    if (def.tenant) document["tenants"] = Json::object();
    for (const auto& [name, value] : by_scope(system, counter)) {
      if (name.starts_with(telemetry::tenant_scope))
        document["tenants"][name.substr(telemetry::tenant_scope.size())] = value;
      else
        document["listens"][name] = value;
    }
    writer.document(document);
    return;
  }
  writer.text(fmt::format("{:<12} {:<20} {:<9} {}", counters.shown(counter), reset_text(counters.reset_at(counter)),
                          semantics, def.name));
}

Step heading(bool json) {
  if (json) return {};
  return each(1, [](Writer& writer, size_t) {
    writer.text(fmt::format("{:<12} {:<20} {:<9} {}", "VALUE", "RESET_TIME", "SEMANTICS", "COUNTER"));
  });
}

Answer unknown(const config::RawValue& word) {
  std::vector<std::string_view> names;
  for (const telemetry::CounterDef& def : telemetry::counter_defs()) names.push_back(def.name);
  const std::string_view meant = nearest(word.text, names);
  return placed_error(Code::not_found, "control-no-counter", word,
                      meant.empty()
                          ? fmt::format("no counter is called '{}'", field(word.text))
                          : fmt::format("no counter is called '{}'; did you mean '{}'?", field(word.text), meant));
}

}  // namespace

Answer counter_list(const Invocation& call) {
  if (call.words.size() > 1) return usage("counter list", "at most the beginning of a name is expected");
  const std::string prefix = call.words.empty() ? std::string() : call.words[0].text;
  auto found = std::make_shared<std::vector<Counter>>();
  for (size_t i = 0; i < telemetry::counter_defs().size(); ++i)
    if (istarts_with(telemetry::counter_defs()[i].name, prefix)) found->push_back(static_cast<Counter>(i));
  Status status;
  if (found->empty()) status.code = Code::not_found;
  status.with("counters", found->size());
  Step lines = then(found->empty() ? Step() : heading(call.json),
                    each(found->size(), [found, &system = call.system](Writer& writer, size_t i) {
                      say_counter(writer, system, (*found)[i]);
                    }));
  if (!call.json)
    lines = then(std::move(lines), each(1, [count = found->size()](Writer& writer, size_t) {
                   writer.text(fmt::format("{} listed.", counted(count, "counter")));
                 }));
  return {std::move(status), std::move(lines), false};
}

Answer counter_show(const Invocation& call) {
  if (call.words.size() != 1) return usage("counter show", "the name of a counter is expected");
  const auto counter = telemetry::find_counter(call.words[0].text);
  if (!counter) return unknown(call.words[0]);
  return Answer::once({}, [counter = *counter, &system = call.system](Writer& writer) {
    say_counter(writer, system, counter);
    if (writer.json()) return;
    writer.text(std::string(telemetry::counter_defs()[static_cast<size_t>(counter)].help));
    for (const auto& [name, value] : by_scope(system, counter)) writer.text(fmt::format("{:<12} {}", value, name));
  });
}

Answer counter_reset(const Invocation& call) {
  if (call.words.size() > 1) return usage("counter reset", "at most the name of a counter is expected");
  std::optional<Counter> counter;
  if (!call.words.empty()) {
    counter = telemetry::find_counter(call.words[0].text);
    if (!counter) return unknown(call.words[0]);
    if (telemetry::counter_defs()[static_cast<size_t>(*counter)].gauge)
      return placed_error(Code::failed, "control-gauge", call.words[0],
                          "it says what is there now, and cannot be reset");
  }
  call.system.process().reset_counters(counter, call.about.now());
  return Answer{};
}

}  // namespace impulse::control
