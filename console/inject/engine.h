// Engine: one connection's protocol, sans-IO: bytes in, bytes out, mails in,
// what became of them out. It is kept over connections that break.
#pragma once

#include "console/inject/mail.h"
#include "console/inject/tally.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace impulse::ecinject {

// What goes out. Owned by the connection.
struct Output {
  std::string bytes;   // append only
  size_t sent = 0;     // of `bytes`
  uint64_t begin = 0;  // how many were sent before bytes.front(), on this connection
  bool start_tls = false;
  bool close = false;  // behind what is in `bytes`

  uint64_t end() const { return begin + bytes.size(); }
  bool has_sent(uint64_t until) const { return begin + sent >= until; }
  size_t waiting() const { return bytes.size() - sent; }
};

// Called from within the engine's functions.
class EngineHost {
 public:
  virtual ~EngineHost() = default;
  // Once for each mail, behind its refusals.
  virtual void settled(const Settled& settled) = 0;
  // `messages` (0 or more) and `recipients` were refused by this code.
  virtual void refused(int code, uint64_t messages, uint64_t recipients, std::string_view text) = 0;
  // This connection is of no use: close it. `fatal`: nor would another be (a
  // password that is not taken, a capability that is missing).
  virtual void failed(std::string why, bool fatal) = 0;
  // The server has told this client to stay away: the run is over, whatever went before.
  // Behind it as behind failed().
  virtual void dismissed(std::string why) = 0;
  virtual uint64_t micros() const = 0;  // a clock that only goes on
};

class Engine {
 public:
  virtual ~Engine() = default;
  // A new connection; with --tls, secured already. `confidential`: nobody can listen.
  virtual void start(bool confidential, Output& out) = 0;
  virtual void tls_started(Output& out) = 0;
  virtual void feed(std::string_view bytes, Output& out) = 0;
  // What was waiting has left: more may go.
  virtual void drained(Output&) {}
  // A mail can be given now.
  virtual bool wants(const Output& out) const = 0;
  // `mail` is borrowed until wants() again.
  virtual void send(const Mail& mail, Output& out) = 0;
  // Nothing more comes on this connection: say goodbye when all is settled. Can be said at any time.
  virtual void quit(Output& out) = 0;
  // The connection is gone. Mails that cannot be brought to an end by another are settled.
  virtual void lost(const Output& out) = 0;
  // What is not settled will not be: no connection is to be had. They are settled as unknown.
  virtual void give_up() {}
  virtual size_t pending() const = 0;  // mails not settled
  virtual bool ready() const = 0;      // greeted, authenticated
  // It is the server's turn: it has to say something before this goes on.
  virtual bool awaits() const { return pending() != 0 || !ready(); }
  // The server has ended it since it was old or nobody used it, and nothing was under way.
  virtual bool let_go() const { return false; }
  // The index of the next mail, where the engine has a say in that (a stream that is resumed).
  virtual uint64_t resumed() const { return 0; }
  // Of those before it: how many were refused, which refused() has told.
  virtual uint64_t refused_before() const { return 0; }
};

}  // namespace impulse::ecinject
