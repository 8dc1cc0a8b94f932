#include "console/inject/smtp_engine.h"

#include "auth/password.h"
#include "base/text.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

namespace impulse::ecinject {

namespace {

constexpr size_t max_line = 4096;
constexpr size_t max_lines = 128;

bool positive(const smtp::ParsedReply& reply) { return reply.code >= 200 && reply.code < 300; }
std::string said(const smtp::ParsedReply& reply) { return fmt::format("{} {}", reply.code, smtp::reply_text(reply)); }

}  // namespace

SmtpEngine::SmtpEngine(const SmtpSettings& settings, EngineHost& host)
    : settings_(settings), host_(host), parser_(max_line, max_lines) {}

void SmtpEngine::start(bool confidential, Output&) {
  parser_ = smtp::ReplyParser(max_line, max_lines);
  step_ = Step::banner;
  secured_ = false;
  confidential_ = confidential;
  ready_ = leaving_ = false;
}

void SmtpEngine::greet(Output& out) {
  fmt::format_to(std::back_inserter(out.bytes), "{} {}\r\n", settings_.lmtp ? "LHLO" : "EHLO", settings_.helo);
  step_ = Step::ehlo;
}

void SmtpEngine::tls_started(Output& out) {
  secured_ = confidential_ = true;
  greet(out);
}

void SmtpEngine::fail(std::string why, bool fatal, Output& out) {
  out.close = true;
  step_ = Step::off;
  host_.failed(std::move(why), fatal);
}

void SmtpEngine::feed(std::string_view bytes, Output& out) {
  while (!bytes.empty() && step_ != Step::off) {
    const auto reply = parser_.take(bytes);
    if (!parser_.error().empty()) return fail(fmt::format("no SMTP: {}", parser_.error()), true, out);
    if (reply) on_reply(*reply, out);
    // RFC 3207: what stands behind the reply to STARTTLS was put there by somebody else.
    if (out.start_tls && !bytes.empty()) return fail("something stands behind the reply to STARTTLS", true, out);
  }
}

void SmtpEngine::on_reply(const smtp::ParsedReply& reply, Output& out) {
  switch (step_) {
    case Step::off:
    case Step::idle:
      // Nobody asked: 421 in front of the end.
      return fail(said(reply), false, out);
    case Step::banner:
      if (reply.code != 220) return fail("greeting: " + said(reply), reply.code >= 500, out);
      return greet(out);
    case Step::ehlo:
      return on_ehlo(reply, out);
    case Step::starttls:
      if (reply.code != 220) return fail("STARTTLS: " + said(reply), reply.code >= 500, out);
      out.start_tls = true;
      return;
    case Step::auth:
      return on_auth(reply, out);
    case Step::mail:
      return on_mail(reply, out);
    case Step::rcpt:
      return on_rcpt(reply, out);
    case Step::data:
      return on_data(reply, out);
    case Step::end:
      return on_end(reply, out);
    case Step::rset:
      if (!positive(reply)) return fail("RSET: " + said(reply), false, out);
      return idle(out);
    case Step::quit:
      out.close = true;
      step_ = Step::off;
  }
}

void SmtpEngine::on_ehlo(const smtp::ParsedReply& reply, Output& out) {
  if (!positive(reply))
    return fail(fmt::format("{}: {}", settings_.lmtp ? "LHLO" : "EHLO", said(reply)), reply.code >= 500, out);
  offers_ = smtp::read_offers(reply);
  chunking_ = false;
  mechanisms_.clear();
  for (size_t i = 1; i < reply.lines.size(); ++i) {
    const std::string_view line = reply.lines[i];
    chunking_ |= iequals(trim(line), "CHUNKING");
    if (istarts_with(line, "AUTH ")) mechanisms_ = upper(line.substr(5));
  }
  if (settings_.starttls && !secured_) {
    if (!offers_.starttls) return fail("the server does not offer STARTTLS", true, out);
    out.bytes += "STARTTLS\r\n";
    step_ = Step::starttls;
    return;
  }
  if (settings_.bdat && !chunking_) return fail("the server does not offer CHUNKING, so there is no BDAT", true, out);
  if (!settings_.user.empty()) return begin_auth(out);
  idle(out);
}

void SmtpEngine::begin_auth(Output& out) {
  authenticator_.emplace(settings_.user, settings_.password, settings_.host, confidential_);
  const std::string mechanism = authenticator_->choose(mechanisms_);
  if (mechanism.empty())
    return fail(mechanisms_.empty() ? "the server does not offer AUTH"
                                    : fmt::format("of AUTH the server offers {}{}", escape_line(mechanisms_, 128),
                                                  confidential_ ? "" : ", and the password does not go without TLS"),
                true, out);
  const auto initial = authenticator_->step(std::nullopt);
  if (!initial) return fail(initial.error().message, true, out);
  out.bytes += "AUTH " + mechanism;
  if (*initial) out.bytes += (*initial)->empty() ? " =" : ' ' + auth::to_base64(**initial);
  out.bytes += "\r\n";
  step_ = Step::auth;
}

void SmtpEngine::on_auth(const smtp::ParsedReply& reply, Output& out) {
  if (reply.code == 334) {
    std::string challenge;
    if (!auth::from_base64(reply.lines.front(), challenge)) return fail("AUTH: the challenge is no base64", true, out);
    const auto response = authenticator_->step(challenge);
    if (!response) return fail("AUTH: " + response.error().message, true, out);
    out.bytes += auth::to_base64(response->value_or("")) + "\r\n";
    return;
  }
  if (!positive(reply)) return fail("AUTH: " + said(reply), reply.code >= 500, out);
  if (const auto proven = authenticator_->finish(); !proven) return fail("AUTH: " + proven.error().message, true, out);
  idle(out);
}

void SmtpEngine::idle(Output& out) {
  step_ = Step::idle;
  ready_ = true;
  if (!leaving_) return;
  out.bytes += "QUIT\r\n";
  step_ = Step::quit;
}

void SmtpEngine::quit(Output& out) {
  if (std::exchange(leaving_, true)) return;
  if (step_ == Step::idle) return idle(out);
  if (mail_ != nullptr || step_ == Step::rset) return;  // then
  out.close = true;                                     // it has not come as far as a word of farewell
  step_ = Step::off;
}

// --- one transaction -----------------------------------------------------------

void SmtpEngine::append_mail_command(std::string& out) const {
  fmt::format_to(std::back_inserter(out), "MAIL FROM:<{}>", mail_->sender);
  if (offers_.size) fmt::format_to(std::back_inserter(out), " SIZE={}", mail_->size());
  if (offers_.eight_bit_mime && mail_->eight_bit()) out += " BODY=8BITMIME";
  bool ascii = is_ascii(mail_->sender);
  for (const std::string& recipient : mail_->recipients) ascii = ascii && is_ascii(recipient);
  if (!ascii && offers_.smtputf8) out += " SMTPUTF8";
  out += "\r\n";
}

void SmtpEngine::append_recipient(size_t which, std::string& out) const {
  ((out += "RCPT TO:<") += mail_->recipients[which]) += ">\r\n";
}

void SmtpEngine::append_text(Output& out) {
  if (settings_.bdat) {
    fmt::format_to(std::back_inserter(out.bytes), "BDAT {} LAST\r\n", mail_->size());
    mail_->append_to(out.bytes);
  } else {
    mail_->append_dotted(out.bytes);
  }
  end_ = out.end();
}

void SmtpEngine::send(const Mail& mail, Output& out) {
  mail_ = &mail;
  begun_ = host_.micros();
  next_ = answered_ = 0;
  taken_.clear();
  refusals_.clear();
  mail_code_ = rcpt_code_ = 0;
  end_ = 0;
  settled_ = {};
  settled_.index = mail.index;
  pipelined_ = settings_.pipelining && offers_.pipelining;
  append_mail_command(out.bytes);
  step_ = Step::mail;
  if (!pipelined_) return;
  for (size_t i = 0; i < mail.recipients.size(); ++i) append_recipient(i, out.bytes);
  if (!settings_.bdat)
    out.bytes += "DATA\r\n";
  else if (!settings_.lmtp)  // whose replies to it depend on those to RCPT
    append_text(out);
}

void SmtpEngine::on_mail(const smtp::ParsedReply& reply, Output& out) {
  if (!positive(reply)) {
    if (!pipelined_ || reply.code == 421)
      return refuse_all(reply.code, smtp::reply_text(reply), mail_->recipients.size(), false, out);
    mail_code_ = reply.code;
    refusal_ = smtp::reply_text(reply);
  }
  step_ = Step::rcpt;
  if (!pipelined_) append_recipient(0, out.bytes);
}

void SmtpEngine::on_rcpt(const smtp::ParsedReply& reply, Output& out) {
  if (reply.code == 421) {
    return refuse_all(reply.code, smtp::reply_text(reply), mail_->recipients.size() - next_ + taken_.size(), false,
                      out);
  }
  if (mail_code_ == 0) {
    if (positive(reply)) {
      taken_.push_back(next_);
    } else {
      rcpt_code_ = reply.code;
      refusal_ = smtp::reply_text(reply);
      refusals_.emplace_back(reply.code, refusal_);
    }
  }
  if (++next_ < mail_->recipients.size()) {
    if (!pipelined_) append_recipient(next_, out.bytes);
    return;
  }
  behind_recipients(out);
}

void SmtpEngine::behind_recipients(Output& out) {
  if (pipelined_ && !(settings_.bdat && settings_.lmtp)) {
    step_ = settings_.bdat ? Step::end : Step::data;
    return;
  }
  if (mail_code_ != 0) return refuse_all(mail_code_, refusal_, mail_->recipients.size(), false, out);
  if (taken_.empty()) return refuse_all(rcpt_code_, refusal_, 0, true, out);
  if (settings_.bdat) {
    append_text(out);
    step_ = Step::end;
  } else {
    out.bytes += "DATA\r\n";
    step_ = Step::data;
  }
}

void SmtpEngine::on_data(const smtp::ParsedReply& reply, Output& out) {
  if (reply.code == 354) {
    step_ = Step::end;
    if (!taken_.empty()) return append_text(out);
    out.bytes += ".\r\n";  // RFC 2920 §3.1: a server that did not look
    return;
  }
  if (mail_code_ != 0) return refuse_all(mail_code_, refusal_, mail_->recipients.size(), true, out);
  if (taken_.empty()) return refuse_all(rcpt_code_, refusal_, 0, true, out);
  refuse_all(reply.code, smtp::reply_text(reply), taken_.size(), true, out);
}

void SmtpEngine::on_end(const smtp::ParsedReply& reply, Output& out) {
  if (taken_.empty()) {  // BDAT went together with what was refused
    if (mail_code_ != 0) return refuse_all(mail_code_, refusal_, mail_->recipients.size(), true, out);
    return refuse_all(rcpt_code_, refusal_, 0, true, out);
  }
  if (!settings_.lmtp) {
    if (!positive(reply)) return refuse_all(reply.code, smtp::reply_text(reply), taken_.size(), settings_.bdat, out);
    settled_.recipients = taken_.size();
  } else {
    if (positive(reply)) {
      ++settled_.recipients;
    } else {
      rcpt_code_ = reply.code;
      refusal_ = smtp::reply_text(reply);
      refusals_.emplace_back(reply.code, refusal_);
    }
    if (++answered_ < taken_.size()) return;
    if (settled_.recipients == 0) return refuse_all(rcpt_code_, refusal_, 0, false, out);
  }
  settled_.messages = 1;
  settled_.bytes = mail_->size();
  settle(Settled::How::answered);
  idle(out);
}

void SmtpEngine::refuse_all(int code, std::string_view text, uint64_t recipients, bool reset, Output& out) {
  const std::string why = fmt::format("{} {}", code, text);
  tell_refusals();
  host_.refused(code, 1, recipients, text);
  settle(Settled::How::answered);
  if (code == 421) return fail(why, false, out);
  if (!reset) return idle(out);
  out.bytes += "RSET\r\n";
  step_ = Step::rset;
}

void SmtpEngine::tell_refusals() {
  for (const auto& [code, text] : refusals_) host_.refused(code, 0, 1, text);
  refusals_.clear();
}

void SmtpEngine::settle(Settled::How how) {
  // Of a mail that goes again they would count at each try.
  if (how == Settled::How::answered) tell_refusals();
  settled_.how = how;
  settled_.micros = host_.micros() - begun_;
  mail_ = nullptr;
  host_.settled(settled_);
}

void SmtpEngine::lost(const Output& out) {
  step_ = Step::off;
  if (mail_ != nullptr) settle(end_ != 0 && out.has_sent(end_) ? Settled::How::unknown : Settled::How::unsent);
}

}  // namespace impulse::ecinject
