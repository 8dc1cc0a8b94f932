// Moves bytes between a connection and a client session, and keeps the time.
#include "delivery/smtp_courier.h"

#include <algorithm>
#include <utility>

namespace impulse::delivery {
namespace {

// A next host that takes a body slower than this in a whole Body_Timeout is
// as good as dead.
constexpr uint64_t least_progress = 64 << 10;
constexpr Duration quit_patience = std::chrono::seconds(3);
constexpr Duration handshake_patience = std::chrono::seconds(60);

smtp::ClientSettings session_settings(const Route& route, const Target& target, std::string plain_because) {
  smtp::ClientSettings settings;
  settings.ehlo_name = route.ehlo_name;
  settings.lmtp = route.lmtp;
  settings.login = login_at(route, target);
  settings.xclient = route.xclient;
  settings.tls = plain_because.empty() ? route.tls : smtp::TlsUse::no;
  settings.plain_because = std::move(plain_because);
  return settings;
}

// Whose message it is, for XCLIENT; ours are nobody's.
smtp::JobClient client_of(const spool::Stored& stored) {
  const message::Envelope& envelope = stored.envelope;
  smtp::JobClient client;
  if (envelope.listener.empty()) return client;
  client.name = envelope.client_name;
  if (!envelope.client.is_any())
    client.address = (envelope.client.is_v4() ? "" : "IPV6:") + envelope.client.to_string();
  if (envelope.client_port != 0) client.port = std::to_string(envelope.client_port);
  client.helo = envelope.client_helo;
  client.login = envelope.user;
  // RFC 3848, as our own Received field has it: "with UTF8SMTPSA".
  constexpr std::string_view with = " with ";
  if (const size_t at = stored.trace.find(with); at != std::string::npos) {
    const std::string_view rest = std::string_view(stored.trace).substr(at + with.size());
    const std::string_view word = rest.substr(0, rest.find_first_of(" ;\r"));
    if (word.contains("SMTP")) client.protocol = word == "SMTP" ? "SMTP" : "ESMTP";
  }
  return client;
}

}  // namespace

SmtpCourier::SmtpCourier(Setup setup)
    : Courier(std::move(setup)),
      session_(session_settings(*route_, target_, plain_because_), route_->timeouts, *this) {}

SmtpCourier::~SmtpCourier() = default;

Result<> SmtpCourier::start() {
  auto connection = net::Connection::connect(loop_, target_.endpoint, route_->source, *this);
  if (!connection) return std::unexpected(connection.error());
  connection_ = std::move(*connection);
  arm(route_->connect_timeout);
  return {};
}

void SmtpCourier::send(std::shared_ptr<const Letter> letter, const std::vector<uint32_t>& recipients) {
  resting_ = false;
  letter_ = std::move(letter);
  const spool::Stored& stored = letter_->stored;
  smtp::Job job = job_of(*letter_, recipients);
  if (route_->xclient != smtp::XclientUse::no) job.client = client_of(stored);
  reader_ = stored.rest ? stored.rest->reader() : nullptr;
  smtp::ClientOutput out;
  session_.send(job, out);
  carry_out(out);
  // What cannot be sent at all is done at once; the host hears of it from the
  // loop, not from inside its own call.
  if (replies_ || ready_ || end_) later([this] { tell(); });
}

void SmtpCourier::rest() {
  if (route_->idle_timeout <= Duration{0}) return quit();
  resting_ = true;
  arm(route_->idle_timeout);
}

void SmtpCourier::hold() {
  resting_ = false;
  arm(Duration{0});
}

void SmtpCourier::quit() {
  resting_ = false;
  if (quitting_ || !usable()) return;
  quitting_ = true;
  end(CourierHost::End::orderly, "quit");
  smtp::ClientOutput out;
  session_.quit(out);
  carry_out(out);
  arm(quit_patience);
}

void SmtpCourier::close() {
  resting_ = false;
  end(CourierHost::End::orderly, "closed");
  connection_->close();
}

void SmtpCourier::trace(telemetry::SessionTracePtr trace) {
  if (trace == trace_) return;
  session_.trace(trace);
  Courier::trace(std::move(trace));
}

std::string SmtpCourier::local() const { return connection_ ? connection_->local().to_string() : std::string(); }

// The connection forgets at its end what it had not sent yet.
uint64_t SmtpCourier::unsent() const { return written_ - std::min(written_, connection_->bytes_out()); }

telemetry::Stage SmtpCourier::stage() const {
  if (end_) return end_stage_;
  if (!connected_) return telemetry::Stage::not_connected;
  if (handshaking_) return telemetry::Stage::tls_handshake;
  return session_.stage(unsent());
}

uint64_t SmtpCourier::bytes() const {
  if (end_) return end_bytes_;
  return connected_ ? session_.bytes() - std::min(session_.bytes(), unsent()) : 0;
}

size_t SmtpCourier::on_data(std::string_view bytes) {
  smtp::ClientOutput out;
  const size_t used = session_.feed(bytes, out, unsent());
  carry_out(out);
  tell();
  return used;
}

void SmtpCourier::on_tls(const net::TlsInfo& info) {
  handshaking_ = false;
  tls_ = std::make_shared<const telemetry::TlsFacts>(
      telemetry::TlsFacts{info.version, info.cipher, info.peer ? info.peer->subject : std::string()});
  smtp::ClientOutput out;
  session_.tls_started(out, info.name_verified);
  carry_out(out);
  tell();
}

void SmtpCourier::on_connected() {
  connected_ = true;
  if (trace_) trace_->note(fmt::format("connected from {}", local()));
  smtp::ClientOutput out;
  session_.start(out);
  carry_out(out);
}

void SmtpCourier::on_deadline() {
  if (resting_) return quit();
  // A body may take longer, as long as it moves; and its answer has the time from when the last of it has left.
  const uint64_t out = connection_->bytes_out();
  const bool moved = out >= marked_out_ + least_progress || (connection_->unsent() == 0 && out > marked_out_);
  if (letter_ && !quitting_ && moved && session_.state() == "body") return arm(period_);
  if (!connected_) {
    end(CourierHost::End::unreachable, fmt::format("connection to {} timed out", target_.endpoint.to_string()));
  } else if (handshaking_) {
    end(CourierHost::End::tls, "TLS handshake timed out");
  } else if (fetching_ && connection_->unsent() == 0) {
    end(CourierHost::End::lost, "the rest of the body was not read from the disk in time");
  } else {
    end(CourierHost::End::lost,
        fmt::format("timed out waiting for {} ({})", target_.endpoint.to_string(), session_.state()));
  }
  connection_->close();
}

void SmtpCourier::on_closed(net::CloseReason reason, std::string_view detail) {
  std::string why(detail);
  if (why.empty()) why = reason == net::CloseReason::peer_closed ? "connection closed by the other side" : "closed";
  using End = CourierHost::End;
  if (!connected_) {
    end(End::unreachable, fmt::format("cannot connect to {}: {}", target_.endpoint.to_string(), why));
  } else if (handshaking_ || reason == net::CloseReason::tls_failed) {
    end(End::tls, "TLS: " + why);
  } else {
    end(End::lost, fmt::format("{}: {} ({})", target_.endpoint.to_string(), why, session_.state()));
  }
  // Only behind the reply to DATA can the other side have taken a message.
  const std::string_view state = session_.state();
  const bool harmless = state == "xclient" || state == "ehlo" || state == "mail" || state == "rcpt" || state == "data";
  const bool again = letter_ && jobs_ > 0 && harmless && end_->first == End::lost;
  session_.lost(end_->second, unsent());
  ready_ = false;
  if (replies_) {
    letter_.reset();
    reader_.reset();
    fetching_ = false;
    host_.courier_done(*this, *std::exchange(replies_, std::nullopt), again);
  }
  if (trace_) trace_->note(end_->second);
  host_.courier_ended(*this, end_->first, end_->second);
}

void SmtpCourier::failed(const smtp::Reply& reason) {
  const bool first = !end_;
  end(CourierHost::End::refused, reason.text.empty() ? fmt::format("refused with code {}", reason.code) : reason.text);
  if (first) {
    end_stage_ = reason.stage;
    end_bytes_ = reason.bytes;
  }
  ready_ = false;
}

void SmtpCourier::carry_out(const smtp::ClientOutput& out) {
  if (!out.bytes.empty()) connection_->write(out.bytes);
  written_ += out.bytes.size();
  if (out.deadline > Duration{0}) arm(out.deadline);
  if (out.more && !fetching_) {
    fetching_ = true;
    connection_->want_drained();
  }
  if (out.next == smtp::ClientNext::start_tls) {
    handshaking_ = true;
    arm(std::min(handshake_patience, route_->timeouts.ehlo));
    connection_->start_tls_client(route_->tls_context, target_.host, route_->tls_verify_name);
  } else if (out.next == smtp::ClientNext::close) {
    end(CourierHost::End::lost, "the session is over");
    connection_->finish();
  }
}

// What is in memory of a large body is one piece, and what has not left yet of one before.
void SmtpCourier::on_drained() {
  if (fetching_ && reader_ && usable()) read_on(reader_);
}

void SmtpCourier::have_read(const std::shared_ptr<message::BodyReader>& reader, const Result<std::string_view>& piece) {
  if (reader != reader_) return;  // of a message that is over by now
  fetching_ = false;
  if (!usable()) return;
  if (!piece || piece->empty()) {
    // Without its end it is no message.
    end(CourierHost::End::lost, fmt::format("the rest of the body cannot be read: {}",
                                            piece ? "it is shorter than it was" : piece.error().message));
    return connection_->close();
  }
  smtp::ClientOutput out;
  session_.more(*piece, out);
  carry_out(out);
  tell();
}

void SmtpCourier::tell() {
  if (replies_) {
    ++jobs_;
    letter_.reset();
    reader_.reset();
    fetching_ = false;
    const bool gone =
        std::all_of(replies_->begin(), replies_->end(), [](const auto& reply) { return reply.code == 421; });
    host_.courier_done(*this, *std::exchange(replies_, std::nullopt), gone && jobs_ > 1);
  }
  if (ready_ && usable()) {
    ready_ = false;
    arm(Duration{0});
    host_.courier_ready(*this);
  }
}

void SmtpCourier::arm(Duration after) {
  period_ = after;
  marked_out_ = connection_->bytes_out();
  connection_->deadline(after);
}

void SmtpCourier::end(CourierHost::End end, std::string why) {
  resting_ = false;
  if (end_) return;
  if (connection_) {
    end_stage_ = stage();
    end_bytes_ = bytes();
  }
  end_.emplace(end, std::move(why));
}

}  // namespace impulse::delivery
