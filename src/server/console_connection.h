// ConsoleConnection: one control client: a net::Connection and the sans-IO
// control::Session, with the reading and writing between them.
#pragma once

#include "control/protocol.h"
#include "net/connection.h"
#include "server/console_service.h"

#include <memory>
#include <string>
#include <string_view>

namespace impulse::server {

class ConsoleConnection : private net::ConnectionHandler {
 public:
  ConsoleConnection(ConsoleService& service, Incoming incoming, const config::Options& options);

  // Begins; `refusal` is what a client that may not be here is told.
  void start(const control::CommandTable& commands, std::string_view refusal);
  void close() { connection_->close(); }
  const Endpoint& listen() const { return listen_; }
  // Told to those who watch.
  void event(std::string_view id, std::string_view text);

 private:
  size_t on_data(std::string_view bytes) override;
  void on_tls(const net::TlsInfo&) override;
  void on_deadline() override;
  void on_drained() override;
  void on_closed(net::CloseReason reason, std::string_view detail) override;

  control::Client client() const;
  const config::Options* options_in(const config::Snapshot& snapshot) const;
  void make_session();
  void penalty_over();
  void pump();
  bool has_gone() const;
  void flush();  // pump(), from outside of on_data()
  void greet();
  void watch();  // an interval of `watch on` is over

  ConsoleService& service_;
  config::SnapshotPtr snapshot_;  // keeps options_
  const config::Options& options_;
  Endpoint listen_;
  std::unique_ptr<net::Connection> connection_;
  const control::CommandTable* commands_ = nullptr;
  std::unique_ptr<control::Session> session_;  // from the greeting on, for those who may be here
  std::string refusal_;
  bool begun_ = false;
  uint64_t requests_ = 0;  // answered when the deadline was set
  bool feeding_ = false;   // inside the session's feed(): what it says follows
  net::Timer watch_timer_;
  net::Timer penalty_;  // until somebody who failed to authenticate is told
};

}  // namespace impulse::server
