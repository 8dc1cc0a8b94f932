// The inside of ClientSession: what its two .cc files share.
// client_session.cc greets, reads and ends; client_login.cc says who is speaking,
// and for whom; client_transaction.cc does one message.
#pragma once

#include "auth/sasl_client.h"
#include "smtp/client_envelope.h"
#include "smtp/client_session.h"
#include "smtp/data_encoder.h"
#include "smtp/reply_parser.h"

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::smtp {

struct ClientSession::Impl {
  // Replies that are waited for, in the order of their commands; one at a time
  // without PIPELINING. The phase of the session is the first of them.
  enum class Expect : uint8_t { banner, ehlo, helo, starttls, auth, xclient, mail, rcpt, data, body, rset, quit };
  // Where no reply is waited for.
  enum class Rest : uint8_t { fresh, busy, tls, idle, closed };
  // How far one recipient of the job has come.
  enum class Fate : uint8_t { unasked, accepted, settled };

  Impl(ClientSettings settings_in, ClientTimeouts timeouts_in, ClientHost& host_in)
      : settings(std::move(settings_in)),
        timeouts(timeouts_in),
        host(host_in),
        parser(settings.max_line, settings.max_reply_lines) {
    protection.trouble = settings.plain_because;
  }

  // --- client_session.cc
  size_t feed(std::string_view bytes, ClientOutput& out);
  void handle(const ParsedReply& parsed, ClientOutput& out);
  void after_banner(const Reply& reply, ClientOutput& out);
  void after_ehlo(const ParsedReply& parsed, const Reply& reply, ClientOutput& out);
  void after_helo(const Reply& reply, ClientOutput& out);
  void after_starttls(const Reply& reply, ClientOutput& out);
  void after_rset(const Reply& reply, ClientOutput& out);
  const std::string& greeting_name() const;
  void greet(ClientOutput& out);
  void not_greeted(const Reply& reply, ClientOutput& out);
  void begin_use(ClientOutput& out);  // EHLO or HELO is done: TLS next, or introduce()
  void become_idle();
  // A command goes out, and `shown` to who traces; its reply is waited for. `command` without CRLF.
  void command(std::string_view command, Expect reply, ClientOutput& out) {
    this->command(command, command, reply, out);
  }
  void command(std::string_view command, std::string_view shown, Expect reply, ClientOutput& out);
  // The session is over: ends a job in progress (recipients without an answer
  // get `reason`), or tells that the session failed. `quit`: politely.
  void close(const Reply& reason, bool quit, ClientOutput& out);
  void end(const Reply& reason);
  void give_up(const Reply& reason);     // the same without telling failed()
  void settle(ClientOutput& out) const;  // next and deadline, after each call
  class Count;
  void count(const ClientOutput& out);
  // How far it is. `complete`: all that was said has left.
  telemetry::Stage stage(bool complete = true) const;

  // --- client_login.cc
  void introduce(ClientOutput& out);  // as secure as it gets: AUTH next, or ready
  void log_in(ClientOutput& out);
  void after_auth(const ParsedReply& parsed, const Reply& reply, ClientOutput& out);
  bool tell_client(ClientOutput& out);  // true: XCLIENT has to be said before this job
  void after_xclient(const Reply& reply, ClientOutput& out);

  // --- client_transaction.cc
  void send(const Job& new_job, ClientOutput& out);
  void transact(ClientOutput& out);
  void expect_answers();
  bool ask_next_recipient(ClientOutput& out);
  void refuse_unsendable();
  Reply behind_xclient(Reply why) const;
  void recipients_answered(ClientOutput& out);
  void send_chunk(ClientOutput& out);
  void more(std::string_view piece, ClientOutput& out);
  void after_mail(const Reply& reply, ClientOutput& out);
  void after_rcpt(const Reply& reply, ClientOutput& out);
  void after_data(const Reply& reply, ClientOutput& out);
  void after_body(const Reply& reply, ClientOutput& out);
  void answer_first(const Reply& reply);
  void settle_recipients(Fate fate, const Reply& reply);
  size_t count(Fate fate) const;
  void end_job();
  void end_job_and_reset(ClientOutput& out);

  const ClientSettings settings;
  const ClientTimeouts timeouts;
  ClientHost& host;
  ReplyParser parser;
  telemetry::SessionTracePtr trace;  // null, as a rule
  Rest rest = Rest::fresh;           // meant while nothing is expected
  std::deque<Expect> expected;
  uint64_t heard = 0;  // replies
  ClientOffers offers;
  Protection protection;
  bool in_ready = false;     // host.ready() is being called
  bool ready_again = false;  // it gave a job that was over at once
  bool surplus = false;      // bytes stand behind the last reply that was due

  uint64_t sent = 0;    // bytes of output, for the message at hand
  size_t counted = 0;   // of the output of this call
  unsigned calls = 0;   // that are in one another
  uint64_t unsent = 0;  // of these, as far as it was told
  bool used = false;    // there was a message

  std::unique_ptr<auth::SaslClient> sasl;  // while it authenticates
  std::string mechanism;
  std::string late_response;  // too long for the command
  bool logged_in = false;
  std::string told;                 // by XCLIENT; empty: nothing was
  ClientOffers told_by;             // what the server wanted to know then
  std::deque<std::string> to_tell;  // the rest of its commands
  std::string telling;              // all of them, as `told`
  bool by_our_name = false;         // greets so behind it: the client's was refused

  // The job in progress.
  std::optional<Job> job;
  std::vector<Reply> replies;
  std::vector<Fate> fates;
  std::optional<Reply> mail_refusal;
  MessageShape shape;
  std::string ascii_trace;         // the job's trace, where that cannot go as it is
  bool binary = false;             // goes by BDAT
  bool utf8 = false;               // MAIL said SMTPUTF8
  size_t next_recipient = 0;       // to be asked
  size_t answering_recipient = 0;  // whose reply comes next
  DataEncoder encoder;
  uint64_t left = 0;          // of the job's rest, while it is sent
  bool body_refused = false;  // LMTP: for one of them
  bool body_sent = false;     // false at Expect::body: only the dot was sent, nobody was accepted
};

}  // namespace impulse::smtp
