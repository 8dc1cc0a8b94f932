#include "compose/mailbox.h"

#include "base/text.h"
#include "compose/escape.h"
#include "compose/header_field.h"
#include "message/address.h"
#include "message/domain.h"
#include "message/envelope.h"

#include <algorithm>

namespace impulse::compose {

Result<std::string> checked_address(std::string_view text, bool pedantic, bool ip_literals) {
  if (has_control(text)) return fail(Errc::invalid, "the address holds a line break or another control character");
  message::AddressRules rules;
  rules.pedantic = pedantic;
  rules.ip_literals = ip_literals;
  rules.smtputf8 = true;
  std::string path = "<";
  path.append(text) += '>';
  const auto parsed = message::parse_path(path, rules);
  if (!parsed && parsed.error() == message::AddressFault::too_long)
    return fail(Errc::invalid, "the address is too long");
  if (!parsed || parsed->used != path.size() || parsed->source_route || !parsed->has_domain)
    return fail(Errc::invalid, "{} is not an address", escape_line(text, 80));
  const std::string_view local = message::local_part_of(parsed->address);
  if (is_ascii(parsed->address) || !is_ascii(local)) return parsed->address;
  const auto domain = message::ascii_domain(std::string_view(parsed->address).substr(local.size() + 1));
  if (!domain) return fail(Errc::invalid, "{} is not an address: its domain cannot be", escape_line(text, 80));
  return std::string(local) + '@' + *domain;
}

namespace {

// One mailbox of a list; leaves what follows it in `text`, the comma taken.
Result<Mailbox> next_mailbox(std::string_view& text) {
  Mailbox out;
  const std::string_view whole = text;
  size_t at = 0;
  bool quoted = false;
  for (; at < text.size() && (quoted || (text[at] != '<' && text[at] != ',')); ++at) {
    const char c = text[at];
    if (c == '"') {
      quoted = !quoted;
      continue;
    }
    if (c == '>' && !quoted) return fail(Errc::invalid, "there is a > without its <");
    if (quoted && c == '\\' && at + 1 < text.size()) ++at;
    out.name += text[at];
  }
  if (quoted) return fail(Errc::invalid, "a quoted name does not end");
  std::string_view address = trim(whole.substr(0, at));
  if (at < text.size() && text[at] == '<') {
    const size_t end = text.find('>', at);
    if (end == std::string_view::npos) return fail(Errc::invalid, "there is a < without its >");
    address = trim(text.substr(at + 1, end - at - 1));
    out.name = trim(out.name);
    at = end + 1;
    while (at < text.size() && is_space(text[at])) ++at;
    if (at < text.size() && text[at] != ',') return fail(Errc::invalid, "something stands behind the >");
  } else {
    out.name.clear();
  }
  auto checked = checked_address(address);
  if (!checked) return std::unexpected(checked.error());
  out.email = std::move(*checked);
  text.remove_prefix(std::min(text.size(), at + 1));
  return out;
}

}  // namespace

Result<std::vector<Mailbox>> parse_mailboxes(std::string_view text) {
  std::vector<Mailbox> out;
  text = trim(text);
  do {
    const bool more = !trim(text).empty() && trim(text).back() == ',';
    auto mailbox = next_mailbox(text);
    if (!mailbox) return std::unexpected(mailbox.error());
    out.push_back(std::move(*mailbox));
    if (more && trim(text).empty()) return fail(Errc::invalid, "the list ends in a comma");
  } while (!trim(text).empty());
  return out;
}

Result<Mailbox> parse_mailbox(std::string_view text) {
  auto all = parse_mailboxes(text);
  if (!all) return std::unexpected(all.error());
  if (all->size() != 1) return fail(Errc::invalid, "one address is expected, not {}", all->size());
  return std::move(all->front());
}

std::string to_header(const Mailbox& mailbox) {
  if (mailbox.name.empty()) return mailbox.email;
  std::string out;
  if (!is_ascii(mailbox.name)) {
    out = encoded_words(mailbox.name);
  } else if (std::ranges::all_of(mailbox.name, [](char c) { return is_atext(c) || c == ' '; })) {
    out = mailbox.name;
  } else {
    out += '"';
    for (const char c : mailbox.name) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out.append(" <").append(mailbox.email) += '>';
}

std::string to_header(std::span<const Mailbox> mailboxes) {
  std::string out;
  for (const Mailbox& mailbox : mailboxes) (out += out.empty() ? "" : ", ") += to_header(mailbox);
  return out;
}

}  // namespace impulse::compose
