// ServerSession: the server's half of one HTTP/1.1 connection (RFC 9110, RFC
// 9112), sans-IO. Knows nothing of what requests are about.
//
// The owner feeds bytes and carries out what Output asks for:
//
//   used = session.feed(bytes, out);     // as often as bytes come, and once replies have drained
//
// After each call: send out.reply, then do out.next. One request at a time: while
// next is `answer` the engine takes no bytes (feed returns 0) until answered();
// what is pipelined behind waits in the owner's buffer, bounded by it.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "http/error.h"
#include "http/message.h"
#include "http/policy.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::http {

enum class Next : uint8_t {
  read,    // feed more bytes
  answer,  // take_request(), then answered()
  close,   // after the reply has left. Orderly: shut our half, and wait a little for the client to have read
};

// What is being waited for; the owner runs one deadline for it.
enum class Waiting : uint8_t {
  idle,    // a request's first byte
  head,    // the rest of its head
  body,    // … of its body
  answer,  // the owner
  drain,   // the end of a body that is not wanted: it was answered already
};

struct Output {
  std::string reply;  // append only; the owner clears it
  Next next = Next::read;
  Waiting waiting = Waiting::idle;
  // The deadline for `waiting` begins anew: something else is waited for, a new
  // request began, or 16 KiB of a body came. While false an earlier deadline goes
  // on (a slow dribble of bytes gains a client no time). The owner clears it.
  bool restart_deadline = false;
};

// For logs and counters: a final response was written.
struct Replied {
  int status = 0;
  // Stable word. "answered": the owner's, from answered(). "host": on_head's. Else the engine's, as in the
  // JSON error's code: "request_line", "target", "version", "method", "header", "header_size", "request_line_length",
  // "host", "length", "transfer_coding", "framing", "chunk", "expectation", "coding", "coded_body", "size",
  // "memory", "timeout", "shutdown".
  std::string_view cause;
  std::string_view message;           // of the engine's own; else empty
  const RequestHead* head = nullptr;  // null: it never came whole
  uint64_t received = 0;              // bytes of the body so far, as sent
  uint64_t sent = 0;                  // bytes of the response, with its head
};

// What the engine asks of its owner. Synchronous, no I/O behind it.
class ServerHost {
 public:
  virtual ~ServerHost() = default;
  virtual WallTime now() = 0;
  // For X-Request-Id, when the client brought none that is fit: letters, digits, "-._".
  virtual std::string make_id() = 0;
  // A whole head has come, before on_head. A new policy to go on with, nullptr to
  // keep the present one, or an error: 503 with its message and Retry-After: 1, and close.
  virtual Result<std::shared_ptr<const Policy>> safe_point() { return nullptr; }
  // Asked behind safe_point: whether this request is the connection's last. Its
  // answer says so (Connection: close), as after shut_down().
  virtual bool parting() const { return false; }
  // A whole head that is good: nothing to go on (and ask for the body with 100
  // Continue), or the answer: the body is not taken (401, 403, 404, 405, 413, 415, 421, 429,
  // 503 …). With no body on its way the connection stays, unless the response says close.
  virtual std::optional<Response> on_head(const RequestHead& head) = 0;
  // A body has grown by a MiB or more, to `size` bytes of memory. False: that is
  // too much for now: 503 and close.
  virtual bool on_growth(size_t /*size*/) { return true; }
  virtual void replied(const Replied&) {}
};

class ServerSession {
 public:
  ServerSession(std::shared_ptr<const Policy> policy, ServerHost& host);
  ~ServerSession();
  ServerSession(const ServerSession&) = delete;
  ServerSession& operator=(const ServerSession&) = delete;

  // Before any byte is fed: the client is not wanted now (limits). Says so and closes.
  void turn_away(const Response& response, Output& out);

  // Returns how many bytes were taken. All of them, unless next changed to
  // answer; or, although next is read, when the reply has grown past
  // reply_limit: send it, and feed the rest when it has drained. An unfinished
  // head is kept inside (bounded by max_request_line + max_header_size).
  // Behind Next::close everything is taken and thrown away.
  static constexpr size_t reply_limit = size_t{64} << 10;
  size_t feed(std::string_view bytes, Output& out);

  // After Next::answer; once.
  Request take_request();
  // The head of the request that is being received or answered; null: none.
  const RequestHead* head() const;
  // Ignored when the answer came too late (timed_out, kill).
  void answered(const Response& response, Output& out);

  // The deadline for `waiting` passed: 408 (head, body), 503 (answer), no word (idle, drain); and close.
  void timed_out(Output& out);
  // The server wants to end: at once between requests, else behind the answer to
  // the present one, which says so.
  void shut_down(Output& out);
  // Now, whatever is under way: 503, and close; only what waits for the owner's
  // answer is answered first.
  void kill(std::string_view text, Output& out);

  // From the policy; 0: none.
  Duration deadline(Waiting waiting) const;
  const Policy& policy() const;
  std::string_view state() const;  // for `show inbound`: "idle", "head", "body", "answer", "drain", "closed"
  size_t held() const;             // bytes of a request being received or waiting to be taken
  uint64_t requests() const;       // heads that were good

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace impulse::http
