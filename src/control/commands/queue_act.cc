// flush domain, fail domain, fail all, hold domain, release domain, delay, reroute
// queue, rebind, and those by binding: orders about queues. The queue is worked through in slices, beside everything
// else; the answer says how far it is, and at its end what was done.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/commands/queue_words.h"
#include "control/selectors.h"
#include "queue/binding.h"
#include "queue/name.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace impulse::control {

namespace {

constexpr Duration glance = std::chrono::milliseconds(10);
constexpr int glances_a_line = 200;  // a line of progress every two seconds

struct Words {
  std::string_view done;   // "flushed", with its count
  std::string_view would;  // of a dry run
};

Words words_of(const QueueOrder& order) {
  switch (order.act) {
    case QueueAct::retry:
      return {"flushed", "would be requeued"};
    case QueueAct::fail:
      return {"purged", "would be failed"};
    case QueueAct::hold:
      return {"held", "would be held"};
    case QueueAct::release:
      return {"released", "would be released"};
    case QueueAct::delay:
      return {"delayed", "would be delayed"};
    case QueueAct::reroute:
      return {"moved", "would be moved"};
    case QueueAct::rebind:
      return {"rebound", "would be rebound"};
  }
  return {};
}

std::string_view act_name(QueueAct act) {
  switch (act) {
    case QueueAct::retry:
      return "flush";
    case QueueAct::fail:
      return "fail";
    case QueueAct::hold:
      return "hold";
    case QueueAct::release:
      return "release";
    case QueueAct::delay:
      return "delay";
    case QueueAct::reroute:
      return "reroute";
    case QueueAct::rebind:
      return "rebind";
  }
  return {};
}

// Messages, for what only they say.
bool reads(const QueueOrder& order) {
  return !order.content.empty() || (order.act == QueueAct::rebind && order.to.empty());
}

Json document_of(const QueueOrder& order, const QueueProgress& progress) {
  Json document{{"act", act_name(order.act)},
                {"domain", order.queue.empty() ? "all" : order.queue},
                {"dry_run", order.dry_run},
                {"recipients", progress.acted.done},
                {"in_flight", progress.acted.in_flight},
                {"left", progress.acted.left},
                {"looked_at", progress.looked_at},
                {"ended", progress.ended}};
  if (order.act == QueueAct::rebind || order.every_binding || !order.binding.empty())
    document["binding"] = order.every_binding || order.binding.empty() ? "all" : order.binding;
  if (!order.to.empty()) document["to"] = order.to;
  if (order.act == QueueAct::delay)
    document["seconds"] = std::chrono::duration_cast<std::chrono::seconds>(order.delay).count();
  if (reads(order)) document["unreadable"] = progress.unreadable;
  return document;
}

void say_first(Writer& writer, const QueueProgress& progress) {
  for (const QueuedRecipient& row : progress.first) {
    if (writer.json())
      writer.document({{"id", row.id}, {"domain", row.domain}, {"sender", row.sender}, {"recipient", row.recipient}});
    else
      writer.text(fmt::format("  {}  domain={} from=<{}> to=<{}>", row.id, field(row.domain), escape_line(row.sender),
                              escape_line(row.recipient)));
  }
}

void say_end(Writer& writer, const QueueOrder& order, const QueueProgress& progress) {
  if (order.dry_run) say_first(writer, progress);
  const QueueActed& acted = progress.acted;
  if (acted.unsaved) {
    writer.warning("queue-not-durable", unsaved_text(*acted.unsaved));
    writer.fail(Code::degraded);
  }
  if (progress.unreadable > 0) {
    writer.warning("queue-unreadable", fmt::format("{} of messages that cannot be read left alone: {}",
                                                   counted(progress.unreadable, "recipient"), progress.why_unreadable));
    writer.fail(Code::degraded);
  }
  if (writer.json()) return writer.document(document_of(order, progress));
  const std::string name = order.queue.empty() ? "all" : field(order.queue);
  const std::string count = counted(acted.done, "recipient");
  const Words words = words_of(order);
  std::string line;
  if (order.dry_run) {
    line = fmt::format("[dry-run] {}: {} {}.", name, count, words.would);
    if (progress.first.size() < acted.done)
      line += fmt::format(" (Showing first {}; {} more not listed.)", progress.first.size(),
                          acted.done - progress.first.size());
  } else if (order.act == QueueAct::reroute) {
    line = fmt::format("Moved {} from '{}' to '{}'.", count, name, field(order.to));
  } else if (order.act == QueueAct::rebind) {
    line = fmt::format("Rebound {}.", count);
  } else if (order.act == QueueAct::delay) {
    line = fmt::format("Delayed {}.", count);
  } else {
    line = fmt::format("{} {}, {} {}.", name, words.done, count,
                       order.act == QueueAct::retry  ? "requeued"
                       : order.act == QueueAct::fail ? "failed"
                                                     : words.done);
  }
  writer.text(line);
  if (acted.in_flight > 0)
    writer.remark("queue-in-flight",
                  fmt::format("{} in delivery: what becomes of that is for the other side to say", acted.in_flight));
  if (acted.left > 0)
    writer.remark("queue-left", fmt::format("{} held by their senders (RFC 4865)", counted(acted.left, "recipient")));
}

// Not all that is in the spool was in the queue when it began.
void say_partial(Writer& writer, const QueueOrder& order, std::string_view indexing) {
  if (order.dry_run) return writer.remark("queue-indexing", fmt::format("still {}: that may be more then", indexing));
  writer.warning("queue-indexing",
                 fmt::format("this was about what is in the queue, still {}: repeat it when that is done", indexing));
  writer.fail(Code::degraded);
}

Answer carry_out(const Invocation& call, QueueOrder order) {
  if (!order.queue.empty() &&
      (order.every_binding ? queues_of(call.system, order.queue).empty() : !call.system.queue_domain(order.queue)))
    return nothing_waits(call.system, order.queue);
  // As of now: what comes into the queue while the order is carried out may be missed, too.
  std::string indexing = call.system.spool().indexing.text;
  const std::shared_ptr<QueueErrand> errand = call.system.act_on_queue(order);
  Answer answer;
  answer.lines = [errand, order = std::move(order), indexing = std::move(indexing), glances = 0,
                  ended = false](Writer& writer) mutable {
    if (ended) return false;
    const QueueProgress progress = errand->progress();
    ended = progress.ended;
    if (ended) {
      say_end(writer, order, progress);
      if (!indexing.empty()) say_partial(writer, order, indexing);
      return true;
    }
    writer.wait(glance);
    if (++glances % glances_a_line == 0) {
      if (writer.json())
        writer.document(document_of(order, progress));
      else
        writer.text(fmt::format("{} recipients looked at, {} so far", progress.looked_at, progress.acted.done));
    }
    return true;
  };
  return answer;
}

QueueOrder order_of(QueueAct act, QueueWords words) {
  QueueOrder order;
  order.act = act;
  if (!words.queues.empty() && words.queues.front() != "all") order.queue = words.queues.front();
  if (words.binding == "all") {
    order.every_binding = !order.queue.empty();
  } else if (order.queue.empty()) {
    order.binding = words.binding;
  } else {
    order.queue = lower(queue::name_of({}, order.queue, words.binding));
  }
  order.sender = std::move(words.sender);
  order.recipient = std::move(words.recipient);
  order.age = words.age;
  order.content = std::move(words.content);
  order.dry_run = words.dry_run;
  return order;
}

Answer act_on_domain(const Invocation& call, std::string_view command, QueueAct act, bool binding_first = false) {
  auto words = read_queue_words(call, command, {.binding_first = binding_first});
  if (!words) return std::move(words.error());
  return carry_out(call, order_of(act, std::move(*words)));
}

Answer give_up(const Invocation& call, QueueWords words, bool quiet) {
  const std::string response = failure_response(words.note, "Message manually purged.");
  QueueOrder order = order_of(QueueAct::fail, std::move(words));
  order.quiet = quiet;
  order.response = response;
  return carry_out(call, std::move(order));
}

Answer fail_all_of(const Invocation& call, std::string_view command, bool quiet, bool binding_first = false) {
  auto words = read_queue_words(call, command, {.notes = true, .binding_first = binding_first});
  if (!words) return std::move(words.error());
  return give_up(call, std::move(*words), quiet);
}

// Of any domain, and so never without a selection.
Answer fail_selected(const Invocation& call, std::string_view command, bool quiet) {
  auto words = read_queue_words(call, command, {.queues = 0, .notes = true});
  if (!words) return std::move(words.error());
  if (!words->selects()) return usage(command, "a selector is expected, as --meta KEY VALUE or --header NAME LINE");
  return give_up(call, std::move(*words), quiet);
}

// What is suspended: a queue, or all of a binding.
std::pair<std::string, std::string> target(const std::string& name) {
  if (!name.starts_with(queue::binding_mark)) return {"domain", name};
  return {"binding", std::string(queue::binding_of(name))};
}
std::string shown(const std::string& name) {
  const auto [kind, which] = target(name);
  return kind == "domain" ? field(which) : fmt::format("binding {}", field(which));
}

}  // namespace

