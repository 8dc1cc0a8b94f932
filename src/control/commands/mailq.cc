// mailq, showqueue: what is waiting for delivery, by domain, or the recipients of one domain.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/commands/queue_words.h"
#include "control/limits.h"
#include "queue/name.h"

#include <algorithm>
#include <iterator>

namespace impulse::control {

namespace {

constexpr uint64_t default_limit = 100;
constexpr uint64_t highest_limit = UINT32_MAX;

struct Wish {
  std::string domain;                 // whose recipients are wanted
  std::vector<std::string> of;        // --domain: only these lines
  std::vector<std::string> bindings;  // --binding: only their queues; none: any
  std::optional<uint64_t> limit;

  // The queues that a domain is, or stands for.
  std::vector<std::string> queues(const std::string& name) const {
    if (bindings.empty() || name.contains(queue::binding_mark)) return {name};
    std::vector<std::string> names;
    for (const std::string& binding : bindings) names.push_back(lower(queue::name_of({}, name, binding)));
    return names;
  }
};

std::expected<Wish, Answer> read_wish(const Invocation& call) {
  Wish wish;
  const auto option = [](const config::RawValue& word, std::string_view name) {
    return iequals(word.text, fmt::format("--{}", name)) || word.text == fmt::format("-{}", name.front());
  };
  for (size_t i = 0; i < call.words.size(); ++i) {
    const config::RawValue& word = call.words[i];
    const bool valued = option(word, "limit") || option(word, "domain") || option(word, "binding");
    if (valued && i + 1 == call.words.size())
      return std::unexpected(placed_error(Code::usage, "control-usage", word, "its value is missing"));
    if (option(word, "limit")) {
      const config::RawValue& number = call.words[++i];
      const auto limit = parse_unsigned(number.text, highest_limit);
      if (!limit || *limit == 0 || wish.limit)
        return std::unexpected(
            placed_error(Code::usage, "control-usage", number, fmt::format("a limit is 1 to {}", highest_limit)));
      wish.limit = *limit;
    } else if (option(word, "domain")) {
      wish.of.push_back(lower(call.words[++i].text));
    } else if (option(word, "binding")) {
      auto binding = read_binding(call, call.words[++i]);
      if (!binding) return std::unexpected(std::move(binding.error()));
      if (std::ranges::find(wish.bindings, *binding) == wish.bindings.end())
        wish.bindings.push_back(std::move(*binding));
    } else if (wish.domain.empty() && !word.text.empty() && !word.text.starts_with('-')) {
      wish.domain = lower(word.text);
    } else {
      return std::unexpected(placed_error(Code::usage, "control-usage", word,
                                          "a domain, or --domain NAME, --binding NAME and --limit N may follow"));
    }
  }
  if (!wish.domain.empty() && !wish.of.empty())
    return std::unexpected(usage("mailq", "either DOMAIN, for its recipients, or --domain NAME, for its line"));
  return wish;
}

void say_recipient(Writer& writer, const QueuedRecipient& row) {
  const bool in_flight = row.state == QueuedRecipient::State::in_flight;
  if (writer.json()) {
    Json document{{"id", row.id},
                  {"sender", row.sender},
                  {"recipient", row.recipient},
                  {"domain", row.domain},
                  {"size", row.size},
                  {"attempts", row.attempts},
                  {"received", time_text(row.received)},
                  {"in_flight", in_flight},
                  {"state", state_name(row.state)}};
    if (row.next_attempt != WallTime{}) document["next_attempt"] = time_text(row.next_attempt);
    if (!row.last_error.empty()) document["last_error"] = row.last_error;
    writer.document(document);
    return;
  }
  std::string line = fmt::format("{} <{}> to <{}> size {} received {} attempts {}", row.id, escape_line(row.sender),
                                 escape_line(row.recipient), row.size, time_text(row.received), row.attempts);
  if (in_flight)
    line += " in flight";
  else if (row.state == QueuedRecipient::State::held)
    line += " held";
  else if (row.next_attempt != WallTime{})
    line += fmt::format(" next {}", time_text(row.next_attempt));
  if (!row.last_error.empty()) line += fmt::format(": {}", escape_line(row.last_error));
  writer.text(line);
}

// As Momentum has it, two lines for each.
void say_queued(Writer& writer, const QueuedRecipient& row) {
  if (writer.json()) return say_recipient(writer, row);
  writer.text(fmt::format("[{}/{}] {} Created: {}", state_name(row.state), field(queue::binding_of(row.domain)), row.id,
                          std::chrono::duration_cast<std::chrono::seconds>(row.received.time_since_epoch()).count()));
  writer.text(fmt::format("  From: <{}> To: <{}>", escape_line(row.sender), escape_line(row.recipient)));
}

// One queue behind the other.
class ManyQueues final : public QueueReader {
 public:
  ManyQueues(System& system, std::vector<std::string> names) : system_(system), names_(std::move(names)) {}

