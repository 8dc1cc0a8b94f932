// ClientSession: one message. With PIPELINING (RFC 2920) MAIL, all RCPT and
// DATA leave in one write; without, one command at a time.
//
// A recipient's reply is its own refusal, else the refusal of MAIL or DATA,
// else the answer to the message's end. Unless that was positive, RSET comes
// before the next message.
#include "base/text.h"
#include "smtp/client_impl.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace impulse::smtp {
namespace {

// Whether an address can stand between < and > without ending them: envelopes
// hold such addresses only, yet a command must not depend on that.
bool is_sendable(std::string_view address) {
  bool quoted = false;
  for (size_t i = 0; i < address.size(); ++i) {
    const char c = address[i];
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return false;
    if (quoted && c == '\\') {
      if (++i == address.size() || static_cast<unsigned char>(address[i]) < 0x20) return false;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == ' ' || c == '<' || c == '>')) {
      return false;
    }
  }
  return !quoted;
}

}  // namespace

void ClientSession::Impl::send(const Job& new_job, ClientOutput& out) {
  if (job || rest != Rest::idle || !expected.empty()) {
    return host.job_done(std::vector<Reply>(new_job.recipients.size(), {0, "the session is not ready for a message"}));
  }
  job = new_job;
  replies.assign(job->recipients.size(), {});
  fates.assign(job->recipients.size(), Fate::unasked);
  mail_refusal.reset();
  next_recipient = answering_recipient = 0;
  body_sent = false;
  if (parser.midway()) return close({0, "the server sent a reply before it was asked"}, false, out);
  rest = Rest::busy;
  measured = measure(job->trace, job->body);
  refuse_unsendable();
  if (count(Fate::unasked) == 0) {  // nothing to ask the server
    end_job();
    return become_idle();
  }
  command(mail_command(), Expect::mail, out);
  if (!offers.pipelining) return;
  while (ask_next_recipient(out)) {
  }
  command("DATA", Expect::data, out);
}

void ClientSession::Impl::refuse_unsendable() {
  if (const auto why = objection()) settle_recipients(Fate::unasked, *why);
  for (size_t i = 0; i < fates.size(); ++i) {
    if (fates[i] != Fate::unasked) continue;
    const auto why = objection(job->recipients[i]);
    if (!why) continue;
    replies[i] = *why;
    fates[i] = Fate::settled;
  }
}

std::optional<Reply> ClientSession::Impl::objection() const {
  if (!is_sendable(job->sender)) return Reply{553, "5.1.7 the sender's address cannot be sent"};
  if (job->body_type == message::BodyType::binary_mime) {
    return Reply{554, "5.6.3 the message is BINARYMIME, which cannot be sent yet"};
  }
  if (job->body_type == message::BodyType::eight_bit_mime && !offers.eight_bit_mime) {
    return Reply{554, "5.6.3 the message is 8BITMIME, which the next server does not take"};
  }
  if (!offers.smtputf8 && (job->smtputf8 || !is_ascii(job->sender))) {
    return Reply{550, "5.6.7 the message needs SMTPUTF8, which the next server does not take"};
  }
  return std::nullopt;
}

std::optional<Reply> ClientSession::Impl::objection(const std::string& recipient) const {
  if (recipient.empty() || !is_sendable(recipient)) {
    return Reply{553, "5.1.3 the recipient's address cannot be sent"};
  }
  if (!offers.smtputf8 && !is_ascii(recipient)) {
    return Reply{553, "5.6.7 the recipient's address needs SMTPUTF8, which the next server does not take"};
  }
  return std::nullopt;
}

std::string ClientSession::Impl::mail_command() const {
  std::string command = fmt::format("MAIL FROM:<{}>", job->sender);
  if (offers.size) command += fmt::format(" SIZE={}", measured.size);
  if (offers.eight_bit_mime && (measured.eight_bit || job->body_type == message::BodyType::eight_bit_mime)) {
    command += " BODY=8BITMIME";
  }
  if (offers.smtputf8 && (job->smtputf8 || !is_ascii(job->sender) ||
                          !std::all_of(job->recipients.begin(), job->recipients.end(),
                                       [](const std::string& address) { return is_ascii(address); }))) {
    command += " SMTPUTF8";
  }
  return command;
}

