// Feeds the SMTP server engine anything, twice: at once and in pieces. Both
// must give the same replies, messages, causes and end; no body may hold what
// the policy keeps out, no reply may be anything but reply lines.
//
// The first byte chooses the policy; of the second five bits say how the input
// is cut, 0x20 offers all extensions of messages, 0x40 speaks LMTP, 0x80 has
// AUTH, STARTTLS and XCLIENT; the third seeds the pieces, 0x40 of it begins
// under TLS, 0x80 requires AUTH, 0x30 chooses the disk for what is too large
// for memory. The rest is what the client sends, in stretches between bytes
// 0x1E: a new one begins behind a handshake.
#include "smtp/server_session.h"

#include "auth/sasl.h"
#include "base/text.h"
#include "kit.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace impulse;
using namespace impulse::smtp;
using fuzz::check;

// Where the rest of a large body goes.
enum class Disk : uint8_t { none, works, does_not_begin, is_full };
constexpr uint64_t in_memory = 40;  // bytes of a body, where there is a disk

class Sink final : public message::BodySink {
 public:
  Sink(std::string& content, int& open, bool full) : content_(content), open_(open), full_(full) {
    ++open_;
    content_.clear();
  }
  ~Sink() override { --open_; }
  Result<> append(std::string_view bytes) override {
    check(!bytes.empty() && !failed_, "an append of nothing, or behind a failure");
    failed_ = full_;
    if (full_) return fail(Errc::no_space, "no room");
    content_ += bytes;
    return {};
  }
  uint64_t size() const override { return content_.size(); }

 private:
  std::string& content_;
  int& open_;
  bool full_;
  bool failed_ = false;
};

class Host : public ServerHost {
 public:
  Result<std::shared_ptr<const Policy>> safe_point() override { return nullptr; }
  std::optional<HostRefusal> admit(Stage) override { return std::nullopt; }
  WallTime now() override { return WallTime(std::chrono::seconds(1700000000)); }
  void refused(const Refusal& refusal) override {
    events += std::to_string(refusal.code) + ' ' + std::string(refusal.cause) + ' ' + refusal.text + '\n';
  }
  Result<std::unique_ptr<auth::SaslExchange>> authenticate(const auth::Source& source) override {
    std::vector<auth::BadLine> bad;
    auth::SaslSettings settings;
    settings.mechanism = source.mechanism;
    settings.credentials = auth::Credentials::parse(auth::Format::file, "a:b\nalice:sesame\n", bad);
    settings.host = "mx.example";
    settings.service = "smtp";
    if (sasl_ == nullptr) sasl_ = *auth::Sasl::create();
    return sasl_->begin(std::move(settings));
  }
  void authenticated(const AuthOutcome& outcome) override {
    events += std::string(outcome.how) + ' ' + std::string(outcome.user) + (outcome.success ? " in\n" : " out\n");
  }
  Result<std::shared_ptr<const Policy>> client_is(const ClientInfo& client) override {
    events += "client " + client.address.to_string() + ' ' + client.name + '\n';
    return policy;
  }
  Result<std::unique_ptr<message::BodySink>> large_body() override {
    if (disk == Disk::none) return fail(Errc::unavailable, "no disk");
    if (disk == Disk::does_not_begin) return fail(Errc::io, "a bad disk");
    check(open == 0, "two places for one body");
    return std::make_unique<Sink>(rest, open, disk == Disk::is_full);
  }
  std::shared_ptr<const Policy> policy;
  std::string events;
  Disk disk = Disk::none;
  std::string rest;  // of the last large body
  int open = 0;      // sinks that there are

 private:
  std::unique_ptr<auth::Sasl> sasl_;
};

