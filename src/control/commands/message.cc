// message details, body, full: one message, from the spool.
#include "base/lines.h"
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/commands/queue_words.h"

namespace impulse::control {

namespace {

constexpr size_t header_shown = 60000;  // bytes

Json recipient_document(const MessageDetails::Recipient& recipient) {
  Json document{{"recipient", recipient.address}, {"state", recipient.state}, {"attempts", recipient.attempts}};
  if (recipient.next_attempt.value_or(WallTime{}) != WallTime{})
    document["next_attempt"] = time_text(*recipient.next_attempt);
  if (!recipient.last_error.empty()) document["last_error"] = recipient.last_error;
  if (!recipient.binding.empty()) document["binding"] = recipient.binding;
  return document;
}

std::string recipient_line(const MessageDetails::Recipient& recipient) {
  std::string line = fmt::format("{:>14} <{}> {}, {}", "Recipient:", escape_line(recipient.address),
                                 field(recipient.state), counted(recipient.attempts, "attempt"));
  if (recipient.next_attempt.value_or(WallTime{}) != WallTime{})
    line += fmt::format(", next {}", time_text(*recipient.next_attempt));
  if (!recipient.binding.empty()) line += fmt::format(", by {}", field(recipient.binding));
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
    if (!message.binding.empty()) document["binding"] = message.binding;
    if (!message.envid.empty()) document["envid"] = message.envid;
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
  if (!message.binding.empty()) writer.text(fmt::format("{:>14} {}", "Binding:", field(message.binding)));
  writer.text(fmt::format("{:>14} <{}>", "Sender:", escape_line(message.sender)));
  if (!message.envid.empty()) writer.text(fmt::format("{:>14} {}", "ENVID:", escape_line(message.envid)));
  writer.text(fmt::format("{:>14} {}", "Size:", message.size));
}

constexpr Duration glance = std::chrono::milliseconds(5);

void say_error(Writer& writer, const Error& why) {
  writer.error(why.code == Errc::not_found ? "message-not-found" : "message-unreadable", why.message);
  writer.fail(code_of(why.code));
}

// The text of a message, line by line as it is sent; a long line goes on in the next.
class TextLines {
 public:
  TextLines(std::unique_ptr<MessageText> text, bool heading) : text_(std::move(text)), heading_(heading) {}

  bool operator()(Writer& writer) {
    if (!parts_) {
      const auto* ready = text_->ready();
      if (ready == nullptr) {
        writer.wait(glance);
        return true;
      }
      if (!*ready) {
        if (std::exchange(failed_, true)) return false;
        say_error(writer, ready->error());
        return true;
      }
      parts_ = &**ready;
      if (heading_ && !writer.json()) writer.text(fmt::format("{:>14}", "Body:"));
      return true;
    }
    for (size_t said = 0; said < lines_a_step; ++said) {
      if (part_ == 0 && at_ == parts_->trace.size()) {
        part_ = 1;
        at_ = 0;
      }
      const std::string& part = part_ == 0 ? parts_->trace : parts_->body;
      if (at_ == part.size()) return said > 0;
      const size_t end = part.find('\n', at_);
      // Of a line without an end a piece at a time; in a document whole escapes have to fit, too.
      const size_t next = std::min({end == std::string::npos ? part.size() : end + 1, at_ + piece, part.size()});
      std::string_view line = std::string_view(part).substr(at_, next - at_);
      const bool more = !line.ends_with('\n') && next < part.size();
      at_ = next;
      if (line.ends_with('\n')) line.remove_suffix(1);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (writer.json()) {
        Json document{{"line", line}};
        if (more) document["more"] = true;
        writer.document(document);
      } else {
        writer.text(line);
      }
    }
    return true;
  }

 private:
  static constexpr size_t lines_a_step = 32;
  static constexpr size_t piece = 8192;

  std::unique_ptr<MessageText> text_;
  bool heading_;
  bool failed_ = false;
  const MessageText::Parts* parts_ = nullptr;  // of text_
  int part_ = 0;                               // trace, body
  size_t at_ = 0;
};

Step say_text(System& system, MessageId id, bool heading) {
  return [lines = std::make_shared<TextLines>(system.message_text(id), heading)](Writer& writer) {
    return (*lines)(writer);
  };
}

Step say_header(std::shared_ptr<const MessageDetails> message, size_t whole) {
  return [message = std::move(message), whole, at = size_t{0}, begun = false](Writer& writer) mutable {
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
  };
}

// Its envelope, recipients, and its header section.
Step say_details(MessageDetails&& found) {
  const size_t whole = found.header.size();
  if (whole > header_shown) {
    found.header.resize(header_shown);
    found.header.shrink_to_fit();
  }
  const auto message = std::make_shared<const MessageDetails>(std::move(found));
  Step lines = then(each(1, [message](Writer& writer, size_t) { say_envelope(writer, *message); }),
                    each(message->recipients.size(), [message](Writer& writer, size_t i) {
                      const auto& recipient = message->recipients[i];
                      if (writer.json())
                        writer.document(recipient_document(recipient));
                      else
                        writer.text(recipient_line(recipient));
                    }));
  return then(std::move(lines), say_header(message, whole));
}

// With `body` that follows instead of the header section.
Answer details(const Invocation& call, MessageId id, bool body) {
  Answer answer;
  answer.lines = [found = std::shared_ptr(call.system.message(id)), &system = call.system, id, body,
                  rest = Step()](Writer& writer) mutable {
    if (rest) return rest(writer);
    if (found == nullptr) return false;
    Result<MessageDetails>* const ready = found->ready();
    if (ready == nullptr) {
      writer.wait(glance);
    } else if (!*ready) {
      say_error(writer, ready->error());
      found = nullptr;
    } else {
      if (body) (*ready)->header.clear();
      rest = say_details(std::move(**ready));
      if (body) rest = then(std::move(rest), say_text(system, id, true));
    }
    return true;
  };
  return answer;
}

Answer body_of(const Invocation& call, MessageId id) {
  Answer answer;
  answer.lines = say_text(call.system, id, false);
  return answer;
}

}  // namespace

Answer message_details(const Invocation& call) {
  const bool kind = call.words.size() == 2;
  const bool full = kind && iequals(call.words.front().text, "full");
  if (call.words.size() != 1 && !full && !(kind && iequals(call.words.front().text, "body")))
    return usage("message details", "one message id is expected; 'full' or 'body' may stand before it");
  const auto id = read_message_id(call, call.words.back());
  if (!id) return id.error();
  if (kind && !full) return body_of(call, *id);
  return details(call, *id, full);
}

Answer message_body(const Invocation& call) {
  if (call.words.size() != 1) return usage("message body", "one message id is expected");
  const auto id = read_message_id(call, call.words.front());
  return id ? body_of(call, *id) : id.error();
}

Answer message_full(const Invocation& call) {
  if (call.words.size() != 1) return usage("message full", "one message id is expected");
  const auto id = read_message_id(call, call.words.front());
  return id ? details(call, *id, true) : id.error();
}

}  // namespace impulse::control