std::string failure_response(std::string_view note, std::string_view otherwise) {
  const std::string_view said = trim(note);
  if (said.empty()) return fmt::format("554 5.0.0 {}", otherwise);
  const bool coded = said.size() > 3 && said[0] == '5' && is_digit(said[1]) && is_digit(said[2]) && said[3] == ' ';
  std::string line = escape_line(said, 400);
  return coded ? line : fmt::format("554 5.0.0 {}", line);
}

Answer flush_domain(const Invocation& call) { return act_on_domain(call, "flush domain", QueueAct::retry); }
Answer hold_domain(const Invocation& call) { return act_on_domain(call, "hold domain", QueueAct::hold); }
Answer release_domain(const Invocation& call) { return act_on_domain(call, "release domain", QueueAct::release); }
Answer fail_domain(const Invocation& call) { return fail_all_of(call, "fail domain", false); }
Answer fail_domain_quiet(const Invocation& call) { return fail_all_of(call, "fail domain quiet", true); }
Answer fail_all(const Invocation& call) { return fail_selected(call, "fail all", false); }
Answer fail_all_quiet(const Invocation& call) { return fail_selected(call, "fail all quiet", true); }

Answer binding_flush_domain(const Invocation& call) {
  return act_on_domain(call, "binding flush domain", QueueAct::retry, true);
}
Answer binding_fail_domain(const Invocation& call) { return fail_all_of(call, "binding fail domain", false, true); }
Answer binding_fail_domain_quiet(const Invocation& call) {
  return fail_all_of(call, "binding fail domain quiet", true, true);
}

