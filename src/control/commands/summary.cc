// summary, summary reset: the daemon at a glance.
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "telemetry/counters.h"

#include <algorithm>

namespace impulse::control {

namespace {

double rate(int64_t count, Duration time) {
  return time > Duration{0} ? static_cast<double>(count) * 1e6 / static_cast<double>(time.count()) : 0;
}

// When all that is shown began: at the last reset, else at the start.
WallTime last_reset(System& system) {
  return std::max(system.started(), system.counters().reset_at(telemetry::Counter::deliveries));
}

// Each Listen that refused something: how much, and for what causes.
struct Refusals {
  std::string listen;
  int64_t total = 0;
  std::vector<std::pair<std::string_view, int64_t>> causes;
};

std::vector<Refusals> refusals(System& system) {
  std::vector<Refusals> found;
  system.counters().each_scope([&](const std::string& name, const telemetry::Counters::Scope& scope) {
    Refusals row{name, 0, {}};
    for (size_t i = 0; i < telemetry::counter_defs().size(); ++i) {
      if (!telemetry::counter_defs()[i].refusal) continue;
      const int64_t value = scope.shown(static_cast<telemetry::Counter>(i));
      if (value == 0) continue;
      row.total += value;
      row.causes.emplace_back(telemetry::counter_defs()[i].name.substr(std::string_view("refused_").size()), value);
    }
    if (row.total != 0) found.push_back(std::move(row));
  });
  return found;
}

// Each tenant with all that is counted for it, but what is 0.
struct Tenant {
  std::string name;
  std::vector<std::pair<std::string_view, int64_t>> counters;
};

std::vector<Tenant> tenants(System& system) {
  std::vector<Tenant> found;
  system.counters().each_scope([&](const std::string& name, const telemetry::Counters::Scope& scope) {
    if (!name.starts_with(telemetry::tenant_scope)) return;
    Tenant row{name.substr(telemetry::tenant_scope.size()), {}};
    for (size_t i = 0; i < telemetry::counter_defs().size(); ++i)
      if (const int64_t value = scope.shown(static_cast<telemetry::Counter>(i)); value != 0)
        row.counters.emplace_back(telemetry::counter_defs()[i].name, value);
    found.push_back(std::move(row));
  });
  return found;
}

void say_json(Writer& writer, System& system, const About& about) {
  const QueueTotals sums = system.queue_totals();
  const SpoolStatus spool = system.spool();
  Json counters = Json::object();
  Json since_reset = Json::object();
  for (size_t i = 0; i < telemetry::counter_defs().size(); ++i) {
    const std::string name(telemetry::counter_defs()[i].name);
    counters[name] = system.counters().value(static_cast<telemetry::Counter>(i));
    since_reset[name] = system.counters().shown(static_cast<telemetry::Counter>(i));
  }
  const Duration uptime = about.now() - system.started();
  Json document{
      {"node", system.node()},
      {"version", about.version},
      {"generation", system.engine().current()->generation()},
      {"started", time_text(system.started())},
      {"uptime", std::chrono::duration_cast<std::chrono::seconds>(uptime).count()},
      {"queue",
       {{"domains", sums.domains}, {"active", sums.active}, {"delayed", sums.delayed}, {"in_flight", sums.in_flight}}},
      {"spool",
       {{"accepting", spool.accepting},
        {"reason", spool.reason},
        {"messages", spool.messages},
        {"segments", spool.segments},
        {"bytes", spool.bytes},
        {"free_bytes", spool.free_bytes},
        {"copied", spool.copied},
        {"copied_bytes", spool.copied_bytes},
        {"removed", spool.removed},
        {"freed", spool.freed},
        {"indexing",
         {{"phase", spool.indexing.phase},
          {"segments", spool.indexing.segments},
          {"segments_read", spool.indexing.segments_read},
          {"messages", spool.indexing.messages},
          {"queued", spool.indexing.queued},
          {"percent", spool.indexing.percent}}}}},
      {"counters", std::move(counters)},
      {"last_reset", time_text(last_reset(system))},
      {"since_reset", std::move(since_reset)}};
  Json refused = Json::object();
  for (const Refusals& row : refusals(system))
    for (const auto& [cause, value] : row.causes) refused[row.listen][std::string(cause)] = value;
  document["refused"] = std::move(refused);
  Json of_tenants = Json::object();
  for (const Tenant& row : tenants(system)) {
    of_tenants[row.name] = Json::object();
    for (const auto& [name, value] : row.counters) of_tenants[row.name][std::string(name)] = value;
  }
  document["tenants"] = std::move(of_tenants);
  writer.document(document);
}

void say_text(Writer& writer, System& system, const About& about) {
  using telemetry::Counter;
  const auto value = [&](Counter counter) { return system.counters().shown(counter); };
  const auto row = [&](std::string_view name, const auto& shown) {
    writer.text(fmt::format("{:>34} {}", name, shown));
  };
  const QueueTotals sums = system.queue_totals();
  const SpoolStatus spool = system.spool();
  const auto since = [&](WallTime when) { return std::chrono::duration_cast<Duration>(about.now() - when); };
  const Duration uptime = since(system.started());
  const Duration counting = since(last_reset(system));
  const auto seconds = [](Duration time) {
    return fmt::format("{} seconds", std::chrono::duration_cast<std::chrono::seconds>(time).count());
  };
  writer.text("Summary Statistics");
  row("Outbound Concurrency:", value(Counter::outbound_open));
  row("Inbound Concurrency:", value(Counter::sessions_open));
  row("Active Domains:", sums.domains);
  row("Active Queue Size:", sums.active);
  row("Delayed Queue Size:", sums.delayed);
  row("In Delivery:", sums.in_flight);
  row("Total Queue Size:", sums.active + sums.delayed + sums.in_flight);
  row("Successfully Delivered Messages:", value(Counter::deliveries));
  row("Transient Failures:", value(Counter::transient_failures));
  row("Failed Messages:", value(Counter::permanent_failures));
  row("Rejected Messages:", value(Counter::messages_refused));
  for (const Refusals& refused : refusals(system)) {
    std::string causes;
    for (const auto& [cause, value] : refused.causes)
      causes += fmt::format("{}{} {}", causes.empty() ? "" : ", ", value, cause);
    row(fmt::format("Refused at {}:", refused.listen), fmt::format("{} ({})", refused.total, causes));
  }
  for (const Tenant& tenant : tenants(system)) {
    std::string all;
    for (const auto& [name, value] : tenant.counters)
      if (!name.starts_with("refused_")) all += fmt::format("{}{} {}", all.empty() ? "" : ", ", value, name);
    row(fmt::format("Tenant {}:", tenant.name), all.empty() ? "nothing" : all);
  }
  row("Received Messages:", value(Counter::messages_received));
  row("Delivery Rate:", fmt::format("{:.2f} messages/second", rate(value(Counter::deliveries), counting)));
  row("Reception Rate:", fmt::format("{:.2f} messages/second", rate(value(Counter::messages_received), counting)));
  row("Spooled Messages:", spool.messages);
  row("Spool Size:",
      fmt::format("{} bytes in {}, {} free", spool.bytes, counted(spool.segments, "segment"), spool.free_bytes));
  if (!spool.indexing.text.empty()) row("Indexing:", spool.indexing.text);
  row("Compaction:", fmt::format("{} bytes of {} copied; {} bytes in {} removed", spool.copied_bytes,
                                 counted(spool.copied, "message"), spool.freed, counted(spool.removed, "segment")));
  row("Accepting:", spool.accepting ? "yes" : "no: " + field(spool.reason));
  row("Configuration Generation:", system.engine().current()->generation());
  row("Statistics Last Reset:", seconds(counting));
  row("Uptime:", seconds(uptime));
}

}  // namespace

Answer summary(const Invocation& call) {
  if (!call.words.empty()) return usage("summary", "nothing is expected behind it");
  return Answer::once({}, [&system = call.system, &about = call.about](Writer& writer) {
    if (writer.json())
      say_json(writer, system, about);
    else
      say_text(writer, system, about);
  });
}

Answer summary_reset(const Invocation& call) {
  if (!call.words.empty()) return usage("summary reset", "nothing is expected behind it");
  call.system.process().reset_counters(std::nullopt, call.about.now());
  return Answer{};
}

}  // namespace impulse::control
