// Text, delivery status, original: three parts, written by hand so that the
// original stands in it byte by byte.
#include "delivery/bounce.h"

#include "base/text.h"
#include "message/received.h"
#include "smtp/parameters.h"

#include <algorithm>

namespace impulse::delivery {
namespace {

constexpr size_t max_header_part = 256 << 10;  // of an original's header that goes back

// One line, whatever it was: of ASCII, and of UTF-8 where the report may hold
// it. Backslashes stay: addresses have them.
std::string plain(std::string_view text, bool utf8 = false) {
  std::string line(text.substr(0, 700));
  const bool keep = utf8 && is_utf8(line);
  for (char& c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < ' ' || byte == 0x7F || (byte > 0x7F && !keep)) c = '?';
  }
  return line;
}

// `lead`, then the words, folded at spaces so that lines are at most 78
// columns where the words allow; `indent` and a space begin each further one.
// With its line end.
std::string folded(std::string_view lead, std::string_view value, std::string_view indent = {}) {
  std::string out(lead);
  size_t column = out.size();
  bool first = true;
  for (const std::string_view word : words(value)) {
    if (!first && column + 1 + word.size() > 78) {
      out += "\r\n";
      out += indent;
      column = indent.size();
    }
    out += ' ';
    out += word;
    column += 1 + word.size();
    first = false;
  }
  return out + "\r\n";
}

// Of the text for people: four blanks in front of each line.
std::string indented(std::string_view value) { return folded("   ", value, "   "); }

std::string field(std::string_view name, std::string_view value) { return folded(fmt::format("{}:", name), value); }

// The header section with its trace fields, without the empty line.
std::string header_of(const spool::Stored& original) {
  const std::string_view body = original.body;
  size_t end = body.starts_with("\r\n") ? 0 : body.find("\r\n\r\n");
  end = end == std::string_view::npos ? body.size() : body.starts_with("\r\n") ? 0 : end + 2;
  std::string header = original.trace + std::string(body.substr(0, end));
  if (header.size() > max_header_part) {
    const size_t line = header.rfind("\r\n", max_header_part - 2);
    header.resize(line == std::string::npos ? max_header_part : line + 2);
  }
  if (!header.empty() && !header.ends_with("\r\n")) header += "\r\n";
  return header;
}

struct Words {
  std::string_view action;  // RFC 3464 §2.3.3
  std::string_view subject;
  std::string_view lead;  // ", to this recipient:"
};

const Words& words_of(Action action) {
  static constexpr Words all[] = {
      {"failed", "Undelivered mail returned to sender", "Your message could not be delivered to"},
      {"delayed", "Delayed mail, which is still being tried", "Your message could not be delivered yet to"},
      {"delivered", "Your mail was delivered", "Your message was delivered to"},
      {"relayed", "Your mail was handed on",
       "Your message was handed to a host that does not report what becomes of it, for"},
  };
  return all[static_cast<size_t>(action)];
}

// What all parts of a report are made of.
struct Report {
  const spool::Stored& original;
  const std::vector<ReportLine>& lines;
  const Route& route;
  Action action;
  WallTime retry_until;
  bool utf8;
};

std::string human_part(const Report& report, std::string_view id) {
  std::string text =
      fmt::format("This is the mail system at {}.\r\n\r\n{} {}:\r\n\r\n", report.route.hostname,
                  words_of(report.action).lead, report.lines.size() == 1 ? "this recipient" : "these recipients");
  for (const ReportLine& line : report.lines) {
    text += plain(line.recipient, report.utf8) + "\r\n";
    text += indented(plain(line.reason, report.utf8));
    if (!line.diagnostic.empty()) {
      text += fmt::format("    {} said:\r\n", line.remote.empty() ? "the remote host" : plain(line.remote));
      text += indented(plain(line.diagnostic, report.utf8));
    }
    text += "\r\n";
  }
  if (report.action == Action::failed) text += "It will not be tried again. ";
  if (report.action == Action::delayed && report.retry_until != WallTime{})
    text += fmt::format("It will be tried until {}.\r\n", message::mail_date(report.retry_until));
  text += fmt::format("Here the message was known as {}.\r\n", plain(id));
  return text;
}

// "\x{FC}" of RFC 6533 §3 as the character that it means.
std::string from_unicode_xtext(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = text.starts_with("\\x{") ? text.find('}') : std::string_view::npos;
    uint32_t code = 0;
    const auto is_code = [&](std::string_view digits) {
      if (digits.empty() || digits.size() > 6) return false;
      for (const char c : digits) {
        const char l = to_lower(c);
        if (!is_digit(c) && (l < 'a' || l > 'f')) return false;
        code = code * 16 + static_cast<uint32_t>(is_digit(c) ? c - '0' : l - 'a' + 10);
      }
      return true;
    };
    if (end == std::string_view::npos || !is_code(text.substr(3, end - 3))) {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
    } else if (code < 0x10000) {
      out += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
              static_cast<char>(0x80 | (code & 0x3F))};
    } else {
      out += {static_cast<char>(0xF0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 0x3F)),
              static_cast<char>(0x80 | (code >> 6 & 0x3F)), static_cast<char>(0x80 | (code & 0x3F))};
    }
    text.remove_prefix(end + 1);
  }
  return out;
}