// SECONDS, and which: of any domain or binding where it is not said, and so never without any of these.
Answer delay(const Invocation& call) {
  constexpr std::string_view command = "delay";
  std::vector<config::RawValue> rest;
  const config::RawValue* domain = nullptr;
  const config::RawValue* binding = nullptr;
  for (size_t i = 0; i < call.words.size(); ++i) {
    const config::RawValue& word = call.words[i];
    const bool is_domain = iequals(word.text, "--domain");
    if (is_domain || iequals(word.text, "--binding")) {
      const config::RawValue*& place = is_domain ? domain : binding;
      if (place != nullptr) return placed_error(Code::usage, "control-usage", word, "it is there twice");
      if (i + 1 == call.words.size() || !is_plain(call.words[i + 1]) || call.words[i + 1].text.empty())
        return placed_error(Code::usage, "control-usage", word, "its value is missing");
      place = &call.words[++i];
      continue;
    }
    // A selector's value is none of these.
    size_t values = 0;
    if (word.text.starts_with("--"))
      values = words_of_flag(word.text, i + 1 < call.words.size() ? call.words[i + 1].text : "");
    for (size_t last = std::min(i + values, call.words.size() - 1); i < last; ++i) rest.push_back(call.words[i]);
    rest.push_back(call.words[i]);
  }
  Invocation of_rest = call;
  of_rest.words = rest;
  const auto plain = plain_words(rest);
  if (plain.empty()) return usage(command, "a number of seconds is expected");
  const auto seconds = parse_unsigned(plain.front()->text, UINT32_MAX);
  if (!seconds || *seconds == 0)
    return placed_error(Code::usage, "control-usage", *plain.front(), "a number of seconds is expected, 1 at least");
  auto words = read_queue_words(of_rest, command, {});
  if (!words) return std::move(words.error());
  if (domain == nullptr && binding == nullptr && !words->selects())
    return usage(command, "--domain NAME, --binding NAME or a selector is expected");
  words->queues.front() = domain == nullptr ? "all" : lower(domain->text);
  if (binding != nullptr) {
    if (domain != nullptr && domain->text.contains(queue::binding_mark))
      return placed_error(Code::usage, "control-usage", *binding, "this queue's name has a binding already");
    auto name = read_binding(call, *binding);
    if (!name) return std::move(name.error());
    words->binding = std::move(*name);
  } else if (domain != nullptr && !domain->text.contains(queue::binding_mark)) {
    words->binding = "all";
  }
  QueueOrder order = order_of(QueueAct::delay, std::move(*words));
  order.delay = std::chrono::seconds(*seconds);
  return carry_out(call, std::move(order));
}