bool ClientSession::Impl::ask_next_recipient(ClientOutput& out) {
  while (next_recipient < fates.size() && fates[next_recipient] != Fate::unasked) ++next_recipient;
  if (next_recipient == fates.size()) return false;
  command(fmt::format("RCPT TO:<{}>", job->recipients[next_recipient++]), Expect::rcpt, out);
  return job.has_value();  // the session may have ended over it
}

void ClientSession::Impl::after_mail(const Reply& reply, ClientOutput& out) {
  if (reply.code < 400 && !reply.positive()) return close({0, "nonsense in reply to MAIL: " + reply.text}, false, out);
  if (!reply.positive()) {
    mail_refusal = reply;
    if (offers.pipelining) return;  // replies to RCPT and DATA are still to come
    settle_recipients(Fate::unasked, reply);
    return end_job_and_reset(out);
  }
  if (!offers.pipelining) ask_next_recipient(out);
}

void ClientSession::Impl::after_rcpt(const Reply& reply, ClientOutput& out) {
  if (reply.code < 400 && !reply.positive()) return close({0, "nonsense in reply to RCPT: " + reply.text}, false, out);
  while (fates[answering_recipient] != Fate::unasked) ++answering_recipient;
  // After a refused MAIL the refusals of RCPT only follow from it.
  replies[answering_recipient] = mail_refusal && !reply.positive() ? *mail_refusal : reply;
  fates[answering_recipient] = reply.positive() ? Fate::accepted : Fate::settled;
  ++answering_recipient;
  if (offers.pipelining || ask_next_recipient(out) || !job) return;
  if (count(Fate::accepted) == 0) return end_job_and_reset(out);
  command("DATA", Expect::data, out);
}

void ClientSession::Impl::after_data(const Reply& reply, ClientOutput& out) {
  if (mail_refusal) {
    // Recipients and DATA accepted without a sender: it would deliver whatever comes now.
    if (reply.code == 354 && count(Fate::accepted) > 0) return close(*mail_refusal, false, out);
    settle_recipients(Fate::accepted, *mail_refusal);
  }
  if (reply.code == 354) {
    if (surplus) return close({0, "the server sent a reply before it was asked"}, false, out);
    body_sent = count(Fate::accepted) > 0;
    DataEncoder encoder(out.bytes);
    if (body_sent) {
      out.bytes.reserve(out.bytes.size() + job->trace.size() + job->body.size() + job->body.size() / 64 + 16);
      encoder.add(job->trace);
      encoder.add(job->body);
    }
    encoder.finish();
    if (trace)
      trace->note(fmt::format("{} bytes of a message", body_sent ? job->trace.size() + job->body.size() : size_t{0}));
    expected.push_back(Expect::body);
    return;
  }
  if (reply.code < 400) return close({0, "nonsense in reply to DATA: " + reply.text}, false, out);
  settle_recipients(Fate::accepted, reply);
  end_job_and_reset(out);
}

void ClientSession::Impl::after_body(const Reply& reply, ClientOutput& out) {
  if (body_sent && !reply.positive() && reply.code < 400) {
    return close({0, "nonsense in reply to the message: " + reply.text}, false, out);
  }
  const bool clean = body_sent && reply.positive();
  settle_recipients(Fate::accepted, reply);
  if (!clean) return end_job_and_reset(out);
  end_job();
  if (rest == Rest::closed) return;  // job_done() called quit()
  if (surplus) return close({0, "the server sent a reply before it was asked"}, false, out);
  become_idle();
}

// Every recipient that is at `fate` gets `reply` for good.
void ClientSession::Impl::settle_recipients(Fate fate, const Reply& reply) {
  for (size_t i = 0; i < fates.size(); ++i) {
    if (fates[i] != fate) continue;
    replies[i] = reply;
    fates[i] = Fate::settled;
  }
}

size_t ClientSession::Impl::count(Fate fate) const {
  return static_cast<size_t>(std::count(fates.begin(), fates.end(), fate));
}

void ClientSession::Impl::end_job() {
  job.reset();  // first: the host may look at the session
  host.job_done(std::exchange(replies, {}));
}

void ClientSession::Impl::end_job_and_reset(ClientOutput& out) {
  end_job();
  if (rest == Rest::closed) return;
  command("RSET", Expect::rset, out);
}

}  // namespace impulse::smtp
