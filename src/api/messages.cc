// POST /api/impulse/v1/messages: ours. One message to one or more recipients,
// as SMTP has it: message/rfc822 with the envelope in the query or in header
// fields, or JSON. All recipients are taken, or nothing is.
#include "api/content.h"
#include "api/requests.h"
#include "api/submission.h"
#include "base/text.h"
#include "compose/escape.h"
#include "compose/mailbox.h"
#include "compose/transfer.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

namespace impulse::api {

namespace {

class MessageJob : public Job {
 public:
  MessageJob(Call call, std::shared_ptr<const Policy> policy) : call_(std::move(call)), policy_(std::move(policy)) {}

  std::expected<void, Error> read();

  size_t total() const override { return 1; }
  std::expected<spool::Incoming, Error> build(size_t index) override;
  std::string answer(std::span<const MessageId> ids, std::string_view node) const override;
  std::string_view protocol() const override { return protocol_of(call_); }

 private:
  std::expected<void, Error> read_raw();
  std::expected<void, Error> read_query(std::vector<std::string>& senders);
  std::expected<void, Error> read_fields(std::vector<std::string>& senders);
  std::expected<void, Error> read_json();
  void member(Reader& reader, std::string_view name, Element value, const Where& where, bool& known);
  void read_context(Reader& reader, Element element, const Where& where);
  std::expected<void, Error> set_sender(std::string_view text, std::string field);
  std::expected<void, Error> add_recipient(std::string_view text, std::string field);
  std::expected<void, Error> compose_whole(std::string_view message);
  static std::unexpected<Error> wrong(Fault fault, std::string field, std::string reason) {
    return std::unexpected(Error{fault, std::move(field), std::move(reason)});
  }

  Call call_;
  std::shared_ptr<const Policy> policy_;
  std::unique_ptr<compose::Composer> composer_;
  std::string field_;  // how the request names the message
  std::optional<std::string> sender_;
  std::vector<message::Recipient> recipients_;
  WallTime hold_until_{};
  int8_t priority_ = 0;
  std::vector<std::pair<std::string, std::string>> context_;
  // While JSON is read.
  std::optional<std::string_view> message_;
  std::optional<std::string> decoded_;
  std::optional<Content> content_;
};

std::expected<void, Error> MessageJob::read() {
  const std::string type = media_type(call_.content_type);
  std::expected<void, Error> done;
  if (type == "message/rfc822" || type == "message/global")
    done = read_raw();
  else if (type == "application/json" || type.ends_with("+json"))
    done = read_json();
  else
    return wrong(Fault::media_type, "",
                 fmt::format("Content-Type must be message/rfc822 or application/json, not {}",
                             type.empty() ? "nothing" : escape_line(type, 80)));
  if (!done) return done;
  if (!sender_) return wrong(Fault::missing, "from", "the envelope's sender is required");
  if (recipients_.empty()) return wrong(Fault::missing, "to", "a recipient is required");
  std::string().swap(call_.body);
  return {};
}

std::expected<void, Error> MessageJob::set_sender(std::string_view text, std::string field) {
  auto sender = envelope_sender(text, std::move(field), call_, *policy_);
  if (!sender) return std::unexpected(std::move(sender.error()));
  sender_ = std::move(*sender);
  return {};
}

std::expected<void, Error> MessageJob::add_recipient(std::string_view text, std::string field) {
  // Whatever the configuration says of a message, it is one request.
  size_t most = policy_->max_request_recipients;
  if (policy_->max_recipients != 0) most = std::min<size_t>(most, policy_->max_recipients);
  if (recipients_.size() >= most)
    return wrong(Fault::invalid, "to", fmt::format("one message has at most {} recipients", most));
  auto address = envelope_address(text, std::move(field), *policy_);
  if (!address) return std::unexpected(std::move(address.error()));
  recipients_.push_back({std::move(*address)});
  return {};
}

std::expected<void, Error> MessageJob::compose_whole(std::string_view message) {
  auto made = compose::compose_raw(message, compose::RawFilling::nothing, compose::Dialect::none, field_);
  if (!made) return wrong(Fault::bad_message, field_, made.error().reason);
  composer_ = std::move(*made);
  return {};
}

std::expected<void, Error> MessageJob::read_query(std::vector<std::string>& senders) {
  if (auto done = expect_query(call_, {"from", "to", "priority", "hold_until"}, "to"); !done) return done;
  for (const auto& [name, value] : call_.query) {
    if (name == "from") {
      senders.push_back(value);
    } else if (name == "to") {
      if (auto done = add_recipient(value, "to"); !done) return done;
    } else if (name == "priority") {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), priority_);
      if (error != std::errc() || end != value.data() + value.size() || priority_ < -9 || priority_ > 9)
        return wrong(Fault::invalid, name, "a whole number from -9 to 9 is expected");
    } else {
      auto time = hold_until(value, name, call_, *policy_);
      if (!time) return std::unexpected(time.error());
      hold_until_ = *time;
    }
  }
  return {};
}

