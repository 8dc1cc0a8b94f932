// ServerSession: the server's half of one ECStream connection
// (doc/ecstream.md), sans-IO.
//
// The owner feeds bytes and carries out what Output asks for:
//
//   session.start(tls, out);
//   used = session.feed(bytes, out);  // as often as bytes come, and once replies have drained
//
// After each call: send out.reply, then do out.next:
//
//   read    feed more
//   submit  take_submission() and have it committed; then go on feeding, at
//           once, the bytes that are left and those that come: the next batch
//           gathers meanwhile. When the commit has ended: submitted()
//   open    opening() says which stream; when its memory is known: opened().
//           Until then feed takes nothing
//   hold    the next batch is full: feed takes nothing until submitted()
//   close   after the reply has left
//
// At most one commit is under way. Its answer may come when the session has
// been told to end, or has said GOAWAY: submitted() is to be called all the
// same, and next becomes close when all is answered.
#pragma once

#include "auth/login.h"
#include "base/chunks.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "ecstream/goaway.h"
#include "ecstream/policy.h"
#include "ecstream/stream_memory.h"
#include "message/body_sink.h"
#include "message/envelope.h"
#include "message/refusal.h"
#include "net/client_info.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::ecstream {

using net::ClientInfo;
using net::TlsState;
using HostRefusal = message::Refusal;  // why the owner does not want something

// A message of a batch.
struct TakenMessage {
  uint64_t sequence = 0;
  message::Envelope envelope;
  std::string trace;  // Received (and what else is added), id left out
  uint32_t id_offset = UINT32_MAX;
  Chunks body;
  std::unique_ptr<message::BodySink> rest;  // what follows body, when the message was too large for memory
};

// What becomes durable together, or not at all: the messages and the memory.
struct Submission {
  std::string stream;  // as the client calls it; empty: it wants no memory, there is no receipt
  uint64_t first = 0;  // the sequences that are covered, refused ones included
  uint64_t last = 0;
  std::vector<TakenMessage> messages;  // ascending; may be empty: only the receipt
  std::string receipt;                 // its value: StreamMemory::encode(); empty with `stream`
  std::string protocol;                // for the log: "ECSTREAM", "ECSTREAMSA" …, as RFC 3848 has it for ESMTP
};

// A stream that is to be opened.
struct Opening {
  std::string stream;  // never empty: one without a name is opened at once
  std::string user;    // whose; empty: nobody is known
};

enum class Next : uint8_t { read, submit, open, hold, close };

// What is being waited for; the owner runs one deadline for it.
enum class Waiting : uint8_t { hello, ready, idle, frame, commit, open };

struct Output {
  std::string reply;  // append only; the owner clears it
  Next next = Next::read;
  Waiting waiting = Waiting::hello;
  Duration delay{0};              // hold the reply and the reading back for so long; of this call alone
  bool restart_deadline = false;  // as in smtp: frames or 16 KiB came. When false an earlier deadline goes on
};

// For logs and counters: a message, or the connection, was refused.
struct Refusal {
  int code = 0;  // as in NAK; 0: the connection ends, `goaway` says why
  GoAway goaway = GoAway::done;
  // Stable word: "relay", "size", "address", "sender", "recipients", "lone_lf", "loop", "admission", "syntax",
  // "utf8", "sender_mismatch", "injection", "auth", "auth_required", "auth_weak", "auth_rate", "denied",
  // "tls_required", "protocol", and what fix-ups and the host call it.
  std::string_view cause{};
  std::string_view text{};  // with the enhanced code
  uint64_t sequence = 0;    // of the message; 0: none
  std::string_view sender{};
  std::string_view recipient{};
};

