#include "console/inject/ecstream_engine.h"

#include "base/text.h"

#include <fmt/format.h>

#include <utility>

namespace impulse::ecinject {

namespace {

using Kind = ecstream::ClientEvent::Kind;

constexpr size_t enough_waiting = size_t{256} << 10;  // octets to be sent; more would only lie about
constexpr size_t most_kept = size_t{64} << 20;        // octets not acknowledged

}  // namespace

EcstreamEngine::EcstreamEngine(const StreamSettings& settings, const std::string& name, bool known, EngineHost& host)
    : settings_(settings),
      host_(host),
      stream_(known ? ecstream::ClientStream(name, std::nullopt) : ecstream::ClientStream::fresh(name)) {}

void EcstreamEngine::start(bool confidential, Output& out) {
  leaving_ = false;
  told_ = {};
  told_to_go_.reset();
  authenticator_ =
      std::make_unique<console::SaslAuthenticator>(settings_.user, settings_.password, settings_.host, confidential);
  ecstream::ClientSettings session;
  session.hostname = settings_.hostname;
  session.agent = "ec_inject";
  session_ = std::make_unique<ecstream::ClientSession>(session, stream_, authenticator_.get());
  session_->start(told_);
  take(out);
}

void EcstreamEngine::take(Output& out) {
  if (out.bytes.empty())
    out.bytes.swap(told_.reply);
  else
    out.bytes += told_.reply;
  told_.reply.clear();
  out.close |= told_.close;
  for (size_t i = 0; i < told_.events.size(); ++i) on_event(told_.events[i]);
  told_.events.clear();
  if (leaving_ && sent_.empty() && session_ && !session_->ended() && !out.close) {
    session_->finish(told_);
    out.bytes += std::exchange(told_.reply, {});
    out.close = true;
  }
}

void EcstreamEngine::on_event(const ecstream::ClientEvent& event) {
  switch (event.kind) {
    case Kind::hello:
    case Kind::authenticated:
    case Kind::flushed:
    case Kind::pong:
    case Kind::id:
      return;
    case Kind::opened:
      if (!std::exchange(opened_once_, true)) resumed_ = event.sequence;
      return acknowledge(event.sequence);
    case Kind::acknowledged:
      return acknowledge(event.sequence);
    case Kind::refused: {
      const std::string text = fmt::format("{} {}", event.enhanced, escape_line(event.text, 400));
      if (event.repeated && !opened_once_) {
        // Of an earlier run of this name; who it was for is not told.
        ++refused_before_;
        return host_.refused(event.code, 1, 1, text);
      }
      if (sent_.empty() || event.sequence < first_ || event.sequence - first_ >= sent_.size()) return;
      Sent& entry = sent_[static_cast<size_t>(event.sequence - first_)];
      if (std::exchange(entry.refused, true)) return;
      return host_.refused(event.code, 1, entry.recipients, text);
    }
    case Kind::goaway:
      told_to_go_ = event.goaway;
      farewell_ = event.text;
      return;  // the end comes by itself, behind what is to be answered yet
    case Kind::failed:
      return host_.failed(escape_line(event.text, 400), ecstream::again(event.goaway) == ecstream::Again::no &&
                                                            !(event.code >= 400 && event.code < 500));
  }
}

void EcstreamEngine::acknowledge(uint64_t sequence) {
  while (!sent_.empty() && first_ <= sequence) settle_front(Settled::How::answered);
}

void EcstreamEngine::settle_front(Settled::How how) {
  const Sent entry = sent_.front();
  sent_.pop_front();
  ++first_;
  Settled settled;
  settled.how = how;
  settled.index = entry.index;
  settled.micros = host_.micros() - entry.begun;
  if (!entry.refused && how == Settled::How::answered) {
    settled.messages = 1;
    settled.recipients = entry.recipients;
    settled.bytes = entry.bytes;
  }
  host_.settled(settled);
}

void EcstreamEngine::feed(std::string_view bytes, Output& out) {
  if (!session_) return;
  session_->feed(bytes, told_);
  take(out);
  drained(out);
}

void EcstreamEngine::drained(Output& out) {
  if (!session_ || out.close || out.waiting() >= enough_waiting) return;
  session_->send(told_);
  take(out);
}

bool EcstreamEngine::wants(const Output& out) const {
  return ready() && !leaving_ && !out.close && out.waiting() < enough_waiting && stream_.last() < session_->limit() &&
         stream_.bytes() < most_kept;
}

void EcstreamEngine::send(const Mail& mail, Output& out) {
  head_.sender = mail.sender;
  head_.recipients.resize(mail.recipients.size());
  bool ascii = is_ascii(mail.sender);
  for (size_t i = 0; i < mail.recipients.size(); ++i) {
    head_.recipients[i].address = mail.recipients[i];
    ascii = ascii && is_ascii(mail.recipients[i]);
  }
  head_.smtputf8 = !ascii;
  head_.body_type = mail.eight_bit() ? message::BodyType::eight_bit_mime : message::BodyType::seven_bit;
  std::string body;
  body.reserve(mail.size());
  mail.append_to(body);
  const auto sequence = stream_.add(head_, std::move(body), false);
  Sent entry{mail.index, host_.micros(), mail.size(), static_cast<uint32_t>(mail.recipients.size()), false};
  if (!sequence) {  // an envelope that no frame can carry
    host_.refused(501, 1, entry.recipients, sequence.error().message);
    Settled settled;
    settled.index = mail.index;
    return host_.settled(settled);
  }
  if (sent_.empty()) first_ = *sequence;
  sent_.push_back(entry);
  session_->send(told_);
  if (settings_.flush_every != 0 && ++since_flush_ >= settings_.flush_every) {
    since_flush_ = 0;
    session_->flush(told_);
  }
  take(out);
}

void EcstreamEngine::quit(Output& out) {
  leaving_ = true;
  if (!session_ || !session_->open()) {
    out.close = true;
    return;
  }
  take(out);
}

void EcstreamEngine::lost(const Output&) {
  if (session_) session_->lost(told_);
  session_.reset();
  told_ = {};
  if (!told_to_go_ || *told_to_go_ == ecstream::GoAway::done) return;
  std::string why = fmt::format("the server ends the connection: {}", escape_line(farewell_, 400));
  if (ecstream::again(*told_to_go_) == ecstream::Again::no)
    host_.dismissed(std::move(why));
  else
    host_.failed(std::move(why), false);
}

void EcstreamEngine::give_up() {
  while (!sent_.empty()) settle_front(Settled::How::unknown);
}

}  // namespace impulse::ecinject
