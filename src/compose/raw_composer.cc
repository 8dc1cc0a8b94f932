#include "compose/raw_composer.h"

#include "base/text.h"
#include "compose/header_field.h"
#include "compose/raw_texts.h"
#include "compose/transfer.h"

#include <algorithm>
#include <utility>

namespace impulse::compose {

namespace {

std::unexpected<Fault> wrong(Fault::Kind kind, std::string field, std::string reason) {
  return std::unexpected(Fault{kind, std::move(field), std::move(reason)});
}

class Verbatim : public Composer {
 public:
  explicit Verbatim(std::string message) : message_(std::move(message)), from_(from_address(message_)) {}
  std::expected<Composed, Fault> compose(const Occasion& occasion) const override {
    if (message_.size() > occasion.max_size)
      return wrong(Fault::Kind::too_large, "", "the message is larger than Max_Message_Size");
    return Composed{message_, from_};
  }
  std::string from(const Occasion&) const override { return from_; }

 private:
  std::string message_;
  std::string from_;
};

bool has_long_line(std::string_view field) {
  for (size_t at = 0; at < field.size();) {
    const size_t end = std::min(field.find("\r\n", at), field.size());
    if (end - at > max_line) return true;
    at = end + 2;
  }
  return false;
}

// Fields that values were put into: what goes beyond ASCII is encoded, and what
// is too long for a line folded anew. The rendered section must still be one.
std::expected<std::string, Fault> finished_section(std::string_view rendered, const std::string& name) {
  const std::string lines = with_line_ends(rendered);
  const auto fields = split_fields(lines);
  if (!fields) return wrong(Fault::Kind::invalid, name, fields.error().message);
  size_t read = 0;
  std::string out;
  for (const RawField& field : *fields) {
    read += field.whole.size();
    if (is_ascii(field.value) && !has_long_line(field.whole)) {
      out += field.whole;
    } else {
      const std::string flat = unfolded(field.value);
      const auto value = encoded_value(field.name, trim(flat));
      if (!value) return wrong(Fault::Kind::invalid, name, value.error().message);
      const auto made = make_field(field.name, *value);
      if (!made) return wrong(Fault::Kind::invalid, name, made.error().message);
      out += *made;
    }
  }
  if (!out.empty() && !out.ends_with("\r\n")) out += "\r\n";
  if (read != lines.size())
    return wrong(Fault::Kind::invalid, name, "the header section has an empty line before its end");
  return out;
}

// KumoMTA's way.
class Whole : public Composer {
 public:
  Whole(Template header, Template body, std::string field)
      : header_(std::move(header)), body_(std::move(body)), field_(std::move(field)) {}

  std::expected<Composed, Fault> compose(const Occasion& occasion) const override {
    Limits limits;
    limits.output = std::min(limits.output, occasion.max_size);
    Work work;
    const auto fill = [&](const Template& part, std::string& out) -> std::expected<void, Fault> {
      if (const auto done = part.render(occasion.values, limits, work, out); !done)
        return wrong(kind_of(done.error()), field_, done.error().to_string());
      return {};
    };
    std::string section;
    if (auto done = fill(header_, section); !done) return std::unexpected(done.error());
    auto fields = finished_section(section, field_);
    if (!fields) return std::unexpected(fields.error());
    std::string body;
    if (auto done = fill(body_, body); !done) return std::unexpected(done.error());
    Composed composed;
    composed.message = std::move(*fields);
    composed.from = from_address(composed.message);
    composed.message += "\r\n";
    composed.message += with_line_ends(body);
    if (composed.message.contains('\0')) return wrong(Fault::Kind::unsafe, field_, "the message holds a NUL");
    if (composed.message.size() > occasion.max_size)
      return wrong(Fault::Kind::too_large, "", "the message is larger than Max_Message_Size");
    return composed;
  }

 private:
  Template header_;
  Template body_;
  std::string field_;
};

std::expected<std::unique_ptr<Composer>, Fault> whole(const std::string& message, Dialect dialect, std::string field) {
  size_t end = message.starts_with('\n') ? 0 : message.find("\n\n");
  // Of the empty line, the header section's last line end stays with it.
  const size_t body = end == std::string::npos ? message.size() : end + (message.starts_with('\n') ? 1 : 2);
  end = end == std::string::npos ? message.size() : body - 1;
  const std::string_view text = message;
  auto header = Template::parse(text.substr(0, end), dialect, Context::section);
  if (!header) return wrong(Fault::Kind::template_syntax, field, header.error().to_string());
  auto rest = Template::parse(text.substr(body), dialect, Context::text);
  if (!rest) {
    // Lines are counted from the message's first one.
    TemplateError error = rest.error();
    error.line += static_cast<size_t>(std::ranges::count(text.substr(0, body), '\n'));
    return wrong(Fault::Kind::template_syntax, field, error.to_string());
  }
  return std::make_unique<Whole>(std::move(*header), std::move(*rest), std::move(field));
}

}  // namespace

std::string from_address(std::string_view message) {
  const size_t end = header_end(message);
  const auto fields = split_fields(message.substr(0, end));
  if (!fields) return {};
  for (const RawField& field : *fields)
    if (iequals(field.name, "From"))
      if (const auto mailbox = parse_mailbox(unfolded(field.value))) return mailbox->email;
  return {};
}

std::expected<std::unique_ptr<Composer>, Fault> compose_raw(std::string_view message, RawFilling filling,
                                                            Dialect dialect, std::string field) {
  start_mime();
  if (trim(message).empty()) return wrong(Fault::Kind::invalid, std::move(field), "the message is empty");
  if (message.contains('\0')) return wrong(Fault::Kind::unsafe, std::move(field), "the message holds a NUL");
  // What texts hold may be encoded: there a brace need not look like one.
  if (filling == RawFilling::nothing || dialect == Dialect::none ||
      (filling == RawFilling::whole && !message.contains('{')))
    return std::make_unique<Verbatim>(with_line_ends(message));
  if (filling == RawFilling::whole) return whole(with_line_ends(message, "\n"), dialect, std::move(field));
  return compose_texts(with_line_ends(message), dialect, std::move(field));
}

}  // namespace impulse::compose
