// active, delayed, the same of a binding, domain, domain all, show outbound: the
// queue's domains, and the connections that carry their mail.
#include "base/tenant.h"
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/commands/queue_words.h"
#include "control/commands/route_lines.h"
#include "queue/name.h"
#include "telemetry/counters.h"

#include <algorithm>
#include <expected>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace impulse::control {

namespace {

using telemetry::Counter;

// How many connections carry mail of each domain just now.
using Connections = std::map<std::string, uint64_t, ILess>;
std::shared_ptr<const Connections> connections(System& system) {
  auto counts = std::make_shared<Connections>();
  for (const OutboundConnection& connection : system.outbound())
    if (!connection.domain.empty()) ++(*counts)[connection.domain];
  return counts;
}

uint64_t of(const Connections& counts, const std::string& domain) {
  const auto found = counts.find(domain);
  return found == counts.end() ? 0 : found->second;
}

void say_row(Writer& writer, const QueuedDomain& row, uint64_t connections) {
  if (writer.json())
    writer.document({{"domain", row.domain},
                     {"connections", connections},
                     {"active", row.active},
                     {"delayed", row.delayed},
                     {"held", row.held},
                     {"in_flight", row.in_flight},
                     {"delivered", row.delivered}});
  else
    writer.text(fmt::format("Domain: {:>40}  C: {:>3}  A: {:>6}  D: {:>6}  S: {:>6}", field(row.domain), connections,
                            row.active, row.delayed, row.delivered));
}

// Those of all domains, or of all of a binding, also of those that are not listed.
void say_totals(Writer& writer, System& system, const QueueTotals& totals, const std::string& binding = {}) {
  int64_t open = binding.empty() ? system.counters().value(Counter::outbound_open) : 0;
  int64_t delivered = binding.empty() ? system.counters().shown(Counter::deliveries) : 0;
  if (!binding.empty())
    system.counters().each_binding([&](const std::string& name, const telemetry::Counters::Scope& scope) {
      if (!iequals(name, binding)) return;
      open += scope.value(Counter::outbound_open);
      delivered += scope.shown(Counter::deliveries);
    });
  if (writer.json()) {
    Json document{{"domains", totals.domains}, {"connections", open}, {"active", totals.active},
                  {"delayed", totals.delayed}, {"held", totals.held}, {"in_flight", totals.in_flight},
                  {"delivered", delivered}};
    if (!binding.empty()) document["binding"] = binding;
    return writer.document(document);
  }
  writer.text(fmt::format("{:>48}  C: {:>3}  A: {:>6}  D: {:>6}  S: {:>6}", "Total:", open, totals.active,
                          totals.delayed, delivered));
}

std::expected<uint64_t, Answer> read_threshold(std::span<const config::RawValue> words, std::string_view command) {
  if (words.size() > 1) return std::unexpected(usage(command, "one number is expected"));
  if (words.empty()) return 0;
  const auto read = parse_unsigned(words.front().text, UINT64_MAX);
  if (!read)
    return std::unexpected(placed_error(Code::usage, "control-usage", words.front(),
                                        "a number is expected: domains with more than so many are listed"));
  return *read;
}

// A line for each domain with more than so many of them.
Answer over(const Invocation& call, std::string_view command, uint64_t QueuedDomain::* count) {
  const auto threshold = read_threshold(call.words, command);
  if (!threshold) return threshold.error();
  Answer answer;
  answer.lines = then(
      each_domain(
          call.system, UINT64_MAX,
          [threshold = *threshold, count, counts = connections(call.system)](Writer& writer, const QueuedDomain& row) {
            if (row.*count > threshold) say_row(writer, row, of(*counts, row.domain));
          }),
      each(1, [&system = call.system](Writer& writer, size_t) { say_totals(writer, system, system.queue_totals()); }));
  return answer;
}

// The same of one binding.
Answer over_of_binding(const Invocation& call, std::string_view command, uint64_t QueuedDomain::* count) {
  if (call.words.empty()) return usage(command, "a binding is expected");
  auto binding = read_binding(call, call.words.front());
  if (!binding) return std::move(binding.error());
  const auto threshold = read_threshold(call.words.subspan(1), command);
  if (!threshold) return threshold.error();
  const auto totals = std::make_shared<QueueTotals>();
  Answer answer;
  answer.lines = then(each_domain(call.system, UINT64_MAX,
                                  [threshold = *threshold, count, totals, counts = connections(call.system)](
                                      Writer& writer, const QueuedDomain& row) {
                                    ++totals->domains;
                                    totals->active += row.active;
                                    totals->delayed += row.delayed;
                                    totals->in_flight += row.in_flight;
                                    totals->held += row.held;
                                    if (row.*count > threshold) say_row(writer, row, of(*counts, row.domain));
                                  },
                                  {*binding}),
                      each(1, [&system = call.system, totals, binding = *binding](Writer& writer, size_t) {
                        say_totals(writer, system, *totals, binding);
                      }));
  return answer;
}

void say_domain(Writer& writer, const QueuedDomain& row, bool suspended,
                const std::vector<OutboundConnection>& carrying, const DomainRoute& route) {
  if (writer.json()) {
    Json document{{"domain", row.domain},
                  {"active", row.active},
                  {"delayed", row.delayed},
                  {"held", row.held},
                  {"in_flight", row.in_flight},
                  {"delivered", row.delivered},
                  {"failed", row.failed},
                  {"suspended", suspended},
                  {"suspend_delivery", row.suspend_delivery},
                  {"connections", carrying.size()}};
    if (row.next_attempt) document["next_attempt"] = time_text(*row.next_attempt);
    if (row.throttle)
      document["throttle"] = {{"option", row.throttle->option},
                              {"rate", row.throttle->rate},
                              {"scope", row.throttle->scope},
                              {"wait", std::chrono::duration<double>(row.throttle->wait).count()}};
    document["route"] = route_document(route);
    writer.document(document);
  } else {
    writer.text(fmt::format("Domain '{}'{}", field(row.domain),
                            suspended && row.suspend_delivery ? " is suspended, and by Suspend_Delivery, too"
                            : suspended                       ? " is suspended"
                            : row.suspend_delivery            ? " is suspended by Suspend_Delivery"
                                                              : ""));
    writer.text("Queue:");
    writer.text(fmt::format("{:>15} {:>10}", "Active:", row.active));
    if (row.throttle)
      writer.text(fmt::format("{:>15} {} = {} of {}, the next one in {:.1f} s", "waiting for:", row.throttle->option,
                              row.throttle->rate, field(row.throttle->scope),
                              std::chrono::duration<double>(row.throttle->wait).count()));
    writer.text(fmt::format("{:>15} {:>10}{}{}", "Delayed:", row.delayed,
                            row.held > 0 ? fmt::format(", of these held {}", row.held) : "",
                            row.next_attempt ? ", next " + time_text(*row.next_attempt) : ""));
    writer.text(fmt::format("{:>15} {:>10}", "In delivery:", row.in_flight));
    writer.text(fmt::format("{:<11} {:>14}", "Deliveries:", row.delivered));
    writer.text(fmt::format("{:<11} {:>14}", "Failures:", row.failed));
    writer.text(fmt::format("Active Connections: {}", carrying.size()));
  }
}

// There is a way, by the configuration or by what was looked up.
bool is_known(const DomainRoute& route) { return route.problem.empty() && (!route.looked_up || route.ttl); }

void say_connection(Writer& writer, const OutboundConnection& connection) {
  if (writer.json()) {
    writer.document({{"fd", connection.fd},
                     {"binding", connection.binding},
                     {"state", connection.state},
                     {"domain", connection.domain},
                     {"host", connection.host},
                     {"peer", connection.peer.to_string()},
                     {"tls", connection.tls},
                     {"transactions", connection.jobs}});
    return;
  }
  writer.text(fmt::format("{}: [outbound/{}] {}{}{}{} by {}, {}", connection.fd, connection.state,
                          field(connection.domain.empty() ? connection.host : connection.domain),
                          connection.peer.is_unix()           ? " "
                          : connection.peer.address().is_v4() ? " IPv4 "
                                                              : " IPv6 ",
                          field(connection.peer.to_string()), connection.tls ? " tls" : "", field(connection.binding),
                          counted(connection.jobs, "transaction")));
}

}  // namespace