std::expected<void, Error> MessageJob::read_fields(std::vector<std::string>& senders) {
  for (const auto& [name, value] : call_.headers) {
    std::string_view text = trim(value);
    if (iequals(name, "X-Envelope-From")) {
      if (text.starts_with('<') && text.ends_with('>')) text = text.substr(1, text.size() - 2);
      senders.emplace_back(text);
    } else if (iequals(name, "X-Envelope-To")) {
      const auto mailboxes = compose::parse_mailboxes(text);
      if (!mailboxes) return wrong(Fault::invalid, "X-Envelope-To", mailboxes.error().message);
      for (const compose::Mailbox& mailbox : *mailboxes)
        if (auto done = add_recipient(mailbox.email, "X-Envelope-To"); !done) return done;
    }
  }
  return {};
}

std::expected<void, Error> MessageJob::read_raw() {
  std::vector<std::string> senders;
  if (auto done = read_query(senders); !done) return done;
  const bool by_query = !senders.empty() || !recipients_.empty();
  std::vector<std::string> named;
  const size_t before = recipients_.size();
  if (auto done = read_fields(named); !done) return done;
  if (by_query && (!named.empty() || recipients_.size() != before))
    return wrong(Fault::invalid, "X-Envelope-To", "the envelope is in the query already: it stands in one place");
  if (!by_query) senders = std::move(named);
  const std::string field = by_query ? "from" : "X-Envelope-From";
  if (senders.size() > 1) return wrong(Fault::invalid, field, "there is more than one envelope sender");
  if (!senders.empty())
    if (auto done = set_sender(senders.front(), field); !done) return done;
  return compose_whole(call_.body);
}

