#include "api/submission.h"

#include "base/text.h"
#include "compose/escape.h"
#include "compose/mailbox.h"
#include "message/header_scan.h"
#include "message/received.h"
#include "message/rewriter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace impulse::api {

std::string_view protocol_of(const Call& call) { return call.tls.empty() ? "HTTP" : "HTTPS"; }

void set_context(message::Envelope& envelope, std::string name, std::string value) {
  for (auto& [known, old] : envelope.context)
    if (known == name) {
      old = std::move(value);
      return;
    }
  envelope.context.emplace_back(std::move(name), std::move(value));
}

message::Envelope envelope_of(const Call& call, const Policy& policy) {
  message::Envelope out;
  out.received = call.now;
  out.client = call.client;
  out.client_port = call.client_port;
  out.client_name = call.client_name;
  out.listener = call.listener;
  out.user = call.user;
  out.tenant = policy.tenant;
  out.context = policy.context;
  for (const auto& [name, value] : call.context) set_context(out, name, value);
  return out;
}

std::string unique_name(const Call& call, size_t index) {
  return fmt::format("{:x}.{:x}.{}", call.now.time_since_epoch().count(), call.number, index);
}

std::expected<std::string, Error> envelope_address(std::string_view text, std::string field, const Policy& policy) {
  if (compose::has_control(text) || text.contains('\t'))
    return std::unexpected(
        Error{Fault::unsafe, std::move(field), "the address holds a line break or another control character"});
  auto address = compose::checked_address(text, policy.pedantic_addresses, policy.allow_ip_literal);
  if (!address) return std::unexpected(Error{Fault::invalid, std::move(field), address.error().message});
  return std::move(*address);
}

std::expected<std::string, Error> envelope_sender(std::string_view text, std::string field, const Call& call,
                                                  const Policy& policy) {
  std::expected<std::string, Error> address;
  if (!text.empty() && text != "<>")
    address = envelope_address(text, field, policy);
  else if (!policy.allow_null_sender)
    return std::unexpected(Error{Fault::refused, std::move(field), "the null sender is not allowed here"});
  if (!address) return address;
  if (call.may_send)
    if (const auto may = call.may_send(*address); !may)
      return std::unexpected(Error{Fault::refused, std::move(field), may.error().message});
  return address;
}

namespace {

uint64_t longest_line(std::string_view text) {
  uint64_t longest = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    size_t size = std::min(end, text.size());
    if (end != std::string_view::npos && size > 0 && text[size - 1] == '\r') --size;
    longest = std::max<uint64_t>(longest, size);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return longest;
}

}  // namespace

std::expected<spool::Incoming, Error> submit(std::string_view message, message::Envelope envelope,
                                             const Submission& submission) {
  const Policy& policy = submission.policy;
  const Call& call = submission.call;
  const auto bad = [&](Fault fault, std::string reason) {
    return std::unexpected(Error{fault, std::string(submission.field), std::move(reason)});
  };
  if (policy.max_message_size != 0 && message.size() > policy.max_message_size)
    return bad(Fault::too_large, fmt::format("the message is larger than {} bytes", policy.max_message_size));

  using message::AddField;
  message::HeaderScan scan(policy.received_hostname,
                           policy.fixups.date == AddField::always || policy.fixups.message_id == AddField::always);
  const size_t header = scan.feed(message);
  scan.finish();
  const message::HeaderFacts& facts = scan.facts();
  if (policy.max_received_headers != 0 && facts.received > policy.max_received_headers)
    return bad(Fault::bad_message, "the message has too many Received fields: it may be in a loop");

  const bool trace = policy.trace_headers && submission.trace;
  message::FixupInput input{.header = facts, .now = call.now};
  input.longest_body_line = longest_line(message.substr(header));
  input.trace = trace;
  input.unique = submission.unique;
  input.hostname = policy.received_hostname;
  input.sender = envelope.sender;
  const auto fixups = message::fix_up(policy.fixups, input);
  if (!fixups) return bad(Fault::bad_message, std::string(fixups.error().text));

  envelope.tls_optional = facts.tls_optional;
  envelope.smtputf8 = facts.eight_bit || message::has_utf8_address(envelope);
  if (!is_ascii(message.substr(header))) envelope.body_type = message::BodyType::eight_bit_mime;

  spool::Incoming incoming;
  incoming.body = Chunks(policy.body_block);
  incoming.body.append(message);
  if (fixups->rewrites()) incoming.body = message::rewritten(incoming.body, *fixups, policy.body_block);
  if (trace) {
    message::ReceivedInfo info;
    info.name = envelope.client_name;
    info.client = call.client;
    info.unix_socket = call.unix_socket;
    info.by = policy.received_hostname;
    info.protocol = protocol_of(call);
    info.tls = call.tls;
    info.tls_bits = call.tls_bits;
    info.utf8 = envelope.smtputf8;
    if (envelope.recipients.size() == 1) info.recipient = envelope.recipients.front().address;
    info.when = envelope.received;
    message::TraceField field = message::received_field(info);
    incoming.trace = std::move(field.text);
    incoming.id_offset = field.id_offset;
  }
  incoming.trace += fixups->fields;
  incoming.envelope = std::move(envelope);
  return incoming;
}

}  // namespace impulse::api
