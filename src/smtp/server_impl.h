// The insides of ServerSession, shared by the files that implement it:
// server_session.cc (framing, life and end of the session),
// server_commands.cc (greetings and the small commands),
// server_auth.cc (AUTH), server_trusted.cc (XCLIENT and its kin),
// server_transaction.cc (MAIL, RCPT) and
// server_data.cc (DATA and BDAT) and
// server_submission.cc (what becomes of the message).
//
// Invariants:
// - phase_ says who is to move. Only in `command`, `auth`, `data` and `chunk`
//   are bytes taken.
// - A transaction exists from an accepted MAIL until its final reply, RSET, a
//   new greeting, STARTTLS, XCLIENT or the end; then transaction_ is as new.
// - Every reply goes through say() or refuse(), into the Output of the call.
#pragma once

#include "message/address.h"
#include "smtp/command.h"
#include "smtp/data_receiver.h"
#include "smtp/line_reader.h"
#include "smtp/parameters.h"
#include "smtp/replies.h"
#include "smtp/server_session.h"

namespace impulse::smtp {

struct ServerSession::Impl {
  enum class Phase : uint8_t { command, auth, data, chunk, submit, tls, closed };
  enum class Greeting : uint8_t { none, helo, ehlo };  // LHLO counts as EHLO

  struct Transaction {
    bool open = false;  // MAIL was accepted
    std::string sender;
    MailParameters parameters{};
    std::vector<message::Recipient> recipients;
    bool refused_recipients = false;
    bool chunked = false;                      // BDAT has begun
    const ServerReply* chunk_fault = nullptr;  // … and failed: every further one is refused so
  };

  // Of a BDAT whose octets are coming in (RFC 3030 §2).
  struct Chunk {
    uint64_t size = 0;
    uint64_t left = 0;
    bool last = false;
    bool keep = false;                     // false: they are read, and thrown away
    const ServerReply* refusal = nullptr;  // the answer then
    std::string_view cause{};
    std::optional<HostRefusal> not_admitted{};  // … when it is the owner's
  };

  Impl(std::shared_ptr<const Policy> policy, ClientInfo client, ServerHost& host)
      : policy_(std::move(policy)), client_(std::move(client)), host_(host), login_(host) {}

  // server_session.cc
  size_t feed(std::string_view bytes);
  size_t take_line(std::string_view bytes);
  size_t line_limit(std::string_view bytes) const;
  void run(const Command& command, bool ended_in_lf, std::string_view behind);
  void answer(const Command& command, bool ended_in_lf, std::string_view behind);
  void dispatch(const Command& command, bool ended_in_lf, std::string_view behind);
  void begin(Output& out);  // of a call
  void finish();
  void close();
  void end_if_asked();
  void say(const ServerReply& reply) { say(reply, reply.text); }
  void say(const ServerReply& reply, std::string_view text);
  void say_closing(std::string_view text);  // 421 with a text that may bring its own code
  // Says why not, tells the host, and counts 5xx replies to commands as errors.
  bool count_error();
  void refuse(const ServerReply& reply, std::string_view cause) { refuse(reply, cause, reply.text); }
  void refuse(const ServerReply& reply, std::string_view cause, std::string_view text);
  void refuse(const HostRefusal& refusal);  // 421: and closes
  void note(const ServerReply& reply, std::string_view cause, std::string_view text);
  // A policy to go on with, or false: the session ended.
  bool safe_point();
  bool tls_missing();                  // refused for want of TLS
  bool not_ready();                    // refused for want of TLS, or of authentication
  bool plain(const Command& command);  // no argument, or refused
  void trace_line(const LineReader::Result& read);
  // Nothing that was said so far counts any more (RFC 3207 §4.2, XCLIENT).
  void forget();
  void drop_transaction();  // and what came of its message

  // server_commands.cc
  void on_greeting(const Command& command, Greeting greeting);
  std::vector<std::string> extensions() const;
  void on_rset(const Command& command);
  void on_noop();
  void on_vrfy(const Command& command);
  void on_help();
  void on_quit(const Command& command);
  void on_starttls(const Command& command, std::string_view behind);

  // server_auth.cc
  void on_auth(const Command& command);
  void on_auth_line(const LineReader::Result& read);
  void answer_auth(auth::Login::State state);
  void auth_failed();
  auth::Login::Scene scene() const { return {*policy_, client_, tls_}; }

  // server_trusted.cc
  bool trusted(const Command& command, bool offered);
  void on_xclient(const Command& command);
  void on_xremoteip(const Command& command);
  void on_xsetcontext(const Command& command);
  void on_xdumpcontext(const Command& command);
  void not_the_clients();
  bool become(ClientInfo client);
  void deny();
  void set_context(std::string name, std::string value);
  std::vector<std::pair<std::string, std::string>> context() const;

  // server_transaction.cc
  void on_mail(const Command& command);
  void on_rcpt(const Command& command);
  bool admitted(ServerHost::Stage stage);

  // server_data.cc
  void on_data(const Command& command, bool ended_in_lf);
  void on_bdat(const Command& command, bool ended_in_lf);
  size_t feed_data(std::string_view bytes);
  size_t feed_chunk(std::string_view bytes);
  void progress(size_t taken, bool done);
  void end_of_chunk();
  void refuse_chunk_size();  // and closes
  void end_of_data();
  void refuse_message(const ServerReply& reply, std::string_view cause);
  void final_reply(const ServerReply& reply, std::string_view text);  // in LMTP for each recipient

  // server_submission.cc
  std::optional<message::FixupRefusal> fix_up();
  void fill(message::Envelope& envelope);
  Submission take_submission();
  void submitted(const Result<MessageId>& result, std::string_view node);
  std::string protocol() const;

  std::shared_ptr<const Policy> policy_;
  ClientInfo client_;
  ServerHost& host_;
  Output* out_ = nullptr;  // of the call that is running

  Phase phase_ = Phase::command;
  bool denied_ = false;
  bool denial_begins_ = false;     // in this call
  bool spoken_ = false;            // a whole line came from the client
  std::string_view path_command_;  // the MAIL or RCPT that is being answered
  Greeting greeting_ = Greeting::none;
  std::string helo_;
  std::optional<TlsState> tls_;
  std::optional<std::string> shut_down_;  // asked to end, with this text

  LineReader lines_;
  bool octets_follow_ = false;  // the line that is coming in is a BDAT
  DataReceiver data_;
  Chunk chunk_;
  message::Fixups fixups_;     // of the message that is under way
  bool tls_optional_ = false;  // it says TLS-Required: No
  bool utf8_header_ = false;   // its header section has UTF-8 in it
  size_t data_progress_ = 0;   // bytes since Data_Timeout began anew
  Transaction transaction_;
  size_t final_replies_ = 1;  // LMTP: how many recipients the message that is under way has

  auth::Login login_;

  // What XCLIENT and XSETCONTEXT said.
  bool trusted_ = false;  // was one of XCLIENT_Hosts before it became somebody else
  std::string xclient_helo_;
  std::string xclient_protocol_;
  std::vector<std::pair<std::string, std::string>> set_context_;

  telemetry::SessionTracePtr trace_;  // null, as a rule
  size_t traced_ = 0;                 // of the reply of the call that is running
  bool secrets_ = false;              // the client began AUTH: what is no command may be one
  uint64_t errors_ = 0;
  uint64_t messages_ = 0;
  uint64_t recipients_ = 0;
};

}  // namespace impulse::smtp