// More of it, and none of what the configuration and the connection say.
void MessageJob::read_context(Reader& reader, Element element, const Where& where) {
  const auto has = [](const std::vector<std::pair<std::string, std::string>>& context, std::string_view name) {
    return std::ranges::any_of(context, [&](const auto& pair) { return pair.first == name; });
  };
  size_t size = 0;
  reader.object(element, where, [&](std::string_view name, Element value, const Where& at) {
    if (compose::has_control(name))
      reader.fail(Fault::unsafe, at, "the name holds a line break or another control character");
    else if (name.empty())
      reader.fail(Fault::invalid, where, "a name is empty");
    else if (has(policy_->context, name) || has(call_.context, name))
      reader.fail(Fault::refused, at, "the server sets this name itself");
    context_.emplace_back(name, reader.line(value, at));
    size += name.size() + context_.back().second.size();
    if (size > 10'000) reader.fail(Fault::invalid, where, "the context is over 10000 bytes");
    return true;
  });
}

void MessageJob::member(Reader& reader, std::string_view name, Element value, const Where& where, bool& known) {
  const auto keep = [&](const std::expected<void, Error>& done) {
    if (!done) reader.fail(done.error());
  };
  if (name == "from") {
    keep(set_sender(reader.text(value, where), where.to_string()));
  } else if (name == "to") {
    if (value.is_string()) return keep(add_recipient(reader.text(value, where), where.to_string()));
    reader.array(value, where, [&](Element item, const Where& at) {
      const std::string_view text = reader.text(item, at);
      if (reader.good()) keep(add_recipient(text, at.to_string()));
    });
  } else if (name == "message") {
    message_ = reader.text(value, where);
    field_ = name;
  } else if (name == "message_base64") {
    auto bytes = compose::base64_decoded(reader.text(value, where));
    if (!bytes) return reader.fail(Fault::invalid, where, bytes.error().message);
    decoded_ = std::move(*bytes);
    field_ = name;
  } else if (name == "content") {
    content_ = read_transmission_content(reader, value, where);
    if (content_->raw) reader.fail(Fault::unsupported, where.member("email_rfc822"), "give it as message");
    field_ = name;
  } else if (name == "priority") {
    priority_ = static_cast<int8_t>(reader.integer(value, where, -9, 9));
  } else if (name == "hold_until") {
    auto time = hold_until(reader.text(value, where), where.to_string(), call_, *policy_);
    if (!time) return reader.fail(std::move(time.error()));
    hold_until_ = *time;
  } else if (name == "context") {
    read_context(reader, value, where);
  } else {
    known = false;
  }
}

std::expected<void, Error> MessageJob::read_json() {
  if (auto done = expect_query(call_, {}); !done) return done;
  const auto json = Json::parse(call_.body);
  if (!json) return std::unexpected(json.error());
  Reader reader;
  reader.object((*json)->root(), Where{}, [&](std::string_view name, Element value, const Where& at) {
    bool known = true;
    member(reader, name, value, at, known);
    return known;
  });
  if (!reader.good()) return std::unexpected(*reader.error());
  if ((message_ ? 1 : 0) + (decoded_ ? 1 : 0) + (content_ ? 1 : 0) != 1)
    return wrong(Fault::missing, "message", "exactly one of message, message_base64 and content is required");
  if (!content_) return compose_whole(message_ ? *message_ : std::string_view(*decoded_));
  content_->parts.dialect = compose::Dialect::none;
  auto composer = make_composer(*content_, compose::RawFilling::nothing, "content", "content");
  if (!composer) return std::unexpected(std::move(composer.error()));
  composer_ = std::move(*composer);
  // They are the document's, which goes now.
  content_.reset();
  message_.reset();
  return {};
}

std::expected<spool::Incoming, Error> MessageJob::build(size_t index) {
  const std::string unique = unique_name(call_, index);
  const compose::Scope nothing;
  compose::Occasion occasion{.values = nothing};
  // With several, only the sender can say which of them are to be seen.
  if (recipients_.size() == 1) occasion.to = {compose::Mailbox{"", recipients_.front().address}};
  occasion.now = call_.now;
  occasion.unique = unique;
  occasion.hostname = policy_->received_hostname;
  if (policy_->max_message_size != 0) occasion.max_size = policy_->max_message_size;
  auto composed = composer_->compose(occasion);
  if (!composed) {
    Error error = to_error(composed.error());
    if (error.field.empty()) error.field = field_;
    return std::unexpected(std::move(error));
  }
  message::Envelope envelope = envelope_of(call_, *policy_);
  envelope.sender = *sender_;
  envelope.recipients = recipients_;
  envelope.hold_until = hold_until_;
  envelope.priority = priority_;
  for (const auto& [name, value] : context_) set_context(envelope, name, value);
  return submit(composed->message, std::move(envelope),
                Submission{.call = call_, .policy = *policy_, .field = field_, .unique = unique});
}

std::string MessageJob::answer(std::span<const MessageId> ids, std::string_view node) const {
  nlohmann::ordered_json out;
  out["id"] = ids.empty() ? std::string() : ids.front().to_string(node);
  auto& recipients = out["recipients"] = nlohmann::ordered_json::array();
  for (const message::Recipient& recipient : recipients_) recipients.push_back(recipient.address);
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

MadeJob read_messages(Call call, std::shared_ptr<const Policy> policy) {
  auto job = std::make_unique<MessageJob>(std::move(call), std::move(policy));
  if (auto done = job->read(); !done) return std::unexpected(std::move(done.error()));
  return job;
}

}  // namespace impulse::api
