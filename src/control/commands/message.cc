// message details: one message, from the spool.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

namespace impulse::control {

namespace {

constexpr size_t header_shown = 60000;  // bytes

// Line `at` of the header section, without its line end; moves `at` behind it.
std::string_view next_line(std::string_view text, size_t& at) {
  const size_t end = std::min(text.find('\n', at), text.size());
  std::string_view line = text.substr(at, end - at);
  at = std::min(end + 1, text.size());
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Json recipient_document(const MessageDetails::Recipient& recipient) {
  Json document{{"recipient", recipient.address}, {"state", recipient.state}, {"attempts", recipient.attempts}};
  if (recipient.next_attempt.value_or(WallTime{}) != WallTime{})
    document["next_attempt"] = time_text(*recipient.next_attempt);
  if (!recipient.last_error.empty()) document["last_error"] = recipient.last_error;
  return document;
}

std::string recipient_line(const MessageDetails::Recipient& recipient) {
  std::string line = fmt::format("{:>14} <{}> {}, {}", "Recipient:", escape_line(recipient.address),
                                 field(recipient.state), counted(recipient.attempts, "attempt"));
  if (recipient.next_attempt.value_or(WallTime{}) != WallTime{})
    line += fmt::format(", next {}", time_text(*recipient.next_attempt));
  if (!recipient.last_error.empty()) line += fmt::format(": {}", escape_line(recipient.last_error));
  return line;
}

void say_envelope(Writer& writer, const MessageDetails& message) {
  if (writer.json()) {
    Json document{{"id", message.id},           {"created", time_text(message.received)},
                  {"client", message.client},   {"helo", message.helo.substr(0, 1024)},
                  {"listen", message.listener}, {"sender", message.sender},
                  {"size", message.size},       {"recipients", message.recipients.size()}};
    if (!message.tenant.empty()) document["tenant"] = message.tenant;
    writer.document(document);
    return;
  }
  writer.text(fmt::format("Message: {}", field(message.id)));
  writer.text(fmt::format("{:>14} {}", "Created:", time_text(message.received)));
  if (message.listener.empty())
    writer.text(fmt::format("{:>14} made here", "Received Via:"));
  else
    writer.text(fmt::format("{:>14} {} from {} helo {}", "Received Via:", field(message.listener),
                            field(message.client), field(message.helo)));
  if (!message.tenant.empty()) writer.text(fmt::format("{:>14} {}", "Tenant:", field(message.tenant)));
  writer.text(fmt::format("{:>14} <{}>", "Sender:", escape_line(message.sender)));
  writer.text(fmt::format("{:>14} {}", "Size:", message.size));
}

}  // namespace

Answer message_details(const Invocation& call) {
  if (call.words.size() != 1) return usage("message details", "one message id is expected");
  const config::RawValue& word = call.words.front();
  const auto id = MessageId::parse(word.text);
  if (!id) return placed_error(Code::usage, "message-bad-id", word, id.error().message);
  // "00000001/0000A2C0-mx1": without a node it is ours.
  if (const size_t dash = word.text.find('-'); dash != std::string::npos) {
    const std::string node = call.system.node();
    if (std::string_view(word.text).substr(dash + 1) != node)
      return Answer::error(Code::not_found, "message-not-found",
                           fmt::format("{} is a message of another node; this one is {}", escape_line(word.text, 80),
                                       escape_line(node, 80)));
  }
  Result<MessageDetails> found = call.system.message(*id);
  if (!found)
    return Answer::error(code_of(found.error().code),
                         found.error().code == Errc::not_found ? "message-not-found" : "message-unreadable",
                         found.error().message);
  const size_t whole = found->header.size();
  if (whole > header_shown) {
    found->header.resize(header_shown);
    found->header.shrink_to_fit();
  }
  const auto message = std::make_shared<const MessageDetails>(std::move(*found));
  Answer answer;
  answer.lines = then(each(1, [message](Writer& writer, size_t) { say_envelope(writer, *message); }),
                      each(message->recipients.size(), [message](Writer& writer, size_t i) {
                        const auto& recipient = message->recipients[i];
                        if (writer.json())
                          writer.document(recipient_document(recipient));
                        else
                          writer.text(recipient_line(recipient));
                      }));
  answer.lines = then(std::move(answer.lines), [message, whole, at = size_t{0}, begun = false](Writer& writer) mutable {
    if (at == message->header.size()) return false;
    if (!begun && !writer.json()) writer.text(fmt::format("{:>14}", "Header:"));
    begun = true;
    const std::string_view line = next_line(message->header, at);
    if (writer.json()) {
      // A cut line would not fit into a document if it were all escapes.
      writer.document(Json::object({{"header", line.substr(0, 8192)}}));
    } else {
      writer.text(fmt::format("  {}", line));
    }
    if (at == message->header.size() && whole > at)
      writer.remark("message-header-cut", fmt::format("{} of {} bytes of the header section are shown", at, whole));
    return true;
  });
  return answer;
}

}  // namespace impulse::control