// ORCPT as people read it (RFC 3464 §2.3.1, RFC 6533 §4): the xtext undone, and
// the characters back in their place where the report may hold them.
std::string original_recipient(std::string_view orcpt, bool utf8) {
  const size_t semicolon = orcpt.find(';');
  if (semicolon == std::string_view::npos) return {};
  const std::string_view type = orcpt.substr(0, semicolon);
  const std::string_view address = orcpt.substr(semicolon + 1);
  std::string text = smtp::decode_xtext(address).value_or(std::string(address));
  if (utf8 && iequals(type, "utf-8")) text = from_unicode_xtext(text);
  return fmt::format("{}; {}", plain(type), plain(text, utf8));
}

std::string status_part(const Report& report) {
  const message::Envelope& envelope = report.original.envelope;
  std::string text;
  if (const auto envid = smtp::decode_xtext(envelope.envid); envid && !envid->empty())
    text += field("Original-Envelope-Id", plain(*envid));
  text += field("Reporting-MTA", "dns; " + plain(report.route.hostname));
  text += field("Arrival-Date", message::mail_date(envelope.received));
  for (const ReportLine& line : report.lines) {
    text += "\r\n";
    if (line.number < envelope.recipients.size())
      if (const std::string first = original_recipient(envelope.recipients[line.number].orcpt, report.utf8);
          !first.empty())
        text += field("Original-Recipient", first);
    const bool utf8 = report.utf8 && !is_ascii(line.recipient);
    text += field("Final-Recipient", (utf8 ? "utf-8; " : "rfc822; ") + plain(line.recipient, report.utf8));
    text += field("Action", words_of(report.action).action);
    text += field("Status", line.status);
    if (!line.remote.empty())
      text += field("Remote-MTA", (line.remote.starts_with('/') ? "x-unix; " : "dns; ") + plain(line.remote));
    if (!line.diagnostic.empty()) text += field("Diagnostic-Code", "smtp; " + plain(line.diagnostic, report.utf8));
    if (report.action == Action::delayed && report.retry_until != WallTime{})
      text += field("Will-Retry-Until", message::mail_date(report.retry_until));
  }
  return text;
}

// How much of the message goes back.
Route::Original share(const Report& report) {
  const message::Envelope& envelope = report.original.envelope;
  if (report.original.size() == 0) return Route::Original::no;  // it cannot be read
  Route::Original wanted = report.route.original;
  if (envelope.ret == message::Ret::full) wanted = Route::Original::full;
  if (envelope.ret == message::Ret::hdrs) wanted = Route::Original::headers;
  // A binary one could not go back by most ways.
  const bool whole = report.action == Action::failed && !envelope.require_tls &&
                     envelope.body_type != message::BodyType::binary_mime && !report.original.rest &&
                     report.original.size() <= max_original_part;
  return wanted == Route::Original::full && !whole ? Route::Original::headers : wanted;
}

// RFC 6533 is for messages of SMTPUTF8 that have something beyond ASCII to tell.
bool needs_utf8(const Report& report, std::string_view inner) {
  const message::Envelope& envelope = report.original.envelope;
  return envelope.smtputf8 && is_utf8(inner) &&
         (!is_ascii(envelope.sender) || !is_ascii(inner) ||
          std::ranges::any_of(report.lines, [](const ReportLine& line) {
            return !is_ascii(line.recipient) || !is_ascii(line.diagnostic);
          }));
}

}  // namespace

