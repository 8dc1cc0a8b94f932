// POST /api/v1/transmissions, as Momentum 4 and SparkPost have it.
#include "api/content.h"
#include "api/mailing.h"
#include "api/requests.h"
#include "api/submission.h"
#include "base/text.h"
#include "compose/escape.h"
#include "compose/mailbox.h"
#include "config/grouped_scopes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

namespace impulse::api {

namespace {

class TransmissionReader {
 public:
  TransmissionReader(Call call, std::shared_ptr<const Policy> policy)
      : plan_(Mailing::Plan::of(Style::transmissions, "return_path", std::move(call), std::move(policy))) {}

  MadeJob read();

 private:
  bool member(std::string_view name, Element value, const Where& where);
  void options(Element element, const Where& where);
  void recipients(Element element, const Where& where);
  void recipient(Element element, const Where& where);
  bool address(Mailing::Person& person, Element element, const Where& where);
  bool usable(const std::expected<std::string, Error>& address);
  void reject(const Where& where, Fault fault, std::string reason);
  std::string limited(Element element, const Where& where, size_t most);
  std::expected<void, Error> query();

  Mailing::Plan plan_;
  Reader reader_;
  std::optional<Content> content_;
  std::optional<Error> rejection_;  // of the recipient that is read
  bool has_recipients_ = false;
};

MadeJob TransmissionReader::read() {
  if (auto done = expect_json(plan_.call); !done) return std::unexpected(done.error());
  if (auto done = query(); !done) return std::unexpected(done.error());
  if (auto done = plan_.parse(); !done) return std::unexpected(done.error());
  const Where top;
  reader_.object(plan_.json->root(), top,
                 {"content", "recipients", "options", "substitution_data", "metadata", "campaign_id", "description",
                  "name", "return_path"},
                 [&](std::string_view name, Element value, const Where& at) { return member(name, value, at); });
  if (!content_) reader_.fail(Fault::missing, top.member("content"), "a transmission needs content");
  if (!has_recipients_) reader_.fail(Fault::missing, top.member("recipients"), "a transmission needs recipients");
  if (!reader_.good()) return std::unexpected(*reader_.error());
  if (plan_.people.empty()) {
    if (plan_.rejected.count == 0)
      return std::unexpected(Error{Fault::no_recipients, "recipients", "there are no recipients"});
    const Error& first = plan_.rejected.errors.front();
    return std::unexpected(Error{Fault::no_recipients, first.field, first.reason});
  }
  auto composer = make_composer(*content_, compose::RawFilling::texts, "content.email_rfc822", "content");
  if (!composer) return std::unexpected(std::move(composer.error()));
  plan_.composer = std::move(*composer);
  if (content_->raw) plan_.content_field = "content.email_rfc822";
  plan_.context.emplace_back("transmission_id", std::to_string(plan_.call.number));
  return std::make_unique<Mailing>(std::move(plan_));
}

std::expected<void, Error> TransmissionReader::query() {
  if (auto done = expect_query(plan_.call, {"num_rcpt_errors"}); !done) return done;
  for (const auto& [name, value] : plan_.call.query) {
    const auto number = parse_unsigned(value, 1'000'000);
    if (!number) return std::unexpected(Error{Fault::invalid, name, "a whole number is expected"});
    plan_.rejected.told = std::min<size_t>(*number, max_errors_told);
  }
  return {};
}

std::string TransmissionReader::limited(Element element, const Where& where, size_t most) {
  std::string out(reader_.text(element, where));
  if (out.size() > most) reader_.fail(Fault::invalid, where, fmt::format("at most {} bytes are allowed", most));
  return out;
}

bool TransmissionReader::member(std::string_view name, Element value, const Where& where) {
  if (name == "content") {
    content_ = read_transmission_content(reader_, value, where);
  } else if (name == "recipients") {
    recipients(value, where);
  } else if (name == "options") {
    options(value, where);
  } else if (name == "substitution_data") {
    plan_.values = reader_.any_object(value, where);
  } else if (name == "metadata") {
    plan_.metadata = plan_.read_metadata(reader_, value, where);
  } else if (name == "campaign_id") {
    plan_.context.emplace_back("campaign_id", limited(value, where, 64));
  } else if (name == "description") {
    plan_.context.emplace_back("description", limited(value, where, 1024));
  } else if (name == "name") {
    plan_.context.emplace_back("name", limited(value, where, 1024));
  } else if (name == "return_path") {
    auto sender = envelope_sender(reader_.text(value, where), where.to_string(), plan_.call, *plan_.policy);
    if (sender)
      plan_.sender = std::move(*sender);
    else
      reader_.fail(std::move(sender.error()));
  } else {
    return false;
  }
  return true;
}

void TransmissionReader::options(Element element, const Where& where) {
  // Those that must not be on: the feature is not there.
  static constexpr std::array<std::string_view, 5> off{"open_tracking", "click_tracking", "sandbox", "inline_css",
                                                       "smart_send"};
  // … and all that there are.
  const std::initializer_list<std::string_view> names{"open_tracking",    "click_tracking", "sandbox",
                                                      "inline_css",       "smart_send",     "transactional",
                                                      "skip_suppression", "start_time",     "ip_pool"};
  reader_.object(element, where, names, [&](std::string_view name, Element value, const Where& at) {
    if (std::ranges::find(off, name) != off.end()) {
      if (reader_.boolean(value, at) && reader_.good())
        reader_.fail(Fault::unsupported, at, "this is not supported: only false is taken");
    } else if (name == "transactional") {
      plan_.context.emplace_back("transactional", reader_.boolean(value, at) ? "true" : "false");
    } else if (name == "skip_suppression") {
      reader_.boolean(value, at);  // nothing is suppressed here, so there is nothing to skip
    } else if (name == "start_time") {
      auto time = hold_until(reader_.text(value, at), at.to_string(), plan_.call, *plan_.policy);
      if (time)
        plan_.hold_until = *time;
      else
        reader_.fail(std::move(time.error()));
    } else if (name == "ip_pool") {
      // Whether there is such a one, who knows the configuration sees to.
      std::string pool = limited(value, at, config::longest_binding);
      if (plan_.is_servers_own(config::binding_context))
        reader_.fail(Fault::refused, at, "the server sets this itself");
      else if (!pool.empty())
        plan_.context.emplace_back(config::binding_context, std::move(pool));
    } else {
      return false;
    }
    return true;
  });
}

void TransmissionReader::recipients(Element element, const Where& where) {
  has_recipients_ = true;
  if (element.is_object())
    return reader_.fail(Fault::unsupported, where.member("list_id"),
                        "stored recipient lists are not supported: give the recipients themselves");
  reader_.array(element, where, [&](Element item, const Where& at) { recipient(item, at); });
}

void TransmissionReader::reject(const Where& where, Fault fault, std::string reason) {
  if (!rejection_) rejection_ = Error{fault, where.to_string(), std::move(reason)};
}

// An address that is none costs its recipient; one that would make a line of
// its own costs the request.
bool TransmissionReader::usable(const std::expected<std::string, Error>& address) {
  if (address) return true;
  if (address.error().fault == Fault::invalid) {
    if (!rejection_) rejection_ = address.error();
  } else {
    reader_.fail(address.error());
  }
  return false;
}

bool TransmissionReader::address(Mailing::Person& person, Element element, const Where& where) {
  const auto take = [&](std::string_view text, const Where& at, std::string& into) {
    auto checked = envelope_address(text, {}, *plan_.policy);
    if (!checked) checked.error().field = at.to_string();
    if (usable(checked)) into = std::move(*checked);
  };
  if (element.is_string()) {
    person.given = reader_.text(element, where);
    take(person.given, where, person.email);
    return true;
  }
  if (!element.is_object()) {
    reject(where, Fault::invalid, "an address is a string or an object");
    return true;
  }
  // What To is to say, when it is not the address: of copies.
  const auto take_list = [&](std::string_view text, const Where& at) {
    if (compose::has_control(text))
      return reader_.fail(Fault::unsafe, at, "the value holds a line break or another control character");
    auto mailboxes = compose::parse_mailboxes(text);
    if (mailboxes)
      person.to = std::move(*mailboxes);
    else
      reject(at, Fault::invalid, mailboxes.error().message);
  };
  bool has_email = false;
  const std::initializer_list<std::string_view> names{"email", "name", "header_to"};
  reader_.object(element, where, names, [&](std::string_view name, Element value, const Where& at) {
    if (name == "email") {
      has_email = true;
      if (!value.is_string()) {
        reject(at, Fault::invalid, "a string is expected");
        return true;
      }
      person.given = reader_.text(value, at);
      take(person.given, at, person.email);
    } else if (name == "name") {
      person.name = reader_.line(value, at);
    } else if (name == "header_to") {
      take_list(reader_.text(value, at), at);
    } else {
      return false;
    }
    return true;
  });
  if (!has_email) reject(where.member("email"), Fault::missing, "address.email is required for each recipient");
  // One address alone is shown with the name.
  if (person.to.size() == 1 && person.to.front().name.empty()) person.to.front().name = person.name;
  return true;
}

void TransmissionReader::recipient(Element element, const Where& where) {
  if (!plan_.room_for_recipient(reader_)) return;
  Mailing::Person person;
  rejection_.reset();
  bool has_address = false;
  const std::initializer_list<std::string_view> names{"address", "return_path", "tags", "metadata",
                                                      "substitution_data"};
  reader_.object(element, where, names, [&](std::string_view name, Element value, const Where& at) {
    if (name == "address") {
      has_address = true;
      return address(person, value, at);
    }
    if (name == "return_path") {
      auto sender = envelope_sender(reader_.text(value, at), {}, plan_.call, *plan_.policy);
      if (!sender) sender.error().field = at.to_string();
      if (usable(sender)) person.sender = std::move(*sender);
    } else if (name == "tags") {
      reader_.array(value, at, [&](Element tag, const Where& inner) { reader_.text(tag, inner); });
      person.tags = simdjson::minify(value);
      if (person.tags.size() > 1024) reader_.fail(Fault::invalid, at, "the tags have more than 1024 bytes");
      if (person.tags == "[]") person.tags.clear();
    } else if (name == "metadata") {
      person.metadata = plan_.read_metadata(reader_, value, at);
    } else if (name == "substitution_data") {
      person.values = reader_.any_object(value, at);
    } else {
      return false;
    }
    return true;
  });
  if (!has_address) reject(where.member("address"), Fault::missing, "address is required for each recipient");
  if (rejection_)
    plan_.rejected.add(std::move(person.given), std::move(*rejection_));
  else
    plan_.people.push_back(std::move(person));
}

}  // namespace

MadeJob read_transmission(Call call, std::shared_ptr<const Policy> policy) {
  return TransmissionReader(std::move(call), std::move(policy)).read();
}

}  // namespace impulse::api