Answer active(const Invocation& call) { return over(call, "active", &QueuedDomain::active); }
Answer delayed(const Invocation& call) { return over(call, "delayed", &QueuedDomain::delayed); }
Answer binding_active(const Invocation& call) { return over_of_binding(call, "binding active", &QueuedDomain::active); }
Answer binding_delayed(const Invocation& call) {
  return over_of_binding(call, "binding delayed", &QueuedDomain::delayed);
}

Answer domain_all(const Invocation& call) {
  if (!call.words.empty()) return usage("domain all", "nothing is expected behind it");
  Answer answer;
  answer.status.with("domains", call.system.queue_totals().domains);
  answer.lines = then(each(1,
                           [](Writer& writer, size_t) {
                             if (!writer.json()) writer.text("Domain summary:");
                           }),
                      then(each_domain(call.system, UINT64_MAX,
                                       [counts = connections(call.system)](Writer& writer, const QueuedDomain& row) {
                                         say_row(writer, row, of(*counts, row.domain));
                                       }),
                           each(1, [&system = call.system](Writer& writer, size_t) {
                             say_totals(writer, system, system.queue_totals());
                           })));
  return answer;
}

Answer domain(const Invocation& call) {
  const auto name = read_queue(call, "domain");
  if (!name) return name.error();
  const auto row = call.system.queue_domain(*name);
  const auto names = call.system.suspended_queues();
  const std::string way = fmt::format("{}{}", queue::binding_mark, queue::binding_of(*name));
  const bool suspended =
      std::ranges::any_of(names, [&](const std::string& each) { return iequals(each, *name) || iequals(each, way); });
  const auto carrying = std::make_shared<std::vector<OutboundConnection>>(call.system.outbound());
  std::erase_if(*carrying, [&](const OutboundConnection& each) { return !iequals(each.domain, *name); });
  // A route is all tenants'.
  const auto route = std::make_shared<const DomainRoute>(call.system.names().route(own_part(*name)));
  if (!row && !is_known(*route) &&
      std::ranges::none_of(names, [&](const std::string& each) { return iequals(each, *name); }))
    return nothing_waits(call.system, *name);
  Answer answer;
  answer.lines =
      then(each(1, [shown = row ? *row : QueuedDomain{*name}, suspended, carrying, route](
                       Writer& writer, size_t) { say_domain(writer, shown, suspended, *carrying, *route); }),
           each(carrying->size(), [carrying](Writer& writer, size_t i) { say_connection(writer, (*carrying)[i]); }));
  const std::string nothing = row ? std::string() : nothing_text(call.system, *name);
  answer.lines = then(std::move(answer.lines), each(1, [route, nothing](Writer& writer, size_t) {
                        if (!writer.json()) say_route(writer, *route);
                        if (!nothing.empty()) writer.remark("queue-no-such-domain", nothing);
                      }));
  return answer;
}

Answer show_outbound(const Invocation& call) {
  if (!call.words.empty()) return usage("show outbound", "nothing is expected behind it");
  const auto rows = std::make_shared<const std::vector<OutboundConnection>>(call.system.outbound());
  Answer answer;
  answer.status.with("connections", rows->size());
  answer.lines = each(rows->size(), [rows](Writer& writer, size_t i) { say_connection(writer, (*rows)[i]); });
  return answer;
}

}  // namespace impulse::control
