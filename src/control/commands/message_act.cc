// message retry, fail, fail quiet, hold, release: orders about one message.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/commands/queue_words.h"

namespace impulse::control {

namespace {

constexpr Duration glance = std::chrono::milliseconds(5);
constexpr int patience = 1000;  // of these, before it is said that it takes long

std::string_view done_word(QueueAct act) {
  switch (act) {
    case QueueAct::retry:
      return "tried now";
    case QueueAct::fail:
      return "failed";
    case QueueAct::hold:
      return "held";
    case QueueAct::release:
      return "released";
    case QueueAct::delay:
      return "delayed";
    case QueueAct::reroute:
    case QueueAct::rebind:
      return "moved";
  }
  return {};
}

// Why it does not apply to some.
std::string_view left_word(QueueAct act) {
  switch (act) {
    case QueueAct::retry:
      return "held: see 'message release', or HOLDFOR of its sender";
    case QueueAct::hold:
      return "held already";
    case QueueAct::release:
      return "not held by 'message hold' or 'hold domain'";
    case QueueAct::fail:
    case QueueAct::delay:
    case QueueAct::reroute:
    case QueueAct::rebind:
      return "left as they are";
  }
  return {};
}

void say_acted(Writer& writer, const std::string& id, QueueAct act, const QueueActed& acted) {
  if (writer.json()) {
    writer.document({{"id", id},
                     {"recipients", acted.done},
                     {"in_flight", acted.in_flight},
                     {"left", acted.left},
                     {"missing", acted.missing}});
  } else if (acted.done > 0) {
    writer.text(fmt::format("{}: {} {}", field(id), counted(acted.done, "recipient"), done_word(act)));
  }
  if (acted.in_flight > 0)
    writer.warning("message-in-flight", fmt::format("{} in delivery just now: nothing can be done about that",
                                                    counted(acted.in_flight, "recipient")));
  if (acted.left > 0)
    writer.warning("message-left", fmt::format("{} {}", counted(acted.left, "recipient"), left_word(act)));
  if (acted.missing > 0)
    writer.warning("message-missing",
                   fmt::format("{} not in the queue (yet, or any more)", counted(acted.missing, "recipient")));
  // Nothing was done at all, and that is no success.
  if (acted.done == 0) writer.fail(Code::failed);
  if (!acted.unsaved) return;
  writer.warning("queue-not-durable", unsaved_text(*acted.unsaved));
  writer.fail(Code::degraded);
}

Answer act_on(const Invocation& call, std::string_view command, QueueAct act, bool quiet = false) {
  if (call.words.empty() || call.words.size() > 2)
    return usage(command, "a message id is expected, and the address of one recipient may follow");
  const auto id = read_message_id(call, call.words.front());
  if (!id) return id.error();
  MessageOrder order{act, *id};
  order.quiet = quiet;
  order.response = failure_response({}, "manually failed.");
  if (call.words.size() == 2) {
    order.recipient = call.words[1].text;
    if (order.recipient.starts_with('<') && order.recipient.ends_with('>'))
      order.recipient = order.recipient.substr(1, order.recipient.size() - 2);
    if (order.recipient.empty() || order.recipient.starts_with('-'))
      return placed_error(Code::usage, "control-usage", call.words[1], "a recipient's address is expected");
  }
  Answer answer;
  answer.late = true;
  answer.lines = [acted = std::shared_ptr(call.system.act_on_message(order)), id = id->to_string(call.system.node()),
                  act, said = false, glances = 0](Writer& writer) mutable {
    if (said) return false;
    const Result<QueueActed>* const ready = acted->ready();
    if (ready == nullptr) {
      writer.wait(glance);
      if (++glances == patience)
        writer.remark("queue-waits-for-disk", "it is done, but the disk has not taken it yet; waiting for that");
      return true;
    }
    said = true;
    if (*ready) {
      say_acted(writer, id, act, **ready);
      return true;
    }
    writer.error(ready->error().code == Errc::not_found ? "message-not-found" : "message-unreadable",
                 ready->error().message);
    writer.fail(code_of(ready->error().code));
    return true;
  };
  return answer;
}

}  // namespace

Answer message_retry(const Invocation& call) { return act_on(call, "message retry", QueueAct::retry); }
Answer message_fail(const Invocation& call) { return act_on(call, "message fail", QueueAct::fail); }
Answer message_fail_quiet(const Invocation& call) { return act_on(call, "message fail quiet", QueueAct::fail, true); }
Answer message_hold(const Invocation& call) { return act_on(call, "message hold", QueueAct::hold); }
Answer message_release(const Invocation& call) { return act_on(call, "message release", QueueAct::release); }

}  // namespace impulse::control