struct Outcome {
  std::string replies;
  std::string events;  // causes and messages, in order
  std::string state;
  Duration delay{0};
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

void offer_extensions(Policy& policy) {
  policy.chunking = policy.binary_mime = policy.smtputf8 = policy.dsn = policy.deliver_by = true;
  policy.future_release = policy.mt_priority = policy.require_tls = policy.limits = true;
}

void offer_identities(Policy& policy) {
  auth::Source plain;
  plain.mechanism = auth::Mechanism::plain;
  auth::Source login;
  login.mechanism = auth::Mechanism::login;
  policy.auth_sources = {plain, login};
  policy.auth_external = true;
  policy.starttls = true;
  policy.xclient = policy.xremoteip = policy.xsetcontext = policy.xdumpcontext = true;
  policy.xclient_hosts = NetworkList({*IpPrefix::parse("127.0.0.0/8")});
}

Policy policy_for(uint8_t choice) {
  Policy policy;
  policy.hostname = policy.received_hostname = "mx.example";
  policy.banner = "mx.example ESMTP";
  constexpr Policy::LoneLf settings[] = {Policy::LoneLf::ignore, Policy::LoneLf::pedantic, Policy::LoneLf::fix};
  policy.lone_lf_headers = settings[choice % 3];
  policy.lone_lf_body = settings[choice / 3 % 3];
  policy.open_relay = (choice & 0x10) != 0;
  policy.pedantic_addresses = (choice & 0x20) != 0;
  policy.require_ehlo = (choice & 0x40) != 0;
  policy.max_message_size = (choice & 0x80) != 0 ? 200 : 0;
  policy.allow_trailing_whitespace = policy.allow_whitespace_in_envelope = (choice & 1) != 0;
  policy.max_command_length = 512;
  policy.max_received_headers = 3;
  policy.max_recipients = 4;
  policy.max_receptions_connection = 50;
  policy.max_errors = 30;
  policy.error_delay = std::chrono::seconds(1);
  policy.body_block = 64;
  policy.relay_hosts = NetworkList({*IpPrefix::parse("127.0.0.1")});
  return policy;
}

void check_body(const Policy& policy, std::string_view body) {
  check(body.empty() || body.ends_with("\r\n"), "a body that does not end in CRLF");
  if (policy.lone_lf_headers == Policy::LoneLf::ignore || policy.lone_lf_body == Policy::LoneLf::ignore) return;
  for (size_t i = 0; i < body.size(); ++i) {
    if (body[i] == '\n') check(i > 0 && body[i - 1] == '\r', "a lone LF in a body");
    if (body[i] == '\r') check(i + 1 < body.size() && body[i + 1] == '\n', "a lone CR in a body");
  }
}

void check_replies(std::string_view replies) {
  while (!replies.empty()) {
    const size_t end = replies.find("\r\n");
    check(end != std::string_view::npos && end >= 4 && end <= 510, "a reply line of a wrong length");
    for (const char c : replies.substr(0, end)) check(c >= ' ' && c < 0x7F, "a reply with strange bytes");
    check(replies[0] >= '2' && replies[0] <= '5' && (replies[3] == ' ' || replies[3] == '-'), "no reply line");
    replies.remove_prefix(end + 2);
  }
}

bool mentions_starttls(std::string_view text) { return lower(text).contains("starttls"); }

// Memory and disk together, which have to share the body as the policy says.
std::string whole_body(const Policy& policy, const Submission& taken, const Host& host) {
  std::string body = taken.body.to_string();
  check((host.open == 1) == (taken.rest != nullptr), "a place that nobody has");
  if (!taken.rest) return body;
  check(host.disk == Disk::works && !host.rest.empty(), "a rest of nothing");
  body += host.rest;
  check(body.size() > policy.large_message, "what had room in memory lies on the disk");
  return body;
}

// `seed` 0: all at once.
Outcome run(const Policy& policy, Disk disk, std::string_view all, uint32_t seed, uint32_t longest, bool tls) {
  const auto shared = std::make_shared<const Policy>(policy);
  Host host;
  host.disk = disk;
  ClientInfo client;
  client.address = *IpAddress::parse("127.0.0.1");
  host.policy = shared;
  auto held = std::make_unique<ServerSession>(shared, client, host);
  ServerSession& session = *held;
  Outcome outcome;
  fuzz::Cuts cuts(seed, longest);
  const auto take = [&](Output& out) {
    outcome.replies += out.reply;
    outcome.delay += out.delay;
  };
  Output first;
  const TlsState secured{.version = "TLSv1.3", .cipher = "X", .bits = 256};
  session.start(tls ? std::optional(secured) : std::nullopt, first);
  take(first);
  bool closed = false;
  bool handshake = false;
  std::string before;  // the end of the stretches so far
  const auto speak = [&](std::string_view input) {
    // What is thrown away behind STARTTLS depends on what came with it.
    const bool whole = seed == 0 || mentions_starttls(before + std::string(input));
    before += input;
    before.erase(0, before.size() - std::min<size_t>(before.size(), 10));
    while (!input.empty() && !closed && !handshake) {
      const size_t count = whole ? input.size() : cuts.next(input.size());
      Output out;
      const size_t used = session.feed(input.substr(0, count), out);
      const bool full = out.reply.size() > ServerSession::reply_limit;
      check(used <= count && (used == count || out.next != Next::read || full), "bytes left untaken");
      input.remove_prefix(used);
      take(out);
      closed = out.next == Next::close;
      handshake = out.next == Next::start_tls;
      if (out.next != Next::submit) continue;
      const Submission taken = session.take_submission();
      const std::string body = whole_body(policy, taken, host);
      // What was missing between header section and body may have been added.
      if (policy.max_message_size != 0) check(body.size() <= policy.max_message_size + 2, "a body over the limit");
      if (taken.envelope.body_type != message::BodyType::binary_mime) check_body(policy, body);
      check(taken.id_offset < taken.trace.size(), "no place for the id");
      check(!taken.envelope.recipients.empty(), "a message for nobody");
      check(!policy.auth_required || !taken.envelope.user.empty(), "a message of nobody's");
      host.events += "from " + taken.envelope.sender;
      for (const auto& recipient : taken.envelope.recipients)
        host.events += " to " + recipient.address + ' ' + recipient.orcpt;
      host.events += '\n' + taken.protocol + ' ' + taken.trace + body;
      Output done;
      session.submitted(MessageId{1, 2}, "n", done);
      take(done);
      closed = done.next == Next::close;
    }
  };
  for (const std::string_view stretch : split(all, '\x1E')) {
    if (closed) break;
    if (handshake) {
      Output out;
      session.tls_started(secured, out);
      take(out);
      handshake = false;
      check(!session.in_transaction() && session.user().empty() && session.helo().empty(), "what survives STARTTLS");
    }
    speak(stretch);
  }
  // A penalty holds for what comes in one piece.
  if (!policy.auth_sources.empty()) outcome.delay = Duration{0};
  outcome.events = std::move(host.events);
  outcome.state = session.state();
  held.reset();
  check(host.open == 0, "a place kept when the session has ended");
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  Policy policy = policy_for(data[0]);
  if ((data[1] & 0x20) != 0) offer_extensions(policy);
  policy.lmtp = (data[1] & 0x40) != 0;
  if ((data[1] & 0x80) != 0) offer_identities(policy);
  policy.auth_required = (data[1] & 0x80) != 0 && (data[2] & 0x80) != 0;
  const bool tls = (data[2] & 0x40) != 0;
  auto disk = static_cast<Disk>(data[2] >> 4 & 3);
  // Which comes first, a limit or the disk's trouble, is for the pieces to say.
  if (policy.max_message_size != 0 && disk != Disk::none) disk = Disk::works;
  if (disk != Disk::none) policy.large_message = in_memory;
  const uint32_t longest = 1 + data[1] % 32;
  const std::string_view input = fuzz::text_of(data + 3, size - 3);
  const Outcome at_once = run(policy, disk, input, 0, 1, tls);
  check_replies(at_once.replies);
  check(at_once == run(policy, disk, input, 1 + data[2], longest, tls), "the cutting shows");
  return 0;
}
