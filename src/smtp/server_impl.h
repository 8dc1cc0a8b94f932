// The insides of ServerSession, shared by the files that implement it:
// server_session.cc (framing, life and end of the session),
// server_commands.cc (greetings and the small commands) and
// server_transaction.cc (MAIL, RCPT, DATA and what follows).
//
// Invariants:
// - phase_ says who is to move. Only in `command` and `data` are bytes taken.
// - A transaction exists from an accepted MAIL until its final reply, RSET, a
//   new greeting, STARTTLS or the end; then transaction_ is as new.
// - Every reply goes through say() or refuse(), into the Output of the call.
#pragma once

#include "message/address.h"
#include "smtp/command.h"
#include "smtp/data_receiver.h"
#include "smtp/line_reader.h"
#include "smtp/replies.h"
#include "smtp/server_session.h"

namespace impulse::smtp {

struct ServerSession::Impl {
  enum class Phase : uint8_t { command, data, submit, tls, closed };
  enum class Greeting : uint8_t { none, helo, ehlo };

  struct Transaction {
    bool open = false;  // MAIL was accepted
    std::string sender;
    std::vector<message::Recipient> recipients;
    message::BodyType body_type = message::BodyType::seven_bit;
    bool refused_recipients = false;
  };

  Impl(std::shared_ptr<const Policy> policy, ClientInfo client, ServerHost& host)
      : policy_(std::move(policy)), client_(std::move(client)), host_(host) {}

  // server_session.cc
  size_t feed(std::string_view bytes);
  size_t take_line(std::string_view bytes);
  void run(const Command& command, bool ended_in_lf, std::string_view behind);
  void dispatch(const Command& command, bool ended_in_lf, std::string_view behind);
  void begin(Output& out);  // of a call
  void finish();
  void close();
  void end_if_asked();
  void say(const ServerReply& reply) { say(reply, reply.text); }
  void say(const ServerReply& reply, std::string_view text);
  void say_closing(std::string_view text);  // 421 with a text that may bring its own code
  // Says why not, tells the host, and counts 5xx replies to commands as errors.
  void refuse(const ServerReply& reply, std::string_view cause) { refuse(reply, cause, reply.text); }
  void refuse(const ServerReply& reply, std::string_view cause, std::string_view text);
  void note(const ServerReply& reply, std::string_view cause, std::string_view text);
  // A policy to go on with, or false: the session ended.
  bool safe_point();
  bool tls_missing();                  // refused for want of TLS
  bool plain(const Command& command);  // no argument, or refused

  void trace_line(const LineReader::Result& read);

  // server_commands.cc
  void on_greeting(const Command& command, Greeting greeting);
  void on_rset(const Command& command);
  void on_noop();
  void on_vrfy(const Command& command);
  void on_help();
  void on_quit(const Command& command);
  void on_starttls(const Command& command, std::string_view behind);

  // server_transaction.cc
  void on_mail(const Command& command);
  void on_rcpt(const Command& command);
  void on_data(const Command& command, bool ended_in_lf);
  bool mail_parameters(std::string_view text, message::BodyType& body_type);
  bool admitted();
  void end_of_data();
  void submitted(const Result<MessageId>& result, std::string_view node);
  Submission take_submission();
  std::string_view protocol() const;

  std::shared_ptr<const Policy> policy_;
  ClientInfo client_;
  ServerHost& host_;
  Output* out_ = nullptr;  // of the call that is running

  Phase phase_ = Phase::command;
  bool denied_ = false;
  bool spoken_ = false;  // a whole line came from the client
  Greeting greeting_ = Greeting::none;
  std::string helo_;
  std::optional<TlsState> tls_;
  std::optional<std::string> shut_down_;  // asked to end, with this text

  LineReader lines_;
  DataReceiver data_;
  size_t data_progress_ = 0;  // bytes since Data_Timeout began anew
  Transaction transaction_;
  telemetry::SessionTracePtr trace_;  // null, as a rule
  size_t traced_ = 0;                 // of the reply of the call that is running
  bool secrets_ = false;              // the client began AUTH: what is no command may be one
  uint64_t errors_ = 0;
  uint64_t messages_ = 0;
  uint64_t recipients_ = 0;
};

}  // namespace impulse::smtp
