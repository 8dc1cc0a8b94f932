// Text, delivery status, original: three parts, written by hand so that the
// original stands in it byte by byte.
#include "delivery/bounce.h"

#include "base/text.h"
#include "message/received.h"

#include <algorithm>

namespace impulse::delivery {
namespace {

constexpr size_t max_header_part = 256 << 10;  // of an original's header that goes back

// One line of ASCII, whatever it was. Backslashes stay: addresses have them.
std::string plain(std::string_view text) {
  std::string line(text.substr(0, 700));
  std::replace_if(line.begin(), line.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
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

std::string human_part(const std::vector<Failure>& failures, const Route& route, std::string_view id) {
  std::string text = fmt::format(
      "This is the mail system at {}.\r\n\r\n"
      "Your message could not be delivered to {}:\r\n\r\n",
      route.hostname, failures.size() == 1 ? "this recipient" : "these recipients");
  for (const Failure& failure : failures) {
    text += plain(failure.recipient) + "\r\n";
    text += indented(plain(failure.reason));
    if (!failure.diagnostic.empty()) {
      text += fmt::format("    {} said:\r\n", failure.remote.empty() ? "the remote host" : plain(failure.remote));
      text += indented(plain(failure.diagnostic));
    }
    text += "\r\n";
  }
  text += fmt::format("It will not be tried again. Here the message was known as {}.\r\n", plain(id));
  return text;
}

std::string status_part(const spool::Stored& original, const std::vector<Failure>& failures, const Route& route) {
  std::string text = field("Reporting-MTA", "dns; " + plain(route.hostname));
  text += field("Arrival-Date", message::mail_date(original.envelope.received));
  for (const Failure& failure : failures) {
    text += "\r\n";
    text += field("Final-Recipient", "rfc822; " + plain(failure.recipient));
    text += field("Action", "failed");
    text += field("Status", failure.status);
    if (!failure.remote.empty()) text += field("Remote-MTA", "dns; " + plain(failure.remote));
    if (!failure.diagnostic.empty()) text += field("Diagnostic-Code", "smtp; " + plain(failure.diagnostic));
  }
  return text;
}

}  // namespace

spool::Incoming make_bounce(const spool::Stored& original, std::string_view id, const std::vector<Failure>& failures,
                            const Route& route, uint64_t serial, WallTime now) {
  std::string inner;
  std::string inner_type;
  if (route.original == Route::Original::full) {
    inner_type = "message/rfc822";
    inner = original.trace + original.body;
  } else if (route.original == Route::Original::headers) {
    inner_type = "text/rfc822-headers";
    inner = header_of(original);
  }
  const bool eight_bit = !is_ascii(inner);
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
  text += fmt::format("To: <{}>\r\n", plain(original.envelope.sender));
  text += "Subject: Undelivered mail returned to sender\r\n";
  text += fmt::format("Message-ID: <{:x}.{:x}.report@{}>\r\n", micros, serial, route.hostname);
  text += "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n";
  text += fmt::format("Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"{}\"\r\n", boundary);
  if (eight_bit) text += "Content-Transfer-Encoding: 8bit\r\n";
  text += "\r\nThis is a delivery report in MIME format.\r\n";
  text += fmt::format(
      "\r\n--{}\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Description: Notification\r\n\r\n", boundary);
  text += human_part(failures, route, id);
  text += fmt::format(
      "\r\n--{}\r\nContent-Type: message/delivery-status\r\nContent-Description: Delivery report\r\n\r\n", boundary);
  text += status_part(original, failures, route);
  if (!inner_type.empty()) {
    text += fmt::format("\r\n--{}\r\nContent-Type: {}\r\nContent-Description: {}\r\n", boundary, inner_type,
                        route.original == Route::Original::full ? "Undelivered message" : "Header of the message");
    if (eight_bit) text += "Content-Transfer-Encoding: 8bit\r\n";
    text += "\r\n";
    text += inner;
  }
  text += fmt::format("\r\n--{}--\r\n", boundary);

  spool::Incoming bounce;
  bounce.envelope.recipients.push_back({original.envelope.sender});
  bounce.envelope.body_type = eight_bit ? message::BodyType::eight_bit_mime : message::BodyType::seven_bit;
  bounce.envelope.smtputf8 = !is_ascii(original.envelope.sender);
  bounce.envelope.received = now;
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
