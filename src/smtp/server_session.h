// ServerSession: the server's half of one ESMTP session (RFC 5321), sans-IO.
//
// The owner feeds bytes and carries out what Output asks for:
//
//   session.start(out);                   // 220, or 554
//   used = session.feed(bytes, out);      // as often as bytes come, and once replies have drained
//
// After each call: send out.reply (one write for a whole pipelined batch),
// then do out.next. While next is `submit` or `start_tls` the engine takes no
// bytes (feed returns 0) until submitted() or tls_started() was called.
#pragma once

#include "auth/login.h"
#include "base/chunks.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "message/body_sink.h"
#include "message/envelope.h"
#include "message/refusal.h"
#include "net/client_info.h"
#include "smtp/policy.h"
#include "telemetry/smtp_trace.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::smtp {

using net::ClientInfo;
using net::TlsState;
using HostRefusal = message::Refusal;  // why the owner does not want something

// A complete message, ready to be made durable.
struct Submission {
  message::Envelope envelope;
  std::string trace;  // Received (and what else is added), id left out
  uint32_t id_offset = UINT32_MAX;
  Chunks body;
  std::unique_ptr<message::BodySink> rest;  // what follows body, when the message was too large for memory
  std::string protocol;                     // for the log: "SMTP", "ESMTPSA", "LMTP" (RFC 3848)
};

enum class Next : uint8_t {
  read,       // feed more bytes
  submit,     // take_submission(), then submitted()
  start_tls,  // after the reply has left: handshake, then tls_started()
  close,      // after the reply has left
};

// What is being waited for; the owner runs one deadline for it.
enum class Waiting : uint8_t { greeting, command, data, submit, tls };

struct Output {
  std::string reply;  // append only; the owner clears it
  Next next = Next::read;
  Waiting waiting = Waiting::command;
  // Tarpit: hold the reply and the reading back for so long; of this call alone,
  // at most a minute or one Error_Delay, whichever is longer.
  Duration delay{0};
  // The deadline for `waiting` begins anew: a command was answered, a new line
  // began, 16 KiB of data came, or their end. When false an earlier deadline goes
  // on (a slow dribble of bytes gains a client no time).
  bool restart_deadline = false;
};

// For logs and counters: why something was refused.
struct Refusal {
  int code = 0;            // SMTP reply
  std::string_view cause;  // stable word: "relay", "size", "syntax", "bad_sequence", "recipients", "lone_lf",
                           // "loop", "admission", "errors", "tls_required", "denied", "command_length",
                           // "address", "sender", "receptions", "lone_lf_command", "injection", "http", "auth",
                           // "auth_required", "auth_weak", "auth_rate", "sender_mismatch", "chunk", "xclient", "utf8",
                           // "line_length", "missing_date", "missing_headers", "missing_message_id", "timeout"; of
                           // owners: "memory", "spool", "throttle", "connection_rate", "listener_sessions",
                           // "service_sessions", "peer_sessions"
  std::string text;        // the reply's text, with the enhanced code
  // What it is about; these views last as long as the call.
  std::string_view command{};  // the MAIL or RCPT that is refused, as it came; empty: something else is
  bool in_transaction = false;
  std::string_view sender{};     // of the transaction
  std::string_view recipient{};  // the last that was accepted in it
};

// What the engine asks of its owner. Synchronous, no I/O behind it.
class ServerHost : public auth::LoginHost {
 public:
  // At MAIL, RSET and HELO or EHLO (a safe point). A new policy to go on with, nullptr to
  // keep the present one, or an error: the session ends with "421 " and the
  // error's message.
  virtual Result<std::shared_ptr<const Policy>> safe_point() = 0;
  // Whether a message would be taken now; nothing: yes. At MAIL and again at
  // DATA or the first BDAT.
  enum class Stage : uint8_t { mail, data };
  virtual std::optional<HostRefusal> admit(Stage stage) = 0;
  // Whether there is room for a message of so many bytes (MAIL SIZE=); nothing: yes.
  virtual std::optional<HostRefusal> has_room(uint64_t /*size*/) { return std::nullopt; }
  virtual WallTime now() = 0;
  virtual uint64_t number() { return 0; }  // of this session, unlike any other's since the daemon began
  // A place for what follows the first Large_Message_Threshold bytes of a body.
  virtual Result<std::unique_ptr<message::BodySink>> large_body() {
    return fail(Errc::unavailable, "no place for large bodies");
  }
  virtual void refused(const Refusal&) {}
  // A transaction ended without its message having come to submit: RSET, a
  // greeting anew, a refusal, the end of the session.
  virtual void abandoned() {}

