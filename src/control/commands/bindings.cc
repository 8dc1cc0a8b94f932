// binding summary: what goes out by each Binding.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/commands/queue_words.h"
#include "control/limits.h"
#include "queue/binding.h"
#include "queue/name.h"
#include "telemetry/counters.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>

namespace impulse::control {

namespace {

using telemetry::Counter;

struct Row {
  std::string binding;
  std::string group;
  std::map<Counter, int64_t> counts;
  uint64_t active = 0;

  int64_t of(Counter counter) const {
    const auto found = counts.find(counter);
    return found == counts.end() ? 0 : found->second;
  }
};

// Counts what is active page by page, then says a block for each.
class Summary {
 public:
  Summary(const Invocation& call, std::vector<Row> rows, std::string group)
      : system_(call.system), about_(call.about), rows_(std::move(rows)), group_(std::move(group)) {
    for (size_t i = 0; i < rows_.size(); ++i) places_[rows_[i].binding] = i;
  }

  bool operator()(Writer& writer) {
    if (!counted_) return count();
    if (next_ < rows_.size()) {
      const Row& row = rows_[next_++];
      say(writer, row,
          group_.empty() ? fmt::format("Binding {}", row.binding)
                         : fmt::format("Binding {} in Binding Group {}", row.binding, group_));
      return true;
    }
    if (group_.empty() || std::exchange(summed_, true)) return false;
    Row sum{{}, group_, {}, 0};
    for (const Row& row : rows_) {
      sum.active += row.active;
      for (const auto& [counter, value] : row.counts) sum.counts[counter] += value;
    }
    if (!writer.json()) {
      writer.text("");
      writer.text("********************************************");
    }
    say(writer, sum, fmt::format("Binding Group {}", group_));
    return true;
  }

 private:
  bool count() {
    const auto page_of = system_.queue_domains(last_, page);
    for (const QueuedDomain& domain : page_of)
      if (const auto found = places_.find(queue::binding_of(domain.domain)); found != places_.end())
        rows_[found->second].active += domain.active;
    counted_ = page_of.size() < page;
    if (!page_of.empty()) last_ = page_of.back().domain;
    return true;
  }

  void say(Writer& writer, const Row& row, const std::string& title) const {
    const WallTime since = std::max(system_.started(), system_.counters().reset_at(Counter::deliveries));
    const double seconds = std::chrono::duration<double>(about_.now() - since).count();
    const auto rate = [&](Counter counter) { return seconds > 0 ? static_cast<double>(row.of(counter)) / seconds : 0; };
    const int64_t uptime = std::chrono::duration_cast<std::chrono::seconds>(about_.now() - system_.started()).count();
    if (writer.json()) {
      Json document = Json::object();
      if (!row.binding.empty()) document["binding"] = row.binding;
      document["binding_group"] = row.group;
      document["connections"] = row.of(Counter::outbound_open);
      document["active"] = row.active;
      document["recipients"] = row.of(Counter::queued_recipients);
      document["delivered"] = row.of(Counter::deliveries);
      document["failed"] = row.of(Counter::permanent_failures);
      document["received"] = row.of(Counter::messages_received);
      document["delivery_rate"] = rate(Counter::deliveries);
      document["reception_rate"] = rate(Counter::messages_received);
      document["uptime"] = uptime;
      return writer.document(document);
    }
    const auto line = [&](std::string_view name, const auto& shown) {
      writer.text(fmt::format("        {:<33} {:>10}", name, shown));
    };
    writer.text(fmt::format("Summary Statistics For {}", title));
    line("Open Connections:", row.of(Counter::outbound_open));
    line("Active Queue Size:", row.active);
    line("Total Queue Size:", row.of(Counter::queued_recipients));
    line("Successfully Delivered Messages:", row.of(Counter::deliveries));
    line("Failed Messages:", row.of(Counter::permanent_failures));
    line("Received Messages:", row.of(Counter::messages_received));
    line("Delivery Rate:", fmt::format("{:.2f} messages/second", rate(Counter::deliveries)));
    line("Reception Rate:", fmt::format("{:.2f} messages/second", rate(Counter::messages_received)));
    line("Uptime:", fmt::format("{} seconds", uptime));
  }

  System& system_;
  const About& about_;
  std::vector<Row> rows_;
  const std::string group_;  // they are all that one's; empty: they are any
  std::map<std::string, size_t, ILess> places_;
  std::string last_;
  bool counted_ = false;
  bool summed_ = false;
  size_t next_ = 0;
};

}  // namespace

Answer binding_summary(const Invocation& call) {
  if (call.words.size() > 1) return usage("binding summary", "a binding, or group:GROUP, may follow");
  const config::SnapshotPtr snapshot = call.system.engine().current();
  std::map<std::string, const telemetry::Counters::Scope*, ILess> counted;
  call.system.counters().each_binding(
      [&](const std::string& name, const telemetry::Counters::Scope& scope) { counted.emplace(name, &scope); });

  std::vector<std::string> names;
  std::string group;
  constexpr std::string_view group_word = "group:";
  if (call.words.empty()) {
    names.emplace_back(queue::default_binding);
    for (std::string& name : snapshot->bindings())
      if (name != queue::default_binding) names.push_back(std::move(name));
    // Those that have gone, as long as something waits for them.
    for (const auto& [name, scope] : counted)
      if (scope->value(Counter::queued_recipients) > 0 && !queue::is_binding(*snapshot, name)) names.push_back(name);
  } else if (const std::string_view said = call.words.front().text; istarts_with(said, group_word)) {
    group = said.substr(group_word.size());
    for (std::string& name : snapshot->bindings())
      if (queue::group_of(*snapshot, name) == group && name != queue::default_binding) names.push_back(std::move(name));
    if (names.empty())
      return placed_error(Code::not_found, "queue-no-such-binding", call.words.front(),
                          fmt::format("there is no binding group '{}' with a binding", field(group)));
  } else {
    auto name = read_binding(call, call.words.front());
    if (!name) return std::move(name.error());
    names.push_back(std::move(*name));
  }

  std::vector<Row> rows;
  for (std::string& name : names) {
    Row row{name, std::string(queue::group_of(*snapshot, name)), {}, 0};
    if (const auto found = counted.find(name); found != counted.end())
      for (const Counter counter : telemetry::binding_counters()) row.counts[counter] = found->second->shown(counter);
    rows.push_back(std::move(row));
  }
  Answer answer;
  answer.status.with("bindings", rows.size());
  answer.lines = [summary = std::make_shared<Summary>(call, std::move(rows), std::move(group))](Writer& writer) {
    return (*summary)(writer);
  };
  return answer;
}

}  // namespace impulse::control