spool::Incoming make_bounce(const spool::Stored& original, std::string_view id, const std::vector<ReportLine>& lines,
                            const Route& route, uint64_t serial, WallTime now, Action action, WallTime retry_until) {
  Report report{original, lines, route, action, retry_until, false};
  const Route::Original part = share(report);
  std::string inner;
  if (part == Route::Original::full) inner = original.trace + original.body;
  if (part == Route::Original::headers) inner = header_of(original);
  report.utf8 = needs_utf8(report, inner);
  const std::string_view inner_type = part == Route::Original::full ? report.utf8 ? "message/global" : "message/rfc822"
                                      : part == Route::Original::headers
                                          ? report.utf8 ? "message/global-headers" : "text/rfc822-headers"
                                          : "";
  const bool eight_bit = report.utf8 || !is_ascii(inner);
  const auto micros = now.time_since_epoch().count();

  // What the original holds is a stranger's: the boundary must not be in it.
  std::string boundary;
  for (uint64_t turn = 0;; ++turn) {
    boundary = fmt::format("=_{:x}.{:x}.{:x}_report", micros, serial, turn);
    if (inner.find(boundary) == std::string::npos) break;
  }

  std::string text;
  text += field("Date", message::mail_date(now));
  text += fmt::format("From: Mail Delivery System <{}>\r\n", route.mailer_daemon);
  text += fmt::format("To: <{}>\r\n", plain(original.envelope.sender, report.utf8));
  text += fmt::format("Subject: {}\r\n", words_of(action).subject);
  text += fmt::format("Message-ID: <{:x}.{:x}.report@{}>\r\n", micros, serial, route.hostname);
  text += "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n";
  text += fmt::format("Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"{}\"\r\n", boundary);
  const std::string_view encoding = eight_bit ? "Content-Transfer-Encoding: 8bit\r\n" : "";
  const std::string_view own_encoding = report.utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "";
  text += encoding;
  text += "\r\nThis is a delivery report in MIME format.\r\n";
  text += fmt::format("\r\n--{}\r\nContent-Type: text/plain; charset={}\r\n{}Content-Description: Notification\r\n\r\n",
                      boundary, report.utf8 ? "utf-8" : "us-ascii", own_encoding);
  text += human_part(report, id);
  text += fmt::format("\r\n--{}\r\nContent-Type: message/{}\r\n{}Content-Description: Delivery report\r\n\r\n",
                      boundary, report.utf8 ? "global-delivery-status" : "delivery-status", own_encoding);
  text += status_part(report);
  if (!inner_type.empty()) {
    text += fmt::format("\r\n--{}\r\nContent-Type: {}\r\nContent-Description: {}\r\n", boundary, inner_type,
                        part == Route::Original::full ? "Undelivered message" : "Header of the message");
    text += encoding;
    text += "\r\n";
    text += inner;
  }
  text += fmt::format("\r\n--{}--\r\n", boundary);

  spool::Incoming bounce;
  bounce.envelope.recipients.push_back({original.envelope.sender});
  bounce.envelope.body_type = eight_bit ? message::BodyType::eight_bit_mime : message::BodyType::seven_bit;
  bounce.envelope.smtputf8 = !is_ascii(original.envelope.sender);
  bounce.envelope.received = now;
  bounce.envelope.tenant = original.envelope.tenant;  // and waits in its queues
  bounce.envelope.client = IpAddress::v4(0x7F000001);
  bounce.envelope.client_helo = route.hostname;
  bounce.body.append(text);
  return bounce;
}

std::string status_of(const smtp::Reply& reply) {
  const char kind = reply.permanent() ? '5' : '4';
  const std::string_view text = reply.text;
  // "5.1.1 text", or "550 5.1.1 text" where the code stands in front.
  for (const std::string_view word : words(text.substr(0, 24))) {
    if (word.size() == 3 && std::all_of(word.begin(), word.end(), is_digit)) continue;
    const auto parts = split(word, '.');
    const bool enhanced = parts.size() == 3 && parts[0].size() == 1 && parts[0][0] == kind &&
                          std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
                            return !part.empty() && part.size() <= 3 && std::all_of(part.begin(), part.end(), is_digit);
                          });
    if (enhanced) return std::string(word);
    break;
  }
  return fmt::format("{}.0.0", kind);
}

}  // namespace impulse::delivery
