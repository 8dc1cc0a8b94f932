// A client and an owner for ServerSession in tests: bytes in, replies and
// messages out, with the input cut as a test likes.
#pragma once

#include "base/text.h"
#include "smtp/server_session.h"

#include "../auth/exchanges.h"
#include "../cutting.h"

#include <cppunit/TestAssert.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace smtp_test {

using namespace impulse;
using namespace impulse::smtp;

using cutting::bytes;
using cutting::Cutting;
using cutting::pieces_of;
using cutting::repeat;
using cutting::whole;
inline Cutting random_cuts(unsigned seed) { return cutting::random_pieces(seed, 9); }

// An owner whose every answer a test can set.
class FakeHost : public ServerHost {
 public:
  Result<std::shared_ptr<const Policy>> safe_point() override {
    ++safe_points;
    return std::exchange(next_policy, Result<std::shared_ptr<const Policy>>(nullptr));
  }
  std::optional<HostRefusal> admit(Stage) override {
    if (not_admitted) return not_admitted;
    if (admission) return std::nullopt;
    if (admission.error().code == Errc::no_space) return HostRefusal{452, "4.3.1", "admission", "No space"};
    return HostRefusal{451, "4.3.0", "admission", "Not now"};
  }
  WallTime now() override { return WallTime(std::chrono::seconds(1700557500)); }
  void refused(const Refusal& refusal) override {
    causes.push_back(std::to_string(refusal.code) + ' ' + std::string(refusal.cause));
    last_text = refusal.text;
  }

  std::optional<HostRefusal> may_authenticate() override { return locked_out; }
  Result<std::unique_ptr<auth::SaslExchange>> authenticate(const auth::Source& source) override {
    if (!backend) return std::unexpected(backend.error());
    return exchanges.begin(source.mechanism);
  }
  void authenticated(const AuthOutcome& outcome) override {
    outcomes.push_back(std::string(outcome.how) + ' ' + std::string(outcome.user) + (outcome.success ? " in" : " out"));
  }
  Result<std::shared_ptr<const Policy>> client_is(const ClientInfo& client) override {
    clients.push_back(client);
    return client_policy;
  }
  void abandoned() override { ++abandoned_transactions; }
  std::optional<HostRefusal> place_for_client() override { return no_place; }

  Result<std::shared_ptr<const Policy>> next_policy{nullptr};
  Result<std::shared_ptr<const Policy>> client_policy{nullptr};  // of whom XCLIENT names; Dialogue sets its own
  std::optional<HostRefusal> locked_out;
  Result<> backend{};
  auth::test::Exchanges exchanges;
  std::vector<std::string> outcomes;  // "PLAIN alice in"
  std::vector<ClientInfo> clients;
  std::optional<HostRefusal> no_place;  // for the client that XCLIENT names
  int abandoned_transactions = 0;
  Result<> admission{};
  std::optional<HostRefusal> not_admitted;  // the same, in other words
  Result<MessageId> commit{MessageId{1, 0x40}};
  int safe_points = 0;
  std::vector<std::string> causes;
  std::string last_text;
};

struct Message {
  std::string sender;
  std::vector<std::string> recipients;
  std::string body;
  std::string trace;  // with the id in its place
  std::string protocol;
  message::Envelope envelope;
};

// A policy as a relay for its own client; tests change what they are about.
inline Policy usual_policy() {
  Policy policy;
  policy.hostname = "mx.example";
  policy.banner = "mx.example ESMTP Impulse";
  policy.received_hostname = "mx.example";
  policy.relay_hosts = NetworkList({*IpPrefix::parse("127.0.0.0/8")});
  return policy;
}

// What SMTP_Extensions can offer, all of it, to a client that may use it; AUTH with PLAIN and LOGIN.
inline Policy generous_policy() {
  Policy policy = usual_policy();
  policy.chunking = policy.binary_mime = policy.smtputf8 = policy.dsn = policy.deliver_by = true;
  policy.future_release = policy.mt_priority = policy.require_tls = policy.limits = policy.starttls = true;
  policy.xclient = policy.xremoteip = policy.xsetcontext = policy.xdumpcontext = true;
  policy.xclient_hosts = NetworkList({*IpPrefix::parse("127.0.0.0/8")});
  auth::Source plain;
  plain.mechanism = auth::Mechanism::plain;
  auth::Source login;
  login.mechanism = auth::Mechanism::login;
  policy.auth_sources = {plain, login};
  policy.max_errors = 0;
  policy.auth_failure_limit = 0;
  return policy;
}

