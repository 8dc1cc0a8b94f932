// ClientSession: one ECStream connection from the client's side, sans-IO: says
// HELLO, logs in, opens the stream, sends what it holds as the window lets
// through, and tells what became of it.
//
//   ClientSession session(settings, stream, authenticator);
//   session.start(out);
//   session.feed(bytes, out);   // as bytes come
//   session.send(out);          // after stream.add(), and whenever out.reply has drained
//   session.more(piece, out);   // while it wants() the rest of a message
//
// After each call: send out.reply, look at out.events.
#pragma once

#include "base/result.h"
#include "ecstream/client_stream.h"
#include "ecstream/frame.h"
#include "ecstream/goaway.h"
#include "ecstream/hello.h"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::ecstream {

// How the client logs in. One exchange at a time.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Which of the mechanisms (in capitals, spaces between) to take; empty: none of them will do.
  virtual std::string choose(std::string_view mechanisms) = 0;
  // The answer to a challenge; nothing as `challenge`: the initial response, or nothing when there is none.
  virtual Result<std::optional<std::string>> step(std::optional<std::string_view> challenge) = 0;
  // The server says that it succeeded: whether it proved what it had to (SCRAM).
  virtual Result<> finish() { return {}; }
};

struct ClientSettings {
  std::string hostname;                    // HELLO's field 7
  std::string agent;                       // field 6
  bool checksums = false;                  // ask for CRC-32C
  size_t reply_limit = size_t{256} << 10;  // send() stops when so much is in out.reply
  // Payload of MESSAGE (but for its envelope) and CHUNK, octets, if the server takes more.
  uint32_t most_frame = uint32_t{256} << 10;
};

struct ClientEvent {
  enum class Kind : uint8_t {
    hello,          // limits() are known
    authenticated,  // AUTH succeeded
    opened,         // sequence: how far the server is. Everything up to it is acknowledged; forgotten
    acknowledged,   // all up to sequence that were not refused
    id,             // sequence, text: of a message that wanted it; before its acknowledgement
    refused,        // sequence, code, enhanced, recipient, text; before its acknowledgement
    flushed,        // everything before a FLUSH is done
    pong,           // text: the payload
    goaway,         // goaway, text, sequence; read on until the end
    failed,         // goaway (what the server did, or `internal`), text: of no use any more; close
  };
  Kind kind = Kind::failed;
  uint64_t sequence = 0;
  uint16_t code = 0;  // refused: NAK's; failed: of AUTH_REPLY when it was that, else 0
  std::string enhanced{};
  uint32_t recipient = 0;
  bool repeated = false;
  bool here = false;       // refused: by this side, as the server would take nothing so large; it has not been sent
  bool forgotten = false;  // the server does not remember the stream any more: what was on its way may be stored twice
  GoAway goaway = GoAway::done;
  std::string text{};
};

struct ClientOutput {
  std::string reply;                // append only; the owner clears it
  std::vector<ClientEvent> events;  // append only; the owner clears it
  bool close = false;               // nothing more will be sent, or is worth reading
};

class ClientSession {
 public:
  // `stream` outlives it, and has one session at a time. `authenticator` null: AUTH is never sent.
  ClientSession(ClientSettings settings, ClientStream& stream, Authenticator* authenticator);

  void start(ClientOutput& out);
  void feed(std::string_view bytes, ClientOutput& out);
  // Messages of the stream, as far as window and reply_limit let them through.
  void send(ClientOutput& out);
  // The message whose rest is waited for; nothing behind it goes before. 0: none.
  uint64_t wants() const;
  // The next piece of that, not empty; what is beyond its end is ignored.
  void more(std::string_view piece, ClientOutput& out);
  void flush(ClientOutput& out);  // behind everything that was added: sent when it has its turn
  void ping(std::string_view payload, ClientOutput& out);  // at most 64 octets; behind HELLO
  void finish(ClientOutput& out);                          // GOAWAY done
  // The connection is gone, without a word.
  void lost(ClientOutput& out);

  bool open() const { return at_ == At::open; }
  bool ended() const { return at_ == At::ended; }
  uint64_t limit() const { return limit_; }                       // the highest sequence that may be sent
  uint64_t sent() const { return sent_; }                         // the highest that was
  uint64_t begun() const { return within_ ? sent_ + 1 : sent_; }  // … of which anything was
  const Hello& server() const { return server_; }                 // its limits
  uint64_t written() const { return written_; }                   // octets, of all frames
  uint64_t pongs() const { return pongs_; }                       // … of these, of PONGs
  std::string_view state() const;                                 // "hello", "auth", "opening", "open", …

 private:
  enum class At : uint8_t { start, hello, auth, opening, open, leaving, ended };

  void on_frame(const Frame& frame, ClientOutput& out);
  void on_hello(const Frame& frame, ClientOutput& out);
  void on_ping(const Frame& frame, ClientOutput& out);
  void begin_auth(ClientOutput& out);
  void on_auth(const Frame& frame, ClientOutput& out);
  void open_stream(ClientOutput& out);
  void on_opened(const Frame& frame, ClientOutput& out);
  void on_ack(const Frame& frame, ClientOutput& out);
  void on_nak(const Frame& frame, ClientOutput& out);
  void on_window(const Frame& frame, ClientOutput& out);
  void on_goaway(const Frame& frame, ClientOutput& out);
  void raise_limit();
  bool send_next(ClientOutput& out);
  void has_gone(uint64_t sequence);
  bool send_chunk(ClientStream::Entry& entry, ClientOutput& out);
  void write_chunk(ClientStream::Entry& entry, std::string_view part, ClientOutput& out);
  size_t most_frame() const;
  void write_parts(const Frame& frame, std::initializer_list<std::string_view> parts, ClientOutput& out);
  void write(const Frame& frame, ClientOutput& out);
  // The server, or we, broke the rules: GOAWAY, and the end.
  void fail_with(GoAway code, std::string_view text, ClientOutput& out, uint16_t auth_code = 0);

  ClientSettings settings_;
  ClientStream& stream_;
  Authenticator* authenticator_;
  FrameReader reader_;
  Hello server_;
  At at_ = At::start;
  bool checksums_ = false;
  uint32_t window_ = 0;
  uint64_t limit_ = 0;
  uint64_t sent_ = 0;
  uint64_t flush_at_ = 0;  // FLUSH goes behind that sequence
  bool flush_waits_ = false;
  uint64_t body_sent_ = 0;  // of the message behind sent_, which goes in chunks
  bool within_ = false;     // … and has begun
  uint64_t written_ = 0;
  uint64_t pongs_ = 0;
};

}  // namespace impulse::ecstream
