#include "compose/parts_composer.h"

#include "base/text.h"
#include "compose/escape.h"
#include "compose/header_field.h"
#include "compose/transfer.h"
#include "message/received.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace impulse::compose {

namespace {

struct Text {
  std::string field;
  Template source;
};

struct Field {
  std::string header;
  Text value;
  std::optional<Text> name;
  std::optional<std::string> ready;  // nothing in it depends on values: the whole field
  std::string address;               // of a ready From
};

std::expected<Text, Fault> text_of(const TextSource& source, Dialect dialect, Context context) {
  if (context == Context::header && has_control(source.text))
    return std::unexpected(
        Fault{Fault::Kind::unsafe, source.field,
              "the value holds a line break or another control character, which no header field may"});
  auto parsed = Template::parse(source.text, dialect, context);
  if (!parsed) return std::unexpected(Fault{Fault::Kind::template_syntax, source.field, parsed.error().to_string()});
  return Text{source.field, std::move(*parsed)};
}

// One message that is made.
struct Making {
  const Occasion& occasion;
  Work work{};  // of all its texts
};

std::expected<std::string, Fault> filled(const Text& text, Making& making) {
  std::string out;
  Limits limits;
  limits.output = std::min(limits.output, making.occasion.max_size);
  if (const auto done = text.source.render(making.occasion.values, limits, making.work, out); !done)
    return std::unexpected(Fault{kind_of(done.error()), text.field, done.error().to_string()});
  return out;
}

class PartsComposer : public Composer {
 public:
  std::expected<void, Fault> add(const FieldSource& source, Dialect dialect);
  std::expected<void, Fault> add(const PartsSource& source);
  std::expected<Composed, Fault> compose(const Occasion& occasion) const override;
  std::string from(const Occasion& occasion) const override;

 private:
  std::expected<std::string, Fault> field(const Field& field, Making& making, std::string& address) const;
  std::expected<void, Fault> body(std::string& out, Making& making) const;
  std::expected<void, Fault> alternatives(std::string& out, Making& making) const;
  std::expected<void, Fault> leaf(std::string& out, std::string_view type, const Text& text, Making& making) const;
  bool has(std::string_view header) const;

