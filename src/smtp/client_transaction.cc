// ClientSession: one message. With PIPELINING (RFC 2920) MAIL, all RCPT and
// DATA leave in one write; without, one command at a time. A BINARYMIME message
// goes as one chunk (BDAT … LAST, RFC 3030), once a recipient was accepted.
//
// A recipient's reply is its own refusal, else the refusal of MAIL or DATA,
// else the answer to the message's end. Unless that was positive, RSET comes
// before the next message. With LMTP (RFC 2033 §4.2) that answer is as many
// replies as recipients were accepted, in their order: each recipient's is good
// as soon as it is there, whatever becomes of the session then.
#include "base/text.h"
#include "smtp/client_impl.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace impulse::smtp {

void ClientSession::Impl::send(const Job& new_job, ClientOutput& out) {
  if (job || rest != Rest::idle || !expected.empty()) {
    return host.job_done(std::vector<Reply>(new_job.recipients.size(), {0, "the session is not ready for a message"}));
  }
  job = new_job;
  count(out);
  if (std::exchange(used, true)) sent = 0;
  replies.assign(job->recipients.size(), {});
  fates.assign(job->recipients.size(), Fate::unasked);
  mail_refusal.reset();
  next_recipient = answering_recipient = 0;
  body_sent = body_refused = false;
  if (parser.midway()) return close({0, "the server sent a reply before it was asked"}, false, out);
  rest = Rest::busy;
  if (!tell_client(out)) transact(out);
}

void ClientSession::Impl::transact(ClientOutput& out) {
  binary = job->body_type == message::BodyType::binary_mime;
  utf8 = says_smtputf8(*job, offers);
  if (!utf8 && !is_ascii(job->trace)) {
    ascii_trace = smtp::ascii_trace(job->trace);
    job->trace = ascii_trace;
  }
  shape = shape_of(*job);
  refuse_unsendable();
  if (count(Fate::unasked) == 0) {  // nothing to ask the server
    end_job();
    return become_idle();
  }
  command(mail_command(*job, shape, offers, logged_in), Expect::mail, out);
  if (!offers.pipelining) return;
  while (ask_next_recipient(out)) {
  }
  if (job && !binary) command("DATA", Expect::data, out);
}

void ClientSession::Impl::refuse_unsendable() {
  if (auto why = objection(*job, shape, offers, protection)) {
    if (!told.empty()) why = behind_xclient(std::move(*why));
    why->stage = telemetry::Stage::idle;
    settle_recipients(Fate::unasked, *why);
  }
  for (size_t i = 0; i < fates.size(); ++i) {
    if (fates[i] != Fate::unasked) continue;
    const auto why = objection(job->recipients[i], offers);
    if (!why) continue;
    replies[i] = *why;
    replies[i].stage = telemetry::Stage::idle;
    fates[i] = Fate::settled;
  }
}

// What a server offers may depend on whose message it is, so that it offers less than what the message was
// made for, and chosen to go this way.
Reply ClientSession::Impl::behind_xclient(Reply why) const {
  if (why.permanent() && why.text.starts_with("5.7.")) return {450, "4" + why.text.substr(1)};  // no REQUIRETLS
  // It was not looked at whether it can be converted; what is in front of the body cannot.
  const bool convertible = job->body_type == message::BodyType::binary_mime ||
                           (job->measured ? job->measured->eight_bit : !is_ascii(job->body));
  if (why.text.starts_with("5.6.3") && job->unconvertible.empty() && convertible)
    return {Reply::not_tried, std::move(why.text)};
  return why;
}

bool ClientSession::Impl::ask_next_recipient(ClientOutput& out) {
  while (next_recipient < fates.size() && fates[next_recipient] != Fate::unasked) ++next_recipient;
  if (next_recipient == fates.size()) return false;
  command(rcpt_command(job->recipients[next_recipient++], offers, utf8), Expect::rcpt, out);
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
  if (offers.pipelining) {
    const bool last = std::find(fates.begin(), fates.end(), Fate::unasked) == fates.end();
    if (binary && last) recipients_answered(out);  // else DATA was sent ahead
    return;
  }
  if (!ask_next_recipient(out) && job) recipients_answered(out);
}