// "250-mx.example CRLF 250 2.1.0 x CRLF" -> "250 2.1.0": of the last lines only.
inline std::string coded(std::string_view replies) {
  std::string found;
  while (!replies.empty()) {
    const std::string_view line = replies.substr(0, replies.find("\r\n"));
    replies.remove_prefix(line.size() + 2);
    if (line[3] == '-') continue;
    found += (found.empty() ? "" : " ") + std::string(line.substr(0, 3));
    const std::string_view word = line.substr(4, line.find(' ', 4) - 4);
    const auto is_code = [](char c) { return c == '.' || is_digit(c); };
    if (word.contains('.') && std::all_of(word.begin(), word.end(), is_code)) found += ' ' + std::string(word);
  }
  return found;
}

class Dialogue {
 public:
  explicit Dialogue(const Policy& policy = usual_policy(), Cutting cutting = whole(),
                    std::string_view from = "127.0.0.1", std::optional<TlsState> tls = {})
      : cutting_(std::move(cutting)) {
    ClientInfo client;
    client.address = *IpAddress::parse(from);
    client.listener = "*:25";
    const auto shared = std::make_shared<const Policy>(policy);
    host.client_policy = shared;
    session = std::make_unique<ServerSession>(shared, client, host);
    Output out;
    session->start(std::move(tls), out);
    banner = after(out);
  }

  // Feeds it all, committing what is submitted; stops at STARTTLS and at the
  // end of the session. Returns the replies.
  std::string say(std::string_view input) {
    std::string replies;
    while (!input.empty() && !closed && !wants_tls) {
      const std::string_view piece = input.substr(0, std::min(cutting_(input.size()), input.size()));
      Output out;
      const size_t used = session->feed(piece, out);
      CPPUNIT_ASSERT(used <= piece.size());
      if (out.next == Next::read && out.reply.size() <= ServerSession::reply_limit)
        CPPUNIT_ASSERT_EQUAL(piece.size(), used);
      input.remove_prefix(used);
      replies += after(out);
      if (out.next == Next::submit) {
        Output none;  // takes nothing while it waits
        CPPUNIT_ASSERT_EQUAL(size_t{0}, session->feed("NOOP\r\n", none));
        CPPUNIT_ASSERT(none.reply.empty() && none.next == Next::submit);
        take();
        Output final;
        session->submitted(host.commit, "node", final);
        replies += after(final);
      }
    }
    return replies;
  }
  // The replies' codes: "250 250 354".
  std::string codes(std::string_view input) { return codes_of(say(input)); }
  static std::string codes_of(std::string_view replies) {
    std::string found;
    while (!replies.empty()) {
      const size_t end = replies.find("\r\n");
      CPPUNIT_ASSERT(end != std::string_view::npos && end >= 4 && end <= 510);
      if (replies[3] == ' ') found += (found.empty() ? "" : " ") + std::string(replies.substr(0, 3));
      replies.remove_prefix(end + 2);
    }
    return found;
  }
  void tls(std::string_view version = "TLSv1.3") {
    tls({.version = std::string(version), .cipher = "TLS_AES_256_GCM_SHA384", .bits = 256});
  }
  void tls(const TlsState& state) {
    CPPUNIT_ASSERT(wants_tls);
    wants_tls = false;
    Output out;
    session->tls_started(state, out);
    CPPUNIT_ASSERT(after(out).empty());
  }
  std::string after(Output& out) {
    closed = out.next == Next::close;
    wants_tls = out.next == Next::start_tls;
    last = out;
    delay += out.delay;
    return out.reply;
  }

  FakeHost host;
  std::unique_ptr<ServerSession> session;
  std::string banner;
  std::vector<Message> messages;
  bool closed = false;
  bool wants_tls = false;
  Output last;
  Duration delay{0};

 private:
  void take() {
    Submission taken = session->take_submission();
    Message message;
    message.sender = taken.envelope.sender;
    for (const auto& recipient : taken.envelope.recipients) message.recipients.push_back(recipient.address);
    message.body = taken.body.to_string();
    message.trace = taken.trace;
    if (taken.id_offset != UINT32_MAX) message.trace.insert(taken.id_offset, "ID");
    message.protocol = taken.protocol;
    message.envelope = taken.envelope;
    messages.push_back(std::move(message));
  }

  Cutting cutting_;
};

}  // namespace smtp_test
