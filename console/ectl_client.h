// Client: a connection that speaks ECTL/1, blocking, one request at a time.
//   auto client = Client::connect(address, {}, {});
//   client->send("summary");
//   do line = client->next(); while (line->kind != ReplyLine::Kind::status);
#pragma once

#include "console/address.h"
#include "console/failure.h"
#include "console/reply.h"
#include "console/transport.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::console {

class Client {
 public:
  struct Settings {
    std::chrono::milliseconds timeout{60000};  // longest wait for the peer, each time; 0: for ever
    int wake = -1;                             // descriptor that becomes readable when the user interrupts; borrowed
  };

  // Connects (trying each address of a name), with TLS when it is asked for,
  // and reads the greeting.
  static Outcome<Client> connect(const Address& address, const Settings& settings, const TlsOptions& tls = {});
  // Over a connected stream socket: reads the greeting.
  static Outcome<Client> over(UniqueFd socket, const Settings& settings);

  const Greeting& greeting() const { return greeting_; }
  // Nobody can listen in: TLS, a Unix socket, or the loopback interface.
  bool confidential() const { return confidential_; }
  void set_timeout(std::chrono::milliseconds timeout) { settings_.timeout = timeout; }
  std::chrono::milliseconds timeout() const { return settings_.timeout; }

  // One request line without its end; payload lines, with the WORD that ends
  // them, go on in `payload`, each ending in LF. misuse: it holds line ends of
  // its own. The reply to the one before has to be read or settled.
  Outcome<> send(std::string_view request, std::string_view payload = {});
  // The next line of the reply.
  Outcome<ReplyLine> next();

  // A reply is under way: its status has not been read yet.
  bool owed() const { return owed_; }
  // Reads what is owed, and drops it; at most for `patience`. Only interrupted
  // and timeout leave the connection usable.
  Outcome<> settle(std::chrono::milliseconds patience);

  // Between requests: a line that the server has said by itself, if there is
  // one; never waits.
  std::optional<ReplyLine> unasked();
  // The other side has closed, as far as can be seen without waiting.
  bool peer_closed();
  int fd() const { return transport_.fd(); }
  // The end will be a reset, which a daemon that is busy with a request notices (of TCP; an end in order says only that
  // nothing more is sent).
  void abandon();

 private:
  Client(UniqueFd socket, const Settings& settings) : transport_(std::move(socket)), settings_(settings) {}
  Outcome<> begin_tls(const TlsOptions& tls, const std::string& host);
  std::optional<std::string> buffered_line();
  Outcome<std::string> read_line();
  Outcome<> read_greeting();
  void fill();  // takes what is there without waiting, up to a line's worth

  Transport transport_;
  Settings settings_;
  Greeting greeting_;
  std::string input_;
  size_t read_ = 0;  // bytes of input_ that have been given out
  bool owed_ = false;
  bool confidential_ = false;
  bool closed_ = false;  // by the peer; what it said before may still be in input_
};

}  // namespace impulse::console
