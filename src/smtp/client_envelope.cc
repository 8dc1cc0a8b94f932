#include "smtp/client_envelope.h"

#include "base/text.h"
#include "message/header_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace impulse::smtp {
namespace {

constexpr size_t max_orcpt = 500;            // RFC 3461 §4.2
constexpr int64_t most_seconds = 999999999;  // RFC 2852 §4: nine digits

// Whether an address can stand between < and > without ending them: envelopes
// hold such addresses only, yet a command must not depend on that.
bool is_sendable(std::string_view address) {
  bool quoted = false;
  for (size_t i = 0; i < address.size(); ++i) {
    const char c = address[i];
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return false;
    if (quoted && c == '\\') {
      if (++i == address.size() || static_cast<unsigned char>(address[i]) < 0x20) return false;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == ' ' || c == '<' || c == '>')) {
      return false;
    }
  }
  return !quoted;
}

// The same for what stands as the value of a parameter.
bool is_value(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != '=' && c != 0x7F;
  });
}

bool utf8_local_part(std::string_view address) { return !is_ascii(message::local_part_of(address)); }

// To a server without SMTPUTF8 a domain goes by its A-labels.
std::string on_the_wire(const std::string& address, bool utf8) {
  if (utf8 || is_ascii(address)) return address;
  return std::string(message::local_part_of(address)) + '@' + message::domain_of(address);
}

int64_t seconds_left(const Job& job) {
  const auto left = std::chrono::floor<std::chrono::seconds>(job.deliver_by.deadline - job.now).count();
  return std::clamp<int64_t>(left, -most_seconds, most_seconds);
}

// RFC 6533 §3: an address in UTF-8 for a transaction that may not hold any, as
// "\x{FC}" for each character that cannot stand; then xtext.
std::string unicode_xtext(std::string_view address) {
  std::string text;
  for (size_t i = 0; i < address.size();) {
    const auto lead = static_cast<unsigned char>(address[i]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t code = length == 1 ? lead : lead & (0xFFU >> (length + 1));
    for (size_t k = 1; k < length && i + k < address.size(); ++k)
      code = code << 6 | (static_cast<unsigned char>(address[i + k]) & 0x3F);
    if (code > ' ' && code < 0x7F && code != '\\' && code != '+' && code != '=')
      text += static_cast<char>(code);
    else
      text += fmt::format("\\x{{{:X}}}", code);
    i += length;
  }
  return text;
}

// ORCPT for the next server: as it was given, or the address as we had it.
std::string orcpt_of(const message::Recipient& recipient, bool utf8) {
  if (recipient.orcpt.empty()) {
    if (is_ascii(recipient.address)) return "rfc822;" + encode_xtext(recipient.address);
    return "utf-8;" + unicode_xtext(recipient.address);
  }
  if (utf8 || is_ascii(recipient.orcpt)) return recipient.orcpt;
  const size_t semicolon = recipient.orcpt.find(';') + 1;
  return recipient.orcpt.substr(0, semicolon) + unicode_xtext(std::string_view(recipient.orcpt).substr(semicolon));
}

std::string notify_words(uint8_t bits) {
  if ((bits & message::notify::never) != 0) return "NEVER";
  std::string text;
  const auto add = [&](uint8_t bit, std::string_view word) {
    if ((bits & bit) == 0) return;
    if (!text.empty()) text += ',';
    text += word;
  };
  add(message::notify::success, "SUCCESS");
  add(message::notify::failure, "FAILURE");
  add(message::notify::delay, "DELAY");
  return text;
}

std::string unconvertible(const Job& job) {
  return job.unconvertible.empty() ? std::string() : ", and cannot be converted: " + job.unconvertible;
}

}  // namespace

