// Moves messages between the hop and a stream, and keeps the time.
#include "delivery/ecstream_courier.h"

#include "base/text.h"
#include "delivery/parcel.h"
#include "smtp/client_envelope.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "config.h"

namespace impulse::delivery {
namespace {

using Kind = ecstream::ClientEvent::Kind;
using telemetry::Stage;

// What may be under way on a connection. A crash of ours repeats so much at most.
constexpr size_t most_messages = 100;
constexpr size_t most_bytes = 8 << 20;
constexpr size_t most_rests = 8;           // messages with a descriptor open
constexpr size_t most_unsent = 256 << 10;  // in the connection's buffer, before the next message is added
// A next host that takes less in a whole Body_Timeout, and answers nothing, is as good as dead.
constexpr uint64_t least_progress = 64 << 10;
constexpr Duration handshake_patience = std::chrono::seconds(60);

ecstream::ClientSettings session_settings(const Route& route) {
  ecstream::ClientSettings settings;
  settings.hostname = route.ehlo_name;
  settings.agent = "impulse/" PACKAGE_VERSION;
  return settings;
}

std::string safe(std::string_view text) { return escape_line(text, 512); }

}  // namespace

EcstreamCourier::EcstreamCourier(Setup setup)
    : Courier(std::move(setup)),
      offers_(stream_offers()),
      stream_(ecstream::ClientStream::fresh({})),
      resumption_(route_->timeouts.body),
      timer_(loop_, [this] { try_again(); }) {
  if (auto login = login_at(*route_, target_)) login_.emplace(std::move(*login));
  take_stream();
}

EcstreamCourier::~EcstreamCourier() = default;

Result<> EcstreamCourier::start() {
  auto started = connect();
  if (!started) leave_stream();
  return started;
}

Result<> EcstreamCourier::connect() {
  session_.emplace(session_settings(*route_), stream_, login_ ? &*login_ : nullptr);
  out_ = {};
  fault_.reset();
  connected_ = handshaking_ = authenticated_ = open_ = farewell_ = finished_ = false;
  noted_ = 0;
  taken_at_most_.reset();
  again_ = ecstream::Again::at_once;
  auto connection = net::Connection::connect(loop_, target_.endpoint, route_->source, *this);
  if (!connection) return std::unexpected(std::move(connection.error()));
  connection_ = std::move(*connection);
  arm(route_->connect_timeout);
  return {};
}

// While messages wait for it, no longer than they do.
void EcstreamCourier::arm(Duration after) { connection_->deadline(resumption_.at_most(after, steady_now())); }

bool EcstreamCourier::takes_more() const {
  return open_ && usable() && jobs_.size() < most_messages && rests_ < most_rests &&
         stream_.bytes() + rest_bytes_ < most_bytes;
}

void EcstreamCourier::send(std::shared_ptr<const Letter> letter, const std::vector<uint32_t>& recipients) {
  resting_ = false;
  ++given_;
  Parcel parcel = make_parcel(*letter, recipients, protection(), limits_);
  if (!parcel.asked.empty()) {
    auto sequence = stream_.add(parcel.head, std::move(parcel.body), true, parcel.rest);
    if (sequence) {
      jobs_.emplace_back(std::move(parcel.replies)).goes(*sequence, parcel, letter->stored);
      if (const auto& rest = letter->stored.rest) {
        ++rests_;
        rest_bytes_ += rest->size();
      }
      if (trace_) trace_->note(fmt::format("MESSAGE {}", *sequence));
    } else {
      for (const uint32_t each : parcel.asked)
        parcel.replies[each] = {550, "5.6.0 " + safe(sequence.error().message), Stage::idle};
      jobs_.emplace_back(std::move(parcel.replies));
    }
  } else {
    jobs_.emplace_back(std::move(parcel.replies));
  }
  const bool first = jobs_.size() == answered_ + 1;
  write_more();
  count_unsent();
  if (first && open_) watch();
  if (answered_ > 0 || fault_) tell_later();
}

void EcstreamCourier::rest() {
  if (!jobs_.empty() || !usable()) return;
  if (route_->idle_timeout <= Duration{0}) return quit();
  resting_ = true;
  connection_->deadline(route_->idle_timeout);
}

void EcstreamCourier::hold() {
  if (std::exchange(resting_, false)) connection_->deadline(Duration{0});
}

// What is under way is answered first.
void EcstreamCourier::quit() {
  resting_ = false;
  end(End::orderly, "quit");
  leave();
}

void EcstreamCourier::leave() {
  if (finished_ || !jobs_.empty() || !connection_) return;
  session_->finish(out_);
  carry_out();
  finished_ = true;
  connection_->finish();
}

void EcstreamCourier::close() {
  resting_ = false;
  hopeless_ = true;
  end(End::orderly, "closed");
  if (connection_) return connection_->close();
  timer_.stop();
  later([this] { give_up(); });
}

// --- what comes --------------------------------------------------------------

// It begins with the connection: nobody offers it. Behind a Unix socket it would hide nothing.
bool EcstreamCourier::by_tls() const {
  if (route_->tls == smtp::TlsUse::no || !plain_because_.empty()) return false;
  return route_->tls == smtp::TlsUse::required || !target_.endpoint.is_unix();
}

void EcstreamCourier::on_connected() {
  connected_ = true;
  local_ = connection_->local().to_string();
  if (trace_) trace_->note(fmt::format("connected from {}", local_));
  if (!by_tls()) return begin();
  handshaking_ = true;
  arm(std::min(handshake_patience, route_->timeouts.ehlo));
  connection_->start_tls_client(route_->tls_context, target_.host, route_->tls_verify_name);
}

void EcstreamCourier::on_tls(const net::TlsInfo& info) {
  handshaking_ = false;
  if (was_open_ && verified_ && !info.name_verified) {  // what is under way may need it
    fault(End::tls, "the certificate of the next server is not verified any more");
    return connection_->close();
  }
  verified_ = info.name_verified;
  tls_ = std::make_shared<const telemetry::TlsFacts>(
      telemetry::TlsFacts{info.version, info.cipher, info.peer ? info.peer->subject : std::string()});
  begin();
}

void EcstreamCourier::begin() {
  if (login_) login_->begin(tls_ != nullptr);
  session_->start(out_);
  carry_out();
  arm(route_->timeouts.ehlo);  // until the stream is open
}

size_t EcstreamCourier::on_data(std::string_view bytes) {
  if (fault_ && !farewell_) return bytes.size();  // behind GOAWAY answers go on coming
  session_->feed(bytes, out_);
  take_events();
  write_more();
  count_unsent();
  tell();
  return bytes.size();
}

void EcstreamCourier::on_drained() {
  write_more();
  if (fetch_ == Fetch::when_drained && connection_ && connection_->unsent() == 0) read_rest();
  count_unsent();
  tell();
}

// What waited, for the window or for a connection, has less time than when it came. It is not there: OPENED said so.
void EcstreamCourier::tell_time() {
  for (auto job = jobs_.rbegin(); job != jobs_.rend(); ++job) {
    if (job->sequence() == 0) continue;
    if (job->sequence() <= session_->begun()) break;
    const auto left = job->time_left();
    if (!left) continue;
    if (left->mode == 'R' && left->seconds <= 0) {
      job->refused(smtp::too_late());
      stream_.give_up(job->sequence());
    } else {
      stream_.set_deliver_by(job->sequence(), left->seconds);
    }
  }
}

void EcstreamCourier::write_more() {
  if (open_ && !fault_ && connection_ && connection_->unsent() < most_unsent) {
    tell_time();
    session_->send(out_);
  }
  note_places();
  if (!out_.events.empty()) take_events();  // what the server would not take
  carry_out();
  if (fetch_ == Fetch::no && connection_ && !fault_ && session_->wants() != 0) {
    fetch_ = Fetch::when_drained;
    connection_->want_drained();
  }
}

// An acknowledgement of what was written comes later than this.
void EcstreamCourier::note_places() {
  if (!open_) return;
  const uint64_t whole = session_->sent();
  for (auto job = jobs_.rbegin(); job != jobs_.rend() && (job->sequence() == 0 || job->sequence() > noted_); ++job)
    if (job->sequence() != 0) job->stands(stream_.span(job->sequence()), job->sequence() <= whole);
  noted_ = whole;
}

void EcstreamCourier::carry_out() {
  if (!connection_ || finished_) return out_.reply.clear();
  if (!out_.reply.empty()) {
    connection_->write(out_.reply);
    out_.reply.clear();
    connection_->want_drained();  // what waits behind it follows then
  }
  if (out_.close) {
    finished_ = true;
    connection_->finish();
  }
}

// While its messages leave it is alive, though it answers none; it is not for asking, and reading PONGs.
bool EcstreamCourier::moves() const {
  const uint64_t pongs = session_->pongs() - marked_pongs_;
  return open_ && !finished_ && connection_->bytes_out() >= marked_out_ + least_progress + pongs;
}

void EcstreamCourier::watch() {
  if (!connection_) return;
  marked_out_ = connection_->bytes_out();
  marked_pongs_ = session_->pongs();
  connection_->deadline(jobs_.size() > answered_ ? route_->timeouts.body : Duration{0});
}

void EcstreamCourier::on_deadline() {
  if (resting_) return quit();
  if (moves()) return watch();
  const std::string to = target_.endpoint.to_string();
  if (!connected_)
    fault(End::unreachable, fmt::format("connection to {} timed out", to));
  else if (handshaking_)
    fault(End::tls, "TLS handshake timed out");
  else if (fetch_ == Fetch::reading && connection_->unsent() == 0)
    fault(End::lost, "the rest of the body was not read from the disk in time");
  else
    fault(End::lost, fmt::format("timed out waiting for {} ({})", to, session_->state()));
  connection_->close();
}

Stage EcstreamCourier::stage() const {
  if (!connection_) return end_stage_;
  if (!connected_) return Stage::not_connected;
  if (handshaking_) return Stage::tls_handshake;
  if (open_) return Stage::idle;
  return connection_->unsent() > 0 ? Stage::during_ehlo : Stage::after_ehlo;
}

StreamJob* EcstreamCourier::find(uint64_t sequence) {
  const auto found = std::ranges::find(jobs_, sequence, &StreamJob::sequence);
  return found == jobs_.end() ? nullptr : &*found;
}

void EcstreamCourier::opened(const ecstream::ClientEvent& event) {
  if (login_ && !authenticated_) {
    hopeless_ = true;
    fault(End::refused, "cannot authenticate: " + login_->problem());
    return connection_->close();
  }
  open_ = was_open_ = ready_ = true;
  reused_ = false;
  limits_ = session_->server();
  limits_.max_recipients = less_of(limits_.max_recipients, most_recipients_);
  if (trace_) trace_->note(fmt::format("OPENED {}", event.sequence));
  acknowledged(event.sequence);
}

// A message is taken for all of its recipients or none: where one was refused
// the others have not been tried.
void EcstreamCourier::refused(const ecstream::ClientEvent& event) {
  StreamJob* const job = find(event.sequence);
  if (job == nullptr) return;
  smtp::Reply reply{event.code, safe(event.enhanced.empty() ? event.text : event.enhanced + ' ' + event.text)};
  if (trace_) trace_->note(fmt::format("NAK {}: {} {}", event.sequence, reply.code, reply.text));
  // It was made for what the server took on an earlier connection: smaller parts of it may do.
  if (event.here && job->asked() > 1) return job->refused({CourierHost::not_tried, {}});
  const bool one = event.recipient < job->asked();
  if (event.enhanced == "5.5.3") {
    // Too many, from that one on: its limit is another one since it said HELLO.
    if (one && event.recipient > 0) {
      most_recipients_ = less_of(most_recipients_, event.recipient);
      limits_.max_recipients = less_of(limits_.max_recipients, most_recipients_);
      reply = {CourierHost::not_tried, {}};
    } else {
      reply.code = 452;
    }
    return job->refused(reply);
  }
  one ? job->refused(event.recipient, reply) : job->refused(reply);
}

void EcstreamCourier::acknowledged(uint64_t sequence) {
  const size_t before = answered_;
  while (answered_ < jobs_.size() && jobs_[answered_].sequence() <= sequence) ++answered_;
  if (answered_ > before) {
    answers_ = true;
    resumption_.answered();
  }
  if (trace_ && answered_ > before) trace_->note(fmt::format("ACK {}", sequence));
  watch();
}

// Those that need no answer.
void EcstreamCourier::count_unsent() {
  while (answered_ < jobs_.size() && jobs_[answered_].sequence() == 0) ++answered_;
}

// It answers what it has, and closes.
void EcstreamCourier::goes_away(const ecstream::ClientEvent& event) {
  farewell_ = true;
  resting_ = false;
  again_ = ecstream::again(event.goaway);
  if (reused_ && event.goaway == ecstream::GoAway::stream) {
    stale_ = true;
  } else if (again_ == ecstream::Again::no) {
    hopeless_ = true;
    // Before OPENED it knows nothing of the stream.
    if (open_) taken_at_most_ = std::max(event.sequence, stream_.acknowledged());
  }
  fault(open_ ? End::lost : End::refused, fmt::format("GOAWAY {}: {}", name(event.goaway), safe(event.text)));
}

void EcstreamCourier::take_events() {
  for (const ecstream::ClientEvent& event : std::exchange(out_.events, {})) {
    switch (event.kind) {
      case Kind::hello:
      case Kind::flushed:
      case Kind::pong:
        break;
      case Kind::authenticated:
        authenticated_ = true;
        break;
      case Kind::opened:
        opened(event);
        break;
      case Kind::id:
        if (StreamJob* const job = find(event.sequence)) job->called(safe(event.text));
        break;
      case Kind::refused:
        refused(event);
        break;
      case Kind::acknowledged:
        acknowledged(event.sequence);
        break;
      case Kind::goaway:
        goes_away(event);
        break;
      case Kind::failed: {
        // A login that does not work for now is asked for again: the doubt is not decided by it.
        if (event.code / 100 == 4)
          again_ = ecstream::Again::in_a_while;
        else if (reused_ && event.goaway == ecstream::GoAway::sequence)
          stale_ = true;
        else
          hopeless_ = true;
        const bool login = event.goaway == ecstream::GoAway::auth_failed;
        fault(open_ ? End::lost : End::refused, (login ? "cannot authenticate: " : "") + safe(event.text));
        break;
      }
    }
  }
}

// --- what the host hears -----------------------------------------------------

// From inside a call of the host's: it hears of it from the loop.
void EcstreamCourier::tell_later() {
  if (std::exchange(posted_, true)) return;
  later([this] {
    posted_ = false;
    tell();
  });
}

void EcstreamCourier::done(StreamJob& job) {
  if (connection_) job.has_left(connection_->bytes_out());
  if (job.rest()) {
    --rests_;
    rest_bytes_ -= job.rest()->size();
  }
  host_.courier_done(*this, std::move(job).replies(), false);
}

void EcstreamCourier::tell_answers() {
  while (answered_ > 0) {
    StreamJob job = std::move(jobs_.front());
    jobs_.pop_front();
    --answered_;
    ready_ = true;
    done(job);
  }
}

void EcstreamCourier::tell() {
  tell_answers();
  if (!connection_) return;
  if (stale_) {
    if (!std::exchange(finished_, true)) connection_->finish();
    return;
  }
  if (farewell_ && jobs_.empty()) end(fault_->first, fault_->second);
  if (end_) return leave();
  if (!takes_more()) return;
  if (std::exchange(ready_, false)) host_.courier_ready(*this);
}

void EcstreamCourier::end(End end, std::string why) {
  resting_ = false;
  if (!end_) end_.emplace(end, std::move(why));
}

void EcstreamCourier::fault(End end, std::string why) {
  if (!fault_) fault_.emplace(end, std::move(why));
}

}  // namespace impulse::delivery