  // Whether XSETCONTEXT may name that Binding, or Binding_Group.
  virtual bool knows_binding(const std::string& /*name*/) { return true; }

  // XCLIENT, XREMOTEIP: the client is somebody else from now on. Its policy.
  virtual Result<std::shared_ptr<const Policy>> client_is(const ClientInfo&) {
    return fail(Errc::unavailable, "not available");
  }
  // … behind that: why there is no place for that client now (421, and the end).
  virtual std::optional<HostRefusal> place_for_client() { return std::nullopt; }
};

class ServerSession {
 public:
  ServerSession(std::shared_ptr<const Policy> policy, ClientInfo client, ServerHost& host);
  ~ServerSession();
  ServerSession(const ServerSession&) = delete;
  ServerSession& operator=(const ServerSession&) = delete;

  // `tls` when the connection has been secured already (Use_SSL).
  void start(std::optional<TlsState> tls, Output& out);
  // Instead of start(): the client is not wanted now (limits). 421 or 554, and close.
  void turn_away(const HostRefusal& refusal, Output& out);
  // Returns how many bytes were taken. All of them, unless next changed; an
  // unfinished command line is kept inside (bounded by max_command_length).
  // feed may return before all is taken although next is read when the reply
  // has grown past reply_limit (64 KiB): send it, and feed the rest when it has
  // drained. The rest in one piece: what lies behind a STARTTLS has to be seen
  // with it. While a longer reply stays in `out`, nothing is taken.
  static constexpr size_t reply_limit = size_t{64} << 10;
  size_t feed(std::string_view bytes, Output& out);

  // After Next::submit.
  Submission take_submission();
  // 250 2.0.0 with the id; no_space 452 4.3.1, io 451 4.3.0, busy and no_files 451 4.3.2.
  // In LMTP once for each recipient that was accepted.
  void submitted(const Result<MessageId>& result, std::string_view node, Output& out);

  // After Next::start_tls: everything learnt in plain text is forgotten (RFC 3207 §4.2).
  void tls_started(const TlsState& tls, Output& out);

  // The deadline for `waiting` passed: 421 4.4.2 and close.
  void timed_out(Output& out);
  // The server wants to end (421 + text) at the next safe moment: at once when
  // waiting for a command outside a transaction, else after the transaction.
  void shut_down(std::string_view text, Output& out);

  // Now, whatever is under way: 421 + text, and close. Only what waits for the
  // spool is answered first: its client would send it again.
  void kill(std::string_view text, Output& out);

  // From now on what is said is told to `trace`, secrets masked; null: no more.
  void trace(telemetry::SessionTracePtr trace);

  // From the policy; 0: none. For Waiting::command it is Idle_Time between
  // commands and Command_Timeout once a line has begun. tls: the owner's own.
  // A denied client has 10 s in all, from where it is: it is always at `greeting`, restarted by nothing.
  Duration deadline(Waiting waiting) const;
  bool in_transaction() const;  // MAIL was accepted
  const std::string& helo() const;
  const std::string& user() const;  // who authenticated; empty: nobody
  const ClientInfo& client() const;
  std::optional<TlsState> tls() const;
  const Policy& policy() const;
  std::string_view state() const;  // for `show inbound`: "connected", "greeted", "auth", "mail", "rcpt", "data",
                                   // "commit", "starttls", "closed"
  size_t held() const;             // bytes of a message being received
  uint64_t messages() const;       // accepted in this session
  uint64_t recipients() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace impulse::smtp