MessageShape shape_of(const Job& job) {
  MessageShape shape{measure(job.trace, job.measured ? std::string_view() : job.body), false};
  if (job.measured) {  // the trace ends with a line: they add up
    shape.measured.size += job.measured->size;
    shape.measured.eight_bit |= job.measured->eight_bit;
  }
  if (job.body_type == message::BodyType::binary_mime)
    shape.measured.size = job.trace.size() + job.body.size() + job.rest;
  if (job.smtputf8 && shape.measured.eight_bit) {
    message::HeaderScan scan;
    const size_t header = scan.feed(job.body);
    shape.utf8_header = !is_ascii(job.trace) || !is_ascii(job.body.substr(0, header));
  }
  return shape;
}

bool wants_seven_bit(message::BodyType type, bool eight_bit, const ClientOffers& offers) {
  if (type == message::BodyType::binary_mime) return !offers.binary_mime;
  return type == message::BodyType::eight_bit_mime && !offers.eight_bit_mime && eight_bit;
}

std::optional<Reply> protection_objection(const Protection& protection, const ClientOffers& offers) {
  if (!protection.tls && !protection.trouble.empty())
    return Reply{450, "4.7.10 the message needs TLS (REQUIRETLS), which does not work now: " + protection.trouble};
  if (!protection.tls)
    return Reply{550, "5.7.10 the message needs TLS (REQUIRETLS), and there is none with the next server"};
  if (!offers.require_tls)
    return Reply{550, "5.7.30 the message needs REQUIRETLS, which the next server does not offer"};
  if (!protection.trusted)
    return Reply{450, "4.7.5 the message needs REQUIRETLS, and the certificate of the next server is not verified"};
  return std::nullopt;
}

std::optional<Reply> objection(const Job& job, const MessageShape& shape, const ClientOffers& offers,
                               const Protection& protection) {
  if (!is_sendable(job.sender)) return Reply{553, "5.1.7 the sender's address cannot be sent"};
  if (job.require_tls)
    if (auto why = protection_objection(protection, offers)) return why;
  if (job.body_type == message::BodyType::binary_mime && !offers.binary_mime)
    return Reply{554, "5.6.3 the message is BINARYMIME, which the next server does not take" + unconvertible(job)};
  if (job.body_type == message::BodyType::eight_bit_mime && shape.measured.eight_bit && !offers.eight_bit_mime)
    return Reply{554, "5.6.3 the message is 8BITMIME, which the next server does not take" + unconvertible(job)};
  if (!offers.smtputf8 && (shape.utf8_header || utf8_local_part(job.sender)))
    return Reply{550, "5.6.7 the message needs SMTPUTF8, which the next server does not take"};
  if (offers.max_size != 0 && shape.measured.size > offers.max_size)
    return Reply{552, fmt::format("5.3.4 the next server takes messages up to {} octets, and this has {}",
                                  offers.max_size, shape.measured.size)};
  if (job.deliver_by.given() && job.deliver_by.mode == 'R') {
    if (!offers.deliver_by) return Reply{554, "5.3.3 the message needs DELIVERBY, which the next server does not take"};
    const int64_t left = seconds_left(job);
    if (left <= 0 || static_cast<uint64_t>(left) < offers.min_by) return too_late();
  }
  return std::nullopt;
}

Reply too_late() { return {554, "5.4.7 the next server cannot deliver in the time that is left"}; }

std::optional<Reply> objection(const message::Recipient& recipient, const ClientOffers& offers) {
  if (recipient.address.empty() || !is_sendable(recipient.address))
    return Reply{553, "5.1.3 the recipient's address cannot be sent"};
  if (!offers.smtputf8 && utf8_local_part(recipient.address))
    return Reply{553, "5.6.7 the recipient's address needs SMTPUTF8, which the next server does not take"};
  return std::nullopt;
}

bool says_smtputf8(const Job& job, const ClientOffers& offers) {
  return offers.smtputf8 &&
         (job.smtputf8 || !is_ascii(job.sender) ||
          std::ranges::any_of(job.recipients, [](const auto& recipient) { return !is_ascii(recipient.address); }));
}

