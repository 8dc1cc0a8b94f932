// SmtpEngine: SMTP and LMTP as a client speaks them that has much to send: one
// transaction behind the other, with PIPELINING where it is offered, by DATA or BDAT.
// smtp::ClientSession delivers, promise by promise; here the point is the load.
#pragma once

#include "console/ecstream/authenticator.h"
#include "console/inject/engine.h"
#include "smtp/client_offers.h"
#include "smtp/reply_parser.h"

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace impulse::ecinject {

struct SmtpSettings {
  bool lmtp = false;
  bool starttls = false;
  bool pipelining = true;  // where it is offered
  bool bdat = false;
  std::string helo;
  std::string user;  // empty: no AUTH
  std::string password;
  std::string host;  // for SASL
};

class SmtpEngine final : public Engine {
 public:
  // Both outlive it.
  SmtpEngine(const SmtpSettings& settings, EngineHost& host);

  void start(bool confidential, Output& out) override;
  void tls_started(Output& out) override;
  void feed(std::string_view bytes, Output& out) override;
  bool wants(const Output&) const override { return step_ == Step::idle && !leaving_; }
  void send(const Mail& mail, Output& out) override;
  void quit(Output& out) override;
  void lost(const Output& out) override;
  size_t pending() const override { return mail_ != nullptr ? 1 : 0; }
  bool ready() const override { return ready_; }
  bool awaits() const override { return step_ != Step::idle; }

 private:
  enum class Step : uint8_t { off, banner, ehlo, starttls, auth, idle, mail, rcpt, data, end, rset, quit };

  void on_reply(const smtp::ParsedReply& reply, Output& out);
  void on_ehlo(const smtp::ParsedReply& reply, Output& out);
  void on_auth(const smtp::ParsedReply& reply, Output& out);
  void on_mail(const smtp::ParsedReply& reply, Output& out);
  void on_rcpt(const smtp::ParsedReply& reply, Output& out);
  void on_data(const smtp::ParsedReply& reply, Output& out);
  void on_end(const smtp::ParsedReply& reply, Output& out);
  void greet(Output& out);
  void begin_auth(Output& out);
  void idle(Output& out);
  void behind_recipients(Output& out);
  void append_mail_command(std::string& out) const;
  void append_recipient(size_t which, std::string& out) const;
  void append_text(Output& out);
  // The whole of it: settled; `reset` when a transaction is open there.
  void refuse_all(int code, std::string_view text, uint64_t recipients, bool reset, Output& out);
  void tell_refusals();
  void settle(Settled::How how);
  void fail(std::string why, bool fatal, Output& out);

  const SmtpSettings& settings_;
  EngineHost& host_;
  smtp::ReplyParser parser_;
  smtp::ClientOffers offers_;
  bool chunking_ = false;
  std::string mechanisms_;
  std::optional<console::SaslAuthenticator> authenticator_;

  Step step_ = Step::off;
  bool secured_ = false;
  bool confidential_ = false;
  bool ready_ = false;
  bool leaving_ = false;

  const Mail* mail_ = nullptr;
  bool pipelined_ = false;     // MAIL, RCPT and DATA went together
  size_t next_ = 0;            // recipient whose reply comes next
  std::vector<size_t> taken_;  // recipients that were accepted
  size_t answered_ = 0;        // LMTP: of these, behind the text
  int mail_code_ = 0;          // of a MAIL that was refused; the rest of what went together comes yet
  int rcpt_code_ = 0;          // of the last recipient that was refused
  std::string refusal_;        // its text
  std::vector<std::pair<int, std::string>> refusals_;  // of single recipients, not told yet
  uint64_t end_ = 0;                                   // of the text, in Output's count
  uint64_t begun_ = 0;                                 // micros
  Settled settled_;
};

}  // namespace impulse::ecinject
