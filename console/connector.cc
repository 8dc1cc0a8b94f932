#include "console/connector.h"

#include "console/sasl.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdio>

namespace impulse::console {

namespace {

using Kind = Failure::Kind;

constexpr int attempts = 3;  // at typing a password

std::string login_name() {
  const passwd* entry = ::getpwuid(::getuid());
  return entry != nullptr ? entry->pw_name : "";
}

constexpr int not_found = 3;  // a status code of the protocol

}  // namespace

Outcome<> run_quietly(Client& client, const std::string& request, int& status) {
  status = -1;
  if (auto sent = client.send(request); !sent) return sent;
  std::string why;
  for (;;) {
    auto line = client.next();
    if (!line) return std::unexpected(std::move(line.error()));
    if (line->kind == ReplyLine::Kind::notice && line->severity == "error") why = line->text;
    if (line->kind != ReplyLine::Kind::status) continue;
    status = line->code;
    if (status == 0) return {};
    return failed(Kind::denied, why.empty() ? fmt::format("{}: {}", request, line->word) : why);
  }
}

Outcome<Client> Connector::connect(std::chrono::milliseconds patience, bool ask) {
  Client::Settings settings = settings_;
  if (patience.count() > 0) settings.timeout = patience;
  auto client = Client::connect(access_.address, settings, access_.tls);
  if (!client) return client;
  const bool wanted = !client->greeting().field("auth").empty();
  if (wanted || !access_.address.user.empty())
    if (auto done = log_in(*client, ask); !done) return std::unexpected(std::move(done.error()));
  if (!access_.transaction.empty())
    if (auto done = enter_transaction(*client); !done) return std::unexpected(std::move(done.error()));
  client->set_timeout(settings_.timeout);
  return client;
}

Outcome<> Connector::log_in(Client& client, bool ask) {
  const auto offered = offered_mechanisms(client);
  if (!offered) return std::unexpected(offered.error());
  // A name that would have no effect is not taken.
  if (offered->empty() && client.greeting().field("auth").empty())
    return failed(Kind::misuse,
                  fmt::format("{}@: this daemon authenticates nobody here; leave the name out", access_.address.user));
  const auto mechanism = choose_mechanism(*offered, client.confidential());
  if (!mechanism) return std::unexpected(mechanism.error());
  if (access_.address.user.empty()) access_.address.user = login_name();
  if (typed_) return attempt(client, *mechanism, password_);
  bool found = false;
  const auto stored = stored_password(access_.password, found);
  if (!stored) return std::unexpected(stored.error());
  if (found) return attempt(client, *mechanism, *stored);
  if (!ask) return failed(Kind::denied, "a password is needed");
  for (int left = attempts;;) {
    const auto password = ask_password(
        fmt::format("{}@{}'s password: ", access_.address.user, access_.address.to_string()), settings_.wake);
    if (!password) return std::unexpected(password.error());
    const auto done = attempt(client, *mechanism, *password);
    if (done) {
      password_ = *password;
      typed_ = true;
    }
    if (done || done.error().kind != Kind::denied || --left == 0 || client.peer_closed()) return done;
    [[maybe_unused]] const auto said = std::fputs(("ec_console: " + done.error().text + "\n").c_str(), stderr);
  }
}

// Joins the named transaction, or begins it.
Outcome<> Connector::enter_transaction(Client& client) const {
  int status = 0;
  auto joined = run_quietly(client, "config attach " + access_.transaction, status);
  if (status != not_found) return joined;
  return run_quietly(client, "config begin name=" + access_.transaction, status);
}

Outcome<> Connector::attempt(Client& client, const std::string& mechanism, const std::string& password) {
  // The daemon takes its time to refuse one.
  return authenticate(client, mechanism, {access_.address.user, password}, access_.address.host);
}

}  // namespace impulse::console
