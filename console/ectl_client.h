// Client: a connection that speaks ECTL/1, blocking, one request at a time.
//   auto client = Client::connect(address, {});
//   client->send("summary");
//   do line = client->next(); while (line->kind != ReplyLine::Kind::status);
#pragma once

#include "base/fd.h"
#include "console/address.h"
#include "console/failure.h"
#include "console/reply.h"

#include <chrono>
#include <string>
#include <string_view>

namespace impulse::console {

class Client {
 public:
  struct Settings {
    std::chrono::milliseconds timeout{60000};  // longest wait for the peer, each time; 0: for ever
    int wake = -1;                             // descriptor that becomes readable when the user interrupts; borrowed
  };

  // Connects (trying each address of a name) and reads the greeting.
  static Outcome<Client> connect(const Address& address, const Settings& settings);
  // Over a connected stream socket: reads the greeting.
  static Outcome<Client> over(UniqueFd socket, const Settings& settings);

  const Greeting& greeting() const { return greeting_; }

  // One request line without its end; payload lines, with the WORD that ends
  // them, go on in `payload`, each ending in LF. misuse: it holds line ends of
  // its own.
  Outcome<> send(std::string_view request, std::string_view payload = {});
  // The next line of the reply.
  Outcome<ReplyLine> next();

  // The other side has closed, as far as can be seen without waiting. What it
  // said before (its reason) is dropped.
  bool peer_closed();

 private:
  Client(UniqueFd socket, const Settings& settings) : socket_(std::move(socket)), settings_(settings) {}
  Outcome<> wait(short events);
  Outcome<std::string> read_line();
  Outcome<> read_greeting();

  UniqueFd socket_;
  Settings settings_;
  Greeting greeting_;
  std::string input_;
  size_t read_ = 0;  // bytes of input_ that have been given out
};

}  // namespace impulse::console
