// ec_sendmail: the sendmail(1) that programs call. Reads a message on standard
// input, hands it to impulsed, and ends with 0 once that has made it durable.
// See doc/ec_sendmail.1.
#include "base/text.h"
#include "console/sendmail/address_list.h"
#include "console/sendmail/identity.h"
#include "console/sendmail/input.h"
#include "console/sendmail/options.h"
#include "console/sendmail/server.h"
#include "console/sendmail/submission.h"

#include "config.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <unordered_set>
#include <vector>

namespace impulse::sendmail {
namespace {

// The recipients as the envelope has them, each once.
Outcome<std::vector<message::Recipient>> envelope_recipients(const Options& options, const Header& header,
                                                             const std::string& domain) {
  std::vector<message::Recipient> recipients;
  std::unordered_set<std::string> known;
  const auto add = [&](const std::vector<std::string>& addresses, int status) -> Outcome<> {
    for (const std::string& written : addresses) {
      const auto address = envelope_address(written, domain);
      if (!address) return fail_with(status, address.error().message);
      const std::string_view local = message::local_part_of(*address);
      if (known.insert(std::string(local) + '@' + message::domain_of(*address)).second)
        recipients.push_back({*address, options.notify});
    }
    return {};
  };
  for (const std::string& argument : options.recipients) {
    const auto addresses = parse_addresses(argument);
    if (!addresses)
      return fail_with(EX_USAGE, fmt::format("no address: {}: {}", escape_line(argument), addresses.error().message));
    if (auto done = add(*addresses, EX_USAGE); !done) return std::unexpected(done.error());
  }
  if (options.from_header) {
    const auto addresses = header.recipients();
    if (!addresses) return std::unexpected(addresses.error());
    if (auto done = add(*addresses, EX_DATAERR); !done) return std::unexpected(done.error());
  }
  if (recipients.empty())
    return fail_with(options.from_header ? EX_DATAERR : EX_USAGE, "the message has no recipients");
  return recipients;
}

// Empty for the null sender.
Outcome<std::string> envelope_sender(const Options& options, const std::string& domain) {
  if (!options.sender) {
    const auto person = calling_person();
    if (!person) return std::unexpected(person.error());
    auto address = envelope_address(person->login, domain);
    if (!address) return fail_with(EX_OSERR, address.error().message);
    return std::move(*address);
  }
  const std::string_view named = trim(*options.sender);
  if (named.empty() || named == "<>") return std::string();
  const auto addresses = parse_addresses(named);
  if (!addresses || addresses->size() != 1)
    return fail_with(EX_USAGE, fmt::format("-f: one address is expected, not {}", escape_line(named)));
  auto address = envelope_address(addresses->front(), domain);
  if (!address) return fail_with(EX_USAGE, "-f: " + address.error().message);
  return std::move(*address);
}

// -F, else NAME, else the password database.
std::string full_name(const Options& options) {
  if (options.full_name) return *options.full_name;
  if (std::string name = environment("NAME"); !name.empty()) return name;
  const auto person = calling_person();
  return person ? person->full_name : "";
}

// 0, or a status when somebody was refused; says whom.
int report(const Submitted& submitted) {
  for (const auto& [recipient, reply] : submitted.refused) {
    if (reply.code == 0)
      fmt::print(stderr, "ec_sendmail: {}: {}\n", escape_line(recipient), reply.text);
    else
      fmt::print(stderr, "ec_sendmail: {}: {} {}\n", escape_line(recipient), reply.code, reply.text);
  }
  if (submitted.refused.empty()) return EX_OK;
  // Not EX_TEMPFAIL: a caller that tries again would send doubles.
  if (submitted.taken != 0) return EX_NOUSER;
  const auto& refused = submitted.refused;
  if (std::ranges::any_of(refused, [](const Refused& one) { return !one.reply.permanent(); })) return EX_TEMPFAIL;
  if (std::ranges::all_of(refused, [](const Refused& one) { return status_of(one.reply) == EX_NOPERM; }))
    return EX_NOPERM;
  return EX_NOUSER;
}

Outcome<int> send_mail(const Options& options) {
  const auto domain = home_domain(options.domain);
  if (!domain) return std::unexpected(domain.error());
  if (!envelope_address("postmaster", *domain))
    return fail_with(EX_USAGE, fmt::format("no domain: {}", escape_line(*domain)));
  auto sender = envelope_sender(options, *domain);
  if (!sender) return std::unexpected(sender.error());

  auto message = read_message(STDIN_FILENO, options.ignore_dots);
  if (!message) return std::unexpected(message.error());
  auto recipients = envelope_recipients(options, message->header, *domain);
  if (!recipients) return std::unexpected(recipients.error());
  message->header.drop_blind_copies();
  if (!message->header.has_from()) {
    const std::string shown = sender->empty() ? "MAILER-DAEMON@" + *domain : *sender;
    message->header.add_from(full_name(options), shown);
  }

  Letter letter{.envelope = {}, .header = message->header.text() + "\n", .body = message->body};
  letter.envelope.sender = std::move(*sender);
  letter.envelope.recipients = std::move(*recipients);
  letter.envelope.smtputf8 = !is_ascii(letter.envelope.sender) ||
                             std::ranges::any_of(letter.envelope.recipients, [](const message::Recipient& recipient) {
                               return !is_ascii(recipient.address);
                             });
  letter.envelope.ret = options.ret;
  letter.envelope.envid = options.envid;
  const bool eight_bit = !is_ascii(letter.header) || message->body.measure().eight_bit;
  if (eight_bit && options.body == message::BodyType::seven_bit)
    return fail_with(EX_DATAERR, "-B 7BIT, and there are 8-bit characters in the message");
  letter.envelope.body_type =
      eight_bit ? message::BodyType::eight_bit_mime : options.body.value_or(message::BodyType::seven_bit);

  auto connection = connect_to(server_place(options.server));
  if (!connection) return std::unexpected(connection.error());
  Dialogue dialogue(std::move(*connection), options.verbose);
  const auto submitted = submit(dialogue, is_ascii(*domain) ? *domain : "localhost", letter);
  if (!submitted) return std::unexpected(submitted.error());
  return report(*submitted);
}

Outcome<int> run(const Options& options) {
  switch (options.mode) {
    case Options::Mode::help:
      fmt::print("{}", usage_text);
      return EX_OK;
    case Options::Mode::version:
      fmt::print("ec_sendmail {}\n", PACKAGE_VERSION);
      return EX_OK;
    case Options::Mode::session: {
      const auto connection = connect_to(server_place(options.server));
      if (!connection) return std::unexpected(connection.error());
      if (auto done = pass_through(connection->get(), STDIN_FILENO, STDOUT_FILENO); !done)
        return std::unexpected(done.error());
      return EX_OK;
    }
    case Options::Mode::mail:
      return send_mail(options);
  }
  return EX_SOFTWARE;
}

int main_of(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a write says what is wrong
  const auto options = read_options(argc, argv);
  const auto status = options ? run(*options) : Outcome<int>(std::unexpected(options.error()));
  if (status) return *status;
  fmt::print(stderr, "ec_sendmail: {}\n", status.error().text);
  return status.error().status;
}

}  // namespace
}  // namespace impulse::sendmail

int main(int argc, char** argv) { return impulse::sendmail::main_of(argc, argv); }
