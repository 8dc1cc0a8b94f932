#include "api/mailing.h"

#include "api/content.h"
#include "api/submission.h"
#include "compose/escape.h"
#include "compose/header_field.h"
#include "compose/transfer.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <unordered_set>

namespace impulse::api {

namespace {

Error metadata_too_large(std::string field) {
  return {Fault::invalid, std::move(field), fmt::format("the metadata of one message is over {} bytes", max_metadata)};
}

}  // namespace

Mailing::Mailing(Plan plan) : plan_(std::move(plan)) {
  if (plan_.values) values_ = to_value(*plan_.values);
  if (plan_.metadata) metadata_ = to_value(*plan_.metadata);
}

Mailing::Plan Mailing::Plan::of(Style style, std::string sender_field, Call call,
                                std::shared_ptr<const Policy> policy) {
  Plan plan;
  plan.style = style;
  plan.call = std::move(call);
  plan.policy = std::move(policy);
  plan.sender_field = std::move(sender_field);
  return plan;
}

std::expected<void, Error> Mailing::Plan::parse() {
  auto parsed = Json::parse(call.body);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  json = std::move(*parsed);
  std::string().swap(call.body);  // the document has copies
  return {};
}

bool Mailing::Plan::room_for_recipient(Reader& reader) const {
  const size_t most = policy->max_request_recipients;
  if (people.size() + rejected.count < most) return true;
  reader.fail({Fault::too_large, "recipients", fmt::format("one request has at most {} recipients", most)});
  return false;
}

std::string_view Mailing::protocol() const { return protocol_of(plan_.call); }

// The names that the APIs define themselves.
compose::Value Mailing::reserved(const Person& person, const std::string& sender, const std::string& to) const {
  using compose::Value;
  const auto text = [](const std::string& from) { return Value(std::string_view(from)); };
  Value::Object out;
  out.push_back({"email", text(person.email)});
  if (plan_.style == Style::inject) {
    if (!person.name.empty()) out.push_back({"name", text(person.name)});
    out.push_back({"to_header", text(to)});
    return Value(std::move(out));
  }
  out.push_back({"email_id", text(person.email)});
  Value::Object address;
  address.push_back({"email", text(person.email)});
  if (!person.name.empty()) address.push_back({"name", text(person.name)});
  out.push_back({"address", Value(std::move(address))});
  out.push_back({"env_from", text(sender)});
  out.push_back({"return_path", text(sender)});
  return Value(std::move(out));
}

bool Mailing::Plan::is_servers_own(std::string_view name) const {
  const auto is = [name](const std::pair<std::string, std::string>& pair) { return pair.first == name; };
  return std::ranges::any_of(policy->context, is) || std::ranges::any_of(call.context, is);
}

// It goes into the context: logs, and headers of notices, have one line for each.
std::optional<Element> Mailing::Plan::read_metadata(Reader& reader, Element element, const Where& where) const {
  const auto metadata = reader.any_object(element, where);
  if (!metadata) return metadata;
  size_t size = 0;
  for (const auto& [name, value] : simdjson::dom::object(*metadata)) {
    const std::string text = plain_text(Element(value));
    if (size += name.size() + text.size(); size > max_metadata) {
      reader.fail(metadata_too_large(where.to_string()));
      break;
    }
    if (compose::has_control(name) || compose::has_control(text)) {
      reader.fail(Fault::unsafe, where.member(name), "metadata holds no line breaks or other control characters");
      break;
    }
    if (is_servers_own(fmt::format("metadata.{}", name))) {
      reader.fail(Fault::refused, where.member(name), "the server sets this name itself");
      break;
    }
  }
  return metadata;
}

// What the request says about the message besides: into its context. Names of
// one object differ, so that they are looked for among the others alone.
std::expected<void, Error> Mailing::describe(message::Envelope& envelope, const Person& person) const {
  for (const auto& [name, value] : plan_.context)
    if (!plan_.is_servers_own(name)) set_context(envelope, name, value);
  if (!person.tags.empty() && !plan_.is_servers_own("tags")) set_context(envelope, "tags", person.tags);
  auto& context = envelope.context;
  const auto before = static_cast<std::ptrdiff_t>(context.size());
  size_t size = 0;
  const auto put = [&](std::string_view name, std::string text, bool outweighed) {
    size += name.size() + text.size();
    if (size > max_metadata || outweighed) return size <= max_metadata;
    std::string full = fmt::format("metadata.{}", name);
    const auto end = context.begin() + before;
    if (const auto there = std::ranges::find(context.begin(), end, full, &std::pair<std::string, std::string>::first);
        there != end)
      there->second = std::move(text);
    else
      context.emplace_back(std::move(full), std::move(text));
    return true;
  };
  std::unordered_set<std::string_view> own;
  if (person.metadata)
    for (const auto& [name, value] : simdjson::dom::object(*person.metadata)) {
      own.insert(name);
      if (!put(name, plain_text(Element(value)), false)) return std::unexpected(metadata_too_large("metadata"));
    }
  if (plan_.metadata)
    for (const auto& [name, value] : simdjson::dom::object(*plan_.metadata))
      if (!put(name, plain_text(Element(value)), own.contains(name)))
        return std::unexpected(metadata_too_large("metadata"));
  return {};
}

std::string Mailing::supplement(const Person& person) const {
  nlohmann::json payload;
  payload["_@_"] = "\\_/";
  payload["recipient"] = person.email;
  if (person.metadata)
    for (const auto& [name, value] : simdjson::dom::object(*person.metadata))
      if (plan_.supplement->names.contains(name))
        payload[std::string(name)] = nlohmann::json::parse(std::string(simdjson::minify(Element(value))));
  // In words that a line can hold.
  const std::string text = compose::base64(payload.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  std::string out;
  for (size_t at = 0; at < text.size(); at += 70) (out += out.empty() ? "" : " ") += text.substr(at, 70);
  return compose::make_field(plan_.supplement->header, out).value_or("");
}

// Of an error that is one recipient's doing: whose.
Error Mailing::located(Error error, const Person& person) const {
  if (plan_.people.size() > 1) error.reason += fmt::format(" (recipient {})", person.given);
  if (error.field.empty()) error.field = plan_.content_field;
  return error;
}

std::expected<spool::Incoming, Error> Mailing::build(size_t index) {
  const Person& person = plan_.people.at(index);
  const Policy& policy = *plan_.policy;
  const std::string unique = unique_name(plan_.call, index);
  const bool own_sender = person.sender || plan_.sender;
  std::string sender = person.sender ? *person.sender : plan_.sender.value_or("");
  const compose::Mailbox to{person.name, person.email};
  const std::string to_header = plan_.style == Style::inject ? compose::to_header(to) : std::string();

  const compose::Value own = person.values ? to_value(*person.values) : compose::Value();
  const compose::Value own_metadata = person.metadata ? to_value(*person.metadata) : compose::Value();
  compose::Value given = reserved(person, sender, to_header);
  compose::Scope scope;
  if (plan_.style == Style::inject)
    scope.layers = {&own, &given, &values_};
  else
    scope.layers = {&given, &own, &own_metadata, &values_, &metadata_};
  if (plan_.style == Style::transmissions) scope.dynamic = &values_;

  compose::Occasion occasion{.values = scope};
  occasion.to = person.to.empty() ? std::vector{to} : person.to;
  occasion.now = plan_.call.now;
  occasion.unique = unique;
  occasion.hostname = policy.received_hostname;
  if (policy.max_message_size != 0) occasion.max_size = policy.max_message_size;
  // Templates may ask for it.
  if (!own_sender) {
    sender = plan_.composer->from(occasion);
    given = reserved(person, sender, to_header);
  }
  auto composed = plan_.composer->compose(occasion);
  if (!composed) return std::unexpected(located(to_error(composed.error()), person));
  if (plan_.supplement) composed->message.insert(0, supplement(person));

  message::Envelope envelope = envelope_of(plan_.call, policy);
  envelope.recipients.push_back({person.email});
  envelope.sender = sender;
  if (!own_sender) {
    if (composed->from.empty())
      return std::unexpected(Error{Fault::missing, plan_.sender_field,
                                   "there is no From field to take the envelope sender from: give it"});
    auto checked = envelope_sender(composed->from, plan_.sender_field, plan_.call, policy);
    if (!checked) return std::unexpected(located(std::move(checked.error()), person));
    envelope.sender = std::move(*checked);
  }
  envelope.hold_until = plan_.hold_until;
  if (auto done = describe(envelope, person); !done) return std::unexpected(located(done.error(), person));
  auto incoming = submit(
      composed->message, std::move(envelope),
      Submission{
          .call = plan_.call, .policy = policy, .field = plan_.content_field, .unique = unique, .trace = plan_.trace});
  if (!incoming) return std::unexpected(located(std::move(incoming.error()), person));
  return incoming;
}

namespace {

// As a string of JSON. Nearly all need nothing but the quotes.
void append_quoted(std::string& out, const std::string& text) {
  const auto plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
  if (std::ranges::all_of(text, plain))
    out.append(1, '"').append(text) += '"';
  else
    out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// An array; `item` appends its parts. Written straight into the answer, as a
// document of nodes would take many times its bytes.
template <class F>
void append_array(std::string& out, std::string_view name, size_t count, F item) {
  out.append(",\"").append(name) += "\":[";
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    item(i);
  }
  out += ']';
}

}  // namespace

std::string Mailing::answer(std::span<const MessageId> ids, std::string_view node) const {
  return plan_.style == Style::inject ? inject_answer(ids, node) : transmission_answer(ids, node);
}

void Mailing::append_recipients(std::string& out, std::string_view name, std::span<const MessageId> ids,
                                std::string_view node) const {
  const size_t count = std::min(ids.size(), plan_.people.size());
  size_t size = out.size() + 1000;
  for (size_t i = 0; i < count; ++i) size += plan_.people[i].given.size();
  out.reserve(size + count * (MessageId::text_length(node) + name.size() + 20));
  append_array(out, "recipients", count, [&](size_t i) {
    out.append("{\"").append(name) += "\":";
    append_quoted(out, plan_.people[i].given);
    out += ",\"id\":";
    append_quoted(out, ids[i].to_string(node));
    out += '}';
  });
}

std::string Mailing::transmission_answer(std::span<const MessageId> ids, std::string_view node) const {
  const Rejected& rejected = plan_.rejected;
  std::string out =
      fmt::format(R"({{"results":{{"total_rejected_recipients":{},"total_accepted_recipients":{},"id":"{}")",
                  rejected.count, plan_.people.size(), plan_.call.number);
  append_recipients(out, "to", ids, node);
  if (rejected.count == 0) return out + "}}";
  append_array(out, "rcpt_to_errors", std::min(rejected.told, rejected.errors.size()),
               [&](size_t i) { out += error_object(rejected.errors[i], plan_.style); });
  return out + R"(},"errors":[{"message":"transmission created, but with validation errors","code":"2000"}]})";
}

std::string Mailing::inject_answer(std::span<const MessageId> ids, std::string_view node) const {
  const Rejected& rejected = plan_.rejected;
  std::string out = fmt::format(R"({{"success_count":{},"fail_count":{})", plan_.people.size(), rejected.count);
  append_array(out, "failed_recipients", rejected.given.size(),
               [&](size_t i) { append_quoted(out, rejected.given[i]); });
  append_array(out, "errors", std::min(rejected.told, rejected.errors.size()), [&](size_t i) {
    append_quoted(out, fmt::format("{}: {}", rejected.errors[i].field, rejected.errors[i].reason));
  });
  append_recipients(out, "email", ids, node);
  return out + "}";
}

}  // namespace impulse::api