Answer reroute_queue(const Invocation& call) {
  auto words = read_queue_words(call, "reroute queue", {.queues = 2});
  if (!words) return std::move(words.error());
  if (words->queues[0] == "all" || words->queues[1] == "all" || words->binding == "all")
    return usage("reroute queue", "'all' is no queue that mail can be moved from or to");
  const std::string from = lower(queue::name_of({}, words->queues[0], words->binding));
  std::string to = words->queues[1];
  // It keeps its binding, also where that is not said.
  if (!to.contains(queue::binding_mark)) to = queue::rebound(to, queue::binding_of(from));
  if (queue::binding_of(to) != queue::binding_of(from))
    return Answer::error(Code::failed, "queue-other-binding",
                         "mail keeps its binding when it is rerouted: see 'rebind'");
  if (from == to) return usage("reroute queue", "that is where it is");
  const auto tenant = [](std::string_view name) { return name.substr(0, std::min(name.find('/'), name.size())); };
  const bool tenants = from.find('/') != std::string::npos || to.find('/') != std::string::npos;
  if (tenants &&
      (from.find('/') == std::string::npos || to.find('/') == std::string::npos || tenant(from) != tenant(to)))
    return Answer::error(Code::failed, "queue-other-tenant", "mail of one tenant cannot become another's");
  QueueOrder order = order_of(QueueAct::reroute, std::move(*words));
  order.to = to;
  return carry_out(call, std::move(order));
}

Answer rebind(const Invocation& call) {
  constexpr const char* form = "BINDING or all is expected; a domain, and 'to BINDING', may follow";
  if (call.words.empty()) return usage("rebind", form);
  auto words = read_queue_words(call, "rebind", {.notes = true});
  if (!words) return std::move(words.error());
  if (!words->binding.empty()) return usage("rebind", form);
  QueueOrder order = order_of(QueueAct::rebind, *words);
  auto plain = plain_words(call.words);  // for where they stand
  if (plain.size() >= 3 && iequals(plain[plain.size() - 2]->text, "to")) {
    auto to = read_binding(call, *plain.back());
    if (!to) return std::move(to.error());
    if (!queue::is_binding(*call.system.engine().current(), *to))
      return placed_error(Code::not_found, "queue-no-such-binding", *plain.back(),
                          fmt::format("there is no binding '{}' any more", field(*to)));
    order.to = std::move(*to);
    plain.resize(plain.size() - 2);
  }
  if (plain.size() > 2) return usage("rebind", form);
  order.queue.clear();
  if (!iequals(plain[0]->text, "all")) {
    auto from = read_binding(call, *plain[0]);
    if (!from) return std::move(from.error());
    order.binding = std::move(*from);
    if (order.binding == order.to) return usage("rebind", "that is where it is");
  }
  if (plain.size() == 2 && !iequals(plain[1]->text, "all")) {
    if (plain[1]->text.contains(queue::binding_mark)) return usage("rebind", form);
    order.every_binding = order.binding.empty();
    order.queue = lower(queue::name_of({}, plain[1]->text, order.binding));
  }
  return carry_out(call, std::move(order));
}

Answer suspend(const Invocation& call) {
  if (call.words.empty()) {
    const auto names = std::make_shared<const std::vector<std::string>>(call.system.suspended_queues());
    Answer answer;
    answer.status.with("suspended", names->size());
    answer.lines = each(names->size(), [names](Writer& writer, size_t i) {
      if (writer.json())
        writer.document({{target((*names)[i]).first, target((*names)[i]).second}, {"suspended", true}});
      else
        writer.text(shown((*names)[i]));
    });
    return answer;
  }
  const auto name = read_queue(call, "suspend", true);
  if (!name) return name.error();
  const bool changed = call.system.suspend_queue(*name, true);
  return Answer::once({}, [name = *name, changed](Writer& writer) {
    if (writer.json())
      writer.document({{target(name).first, target(name).second}, {"suspended", true}, {"changed", changed}});
    else
      writer.text(fmt::format("{} {}", shown(name), changed ? "suspended" : "was suspended already"));
  });
}

Answer resume(const Invocation& call) {
  const auto name = read_queue(call, "resume", true);
  if (!name) return name.error();
  if (!call.system.suspend_queue(*name, false))
    return Answer::error(Code::not_found, "queue-not-suspended",
                         fmt::format("{} is not suspended by 'suspend'; see also Suspend_Delivery", shown(*name)));
  return Answer::once({}, [name = *name](Writer& writer) {
    if (writer.json())
      writer.document({{target(name).first, target(name).second}, {"suspended", false}, {"changed", true}});
    else
      writer.text(fmt::format("{} resumed", shown(name)));
  });
}

}  // namespace impulse::control
