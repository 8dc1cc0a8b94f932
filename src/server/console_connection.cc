#include "server/console_connection.h"

#include "auth/groups.h"
#include "server/serving.h"

#include <poll.h>
#include <sys/socket.h>

namespace impulse::server {

namespace key = config::key;
using telemetry::Area;
using telemetry::Level;

namespace {

constexpr size_t output_room = 64 << 10;  // bytes said ahead of what the client has read

}  // namespace

ConsoleConnection::ConsoleConnection(ConsoleService& service, Incoming incoming, const config::Options& options)
    : service_(service),
      snapshot_(std::move(incoming.snapshot)),
      options_(options),
      listen_(incoming.listen),
      watch_timer_(service.parts_.main, [this] { watch(); }),
      penalty_(service.parts_.main, [this] { penalty_over(); }) {
  connection_ = net::Connection::accepted(service_.parts_.main, std::move(incoming.fd), *this);
}

control::Client ConsoleConnection::client() const {
  control::Client who;
  who.listen = listen_;
  who.peer = connection_->peer();
  who.tls = connection_->tls().has_value();
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (listen_.is_unix() && ::getsockopt(connection_->fd(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0) {
    who.uid = credentials.uid;
    who.user = auth::system_user(credentials.uid);
    who.groups = auth::system_groups(credentials.uid);
  }
  return who;
}

// Its options under another configuration, where it still has a Listen.
const config::Options* ConsoleConnection::options_in(const config::Snapshot& snapshot) const {
  const config::ListenConf* conf =
      serving(snapshot, config::ScopeKind::control_listener, listen_, connection_->local());
  return conf ? &console_options(*conf, connection_->peer()) : nullptr;
}

void ConsoleConnection::make_session() {
  session_ = service_.make_session(client(), snapshot_, options_,
                                   [this](const config::Snapshot& snapshot) { return options_in(snapshot); });
}

void ConsoleConnection::start(const control::CommandTable& commands, std::string_view refusal) {
  refusal_ = refusal;
  commands_ = &commands;
  connection_->deadline(options_[key::timeout]);
  if (options_[key::use_ssl]) {
    const auto context = service_.parts_.tls.server_context(*snapshot_, options_);
    if (context && *context)
      connection_->start_tls_server(*context);
    else
      connection_->close();
    return;
  }
  greet();
}

void ConsoleConnection::greet() {
  begun_ = true;
  if (!refusal_.empty()) {
    service_.parts_.log.write(Level::warning, Area::control, "control-refused",
                              fmt::format("{}: {}", connection_->peer().to_string(), refusal_));
    connection_->write(fmt::format("!error control-denied {}\n=6 denied\n", refusal_));
    connection_->finish();
    return;
  }
  make_session();
  pump();
}

void ConsoleConnection::on_tls(const net::TlsInfo&) { greet(); }

// Says what there is to say, as far as the client keeps up.
void ConsoleConnection::pump() {
  while (session_->busy() && connection_->unsent() < output_room) {
    std::string out;
    session_->produce(out, output_room);
    if (out.empty()) break;
    connection_->write(out);
  }
  if (session_->requests() != requests_) {
    requests_ = session_->requests();
    connection_->deadline(options_[key::timeout]);
  }
  const control::Watch& wanted = session_->watch();
  if (!wanted.on())
    watch_timer_.stop();
  else if (!watch_timer_.running())
    watch_timer_.start(wanted.interval());
  if (session_->held_back() > Duration{0} && !penalty_.running()) penalty_.start(session_->held_back());
  if (session_->finished()) connection_->finish();
}

// Who failed to authenticate is told now.
void ConsoleConnection::penalty_over() {
  session_->release();
  on_drained();
}

void ConsoleConnection::event(std::string_view id, std::string_view text) {
  if (!session_ || !session_->watch().on()) return;
  session_->event(id, text);
  if (!feeding_) flush();
}

// Who watches need not ask, but has to read what it is told.
void ConsoleConnection::watch() {
  session_->tick();
  if (connection_->unsent() == 0) connection_->deadline(options_[key::timeout]);
  flush();
}

void ConsoleConnection::flush() {
  pump();
  if (session_->finished() || !session_->busy() || penalty_.running()) return;
  connection_->pause_reading();
  connection_->want_drained();
}

size_t ConsoleConnection::on_data(std::string_view bytes) {
  if (!begun_ || !refusal_.empty()) return bytes.size();
  size_t used = 0;
  pump();
  while (used < bytes.size() && !session_->busy() && !session_->finished()) {
    feeding_ = true;
    used += session_->feed(bytes.substr(used));
    feeding_ = false;
    pump();
  }
  if (session_->finished()) return bytes.size();
  if (session_->busy()) {
    connection_->pause_reading();
    if (!penalty_.running()) connection_->want_drained();
  }
  return used;
}

// Nothing is read while an answer is awaited: who has gone meanwhile is noticed here, and ends what he has ordered.
// The end of his input alone (nc -N) says nothing: he waits for the answer.
bool ConsoleConnection::has_gone() const {
  pollfd look{connection_->fd(), 0, 0};
  return ::poll(&look, 1, 0) == 1 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

// The client reads on: its time begins anew, however long the answer is.
void ConsoleConnection::on_drained() {
  if (has_gone()) return connection_->close();
  connection_->deadline(options_[key::timeout]);
  pump();
  if (penalty_.running()) return;
  if (session_->busy())
    connection_->want_drained();
  else if (!session_->finished())
    connection_->resume_reading();
}

void ConsoleConnection::on_deadline() {
  if (session_) session_->timed_out();
  if (begun_ && refusal_.empty() && session_->idle()) {
    connection_->write("!notice control-timeout idle for too long\n");
    connection_->finish();
  } else {
    connection_->close();
  }
}

void ConsoleConnection::on_closed(net::CloseReason, std::string_view) { service_.ended(*this); }

}  // namespace impulse::server
