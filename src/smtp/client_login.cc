// ClientSession: who is speaking (AUTH, RFC 4954), and for whom (XCLIENT, as
// Postfix has it). A session that has to authenticate and cannot fails as a
// whole, before any message: that is no fault of theirs.
#include "auth/password.h"
#include "base/text.h"
#include "smtp/client_impl.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace impulse::smtp {

using telemetry::Stage;

namespace {

constexpr size_t longest_command = 510;  // RFC 4954 §4: else the response comes when it is asked for

std::string in_base64(std::string_view bytes) { return bytes.empty() ? "=" : auth::to_base64(bytes); }

}  // namespace

void ClientSession::Impl::introduce(ClientOutput& out) {
  if (settings.login && !logged_in) return log_in(out);
  if (settings.xclient == XclientUse::required && offers.xclient.empty())
    return close({0, "XCLIENT is required, and the server does not offer it", Stage::after_ehlo, sent}, true, out);
  if (surplus) return close({0, "the server sent a reply before it was asked"}, false, out);
  become_idle();
}

void ClientSession::Impl::log_in(ClientOutput& out) {
  const ClientLogin& login = *settings.login;
  const auto no = [&](const std::string& why) {
    close({0, "cannot authenticate: " + why, Stage::after_ehlo, sent}, true, out);
  };
  if (login.requires_name && !protection.trusted)
    return no("the DNS named this server, and no certificate proves that it is the one");
  if (!protection.tls && login.requires_tls)
    return no("there is no TLS, and Outbound_SMTP_AUTH_Requires_TLS" +
              (protection.trouble.empty() ? std::string() : ": " + protection.trouble));
  if (offers.mechanisms.empty()) return no("the server does not offer AUTH");
  const auto common = std::ranges::find_if(login.mechanisms, [&](const std::string& ours) {
    return std::ranges::any_of(offers.mechanisms, [&](const std::string& theirs) { return iequals(ours, theirs); });
  });
  if (common == login.mechanisms.end())
    return no(escape_line(fmt::format("the server offers {} only, and none of Outbound_SMTP_AUTH_Type",
                                      fmt::join(offers.mechanisms, " ")),
                          400));
  mechanism = upper(*common);
  auto begun = auth::SaslClient::begin(mechanism, {login.user, login.password});
  if (!begun) return no(begun.error().message);
  sasl = std::move(*begun);
  std::string line = "AUTH " + mechanism;
  std::string shown = line;
  if (sasl->speaks_first()) {
    const auto first = sasl->step("");
    if (!first) return no(first.error().message);
    const std::string response = in_base64(*first);
    if (line.size() + 1 + response.size() <= longest_command) {
      line += ' ' + response;
      shown += " (masked)";
    } else {
      late_response = response;
    }
  }
  command(line, shown, Expect::auth, out);
}

void ClientSession::Impl::after_auth(const ParsedReply& parsed, const Reply& reply, ClientOutput& out) {
  const auto no = [&](const std::string& why, int code = 0) {
    sasl.reset();
    close({code, escape_line(fmt::format("AUTH {} as {}: {}", mechanism, settings.login->user, why), 500),
           Stage::after_ehlo, sent},
          code != 0, out);
  };
  if (reply.code == 235) {
    if (!sasl->complete() || !late_response.empty()) return no("the server has not proved that it knows the password");
    sasl.reset();
    logged_in = true;
    return introduce(out);
  }
  if (reply.code != 334) return no(fmt::format("{} {}", reply.code, reply.text), reply.code < 400 ? 0 : reply.code);
  if (surplus) return close({0, "the server sent a reply before it was asked"}, false, out);
  if (!late_response.empty()) return command(std::exchange(late_response, {}), "(masked)", Expect::auth, out);
  std::string challenge;
  const std::string text(trim(parsed.lines.back()));
  if (parsed.lines.size() != 1 || (text != "=" && !auth::from_base64(text, challenge)))
    return no("the server's challenge is not base64");
  const auto response = sasl->step(challenge);
  if (!response) return no(response.error().message);
  command(auth::to_base64(*response), "(masked)", Expect::auth, out);
}

bool ClientSession::Impl::tell_client(ClientOutput& out) {
  if (settings.xclient == XclientUse::no || (offers.xclient.empty() && told.empty())) return false;
  // A server may offer it to us, and not to the client that it takes us for since: that
  // one it stays for this connection.
  const bool over = offers.xclient.empty();
  const auto commands = xclient_commands(job->client, over ? told_by : offers);
  telling = fmt::format("{}", fmt::join(commands, "\n"));
  if (commands.empty() || telling == told) return false;
  if (over) {
    close({421, "the server offers XCLIENT no more, and was told of another client"}, true, out);
    return true;
  }
  to_tell.assign(commands.begin(), commands.end());
  const std::string first = std::move(to_tell.front());
  to_tell.pop_front();
  command(first, Expect::xclient, out);
  return true;
}

// A new greeting: the session begins anew, but for TLS.
void ClientSession::Impl::after_xclient(const Reply& reply, ClientOutput& out) {
  if (reply.code == 220) {
    told.clear();
    if (!to_tell.empty()) {
      const std::string next = std::move(to_tell.front());
      to_tell.pop_front();
      return command(next, Expect::xclient, out);
    }
    by_our_name = false;
    told = std::move(telling);
    told_by = offers;
    return greet(out);
  }
  // What was told before is not this message's, and half of it is nobody's.
  const bool untold = told.empty() && to_tell.size() + 1 == xclient_commands(job->client, offers).size();
  if (settings.xclient == XclientUse::required || !untold || reply.code < 400)
    return close({0, fmt::format("XCLIENT was answered with {} {}", reply.code, reply.text)}, true, out);
  to_tell.clear();
  offers.xclient.clear();  // not again
  transact(out);
}

}  // namespace impulse::smtp
