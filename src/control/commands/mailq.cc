// mailq: what is waiting for delivery, by domain, or the messages of one domain.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/limits.h"

#include <algorithm>

namespace impulse::control {

namespace {

constexpr size_t default_limit = 100;
constexpr size_t highest_limit = 1000;  // all rows of one answer are held until they are read

struct Wish {
  std::string domain;
  size_t limit = default_limit;
  bool limited = false;
};

std::expected<Wish, Answer> read_wish(const Invocation& call) {
  Wish wish;
  for (size_t i = 0; i < call.words.size(); ++i) {
    const config::RawValue& word = call.words[i];
    if (iequals(word.text, "--limit") && i + 1 < call.words.size() && !wish.limited) {
      const config::RawValue& number = call.words[++i];
      const auto limit = parse_unsigned(number.text, highest_limit);
      if (!limit || *limit == 0)
        return std::unexpected(
            placed_error(Code::usage, "control-usage", number, fmt::format("a limit is 1 to {}", highest_limit)));
      wish.limit = *limit;
      wish.limited = true;
    } else if (wish.domain.empty() && !word.text.empty() && !word.text.starts_with('-')) {
      wish.domain = lower(word.text);
    } else {
      return std::unexpected(placed_error(Code::usage, "control-usage", word, "a domain and --limit N may follow"));
    }
  }
  if (wish.limited && wish.domain.empty())
    return std::unexpected(usage("mailq", "--limit is for the messages of one domain"));
  return wish;
}

void say_recipient(Writer& writer, const QueuedRecipient& row) {
  if (writer.json()) {
    Json document{{"id", row.id},
                  {"sender", row.sender},
                  {"recipient", row.recipient},
                  {"domain", row.domain},
                  {"size", row.size},
                  {"attempts", row.attempts},
                  {"received", time_text(row.received)},
                  {"in_flight", row.in_flight}};
    if (row.next_attempt != WallTime{}) document["next_attempt"] = time_text(row.next_attempt);
    if (!row.last_error.empty()) document["last_error"] = row.last_error;
    writer.document(document);
    return;
  }
  std::string line = fmt::format("{} <{}> to <{}> size {} received {} attempts {}", row.id, escape_line(row.sender),
                                 escape_line(row.recipient), row.size, time_text(row.received), row.attempts);
  if (row.in_flight)
    line += " in flight";
  else if (row.next_attempt != WallTime{})
    line += fmt::format(" next {}", time_text(row.next_attempt));
  if (!row.last_error.empty()) line += fmt::format(": {}", escape_line(row.last_error));
  writer.text(line);
}

// A line for each domain, in byte order, a page at a time.
Step say_domains(System& system) {
  return [&system, rows = std::vector<QueuedDomain>(), next = size_t{0}, last = std::string(), begun = false,
          ended = false](Writer& writer) mutable {
    if (!begun && !writer.json())
      writer.text(fmt::format("{:<48} {:>10} {:>10} {:>10}", "Domain", "Active", "Delayed", "In flight"));
    if (next == rows.size()) {
      if (ended) return false;
      rows = system.queue_domains();
      if (begun) std::erase_if(rows, [&last](const QueuedDomain& row) { return row.domain <= last; });
      const auto by_name = [](const QueuedDomain& a, const QueuedDomain& b) { return a.domain < b.domain; };
      ended = rows.size() <= page;
      if (!ended) {
        std::nth_element(rows.begin(), rows.begin() + page, rows.end(), by_name);
        rows = std::vector<QueuedDomain>(std::make_move_iterator(rows.begin()),
                                         std::make_move_iterator(rows.begin() + page));
      }
      std::sort(rows.begin(), rows.end(), by_name);
      next = 0;
      begun = true;
      if (rows.empty()) return false;
      last = rows.back().domain;
    }
    const QueuedDomain& row = rows[next++];
    if (writer.json())
      writer.document(
          {{"domain", row.domain}, {"active", row.active}, {"delayed", row.delayed}, {"in_flight", row.in_flight}});
    else
      writer.text(
          fmt::format("{:<48} {:>10} {:>10} {:>10}", field(row.domain), row.active, row.delayed, row.in_flight));
    return true;
  };
}

}  // namespace

Answer mailq(const Invocation& call) {
  const auto wish = read_wish(call);
  if (!wish) return wish.error();
  const std::vector<QueuedDomain> domains = call.system.queue_domains();
  Status status;
  uint64_t recipients = 0;
  if (wish->domain.empty()) {
    for (const QueuedDomain& row : domains) recipients += row.active + row.delayed + row.in_flight;
    status.with("domains", domains.size()).with("recipients", recipients);
    if (domains.empty()) return {std::move(status), {}, false};
    return {std::move(status), say_domains(call.system), false};
  }
  const auto known = std::find_if(domains.begin(), domains.end(),
                                  [&](const QueuedDomain& row) { return iequals(row.domain, wish->domain); });
  if (known != domains.end()) recipients = known->active + known->delayed + known->in_flight;
  auto rows = std::make_shared<std::vector<QueuedRecipient>>(call.system.queue(wish->domain, wish->limit));
  if (rows->size() > wish->limit) rows->resize(wish->limit);
  if (rows->empty() && recipients == 0)
    return Answer::error(Code::not_found, "queue-no-such-domain",
                         fmt::format("nothing waits for {}", field(wish->domain)));
  recipients = std::max<uint64_t>(recipients, rows->size());
  status.with("shown", rows->size()).with("recipients", recipients);
  return {std::move(status),
          then(each(rows->size(), [rows](Writer& writer, size_t i) { say_recipient(writer, (*rows)[i]); }),
               each(1,
                    [shown = rows->size(), recipients](Writer& writer, size_t) {
                      if (shown < recipients)
                        writer.remark("queue-more", fmt::format("{} of {} shown; --limit N shows up to {}", shown,
                                                                recipients, highest_limit));
                    })),
          false};
}

}  // namespace impulse::control
