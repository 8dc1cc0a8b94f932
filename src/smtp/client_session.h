// ClientSession: the client's half (RFC 5321 §4, RFC 2920, RFC 3207), sans-IO;
// also of LMTP (RFC 2033), where each recipient has a reply of its own to the message.
// Greets, upgrades to TLS, then sends one message after another.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "message/envelope.h"
#include "smtp/client_offers.h"
#include "smtp/data_encoder.h"
#include "telemetry/smtp_trace.h"
#include "telemetry/stage.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::smtp {

enum class TlsUse : uint8_t { no, if_available, required };
enum class XclientUse : uint8_t { no, if_available, required };

// With whose name and password this client authenticates (RFC 4954), before anything else.
struct ClientLogin {
  std::vector<std::string> mechanisms;  // the one to prefer first (auth/sasl_client.h)
  std::string user;
  std::string password;
  bool requires_tls = true;
  bool requires_name = false;  // only a server whose certificate and name are verified
};

struct ClientSettings {
  std::string ehlo_name;
  bool lmtp = false;  // LHLO, and no way back to HELO
  TlsUse tls = TlsUse::if_available;
  // With TlsUse::no: why, when it is not what the configuration says but
  // something that may pass (STARTTLS has failed there lately). One line.
  std::string plain_because;
  std::optional<ClientLogin> login;     // the session fails without it
  XclientUse xclient = XclientUse::no;  // tells whose message it is, before each of another client
  size_t max_line = 4096;               // of a reply; longer or endless replies end the session
  size_t max_reply_lines = 128;
};

// Whose message it is, for XCLIENT. Empty: unknown.
struct JobClient {
  std::string name;
  std::string address;  // "192.0.2.1", "IPV6:2001:db8::1"
  std::string port;
  std::string protocol;  // "SMTP", "ESMTP"
  std::string helo;
  std::string login;
};

// One message for some of its recipients. Borrowed until job_done. The fields
// up to deliver_by are those of message::Envelope.
struct Job {
  std::string sender;
  std::vector<message::Recipient> recipients;
  message::BodyType body_type = message::BodyType::seven_bit;
  bool smtputf8 = false;
  bool require_tls = false;
  message::Ret ret = message::Ret::not_given;
  int8_t priority = 0;
  std::string envid;
  std::string auth;
  message::DeliverBy deliver_by{};
  JobClient client;
  WallTime now{};          // for what is left until deliver_by
  std::string_view trace;  // header fields in front
  // Why it cannot be one of 7 bits; for the refusal, where that is needed.
  std::string unconvertible;
  // CRLF lines; dot-stuffed by the engine, and other line ends made CRLF. A
  // body of BINARYMIME goes by BDAT, byte by byte.
  std::string_view body;
  // Bytes of the body that follow, and are given to more(), whenever it is asked for.
  uint64_t rest = 0;
  // What measure() says of body and rest without a trace. The engine measures
  // what it is not told; with a rest it has to be.
  std::optional<DataMeasure> measured;
};

// What the other side said about one recipient (or about the session).
struct Reply {
  // The recipient was not asked for, as the message was made for what the server offered before XCLIENT: it
  // may be sent anew at once, made for offers().
  static constexpr int not_tried = -1;
  int code = 0;      // 0: no answer (connection lost, time-out, nonsense)
  std::string text;  // lines joined by ' ', escaped, at most 512 bytes; with the enhanced code
  telemetry::Stage stage = telemetry::Stage::unknown;  // of the session, by then
  uint64_t bytes = 0;  // sent for the message by then; the first has the greeting's, too
  bool positive() const { return code >= 200 && code < 300; }
  bool permanent() const { return code >= 500 && code < 600; }
};

// How well a session is protected, for messages that need it (REQUIRETLS).
struct Protection {
  bool tls = false;
  bool trusted = false;  // certificate and name of the server are verified
  std::string trouble;   // why there is no TLS, when that may pass; one line, else empty
};

enum class ClientNext : uint8_t { read, start_tls, idle, close };

struct ClientOutput {
  std::string bytes;  // to be sent; append only
  ClientNext next = ClientNext::read;
  Duration deadline{0};  // for the next reply, all of it; from ClientTimeouts. 0: the one before counts on
  bool more = false;     // more() is waited for; best when what was said has left
};

struct ClientTimeouts {  // RFC 5321 §4.5.3.2
  Duration banner = std::chrono::seconds(300);
  Duration ehlo = std::chrono::seconds(300);
  Duration mail = std::chrono::seconds(300);
  Duration rcpt = std::chrono::seconds(300);
  Duration data = std::chrono::seconds(120);
  Duration body = std::chrono::seconds(600);
  Duration rset = std::chrono::seconds(30);
};

// Callbacks come from inside start(), feed(), send() …: the session must not
// be destroyed in them. ready() may call send() and quit().
class ClientHost {
 public:
  virtual ~ClientHost() = default;
  // Ready for a job (give it with send(), or quit()).
  virtual void ready() = 0;
  // One reply a recipient, in the job's order. Called exactly once a job,
  // also when the session broke (code 0, or 421, for those not answered yet).
  // The session may send RSET after it; wait for ready().
  virtual void job_done(std::vector<Reply> replies) = 0;
  // The session cannot be used: greeting refused, TLS required and not
  // offered, nonsense, lost while idle. No job was in progress.
  virtual void failed(const Reply& reason) = 0;
};

class ClientSession {
 public:
  ClientSession(ClientSettings settings, ClientTimeouts timeouts, ClientHost& host);
  ~ClientSession();
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  void start(ClientOutput& out);  // waits for the banner
  // `unsent`: bytes of the output so far that have not left, for Reply::bytes.
  size_t feed(std::string_view bytes, ClientOutput& out, uint64_t unsent = 0);
  // `trusted`: certificate and name of the server are verified.
  void tls_started(ClientOutput& out, bool trusted = false);
  void tls_failed(std::string_view why, ClientOutput& out);
  void send(const Job& job, ClientOutput& out);  // after ready()
  // The next piece of Job::rest, not empty. Ignored when the job is over by now. Who
  // cannot go on closes the connection, and tells lost(): the message has no end then.
  void more(std::string_view piece, ClientOutput& out);
  // QUIT when idle, and the end comes with the reply (next == close); in any
  // other state the session just ends.
  void quit(ClientOutput& out);
  // From now on what is said is told to `trace`; null: no more.
  void trace(telemetry::SessionTracePtr trace);
  // The connection is gone or the deadline passed: ends a job in progress with
  // code 0 for all recipients that have no refusal of their own yet. `unsent`:
  // bytes of the output that never left.
  void lost(std::string_view why, uint64_t unsent = 0);

  bool tls_active() const;
  bool authenticated() const;
  const Protection& protection() const;  // once ready
  const ClientOffers& offers() const;    // by the last EHLO
  std::string_view state() const;        // "banner", "ehlo", "mail", …
  telemetry::Stage stage(uint64_t unsent = 0) const;
  uint64_t bytes() const;  // of the output, for the message at hand, as Reply has it

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace impulse::smtp