void ClientSession::Impl::recipients_answered(ClientOutput& out) {
  if (mail_refusal) settle_recipients(Fate::accepted, *mail_refusal);
  if (count(Fate::accepted) == 0) return end_job_and_reset(out);
  if (!binary) return command("DATA", Expect::data, out);
  send_chunk(out);
}

void ClientSession::Impl::expect_answers() {
  expected.insert(expected.end(), settings.lmtp ? count(Fate::accepted) : 1, Expect::body);
}

void ClientSession::Impl::send_chunk(ClientOutput& out) {
  const uint64_t size = job->trace.size() + job->body.size() + job->rest;
  out.bytes.reserve(out.bytes.size() + job->trace.size() + job->body.size() + 32);
  command(fmt::format("BDAT {} LAST", size), Expect::body, out);
  if (!job) return;  // the session has ended over it
  expected.pop_back();
  expect_answers();
  body_sent = true;
  out.bytes += job->trace;
  out.bytes += job->body;
  left = job->rest;
  if (trace) trace->note(fmt::format("{} bytes of a message", size));
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
    // It should have been refused (RFC 2033 §4.2), and nobody can say what would be answered to the dot.
    if (settings.lmtp && !body_sent) return close({0, "DATA was accepted without recipients"}, false, out);
    encoder = {};
    if (body_sent) {
      out.bytes.reserve(out.bytes.size() + job->trace.size() + job->body.size() + job->body.size() / 64 + 16);
      encoder.add(job->trace, out.bytes);
      encoder.add(job->body, out.bytes);
      left = job->rest;
    }
    if (left == 0) encoder.finish(out.bytes);
    if (trace)
      trace->note(
          fmt::format("{} bytes of a message", body_sent ? job->trace.size() + job->body.size() + job->rest : 0));
    expect_answers();
    return;
  }
  if (reply.code < 400) return close({0, "nonsense in reply to DATA: " + reply.text}, false, out);
  settle_recipients(Fate::accepted, reply);
  end_job_and_reset(out);
}

void ClientSession::Impl::more(std::string_view piece, ClientOutput& out) {
  if (left == 0) return;
  const std::string_view due = piece.substr(0, left);
  left -= due.size();
  if (binary) {
    out.bytes += due;
    return;
  }
  encoder.add(due, out.bytes);
  if (left == 0) encoder.finish(out.bytes);
}

void ClientSession::Impl::after_body(const Reply& reply, ClientOutput& out) {
  // It will not have the message, or cannot mean it; either way it must not come to its end.
  if (left > 0) {
    const bool refused = reply.code >= 400;
    if (refused && !settings.lmtp) return close(reply, false, out);
    if (refused) answer_first(reply);
    return close({0, "the server answered before the message had ended: " + reply.text}, false, out);
  }
  if (body_sent && !reply.positive() && reply.code < 400) {
    return close({0, "nonsense in reply to the message: " + reply.text}, false, out);
  }
  body_refused |= !reply.positive();
  if (settings.lmtp) {
    answer_first(reply);
    if (!expected.empty()) return;
  }
  const bool clean = body_sent && !body_refused;
  settle_recipients(Fate::accepted, reply);
  if (!clean) return end_job_and_reset(out);
  end_job();
  if (rest == Rest::closed) return;  // job_done() called quit()
  if (surplus) return close({0, "the server sent a reply before it was asked"}, false, out);
  become_idle();
}

// Of LMTP: the reply is that of the first recipient without one.
void ClientSession::Impl::answer_first(const Reply& reply) {
  const auto next = std::find(fates.begin(), fates.end(), Fate::accepted);
  replies[static_cast<size_t>(next - fates.begin())] = reply;
  *next = Fate::settled;
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
