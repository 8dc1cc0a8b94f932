// Session: what an interactive console is, over one connection after the
// other: it reconnects when it is needed, follows which transaction is open,
// and says when one was lost with its connection.
#pragma once

#include "console/connector.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::console {

class Session {
 public:
  using Tell = std::function<void(const std::string&)>;  // a line for the user

  Session(Connector connector, Client client, Tell tell);

  // Null: not connected, until the next ready().
  Client* client() { return client_ ? &*client_ : nullptr; }
  const Connector& connector() const { return connector_; }

  // A connection that a request can be sent on: connects when there is none,
  // reads what is left of an answer that was given up. `patience`: how long
  // that may take (0: as long as usual); `ask`: the user can be asked for a password.
  Outcome<> ready(std::chrono::milliseconds patience = {}, bool ask = true);

  // What came of a request.
  void answered(std::string_view request, const ReplyLine& status);
  // The user has seen enough of an answer. Its connection is kept when the
  // session's transaction hangs on it, else dropped: the daemon need not go on.
  void interrupted();
  // The connection cannot be used any more.
  void drop();

  // Between requests, when the daemon has said something by itself (or has
  // closed): lines to show.
  std::vector<ReplyLine> heard();

  // "": none; "*": this session's own; else its name.
  const std::string& transaction() const { return transaction_; }

 private:
  bool holds_transaction() const { return transaction_ == "*"; }
  Outcome<> connect(std::chrono::milliseconds patience, bool ask);

  Connector connector_;
  std::optional<Client> client_;
  Tell tell_;
  std::string transaction_;
  std::string process_;  // the daemon's process id, on the last connection
};

}  // namespace impulse::console
