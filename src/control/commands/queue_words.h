// What the words of a command about queues name: queues, and which of their mail.
#pragma once

#include "control/command.h"
#include "control/queue.h"

#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::control {

struct QueueWords {
  std::vector<std::string> queues;  // in lower case
  std::string binding;              // said in front of them; empty: none, "all": any
  std::optional<Pattern> sender;
  std::optional<Pattern> recipient;
  Duration age{0};
  spool::ContentFilter content{};
  bool dry_run = false;
  std::string note;  // what stands behind the queues

  bool selects() const { return sender || recipient || age > Duration{0} || !content.empty(); }
};

// What stands there.
struct QueueForm {
  size_t queues = 1;
  bool notes = false;          // behind the queues: free words
  bool binding_first = false;  // in front of them a Binding, or "all"; otherwise "binding BINDING" may stand there
};

// Selectors anywhere (--sender REGEX, --recipient REGEX, --older TIME; --meta KEY VALUE, --meta KEY=VALUE, --header
// NAME LINE, --header NAME=REGEX, for which messages are read), and --dry-run. The error is the whole answer.
std::expected<QueueWords, Answer> read_queue_words(const Invocation& call, std::string_view command,
                                                   const QueueForm& form);
// Without selectors and their values.
std::vector<const config::RawValue*> plain_words(std::span<const config::RawValue> words);

// One queue's name ("domain" or "binding BINDING" may stand before it), and nothing
// else. With `bindings` also a Binding alone: "%b1".
std::expected<std::string, Answer> read_queue(const Invocation& call, std::string_view command, bool bindings = false);

// A Binding that there is, or by which something still waits; as it is spelled.
std::expected<std::string, Answer> read_binding(const Invocation& call, const config::RawValue& word);
// A domain's queues, of all Bindings.
std::vector<QueuedDomain> queues_of(System& system, const std::string& domain);

// "30s", "5m", as options take it.
Result<Duration> read_duration(const config::RawValue& word);

// A message's id, of this node. The error is the whole answer.
std::expected<MessageId, Answer> read_message_id(const Invocation& call, const config::RawValue& word);

// Of an order that is carried out, and not on the disk.
std::string unsaved_text(const Error& why);

// What logs and reports say of what an operator has given up: `note`, or `otherwise`, behind a code of its own or 554.
std::string failure_response(std::string_view note, std::string_view otherwise);

// While the start is still indexing what was there: a remark that the queue does not have all of it yet.
Step say_indexing(System& system);
// The answer that nothing waits in a queue; or that it is not known yet.
Answer nothing_waits(System& system, std::string_view queue);
std::string nothing_text(System& system, std::string_view queue);

// say(writer, row) for each domain of the queue in order, a page in memory at a time;
// of these Bindings, unless there are none.
Step each_domain(System& system, uint64_t limit, std::function<void(Writer&, const QueuedDomain&)> say,
                 std::vector<std::string> bindings = {});

constexpr std::string_view state_name(QueuedRecipient::State state) {
  switch (state) {
    case QueuedRecipient::State::active:
      return "active";
    case QueuedRecipient::State::delayed:
      return "delayed";
    case QueuedRecipient::State::held:
      return "held";
    case QueuedRecipient::State::in_flight:
      return "in_flight";
  }
  return {};
}

}  // namespace impulse::control
