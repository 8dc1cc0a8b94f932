#include "ecstream/message_check.h"

#include "base/text.h"
#include "message/address.h"

#include <fmt/format.h>

#include <algorithm>

namespace impulse::ecstream {

namespace {

using message::AddressFault;
using Objection = std::optional<MessageRefusal>;

bool is_upper_hex(char c) { return is_digit(c) || (c >= 'A' && c <= 'F'); }

// RFC 3461 §4, of octets that are no control characters.
bool is_xtext(std::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] < '!' || text[at] > '~' || text[at] == '=') return false;
    if (text[at] != '+') continue;
    if (text.size() - at < 3 || !is_upper_hex(text[at + 1]) || !is_upper_hex(text[at + 2])) return false;
    if (text[at + 1] < '2' || text.substr(at + 1, 2) == "7F") return false;
    at += 2;
  }
  return !text.empty();
}

// addr-type ";" xtext (RFC 3461 §4.2); with SMTPUTF8 also UTF-8 as it is (RFC 6533 §3).
bool is_orcpt(std::string_view value, bool utf8) {
  const size_t semicolon = value.find(';');
  if (value.size() > 500 || semicolon == 0 || semicolon == std::string_view::npos) return false;
  const std::string_view type = value.substr(0, semicolon);
  const std::string_view address = value.substr(semicolon + 1);
  const auto is_atom = [](char c) { return is_alpha(c) || is_digit(c) || c == '-'; };
  if (address.empty() || !std::all_of(type.begin(), type.end(), is_atom)) return false;
  const auto plain = [](char c) { return static_cast<unsigned char>(c) > ' ' && c != '\x7F'; };
  return is_xtext(address) ||
         (utf8 && iequals(type, "utf-8") && is_utf8(address) && std::all_of(address.begin(), address.end(), plain));
}

MessageRefusal value_refused(std::string_view what, uint32_t recipient = Refused::message_itself) {
  return {501, "5.5.4", "syntax", std::string(what), recipient};
}

MessageRefusal address_refused(AddressFault fault, bool sender, bool utf8, uint32_t recipient) {
  const std::string_view who = sender ? "Sender" : "Recipient";
  switch (fault) {
    case AddressFault::too_long:
      return {501, sender ? "5.1.7" : "5.1.3", "address", fmt::format("{} address too long", who), recipient};
    case AddressFault::ip_literal:
      return {550, sender ? "5.1.7" : "5.1.3", "address", "Address literals are not accepted", recipient};
    case AddressFault::not_ascii:
      if (!utf8) return {553, "5.6.7", "utf8", "Address outside ASCII needs SMTPUTF8", recipient};
      break;
    case AddressFault::syntax:
      break;
  }
  return {501, sender ? "5.1.7" : "5.1.3", "address", fmt::format("Bad {} address", sender ? "sender" : "recipient"),
          recipient};
}

// "local@domain"; nothing else about it.
std::expected<message::Path, AddressFault> parse_address(std::string_view address, const message::AddressRules& rules) {
  if (address.size() > message::max_path - 2) return std::unexpected(AddressFault::too_long);
  const std::string text = '<' + std::string(address) + '>';
  auto path = message::parse_path(text, rules);
  if (path && (path->used != text.size() || path->source_route)) return std::unexpected(AddressFault::syntax);
  return path;
}

Objection of_layout(const DecodedHead& decoded) {
  switch (decoded.fault) {
    case EnvelopeFault::none:
      return std::nullopt;
    case EnvelopeFault::unknown_field:
      return MessageRefusal{555, "5.5.4", "syntax", fmt::format("Field 0x{:02X} is not known", decoded.tag)};
    case EnvelopeFault::twice:
      return value_refused(fmt::format("Field 0x{:02X} is there twice", decoded.tag));
    case EnvelopeFault::no_sender:
      return value_refused("The sender has to come first");
    case EnvelopeFault::layout:
    case EnvelopeFault::value:
      break;
  }
  return value_refused(fmt::format("Value of field 0x{:02X} cannot be", decoded.tag));
}

Objection check_sender(const MessageHead& head, const CheckContext& context, const message::AddressRules& rules) {
  if (head.sender.empty()) {
    if (context.policy.allow_null_sender) return std::nullopt;
    return MessageRefusal{550, "5.1.7", "sender", "Null sender not accepted"};
  }
  const auto path = parse_address(head.sender, rules);
  if (!path) return address_refused(path.error(), true, rules.smtputf8, Refused::message_itself);
  if (!path->has_domain) return MessageRefusal{550, "5.1.7", "address", "Sender address needs a domain"};
  if (!intake::sender_matches(context.policy.sender_match, head.sender, context.user))
    return MessageRefusal{553, "5.7.1", "sender_mismatch", "Sender address is not yours"};
  return std::nullopt;
}