  std::vector<Field> fields_;
  std::optional<Text> text_;
  std::optional<Text> html_;
  std::optional<Text> amp_;
  std::vector<std::string> images_;
  std::vector<std::string> files_;
};

// Boundaries cannot stand in a part: base64 and quoted-printable have no "=_",
// and other text is not left as it is when it has "--=_".
void open_multipart(std::string& out, std::string_view type, std::string_view boundary) {
  fmt::format_to(std::back_inserter(out), "Content-Type: multipart/{}; boundary=\"{}\"\r\n\r\n", type, boundary);
}
void next_part(std::string& out, std::string_view boundary) { out.append("--").append(boundary).append("\r\n"); }
void close_multipart(std::string& out, std::string_view boundary) {
  out.append("--").append(boundary).append("--\r\n");
}

constexpr std::string_view mixed = "=_mixed";
constexpr std::string_view alternative = "=_alternative";
constexpr std::string_view related = "=_related";

bool PartsComposer::has(std::string_view header) const {
  return std::ranges::any_of(fields_, [&](const Field& field) { return iequals(field.header, header); });
}

std::expected<std::string, Fault> PartsComposer::field(const Field& field, Making& making, std::string& address) const {
  auto value = filled(field.value, making);
  if (!value) return value;
  const auto wrong = [&](const Error& error) {
    return std::unexpected(Fault{Fault::Kind::invalid, field.value.field, error.message});
  };
  if (is_address_field(field.header)) {
    std::vector<Mailbox> mailboxes;
    if (field.name) {
      auto name = filled(*field.name, making);
      if (!name) return name;
      auto email = checked_address(trim(*value));
      if (!email) return wrong(email.error());
      mailboxes.push_back({std::move(*name), std::move(*email)});
    } else {
      auto parsed = parse_mailboxes(*value);
      if (!parsed) return wrong(parsed.error());
      mailboxes = std::move(*parsed);
    }
    if (mailboxes.size() > 1 && (iequals(field.header, "From") || iequals(field.header, "Sender")))
      return wrong(Error{Errc::invalid, "one address is expected"});
    if (iequals(field.header, "From")) address = mailboxes.front().email;
    *value = to_header(mailboxes);
  } else {
    *value = encoded_text(*value);
  }
  auto made = make_field(field.header, *value);
  if (!made) return wrong(made.error());
  return std::move(*made);
}

std::expected<void, Fault> PartsComposer::add(const FieldSource& source, Dialect dialect) {
  if (!is_field_name(source.header))
    return std::unexpected(Fault{has_control(source.header) ? Fault::Kind::unsafe : Fault::Kind::invalid,
                                 source.value.field, "this is no name of a header field"});
  if (is_forbidden_field(source.header))
    return std::unexpected(Fault{Fault::Kind::unsupported, source.value.field,
                                 fmt::format("the header field {} cannot be given", source.header)});
  if (has(source.header))
    return std::unexpected(Fault{Fault::Kind::invalid, source.value.field,
                                 fmt::format("the header field {} is given twice", source.header)});
  auto value = text_of(source.value, dialect, Context::header);
  if (!value) return std::unexpected(value.error());
  Field out{.header = source.header, .value = std::move(*value), .name = {}, .ready = {}, .address = {}};
  if (source.name) {
    auto name = text_of(*source.name, dialect, Context::header);
    if (!name) return std::unexpected(name.error());
    out.name = std::move(*name);
  }
  if (out.value.source.is_static() && (!out.name || out.name->source.is_static())) {
    const Scope nothing;
    const Occasion never{.values = nothing};
    Making making{.occasion = never};
    auto ready = field(out, making, out.address);
    if (!ready) return std::unexpected(ready.error());
    out.ready = std::move(*ready);
  }
  fields_.push_back(std::move(out));
  return {};
}

std::expected<void, Fault> PartsComposer::add(const PartsSource& source) {
  for (const FieldSource& field : source.fields)
    if (auto done = add(field, source.dialect); !done) return done;
  const auto part = [&](const std::optional<TextSource>& from, std::optional<Text>& to,
                        Context context) -> std::expected<void, Fault> {
    if (!from) return {};
    auto made = text_of(*from, source.dialect, context);
    if (!made) return std::unexpected(made.error());
    to = std::move(*made);
    return {};
  };
  if (auto done = part(source.text, text_, Context::text); !done) return done;
  if (auto done = part(source.html, html_, Context::html); !done) return done;
  if (auto done = part(source.amp, amp_, Context::amp); !done) return done;
  for (const AttachmentSource& attachment : source.attachments) {
    auto made = make_part(attachment);
    if (!made) return std::unexpected(made.error());
    (attachment.content_id.empty() ? files_ : images_).push_back(std::move(*made));
  }
  return {};
}

std::expected<void, Fault> PartsComposer::leaf(std::string& out, std::string_view type, const Text& text,
                                               Making& making) const {
  auto rendered = filled(text, making);
  if (!rendered) return std::unexpected(rendered.error());
  const Encoded encoded = encode_text(*rendered);
  fmt::format_to(std::back_inserter(out), "Content-Type: {}; charset=utf-8\r\nContent-Transfer-Encoding: {}\r\n\r\n",
                 type, encoded.encoding);
  out += encoded.text;
  return {};
}

std::expected<void, Fault> PartsComposer::alternatives(std::string& out, Making& making) const {
  const size_t count = (text_ ? 1U : 0U) + (html_ ? 1U : 0U) + (amp_ ? 1U : 0U);
  const auto last = [&](std::string_view type, const Text& text) -> std::expected<void, Fault> {
    if (images_.empty()) return leaf(out, type, text, making);
    open_multipart(out, "related", related);
    next_part(out, related);
    if (auto done = leaf(out, type, text, making); !done) return done;
    for (const std::string& image : images_) {
      next_part(out, related);
      out += image;
    }
    close_multipart(out, related);
    return {};
  };
  if (count == 1) return html_ ? last("text/html", *html_) : last("text/plain", *text_);
  open_multipart(out, "alternative", alternative);
  if (text_) {
    next_part(out, alternative);
    // Without HTML it is the text that images go with.
    if (auto done = html_ ? leaf(out, "text/plain", *text_, making) : last("text/plain", *text_); !done) return done;
  }
  if (amp_) {
    next_part(out, alternative);
    if (auto done = leaf(out, "text/x-amp-html", *amp_, making); !done) return done;
  }
  if (html_) {
    next_part(out, alternative);
    if (auto done = last("text/html", *html_); !done) return done;
  }
  close_multipart(out, alternative);
  return {};
}

std::expected<void, Fault> PartsComposer::body(std::string& out, Making& making) const {
  if (files_.empty()) return alternatives(out, making);
  open_multipart(out, "mixed", mixed);
  next_part(out, mixed);
  if (auto done = alternatives(out, making); !done) return done;
  for (const std::string& file : files_) {
    next_part(out, mixed);
    out += file;
  }
  close_multipart(out, mixed);
  return {};
}

std::string PartsComposer::from(const Occasion& occasion) const {
  const auto found = std::ranges::find_if(fields_, [](const Field& field) { return iequals(field.header, "From"); });
  if (found == fields_.end()) return {};
  if (found->ready) return found->address;
  Making making{.occasion = occasion};
  std::string address;
  return field(*found, making, address) ? address : std::string();
}

std::expected<Composed, Fault> PartsComposer::compose(const Occasion& occasion) const {
  const std::unexpected too_large(Fault{Fault::Kind::too_large, "", "the message is larger than Max_Message_Size"});
  Making making{.occasion = occasion};
  Composed composed;
  std::string& out = composed.message;
  size_t attached = 0;
  for (const auto* parts : {&images_, &files_})
    for (const std::string& part : *parts) attached += part.size() + 16;
  if (attached > occasion.max_size) return too_large;
  out.reserve(attached + 2048);
  for (const Field& one : fields_) {
    if (one.ready) {
      out += *one.ready;
      if (!one.address.empty()) composed.from = one.address;
      continue;
    }
    const auto made = field(one, making, composed.from);
    if (!made) return std::unexpected(made.error());
    out += *made;
    if (out.size() > occasion.max_size) return too_large;
  }
  if (!occasion.to.empty() && !has("To")) {
    const auto made = make_field("To", to_header(occasion.to));
    if (!made) return std::unexpected(Fault{Fault::Kind::unsafe, "", "in the To field: " + made.error().message});
    out += *made;
  }
  if (!has("Date")) out.append("Date: ").append(message::mail_date(occasion.now)).append("\r\n");
  if (!has("Message-ID"))
    out.append("Message-ID: <").append(occasion.unique).append("@").append(occasion.hostname).append(">\r\n");
  out += "MIME-Version: 1.0\r\n";
  if (auto done = body(out, making); !done) return std::unexpected(done.error());
  if (out.size() > occasion.max_size) return too_large;
  return composed;
}

}  // namespace

bool is_forbidden_field(std::string_view name) {
  constexpr std::array<std::string_view, 6> names{"MIME-Version", "Bcc",          "Received",
                                                  "Return-Path",  "Delivered-To", "Resent-Bcc"};
  return istarts_with(name, "Content-") ||
         std::ranges::any_of(names, [&](std::string_view known) { return iequals(known, name); });
}

std::expected<std::unique_ptr<Composer>, Fault> compose_parts(const PartsSource& source) {
  start_mime();
  if (!source.text && !source.html)
    return std::unexpected(Fault{Fault::Kind::invalid, "", "a message needs a text or an HTML part"});
  auto composer = std::make_unique<PartsComposer>();
  if (auto done = composer->add(source); !done) return std::unexpected(done.error());
  return composer;
}

}  // namespace impulse::compose
