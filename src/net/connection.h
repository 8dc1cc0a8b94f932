// Connection: bytes in and out over a stream socket, with TLS, deadlines and
// back-pressure. Knows no protocol. Lives on one loop; every call is made there.
#pragma once

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/fd.h"
#include "base/result.h"
#include "net/loop.h"
#include "net/tls.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::net {

enum class CloseReason {
  peer_closed,  // orderly end of file from the peer (or TLS close_notify)
  local,        // close() or finish() of ours has been carried out
  timeout,      // the deadline passed and the handler closed because of it
  reset,        // ECONNRESET, EPIPE, ETIMEDOUT …
  tls_failed,   // handshake failed, or plain bytes on a TLS connection
};

// The owner's side. Calls come on the loop's thread, always from an event of
// the loop, never from inside a call into the Connection. The owner may destroy
// the Connection at any time on that thread, in any of these calls too: the
// handler is not called again (bytes handed to on_data stay valid until it
// returns). An exception that leaves a call closes the connection (reset).
class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;
  // Bytes waiting, in order. Returns how many were taken; the rest is offered
  // again with more behind it, or after resume_reading(). Taking less than all
  // while not having paused means "need more first"; at most `input_limit`
  // bytes are kept that way, then on_closed(reset).
  virtual size_t on_data(std::string_view bytes) = 0;
  // The TLS handshake ended well; plain bytes that were waiting are discarded.
  virtual void on_tls(const TlsInfo&) {}
  // client only: the TCP connection is up.
  virtual void on_connected() {}
  // deadline() passed. The handler may write, finish() or close().
  virtual void on_deadline() = 0;
  // All that was written has gone to the kernel (only after want_drained()).
  virtual void on_drained() {}
  // Last call, exactly once unless the Connection is destroyed before. The
  // descriptor is closed. The handler may destroy the Connection here.
  virtual void on_closed(CloseReason reason, std::string_view detail) = 0;
};

struct ConnectionLimits {
  size_t input_limit = 1 << 20;  // unconsumed input kept, bytes
  // Above this much unsent output, bytes, reading stops until it is below half.
  // Two sides that both write more than that before they read would stop each other.
  size_t output_high = 256 << 10;
};

struct SocketOptions {
  bool no_delay = true;
  int ttl = 0;  // IP_TTL or IPV6_UNICAST_HOPS; 0 leaves the default
  int tos = 0;  // IP_TOS or IPV6_TCLASS
  // SO_LINGER: 0 resets the connection on close; more is how long finish() may
  // take to get rid of unsent output (the kernel's own way would stop the loop); -1: 5 s.
  int linger_seconds = -1;
};

class Connection {
 public:
  // Takes an accepted, connected descriptor (made non-blocking here).
  static std::unique_ptr<Connection> accepted(Loop& loop, UniqueFd fd, ConnectionHandler& handler,
                                              const SocketOptions& options = {}, const ConnectionLimits& limits = {});
  // Starts connecting; on_connected or on_closed follows. `source` binds the
  // local address. Errors that show at once (no descriptors, bad address) are returned.
  static Result<std::unique_ptr<Connection>> connect(Loop& loop, const Endpoint& to,
                                                     const std::optional<IpAddress>& source, ConnectionHandler& handler,
                                                     const SocketOptions& options = {},
                                                     const ConnectionLimits& limits = {});
  virtual ~Connection() = default;

  // Copies into the output buffer; it leaves in one write at the end of the
  // current callback, or of this round of the loop when the call comes from
  // elsewhere. Ignored after finish(), close() and on_closed().
  virtual void write(std::string_view bytes) = 0;
  // Output does not wait for the input's fate: what is written is limited by
  // the caller. For large bodies write a part, want_drained(), go on in on_drained().
  virtual size_t unsent() const = 0;  // bytes the kernel has not taken yet
  virtual void want_drained() = 0;    // on_drained() once, when (or as) unsent() is 0
  // STARTTLS and implicit TLS. What is in the output buffer leaves in plain
  // first; what is written from now on goes through TLS. Input that arrived
  // behind the plain text is discarded by contract (the engine has refused or
  // answered it already): what on_data did not take is never offered again.
  // on_tls() or on_closed(tls_failed) follows. Time limit: deadline(). The
  // process has to ignore SIGPIPE, since OpenSSL writes to the socket itself.
  virtual void start_tls_server(TlsContextPtr context) = 0;
  // `server_name` goes into SNI (unless it is an IP address); checked against
  // the certificate, chain included, when `verify_name`.
  virtual void start_tls_client(TlsContextPtr context, const std::string& server_name, bool verify_name) = 0;
  virtual std::optional<TlsInfo> tls() const = 0;
  // The bytes that tie an authentication to this TLS connection (RFC 5802 §6):
  // "tls-exporter", "tls-server-end-point", and under TLS 1.2 "tls-unique".
  // None without TLS, and where the type is not to be had.
  virtual std::optional<std::string> channel_binding(std::string_view type) const = 0;

  // While an answer is due that comes from elsewhere (a commit, another loop),
  // pause: the end of the peer's input (nc -N, a half close) ends the
  // connection as soon as it is read and what is written has gone.
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;  // offers what is waiting again, from the loop, not from inside this call

  // One deadline at a time, counted from now; on_deadline() once. 0 cancels.
  // Also the only guard against a peer that does not read its answers.
  virtual void deadline(Duration after) = 0;
  // Stops reading, flushes (for at most 5 s or linger_seconds), sends
  // close_notify and FIN, lingers up to 2 s for the peer's FIN so that a late
  // client still reads the last reply, then on_closed(local).
  virtual void finish() = 0;
  // At once, unsent output is dropped; on_closed(local) follows from the loop.
  virtual void close() = 0;

  virtual const Endpoint& peer() const = 0;  // Unix: the listening path
  virtual const Endpoint& local() const = 0;
  virtual Loop& loop() = 0;
  virtual int fd() const = 0;  // for SO_PEERCRED
  virtual uint64_t bytes_in() const = 0;
  virtual uint64_t bytes_out() const = 0;
};

}  // namespace impulse::net