Objection check_recipients(MessageHead& head, const CheckContext& context, const message::AddressRules& rules) {
  const uint32_t most = context.policy.max_recipients;
  if (head.recipients.empty()) return MessageRefusal{554, "5.5.1", "recipients", "No recipients"};
  if (most != 0 && head.recipients.size() > most)
    return MessageRefusal{552, "5.5.3", "recipients", "Too many recipients", most};
  for (uint32_t index = 0; index < head.recipients.size(); ++index) {
    message::Recipient& recipient = head.recipients[index];
    const auto path = parse_address(recipient.address, rules);
    if (!path) return address_refused(path.error(), false, rules.smtputf8, index);
    if (path->address.empty()) return address_refused(AddressFault::syntax, false, rules.smtputf8, index);
    if (!recipient.orcpt.empty() && !is_orcpt(recipient.orcpt, head.smtputf8))
      return value_refused("ORCPT is type;xtext of at most 500 octets", index);
    if (!path->has_domain) {
      if (!message::is_postmaster(recipient.address))  // RFC 5321 §4.5.1
        return MessageRefusal{550, "5.1.3", "address", "Recipient address needs a domain", index};
      recipient.address = "postmaster";
      continue;
    }
    if (Objection refusal = context.admit(head.sender, recipient.address)) {
      refusal->recipient = index;
      return refusal;
    }
  }
  return std::nullopt;
}

Objection take_times(const MessageHead& head, const CheckContext& context, message::Envelope& envelope) {
  using std::chrono::seconds;
  if (head.deliver_by) {
    if (head.deliver_by->mode == 'R' && head.deliver_by->seconds <= 0)
      return value_refused("A time to return it by has to come");
    envelope.deliver_by = {context.now + seconds(head.deliver_by->seconds), head.deliver_by->mode,
                           head.deliver_by->trace};
  }
  if (!head.hold_for && !head.hold_until) return std::nullopt;
  if (head.hold_for && head.hold_until) return value_refused("Hold for or until, not both");
  const auto longest = std::chrono::duration_cast<seconds>(context.policy.max_hold).count();
  const auto now = std::chrono::duration_cast<seconds>(context.now.time_since_epoch()).count();
  // Seconds from now, in numbers that cannot overflow: what is farther than `longest` is refused first.
  const uint64_t furthest = static_cast<uint64_t>(now) + static_cast<uint64_t>(longest);
  const uint64_t until = head.hold_until ? *head.hold_until : static_cast<uint64_t>(now) + *head.hold_for;
  if (until <= static_cast<uint64_t>(now) || until > furthest)
    return value_refused("Hold time is not one, is over, or is too far away");
  envelope.hold_until = head.hold_for ? context.now + seconds(*head.hold_for) : WallTime(seconds(until));
  return std::nullopt;
}

Objection check_values(const MessageHead& head, const CheckContext& context) {
  if (!head.envid.empty() && (head.envid.size() > 100 || !is_xtext(head.envid)))
    return value_refused("ENVID is xtext of at most 100 octets");
  if (head.require_tls && !context.tls) return value_refused("REQUIRETLS needs a connection under TLS");
  if (!head.auth.empty() && head.auth != "<>") {
    const auto path = parse_address(head.auth, {});
    if (!path || !path->has_domain) return value_refused("AUTH is <> or an address");
  }
  const uint64_t most = context.policy.max_message_size;
  if (head.size && most != 0 && *head.size > most) return MessageRefusal{552, "5.3.4", "size", "Message too big"};
  return std::nullopt;
}

}  // namespace

std::expected<message::Envelope, MessageRefusal> check_message(DecodedHead decoded, const CheckContext& context) {
  if (auto refusal = of_layout(decoded)) return std::unexpected(std::move(*refusal));
  MessageHead& head = decoded.head;
  const message::AddressRules rules{context.policy.pedantic_addresses, context.policy.allow_ip_literal, false,
                                    head.smtputf8};
  message::Envelope envelope;
  if (auto refusal = check_sender(head, context, rules)) return std::unexpected(std::move(*refusal));
  if (auto refusal = check_values(head, context)) return std::unexpected(std::move(*refusal));
  if (auto refusal = take_times(head, context, envelope)) return std::unexpected(std::move(*refusal));
  if (auto refusal = check_recipients(head, context, rules)) return std::unexpected(std::move(*refusal));
  envelope.sender = std::move(head.sender);
  envelope.recipients = std::move(head.recipients);
  envelope.body_type = head.body_type;
  envelope.smtputf8 = head.smtputf8;
  envelope.ret = head.ret;
  envelope.require_tls = head.require_tls;
  envelope.priority = head.priority;
  envelope.envid = std::move(head.envid);
  // RFC 4954 §5: from those we do not know it is as good as "<>".
  if (!head.auth.empty()) envelope.auth = context.user.empty() ? "<>" : std::move(head.auth);
  envelope.context = std::move(head.context);
  return envelope;
}

}  // namespace impulse::ecstream
