// An owner, a spool and the frames of a client for ServerSession in tests.
#pragma once

#include "ecstream/answers.h"
#include "ecstream/envelope_codec.h"
#include "ecstream/frame.h"
#include "ecstream/hello.h"
#include "ecstream/server_session.h"
#include "ecstream/wire.h"

#include "../auth/exchanges.h"
#include "../message/sink.h"

#include <cppunit/TestAssert.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ecstream_test {

using namespace impulse;
using namespace impulse::ecstream;
using message_test::CountingSink;

// A spool: what was committed, and the receipts that went with it.
struct Store {
  struct Kept {
    std::string stream;
    uint64_t sequence = 0;
    message::Envelope envelope;
    std::string trace;
    std::string body;
  };
  std::vector<Kept> kept;
  std::map<std::pair<std::string, std::string>, std::string> receipts;  // user, stream

  std::vector<MessageId> commit(Submission submission, const std::string& user) {
    std::vector<MessageId> ids;
    for (TakenMessage& taken : submission.messages) {
      std::string body = taken.body.to_string();
      if (taken.rest) body += "[" + std::to_string(taken.rest->size()) + " more]";
      ids.push_back({1, static_cast<uint32_t>(kept.size())});
      kept.push_back(
          {submission.stream, taken.sequence, std::move(taken.envelope), std::move(taken.trace), std::move(body)});
    }
    if (!submission.stream.empty()) receipts[{user, submission.stream}] = submission.receipt;
    return ids;
  }
  Result<StreamMemory> memory(const Opening& opening) const {
    const auto found = receipts.find({opening.user, opening.stream});
    if (found == receipts.end()) return StreamMemory{};
    return StreamMemory::decode(found->second);
  }
  std::string bodies() const {
    std::string all;
    for (const Kept& each : kept) all += std::to_string(each.sequence) + ' ';
    return all;
  }
};

// What the server said, a line each.
inline std::string describe(const Frame& frame) {
  const auto flagged = [&](uint8_t bit, std::string_view word) {
    return (frame.flags & bit) != 0 ? ' ' + std::string(word) : std::string();
  };
  switch (frame.type) {
    case FrameType::hello:
      return "HELLO";
    case FrameType::opened:
      return fmt::format("OPENED {}{}", frame.sequence, flagged(flag::opened_known, "known"));
    case FrameType::ack: {
      std::string line = fmt::format("ACK {}{}", frame.sequence, flagged(flag::ack_flushed, "flushed"));
      const auto ids = decode_ids(frame.payload);
      CPPUNIT_ASSERT(ids);
      for (const IdOf& id : *ids) line += fmt::format(" {}={}", id.sequence, id.id);
      return line;
    }
    case FrameType::nak: {
      const auto nak = decode_nak(frame.payload);
      CPPUNIT_ASSERT(nak);
      const std::string who = nak->recipient == UINT32_MAX ? "" : fmt::format(" r{}", nak->recipient);
      return fmt::format("NAK {} {} {}{}{}", frame.sequence, nak->code, nak->enhanced, who,
                         flagged(flag::nak_repeated, "repeated"));
    }
    case FrameType::auth_reply: {
      const auto reply = decode_auth_reply(frame.payload);
      CPPUNIT_ASSERT(reply);
      if (reply->state == AuthState::challenge) return fmt::format("CHALLENGE {}", reply->challenge);
      return fmt::format("AUTH {} {}", reply->code, reply->enhanced);
    }
    case FrameType::window:
      return fmt::format("WINDOW {}", get<uint32_t>(frame.payload));
    case FrameType::pong:
      return fmt::format("PONG {}", frame.payload);
    case FrameType::goaway: {
      const auto farewell = decode_farewell(frame.payload);
      CPPUNIT_ASSERT(farewell);
      return fmt::format("GOAWAY {} {}", name(static_cast<GoAway>(farewell->code)), frame.sequence);
    }
    default:
      return "?";
  }
}

