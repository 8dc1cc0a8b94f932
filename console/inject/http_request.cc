#include "auth/password.h"
#include "base/text.h"
#include "console/inject/filler.h"
#include "console/inject/http_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace impulse::ecinject {

namespace {

constexpr size_t longest_field = 8000;  // of recipients in the header section; more go in JSON

// Such an address can stand in a list in a header section without being read as several, or as none.
bool plain(std::string_view address) {
  return is_ascii(address) && address.find_first_of(",;:()\"\\") == std::string_view::npos;
}

std::string_view shown_sender(const Mail& mail) {
  return mail.sender.empty() ? std::string_view("ec_inject@localhost") : std::string_view(mail.sender);
}

void append_string(std::string_view text, std::string& out) {
  out += '"';
  append_json_text(text, out);
  out += '"';
}

void append_named(std::string_view name, std::string_view text, std::string& out) {
  append_string(name, out);
  out += ':';
  append_string(text, out);
}

// "recipients":[{"address":"a@b"},…]
void append_recipients(const Mail& mail, std::string_view name, std::string& out) {
  out += "\"recipients\":[";
  for (size_t i = 0; i < mail.recipients.size(); ++i) {
    out += i == 0 ? "{" : ",{";
    append_named(name, mail.recipients[i], out);
    out += '}';
  }
  out += ']';
}

void append_filler(const Mail& mail, std::string_view name, std::string& out) {
  append_string(name, out);
  out += ":\"";
  if (mail.filler_size == 0) out += "\\r\\n";  // a text has to be there
  mail.filler->append_json(mail.filler_size, out);
  out += '"';
}

void build_transmission(const Mail& mail, std::string& body) {
  body += '{';
  append_named("return_path", mail.sender, body);
  body += ',';
  append_recipients(mail, "address", body);
  body += ",\"content\":{";
  if (mail.stored) {
    append_named("email_rfc822", mail.stored->bytes, body);
  } else {
    append_named("from", shown_sender(mail), body);
    body += ',';
    append_named("subject", mail.subject, body);
    body += ',';
    append_filler(mail, "text", body);
  }
  body += "}}";
}

void build_injection(const Mail& mail, std::string& body) {
  body += '{';
  append_named("envelope_sender", mail.sender, body);
  body += ',';
  append_recipients(mail, "email", body);
  body += ",\"template_dialect\":\"Static\",";
  if (mail.stored) {
    append_named("content", mail.stored->bytes, body);
  } else {
    body += "\"content\":{\"from\":{";
    append_named("email", shown_sender(mail), body);
    body += "},";
    append_named("subject", mail.subject, body);
    body += ',';
    append_filler(mail, "text_body", body);
    body += '}';
  }
  body += '}';
}

// Many recipients: they do not fit into a header section.
void build_message(const Mail& mail, std::string& body) {
  body += '{';
  append_named("from", mail.sender, body);
  body += ",\"to\":[";
  for (size_t i = 0; i < mail.recipients.size(); ++i) {
    if (i != 0) body += ',';
    append_string(mail.recipients[i], body);
  }
  body += "],";
  if (!mail.stored) {
    body += "\"message\":\"";
    append_json_text(mail.head, body);
    mail.filler->append_json(mail.filler_size, body);
    body += '"';
  } else if (mail.stored->utf8) {
    append_named("message", mail.stored->bytes, body);
  } else {
    append_named("message_base64", auth::to_base64(mail.stored->bytes), body);
  }
  body += '}';
}

}  // namespace

void append_json_text(std::string_view text, std::string& out) {
  size_t from = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out += text.substr(from, i - from);
    from = i + 1;
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    }
  }
  out += text.substr(from);
}

void append_request(const Mail& mail, const HttpSettings& settings, std::string& body, std::string& out) {
  size_t named = 0;
  for (const std::string& recipient : mail.recipients) named += recipient.size() + 2;
  const bool raw = settings.api == Api::messages && named <= longest_field && plain(mail.sender) &&
                   std::ranges::all_of(mail.recipients, plain);
  body.clear();
  std::string_view path = "/api/impulse/v1/messages";
  if (settings.api == Api::transmissions) {
    path = "/api/v1/transmissions";
    build_transmission(mail, body);
  } else if (settings.api == Api::inject) {
    path = "/api/inject/v1";
    build_injection(mail, body);
  } else if (!raw) {
    build_message(mail, body);
  }
  fmt::format_to(std::back_inserter(out),
                 "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: ec_inject\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
                 path, settings.host, raw ? "message/rfc822" : "application/json", raw ? mail.size() : body.size());
  if (!settings.authorization.empty()) ((out += "Authorization: ") += settings.authorization) += "\r\n";
  if (!settings.key_prefix.empty())
    fmt::format_to(std::back_inserter(out), "Idempotency-Key: {}-{}\r\n", settings.key_prefix, mail.index);
  if (!raw) {
    (out += "\r\n") += body;
    return;
  }
  fmt::format_to(std::back_inserter(out), "X-Envelope-From: <{}>\r\nX-Envelope-To: ", mail.sender);
  for (size_t i = 0; i < mail.recipients.size(); ++i) {
    if (i != 0) out += ", ";
    out += mail.recipients[i];
  }
  out += "\r\n\r\n";
  mail.append_to(out);
}

}  // namespace impulse::ecinject