// What the engine asks of its owner. Synchronous, no I/O behind it.
class ServerHost : public auth::LoginHost {
 public:
  // Where a batch begins. A new policy to go on with, nullptr to keep the present
  // one, or an error: GOAWAY reconfigured with its message.
  virtual Result<std::shared_ptr<const Policy>> safe_point() = 0;
  // Whether a message would be taken now, of `size` octets where that is known
  // (0: not); nothing: yes. Code 421: GOAWAY limits instead of a NAK.
  virtual std::optional<HostRefusal> admit(uint64_t size) = 0;
  // Messages that were admitted and have not come to submit: refused, aborted, or
  // the session said GOAWAY. The destructor tells nothing.
  virtual void abandoned(size_t /*messages*/) {}
  // Who may send where. `known`: authenticated, or verified and
  // verified_peer_can_relay. Addresses as in message::Envelope; asked for every
  // recipient with a domain. Nothing: it is taken.
  virtual std::optional<HostRefusal> admit_recipient(std::string_view sender, std::string_view recipient,
                                                     bool known) = 0;
  // Whether a message's context may name that Binding, or Binding_Group.
  virtual bool knows_binding(const std::string& /*name*/) { return true; }
  virtual WallTime now() = 0;
  virtual uint64_t number() { return 0; }  // of this session, unlike any other's since the daemon began
  virtual Result<std::unique_ptr<message::BodySink>> large_body() {
    return fail(Errc::unavailable, "no place for large bodies");
  }
  virtual void refused(const Refusal&) {}
};

class ServerSession {
 public:
  ServerSession(std::shared_ptr<const Policy> policy, ClientInfo client, ServerHost& host);
  ~ServerSession();
  ServerSession(const ServerSession&) = delete;
  ServerSession& operator=(const ServerSession&) = delete;

  // `tls`: how the connection is secured. GOAWAY and close, if it should be and is not, or is denied.
  void start(std::optional<TlsState> tls, Output& out);
  // Instead of start(): the client is not wanted now. GOAWAY and close.
  void turn_away(GoAway code, std::string_view text, Output& out);
  // Returns how many bytes were taken: all, unless next changed, or replies of
  // over 64 KiB wait in out.reply.
  static constexpr size_t reply_limit = size_t{64} << 10;
  size_t feed(std::string_view bytes, Output& out);

  // After Next::open. The owner sees to it that nobody else has that stream of
  // that user open: it ends the session that has (kill(taken_over)) and waits for
  // its commit before it reads the memory. An error: busy GOAWAY limits, denied
  // denied, else storage.
  const Opening& opening() const;
  void opened(Result<StreamMemory> memory, Output& out);

  // After Next::submit, once.
  Submission take_submission();
  // The commit has ended: the ids of its messages, in order, or why nothing of it
  // was stored: then NAK 452 (no_space) or 451 each, and GOAWAY storage.
  void submitted(const Result<std::vector<MessageId>>& result, std::string_view node, Output& out);

  // ECStream_Window is another for now (0: pause the client): memory is short, or is not any more.
  void set_window(uint32_t messages, Output& out);

  void timed_out(Output& out);  // the deadline for `waiting` passed: GOAWAY idle
  // GOAWAY now; what came whole is committed and answered, then close.
  void shut_down(GoAway code, std::string_view text, Output& out);
  // GOAWAY now; only what is being committed is answered.
  void kill(GoAway code, std::string_view text, Output& out);

  Duration deadline(Waiting waiting) const;  // from the policy; 0: none
  bool committing() const;                   // take_submission() was called, submitted() not yet
  const std::string& user() const;           // who authenticated; empty: nobody
  const std::string& helo() const;           // what the client calls its host
  const std::string& stream() const;
  const ClientInfo& client() const;
  const Policy& policy() const;
  std::string_view state()
      const;                  // "connected", "ready", "auth", "opening", "open", "body", "commit", "closing", "closed"
  size_t held() const;        // bytes: frames and bodies that wait, a batch under way apart
  uint64_t messages() const;  // acknowledged in this session, refused ones apart
  uint64_t recipients() const;  // … theirs

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace impulse::ecstream