inline std::string describe_all(std::string_view bytes, bool checksums = false) {
  FrameReader reader(Side::server, smallest_max_frame);
  // Behind what came before, HELLO at least.
  const bool begins = !bytes.empty() && bytes[4] == static_cast<char>(FrameType::hello);
  std::string prelude;
  append_frame(prelude, {FrameType::hello, 0, 0, {}}, false);
  if (!begins) reader.feed(prelude);
  if (!begins) reader.expect_checksums(checksums);
  std::string lines;
  bool first = true;
  while (!bytes.empty()) {
    const auto read = reader.feed(bytes);
    CPPUNIT_ASSERT(read.event == FrameReader::Event::frame);
    bytes.remove_prefix(read.used);
    lines += describe(read.frame) + '\n';
    if (std::exchange(first, false)) reader.expect_checksums(checksums);
  }
  return lines;
}

// One connection's server side, with an owner whose every answer a test can set.
class Server : public ServerHost {
 public:
  explicit Server(Store& store, Policy policy = {}, std::optional<TlsState> tls = std::nullopt,
                  ClientInfo client = default_client())
      : store_(store) {
    if (policy.received_hostname.empty()) policy.received_hostname = "mx.example";
    session = std::make_unique<ServerSession>(std::make_shared<const Policy>(policy), std::move(client), *this);
    session->start(std::move(tls), out);
    drain();
  }
  static ClientInfo default_client() {
    ClientInfo client;
    client.address = *IpAddress::parse("192.0.2.1");
    client.port = 4711;
    client.listener = "*:1825";
    return client;
  }

  // Feeds bytes in pieces of `piece` (0: at once), and does what is asked for.
  void feed(std::string_view bytes, size_t piece = 0) {
    while (!bytes.empty() && !closed) {
      const std::string_view part = piece == 0 ? bytes : bytes.substr(0, piece);
      const size_t used = waiting_ + part.size() <= bytes.size() ? session->feed(part, out) : 0;
      bytes.remove_prefix(used);
      const bool asked = drain();
      if (used == 0 && !asked) break;
    }
    left = bytes;
  }
  // What feed() could not take, again.
  void resume() {
    const std::string rest = std::exchange(left, {});
    feed(rest);
  }
  // The commit that waits ends.
  void complete() {
    CPPUNIT_ASSERT(pending);
    const std::string user = session->user();
    const auto ids = store_.commit(std::move(*pending), user);
    pending.reset();
    session->submitted(ids, "mx", out);
    drain();
  }
  void fail_commit(Errc code) {
    CPPUNIT_ASSERT(pending);
    pending.reset();
    session->submitted(std::unexpected(Error{code, "no"}), "mx", out);
    drain();
  }
  // What the server said since the last time.
  std::string said() { return describe_all(std::exchange(sent, {}), checksums); }

  // ServerHost
  Result<std::shared_ptr<const Policy>> safe_point() override {
    ++safe_points;
    return std::exchange(next_policy, Result<std::shared_ptr<const Policy>>(nullptr));
  }
  std::optional<HostRefusal> admit(uint64_t) override { return not_admitted; }
  void abandoned(size_t messages) override { abandoned_ += messages; }
  std::optional<HostRefusal> admit_recipient(std::string_view, std::string_view recipient, bool known) override {
    if (known || !recipient.ends_with("@relay.example")) return std::nullopt;
    return HostRefusal{550, "5.7.1", "relay", "Relaying denied"};
  }
  WallTime now() override { return WallTime(std::chrono::seconds(1700557500)); }
  Result<std::unique_ptr<message::BodySink>> large_body() override {
    if (no_disk) return fail(Errc::unavailable, "none");
    return std::make_unique<CountingSink>(sinks, disk_failure);
  }
  void refused(const Refusal& refusal) override { causes += fmt::format("{} {}\n", refusal.code, refusal.cause); }
  Result<std::unique_ptr<auth::SaslExchange>> authenticate(const auth::Source& source) override {
    return exchanges.begin(source.mechanism);
  }
  void authenticated(const AuthOutcome& outcome) override {
    outcomes += fmt::format("{} {} {}\n", outcome.how, outcome.user, outcome.success ? "in" : "out");
  }

