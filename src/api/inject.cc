// POST /api/inject/v1, as KumoMTA has it.
#include "api/content.h"
#include "api/mailing.h"
#include "api/requests.h"
#include "api/submission.h"
#include "base/text.h"
#include "compose/header_field.h"

#include <fmt/format.h>

#include <utility>

namespace impulse::api {

namespace {

class InjectReader {
 public:
  InjectReader(Call call, std::shared_ptr<const Policy> policy)
      : plan_(Mailing::Plan::of(Style::inject, "envelope_sender", std::move(call), std::move(policy))) {}

  MadeJob read();

 private:
  bool member(std::string_view name, Element value, const Where& where);
  void dialect(Element element, const Where& where);
  void trace_headers(Element element, const Where& where);
  void recipient(Element element, const Where& where);

  Mailing::Plan plan_;
  Reader reader_;
  std::optional<Content> content_;
  compose::Dialect dialect_ = compose::Dialect::jinja;
  bool has_recipients_ = false;
};

MadeJob InjectReader::read() {
  if (auto done = expect_json(plan_.call); !done) return std::unexpected(done.error());
  if (auto done = expect_query(plan_.call, {}); !done) return std::unexpected(done.error());
  if (auto done = plan_.parse(); !done) return std::unexpected(done.error());
  const Where top;
  reader_.object(plan_.json->root(), top,
                 [&](std::string_view name, Element value, const Where& at) { return member(name, value, at); });
  if (!plan_.sender) reader_.fail(Fault::missing, top.member("envelope_sender"), "the envelope's sender is required");
  if (!content_) reader_.fail(Fault::missing, top.member("content"), "the content is required");
  if (!has_recipients_) reader_.fail(Fault::missing, top.member("recipients"), "recipients are required");
  if (!reader_.good()) return std::unexpected(*reader_.error());
  if (plan_.people.empty() && plan_.rejected.count == 0)
    return std::unexpected(Error{Fault::no_recipients, "recipients", "there are no recipients"});
  content_->parts.dialect = dialect_;
  auto composer = make_composer(*content_, compose::RawFilling::whole, "content", "content");
  if (!composer) return std::unexpected(std::move(composer.error()));
  plan_.composer = std::move(*composer);
  return std::make_unique<Mailing>(std::move(plan_));
}

bool InjectReader::member(std::string_view name, Element value, const Where& where) {
  if (name == "envelope_sender") {
    auto sender = envelope_sender(reader_.text(value, where), where.to_string(), plan_.call, *plan_.policy);
    if (sender)
      plan_.sender = std::move(*sender);
    else
      reader_.fail(std::move(sender.error()));
  } else if (name == "content") {
    content_ = read_inject_content(reader_, value, where);
  } else if (name == "recipients") {
    has_recipients_ = true;
    reader_.array(value, where, [&](Element item, const Where& at) { recipient(item, at); });
  } else if (name == "substitutions") {
    plan_.values = reader_.any_object(value, where);
  } else if (name == "template_dialect") {
    dialect(value, where);
  } else if (name == "deferred_spool") {
    if (reader_.boolean(value, where) && reader_.good())
      reader_.fail(Fault::unsupported, where, "what is accepted here is on stable storage: only false is taken");
  } else if (name == "deferred_generation") {
    if (reader_.boolean(value, where) && reader_.good())
      reader_.fail(Fault::unsupported, where, "messages are made before the answer: only false is taken");
  } else if (name == "trace_headers") {
    trace_headers(value, where);
  } else {
    return false;
  }
  return true;
}

void InjectReader::dialect(Element element, const Where& where) {
  const std::string_view name = reader_.text(element, where);
  if (name == "Jinja")
    dialect_ = compose::Dialect::jinja;
  else if (name == "Static")
    dialect_ = compose::Dialect::none;
  else
    reader_.fail(Fault::unsupported, where,
                 fmt::format("the dialect {} is not supported, only Jinja and Static", escape_line(name, 40)));
}

// One that nobody has a meaning for: other fields may stand but once, or are believed.
bool is_own_field(std::string_view name) { return name.size() > 2 && istarts_with(name, "X-"); }

void InjectReader::trace_headers(Element element, const Where& where) {
  bool supplement = false;
  Mailing::Supplement wanted{.header = "X-KumoRef", .names = {}};
  reader_.object(element, where, [&](std::string_view name, Element value, const Where& at) {
    if (name == "received_header") {
      plan_.trace = reader_.boolean(value, at);
    } else if (name == "supplemental_header") {
      supplement = reader_.boolean(value, at);
    } else if (name == "header_name") {
      wanted.header = reader_.line(value, at);
      if (!compose::is_field_name(wanted.header) || compose::is_forbidden_field(wanted.header))
        reader_.fail(Fault::invalid, at, "this header field cannot be given");
    } else if (name == "include_meta_names") {
      if (value.is_object() && simdjson::dom::object(value).size() == 0) return true;  // so KumoMTA's manual writes it
      reader_.array(value, at, [&](Element item, const Where& inner) {
        wanted.names.emplace(reader_.text(item, inner));
        if (wanted.names.size() > max_metadata_names)
          reader_.fail(Fault::invalid, at, fmt::format("at most {} names are allowed", max_metadata_names));
      });
    } else {
      return false;
    }
    return true;
  });
  if (!supplement) return;
  if (!is_own_field(wanted.header))
    reader_.fail(Fault::invalid, where.member("header_name"), "the name of this header field must begin with X-");
  plan_.supplement = std::move(wanted);
}

void InjectReader::recipient(Element element, const Where& where) {
  if (!plan_.room_for_recipient(reader_)) return;
  Mailing::Person person;
  std::optional<Error> rejection;
  bool has_email = false;
  reader_.object(element, where, [&](std::string_view name, Element value, const Where& at) {
    if (name == "email") {
      has_email = true;
      person.given = reader_.text(value, at);
      auto checked = envelope_address(person.given, {}, *plan_.policy);
      if (!checked) checked.error().field = at.to_string();
      if (checked)
        person.email = std::move(*checked);
      else if (checked.error().fault == Fault::invalid)
        rejection = std::move(checked.error());
      else
        reader_.fail(std::move(checked.error()));
    } else if (name == "name") {
      if (!value.is_null()) person.name = reader_.line(value, at);
    } else if (name == "substitutions") {
      person.values = reader_.any_object(value, at);
    } else if (name == "metadata") {
      person.metadata = plan_.read_metadata(reader_, value, at);
    } else {
      return false;
    }
    return true;
  });
  if (!has_email) reader_.fail(Fault::missing, where.member("email"), "each recipient needs its email");
  if (rejection)
    plan_.rejected.add(std::move(person.given), std::move(*rejection));
  else
    plan_.people.push_back(std::move(person));
}

}  // namespace

MadeJob read_inject(Call call, std::shared_ptr<const Policy> policy) {
  return InjectReader(std::move(call), std::move(policy)).read();
}

}  // namespace impulse::api
