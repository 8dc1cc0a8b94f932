#include "console/sendmail/submission.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

namespace impulse::sendmail {
namespace {

using std::chrono::seconds;

constexpr seconds command_patience(300);  // RFC 5321 §4.5.3.2
constexpr seconds body_patience(600);
constexpr seconds farewell(5);
constexpr size_t window = 50;  // commands ahead of their replies: never enough to fill a socket's buffers

Failure refusal(std::string_view what, const smtp::Reply& reply) {
  return {status_of(reply), fmt::format("{}: {} {}", what, reply.code, reply.text)};
}

class Submission {
 public:
  Submission(Dialogue& dialogue, const Letter& letter) : dialogue_(dialogue), letter_(letter) {}

  Outcome<> greet(const std::string& name) {
    const auto banner = dialogue_.reply(command_patience);
    if (!banner) return std::unexpected(banner.error());
    if (!banner->positive()) return std::unexpected(refusal("the server takes nothing", *banner));
    if (auto sent = dialogue_.command("EHLO " + name); !sent) return sent;
    const auto parsed = dialogue_.parsed_reply(command_patience);
    if (!parsed) return std::unexpected(parsed.error());
    const smtp::Reply reply{parsed->code, smtp::reply_text(*parsed)};
    if (!reply.positive()) return std::unexpected(refusal("EHLO", reply));
    offers_ = smtp::read_offers(*parsed);
    return {};
  }

  Outcome<Submitted> run() {
    smtp::DataMeasure measured = smtp::measure(letter_.header, "");
    const smtp::DataMeasure body = letter_.body.measure();
    shape_.measured = {measured.size + body.size, measured.eight_bit || body.eight_bit};
    shape_.utf8_header = letter_.envelope.smtputf8 && measured.eight_bit;
    if (const auto why = smtp::objection(letter_.envelope, shape_, offers_, smtp::Protection{}))
      return std::unexpected(refusal("the message cannot go there", *why));

    for (const auto& recipient : letter_.envelope.recipients) {
      if (const auto why = smtp::objection(recipient, offers_))
        result_.refused.push_back({recipient.address, *why});
      else
        later_.push_back(recipient);
    }
    while (!later_.empty()) {
      asked_ = std::exchange(later_, {});
      auto done = transaction();
      if (done) continue;
      if (result_.taken == 0) return std::unexpected(done.error());
      asked_.erase(asked_.begin(), asked_.begin() + static_cast<ptrdiff_t>(answered_));
      for (const auto* recipients : {&accepted_, &later_, &asked_}) refuse(*recipients, {0, done.error().text});
      break;
    }
    if (dialogue_.command("QUIT")) [[maybe_unused]]
      const auto reply = dialogue_.reply(farewell);
    return std::move(result_);
  }

 private:
  void refuse(const std::vector<message::Recipient>& recipients, const smtp::Reply& reply) {
    for (const auto& recipient : recipients) result_.refused.push_back({recipient.address, reply});
  }

  // For asked_. Who is not in result_ afterwards is in later_; after a failure
  // perhaps in accepted_, or not answered.
  Outcome<> transaction() {
    accepted_.clear();
    answered_ = 0;
    auto reply = ask(smtp::mail_command(letter_.envelope, shape_, offers_));
    if (!reply) return std::unexpected(reply.error());
    if (!reply->positive()) return std::unexpected(refusal("the sender is refused", *reply));
    if (auto done = ask_recipients(); !done) return done;
    if (accepted_.empty()) return {};  // and QUIT comes next
    reply = ask("DATA");
    if (!reply) return std::unexpected(reply.error());
    if (reply->code != 354) return std::unexpected(refusal("the message is refused", *reply));
    reply = send_message();
    if (!reply) return std::unexpected(reply.error());
    if (!reply->positive()) return std::unexpected(refusal("the message is refused", *reply));
    result_.taken += accepted_.size();
    accepted_.clear();
    return {};
  }

  Outcome<smtp::Reply> ask(const std::string& command) {
    if (auto sent = dialogue_.command(command); !sent) return std::unexpected(sent.error());
    return dialogue_.reply(command_patience);
  }

  Outcome<> ask_recipients() {
    const bool utf8 = smtp::says_smtputf8(letter_.envelope, offers_);
    const size_t ahead = offers_.pipelining ? window : 1;
    while (answered_ < asked_.size()) {
      const size_t end = std::min(answered_ + ahead, asked_.size());
      for (size_t i = answered_; i < end; ++i) {
        if (auto sent = dialogue_.command(smtp::rcpt_command(asked_[i], offers_, utf8)); !sent) return sent;
      }
      for (; answered_ < end; ++answered_) {
        const auto reply = dialogue_.reply(command_patience);
        if (!reply) return std::unexpected(reply.error());
        if (reply->code == 421) return std::unexpected(refusal("the server ends the session", *reply));
        const message::Recipient& recipient = asked_[answered_];
        if (reply->positive())
          accepted_.push_back(recipient);
        else if (reply->code == 452 && !accepted_.empty())  // RFC 5321 §4.5.3.1.10: in another transaction
          later_.push_back(recipient);
        else
          result_.refused.push_back({recipient.address, *reply});
      }
    }
    return {};
  }

  Outcome<smtp::Reply> send_message() {
    std::string wire;
    smtp::DataEncoder encoder;
    const auto take = [&](std::string_view piece) -> Outcome<> {
      encoder.add(piece, wire);
      auto sent = dialogue_.send(wire);
      wire.clear();
      return sent;
    };
    dialogue_.note(fmt::format(">>> {} bytes of a message", shape_.measured.size));
    Outcome<> sent = take(letter_.header);
    if (sent) sent = letter_.body.read(take);
    // Ours to give up: without the final dot, nothing has been sent.
    if (!sent && sent.error().status != EX_TEMPFAIL) return std::unexpected(sent.error());
    if (sent) {
      encoder.finish(wire);
      sent = dialogue_.send(wire);
    }
    // A server that has hung up may have said why.
    auto reply = dialogue_.reply(body_patience);
    if (!reply || sent || !reply->positive()) return reply;
    return std::unexpected(sent.error());
  }

  Dialogue& dialogue_;
  const Letter& letter_;
  smtp::ClientOffers offers_;
  smtp::MessageShape shape_;
  Submitted result_;
  std::vector<message::Recipient> asked_;     // in this transaction
  size_t answered_ = 0;                       // of these, so many from the front
  std::vector<message::Recipient> accepted_;  // in this transaction, without its end yet
  std::vector<message::Recipient> later_;     // for the next one
};

}  // namespace

int status_of(const smtp::Reply& reply) {
  const std::string_view text = reply.text;
  if (!reply.permanent()) return EX_TEMPFAIL;
  if (text.starts_with("5.7.")) return EX_NOPERM;
  if (reply.code == 552 || text.starts_with("5.6.") || text.starts_with("5.3.4") || text.starts_with("5.1.7") ||
      text.starts_with("5.1.8"))
    return EX_DATAERR;
  return EX_UNAVAILABLE;
}

Outcome<Submitted> submit(Dialogue& dialogue, const std::string& name, const Letter& letter) {
  Submission submission(dialogue, letter);
  if (auto greeted = submission.greet(name); !greeted) return std::unexpected(greeted.error());
  return submission.run();
}

}  // namespace impulse::sendmail
