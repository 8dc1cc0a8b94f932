#include "api/content.h"

#include "api/limits.h"
#include "base/text.h"

#include <fmt/format.h>

#include <initializer_list>
#include <utility>

namespace impulse::api {

namespace {

using compose::AttachmentSource;
using compose::FieldSource;
using compose::TextSource;

TextSource text_source(Reader& reader, Element element, const Where& where) {
  return {where.to_string(), reader.text(element, where)};
}

FieldSource plain_field(Reader& reader, Element element, const Where& where, std::string header) {
  return {.header = std::move(header), .value = {where.to_string(), reader.line(element, where)}};
}

// Each is looked for among the others, and stands in every message.
constexpr size_t max_headers = 128;
constexpr size_t max_headers_bytes = size_t{64} << 10;  // names and values

void read_headers(Reader& reader, Element element, const Where& where, Content& out) {
  size_t count = 0;
  size_t bytes = 0;
  reader.object(element, where, [&](std::string_view name, Element value, const Where& at) {
    if (++count > max_headers) {
      reader.fail(Fault::invalid, where, fmt::format("there are more than {} header fields", max_headers));
      return true;
    }
    if (compose::is_forbidden_field(name))
      reader.fail(Fault::unsupported, at, "this header field is made by the server or cannot be given");
    FieldSource field = plain_field(reader, value, at, std::string(name));
    bytes += name.size() + field.value.text.size();
    if (bytes > max_headers_bytes)
      reader.fail(Fault::invalid, where, fmt::format("the header fields have more than {} bytes", max_headers_bytes));
    out.parts.fields.push_back(std::move(field));
    return true;
  });
}

bool room_for_attachment(Reader& reader, const Where& where, const Content& out) {
  if (out.parts.attachments.size() < max_attachments) return true;
  reader.fail(Fault::too_large, where, fmt::format("a message has at most {} attachments", max_attachments));
  return false;
}

// SparkPost's attachments and inline images: {name, type, data}.
void read_files(Reader& reader, Element element, const Where& where, bool images, Content& out) {
  reader.array(element, where, [&](Element item, const Where& at) {
    if (!room_for_attachment(reader, where, out)) return;
    AttachmentSource file;
    file.field = at.to_string();
    bool has_name = false;
    bool has_data = false;
    reader.object(item, at, {"name", "type", "data"}, [&](std::string_view name, Element value, const Where& inner) {
      if (name == "name") {
        (images ? file.content_id : file.name) = reader.line(value, inner);
        has_name = true;
      } else if (name == "type") {
        file.type = reader.line(value, inner);
      } else if (name == "data") {
        file.data = reader.text(value, inner);
        has_data = true;
      } else {
        return false;
      }
      return true;
    });
    for (const auto& [given, name] : {std::pair(has_name && !(file.name.empty() && file.content_id.empty()), "name"),
                                      std::pair(!file.type.empty(), "type"), std::pair(has_data, "data")})
      if (!given) reader.fail(Fault::missing, at.member(name), "an attachment needs name, type and data");
    out.parts.attachments.push_back(std::move(file));
  });
}

// KumoMTA's attachments.
void read_kumo_files(Reader& reader, Element element, const Where& where, Content& out) {
  reader.array(element, where, [&](Element item, const Where& at) {
    if (!room_for_attachment(reader, where, out)) return;
    AttachmentSource file;
    file.field = at.to_string();
    file.base64 = false;
    file.padded = false;
    bool has_data = false;
    reader.object(item, at, [&](std::string_view name, Element value, const Where& inner) {
      if (name == "data") {
        file.data = reader.text(value, inner);
        has_data = true;
      } else if (name == "content_type") {
        file.type = reader.line(value, inner);
      } else if (name == "base64") {
        file.base64 = reader.boolean(value, inner);
      } else if (name == "content_id" || name == "file_name") {
        if (!value.is_null()) (name == "content_id" ? file.content_id : file.name) = reader.line(value, inner);
      } else {
        return false;
      }
      return true;
    });
    if (!has_data) reader.fail(Fault::missing, at.member("data"), "an attachment needs data and content_type");
    if (file.type.empty())
      reader.fail(Fault::missing, at.member("content_type"), "an attachment needs data and content_type");
    out.parts.attachments.push_back(std::move(file));
  });
}

}  // namespace

FieldSource read_mailbox(Reader& reader, Element element, const Where& where, std::string header) {
  if (!element.is_object()) return plain_field(reader, element, where, std::move(header));
  FieldSource out{.header = std::move(header)};
  out.value.field = where.member("email").to_string();
  bool has_email = false;
  reader.object(element, where, {"email", "name"}, [&](std::string_view name, Element value, const Where& at) {
    if (name == "email") {
      out.value.text = reader.line(value, at);
      has_email = true;
    } else if (name == "name") {
      out.name = TextSource{at.to_string(), reader.line(value, at)};
    } else {
      return false;
    }
    return true;
  });
  if (!has_email) reader.fail(Fault::missing, where.member("email"), "an address needs its email");
  if (!out.name) out.name = TextSource{where.member("name").to_string(), ""};
  return out;
}

Content read_transmission_content(Reader& reader, Element element, const Where& where) {
  Content out;
  out.parts.dialect = compose::Dialect::sparkpost;
  const std::initializer_list<std::string_view> names{
      "from",      "subject",     "reply_to",      "text",         "html",        "amp_html",
      "headers",   "attachments", "inline_images", "email_rfc822", "template_id", "use_draft_template",
      "ab_test_id"};
  bool parts = false;
  bool from = false;
  bool subject = false;
  reader.object(element, where, names, [&](std::string_view name, Element value, const Where& at) {
    if (name == "use_draft_template" && !reader.boolean(value, at)) return true;
    if (name == "template_id" || name == "use_draft_template" || name == "ab_test_id") {
      reader.fail(Fault::unsupported, at, "stored templates and A/B tests are not supported: give the content itself");
      return true;
    }
    if (name == "email_rfc822") {
      out.raw = reader.text(value, at);
      return true;
    }
    parts = true;
    if (name == "from") {
      out.parts.fields.push_back(read_mailbox(reader, value, at, "From"));
      from = true;
    } else if (name == "subject") {
      out.parts.fields.push_back(plain_field(reader, value, at, "Subject"));
      subject = true;
    } else if (name == "reply_to") {
      out.parts.fields.push_back(read_mailbox(reader, value, at, "Reply-To"));
    } else if (name == "text") {
      out.parts.text = text_source(reader, value, at);
    } else if (name == "html") {
      out.parts.html = text_source(reader, value, at);
    } else if (name == "amp_html") {
      out.parts.amp = text_source(reader, value, at);
    } else if (name == "headers") {
      read_headers(reader, value, at, out);
    } else if (name == "attachments" || name == "inline_images") {
      read_files(reader, value, at, name == "inline_images", out);
    } else {
      return false;
    }
    return true;
  });
  if (!reader.good()) return out;
  if (out.raw && parts) reader.fail(Fault::invalid, where, "email_rfc822 stands alone: it is the whole message");
  if (out.raw) return out;
  if (!from) reader.fail(Fault::missing, where.member("from"), "content needs from, subject, and text or html");
  if (!subject) reader.fail(Fault::missing, where.member("subject"), "content needs from, subject, and text or html");
  if (!out.parts.text && !out.parts.html)
    reader.fail(Fault::missing, where.member("text"), "content needs from, subject, and text or html");
  return out;
}

Content read_inject_content(Reader& reader, Element element, const Where& where) {
  Content out;
  if (element.is_string()) {
    out.raw = reader.text(element, where);
    return out;
  }
  reader.object(element, where, [&](std::string_view name, Element value, const Where& at) {
    if (name == "text_body" || name == "html_body" || name == "amp_html_body") {
      if (value.is_null()) return true;
      (name == "text_body"   ? out.parts.text
       : name == "html_body" ? out.parts.html
                             : out.parts.amp) = text_source(reader, value, at);
    } else if (name == "from" || name == "reply_to") {
      if (!value.is_null())
        out.parts.fields.push_back(read_mailbox(reader, value, at, name == "from" ? "From" : "Reply-To"));
    } else if (name == "subject") {
      if (!value.is_null()) out.parts.fields.push_back(plain_field(reader, value, at, "Subject"));
    } else if (name == "headers") {
      read_headers(reader, value, at, out);
    } else if (name == "attachments") {
      read_kumo_files(reader, value, at, out);
    } else {
      return false;
    }
    return true;
  });
  if (reader.good() && !out.parts.text && !out.parts.html)
    reader.fail(Fault::missing, where, "content needs text_body or html_body");
  return out;
}

Error to_error(const compose::Fault& fault) {
  using Kind = compose::Fault::Kind;
  Error out{Fault::invalid, fault.field, fault.reason};
  switch (fault.kind) {
    case Kind::template_syntax:
      out.fault = Fault::template_syntax;
      break;
    case Kind::unsafe:
      out.fault = Fault::unsafe;
      break;
    case Kind::too_large:
      out.fault = Fault::too_large;
      break;
    case Kind::unsupported:
      out.fault = Fault::unsupported;
      break;
    case Kind::invalid:
      break;
  }
  return out;
}

MadeComposer make_composer(const Content& content, compose::RawFilling filling, std::string raw_field,
                           const std::string& content_field) {
  auto made = content.raw ? compose::compose_raw(*content.raw, filling, content.parts.dialect, std::move(raw_field))
                          : compose::compose_parts(content.parts);
  if (made) return std::move(*made);
  Error error = to_error(made.error());
  if (error.field.empty()) error.field = content_field;
  return std::unexpected(std::move(error));
}

}  // namespace impulse::api