  std::vector<QueuedRecipient> read(size_t count) override {
    std::vector<QueuedRecipient> rows;
    while (rows.size() < count) {
      if (reader_ == nullptr) {
        if (next_ == names_.size()) break;
        reader_ = system_.queue_reader(names_[next_++]);
      }
      const size_t wanted = count - rows.size();
      auto some = reader_->read(wanted);
      if (some.size() < wanted) reader_.reset();
      std::ranges::move(some, std::back_inserter(rows));
    }
    return rows;
  }

 private:
  System& system_;
  const std::vector<std::string> names_;
  size_t next_ = 0;
  std::unique_ptr<QueueReader> reader_;
};

// The recipients of a queue, behind the first `skip`, at most `limit`; a page in
// memory at a time.
Step say_recipients(std::shared_ptr<QueueReader> reader, std::vector<QueuedRecipient> first, uint64_t skip,
                    uint64_t limit, void (*say)(Writer&, const QueuedRecipient&)) {
  bool ended = first.size() < page;
  return [reader = std::move(reader), rows = std::move(first), next = size_t{0}, skip, limit, ended,
          say](Writer& writer) mutable {
    if (limit == 0) return false;
    if (next == rows.size()) {
      if (ended) return false;
      rows = reader->read(page);
      next = 0;
      ended = rows.size() < page;
      return !rows.empty();
    }
    if (skip > 0) {
      const size_t skipped = static_cast<size_t>(std::min<uint64_t>(skip, rows.size() - next));
      skip -= skipped;
      next += skipped;
      return true;
    }
    --limit;
    say(writer, rows[next++]);
    return true;
  };
}

void say_heading(Writer& writer) {
  if (!writer.json())
    writer.text(fmt::format("{:<48} {:>10} {:>10} {:>10}", "Domain", "Active", "Delayed", "In flight"));
}

void say_domain(Writer& writer, const QueuedDomain& row) {
  if (writer.json())
    writer.document({{"domain", row.domain},
                     {"active", row.active},
                     {"delayed", row.delayed},
                     {"in_flight", row.in_flight},
                     {"held", row.held},
                     {"binding", queue::binding_of(row.domain)}});
  else
    writer.text(fmt::format("{:<48} {:>10} {:>10} {:>10}", field(row.domain), row.active, row.delayed, row.in_flight));
}

Answer of_named(const Invocation& call, const Wish& wish) {
  auto rows = std::make_shared<std::vector<QueuedDomain>>();
  uint64_t recipients = 0;
  for (const std::string& domain : wish.of)
    for (const std::string& name : wish.queues(domain)) {
      const auto row = call.system.queue_domain(name);
      rows->push_back(row ? *row : QueuedDomain{name});
      recipients += rows->back().active + rows->back().delayed + rows->back().in_flight;
    }
  if (wish.limit) rows->resize(std::min<uint64_t>(rows->size(), *wish.limit));
  Answer answer;
  answer.status.with("domains", rows->size()).with("recipients", recipients);
  answer.lines = then(then(each(1, [](Writer& writer, size_t) { say_heading(writer); }),
                           each(rows->size(), [rows](Writer& writer, size_t i) { say_domain(writer, (*rows)[i]); })),
                      say_indexing(call.system));
  return answer;
}

}  // namespace

Step say_indexing(System& system) {
  return each(1, [&system](Writer& writer, size_t) {
    if (const std::string text = system.spool().indexing.text; !text.empty())
      writer.remark("queue-indexing", text + "; what comes into the queue later is not in this answer");
  });
}

std::string nothing_text(System& system, std::string_view queue) {
  // The queues of its other bindings stand right behind it.
  std::string others;
  if (!queue.contains(queue::binding_mark))
    for (const QueuedDomain& row : system.queue_domains(queue, 3))
      if (iequals(queue::without_binding(row.domain), queue))
        others += (others.empty() ? "" : ", ") + field(row.domain);
  if (!others.empty()) others = "; other bindings have mail: " + others;
  const std::string indexing = system.spool().indexing.text;
  return fmt::format("nothing waits for {}{}{}", field(queue), indexing.empty() ? "" : " yet, still " + indexing,
                     others);
}

Answer nothing_waits(System& system, std::string_view queue) {
  const bool indexing = !system.spool().indexing.text.empty();
  return Answer::error(indexing ? Code::busy : Code::not_found, indexing ? "queue-indexing" : "queue-no-such-domain",
                       nothing_text(system, queue));
}

Step each_domain(System& system, uint64_t limit, std::function<void(Writer&, const QueuedDomain&)> say,
                 std::vector<std::string> bindings) {
  return [&system, limit, say = std::move(say), bindings = std::move(bindings), rows = std::vector<QueuedDomain>(),
          next = size_t{0}, last = std::string(), ended = false](Writer& writer) mutable {
    if (limit == 0) return false;
    if (next == rows.size()) {
      if (ended) return false;
      rows = system.queue_domains(last, page);
      next = 0;
      ended = rows.size() < page;
      if (rows.empty()) return false;
      last = rows.back().domain;
    }
    const QueuedDomain& row = rows[next++];
    const auto goes_by = [&](const std::string& binding) { return iequals(queue::binding_of(row.domain), binding); };
    if (!bindings.empty() && std::ranges::none_of(bindings, goes_by)) return true;
    --limit;
    say(writer, row);
    return true;
  };
}

Answer mailq(const Invocation& call) {
  const auto wish = read_wish(call);
  if (!wish) return wish.error();
  if (!wish->of.empty()) return of_named(call, *wish);
  Status status;
  if (wish->domain.empty()) {
    const QueueTotals totals = call.system.queue_totals();
    status.with("domains", totals.domains).with("recipients", totals.active + totals.delayed + totals.in_flight);
    if (totals.domains == 0) return {std::move(status), say_indexing(call.system), false};
    return {std::move(status),
            then(then(each(1, [](Writer& writer, size_t) { say_heading(writer); }),
                      each_domain(call.system, wish->limit.value_or(UINT64_MAX), say_domain, wish->bindings)),
                 say_indexing(call.system)),
            false};
  }
  std::vector<std::string> names = wish->queues(wish->domain);
  uint64_t recipients = 0;
  for (const std::string& name : names)
    if (const auto known = call.system.queue_domain(name))
      recipients += known->active + known->delayed + known->in_flight;
  const uint64_t limit = wish->limit.value_or(default_limit);
  const std::string asked = names.size() == 1 ? names.front() : wish->domain;
  std::shared_ptr<QueueReader> reader = std::make_shared<ManyQueues>(call.system, std::move(names));
  auto first = reader->read(page);
  if (first.empty()) return nothing_waits(call.system, asked);
  recipients = std::max<uint64_t>(recipients, first.size());
  const uint64_t shown = std::min(limit, recipients);
  status.with("shown", shown).with("recipients", recipients);
  return {std::move(status),
          then(then(say_recipients(std::move(reader), std::move(first), 0, limit, say_recipient),
                    each(1,
                         [shown, recipients](Writer& writer, size_t) {
                           if (shown < recipients)
                             writer.remark("queue-more",
                                           fmt::format("{} of {} shown; --limit N shows more", shown, recipients));
                         })),
               say_indexing(call.system)),
          false};
}

Answer showqueue(const Invocation& call) {
  auto words = call.words;
  std::string binding;
  if (words.size() >= 2 && iequals(words[0].text, "binding")) {
    if (iequals(words[1].text, "all")) {
      binding = "all";
    } else {
      auto found = read_binding(call, words[1]);
      if (!found) return std::move(found.error());
      binding = std::move(*found);
    }
    words = words.subspan(2);
  }
  if (words.empty() || words.size() > 2 || words[0].text.empty())
    return usage("showqueue", "a domain is expected, and LIMIT,OFFSET may follow");
  uint64_t limit = default_limit;
  uint64_t offset = 0;
  if (words.size() == 2) {
    const std::string_view text = words[1].text;
    const size_t comma = text.find(',');
    const auto most = parse_unsigned(text.substr(0, comma), highest_limit);
    const auto from = parse_unsigned(comma == std::string_view::npos ? "0" : text.substr(comma + 1), highest_limit);
    if (!most || !from || *most == 0)
      return placed_error(Code::usage, "control-usage", words[1], "LIMIT or LIMIT,OFFSET is expected, as in 100,0");
    limit = *most;
    offset = *from;
  }
  const std::string domain = lower(words[0].text);
  std::vector<std::string> names{lower(queue::name_of({}, domain, binding))};
  if (binding == "all") {
    names.clear();
    for (QueuedDomain& row : queues_of(call.system, domain)) names.push_back(std::move(row.domain));
  }
  std::shared_ptr<QueueReader> reader = std::make_shared<ManyQueues>(call.system, std::move(names));
  auto first = reader->read(page);
  if (first.empty()) return nothing_waits(call.system, words[0].text);
  return {{}, say_recipients(std::move(reader), std::move(first), offset, limit, say_queued), false};
}

}  // namespace impulse::control
