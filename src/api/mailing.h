// Mailing: a job of one message for each recipient, filled with what is known
// of that one. Transmissions and KumoMTA's injection are read into it.
#pragma once

#include "api/job.h"
#include "api/json.h"
#include "api/limits.h"
#include "compose/composer.h"

#include <algorithm>
#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::api {

using Context = std::vector<std::pair<std::string, std::string>>;

class Mailing : public Job {
 public:
  struct Person {
    std::string email;                    // checked
    std::string given;                    // as the request has it, for the answer
    std::string name{};                   // in the To field
    std::vector<compose::Mailbox> to{};   // in the To field instead; empty: name and email
    std::optional<std::string> sender{};  // its own envelope sender, checked
    std::optional<Element> values{};
    std::optional<Element> metadata{};
    std::string tags{};  // as JSON; empty: none
  };
  // Recipients that are none of ours to send to: counted, and some told of.
  struct Rejected {
    size_t count = 0;
    size_t told = usual_errors_told;  // errors that the answer has at most
    std::vector<Error> errors{};      // the first so many, and always the first
    std::vector<std::string> given{};

    void add(std::string who, Error error) {
      ++count;
      given.push_back(std::move(who));
      if (errors.size() < std::max<size_t>(told, 1)) errors.push_back(std::move(error));
    }
  };
  // KumoMTA's header for feedback loops.
  struct Supplement {
    std::string header;
    std::set<std::string, std::less<>> names;  // of metadata that it tells
  };
  struct Plan {
    Style style = Style::transmissions;
    Call call;  // without its body
    std::shared_ptr<const Policy> policy;
    std::unique_ptr<Json> json;  // keeps what the elements are of
    std::unique_ptr<compose::Composer> composer;
    std::vector<Person> people;
    Rejected rejected;
    std::optional<std::string> sender;  // of all; nothing: the From field's address
    std::string sender_field;           // how the request names it
    std::string content_field = "content";
    std::optional<Element> values;
    std::optional<Element> metadata;
    WallTime hold_until{};
    Context context;
    bool trace = true;
    std::optional<Supplement> supplement;

    // Of a request that is to be read.
    static Plan of(Style style, std::string sender_field, Call call, std::shared_ptr<const Policy> policy);
    // The document that the call's body is; the body is let go.
    std::expected<void, Error> parse();
    // Before each recipient is read; fails when it is one too many.
    bool room_for_recipient(Reader& reader) const;
    // Of all or of one recipient; fails when it is over max_metadata, holds a control character, or says what
    // the server says itself.
    std::optional<Element> read_metadata(Reader& reader, Element element, const Where& where) const;
    // Whether the configuration or the connection have put that into the context.
    bool is_servers_own(std::string_view name) const;
  };

  explicit Mailing(Plan plan);
  size_t total() const override { return plan_.people.size(); }
  std::expected<spool::Incoming, Error> build(size_t index) override;
  std::string answer(std::span<const MessageId> ids, std::string_view node) const override;
  std::string_view protocol() const override;

 private:
  std::string transmission_answer(std::span<const MessageId> ids, std::string_view node) const;
  std::string inject_answer(std::span<const MessageId> ids, std::string_view node) const;
  void append_recipients(std::string& out, std::string_view name, std::span<const MessageId> ids,
                         std::string_view node) const;
  compose::Value reserved(const Person& person, const std::string& sender, const std::string& to) const;
  std::expected<void, Error> describe(message::Envelope& envelope, const Person& person) const;
  std::string supplement(const Person& person) const;
  Error located(Error error, const Person& person) const;

  Plan plan_;
  compose::Value values_;
  compose::Value metadata_;
};

}  // namespace impulse::api