  // Returns whether something was done that lets feed() go on.
  bool drain() {
    bool moved = false;
    while (true) {
      sent += std::exchange(out.reply, {});
      switch (out.next) {
        case Next::open: {
          if (hold_open) return moved;
          const Opening opening = session->opening();
          session->opened(open_failure ? Result<StreamMemory>(std::unexpected(*open_failure)) : store_.memory(opening),
                          out);
          moved = true;
          continue;
        }
        case Next::submit:
          pending = session->take_submission();
          sizes.push_back(pending->messages.size());
          out.next = Next::read;
          moved = true;
          if (!hold_commits) {
            complete_inside();
            continue;
          }
          return moved;
        case Next::close:
          closed = true;
          return moved;
        case Next::read:
        case Next::hold:
          return moved;
      }
    }
  }

  std::unique_ptr<ServerSession> session;
  Output out;
  std::string sent;
  std::string left;
  bool closed = false;
  bool checksums = false;
  bool hold_commits = false;  // complete() does it
  bool hold_open = false;
  std::optional<Error> open_failure;
  std::optional<Submission> pending;
  std::vector<size_t> sizes;  // of the batches
  int safe_points = 0;
  Result<std::shared_ptr<const Policy>> next_policy = nullptr;
  std::optional<HostRefusal> not_admitted;
  size_t abandoned_ = 0;
  bool no_disk = false;
  int sinks = 0;
  std::optional<Errc> disk_failure;
  std::string causes;
  std::string outcomes;
  auth::test::Exchanges exchanges;

 private:
  void complete_inside() {
    const std::string user = session->user();
    const auto ids = store_.commit(std::move(*pending), user);
    pending.reset();
    session->submitted(ids, "mx", out);
  }

  Store& store_;
  size_t waiting_ = 0;
};

// --- what a client writes ---------------------------------------------------------

inline std::string frame(FrameType type, uint8_t flags, uint64_t sequence, std::string_view payload,
                         bool checksums = false) {
  std::string out;
  append_frame(out, {type, flags, sequence, payload}, checksums);
  return out;
}
inline std::string hello(uint32_t features = 0) {
  Hello mine;
  mine.features = features;
  mine.hostname = "app1.example";
  return frame(FrameType::hello, 0, 0, encode(mine, From::client));
}
inline std::string open(std::string_view name, uint64_t sequence = 0, uint8_t flags = 0) {
  return frame(FrameType::open, flags, sequence, name);
}
inline std::string start(std::string_view name = "s") { return hello() + open(name); }

inline MessageHead head(std::string_view recipient = "b@example.com") {
  MessageHead head;
  head.sender = "a@example.org";
  head.recipients.push_back({std::string(recipient)});
  return head;
}
constexpr std::string_view small_body =
    "Date: Tue, 21 Nov 2023 09:05:00 +0000\r\nMessage-ID: <1@x>\r\nFrom: a@x\r\n\r\nHi\r\n";

inline std::string message_payload(const MessageHead& head, std::string_view body) {
  const std::string envelope = *encode(head);
  std::string payload;
  put(payload, static_cast<uint32_t>(envelope.size()));
  return payload + envelope + std::string(body);
}
inline std::string msg(uint64_t sequence, const MessageHead& with = head(), std::string_view body = small_body,
                       uint8_t flags = 0) {
  return frame(FrameType::message, flags, sequence, message_payload(with, body));
}
inline std::string chunk(uint64_t sequence, std::string_view bytes, uint8_t flags = 0) {
  return frame(FrameType::chunk, flags, sequence, bytes);
}
inline std::string skip(uint64_t sequence) { return frame(FrameType::skip, 0, sequence, ""); }
inline std::string flush() { return frame(FrameType::flush, 0, 0, ""); }
inline std::string goaway() { return frame(FrameType::goaway, 0, 0, encode_farewell(GoAway::done, "")); }

}  // namespace ecstream_test
