// Connector: makes connections that are ready to take requests: connected, in
// TLS, authenticated. Remembers a typed password, so that a console can
// reconnect after a restart of the daemon without asking again.
#pragma once

#include "console/ectl_client.h"
#include "console/password.h"

#include <chrono>
#include <string>

namespace impulse::console {

// What was named on the command line.
struct Access {
  Address address;
  TlsOptions tls;
  PasswordSource password;
  std::string transaction;  // work in this named one; empty: none
};

// Runs a command whose payload nobody wants. The error of one that failed is
// what the daemon said; `status` says how it ended, in any case (-1: it did not).
Outcome<> run_quietly(Client& client, const std::string& request, int& status);

class Connector {
 public:
  Connector(Access access, const Client::Settings& settings) : access_(std::move(access)), settings_(settings) {}

  const Access& access() const { return access_; }
  const Client::Settings& settings() const { return settings_; }

  // A usable connection. `patience`: another time-out while it is made (0: the
  // usual one). `ask`: a password may be asked for on the terminal.
  Outcome<Client> connect(std::chrono::milliseconds patience = {}, bool ask = true);

 private:
  Outcome<> log_in(Client& client, bool ask);
  Outcome<> enter_transaction(Client& client) const;
  Outcome<> attempt(Client& client, const std::string& mechanism, const std::string& password);

  Access access_;
  Client::Settings settings_;
  std::string password_;  // that was typed, and was right
  bool typed_ = false;
};

}  // namespace impulse::console
