#include "ecstream/client_session.h"

#include "base/crc32c.h"
#include "ecstream/answers.h"
#include "ecstream/wire.h"

#include <algorithm>
#include <utility>

namespace impulse::ecstream {

namespace {

using Kind = ClientEvent::Kind;

ClientEvent& tell(ClientOutput& out, Kind kind) {
  ClientEvent& event = out.events.emplace_back();
  event.kind = kind;
  return event;
}

}  // namespace

ClientSession::ClientSession(ClientSettings settings, ClientStream& stream, Authenticator* authenticator)
    : settings_(std::move(settings)),
      stream_(stream),
      authenticator_(authenticator),
      reader_(Side::server, smallest_max_frame) {}

void ClientSession::write(const Frame& frame, ClientOutput& out) {
  const size_t from = out.reply.size();
  append_frame(out.reply, frame, checksums_);
  written_ += out.reply.size() - from;
}

void ClientSession::write_parts(const Frame& frame, std::initializer_list<std::string_view> parts, ClientOutput& out) {
  size_t length = checksums_ ? checksum_size : 0;
  for (const std::string_view part : parts) length += part.size();
  const size_t from = out.reply.size();
  append_frame_header(out.reply, frame, static_cast<uint32_t>(length));
  for (const std::string_view part : parts) out.reply += part;
  if (checksums_) put(out.reply, crc32c(0, std::string_view(out.reply).substr(from)));
  written_ += out.reply.size() - from;
}

void ClientSession::fail_with(GoAway code, std::string_view text, ClientOutput& out, uint16_t auth_code) {
  if (at_ == At::ended) return;
  write({FrameType::goaway, 0, 0, encode_farewell(code, text)}, out);
  ClientEvent& event = tell(out, Kind::failed);
  event.goaway = code;
  event.code = auth_code;
  event.text = text;
  out.close = true;
  at_ = At::ended;
}

void ClientSession::start(ClientOutput& out) {
  Hello hello;
  hello.features = settings_.checksums ? feature::checksums : 0;
  hello.agent = settings_.agent;
  hello.hostname = settings_.hostname;
  write({FrameType::hello, 0, 0, encode(hello, From::client)}, out);
  at_ = At::hello;
}

void ClientSession::feed(std::string_view bytes, ClientOutput& out) {
  while (!bytes.empty() && at_ != At::ended) {
    const FrameReader::Result read = reader_.feed(bytes);
    bytes.remove_prefix(read.used);
    if (read.event == FrameReader::Event::fault) return fail_with(read.fault, "The server broke the framing", out);
    if (read.event == FrameReader::Event::frame) on_frame(read.frame, out);
  }
}

void ClientSession::on_frame(const Frame& frame, ClientOutput& out) {
  const bool streaming = at_ == At::open || at_ == At::leaving;
  const auto unexpected = [&] { fail_with(GoAway::unexpected, "The server sent what cannot come now", out); };
  switch (frame.type) {
    case FrameType::hello:
      return at_ == At::hello ? on_hello(frame, out) : unexpected();
    case FrameType::auth_reply:
      return at_ == At::auth ? on_auth(frame, out) : unexpected();
    case FrameType::opened:
      return at_ == At::opening ? on_opened(frame, out) : unexpected();
    case FrameType::ack:
      return streaming ? on_ack(frame, out) : unexpected();
    case FrameType::nak:
      return streaming || at_ == At::opening ? on_nak(frame, out) : unexpected();
    case FrameType::window:
      return streaming ? on_window(frame, out) : unexpected();
    case FrameType::ping:
      return on_ping(frame, out);
    case FrameType::pong:
      tell(out, Kind::pong).text = frame.payload;
      return;
    case FrameType::goaway:
      return on_goaway(frame, out);
    case FrameType::auth:
    case FrameType::open:
    case FrameType::message:
    case FrameType::chunk:
    case FrameType::flush:
    case FrameType::skip:
      return unexpected();  // the reader refuses them before
  }
}

void ClientSession::on_ping(const Frame& frame, ClientOutput& out) {
  if (frame.payload.size() > max_ping) return fail_with(GoAway::malformed, "PING is too long", out);
  const uint64_t before = written_;
  write({FrameType::pong, 0, 0, frame.payload}, out);
  pongs_ += written_ - before;
}

void ClientSession::on_hello(const Frame& frame, ClientOutput& out) {
  auto theirs = decode_hello(frame.payload);
  if (!theirs) return fail_with(theirs.error(), "The server's HELLO is none", out);
  if (theirs->version != version) return fail_with(GoAway::version, "The server speaks another version", out);
  if (!settings_.checksums && (theirs->features & feature::checksums) != 0)
    return fail_with(GoAway::malformed, "The server has a feature that was not asked for", out);
  server_ = std::move(*theirs);
  window_ = server_.window;
  checksums_ = (server_.features & feature::checksums) != 0;
  reader_.expect_checksums(checksums_);
  tell(out, Kind::hello);
  begin_auth(out);
}

void ClientSession::begin_auth(ClientOutput& out) {
  const std::string mechanism =
      authenticator_ != nullptr && !server_.mechanisms.empty() ? authenticator_->choose(server_.mechanisms) : "";
  if (mechanism.empty()) {
    if (server_.auth_required)
      return fail_with(GoAway::auth_required, "The server wants authentication, and there is no way to do it", out);
    return open_stream(out);
  }
  auto initial = authenticator_->step(std::nullopt);
  if (!initial) return fail_with(GoAway::internal, initial.error().message, out);
  std::string payload;
  put_short_text(payload, mechanism);
  uint8_t flags = flag::auth_start;
  if (*initial) {
    flags |= flag::auth_initial;
    payload += **initial;
  }
  write({FrameType::auth, flags, 0, payload}, out);
  at_ = At::auth;
}

void ClientSession::on_auth(const Frame& frame, ClientOutput& out) {
  const auto reply = decode_auth_reply(frame.payload);
  if (!reply) return fail_with(GoAway::malformed, "The server's AUTH_REPLY is none", out);
  if (reply->state == AuthState::challenge) {
    auto response = authenticator_->step(reply->challenge);
    if (!response) return fail_with(GoAway::auth_failed, response.error().message, out);
    return write({FrameType::auth, 0, 0, response->value_or("")}, out);
  }
  if (reply->state == AuthState::failure)
    return fail_with(GoAway::auth_failed, std::string(reply->enhanced) + ' ' + std::string(reply->text), out,
                     reply->code);
  if (auto proven = authenticator_->finish(); !proven)
    return fail_with(GoAway::auth_failed, proven.error().message, out);
  tell(out, Kind::authenticated);
  open_stream(out);
}

void ClientSession::open_stream(ClientOutput& out) {
  // What was open once is no news to the server.
  write({FrameType::open, stream_.fresh_ ? flag::open_new : uint8_t{0}, stream_.done_, stream_.name_}, out);
  at_ = At::opening;
}

void ClientSession::on_opened(const Frame& frame, ClientOutput& out) {
  if (!frame.payload.empty()) return fail_with(GoAway::malformed, "The server's OPENED is none", out);
  if (frame.sequence < stream_.done_)
    return fail_with(GoAway::sequence, "The server has less than it has acknowledged", out);
  if (stream_.furthest_ && frame.sequence > std::max(*stream_.furthest_, stream_.done_))
    return fail_with(GoAway::sequence, "The server has more of the stream than was sent: another writes to it", out);
  if ((frame.flags & flag::opened_known) == 0 && frame.sequence > stream_.done_)
    return fail_with(GoAway::sequence, "The server has something of a stream that it does not know", out);
  const bool forgotten = !stream_.name_.empty() && stream_.done_ > 0 && (frame.flags & flag::opened_known) == 0;
  stream_.fresh_ = false;
  stream_.furthest_ = std::max(stream_.furthest_.value_or(0), frame.sequence);
  stream_.done(frame.sequence);
  for (ClientStream::Entry& entry : stream_.entries_) entry.span = {};
  if (!std::exchange(stream_.numbered_, true)) stream_.next_ = stream_.done_ + 1;
  sent_ = frame.sequence;
  raise_limit();
  at_ = At::open;
  ClientEvent& event = tell(out, Kind::opened);
  event.sequence = frame.sequence;
  event.forgotten = forgotten;
}

void ClientSession::raise_limit() {
  limit_ = std::max(limit_, stream_.done_ + std::min<uint64_t>(window_, UINT64_MAX - stream_.done_));
}

void ClientSession::on_ack(const Frame& frame, ClientOutput& out) {
  const uint64_t before = stream_.done_;
  if (frame.sequence < before || frame.sequence > sent_)
    return fail_with(GoAway::sequence, "The server acknowledges what was not sent", out);
  const bool has_ids = (frame.flags & flag::ack_ids) != 0;
  const auto ids = decode_ids(frame.payload);
  if (!ids || has_ids == frame.payload.empty()) return fail_with(GoAway::malformed, "The server's ACK is none", out);
  for (const IdOf& id : *ids) {
    ClientEvent& event = tell(out, Kind::id);
    event.sequence = id.sequence;
    event.text = id.id;
  }
  stream_.done(frame.sequence);
  raise_limit();
  if (frame.sequence > before) tell(out, Kind::acknowledged).sequence = frame.sequence;
  if ((frame.flags & flag::ack_flushed) != 0) tell(out, Kind::flushed).sequence = frame.sequence;
}

void ClientSession::on_nak(const Frame& frame, ClientOutput& out) {
  const bool repeated = (frame.flags & flag::nak_repeated) != 0;
  const auto nak = decode_nak(frame.payload);
  if (!nak) return fail_with(GoAway::malformed, "The server's NAK is none", out);
  if (frame.sequence <= stream_.done_ || repeated != (at_ == At::opening) || (!repeated && frame.sequence > begun()))
    return fail_with(GoAway::sequence, "The server refuses what was not sent", out);
  if (ClientStream::Entry* const entry = stream_.find(frame.sequence)) {
    if (std::exchange(entry->refused, true)) return;  // it is known already
    stream_.clear(*entry);
  }
  ClientEvent& event = tell(out, Kind::refused);
  event.sequence = frame.sequence;
  event.code = nak->code;
  event.enhanced = nak->enhanced;
  event.recipient = nak->recipient;
  event.repeated = repeated;
  event.text = nak->text;
}

void ClientSession::on_window(const Frame& frame, ClientOutput& out) {
  if (frame.payload.size() != sizeof(uint32_t)) return fail_with(GoAway::malformed, "The server's WINDOW is none", out);
  window_ = get<uint32_t>(frame.payload);
  raise_limit();
}

void ClientSession::on_goaway(const Frame& frame, ClientOutput& out) {
  const auto farewell = decode_farewell(frame.payload);
  if (!farewell) return fail_with(GoAway::malformed, "The server's GOAWAY is none", out);
  ClientEvent& event = tell(out, Kind::goaway);
  event.goaway = static_cast<GoAway>(farewell->code);
  event.sequence = frame.sequence;
  event.text = farewell->text;
  at_ = At::leaving;
}

// --- what is sent --------------------------------------------------------------

void ClientSession::send(ClientOutput& out) {
  while (at_ == At::open && out.reply.size() < settings_.reply_limit && send_next(out)) {
  }
  if (at_ == At::open && flush_waits_ && !within_ && sent_ >= flush_at_) {
    flush_waits_ = false;
    write({FrameType::flush, 0, 0, {}}, out);
  }
}

void ClientSession::has_gone(uint64_t sequence) {
  sent_ = sequence;
  stream_.furthest_ = std::max(stream_.furthest_.value_or(0), sequence);
}

// False: nothing more can go now.
bool ClientSession::send_next(ClientOutput& out) {
  const uint64_t sequence = sent_ + 1;
  ClientStream::Entry* const entry = sequence <= limit_ ? stream_.find(sequence) : nullptr;
  if (entry == nullptr) return false;
  if (within_) return send_chunk(*entry, out);
  const uint64_t fixed = sizeof(uint32_t) + entry->envelope.size();
  const uint64_t whole = entry->body.size() + entry->rest;
  if (!entry->skip && (fixed > server_.max_frame || (server_.max_message != 0 && whole > server_.max_message))) {
    // It can only be refused; so it does not go.
    entry->refused = true;
    ClientEvent& event = tell(out, Kind::refused);
    event.sequence = sequence;
    event.code = 552;
    event.enhanced = "5.3.4";
    event.recipient = UINT32_MAX;
    event.here = true;
    event.text = fixed > server_.max_frame ? "Envelope too big for the server" : "Message too big for the server";
    stream_.clear(*entry);
  }
  if (entry->skip) {
    write({FrameType::skip, 0, sequence, {}}, out);
    has_gone(sequence);
    return true;
  }
  const size_t room = most_frame() - std::min(most_frame(), static_cast<size_t>(fixed));
  const std::string_view part = std::string_view(entry->body).substr(0, room);
  std::string size;
  put(size, static_cast<uint32_t>(entry->envelope.size()));
  within_ = part.size() < whole;
  entry->span.from = written_;
  const auto flags = static_cast<uint8_t>((within_ ? flag::more : 0) | (entry->want_id ? flag::message_want_id : 0));
  write_parts({FrameType::message, flags, sequence, {}}, {size, entry->envelope, part}, out);
  entry->span.to = written_;
  body_sent_ = part.size();
  if (!within_) has_gone(sequence);
  return true;
}

size_t ClientSession::most_frame() const { return std::min(server_.max_frame, settings_.most_frame); }

bool ClientSession::send_chunk(ClientStream::Entry& entry, ClientOutput& out) {
  const uint64_t sequence = sent_ + 1;
  if (entry.skip) {  // refused, or given up, on its way
    write({FrameType::chunk, flag::chunk_abort, sequence, {}}, out);
    within_ = false;
    has_gone(sequence);
    return true;
  }
  if (body_sent_ >= entry.body.size()) return false;  // more() has it
  write_chunk(entry, std::string_view(entry.body).substr(static_cast<size_t>(body_sent_), most_frame()), out);
  return true;
}

void ClientSession::write_chunk(ClientStream::Entry& entry, std::string_view part, ClientOutput& out) {
  body_sent_ += part.size();
  within_ = body_sent_ < entry.body.size() + entry.rest;
  write_parts({FrameType::chunk, within_ ? flag::more : uint8_t{0}, sent_ + 1, {}}, {part}, out);
  entry.span.to = written_;
  if (!within_) has_gone(sent_ + 1);
}

uint64_t ClientSession::wants() const {
  const ClientStream::Entry* const entry = at_ == At::open && within_ ? stream_.find(sent_ + 1) : nullptr;
  return entry == nullptr || entry->skip || body_sent_ < entry->body.size() ? 0 : sent_ + 1;
}

void ClientSession::more(std::string_view piece, ClientOutput& out) {
  const uint64_t sequence = wants();
  while (!piece.empty() && sequence != 0 && wants() == sequence) {
    ClientStream::Entry& entry = *stream_.find(sequence);
    const uint64_t left = entry.body.size() + entry.rest - body_sent_;
    const std::string_view part = piece.substr(0, static_cast<size_t>(std::min<uint64_t>(left, most_frame())));
    piece.remove_prefix(part.size());
    write_chunk(entry, part, out);
  }
}

std::string_view ClientSession::state() const {
  static constexpr std::string_view names[] = {"start", "hello", "auth", "opening", "open", "leaving", "ended"};
  return names[static_cast<size_t>(at_)];
}

void ClientSession::flush(ClientOutput& out) {
  flush_at_ = stream_.last();
  flush_waits_ = true;
  send(out);
}

void ClientSession::ping(std::string_view payload, ClientOutput& out) {
  if (at_ == At::start || at_ == At::hello || at_ == At::ended) return;
  write({FrameType::ping, 0, 0, payload.substr(0, max_ping)}, out);
}

void ClientSession::finish(ClientOutput& out) {
  if (at_ == At::leaving || at_ == At::ended) return;
  if (at_ != At::start) write({FrameType::goaway, 0, 0, encode_farewell(GoAway::done, "")}, out);
  at_ = At::leaving;
}

void ClientSession::lost(ClientOutput& out) {
  at_ = At::ended;
  out.close = true;
}

}  // namespace impulse::ecstream