std::string mail_command(const Job& job, const MessageShape& shape, const ClientOffers& offers, bool authenticated) {
  const bool utf8 = says_smtputf8(job, offers);
  std::string command = fmt::format("MAIL FROM:<{}>", on_the_wire(job.sender, utf8));
  if (offers.size) command += fmt::format(" SIZE={}", shape.measured.size);
  if (job.body_type == message::BodyType::binary_mime) {
    command += " BODY=BINARYMIME";
  } else if (offers.eight_bit_mime &&
             (shape.measured.eight_bit || job.body_type == message::BodyType::eight_bit_mime)) {
    command += " BODY=8BITMIME";
  }
  if (utf8) command += " SMTPUTF8";
  if (offers.dsn) {
    if (job.ret != message::Ret::not_given) command += job.ret == message::Ret::full ? " RET=FULL" : " RET=HDRS";
    if (is_value(job.envid)) command += " ENVID=" + job.envid;
  }
  // Who sent it first, as our client told us. That nobody knows ("<>") is what
  // a server assumes of one that has not authenticated (RFC 4954 §5).
  if (offers.auth && !job.auth.empty() && job.auth != "<>")
    command += " AUTH=" + encode_xtext(job.auth);
  else if (offers.auth && authenticated)
    command += " AUTH=<>";
  if (job.require_tls) command += " REQUIRETLS";
  if (offers.mt_priority && job.priority != 0) command += fmt::format(" MT-PRIORITY={}", job.priority);
  if (offers.deliver_by && job.deliver_by.given())
    command += fmt::format(" BY={};{}{}", seconds_left(job), job.deliver_by.mode, job.deliver_by.trace ? "T" : "");
  return command;
}

std::string rcpt_command(const message::Recipient& recipient, const ClientOffers& offers, bool utf8) {
  std::string command = fmt::format("RCPT TO:<{}>", on_the_wire(recipient.address, utf8));
  if (!offers.dsn) return command;
  if (recipient.notify != 0) command += " NOTIFY=" + notify_words(recipient.notify);
  if (const std::string orcpt = orcpt_of(recipient, utf8); orcpt.size() <= max_orcpt && is_value(orcpt))
    command += " ORCPT=" + orcpt;
  return command;
}

std::vector<std::string> xclient_commands(const JobClient& client, const ClientOffers& offers) {
  constexpr size_t longest = 510;  // without CRLF
  const std::pair<std::string_view, const std::string&> known[] = {{"NAME", client.name}, {"ADDR", client.address},
                                                                   {"PORT", client.port}, {"PROTO", client.protocol},
                                                                   {"HELO", client.helo}, {"LOGIN", client.login}};
  std::vector<std::string> commands;
  for (const auto& [attribute, value] : known) {
    if (std::ranges::find(offers.xclient, attribute) == offers.xclient.end()) continue;
    // There is no word for a protocol that nobody knows.
    if (value.empty() && attribute == "PROTO") continue;
    std::string text = fmt::format(" {}={}", attribute, value.empty() ? "[UNAVAILABLE]" : encode_xtext(value));
    if (text.size() > longest / 2) text = fmt::format(" {}=[UNAVAILABLE]", attribute);
    if (commands.empty() || commands.back().size() + text.size() > longest) commands.emplace_back("XCLIENT");
    commands.back() += text;
  }
  return commands;
}

std::string encode_xtext(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (c < '!' || c > '~' || c == '+' || c == '=')
      encoded += fmt::format("+{:02X}", static_cast<unsigned char>(c));
    else
      encoded += c;
  }
  return encoded;
}

std::string ascii_trace(std::string_view trace) {
  std::string kept;
  while (!trace.empty()) {
    const size_t end = std::min(trace.find("\r\n"), trace.size() - 1);
    const std::string_view line = trace.substr(0, std::min(end + 2, trace.size()));
    trace.remove_prefix(line.size());
    if (is_ascii(line) || !line.starts_with('\t')) {
      kept += line;
    } else if (line.ends_with(";\r\n") && kept.ends_with("\r\n")) {
      kept.insert(kept.size() - 2, ";");  // what follows is the date
    }
  }
  return kept;
}

}  // namespace impulse::smtp
