#include "console/sasl.h"

#include "base/text.h"

#include <gsasl.h>

#include <algorithm>
#include <memory>

namespace impulse::console {

namespace {

using Kind = Failure::Kind;

struct FreeLibrary {
  void operator()(Gsasl* library) const { gsasl_done(library); }
};
struct FreeSession {
  void operator()(Gsasl_session* session) const { gsasl_finish(session); }
};

bool client_begins(std::string_view mechanism) {
  return istarts_with(mechanism, "SCRAM-") || iequals(mechanism, "PLAIN");
}

// One step of the exchange: base64 in, base64 out.
int step(Gsasl_session* session, const std::string* challenge, std::string& response) {
  char* out = nullptr;
  const int result = gsasl_step64(session, challenge != nullptr ? challenge->c_str() : nullptr, &out);
  response = out != nullptr ? out : "";
  gsasl_free(out);
  return result;
}

// Ends an exchange from our side.
Outcome<> give_up(Client& client, std::string why) {
  if (auto sent = client.send("*"); !sent) return sent;
  while (client.owed())
    if (auto line = client.next(); !line) return std::unexpected(std::move(line.error()));
  return failed(Kind::denied, std::move(why));
}

}  // namespace

Outcome<std::string> choose_mechanism(const std::vector<std::string>& offered, bool confidential) {
  static constexpr std::string_view best_first[] = {"SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5",
                                                    "CRAM-MD5",      "PLAIN",       "LOGIN"};
  bool only_open = false;
  for (const std::string_view mechanism : best_first) {
    const bool there =
        std::any_of(offered.begin(), offered.end(), [&](const std::string& name) { return iequals(name, mechanism); });
    if (!there) continue;
    if (confidential || (mechanism != "PLAIN" && mechanism != "LOGIN")) return std::string(mechanism);
    only_open = true;
  }
  if (only_open)
    return failed(Kind::denied, "the daemon wants the password itself, which is not sent without TLS (--tls)");
  return failed(Kind::denied, offered.empty() ? "the daemon offers no mechanism of authentication"
                                              : fmt::format("none of the daemon's mechanisms is known here: {}",
                                                            fmt::join(offered, ", ")));
}

Outcome<std::vector<std::string>> offered_mechanisms(Client& client) {
  std::vector<std::string> offered;
  if (const std::string listed = client.greeting().field("auth"); !listed.empty()) {
    for (const std::string_view name : split(listed, ','))
      if (!iequals(name, "none")) offered.emplace_back(name);
    return offered;
  }
  if (auto sent = client.send("authenticate"); !sent) return std::unexpected(std::move(sent.error()));
  while (client.owed()) {
    auto line = client.next();
    if (!line) return std::unexpected(std::move(line.error()));
    if (line->kind == ReplyLine::Kind::payload) offered.push_back(std::move(line->text));
  }
  return offered;
}

Outcome<> authenticate(Client& client, const std::string& mechanism, const Credentials& credentials,
                       const std::string& host) {
  Gsasl* raw_library = nullptr;
  if (const int result = gsasl_init(&raw_library); result != GSASL_OK)
    return failed(Kind::denied, fmt::format("SASL: {}", gsasl_strerror(result)));
  const std::unique_ptr<Gsasl, FreeLibrary> library(raw_library);
  Gsasl_session* raw_session = nullptr;
  if (const int result = gsasl_client_start(library.get(), mechanism.c_str(), &raw_session); result != GSASL_OK)
    return failed(Kind::denied, fmt::format("{}: {}", mechanism, gsasl_strerror(result)));
  const std::unique_ptr<Gsasl_session, FreeSession> session(raw_session);
  gsasl_property_set(session.get(), GSASL_AUTHID, credentials.user.c_str());
  gsasl_property_set(session.get(), GSASL_PASSWORD, credentials.password.c_str());
  gsasl_property_set(session.get(), GSASL_SERVICE, "impulse");
  gsasl_property_set(session.get(), GSASL_HOSTNAME, host.empty() ? "localhost" : host.c_str());

  std::string request = "authenticate " + mechanism;
  std::string response;
  int state = GSASL_NEEDS_MORE;
  if (client_begins(mechanism)) {
    state = step(session.get(), nullptr, response);
    if (state != GSASL_OK && state != GSASL_NEEDS_MORE)
      return failed(Kind::denied, fmt::format("{}: {}", mechanism, gsasl_strerror(state)));
    request += ' ' + (response.empty() ? "=" : response);
  }
  if (auto sent = client.send(request); !sent) return sent;
  std::string why;
  for (;;) {
    auto line = client.next();
    if (!line) return std::unexpected(std::move(line.error()));
    switch (line->kind) {
      case ReplyLine::Kind::challenge:
        if (state == GSASL_NEEDS_MORE)
          state = step(session.get(), &line->text, response);
        else
          response.clear();  // nothing is left to be said
        if (state != GSASL_OK && state != GSASL_NEEDS_MORE)
          return give_up(client, fmt::format("{}: {}", mechanism, gsasl_strerror(state)));
        if (auto sent = client.send(response); !sent) return sent;
        break;
      case ReplyLine::Kind::notice:
        if (line->severity == "error") why = fmt::format("{} [{}]", line->text, line->id);
        break;
      case ReplyLine::Kind::status:
        if (line->code != 0) return failed(Kind::denied, why.empty() ? "authentication failed" : why);
        // Whoever says so without its own proof is not the daemon that knows the password.
        if (state != GSASL_OK) return failed(Kind::denied, "the daemon did not prove that it knows the password");
        return {};
      case ReplyLine::Kind::payload:
      case ReplyLine::Kind::asynchronous:
        break;
    }
  }
}

}  // namespace impulse::console
