#include "api/metrics.h"

#include <fmt/format.h>

#include <utility>

namespace impulse::api {

namespace {

using telemetry::Counter;
using telemetry::CounterDef;
using Type = MetricsWriter::Type;
using Scopes = std::vector<std::pair<std::string, const telemetry::Counters::Scope*>>;

constexpr std::string_view refusal_prefix = "refused_";

Type type_of(const CounterDef& def) { return def.gauge ? Type::gauge : Type::counter; }

void write_tenants(MetricsWriter& writer, const Scopes& tenants) {
  if (tenants.empty()) return;
  size_t index = 0;
  for (const CounterDef& def : telemetry::counter_defs()) {
    const auto counter = static_cast<Counter>(index++);
    if (!def.tenant || def.refusal) continue;
    writer.family(fmt::format("impulse_tenant_{}", def.name), type_of(def), def.help);
    for (const auto& [name, scope] : tenants) writer.sample({{"tenant", name}}, scope->value(counter));
  }
}

void write_bindings(MetricsWriter& writer, const telemetry::Counters& counters) {
  Scopes bindings;
  counters.each_binding(
      [&](const std::string& name, const telemetry::Counters::Scope& scope) { bindings.emplace_back(name, &scope); });
  if (bindings.empty()) return;
  for (const Counter counter : telemetry::binding_counters()) {
    const CounterDef& def = telemetry::counter_defs()[static_cast<size_t>(counter)];
    writer.family(fmt::format("impulse_binding_{}", def.name), type_of(def), def.help);
    for (const auto& [name, scope] : bindings) writer.sample({{"binding", name}}, scope->value(counter));
  }
}

// visit(counter, cause)
template <class Visit>
void each_refusal(Visit visit) {
  size_t index = 0;
  for (const CounterDef& def : telemetry::counter_defs()) {
    const auto counter = static_cast<Counter>(index++);
    if (def.refusal) visit(counter, def.name.substr(refusal_prefix.size()));
  }
}

// Of tenants, of which there may be many, only what happened.
void write_refusals(MetricsWriter& writer, const telemetry::Counters& counters, const Scopes& listeners,
                    const Scopes& tenants) {
  writer.family("impulse_refused", Type::counter, "what was refused: sessions, commands, requests, messages; by cause");
  each_refusal(
      [&](Counter counter, std::string_view cause) { writer.sample({{"cause", cause}}, counters.value(counter)); });
  if (!listeners.empty())
    writer.family("impulse_listener_refused", Type::counter, "what was refused on a Listen, by cause");
  for (const auto& [name, scope] : listeners)
    each_refusal([&](Counter counter, std::string_view cause) {
      writer.sample({{"listener", name}, {"cause", cause}}, scope->value(counter));
    });
  if (!tenants.empty())
    writer.family("impulse_tenant_refused", Type::counter, "what a tenant's clients were refused, by cause");
  for (const auto& [name, scope] : tenants)
    each_refusal([&](Counter counter, std::string_view cause) {
      if (const int64_t value = scope->value(counter); value != 0)
        writer.sample({{"tenant", name}, {"cause", cause}}, value);
    });
}

void write_counters(MetricsWriter& writer, const telemetry::Counters& counters) {
  size_t index = 0;
  for (const CounterDef& def : telemetry::counter_defs()) {
    const auto counter = static_cast<Counter>(index++);
    if (def.refusal) continue;
    writer.family(fmt::format("impulse_{}", def.name), type_of(def), def.help);
    writer.sample(counters.value(counter));
  }
  Scopes listeners;
  Scopes tenants;
  counters.each_scope([&](const std::string& name, const telemetry::Counters::Scope& scope) {
    if (name.starts_with(telemetry::tenant_scope))
      tenants.emplace_back(name.substr(telemetry::tenant_scope.size()), &scope);
    else
      listeners.emplace_back(name, &scope);
  });
  // Families of their own for each kind of scope: the sum over a family counts nothing twice.
  write_tenants(writer, tenants);
  write_bindings(writer, counters);
  write_refusals(writer, counters, listeners, tenants);
}

void gauge(MetricsWriter& writer, std::string_view name, std::string_view help, uint64_t value) {
  writer.family(name, Type::gauge, help);
  writer.sample(static_cast<int64_t>(value));
}

void count(MetricsWriter& writer, std::string_view name, std::string_view help, uint64_t value) {
  writer.family(name, Type::counter, help);
  writer.sample(static_cast<int64_t>(value));
}

void write_listens(MetricsWriter& writer, const std::vector<Figures::Listen>& listens) {
  if (listens.empty()) return;
  const auto each = [&](std::string_view name, std::string_view help, auto value) {
    writer.family(name, Type::gauge, help);
    for (const Figures::Listen& listen : listens)
      writer.sample({{"listener", fmt::format("{} {}", listen.listener, listen.endpoint)}}, value(listen));
  };
  each("impulse_listener_up", "whether the Listen is bound", [](const auto& listen) { return listen.bound ? 1 : 0; });
  each("impulse_listener_sessions_open", "sessions of the Listen open now",
       [](const auto& listen) { return static_cast<int64_t>(listen.sessions); });
}

void write_spool(MetricsWriter& writer, const spool::Status& spool) {
  gauge(writer, "impulse_spool_accepting", "whether the spool takes new messages", spool.accepting ? 1 : 0);
  gauge(writer, "impulse_spool_messages", "messages in the spool", spool.messages);
  using Phase = spool::Indexing::Phase;
  gauge(writer, "impulse_spool_indexing", "whether what was there before the start is still being indexed",
        spool.indexing.phase == Phase::done ? 0 : 1);
  gauge(writer, "impulse_spool_indexing_segments_left", "segments of before the start that are not read yet",
        spool.indexing.segments - spool.indexing.segments_read);
  gauge(writer, "impulse_spool_indexing_messages_left",
        "messages of before the start that are known, and not in the queue yet",
        spool.indexing.messages - spool.indexing.queued);
  gauge(writer, "impulse_spool_segments", "segments of the spool", spool.segments);
  gauge(writer, "impulse_spool_bytes", "bytes of the spool on its disk", spool.bytes);
  gauge(writer, "impulse_spool_free_bytes", "bytes free on the spool's file system", spool.free_bytes);
  count(writer, "impulse_spool_commits", "batches made durable", spool.commits);
  count(writer, "impulse_spool_committed_messages", "messages made durable", spool.committed);
  count(writer, "impulse_spool_copied_messages", "messages copied by compaction", spool.copied);
  count(writer, "impulse_spool_copied_bytes", "bytes copied by compaction", spool.copied_bytes);
  count(writer, "impulse_spool_removed_segments", "segments removed", spool.removed);
  count(writer, "impulse_spool_freed_bytes", "bytes of segments removed", spool.freed);
  gauge(writer, "impulse_spool_resident_messages", "messages that are in memory, too", spool.resident);
  gauge(writer, "impulse_spool_resident_bytes", "memory for these", spool.resident_bytes);
  count(writer, "impulse_spool_resident_hits", "messages read from memory", spool.resident_hits);
  count(writer, "impulse_spool_resident_misses", "messages read from the disk", spool.resident_misses);
}

void write_queue(MetricsWriter& writer, const Figures::Queue& queue) {
  gauge(writer, "impulse_queue_domains", "domains that recipients wait for", queue.domains);
  writer.family("impulse_queue_recipients", Type::gauge, "recipients in the queue, by what they wait for");
  writer.sample({{"state", "active"}}, static_cast<int64_t>(queue.active));
  writer.sample({{"state", "delayed"}}, static_cast<int64_t>(queue.delayed));
  writer.sample({{"state", "in_flight"}}, static_cast<int64_t>(queue.in_flight));
}

}  // namespace

std::string write_metrics(const telemetry::Counters& counters, const Figures& figures, MetricsFormat format) {
  MetricsWriter writer(format);
  writer.family("impulse_build_info", Type::gauge, "the program and its node; always 1");
  writer.sample({{"version", figures.version}, {"node", figures.node}}, 1);
  gauge(writer, "impulse_config_generation", "the configuration in force", figures.generation);
  // What everybody's dashboards know by these names.
  writer.family("process_start_time_seconds", Type::gauge, "when the daemon was started, in seconds since 1970");
  writer.seconds(std::chrono::duration_cast<Duration>(figures.started.time_since_epoch()).count());
  if (figures.process) {
    gauge(writer, "process_resident_memory_bytes", "memory in use", figures.process->resident);
    gauge(writer, "process_open_fds", "descriptors in use", figures.process->descriptors);
    gauge(writer, "process_max_fds", "descriptors that may be in use", figures.process->descriptor_limit);
  }
  write_listens(writer, figures.listens);
  if (figures.spool) write_spool(writer, *figures.spool);
  if (figures.queue) write_queue(writer, *figures.queue);
  write_counters(writer, counters);
  return writer.finish();
}

}  // namespace impulse::api
